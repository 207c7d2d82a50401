"""What a check has found wrong with an answer."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against an answer.

    Attributes:
        kind: the check that found it, a key of `WEIGHTS`.
        reason: in words a reader understands: "3 × 17 = 41 is wrong".
    """

    kind: str
    reason: str
