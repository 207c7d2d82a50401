"""Fit the weights of `mmai_nb.complexity` on the public routing data, and write them.

    python tests/bench/fit_complexity.py [FILE]     default: mmai_nb/data/complexity.json

Two steps. First the learned weights: a logistic regression, with a level for each task, of how
much more strong models get than cheap ones; what all models fail at teaches a router nothing. None
of the weights may be negative, since text that is added may not make a prompt look easier. They
join the priors of `Weights`, which are set by hand, at a fixed scale. Then the bias, so that the
score says on average how often cheap models fail, with each benchmark counting the same.

Sums are taken row by row in numpy, without BLAS, and written to 4 digits: the same rows give the
same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import mmai_nb

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.questions import Question, load

from mmai_nb.complexity import FITTED, Weights
from mmai_nb.signals import read_signals

__all__ = ["SIGNALS", "SMALLEST_GAP", "as_json", "fit", "gaps", "nonnegative_fit", "sums", "table"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SIGNALS = tuple(read_signals(""))
LEARNED = tuple(name for name in FITTED if name != "bias")
SCALE = 2.0
"""Failures move about twice as much as what a strong model mends; flat between 1 and 3."""
RIDGE = 30.0
SMALLEST_GAP = 0.1
"""Where the strong models are hardly better, a failure is nobody's to mend: no calibration."""


def table(questions: Sequence[Question]) -> Floats:
    """The signals of each question's prompt, one column a signal of `SIGNALS`."""
    return np.array([list(read_signals(q.prompt).values()) for q in questions])


def sums(weights: Weights, signals: Floats) -> Floats:
    """What stands before the logistic, for each row of a table."""
    counts = np.array([getattr(weights, name) for name in SIGNALS])
    found: Floats = weights.bias + (signals * counts).sum(axis=1)
    return found


def fit(questions: Sequence[Question], signals: Floats) -> Weights:
    """The priors with the weights fitted on these questions, to 4 digits."""
    columns = [SIGNALS.index(name) for name in LEARNED]
    mends = np.array([q.mends for q in questions])
    found = nonnegative_fit(signals[:, columns], mends, _numbered([_task(q) for q in questions]))
    learned = {
        name: round(SCALE * float(value), 4) for name, value in zip(LEARNED, found, strict=True)
    }
    weights = replace(Weights(), bias=0.0, **learned)
    return replace(weights, bias=round(_bias(questions, sums(weights, signals)), 4))


def nonnegative_fit(
    values: Floats,
    target: Floats,
    level: Indices,
    *,
    counts: Floats | None = None,
    ridge: float = RIDGE,
    rounds: int = 500,
) -> Floats:
    """Logistic regression with weights of at least 0 and a free level for each group of rows.

    One weight after the other takes a Newton step, until none moves.

    Args:
        values: a row for each case, a column for each weight.
        target: what the rows come to, 0 to 1.
        level: the group of each row.
        counts: how often each row counts; once where not given.
        ridge: what holds the weights back.
        rounds: how often each weight is moved at most.
    """
    counts = np.ones(len(target)) if counts is None else counts
    spread = values.std(axis=0)
    spread[spread == 0] = 1.0
    columns = list(((values - values.mean(axis=0)) / spread).T)
    weights, levels = np.zeros(len(columns)), np.zeros(int(level.max()) + 1)
    z = np.zeros(len(target))
    for _ in range(rounds):
        before = weights.copy()
        p = 1 / (1 + np.exp(-z))
        slope = np.bincount(level, counts * (p - target)) + levels
        steps = slope / (np.bincount(level, counts * p * (1 - p)) + 1)
        levels -= steps
        z -= steps[level]
        for at, column in enumerate(columns):
            p = 1 / (1 + np.exp(-z))
            pull = (counts * (p - target) * column).sum() + ridge * weights[at]
            curve = (counts * p * (1 - p) * column * column).sum() + ridge
            moved = max(0.0, weights[at] - pull / curve) - weights[at]
            weights[at] += moved
            z += moved * column
        if np.abs(weights - before).max() < 1e-9 and np.abs(steps).max() < 1e-9:
            break
    found: Floats = weights / spread
    return found


def gaps(questions: Sequence[Question]) -> dict[str, float]:
    """How much better the strong models are, by benchmark, for LLMRouter by task."""
    found: dict[str, list[float]] = {}
    for question in questions:
        found.setdefault(_part(question), []).append(question.strong - question.weak)
    return {part: sum(values) / len(values) for part, values in found.items()}


def _bias(questions: Sequence[Question], z: Floats) -> float:
    """What makes the mean score the mean failure, each benchmark counting the same."""
    gap = gaps(questions)
    counts = np.array([float(gap[_part(q)] >= SMALLEST_GAP) for q in questions])
    benchmark = _numbered([q.benchmark for q in questions])
    totals = np.bincount(benchmark, counts)[benchmark]
    counts = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    fails = np.array([q.fails for q in questions])
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        over = (counts * (1 / (1 + np.exp(-(middle + z))) - fails)).sum() > 0
        low, high = (low, middle) if over else (middle, high)
    return middle


def _task(question: Question) -> str:
    return f"{question.benchmark} {question.task}"


def _part(question: Question) -> str:
    return _task(question) if question.benchmark == "LLMRouter" else question.benchmark


def _numbered(labels: Sequence[str]) -> Indices:
    places = {label: place for place, label in enumerate(sorted(set(labels)))}
    return np.array([places[label] for label in labels], dtype=np.int64)


def as_json(weights: Weights) -> str:
    """The fitted weights as the package reads them."""
    return json.dumps({name: getattr(weights, name) for name in FITTED}, indent=1) + "\n"


def main() -> None:
    """Fit on all public questions and write the weights."""
    default = Path(mmai_nb.__file__).parent / "data" / "complexity.json"
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    questions = load()
    text = as_json(fit(questions, table(questions)))
    place.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(questions):,} questions -> {place}\n{text}", end="")


if __name__ == "__main__":
    main()
