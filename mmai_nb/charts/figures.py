"""The charts themselves: each takes a frame and gives a Figure of its own."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from ..amounts import format_count, format_percent, format_seconds, format_usd
from .grouping import MOST_BARS, by_period, first_rows, percentiles, spent_so_far, sums_by
from .lettering import money_axis, shown_names
from .paper import (
    INK,
    PALETTE,
    SOFT,
    bar_width,
    colours,
    date_ticks,
    figure_at,
    fit_height,
    formatter,
    left_empty,
    legend,
    name_ticks,
    say_what_is_missing,
    sheet,
    time_axis,
)
from .taking import ATTEMPTS, TIMES, check_frame, check_step, group_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = [
    "burn_down",
    "cost_by",
    "latency",
    "rates",
    "savings",
    "spend_over_time",
    "tokens_by",
]


def spend_over_time(frame: DataFrame, by: str = "model", step: str = "day") -> Figure:
    """Cost in USD per period, stacked by group; the dearest groups have colours of their own.

    Args:
        frame: of `costs()` or `Ledger.series`.
        by: the group: model, provider, tier, notebook or tag.
        step: hour, day or month; for a frame of attempts. A series has its own.

    Raises:
        OptionError: the frame is another one, or there is no such group or step.
    """
    frame = check_frame("spend_over_time", frame, ATTEMPTS, TIMES, ("cost_usd",), group_of(by))
    check_step(step)
    figure, axes = sheet("Spend over time")
    table = by_period(frame, by, step, "cost_usd")
    if not len(table.columns) or not len(table):
        return left_empty(figure, axes)
    width = bar_width(table.index)
    bottom = [0.0] * len(table)
    labels = shown_names(table.columns)
    for name, label, colour in zip(table.columns, labels, colours(table.columns), strict=True):
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
    time_axis(axes, table.index)
    legend(figure, axes)
    say_what_is_missing(axes, frame)
    return figure


def cost_by(frame: DataFrame, by: str = "model") -> Figure:
    """Cost in USD by group, the dearest on top, each with its figure.

    Args:
        frame: of `summary(by)` or `costs()`.
        by: the group.

    Raises:
        OptionError: the frame is another one.
    """
    frame = check_frame("cost_by", frame, _sums(by), group_of(by), ("cost_usd",))
    figure, axes = sheet(f"Cost by {by}")
    sums = sums_by(frame, by, ("cost_usd",))
    if not len(sums):
        return left_empty(figure, axes)
    values = sums["cost_usd"].astype("float64")
    name_ticks(axes, sums.index)
    axes.barh(range(len(sums)), values.fillna(0.0), color=PALETTE[0], height=0.7)
    for place, usd in enumerate(values):
        figure_at(axes, place, 0.0 if math.isnan(usd) else usd, format_usd(usd))
    most = float(values.max()) if values.notna().any() else 0.0
    axes.set_xlim(0, (most or 1.0) * 1.2)
    money_axis(axes.xaxis)
    fit_height(figure, len(sums))
    say_what_is_missing(axes, frame)
    return figure


def tokens_by(frame: DataFrame, by: str = "model") -> Figure:
    """Tokens in and out by group.

    Args:
        frame: of `summary(by)` or `costs()`.
        by: the group.

    Raises:
        OptionError: the frame is another one.
    """
    needs = (group_of(by), ("input_tokens",), ("output_tokens",))
    frame = check_frame("tokens_by", frame, _sums(by), *needs)
    figure, axes = sheet(f"Tokens by {by}")
    sums = sums_by(frame, by, ("input_tokens", "output_tokens"))
    if not len(sums):
        return left_empty(figure, axes)
    name_ticks(axes, sums.index)
    left = [0.0] * len(sums)
    for column, colour, label in (
        ("input_tokens", PALETTE[0], "in"),
        ("output_tokens", PALETTE[1], "out"),
    ):
        widths = sums[column].fillna(0).astype(float).tolist()
        axes.barh(range(len(sums)), widths, left=left, color=colour, label=label, height=0.7)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for place, total in enumerate(left):
        figure_at(axes, place, total, format_count(total))
    axes.set_xlim(0, (max(left) or 1.0) * 1.18)
    axes.xaxis.set_major_formatter(formatter(format_count))
    legend(figure, axes)
    fit_height(figure, len(sums))
    return figure


def savings(frame: DataFrame, step: str = "day") -> Figure:
    """USD saved per period, by the cache and by routing against always the strongest model.

    Routing's part is less what checks cost, and needs a frame of `Ledger.series`: rows of attempts
    do not hold it.

    Raises:
        OptionError: the frame is another one, or there is no such step.
    """
    frame = check_frame("savings", frame, ATTEMPTS, TIMES, ("saved_usd", "saved_by_cache_usd"))
    check_step(step)
    figure, axes = sheet("Saved")
    if "check_cost_usd" in frame.columns:
        net = frame["saved_by_routing_usd"] - frame["check_cost_usd"]
        frame = frame.assign(saved_by_routing_usd=net)
    parts = [
        (column, label, colour)
        for column, label, colour in (
            ("saved_by_cache_usd", "by the cache", PALETTE[2]),
            ("saved_usd", "by the cache", PALETTE[2]),
            ("saved_by_routing_usd", "by routing", PALETTE[0]),
        )
        if column in frame.columns
    ]
    tables = [(by_period(frame, None, step, column), label, c) for column, label, c in parts]
    if not tables or not len(tables[0][0]):
        return left_empty(figure, axes)
    index = tables[0][0].index
    width = bar_width(index)
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
    time_axis(axes, index)
    legend(figure, axes)
    say_what_is_missing(axes, frame)
    return figure


def latency(frame: DataFrame, by: str = "model") -> Figure:
    """Seconds by group: the median as a dot, up to the 95th percentile as a line.

    Args:
        frame: of `summary(by)`: columns `by`, p50_s, p95_s; or of `costs()`.
        by: the group.

    Raises:
        OptionError: the frame is another one.
    """
    needs = (group_of(by), ("p50_s", "duration_s"), ("p95_s", "cache_hit"))
    frame = check_frame("latency", frame, _sums(by), *needs)
    figure, axes = sheet(f"Latency by {by}")
    table = percentiles(frame, by)
    if not len(table):
        return left_empty(figure, axes)
    name_ticks(axes, table.index)
    for place, (p50, p95) in enumerate(zip(table["p50_s"], table["p95_s"], strict=True)):
        axes.plot([p50, p95], [place, place], color=PALETTE[4], linewidth=4, alpha=0.7)
        axes.plot([p50], [place], "o", color=PALETTE[0], markersize=7)
        figure_at(axes, place, p95, f"{format_seconds(p50)} – {format_seconds(p95)}")
    axes.set_xlim(0, float(table["p95_s"].max()) * 1.3 or 1.0)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(formatter(format_seconds))
    axes.set_xlabel("median – 95th percentile", fontsize=8, color=SOFT)
    fit_height(figure, len(table))
    return figure


def rates(frame: DataFrame, by: str = "model") -> Figure:
    """Shares of calls by group: answered from the cache, fallen back, and attempts that failed.

    Args:
        frame: of `summary(by)`: columns `by`, cache_hit_rate, fallback_rate, error_rate.
        by: the group.

    Raises:
        OptionError: the frame is another one.
    """
    needs = ((by,), ("cache_hit_rate",), ("fallback_rate",), ("error_rate",))
    frame = check_frame("rates", frame, f"a row per group, as ai.summary({by!r}) gives", *needs)
    figure, axes = sheet(f"Rates by {by}")
    table = first_rows(frame.set_index(by) if by in frame.columns else frame, MOST_BARS)
    shown = (
        ("cache_hit_rate", "from the cache", PALETTE[2]),
        ("fallback_rate", "fell back", PALETTE[1]),
        ("error_rate", "failed", PALETTE[5]),
    )
    if not len(table) or shown[0][0] not in table.columns:
        return left_empty(figure, axes)
    name_ticks(axes, table.index)
    for place, (column, label, colour) in enumerate(shown):
        shares = table[column].fillna(0.0).astype(float)
        rows = [row + 0.25 * (place - 1) for row in range(len(table))]
        axes.barh(rows, shares, height=0.22, color=colour, label=label)
        for row, share in zip(rows, shares, strict=True):
            figure_at(axes, row, share, format_percent(share))
    axes.set_xlim(0, 1.12)
    axes.xaxis.set_major_formatter(formatter(lambda share: f"{100 * share:.0f} %"))
    legend(figure, axes)
    fit_height(figure, len(table) * 1.4)
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

    Raises:
        OptionError: the frame is another one.
    """
    frame = check_frame("burn_down", frame, ATTEMPTS, TIMES, ("cost_usd",))
    figure, axes = sheet(f"Budget: {format_usd(limit_usd)}")
    now = min(now or datetime.now(start.tzinfo), end)
    spent = [(when, cost) for when, cost in spent_so_far(frame, start) if when <= now]
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
    date_ticks(axes)
    axes.set_xlabel(words, fontsize=9, color=INK, parse_math=False)
    legend(figure, axes)
    return figure


def _sums(by: str) -> str:
    return f"a frame such as ai.summary({by!r}) or ai.costs()"
