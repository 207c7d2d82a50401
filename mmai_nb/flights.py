"""One payment at a time for a request, within a process: its payer, and those who follow it."""

from __future__ import annotations

import copy
import threading
import time
from dataclasses import dataclass
from typing import Any, Literal

from . import cancel
from .errors import MmaiError, TimedOutError, TruncatedStreamError
from .records import OnText

__all__ = ["Fetched", "Flight", "Value", "under_way"]

SLICE = 0.1
"""Seconds: the longest wait in one piece, so that an interrupt is answered."""

Value = dict[str, Any]


@dataclass(frozen=True)
class Fetched:
    """An answer and where it came from: the disk (hit), this caller's payment, or another's."""

    value: Value
    how: Literal["hit", "paid", "joined"]


class Flight:
    """One payment under way: its pieces of text so far and, once it is over, how it ended.

    Neither `fetched` nor `error` at the end: the payer was interrupted, and somebody else may pay.
    So it is too when the payer's time was over: another may have more of it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pieces: list[str] = []
        self._over = False
        self.fetched: Fetched | None = None
        self.error: Exception | None = None

    def add(self, piece: str) -> None:
        """A piece of text has come."""
        with self._changed:
            self._pieces.append(piece)
            self._changed.notify_all()

    def end(self) -> None:
        """The payment is over."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def news(self, seen: int, seconds: float) -> tuple[list[str], bool]:
        """The pieces after the first `seen`, and whether that is all; waits for either."""
        with self._changed:
            if len(self._pieces) == seen and not self._over:
                self._changed.wait(seconds)
            return self._pieces[seen:], self._over

    def follow(self, on_text: OnText | None, timeout: float) -> Fetched | None:
        """What the payer gets, piece by piece; None where this caller may pay instead.

        That is, the payer was interrupted or out of time, and nothing was shown here.
        """
        until, came = time.monotonic() + timeout, list[str]()
        over = False
        while not over:
            cancel.check()
            left = until - time.monotonic()
            if left <= 0:
                raise TimedOutError(
                    f"waited {timeout:.3g} s for the same request, which another thread has sent; "
                    "give it more time with timeout",
                    partial="".join(came),
                )
            pieces, over = self.news(len(came), min(SLICE, left))
            for piece in pieces:
                came.append(piece)
                if on_text is not None:
                    on_text(piece)
        shown = bool(came) and on_text is not None
        if self.error is not None and (shown or not isinstance(self.error, TimedOutError)):
            raise _twin(self.error)
        if self.fetched is not None:
            how = self.fetched.how
            return Fetched(copy.deepcopy(self.fetched.value), "hit" if how == "hit" else "joined")
        if shown:
            raise TruncatedStreamError(
                "the same request was interrupted in the thread that had sent it; ask again",
                partial="".join(came),
            )
        return None


under_way: dict[tuple[int, str, str], Flight] = {}
"""What this process pays for now, by process id, folder and key.

Module-level on purpose: two engines on one folder pay once. The process id, since a forked child
inherits the flights but not the threads that end them. No lock, since a child could inherit it
held: dict.setdefault is atomic."""


def _twin(error: Exception) -> Exception:
    """The same error for another caller, who may add its own attempts and notes to it.

    Made without __init__, whose arguments are not known; other people's errors are shared as they
    are, some cannot be made so.
    """
    if not isinstance(error, MmaiError):
        return error
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    if hasattr(error, "__notes__"):
        twin.__notes__ = list(error.__notes__)
    twin.__cause__ = error.__cause__
    return twin.with_traceback(error.__traceback__)
