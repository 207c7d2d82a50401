"""How much of the gap between a cheap and a strong model each router recovers, on public data.

    python tests/bench/routing.py [--rounds N]     default: 1000 rounds of the bootstrap

Prints Markdown. Nothing is downloaded and no model is called: the answers were given and scored by
others, see tests/data/routing. It takes about three minutes.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import labelled
from bench.answer_routers import ANSWER_ROUTERS, RULES, AnswerRouter, other_questions
from bench.fit_complexity import SMALLEST_GAP, fit, gaps, sums, table
from bench.keywords import keyword_score
from bench.metrics import Figures, bootstrap, figures, interval, recovered
from bench.questions import (
    BENCHMARKS,
    DATA,
    PRO_STRONG,
    Question,
    folds,
    learnable,
    load,
    other_sources,
)

from mmai_nb.complexity import Weights

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

WEAK_PRICE = 0.1
"""What a cheap call costs, as a part of a strong one, where both are paid."""
FOLDS = 5
FOLDS_OF_LABELS = 10

COMPLEXITY = "complexity, other benchmarks"
RANDOM, LENGTH, KEYWORDS = "random", "prompt length", "keywords"
NOTHING, OUT, IN = "nothing", "out of distribution", "in distribution"


class Bench:
    """The questions, and what each router says of them; one number a question everywhere."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = list(questions)
        self.weak = np.array([q.weak for q in questions])
        self.strong = np.array([q.strong for q in questions])
        self.fails = np.array([q.fails for q in questions])
        self.benchmark = np.array([q.benchmark for q in questions])
        self.task = np.array([q.task for q in questions])
        self.signals = table(questions)
        self._place = {id(question): at for at, question in enumerate(questions)}

    @cached_property
    def length(self) -> Floats:
        """Characters of each prompt."""
        return np.array([float(len(q.prompt)) for q in self.questions])

    @cached_property
    def keywords(self) -> Floats:
        """The keyword heuristic."""
        return np.array([keyword_score(q.prompt) for q in self.questions])

    @cached_property
    def priors(self) -> Floats:
        """The hand-set weights alone."""
        return sums(Weights(), self.signals)

    @cached_property
    def out_of_distribution(self) -> Floats:
        """Weights fitted without the benchmark, its collections and its questions."""
        found = np.zeros(len(self.questions))
        for name in BENCHMARKS:
            test = self.benchmark == name
            found[test] = self._fitted(other_sources(self.questions, self._of(test)), test)
        return found

    @cached_property
    def other_tasks(self) -> Floats:
        """Weights fitted without the whole subject or task, in any file."""
        return self._folded([q.group for q in self.questions])

    @cached_property
    def other_questions(self) -> Floats:
        """Weights fitted without the question, in any file: in distribution."""
        return self._folded([q.key for q in self.questions])

    @cached_property
    def labels(self) -> Floats:
        """Words and shapes, with labels of the same pair on other questions of the benchmark."""
        return self._labelled([q.key for q in self.questions])

    @cached_property
    def labels_of_other_tasks(self) -> Floats:
        """The same, with labels of other subjects or tasks only."""
        return self._labelled([q.group for q in self.questions])

    def _of(self, mask: Mask) -> list[Question]:
        return [q for q, chosen in zip(self.questions, mask, strict=True) if chosen]

    def _fitted(self, train: Sequence[Question], test: Mask) -> Floats:
        rows = self.signals[[self._place[id(question)] for question in train]]
        return sums(fit(train, rows), self.signals[test])

    def _folded(self, labels: Sequence[str]) -> Floats:
        found, fold = np.zeros(len(self.questions)), folds(labels, FOLDS)
        for number in range(FOLDS):
            test = fold == number
            found[test] = self._fitted(learnable(self._of(~test), self._of(test)), test)
        return found

    def _labelled(self, labels: Sequence[str]) -> Floats:
        found, fold = np.zeros(len(self.questions)), folds(labels, FOLDS_OF_LABELS)
        words = [labelled.grams(q.prompt) for q in self.questions]
        shapes = np.array([labelled.shape(q.prompt) for q in self.questions])
        keys = np.array([q.key for q in self.questions])
        for name in BENCHMARKS:
            inside = self.benchmark == name
            for number in set(fold[inside]):
                test = inside & (fold == number)
                rows = test | (inside & ~np.isin(keys, keys[test]))
                if rows.sum() == test.sum():
                    continue  # a benchmark of one task has no other to learn from
                found[test] = labelled.fit_labels(
                    [w for w, used in zip(words, rows, strict=True) if used],
                    shapes[rows],
                    self.out_of_distribution[rows],
                    (self.strong - self.weak)[rows],
                    ~test[rows],
                )
        return found


@dataclass(frozen=True, slots=True)
class Router:
    """A row: what a router says of the questions that it can say something of; NaN of the others.

    Attributes:
        learned: what its weights were fitted on.
        weak_price: what it has paid, as a part of a strong call, before it decides.
        others_price: what other cheap models have cost it before.
    """

    name: str
    learned: str
    scores: Floats
    weak_price: float = 0.0
    others_price: float = 0.0


def routers(bench: Bench) -> list[Router]:
    """All rows, from the simplest on; those that read the cheap model's answer come last."""
    return [
        Router(RANDOM, NOTHING, np.zeros(len(bench.questions))),
        Router(LENGTH, NOTHING, bench.length),
        Router(KEYWORDS, NOTHING, bench.keywords),
        Router("complexity, hand-set weights alone", NOTHING, bench.priors),
        Router(COMPLEXITY, OUT, bench.out_of_distribution),
        Router("complexity, other subjects and tasks", "the same benchmark", bench.other_tasks),
        Router("complexity, other questions", IN, bench.other_questions),
        Router("labels of the pair, other subjects", "the pair", bench.labels_of_other_tasks),
        Router("labels of the pair, other questions", f"{IN}, the pair", bench.labels),
        *_answer_routers(bench),
    ]


def _answer_routers(
    bench: Bench, readers: Mapping[str, AnswerRouter] = ANSWER_ROUTERS, price: float = WEAK_PRICE
) -> list[Router]:
    answered = np.array([q.weak_answer is not None for q in bench.questions])
    if not answered.any():
        return []
    found = []
    for name, router in readers.items():
        scores = np.full(len(bench.questions), np.nan)
        scores[answered] = router.read([q for q in bench.questions if q.weak_answer is not None])
        found.append(Router(name, "reads the answer", scores, price, router.others * price))
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """What was measured on some of the questions.

    Attributes:
        figures: by the router's name; without those that say nothing here.
        rounds: APGR, CPT(50) and CPT(80) of each round of the bootstrap.
    """

    name: str
    size: int
    gap: float
    figures: Mapping[str, Figures]
    rounds: Mapping[str, Floats]


def measured(
    name: str,
    bench: Bench,
    rows: Sequence[Router],
    mask: Mask,
    rounds: int,
    strong: Floats | None = None,
) -> Part:
    """The figures of all routers on the questions of a mask, against another strong model."""
    weak, strong = bench.weak[mask], (bench.strong if strong is None else strong)[mask]
    here = {row.name: row.scores[mask] for row in rows if _speaks(row, mask)}
    prices = {row.name: (row.weak_price, row.others_price) for row in rows}
    return Part(
        name=name,
        size=int(mask.sum()),
        gap=float((strong - weak).mean()),
        figures={
            row.name: figures(
                recovered(
                    here[row.name],
                    weak,
                    strong,
                    weak_price=row.weak_price,
                    others_price=row.others_price,
                )
            )
            for row in rows
            if row.name in here
        },
        rounds=bootstrap(here, weak, strong, prices=prices, rounds=rounds),
    )


def _speaks(row: Router, mask: Mask) -> bool:
    """Whether a router says something here; saying the same of all is for `random` alone."""
    scores = row.scores[mask]
    return row.name == RANDOM or (not np.isnan(scores).any() and bool(np.ptp(scores) > 0))


def main_table(rows: Sequence[Router], parts: Sequence[Part]) -> str:
    """One line a router, one column a benchmark."""
    head = [f"{part.name} (n = {part.size:,}, gap {100 * part.gap:.0f} pts)" for part in parts]
    lines = [_line(["router", "learned from", *head, "mean APGR"]), _rule(len(head) + 3)]
    for row in rows:
        cells = [_cell(part, row.name) for part in parts]
        every = [part.figures[row.name].apgr for part in parts if row.name in part.figures]
        mean = f"{np.mean(every):.3f}" if len(every) == len(parts) else "–"
        lines.append(_line([row.name, row.learned, *cells, mean]))
    return "\n".join(lines)


def _cell(part: Part, router: str) -> str:
    if router not in part.figures:
        return "–"
    found = part.figures[router]
    if router == RANDOM:
        return f"{found.apgr:.3f} · {found.cpt50:.0f} / {found.cpt80:.0f}"
    low, high = interval(part.rounds[router][:, 0])
    return f"{found.apgr:.3f} [{low:.3f}, {high:.3f}] · {found.cpt50:.0f} / {found.cpt80:.0f}"


def share_table(parts: Sequence[Part], names: Sequence[str]) -> str:
    """CPT(50) and CPT(80) with their intervals, one line a router."""
    lines = [_line(["router", *(part.name for part in parts)]), _rule(len(parts) + 1)]
    for name in names:
        cells = []
        for part in parts:
            found, rounds = part.figures[name], part.rounds[name]
            shares = ((found.cpt50, rounds[:, 1]), (found.cpt80, rounds[:, 2]))
            cells.append(" / ".join(f"{at:.0f} {_whole(values)}" for at, values in shares))
        lines.append(_line([name, *cells]))
    return "\n".join(lines)


def _whole(rounds: Floats) -> str:
    low, high = interval(rounds)
    return f"[{low:.0f}, {high:.0f}]"


def versus_table(parts: Sequence[Part], others: Sequence[str]) -> str:
    """What complexity has more than each of the others, where it learned from neither."""
    lines = [_line(["", *(part.name for part in parts), "mean"]), _rule(len(parts) + 2)]
    for other in others:
        ours = [part.rounds[COMPLEXITY][:, 0] - part.rounds[other][:, 0] for part in parts]
        points = [part.figures[COMPLEXITY].apgr - part.figures[other].apgr for part in parts]
        fewest = min(map(len, ours))
        mean = np.mean([rounds[:fewest] for rounds in ours], axis=0)
        pairs = zip([*points, float(np.mean(points))], [*ours, mean], strict=True)
        lines.append(_line([f"minus {other}", *(_signed(p, rounds) for p, rounds in pairs)]))
    return "\n".join(lines)


def _signed(point: float, rounds: Floats) -> str:
    low, high = interval(rounds)
    return f"{point:+.3f} [{low:+.3f}, {high:+.3f}]"


def task_table(parts: Sequence[Part], names: Sequence[str]) -> str:
    """APGR on each task, one line a task."""
    lines = [_line(["task", "n", "gap", *names]), _rule(len(names) + 3)]
    for part in parts:
        cells = [_cell(part, name) for name in names]
        lines.append(_line([part.name, f"{part.size:,}", f"{100 * part.gap:.0f} pts", *cells]))
    return "\n".join(lines)


def calls_table(bench: Bench, rounds: int) -> str:
    """The routers that read answers, with strong calls counted alone, as others report them."""
    rows = [Router(RANDOM, NOTHING, np.zeros(len(bench.questions)))]
    rows += _answer_routers(bench, price=0.0)
    masks = [(name, bench.benchmark == name) for name in ("GSM8K", "MMLU-Pro")]
    parts = [measured(name, bench, rows, mask, rounds) for name, mask in masks]
    lines = [_line(["router", *(part.name for part in parts)]), _rule(len(parts) + 1)]
    lines += [_line([row.name, *(_cell(part, row.name) for part in parts)]) for row in rows]
    return "\n".join(lines)


AGREEING = tuple(name for name, router in ANSWER_ROUTERS.items() if router.others)


def strong_table(bench: Bench, rounds: int) -> str:
    """The routers that ask other cheap models, on MMLU-Pro, against each strong model of the file.

    Fitted to the gain of the benchmark's own pair, the first column.
    """
    readers = {name: ANSWER_ROUTERS[name] for name in AGREEING}
    rows = _answer_routers(bench, readers, price=0.0)
    inside = bench.benchmark == "MMLU-Pro"
    oracle = np.where(inside, 1 - bench.weak, np.nan)
    rows.append(Router("knows which cheap answers are wrong", NOTHING, oracle))
    parts = []
    for name in PRO_STRONG:
        has = inside & np.array([name in q.dear for q in bench.questions])
        strong = np.array([q.dear.get(name, 0.0) for q in bench.questions])
        parts.append(measured(name, bench, rows, has, rounds, strong=strong))
    head = [f"{part.name} (gap {100 * part.gap:.0f} pts)" for part in parts]
    lines = [_line(["router", *head]), _rule(len(head) + 1)]
    for row in rows:
        cells = []
        for part in parts:
            low, high = interval(part.rounds[row.name][:, 0])
            cells.append(f"{part.figures[row.name].apgr:.3f} [{low:.3f}, {high:.3f}]")
        lines.append(_line([row.name, *cells]))
    return "\n".join(lines)


def rule_table(bench: Bench, rounds: int) -> str:
    """What goes to the strong model by a plain yes or no, what that gains and what it costs."""
    lines = [_line(["rule", "benchmark", *_RULE_HEAD]), _rule(2 + len(_RULE_HEAD))]
    for row in _answer_routers(bench, RULES):
        for name in ("GSM8K", "MMLU-Pro"):
            inside = bench.benchmark == name
            goes = row.scores[inside]
            if not np.isnan(goes).any():
                cells = _rule_cells(row, goes, bench.weak[inside], bench.strong[inside], rounds)
                lines.append(_line([row.name, name, *cells]))
    return "\n".join(lines)


_RULE_HEAD = (
    "goes to the strong model",
    "of these wrong",
    "quality before → after (strong alone)",
    "gap recovered",
    "cost, of always strong",
)


def _rule_cells(
    row: Router, goes: Floats, weak: Floats, strong: Floats, rounds: int
) -> tuple[str, ...]:
    draw, size = np.random.default_rng(0), len(weak)
    picks = [draw.integers(0, size, size) for _ in range(rounds)]
    part = [
        float((goes * (strong - weak))[pick].sum() / (strong - weak)[pick].sum()) for pick in picks
    ]
    low, high = interval(np.array(part))
    gained = float((goes * (strong - weak)).sum() / (strong - weak).sum())
    after = float(np.where(goes > 0, strong, weak).mean())
    return (
        f"{goes.mean():.1%}",
        f"{1 - weak[goes > 0].mean():.0%}",
        f"{weak.mean():.1%} → {after:.1%} ({strong.mean():.1%})",
        f"{gained:.1%} [{low:.0%}, {high:.0%}]",
        f"{row.weak_price + row.others_price + goes.mean():.0%}",
    )


def published_table(path: Path = DATA / "published_routellm.csv") -> str:
    """What the RouteLLM paper reports on MMLU and GSM8K."""
    learned = {
        "none": NOTHING,
        "D_arena": f"{OUT} (arena votes)",
        "D_arena+D_gold": f"{IN} (arena votes and labels of MMLU)",
        "D_arena+D_judge": f"{OUT} (arena votes and a judge's)",
    }
    lines = [_line(["benchmark", "router", "learned from", "APGR · CPT(50) / CPT(80)"]), _rule(4)]
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["benchmark"] not in ("mmlu", "gsm8k"):
                continue
            shares = f"{float(row['cpt50']):.0f} / {float(row['cpt80']):.0f}"
            found = f"{float(row['apgr']):.3f} · {shares}"
            name = row["benchmark"].upper()
            lines.append(_line([name, row["method"], learned[row["training_data"]], found]))
    return "\n".join(lines)


def calibration_table(bench: Bench) -> str:
    """How often cheap models fail where the score says so, on questions that were not fitted on."""
    said = 1 / (1 + np.exp(-bench.other_questions))
    gap = gaps(bench.questions)
    lines = [_line(["", "score says", "cheap models fail", "error by tenths"]), _rule(4)]
    for name in sorted(set(bench.benchmark), key=BENCHMARKS.index):
        inside = bench.benchmark == name
        if name == "LLMRouter":
            worth = [t for t in set(bench.task) if gap.get(f"{name} {t}", 0.0) >= SMALLEST_GAP]
            inside &= np.isin(bench.task, worth)
        lines.append(_calibrated(name, said[inside], bench.fails[inside]))
    return "\n".join(lines)


def doubt_table(bench: Bench) -> str:
    """How often the cheap model's answer is wrong where the doubt says so, weights of others."""
    rows = [q for q in bench.questions if q.weak_answer is not None]
    said = 1 / (1 + np.exp(-other_questions(rows)))
    wrong = np.array([1 - q.weak for q in rows])
    name = np.array([q.benchmark for q in rows])
    lines = [_line(["", "doubt says", "answers are wrong", "error by tenths"]), _rule(4)]
    lines += [_calibrated(b, said[name == b], wrong[name == b]) for b in sorted(set(name))]
    return "\n".join(lines)


def _calibrated(name: str, says: Floats, fails: Floats) -> str:
    tenths = np.array_split(np.argsort(says, kind="stable"), 10)
    off = np.mean([abs(says[tenth].mean() - fails[tenth].mean()) for tenth in tenths])
    return _line([name, f"{says.mean():.2f}", f"{fails.mean():.2f}", f"{off:.2f}"])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return f"|{'---|' * columns}"


NOT_SHOWN = f"""\
What this does not show:

- Exam questions with known answers, in English, are not the prompts of a notebook: nothing here has
  code to mend, a DataFrame, a traceback, or an answer that is a matter of taste.
- The models are of 2023 and 2024. Another pair has other gaps.
- Which signals are read and the hand-set weights were chosen while looking at these four files;
  only the fitted weights are held out. Other data may be kinder or less kind than the intervals.
- MMLU rewards knowing on which topics a pair differs, which is not difficulty; its answers were
  single letters, without reasoning, so strong models gain little on mathematics there.
- LLMRouter's figure over all tasks is mostly about telling its tasks apart. Tasks with a gap under
  {100 * SMALLEST_GAP:.0f} points are in it, but have no row of their own.
- The published rows were measured on the whole test sets, ours on the half that is kept here.
- A share of calls is not money: a hard prompt may be longer. Routers that read the cheap answer are
  charged for it, at {WEAK_PRICE:.0%} of a strong call, and for each other cheap model they ask.
- Which checks there are was chosen while looking at these answers, of one cheap model of 2023.
- How well disagreement ranks depends on the strong model, see the table; with a small gap APGR may
  be above 1. What goes into "with checks" was chosen among some twenty sets on these questions.
- Of two of the three models that may disagree, the file has only whether they were right: where
  both are wrong, whether they chose the same answer is drawn, as often as Phi-3 did.
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000, help="of the bootstrap")
    rounds = parser.parse_args().rounds
    bench = Bench(load())
    rows = routers(bench)
    parts = [measured(b, bench, rows, bench.benchmark == b, rounds) for b in BENCHMARKS]
    by_task = [
        measured(part, bench, rows, _task_mask(bench, part), rounds)
        for part, gap in sorted(gaps(bench.questions).items())
        if part not in BENCHMARKS and gap >= SMALLEST_GAP
    ]
    print(f"Measured on {date.today()} by `python tests/bench/routing.py`.")
    print("APGR [95 % interval] · CPT(50) / CPT(80) in percent of strong calls.")
    print("A higher APGR and a lower CPT are better; an APGR of 0.5 is a coin.\n")
    print(main_table(rows, parts))
    print("\nComplexity as learned out of distribution, in APGR on the same draws:\n")
    print(versus_table(parts, [LENGTH, KEYWORDS]))
    print("\nCPT(50) [95 % interval] / CPT(80) [95 % interval]:\n")
    print(share_table(parts, [LENGTH, KEYWORDS, COMPLEXITY, "labels of the pair, other questions"]))
    print("\nTasks of LLMRouter:\n")
    print(task_table(by_task, [LENGTH, KEYWORDS, COMPLEXITY]))
    print("\nRouters that read the cheap answer, strong calls alone counted:\n")
    print(calls_table(bench, rounds))
    print("\nMMLU-Pro against each strong model of the file, strong calls alone counted:\n")
    print(strong_table(bench, rounds))
    print(f"\nYes or no; a cheap call costs {WEAK_PRICE:.0%} of a strong one:\n")
    print(rule_table(bench, rounds))
    print("\nPublished for RouteLLM (arXiv 2406.18665, same pair):\n")
    print(published_table())
    print("\nCalibration of complexity, other questions:\n")
    print(calibration_table(bench))
    print("\nCalibration of the doubt in answers, other questions:\n")
    print(doubt_table(bench))
    print(f"\n{NOT_SHOWN}", end="")


def _task_mask(bench: Bench, part: str) -> Mask:
    name, task = part.split(" ", 1)
    found: Mask = (bench.benchmark == name) & (bench.task == task)
    return found


if __name__ == "__main__":
    main()
