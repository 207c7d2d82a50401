"""How likely an answer is not good enough: one number from what the checks have found.

The doubt is logistic(bias + the question's length + the weights of the kinds of findings). No
weight is negative, so that a further finding never lowers it, and each kind counts once, however
often it was found. A long question alone never makes an answer fail.

Two kinds of weights stand side by side. Those of `Weights` that have a value here are set by hand,
for what public answers do not show: code, schemas, refusals, languages. The others and the bias are
fitted on public answers; they are read from data/checks.json, and what they were fitted on, how
well they do and what they cannot do stands beside it in data/checks.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from ..fitted import joined, logistic, read_fitted
from .finals import stem
from .finding import Finding

__all__ = [
    "FITTED",
    "THRESHOLD",
    "Assessment",
    "Weights",
    "fitted_weights",
    "question_length",
    "weigh",
    "with_fitted",
]

LONGEST = 800
"""Letters of a question that count: exams, which the weight is fitted on, have no longer ones."""
THRESHOLD = 0.65
"""From this doubt on an answer fails. See data/checks.md for what it costs and gains."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each kind of finding adds before the logistic; none but the bias may be negative.

    Those of `FITTED` are values for when the fitted ones cannot be read.
    """

    bias: float = -1.2
    length: float = 0.5  # per e-fold of 1 + letters of the question / 80, up to LONGEST of them
    empty: float = 6.0
    schema: float = 5.0
    refusal: float = 3.0
    code: float = 3.0
    language: float = 2.0
    attribute: float = 3.0
    names: float = 0.35  # an example may use names that are nowhere: never enough alone
    truncated: float = 3.0
    arithmetic: float = 2.0
    final: float = 3.0
    contradiction: float = 2.0
    repetition: float = 2.0
    hedging: float = 0.5
    unused: float = 0.6
    loose: float = 0.8
    ending: float = 1.3


FITTED = (
    "bias",
    "length",
    "truncated",
    "arithmetic",
    "final",
    "contradiction",
    "repetition",
    "hedging",
    "unused",
    "loose",
    "ending",
)
"""The weights that data/checks.json holds."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """How far an answer is to be doubted, and why.

    Attributes:
        doubt: how likely the answer is not good enough, 0 to 1: an estimate.
        findings: what speaks against it, the strongest first.
    """

    doubt: float
    findings: tuple[Finding, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether the answer is worth asking a better model."""
        return self.doubt >= THRESHOLD

    @property
    def reason(self) -> str:
        """The strongest finding in words; empty where there is none."""
        return self.findings[0].reason if self.findings else ""


def question_length(prompt: str) -> float:
    """The signal of the question's length, without the choices that it offers."""
    return math.log1p(min(LONGEST, len(stem(prompt))) / 80)


def weigh(
    findings: Collection[Finding], prompt: str = "", weights: Weights | None = None
) -> Assessment:
    """What the findings in an answer to a prompt come to, by the fitted weights or by others."""
    chosen = weights or fitted_weights()
    kinds = sorted({finding.kind for finding in findings})
    known = chosen.bias + chosen.length * question_length(prompt)
    z = math.fsum([known, *(getattr(chosen, kind) for kind in kinds)])
    ordered = sorted(findings, key=lambda finding: -getattr(chosen, finding.kind))
    return Assessment(logistic(z), tuple(ordered))


@cache
def fitted_weights() -> Weights:
    """The priors with the fitted weights; without a sound file the priors alone, with a warning."""
    return read_fitted(Weights(), FITTED, "checks.json", "answers are checked by")


def with_fitted(found: object) -> Weights:
    """The priors with these values, by name, for all of the fitted weights.

    Raises:
        ValueError: they are not those that a file may hold.
    """
    return joined(Weights(), FITTED, found)
