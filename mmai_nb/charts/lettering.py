"""Words and money on charts: names to the letter, as they fit, and marks of an axis that agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import takewhile
from typing import Any

from ..markup import clean_text

__all__ = ["money_axis", "shown_names", "to_the_letter"]

LONGEST_NAME = 28
WIDE_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Microsoft YaHei", "Yu Gothic"),
    *("PingFang SC", "Hiragino Sans", "Malgun Gothic", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("Arial Unicode MS", "Noto Sans", "Noto Sans Arabic", "Noto Sans Devanagari"),
)
"""Fonts with letters that matplotlib's own lacks; those that are installed are used."""


def shown_names(names: Iterable[Any]) -> list[str]:
    """Names as they fit: to the letter; a long one keeps its ends and what sets it apart."""
    texts = [_drawable(" ".join(clean_text(str(name)).split())) for name in names]
    shown = [_short(text) for text in texts]
    for place, label in enumerate(list(shown)):
        alike = [text for text in texts if _short(text) == label]
        if len(set(alike)) > 1:
            start = _same_start(alike)
            shown[place] = f"{texts[place][:8]}…{texts[place][start : start + LONGEST_NAME - 10]}"
    return shown


def _same_start(texts: Sequence[str]) -> int:
    """How many characters all texts begin with in common."""
    columns = zip(*texts, strict=False)
    return sum(1 for _ in takewhile(lambda letters: len(set(letters)) == 1, columns))


def _short(text: str) -> str:
    half = LONGEST_NAME // 2
    return text if len(text) <= LONGEST_NAME else f"{text[: half - 1]}…{text[-half:]}"


def to_the_letter(label: Any) -> None:
    """No `$` or `_` in a label is a formula, and each letter comes from a font that has it."""
    label.set_parse_math(False)
    if not label.get_text().isascii():
        label.set_fontfamily(list(_letters()))


@cache
def _letters() -> dict[str, frozenset[int]]:
    """The fonts for names that are not ASCII, in their order, with the characters each has."""
    from matplotlib.font_manager import findfont, fontManager, get_font

    there = set(fontManager.get_font_names())
    names = ["DejaVu Sans", *(name for name in WIDE_FONTS if name in there)]
    return {name: frozenset(get_font(findfont(name)).get_charmap()) for name in names}


def _drawable(text: str) -> str:
    """The text with a box for each letter that no font here has: matplotlib would warn of each."""
    if text.isascii():
        return text
    return "".join(c if any(ord(c) in had for had in _letters().values()) else "□" for c in text)


def money_axis(axis: Any) -> None:
    """US dollars at the marks of an axis, all with as many decimals."""
    from matplotlib.ticker import Formatter

    class Money(Formatter):
        """Each $ is a dollar."""

        def __call__(self, value: float, pos: int | None = None) -> str:
            return self.format_ticks([value])[0]

        def format_ticks(self, values: Any) -> list[str]:
            places = _places([float(value) for value in values])
            signs = ("-" if value < 0 else "" for value in values)
            return [
                rf"{sign}\${abs(value):,.{places if value else 0}f}"
                for sign, value in zip(signs, values, strict=True)
            ]

    axis.set_major_formatter(Money())


def _places(values: Sequence[float]) -> int:
    """How many decimals tell all of the marks of an axis exactly: of cents both or none."""
    close = max(map(abs, values), default=0.0) * 1e-6
    choices: Sequence[int] = (0, *range(2, 12))
    for places in choices:
        if all(math.isclose(value, round(value, places), abs_tol=close) for value in values):
            return places
    return 12
