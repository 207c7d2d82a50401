"""How the complexity of public prompts is spread: what the cost dial goes by at first.

    python tests/bench/public_scores.py [FILE]     default: mmai_nb/data/scores.json

Writes a thousand steps of the distribution, each benchmark counting the same: the i-th is the least
score that at least i / 1000 of the prompts do not exceed. So the share of prompts above a step is
never more than the share of steps above it. Then tells what each word of the dial comes to.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

import mmai_nb

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.questions import BENCHMARKS, Question, load

from mmai_nb.complexity import score
from mmai_nb.dial import PREFERENCES, limit_of, percent, turned
from mmai_nb.offline import demo_tiers

__all__ = ["STEPS", "as_json", "steps"]

STEPS = 1_000


def steps(scored: Iterable[tuple[str, float]]) -> list[float]:
    """The steps of the scores, each given with its benchmark."""
    rows = sorted(scored, key=lambda row: row[1])
    size = Counter(benchmark for benchmark, _ in rows)
    reach = list(accumulate(1 / size[benchmark] / len(size) for benchmark, _ in rows))
    places = np.searchsorted(reach, [i / STEPS - 1e-9 for i in range(1, STEPS + 1)])
    return [rows[min(int(place), len(rows) - 1)][1] for place in places]


def as_json(found: Sequence[float]) -> str:
    """The steps as the package reads them, ten in a line."""
    lines = (", ".join(map(str, found[i : i + 10])) for i in range(0, len(found), 10))
    return "[\n" + ",\n".join(lines) + "\n]\n"


def recovered(questions: Sequence[Question], scores: Sequence[float], bound: float) -> str:
    """The share of strong calls and of the gap that they recover, the mean over benchmarks."""
    shares, parts = [], []
    for name in BENCHMARKS:
        rows = [
            (q, s > bound) for q, s in zip(questions, scores, strict=True) if q.benchmark == name
        ]
        gain = sum(q.strong - q.weak for q, up in rows if up)
        shares.append(sum(up for _, up in rows) / len(rows))
        parts.append(gain / sum(q.strong - q.weak for q, _ in rows))
    return (
        f"{percent(float(np.mean(shares)))} of prompts, {percent(float(np.mean(parts)))} of the gap"
    )


def main() -> None:
    """Score all public prompts, write the steps, tell what the words mean."""
    default = Path(mmai_nb.__file__).parent / "data" / "scores.json"
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    questions = load()
    scores = [score(q.prompt).score for q in questions]
    found = steps((q.benchmark, s) for q, s in zip(questions, scores, strict=True))
    text = as_json(found)
    assert json.loads(text) == found
    place.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(questions):,} prompts -> {place}, {len(text):,} bytes")
    own = tuple(tier["up_to"] for tier in demo_tiers())
    for word in PREFERENCES:
        bounds = turned(word, found, own, "").bounds
        print(
            f"{word:<9} {limit_of(word):>12}  {bounds}  {recovered(questions, scores, bounds[-2])}"
        )


if __name__ == "__main__":
    main()
