"""How long a cell takes to give the prompt back when it is interrupted.

    python tests/bench/interrupt.py [TIMES]     default: 10

In a real kernel, with a model that is silent for a minute and with one that is in the middle of its
answer; beside them a cell that only sleeps, which is the least that a kernel needs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from jupyter_client.manager import start_new_kernel
from support.interrupting import interrupted, is_asked
from support.waiting import soon

CELLS = {
    "time.sleep(60)": "import time; time.sleep(60)",
    "before the answer": "%%ai complex --no-cache\n[[demo: delay=60]]",
    "in the middle of it": "%%ai complex --no-cache\nWrite a long essay\n[[demo: chunk_delay=0.5]]",
}


def ready(folder: Path, code: str) -> Callable[[], object]:
    """What waits until the cell is busy."""
    if code.startswith("%%ai"):
        return partial(soon, lambda: is_asked(folder, "demo-large"), 60)
    return lambda: None


def main() -> None:
    """Interrupt each cell so many times, in turns, and tell the median and the longest."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    took: dict[str, list[float]] = {name: [] for name in CELLS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        home = {"HOME": place, "MMAI_DATA_DIR": str(folder / "data"), "MMAI_DEMO": "1"}
        manager, client = start_new_kernel(env={**os.environ, **home, "MMAI_DISCOVER": "no"})
        try:
            client.execute_interactive("%load_ext mmai_nb", timeout=120, output_hook=lambda _: None)
            client.execute_interactive("%%ai\nwarm up", timeout=120, output_hook=lambda _: None)
            for _ in range(times):
                for name, code in CELLS.items():
                    took[name].append(interrupted(manager, client, code, ready(folder, code)))
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    for name, seconds in took.items():
        print(f"{name:<22} median {median(seconds):.3f} s, longest {max(seconds):.3f} s")


if __name__ == "__main__":
    main()
