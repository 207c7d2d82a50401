"""The user's calibration on disk: read at each route for next to nothing, saved, taken back.

One private JSON file holds the calibration in force and the one before it, so that saving and
undoing are each one write, whole or not at all. Other kernels see a change at their next call.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from .calibration import Calibration
from .errors import ConfigError, OptionError
from .files.private import private_folder, read_json, write_json
from .sources import short_path
from .values import one_line, shown

__all__ = ["Learned", "read_calibration", "write_calibration"]

Stamp = tuple[int, int, int]
"""When a file was changed, its size and its number: another file has another."""


class Learned:
    """The calibration of one user.

    Args:
        path: the file, which need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: tuple[Stamp, Calibration | None] | None = None
        self._lock = threading.Lock()

    def current(self) -> Calibration | None:
        """What is in force; None where nothing was saved, or the file is no good (warned once)."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
        known = self._known
        if known is None or known[0] != stamp:
            known = self._known = stamp, self._read()
        return known[1]

    def _read(self) -> Calibration | None:
        try:
            held = read_json(self.path, use=False)["current"]
            return None if held is None else Calibration.from_json(held)
        except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
            warnings.warn(
                f"{short_path(self.path)} is not used ({error!s:.80}): prompts are scored as "
                "shipped; %ai calibrate makes it anew",
                RuntimeWarning,
                stacklevel=4,
            )
            return None

    def save(self, made: Calibration | None) -> None:
        """Put it in force; the one before it is kept for `undo`.

        Raises:
            ConfigError: the file cannot be written; what was in force still is.
        """
        with self._lock:
            before = self.current() if self.path.exists() else None
            self._write(made, before)

    def undo(self) -> Calibration | None:
        """Take back what is in force: what was before it is again, or none, as shipped.

        Raises:
            OptionError: none is in force.
            ConfigError: the file cannot be written.
        """
        with self._lock:
            if self.current() is None:
                raise OptionError("no calibration is in force, so there is none to take back")
            before = None
            with suppress(OSError, LookupError, TypeError, ValueError, AttributeError):
                held = read_json(self.path, use=False)["previous"]
                before = None if held is None else Calibration.from_json(held)
            self._write(before, None)
            return before

    def reset(self) -> None:
        """Put none in force, whatever was: prompts are scored as shipped.

        Raises:
            ConfigError: the file cannot be written.
        """
        with self._lock:
            if self.path.exists():
                self._write(None, None)

    def _write(self, current: Calibration | None, previous: Calibration | None) -> None:
        held: dict[str, Any] = {
            "current": None if current is None else current.as_json(),
            "previous": None if previous is None else previous.as_json(),
        }
        try:
            private_folder(self.path.parent)
            write_json(self.path, held)
        except OSError as error:
            raise ConfigError(
                one_line(
                    f"{short_path(self.path)} cannot be written ({error.strerror or error}): "
                    "nothing has changed"
                )
            ) from error
        self._known = None


def write_calibration(made: Calibration, path: str | os.PathLike[str], *, force: bool) -> Path:
    """Write a calibration to a file of its own, to be taken along; it holds no text.

    Raises:
        OptionError: the file is there already, or cannot be written.
    """
    file = _file(path)
    if file.exists() and not force:
        raise OptionError(one_line(f"{shown(str(file))} is there already: take another name"))
    try:
        write_json(file, made.as_json())
    except (OSError, ValueError) as error:
        raise OptionError(one_line(f"{shown(str(file))} cannot be written: {error}")) from error
    return file


def read_calibration(path: str | os.PathLike[str]) -> Calibration:
    """What `write_calibration` wrote, whoever sent it.

    Raises:
        OptionError: it cannot be read, is no calibration, or moves more than votes may.
    """
    file = _file(path)
    try:
        return Calibration.from_json(read_json(file, use=False))
    except json.JSONDecodeError:
        hint = "it is no calibration that %ai calibrate export wrote"
        raise OptionError(one_line(f"{shown(str(file))} cannot be used: {hint}")) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(one_line(f"{shown(str(file))} cannot be used: {reason}")) from error


def _file(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        raise OptionError(f"the path of a file is needed, not {shown(path)}")
    return Path(text).expanduser()
