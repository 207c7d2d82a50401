"""What a folder of entries holds, and what of it may stay."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .locks import remove_unheld
from .private import read_json

__all__ = ["Item", "items", "remove", "sweep", "trim"]


class Item(NamedTuple):
    """One entry: its path, its size in bytes, when it was last used and made (epoch s)."""

    path: str
    size: int
    last_access: float
    made: float


def items(folder: str | Path, ending: str = ".json") -> list[Item]:
    """Every file below `folder` whose name has the ending."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if name.endswith(ending):
                with suppress(OSError):
                    it = os.lstat(path)
                    used = max(it.st_atime, it.st_mtime)
                    found.append(Item(path, it.st_size, used, it.st_mtime))
    return found


def trim(
    folder: str | Path,
    *,
    most_bytes: float = math.inf,
    most_items: float = math.inf,
    most_seconds: float = math.inf,
    most_age: float = math.inf,
    removed: Callable[[dict[str, Any]], None] | None = None,
) -> int:
    """Remove the aged, then the least recently used entries until all limits hold; how many.

    Args:
        folder: where they are.
        most_bytes: of all entries together.
        most_items: entries that may stay.
        most_seconds: since an entry was last read or written.
        most_age: seconds since an entry was made.
        removed: gets what a removed entry held, if it could be read.
    """
    now = time.time()
    entries = sorted(items(folder), key=lambda it: (now - it.made <= most_age, it.last_access))
    size, left, count = sum(item.size for item in entries), len(entries), 0
    for item in entries:
        young = now - item.made <= most_age and now - item.last_access <= most_seconds
        if young and size <= most_bytes and left <= most_items:
            break
        count += remove(item.path, removed)
        size, left = size - item.size, left - 1
    return count


def remove(path: str, removed: Callable[[dict[str, Any]], None] | None = None) -> bool:
    """Remove one entry; whether it was there. `removed` gets what it held, if it could be read."""
    held = None
    if removed is not None:
        with suppress(OSError, ValueError):
            held = read_json(path)
    try:
        os.unlink(path)
    except OSError:
        return False
    if removed is not None and held is not None:
        removed(held)
    return True


def sweep(folder: str | Path, older_than: float = 3600.0) -> None:
    """Remove what killed processes left: locks that nobody holds, temporary files after a while.

    Args:
        folder: where they are.
        older_than: seconds since a temporary file was last written.
    """
    for item in items(folder, ".tmp"):
        if time.time() - item.last_access > older_than:
            with suppress(OSError):
                os.unlink(item.path)
    for item in items(folder, ".lock"):
        remove_unheld(item.path)
