"""Fit the weights of `mmai_nb.checks` on public answers, and write them.

    python tests/bench/fit_checks.py [FILE]     default: mmai_nb/data/checks.json

A logistic regression of whether the cheap model's answer was wrong, on the question's length and
the kinds of findings that the checks have in the answer, with a level for each subject of each
benchmark: that an exam is hard is nothing that its answers show. None of the weights may be
negative. Then the bias, so that the doubt is on average the share of wrong answers. GSM8K and
MMLU-Pro count the same in both.

Sums are taken row by row in numpy, without BLAS, and written to 4 digits: the same rows give the
same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import mmai_nb

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.fit_complexity import nonnegative_fit
from bench.questions import Question, load

from mmai_nb.checks import Question as Asked
from mmai_nb.checks import find_faults
from mmai_nb.checks.doubt import FITTED, Weights, question_length

__all__ = ["COLUMNS", "as_json", "fit", "sums", "table"]

Floats = NDArray[np.float64]

COLUMNS = tuple(name for name in FITTED if name != "bias")
"""The question's length, then the kinds of findings."""
RIDGE = 5.0
"""Flat between 2 and 20; it holds back what was seen a dozen times."""


def table(questions: Sequence[Question]) -> Floats:
    """Each question's length and whether each kind of finding is in its answer: `COLUMNS`."""
    return np.array([_row(question.prompt, question.weak_answer or "") for question in questions])


@cache
def _row(prompt: str, answer: str) -> tuple[float, ...]:
    found = {finding.kind for finding in find_faults(answer, Asked(prompt))}
    return (question_length(prompt), *(float(kind in found) for kind in COLUMNS[1:]))


def sums(weights: Weights, found: Floats) -> Floats:
    """What stands before the logistic, for each row of a table."""
    counts = np.array([getattr(weights, name) for name in COLUMNS])
    z: Floats = weights.bias + (found * counts).sum(axis=1)
    return z


def fit(questions: Sequence[Question], found: Floats, columns: Sequence[str] = COLUMNS) -> Weights:
    """The priors with the weights of these columns fitted on answers, to 4 digits.

    What was found in none of them keeps its prior; what may not be used has no weight.
    """
    wrong = np.array([1 - question.weak for question in questions])
    counts = _even([question.benchmark for question in questions])
    level = _numbered([f"{question.benchmark} {question.task}" for question in questions])
    seen = [at for at, name in enumerate(COLUMNS) if name in columns and found[:, at].any()]
    values = nonnegative_fit(found[:, seen], wrong, level, counts=counts, ridge=RIDGE)
    learned = {COLUMNS[at]: round(float(v), 4) for at, v in zip(seen, values, strict=True)}
    left_out = {name: 0.0 for name in COLUMNS if name not in columns}
    weights = replace(Weights(), bias=0.0, **learned, **left_out)
    return replace(weights, bias=round(_bias(wrong, counts, sums(weights, found)), 4))


def _even(labels: Sequence[str]) -> Floats:
    """A count for each row, so that all labels count the same, and the rows once on average."""
    at = _numbered(labels)
    sizes = np.bincount(at)
    counts: Floats = len(labels) / len(sizes) / sizes[at]
    return counts


def _bias(wrong: Floats, counts: Floats, z: Floats) -> float:
    """What makes the mean doubt the share of wrong answers."""
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        over = (counts * (1 / (1 + np.exp(-(middle + z))) - wrong)).sum() > 0
        low, high = (low, middle) if over else (middle, high)
    return middle


def _numbered(labels: Sequence[str]) -> NDArray[np.int64]:
    places = {label: place for place, label in enumerate(sorted(set(labels)))}
    return np.array([places[label] for label in labels], dtype=np.int64)


def as_json(weights: Weights) -> str:
    """The fitted weights as the package reads them."""
    return json.dumps({name: getattr(weights, name) for name in FITTED}, indent=1) + "\n"


def answered(questions: Sequence[Question]) -> list[Question]:
    """The questions that a cheap model's answer is known of."""
    return [question for question in questions if question.weak_answer is not None]


def main() -> None:
    """Fit on all public answers and write the weights."""
    default = Path(mmai_nb.__file__).parent / "data" / "checks.json"
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    questions = answered(load())
    text = as_json(fit(questions, table(questions)))
    place.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(questions):,} answers -> {place}\n{text}", end="")


if __name__ == "__main__":
    main()
