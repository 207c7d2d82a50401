"""Request bodies: what the user asked for, in the words that an endpoint takes. No network, no SDK.

Servers differ in the parameters they take; what one of them has refused is kept in its `Quirks`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from ..errors import OptionError, PromptError
from ..records import Request
from ..schemas import is_strict

__all__ = ["Body", "Lessons", "Quirks", "adapt", "make_body"]

CAP_WORDS = ("max_tokens", "max_completion_tokens")
OPTIONAL = ("temperature", "top_p")
"""Parameters that may be left out, with a note to the reader, where a model does not take them."""
FALLBACK_PROMPT = """

Answer with one JSON value only, no prose and no code fence, that fits this JSON schema:
"""

_REFUSED = re.compile(
    r"unsupported|not support|n't support|unrecogni[sz]ed|unknown|unexpected|deprecated|forbidden"
    r"|not (permitted|allowed|accept|available)|extra (inputs|fields)|instead"
    r"|invalid (parameter|argument|field)|only the default|only \S+ is allowed",
    re.IGNORECASE,
)
_FORMAT_WORDS = re.compile(
    "response_format|json_schema|json_object|schema|structured", re.IGNORECASE
)
_BAD_SCHEMA = re.compile(r"invalid.{0,20}schema|\bstrict\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quirks:
    """What one model at one endpoint has shown it does not take.

    Attributes:
        cap: the word it knows for the most tokens of an answer.
        swapped: whether the other word was refused already.
        usage_option: whether `stream_options` may be sent.
        dropped: parameters that are left out.
        schema: how a JSON schema is asked for: strictly, loosely, in the prompt with JSON mode, or
            in the prompt alone.
    """

    cap: str = "max_tokens"
    swapped: bool = False
    usage_option: bool = True
    dropped: frozenset[str] = frozenset()
    schema: Literal["strict", "loose", "object", "plain"] = "strict"

    @classmethod
    def of(cls, base_url: str) -> Quirks:
        """What is known of an endpoint before it was asked."""
        openai_itself = urlsplit(base_url).hostname == "api.openai.com"
        return cls(cap=CAP_WORDS[1] if openai_itself else CAP_WORDS[0])


class Lessons:
    """What the endpoints have shown they do not take, model by model.

    Only `stream_options` is an affair of the server and not of the model: who refuses it for one of
    its models is not sent it for the others. Safe to use from many threads.
    """

    def __init__(self) -> None:
        self._quirks: dict[tuple[str, str], Quirks] = {}
        self._silent_on_usage: set[str] = set()

    def of(self, base_url: str, model: str) -> Quirks:
        """What is known so far of a model at an endpoint."""
        quirks = self._quirks.get((base_url, model)) or Quirks.of(base_url)
        return replace(quirks, usage_option=False) if base_url in self._silent_on_usage else quirks

    def learn(self, base_url: str, model: str, quirks: Quirks) -> None:
        """Remember what a refusal has taught, see `adapt`."""
        self._quirks[base_url, model] = quirks
        if not quirks.usage_option:
            self._silent_on_usage.add(base_url)


@dataclass(frozen=True, slots=True)
class Body:
    """One request as JSON, and what its reader should know about how it was changed."""

    data: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def make_body(request: Request, model: str, quirks: Quirks, *, stream: bool) -> Body:
    """The request in the words this endpoint takes; nothing is sent that the user did not set.

    Raises:
        OptionError: a parameter is no JSON.
        PromptError: a message holds a character that cannot be sent.
    """
    data = dict(request.params)
    notes = []
    for name in sorted(quirks.dropped & data.keys()):
        notes.append(f"{name} was dropped: {model} does not take {data.pop(name)}")
    if "max_tokens" in data:
        data[quirks.cap] = data.pop("max_tokens")
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    if "response_format" not in data:
        notes += _add_format(request, quirks, data, messages)
    data |= {"model": model, "messages": messages}
    data.pop("stream", None)
    if stream:
        data["stream"] = True
    if stream and quirks.usage_option:
        data.setdefault("stream_options", {"include_usage": True})
    _check(data)
    return Body(data, tuple(notes))


def _add_format(
    request: Request, quirks: Quirks, data: dict[str, Any], messages: list[dict[str, str]]
) -> list[str]:
    """Ask for JSON in the best way the endpoint knows; what to tell the reader about it."""
    form, schema = quirks.schema, request.schema
    if schema is None:
        if request.format == "json" and form != "plain":
            data["response_format"] = {"type": "json_object"}
        return []
    if form in ("strict", "loose"):
        strict = form == "strict" and is_strict(schema)
        wanted = {"name": "answer", "strict": strict, "schema": schema}
        data["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return []
    if form == "object":
        data["response_format"] = {"type": "json_object"}
    last = messages[-1]
    last["content"] += FALLBACK_PROMPT + json.dumps(schema, ensure_ascii=False)
    return ["the endpoint takes no JSON schema: it was put into the prompt"]


def _check(data: Mapping[str, Any]) -> None:
    """Refuse here what would fail in the middle of sending."""
    try:
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise PromptError(
            f"the character U+{code:04X} cannot be sent: remove it from the prompt"
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"a parameter cannot be sent as JSON: {error}"[:200]) from None


def adapt(quirks: Quirks, data: Mapping[str, Any], said: str) -> tuple[Quirks, str] | None:
    """What to learn from a refusal, and the note for it; None when the request itself is wrong.

    Args:
        quirks: what was known when it was sent.
        data: the body that was refused.
        said: all that the server said about it.
    """
    if "stream_options" in data and ("stream_options" in said or "include_usage" in said):
        return replace(quirks, usage_option=False), "stream_options was dropped"
    other = CAP_WORDS[CAP_WORDS[0] == quirks.cap]
    refused = _REFUSED.search(said) is not None
    if (
        quirks.cap in data
        and not quirks.swapped
        and re.search(rf"\b{quirks.cap}\b", said)
        and (refused or re.search(rf"\b{other}\b", said))
    ):
        return replace(quirks, cap=other, swapped=True), f"{other} instead of {quirks.cap}"
    for name in OPTIONAL:
        if refused and name in data and re.search(rf"\b{name}\b", said):
            return replace(quirks, dropped=quirks.dropped | {name}), f"{name} was dropped"
    return _adapt_format(quirks, data, said)


def _adapt_format(quirks: Quirks, data: Mapping[str, Any], said: str) -> tuple[Quirks, str] | None:
    sent = data.get("response_format")
    kind = sent.get("type") if isinstance(sent, Mapping) else None
    if not _FORMAT_WORDS.search(said) or kind not in ("json_schema", "json_object"):
        return None
    if kind == "json_object":
        return replace(quirks, schema="plain"), "response_format was dropped"
    if quirks.schema == "strict" and _BAD_SCHEMA.search(said):
        return replace(quirks, schema="loose"), "the schema was sent without strict"
    return replace(quirks, schema="object"), "json_object instead of json_schema"
