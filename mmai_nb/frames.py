"""Columns of plain values as a DataFrame whose dtypes are the same for any values, none included.

Money comes in whole nano-dollars and is USD in a frame; unknown is NA or NaN, never 0. This module
imports nothing of the package, and pandas only when a frame is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["make_frame"]


def make_frame(kinds: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> DataFrame:
    """Rows as a DataFrame.

    Args:
        kinds: name and kind of each column: a dtype, `money` (nano-dollars), `time` (seconds since
            the epoch, in UTC) or `local` (the same in local time).
        rows: the values, in the order of `kinds`; None is unknown.
    """
    import pandas as pd

    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    pairs = zip(kinds.items(), columns, strict=True)
    return pd.DataFrame({name: _column(values, kind) for (name, kind), values in pairs})


def _column(values: Sequence[Any], kind: str) -> Any:
    import pandas as pd

    if kind in ("time", "local"):
        micros = pd.Series(values, dtype="float64").mul(1e6).round()
        times = pd.to_datetime(micros, unit="us", utc=True, errors="coerce").dt.as_unit("us")
        return times if kind == "time" else times.dt.tz_convert("tzlocal()")
    if kind == "money":
        nanos = pd.array(list(values), dtype="Int64").to_numpy("float64", na_value=math.nan)
        return pd.Series(nanos) / 1e9
    if kind == "boolean":
        values = [None if value is None else bool(value) for value in values]
    return pd.Series(list(values), dtype=kind)
