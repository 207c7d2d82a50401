"""Where settings come from, as plain data: TOML files, MMAI_* variables, IPython's configuration.

This module imports nothing of the package. What is wrong with a file is a plain ValueError that
names file and line, and settings.py turns it into its own error.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

__all__ = [
    "PROJECT_FILE",
    "RESERVED",
    "KeyPath",
    "Source",
    "default_user_file",
    "env_settings",
    "forget_changes",
    "project_source",
    "remember_change",
    "remembered_changes",
    "short_path",
    "user_source",
]

KeyPath = tuple[str | int, ...]

PROJECT_FILE = "mmai_nb.toml"
RESERVED = ("MMAI_CONFIG", "MMAI_DATA_DIR", "MMAI_DEMO")
"""MMAI_* variables that are no settings."""

MOST_BYTES = 300_000
"""A settings file that is longer is a mistake, or somebody's trap."""

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[\w\-. ])+?)\s*=""")
_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")
_BARE = re.compile(r"\s*([\w.\-]+)\s*=\s*([A-Za-z][\w./:\-]*)\s*(?:#.*)?")
"""A line that gives a word without quotes."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file's settings; `root` is the table of the file in which they stand."""

    path: Path
    data: Mapping[str, Any]
    text: str = ""
    root: KeyPath = ()

    @property
    def name(self) -> str:
        """The file as messages show it."""
        return short_path(self.path)

    def place(self, path: KeyPath) -> str:
        """File and line of a key, or of the nearest table around it."""
        lines = _key_lines(self.text)
        full = (*self.root, *path)
        for end in range(len(full), 0, -1):
            if full[:end] in lines:
                return f"{self.name}:{lines[full[:end]]}"
        return self.name


def default_user_file() -> Path:
    """The user's config file where nothing else is said."""
    return platformdirs.user_config_path("mmai_nb", appauthor=False) / "config.toml"


_told = set[Path]()  # each absent file once


def user_source(user_file: Path | None, env: Mapping[str, str]) -> Source | None:
    """The user's file: the one given, else MMAI_CONFIG's, else the platform's; None if absent.

    A file that MMAI_CONFIG names may be yet to be made, or mistyped: where it is absent, it warns.

    Raises:
        ValueError: it cannot be read, is no TOML, or anybody may write to it.
    """
    named = env.get("MMAI_CONFIG", "").strip()
    path = user_file or (Path(named).expanduser() if named else default_user_file())
    if not os.path.exists(path):
        if named and user_file is None and path not in _told:
            _told.add(path)
            warnings.warn(
                f"MMAI_CONFIG: there is no file {short_path(path)}, so it sets nothing; mend the "
                "path, or %ai config save makes the file",
                RuntimeWarning,
                stacklevel=3,
            )
        return None
    if os.name == "posix" and path.is_file() and path.stat().st_mode & stat.S_IWOTH:
        raise ValueError(f"{short_path(path)}: anybody may write to this file; run chmod o-w on it")
    return _read(path)


def project_source(cwd: Path | None) -> Source | None:
    """The nearest project file from `cwd` upward: mmai_nb.toml or [tool.mmai_nb] of pyproject.toml.

    The search ends with the home folder or the root. None where there is no such file.

    Raises:
        ValueError: it cannot be read, or is no TOML.
    """
    try:
        start = (cwd or Path.cwd()).absolute()
    except FileNotFoundError:  # the folder we stand in has been removed
        return None
    home = _home()
    for folder in (start, *start.parents):
        own, shared = folder / PROJECT_FILE, folder / "pyproject.toml"
        if os.path.exists(own):
            return _read(own)
        if _mentions_us(shared) and (source := _read(shared, ("tool", "mmai_nb"))).data:
            return source
        if folder == home:
            return None
    return None


def _mentions_us(path: Path) -> bool:
    """Whether a pyproject.toml may have our table: others' broken files are not our affair."""
    try:
        return path.is_file() and b"mmai_nb" in path.read_bytes()
    except OSError:
        return False


def _read(path: Path, root: tuple[str, ...] = ()) -> Source:
    name = short_path(path)
    if not path.is_file() and str(path) != os.devnull:
        raise ValueError(f"{name}: is no file")
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ValueError(f"{name}: has {size:,} bytes; settings must fit in {MOST_BYTES:,}")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name}: is not UTF-8 text") from None
    try:
        data: Any = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"{name}: is nested too deeply") from None
    except ValueError as error:
        found = _AT.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        column = f" at column {found[2]}" if found and found[2] else ""
        why = f"{_AT.sub('', str(error))}{column}{_quotes_missing(text, line)}"
        raise ValueError(f"{name}:{line}: no valid TOML: {why}") from None
    for key in root:
        data = data.get(key, {})
        if not isinstance(data, dict):
            raise ValueError(f"{name}: {'.'.join(root)} must be a table")
    return Source(path.absolute(), data, text, root)


def _quotes_missing(text: str, line: int) -> str:
    """What to say of a line whose value is a bare word; "" of others."""
    lines = text.split("\n")
    found = _BARE.fullmatch(lines[line - 1].rstrip("\r")) if line <= len(lines) else None
    return f'; text needs quotes: {found[1][:40]} = "{found[2][:40]}"' if found else ""


def _home() -> Path:
    """The home folder; the root where there is none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.sep)


def short_path(path: Path) -> str:
    """The path as a message shows it: ~ for home, the end of a long one."""
    text = str(path)
    home = str(_home())
    if text.startswith(home + os.sep):
        text = "~" + text[len(home) :]
    return text if len(text) <= 60 else "…" + os.sep + os.sep.join(path.parts[-2:])[-58:]


def _key_lines(text: str) -> dict[KeyPath, int]:
    """The line of each table and key, found by a light scan: good enough for a message."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            for end in range(1, len(table) + 1):
                lines.setdefault(table[:end], number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_parts(key[1])), number)
    return lines


def _parts(key: str) -> KeyPath:
    """The parts of a dotted, perhaps quoted, TOML key; () for what is none."""
    try:
        inner: Any = tomllib.loads(f"{key} = 0")
    except ValueError:
        return ()
    parts: list[str] = []
    while isinstance(inner, dict):
        part, inner = next(iter(inner.items()))
        parts.append(part)
    return tuple(parts)


_remembered: dict[str, tuple[str, Any]] = {}  # by dotted key: whose it is, and the value


def remember_change(key: str, value: Any, label: str) -> Callable[[], None]:
    """Keep what was said before the settings are loaded, for the life of this process.

    Gives its undo.

    Args:
        key: the setting, dotted.
        value: what it is to be.
        label: its origin.
    """
    before = dict(_remembered)
    _remembered[key] = (label, value)

    def undo() -> None:
        _remembered.clear()
        _remembered.update(before)

    return undo


def remembered_changes() -> dict[str, dict[str, Any]]:
    """What was said so far, by dotted key, under its origin."""
    found: dict[str, dict[str, Any]] = {}
    for key, (label, value) in _remembered.items():
        found.setdefault(label, {})[key] = value
    return found


def forget_changes() -> None:
    """Keep nothing of it."""
    _remembered.clear()


def env_settings(env: Mapping[str, str]) -> list[tuple[str, tuple[str, ...], str]]:
    """Each MMAI_* variable that is set and not reserved: its name, its key path, its text.

    MMAI_CACHE__MAX_AGE has the path ("cache", "max_age").
    """
    return [
        (name, tuple(name.removeprefix("MMAI_").lower().split("__")), text)
        for name, text in sorted(env.items())
        if name.startswith("MMAI_") and name not in RESERVED and text.strip()
    ]
