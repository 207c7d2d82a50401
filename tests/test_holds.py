"""Money in the ledger: summed right, held with the intent or not at all, refused where in doubt."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_nb import holds, schema
from mmai_nb import ledger as room
from mmai_nb.budgets import Limit, Standing, standing_of
from mmai_nb.cancel import Stopped, stops_with
from mmai_nb.errors import BudgetExceededError
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC
DAY = Limit("day", 1_000, "2026-01-01", since=NOON - 43_200)


def intent(call_id: str = "c", number: int = 1, **facts: Any) -> Attempt:
    return Attempt(call_id, number, NOON, **{"session": "s", "request_model": "m", **facts})


def outcome(call_id: str = "c", nano: int | None = 40, **facts: Any) -> Attempt:
    return intent(call_id, cost_nano=nano, **{"status": "ok", **facts})


def granting(nano: int) -> Any:
    """Grants so much, if the limits have it left."""

    def grant(standings: list[Standing]) -> tuple[int, list[Standing]]:
        if nano > min(standing.left for standing in standings):
            raise BudgetExceededError("no money")
        return nano, standings

    return grant


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture(params=["file", "memory"])
def ledger(path: Path, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """With a file and without one."""
    ledger = Ledger(path if request.param == "file" else None)
    yield ledger
    ledger.close()


def standing(ledger: Ledger, limit: Limit = DAY) -> tuple[int, int, int]:
    (found,) = ledger.standings([limit])
    return found.spent, found.unsettled, found.held


# -- holding and settling


def test_what_is_reserved_is_held_until_its_cost_is_known(ledger):
    ledger.reserve(intent(), [DAY], granting(100))
    assert standing(ledger) == (0, 0, 100)
    ledger.finish(outcome(nano=40))
    assert standing(ledger) == (40, 0, 0)


def test_an_outcome_without_a_cost_goes_on_counting_at_what_was_held(ledger):
    ledger.reserve(intent(), [DAY], granting(100))
    ledger.finish(outcome(nano=None, status="unknown", error_type="TimedOutError"))
    assert standing(ledger) == (0, 100, 0)


def test_what_was_held_just_now_may_come_back_soon(ledger):
    ledger.reserve(intent(), [DAY], granting(100))
    ledger.reserve(Attempt("d", 1, time.time(), "s"), [DAY], granting(7))
    (found,) = ledger.standings([DAY])
    assert (found.held, found.moving) == (107, 7)
    ledger.given_up = time.time()
    assert ledger.standings([DAY])[0].moving == 0


def test_a_refusal_writes_nothing(ledger):
    with pytest.raises(BudgetExceededError, match="no money"):
        ledger.reserve(intent(), [DAY], granting(1_001))
    assert standing(ledger) == (0, 0, 0)
    assert ledger.frame().empty


def test_the_whole_limit_can_be_held_and_no_nano_dollar_more(ledger):
    ledger.reserve(intent("a"), [DAY], granting(999))
    ledger.reserve(intent("b"), [DAY], granting(1))
    with pytest.raises(BudgetExceededError):
        ledger.reserve(intent("c"), [DAY], granting(1))


def test_the_intent_is_there_with_its_hold(path):
    ledger = Ledger(path)
    ledger.reserve(intent(), [DAY], granting(100))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT call_id, status FROM attempt").fetchall() == [("c", "unknown")]
        assert db.execute("SELECT nano, notebook FROM hold").fetchall() == [(100, "s")]
    ledger.close()


def test_an_interrupt_in_the_middle_leaves_neither(path):
    ledger = Ledger(path)
    ledger.begin(intent("before"))

    def interrupted(standings: list[Standing]) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.reserve(intent(), [DAY], interrupted)
    assert standing(ledger) == (0, 0, 0)
    assert len(ledger.frame()) == 1
    ledger.reserve(intent(), [DAY], granting(5))  # the lock was let go
    ledger.close()


def test_rows_that_waited_in_memory_are_counted_before_money_is_granted(path, monkeypatch):
    ledger = Ledger(path)
    ledger.reserve(intent("a"), [DAY], granting(900))
    monkeypatch.setattr(room, "PATIENCE", 0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.warns(UserWarning, match="locked"):
            ledger.finish(outcome("a", nano=300))
        other.execute("ROLLBACK")
    assert standing(ledger) == (0, 0, 900)  # not known to the file yet: what was held counts
    (found,) = ledger.reserve(intent("b"), [DAY], granting(700))
    assert (found.spent, found.held) == (300, 0)
    ledger.close()


# -- the sums


def rows() -> st.SearchStrategy[list[tuple[Attempt, int | None]]]:
    """Attempts, each with what is held for it; None: begun without a budget."""
    one = st.builds(
        Attempt,
        call_id=st.sampled_from("abc"),
        attempt=st.integers(1, 3),
        ts=st.sampled_from([NOON - 86_400, NOON - 43_200, NOON, NOON + 86_400]),
        session=st.sampled_from(["s", "t"]),
        notebook=st.sampled_from([None, "a.ipynb", "b.ipynb"]),
        request_model=st.sampled_from(["m", "n"]),
        cost_nano=st.none() | st.integers(0, 50),
        status=st.sampled_from(["unknown", "ok", "error", "cancelled"]),
        error_type=st.none() | st.just("TimedOutError"),
        cache_hit=st.booleans(),
    )
    key = {"unique_by": lambda pair: (pair[0].call_id, pair[0].attempt)}
    return st.lists(st.tuples(one, st.none() | st.integers(0, 99)), max_size=9, **key)


LIMITS = (
    Limit("call", 10**9, "a"),
    Limit("notebook", 10**9, "a.ipynb"),
    Limit("notebook", 10**9, "s"),
    DAY,
    Limit("month", 10**9, "2026-01", since=NOON - 43_200),
)


@settings(max_examples=25)
@given(rows())
def test_the_file_and_the_memory_count_the_same(tmp_path_factory, found):
    """Also the oracle: what a plain loop over the rows gives."""
    counted = []
    for ledger in (Ledger(tmp_path_factory.mktemp("l") / "ledger.sqlite3"), Ledger(None)):
        for row, nano in found:
            first = intent_of(row)
            if nano is None:
                ledger.begin(first)
            else:
                plenty = Limit("day", 10**9, "d")
                ledger.reserve(first, [plenty], granting(nano))
            if row.status != "unknown" or row.error_type:
                ledger.finish(row)
        counted.append(ledger.standings(LIMITS))
        ledger.close()
    ended = [
        (row if row.status != "unknown" or row.error_type else intent_of(row), nano or 0)
        for row, nano in found
    ]
    young = time.time() - 600
    assert counted[0] == counted[1] == [standing_of(limit, ended, young) for limit in LIMITS]


def intent_of(row: Attempt) -> Attempt:
    return Attempt(row.call_id, row.attempt, row.ts, row.session, row.notebook)


def test_pretend_money_is_not_summed(ledger):
    ledger.record(outcome(simulated=True))
    assert standing(ledger) == (0, 0, 0)


def test_a_session_counts_only_what_has_no_notebook(ledger):
    ledger.record(outcome("a", nano=1))
    ledger.record(outcome("b", nano=10, notebook="a.ipynb"))
    ledger.record(outcome("c", nano=100, session="another"))
    assert standing(ledger, Limit("notebook", 1_000, "s"))[0] == 1
    assert standing(ledger, Limit("notebook", 1_000, "a.ipynb"))[0] == 10
    assert standing(ledger)[0] == 111


# -- alerts


def test_a_level_is_taken_once_for_all_kernels(path):
    mine, theirs = Ledger(path), Ledger(path)
    assert mine.take_alert("day", "2026-01-01 5", [50])
    assert not mine.take_alert("day", "2026-01-01 5", [50])
    assert not theirs.take_alert("day", "2026-01-01 5", [50])
    assert theirs.take_alert("day", "2026-01-01 5", [50, 80])
    assert not mine.take_alert("day", "2026-01-01 5", [50, 80])
    assert mine.take_alert("day", "2026-01-02 5", [50])
    assert mine.take_alert("month", "2026-01 5", [50])
    mine.close()
    theirs.close()


def test_without_a_file_a_level_is_taken_once(tmp_path):
    ledger = Ledger(None)
    assert [ledger.take_alert("day", "d", [50]) for _ in range(2)] == [True, False]


def test_an_alert_that_cannot_be_noted_is_told_all_the_same(path, monkeypatch):
    ledger = Ledger(path)
    ledger.begin(intent())
    monkeypatch.setattr(room, "PATIENCE", 0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.warns(UserWarning, match="locked"):
            assert ledger.take_alert("day", "d", [50])
        other.execute("ROLLBACK")
    ledger.close()


# -- a ledger in a bad state: with a budget, nothing is sent


def refused(ledger: Ledger, patience: float = 0.2) -> str:
    """What a reservation says; it must be one line, and warn of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BudgetExceededError) as caught:
            ledger.reserve(intent("new"), [DAY], granting(1), patience=patience)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert len(text) <= 200
    assert "cannot be written" in text
    assert "so the budget cannot be checked" in text
    return text


def filled(path: Path, rows: int = 1) -> Ledger:
    ledger = Ledger(path)
    for n in range(rows):
        ledger.record(outcome(f"c{n}", reason="x" * 200))
    return ledger


def test_a_locked_ledger_refuses_after_the_patience_and_recovers(path):
    ledger = filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        assert "locked" in refused(ledger, patience=0.3)
        assert 0.3 <= time.monotonic() - begun < 15  # without the patience, 30
        other.execute("ROLLBACK")
    ledger.reserve(intent(), [DAY], granting(1))
    ledger.close()


def test_the_wait_for_the_lock_can_be_stopped(path):
    ledger = filled(path)
    event = threading.Event()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.2, event.set).start()
        begun = time.monotonic()
        with stops_with(event), pytest.raises(Stopped):
            ledger.reserve(intent(), [DAY], granting(1), patience=60)
        assert time.monotonic() - begun < 20
    ledger.close()


def test_a_full_disk_refuses_and_recovers(path):
    ledger = filled(path)
    db = ledger._connection()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages}")
    long = intent("new", reason="x" * 30_000)
    with pytest.raises(BudgetExceededError, match="full"):
        ledger.reserve(long, [DAY], granting(1))
    assert standing(ledger) == (40, 0, 0)
    db.execute("PRAGMA max_page_count=1000000")
    ledger.reserve(long, [DAY], granting(1))
    assert standing(ledger) == (40, 0, 1)
    ledger.close()


def test_a_ledger_that_may_only_be_read_refuses(path, monkeypatch):
    filled(path).close()
    connect = sqlite3.connect

    def reading(name: Any, **more: Any) -> sqlite3.Connection:
        return connect(f"{Path(name).as_uri()}?mode=ro", uri=True, **more)

    monkeypatch.setattr(room.sqlite3, "connect", reading)
    ledger = Ledger(path)
    assert "readonly" in refused(ledger)


def test_a_place_that_cannot_be_written_to_refuses(tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(Ledger(tmp_path / "file" / "ledger.sqlite3"))


def test_a_home_that_is_read_only_refuses(path, monkeypatch):
    def no(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "mkdir", no)
    assert "Permission denied" in refused(Ledger(path))


@pytest.mark.parametrize("what", ["garbage", "another program's", "cut short"])
def test_a_file_that_is_no_ledger_refuses_and_is_left_as_it_is(path, what):
    path.parent.mkdir()
    if what == "garbage":
        path.write_bytes(b"these are my notes, not a database\n" * 200)
    elif what == "another program's":
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE mine(x)")
            db.commit()
    else:
        filled(path, 200).close()
        path.write_bytes(path.read_bytes()[:6_000])
    before = path.read_bytes()
    ledger = Ledger(path)
    refused(ledger)
    refused(ledger)
    ledger.close()
    assert path.read_bytes() == before


def test_a_page_that_is_overwritten_anywhere_refuses(path):
    """SQLite itself would open such a file and take new rows."""
    filled(path, 300).close()
    whole = path.read_bytes()
    pages = len(whole) // 4_096
    for page in (2, 5, pages // 2, pages - 1):
        begin = page * 4_096
        path.write_bytes(whole[:begin] + b"\xaa" * 4_096 + whole[begin + 4_096 :])
        ledger = Ledger(path)
        refused(ledger)
        ledger.close()


def test_a_large_damaged_file_is_checked_where_the_money_is(path, monkeypatch):
    ledger = filled(path, 5)
    ledger.reserve(intent("held"), [DAY], granting(1))
    db = ledger._connection()
    (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'hold'").fetchone()
    ledger.close()
    whole, begin = path.read_bytes(), (page - 1) * 4_096
    path.write_bytes(whole[:begin] + b"\xaa" * 4_096 + whole[begin + 4_096 :])
    monkeypatch.setattr(holds, "CHECKED_WHOLE", 0)
    refused(Ledger(path))


def test_a_ledger_of_a_newer_version_refuses(path):
    filled(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={schema.SCHEMA + 1}")
    assert "upgrade" in refused(Ledger(path))


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
@pytest.mark.parametrize("nth", range(1, 25))
def test_whichever_statement_fails_it_is_sent_only_with_its_intent_and_hold(
    path, monkeypatch, nth, for_ever
):
    filled(path).close()
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: connect(*a, **{"factory": Failing, **k})
    )
    monkeypatch.setattr(Failing, "left", nth)
    monkeypatch.setattr(Failing, "for_ever", for_ever)
    ledger, may_send = Ledger(path), False
    with suppress(BudgetExceededError):
        ledger.reserve(intent("new"), [DAY], granting(1))
        may_send = True
    monkeypatch.undo()
    with closing(sqlite3.connect(path)) as db:
        (rows,) = db.execute("SELECT COUNT(*) FROM attempt WHERE call_id = 'new'").fetchone()
        (held,) = db.execute("SELECT COUNT(*) FROM hold").fetchone()
    assert rows == held == may_send
    if not may_send:
        ledger.reserve(intent("new"), [DAY], granting(1))
    ledger.close()


def test_damage_found_later_refuses_too(path):
    ledger = filled(path)
    ledger.reserve(intent(), [DAY], granting(1))
    ledger._connection().execute("DROP TABLE spend")
    refused(ledger)
    ledger.close()


def test_an_empty_file_is_a_new_ledger(path):
    path.parent.mkdir()
    path.touch()
    ledger = Ledger(path)
    ledger.reserve(intent(), [DAY], granting(1))
    ledger.close()


def test_a_log_cut_at_its_end_is_the_state_after_a_crash_and_goes_on(path):
    ledger = filled(path, 5)
    copy = path.with_name("copy.sqlite3")
    copy.write_bytes(path.read_bytes())
    wal = path.with_name(f"{path.name}-wal").read_bytes()
    copy.with_name("copy.sqlite3-wal").write_bytes(wal[:-100])
    ledger.close()
    crashed = Ledger(copy)
    crashed.reserve(intent(), [DAY], granting(1))
    crashed.close()


# -- several at once


def test_threads_that_reserve_at_once_never_exceed_the_limit(ledger):
    granted: list[int] = []

    def work(name: str) -> None:
        for n in range(40):
            try:
                ledger.reserve(intent(f"{name}{n}"), [DAY], granting(7))
            except BudgetExceededError:
                continue
            granted.append(7)
            if n % 2:
                ledger.finish(outcome(f"{name}{n}", nano=5))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    spent, unsettled, held = standing(ledger)
    assert spent + unsettled + held <= 1_000
    assert len(granted) >= 1_000 // 7


KILLED = """
import os, signal, sys, time
from pathlib import Path
from mmai_nb.budgets import Limit
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt
ledger = Ledger(Path(sys.argv[1]))
row = Attempt("killed", 1, time.time(), session="s")
ledger.reserve(row, [Limit("day", 1000, "d")], lambda standings: (600, None))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_process_leaves_what_it_held(path):
    root = str(Path(room.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], env={**os.environ, "PYTHONPATH": root}
    )
    assert done.returncode == -9
    ledger = Ledger(path)
    assert standing(ledger, Limit("day", 1_000, "d")) == (0, 0, 600)
    with pytest.raises(BudgetExceededError, match="no money"):
        ledger.reserve(intent(), [Limit("day", 1_000, "d")], granting(500))
    ledger.close()


def test_a_file_of_the_version_before_gets_what_was_spent(path):
    ledger = filled(path, 3)
    db = ledger._connection()
    db.execute("DROP TABLE spend")
    db.execute("PRAGMA user_version=2")
    ledger.close()
    assert standing(Ledger(path)) == (120, 0, 0)
