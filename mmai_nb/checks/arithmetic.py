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

from ..markup import python_tree
from .blocks import take_apart
from .finding import Finding
from .notation import plain_lines

__all__ = ["speaks_of_errors", "wrong_sums"]

MOST_EQUATIONS = 200
LONGEST_SIDE = 80
LARGEST_POWER = 64

_LEFT = re.compile(r"[\d.()+\-*/^% \t]+$")
_RIGHT = re.compile(r"[ \t]*(-?[ \t]*(?:\d+\.?\d*|\.\d+)(?:[ \t]?%)?)([\d.()+\-*/^% \t]*)")
_EQUALS = re.compile(r"(?<![=<>!:~≈])=(?!=)")


_OTHER_RULES = re.compile(
    r"\bmod(?:ulo|ulus|ular)?\b|\\[bp]?mod\b|\\mathbb\{?Z|\bbase[- ]?\d|"
    r"\b(?:binary|hexadecimal|octal|boolean|XOR|bitwise|one's complement|concatenat\w*|"
    r"(?:12|24)-hour|on an? (?:12-hour |24-hour )?clock)\b",
    re.IGNORECASE,
)
_CALLED_WRONG = re.compile(
    r"\b(?:wrong\w*|incorrect\w*|false|mistakes?|mistaken|errors?|instead of|slogan|claim\w*|"
    r"wrote|should be|strings?|falsch\w*|fehler\w*)\b|≠|❌|✗",
    re.IGNORECASE,
)
_ABOUT_ERRORS = re.compile(
    r"\b(?:find|spot|show|list|typical|common|correct|check|grade|what|which|where|why)\b"
    r"[^.?!\n]{0,60}\b(?:mistakes?|errors?|wrong|fehler|falsch\w*)\b|"
    r"\b(?:distractors?|multiple[- ]choice (?:item|question|quiz|test)\w*|jokes?)\b",
    re.IGNORECASE,
)
_SIZES = re.compile(r"\b(?:matri(?:x|ces)|shapes?|tensors?|dimensions?|kernel|screens?)\b", re.I)
_ITEM = re.compile(r"[ \t]*(?:[-*+•|]|\(?(?:\d{1,2}|[A-Za-z])[.)])[ \t]")


def wrong_sums(text: str, prompt: str = "") -> Iterator[Finding]:
    """A finding for each equation of plain numbers that is wrong, as it stands in the text."""
    prose, asked = take_apart(text).prose, prompt[:5_000]
    if any(map(_OTHER_RULES.search, (prose, asked))) or speaks_of_errors(prompt):
        return
    seen = {shown for _, _, shown, _ in _equations(asked)}
    sizes = bool(_SIZES.search(prose) or _SIZES.search(asked))
    for left, right, shown, line in _equations("\n".join(_told(prose))):
        if shown in seen or (sizes and "*" in left and "*" in right[-1]):
            continue
        seen.add(shown)
        if not _holds(left, right) and not (_ABOUT.search(line) and _is_close(left, right)):
            yield Finding("arithmetic", f"{shown} is wrong")


def speaks_of_errors(prompt: str) -> bool:
    """Whether a prompt is about errors, so that an answer may show wrong sums on purpose."""
    return bool(_ABOUT_ERRORS.search(prompt[:5_000]))


def _told(prose: str) -> Iterator[str]:
    """The lines that are not called wrong, by themselves or by what introduces their list."""
    wrong = False
    for line in prose.split("\n"):
        if not line.strip():
            continue
        called = bool(_CALLED_WRONG.search(line))
        if not _ITEM.match(line):
            wrong = called and line.rstrip().endswith((":", "："))
        if not called and not wrong:
            yield line


def _equations(text: str) -> Iterator[tuple[str, list[str], str, str]]:
    """Left side, readings of the right side, both as they are shown, and the line."""
    count = 0
    for line in plain_lines(text):
        for equals in _EQUALS.finditer(line):
            count += 1
            if count > MOST_EQUATIONS:
                return
            left = _left_side(line[: equals.start()])
            right = _RIGHT.match(line, equals.end())
            if left and right and not _goes_on(line, right.end()):
                first = right[1].strip().rstrip(".")
                whole = (right[1] + right[2]).strip().rstrip("+-*/^(. ").strip()
                readings = list(dict.fromkeys([first, whole]))
                result = whole if _FRACTION.fullmatch(whole) else first
                yield (
                    left,
                    readings,
                    f"{_spoken(left.removeprefix('- '))} = {_spoken(result)}",
                    line,
                )


_FRACTION = re.compile(r"\d{1,9}[ \t]*/[ \t]*\d{1,9}")


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
    starts = side[:1].isdigit() or side[:1] in "(." or (side[:2] == "- " and not ahead)
    operator = re.search(r"[\d)%]\s*[-+*/^]\s*[\d(.]", side)
    meant = starts and operator and not sticks and not _NOT_MEANT.fullmatch(side)
    return side if meant and len(side) <= LONGEST_SIDE else ""


def _goes_on(line: str, end: int) -> bool:
    """Whether a number is only the beginning of something else: `3x`, `5%`, `2 : 3`."""
    after = line[end : end + 20]
    glued = bool(line[end - 1 : end].strip())
    return bool(
        re.match(r"[%\\{_]|\s*[%^]|\s*\\|\s*(?:(?:more|less|fewer|times|or|to|r|R)\b|of \d)", after)
    ) or (glued and bool(re.match(r"[a-zA-Zα-ωπ√,:]\w|[a-zKMBGTα-ωπ√]\b|,\d", after)))


def _holds(left: str, readings: list[str]) -> bool:
    """Whether an equation is right by one of its readings, or cannot be judged."""
    if _is_range(left, readings[0]) or _adds_up(left, readings):
        return True
    grouped = [_UNGROUPED.sub(r"\1\2", side) for side in (left, *readings)]  # 1.500 for 1500
    if grouped[0] == left and "." in left:
        return False
    return grouped != [left, *readings] and _adds_up(grouped[0], grouped[1:])


_UNGROUPED = re.compile(r"(?<![\d.])(\d{1,3})\.(\d{3})(?![\d.])")
_ROUNDED = re.compile(r"\d+\.(\d{2,})")


_ABOUT = re.compile(
    r"\b(?:about|approximately|approx|roughly|around|rounded|estimate\w*|ungefähr|rund|etwa|circa)\b|"
    r"[≈~]|\\approx",
    re.IGNORECASE,
)


def _is_close(left: str, readings: list[str]) -> bool:
    """Whether a result with fewer digits is off by 5 % at most: enough for an estimate."""
    for side in _meanings(left):
        value, claimed = _value(side), _value(readings[0].rstrip("% "))
        if value is None or claimed is None:
            return True
        close = abs(value - claimed) <= abs(value) / 20
        if close and _digits(readings[0]) < _digits(f"{float(value):.12g}"):
            return True
    return False


def _digits(number: str) -> int:
    """How many digits of a number are told, without zeros at its ends."""
    return len(re.sub(r"\D", "", number.partition("e")[0]).strip("0"))


def _is_range(left: str, right: str) -> bool:
    """Whether `3-5 = 2` speaks of what is from 3 to 5: the larger one last, and written tight."""
    ends = re.fullmatch(r"(\d{1,9})( ?)-\2(\d{1,9})", left.removeprefix("- "))
    if not ends or int(ends[1]) >= int(ends[3]) or right.startswith("-"):
        return False
    return not ends[2] or right == str(int(ends[3]) - int(ends[1]) + 1)


def _adds_up(left: str, readings: list[str]) -> bool:
    for side in _meanings(left):
        value = _value(side)
        if value is None:
            return True
        off = _inherited(side, value) + _of_thirds(left, value)
        for reading in readings:
            number = reading.rstrip("% ")
            for factor in (1, 100) if reading.endswith("%") else (1,):
                claimed = _value(number if "%" not in number else _meanings(number)[0])
                if claimed is None:
                    return True
                most = max(_tolerance(value * factor, number), off * factor)
                if abs(value * factor - claimed) <= most:
                    return True
    return False


_PERCENT = re.compile(r"(?<![\d.])(\d+\.?\d*)[ \t]?%")
_TIGHT = re.compile(r"(?<=[*/] )(\d{1,9}/\d{1,9})(?![\d^.])")
"""A fraction written in one: 4 / 1/6 is 24."""
_CHANGED_BY = re.compile(r"(.*[^%])([+-])[ \t]*(\d+\.?\d*)[ \t]?%[ \t]*")


def _meanings(left: str) -> list[str]:
    """What a side may mean: percent of one, of the rest of it, or points; a mark or a minus."""
    sides = [left[2:], left] if left.startswith("- ") else [left]
    sides += [_TIGHT.sub(r"(\1)", side) for side in sides if _TIGHT.search(side)]
    if "%" not in left:
        return sides
    found = []
    for side in sides:
        found += [_PERCENT.sub(r"(\1/100)", side), _PERCENT.sub(r"\1", side)]
        if (change := _CHANGED_BY.fullmatch(side)) and "%" not in change[1]:
            found.append(f"({change[1]})*(1{change[2]}{change[3]}/100)")
    return found


def _of_thirds(left: str, value: Fraction) -> Fraction:
    """How far off a result may be because 33 % stands for a third, and so on."""
    thirds = re.search(r"(?<![\d.])(?:33|66|67)[ \t]?%", left)
    return abs(value) / 33 if thirds else Fraction(0)


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
        tree = python_tree(re.sub(r"(?<![\d.])0+(?=\d)", "", side).replace("^", "**"), "eval")
        return _evaluated(tree.body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
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
