"""Every attempt is one row of an SQLite database that several kernels may share.

A row is there before its request leaves and is updated with the outcome; it is whole or absent. The
ledger never costs the user an answer: rows that cannot be written stay in memory and are written
with the next one that can.

Where a budget is in force it is the other way about: what cannot be written is not sent.
"""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from . import schema, tables
from .errors import LedgerWarning
from .holds import Holding
from .opening import (
    SLICE,
    TROUBLES,
    BarredError,
    Connections,
    Slot,
    is_foreign,
    make_tables,
    one,
    patiently,
    read_only,
    snapshot,
)
from .reading import Reading
from .records import Attempt
from .selection import of_rows

__all__ = ["Ledger"]

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds a write waits for a lock in all, while nothing else is waiting to be written."""

_values = attrgetter(*schema.COLUMNS)


class Ledger(Reading, Holding):
    """The rows, and the sums over them.

    Safe in threads and over a fork: each thread of each process has a connection of its own.

    Args:
        path: the database, made at its first use; None keeps the rows in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self.path = None if path is None else Path(path).expanduser().absolute()
        self._rows: dict[tuple[str, int], Attempt] = {}
        self._votes: list[tuple[float, str | None, str, str]] = []
        self._listeners: list[Callable[[Attempt], None]] = []
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._connections = None if self.path is None else Connections(self.path)
        self._barred: str | None = None
        self._ailing = self._last_chance = False

    # -- writing

    def begin(self, attempt: Attempt) -> None:
        """Write the intent, before the request leaves: its status is "unknown"."""
        self._write(attempt)

    def finish(self, attempt: Attempt) -> None:
        """Write the outcome into the row of the same `call_id` and `attempt`."""
        self._write(attempt)
        self._tell(attempt)

    def record(self, attempt: Attempt) -> None:
        """Write a row that needs no request: a cache hit."""
        self._write(attempt)
        self._tell(attempt)

    def subscribe(self, listener: Callable[[Attempt], None]) -> Callable[[], None]:
        """Call the listener after each outcome of this process, in its thread; gives the undo.

        An error of the listener's is a warning: it never costs an answer.
        """
        self._listeners.append(listener)

        def undo() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return undo

    def _tell(self, attempt: Attempt) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(attempt)
            except Exception as error:
                warnings.warn(f"a listener to the ledger failed: {error!r}"[:200], LedgerWarning, 4)

    def add_vote(self, kind: str, call_id: str | None, data: Mapping[str, Any]) -> None:
        """Keep what the user thought of an answer; `data` is JSON. A file that fails is a warning.

        Without a file it is kept in memory.
        """
        row = (time.time(), call_id, kind, json.dumps(data))
        if self.path is None or self._barred is not None:
            self._votes.append(row)
            return
        try:
            until = time.monotonic() + PATIENCE
            db = patiently(self._connection, until)
            patiently(partial(db.execute, _VOTE, row), until)
        except TROUBLES as error:
            self._votes.append(row)
            self._complain(error)

    def votes(self, kind: str | None = None) -> list[tuple[float, str | None, str, dict[str, Any]]]:
        """The votes, oldest first: time (epoch s), call_id, kind, data.

        A row that cannot be read is left out, with a warning.
        """
        found = self._read(lambda db, _: _vote_rows(db))
        rows = [row for row in (*found, *self._votes) if kind in (None, row[2])]
        votes = [
            (ts, call_id, what, data)
            for ts, call_id, what, text in rows
            if (data := _vote_data(text)) is not None
        ]
        if lost := len(rows) - len(votes):
            warnings.warn(f"{lost} damaged votes in the ledger are left out", LedgerWarning, 2)
        return votes

    def _reach(self, patience: float | None, pause: Callable[[float], None]) -> sqlite3.Connection:
        until = time.monotonic() + (PATIENCE if patience is None else patience)
        return patiently(self._connection, until, pause)

    def _catch_up(self, patience: float) -> None:
        pending = self.pending
        self._store(pending, patience)
        self._forget(pending)

    @property
    def pending(self) -> list[Attempt]:
        """The rows that are in memory only."""
        with self._guard():
            return list(self._rows.values())

    def close(self) -> None:
        """Write what is pending, if that can be, and close the files; the next use opens them."""
        with suppress(*TROUBLES):
            if self.path is not None and (pending := self.pending):
                self._store(pending, SLICE)
                self._forget(pending)
        if self._connections is not None:
            self._connections.close()

    def _write(self, attempt: Attempt) -> None:
        if self.path is None or self._barred is not None:
            self._keep(attempt)
            return
        backlog = self.pending
        try:
            self._store([*backlog, attempt], SLICE if backlog else PATIENCE)
        except TROUBLES as error:
            self._keep(attempt)
            self._complain(error)
        except BaseException:
            if attempt.status != "unknown":  # an intent that was interrupted was never sent
                self._keep(attempt)
            raise
        else:
            self._forget(backlog)
            self._ailing = False

    def _store(self, attempts: Sequence[Attempt], patience: float) -> None:
        """Each row is a transaction, and may be written twice: what fails half-way is repeated."""
        until = time.monotonic() + patience
        db = patiently(self._connection, until)
        for attempt in attempts:
            patiently(partial(db.execute, tables.UPSERT, _row(attempt)), until)

    def _keep(self, attempt: Attempt) -> None:
        if self.path is not None and not self._last_chance:
            self._last_chance = True
            atexit.register(self.close)
        with self._guard():
            key = (attempt.call_id, attempt.attempt)
            if attempt.status != "unknown" or self._rows.get(key, attempt).status == "unknown":
                self._rows[key] = attempt

    def _forget(self, attempts: Sequence[Attempt]) -> None:
        with self._guard():
            for attempt in attempts:
                key = (attempt.call_id, attempt.attempt)
                if self._rows.get(key) is attempt:
                    del self._rows[key]

    def _guard(self) -> threading.Lock:
        if self._pid != os.getpid():  # a forked child may have inherited the lock held
            self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock

    def _bar(self, error: Exception) -> str:
        """The error's reason; a file that is damaged or not ours is let be from then on."""
        reason = str(error)
        if is_foreign(error):
            self._barred = reason
        return reason

    def _complain(self, error: Exception) -> None:
        """One warning for as long as the trouble lasts."""
        reason = self._bar(error)
        if not self._ailing:
            self._ailing = True
            then = (
                "its rows wait in memory and are written later"
                if self._barred is None
                else "it is left as it is, new rows stay in memory"
            )
            warnings.warn(
                f"the ledger {self.path} cannot be used ({reason}): {then}",
                LedgerWarning,
                stacklevel=4,
            )

    # -- reading

    def tags(self) -> list[str]:
        """The tags of the newest thousand rows, the latest first."""
        return self._read(tables.tags)

    def rows(self, call_id: str) -> list[Attempt]:
        """The attempts of one call, oldest first."""
        where = of_rows(None, None, {"call_id": call_id})
        found = self._read(lambda db, source: tables.fetch(db, source, where))
        return sorted(map(_attempt, found), key=lambda attempt: attempt.attempt)

    def mend(self) -> bool:
        """Compare the sums with all rows, and make them anew if they differ; whether they did.

        Raises:
            sqlite3.Error, OSError: the file cannot be written to.
        """
        if self.path is None or not self.path.exists():
            return False
        db = patiently(self._opened, time.monotonic() + PATIENCE)
        make = partial(make_tables, db, unless=schema.adds_up)
        return patiently(make, time.monotonic() + PATIENCE)

    def _mend_if_seen(self) -> None:
        """Make the sums anew where the newest do not fit; while that cannot be, rows are summed."""
        with suppress(*TROUBLES):
            if self.path is not None and self._barred is None and self.path.exists():
                db = patiently(self._opened, time.monotonic() + SLICE)
                if one(db, "PRAGMA user_version") == schema.SCHEMA:  # an older one is let be
                    make_tables(db)

    # -- for what stands beside the rows

    def change(
        self,
        action: Callable[[sqlite3.Connection], T],
        patience: float | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> T:
        """What the action gives, done to the file as one transaction.

        Args:
            action: writes to what stands beside the rows.
            patience: seconds to wait for the lock; default: as long as a row waits.
            pause: waits for so many seconds; it may raise.

        Raises:
            sqlite3.Error, OSError, …: one of TROUBLES; nothing has changed then.
        """
        if self.path is None or self._barred is not None:
            raise BarredError(self._barred or "this ledger has no file")
        until = time.monotonic() + (PATIENCE if patience is None else patience)
        db = patiently(self._connection, until, pause)
        patiently(partial(db.execute, "BEGIN IMMEDIATE"), until, pause)
        try:
            result = action(db)
            db.execute("COMMIT")
        finally:
            self._end(db)
        return result

    def _end(self, db: sqlite3.Connection) -> None:
        """End a transaction that is still open; one that will not end so ends with its connection.

        Else it would swallow the rows that come after it, and lock the file for all kernels.
        """
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.Error:
            assert self._connections is not None
            self._connections.drop(db)

    def read(self, query: Callable[[sqlite3.Connection, str], T]) -> T:
        """What the query gives for the file and the name of its rows, pending ones included."""
        return self._read(query)

    def wipe(self, patience: float = 10.0) -> bool:
        """Rewrite the file without the traces of what was deleted from it.

        Zeroes alone (`secure_delete`) do not reach copies that SQLite left behind when it moved
        rows from page to page.

        Args:
            patience: seconds to wait for other kernels.

        Returns:
            Whether it is done; not while another kernel keeps reading or writing.
        """
        until = time.monotonic() + patience
        try:
            db = patiently(self._connection, until)
            db.execute("PRAGMA temp_store=FILE")  # the whole of it may not fit into memory
            patiently(partial(db.execute, "VACUUM"), until)
            db.execute("PRAGMA temp_store=MEMORY")
            while one(db, "PRAGMA wal_checkpoint(TRUNCATE)"):
                if time.monotonic() >= until:
                    return False
                time.sleep(0.05)
        except TROUBLES:
            return False
        return True

    def _read(self, query: Callable[[sqlite3.Connection, str], T]) -> T:
        """The query's result over the file's rows and the pending ones, or over those alone."""
        pending = [_row(attempt) for attempt in self.pending]
        first: Exception | None = None
        for way in self._ways_in():
            try:
                with way() as db, snapshot(db):
                    return query(db, tables.include(db, pending))
            except TROUBLES as error:
                first = first or error
        if first is not None:
            self._complain(first)
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            schema.prepare(db)
            db.execute(schema.create("attempt"))
            with snapshot(db):
                return query(db, tables.include(db, pending))

    def _ways_in(self) -> Iterator[Callable[[], AbstractContextManager[sqlite3.Connection]]]:
        """Ways to open the file for reading; a later one helps where the earlier fails."""
        if self.path is None or not self.path.exists():
            return
        if self._barred is None:
            yield lambda: nullcontext(patiently(self._opened, time.monotonic() + PATIENCE))
        # a folder that may not be written to can only be read as immutable
        for option in ("mode=ro", "immutable=1"):
            yield partial(read_only, f"{self.path.as_uri()}?{option}")

    # -- connections

    def _connection(self) -> sqlite3.Connection:
        """This thread's own, with the tables of this version."""
        slot = self._slot()
        if not slot.writable:
            try:
                if not schema.fits(slot.db):
                    make_tables(slot.db)
            finally:
                self._end(slot.db)
            slot.writable = True
        return slot.db

    def _opened(self) -> sqlite3.Connection:
        """This thread's own, with the tables as they are: enough to read."""
        return self._slot().db

    def _slot(self) -> Slot:
        assert self.path is not None
        assert self._connections is not None
        if len(self._connections) and not self.path.exists():
            # deleted while in use: rows must not go to a nameless file
            self._connections.close()
        return self._connections.mine()


_VOTE = "INSERT INTO vote(ts, call_id, kind, data) VALUES(?, ?, ?, ?)"


def _vote_rows(db: sqlite3.Connection) -> list[tuple[float, str | None, str, str]]:
    """All votes; none where the table is not there yet, as in a file that is only read."""
    if not one(db, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'vote'"):
        return []
    return db.execute("SELECT ts, call_id, kind, data FROM vote ORDER BY ts, id").fetchall()


def _vote_data(text: Any) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _row(attempt: Attempt) -> tuple[object, ...]:
    return tables.as_row(_values(attempt))


def _attempt(row: tuple[Any, ...]) -> Attempt:
    values = dict(zip(schema.COLUMNS, row, strict=True))
    for flag in ("tokens_estimated", "cache_hit", "simulated"):
        values[flag] = bool(values[flag])
    return Attempt(**values)
