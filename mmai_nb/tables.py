"""The ledger's rows, in and out: written, read, summed, and as DataFrames.

Money is whole nano-dollars (10**-9 USD) in the table and USD in a frame; unknown is NULL or NaN,
never 0. This module opens no file; pandas is imported only when a frame is made.
"""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .schema import COLUMNS, create

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "GROUPS",
    "UPSERT",
    "as_row",
    "fetch",
    "frame",
    "include",
    "sums",
]

_FRAME = {
    "ts": "time",
    "call_id": "string",
    "attempt": "Int64",
    "session": "string",
    "notebook": "string",
    "tag": "string",
    "provider": "string",
    "endpoint": "string",
    "request_model": "string",
    "response_model": "string",
    "tier": "string",
    "complexity": "float64",
    "reason": "string",
    "input_tokens": "Int64",
    "cache_read_tokens": "Int64",
    "cache_write_tokens": "Int64",
    "output_tokens": "Int64",
    "reasoning_tokens": "Int64",
    "tokens_estimated": "boolean",
    "cost_usd": "money",
    "cost_source": "string",
    "saved_usd": "money",
    "duration_s": "float64",
    "first_token_s": "float64",
    "cache_hit": "boolean",
    "cache_key": "string",
    "finish_reason": "string",
    "status": "string",
    "error_type": "string",
    "simulated": "boolean",
}

GROUPS = {
    "model": "a.request_model",
    "response_model": "a.response_model",
    "provider": "a.provider",
    "endpoint": "a.endpoint",
    "tier": "a.tier",
    "tag": "a.tag",
    "notebook": "a.notebook",
    "session": "a.session",
    "day": "date(a.ts, 'unixepoch', 'localtime')",
    "status": "a.status",
    "error_type": "a.error_type",
    "finish_reason": "a.finish_reason",
}
"""What sums can be grouped by; the day is local time's."""

_LARGEST = 2**53
"""Beyond it a float is no longer exact, and no token count nor sum of money is true."""


def _upsert(table: str) -> str:
    names, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
    changes = ", ".join(f"{name}=excluded.{name}" for name in COLUMNS)
    return (
        f"INSERT INTO {table}({names}) VALUES({marks}) ON CONFLICT(call_id, attempt) "
        f"DO UPDATE SET {changes} WHERE excluded.status != 'unknown' OR status = 'unknown'"
    )


UPSERT = _upsert("attempt")
"""Insert a row, or update the one with the same call_id and attempt: writing it twice is writing it
once, and an intent never overwrites an outcome."""


def _text(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()  # a lone surrogate cannot be stored


def _whole(value: int) -> int | None:
    return int(value) if abs(value) <= _LARGEST else None


_AS: dict[str, Callable[[Any], object]] = {"TEXT": _text, "INTEGER": _whole, "REAL": float}


def as_row(values: Iterable[Any]) -> tuple[object, ...]:
    """The values of COLUMNS as SQLite can hold them; a number that cannot be true is unknown."""
    return tuple(
        None if value is None else _AS[kind](value)
        for kind, value in zip(COLUMNS.values(), values, strict=True)
    )


def include(db: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> str:
    """Name of a table or view with what the file holds and `rows`, which it does not hold yet."""
    if not rows:
        return "attempt"
    names = ", ".join(COLUMNS)
    db.execute("PRAGMA temp_store=MEMORY")
    db.execute("DROP VIEW IF EXISTS temp.seen")
    db.execute("DROP TABLE IF EXISTS temp.pending")
    db.execute(create("temp.pending"))
    db.executemany(_upsert("temp.pending"), rows)
    db.execute(
        f"CREATE TEMP VIEW seen AS SELECT id, {names} FROM main.attempt WHERE (call_id, attempt) "
        "NOT IN (SELECT call_id, attempt FROM temp.pending) "
        f"UNION ALL SELECT id, {names} FROM temp.pending"
    )
    return "seen"


def fetch(
    db: sqlite3.Connection,
    source: str,
    *,
    limit: int | None = None,
    since: float | None = None,
    call_id: str | None = None,
) -> list[tuple[Any, ...]]:
    """The newest `limit` rows, all COLUMNS, newest last."""
    where, values = [], list[object]()
    for condition, value in (("ts >= ?", since), ("call_id = ?", call_id)):
        if value is not None:
            where.append(condition)
            values.append(value)
    rows = db.execute(
        f"SELECT {', '.join(COLUMNS)} FROM {source} "
        f"{'WHERE ' + ' AND '.join(where) if where else ''} "
        "ORDER BY ts DESC, id DESC LIMIT ?",
        (*values, -1 if limit is None else limit),
    ).fetchall()
    return rows[::-1]


def frame(rows: Sequence[tuple[Any, ...]]) -> DataFrame:
    """Rows of COLUMNS as a DataFrame; the same dtypes for any rows, none included."""
    import pandas as pd

    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {}
    data = {
        name: _column(columns.get(name.replace("_usd", "_nano"), ()), kind)
        for name, kind in _FRAME.items()
    }
    return pd.DataFrame(data)


def _column(values: Sequence[Any], kind: str) -> Any:
    import pandas as pd

    if kind == "time":
        micros = pd.Series(values, dtype="float64").mul(1e6).round()
        return pd.to_datetime(micros, unit="us", utc=True, errors="coerce").dt.as_unit("us")
    if kind == "money":
        nanos = pd.array(list(values), dtype="Int64").to_numpy("float64", na_value=math.nan)
        return pd.Series(nanos) / 1e9
    if kind == "boolean":
        values = [None if value is None else bool(value) for value in values]
    return pd.Series(list(values), dtype=kind)


_SUMS = {
    "calls": "Int64",
    "attempts": "Int64",
    "input_tokens": "Int64",
    "output_tokens": "Int64",
    "cost_usd": "money",
    "unknown_cost": "Int64",
    "cache_hit_rate": "float64",
    "fallback_rate": "float64",
    "error_rate": "float64",
    "p50_s": "float64",
    "p95_s": "float64",
    "saved_by_cache_usd": "money",
    "saved_by_routing_usd": "money",
}

_ROWS = """
WITH a AS (
    SELECT *, NOT cache_hit AS sent, NOT cache_hit AND status = 'ok' AS answered,
        NOT cache_hit AND status NOT IN ('error', 'adapted') AS billed
    FROM {source})
"""

# A call fell back if its first attempt went to another model than the one that answered. MIN and
# MAX: SQLite takes the other columns from the row that has it.
_SUM = (
    _ROWS
    + """,
first AS (SELECT call_id, MIN(attempt), endpoint, request_model FROM a GROUP BY call_id),
last AS (
    SELECT call_id, MAX(attempt), endpoint, request_model FROM a WHERE status = 'ok'
    GROUP BY call_id),
fell AS (
    SELECT call_id FROM first JOIN last USING(call_id)
    WHERE (first.endpoint, first.request_model) IS NOT (last.endpoint, last.request_model))
SELECT {keys}, a.simulated,
    COUNT(DISTINCT a.call_id) AS calls,
    SUM(sent),
    COALESCE(SUM(input_tokens) FILTER (WHERE sent), 0),
    COALESCE(SUM(output_tokens) FILTER (WHERE sent), 0),
    CASE WHEN SUM(billed) = 0 OR COUNT(cost_nano) FILTER (WHERE billed)
        THEN COALESCE(SUM(cost_nano), 0) END AS cost,
    COUNT(*) FILTER (WHERE billed AND cost_nano IS NULL),
    1.0 * COUNT(DISTINCT a.call_id) FILTER (WHERE cache_hit) / COUNT(DISTINCT a.call_id),
    1.0 * COUNT(DISTINCT fell.call_id) / COUNT(DISTINCT a.call_id),
    1.0 * COUNT(*) FILTER (WHERE sent AND (status IN ('error', 'partial')
        OR status = 'unknown' AND error_type IS NOT NULL)) / SUM(sent),
    COALESCE(SUM(saved_nano), CASE WHEN SUM(cache_hit) = 0 THEN 0 END),
    COALESCE(SUM(baseline_nano - cost_nano) FILTER (WHERE answered),
        CASE WHEN SUM(answered) = 0 THEN 0 END)
FROM a LEFT JOIN fell USING(call_id)
GROUP BY {keys}, a.simulated
ORDER BY a.simulated, cost DESC, calls DESC, {keys}
"""
)

_DURATIONS = (
    _ROWS
    + """
SELECT {keys}, a.simulated, duration_s FROM a
WHERE answered AND duration_s IS NOT NULL ORDER BY duration_s
"""
)


def sums(db: sqlite3.Connection, source: str, by: Sequence[str]) -> DataFrame:
    """One row per group and per kind of money, real or simulated; `by` holds names of GROUPS."""
    import pandas as pd

    keys = ", ".join(GROUPS[name] for name in by)
    durations = defaultdict[tuple[Any, ...], list[float]](list)
    for *key, seconds in db.execute(_DURATIONS.format(source=source, keys=keys)):
        durations[tuple(key)].append(seconds)
    rows = []
    for row in db.execute(_SUM.format(source=source, keys=keys)):
        key = row[: len(by) + 1]
        times = [_quantile(durations.get(key, []), share) for share in (0.5, 0.95)]
        rows.append((*row[:-2], *times, *row[-2:]))
    kinds = {**dict.fromkeys(by, "string"), "simulated": "boolean", **_SUMS}
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    data = zip(kinds.items(), columns, strict=True)
    return pd.DataFrame({name: _column(values, kind) for (name, kind), values in data})


def _quantile(values: Sequence[float], share: float) -> float | None:
    """Of sorted values, between two of them in proportion (numpy's default)."""
    if not values:
        return None
    position = share * (len(values) - 1)
    below = int(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (position - below)
