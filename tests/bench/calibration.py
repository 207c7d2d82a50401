"""What a user's votes give the router, as they grow: the shipped score against the calibrated one.

    python tests/bench/calibration.py [--seeds N]     default: 10 draws of the votes

Prints Markdown. The answers that others scored stand for a user's: of each question that is drawn,
the user saw the cheap model's answer and the strong one's and said which was better, or that they
were as good or as bad. Then runs what `%ai calibrate` runs, its cross-validation included, and the
router is measured on questions that it had no vote on. The shipped weights are fitted anew without
the benchmark, so that nothing of it is known before the first vote. How strongly votes are pulled
towards no change was chosen while looking at these figures.

    APGR        how prompts are ranked: 0.5 for a coin, see metrics.py
    right tier  share of prompts that went up where the cheap model fails, down where it does not
    kept        draws in which cross-validation found that it helps
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.fit_complexity import SIGNALS, fit, sums, table
from bench.metrics import apgr, recovered
from bench.questions import BENCHMARKS, Question, folds, load, other_sources

from mmai_nb.calibration import Calibration, Label
from mmai_nb.complexity import with_offsets, words_part
from mmai_nb.fitting import calibrate
from mmai_nb.signals import read_words

__all__ = [
    "SIZES",
    "UP_TO",
    "Drawn",
    "Simulation",
    "called_good",
    "drawn",
    "escalation_label",
    "pair_label",
    "simulated",
    "single_label",
]

Floats = NDArray[np.float64]
LabelOf = Callable[[Question, Floats], Label]

SIZES = (0, 30, 100, 300, 1500)
UP_TO = (0.3, 1.0)
NONE = Calibration({})
HELD_OUT = 3
"""One question in so many is measured on, and never voted on."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one draw of votes gave on the questions without votes.

    Attributes:
        gain: APGR after minus before.
        right: share of prompts on the right side of the bound, after minus before: up where the
            cheap model fails, down where it does not.
        kept: whether cross-validation found that it helps.
    """

    gain: float
    right: float
    kept: bool


def pair_label(question: Question, signals: Floats) -> Label:
    """The label of a user who saw both answers."""
    named = dict(zip(SIGNALS, map(float, signals), strict=True))
    words = read_words(question.prompt)
    if question.strong > question.weak:
        return Label(named, enough=False, gain=1.0, words=words)
    if question.weak > question.strong or question.weak >= 0.5:
        return Label(
            named, enough=True, gain=0.0 if question.weak > question.strong else 0.5, words=words
        )
    return Label(named, gain=0.5, words=words)


def escalation_label(question: Question, signals: Floats) -> Label:
    """The label of a user who escalated where the cheap answer was poor, and judged the other."""
    named = dict(zip(SIGNALS, map(float, signals), strict=True))
    words = read_words(question.prompt)
    if called_good(question, "cheap", question.weak):
        return Label(named, enough=True, gain=0.5, words=words)
    if called_good(question, "strong", question.strong):
        return Label(named, enough=False, gain=1.0, words=words)
    return Label(named, gain=0.5, words=words)


def single_label(question: Question, signals: Floats) -> Label:
    """The label of a user who saw the cheap answer only."""
    named = dict(zip(SIGNALS, map(float, signals), strict=True))
    return Label(named, enough=called_good(question, "cheap", question.weak))


def called_good(question: Question, which: str, score: float) -> bool:
    """Whether the answer that a user saw was good.

    A score between 0 and 1 is the mean of several models, and the user saw one of them: good as
    often as the score says, drawn by the question. To call each from 0.5 on good would make another
    question of it, and the votes would teach an answer to that one.
    """
    drawn = hashlib.sha256(f"{which} {question.key}".encode()).digest()
    return int.from_bytes(drawn[:4], "big") < score * 2**32


LABELS: dict[str, LabelOf] = {
    "comparisons": pair_label,
    "escalations": escalation_label,
    "single votes": single_label,
}
"""How the user votes: on both answers, on the second where the first is poor, on the first."""


NOT_SHOWN = """\
Exam questions with known answers stand for a user's prompts, and correctness for a user's taste.
LLMRouter's scores are means over several models; the word of a user is on one of them, drawn. Where
every mean from 0.5 on was called good instead, 1,500 judged escalations lifted the APGR of what
these words call a gain from 0.57 to 0.75, and lowered the graded one by 0.01 to 0.02: votes teach
what they say. "Right tier" counts both errors the same, whatever they cost. Never going up would be
right for this share of prompts:
"""


class Simulation:
    """One benchmark, the weights that know nothing of it, and what is held out."""

    def __init__(self, name: str, questions: Sequence[Question]) -> None:
        self.questions = [q for q in questions if q.benchmark == name]
        others = other_sources(questions, self.questions)
        self.weights = fit(others, table(others))
        self.signals = table(self.questions)
        self.words = [read_words(q.prompt) for q in self.questions]
        held = folds([q.key for q in self.questions], HELD_OUT) == 0
        self.test, self.train = np.flatnonzero(held), np.flatnonzero(~held)
        self.weak = np.array([q.weak for q in self.questions])[self.test]
        self.strong = np.array([q.strong for q in self.questions])[self.test]

    def sums(self, made: Calibration) -> Floats:
        """What stands before the logistic, for the questions that are held out."""
        plain = sums(with_offsets(self.weights, made.offsets), self.signals[self.test])
        return plain + [words_part(made.words, self.words[at]) for at in self.test]

    def apgr(self, made: Calibration) -> float:
        """Of the questions that are held out."""
        return apgr(recovered(self.sums(made), self.weak, self.strong))

    def right(self, made: Calibration) -> float:
        """The share of decisions that are right at the bound."""
        up = 1 / (1 + np.exp(-self.sums(made))) > UP_TO[0]
        return float(np.mean(up == (self.weak < 0.5)))


def drawn(
    simulation: Simulation, size: int, seed: int, label: LabelOf = pair_label
) -> Drawn | None:
    """What so many votes gave; None where there are not so many questions."""
    if size > len(simulation.train):
        return None
    chosen = np.random.default_rng(seed).permutation(simulation.train)[:size]
    labels = [label(simulation.questions[at], simulation.signals[at]) for at in chosen]
    made, figures = calibrate(labels, UP_TO, simulation.weights)
    kept = made if figures.helps else NONE
    return Drawn(
        simulation.apgr(kept) - simulation.apgr(NONE),
        simulation.right(kept) - simulation.right(NONE),
        figures.helps,
    )


def simulated(
    simulation: Simulation, size: int, seeds: int, label: LabelOf = pair_label
) -> list[Drawn]:
    """What several draws gave."""
    found = [drawn(simulation, size, seed, label) for seed in range(seeds)]
    return [one for one in found if one is not None]


def _cell(values: Sequence[float], start: float, digits: int = 3) -> str:
    if not values:
        return "–"
    error = np.std(values) / np.sqrt(len(values))
    return (
        f"{start + np.mean(values):.{digits}f} ({np.mean(values):+.{digits}f} ± {error:.{digits}f})"
    )


def _table(title: str, simulations: dict[str, Simulation], seeds: int, label: LabelOf) -> str:
    head = [f"{size:,} votes" for size in SIZES]
    lines = [f"| {title} | figure | {' | '.join(head)} |", f"|{'---|' * (len(head) + 2)}"]
    for name, simulation in simulations.items():
        rows = [simulated(simulation, size, seeds, label) for size in SIZES]
        apgrs = [_cell([d.gain for d in row], simulation.apgr(NONE)) for row in rows]
        rights = [_cell([d.right for d in row], simulation.right(NONE)) for row in rows]
        kept = [f"{sum(d.kept for d in row)} of {len(row)}" if row else "–" for row in rows]
        for figure, cells in (("APGR", apgrs), ("right tier", rights), ("kept", kept)):
            lines.append(f"| {name} | {figure} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10, help="draws of the votes")
    seeds = parser.parse_args().seeds
    questions = load()
    simulations = {name: Simulation(name, questions) for name in BENCHMARKS}
    print(f"Measured on {date.today()} by `python tests/bench/calibration.py`.\n")
    for title, label in LABELS.items():
        print(_table(title, simulations, seeds, label))
        print()
    print(NOT_SHOWN)
    for name, simulation in simulations.items():
        print(f"- {name}: {np.mean(simulation.weak >= 0.5):.3f}")


if __name__ == "__main__":
    main()
