"""A log file with one JSON line a call, for debugging; several kernels may write to one.

A line is written whole or not at all, by one append under a lock, and only its owner can read the
file and the older ones it was rotated into.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging import LogRecord, makeLogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from .errors import LogWarning
from .files.private import private_folder

__all__ = ["CallLog"]

MOST_BYTES = 5_000_000
OLDER_FILES = 3
PATIENCE = 1.0
"""Seconds to wait for another kernel that is writing; then the line is appended all the same."""

_FIRST = b'{"ts":'
"""How each line begins: a file that begins otherwise is somebody's own, and is let be."""

_UNSEEN = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT
_FLAGS |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class CallLog(RotatingFileHandler):
    """The log file.

    Args:
        path: where it is; made, with its folder, when the first line is written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path.expanduser(),
            maxBytes=MOST_BYTES,
            backupCount=OLDER_FILES,
            encoding="utf-8",
            delay=True,
        )
        self._ailing = False

    def write(self, facts: Mapping[str, Any]) -> None:
        """Append one line; if that fails, warn once for as long as the trouble lasts.

        Args:
            facts: plain data; "ts" comes first.
        """
        self.handle(makeLogRecord({"msg": _line(facts)}))

    def emit(self, record: LogRecord) -> None:
        """Append the record's message as it is; called under the handler's lock."""
        try:
            self._append(str(record.msg).encode())
        except OSError as error:
            if not self._ailing:
                self._ailing = True
                warnings.warn(
                    f"the log file {self.baseFilename} cannot be written "
                    f"({error.strerror or error}): calls go on without it",
                    LogWarning,
                    stacklevel=5,
                )
        else:
            self._ailing = False

    def _append(self, line: bytes) -> None:
        until = time.monotonic() + PATIENCE
        private_folder(os.path.dirname(self.baseFilename))
        while True:
            with self._opened(until) as (file, locked):
                found = os.fstat(file)
                if locked and not _is_at(self.baseFilename, found):
                    continue  # rotated away while we waited for it
                _check(file, found)
                full = bool(found.st_size) and found.st_size + len(line) > self.maxBytes
                if not (full and locked):
                    _write(file, line, found.st_size if locked else None)
                    return
                if sys.platform != "win32":
                    self.doRollover()
            if sys.platform == "win32":  # it cannot rename a file that is open
                self.doRollover()

    @contextmanager
    def _opened(self, until: float) -> Iterator[tuple[int, bool]]:
        """The file, and whether nobody else writes to it or rotates it in the meantime."""
        file = os.open(self.baseFilename, _FLAGS, 0o600)
        locked = False
        try:
            while not (locked := _lock(file)) and time.monotonic() < until:
                time.sleep(0.002)
            yield file, locked
        finally:
            if locked:
                _unlock(file)
            os.close(file)


def _line(facts: Mapping[str, Any]) -> str:
    """The facts as one line, without characters that a terminal obeys or that end a line."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def _is_at(path: str, found: os.stat_result) -> bool:
    try:
        return os.path.samestat(found, os.stat(path))
    except FileNotFoundError:
        return False


def _check(file: int, found: os.stat_result) -> None:
    """Nothing, if the file is a log of ours, from now on readable by its owner alone.

    Raises:
        OSError: it is something else.
    """
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    if found.st_size and os.read(file, len(_FIRST)) != _FIRST:
        raise OSError(errno.EEXIST, "it is a file of another kind: choose another name")
    if sys.platform != "win32" and stat.S_IMODE(found.st_mode) != 0o600:
        os.fchmod(file, 0o600)


def _write(file: int, line: bytes, size: int | None) -> None:
    """Append the line; what the disk had no room for is taken back, if its `size` is known."""
    if os.write(file, line) < len(line):
        if size is not None:
            os.ftruncate(file, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


if sys.platform == "win32":

    def _lock(file: int) -> bool:
        return True

    def _unlock(file: int) -> None:
        return

else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)  # a forked child may share the open file
