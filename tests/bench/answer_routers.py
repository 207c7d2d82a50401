"""Routers that read the cheap model's answer before they decide; `routing.py` adds their rows.

A router here is a function of questions that all have a `weak_answer`: one number a question, the
highest the first to go to the strong model, NaN where it has nothing to say. What it spends counts
both calls (`WEAK_PRICE` of `routing.py`), since the cheap answer is paid for before it can be read,
and the other cheap models that it asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bench.fit_checks import COLUMNS, RIDGE, fit, sums, table
from bench.fit_complexity import nonnegative_fit
from bench.questions import PHI, Question, folds
from numpy.typing import NDArray

from mmai_nb.checks import Question as Asked
from mmai_nb.checks import agree, assess
from mmai_nb.checks.doubt import THRESHOLD

__all__ = ["ANSWER_ROUTERS", "RULES", "AnswerRouter", "other_benchmark", "other_questions"]

Floats = NDArray[np.float64]
FOLDS = 5
MARKS = ("truncated", "final")
"""Where a benchmark's own format shows: a limit on tokens, and a last line as it was asked for."""
JUDGES = (PHI, "Meta-Llama-3_1-8B-Instruct", "mathstral-7B")
"""The three other cheap models that are right most often."""


@dataclass(frozen=True, slots=True)
class AnswerRouter:
    """A router that reads answers.

    Attributes:
        read: what it says of each question.
        others: how many other cheap models it asks about every question.
    """

    read: Callable[[Sequence[Question]], Floats]
    others: int = 0


def _of(questions: Sequence[Question], mask: NDArray[np.bool_]) -> list[Question]:
    return [question for question, chosen in zip(questions, mask, strict=True) if chosen]


def other_questions(questions: Sequence[Question], columns: Sequence[str] = COLUMNS) -> Floats:
    """What stands before the logistic of the doubt, by weights fitted on other questions."""
    found, z = table(questions), np.zeros(len(questions))
    fold = folds([question.key for question in questions], FOLDS)
    for number in range(FOLDS):
        test = fold == number
        z[test] = sums(fit(_of(questions, ~test), found[~test], columns), found[test])
    return z


def other_benchmark(questions: Sequence[Question]) -> Floats:
    """The same, by weights fitted on the answers to the other benchmark alone."""
    found, z = table(questions), np.zeros(len(questions))
    name = np.array([question.benchmark for question in questions])
    for benchmark in sorted(set(name)):
        test = name == benchmark
        asked = {q.key for q in _of(questions, test)}
        train = ~test & np.array([q.key not in asked for q in questions])
        z[test] = sums(fit(_of(questions, train), found[train]), found[test])
    return z


def without_marks(questions: Sequence[Question]) -> Floats:
    """Fitted on other questions, without what shows a benchmark's format."""
    return other_questions(questions, [name for name in COLUMNS if name not in MARKS])


def unfitted(questions: Sequence[Question]) -> Floats:
    """Broken off or a wrong sum: no weights at all."""
    columns = [COLUMNS.index(kind) for kind in ("truncated", "arithmetic")]
    found: Floats = table(questions)[:, columns].max(axis=1)
    return found


def one_disagrees(questions: Sequence[Question]) -> Floats:
    """Whether Phi-3 chose another answer, as `agree` sees it; one that names none disagrees."""
    return np.array([_disagrees(question, PHI) for question in questions])


def three_disagree(questions: Sequence[Question]) -> Floats:
    """How many of the three best other cheap models disagree; of two of them it is an estimate."""
    return np.array([sum(_disagrees(q, name) for name in JUDGES) for q in questions])


def with_checks(disagree: Floats, questions: Sequence[Question]) -> Floats:
    """Disagreement and findings in one logistic, fitted on other questions."""
    z = np.full(len(questions), np.nan)
    compared = ~np.isnan(disagree)
    rows = _of(questions, compared)
    values = np.column_stack([table(rows), disagree[compared]])
    wrong = np.array([1 - question.weak for question in rows])
    fold = folds([question.key for question in rows], FOLDS)
    found = np.zeros(len(rows))
    for number in range(FOLDS):
        test = fold == number
        level = np.zeros((~test).sum(), dtype=np.int64)
        weights = nonnegative_fit(values[~test], wrong[~test], level, ridge=RIDGE)
        found[test] = (values[test] * weights).sum(axis=1)
    z[compared] = found
    return z


DIFFERENT = 0.6
"""How often two cheap models that are both wrong chose different answers: Mixtral and Phi-3."""


def _disagrees(question: Question, model: str) -> float:
    """1 where another model disagrees with the cheap one, NaN where it was not asked.

    The file has the letters of Phi-3. Of the other models it has only whether they were right: two
    that are not both wrong agree if both are right, and of those that are, as many disagree as with
    Phi-3, drawn by the question.
    """
    if question.benchmark != "MMLU-Pro":
        return float("nan")
    if model == PHI:
        chosen = f"({question.choices.get(PHI, '')})"
        return float(agree(question.weak_answer or "", chosen, question.prompt) is not True)
    other = question.others.get(model, 0.0)
    if other or question.weak:
        return float(other != question.weak)
    drawn = hashlib.sha256(f"{model} {question.key}".encode()).digest()
    return float(drawn[0] < 256 * DIFFERENT)


ANSWER_ROUTERS: Mapping[str, AnswerRouter] = {
    "broken off or a wrong sum": AnswerRouter(unfitted),
    "checks, other questions": AnswerRouter(other_questions),
    "checks, other benchmark": AnswerRouter(other_benchmark),
    "checks, without marks of format": AnswerRouter(without_marks),
    "one other model disagrees": AnswerRouter(one_disagrees, others=1),
    "the same, with checks": AnswerRouter(
        lambda rows: with_checks(one_disagrees(rows), rows), others=1
    ),
    "three disagree, two estimated": AnswerRouter(three_disagree, others=3),
    "three disagree, with checks": AnswerRouter(
        lambda rows: with_checks(three_disagree(rows), rows), others=3
    ),
}
"""By the name of their row."""


def shipped(questions: Sequence[Question]) -> Floats:
    """Whether an answer fails by the weights that the package has, which these answers gave it."""
    return np.array([float(assess(q.weak_answer or "", Asked(q.prompt)).fails) for q in questions])


def held_out(questions: Sequence[Question]) -> Floats:
    """Whether it fails by the same threshold and weights fitted on other questions."""
    doubt = 1 / (1 + np.exp(-other_questions(questions)))
    fails: Floats = (doubt >= THRESHOLD).astype(float)
    return fails


def elsewhere(questions: Sequence[Question]) -> Floats:
    """Whether it fails by weights fitted on the other benchmark."""
    doubt = 1 / (1 + np.exp(-other_benchmark(questions)))
    fails: Floats = (doubt >= THRESHOLD).astype(float)
    return fails


RULES: Mapping[str, AnswerRouter] = {
    "broken off or a wrong sum": AnswerRouter(unfitted),
    "fails, as shipped": AnswerRouter(shipped),
    "fails, weights of other questions": AnswerRouter(held_out),
    "fails, weights of the other benchmark": AnswerRouter(elsewhere),
    "one other model disagrees": AnswerRouter(one_disagrees, others=1),
}
"""Yes or no instead of an order: what goes to the strong model without a threshold to choose."""
