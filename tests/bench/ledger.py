"""What the ledger's sums cost as it grows: medians in milliseconds of CPU, and ratios.

    python tests/bench/ledger.py [ROWS …]     default: 1000 1000000

A year of somebody's work: sessions of an hour or two, each in one notebook, which has its tag. Four
of five rows stand in batches (a DataFrame sent to one model, some rows to its fallback), the others
are cells, whose models the tiers chose. The last ledger is as large, and had a quiet last month.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from mmai_nb import schema, tables
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt

DAY = 86_400.0
ROUNDS = 15


def rows(count: int, days: float, quiet: int = 0) -> Iterator[Attempt]:
    """Attempts in the order of time.

    Args:
        count: how many.
        days: over how many days, up to now.
        quiet: how many of them are of the last 30 days; 0: as many as of any 30 days.
    """
    chance, now = random.Random(7), time.time()
    if quiet:
        yield from _sessions(chance, count - quiet, now - days * DAY, now - 30 * DAY, "a")
        yield from _sessions(chance, quiet, now - 30 * DAY, now, "b")
    else:
        yield from _sessions(chance, count, now - days * DAY, now, "a")


def _sessions(
    chance: random.Random, count: int, first: float, last: float, name: str
) -> Iterator[Attempt]:
    size = max(round(count * 30 * DAY / (last - first) / 60), 1)  # two sessions a day
    made = 0
    while made < count:
        start = first + (last - first) * made / count
        notebook, batch = int(chance.expovariate(0.2)), chance.random() < 0.8
        tier = chance.randrange(3)
        for n in range(min(size, count - made)):
            if not batch:
                tier = chance.randrange(3)
            when = min(start + n * 5400 / size, last - 1)
            yield _attempt(chance, f"{name}{made}", when, notebook, tier)
            made += 1


def _attempt(chance: random.Random, call_id: str, ts: float, notebook: int, tier: int) -> Attempt:
    model = 2 * tier + (chance.random() < 0.1)
    return Attempt(
        call_id,
        1,
        ts,
        session="s",
        notebook=f"notebooks/{notebook}.ipynb",
        tag=f"tag-{notebook}" if notebook % 2 else None,
        provider=f"provider-{model % 2}",
        endpoint="https://example.org/v1",
        request_model=f"model-{model}",
        tier=("simple", "standard", "complex")[tier],
        input_tokens=int(chance.expovariate(0.002)),
        output_tokens=int(chance.expovariate(0.005)),
        cost_nano=chance.choice([None, *range(0, 10_000_000, 100_000)]),
        duration_s=chance.lognormvariate(0.5, 0.8),
        cache_hit=chance.random() < 0.3,
        status="ok" if chance.random() < 0.95 else "error",
    )


def build(path: Path, attempts: Iterable[Attempt]) -> float:
    """A ledger, made quickly; gives the seconds that summing it up took."""
    db = sqlite3.connect(path, isolation_level=None)
    schema.prepare(db)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("BEGIN")
    schema.install(db)
    for name in schema._TRIGGERS:
        db.execute(f"DROP TRIGGER {name}")
    values = (tables.as_row(getattr(row, name) for name in schema.COLUMNS) for row in attempts)
    db.executemany(tables.UPSERT, values)
    db.execute("COMMIT")
    began = time.thread_time()
    db.execute("BEGIN")
    schema.install(db)
    db.execute("COMMIT")
    took = time.thread_time() - began
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return took


def median_ms(action: Callable[[], object], rounds: int = ROUNDS) -> float:
    action()
    times = []
    for _ in range(rounds):
        began = time.thread_time()
        action()
        times.append(time.thread_time() - began)
    return statistics.median(times) * 1e3


def one_call(ledger: Ledger) -> None:
    row = Attempt(uuid.uuid4().hex, 1, time.time(), request_model="model-1", provider="provider-1")
    ledger.begin(row)
    ledger.finish(replace(row, status="ok", cost_nano=5, input_tokens=3, duration_s=1.2))


QUESTIONS: dict[str, Callable[[Ledger], object]] = {
    "summary, all time": lambda ledger: ledger.summary(),
    "summary, 30 days": lambda ledger: ledger.summary(since="30d"),
    "summary of 3 groups, 30 days": lambda ledger: ledger.summary(
        ["model", "tag", "day"], since="30d"
    ),
    "summary of 30 days by status": lambda ledger: ledger.summary("status", since="30d"),
    "series by day, 30 days": lambda ledger: ledger.series(),
    "series by hour, 7 days": lambda ledger: ledger.series(step="hour", since="7d"),
    "series of a tag, 30 days": lambda ledger: ledger.series(tag="tag-1"),
    "series by month, all time": lambda ledger: ledger.series(step="month", since="all"),
    "latencies, 30 days": lambda ledger: ledger.latencies(),
    "choices, all time": lambda ledger: ledger.choices(),
    "choices, 30 days": lambda ledger: ledger.choices("30d"),
    "frame of 1000 rows": lambda ledger: ledger.frame(limit=1000),
    "begin and finish": one_call,
}


def main(counts: list[int]) -> None:
    found: dict[str, list[float]] = {question: [] for question in QUESTIONS}
    kinds = [(count, 0) for count in counts] + [(counts[-1], counts[0])]
    with TemporaryDirectory() as folder:
        for n, (count, quiet) in enumerate(kinds):
            path = Path(folder) / f"{n}.sqlite3"
            took = build(path, rows(count, min(365.0, 30.0 * max(count / 1000, 1.0)), quiet))
            _tell(path, count, took)
            ledger = Ledger(path)
            for question, ask in QUESTIONS.items():
                rounds = 200 if ask is one_call else ROUNDS
                found[question].append(median_ms(partial(ask, ledger), rounds))
            ledger.close()
    heads = [*(f"{count:,}" for count in counts), "quiet"]
    print(f"{'CPU ms':<30}" + "".join(f"{head:>12}" for head in heads) + "   ratios to the first")
    for question, times in found.items():
        ratios = "".join(f"{ms / times[0]:>8.1f}" for ms in times[1:])
        print(f"{question:<30}" + "".join(f"{ms:>12.2f}" for ms in times) + ratios)


def _tell(path: Path, count: int, took: float) -> None:
    db = sqlite3.connect(path)
    (rolled,) = db.execute("SELECT COUNT(*) FROM rollup").fetchone()
    db.close()
    size = path.stat().st_size / 1e6
    print(f"{count:,} rows: {rolled:,} in the rollup, {size:.1f} MB, summed up in {took:.2f} s")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1000, 1_000_000])
