"""What scoring a prompt and checking an answer cost, beside one hit of a default joblib.Memory.

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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from joblib import Memory

from mmai_nb.calibration import LEARNED, Calibration
from mmai_nb.checks import Question, assess
from mmai_nb.checks.blocks import take_apart
from mmai_nb.complexity import score
from mmai_nb.learned import Learned
from mmai_nb.signals import WORD_NUMBERS

ROUNDS = 600
ROUNDS_OF_CHECKS = 100
CALIBRATED = Calibration(
    dict.fromkeys(("bias", *LEARNED), 0.1), dict.fromkeys(range(WORD_NUMBERS), 0.1)
)

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
ASKED = (
    "How many pages does Anna read in 3 weeks, if she reads 12 a day and rests on 2 days a week?"
)
STEPS = (
    "Anna reads on 7 - 2 = 5 days a week, that is 5 × 12 = 60 pages. In 3 weeks she reads 3 × 60 = "
    "180 pages, as a loop shows as well:\n\n```python\ntotal = 0\nfor week in range(3):\n"
    "    total += (7 - 2) * 12\nprint(total)\n```\n\n"
)
ANSWERS = {
    "2 KB of prose": long(PROSE, 2048),
    "2 KB with sums and code": long(STEPS, 2048),
    "100 KB of prose": long(PROSE, 102_400),
    "100 KB with sums and code": long(STEPS, 102_400),
}


def check(text: str) -> None:
    """An answer that was not seen before."""
    take_apart.cache_clear()
    assess(text, Question(ASKED, namespace=()))


def medians(actions: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds of CPU of each action; they take turns, so that all meet the same load."""
    spent: dict[str, list[int]] = {name: [] for name in actions}
    for _ in range(rounds):
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
        learned = Learned(Path(folder) / "calibration.json")
        learned.save(CALIBRATED)
        actions["look"] = learned.current
        moved: dict[str, Any] = {"offsets": CALIBRATED.offsets, "words": CALIBRATED.words}
        actions |= {f"calibrated {n}": partial(score, t, **moved) for n, t in PROMPTS.items()}
        found = medians(actions)
        checks: dict[str, Callable[[], object]] = {"hit": partial(kept, prompt)}
        checks |= {name: partial(check, text) for name, text in ANSWERS.items()}
        checked = medians(checks, ROUNDS_OF_CHECKS)
    print("| | CPU, µs | of a default joblib.Memory hit |\n|---|---|---|")
    print(f"| a hit, 1 KB prompt, 2 KB answer | {found['hit']:.0f} | 1.00 |")
    for name in PROMPTS:
        print(f"| score, {name} | {found[name]:.0f} | {found[name] / found['hit']:.2f} |")
    print(
        f"| look for a new calibration | {found['look']:.1f} | {found['look'] / found['hit']:.2f} |"
    )
    for name in PROMPTS:
        micros = found[f"calibrated {name}"]
        print(f"| calibrated score, {name} | {micros:.0f} | {micros / found['hit']:.2f} |")
    for name in ANSWERS:
        print(f"| check, {name} | {checked[name]:.0f} | {checked[name] / checked['hit']:.1f} |")
    print(f"\nThe weights are read at the first score: {first_use():.1f} ms.")


def answer(prompt: str) -> dict[str, str]:
    """What is kept in the cache."""
    return {"text": "An answer. " * 186, "prompt": prompt[:10]}


if __name__ == "__main__":
    main()
