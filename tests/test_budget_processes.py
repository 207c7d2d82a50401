"""One budget, several kernels: real processes, real requests, one ledger."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import mmai_nb
from mmai_nb.ledger import Ledger
from mmai_nb.offline import DemoServer
from mmai_nb.records import Attempt

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="no WAL locks")]

ROOT = str(Path(mmai_nb.__file__).parent.parent)

SPEND = """
import random, sys, warnings
from mmai_nb.engine import Engine
from mmai_nb.errors import BudgetExceededError, BudgetWarning
from mmai_nb.records import Completion, Usage
from mmai_nb.settings import Settings

warnings.simplefilter("ignore", BudgetWarning)
url, name, calls, day = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
chance = random.Random(name)
model = {"base_url": url, "model": "demo-small", "api_key_env": "BOX_API_KEY"}
settings = Settings(
    models={"m": {**model, "input_price": 10, "output_price": 100}}, tiers=[], budget={"day": day}
)


def scripted(request, spec, on_text):
    tokens = chance.randrange(1, request.params["max_tokens"] + 1)
    return Completion("x", spec.name, Usage(5, min(tokens, 400)), finish_reason="stop")


engine = Engine(settings, call=scripted if url.endswith(":9/v1") else None)
print("ready", flush=True)
sys.stdin.readline()
granted = refused = 0
for n in range(calls):
    try:
        engine.ask(f"{name}: what is {n} * 7?", model="m", cache=False)
        granted += 1
    except BudgetExceededError:
        refused += 1
        if refused >= 3:
            break
print(granted, refused, flush=True)
engine.close()
"""


@contextmanager
def kernels(n: int, folder: Path, *arguments: str, code: str = SPEND) -> Iterator[list[Any]]:
    """So many processes on one ledger, which begin at the same time."""
    env = {"BOX_API_KEY": "a-key-of-the-box-123", **os.environ}
    env |= {"PYTHONPATH": ROOT, "MMAI_DATA_DIR": str(folder)}
    url, *rest = arguments
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, url, f"k{i}", *rest],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(n)
    ]
    try:
        for process in started:
            assert process.stdout.readline() == "ready\n"
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait(20)
            process.stdin.close()
            process.stdout.close()


def committed(db: sqlite3.Connection) -> tuple[int, int]:
    """What is spent, and what is spent or held, in nano-dollars, of one moment."""
    (spent,), (held,) = db.execute(
        "SELECT COALESCE(SUM(nano), 0) FROM spend UNION ALL SELECT COALESCE(SUM(nano), 0) FROM hold"
    ).fetchall()
    return spent, spent + held


def test_eight_kernels_never_exceed_five_dollars(tmp_path):
    """No max_tokens is set; an answer costs up to $0.04, and $0.41 is held for each."""
    with closing(Ledger(tmp_path / "ledger.sqlite3")) as made:
        made.record(Attempt("made", 1, 0.0, status="ok", cost_nano=0))
    with kernels(8, tmp_path, "http://127.0.0.1:9/v1", "200", "5") as running:
        peak = 0
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite3", timeout=30)) as db:
            while any(process.poll() is None for process in running):
                peak = max(peak, committed(db)[1])
            counts = [process.stdout.read().split() for process in running]
            spent, total = committed(db)
            (summed,) = db.execute("SELECT SUM(cost_nano) FROM attempt").fetchone()
            (sent,) = db.execute("SELECT COUNT(*) FROM attempt WHERE ts").fetchone()
            (told,) = db.execute("SELECT COUNT(*) FROM alert").fetchone()
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert peak <= 5_000_000_000
    assert total == spent == summed <= 5_000_000_000
    assert spent > 4_900_000_000  # and it can be used, nearly all of it
    assert sum(int(granted) for granted, _ in counts) == sent > 100
    assert all(int(refused) > 0 for _, refused in counts)
    assert told == 3


def test_real_requests_of_four_kernels_hold_the_budget(tmp_path, monkeypatch):
    with DemoServer(chunk_delay=0) as server:
        monkeypatch.setenv("BOX_API_KEY", server.api_key)
        with kernels(4, tmp_path, server.base_url, "60", "0.1") as running:
            counts = [process.communicate(timeout=100)[0].split() for process in running]
        assert server.count == sum(int(granted) for granted, _ in counts) > 10
        assert all(body["max_tokens"] <= 4_096 for body in server.requests)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as db:
        spent, total = committed(db)
    assert 80_000_000 < spent == total <= 100_000_000


HANGING = """
import sys, time
from mmai_nb.engine import Engine
from mmai_nb.settings import Settings

model = {"base_url": sys.argv[1], "input_price": 10, "output_price": 100}
settings = Settings(models={"m": model}, tiers=[], budget={"day": sys.argv[3]})


def scripted(request, spec, on_text):
    print("sent", flush=True)
    time.sleep(60)


print("ready", flush=True)
sys.stdin.readline()
Engine(settings, call=scripted).ask("hi", model="m", cache=False)
"""


def test_what_a_killed_kernel_may_have_spent_goes_on_counting(tmp_path):
    with kernels(1, tmp_path, "http://127.0.0.1:9/v1", "1", code=HANGING) as (process,):
        assert process.stdout.readline() == "sent\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as db:
        spent, total = committed(db)
        assert db.execute("SELECT status, cost_nano FROM attempt").fetchall() == [("unknown", None)]
    assert spent == 0
    assert 409_600_000 < total < 411_000_000
    with kernels(1, tmp_path, "http://127.0.0.1:9/v1", "9", "0.4105") as (process,):
        assert process.stdout.readline() == "0 3\n"
