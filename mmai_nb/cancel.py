"""Stopping a call that runs in another thread, as an interrupt stops one in this thread.

Whoever starts a thread gives it an Event with `stops_with`. All waiting on the way of a call asks
`check` at least every 0.1 s, and `Stopped` takes the way of a KeyboardInterrupt from there: the
connection is hung up, what came is kept, the row says "cancelled". This module imports nothing of
the package.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

__all__ = ["Stopped", "check", "pause", "stops_with"]

SLICE = 0.1
"""Seconds: the longest wait in one piece."""

_event: ContextVar[Event | None] = ContextVar("mmai_nb_stop", default=None)


class Stopped(KeyboardInterrupt):
    """The call was stopped by who had started its thread."""


@contextmanager
def stops_with(event: Event) -> Iterator[None]:
    """Within, calls of this thread stop once the event is set."""
    before = _event.set(event)
    try:
        yield
    finally:
        _event.reset(before)


def check() -> None:
    """Nothing, while the call may go on.

    Raises:
        Stopped: its event is set.
    """
    event = _event.get()
    if event is not None and event.is_set():
        raise Stopped


def pause(seconds: float) -> None:
    """Sleep; where the call can be stopped, in slices that end with it."""
    if _event.get() is None:
        time.sleep(seconds)
        return
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        check()
        time.sleep(min(left, SLICE))
    check()
