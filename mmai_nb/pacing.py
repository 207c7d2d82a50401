"""How much all that a kernel shows may send, together, and what is raised when nobody listens.

A front end that is sent more drops it.

This module imports nothing of the package.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

__all__ = ["DEAD_FRONT_END", "PACE", "Pace", "size_of"]

GAP = 0.125
"""Seconds that an update takes up, …"""
RATE = 100_000
"""… and bytes a second. A fifth more updates, and as many bytes again, are left for what is not
asked to wait: first words, last states and what a click changes. So 10 a second and 200 kB/s hold.
"""
ENVELOPE = 1_000
"""Bytes of a message beside what it shows."""
LONGEST = 2.0
"""Seconds that what others have sent makes anyone wait."""

DEAD_FRONT_END = (OSError, RuntimeError, ValueError)
"""What writing to a closed pipe, socket, file or loop raises."""


class Pace:
    """The time that outputs take up one after the other: who has sent much waits long.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._free = 0.0  # no lock: what two threads lose of it is one update

    def sent(self, size: int, updates: int = 1) -> float:
        """An update of something that goes on: the time (of the clock) of its sender's next one.

        First and last states neither wait nor count.

        Args:
            size: of what is shown, in bytes.
            updates: messages that it took.
        """
        takes = max(GAP * updates, (size + ENVELOPE * updates) / RATE)
        now = self.clock()
        self._free = max(now, min(self._free, now + LONGEST)) + takes
        return self._free


PACE = Pace()
"""Of this process: all outputs of a kernel go through one socket."""


def size_of(texts: Iterable[object]) -> int:
    """Bytes of the texts as they are sent."""
    return sum(len(str(text).encode("utf-8", "replace")) for text in texts)
