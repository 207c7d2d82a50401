"""What the cost dial adds to a call, and what reading the past prompts costs.

    python tests/bench/dial.py [ROWS]     default: 200000

Medians of CPU time, in turns; the ratios are what to look at. A call is routed with the dial and
without; the ledger is read once in ten minutes.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.complexity_speed import medians
from support.attempts import attempt
from support.scripted import Scripted, settings_of

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.ledger import Ledger
from mmai_nb.options import make_request

PROMPT = "Explain why the bus ran only twice a day, and what the neighbours did. "
CALLS = 2_000


def filled(path: Path, rows: int, *, scored: bool) -> Ledger:
    """A ledger of so many rows, all with a score or none."""
    ledger = Ledger(path)
    ledger.record(attempt("first"))
    ledger.close()
    with closing(sqlite3.connect(path)) as db, db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            db.execute(f"DROP TRIGGER {name}")
        made = (
            (f"c{i}", 1, 1e9 + i, "r" * 120, i % 997 / 1000 if scored else None, "ok")
            for i in range(rows)
        )
        db.executemany(
            "INSERT INTO attempt(call_id, attempt, ts, reason, complexity, status, cache_hit, "
            "simulated) VALUES(?, ?, ?, ?, ?, ?, 0, 0)",
            made,
        )
    return ledger


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with TemporaryDirectory() as folder:
        ledgers = {
            "all with a score": filled(Path(folder) / "a.sqlite3", rows, scored=True),
            "none with a score": filled(Path(folder) / "b.sqlite3", rows, scored=False),
        }
        first = ledgers["all with a score"]
        engine = Engine(settings_of(), call=Scripted(), ledger=first, cache=AnswerCache(None))
        plain = make_request(PROMPT, engine.settings).request
        dialed = make_request(PROMPT, engine.settings, prefer="cheap").request
        engine.route(dialed)  # the ledger is read
        found = medians(
            {
                "without": lambda: engine._route(plain, engine.settings),
                "with": lambda: engine._route(dialed, engine.settings),
                "dial": lambda: engine.thresholds.dial("cheap", engine.settings).said("complex"),
            },
            CALLS,
        )
        print("| | CPU, µs | ratio |\n|---|---|---|")
        print(f"| routing a call, no dial | {found['without']:.1f} | 1.00 |")
        ratio = found["with"] / found["without"]
        print(f"| routing a call, with the dial | {found['with']:.1f} | {ratio:.3f} |")
        print(f"| the dial alone | {found['dial']:.1f} | {found['dial'] / found['without']:.3f} |")
        reads = medians({name: ledger.scores for name, ledger in ledgers.items()}, 30)
        for name, spent in reads.items():
            print(
                f"| reading {rows:,} rows, {name} | {spent:.0f} | {spent / found['without']:.0f} |"
            )
        engine.close()


if __name__ == "__main__":
    main()
