"""A tiny llama model with random weights as a GGUF file: under 1 MB, made in a few seconds.

What it says is noise, but all around it is real once llama.cpp serves it: tokens, usage, streaming,
the context window, JSON by grammar. Its tokenizer learns from the standard library's own sources.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

CONTEXT = 2048
WIDTH, HIDDEN, LAYERS, HEADS, WORDS = 64, 128, 2, 4, 1024
MARKS = ["<|end|>", "<|begin|>", "<|stop|>"]
TEMPLATE = (
    "{% for m in messages %}<|begin|>{{ m.role }}\n{{ m.content }}<|stop|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|begin|>assistant\n{% endif %}"
)
SOURCES = "abc argparse ast base64 bisect calendar cmd codecs copy csv dis enum gzip heapq inspect"


def make_tiny_gguf(path: Path, seed: int = 0) -> Path:
    """Write the model; the same Python, packages and seed give the same file."""
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    _add_shape(writer)
    _add_words(writer, gguf.TokenType)
    _add_weights(writer, seed)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_shape(writer: Any) -> None:
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(0)  # float32


def _add_words(writer: Any, kinds: Any) -> None:
    """A byte-level BPE vocabulary, with its merges and the chat template."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS, special_tokens=MARKS, initial_alphabet=alphabet, show_progress=False
    )
    library = Path(os.__file__).parent
    tokenizer.train([str(library / f"{name}.py") for name in SOURCES.split()], trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    words = sorted(trained["vocab"], key=trained["vocab"].__getitem__)
    assert len(words) == WORDS
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(words)
    writer.add_token_types([kinds.CONTROL if w in MARKS else kinds.NORMAL for w in words])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in trained["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_vocab_size(WORDS)
    writer.add_chat_template(TEMPLATE)


def _add_weights(writer: Any, seed: int) -> None:
    import numpy as np

    random = np.random.default_rng(seed)
    shapes = {"token_embd": (WORDS, WIDTH), "output": (WORDS, WIDTH)}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
        shapes |= {f"blk.{layer}.ffn_{part}": (HIDDEN, WIDTH) for part in ("gate", "up")}
        shapes[f"blk.{layer}.ffn_down"] = (WIDTH, HIDDEN)
    for name, shape in shapes.items():
        noise = random.standard_normal(shape) * 0.05
        writer.add_tensor(f"{name}.weight", noise.astype(np.float32))
    norms = [f"blk.{n}.{part}_norm" for n in range(LAYERS) for part in ("attn", "ffn")]
    for name in ("output_norm", *norms):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
