"""What is spent and what is held, in SQL; who tells of a budget, too.

All over the ledger's tables, see schema.py. This module opens no file and begins no transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from .budgets import Limit, Standing, place_of
from .records import Attempt
from .schema import SLOT_S

__all__ = ["hold", "standings", "take_alert"]

_SPENT = {
    "call": "SELECT SUM(cost_nano) FROM attempt WHERE call_id = :period AND NOT simulated",
    "notebook": "SELECT SUM(nano) FROM spend WHERE notebook = :period",
    "day": "SELECT SUM(nano) FROM spend WHERE slot >= :slot",
    "month": "SELECT SUM(nano) FROM spend WHERE slot >= :slot",
}

_HELD_IN = {
    "call": "h.call_id = :period",
    "notebook": "h.notebook = :period",
    "day": "h.ts >= :since",
    "month": "h.ts >= :since",
}

_ENDED = "(a.status != 'unknown' OR a.error_type IS NOT NULL)"

_HELD = (
    f"SELECT SUM(h.nano), SUM(h.nano) FILTER (WHERE {_ENDED}), "
    f"SUM(h.nano) FILTER (WHERE NOT {_ENDED} AND h.ts > :young) FROM hold AS h "
    "LEFT JOIN attempt AS a USING(call_id, attempt) WHERE "
)


def standings(db: sqlite3.Connection, limits: Iterable[Limit], young: float) -> list[Standing]:
    """What there is of each limit; see `budgets.standing_of`."""
    return [_standing(db, limit, young) for limit in limits]


def _standing(db: sqlite3.Connection, limit: Limit, young: float) -> Standing:
    values = {
        "period": limit.period,
        "since": limit.since,
        "slot": int(limit.since // SLOT_S),
        "young": young,
    }
    (spent,) = db.execute(_SPENT[limit.scope], values).fetchone()
    sums = db.execute(_HELD + _HELD_IN[limit.scope], values).fetchone()
    held, ended, moving = (nano or 0 for nano in sums)
    return Standing(limit, spent or 0, ended, held - ended, moving)


def hold(db: sqlite3.Connection, attempt: Attempt, nano: int) -> None:
    """Hold money for an attempt until its cost is known."""
    db.execute(
        "INSERT INTO hold(call_id, attempt, ts, notebook, nano) VALUES(?, ?, ?, ?, ?)",
        (
            attempt.call_id,
            attempt.attempt,
            attempt.ts,
            place_of(attempt.notebook, attempt.session),
            nano,
        ),
    )


def take_alert(
    db: sqlite3.Connection, scope: str, period: str, levels: Sequence[int], now: float
) -> bool:
    """Whether the highest of these levels is for the caller to tell: nobody else has taken it."""
    taken = 0
    for level in levels:
        taken = db.execute(
            "INSERT OR IGNORE INTO alert(scope, period, level, ts) VALUES(?, ?, ?, ?)",
            (scope, period, level, now),
        ).rowcount
    return taken == 1
