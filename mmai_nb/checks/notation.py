"""Sums as people and models write them, made plain: digits, brackets, + - * / ^ % and =.

Marks of lists, tables and Markdown go, LaTeX becomes signs, words become operators, figures lose
what groups their digits, and what is counted ("40 hours") goes where it does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["plain_lines"]

LONGEST_LINE = 4_000
"""Characters of a line that are read; the rest of a longer one is not."""

_SIGNS = {
    r"\times": "*",
    r"\cdot": "*",
    r"\div": "/",
    r"\*": "*",
    "×": "*",
    "·": "*",
    "⋅": "*",
    "÷": "/",
    "−": "-",
    "–": "-",
    "<<": "\n",
    ">>": "\n",
    "**": "^",
    r"\$": "",
    "$": "",
    "€": "",
    "£": "",
    r"\,": "",
    r"\%": "%",
    r"\left": "",
    r"\right": "",
    r"\[": "\n",
    r"\]": "\n",
    r"\(": "\n",
    r"\)": "\n",
    "{,}": "",
    "\u00a0": " ",
    "\u202f": " ",
}
_CURRENCIES = frozenset("$€£¥₹")
_SIGN = re.compile("|".join(map(re.escape, sorted(_SIGNS, key=len, reverse=True))))
_BOLD = re.compile(r"(?<![\w)*])\*\*(?=[^\s*])([^*\n]{1,200})(?<=\S)\*\*(?![\w(*])")
_BOXED = re.compile(r"\\boxed\{([^{}]{1,60})\}")
_WORDS_IN_LATEX = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\{([^{}]{0,40})\}")
_FRACTION = re.compile(r"\\[dt]?frac\{([\d.+\-* ]{1,20})\}\{([\d.+\-* ]{1,20})\}")
_RESULT_FRACTION = re.compile(r"=[ \t]*\(\((\d{1,9})\)/\((\d{1,9})\)\)")
_RAISED = re.compile("(?<=[0-9)])[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}")
_RAISED_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_TIMES = re.compile(r"(?<=\d)(?<!\b0)\s*[xX]\s*(?=[\d(])")
_GROUPED = re.compile(r"(?<![\d.,])([1-9]\d{0,2}(?:,\d{3})+)(?![\d,])")
_GROUPED_BY_TICKS = re.compile(r"(?<![\d.,'’])([1-9]\d{0,2}(?:['’]\d{3})+)(?!\d)")
_GROUPED_BY_DOTS = re.compile(r"(?<=\d)\.(?=\d{3}(?!\d))")
_DECIMAL_COMMA = re.compile(r"\b0,\d|\d,\d{1,2}(?![\d,])")
_DECIMAL_POINT = re.compile(r"(?<!\d)0\.\d|\d\.\d(?!\d{2}(?!\d))|[A-Za-z]\(\d")
_MARK = re.compile(r"\A[ \t]*(?:[-*+•>]|\(?(?:\d{1,2}|[A-Za-z])[.)])[ \t]+(?=[\d(\-])")
_OPERATORS = {"times": "*", "multiplied by": "*", "plus": "+", "minus": "-", "divided by": "/"}
_SPOKEN = re.compile(
    rf"(?<=[\d)%])[ \t]{{1,3}}({'|'.join(_OPERATORS)})[ \t]{{1,3}}(?=[\d(])", re.IGNORECASE
)
_SHARE = re.compile(r"(?<=\d)[ \t]?%[ \t]{1,3}(?:of|von|de|di)[ \t]{1,3}(?=\d)", re.IGNORECASE)
_EQUALS = re.compile(
    r"(?<=[\d)%])[ \t]{1,3}(?:equals|is equal to|makes|gives)[ \t]{1,3}(?=-?\d)", re.IGNORECASE
)
_PERCENT = re.compile(
    r"(?<=\d)[ \t]?(?:percent|per cent|pct|Prozent|pour cent|por ciento)\b", re.IGNORECASE
)
_IS = re.compile(r"(?<=\d)[ \t]{1,3}(?:is|are)[ \t]{1,3}(?=\d)", re.IGNORECASE)

_COUNTED = re.compile(
    r"(?<=\d)(?:[ \t]|(?<=\d)-)(?P<what>[A-Za-z]{2,20}(?:[ /-][A-Za-z]{1,15}){0,2})"
    r"[ \t]{0,3}(?=[+*=)]|[-/][ \t]{0,3}[\d(])"
)
_RESULT_OF = re.compile(r"=[ \t]{0,3}-?[\d.,]{1,20}[ \t]{1,3}([A-Za-z]{1,20})")
_SMALL = {"km", "cm", "mm", "kg", "mg", "ft", "lb", "oz", "ml", "hr", "ms", "gb", "mb", "kb", "tb"}
_NO_COUNT = frozenset(
    re.findall(
        r"\w+",
        """squared cubed factorial choose mod modulo dozen dozens pair pairs couple couples score
        gross half halves third thirds quarter quarters fourths fifths sixths eighths
        tenths hundredths ones tens hundreds hundred thousand thousands million millions
        billion billions trillion percent percentage points lakh crore nickel nickels
        dime dimes penny pennies cents cent is are was were be and or of to from than
        times plus minus by the in on at for with if then so but not over under into
        equals gives makes sin cos tan log exp sqrt max min mean base bit bits degrees
        degree sq square cubic""",
    )
)
"""Words behind a figure that change its value, or are no name of what is counted."""
_DIMENSIONS = {
    name: dimension
    for dimension, names in {
        "time": "ms s sec second min minute h hr hour day week month quarter year decade century",
        "length": "mm cm m km meter metre kilometer kilometre inch ft foot feet yard mile",
        "weight": "mg g kg gram kilogram lb pound oz ounce ton tonne",
        "volume": "ml l liter litre cup tbsp tsp tablespoon teaspoon pint quart gallon",
        "data": "bit byte kb mb gb tb kib mib gib",
        "money": "dollar cent euro pound penny usd eur",
    }.items()
    for name in names.split()
}


def plain_lines(text: str) -> Iterator[str]:
    """The lines of a text that have an equation, each cell of a table a line of its own."""
    for line in text.split("\n"):
        if len(_CURRENCIES.intersection(line)) > 1:
            continue  # to be converted
        if any(sign in line for sign in ("=", " is ", " are ", " equals ", " makes ", " gives ")):
            yield from _plain(line[:LONGEST_LINE])


def _plain(line: str) -> Iterator[str]:
    bars = line.strip()
    cells = bars.split("|") if bars[:1] == "|" and bars.count("|") > 2 else [line]
    for cell in cells:
        for part in _signs(_MARK.sub(_kept_minus, cell, count=1)).split("\n"):
            spoken = _in_signs(_without_groups(part))
            if "=" in spoken:
                yield _RESULT_FRACTION.sub(r"= \1/\2", _uncounted(spoken))


def _kept_minus(mark: re.Match[str]) -> str:
    """A mark of a list goes; a minus that may as well be a sign is told by its reader."""
    return "- " if mark[0].strip() == "-" else " "


def _signs(text: str) -> str:
    if "\\" in text:
        text = _WORDS_IN_LATEX.sub(r" \1 ", _BOXED.sub(r"\1", text))
    if "**" in text:
        text = _BOLD.sub(r"\1", text)
    text = _SIGN.sub(lambda sign: _SIGNS[sign[0]], text)
    if "frac" in text:
        text = _FRACTION.sub(r"((\1)/(\2))", text)
    if not text.isascii():
        text = _RAISED.sub(lambda found: f"^{found[0].translate(_RAISED_DIGITS)}", text)
    return text


def _without_groups(line: str) -> str:
    """Figures without what groups their digits, and with a point before their decimals."""
    if _DECIMAL_COMMA.search(line) and not _DECIMAL_POINT.search(line):
        line = re.sub(r"(?<=\d),(?=\d)", ".", _GROUPED_BY_DOTS.sub("", line))
    line = _GROUPED.sub(lambda found: found[1].replace(",", ""), line)
    return _GROUPED_BY_TICKS.sub(lambda found: re.sub("['’]", "", found[1]), line)


def _in_signs(line: str) -> str:
    """Operators for words: 3 times 17 is 51, 15 % of 80 equals 12."""
    line = _TIMES.sub(" * ", _PERCENT.sub("%", line))
    signs, count = _SPOKEN.subn(lambda found: f" {_OPERATORS[found[1].lower()]} ", line)
    signs, shares = _SHARE.subn("% * ", signs)
    signs = _EQUALS.sub(" = ", signs)
    return _IS.sub(" = ", signs) if count or shares else signs


def _uncounted(line: str) -> str:
    """Without the names of what is counted, where they do not change the sum."""
    found = [hit["what"].lower() for hit in _COUNTED.finditer(line)]
    if not found:
        return line
    words = [re.split(r"[ /-]", what) for what in found]
    flat = [word for parts in words for word in parts]
    if any(word in _NO_COUNT for word in flat):
        return line
    if any(len(parts[0]) < 3 and parts[0] not in _SMALL for parts in words):
        return line  # ab, xy: names of unknowns
    above = [*(parts[0] for parts in words), *map(str.lower, _RESULT_OF.findall(line))]
    below = {_one(part) for parts in words for part in parts[1:]}
    cancelled = below & {_one(word) for word in above}  # 8 hours/day × 5 days
    named = {_one(word) for word in (*flat, *above)} - cancelled
    measured = [_DIMENSIONS[name] for name in named if name in _DIMENSIONS]
    if len(set(measured)) < len(measured) or named & _NO_COUNT:
        return line  # hours and minutes: to be converted
    things = {_one(parts[-1]) for parts in words}
    if len(things) > 1 and re.search(r"[\dA-Za-z)][ \t]*[+-][ \t]*[\d(]", line):
        return line  # nickels and dimes
    return _COUNTED.sub(" ", line)


def _one(name: str) -> str:
    """The singular, about."""
    return name[:-1] if len(name) > 3 and name.endswith("s") else name
