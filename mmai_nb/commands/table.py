"""Rows as the value of a line: a DataFrame that shows each of them whole, in one line.

Imports pandas, so it is itself imported only where rows are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import pandas as pd

from ..amounts import format_percent, format_usd
from .page import Page

__all__ = ["Table"]

_WORDS: dict[str, Callable[[Any], str]] = {
    "usd": format_usd,
    "share": format_percent,
    "count": "{:,}".format,
    "text": str,
}


class Table(pd.DataFrame):
    """A DataFrame whose text leaves no column out and breaks no row in two.

    What is made of it, such as a selection of rows, is a plain DataFrame.
    """

    @classmethod
    def of(
        cls, frame: pd.DataFrame, *, below: Sequence[str] = (), empty: str = "", **kinds: str
    ) -> Self:
        """The frame as a table.

        Args:
            frame: the rows.
            below: lines of text under them.
            empty: what is shown where there are none.
            kinds: what columns hold: usd, share, count or text; they show as amounts, or as a dash.
        """
        table = cls(frame)
        table.attrs.update(below="\n".join(below), empty=empty, kinds=kinds)
        return table

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        rows = ""
        if len(self) or not self._text("empty"):
            with pd.option_context("display.max_columns", None, "display.expand_frame_repr", False):
                rows = repr(self._in_words())
        return "\n\n".join(filter(None, [rows or self._text("empty"), self._text("below")]))

    def _repr_html_(self) -> str:
        rows = "" if self._text("empty") and not len(self) else self._in_words()._repr_html_()  # type: ignore[operator]
        texts = [self._text("below")] if rows else [self._text("empty"), self._text("below")]
        return str(rows or "") + "".join(Page(text).html for text in texts if text)

    def _in_words(self) -> pd.DataFrame:
        words = pd.DataFrame(self).copy()
        for name, kind in self.attrs.get("kinds", {}).items():
            words[name] = ["–" if pd.isna(v) else _WORDS[kind](v) for v in words[name]]
        return words

    def _text(self, name: str) -> str:
        return str(self.attrs.get(name, ""))
