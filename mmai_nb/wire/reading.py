"""Answers from the wire: bytes to JSON objects to text, thoughts and usage. No network, no SDK.

Read leniently where that is safe: JSON or server-sent events, whatever the Content-Type says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from ..records import Message, Usage
from ..tokens import estimate_messages, estimate_tokens

__all__ = ["Draft", "Garbled", "Reader", "error_in", "ids_in"]

MOST_TOKENS = 10**9
"""A count above this in a usage report is a server's mistake and is ignored."""
MOST_COST_USD = Decimal(10**6)
"""So is a reported cost above this for one request."""

_FIELD = re.compile(rb"(data|event|id|retry)?:")
_BOM = b"\xef\xbb\xbf"


class Garbled(Exception):
    """What came is no answer of this protocol; the message says what it is."""


@dataclass
class Reader:
    """Bytes of an answer, in pieces of any size, to its JSON objects.

    Server-sent events as the HTML standard has them (LF, CR, CRLF, comments, no space after colons,
    data over several lines), and plain JSON where a server ignored `stream`.
    """

    content_type: str = ""
    done: bool = False
    """Whether [DONE] came."""
    events: bool = False
    """Whether it is a stream of events."""
    _kind: Literal["", "json", "events"] = ""
    _pending: list[bytes] = field(default_factory=list)
    _after_cr: bool = False
    _name: str = ""
    _data: list[bytes] = field(default_factory=list)
    _fields: bool = False

    def feed(self, data: bytes) -> Iterator[Mapping[str, Any]]:
        """The objects that are complete now.

        Raises:
            Garbled: this is neither JSON nor a stream of JSON.
        """
        if self._kind == "":
            data = b"".join([*self._pending, data]).removeprefix(_BOM).lstrip()
            self._pending = [data]
            if len(data) < len(b"event:") and b"\n" not in data:
                return
            self._recognise(data)
            self._pending = []
        if self._kind == "json":
            self._pending.append(data)
        else:
            yield from self._read_lines(data)

    def finish(self) -> Iterator[Mapping[str, Any]]:
        """The objects that the end of the answer completes.

        Raises:
            Garbled: there was something, but no answer of this protocol.
        """
        if self._kind == "":
            data = b"".join(self._pending).removeprefix(_BOM).strip()
            if not data:
                return
            self._recognise(data)
            self._pending = [] if self.events else [data]
            if self.events:
                yield from self._read_lines(data)
        if self._kind == "json":
            yield parse(b"".join(self._pending))
            return
        yield from self._read_lines(b"\n\n")
        if not self._fields:
            raise Garbled("plain text instead of an answer")

    def _recognise(self, data: bytes) -> None:
        if data.startswith(b"<"):
            raise Garbled("an HTML page instead of an answer (a login page?)")
        plain = data[:1] in (b"{", b"[", b'"')
        self.events = not plain and (
            _FIELD.match(data) is not None or "event-stream" in self.content_type
        )
        self._kind = "events" if self.events else "json"

    def _read_lines(self, data: bytes) -> Iterator[Mapping[str, Any]]:
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        for line in data.splitlines(keepends=True):
            self._pending.append(line.rstrip(b"\r\n"))
            if line.endswith((b"\r", b"\n")):
                whole = b"".join(self._pending)
                self._pending = []
                yield from self._read_line(whole)

    def _read_line(self, line: bytes) -> Iterator[Mapping[str, Any]]:
        if not line:
            yield from self._dispatch()
            return
        name, colon, value = line.partition(b":")
        self._fields |= bool(colon)
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.strip().decode("ascii", "replace")

    def _dispatch(self) -> Iterator[Mapping[str, Any]]:
        data, name = b"\n".join(self._data).strip(), self._name
        self._data, self._name = [], ""
        if not data or self.done:
            return
        if data == b"[DONE]":
            self.done = True
        elif name == "error":
            yield {"error": _loose(data)}
        else:
            yield parse(data)


def parse(data: bytes) -> Mapping[str, Any]:
    """One JSON object; a list that holds an error is taken for the error.

    Raises:
        Garbled: it is nothing of the kind.
    """
    found = _load(data)
    if isinstance(found, list) and found and isinstance(found[0], Mapping) and "error" in found[0]:
        found = found[0]
    if not isinstance(found, Mapping):
        raise Garbled("JSON that is no object")
    return found


def _load(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Garbled("bytes that are no UTF-8") from None
    except (ValueError, RecursionError):
        raise Garbled("text that is no JSON") from None


def ids_in(data: bytes) -> list[str]:
    """The ids in a list of models, with or without an object around it.

    Raises:
        Garbled: it is no JSON.
    """
    found = _load(data)
    if isinstance(found, Mapping):
        found = found.get("data") or found.get("models")
    entries = [e for e in found if isinstance(e, Mapping)] if isinstance(found, list) else []
    ids = (entry.get("id") or entry.get("name") for entry in entries)
    return [name for name in ids if isinstance(name, str)]


def error_in(found: Mapping[str, Any]) -> Any:
    """The error that an object reports, of the answer or of its first choice; None for none."""
    return found.get("error") or _first_choice(found.get("choices")).get("error") or None


def _loose(data: bytes) -> Any:
    """The error inside an error event, whatever its shape."""
    try:
        found = parse(data)
    except Garbled:
        return data.decode("utf-8", "replace").strip('"')
    return found.get("error") or found


@dataclass
class Draft:
    """An answer while it comes: text, thoughts, why it ended, what it used."""

    finish_reason: str | None = None
    response_model: str = ""
    objects: int = 0
    """How many JSON objects came."""
    tool_calls: bool = False
    _text: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)
    _half: str = ""
    _usage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The answer's text so far."""
        return "".join(self._text)

    @property
    def thoughts(self) -> str:
        """What a thinking model showed of its thoughts so far."""
        return "".join(self._thoughts)

    @property
    def begun(self) -> bool:
        """Whether a first token came, of the answer or of the thoughts."""
        return bool(self._text or self._thoughts)

    @property
    def billed(self) -> bool:
        """Whether the server said what was used."""
        return bool(self._usage)

    def add(self, found: Mapping[str, Any]) -> str:
        """Take one object in; the new text, "" for none."""
        self.objects += 1
        if isinstance(model := found.get("model"), str):
            self.response_model = model[:200]
        if isinstance(usage := found.get("usage"), Mapping):
            self._usage = usage
        choice = _first_choice(found.get("choices"))
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self.finish_reason = self.finish_reason or reason[:40]
        part = choice.get("delta") or choice.get("message")
        if not isinstance(part, Mapping):
            return ""
        self.tool_calls |= bool(part.get("tool_calls"))
        text, thoughts = _texts(part.get("content"))
        thoughts += _texts(part.get("reasoning_content") or part.get("reasoning"))[0]
        text = self._mend(text or _texts(part.get("refusal"))[0])
        if thoughts:
            self._thoughts.append(_mended(thoughts))
        if text:
            self._text.append(text)
        return text

    def usage(self, messages: Sequence[Message]) -> Usage:
        """What was used: as the last report says, and estimated where it does not say."""
        raw = self._usage
        used = _count(raw, "prompt_tokens", "input_tokens")
        made = _count(raw, "completion_tokens", "output_tokens")
        if used == made == 0:
            used = made = None
        estimated = used is None or made is None
        if used is None:
            used = estimate_messages(messages)
        if made is None:
            made = estimate_tokens(self.text) + estimate_tokens(self.thoughts)
        inside = _mapping(raw, "prompt_tokens_details", "input_tokens_details")
        outside = _mapping(raw, "completion_tokens_details", "output_tokens_details")
        read = _count(inside, "cached_tokens") or _count(raw, "cache_read_input_tokens")
        written = _count(inside, "cache_write_tokens") or _count(raw, "cache_creation_input_tokens")
        read = read if read and read <= used else 0
        thought = _count(outside, "reasoning_tokens") or 0
        return Usage(
            input_tokens=used,
            output_tokens=made,
            cache_read_tokens=read,
            cache_write_tokens=written if written and written <= used - read else 0,
            reasoning_tokens=thought if thought <= made else 0,
            estimated=estimated,
            reported_cost_usd=_cost(raw.get("cost")),
        )

    def _mend(self, text: str) -> str:
        """Join the two halves (surrogates) of a character that a server sent in two pieces."""
        if not text:
            return ""
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return _mended(text)


def _mended(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _first_choice(choices: Any) -> Mapping[str, Any]:
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and choice.get("index", 0) in (0, None):
            return choice
    return {}


def _texts(content: Any) -> tuple[str, str]:
    """Text and thoughts in a content: a string, or a list of parts."""
    if isinstance(content, str):
        return content, ""
    text, thoughts = "", ""
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            text += part
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            text += part["text"]
        elif isinstance(part, Mapping) and "thinking" in part:
            thoughts += _texts(part["thinking"])[0]
    return text, thoughts


def _count(raw: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = raw.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
            return value
    return None


def _mapping(raw: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((v for n in names if isinstance(v := raw.get(n), Mapping)), {})


def _cost(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        cost = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    return cost if cost.is_finite() and 0 <= cost <= MOST_COST_USD else None
