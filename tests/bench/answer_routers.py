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
from mmai_nb.checks.finals import choice_named
from mmai_nb.complexity import score

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
    return _verdicts(questions, (PHI,)).sum(axis=1)


def three_disagree(questions: Sequence[Question]) -> Floats:
    """How many of the three best other cheap models disagree; of two of them it is an estimate."""
    return _verdicts(questions, JUDGES).sum(axis=1)


def _verdicts(questions: Sequence[Question], judges: Sequence[str]) -> Floats:
    """A row a question, a column a judge: 1 where it disagrees, NaN where it was not asked."""
    return np.array([[_disagrees(question, name) for name in judges] for question in questions])


def with_checks(questions: Sequence[Question], judges: Sequence[str]) -> Floats:
    """All that is known before the strong model is asked, in one logistic.

    Who disagrees and how many, the findings of the checks, the length, the score of the prompt, and
    whether the cheap answer or that of Phi-3 names no choice at all. Fitted, on other questions, to
    what the strong model of the pair gains. The weights are at least 0, but those of the last two:
    who names nothing disagrees with all, and that is worth less than another choice.
    """
    z = np.full(len(questions), np.nan)
    verdicts = _verdicts(questions, judges)
    compared = ~np.isnan(verdicts).any(axis=1)
    rows, verdicts = _of(questions, compared), verdicts[compared]
    silent = np.array([_silent(question) for question in rows]).reshape(len(rows), -1)
    counts = (
        [verdicts.sum(axis=1) == n for n in range(1, len(judges) + 1)] if len(judges) > 1 else []
    )
    scored = np.array([score(question.prompt).score for question in rows])
    columns = [table(rows), np.log(scored / (1 - scored)), verdicts, *counts, silent, -silent]
    values = np.column_stack(columns)
    gained = np.array([max(0.0, question.strong - question.weak) for question in rows])
    fold = folds([question.key for question in rows], FOLDS)
    found = np.zeros(len(rows))
    for number in range(FOLDS):
        test = fold == number
        level = np.zeros((~test).sum(), dtype=np.int64)
        weights = nonnegative_fit(values[~test], gained[~test], level, ridge=RIDGE)
        told = (values * weights).sum(axis=1)
        found[test] = (told - told[~test].mean())[test]  # so that folds can be held together
    z[compared] = found
    return z


def _silent(question: Question) -> tuple[float, float]:
    """Whether the cheap model and Phi-3 name no choice."""
    return (
        float(choice_named(question.weak_answer or "", question.prompt) is None),
        float(not question.choices.get(PHI)),
    )


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
    "the same, with checks": AnswerRouter(lambda rows: with_checks(rows, (PHI,)), others=1),
    "three disagree, two estimated": AnswerRouter(three_disagree, others=3),
    "three disagree, with checks": AnswerRouter(lambda rows: with_checks(rows, JUDGES), others=3),
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
