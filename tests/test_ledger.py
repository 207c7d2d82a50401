"""The ledger: rows that are never lost and never cost an answer, and the sums over them."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from support.attempts import NOON, any_attempts, attempt, intent, kept

from mmai_nb import ledger as room
from mmai_nb import reading, schema
from mmai_nb.errors import LedgerWarning, OptionError
from mmai_nb.ledger import Ledger
from mmai_nb.opening import MOST_IDLE
from mmai_nb.records import Attempt

COLUMNS = [
    "ts",
    "call_id",
    "attempt",
    "session",
    "notebook",
    "tag",
    "provider",
    "endpoint",
    "request_model",
    "response_model",
    "tier",
    "complexity",
    "reason",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "tokens_estimated",
    "cost_usd",
    "cost_source",
    "saved_usd",
    "duration_s",
    "first_token_s",
    "cache_hit",
    "cache_key",
    "finish_reason",
    "status",
    "error_type",
    "simulated",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path)
    yield ledger
    ledger.close()


def seen(path: Path) -> list[tuple[Any, ...]]:
    """What another program finds in the file."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT call_id, attempt, status FROM attempt ORDER BY id").fetchall()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the write lock."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


# -- a row


def test_the_intent_is_in_the_file_before_the_outcome(ledger, path):
    ledger.begin(intent())
    assert seen(path) == [("c", 1, "unknown")]
    ledger.finish(attempt())
    assert seen(path) == [("c", 1, "ok")]


def test_an_outcome_without_its_intent_is_inserted(ledger, path):
    ledger.finish(attempt())
    assert seen(path) == [("c", 1, "ok")]


def test_an_outcome_goes_to_exactly_its_row(ledger, path):
    for number in (1, 2):
        ledger.begin(intent(number=number))
    ledger.begin(intent("d"))
    ledger.finish(attempt(number=2, status="error"))
    assert seen(path) == [("c", 1, "unknown"), ("c", 2, "error"), ("d", 1, "unknown")]


def test_the_same_row_twice_is_one_row(ledger, path):
    for _ in range(2):
        ledger.record(attempt())
    assert seen(path) == [("c", 1, "ok")]
    assert ledger.frame()["cost_usd"].sum() == 100 / 1e9


def test_an_intent_never_overwrites_an_outcome(ledger, path):
    ledger.finish(attempt())
    ledger.begin(intent())
    assert seen(path) == [("c", 1, "ok")]


def test_an_outcome_that_stays_unknown_is_written_too(ledger):
    ledger.begin(intent())
    ledger.finish(replace(intent(), error_type="TimedOutError", duration_s=30.0))
    assert ledger.rows("c") == [replace(intent(), error_type="TimedOutError", duration_s=30.0)]


def test_rows_come_back_as_they_went_in(ledger):
    full = attempt(
        notebook="n.ipynb", complexity=0.25, saved_nano=7, cache_hit=True, baseline_nano=3
    )
    ledger.record(full)
    ledger.record(attempt(number=2, cost_nano=None, tokens_estimated=True, simulated=True))
    ledger.record(attempt("another"))
    assert ledger.rows("c") == [
        full,
        attempt(number=2, cost_nano=None, tokens_estimated=True, simulated=True),
    ]
    assert ledger.rows("nobody") == []


def test_the_table_has_a_column_for_each_field_of_an_attempt():
    assert list(schema.COLUMNS) == [field.name for field in fields(Attempt)]


def test_texts_and_numbers_that_sqlite_cannot_hold_lose_no_row(ledger):
    ledger.record(attempt(tag="half \ud83d", output_tokens=10**30, cost_nano=-(2**70)))
    (row,) = ledger.rows("c")
    assert (row.tag, row.output_tokens, row.cost_nano) == ("half ?", None, None)


# -- the file


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_only_its_owner_can_read_the_ledger_whatever_the_umask(ledger, path):
    before = os.umask(0)
    try:
        ledger.record(attempt())
    finally:
        os.umask(before)
    modes = {p.name: oct(stat.S_IMODE(p.stat().st_mode)) for p in path.parent.iterdir()}
    assert modes == dict.fromkeys([path.name, f"{path.name}-wal", f"{path.name}-shm"], "0o600")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_file_is_in_wal_mode_marked_as_ours_and_has_an_index_on_time(ledger, path):
    ledger.record(attempt())
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA application_id").fetchone() == (0x6D6D6169,)
        assert db.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA,)
        plan = db.execute("EXPLAIN QUERY PLAN SELECT * FROM attempt WHERE ts > 1").fetchall()
    assert "attempt_ts" in str(plan)


def test_nothing_is_made_before_the_first_row(ledger, path):
    assert len(ledger.frame()) == 0
    assert ledger.summary().empty
    assert not path.parent.exists()


def test_an_empty_file_gets_its_table(ledger, path):
    path.parent.mkdir()
    path.touch()
    ledger.record(attempt())
    assert seen(path) == [("c", 1, "ok")]


def test_a_closed_ledger_opens_again(ledger, path):
    ledger.record(attempt())
    ledger.close()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    ledger.record(attempt("d"))
    assert len(ledger.frame()) == 2


def test_a_ledger_that_is_let_go_closes_its_files(path):
    ledger = Ledger(path)
    ledger.record(attempt())
    del ledger
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_each_thread_has_a_connection_of_its_own(ledger):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ledger.record(attempt(f"c{n}")), range(200)))
    assert len(ledger.frame()) == 200
    assert ledger.pending == []
    assert 1 <= len(ledger._connections) <= 9


def write_in_threads(ledger: Ledger, count: int, name: str = "c") -> None:
    """A row by each of so many threads, all of which live until the last has written."""
    barrier = threading.Barrier(count)

    def write(n: int) -> None:
        ledger.record(attempt(f"{name}{n}"))
        barrier.wait(60)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_thread_that_ends_leaves_its_connection_to_the_next(ledger):
    write_in_threads(ledger, 5)
    assert len(ledger._connections) == 5
    write_in_threads(ledger, 5, "d")
    ledger.record(attempt("main"))
    assert len(ledger._connections) == 5
    assert len(ledger.frame()) == 11
    assert ledger.pending == []


def test_only_so_many_connections_wait_for_a_thread(ledger):
    write_in_threads(ledger, MOST_IDLE + 4)
    assert len(ledger._connections) == MOST_IDLE


def test_what_threads_have_left_is_closed_with_the_ledger(ledger, path):
    write_in_threads(ledger, 3)
    ledger.close()
    assert len(ledger._connections) == 0
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_connection_that_is_left_within_a_transaction_is_closed(ledger):
    def break_off() -> None:
        ledger._connection().execute("BEGIN IMMEDIATE")

    thread = threading.Thread(target=break_off)
    thread.start()
    thread.join()
    assert len(ledger._connections) == 0
    ledger.record(attempt())
    assert ledger.pending == []


SHORT_LIVES = """
import sys, threading
from pathlib import Path
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt

ledger = Ledger(Path(sys.argv[1]))
for turn in range(60):
    threads = [
        threading.Thread(target=ledger.record, args=(Attempt(f"{turn}-{n}", 1, 0.0, status="ok"),))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(len(ledger.frame()))
"""


@pytest.mark.slow
def test_many_short_lived_threads_do_not_close_each_others_connections(path):
    command = [sys.executable, "-c", SHORT_LIVES, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "480")


def test_without_a_path_the_rows_are_in_memory(tmp_path):
    ledger = Ledger(None)
    ledger.begin(intent())
    ledger.finish(attempt())
    ledger.begin(intent())
    ledger.record(attempt("d"))
    assert ledger.path is None
    assert ledger.pending == [attempt(), attempt("d")]
    assert list(ledger.frame()["call_id"]) == ["c", "d"]
    assert ledger.summary()["calls"].tolist() == [2]
    assert ledger.rows("c") == [attempt()]
    ledger.close()
    assert list(tmp_path.iterdir()) == []


# -- trouble


def troubled(ledger: Ledger, *rows: Attempt) -> list[str]:
    """The warnings that writing the rows gives."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for row in rows:
            ledger.finish(row)
    assert {w.category for w in said} <= {LedgerWarning}
    return [str(w.message) for w in said]


@pytest.mark.slow
def test_while_another_holds_the_lock_rows_wait_and_are_written_later(ledger, path, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 0.8)
    ledger.begin(intent())
    patience, patiently = list[float](), room.patiently

    def noting(action: Any, until: float) -> Any:
        patience.append(until - time.monotonic())
        return patiently(action, until)

    with locked(path):
        monkeypatch.setattr(room, "patiently", noting)
        said = troubled(ledger, attempt(), attempt("d"), attempt("e"))
        assert min(patience[:2]) > room.SLICE  # in full for the first row only
        assert max(patience[2:]) <= room.SLICE
        assert len(said) == 1
        assert "locked" in said[0]
        assert str(path) in said[0]
        assert ledger.pending == [attempt(), attempt("d"), attempt("e")]
        assert seen(path) == [("c", 1, "unknown")]
    assert troubled(ledger, attempt("f")) == []
    assert seen(path) == [(name, 1, "ok") for name in "cdef"]
    assert ledger.pending == []


def test_a_new_trouble_is_a_new_warning(ledger, path, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 0.05)
    ledger.begin(intent())
    for _ in range(2):
        with locked(path):
            assert len(troubled(ledger, attempt())) == 1
        assert troubled(ledger, attempt("d")) == []


def test_rows_that_wait_are_shown_and_summed(ledger, path, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 0.05)
    ledger.begin(intent())
    ledger.record(attempt("before"))
    with locked(path):
        troubled(ledger, attempt(), attempt("d", ts=NOON + 1))
        frame = ledger.frame()
        assert sorted(frame["call_id"]) == ["before", "c", "d"]
        assert frame["call_id"].iloc[-1] == "d"
        assert set(frame["status"]) == {"ok"}
        assert ledger.summary()["cost_usd"].tolist() == [300 / 1e9]
        assert ledger.rows("c") == [attempt()]


def test_an_intent_and_its_outcome_that_both_wait_are_one_row(ledger, path, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 0.05)
    ledger.record(attempt("before"))
    with locked(path):
        with pytest.warns(LedgerWarning):
            ledger.begin(intent())
        ledger.finish(attempt())
        assert ledger.pending == [attempt()]
    ledger.record(attempt("after"))
    assert seen(path) == [("before", 1, "ok"), ("c", 1, "ok"), ("after", 1, "ok")]


def test_a_row_that_begins_to_wait_while_others_are_written_goes_on_waiting(
    ledger, path, monkeypatch
):
    ledger.record(attempt("before"))
    with locked(path), monkeypatch.context() as patch:
        patch.setattr(room, "PATIENCE", 0.05)
        with pytest.warns(LedgerWarning):
            ledger.begin(intent())
    store = Ledger._store

    def meanwhile(self: Ledger, *args: Any) -> None:
        store(self, *args)
        self._keep(attempt())  # another thread could not write its outcome just now

    monkeypatch.setattr(Ledger, "_store", meanwhile)
    ledger.record(attempt("d"))
    monkeypatch.undo()
    assert ledger.pending == [attempt()]
    ledger.record(attempt("e"))
    assert ("c", 1, "ok") in seen(path)


def test_closing_writes_what_waits(ledger, path, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 0.05)
    ledger.begin(intent())
    with locked(path):
        troubled(ledger, attempt())
    ledger.close()
    assert seen(path) == [("c", 1, "ok")]
    assert ledger.pending == []


@pytest.mark.slow
def test_a_process_that_ends_writes_what_waits(ledger, path):
    ledger.record(attempt("first"))
    code = """
import pathlib, sqlite3, sys, warnings
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt
ledger = Ledger(pathlib.Path(sys.argv[1]))
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
warnings.simplefilter("ignore")
ledger.record(Attempt("waits", 1, 1.0, status="ok"))
other.execute("ROLLBACK")
print(len(ledger.pending))
"""
    assert run_python(code, str(path)) == "1"
    assert seen(path) == [("first", 1, "ok"), ("waits", 1, "ok")]


def test_closing_while_the_lock_is_held_keeps_what_waits(ledger, path, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 0.05)
    ledger.begin(intent())
    with locked(path):
        troubled(ledger, attempt())
        ledger.close()
        assert ledger.pending == [attempt()]


def test_a_full_disk_costs_no_row(ledger, path):
    ledger.record(attempt())
    db = ledger._connection()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages}")
    many = [attempt(f"d{n}", reason="x" * 3000) for n in range(5)]
    said = troubled(ledger, *many)
    assert len(said) == 1
    assert "full" in said[0]
    assert len(ledger.frame()) == 6
    db.execute("PRAGMA max_page_count=1000000")
    assert troubled(ledger, attempt("e")) == []
    assert len(seen(path)) == 7
    assert ledger.pending == []


def test_a_place_that_cannot_be_written_to_keeps_the_rows_in_memory(tmp_path):
    (tmp_path / "file").write_text("mine")
    ledger = Ledger(tmp_path / "file" / "ledger.sqlite3")
    assert len(troubled(ledger, attempt(), attempt("d"))) == 1
    assert len(ledger.frame()) == 2


def test_a_home_that_is_read_only_keeps_the_rows_in_memory(ledger, monkeypatch):
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refused)
    assert len(troubled(ledger, attempt(), attempt("d"))) == 1
    assert ledger.pending == [attempt(), attempt("d")]


def damaged(path: Path, how: str) -> bytes:
    """A file at the ledger's place that is none; what is in it."""
    path.parent.mkdir(exist_ok=True)
    if how == "garbage":
        path.write_bytes(b"these are my notes, not a database\n" * 200)
    elif how == "another program's":
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE mine(x)")
            db.commit()
    elif how == "another program's, marked":
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA application_id=7")
    elif how == "cut short":
        ledger = Ledger(path)
        for n in range(200):
            ledger.record(attempt(f"c{n}", reason="x" * 200))
        ledger.close()
        path.write_bytes(path.read_bytes()[:6000])
    return path.read_bytes()


@pytest.mark.parametrize(
    "how", ["garbage", "another program's", "another program's, marked", "cut short"]
)
def test_a_file_that_is_no_ledger_is_left_as_it_is(path, how):
    before = damaged(path, how)
    ledger = Ledger(path)
    said = troubled(ledger, attempt(), attempt("d"))
    assert len(said) == 1
    assert str(path) in said[0]
    assert "left as it is" in said[0]
    assert list(ledger.frame()["call_id"]) == ["c", "d"]
    assert ledger.summary()["calls"].tolist() == [2]
    assert ledger.pending == [attempt(), attempt("d")]
    ledger.close()
    assert path.read_bytes() == before


def test_reading_a_file_that_is_no_ledger_is_a_warning_and_no_error(path):
    damaged(path, "garbage")
    ledger = Ledger(path)
    with pytest.warns(LedgerWarning, match="not a database"):
        assert ledger.frame().empty
    assert ledger.summary().empty


def test_a_page_that_is_overwritten_is_found_and_the_rows_stay_in_memory(path):
    ledger = Ledger(path)
    for n in range(300):
        ledger.record(attempt(f"c{n}", reason="x" * 200))
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xaa" * 4096 + whole[12288:])
    ledger = Ledger(path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ledger.frame()
        ledger.record(attempt("new"))
        ledger.record(attempt("newer"))
    assert len(said) == 1
    assert [a.call_id for a in ledger.pending] == ["new", "newer"]


def test_a_ledger_of_a_newer_version_is_read_only(path):
    old = Ledger(path)
    old.record(attempt("theirs"))
    old.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={schema.SCHEMA + 1}")
        db.execute("ALTER TABLE attempt ADD COLUMN mood TEXT")
    ledger = Ledger(path)
    said = troubled(ledger, attempt("mine"), attempt("more"))
    assert len(said) == 1
    assert "upgrade" in said[0]
    assert seen(path) == [("theirs", 1, "ok")]
    assert sorted(ledger.frame()["call_id"]) == ["mine", "more", "theirs"]
    assert ledger.summary()["calls"].tolist() == [3]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX users")
@pytest.mark.slow
def test_a_ledger_in_a_read_only_folder_can_be_read(path):
    ledger = Ledger(path)
    ledger.record(attempt("kept"))
    ledger.close()
    code = """
import os, pathlib, sys, warnings
path = pathlib.Path(sys.argv[1])
os.chdir(path.parent)
if os.geteuid() == 0:
    os.chmod(path, 0o644)
    os.chmod(path.parent, 0o755)
    import mmai_nb.ledger, pandas  # a stranger may not see where they are
    os.chroot(path.parent)
    os.setuid(65534)
    path = pathlib.Path("/") / path.name
else:
    os.chmod(path.parent, 0o500)
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt
ledger = Ledger(path)
print(list(ledger.frame()["call_id"]))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    ledger.record(Attempt("mine", 1, 2e9))
    ledger.record(Attempt("more", 1, 2e9))
print(list(ledger.frame()["call_id"]), len(said))
"""
    done = run_python(code, str(path))
    path.parent.chmod(0o700)
    assert done.splitlines() == ["['kept']", "['kept', 'mine', 'more'] 1"]


def test_sqlite_without_wal_is_a_warning_and_works(ledger, path, monkeypatch):
    connect = sqlite3.connect

    class Stubborn(sqlite3.Connection):
        def execute(self, statement: str, *args: Any) -> Any:
            if "journal_mode" in statement:
                statement = "SELECT 'delete'"
            return super().execute(statement, *args)

    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: connect(*a, **{"factory": Stubborn, **k})
    )
    with pytest.warns(LedgerWarning, match="network disk"):
        ledger.record(attempt())
    assert seen(path) == [("c", 1, "ok")]


class Failing(sqlite3.Connection):
    """Fails at the n-th statement from now on, once or for ever."""

    left, for_ever = -1, False

    def execute(self, *args: Any) -> Any:
        cls = type(self)
        cls.left -= 1
        if cls.left == 0 or (cls.for_ever and cls.left < 0):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(*args)


@pytest.mark.parametrize("for_ever", [False, True])
@pytest.mark.parametrize("nth", range(1, 16))
def test_whichever_statement_fails_no_row_is_lost(path, monkeypatch, nth, for_ever):
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: connect(*a, **{"factory": Failing, **k})
    )
    monkeypatch.setattr(Failing, "left", nth)
    monkeypatch.setattr(Failing, "for_ever", for_ever)
    ledger = Ledger(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        ledger.begin(intent())
        ledger.finish(attempt())
        ledger.record(attempt("d"))
    monkeypatch.undo()
    ledger.close()
    ledger.record(attempt("e"))
    assert sorted(seen(path)) == [("c", 1, "ok"), ("d", 1, "ok"), ("e", 1, "ok")]
    assert ledger.pending == []
    ledger.close()


def test_an_interrupted_outcome_is_written_with_the_next_row(ledger, path, monkeypatch):
    ledger.begin(intent())

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "patiently", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ledger.finish(attempt())
    with pytest.raises(KeyboardInterrupt):
        ledger.begin(intent("never sent"))
    monkeypatch.undo()
    ledger.record(attempt("d"))
    assert seen(path) == [("c", 1, "ok"), ("d", 1, "ok")]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_waiting_for_the_lock_answers_an_interrupt_at_once(ledger, path, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 60.0)
    ledger.begin(intent())
    interrupt = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    patiently = room.patiently

    def waiting(*args: Any) -> Any:
        if interrupt.ident is None:
            interrupt.start()
        return patiently(*args)

    monkeypatch.setattr(room, "patiently", waiting)
    started = time.monotonic()
    with locked(path):
        with pytest.raises(KeyboardInterrupt):
            ledger.finish(attempt())
        interrupt.join()
    assert time.monotonic() - started < 20
    ledger.record(attempt("d"))
    assert seen(path) == [("c", 1, "ok"), ("d", 1, "ok")]


# -- several processes


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    root = str(Path(room.__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    )


def run_python(code: str, *arguments: str) -> str:
    with python(code, *arguments) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out.strip()


def rollup_is_true(path: Path) -> bool:
    """Whether the sums in the file are those that a rebuild of it gives."""
    key, names = ", ".join(schema.ROLLUP_KEY), ", ".join(schema.SUMS)
    queries = (
        f"SELECT {key}, {names} FROM rollup WHERE attempts OR hits ORDER BY {key}",
        f"SELECT {key}, bucket, n FROM latency JOIN rollup ON id = rollup WHERE n "
        f"ORDER BY {key}, bucket",
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        schema.prepare(db)
        db.execute("BEGIN")
        before = [db.execute(query).fetchall() for query in queries]
        schema.rebuild(db)
        after = [db.execute(query).fetchall() for query in queries]
        db.execute("ROLLBACK")
    return before == after and len(before[0]) > 0


INSERTS = """
import pathlib, sys, time
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt
ledger = Ledger(pathlib.Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    call_id = f"{sys.argv[2]}-{n}"
    if n % 3 == 0:
        ledger.begin(Attempt(f"{call_id}-fell", 1, time.time(), request_model="down"))
        ledger.finish(
            Attempt(f"{call_id}-fell", 1, time.time(), request_model="down", status="error")
        )
        ledger.begin(Attempt(f"{call_id}-fell", 2, time.time(), request_model="up"))
        ledger.finish(
            Attempt(f"{call_id}-fell", 2, time.time(), request_model="up", status="ok", cost_nano=0)
        )
    ledger.begin(Attempt(call_id, 1, time.time()))
    ledger.finish(Attempt(call_id, 1, time.time(), status="ok", cost_nano=n, duration_s=n / 7))
    if not ledger.pending:
        print(call_id, flush=True)
ledger.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_process_loses_no_row_that_it_had_acknowledged(path):
    acknowledged = set()
    for turn in range(10):
        with python(INSERTS, str(path), str(turn), "100000") as process:
            assert process.stdout is not None
            for _ in range(random.randint(11, 60)):
                acknowledged.add(process.stdout.readline().strip())
            process.kill()
            lines = process.stdout.read().split("\n")
        acknowledged |= set(lines[:-1])  # the last may be torn
        assert rollup_is_true(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    kept = {call_id for call_id, _, status in seen(path) if status == "ok"}
    assert len(acknowledged) > 100
    assert acknowledged <= kept


@pytest.mark.slow
def test_four_processes_that_write_at_once_lose_no_row(path):
    processes = [python(INSERTS, str(path), str(n), "200") for n in range(4)]
    for process in processes:
        with process:
            process.communicate(timeout=60)
        assert process.returncode == 0
    ledger = Ledger(path)
    assert len(seen(path)) == 4 * (200 + 2 * 67)  # every third call beside one that fell back
    assert ledger.summary(None)["cost_usd"].tolist() == [4 * sum(range(200)) / 1e9]
    assert rollup_is_true(path)
    ledger.close()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_writes_through_a_connection_of_its_own(ledger, path):
    write_in_threads(ledger, 1, "left")  # its connection is idle when the process forks
    ledger.record(attempt("parent"))
    with ledger._guard():  # held by the parent at the moment of the fork
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # a child that waits for ever must not outlive the test
            ledger.record(attempt("child"))
            ledger.close()
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ledger.record(attempt("after"))
    assert [row[0] for row in seen(path)] == ["left0", "parent", "child", "after"]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# -- the frame


@settings(max_examples=20)
@given(any_attempts)
def test_the_frame_has_its_columns_and_dtypes_for_any_rows(rows):
    frame, empty = kept(rows).frame(), kept([]).frame()
    assert list(frame.columns) == list(empty.columns) == COLUMNS
    assert frame.dtypes.astype(str).to_dict() == empty.dtypes.astype(str).to_dict()
    assert len(frame) == len(rows)


def test_the_dtypes_of_the_frame(ledger):
    kinds = ledger.frame().dtypes.astype(str)
    assert kinds["ts"] == "datetime64[us, UTC]"
    assert {kinds[c] for c in ("call_id", "request_model", "status", "tag")} == {"string"}
    assert {kinds[c] for c in ("attempt", "input_tokens", "reasoning_tokens")} == {"Int64"}
    assert {kinds[c] for c in ("cost_usd", "saved_usd", "duration_s", "complexity")} == {"float64"}
    assert {kinds[c] for c in ("cache_hit", "simulated", "tokens_estimated")} == {"boolean"}


@settings(max_examples=20)
@given(any_attempts)
def test_the_frames_money_is_what_went_in(rows):
    money = kept(rows).frame()["cost_usd"].dropna()
    assert sum(round(usd * 1e9) for usd in money) == sum(a.cost_nano or 0 for a in rows)


@pytest.mark.parametrize("rows", [[attempt("a"), attempt("b", ts=NOON + 1.25, cost_nano=None)]])
def test_unknown_is_nan_and_the_newest_is_last(rows):
    frame = kept(rows[::-1]).frame()
    assert list(frame["call_id"]) == ["a", "b"]
    assert frame["cost_usd"].isna().tolist() == [False, True]
    assert frame["tag"].isna().all()
    assert frame["ts"].iloc[1].isoformat() == "2026-01-01T12:00:01.250000+00:00"


def test_the_frame_is_the_same_from_the_file_and_from_memory(ledger):
    rows = [attempt(f"c{n}", ts=NOON + n, cost_nano=n or None) for n in range(5)]
    for row in rows:
        ledger.record(row)
    assert ledger.pending == []
    assert ledger.frame().equals(kept(rows).frame())


def test_a_frame_can_be_asked_for_some_rows_only():
    ledger = kept([attempt(f"c{n}", ts=NOON + n) for n in range(5)])
    assert list(ledger.frame(since=NOON + 3)["call_id"]) == ["c3", "c4"]
    assert list(ledger.frame(call_id="c2")["call_id"]) == ["c2"]
    assert ledger.frame(call_id="c2", since=NOON + 3).empty
    assert list(ledger.frame(limit=2)["call_id"]) == ["c3", "c4"]
    assert ledger.frame(limit=0).empty
    assert len(ledger.frame(limit=None)) == 5
    with pytest.raises(OptionError, match="limit"):
        ledger.frame(limit=-1)


def test_a_frame_tells_whether_older_rows_were_left_out():
    ledger = kept([attempt(f"c{n}") for n in range(3)])
    assert ledger.frame().attrs["truncated"] is False
    assert ledger.frame(limit=3).attrs["truncated"] is False
    assert ledger.frame(limit=2).attrs["truncated"] is True


def test_the_default_limit_warns_when_it_leaves_rows_out(monkeypatch):
    ledger = kept([attempt(f"c{n}") for n in range(3)])
    monkeypatch.setattr(reading, "MOST_ROWS", 2)
    with pytest.warns(LedgerWarning, match="newest 2 rows"):
        frame = ledger.frame(limit=2)
    assert list(frame["call_id"]) == ["c1", "c2"]


def test_pandas_is_not_imported_to_write():
    code = (
        "import sys, pathlib; from mmai_nb.ledger import Ledger; from mmai_nb.records import "
        "Attempt; Ledger(None).record(Attempt('c', 1, 1.0)); print('pandas' in sys.modules)"
    )
    assert run_python(code) == "False"
