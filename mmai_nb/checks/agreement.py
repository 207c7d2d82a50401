"""Whether two answers say the same: their last words are compared, never their prose.

Two answers with the same final choice, number, short answer or data agree, however they got there.
Free prose cannot be compared that way, nor can two programs that differ: that is None, not False.
"""

from __future__ import annotations

import ast
import json
import math
import re
import unicodedata
import warnings
from dataclasses import dataclass
from typing import Any

from .finals import choice_named, number_asked, offers_choices

__all__ = ["agree"]

LONGEST = 100_000
"""Characters of an answer that are compared; a longer one cannot be."""


def agree(first: str, second: str, prompt: str) -> bool | None:
    """Whether two answers to a prompt say the same.

    Args:
        first: one answer.
        second: the other.
        prompt: what both were asked: the choices it offers, whether it asks for a number.

    Returns:
        True or False where both have a final answer; None where they cannot be compared.
    """
    if len(first) > LONGEST or len(second) > LONGEST:
        return None
    one, two = _plain(first), _plain(second)
    if not one or not two:
        return None
    if one == two:
        return True
    if offers_choices(prompt):
        return _same(choice_named(first, prompt), choice_named(second, prompt))
    for compare in (_same_data, _same_code, _same_word, _same_number, _same_phrase):
        verdict = compare(first, second, prompt)
        if verdict is not None:
            return verdict
    return None


def _same(one: object, two: object) -> bool | None:
    return None if one is None or two is None else one == two


def _plain(text: str) -> str:
    """The words of a text alone: no case, marks of Markdown, or spaces that mean nothing."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[*_`#>$\\]+", " ", text).split()).rstrip(" .!。")


_BLOCK = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)


def _only_block(text: str) -> str:
    """The code of the only fenced block; the whole text where there is none; else nothing."""
    blocks = _BLOCK.findall(text)
    if not blocks:
        return text
    return str(blocks[0]) if len(blocks) == 1 else ""


def _same_data(first: str, second: str, prompt: str) -> bool | None:
    one, two = _data(first), _data(second)
    return None if one is None or two is None else _equal(one, two)


def _data(text: str) -> Any:
    """An object or an array, if the answer is one; None if not."""
    source = _only_block(text).strip()
    if source[:1] not in ("{", "["):
        return None
    try:
        return json.loads(source)
    except (ValueError, RecursionError):
        return None


def _equal(one: Any, two: Any) -> bool:
    try:
        return _equal_data(one, two)
    except RecursionError:
        return False


def _equal_data(one: Any, two: Any) -> bool:
    """Equality of JSON values; numbers may differ in their last digit, True is not 1."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_equal_data(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_equal_data, one, two))
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, int | float) and isinstance(two, int | float):
        return one == two or math.isclose(one, two, rel_tol=1e-9)
    if isinstance(one, str) and isinstance(two, str):
        return _plain(one) == _plain(two)
    return bool(one == two)


def _same_code(first: str, second: str, prompt: str) -> bool | None:
    """True for the same program; two that differ may do the same, so that is None."""
    one, two = _program(first), _program(second)
    return True if one is not None and one == two else None


def _program(text: str) -> str | None:
    """A program as its syntax tree in writing, without layout and comments."""
    code = _only_block(text)
    if not code or code is text or len(code) > 20_000:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return " ".join(code.split())


_YES = {"yes", "true", "correct", "ja", "oui", "sí", "si", "sì", "sim", "да", "是", "はい"}
_NO = {"no", "false", "incorrect", "nein", "non", "não", "нет", "否", "いいえ"}


def _same_word(first: str, second: str, prompt: str) -> bool | None:
    """Yes or no at the beginning of both."""
    return _same(_yes_or_no(first), _yes_or_no(second))


def _yes_or_no(text: str) -> bool | None:
    word = re.match(r"\W*(\w+)(?=[.,;:!—–*]|\s*$|\s[—–-])", text[:60].casefold())
    if word is None or word[1] not in _YES | _NO:
        return None
    return word[1] in _YES


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it is written: its value, one unit of its last digit, what it counts."""

    value: float
    step: float
    unit: str = ""
    factor: float = 1.0

    def times(self, factor: float) -> _Number:
        return _Number(self.value * factor, self.step * factor)


_FIGURE = re.compile(
    r"(?<![\w.,])(?P<sign>[-−])?(?P<money>[$€£¥])?[ ]?"
    r"(?P<whole>\d{1,3}(?:[, \u202f]\d{3})+|\d{1,300})(?:\.(?P<places>\d{1,300}))?"
    r"(?:[eE](?P<power>[+-]?\d{1,3})|\s*[×x]\s*10\^?\{?(?P<ten>[-−]?\d{1,3})\}?)?"
    r"(?:\s*/\s*(?P<under>\d{1,15})(?![\d/]|\.\d))?"
    r"(?:\s*(?P<unit>%|°\s?[CF]\b|[A-Za-zµ€£]+(?:[²³]|\^[23]|/[a-z]+)?))?"
)
_SCALES = {"thousand": 1e3, "k": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_UNITS = {
    **dict.fromkeys(("mm", "millimeters", "millimetres"), ("m", 1e-3)),
    **dict.fromkeys(("cm", "centimeters", "centimetres"), ("m", 1e-2)),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), ("m", 1.0)),
    **dict.fromkeys(("km", "kilometers", "kilometres"), ("m", 1e3)),
    **dict.fromkeys(("mg", "milligrams"), ("g", 1e-3)),
    **dict.fromkeys(("g", "gram", "grams"), ("g", 1.0)),
    **dict.fromkeys(("kg", "kilogram", "kilograms"), ("g", 1e3)),
    **dict.fromkeys(("ms", "milliseconds"), ("s", 1e-3)),
    **dict.fromkeys(("s", "sec", "second", "seconds"), ("s", 1.0)),
    **dict.fromkeys(("min", "minute", "minutes"), ("s", 60.0)),
    **dict.fromkeys(("h", "hour", "hours"), ("s", 3600.0)),
    **dict.fromkeys(("day", "days"), ("s", 86400.0)),
    **dict.fromkeys(("ml", "milliliters", "millilitres"), ("l", 1e-3)),
    **dict.fromkeys(("l", "liter", "liters", "litre", "litres"), ("l", 1.0)),
    **dict.fromkeys(("%", "percent"), ("%", 1.0)),
    **dict.fromkeys(("cent", "cents"), ("$", 0.01)),
    **dict.fromkeys(("$", "dollar", "dollars", "usd"), ("$", 1.0)),
    **dict.fromkeys(("€", "euro", "euros", "eur"), ("€", 1.0)),
    **dict.fromkeys(("£", "pound", "pounds", "gbp"), ("£", 1.0)),
}
_STATED = re.compile(
    r"(?:\banswer\s*(?:is|:|=|would be)|####|\\boxed\{|\b(?:total|result|sum) (?:is|:|=)"
    r"|\btherefore\b|\bhence\b|(?:^|\n)\W*(?:so|thus)\b|∴)[^\d\n]{0,60}?(?=[-−$€£]?[ ]?\d)",
    re.IGNORECASE,
)


def _same_number(first: str, second: str, prompt: str) -> bool | None:
    """The final numbers, where the prompt asks for one or both answers state one."""
    asked = number_asked(prompt)
    one, two = _number(first, asked), _number(second, asked)
    return None if one is None or two is None else _near(one, two)


def _number(text: str, asked: bool) -> _Number | None:
    """The number an answer comes to: the one it states, else the last, where one was asked for."""
    text = re.sub(r"\*\*|\\[,!]|\\text\{|\\\$|\\%", _unmarked, text[-4_000:])
    lines = [line.strip() for line in _BLOCK.sub("", text).splitlines() if line.strip()]
    stated = list(_STATED.finditer(text))
    if stated and (found := _FIGURE.search(text, stated[-1].end() - 1)):
        return _figure(found)
    short = len(text.split()) <= 8
    if not lines or not (asked or short):
        return None
    found_all = list(_FIGURE.finditer(lines[-1]))
    if not found_all or (len(found_all) > 1 and short and not asked):
        return None
    return _figure(found_all[-1])


def _unmarked(found: re.Match[str]) -> str:
    return {r"\$": "$", r"\%": "%"}.get(found[0], "")


def _figure(found: re.Match[str]) -> _Number:
    whole = re.sub(r"\D", "", found["whole"])
    places = found["places"] or ""
    value, step = float(f"{whole}.{places}0"), 10.0 ** -len(places)
    scale = 10.0 ** int((found["power"] or found["ten"] or "0").replace("−", "-"))
    if found["under"] and float(found["under"]):
        value, step = value / float(found["under"]), 0.0
    name = (found["money"] or found["unit"] or "").replace(" ", "")
    lower = name.lower().replace("µ", "u")
    if lower in _SCALES:
        scale, lower = scale * _SCALES[lower], found["money"] or ""
    unit, factor = _UNITS.get(name, _UNITS.get(lower, ("", 1.0)))
    return _Number((-value if found["sign"] else value) * scale, step * scale, unit, factor)


def _near(one: _Number, two: _Number) -> bool:
    """Equal, where the one with fewer digits may be the other rounded or cut to them.

    A unit that only one of them names is taken for the other's; a percentage may be a share.
    """
    if one.unit and two.unit:
        return one.unit == two.unit and _close(one.times(one.factor), two.times(two.factor))
    if "%" in (one.unit, two.unit):
        share, other = (one, two) if one.unit else (two, one)
        return _close(share, other) or _close(share.times(0.01), other)
    return _close(one, two)


def _close(one: _Number, two: _Number) -> bool:
    off = abs(one.value - two.value)
    if math.isclose(one.value, two.value, rel_tol=1e-9, abs_tol=1e-12):
        return True
    coarse, fine = (one, two) if one.step >= two.step else (two, one)
    if coarse.step <= fine.step * 1.5 and fine.step:
        return False
    # 13 is no rounding of 13.33 that everybody would make, nor is 1 billion one of 1.4 billion
    most = 0.005 if coarse.step == 1 else 0.1
    return off < coarse.step and off <= most * abs(fine.value)


_OPENINGS = re.compile(
    r"^(?:(?:so|thus|therefore|hence)[ ,]+)?(?:the (?:final |correct |short )?answer is:?|answer:"
    r"|it is|it's|it was|that is|that's|this is)\s+"
)
_ARTICLES = re.compile(r"\b(?:the|a|an)\b")
_NEGATIONS = re.compile(r"\b(?:not|no|never|nor|neither|nicht|kein\w*|pas|non)\b|n't\b")


def _same_phrase(first: str, second: str, prompt: str) -> bool | None:
    """A few words: the same, or those of one in the other; two that differ, if both are short."""
    one, two = sorted((_phrase(first), _phrase(second)), key=len)
    if not one or len(one) > 6 or len(two) > 16:
        return None
    if one == two:
        return True
    if bool(_NEGATIONS.search(first.lower())) != bool(_NEGATIONS.search(second.lower())):
        return None
    if any(two[at : at + len(one)] == one for at in range(len(two) - len(one) + 1)):
        return True
    return False if len(two) <= 3 else None


def _phrase(text: str) -> list[str]:
    text = _ARTICLES.sub(" ", _OPENINGS.sub("", _plain(text[:400]))) if len(text) <= 400 else ""
    return re.findall(r"[\w%°]+(?:[.'’-]\w+)*", text)
