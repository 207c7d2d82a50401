"""Which local model serves which tier: by its number of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..providers import TIER_BOUNDS

__all__ = ["tiers_by_size"]

UNKNOWN = 7.0
"""Billions of parameters a model is taken to have where nobody says."""
WEAK = 3.0
"""Below so many billions a model goes first only if there is no larger one."""
SOLID = 7.0
"""From so many on it goes first for standard prompts."""
LONGEST_CHAIN = 3


def tiers_by_size(sizes: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """The default tiers over these models, as settings take them.

    Simple prompts go to the smallest model that is not weak, complex ones to the largest, those
    between to the smallest solid one; then come the next in size, larger ones first.

    Args:
        sizes: billions of parameters by name; None where unknown.
    """
    known = {name: UNKNOWN if size is None else size for name, size in sizes.items()}
    ordered = sorted(known, key=lambda name: (known[name], name))
    able = [name for name in ordered if known[name] >= WEAK] or ordered[-1:]
    solid = [name for name in able if known[name] >= SOLID] or able[-1:]
    firsts = dict(zip(TIER_BOUNDS, (able[0], solid[0], able[-1]), strict=True))
    return [
        {"name": tier, "up_to": bound, "chain": _chain(firsts[tier], ordered)}
        for tier, bound in TIER_BOUNDS.items()
    ]


def _chain(first: str, ordered: list[str]) -> list[str]:
    """The first model, then its nearest in size."""
    here = ordered.index(first)
    ranks = range(len(ordered))
    near = sorted(ranks, key=lambda rank: (abs(rank - here), rank < here))
    return [ordered[rank] for rank in near[:LONGEST_CHAIN]]
