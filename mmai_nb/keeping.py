"""Which answers are kept, under which key, and which of them answers a request: the policy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from .caching import AnswerCache, cache_key
from .errors import CacheWarning, SchemaMismatchError
from .markup import extract_code
from .records import Completion, Request
from .schemas import as_instance, parse_answer
from .settings import ModelSpec

__all__ = [
    "Kept",
    "Parse",
    "entry_of",
    "find_kept",
    "has_kept",
    "key_of",
    "may_be_kept",
    "parser_of",
    "question_of",
    "read_entry",
]

Parse = Callable[[Completion], Any]
"""Makes a value of an answer; SchemaMismatchError where that cannot be."""

Kept = tuple[Completion, str]
"""A kept answer and its key."""


def question_of(request: Request) -> str:
    """The request without its model, as a hash: messages, parameters and schema; nothing else.

    Raises:
        OptionError: a parameter is no JSON.
    """
    return cache_key(
        {
            "messages": [[m.role, m.content] for m in request.messages],
            "params": dict(request.params),
            "schema": request.schema,
            "json": request.format == "json",
        }
    )


def key_of(question: str, endpoint: str, model: str) -> str:
    """The key of the answer that the model at this endpoint gives to the question.

    A hash over a hash, so that whoever has question and answer, but not the prompt, can tell
    whether the key is theirs.
    """
    return cache_key({"endpoint": endpoint.rstrip("/"), "model": model, "question": question})


def entry_of(completion: Completion, question: str) -> dict[str, Any]:
    """What the cache keeps: the answer, and what it takes to find and to check it again."""
    key = key_of(question, completion.endpoint, completion.request_model)
    return {**completion.as_json(), "question": question, "key": key}


def read_entry(value: Mapping[str, Any] | None) -> Completion | None:
    """The completion of a cache entry; None for a miss or an entry of another shape."""
    if value is None:
        return None
    try:
        completion = Completion.from_json(value)
        if not completion.text:
            raise ValueError("no text")
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        warnings.warn(
            "cache entry damaged (it holds no answer): it is paid for anew",
            CacheWarning,
            stacklevel=2,
        )
        return None
    if value.get("imported") is True:
        completion = replace(completion, notes=(*completion.notes, "imported"))
    return completion


def find_kept(
    cache: AnswerCache, question: str, specs: Iterable[ModelSpec], parse: Parse | None
) -> Kept | None:
    """The kept answer of the first of the models that has one, under our names of today."""
    for spec in specs:
        key = key_of(question, spec.base_url, spec.model)
        completion = read_entry(cache.look(key))
        if completion is not None and may_be_kept(completion, parse):
            return named_after(completion, spec), key
    return None


def has_kept(cache: AnswerCache, question: str, spec: ModelSpec, parse: Parse | None) -> bool:
    """Whether an answer of the model is kept."""
    return find_kept(cache, question, [spec], parse) is not None


def named_after(completion: Completion, spec: ModelSpec) -> Completion:
    """The completion under the reader's own names."""
    return replace(
        completion,
        model=spec.name,
        provider=spec.provider,
        endpoint=spec.base_url,
        request_model=spec.model,
        simulated=spec.simulated,
    )


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
    if not request.wants_json:
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
