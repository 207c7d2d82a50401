"""What was asked, paid and saved, how reliably and how fast: the totals, then a table."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from ..amounts import counted, format_percent, format_usd
from ..engine import Engine
from ..selection import is_period
from ..sums import GROUPS
from .page import Command, Page, short_name
from .registry import EngineGetter, Subcommand

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["COMMANDS", "Stats"]

WORDS = ("today", "week", "month", "year", "all", "7d", "30d")
MOST_SHOWN = 40
LONGEST_NAME = 18

_DAYS = re.compile(r"\b(\d+) *(?:d|days?)\b")


class Stats:
    """The sums of a period: shown as figures and a table.

    Attributes:
        frame: what `mmai_nb.summary` gives.
        totals: the same for all groups together.
    """

    def __init__(self, engine: Engine, by: Sequence[str], period: str) -> None:
        self.by, self.period = tuple(by), period
        self.frame = engine.summary(list(by), since=period)
        self.totals = engine.summary(None, since=period)

    def __repr__(self) -> str:
        if not len(self.totals):
            return f"no calls yet ({_words(self.period)})"
        table = self._table()
        return f"{self._figures()}\n\n{table.to_string(index=False, na_rep='–')}{self._rest()}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        if not len(self.totals):
            return {"text/plain": repr(self)}
        table = self._table().to_html(index=False, na_rep="–", escape=True, border=0)
        html = f"{Page(self._figures()).html}\n{table}{self._rest()}"
        return {"text/plain": repr(self), "text/html": html}

    def _figures(self) -> str:
        rows = self.totals.to_dict("records")
        return "\n\n".join("\n".join(_lines(row, _words(self.period))) for row in rows)

    def _table(self) -> DataFrame:
        frame = self.frame.head(MOST_SHOWN)
        shown = frame[list(self.by)].fillna("–").map(lambda name: short_name(name, LONGEST_NAME))
        if len(self.totals) > 1:
            shown["money"] = frame["simulated"].map({True: "pretend", False: "real"})
        shown["calls"] = frame["calls"].map("{:,}".format)
        shown["cached"] = frame["cache_hit_rate"].map(format_percent)
        costs = zip(frame["cost_usd"], frame["unknown_cost"], strict=True)
        shown["cost"] = [_money([usd], more=bool(unknown)) for usd, unknown in costs]
        shown["fell"] = frame["fallback_rate"].map(format_percent)
        if frame["escalation_rate"].gt(0).any():
            shown["escalated"] = frame["escalation_rate"].map(format_percent)
        shown["failed"] = frame["error_rate"].map(format_percent)
        if frame["check_cost_usd"].gt(0).any():
            shown["checks"] = frame["check_cost_usd"].map(format_usd)
        shown["p50"] = frame["p50_s"].map(_seconds)
        shown["p95"] = frame["p95_s"].map(_seconds)
        parts = zip(frame["saved_by_cache_usd"], frame["saved_by_routing_usd"], strict=True)
        shown["saved"] = [_money(usd) for usd in parts]
        return shown

    def _rest(self) -> str:
        left = len(self.frame) - MOST_SHOWN
        return f"\n… and {left:,} more: ai.summary() has them all" if left > 0 else ""


def _lines(row: Mapping[Hashable, Any], period: str) -> Iterable[str]:
    """The figures of one kind of money."""
    if row["simulated"]:
        yield "demo     its money is pretend"
    cached, per_call, unknown = row["cache_hit_rate"], row["cost_per_call_usd"], row["unknown_cost"]
    share = (
        "" if math.isnan(cached) else f", {format_percent(cached)} of the answers from the cache"
    )
    yield f"calls    {row['calls']:,} ({period}){share}"
    each = "" if math.isnan(per_call) else f", {format_usd(per_call)} a call"
    more = f", and {counted(unknown, 'attempt')} of unknown price" if unknown else ""
    yield f"cost     {_money([row['cost_usd']])}{each}{more}"
    by_cache, by_routing = (
        _money([row["saved_by_cache_usd"]]),
        _money([row["saved_by_routing_usd"] - row["check_cost_usd"]]),
    )
    yield f"saved    {by_cache} by the cache, {by_routing} by routing"
    failed, fell = format_percent(row["error_rate"]), format_percent(row["fallback_rate"])
    attempts = counted(row["attempts"], "attempt")
    yield f"trouble  {failed} of {attempts} failed, {fell} of the calls fell back"
    if row["escalation_rate"] > 0 or row["check_cost_usd"] > 0:
        up, cost = format_percent(row["escalation_rate"]), _money([row["check_cost_usd"]])
        words = f"answers that did not stand cost {cost} (taken off above)"
        yield f"checks   {up} of the calls were escalated; {words}"
    if not math.isnan(row["p50_s"]):
        within = f"within {_seconds(row['p50_s'])}, 95 % within {_seconds(row['p95_s'])}"
        yield f"latency  half of the answers {within}; failed attempts apart"
    yield (
        f"tokens   {row['input_tokens']:,} in ({row['cache_read_tokens']:,} cached by providers), "
        f"{row['output_tokens']:,} out ({row['reasoning_tokens']:,} reasoning)"
    )


def _words(period: str) -> str:
    if period.endswith("d"):
        return f"the last {period[:-1]} days"
    return {"all": "all time", "today": "today"}.get(period, f"this {period}")


def _seconds(seconds: float) -> str:
    return (
        "–" if math.isnan(seconds) else f"{seconds:.2g} s" if seconds < 100 else f"{seconds:,.0f} s"
    )


def _money(parts: Sequence[float], *, more: bool = False) -> str:
    """The sum of what is known of the parts; "+?" tells that something is not."""
    known = [usd for usd in parts if not math.isnan(usd)]
    if not known:
        return "unknown"
    return f"{format_usd(sum(known))}{'+?' if more or len(known) < len(parts) else ''}"


def _stats(rest: str, engine: EngineGetter) -> Command | None:
    words = _DAYS.sub(r"\1d", rest.lower()).split()
    periods = [word for word in words if is_period(word)]
    if len(periods) == 2 and "month" in periods:  # by month, over the other
        periods.remove("month")
        period = periods[0]
    else:
        period = periods[0] if periods else "all"
    by = [word for word in words if word not in periods]
    if len(by) > 1 and by[0] == "by":
        del by[0]
    if len(periods) > 1 or not set(by) <= set(GROUPS):
        return None
    return lambda: Stats(engine(), by or ["model"], period)


def _stats_words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    groups = [name for name in GROUPS if name not in before]
    return groups if any(is_period(word) for word in before) else (*groups, *WORDS)


COMMANDS = (
    Subcommand(
        "stats",
        "%ai stats [BY …] [PERIOD]: calls, cost, savings, failures, latency, in all and by group.",
        _stats,
        help=f"""\
The figures of all calls, then a row for each group: by model, or by one or several of

{fill(", ".join(GROUPS), 96, initial_indent="  ", subsequent_indent="  ")}

    %ai stats

    %ai stats tier today

    %ai stats day model 7d

What routing saved is against the strongest model, for the answers that stand; what the others cost
(rejected by a check, or second opinions) stands under "checks", and is taken off in the totals.
p50 and p95 are seconds to an answer, once its model was asked: what failed or timed out before is
not in them.

PERIOD is today, week (since Monday), month, year, all, or a number of days, today among them.
Beside another period, month is a group. "+?" stands for what is not known. As a DataFrame:

    import mmai_nb as ai
    ai.summary(["day", "model"], since="7d")""",
        complete=_stats_words,
    ),
)
