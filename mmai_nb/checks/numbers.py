"""Numbers as they are written: with their signs, digits, units; and the one an answer comes to."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from .blocks import take_apart

__all__ = ["Number", "final_number", "last_numbers", "near"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written.

    Attributes:
        step: one unit of its last digit; 0 for a fraction, which is exact.
        unit: what it counts, one name for units that can be converted; empty where none is known.
        factor: what makes the value one of that unit: 1,000 for km.
        stated: whether the text calls it the answer, or draws it as its conclusion.
    """

    value: float
    step: float = 0.0
    unit: str = ""
    factor: float = 1.0
    stated: bool = False

    def times(self, factor: float) -> Number:
        """So many times of it, without its unit."""
        return Number(self.value * factor, self.step * factor)


_FIGURE = re.compile(
    r"(?<![\w.,])(?P<sign>[-−])?(?P<money>[$€£¥])?[ ]?"
    r"(?P<whole>\d{1,3}(?:[, \u202f]\d{3})+(?!\d)|\d{1,300})(?:\.(?P<places>\d{1,300}))?"
    r"(?:[eE](?P<power>[+-]?\d{1,2})|\s{0,3}[×x]\s{0,3}10\^?\{?(?P<ten>[-−]?\d{1,2})\}?)?"
    r"(?:\s{0,3}/\s{0,3}(?P<under>\d{1,15})(?![\d/]|\.\d))?"
    r"(?:\s{0,3}(?P<unit>%|°\s?[CF]\b|[A-Za-zµ€£]{1,20}(?:[²³]|\^[23]|/[a-z]{1,9})?))?"
)
_SCALES = {"thousand": 1e3, "k": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_UNITS = {
    name: (unit, factor)
    for names, unit, factor in (
        ("mm millimeters millimetres", "m", 1e-3),
        ("cm centimeters centimetres", "m", 1e-2),
        ("m meter meters metre metres", "m", 1.0),
        ("km kilometers kilometres", "m", 1e3),
        ("ft foot feet", "m", 0.3048),
        ("yd yard yards", "m", 0.9144),
        ("mi mile miles", "m", 1609.344),
        ("mg milligrams", "g", 1e-3),
        ("g gram grams", "g", 1.0),
        ("kg kilogram kilograms", "g", 1e3),
        ("m/s", "m/s", 1.0),
        ("km/s", "m/s", 1e3),
        ("km/h kmh", "m/s", 1 / 3.6),
        ("mph", "m/s", 0.44704),
        ("ms milliseconds", "s", 1e-3),
        ("s sec second seconds", "s", 1.0),
        ("min minute minutes", "s", 60.0),
        ("h hour hours", "s", 3600.0),
        ("day days", "s", 86400.0),
        ("week weeks", "s", 604800.0),
        ("ml milliliters millilitres", "l", 1e-3),
        ("l liter liters litre litres", "l", 1.0),
        ("% percent", "%", 1.0),
        ("cent cents", "$", 0.01),
        ("$ dollar dollars usd", "$", 1.0),
        ("€ euro euros eur", "€", 1.0),
        ("£ pound pounds gbp", "£", 1.0),
    )
    for name in names.split()
}
_STATED = re.compile(
    r"(?:\banswer\s{0,3}(?:is|:|=|would be)|^####(?=[^\n]{1,24}$)|\\boxed\{)"
    r"[^\d\n]{0,60}?(?=[-−$€£]?[ ]?\d)",
    re.IGNORECASE | re.MULTILINE,
)
_CONCLUDED = re.compile(
    r"(?:\b(?:total|result|sum|therefore|hence|thus)\b|^\W{0,9}so\b|∴)"
    r"[^\d]{0,60}?(?=[-−$€£]?[ ]?\d)",
    re.IGNORECASE,
)
_OPERATOR = re.compile(r"\s{0,3}(?:\([^()]{0,30}\)\s{0,3})?[-+*/×÷=^(]|\s{0,3}x\s")
_MARKS = re.compile(r"\*\*|\\[,!]|\\text\{|\\\$|\\%")


def final_number(text: str, asked: bool) -> Number | None:
    """The number an answer comes to: the one it states, else the last of its last line.

    Args:
        text: the answer.
        asked: whether a number was asked for; if not, only a stated one or that of a very short
            answer counts.
    """
    text = _MARKS.sub(_unmarked, take_apart(text).prose[-4_000:])
    stated = list(_STATED.finditer(text))
    if stated:
        start = max(0, stated[-1].end() - 1)
        return _first(text[start : start + 300].split("\n", 1)[0])
    last = next((line for line in reversed(text.split("\n")) if line.strip()), "")[-1_000:]
    concluded = list(_CONCLUDED.finditer(last))
    if concluded:
        return _first(last[max(0, concluded[-1].end() - 1) :])
    figures = list(_FIGURE.finditer(last))
    short = len(text.split()) <= 8 and len(figures) == 1
    return _figure(figures[-1]) if figures and (asked or short) else None


def last_numbers(text: str) -> list[Number]:
    """The numbers near the end of an answer."""
    text = _MARKS.sub(_unmarked, take_apart(text).prose[-400:])
    return [_figure(found) for found in _FIGURE.finditer(text)]


def _first(line: str) -> Number | None:
    """The first number of a line; the last one, where it only begins a calculation."""
    figures = list(_FIGURE.finditer(line))
    if not figures:
        return None
    begins = not figures[0]["unit"] and _OPERATOR.match(line, figures[0].end())
    return replace(_figure(figures[-1] if begins else figures[0]), stated=True)


def _unmarked(found: re.Match[str]) -> str:
    return {r"\$": "$", r"\%": "%"}.get(found[0], "")


def _figure(found: re.Match[str]) -> Number:
    places = found["places"] or ""
    value = float(f"{re.sub(r'[^0-9]', '', found['whole'])}.{places}0")
    step = 10.0 ** -len(places)
    if found["under"] and float(found["under"]):
        value, step = value / float(found["under"]), 0.0
    scale = 10.0 ** int((found["power"] or found["ten"] or "0").replace("−", "-"))
    name = (found["unit"] or found["money"] or "").replace(" ", "")
    if name.lower() in _SCALES:
        scale, name = scale * _SCALES[name.lower()], found["money"] or ""
    unit, factor = (
        _UNITS.get(name) or _UNITS.get(name.lower()) or _UNITS.get(found["money"] or "", ("", 1.0))
    )
    return Number((-value if found["sign"] else value) * scale, step * scale, unit, factor)


def near(one: Number, two: Number) -> bool:
    """Equal, where the one with fewer digits may be the other rounded or cut to them.

    A unit that only one of them names is taken for the other's; a percentage may be a share.
    """
    if one.unit and two.unit:
        return one.unit == two.unit and _close(one.times(one.factor), two.times(two.factor))
    if "%" in (one.unit, two.unit):
        share, other = (one, two) if one.unit else (two, one)
        return _close(share, other) or _close(share.times(0.01), other)
    return _close(one, two)


def _close(one: Number, two: Number) -> bool:
    off = abs(one.value - two.value)
    if _is_grouped(one, two) or _is_grouped(two, one):
        return True
    if math.isclose(one.value, two.value, rel_tol=1e-9, abs_tol=1e-12):
        return True
    coarse, fine = (one, two) if one.step >= two.step else (two, one)
    if coarse.step <= fine.step * 1.5 and fine.step:
        return False
    # 13 is no rounding of 13.33 that everybody would make, nor is 1 billion one of 1.4 billion
    most = 0.005 if coarse.step == 1 else 0.1
    return off < coarse.step and off <= most * abs(fine.value)


def _is_grouped(dotted: Number, whole: Number) -> bool:
    """Whether 1.234 is another's 1234, as it is written in half of the world."""
    places = math.isclose(dotted.step, 0.001, rel_tol=1e-6) and abs(dotted.value) < 1_000
    return places and whole.step == 1 and math.isclose(dotted.value * 1_000, whole.value)
