"""Public questions with what models of two prices scored on them, and splits that do not leak.

One question stands in several of the files: LLMRouter and MMLU-Pro repeat MMLU and GSM8K. So two
things are kept apart in every split: the same question (`key`), and where that is asked for the
same subject or task (`group`), or whatever comes from the same collection (`source`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BENCHMARKS",
    "PHI",
    "PRO_STRONG",
    "Question",
    "folds",
    "learnable",
    "load",
    "other_sources",
    "question_key",
]

DATA = Path(__file__).parents[1] / "data" / "routing"
BENCHMARKS = ("MMLU", "GSM8K", "MMLU-Pro", "LLMRouter")

PRO_PAIR = ("Mixtral-8x7B-Instruct-v0.1", "gemini-1.5-pro-002")
PRO_CHEAP = (
    "Mixtral-8x7B-Instruct-v0.1",
    "Meta-Llama-3_1-8B-Instruct",
    "Phi-3-mini-4k-instruct",
    "Mistral-7B-Instruct-v0.2",
    "Yi-6b-Chat",
    "Qwen1.5-7B-Chat",
    "mathstral-7B",
    "gemma-7b",
)
PHI = "Phi-3-mini-4k-instruct"
PRO_STRONG = (
    "gemini-1.5-pro-002",
    "gemini-1.5-flash-002",
    "Meta-Llama-3_1-70B-Instruct",
    "jamba-1.5-large",
    "Qwen1.5-110B",
    "Qwen1.5-72B-Chat",
)
ROUTER_CHEAP = (
    "qwen2.5-7b-instruct",
    "mistral-7b-instruct-v0.3",
    "gemma-2-9b-it",
    "llama-3.1-8b-instruct",
)
ROUTER_STRONG = ("llama-3.1-nemotron-51b-instruct", "llama-3.3-nemotron-super-49b-v1")


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt, and what came of it.

    Attributes:
        benchmark: one of BENCHMARKS, the file it is from.
        task: the subject or task that the file names.
        source: the collection the question was written for: "mmlu", "gsm8k", …
        group: subject or task, under one name in all files.
        weak: score of the cheap model of the benchmark's pair, 0 to 1.
        strong: score of the strong model of the pair, 0 to 1.
        fails: how much the cheap models miss, on average over several where there are, 0 to 1.
        mends: how much more the strong models get, 0 where it is not more.
        weak_answer: what the cheap model of the pair wrote, or None.
        others: score of each other cheap model, where the file has it.
        choices: the letter that other cheap models chose, where the file has it.
        dear: score of each strong model, where the file has several.
    """

    prompt: str
    benchmark: str
    task: str
    source: str
    group: str
    weak: float
    strong: float
    fails: float
    mends: float
    weak_answer: str | None = None
    others: Mapping[str, float] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    dear: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for the same question in another file or with other choices."""
        return question_key(self.prompt)


@cache
def question_key(prompt: str) -> str:
    """The first 200 letters and digits of what stands before the choices, in lower case."""
    stem = re.split(r"(?:^|\s)A[.)]\s", prompt, maxsplit=1)[0]
    return "".join(c for c in stem.lower() if c.isalnum())[:200]


def load(folder: Path = DATA) -> list[Question]:
    """All questions of the public files, without those marked as contaminated."""
    return [
        *_pair_rows(folder / "mmlu_mixtral_gpt4.jsonl.gz", "MMLU", "mmlu"),
        *_pair_rows(folder / "gsm8k_mixtral_gpt4.jsonl.gz", "GSM8K", "gsm8k"),
        *_pro_rows(folder / "mmlu_pro_29models.jsonl.gz"),
        *_router_rows(folder / "ulab_llmrouter_9models.jsonl.gz"),
    ]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _pair_rows(path: Path, benchmark: str, source: str) -> Iterator[Question]:
    for row in _lines(path):
        if row["contaminated"]:
            continue
        weak, strong = row["weak_score"], row["strong_score"]
        yield Question(
            prompt=row["prompt"],
            benchmark=benchmark,
            task=row["group"],
            source=source,
            group=row["group"],
            weak=weak,
            strong=strong,
            fails=1 - weak,
            mends=max(0.0, strong - weak),
            weak_answer=row.get("weak_response"),
        )


def _pro_rows(path: Path) -> Iterator[Question]:
    for row in _lines(path):
        right = row["correct"]
        weak, strong = (right[name] for name in PRO_PAIR)
        if weak is None or strong is None:
            continue
        cheap, dear = _mean(right, PRO_CHEAP), _mean(right, PRO_STRONG)
        of_mmlu = row["src"].startswith("ori_mmlu-")
        yield Question(
            prompt=row["prompt"],
            benchmark="MMLU-Pro",
            task=row["category"],
            source="mmlu" if of_mmlu else row["src"].split("-")[0],
            group=row["src"].removeprefix("ori_mmlu-"),
            weak=weak,
            strong=strong,
            fails=1 - cheap,
            mends=max(0.0, dear - cheap),
            weak_answer=row["weak_response_mixtral"],
            others={n: right[n] for n in PRO_CHEAP[1:] if right[n] is not None},
            choices={PHI: row["pred_phi3"]} if row["pred_phi3"] else {},
            dear={n: right[n] for n in PRO_STRONG if right[n] is not None},
        )


def _router_rows(path: Path) -> Iterator[Question]:
    for row in _lines(path):
        task = row["task"].removeprefix("agentverse-")
        origin = "gsm8k" if task == "mgsm" else task
        cheap, dear = _mean(row["score"], ROUTER_CHEAP), _mean(row["score"], ROUTER_STRONG)
        yield Question(
            prompt=row["prompt"],
            benchmark="LLMRouter",
            task=task,
            source=origin,
            group=origin,
            weak=cheap,
            strong=dear,
            fails=1 - cheap,
            mends=max(0.0, dear - cheap),
        )


def _mean(scores: Mapping[str, float | None], names: Iterable[str]) -> float:
    return fmean(score for name in names if (score := scores[name]) is not None)


def folds(labels: Sequence[str], count: int = 5, seed: int = 0) -> NDArray[np.int64]:
    """A fold for each label, the same for equal labels, on every machine and in every order."""
    return np.array(
        [
            int.from_bytes(hashlib.sha256(f"{seed} {label}".encode()).digest()[:8], "big") % count
            for label in labels
        ],
        dtype=np.int64,
    )


def learnable(train: Iterable[Question], test: Iterable[Question]) -> list[Question]:
    """The questions of `train` that may be learned from: none of them is asked in `test`."""
    asked = {question.key for question in test}
    return [question for question in train if question.key not in asked]


def other_sources(questions: Iterable[Question], test: Sequence[Question]) -> list[Question]:
    """What is left without the benchmark of `test`, its questions and its collections."""
    benchmarks = {question.benchmark for question in test}
    sources = {question.source for question in test}
    others = (q for q in questions if q.benchmark not in benchmarks and q.source not in sources)
    return learnable(others, test)
