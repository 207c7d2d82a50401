"""DataFrames as pictures: spend, tokens, savings, latency, rates, a budget's burn-down.

Each function takes a frame and gives a matplotlib Figure of its own, without pyplot and its global
state. Frames are those of `mmai_nb.costs()` (a row per attempt) or of `Ledger.series` (a row per
period and group); `Ledger.latencies` for latency. Names are shown to the letter: no `$` or `_` in
them is a formula. Colours are Okabe and Ito's (jfly.uni-koeln.de/color), which all can tell apart.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from .amounts import format_usd
from .lettering import money_axis, shown_names, to_the_letter

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame, Series

__all__ = [
    "burn_down",
    "cost_by",
    "format_count",
    "format_seconds",
    "latency",
    "rates",
    "savings",
    "spend_over_time",
    "tokens_by",
    "words",
]

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
OTHERS = "#999999"
INK, SOFT = "#222222", "#5f5f5f"
MOST_GROUPS = len(PALETTE)
"""Groups with a colour of their own; the rest are one group, "others"."""
MOST_BARS = 20
EMPTY = "No calls yet"
SIZE = (7.2, 3.4)
"""Inches."""


def spend_over_time(frame: DataFrame, by: str = "model", step: str = "day") -> Figure:
    """Cost in USD per period, stacked by group; the dearest groups have colours of their own.

    Args:
        frame: of `costs()` or `Ledger.series`.
        by: the group: model, provider, tier, notebook or tag.
        step: hour, day or month; for a frame of attempts. A series has its own.
    """
    figure, axes = _sheet("Spend over time")
    table = _table(frame, by, step, "cost_usd")
    if not len(table.columns) or not len(table):
        return _empty(figure, axes)
    width = _width(table.index)
    bottom = [0.0] * len(table)
    labels = shown_names(table.columns)
    for name, label, colour in zip(table.columns, labels, _colours(table.columns), strict=True):
        heights = table[name].fillna(0.0).tolist()
        axes.bar(
            table.index.to_pydatetime(),
            heights,
            width,
            bottom,
            color=colour,
            edgecolor="white",
            linewidth=0.6,
            label=f"\u200b{label}",  # a label that begins with _ would be left out
        )
        bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
    money_axis(axes.yaxis)
    axes.set_ylim(0, (max(bottom) or 1.0) * 1.08)
    _time_axis(axes, table.index)
    _legend(figure, axes)
    _mark(axes, frame)
    return figure


def cost_by(frame: DataFrame, by: str = "model") -> Figure:
    """Cost in USD by group, the dearest on top, each with its figure."""
    return _bars(frame, by, "cost_usd", f"Cost by {by}", format_usd)


def tokens_by(frame: DataFrame, by: str = "model") -> Figure:
    """Tokens in and out by group."""
    figure, axes = _sheet(f"Tokens by {by}")
    sums = _sums(frame, by, ("input_tokens", "output_tokens"))
    if not len(sums):
        return _empty(figure, axes)
    _ticks(axes, sums.index)
    left = [0.0] * len(sums)
    for column, colour, label in (
        ("input_tokens", PALETTE[0], "in"),
        ("output_tokens", PALETTE[1], "out"),
    ):
        widths = sums[column].fillna(0).astype(float).tolist()
        axes.barh(range(len(sums)), widths, left=left, color=colour, label=label, height=0.7)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for place, total in enumerate(left):
        _value(axes, place, total, format_count(total))
    axes.set_xlim(0, (max(left) or 1.0) * 1.18)
    axes.xaxis.set_major_formatter(_formatter(format_count))
    _legend(figure, axes)
    _tall(figure, len(sums))
    return figure


def savings(frame: DataFrame, step: str = "day") -> Figure:
    """USD saved per period, by the cache and by routing against always the strongest model.

    Routing's part needs a frame of `Ledger.series`: rows of attempts do not hold it.
    """
    figure, axes = _sheet("Saved")
    parts = [
        (column, label, colour)
        for column, label, colour in (
            ("saved_by_cache_usd", "by the cache", PALETTE[2]),
            ("saved_usd", "by the cache", PALETTE[2]),
            ("saved_by_routing_usd", "by routing", PALETTE[0]),
        )
        if column in frame.columns
    ]
    tables = [(_table(frame, None, step, column), label, c) for column, label, c in parts]
    if not tables or not len(tables[0][0]):
        return _empty(figure, axes)
    index = tables[0][0].index
    width = _width(index)
    for place, (table, label, colour) in enumerate(tables):
        values = table.iloc[:, 0].fillna(0.0).tolist()
        share = width / len(tables)
        offset = share * (place - (len(tables) - 1) / 2)
        axes.bar(
            [when + offset for when in index.to_pydatetime()],
            values,
            share * 0.9,
            color=colour,
            label=label,
        )
    money_axis(axes.yaxis)
    axes.axhline(0, color=SOFT, linewidth=0.8)
    _time_axis(axes, index)
    _legend(figure, axes)
    _mark(axes, frame)
    return figure


def latency(frame: DataFrame, by: str = "model") -> Figure:
    """Seconds by group: the median as a dot, up to the 95th percentile as a line.

    Args:
        frame: of `Ledger.latencies`: columns `by`, p50_s, p95_s; or of `costs()`.
        by: the group.
    """
    figure, axes = _sheet(f"Latency by {by}")
    table = _percentiles(frame, by)
    if not len(table):
        return _empty(figure, axes)
    _ticks(axes, table.index)
    for place, (p50, p95) in enumerate(zip(table["p50_s"], table["p95_s"], strict=True)):
        axes.plot([p50, p95], [place, place], color=PALETTE[4], linewidth=4, alpha=0.7)
        axes.plot([p50], [place], "o", color=PALETTE[0], markersize=7)
        _value(axes, place, p95, f"{format_seconds(p50)} – {format_seconds(p95)}")
    axes.set_xlim(0, float(table["p95_s"].max()) * 1.3 or 1.0)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(_formatter(format_seconds))
    axes.set_xlabel("median – 95th percentile", fontsize=8, color=SOFT)
    _tall(figure, len(table))
    return figure


def rates(frame: DataFrame, by: str = "model") -> Figure:
    """Shares of calls by group: answered from the cache, fallen back, and attempts that failed.

    Args:
        frame: of `summary(by)`: columns `by`, cache_hit_rate, fallback_rate, error_rate.
        by: the group.
    """
    figure, axes = _sheet(f"Rates by {by}")
    table = _first(frame.set_index(by) if by in frame.columns else frame, MOST_BARS)
    shown = (
        ("cache_hit_rate", "from the cache", PALETTE[2]),
        ("fallback_rate", "fell back", PALETTE[1]),
        ("error_rate", "failed", PALETTE[5]),
    )
    if not len(table) or shown[0][0] not in table.columns:
        return _empty(figure, axes)
    _ticks(axes, table.index)
    for place, (column, label, colour) in enumerate(shown):
        shares = table[column].fillna(0.0).astype(float)
        rows = [row + 0.25 * (place - 1) for row in range(len(table))]
        axes.barh(rows, shares, height=0.22, color=colour, label=label)
        for row, share in zip(rows, shares, strict=True):
            _value(axes, row, share, f"{share:.0%}")
    axes.set_xlim(0, 1.12)
    axes.xaxis.set_major_formatter(_formatter(lambda share: f"{share:.0%}"))
    _legend(figure, axes)
    _tall(figure, len(table) * 1.4)
    return figure


def burn_down(
    frame: DataFrame, limit_usd: float, start: datetime, end: datetime, now: datetime | None = None
) -> Figure:
    """What is left of a budget over its period, and where the spend of so far would end.

    The forecast is a straight line: the spend per second of so far goes on. It is drawn once a
    tenth of the period has passed.

    Args:
        frame: of `costs()` or `Ledger.series`, of that period.
        limit_usd: the budget in USD.
        start: of the period, aware of its time zone.
        end: of the period.
        now: default: the present.
    """
    figure, axes = _sheet(f"Budget: {format_usd(limit_usd)}")
    now = min(now or datetime.now(start.tzinfo), end)
    spent = [(when, cost) for when, cost in _steps(frame, start) if when <= now]
    times = [start, *(when for when, _ in spent), now]
    total = spent[-1][1] if spent else 0.0
    left = [limit_usd, *(limit_usd - cost for _, cost in spent), limit_usd - total]
    axes.step(times, left, where="post", color=PALETTE[0], linewidth=2, label="left")
    axes.fill_between(times, left, step="post", color=PALETTE[0], alpha=0.12)
    axes.axhline(0, color=PALETTE[5], linewidth=1)
    passed = (now - start) / (end - start)
    words = f"{format_usd(total)} spent"
    if passed >= 0.1:
        at_end = total / passed
        last = limit_usd - at_end
        axes.plot([now, end], [left[-1], last], "--", color=SOFT, label="forecast")
        words += f", about {format_usd(at_end)} by the end"
        if last < 0 < left[-1]:
            empty = now + (end - now) * (left[-1] / (left[-1] - last))
            words += f"; used up {empty.astimezone(start.tzinfo):%d %b %H:%M}"
    axes.set_xlim(start, end - (end - start) / 1000)  # the next period's first day is no mark
    axes.set_ylim(top=limit_usd * 1.05)
    money_axis(axes.yaxis)
    _dates(axes)
    axes.set_xlabel(words, fontsize=9, color=INK, parse_math=False)
    _legend(figure, axes)
    return figure


# -- data


def _table(frame: DataFrame, by: str | None, step: str, column: str) -> Any:
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
        table = table[order[: MOST_GROUPS - 1]].assign(**{f"{len(order) - 6} others": rest})
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


_COLUMN = {"model": "request_model"}


def _group(frame: DataFrame, by: str) -> Series[Any]:
    name = by if by in frame.columns else _COLUMN.get(by, by)
    return frame[name].astype("string").fillna("none")


def _sums(frame: DataFrame, by: str, columns: Sequence[str]) -> DataFrame:
    """A row per group, the largest first; the smallest of many are one row."""
    import pandas as pd

    if not len(frame):
        return pd.DataFrame(columns=list(columns))
    data = frame[list(columns)].astype("float64")
    sums = data.groupby(_group(frame, by), sort=False).sum(min_count=1)
    sums = sums.loc[sums.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    return _first(sums, MOST_BARS)


def _first(table: DataFrame, most: int) -> DataFrame:
    import pandas as pd

    if len(table) <= most:
        return table
    rest = table.iloc[most - 1 :]
    others = rest.select_dtypes("number").sum().to_frame(f"{len(rest)} others").T
    return pd.concat([table.iloc[: most - 1], others])


def _percentiles(frame: DataFrame, by: str) -> DataFrame:
    if "p50_s" in frame.columns:
        table = frame.set_index(by) if by in frame.columns else frame
        return table.dropna(subset=["p50_s", "p95_s"]).iloc[:MOST_BARS]
    sent = frame[~frame["cache_hit"].fillna(False).astype(bool)]
    grouped = sent["duration_s"].groupby(_group(sent, by))
    table = grouped.quantile(0.5).to_frame("p50_s").assign(p95_s=grouped.quantile(0.95))
    return table.dropna().sort_values("p50_s").iloc[:MOST_BARS]


def _steps(frame: DataFrame, start: datetime) -> list[tuple[datetime, float]]:
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


# -- paper and ink


def _sheet(title: str) -> tuple[Figure, Any]:
    figure: Figure = _chart_class()(figsize=SIZE, dpi=110, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, color=INK, parse_math=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#bbbbbb")
    axes.tick_params(colors=SOFT, labelsize=8, length=0)
    axes.grid(axis="both", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


@cache
def _chart_class() -> Any:
    """A Figure that a notebook shows as a picture without pyplot; made once it is needed."""
    from matplotlib.figure import Figure

    class Chart(Figure):
        """A chart; `savefig` writes it to a file."""

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            title = self.axes[0].get_title(loc="left") if self.axes else ""
            return {
                "image/png": base64.b64encode(buffer.getvalue()).decode(),
                "text/plain": f"<Chart: {title}>",
            }

    return Chart


def words(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, axes = _sheet("")
    return _empty(figure, axes, text)


def _empty(figure: Figure, axes: Any, text: str = EMPTY) -> Figure:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=SOFT, transform=axes.transAxes)
    return figure


def _colours(names: Iterable[Any]) -> list[str]:
    colours = [OTHERS if str(name).endswith(" others") else "" for name in names]
    return [colour or PALETTE[place] for place, colour in enumerate(colours)]


def _legend(figure: Figure, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside right upper", fontsize=8, frameon=False, labelcolor=INK
    )
    for text in legend.get_texts():
        to_the_letter(text)


def _ticks(axes: Any, names: Iterable[Any]) -> None:
    shown = shown_names(names)
    axes.set_yticks(range(len(shown)), shown)
    for label in axes.get_yticklabels():
        to_the_letter(label)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)


def _bars(
    frame: DataFrame,
    by: str,
    column: str,
    title: str,
    words: Callable[[float], str],
) -> Figure:
    figure, axes = _sheet(title)
    sums = _sums(frame, by, (column,))
    if not len(sums):
        return _empty(figure, axes)
    values = sums[column].astype("float64")
    _ticks(axes, sums.index)
    axes.barh(range(len(sums)), values.fillna(0.0), color=PALETTE[0], height=0.7)
    for place, value in enumerate(values):
        _value(axes, place, 0.0 if math.isnan(value) else value, words(value))
    most = float(values.max()) if values.notna().any() else 0.0
    axes.set_xlim(0, (most or 1.0) * 1.2)
    money_axis(axes.xaxis)
    _tall(figure, len(sums))
    _mark(axes, frame)
    return figure


def _value(axes: Any, place: float, at: float, words: str) -> None:
    axes.annotate(
        words,
        (at, place),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=INK,
        parse_math=False,
    )


def _tall(figure: Figure, bars: float) -> None:
    figure.set_figheight(max(1.8, min(8.0, 0.9 + 0.32 * bars)))


def _formatter(words: Callable[[float], str]) -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: words(value))


def format_count(tokens: float) -> str:
    """A number of tokens in three digits: 950, 12.3 k, 4.5 M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:.3g} {unit}"
    return f"{tokens:.0f}"


def format_seconds(seconds: float) -> str:
    """A time in seconds, whatever its size, such as "0.012 s", "3.5 s" or "240 s"."""
    if seconds >= 1000:
        return f"{seconds:,.0f} s"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{round(seconds, 3):.2g} s"


def _width(index: Any) -> timedelta:
    """The width of a bar: nine tenths of the shortest distance of two periods."""
    if len(index) < 2:
        return timedelta(hours=20)
    shortest: timedelta = index.to_series().diff().min().to_pytimedelta()
    return shortest * 0.9


def _time_axis(axes: Any, index: Any) -> None:
    _dates(axes)
    if len(index) == 1:
        when = index[0].to_pydatetime()
        axes.set_xlim(when - timedelta(days=3), when + timedelta(days=3))
    axes.grid(axis="x", visible=False)


def _dates(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=None))


def _mark(axes: Any, frame: DataFrame) -> None:
    """Say what the bars do not show: pretend money, and money that is not known."""
    words = []
    if "simulated" in frame.columns and frame["simulated"].fillna(False).astype(bool).any():
        words.append("includes the demo's pretend money")
    if "unknown_cost" in frame.columns:
        unknown = int(frame["unknown_cost"].fillna(0).sum())
    else:
        unknown = int(frame["cost_usd"].isna().sum()) if "cost_usd" in frame.columns else 0
    if unknown:
        words.append(f"{unknown:,} of unknown price left out")
    if words:
        axes.set_xlabel("; ".join(words), fontsize=8, color=SOFT, parse_math=False)
