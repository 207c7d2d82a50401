"""How the ledger's file is opened, made, waited for and closed; whose it is."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from . import schema
from .errors import LedgerWarning
from .store import private_folder

__all__ = [
    "SLICE",
    "TROUBLES",
    "BarredError",
    "close_connections",
    "is_foreign",
    "make_tables",
    "one",
    "open_file",
    "patiently",
    "place",
    "read_only",
    "snapshot",
]

T = TypeVar("T")

SLICE = 0.1
"""Seconds SQLite waits for a lock in one go; it waits in C, deaf to an interrupt."""

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


def place() -> tuple[int, int]:
    """Process and thread: a connection must not be used on after a fork."""
    return os.getpid(), threading.current_thread().ident or 0


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
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
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


def close_connections(
    connections: dict[tuple[int, int], sqlite3.Connection], threads: Sequence[int] | None = None
) -> None:
    """Close those of the threads, or all; what a fork inherited is left, as SQLite demands."""
    for pid, thread in list(connections):
        if pid == os.getpid() and (threads is None or thread in threads):
            with suppress(KeyError, sqlite3.Error):
                connections.pop((pid, thread)).close()
