"""The rows of a frame as what a chart draws: summed by group, by period, or as they were spent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .paper import MOST_GROUPS
from .taking import group_of

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["MOST_BARS", "by_period", "first_rows", "percentiles", "spent_so_far", "sums_by"]

MOST_BARS = 20


def by_period(frame: DataFrame, by: str | None, step: str, column: str) -> Any:
    """A row per period (local time), a column per group, the dearest first, "others" last."""
    import pandas as pd

    if not len(frame):
        return pd.DataFrame()
    data = pd.DataFrame(
        {
            "start": _starts(frame, step),
            "group": "" if by is None else _group(frame, by),
            "value": frame[column].astype("float64"),
        }
    )
    table = data.pivot_table(index="start", columns="group", values="value", aggfunc="sum")
    order = table.sum().sort_values(ascending=False, kind="stable").index
    table = table[order]
    if len(order) > MOST_GROUPS:
        rest = table[order[MOST_GROUPS - 1 :]].sum(axis=1)
        table = table[order[: MOST_GROUPS - 1]].assign(
            **{f"{len(order) - MOST_GROUPS + 1} others": rest}
        )
    return table


def _starts(frame: DataFrame, step: str) -> Any:
    """The local period in which each row falls, without a time zone, as axes want it."""
    if "start" in frame.columns:
        return frame["start"].dt.tz_localize(None) if frame["start"].dt.tz else frame["start"]
    local = frame["ts"].dt.tz_convert(_zone())
    naive = local.dt.tz_localize(None)
    if step == "month":
        return naive.dt.to_period("M").dt.start_time
    return naive.dt.floor({"hour": "h", "day": "D"}[step])


def _zone() -> Any:
    return datetime.now().astimezone().tzinfo


def _group(frame: DataFrame, by: str) -> Series[Any]:
    name = next(name for name in group_of(by) if name in frame.columns)
    return frame[name].astype("string").fillna("none")


def sums_by(frame: DataFrame, by: str, columns: Sequence[str]) -> DataFrame:
    """A row per group, the largest first; the smallest of many are one row."""
    import pandas as pd

    if not len(frame):
        return pd.DataFrame(columns=list(columns))
    data = frame[list(columns)].astype("float64")
    sums = data.groupby(_group(frame, by), sort=False).sum(min_count=1)
    sums = sums.loc[sums.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    return first_rows(sums, MOST_BARS)


def first_rows(table: DataFrame, most: int) -> DataFrame:
    """The first rows; the others of many as one row, where they add up."""
    import pandas as pd

    if len(table) <= most:
        return table
    rest = table.iloc[most - 1 :]
    others = rest.select_dtypes("number").sum().to_frame(f"{len(rest)} others").T
    return pd.concat([table.iloc[: most - 1], others])


def percentiles(frame: DataFrame, by: str) -> DataFrame:
    """A row per group with p50_s and p95_s, in seconds: as it is given, or of the attempts sent."""
    if "p50_s" in frame.columns:
        table = frame.set_index(by) if by in frame.columns else frame
        return table.dropna(subset=["p50_s", "p95_s"]).iloc[:MOST_BARS]
    sent = frame[~frame["cache_hit"].fillna(False).astype(bool)]
    grouped = sent["duration_s"].groupby(_group(sent, by))
    table = grouped.quantile(0.5).to_frame("p50_s").assign(p95_s=grouped.quantile(0.95))
    return table.dropna().sort_values("p50_s").iloc[:MOST_BARS]


def spent_so_far(frame: DataFrame, start: datetime) -> list[tuple[datetime, float]]:
    """Moments and what had been spent since the start, in USD."""
    if not len(frame):
        return []
    when = frame["ts"] if "ts" in frame.columns else frame["start"]
    costs = frame["cost_usd"].astype("float64").fillna(0.0)
    local = when.dt.tz_convert(start.tzinfo).dt.floor("us")
    rows = sorted(zip(local, costs, strict=True))
    total, steps = 0.0, []
    for moment, cost in rows:
        if cost and moment.to_pydatetime() >= start:
            total += cost
            steps.append((moment.to_pydatetime(), total))
    return steps
