"""What a server tells of an error: its words in whatever shape, and how long it asks to wait."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["Told", "wanted_wait"]

LONGEST_WAIT = 86_400.0
"""Seconds; a longer Retry-After is taken for a day."""

_WINDOWS = (
    re.compile(r"maximum context (?:length|window|size)\D{0,20}(\d[\d,]*)", re.IGNORECASE),
    re.compile(r"> ?(\d[\d,]*) maximum", re.IGNORECASE),
    re.compile(r"tokens allowed \((\d[\d,]*)\)", re.IGNORECASE),
    re.compile(r"(\d[\d,]*) maximum context", re.IGNORECASE),
    re.compile(r"context (?:length|window|size)[^.\d]{0,40}(\d[\d,]*)", re.IGNORECASE),
)
_STATUSES = {
    "insufficient_quota": 429,
    "rate_limit": 429,
    "too_many_requests": 429,
    "resource_exhausted": 429,
    "overloaded": 529,
    "api_key": 401,
    "authentication": 401,
    "unauthenticated": 401,
    "unauthorized": 401,
    "permission": 403,
    "model_not_found": 404,
    "context_length": 400,
    "exceed_context": 400,
    "content_filter": 400,
    "content_policy": 400,
    "invalid_request": 400,
    "bad_request": 400,
    "timeout": 408,
}
"""HTTP status by a word in the code or type of an error that came without one."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a server says about an error, whatever the shape it says it in.

    Attributes:
        message: its sentence.
        words: code, type and parameter, in one string.
        status: the HTTP status it names.
        window: size of the context window, in tokens.
        html: it sent a page for people.
    """

    message: str = ""
    words: str = ""
    status: int | None = None
    window: int | None = None
    html: bool = False

    @classmethod
    def read(cls, body: bytes) -> Told:
        """What the body of a refusal says."""
        text = body.decode("utf-8-sig", "replace").strip()
        if text.startswith("<"):
            return cls(html=True)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return cls(message=text)
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, Mapping):
            inner = next((found[k] for k in ("error", "detail", "message") if found.get(k)), found)
            return cls.of(inner)
        return cls(message=text)

    @classmethod
    def of(cls, error: Any) -> Told:
        """What an error object says: a text, a list, or an object with message, code, type."""
        if not isinstance(error, Mapping):
            return cls(message=error if isinstance(error, str) else json.dumps(error))
        message = error.get("message") or error.get("detail") or json.dumps(error)
        words = [error[k] for k in ("code", "type", "param", "status") if error.get(k) is not None]
        text, window = " ".join(map(str, words)), error.get("n_ctx")
        return cls(
            message=message if isinstance(message, str) else json.dumps(message),
            words=text,
            status=_status(error.get("code"), text),
            window=window if isinstance(window, int) and window > 1 else None,
        )

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.message} {self.words}"

    @property
    def context_window(self) -> int | None:
        """The size of the context window in tokens, where it tells."""
        found = next((m for p in _WINDOWS if (m := p.search(self.message))), None)
        digits = found[1].replace(",", "") if found else ""
        return self.window or (int(digits) if 0 < len(digits) <= 12 else None)


def wanted_wait(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds the server asks to wait: Retry-After-Ms, or Retry-After in seconds or as a date.

    A date is read against the server's own clock (its Date header), where it sends one. What is no
    positive finite number is ignored.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds > 0:
            return min(seconds, LONGEST_WAIT)
    until = _date(headers.get("retry-after", ""))
    if until is None:
        return None
    clock = _date(headers.get("date", "")) or (time.time() if now is None else now)
    return min(until - clock, LONGEST_WAIT) if until > clock else None


def _status(code: Any, words: str) -> int | None:
    if isinstance(code, str) and code.isdecimal() and len(code) == 3:
        code = int(code)
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return next((status for word, status in _STATUSES.items() if word in words.lower()), None)


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
