"""Sums over the ledger by group and period: from the rollup, from the rows only where it must be.

The rollup has the groups of ROLLED and PERIODS; for others, and in a file whose rollup cannot be
used, the same sums are made of the rows. For rows that are in memory only, what the file holds of
their calls is taken away and the calls as they are now are added.
"""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from . import schema
from .frames import make_frame
from .schema import ROLLUP_KEY, SLOT_S, SUMS, Where, key_columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["GROUPS", "PERIODS", "ROLLED", "Query", "choices", "latencies", "series", "summary"]

PERIODS = {"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}
"""Parts of local time, and how they are named."""

ROLLED = tuple(name for name in ROLLUP_KEY if name not in ("slot", "simulated"))
"""The names that the rollup is grouped by."""

_OTHERS = {
    name: f"COALESCE(r.{name}, '')"
    for name in ("response_model", "endpoint", "session", "status", "error_type", "finish_reason")
}

GROUPS = (*ROLLED, *PERIODS, *_OTHERS)
"""What sums can be grouped by."""

_FIGURES = {
    "calls": "Int64",
    "attempts": "Int64",
    "input_tokens": "Int64",
    "cache_read_tokens": "Int64",
    "output_tokens": "Int64",
    "reasoning_tokens": "Int64",
    "cost_usd": "money",
    "unknown_cost": "Int64",
    "cost_per_call_usd": "float64",
    "cache_hit_rate": "float64",
    "fallback_rate": "float64",
    "escalation_rate": "float64",
    "error_rate": "float64",
    "saved_by_cache_usd": "money",
    "saved_by_routing_usd": "money",
    "check_cost_usd": "money",
}


@dataclass(frozen=True, slots=True)
class Query:
    """Which sums are asked for.

    Attributes:
        by: names of GROUPS; none gives the totals.
        where: the condition on the rollup.
        period: how a period is given: `period_name`, a text, or `period_start`, in seconds since
            the epoch.
    """

    by: tuple[str, ...]
    where: Where
    period: str = "period_name"


def summary(db: sqlite3.Connection, source: str, query: Query) -> DataFrame:
    """One row per group and per kind of money, real or simulated."""
    spread = _spread(db, source, query)
    shares = {"p50_s": 0.5, "p95_s": 0.95}
    rows = [
        (*key, *figures, *(_quantile(spread[key], share) for share in shares.values()))
        for key, figures in _figures(db, source, query)
    ]
    kinds = {**_key_kinds(query), **_FIGURES, **dict.fromkeys(shares, "float64")}
    return make_frame(kinds, _named(rows, query))


def series(db: sqlite3.Connection, source: str, query: Query) -> DataFrame:
    """The figures per period, the first of `by`, and group; by the start of the period."""
    rows = [(*key, *figures) for key, figures in _figures(db, source, query)]
    return make_frame({**_key_kinds(query), **_FIGURES}, _named(rows, query))


def latencies(db: sqlite3.Connection, source: str, query: Query) -> DataFrame:
    """How many answers came, and within how many seconds what share of them; slowest first."""
    shares = {"p50_s": 0.5, "p90_s": 0.9, "p95_s": 0.95, "p99_s": 0.99}
    rows = [
        (*key, sum(n for _, n in found), *(_quantile(found, share) for share in shares.values()))
        for key, found in _spread(db, source, query).items()
    ]
    wide = len(query.by)
    rows.sort(key=lambda row: (row[wide], *_periods(query, row), -(row[wide + 2] or 0)))
    kinds = {**_key_kinds(query), "answered": "Int64", **dict.fromkeys(shares, "float64")}
    return make_frame(kinds, _named(rows, query))


def choices(db: sqlite3.Connection, source: str, where: Where) -> dict[str, list[str]]:
    """The names that occur, sorted, for each of ROLLED."""
    rolled = f"SELECT {', '.join(ROLLUP_KEY)} FROM main.rollup"
    parts = _parts(db, source, Query((), where), rolled, _keys_of)
    found: dict[str, list[str]] = {}
    for name in ROLLED:
        # each by itself: the rollup's index has them, so that its rows need not be read
        union = " UNION ".join(f"SELECT {name} FROM ({part}) WHERE {on}" for part, on in parts)
        rows = db.execute(f"SELECT DISTINCT {name} FROM ({union}) WHERE {name} != ''", where[1])
        found[name] = sorted(value for (value,) in rows)
    return found


def _keys_of(rows: str, sign: int = 1, more: Mapping[str, str] | None = None) -> str:
    """Like `schema.sums_of`, the keys alone; what is taken away has names that stay."""
    return f"SELECT {key_columns(more)} FROM {rows} AS r"


# -- from the tables


def _figures(
    db: sqlite3.Connection, source: str, query: Query
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Key and figures of each group: periods in their order, then the dearest first."""
    names, wide = SUMS, len(query.by) + 1
    rolled = f"SELECT {', '.join((*ROLLUP_KEY, *names))} FROM main.rollup"
    found = []
    for row in _added_up(db, query, _parts(db, source, query, rolled, schema.sums_of), names):
        sums = dict(zip(names, row[wide:], strict=True))
        if sums["attempts"] or sums["hits"]:
            found.append((row[:wide], _figures_of(sums)))
    cost, calls = list(_FIGURES).index("cost_usd"), list(_FIGURES).index("calls")
    found.sort(
        key=lambda each: (
            each[0][-1],
            *_periods(query, each[0]),
            -(each[1][cost] or 0),
            -each[1][calls],
            each[0],
        )
    )
    return found


def _spread(
    db: sqlite3.Connection, source: str, query: Query
) -> defaultdict[tuple[Any, ...], list[tuple[int, int]]]:
    """Bucket and number of the durations in each group, shortest first."""
    rolled = (
        f"SELECT {', '.join(ROLLUP_KEY)}, bucket, n FROM main.rollup "
        "JOIN main.latency ON latency.rollup = rollup.id"
    )
    parts = _parts(db, source, query, rolled, schema.latencies_of)
    found = defaultdict[tuple[Any, ...], list[tuple[int, int]]](list)
    for *key, bucket, n in _added_up(db, query, parts, ("n",), "bucket"):
        if n:
            found[tuple(key)].append((bucket, n))
    return found


def _parts(
    db: sqlite3.Connection,
    source: str,
    query: Query,
    rolled: str,
    of: Callable[..., str],
) -> list[tuple[str, str]]:
    """Selects that give together what is to be added up, each with its condition."""
    condition, values = query.where
    on_rows = f"{condition} AND ts >= :since * {SLOT_S}" if "since" in values else condition
    others = {name: _OTHERS[name] for name in query.by if name in _OTHERS}
    more = {**others, "ts": "r.ts"}
    if others or not schema.fits(db):
        parts = [(of("main.attempt", more=more), on_rows)]
    else:
        parts = [(rolled, condition)]
    if source != "attempt":
        parts.append((of("temp.before", -1, more), on_rows))
        parts.append((of("temp.after", 1, more), on_rows))
    return parts


def _added_up(
    db: sqlite3.Connection,
    query: Query,
    parts: Sequence[tuple[str, str]],
    amounts: Sequence[str],
    *more: str,
) -> Iterator[tuple[Any, ...]]:
    """The groups' keys, whether they are simulated, `more`, and the amounts."""
    db.create_function("period_start", 2, cache(_start))
    db.create_function("period_name", 2, cache(_name))
    names = [f"{query.period}('{name}', slot)" if name in PERIODS else name for name in query.by]
    keys = ", ".join((*names, "simulated", *more))
    columns = ", ".join({"slot", "simulated", *more, *amounts, *(set(query.by) - set(PERIODS))})
    union = " UNION ALL ".join(
        f"SELECT {columns} FROM ({part}) WHERE {condition}" for part, condition in parts
    )
    totals = ", ".join(f"SUM({name})" for name in amounts)
    return db.execute(
        f"SELECT {keys}, {totals} FROM ({union}) GROUP BY {keys} ORDER BY {keys}", query.where[1]
    )


def _start(step: str, slot: int) -> float | None:
    """When the local period begins that the slot lies in; None for a time that cannot be."""
    try:
        local = datetime.fromtimestamp(slot * SLOT_S).replace(minute=0)
        if step != "hour":
            local = local.replace(hour=0, fold=0)
        return (local.replace(day=1) if step == "month" else local).timestamp()
    except (OverflowError, OSError, ValueError):
        return None


def _name(step: str, slot: int) -> str:
    start = _start(step, slot)
    return "" if start is None else datetime.fromtimestamp(start).strftime(PERIODS[step])


# -- into the frame


def _figures_of(sums: dict[str, int]) -> tuple[Any, ...]:
    """The values of _FIGURES. Money is unknown if that of all that could have any is."""
    cost = None if sums["unpriced"] and not sums["priced"] else sums["cost_nano"]
    all_hits_unknown = sums["hits"] and sums["hits"] == sums["saved_unknown"]
    all_answers_unknown = sums["answered"] and sums["answered"] == sums["routed_unknown"]
    return (
        sums["calls"],
        sums["attempts"],
        sums["input_tokens"],
        sums["cache_read_tokens"],
        sums["output_tokens"],
        sums["reasoning_tokens"],
        cost,
        sums["unpriced"],
        None if cost is None else _share(cost / 1e9, sums["calls"]),
        _share(sums["hits"], sums["hits"] + sums["answered"]),
        _share(sums["fell"], sums["calls"]),
        _share(sums["escalated"], sums["calls"]),
        _share(sums["failed"], sums["attempts"]),
        None if all_hits_unknown else sums["saved_nano"],
        None if all_answers_unknown else sums["routed_nano"] - sums["check_routed_nano"],
        sums["check_nano"],
    )


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _quantile(buckets: Sequence[tuple[int, int]], share: float) -> float | None:
    """Seconds within which the share of the durations lies, between two of them in proportion.

    Each duration is taken to be the middle of its bucket.
    """
    total = sum(n for _, n in buckets)
    if not total:
        return None
    position = share * (total - 1)
    below = _ranked(buckets, int(position))
    above = _ranked(buckets, min(int(position) + 1, total - 1))
    return below + (above - below) * (position - int(position))


def _ranked(buckets: Sequence[tuple[int, int]], rank: int) -> float:
    """Seconds of the duration with that many shorter ones."""
    below = accumulate(n for _, n in buckets)
    return schema.bucket_seconds(
        next(b for (b, _), n in zip(buckets, below, strict=True) if rank < n)
    )


def _key_kinds(query: Query) -> dict[str, str]:
    kinds = dict.fromkeys(query.by, "string")
    if query.period == "period_start":
        kinds = {"start": "local", **dict.fromkeys(query.by[1:], "string")}
    return {**kinds, "simulated": "boolean"}


def _periods(query: Query, key: Sequence[Any]) -> list[Any]:
    """The parts of a key that are periods: their order is time's."""
    parts = (value for name, value in zip(query.by, key, strict=False) if name in PERIODS)
    return [-math.inf if part is None else part for part in parts]


def _named(rows: Sequence[tuple[Any, ...]], query: Query) -> list[tuple[Any, ...]]:
    """The rows with NA in place of the names that are none."""
    wide = len(query.by)
    return [(*(None if name == "" else name for name in row[:wide]), *row[wide:]) for row in rows]
