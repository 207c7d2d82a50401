"""Which frames a chart takes; of another it is told in one line where the right one comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..values import one_line, shown

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ATTEMPTS", "STEPS", "TIMES", "check_frame", "check_step", "group_of"]

TIMES = ("ts", "start")
"""Where a frame holds its times: a row per attempt, or a row per period."""
ATTEMPTS = "a row per attempt, as ai.costs() gives"
STEPS = ("hour", "day", "month")

_COLUMN = {"model": "request_model"}


def group_of(by: str) -> tuple[str, ...]:
    """The columns that may hold a group's name, the first one that is there counts."""
    name = str(by)
    return (name, _COLUMN[name]) if name in _COLUMN else (name,)


def check_frame(chart: str, frame: Any, source: str, *needs: Sequence[str]) -> DataFrame:
    """The frame with its groups in a column, if the chart can be drawn of it, or has no rows.

    Args:
        chart: the function's name.
        frame: what it was given.
        source: which frame it takes, and what gives it, in words.
        needs: columns, each with the names it may have.

    Raises:
        OptionError: that is no frame, or a column is missing or holds no times.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise OptionError(one_line(f"{chart} takes {source}, not {shown(frame)}"))
    found: DataFrame = frame
    if not len(found):
        return found
    index = [name for name in found.index.names if name is not None]
    if index and not {*index} & {*found.columns}:
        found = found.reset_index()
    for names in needs:
        column = next((name for name in names if name in found.columns), None)
        if column is None:
            raise OptionError(
                one_line(f"{chart} takes {source}: this frame has no column {shown(names[0])}")
            )
        if names == TIMES and not isinstance(found[column].dtype, pd.DatetimeTZDtype):
            raise OptionError(
                one_line(f"{chart} takes {source}: {shown(column)} holds no times with a zone here")
            )
    return found


def check_step(step: str) -> None:
    """Nothing, if there is such a period.

    Raises:
        OptionError: there is none.
    """
    if step not in STEPS:
        raise OptionError(one_line(f"no step {shown(step)}: take {', '.join(STEPS)}"))
