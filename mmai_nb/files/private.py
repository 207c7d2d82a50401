"""Private folders, files and JSON: made, written whole and read without trust."""

from __future__ import annotations

import json
import os
import secrets
import stat
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = [
    "MOST_BYTES",
    "open_privately",
    "private_folder",
    "read_json",
    "why_unsafe",
    "write_json",
    "write_private",
]

# Windows has neither. O_NONBLOCK: a named pipe put there must not make the reader wait.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_TOUCH_AFTER = 3600.0

MOST_BYTES = 64 * 2**20
"""Of one file: what is larger is not written, and not read, however it came here."""


def open_privately(path: str, flags: int) -> int:
    """An `opener` for `open`: no link is followed, and a new file is 0600."""
    return os.open(path, flags | _SAFELY, 0o600)


def private_folder(path: str | Path) -> None:
    """Make `path` and what is missing above it, all 0700 (os.makedirs: only the last one).

    Raises:
        OSError: it cannot be made.
    """
    path = os.fspath(path)
    if not os.path.isdir(path):
        parent = os.path.dirname(path)
        if parent and parent != path:
            private_folder(parent)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not os.path.isdir(path):
                raise


def why_unsafe(folder: Path) -> str | None:
    """Why nothing should be kept in `folder`, in words; None if it is safe or yet to be made."""
    try:
        found = os.stat(folder)
    except NotADirectoryError:
        return "lies below a file"
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        return "is a file, not a folder"
    if sys.platform != "win32":
        if found.st_uid not in (os.geteuid(), 0):
            return "belongs to another user"
        if found.st_mode & stat.S_IWOTH:
            return "can be written by everybody"
    return None


def write_private(path: str | Path, content: str | bytes) -> None:
    """Write a file of mode 0600, all or nothing: a temporary file, then os.replace.

    Raises:
        OSError: the old content, if there was any, is still there.
    """
    temporary = f"{os.fspath(path)}.{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb", opener=open_privately) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write `data`; lone surrogates in it survive, escaped.

    Raises:
        OSError: it could not be written.
        TypeError, ValueError: it is not JSON.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    if len(text) > MOST_BYTES:
        raise ValueError(f"{len(text):,} bytes are more than {MOST_BYTES:,}")
    write_private(path, text)


def read_json(path: str | Path, *, use: bool = True) -> dict[str, Any]:
    """What `write_json` wrote.

    The time of access is brought up to date once an hour: many disks are mounted not to do it.

    Args:
        path: of the file.
        use: False only looks: the time of access stays as it was.

    Raises:
        OSError: there is no such file, or it is a link.
        ValueError: it is torn, foreign or too large.
    """
    with open(path, "rb", opener=open_privately) as file:
        found = os.fstat(file.fileno())
        if found.st_size > MOST_BYTES:
            raise ValueError("too large")
        text = file.read()
    try:
        data = json.loads(text or b"")
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(data, dict):
        raise ValueError("no JSON object")
    now = time.time_ns()
    if not use or now - max(found.st_atime_ns, found.st_mtime_ns) > _TOUCH_AFTER * 1e9:
        with suppress(OSError):
            os.utime(path, ns=(now if use else found.st_atime_ns, found.st_mtime_ns))
    return data
