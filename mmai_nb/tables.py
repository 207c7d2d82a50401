"""The ledger's rows, in and out: written, read, and as a DataFrame.

Money is whole nano-dollars (10**-9 USD) in the table and USD in a frame; unknown is NULL or NaN,
never 0. This module opens no file; pandas is imported only when a frame is made.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .frames import make_frame
from .schema import COLUMNS, Where, create

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "UPSERT",
    "as_row",
    "fetch",
    "frame",
    "include",
    "keys_used",
    "pieces",
    "scores",
    "storable",
    "tags",
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
    "cost_nano": "money",
    "cost_source": "string",
    "saved_nano": "money",
    "duration_s": "float64",
    "first_token_s": "float64",
    "cache_hit": "boolean",
    "cache_key": "string",
    "finish_reason": "string",
    "status": "string",
    "error_type": "string",
    "simulated": "boolean",
}

_KINDS = {name.replace("_nano", "_usd"): kind for name, kind in _FRAME.items()}
_IN_FRAME = itemgetter(*(list(COLUMNS).index(name) for name in _FRAME))

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


def storable(value: object) -> str:
    """The value as a text that can be stored: a lone surrogate cannot, and becomes `?`."""
    return str(value).encode("utf-8", "replace").decode()


def _whole(value: int) -> int | None:
    return int(value) if abs(value) <= _LARGEST else None


_AS: dict[str, Callable[[Any], object]] = {"TEXT": storable, "INTEGER": _whole, "REAL": float}


def as_row(values: Iterable[Any]) -> tuple[object, ...]:
    """The values of COLUMNS as SQLite can hold them; a number that cannot be true is unknown."""
    return tuple(
        None if value is None else _AS[kind](value)
        for kind, value in zip(COLUMNS.values(), values, strict=True)
    )


def include(db: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> str:
    """Name of a table or view with what the file holds and `rows`, which it does not hold yet.

    With rows, `temp.before` has what the file holds of their calls, `temp.after` what they are now.
    In a transaction of the caller's; rolling it back takes all that away.
    """
    if not rows:
        return "attempt"
    names = f"id, {', '.join(COLUMNS)}"
    held = "(call_id, attempt) NOT IN (SELECT call_id, attempt FROM temp.pending)"
    now = f"UNION ALL SELECT {names} FROM temp.pending"
    db.execute(create("temp.pending"))
    db.executemany(_upsert("temp.pending"), rows)
    db.execute(create("temp.before"))
    db.execute(
        f"INSERT INTO temp.before SELECT {names} FROM main.attempt "
        "WHERE call_id IN (SELECT call_id FROM temp.pending)"
    )
    db.execute(f"CREATE TEMP VIEW after AS SELECT {names} FROM temp.before WHERE {held} {now}")
    db.execute(f"CREATE TEMP VIEW seen AS SELECT {names} FROM main.attempt WHERE {held} {now}")
    return "seen"


def fetch(
    db: sqlite3.Connection, source: str, where: Where = ("1", {}), limit: int | None = None
) -> list[tuple[Any, ...]]:
    """The newest `limit` rows `r` that fit the condition, all COLUMNS, newest last."""
    condition, values = where
    rows = db.execute(
        f"SELECT {', '.join(COLUMNS)} FROM {source} AS r WHERE {condition} "
        "ORDER BY ts DESC, id DESC LIMIT :limit",
        {**values, "limit": -1 if limit is None else limit},
    ).fetchall()
    return rows[::-1]


def scores(
    db: sqlite3.Connection, source: str, *, since: float, simulated: bool, most: int, looked_at: int
) -> list[float]:
    """The complexity of up to `most` prompts, newest first, of the newest `looked_at` rows.

    A prompt is the first attempt of a call; what the cache answered was scored before.
    """
    rows = db.execute(
        "SELECT complexity FROM (SELECT complexity, attempt, cache_hit, simulated "
        f"FROM {source} WHERE ts >= :since ORDER BY ts DESC LIMIT :looked_at) "
        "WHERE complexity IS NOT NULL AND attempt = 1 AND NOT cache_hit "
        "AND COALESCE(simulated, 0) = :simulated LIMIT :most",
        {"since": since, "simulated": simulated, "most": most, "looked_at": looked_at},
    )
    return [score for (score,) in rows]


def tags(db: sqlite3.Connection, source: str) -> list[str]:
    """The tags of the newest thousand rows, the latest first."""
    newest = f"SELECT tag, ts FROM {source} ORDER BY ts DESC LIMIT 1000"
    rows = db.execute(
        f"SELECT tag FROM ({newest}) WHERE tag IS NOT NULL GROUP BY tag ORDER BY MAX(ts) DESC"
    )
    return [tag for (tag,) in rows]


def keys_used(db: sqlite3.Connection, source: str, column: str, name: str | None) -> list[str]:
    """The cache keys of the answers that a notebook or a session got, the first one first."""
    rows = db.execute(
        f"SELECT cache_key FROM {source} WHERE {column} = ? AND status = 'ok' "
        "AND cache_key IS NOT NULL GROUP BY cache_key ORDER BY MIN(ts), cache_key",
        (name,),
    )
    return [key for (key,) in rows]


def pieces(
    db: sqlite3.Connection, source: str, where: Where, limit: int | None, size: int = 20_000
) -> Iterator[list[tuple[Any, ...]]]:
    """What `fetch` gives, `size` rows at a time; at least one piece, which may be empty."""
    condition, values = where
    if limit is not None:
        # the oldest of them first: rows in the order of an index need not be sorted in memory
        begin = db.execute(
            f"SELECT ts, id FROM {source} AS r WHERE {condition} "
            "ORDER BY ts DESC, id DESC LIMIT 1 OFFSET :limit - 1",
            {**values, "limit": max(limit, 1)},
        ).fetchone()
        if not limit:
            condition = "0"
        elif begin:
            condition += " AND (r.ts, r.id) >= (:first_ts, :first_id)"
            values = {**values, "first_ts": begin[0], "first_id": begin[1]}
    cursor = db.execute(
        f"SELECT {', '.join(COLUMNS)} FROM {source} AS r WHERE {condition} ORDER BY ts, id", values
    )
    rows = cursor.fetchmany(size)
    yield rows
    while rows := cursor.fetchmany(size):
        yield rows


def frame(rows: Iterable[Sequence[Any]]) -> DataFrame:
    """Rows of COLUMNS as a DataFrame; the same dtypes for any rows, none included."""
    return make_frame(_KINDS, map(_IN_FRAME, rows))
