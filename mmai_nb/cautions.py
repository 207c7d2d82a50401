"""Warnings of this package as a notebook shows them: one line, without a place in its code.

This module imports nothing of the package.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

__all__ = ["restore", "show_plainly"]

HOUSE = os.path.dirname(__file__)
ERRORS = f"{__name__.rpartition('.')[0]}.errors"
"""Where the package's own categories are."""

_before: list[Any] = []
"""What wrote warnings until now; [] while nothing has changed."""


def show_plainly() -> None:
    """Have the package's own warnings written as one line; those of others as they were."""
    if not _before:
        _before.append(warnings.formatwarning)
        warnings.formatwarning = _written


def restore() -> None:
    """Have all warnings written as before, unless something else writes them by now."""
    if _before and warnings.formatwarning is _written:
        warnings.formatwarning = _before.pop()


def _written(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    if category.__module__ == ERRORS or filename.startswith(HOUSE):
        return f"{category.__name__}: {message}\n"
    return str(_before[0](message, category, filename, lineno, line))
