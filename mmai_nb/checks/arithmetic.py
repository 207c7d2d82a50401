"""Sums in an answer's text that do not add up: `3 × 17 = 41`.

Only what is surely meant as arithmetic on plain numbers is looked at: no ranges, dates or ratios,
nothing modulo, no sum that the question shows. A result may be rounded or cut to the digits it
shows, and so may numbers with two decimals or more that it was worked out from. Nothing is
evaluated but numbers and + - * / ^, with bounds on both.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from .blocks import take_apart
from .finding import Finding

__all__ = ["wrong_sums"]

MOST_EQUATIONS = 200
LONGEST_SIDE = 80
LARGEST_POWER = 64

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
}
_SIGN = re.compile("|".join(map(re.escape, sorted(_SIGNS, key=len, reverse=True))))
_TIMES = re.compile(r"(?<=\d)(?<!\b0)\s*[xX]\s*(?=[\d(])")
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3}(?:,\d{3})+)(?![\d,])")
_LEFT = re.compile(r"[\d.()+\-*/^ \t]+$")
_RIGHT = re.compile(r"[ \t]*(-?[ \t]*(?:\d+\.?\d*|\.\d+))([\d.()+\-*/^ \t]*)")
_EQUALS = re.compile(r"(?<![=<>!:~≈])=(?!=)")


_OTHER_RULES = re.compile(
    r"\bmod(?:ulo|ulus|ular)?\b|\\[bp]?mod\b|\\mathbb\{?Z|\bbase[- ]?\d|"
    r"\b(?:binary|hexadecimal|octal|boolean|XOR|bitwise|one's complement|"
    r"(?:12|24)-hour|on an? (?:12-hour |24-hour )?clock)\b",
    re.IGNORECASE,
)
_CALLED_WRONG = re.compile(
    r"\b(?:wrong|incorrect|false|mistake\w*|instead of|slogan|claims?|falsch\w*)\b|≠|❌|✗",
    re.IGNORECASE,
)


def wrong_sums(text: str, prompt: str = "") -> Iterator[Finding]:
    """A finding for each equation of plain numbers that is wrong, as it stands in the text."""
    prose = take_apart(text).prose
    if "=" not in prose or _OTHER_RULES.search(prose) or _OTHER_RULES.search(prompt[:5_000]):
        return
    seen = {shown for _, _, shown in _equations(prompt[:5_000])} if "=" in prompt else set()
    lines = (line for line in prose.split("\n") if "=" in line)
    told = "\n".join(line for line in lines if not _CALLED_WRONG.search(line))
    for left, right, shown in _equations(told):
        if shown in seen:
            continue
        seen.add(shown)
        if not _holds(left, right) and not (_ABOUT.search(told) and _is_close(left, right)):
            yield Finding("arithmetic", f"{shown} is wrong")


def _equations(text: str) -> Iterator[tuple[str, list[str], str]]:
    """Left side, readings of the right side, and both as they are shown."""
    text = _THOUSANDS.sub(lambda found: found[1].replace(",", ""), _SIGN.sub(_plain, text))
    text = _TIMES.sub(" * ", text)
    count = 0
    for line in text.split("\n"):
        for equals in _EQUALS.finditer(line):
            count += 1
            if count > MOST_EQUATIONS:
                return
            left = _left_side(line[: equals.start()])
            right = _RIGHT.match(line, equals.end())
            if left and right and not _goes_on(line, right.end()):
                whole = (right[1] + right[2]).strip().rstrip("+-*/^(. ").strip()
                readings = list(dict.fromkeys([right[1].strip().rstrip("."), whole]))
                yield left, readings, f"{_spoken(left)} = {_spoken(readings[0])}"


def _plain(sign: re.Match[str]) -> str:
    return _SIGNS[sign[0]]


_BELONGS = "%_^{}[]\\≈<>/√∛∑∏∫∂Δ∆±∓|"
_FUNCTION = re.compile(
    r"(?:\\[A-Za-z]+|[α-ωΑ-Ω]|\b(?:[b-zB-HJ-Z]|log|ln|lg|sin|cos|tan|cot|sec|arc\w+|exp|sqrt|root|"
    r"max|min|mean|avg|gcd|lcm|det|var|std|cov|abs|mod|floor|ceil|round|lim|sum|chapters?|pages?|"
    r"versions?|steps?|levels?))$",
    re.IGNORECASE,
)
_NOT_MEANT = re.compile(
    r"\d{4}-\d{4}|\d{4}-\d{1,2}-\d{1,2}|\d{1,2}/\d{1,2}/\d{2,4}|.*/\s*[\d.]+\s*\*\s*10\s*\^.*"
)


def _left_side(before: str) -> str:
    """The arithmetic that ends the text, if nothing in front of it belongs to it."""
    found = _LEFT.search(before[-LONGEST_SIDE * 2 :])
    if found is None:
        return ""
    side = found[0].strip()
    ahead = before[: len(before) - len(found[0])].rstrip()
    glued = not found[0][0].isspace() and (found[0][0] != "(" or ahead[-1:].isalnum())
    sticks = bool(ahead) and (ahead[-1] in _BELONGS or glued or bool(_FUNCTION.search(ahead[-20:])))
    starts = side[:1].isdigit() or side[:1] in "(."
    operator = re.search(r"[\d)]\s*[-+*/^]\s*[\d(.]", side)
    meant = starts and operator and not sticks and not _NOT_MEANT.fullmatch(side)
    return side if meant and len(side) <= LONGEST_SIDE else ""


def _goes_on(line: str, end: int) -> bool:
    """Whether a number is only the beginning of something else: `3x`, `5%`, `2 : 3`."""
    after = line[end : end + 20]
    glued = line[end - 1 : end] and not line[end - 1].isspace()
    return bool(
        re.match(r"[%\\{_]|\s*[%^]|\s*\\|\s*(?:percent|per cent|pct|Prozent)", after)
    ) or bool(glued and re.match(r"[a-zA-Zα-ωπ√,:]\w|[a-zα-ωπ√]\b|,\d", after))


def _holds(left: str, readings: list[str]) -> bool:
    """Whether an equation is right by one of its readings, or cannot be judged."""
    if _is_range(left, readings[0]) or _adds_up(left, readings):
        return True
    grouped = [_UNGROUPED.sub(r"\1\2", side) for side in (left, *readings)]  # 1.500 for 1500
    return grouped[0] != left and _adds_up(grouped[0], grouped[1:])


_UNGROUPED = re.compile(r"(?<![\d.])(\d{1,3})\.(\d{3})(?![\d.])")
_ROUNDED = re.compile(r"\d+\.(\d{2,})")


_ABOUT = re.compile(
    r"\b(?:about|approximately|approx|roughly|around|rounded|estimate\w*|ungefähr|rund|etwa|circa)\b|"
    r"[≈~]|\\approx",
    re.IGNORECASE,
)


def _is_close(left: str, readings: list[str]) -> bool:
    """Whether a result is off by 5 % at most: enough for an estimate."""
    value, claimed = _value(left), _value(readings[0])
    return value is None or claimed is None or abs(value - claimed) <= abs(value) / 20


def _is_range(left: str, right: str) -> bool:
    """Whether `3-5 = 2` speaks of what is from 3 to 5: the larger one last, and written tight."""
    ends = re.fullmatch(r"(\d{1,9})( ?)-\2(\d{1,9})", left)
    if not ends or int(ends[1]) >= int(ends[3]) or right.startswith("-"):
        return False
    return not ends[2] or right == str(int(ends[3]) - int(ends[1]) + 1)


def _adds_up(left: str, readings: list[str]) -> bool:
    value = _value(left)
    if value is None:
        return True
    for reading in readings:
        claimed = _value(reading)
        if claimed is None:
            return True
        off = abs(value - claimed)
        if not off or off <= _tolerance(value, reading) or off <= _inherited(left, value):
            return True
    return False


def _tolerance(value: Fraction, reading: str) -> Fraction:
    """How far a result may be off: one unit of its last digit, where the true one has more."""
    decimals = re.search(r"\.(\d*)$", reading)
    places = len(decimals[1]) if decimals else 0
    exact = abs(value) / 10**9 + Fraction(1, 10**12)  # a float's own last digits
    if re.search(r"[+*/^]", reading) or (value * 10**places).denominator == 1:
        return exact
    return max(exact, Fraction(1, 10**places))


def _inherited(left: str, value: Fraction) -> Fraction:
    """How far a result may be off because the numbers it was worked out from were rounded."""
    off = Fraction(0)
    for found in _ROUNDED.finditer(left):
        nudged = f"{found[0]}5" if len(left) < LONGEST_SIDE else found[0]
        other = _value(f"{left[: found.start()]}{nudged}{left[found.end() :]}")
        off += abs(other - value) if other is not None else 0
    return off


@lru_cache(maxsize=256)
def _value(side: str) -> Fraction | None:
    if len(side) > LONGEST_SIDE:
        return None
    try:
        # leading zeros, as in 05, are no Python
        tree = ast.parse(re.sub(r"(?<![\d.])0+(?=\d)", "", side).replace("^", "**"), mode="eval")
        return _evaluated(tree.body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _evaluated(node: ast.expr) -> Fraction:
    """Raises ValueError for all that is no small arithmetic."""
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return Fraction(str(node.value))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluated(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(_evaluated(left), op, _evaluated(right))
    raise ValueError("no arithmetic")


def _combined(a: Fraction, op: ast.operator, b: Fraction) -> Fraction:
    if isinstance(op, ast.Add):
        return a + b
    if isinstance(op, ast.Sub):
        return a - b
    if isinstance(op, ast.Mult):
        return a * b
    if isinstance(op, ast.Div):
        return a / b
    small = b.denominator == 1 and abs(b) <= LARGEST_POWER and abs(a) <= 10**6
    if isinstance(op, ast.Pow) and small:
        return Fraction(a**b.numerator)
    raise ValueError("no arithmetic")


def _spoken(side: str) -> str:
    return re.sub(r"\s+", " ", side.replace("*", "×").replace("/", "÷")).strip()
