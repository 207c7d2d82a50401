"""One value of the settings: what it may be, how text becomes one, how a wrong one is spoken of.

This module imports nothing of the package. Checks raise a plain ValueError that says what a value
must be; `fault_sentence` puts the key and the value seen in front of it.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path, PurePath
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

__all__ = [
    "checked_check",
    "checked_dotenv",
    "checked_file",
    "checked_folder",
    "checked_name",
    "checked_price",
    "checked_size",
    "checked_usd",
    "checked_variable",
    "dotted",
    "fault_sentence",
    "from_text",
    "nearest",
    "one_line",
    "shown",
    "similar",
    "simple",
    "size_in_bytes",
    "unknown_key",
]

FEW = 6
"""So many right names are listed where a wrong one is like none of them."""

_OWN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
}
"""How a value of a subclass becomes one of the class itself."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?", re.IGNORECASE)
_KEY_WORDS = frozenset({"api_key", "apikey", "key", "secret", "token", "password"})
SMALLEST_USD, LARGEST_USD = Decimal("1e-9"), 1_000_000_000
"""The bounds of an amount of money: a nano-dollar, and what no budget needs."""

_FLAGS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_WISHES = {
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "model_type": "must be a table",
    "mapping_type": "must be a table",
    "dict_type": "must be a table",
    "path_type": "must be a path",
    "too_short": "must not be empty",
}
"""What a value must be, by pydantic's name of the fault; for the others its own words serve."""


def checked_name(value: object) -> str:
    """A name of a model, tier or alias, or a model's id."""
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise ValueError("must have 1 to 200 characters")
    if any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError("must not hold spaces or line breaks")
    return value


def checked_price(value: object) -> Decimal:
    """A price in USD per million tokens, exact as it was written."""
    value = simple(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number: USD per million tokens, 0 for free")
    if isinstance(value, int) and not 0 <= value <= 1_000_000:
        raise ValueError("must be from 0 to 1,000,000: USD per million tokens")
    price = Decimal(str(value))
    if not price.is_finite() or not 0 <= price <= 1_000_000:
        raise ValueError("must be from 0 to 1,000,000: USD per million tokens")
    return price


def checked_usd(value: object) -> Decimal:
    """An amount of US dollars, exact as it was written: 5, 0.5, "5" or "$0.50"."""
    wish = f"must be an amount of USD, above 0 and at most {LARGEST_USD:,}, such as 5 or 0.50"
    value = simple(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError(wish)
    try:
        text = str(value).strip().removeprefix("$")
        usd = Decimal(text) if len(text) <= 40 else Decimal("nan")
    except (ArithmeticError, ValueError):
        raise ValueError(wish) from None
    if not usd.is_finite() or not SMALLEST_USD <= usd <= LARGEST_USD:
        raise ValueError(wish)
    return usd


def checked_variable(value: str) -> str:
    """A variable's name. A key pasted here by mistake would be shown as one, so it is refused."""
    random = len(value) >= 20 and "_" not in value and any(c.isdigit() for c in value)
    if random or not _VARIABLE.fullmatch(value):
        raise ValueError("must be the name of a variable, such as OPENAI_API_KEY, not the key")
    return value


def checked_size(value: object) -> int | str:
    """A number of bytes, or a size in words such as "1GB"; see `size_in_bytes`."""
    value = simple(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError('must be a whole number of bytes, or a size such as "1GB"')
    if isinstance(value, int) and not 0 <= value <= 10**18:
        raise ValueError("must be a number of bytes from 0 to 10**18")
    if not _SIZE.fullmatch(str(value).strip()[:100]):
        raise ValueError('must be a number of bytes, or a size such as "500MB" or "1GB"')
    return value


def size_in_bytes(size: int | str) -> int:
    """The bytes of a checked size: "1GB" is 10**9, "1GiB" 2**30."""
    found = _SIZE.fullmatch(str(size).strip())
    if found is None:
        raise ValueError(f"{size!r} is no size")
    power = " kmgt".index((found[2] or " ").lower())
    return int(Decimal(found[1]) * (1024 if found[3] else 1000) ** power)


def checked_folder(path: Path) -> Path:
    """A folder of our own: what is kept there must not be planted by others."""
    path = _expanded(path)
    if ".." in path.parts:
        raise ValueError("must not hold ..")
    if not path.exists():
        return path
    if not path.is_dir():
        raise ValueError("is a file, not a folder")
    if os.name == "posix":
        facts = path.stat()
        if facts.st_uid != os.geteuid():
            raise ValueError("belongs to another user")
        if facts.st_mode & stat.S_IWOTH:
            raise ValueError("may be written by anybody: choose a folder of your own")
    return path


def checked_dotenv(value: object) -> bool | Path:
    """Whether an .env file is read: a yes or no, also as a word, or the path of one."""
    value = simple(value)
    if isinstance(value, str):
        value = _FLAGS.get(value.strip().lower(), value.strip())
    if isinstance(value, bool):
        return value
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("must be true, false or the path of an .env file")
    return _expanded(Path(value))


def checked_check(value: object) -> bool | Literal["agree"]:
    """Whether answers are checked: yes, no, or "agree"."""
    value = simple(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value == "agree":
        return "agree"
    raise ValueError('must be true, false or "agree"')


def checked_file(path: Path) -> Path:
    """A path where a file is, or can be."""
    path = _expanded(path)
    if path.is_dir():
        raise ValueError("is a folder, not a file")
    return path


def _expanded(path: Path) -> Path:
    """The path with the home folder for ~, if the system can hold such a path."""
    if not str(path).isprintable():
        raise ValueError("must not hold line breaks or control characters")
    try:
        path = path.expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:  # too long; no such user; a folder that is locked
        raise ValueError(f"cannot be used: {getattr(error, 'strerror', error)}") from None
    return path


def from_text(text: str, kind: Any) -> Any:
    """A variable's text as the type its setting wants: as it is, a flag, or a TOML value."""
    if kind is bool or bool in get_args(kind):
        return _FLAGS.get(text.lower(), text)
    if _takes_text(kind):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _takes_text(kind: Any) -> bool:
    if get_origin(kind) in (Annotated, Union, UnionType):
        return any(_takes_text(part) for part in get_args(kind))
    return kind in (str, Path) or get_origin(kind) is Literal


def fault_sentence(fault: Mapping[str, Any], path: tuple[str | int, ...]) -> str:
    """One of pydantic's errors as "key = value: what it must be"."""
    if fault["type"] == "missing":
        return f"{dotted(path)} is missing"
    wish = _WISHES.get(fault["type"]) or str(fault["msg"]).replace("Input should be", "must be")
    if fault["type"] == "value_error":
        wish = str(fault["ctx"]["error"])
    if fault["type"] == "literal_error":
        wish += nearest(fault["input"], re.findall("'([^']+)'", wish))
    value = simple(fault["input"])
    plain = value is None or isinstance(value, str | int | float | Decimal | PurePath)
    secret = path[-1:] == ("api_key_env",) or (isinstance(value, str) and {"@", "?"} & {*value})
    seen = f" = {shown(value)}" if plain and not secret else ""
    return f"{dotted(path)}{seen}: {wish}"


def unknown_key(path: tuple[str | int, ...], known: Iterable[str]) -> str:
    """What to say about a key that does not exist, where `known` are the keys beside it."""
    key = str(path[-1])
    if key.lower() in _KEY_WORDS:
        return f"{dotted(path)}: keys do not belong here: name their variable in api_key_env"
    if path[0] == "models" and key == "price":
        take = "take input_price and output_price, in USD per million tokens"
        return f"unknown key {shown(dotted(path))}: {take}"
    if path == ("check",):
        return "unknown key 'check': it is set for each tier, as tiers.NAME.check"
    words = list(known)
    others = (
        f"; take {', '.join(words)}" if 0 < len(words) <= FEW else "; %ai config shows them all"
    )
    near = nearest(key, words) or others
    return f"unknown key {shown(dotted(path))}{near}"


def nearest(word: object, known: Iterable[str], n: int = 1) -> str:
    """The question whether one of up to `n` similar names was meant; "" where none is similar."""
    near = similar(word, known, n)
    return f"; did you mean {' or '.join(shown(name) for name in near)}?" if near else ""


def similar(word: object, known: Iterable[str], n: int = 1, least: float = 0.6) -> list[str]:
    """Up to `n` names like the word, the most similar first; case does not count.

    Args:
        word: what was typed.
        known: the right names.
        n: how many at most.
        least: how similar they must be, from 0 (not at all) to 1 (the same).
    """
    by_folded: dict[str, str] = {}
    for name in known:
        by_folded.setdefault(name[:200].casefold(), name)
    word = simple(word)
    typed = word[:200].casefold() if isinstance(word, str) else ""
    begins = [name for name in by_folded if len(typed) > 3 and name.startswith(typed)]
    near = difflib.get_close_matches(typed, by_folded, n=n, cutoff=least)
    return [by_folded[name] for name in dict.fromkeys((*sorted(begins, key=len), *near))][:n]


def shown(value: object) -> str:
    """A value as a message shows it: quoted, and cut where it is long.

    Of what is neither text nor number, what kind of thing it is: none of its own code runs.
    """
    value = simple(value)
    if isinstance(value, PurePath):
        value = PurePath.__str__(value)
    if isinstance(value, str):
        return repr(f"{value[:49]}…" if len(value) > 50 else value)
    if isinstance(value, int) and not -(10**40) < value < 10**40:
        return "a huge number"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, Decimal):
        return Decimal.__str__(value)[:50]
    kind = type(value).__name__
    return f"a value of type {kind if len(kind) <= 40 else kind[:39] + '…'}"


def simple(value: Any) -> Any:
    """The value as a str, int, float or bool of Python's own where it is a kind of one.

    Such are numpy's scalars and what subclasses str, int or float; all else is given back as it is.
    None of the value's own code runs.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        value = value.item()
    for kind, made in _OWN.items():
        if isinstance(value, kind) and type(value) not in (kind, bool):
            return made(value)
    return value


def dotted(path: Iterable[str | int]) -> str:
    """A path of keys as people write it."""
    parts = (str(part) for part in path)
    return ".".join(part if len(part) <= 60 else f"{part[:59]}…" for part in parts) or "settings"


def one_line(text: str) -> str:
    """The text as one line of at most 200 characters, all of them to be seen."""
    flat = " ".join(text.split())
    if not flat.isprintable():
        flat = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in flat)
    return flat if len(flat) <= 200 else f"{flat[:199]}…"
