"""What the panels cost: the spend panel as the ledger grows, and comparing models at once.

    python tests/bench/panels.py [ROWS …]     default: 1000 1000000

The spend panel's figures are medians of CPU seconds, so that a busy machine does not matter. The
comparison's is wall time against one model alone, in rounds that take turns: eight models that each
take 200 ms to answer, at an endpoint in a process of its own, without the cache and with it (no
answer is in it). Beside it stands the CPU a request costs this process. The last line is what a
front end is sent, counted on the wire of a real kernel.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from endpoint import SECONDS, serving
from ledger import build, median_ms, rows

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.wire import kernel
from test_traffic import LOAD, NAMES
from test_traffic import SECONDS as SECONDS_OF_TRAFFIC

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.ledger import Ledger
from mmai_nb.panels.spend_panel import SpendPanel
from mmai_nb.settings import Settings

ROUNDS = 9
DUELS = 21
"""Rounds of one model alone, then all of them."""


def opened(engine: Engine) -> None:
    """Open a spend panel, twin and widget, and close it."""
    panel = SpendPanel(engine)
    panel._repr_mimebundle_()
    panel.close()


def spend_panel(count: int, folder: Path) -> float:
    """Milliseconds of CPU to open the panel over so many rows of the last year."""
    path = folder / f"{count}.sqlite3"
    build(path, rows(count, 365.0))
    engine = Engine(Settings(), ledger=Ledger(path), cache=AnswerCache(None))
    took = median_ms(lambda: opened(engine), ROUNDS)
    engine.close()
    return took


def practice(folder: Path, urls: list[str], *, cached: bool) -> Engine:
    """An engine over one model at each of the addresses, with all that a call keeps."""
    spec = {"model": "m", "input_price": 1, "output_price": 2}
    models = {f"m{n}": {**spec, "base_url": url} for n, url in enumerate(urls)}
    place = folder / f"cache-{cached}"
    return Engine(
        Settings(models=models),
        ledger=Ledger(place / "ledger.sqlite3"),
        cache=AnswerCache(place if cached else None),
    )


def compared(engine: Engine, count: int, turn: int) -> tuple[float, float]:
    """Seconds, and seconds of CPU, to compare so many models."""
    began, cpu = time.perf_counter(), time.process_time()
    comparison = engine.compare(f"Question {count} {turn}", [f"m{n}" for n in range(count)])
    comparison.start()
    comparison.wait()
    took = time.perf_counter() - began, time.process_time() - cpu
    assert len(comparison.answers) == count, comparison.errors
    return took


def comparisons(folder: Path, *, cached: bool) -> None:
    """Print how much longer many models take than one."""
    with serving() as urls:
        engine, count = practice(folder, urls, cached=cached), len(urls)
        compared(engine, count, 0)  # connections and imports
        duels = [(compared(engine, 1, n), compared(engine, count, n)) for n in range(1, DUELS)]
        engine.close()
    alone = statistics.median(one for (one, _), _ in duels)
    ratios = sorted(many / one for (one, _), (many, _) in duels)
    cpu = statistics.median(used for _, (_, used) in duels) / count
    print(
        f"{count} models of {SECONDS} s compared, {'with' if cached else 'without'} the cache: "
        f"{statistics.median(ratios):.2f} x one alone ({alone * 1e3:.0f} ms), "
        f"9 of 10 below {ratios[int(len(ratios) * 0.9)]:.2f} x, {cpu * 1e3:.1f} ms CPU a request"
    )


def traffic() -> None:
    """Print what a kernel sends while eight models stream into a panel, and one into a cell."""
    with kernel() as wire:
        wire.run(LOAD)
        wire.run(f"compare, spend = ai.panels.compare(text, {NAMES}), ai.panels.spend()")
        wire.run("display(compare, spend)")
        began = time.time()
        wire.press("compare._run")
        wire.run("get_ipython().run_cell_magic('ai', 'm0', text)")
        wire.wait_until("compare.comparison.over and not compare._watcher.is_alive()")
        time.sleep(1.0)
        heard = wire.since(began)
    size, updates = heard.most(SECONDS_OF_TRAFFIC)
    print(
        f"{len(NAMES)} models stream into the compare panel, one into a cell, the spend follows: "
        f"at most {size / 1e3:.0f} kB/s, {updates:.1f} updates/s over {SECONDS_OF_TRAFFIC:g} s"
    )


def main(counts: list[int]) -> None:
    """Print the figures."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        first = 0.0
        for count in counts:
            took = spend_panel(count, folder)
            first = first or took
            print(
                f"open the spend panel, {count:>9,} rows: {took:7.1f} ms CPU  {took / first:.2f} x"
            )
        for cached in (False, True):
            comparisons(folder, cached=cached)
        traffic()
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1_000, 1_000_000])
