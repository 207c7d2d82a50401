"""What the spend panel shows, as data: totals, a chart and a table for what was chosen.

Everything comes from the ledger's rollup: it costs the same over a thousand rows and a million.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .. import charts
from ..amounts import counted, format_percent, format_usd
from ..budgets import limits_in_force
from ..ledger import Ledger
from ..records import NANO

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = [
    "CHARTS",
    "GROUPS",
    "KINDS",
    "PERIODS",
    "SORTS",
    "Choice",
    "Report",
    "money",
    "report",
    "share",
]

PERIODS = {
    "Today": "today",
    "7 days": "7d",
    "30 days": "30d",
    "12 months": "365d",
    "All": None,
}
GROUPS = ("model", "provider", "tier", "notebook", "tag")
KINDS: Mapping[str, bool | None] = {"Real": False, "Demo (pretend)": True}
CHARTS = ("Spend over time", "Cost", "Tokens", "Saved", "Latency", "Rates", "Budget")
SORTS = {
    "cost": ("cost_usd", False),
    "name": (None, True),
    "calls": ("calls", False),
    "tokens": ("tokens", False),
    "cached": ("cache_hit_rate", False),
    "fell back": ("fallback_rate", False),
    "failed": ("error_rate", False),
    "p50": ("p50_s", False),
    "p95": ("p95_s", False),
    "saved by cache": ("saved_by_cache_usd", False),
    "saved by routing": ("saved_by_routing_usd", False),
    "for checks": ("check_cost_usd", False),
}
"""A column and whether its order rises, as it does for names."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen in the panel: keys of the tables above, and names to filter by or "".

    `turned` turns the order of the table round: the least first, and names from the end.
    """

    period: str = "30 days"
    by: str = "model"
    kind: str = "Real"
    chart: str = "Spend over time"
    sort: str = "cost"
    model: str = ""
    tag: str = ""
    notebook: str = ""
    turned: bool = False

    @property
    def filters(self) -> dict[str, Any]:
        """The choice as the ledger's queries take it."""
        names = {"model": self.model, "tag": self.tag, "notebook": self.notebook}
        chosen = {name: value for name, value in names.items() if value}
        return {"since": PERIODS[self.period], "simulated": KINDS[self.kind], **chosen}

    @property
    def step(self) -> str:
        """The period of one bar: short ones for short periods."""
        return {"Today": "hour", "12 months": "month", "All": "month"}.get(self.period, "day")


@dataclass(frozen=True, slots=True)
class Report:
    """Totals as (name, figure) pairs, a row per group, and the picture with its description.

    `why_empty` says why there is nothing to show, `aside` what the kind of money leaves out.
    """

    totals: tuple[tuple[str, str], ...]
    table: DataFrame
    figure: Figure
    alt: str
    why_empty: str = ""
    aside: str = ""

    @property
    def empty(self) -> bool:
        """Whether no call is in it."""
        return not len(self.table)


def report(
    ledger: Ledger, choice: Choice, budgets: Mapping[str, Decimal] = MappingProxyType({})
) -> Report:
    """All that the panel shows for a choice; `budgets` in USD by scope, for their burn-down."""
    totals = ledger.summary(None, **choice.filters)
    table = _sorted(ledger.summary(choice.by, **choice.filters), choice)
    if choice.chart == "Budget":
        figure = _burn_down(ledger, budgets)
    else:
        figure = _figure(ledger, choice, table)
    shown = _totals(totals, pretend=KINDS[choice.kind] is True)
    empty = "" if shown else _why_empty(ledger, choice)
    alt = _alt(choice, shown, budgets)
    return Report(shown, table, figure, alt, empty, _aside(ledger, choice))


def _aside(ledger: Ledger, choice: Choice) -> str:
    """How many calls the other kind of money has in the same choice, and how to see them."""
    other = next(kind for kind in KINDS if kind != choice.kind)
    sums = ledger.summary(None, **replace(choice, kind=other).filters)
    calls = int(sums["calls"].sum())
    if not calls:
        return ""
    kind = "simulated" if KINDS[other] else "real"
    left = f"{counted(calls, f'{kind} call')} {'is' if calls == 1 else 'are'} not in these figures"
    return f'{left}: choose {other} under "money", or see %ai stats'


def _why_empty(ledger: Ledger, choice: Choice) -> str:
    """Words for a choice that no call is in: there is none, or the choice leaves them out."""
    if not ledger.choices()["model"]:
        return f"{charts.EMPTY}. Ask something with %%ai, and what it costs shows here."
    kind = "real calls" if choice.kind == "Real" else "calls of the demo"
    filters = {"model": choice.model, "tag": choice.tag, "notebook": choice.notebook}
    chosen = " and ".join(f"{name} {value}" for name, value in filters.items() if value)
    period = {"All": "at all"}.get(choice.period, f"in this period ({choice.period.lower()})")
    return f"No {kind} {period}{f' with {chosen}' if chosen else ''}: choose others above."


def _alt(choice: Choice, shown: Sequence[tuple[str, str]], budgets: Mapping[str, Decimal]) -> str:
    """The picture in words: what it shows, and of which figures."""
    if choice.chart == "Budget":
        limits = ", ".join(f"{format_usd(float(usd))} a {name}" for name, usd in budgets.items())
        return f"What is left of the budget over its period: {limits or 'no budget'}"
    by = "" if choice.chart == "Saved" else f" by {choice.by}"
    words = ", ".join(f"{name} {value}" for name, value in shown[:3])
    return f"{choice.chart}{by}, {choice.period}: {words or charts.EMPTY}"


def _totals(sums: DataFrame, *, pretend: bool) -> tuple[tuple[str, str], ...]:
    if not len(sums):
        return ()
    row = sums.iloc[0]
    shown = [
        ("spent, pretend money" if pretend else "spent", money(row["cost_usd"], "unknown")),
        ("calls", f"{int(row['calls']):,}"),
        ("tokens", charts.format_count(float(row["input_tokens"] + row["output_tokens"]))),
        ("saved by the cache", money(row["saved_by_cache_usd"])),
        ("saved by routing", money(row["saved_by_routing_usd"] - row["check_cost_usd"])),
        ("from the cache", share(row["cache_hit_rate"])),
        ("fell back", share(row["fallback_rate"])),
        ("failed", share(row["error_rate"])),
    ]
    if row["escalation_rate"] > 0 or row["check_cost_usd"] > 0:
        shown.append(("escalated", share(row["escalation_rate"])))
        shown.append(("for checks", format_usd(float(row["check_cost_usd"]))))
    if unknown := int(row["unknown_cost"]):
        shown.append(("of unknown price", f"{unknown:,}"))
    return tuple(shown)


def share(value: Any) -> str:
    """A share in per cent; "–" where there is none."""
    return format_percent(float(value))


def money(value: Any, none: str = "–") -> str:
    """US dollars; `none` where they are not known."""
    return none if value != value else format_usd(float(value))  # NaN is not equal to itself


def _sorted(sums: DataFrame, choice: Choice) -> DataFrame:
    """A row per group with the columns that are shown, in the order that was chosen."""
    table = sums.assign(tokens=sums["input_tokens"] + sums["output_tokens"])
    table[choice.by] = table[choice.by].astype("string").fillna("none")
    column, rising = SORTS[choice.sort]
    table = table.sort_values(
        column or choice.by, ascending=rising != choice.turned, kind="stable", na_position="last"
    )
    columns = ["calls", "tokens", "cost_usd", "unknown_cost", "cache_hit_rate", "fallback_rate"]
    columns += ["error_rate", "p50_s", "p95_s", "saved_by_cache_usd", "saved_by_routing_usd"]
    columns += ["check_cost_usd"]
    return table[[choice.by, *columns]].reset_index(drop=True)


def _burn_down(ledger: Ledger, budgets: Mapping[str, Decimal]) -> Figure:
    """The month's budget, else the day's, else the words that there is none."""
    limits = limits_in_force(budgets, call_id="", place="", now=time.time())
    periods = [limit for limit in limits if limit.until is not None]
    if not periods:
        return charts.words("No budget for a day or a month: %ai budget 5/day sets one")
    limit = periods[-1]
    start, end = (datetime.fromtimestamp(at).astimezone() for at in (limit.since, limit.until or 0))
    frame = ledger.series(None, "hour", since=limit.since, simulated=False)
    return charts.burn_down(frame, limit.nano / NANO, start, end)


def _figure(ledger: Ledger, choice: Choice, table: DataFrame) -> Figure:
    by, filters = choice.by, choice.filters
    if choice.chart == "Latency":
        return charts.latency(ledger.latencies(by, **filters), by)
    if choice.chart == "Rates":
        return charts.rates(table, by)
    if choice.chart in ("Cost", "Tokens"):
        sums = ledger.summary(by, **filters)
        return charts.cost_by(sums, by) if choice.chart == "Cost" else charts.tokens_by(sums, by)
    names = None if choice.chart == "Saved" else by
    series = ledger.series(names, choice.step, **filters)
    if choice.chart == "Saved":
        return charts.savings(series, choice.step)
    return charts.spend_over_time(series, by, choice.step)
