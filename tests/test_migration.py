"""Ledgers that an older version made: read as they are, brought up to date at the first write."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.attempts import NOON, attempt, kept

from mmai_nb import ledger as room
from mmai_nb import schema, tables
from mmai_nb.errors import LedgerWarning
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt

FIRST = """
CREATE TABLE attempt(id INTEGER PRIMARY KEY, call_id TEXT, attempt INTEGER, ts REAL, session TEXT,
notebook TEXT, tag TEXT, provider TEXT, endpoint TEXT, request_model TEXT, response_model TEXT,
tier TEXT, complexity REAL, reason TEXT, input_tokens INTEGER, cache_read_tokens INTEGER,
cache_write_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER,
tokens_estimated INTEGER, cost_nano INTEGER, cost_source TEXT, saved_nano INTEGER,
baseline_nano INTEGER, duration_s REAL, first_token_s REAL, cache_hit INTEGER, cache_key TEXT,
finish_reason TEXT, status TEXT, error_type TEXT, simulated INTEGER, UNIQUE(call_id, attempt));
CREATE INDEX attempt_ts ON attempt(ts);
PRAGMA application_id=1835884905;
PRAGMA user_version=1;
PRAGMA journal_mode=WAL;
"""
"""What the first version, of which nothing is left here, made of an empty file."""

ROWS = [
    attempt("a", tag="x", ts=NOON),
    attempt("b", 1, status="error", cost_nano=0, ts=NOON + 5),
    attempt("b", 2, request_model="n", ts=NOON + 6),
    attempt("c", cache_hit=True, cost_nano=0, saved_nano=100, ts=NOON + 7),
]


def first_version(path: Path, rows: list[Attempt]) -> None:
    path.parent.mkdir(exist_ok=True)
    values = [tables.as_row(getattr(row, name) for name in schema.COLUMNS) for row in rows]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(FIRST)
        db.execute("BEGIN")
        db.executemany(tables.UPSERT, values)
        db.execute("COMMIT")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "ledger.sqlite3"
    first_version(path, ROWS)
    return path


def look(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def version(path: Path) -> int:
    return look(path, "PRAGMA user_version")[0][0]


def adds_up(path: Path) -> bool:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        schema.prepare(db)
        return schema.adds_up(db)


def test_the_first_write_makes_the_tables_and_the_sums(path):
    ledger = Ledger(path)
    ledger.begin(attempt("new", status="unknown", cost_nano=None))
    assert version(path) == schema.SCHEMA
    assert adds_up(path)
    ledger.finish(attempt("new"))
    assert adds_up(path)
    assert ledger.rows("b") == ROWS[1:3]
    assert ledger.summary().equals(kept([*ROWS, attempt("new")]).summary())
    ledger.close()


def test_it_happens_once(path, monkeypatch):
    made: list[int] = []
    install = schema.install
    monkeypatch.setattr(schema, "install", lambda db: made.append(1) or install(db))
    for n in range(3):
        ledger = Ledger(path)
        ledger.record(attempt(f"new {n}"))
        ledger.summary()
        ledger.close()
    assert made == [1]


def test_who_only_reads_changes_nothing_and_still_gets_answers(path):
    before, expected = path.read_bytes(), kept(ROWS)
    ledger = Ledger(path)
    assert ledger.frame().equals(expected.frame())
    for by in ("model", ["tag", "day"], "status", None):
        assert ledger.summary(by).equals(expected.summary(by))
    assert ledger.series(since=None).equals(expected.series(since=None))
    assert ledger.latencies(since=None).equals(expected.latencies(since=None))
    assert ledger.choices() == expected.choices()
    assert ledger.votes() == []
    ledger.close()
    assert path.read_bytes() == before
    assert version(path) == 1


def test_a_migration_that_fails_changes_nothing_and_loses_no_row(path, monkeypatch):
    def fails(db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    ledger = Ledger(path)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "rebuild", fails)
        with pytest.warns(LedgerWarning, match="disk I/O"):
            ledger.record(attempt("new"))
    assert version(path) == 1
    assert [row.call_id for row in ledger.pending] == ["new"]
    assert look(path, "SELECT name FROM sqlite_master WHERE name = 'rollup'") == []
    assert ledger.summary(None)["calls"].tolist() == [4]
    ledger.record(attempt("newer"))
    assert ledger.pending == []
    assert adds_up(path)
    assert ledger.summary(None)["calls"].tolist() == [5]
    ledger.close()


def test_a_second_version_whose_sums_were_wrong_gets_true_ones(path):
    Ledger(path).record(attempt("new"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP TABLE rollup")
        db.execute("CREATE TABLE rollup(id INTEGER PRIMARY KEY, slot INTEGER, something INTEGER)")
        db.execute("PRAGMA user_version=2")
    ledger = Ledger(path)
    ledger.record(attempt("newer"))
    assert adds_up(path)
    assert ledger.summary(None)["input_tokens"].tolist() == [50]
    ledger.close()


def test_a_third_version_without_sums_of_checks_is_summed_up_anew(path):
    Ledger(path).record(attempt("new"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        schema.prepare(db)
        for name in schema._TRIGGERS:
            db.execute(f"DROP TRIGGER {name}")
        for name in ("escalated", *schema.CHECK_SUMS):
            db.execute(f"ALTER TABLE rollup DROP COLUMN {name}")
        db.execute("PRAGMA user_version=3")
    ledger = Ledger(path)
    assert ledger.summary(None)["escalation_rate"].tolist() == [0.0]  # of the rows, meanwhile
    assert version(path) == 3
    ledger.record(attempt("up", 1, tier="simple"))
    ledger.record(attempt("up", 2, tier="complex", cost_nano=700))
    assert version(path) == schema.SCHEMA
    assert adds_up(path)
    totals = ledger.summary(None)
    assert totals["escalation_rate"].tolist() == [0.2]
    assert totals["check_cost_usd"].tolist() == [100 / 1e9]
    ledger.close()


def test_a_fourth_version_that_booked_checks_where_a_call_began_is_summed_up_anew(path):
    ledger = Ledger(path)
    ledger.record(attempt("up", 1, tier="simple", request_model="small", baseline_nano=900))
    higher = {"tier": "complex", "request_model": "large", "cost_nano": 900, "baseline_nano": 900}
    ledger.record(attempt("up", 2, **higher))
    ledger.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        schema.prepare(db)
        for name in schema._TRIGGERS:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("ALTER TABLE rollup RENAME COLUMN check_routed_nano TO check_baseline_nano")
        db.execute("UPDATE rollup SET check_nano = 900 * (model = 'small')")
        db.execute("PRAGMA user_version=4")
    for ledger in (Ledger(path), Ledger(path)):  # of the rows at first, then of the new sums
        costs = ledger.summary("model").set_index("model")["check_cost_usd"]
        assert (costs["small"], costs["large"]) == (100 / 1e9, 0.0)
        ledger.record(attempt("new"))
        ledger.close()
    assert version(path) == schema.SCHEMA
    assert adds_up(path)


WRITES = """
import pathlib, sys, time
from mmai_nb import ledger as room, schema
from mmai_nb.records import Attempt
made, install, room.PATIENCE = [], schema.install, 60.0
schema.install = lambda db: made.append(1) or install(db)
ledger = room.Ledger(pathlib.Path(sys.argv[1]))
while time.time() < float(sys.argv[2]):
    pass
for n in range(20):
    ledger.record(Attempt(f"{sys.argv[3]}-{n}", 1, time.time(), status="ok", cost_nano=1))
print(len(made), len(ledger.pending))
ledger.close()
"""


@pytest.mark.slow
def test_two_processes_that_write_first_at_once_migrate_once(path):
    path.unlink()
    first_version(path, [attempt(f"c{n}", ts=NOON + n) for n in range(5_000)])
    root = str(Path(room.__file__).parent.parent)
    start = str(time.time() + 2)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITES, str(path), start, name],
            env={**os.environ, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    said = []
    for process in processes:
        with process:
            said.append(process.communicate(timeout=90)[0].split())
        assert process.returncode == 0
    assert sorted(said) == [["0", "0"], ["0", "0"], ["1", "0"]]
    assert look(path, "SELECT COUNT(*) FROM attempt") == [(5_060,)]
    assert adds_up(path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_process_that_is_killed_while_it_migrates_leaves_the_old_file(path):
    code = """
import os, pathlib, signal, sys
from mmai_nb import ledger as room, schema
from mmai_nb.records import Attempt
rebuild = schema.rebuild
def killed(db):
    rebuild(db)
    os.kill(os.getpid(), signal.SIGKILL)
schema.rebuild = killed
room.Ledger(pathlib.Path(sys.argv[1])).record(Attempt("new", 1, 1.0, status="ok"))
"""
    root = str(Path(room.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], env={**os.environ, "PYTHONPATH": root}, timeout=60
    )
    assert done.returncode == -9
    assert version(path) == 1
    ledger = Ledger(path)
    ledger.record(attempt("newer"))
    assert adds_up(path)
    assert ledger.summary(None)["calls"].tolist() == [4]
    ledger.close()
