"""Money in the ledger: what is spent, what is held for attempts on their way, who tells of it.

Money is held in the transaction that writes an attempt's intent, and the tables' own triggers let
it go with the cost; see schema.py. How the file is opened is the ledger's own business.
"""

from __future__ import annotations

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from . import cancel, tables
from .budgets import LONGEST_CALL, Limit, Standing, place_of, standing_of
from .errors import BudgetExceededError
from .opening import TROUBLES, BarredError
from .records import Attempt
from .schema import COLUMNS, SLOT_S
from .values import one_line

__all__ = ["LONGEST_WAIT", "Holding"]

T = TypeVar("T")

LONGEST_WAIT = 30.0
"""Seconds a reservation waits for a lock: without it nothing may be sent."""

CHECKED_WHOLE = 64_000_000
"""Bytes up to which a file is checked whole before money is reserved by it; of a larger one only
what money is counted by."""

Decide = Callable[[list[Standing]], tuple[int, T]]
"""Gets what there is of each limit; gives the nano-dollars to hold and what `reserve` gives back,
or raises."""


class Holding(ABC):
    """The part of a ledger that counts and holds money.

    Attributes:
        given_up: money that was held before then, in seconds since the epoch, is not waited for.
    """

    path: Path | None
    _rows: dict[tuple[str, int], Attempt]
    _barred: str | None
    _ailing: bool

    def __init__(self) -> None:
        self.given_up = 0.0
        self._held: dict[tuple[str, int], int] = {}  # where there is no file
        self._alerts: set[tuple[str, str, int]] = set()
        self._sound = False

    @abstractmethod
    def _guard(self) -> AbstractContextManager[object]:
        """Held while the rows in memory are read or written."""

    @abstractmethod
    def _reach(self, patience: float | None, pause: Callable[[float], None]) -> sqlite3.Connection:
        """A connection that can write, after at most so many seconds of waiting for a lock."""

    @abstractmethod
    def change(
        self,
        action: Callable[[sqlite3.Connection], T],
        patience: float | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> T:
        """What the action gives, done as one transaction."""

    @abstractmethod
    def _catch_up(self, patience: float) -> None:
        """Write the rows that wait in memory."""

    @abstractmethod
    def _bar(self, error: Exception) -> str:
        """Write to this file no more; why, in words."""

    @abstractmethod
    def _complain(self, error: Exception) -> None:
        """Warn once that the file fails."""

    def reserve(
        self,
        attempt: Attempt,
        limits: Sequence[Limit],
        decide: Decide[T],
        *,
        patience: float = LONGEST_WAIT,
    ) -> T:
        """Write the intent and hold money for it, in one transaction, or neither of them.

        Args:
            attempt: the intent.
            limits: the budgets that it counts for.
            decide: see `Decide`; where it raises, nothing is written.
            patience: seconds to wait for the lock.

        Raises:
            BudgetExceededError: the ledger cannot be read and written; and what `decide` raises.
        """
        if self.path is None:
            with self._guard():
                nano, granted = decide(self._standings_in_memory(limits))
                key = (attempt.call_id, attempt.attempt)
                self._rows[key], self._held[key] = attempt, nano
            return granted
        until = time.monotonic() + patience

        def write(db: sqlite3.Connection) -> T:
            nano, granted = decide(_standings(db, limits, self._young()))
            row = tables.as_row(getattr(attempt, name) for name in COLUMNS)
            db.execute(tables.UPSERT, row)
            _hold(db, attempt, nano)
            return granted

        try:
            self._check_sound(self.path, patience)
            self._catch_up(until - time.monotonic())
            granted = self.change(write, until - time.monotonic(), cancel.pause)
        except TROUBLES as error:
            raise _unchecked(self.path, self._bar(error)) from error
        self._ailing = False
        return granted

    def standings(self, limits: Sequence[Limit]) -> list[Standing]:
        """What there is of each budget; none where the ledger cannot be read."""
        if self.path is None:
            with self._guard():
                return self._standings_in_memory(limits)
        if self._barred is not None:
            return []
        try:
            return _standings(self._reach(None, time.sleep), limits, self._young())
        except TROUBLES as error:
            self._complain(error)
            return []

    def take_alert(self, scope: str, period: str, levels: Sequence[int]) -> bool:
        """Whether the highest of these levels is yours to tell: no kernel has taken it before."""
        taken = [(scope, period, level) for level in levels]
        with self._guard():
            if taken[-1] in self._alerts:
                return False
            self._alerts.update(taken)
        if self.path is None or self._barred is not None:
            return True
        try:
            return self.change(lambda db: _take_alert(db, scope, period, levels))
        except TROUBLES as error:
            self._complain(error)
            return True

    def _standings_in_memory(self, limits: Sequence[Limit]) -> list[Standing]:
        rows = [(row, self._held.get(key, 0)) for key, row in self._rows.items()]
        return [standing_of(limit, rows, self._young()) for limit in limits]

    def _young(self) -> float:
        """From when on money that is held for an attempt on its way is expected back."""
        return max(self.given_up, time.time() - LONGEST_CALL)

    def _check_sound(self, path: Path, patience: float) -> None:
        """Look for damage, once, before money is trusted to the file."""
        if self._barred is not None:
            raise BarredError(self._barred)
        if self._sound:
            return
        db = self._reach(patience, cancel.pause)
        whole = path.stat().st_size <= CHECKED_WHOLE
        for table in ("",) if whole else ("(spend)", "(hold)", "(alert)"):
            (found,) = db.execute(f"PRAGMA quick_check{table}").fetchone()
            if found != "ok":
                raise BarredError(f"it is damaged: {str(found).splitlines()[-1]}")
        self._sound = True


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


def _standings(db: sqlite3.Connection, limits: Iterable[Limit], young: float) -> list[Standing]:
    """What there is of each limit; `budgets.standing_of` says the same of rows in memory."""
    found = []
    for limit in limits:
        values = {
            "period": limit.period,
            "since": limit.since,
            "slot": int(limit.since // SLOT_S),
            "young": young,
        }
        (spent,) = db.execute(_SPENT[limit.scope], values).fetchone()
        sums = db.execute(_HELD + _HELD_IN[limit.scope], values).fetchone()
        held, ended, moving = (nano or 0 for nano in sums)
        found.append(Standing(limit, spent or 0, ended, held - ended, moving))
    return found


def _hold(db: sqlite3.Connection, attempt: Attempt, nano: int) -> None:
    place = place_of(attempt.notebook, attempt.session)
    db.execute(
        "INSERT INTO hold(call_id, attempt, ts, notebook, nano) VALUES(?, ?, ?, ?, ?)",
        (attempt.call_id, attempt.attempt, attempt.ts, place, nano),
    )


def _take_alert(db: sqlite3.Connection, scope: str, period: str, levels: Sequence[int]) -> bool:
    taken = 0
    for level in levels:
        taken = db.execute(
            "INSERT OR IGNORE INTO alert(scope, period, level, ts) VALUES(?, ?, ?, ?)",
            (scope, period, level, time.time()),
        ).rowcount
    return taken == 1


def _unchecked(path: Path, reason: str) -> BudgetExceededError:
    reason = " ".join(reason.split())[:70]
    return BudgetExceededError(
        one_line(
            f"the ledger cannot be written ({reason}), so the budget cannot be checked: mend "
            f"{path.name} or set another ledger_path; %ai budget none takes budgets out"
        ),
        why="the ledger cannot be written, so the budget cannot be checked",
    )
