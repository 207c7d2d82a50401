"""A variable's value in an `.env` file, for those who asked for one: read, never put into force.

Lines are `NAME=value`, with `export` in front or quotes around the value if you like; anything else
in the file is left alone. This module imports nothing of the package; what is wrong with the file
is a plain ValueError that names file and line.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

__all__ = ["env_file", "value_in"]

FILE = ".env"
LARGEST = 1_000_000
"""Bytes: a larger file is none of this kind."""

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*")
_QUOTED = re.compile(r"""(?:'([^']*)'|"((?:\\.|[^"\\])*)")\s*(?:#.*)?""")


def env_file(asked: bool | Path, cwd: Path | None = None) -> Path | None:
    """The file to read: the one named, else the nearest `.env` from `cwd` up to the home folder.

    Outside the home folder only `cwd` itself is looked at: others may write to what is above it.

    Raises:
        ValueError: the file that was named is not there.
    """
    if not asked:
        return None
    try:
        start = (cwd or Path.cwd()).absolute()
    except FileNotFoundError:  # the folder we stand in has been removed
        return None
    if isinstance(asked, Path):
        path = start / asked
        if not path.is_file():
            raise ValueError(f"{asked}: there is no such file, though dotenv names it")
        return path
    return next((f for folder in _way_home(start) if (f := folder / FILE).is_file()), None)


def _way_home(start: Path) -> list[Path]:
    try:
        home = Path.home()
    except RuntimeError:
        return [start]
    way = [start, *start.parents]
    ends = [folder for folder in way if folder in (home, home.resolve())]
    return way[: way.index(ends[0]) + 1] if ends else [start]


def value_in(path: Path, variable: str) -> str:
    """The variable's value, of its last line; "" where it has none.

    Raises:
        ValueError: the file cannot be trusted or read, or a quote in that line is not closed.
    """
    value = ""
    for number, line in enumerate(_text_of(path).splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found and found[1] == variable:
            value = _unquoted(found[2], f"{path.name}:{number}: {variable}")
    return value


def _unquoted(value: str, place: str) -> str:
    if not value.startswith(("'", '"')):
        return "" if value.startswith("#") else re.split(r"\s#", value, maxsplit=1)[0].rstrip()
    found = _QUOTED.fullmatch(value)
    if found is None:
        raise ValueError(f"{place} has a quote that is not closed")
    return found[1] if found[1] is not None else re.sub(r"\\(.)", r"\1", found[2])


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            _check(path, facts)
            return file.read(LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None


def _check(path: Path, facts: os.stat_result) -> None:
    """Whoever writes the file says whose account sees the prompts: it must be the user's own."""
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
        raise ValueError(f"{path.name} is no file of variables")
    if os.name == "posix":
        if facts.st_uid not in (os.geteuid(), 0):
            raise ValueError(f"{path.name} belongs to another user")
        if facts.st_mode & stat.S_IWOTH:
            raise ValueError(f"{path.name} may be written by anybody; run chmod o-w on it")
