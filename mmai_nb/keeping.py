"""Which answers are kept, and under which key: the policy over the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .caching import cache_key
from .errors import SchemaMismatchError
from .records import Completion, Request
from .schemas import parse_answer
from .settings import ModelSpec

__all__ = ["key_of", "may_be_kept", "read_entry"]


def key_of(request: Request, spec: ModelSpec) -> str:
    """What the answer depends on: endpoint, model, messages, parameters and schema; nothing else.

    Raises:
        OptionError: a parameter is no JSON.
    """
    return cache_key(
        {
            "endpoint": spec.base_url.rstrip("/"),
            "model": spec.model,
            "messages": [[m.role, m.content] for m in request.messages],
            "params": dict(request.params),
            "schema": request.schema,
            "json": request.format == "json",
        }
    )


def read_entry(value: Mapping[str, Any] | None) -> Completion | None:
    """The completion of a cache entry; None for a miss or an entry of another shape."""
    if value is None:
        return None
    try:
        return Completion.from_json(value)
    except (KeyError, TypeError, ValueError):
        return None


def may_be_kept(completion: Completion, request: Request) -> bool:
    """Whole answers only: not cut by length, not filtered, and fitting the schema."""
    if completion.finish_reason in ("length", "content_filter"):
        return False
    if request.schema is None and request.format != "json":
        return True
    try:
        parse_answer(completion.text, request.schema)
    except SchemaMismatchError:
        return False
    return True
