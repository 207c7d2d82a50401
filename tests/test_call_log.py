"""The log file: whole lines, for its owner alone, rotated, and never at the cost of an answer."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from mmai_nb import call_log as room
from mmai_nb.call_log import CallLog
from mmai_nb.errors import LogWarning

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "calls.jsonl"


@pytest.fixture
def log(path: Path) -> CallLog:
    return CallLog(path)


def facts(n: int = 0, **more: Any) -> dict[str, Any]:
    return {"ts": "2026-01-01T12:00:00.000+00:00", "n": n, **more}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def test_each_call_is_one_line_of_json(log, path):
    log.write(facts(1))
    log.write(facts(2, prompt="two\nlines"))
    assert [(line["n"], line.get("prompt")) for line in lines(path)] == [
        (1, None),
        (2, "two\nlines"),
    ]


def test_a_line_has_no_character_that_a_terminal_obeys_and_loses_none(log, path):
    text = "\x1b[31m \u2028 \u202e \x9b \ud83d é 你好"
    log.write(facts(prompt=text))
    raw = path.read_text("utf-8")
    assert raw.isprintable() or raw[:-1].isprintable()
    assert "é 你好" in raw
    assert lines(path)[0]["prompt"] == text


@posix
def test_only_its_owner_can_read_it_whatever_the_umask_also_once_rotated(log, path, monkeypatch):
    log.maxBytes = 300
    before = os.umask(0)
    try:
        for n in range(20):
            log.write(facts(n))
    finally:
        os.umask(before)
    modes = {p.name: oct(stat.S_IMODE(p.stat().st_mode)) for p in path.parent.iterdir()}
    assert modes == {f"calls.jsonl{end}": "0o600" for end in ("", ".1", ".2", ".3")}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@posix
def test_a_file_that_others_could_read_becomes_its_owners(log, path):
    path.parent.mkdir()
    path.touch(0o644)
    log.write(facts())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_newest_lines_stay_and_no_file_is_over_its_size(log, path):
    log.maxBytes = 500
    for n in range(80):
        log.write(facts(n))
    files = [path.with_name(f"{path.name}{end}") for end in (".3", ".2", ".1", "")]
    kept = [line["n"] for file in files for line in lines(file)]
    assert kept == list(range(kept[0], 80))
    assert kept[0] > 0
    assert all(file.stat().st_size <= 500 for file in files)


def test_a_line_longer_than_a_file_is_written_all_the_same(log, path):
    log.maxBytes = 100
    for n in range(2):
        log.write(facts(n, prompt="x" * 500))
    assert lines(path)[0]["n"] == 1


def warned(log: CallLog, *all_facts: dict[str, Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for each in all_facts:
            log.write(each)
    assert {w.category for w in said} <= {LogWarning}
    return [str(w.message) for w in said]


@pytest.mark.parametrize("content", ["my notes", '{"cells": []}', "SQLite format 3\0", "\n"])
def test_a_file_of_another_kind_is_let_be(log, path, content):
    path.parent.mkdir()
    path.write_text(content)
    (said,) = warned(log, facts(), facts())
    assert "another kind" in said
    assert str(path) in said
    assert path.read_text() == content


@posix
@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_what_is_no_regular_file_is_refused(log, path, tmp_path, kind):
    path.parent.mkdir()
    if kind == "link":
        (tmp_path / "elsewhere").write_text("")
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert len(warned(log, facts(), facts())) == 1
    if kind == "link":
        assert (tmp_path / "elsewhere").read_text() == ""


def test_a_place_that_cannot_be_written_to_is_one_warning(tmp_path):
    (tmp_path / "file").write_text("mine")
    log = CallLog(tmp_path / "file" / "calls.jsonl")
    assert len(warned(log, facts(), facts())) == 1


def test_a_new_trouble_is_a_new_warning(log, path):
    for _ in range(2):
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text("mine")
        assert len(warned(log, facts())) == 1
        path.unlink()
        assert warned(log, facts()) == []


def test_a_full_disk_leaves_no_torn_line(log, path, monkeypatch):
    log.write(facts(1))
    write = os.write
    monkeypatch.setattr(room.os, "write", lambda file, line: write(file, line[:9]))
    (said,) = warned(log, facts(2))
    assert "space" in said.lower()
    monkeypatch.undo()
    log.write(facts(3))
    assert [line["n"] for line in lines(path)] == [1, 3]


@posix
def test_a_writer_that_holds_the_lock_for_ever_holds_nobody_up(log, path, monkeypatch):
    import fcntl

    monkeypatch.setattr(room, "PATIENCE", 0.05)
    log.write(facts(1))
    with open(path) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        log.write(facts(2))
    assert [line["n"] for line in lines(path)] == [1, 2]


WRITES = """
import pathlib, sys
from mmai_nb import call_log
log = call_log.CallLog(pathlib.Path(sys.argv[1]))
log.maxBytes, log.backupCount = 20_000, 100
for n in range(200):
    log.write({"ts": "now", "who": sys.argv[2], "n": n, "text": "x" * (n * 7 % 400)})
"""


@pytest.mark.slow
def test_four_processes_write_whole_lines_and_lose_none_though_they_rotate(path):
    root = str(Path(room.__file__).parent.parent)
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITES, str(path), str(who)],
            env={**os.environ, "PYTHONPATH": root},
        )
        for who in range(4)
    ]
    assert [process.wait(60) for process in processes] == [0] * 4
    files = list(path.parent.iterdir())
    assert len(files) > 5
    found = [(line["who"], line["n"]) for file in files for line in lines(file)]
    assert sorted(found) == sorted((str(who), n) for who in range(4) for n in range(200))


def test_threads_write_whole_lines(log, path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: log.write(facts(n)), range(200)))
    assert sorted(line["n"] for line in lines(path)) == list(range(200))
