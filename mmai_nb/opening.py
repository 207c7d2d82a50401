"""How the ledger's file is opened, made, waited for and closed; whose it is."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from . import schema
from .errors import LedgerWarning
from .files.private import private_folder

__all__ = [
    "SLICE",
    "TROUBLES",
    "BarredError",
    "Connections",
    "Slot",
    "is_foreign",
    "make_tables",
    "one",
    "open_file",
    "patiently",
    "read_only",
    "snapshot",
]

T = TypeVar("T")

SLICE = 0.1
"""Seconds SQLite waits for a lock in one go; it waits in C, deaf to an interrupt."""

MOST_IDLE = 16
"""Connections that wait for a thread to come; more of them are closed."""
OUT_OF_USE = -1
"""The round of a slot that is to be closed."""

_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class BarredError(Exception):
    """The file is not ours to write to; the message says why."""


TROUBLES = (sqlite3.Error, OSError, BarredError)
"""What reading or writing the file may raise."""


def is_foreign(error: Exception) -> bool:
    """Whether the file is damaged, or not ours to write to."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, BarredError) or code in _DAMAGED


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to the file, which is made if need be; any thread may close it.

    Raises:
        sqlite3.Error, OSError, BarredError: TROUBLES.
    """
    private_folder(path.parent)
    with suppress(FileExistsError):  # SQLite gives its other files the mode of this one
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    db = sqlite3.connect(path, timeout=SLICE, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def read_only(uri: str) -> Iterator[sqlite3.Connection]:
    """A connection for one reading, by a URI that says how."""
    with closing(sqlite3.connect(uri, uri=True, timeout=SLICE, isolation_level=None)) as db:
        db.execute("PRAGMA temp_store=MEMORY")
        schema.prepare(db)
        yield db


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """All that is read within is of one moment, and nothing that is made for it stays."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _prepare(db: sqlite3.Connection) -> None:
    """Make what an empty or older file lacks; a file that is not ours is refused, untouched."""
    # in this order, since another kernel may be making the table just now, in one transaction
    tables_found = one(db, "SELECT COUNT(*) FROM sqlite_master")
    application = one(db, "PRAGMA application_id")
    version = one(db, "PRAGMA user_version")
    if application != schema.APPLICATION and (application or tables_found):
        raise BarredError("it is the database of another program")
    if version > schema.SCHEMA:
        raise BarredError("a newer version of mmai_nb has written it: upgrade to add rows")
    mode = one(db, "PRAGMA journal_mode=WAL")
    if mode != "wal":
        warnings.warn(
            f"SQLite keeps the ledger in mode {mode!r} instead of WAL: is it on a network disk? "
            "Kernels will wait for each other; set ledger_path to a local one",
            LedgerWarning,
            stacklevel=8,
        )
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA temp_store=MEMORY")
    db.execute("PRAGMA secure_delete=ON")
    schema.prepare(db)
    if not version:
        make_tables(db)


def make_tables(
    db: sqlite3.Connection, unless: Callable[[sqlite3.Connection], bool] = schema.fits
) -> bool:
    """Make what is missing or of an older version, and the sums anew; whether that was needed."""
    if unless(db):
        return False
    db.execute("BEGIN IMMEDIATE")
    try:
        if not unless(db):  # nobody else was first
            schema.install(db)
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    return True


def one(db: sqlite3.Connection, statement: str) -> Any:
    """The first value of the first row."""
    return db.execute(statement).fetchone()[0]


def patiently(
    action: Callable[[], T], until: float, pause: Callable[[float], None] = time.sleep
) -> T:
    """The action's result; repeated while the file is locked, in slices that an interrupt ends."""
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            # the low byte is the code, the rest its variety
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY
            if not busy or time.monotonic() >= until:
                raise
            pause(0.005)


class Connections:
    """One connection a thread, opened at its first use; a thread that ends leaves it to the next.

    Never closed by another thread while it is in use: SQLite's module crashes the process then, and
    a thread's number is given again as soon as the thread has ended.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._round = 0
        self._local = threading.local()
        self._all: weakref.WeakSet[Slot] = weakref.WeakSet()
        self._idle: deque[Slot] = deque(maxlen=MOST_IDLE)  # its methods are atomic

    def mine(self) -> Slot:
        """This thread's own; a new one after `close` and in the child of a fork.

        Raises:
            sqlite3.Error, OSError, BarredError: TROUBLES.
        """
        held: _Held | None = getattr(self._local, "held", None)
        if held is None or not self._fits(held.slot):
            self._local.held = None  # the old one is closed before a new one is opened
            held = self._local.held = _Held(self._left() or self._new(), self)
        return held.slot

    def _fits(self, slot: Slot) -> bool:
        return slot.pid == os.getpid() and slot.round == self._round

    def _left(self) -> Slot | None:
        """One that a thread has left, if it is of any use."""
        with suppress(IndexError):
            while not self._fits(slot := self._idle.pop()):
                pass
            return slot
        return None

    def leave(self, slot: Slot) -> None:
        """The slot's thread has ended: another may have it, unless it is of no use any more."""
        if self._fits(slot) and not slot.db.in_transaction:
            self._idle.append(slot)

    def _new(self) -> Slot:
        slot = Slot(open_file(self.path), self._round)
        self._all.add(slot)
        return slot

    def close(self) -> None:
        """Close this thread's own and the idle now, those of others when they would use them."""
        self._round += 1
        self._local.held = None
        self._idle.clear()

    def drop(self, db: sqlite3.Connection) -> None:
        """Close this thread's own, which is `db`; the next use opens another."""
        held: _Held | None = getattr(self._local, "held", None)
        if held is not None:
            held.slot.round = OUT_OF_USE
        self._local.held = None
        db.close()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._all)


class Slot:
    """A connection, and whether its file is known to have this version's tables."""

    def __init__(self, db: sqlite3.Connection, round: int) -> None:
        self.db, self.round, self.pid = db, round, os.getpid()
        self.writable = False

    def __del__(self) -> None:
        if self.pid == os.getpid():
            self.db.close()
        else:
            _inherited.append(self.db)


class _Held:
    """A thread's hold on its slot; when the thread has ended, it is the next one's."""

    def __init__(self, slot: Slot, connections: Connections) -> None:
        self.slot, self._of = slot, weakref.ref(connections)

    def __del__(self) -> None:
        connections = self._of()
        if connections is not None:
            connections.leave(self.slot)


_inherited: list[sqlite3.Connection] = []
"""What a fork inherited is let be: closing it would let go the parent's locks, says SQLite."""
