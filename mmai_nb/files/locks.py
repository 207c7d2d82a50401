"""Turns between the processes of one machine, held by lock files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from .private import open_privately

__all__ = ["remove_unheld", "turn"]

_POLL = 0.05


@contextmanager
def turn(
    path: str | Path, seconds: float, pause: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Wait for one's turn: no other process of this machine holds `path` in the meantime.

    After `seconds`, and where there are no such locks (Windows, some network disks, a read-only
    folder), it goes on all the same. The death of the holder lets go.
    """
    until = time.monotonic() + seconds
    lock: FileIO | None = None
    try:
        with suppress(OSError):
            while (lock := _locked(path)) is None and time.monotonic() < until:
                pause(_POLL)
        yield
    finally:
        if lock is not None:
            _let_go(lock, path)


def remove_unheld(path: str | Path) -> None:
    """Remove a lock file, unless somebody holds it."""
    with suppress(OSError):
        if (lock := _locked(path)) is not None:
            _let_go(lock, path)


if sys.platform == "win32":

    def _locked(path: str | Path) -> FileIO | None:
        raise OSError("no such locks here")

    def _let_go(lock: FileIO, path: str | Path) -> None:
        lock.close()

else:
    import fcntl

    def _locked(path: str | Path) -> FileIO | None:
        """The lock, or None while somebody else holds it."""
        lock = FileIO(os.fspath(path), "a", opener=open_privately)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
                return lock  # else the last holder has removed this very file: it locks nothing
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            lock.close()
            raise
        lock.close()
        return None

    def _let_go(lock: FileIO, path: str | Path) -> None:
        with suppress(OSError):
            os.unlink(path)
        # a forked child may share the open file, so closing alone would not let go
        fcntl.flock(lock, fcntl.LOCK_UN)
        lock.close()
