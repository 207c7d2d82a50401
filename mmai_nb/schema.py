"""The ledger's tables in SQL: attempts, their rollup, money on hold, alerts, and exchanges.

`attempt` is what happened. `rollup` and `latency` are sums over it by quarter of an hour and by
model, provider, tier, notebook, tag and kind of money; triggers keep them true with every row in
the row's own transaction, so that no reader needs to pass over the rows. A quarter of an hour, not
an hour: the local day begins on one in every time zone.

This module opens no file and imports nothing of the package.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Mapping
from typing import TypeAlias

__all__ = [
    "APPLICATION",
    "CALL_SUMS",
    "CHECK_SUMS",
    "COLUMNS",
    "EXCHANGES",
    "ROLLUP_KEY",
    "ROLLUP_SUMS",
    "SCHEMA",
    "SLOT_S",
    "SUMS",
    "Where",
    "adds_up",
    "bucket_seconds",
    "create",
    "fits",
    "install",
    "key_columns",
    "latencies_of",
    "latency_bucket",
    "prepare",
    "rebuild",
    "sums_of",
]

Where: TypeAlias = tuple[str, dict[str, object]]
"""A condition in SQL, and the values of its parameters."""

APPLICATION = 0x6D6D6169
"""Marks the file as ours (`PRAGMA application_id`): "mmai" in ASCII."""

SCHEMA = 5
"""The tables' version, kept in `PRAGMA user_version`.

1 had no more than `attempt`, 2 no texts, 3 no sums of checks, 4 had them where the call began.
"""

SLOT_S = 900
"""Seconds of one slot of the rollup."""

COLUMNS = {
    "call_id": "TEXT",
    "attempt": "INTEGER",
    "ts": "REAL",
    "session": "TEXT",
    "notebook": "TEXT",
    "tag": "TEXT",
    "provider": "TEXT",
    "endpoint": "TEXT",
    "request_model": "TEXT",
    "response_model": "TEXT",
    "tier": "TEXT",
    "complexity": "REAL",
    "reason": "TEXT",
    "input_tokens": "INTEGER",
    "cache_read_tokens": "INTEGER",
    "cache_write_tokens": "INTEGER",
    "output_tokens": "INTEGER",
    "reasoning_tokens": "INTEGER",
    "tokens_estimated": "INTEGER",
    "cost_nano": "INTEGER",
    "cost_source": "TEXT",
    "saved_nano": "INTEGER",
    "baseline_nano": "INTEGER",
    "duration_s": "REAL",
    "first_token_s": "REAL",
    "cache_hit": "INTEGER",
    "cache_key": "TEXT",
    "finish_reason": "TEXT",
    "status": "TEXT",
    "error_type": "TEXT",
    "simulated": "INTEGER",
}
"""Column and SQL type of `attempt`, in the order of the fields of `records.Attempt`."""

ROLLUP_KEY = {
    "slot": f"COALESCE(CAST(r.ts / {SLOT_S} AS INTEGER), 0)",
    "model": "COALESCE(r.request_model, '')",
    "provider": "COALESCE(r.provider, '')",
    "tier": "COALESCE(r.tier, '')",
    "notebook": "COALESCE(r.notebook, '')",
    "tag": "COALESCE(r.tag, '')",
    "simulated": "COALESCE(r.simulated, 0)",
}
"""What a row of the rollup stands for, by a row `r` of `attempt`; '' is none."""

_SENT = "(NOT r.cache_hit)"
_ANSWERED = "(NOT r.cache_hit AND r.status = 'ok')"
_BILLED = "(NOT r.cache_hit AND r.status NOT IN ('error', 'adapted'))"
_FAILED = (
    "(NOT r.cache_hit AND (r.status IN ('error', 'partial') "
    "OR r.status = 'unknown' AND r.error_type IS NOT NULL))"
)

ROLLUP_SUMS = {
    "calls": "r.attempt = 1",
    "attempts": _SENT,
    "answered": _ANSWERED,
    "failed": _FAILED,
    "hits": "r.cache_hit",
    "input_tokens": f"{_SENT} * COALESCE(r.input_tokens, 0)",
    "cache_read_tokens": f"{_SENT} * COALESCE(r.cache_read_tokens, 0)",
    "output_tokens": f"{_SENT} * COALESCE(r.output_tokens, 0)",
    "reasoning_tokens": f"{_SENT} * COALESCE(r.reasoning_tokens, 0)",
    "cost_nano": "COALESCE(r.cost_nano, 0)",
    "priced": f"{_BILLED} AND r.cost_nano IS NOT NULL",
    "unpriced": f"{_BILLED} AND r.cost_nano IS NULL",
    "saved_nano": "COALESCE(r.saved_nano, 0)",
    "saved_unknown": "r.cache_hit AND r.saved_nano IS NULL",
    "routed_nano": f"{_ANSWERED} * COALESCE(r.baseline_nano - r.cost_nano, 0)",
    "routed_unknown": f"{_ANSWERED} AND r.baseline_nano - r.cost_nano IS NULL",
}
"""What a row `r` of `attempt` adds to the sums of its row of the rollup.

A call counts where its first attempt went, so that calls add up over any grouping. What takes a
second row of the call counts there too and stands in CALL_SUMS.
"""

_EARLIER = (
    "EXISTS (SELECT 1 FROM {rows} AS e WHERE e.call_id = r.call_id AND e.attempt < r.attempt "
    "AND e.status = 'ok' AND %s)"
)
"""The call had an answer before the row `r` already."""

_HIGHER = "COALESCE({row}.tier, '') != COALESCE(f.tier, '')"

CALL_SUMS = {
    "fell": (
        "f.status != 'ok' AND r.status = 'ok' AND (f.endpoint, f.request_model) IS NOT "
        f"(r.endpoint, r.request_model) AND NOT {_EARLIER % 1}"
    ),
    "escalated": (
        f"r.status = 'ok' AND {_HIGHER.replace('{row}', 'r')} "
        f"AND NOT {_EARLIER % _HIGHER.replace('{row}', 'e')}"
    ),
}
"""What a later row `r` of a call adds where its first attempt `f` counts.

`fell`: the first attempt failed, and another model than its gave the first answer. `escalated`: a
model of another tier answered, which is asked only where an answer did not pass its check.
"""

CHECK_SUMS = {
    "check_nano": "COALESCE(r.cost_nano, 0)",
    "check_routed_nano": f"{_ANSWERED} * COALESCE(r.baseline_nano - r.cost_nano, 0)",
}
"""What the row `r` of an answer that does not stand adds to the sums of its own row of the rollup.

It was rejected by its check, or it was a second opinion: its cost is the check's, and it stands in
for no call of the strongest model, so that `check_routed_nano` of `routed_nano` is no saving.
"""

SUMS = (*ROLLUP_SUMS, *CALL_SUMS, *CHECK_SUMS)
"""All columns of the rollup that are added up."""

_CUT = "COALESCE({row}.finish_reason, '') IN ('length', 'content_filter')"

_IS_OPINION = (
    "COALESCE({row}.tier, '') IS (SELECT COALESCE(b.tier, '') FROM {rows} AS b "
    "WHERE b.call_id = {row}.call_id AND b.status = 'ok' AND b.attempt < {row}.attempt "
    "ORDER BY b.attempt DESC LIMIT 1)"
)
"""The answer before it was of the same tier: which is asked twice for a second opinion alone."""

_CUT_R, _CUT_O = _CUT.format(row="r"), _CUT.format(row="o")
_DOES_NOT_STAND = (
    f"r.status = 'ok' AND ({_IS_OPINION.replace('{row}', 'r')} OR EXISTS ("
    "SELECT 1 FROM {rows} AS o WHERE o.call_id = r.call_id AND o.status = 'ok' "
    f"AND CASE WHEN o.attempt > r.attempt THEN {_CUT_R} OR NOT {_CUT_O} "
    f"WHEN o.attempt < r.attempt THEN {_CUT_R} AND NOT {_CUT_O} END "
    f"AND NOT {_IS_OPINION.replace('{row}', 'o')}))"
)
"""Of a call's answers the last stands: of those that are whole, or of those that are cut where all
are. Second opinions are none of them."""


_SPEND = (
    f"SELECT {ROLLUP_KEY['slot']} AS slot, COALESCE(r.notebook, r.session, '') AS notebook, "
    "{sign} * r.cost_nano AS nano FROM {row} WHERE r.cost_nano AND NOT COALESCE(r.simulated, 0)"
)
"""What a row `r` of `attempt` adds to `spend`; the session stands for a notebook without a name."""


def create(table: str) -> str:
    """The statement that makes a table of attempts."""
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    return (
        f"CREATE TABLE IF NOT EXISTS {table}(id INTEGER PRIMARY KEY, {columns}, "
        "UNIQUE(call_id, attempt))"
    )


EXCHANGES = (
    # a prompt and its answer: once per cache key, or once per call whose answer is not cached.
    # `began` is the first time it was asked, `ts` and `call_id` are of the last. Long texts stand
    # last, so that what looks at the facts alone does not read them.
    "CREATE TABLE IF NOT EXISTS exchange(id INTEGER PRIMARY KEY AUTOINCREMENT, "
    "cache_key TEXT UNIQUE, call_id TEXT NOT NULL UNIQUE, began REAL NOT NULL, ts REAL NOT NULL, "
    "asked INTEGER NOT NULL, cost_nano INTEGER, model TEXT, status TEXT, format TEXT, "
    "simulated INTEGER, context INTEGER NOT NULL, earlier INTEGER NOT NULL, "
    "prompt TEXT NOT NULL, answer TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS exchange_ts ON exchange(ts)",
    # what stood before the prompt, once: each message names the one before it, 0 is none, so that
    # the turns of a chat share their beginning
    "CREATE TABLE IF NOT EXISTS message(id INTEGER PRIMARY KEY, before INTEGER NOT NULL, "
    "digest TEXT NOT NULL, role TEXT, content TEXT, UNIQUE(before, digest))",
)
"""The tables of what was said; `exchange.context` is the last message before the prompt."""

_KEY = ", ".join(ROLLUP_KEY)
_LATER = "f.call_id = r.call_id AND f.attempt = 1 AND r.attempt > 1"


def _call_sums(sign: str, rows: str) -> str:
    return ", ".join(
        f"{sign} * COALESCE({value.replace('{rows}', rows)}, 0) AS {name}"
        for name, value in CALL_SUMS.items()
    )


def key_columns(more: Mapping[str, str] | None = None) -> str:
    """The columns of ROLLUP_KEY and `more`, of a row `r` of attempts."""
    return ", ".join(f"{value} AS {name}" for name, value in {**ROLLUP_KEY, **(more or {})}.items())


def _check_sums(sign: str, rows: str, keys: str) -> str:
    """A query for what the answers among the rows that do not stand add to the sums."""
    sums = ", ".join(f"{sign} * ({value}) AS {name}" for name, value in CHECK_SUMS.items())
    return f"SELECT {keys}, {sums} FROM {rows} AS r WHERE {_DOES_NOT_STAND.format(rows=rows)}"


def sums_of(rows: str, sign: int = 1, more: Mapping[str, str] | None = None) -> str:
    """A query for what attempts add to the sums: a row or two for each, to be added up.

    Its columns are ROLLUP_KEY, `more` and SUMS.

    Args:
        rows: a table or view of attempts.
        sign: -1 takes them away.
        more: further columns, by a row `r`.
    """
    keys = key_columns(more)
    sums = ", ".join(f"{sign} * ({value}) AS {name}" for name, value in ROLLUP_SUMS.items())
    of_rows, of_calls, of_checks = (
        ", ".join(f"0 AS {name}" for name in names)
        for names in (ROLLUP_SUMS, CALL_SUMS, CHECK_SUMS)
    )
    return (
        f"SELECT {keys}, {sums}, {of_calls}, {of_checks} FROM {rows} AS r UNION ALL "
        f"SELECT {keys.replace('r.', 'f.')}, {of_rows}, {_call_sums(str(sign), rows)}, {of_checks} "
        f"FROM {rows} AS f CROSS JOIN {rows} AS r WHERE {_LATER} UNION ALL "
        + _check_sums(str(sign), rows, f"{keys}, {of_rows}, {of_calls}")
    )


def latencies_of(rows: str, sign: int = 1, more: Mapping[str, str] | None = None) -> str:
    """A query for what attempts add to the latencies, like `sums_of`: key, `more`, bucket, n."""
    keys = key_columns(more)
    return (
        f"SELECT {keys}, latency_bucket(r.duration_s) AS bucket, {sign} AS n FROM {rows} AS r "
        f"WHERE {_ANSWERED} AND r.duration_s IS NOT NULL"
    )


_TABLES = (
    create("attempt"),
    "CREATE INDEX IF NOT EXISTS attempt_ts ON attempt(ts)",
    f"CREATE TABLE IF NOT EXISTS rollup(id INTEGER PRIMARY KEY, {_KEY}, "
    + ", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in SUMS)
    + f", UNIQUE({_KEY}))",
    "CREATE INDEX IF NOT EXISTS rollup_notebook ON rollup(notebook, slot)",
    "CREATE TABLE IF NOT EXISTS latency(rollup INTEGER, bucket INTEGER, n INTEGER NOT NULL, "
    "PRIMARY KEY(rollup, bucket)) WITHOUT ROWID",
    # real money by slot and notebook alone: a budget is summed up before each call
    "CREATE TABLE IF NOT EXISTS spend(slot INTEGER, notebook TEXT, nano INTEGER NOT NULL, "
    "PRIMARY KEY(slot, notebook)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS spend_notebook ON spend(notebook, nano)",
    # money that a request on its way, or one of unknown outcome, may cost
    "CREATE TABLE IF NOT EXISTS hold(call_id TEXT, attempt INTEGER, ts REAL, notebook TEXT, "
    "nano INTEGER NOT NULL, PRIMARY KEY(call_id, attempt)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS hold_ts ON hold(ts)",
    # which level of which budget was told in which period
    "CREATE TABLE IF NOT EXISTS alert(scope TEXT, period TEXT, level INTEGER, ts REAL, "
    "PRIMARY KEY(scope, period, level)) WITHOUT ROWID",
    "DROP TABLE IF EXISTS text",  # version 2 made one and never wrote to it
    *EXCHANGES,
    # what the user thought of an answer
    "CREATE TABLE IF NOT EXISTS vote(id INTEGER PRIMARY KEY, ts REAL, call_id TEXT, kind TEXT, "
    "data TEXT)",
)

_DERIVED = ("rollup", "latency", "spend")
"""Tables that hold nothing but sums: they are made anew where they do not fit."""

_MADE = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", " ".join(_TABLES))


def _changes(*signed: tuple[str, int]) -> str:
    """Statements that add (1) or take away (-1) what rows, such as OLD and NEW, give the rollup."""

    def each(select: str) -> str:
        return " UNION ALL ".join(select.format(sign=sign, row=row) for row, sign in signed)

    keys = ", ".join(f"{value} AS {name}" for name, value in ROLLUP_KEY.items())
    sums = ", ".join(f"{{sign}} * ({value}) AS {name}" for name, value in ROLLUP_SUMS.items())
    row = "(SELECT {row}.id AS id, " + ", ".join(f"{{row}}.{c} AS {c}" for c in COLUMNS) + ") AS r"
    totals = ", ".join(f"SUM({name})" for name in ROLLUP_SUMS)
    first, later = keys.replace("r.", "f."), _call_sums("{sign}", "attempt")
    names, some = ", ".join(CALL_SUMS), " OR ".join(f"SUM({name}) != 0" for name in CALL_SUMS)
    of_calls = ", ".join(f"SUM({name})" for name in CALL_SUMS)
    add_calls = ", ".join(f"{name} = {name} + excluded.{name}" for name in CALL_SUMS)
    same = " AND ".join(f"u.{name} = {value}" for name, value in ROLLUP_KEY.items())
    add = ", ".join(f"{name} = {name} + excluded.{name}" for name in ROLLUP_SUMS)
    return (
        f"INSERT INTO rollup({_KEY}, {', '.join(ROLLUP_SUMS)}) SELECT {_KEY}, {totals} FROM ("
        + each(f"SELECT {keys}, {sums} FROM {row}")
        + f") WHERE 1 GROUP BY {_KEY} ON CONFLICT({_KEY}) DO UPDATE SET {add}; "
        f"INSERT INTO rollup({_KEY}, {names}) SELECT {_KEY}, {of_calls} FROM ("
        + each(f"SELECT {first}, {later} FROM attempt AS f, {row} WHERE {_LATER}")
        + f") WHERE 1 GROUP BY {_KEY} HAVING {some} ON CONFLICT({_KEY}) DO UPDATE SET {add_calls}; "
        "INSERT INTO spend(slot, notebook, nano) SELECT slot, notebook, SUM(nano) FROM ("
        + each(_SPEND.format(sign="{sign}", row=row))
        + ") WHERE 1 GROUP BY slot, notebook HAVING SUM(nano) != 0 "
        "ON CONFLICT(slot, notebook) DO UPDATE SET nano = nano + excluded.nano; "
        "INSERT INTO latency(rollup, bucket, n) SELECT rollup, bucket, SUM(n) FROM ("
        + each(
            f"SELECT u.id AS rollup, latency_bucket(r.duration_s) AS bucket, {{sign}} AS n "
            f"FROM {row} JOIN rollup AS u ON {same} WHERE {_ANSWERED} AND r.duration_s IS NOT NULL"
        )
        + ") WHERE 1 GROUP BY rollup, bucket "
        "ON CONFLICT(rollup, bucket) DO UPDATE SET n = n + excluded.n;"
    )


def _check_trigger(event: str, *rows: str) -> str:
    """The trigger that takes away what a call's answers gave before, and adds what they give.

    A row that comes may reject one that is there, so the call is judged anew. Most calls have one
    answer: there it has nothing to do.

    Args:
        event: INSERT, UPDATE or DELETE.
        rows: OLD, NEW or both, as the event has them.
    """
    keys = key_columns()
    others = f"FROM attempt WHERE call_id = {rows[-1]}.call_id AND id != {rows[-1]}.id"

    def call_with(row: str) -> str:
        itself = f" UNION ALL SELECT {', '.join(f'{row}.{name}' for name in COLUMNS)}"
        return f"(SELECT {', '.join(COLUMNS)} {others}{itself if row in rows else ''})"

    before, after = (
        _check_sums(sign, call_with(row), keys) for sign, row in (("-1", "OLD"), ("1", "NEW"))
    )
    totals = ", ".join(f"SUM({name})" for name in CHECK_SUMS)
    some = " OR ".join(f"SUM({name}) != 0" for name in CHECK_SUMS)
    add = ", ".join(f"{name} = {name} + excluded.{name}" for name in CHECK_SUMS)
    return (
        f"AFTER {event} ON attempt WHEN EXISTS (SELECT 1 {others} AND status = 'ok') BEGIN "
        f"INSERT INTO rollup({_KEY}, {', '.join(CHECK_SUMS)}) SELECT {_KEY}, {totals} FROM "
        f"({before} UNION ALL {after}) WHERE 1 GROUP BY {_KEY} HAVING {some} "
        f"ON CONFLICT({_KEY}) DO UPDATE SET {add}; END"
    )


_RELEASE = (
    "DELETE FROM hold WHERE NEW.cost_nano IS NOT NULL AND call_id = NEW.call_id "
    "AND attempt = NEW.attempt;"
)
"""What was held is let go once the cost is known; never before, so unknown is not taken for 0."""

_TRIGGERS = {
    "attempt_added": f"AFTER INSERT ON attempt BEGIN {_changes(('NEW', 1))} {_RELEASE} END",
    "attempt_changed": (
        f"AFTER UPDATE ON attempt BEGIN {_changes(('OLD', -1), ('NEW', 1))} {_RELEASE} END"
    ),
    "attempt_removed": f"AFTER DELETE ON attempt BEGIN {_changes(('OLD', -1))} END",
    "answer_added": _check_trigger("INSERT", "NEW"),
    "answer_changed": _check_trigger("UPDATE", "OLD", "NEW"),
    "answer_removed": _check_trigger("DELETE", "OLD"),
}


def prepare(db: sqlite3.Connection) -> None:
    """Give a connection what the triggers call; before anything is written through it."""
    db.create_function("latency_bucket", 1, latency_bucket, deterministic=True)


def install(db: sqlite3.Connection) -> None:
    """Make what is missing, in a new file or one of an older version, and sum up what it holds.

    In a transaction of the caller's; `prepare` came before it.
    """
    for name in _TRIGGERS:
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    for name in _DERIVED:
        db.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in _TABLES:
        db.execute(statement)
    rebuild(db)
    for name, body in _TRIGGERS.items():
        db.execute(f"CREATE TRIGGER {name} {body}")
    db.execute(f"PRAGMA application_id={APPLICATION}")
    db.execute(f"PRAGMA user_version={SCHEMA}")


def rebuild(db: sqlite3.Connection) -> None:
    """Sum the rollup up anew from the attempts, in a transaction of the caller's."""
    totals = ", ".join(f"SUM({name})" for name in SUMS)
    for name in _DERIVED:
        db.execute(f"DELETE FROM {name}")
    db.execute(
        f"INSERT INTO rollup({_KEY}, {', '.join(SUMS)}) "
        f"SELECT {_KEY}, {totals} FROM ({sums_of('attempt')}) GROUP BY {_KEY}"
    )
    db.execute(
        "INSERT INTO spend(slot, notebook, nano) SELECT slot, notebook, SUM(nano) FROM ("
        + _SPEND.format(sign=1, row="attempt AS r")
        + ") WHERE 1 GROUP BY slot, notebook"
    )
    db.execute(
        "INSERT INTO latency(rollup, bucket, n) SELECT rollup.id, bucket, SUM(n) "
        f"FROM ({latencies_of('attempt')}) JOIN rollup USING({_KEY}) GROUP BY 1, 2"
    )


def fits(db: sqlite3.Connection) -> bool:
    """Whether the sums are there and fit the rows of the newest slot: a look, no pass."""
    (version,) = db.execute("PRAGMA main.user_version").fetchone()
    there = {name for (name,) in db.execute("SELECT name FROM main.sqlite_master")}
    if version != SCHEMA or not {*_MADE, *_TRIGGERS} <= there:
        return False
    (slot,) = db.execute(f"SELECT CAST(MAX(ts) / {SLOT_S} AS INTEGER) FROM main.attempt").fetchone()
    if slot is None:
        return True
    rows = db.execute("SELECT COUNT(*) FROM main.attempt WHERE ts >= ?", (slot * SLOT_S,))
    summed = db.execute("SELECT SUM(attempts + hits) FROM main.rollup WHERE slot >= ?", (slot,))
    return bool(rows.fetchone() == summed.fetchone())


def adds_up(db: sqlite3.Connection) -> bool:
    """Whether the sums are those of all rows: a pass over both."""
    totals = ", ".join(f"COALESCE(SUM({name}), 0)" for name in SUMS)
    if not fits(db):
        return False
    summed = db.execute(f"SELECT {totals} FROM main.rollup").fetchone()
    rows = db.execute(f"SELECT {totals} FROM ({sums_of('main.attempt')})").fetchone()
    spend = _SPEND.format(sign=1, row="main.attempt AS r")
    spent = db.execute(
        f"SELECT (SELECT SUM(nano) FROM main.spend), (SELECT SUM(nano) FROM ({spend}))"
    ).fetchone()
    return bool(summed == rows and (spent[0] or 0) == (spent[1] or 0))


_GROWTH = math.log(1.1)
"""Each bucket is 10 % wider than the one before: its middle is within 5 % of all that is in it."""

_SHORTEST, _LONGEST = 1e-4, 1e6
"""Seconds; what is outside goes into the first or last bucket."""


def latency_bucket(seconds: float | None) -> int | None:
    """The bucket of a duration: bucket `n` begins at 1.1**n seconds."""
    if seconds is None or math.isnan(seconds):
        return None
    return math.floor(math.log(min(max(seconds, _SHORTEST), _LONGEST)) / _GROWTH)


def bucket_seconds(bucket: int) -> float:
    """The duration that stands for all of a bucket: its geometric middle, in seconds."""
    return math.exp((bucket + 0.5) * _GROWTH)
