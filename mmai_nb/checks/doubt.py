"""How likely an answer is not good enough: one number from what the checks have found."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from .finding import Finding

__all__ = ["THRESHOLD", "Assessment", "Weights", "weigh"]

THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Weights:
    """What each kind of finding adds before the logistic; none may be negative but the bias."""

    bias: float = -1.0
    empty: float = 6.0
    truncated: float = 3.0
    schema: float = 5.0
    refusal: float = 3.0
    arithmetic: float = 3.0
    final: float = 2.5
    contradiction: float = 3.0
    code: float = 3.0
    names: float = 1.5
    language: float = 2.0
    repetition: float = 3.0
    hedging: float = 0.5


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


def weigh(findings: Collection[Finding], weights: Weights) -> Assessment:
    """What the findings come to; each kind counts once, however often it was found."""
    kinds = {finding.kind for finding in findings}
    z = weights.bias + math.fsum(getattr(weights, kind) for kind in kinds)
    ordered = sorted(findings, key=lambda finding: -getattr(weights, finding.kind))
    return Assessment(round(1 / (1 + math.exp(-z)), 4), tuple(ordered))
