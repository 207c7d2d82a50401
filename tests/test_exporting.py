"""The ledger as a file: whole, private, harmless, and never over another one unasked."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.attempts import NOON, attempt, kept

from mmai_nb import schema, tables
from mmai_nb.errors import OptionError
from mmai_nb.ledger import Ledger


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "costs.csv"


def rows(count: int) -> list[Any]:
    return [attempt(f"c{n:03}", ts=NOON + n, cost_nano=n or None) for n in range(count)]


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_a_csv_file_has_every_row_and_column_oldest_first(target):
    ledger = kept(rows(5)[::-1])
    assert ledger.export(target) == 5
    found = pd.read_csv(target)
    assert list(found.columns) == list(ledger.frame().columns)
    assert found["call_id"].tolist() == [f"c{n:03}" for n in range(5)]
    assert found["cost_usd"].tolist()[1:] == [n / 1e9 for n in range(1, 5)]
    assert found["cost_usd"].isna().tolist() == [True, False, False, False, False]
    assert found["ts"].iloc[1] == "2026-01-01T12:00:01.000000Z"
    assert found["cache_hit"].tolist() == [False] * 5


def test_a_file_in_many_pieces_is_the_same_as_in_one(target, tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "data" / "ledger.sqlite3")
    for row in rows(10):
        ledger.record(row)
    ledger._keep(attempt("waits", ts=NOON + 4.5))
    whole = target.with_name("whole.csv")
    assert ledger.export(whole) == 11
    in_one = tables.pieces

    def in_threes(db: Any, source: str, where: Any, limit: int | None) -> Any:
        return in_one(db, source, where, limit, 3)

    monkeypatch.setattr(tables, "pieces", in_threes)
    assert ledger.export(target) == 11
    assert target.read_bytes() == whole.read_bytes()
    assert pd.read_csv(target)["call_id"].tolist()[5] == "waits"
    ledger.close()


def test_rows_can_be_chosen_and_limited_to_the_newest(target):
    ledger = kept([*rows(5), attempt("x", tag="study", ts=NOON)])
    assert ledger.export(target, tag="study") == 1
    assert ledger.export(target, since=NOON + 3, force=True) == 2
    assert ledger.export(target, limit=2, force=True) == 2
    assert pd.read_csv(target)["call_id"].tolist() == ["c003", "c004"]
    assert ledger.export(target, limit=100, until=NOON + 2, force=True) == 3
    assert ledger.export(target, limit=0, force=True) == 0


def test_an_empty_ledger_gives_a_file_with_a_header_alone(target):
    assert kept([]).export(target) == 0
    assert target.read_text().splitlines() == [",".join(kept([]).frame().columns)]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_a_spreadsheet_finds_no_formula_in_a_text(target, text):
    kept([attempt(tag=text, cost_nano=-5), attempt("d", tag="a=b")]).export(target)
    found = pd.read_csv(target, keep_default_na=False)
    assert found["tag"].tolist() == [f"'{text}", "a=b"]
    assert float(found["cost_usd"].iloc[0]) == -5e-9


def test_texts_with_quotes_commas_and_line_breaks_come_back(target):
    text = 'a "b", c\nd é 日本'
    kept([attempt(tag=text)]).export(target)
    assert pd.read_csv(target)["tag"].tolist() == [text]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_only_its_owner_can_read_the_file_whatever_the_umask(target):
    before = os.umask(0)
    try:
        kept(rows(1)).export(target)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_replaced_only_by_force(target):
    target.write_text("mine")
    with pytest.raises(OptionError, match="--force") as caught:
        kept(rows(1)).export(target)
    assert len(str(caught.value)) <= 200
    assert target.read_text() == "mine"
    assert kept(rows(1)).export(target, force=True) == 1
    assert len(pd.read_csv(target)) == 1
    assert names(target) == ["costs.csv"]


def test_a_file_that_comes_meanwhile_is_not_replaced(target, monkeypatch):
    frame = tables.frame

    def late(found: Any) -> Any:
        target.write_text("theirs")
        return frame(found)

    monkeypatch.setattr(tables, "frame", late)
    with pytest.raises(OptionError, match="there already"):
        kept(rows(1)).export(target)
    assert target.read_text() == "theirs"
    assert names(target) == ["costs.csv"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_export_that_breaks_off_leaves_what_was_there(target, monkeypatch, error):
    target.write_text("mine")

    def fails(found: Any) -> Any:
        raise error

    monkeypatch.setattr(tables, "frame", fails)
    raised = OptionError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(raised, match="No space" if isinstance(error, OSError) else None):
        kept(rows(1)).export(target, force=True)
    assert target.read_text() == "mine"
    assert names(target) == ["costs.csv"]


def test_a_ledger_that_fails_half_way_is_read_another_way_from_the_beginning(target, tmp_path):
    path = tmp_path / "data" / "ledger.sqlite3"
    ledger = Ledger(path)
    for row in rows(4):
        ledger.record(row)
    ledger._opened().set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
    assert ledger.export(target) == 4
    ledger._opened().set_authorizer(None)
    ledger.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("costs.xlsx", "must end in .csv or .parquet"),
        ("costs", "must end in .csv or .parquet"),
        ("folder.csv", "is a folder"),
        ("missing/costs.csv", "No such file or directory"),
        ("file/costs.csv", "Not a directory"),
        ("x\0y.csv", "no path"),
        ("~nobody-of-this-name/costs.csv", "no path"),
        ("a" * 300 + ".csv", "File name too long"),
        (7, "no path"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_one_clear_line(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=words) as caught:
        kept(rows(1)).export(name)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) <= 200
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.csv"]


@pytest.mark.parametrize("only", [{"limit": -1}, {"since": "x"}, {"tagg": "x"}, {"model": 3}])
def test_a_wrong_choice_writes_nothing(target, only):
    with pytest.raises(OptionError):
        kept(rows(1)).export(target, **only)
    assert not target.exists()


def test_parquet_without_pyarrow_is_one_line_that_names_it(target, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OptionError, match="pip install pyarrow") as caught:
        kept(rows(1)).export(target.with_suffix(".parquet"))
    assert len(str(caught.value)) <= 200
    assert list(target.parent.iterdir()) == []


def test_a_parquet_file_comes_back_as_it_was(target, monkeypatch):
    path = target.with_suffix(".PARQUET")
    ledger = kept([*rows(3), attempt("x", tag="=1", ts=NOON + 9)])
    in_one = tables.pieces
    monkeypatch.setattr(tables, "pieces", lambda *args: in_one(*args, 2))
    assert ledger.export(path) == 4
    frame = ledger.frame()
    found = pd.read_parquet(path)
    assert found["tag"].tolist()[-1] == "=1"
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)
    assert found.dtypes.astype(str)["input_tokens"] == "Int64"


def test_a_parquet_file_without_rows_has_all_columns_and_kinds(target):
    path = target.with_suffix(".parquet")
    assert kept(rows(2)).export(path, tag="nobody's") == 0
    pd.testing.assert_frame_equal(pd.read_parquet(path), kept([]).frame())
    assert path.stat().st_mode & 0o777 == 0o600 or os.name == "nt"


WITHOUT = """
import sys
sys.modules["pyarrow"] = None  # before pandas comes, as where it is not installed
import pandas as pd
from test_exporting import kept, rows
from mmai_nb import charts
from mmai_nb.commands.stats import Stats
from mmai_nb.errors import OptionError
ledger = kept(rows(3))
frame = ledger.frame()
assert frame["call_id"].dtype.storage == "python"
assert frame["request_model"].str.fullmatch("m").all()
assert ledger.export("costs.csv") == len(pd.read_csv("costs.csv")) == 3
assert ledger.summary("model")["calls"].sum() == 3
assert "calls    3" in repr(Stats(ledger, ["model"], "all"))
charts.cost_by(ledger.summary("model")).savefig("cost.png")
try:
    ledger.export("costs.parquet")
except OptionError as error:
    print(error)
"""


@pytest.mark.slow
def test_all_but_parquet_works_where_pyarrow_is_not_installed(tmp_path):
    roots = [str(Path(tables.__file__).parents[1]), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert "pip install pyarrow" in done.stdout
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cost.png", "costs.csv"]


def test_a_long_export_needs_no_more_memory_than_a_short_one(target, tmp_path, monkeypatch):
    path = tmp_path / "data" / "ledger.sqlite3"
    ledger = Ledger(path)
    ledger.record(attempt(reason="x" * 500))
    in_one, peaks = tables.pieces, []
    monkeypatch.setattr(tables, "pieces", lambda *args: in_one(*args, 200))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        schema.prepare(db)
        columns = ", ".join(name for name in schema.COLUMNS if name != "call_id")
        many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
        db.execute(
            f"{many} INSERT INTO attempt(call_id, {columns}) SELECT i, {columns} FROM n, attempt"
        )
    for limit in (400, 3_000):
        tracemalloc.start()
        assert ledger.export(target, limit=limit, force=True) == limit
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
    ledger.close()
