"""What the local servers are asked, and what is made of their answers.

A server's words are hostile text: a model whose name settings would not take, or that looks like a
key, is left out; a figure of another kind, or out of all bounds, is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..providers import LOCAL_SERVERS
from ..redaction import find_secret
from ..values import checked_name
from .asking import Ask, Reply

__all__ = ["LocalModel", "Server", "first_asks", "further_asks", "models_of", "wants_key"]

MOST_MODELS = 100
LARGEST_WINDOW = 100_000_000
NO_CHAT = ("embed", "rerank", "bert")
"""Words in the names and families of models that answer nobody."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server on this machine: its kind (a key of LOCAL_SERVERS) and where it listens."""

    kind: str
    port: int
    host: str = "127.0.0.1"

    @property
    def base_url(self) -> str:
        """For a client."""
        return f"http://{self.host}:{self.port}/v1"

    @property
    def chosen(self) -> bool:
        """Whether it may answer unasked; the others' ports are too common for that."""
        return LOCAL_SERVERS[self.kind].chosen

    def ask(self, path: str, body: str = "") -> Ask:
        """A question to it."""
        return Ask(self.host, self.port, path, body)


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that a local server has.

    Attributes:
        id: what the server calls it.
        billions: of parameters; None where nobody says.
        window: in tokens; None where unknown.
        capabilities: as in settings.ModelSpec.
        loaded: whether it is in memory now, so that it answers at once.
    """

    id: str
    billions: float | None = None
    window: int | None = None
    capabilities: tuple[str, ...] = ("json_schema",)
    loaded: bool = False


def first_asks(server: Server) -> list[Ask]:
    """What a server of this kind is asked first."""
    paths = {
        "ollama": ("/api/tags", "/api/ps"),
        "lmstudio": ("/api/v1/models", "/api/v0/models"),
    }
    return [server.ask(path) for path in paths.get(server.kind, ("/v1/models", "/props"))]


def further_asks(server: Server, replies: Sequence[Reply]) -> list[Ask]:
    """What it is asked next: Ollama, about each of its models."""
    if server.kind != "ollama":
        return []
    names = [str(row.get("name")) for row in _ollama_rows(replies[0])]
    return [server.ask("/api/show", json.dumps({"model": name})) for name in names]


def models_of(
    server: Server, replies: Sequence[Reply], further: Sequence[Reply]
) -> list[LocalModel] | None:
    """The models that can chat, in the server's order; None where it is no such server."""
    read: dict[str, Callable[[], Iterator[LocalModel] | None]] = {
        "ollama": lambda: _of_ollama(replies, further),
        "lmstudio": lambda: _of_lmstudio(*replies),
    }
    found = read.get(server.kind, lambda: _of_openai(server.kind, *replies))()
    if found is None:
        return None
    kept: dict[str, LocalModel] = {}
    for model in found:
        if len(kept) < MOST_MODELS and model.id and _is_name(f"{server.kind}/{model.id}"):
            kept.setdefault(model.id, model)
    return list(kept.values())


def _is_name(name: str) -> bool:
    try:
        checked_name(name)
    except ValueError:
        return False
    return find_secret(name, {}) is None


# -- Ollama: /api/tags, /api/ps, /api/show


def _ollama_rows(tags: Reply) -> list[Mapping[str, Any]]:
    """Its models on this machine: those that it fetches from elsewhere are not local, nor free."""
    rows = _rows(tags, "models") or []
    here = [row for row in rows if isinstance(row.get("name"), str) and not row.get("remote_host")]
    return [row for row in here if not _fits(str(row["name"]), r"[-:]cloud$")][:MOST_MODELS]


def _of_ollama(replies: Sequence[Reply], further: Sequence[Reply]) -> Iterator[LocalModel] | None:
    tags, running = replies
    if _rows(tags, "models") is None:
        return None
    loaded = _rows(running, "models") or []
    windows = {str(row.get("name")): row.get("context_length") for row in loaded}

    def read() -> Iterator[LocalModel]:
        for row, shown in zip(_ollama_rows(tags), further, strict=False):
            details = _table(shown.data) if shown.status == 200 else {}
            abilities = _words(details.get("capabilities"))
            facts = _table(row.get("details"))
            name = str(row["name"])
            if abilities and "completion" not in abilities:
                continue
            if _fits(f"{name} {facts.get('family')}", "|".join(NO_CHAT)):
                continue
            yield LocalModel(
                id=name.removesuffix(":latest"),
                billions=_billions(facts.get("parameter_size")) or _billions(name),
                window=_window(windows.get(name)) or _own_window(details),
                capabilities=_capabilities(abilities),
                loaded=name in windows,
            )

    return read()


def _own_window(details: Mapping[str, Any]) -> int | None:
    """The window that the user gave the model (num_ctx), else the one it was trained with."""
    told = re.search(r"^num_ctx\s+(\d{1,9})\s*$", str(details.get("parameters")), re.MULTILINE)
    facts = _table(details.get("model_info"))
    trained = (value for key, value in facts.items() if str(key).endswith(".context_length"))
    return _window(int(told[1])) if told else _window(next(trained, None))


# -- LM Studio: /api/v1/models, before 0.4 /api/v0/models


def _of_lmstudio(new: Reply, old: Reply) -> Iterator[LocalModel] | None:
    rows = _rows(new, "models")
    if rows is not None and all("key" in row for row in rows):
        return (_new_lmstudio(row) for row in rows if row.get("type") == "llm")
    rows = _rows(old, "data")
    if rows is None or not all("type" in row for row in rows):
        return None
    return (_old_lmstudio(row) for row in rows if row.get("type") in ("llm", "vlm"))


def _new_lmstudio(row: Mapping[str, Any]) -> LocalModel:
    able = _table(row.get("capabilities"))
    running = row.get("loaded_instances")
    first = _table(running[0]) if isinstance(running, list) and running else {}
    name = str(row.get("key"))
    words = {
        "vision": able.get("vision") is True,
        "tools": able.get("trained_for_tool_use") is True,
        "thinking": bool(able.get("reasoning")),
    }
    return LocalModel(
        id=name,
        billions=_billions(row.get("params_string")) or _billions(name),
        window=_window(_table(first.get("config")).get("context_length"))
        or _window(row.get("max_context_length")),
        capabilities=_capabilities([word for word, yes in words.items() if yes]),
        loaded=bool(first),
    )


def _old_lmstudio(row: Mapping[str, Any]) -> LocalModel:
    name, words = str(row.get("id")), _words(row.get("capabilities"))
    words += ["vision"] if row.get("type") == "vlm" else []
    words += ["tools"] if "tool_use" in words else []
    return LocalModel(
        id=name,
        billions=_billions(name),
        window=_window(row.get("loaded_context_length")) or _window(row.get("max_context_length")),
        capabilities=_capabilities(words),
        loaded=row.get("state") == "loaded",
    )


# -- llama.cpp and vLLM: /v1/models, and llama.cpp's /props


def _of_openai(kind: str, listed: Reply, props: Reply) -> Iterator[LocalModel] | None:
    rows = _rows(listed, "data")
    if not rows or any(row.get("owned_by") != kind for row in rows):
        return None
    facts = _table(props.data) if props.status == 200 else {}
    slot = _table(facts.get("default_generation_settings"))
    vision = _table(facts.get("modalities")).get("vision") is True
    return (
        LocalModel(
            id=str(row.get("id")),
            billions=_billions(row.get("id")),
            window=_window(slot.get("n_ctx"))
            or _window(_table(row.get("meta")).get("n_ctx"))
            or _window(row.get("max_model_len")),
            capabilities=_capabilities(["vision"] if vision else []),
            loaded=True,
        )
        for row in rows
    )


def wants_key(server: Server, replies: Sequence[Reply]) -> bool:
    """Whether it is a server of this kind, as far as can be told, that tells nothing for free."""
    if not all(reply.status == 401 for reply in replies):
        return False
    refusal = _table(_table(replies[0].data).get("error"))
    llamas = refusal.get("message") == "Invalid API Key"
    return server.kind == "lmstudio" or (server.kind == "llamacpp" and llamas)


# -- one value of an answer


def _rows(reply: Reply, key: str) -> list[Mapping[str, Any]] | None:
    """The list of tables under a key of an answer; None where the answer is of another shape."""
    rows = _table(reply.data).get(key) if reply.status == 200 else None
    if not isinstance(rows, list):
        return None
    return [row for row in rows if isinstance(row, Mapping)]


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _words(value: Any) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _fits(text: str, pattern: str) -> bool:
    return re.search(pattern, text[:400], re.IGNORECASE) is not None


def _capabilities(words: Sequence[str]) -> tuple[str, ...]:
    """Ours for a server's words. All four hold an answer to a JSON schema, whatever the model."""
    ours = {"vision": "images", "tools": "tools", "thinking": "thinking"}
    return ("json_schema", *(name for word, name in ours.items() if word in words))


def _window(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 < value <= LARGEST_WINDOW else None


def _billions(text: Any) -> float | None:
    """Billions of parameters by words such as "8.0B", "494.03M", "8x7b" or "qwen3:30b-a3b"."""
    found = re.search(
        r"(?:(\d{1,3})x)?(?<![\d.])(\d{1,4}(?:\.\d{1,3})?)\s?([bm])(?![a-z0-9])",
        str(text)[:200],
        re.IGNORECASE,
    )
    if not found:
        return None
    size = float(found[2]) * int(found[1] or 1)
    return size / 1000 if found[3].lower() == "m" else size
