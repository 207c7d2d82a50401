"""Waiting for what another thread, process or kernel will do."""

from __future__ import annotations

import time
from collections.abc import Callable


def soon(true: Callable[[], object], seconds: float = 20.0) -> bool:
    """Whether something becomes true; waits for it."""
    until = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < until:
        time.sleep(0.005)
    return bool(found)
