"""Rows as the value of a line: a DataFrame that shows whole, in a narrow terminal too.

Imports pandas, so it is itself imported only where rows are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import pandas as pd

from .page import Page

__all__ = ["Table"]


class Table(pd.DataFrame):
    """A DataFrame whose text leaves no column out: what does not fit goes on below.

    What is made of it, such as a selection of rows, is a plain DataFrame.
    """

    @classmethod
    def of(cls, frame: pd.DataFrame, *, below: Sequence[str] = (), empty: str = "") -> Self:
        """The frame as a table.

        Args:
            frame: the rows.
            below: lines of text under them.
            empty: what is shown where there are none.
        """
        table = cls(frame)
        table.attrs.update(below="\n".join(below), empty=empty)
        return table

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        with pd.option_context("display.max_columns", None):
            rows = super().__repr__() if len(self) or not self._text("empty") else ""
        return "\n\n".join(filter(None, [rows or self._text("empty"), self._text("below")]))

    def _repr_html_(self) -> str:
        rows = "" if self._text("empty") and not len(self) else super()._repr_html_()  # type: ignore[misc]
        texts = [self._text("below")] if rows else [self._text("empty"), self._text("below")]
        return str(rows or "") + "".join(Page(text).html for text in texts if text)

    def _text(self, name: str) -> str:
        return str(self.attrs.get(name, ""))
