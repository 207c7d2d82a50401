"""One payment between processes: real ones, some of which are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.stub_server import ok, sse

from mmai_nb import caching
from mmai_nb.caching import AnswerCache, cache_key
from mmai_nb.files import locks
from mmai_nb.files.tidying import sweep

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks"),
]

KEY = cache_key({"model": "m", "messages": [["user", "hello"]]})

ASK = """
import sys, time
from pathlib import Path
from mmai_nb.caching import AnswerCache
folder, key, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
cache = AnswerCache(folder / "cache")
def wait_for(file):
    while not (folder / file).exists():
        time.sleep(0.005)
def pay(_):
    with open(folder / "paid", "a") as file:
        file.write(name)
    {pay}
    return {{"text": "by " + name}}
(folder / f"ready-{{name}}").touch()
wait_for("go")
fetched = cache.fetch(key, pay)
print(fetched.how, fetched.value["text"], time.time())
"""


class Crowd:
    """Processes that ask for the same answer, started together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[str]] = {}

    def start(self, names: str, pay: str = "") -> None:
        """One process for each letter; they wait until `go`. `pay` is what paying does."""
        root = str(Path(caching.__file__).parent.parent)
        for name in names:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-c", ASK.format(pay=pay), str(self.folder), KEY, name],
                env={**os.environ, "PYTHONPATH": root},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        self.until(lambda: all((self.folder / f"ready-{name}").exists() for name in names))

    def go(self) -> None:
        (self.folder / "go").touch()

    def until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < until
            time.sleep(0.005)

    @property
    def paid(self) -> str:
        """The names of those who paid, in their order."""
        file = self.folder / "paid"
        return file.read_text() if file.exists() else ""

    def ends(self) -> dict[str, list[str]]:
        """What each process printed: how, text, when; nothing of one that failed."""
        return {name: p.communicate(timeout=60)[0].split() for name, p in self.running.items()}


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    made = Crowd(tmp_path)
    yield made
    for process in made.running.values():
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("names", ["abcd", "abcdefgh"], ids=["4", "8"])
def test_so_many_processes_with_one_request_pay_once(crowd, names):
    crowd.start(names, "time.sleep(0.5)")
    crowd.go()
    ends = crowd.ends()
    assert len(crowd.paid) == 1
    assert sorted(end[0] for end in ends.values()) == ["hit"] * (len(names) - 1) + ["paid"]
    assert {end[2] for end in ends.values()} == {crowd.paid}
    assert not list(crowd.folder.rglob("*.lock"))


def test_a_payer_that_is_killed_holds_nobody_up(crowd):
    crowd.start("a", "time.sleep(60)")
    crowd.go()
    crowd.until(lambda: crowd.paid == "a")
    crowd.start("bcd")
    time.sleep(0.3)
    assert crowd.paid == "a"  # they wait for it
    crowd.running["a"].send_signal(signal.SIGKILL)
    killed = time.time()
    ends = crowd.ends()
    del ends["a"]
    assert len(crowd.paid) == 2
    assert sorted(end[0] for end in ends.values()) == ["hit", "hit", "paid"]
    assert max(float(end[3]) for end in ends.values()) - killed < 20


def test_of_those_who_wait_for_a_payer_that_fails_one_pays(crowd):
    crowd.start("a", "wait_for('fail'); raise ZeroDivisionError")
    crowd.go()
    crowd.until(lambda: crowd.paid == "a")
    crowd.start("bcd", "time.sleep(0.2)")
    (crowd.folder / "fail").touch()
    ends = crowd.ends()
    assert ends["a"] == []
    assert len(crowd.paid) == 2
    assert {end[2] for name, end in ends.items() if name != "a"} == {crowd.paid[1]}


def test_where_the_locks_cannot_be_made_each_pays_and_is_answered(crowd):
    AnswerCache(crowd.folder / "cache")
    (crowd.folder / "cache" / "joblib" / "locks").write_text("a file in the way")
    crowd.start("ab", "while (folder / 'paid').stat().st_size < 2: time.sleep(0.005)")
    crowd.go()
    assert [end[0] for end in crowd.ends().values()] == ["paid", "paid"]
    assert AnswerCache(crowd.folder / "cache").look(KEY)["text"].startswith("by ")


def test_the_lock_of_a_killed_payer_is_swept_and_a_held_one_is_not(crowd):
    crowd.start("a", "time.sleep(60)")
    crowd.go()
    crowd.until(lambda: crowd.paid == "a")
    cache = AnswerCache(crowd.folder / "cache")
    (lock,) = crowd.folder.rglob("*.lock")
    os.utime(lock, (0, 0))
    cache.trim()
    assert lock.exists()
    crowd.running["a"].kill()
    crowd.running["a"].wait()
    assert lock.exists()
    cache.trim()
    assert not lock.exists()


def test_who_comes_while_a_lock_is_swept_still_locks(tmp_path):
    lock = tmp_path / "x.lock"
    lock.touch()
    sweep(tmp_path)
    assert not lock.exists()
    with locks.turn(lock, 1):
        sweep(tmp_path)
        assert lock.exists()
        assert locks._locked(lock) is None


WALK = """
import sys, time
from pathlib import Path
from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.ledger import Ledger
from mmai_nb.settings import Settings
folder, url, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
free = {"input_price": 0, "output_price": 0}
engine = Engine(
    Settings(models={"a": {"base_url": url, **free}}),
    ledger=Ledger(folder / "l.sqlite3"),
    cache=AnswerCache(folder / "cache"),
)
pieces = []
(folder / f"ready-{name}").touch()
while not (folder / "go").exists():
    time.sleep(0.005)
answer = engine.ask("hi", on_text=pieces.append)
print(answer.cache_hit, len(pieces), "".join(pieces) == answer, answer)
"""


def test_a_streaming_process_gets_the_whole_text_of_another_ones_stream(stub, tmp_path):
    stub.play(sse("one", "two", "three", pause=0.3), ok("a second payment"))
    root = str(Path(caching.__file__).parent.parent)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WALK, str(tmp_path), stub.base_url, name],
            env={**os.environ, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("ready-*"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    (tmp_path / "go").touch()
    ends = sorted(process.communicate(timeout=60)[0].split() for process in running)
    assert ends == [["False", "3", "True", "onetwothree"], ["True", "1", "True", "onetwothree"]]
    assert stub.count == 1
