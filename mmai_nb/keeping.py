"""Which answers are kept, and under which key: the policy over the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .caching import cache_key
from .errors import SchemaMismatchError
from .markup import extract_code
from .records import Completion, Request
from .schemas import as_instance, parse_answer
from .settings import ModelSpec

__all__ = ["Parse", "key_of", "may_be_kept", "parser_of", "read_entry"]

Parse = Callable[[Completion], Any]
"""Makes a value of an answer; SchemaMismatchError where that cannot be."""


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
        completion = Completion.from_json(value)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return completion if completion.text else None


def may_be_kept(completion: Completion, parse: Parse | None) -> bool:
    """Whole answers only: with text, not cut by length, not filtered, and fitting the schema."""
    if not completion.text or completion.finish_reason in ("length", "content_filter"):
        return False
    try:
        _ = None if parse is None else parse(completion)
    except SchemaMismatchError:
        return False
    return True


def parser_of(request: Request, schema: Any = None) -> Parse | None:
    """What makes `answer.parsed`: the value by the schema, the code; None where there is nothing.

    Args:
        request: what was asked.
        schema: the pydantic model that the request's schema came from, if it came from one.
    """
    if request.format == "code":
        return lambda completion: extract_code(completion.text)
    if request.schema is None and request.format != "json":
        return None

    def parse(completion: Completion) -> Any:
        if completion.finish_reason == "length":
            raise SchemaMismatchError(
                "the answer was cut before its end: raise max_tokens; its text is in error.raw",
                raw=completion.text,
            )
        value = parse_answer(completion.text, request.schema)
        return as_instance(schema, value, completion.text) if isinstance(schema, type) else value

    return parse
