"""One model's part of a comparison: what has come of it, its figures and its letter."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from .answer import Answer

__all__ = ["KINDS", "ORDERS", "Column", "letters", "without_names"]

State = Literal["waiting", "running", "done", "failed", "stopped"]

KINDS = {
    "label": "string",
    "model": "string",
    "state": "string",
    "text": "string",
    "input_tokens": "Int64",
    "output_tokens": "Int64",
    "cost_usd": "float64",
    "duration_s": "float64",
    "first_token_s": "float64",
    "cache_hit": "boolean",
    "finish_reason": "string",
    "error": "string",
    "vote": "string",
}
"""The columns of a comparison's frame, and their dtypes."""


@dataclass
class Column:
    """One model's part of a comparison.

    Attributes:
        label: a, b, c …: its name while the models' names are hidden, and in votes.
        model: the model's name.
        state: waiting, running, done, failed or stopped.
        text: what has come so far.
        answer: the whole answer, once it is there.
        error: what it failed with.
        first_token_s: seconds until the first text came, None before, or where it came whole.
    """

    label: str
    model: str
    state: State = "waiting"
    pieces: list[str] = field(default_factory=list)
    answer: Answer | None = None
    error: BaseException | None = None
    started: float = 0.0
    first_token_s: float | None = None

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self.pieces) if self.answer is None else self.answer.text

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("done", "failed", "stopped")

    def clear(self) -> None:
        """Nothing has come: it waits to be asked, or asked again."""
        self.state, self.answer, self.error = "waiting", None, None
        self.pieces, self.first_token_s = [], None

    def hear(self, piece: str) -> None:
        """Take a piece of the answer as it comes."""
        if self.first_token_s is None:
            self.first_token_s = time.monotonic() - self.started
        self.pieces.append(piece)

    def take(self, answer: Answer) -> None:
        """Take the whole answer, with the time of its request's own first text.

        What was seen here includes waiting for a place and a first import.
        """
        row = answer.row
        self.first_token_s = None if row is None or row.cache_hit else row.first_token_s
        self.answer, self.state = answer, "done"

    def figure(self, order: str) -> Any:
        """What it is sorted by in one of ORDERS; None where there is no such figure."""
        return _FIGURES[order](self)

    def failure(self, *, hidden: bool) -> str:
        """What it failed with; the kind of error alone while names are hidden, "" without one."""
        if self.error is None:
            return ""
        kind = type(self.error).__name__
        return kind if hidden else f"{kind}: {self.error}".rstrip(": ")

    def facts(self) -> dict[str, Any]:
        """What is known of the answer besides its text, by the frame's columns."""
        if self.answer is None:
            return {}
        return {
            "input_tokens": self.answer.usage.input_tokens,
            "output_tokens": self.answer.usage.output_tokens,
            "cost_usd": self.answer.cost_usd,
            "duration_s": self.answer.duration_s,
            "first_token_s": self.first_token_s,
            "cache_hit": self.answer.cache_hit,
            "finish_reason": self.answer.finish_reason,
        }


_FIGURES: dict[str, Callable[[Column], Any]] = {
    "asked": lambda c: (len(c.label), c.label),
    "name": lambda c: c.model.casefold(),
    "cost": lambda c: None if c.answer is None else c.answer.cost_usd,
    "duration": lambda c: None if c.answer is None else c.answer.duration_s,
    "first token": lambda c: c.first_token_s,
    "length": lambda c: None if c.answer is None else -len(c.answer),
}

ORDERS = tuple(_FIGURES)
"""What columns can be sorted by."""


def letters(position: int) -> str:
    """The letters of a column: a to z, then aa, ab …."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    high, low = divmod(position, 26)
    return (letters[high - 1] if high else "") + letters[low]


HIDDEN = "(name hidden)"
SHORTEST_NAME = 3
"""Letters of a name that is hidden in texts: a shorter one stands in many words of its own."""


def without_names(text: str, names: Iterable[str], *, partial: bool = False) -> str:
    """The text with the names, in any case, as HIDDEN; of a partial one, also a name's beginning.

    Args:
        text: what a model said.
        names: what is hidden in it.
        partial: whether more of it is to come.
    """
    long = sorted({n for n in names if len(n) >= SHORTEST_NAME}, key=len, reverse=True)
    if not long:
        return text
    if partial:
        end = max((_begun(text, name) for name in long), default=0)
        text = text[: len(text) - end]
    any_name = "|".join(map(re.escape, long))
    return re.sub(rf"(?<!\w)(?:{any_name})(?!\w)", HIDDEN, text, flags=re.IGNORECASE)


def _begun(text: str, name: str) -> int:
    """How many letters of the name the text ends with."""
    tail, name = text[-len(name) :].lower(), name.lower()
    return next((n for n in range(len(tail), 0, -1) if name.startswith(tail[-n:])), 0)
