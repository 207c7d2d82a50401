"""What the panels cost: the spend panel as the ledger grows, and comparing models at once.

    python tests/bench/panels.py [ROWS …]     default: 1000 1000000

The spend panel's figures are medians of CPU seconds, so that a busy machine does not matter. The
comparison's is wall time against the slowest model alone, in the same run: eight models that each
take 200 ms to answer, on the built-in demo endpoint, without the cache.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ledger import build, median_ms, rows

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.ledger import Ledger
from mmai_nb.offline import serve_demo
from mmai_nb.panels.spend_panel import SpendPanel
from mmai_nb.settings import Settings

MODELS = 8
SECONDS = 0.2
ROUNDS = 9


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


def practice(folder: Path) -> Engine:
    """An engine over the demo endpoint under eight names."""
    server = serve_demo()
    spec = {"base_url": server.base_url, "api_key_env": "MMAI_DEMO_KEY", "model": "demo-small"}
    names = {f"m{n}": {**spec, "input_price": 0, "output_price": 0} for n in range(MODELS)}
    return Engine(
        Settings(models=names), ledger=Ledger(folder / "l.sqlite3"), cache=AnswerCache(None)
    )


def compared(engine: Engine, count: int, turn: int) -> float:
    """Seconds to compare so many models, each of which waits before it answers."""
    prompt = f"What is 17 * {turn}?\n[[demo: delay={SECONDS}]]"
    began = time.perf_counter()
    comparison = engine.compare(prompt, [f"m{n}" for n in range(count)], cache=False)
    comparison.start()
    comparison.wait()
    took = time.perf_counter() - began
    assert len(comparison.answers) == count
    return took


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
        engine = practice(folder)
        compared(engine, MODELS, 0)  # connections and imports
        pairs = [(compared(engine, 1, n), compared(engine, MODELS, n)) for n in range(1, ROUNDS)]
        alone = statistics.median(one for one, _ in pairs)
        ratio = statistics.median(many / one for one, many in pairs)
        print(f"one model that takes {SECONDS} s: {alone:.3f} s")
        print(f"{MODELS} such models compared: {ratio:.2f} x one alone")
        engine.close()


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1_000, 1_000_000])
