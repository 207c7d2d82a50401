"""What scoring a prompt costs, beside one hit of a default joblib.Memory in the same run.

    python tests/bench/complexity_speed.py

Medians of CPU time in microseconds, all taking turns; the ratio is what to look at.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory

from joblib import Memory

from mmai_nb.complexity import score

ROUNDS = 600

PROSE = (
    "The harbour town had lived from fishing for three hundred years when the cannery closed. At "
    "first people thought that it would open again in spring, but the machines were sold and the "
    "halls stood empty. Explain why the bus ran only twice a day, and what the neighbours did. "
)
CODE = (
    "Find out why the total is wrong for March, and keep the interface as it is.\n\n```python\n"
    "def total(rows):\n    out = {}\n    for row in rows:\n"
    "        out[row.month] = out.get(row.month, 0) + row.value\n    return out\n```\n"
)
CHINESE = "请解释下面的函数如何按月份汇总销售额，并说明为什么三月份的总数不对。"


def long(text: str, size: int) -> str:
    """A text of so many bytes or a few less."""
    return (text * size).encode()[:size].decode(errors="ignore")


PROMPTS = {
    "a short question": "What is the capital of France?",
    "1 KB of prose": long(PROSE, 1024),
    "1 KB with code": long(CODE, 1024),
    "1 KB of Chinese": long(CHINESE, 1024),
    "20 KB of prose": long(PROSE, 20_480),
    "20 KB with code": long(CODE, 20_480),
    "10 MB of prose": PROSE * 40_000,
}


def medians(actions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Microseconds of CPU of each action; they take turns, so that all meet the same load."""
    spent: dict[str, list[int]] = {name: [] for name in actions}
    for _ in range(ROUNDS):
        for name, action in actions.items():
            started = time.process_time_ns()
            action()
            spent[name].append(time.process_time_ns() - started)
    return {name: statistics.median(values) / 1000 for name, values in spent.items()}


def first_use() -> float:
    """Milliseconds that the first score takes more than the second, in a new process."""
    code = (
        "import time; from mmai_nb.complexity import score; t = time.process_time_ns\n"
        "a = t(); score('hi'); b = t(); score('hi'); c = t(); print((b - a - (c - b)) / 1e6)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True) for _ in range(5)]
    return statistics.median(float(run.stdout) for run in runs)


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory() as folder:
        kept = Memory(folder, verbose=0).cache(answer)
        prompt = PROMPTS["1 KB of prose"]
        kept(prompt)
        actions: dict[str, Callable[[], object]] = {"hit": partial(kept, prompt)}
        actions |= {name: partial(score, text) for name, text in PROMPTS.items()}
        found = medians(actions)
    print("| | CPU, µs | of a default joblib.Memory hit |\n|---|---|---|")
    print(f"| a hit, 1 KB prompt, 2 KB answer | {found['hit']:.0f} | 1.00 |")
    for name in PROMPTS:
        print(f"| score, {name} | {found[name]:.0f} | {found[name] / found['hit']:.2f} |")
    print(f"\nThe weights are read at the first score: {first_use():.1f} ms.")


def answer(prompt: str) -> dict[str, str]:
    """What is kept in the cache."""
    return {"text": "An answer. " * 186, "prompt": prompt[:10]}


if __name__ == "__main__":
    main()
