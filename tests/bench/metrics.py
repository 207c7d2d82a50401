"""How much of the gap between a cheap and a strong model a router recovers, and for how much.

For each share of prompts that goes to the strong model, the highest scores first: recovered = what
it adds to the quality, 1 = what the strong model adds when it answers everything.

    APGR     area under recovered(share): 0.5 for a coin, 1 for a router that costs nothing
    CPT(p)   the share of strong calls at which p of the gap is recovered: lower is better

Both as RouteLLM (arXiv 2406.18665) measures them, at tenths of the share. Equal scores go in
random order: the curve is the mean over all orders, so no draw is needed.

A router that looks at the cheap model's answer has paid for it: an escalated prompt pays for both.
Its share is therefore counted in money, on the scale where 0 is always cheap and 1 always strong.
One that asks other cheap models before it decides has paid for them as well, on every prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figures", "apgr", "bootstrap", "call_share", "figures", "interval", "recovered"]

Floats = NDArray[np.float64]
TENTHS: Floats = np.linspace(0, 1, 11)


@dataclass(frozen=True, slots=True)
class Figures:
    """APGR, and CPT(50) and CPT(80) in percent; infinite where the share is never reached."""

    apgr: float
    cpt50: float
    cpt80: float


def recovered(
    scores: Floats,
    weak: Floats,
    strong: Floats,
    *,
    counts: Floats | None = None,
    weak_price: float = 0.0,
    others_price: float = 0.0,
) -> Floats:
    """What part of the gap is recovered at 0, 10, … 100 % of the money between cheap and strong.

    Args:
        scores: what a router says of each prompt; the highest go to the strong model first.
        weak: quality of the cheap model's answer to each prompt.
        strong: quality of the strong model's.
        counts: how often each prompt counts; once where not given.
        weak_price: what a cheap call costs, as a part of a strong one, if escalated prompts pay
            for both; 0 for a router that decides before any call.
        others_price: what the other models that every prompt is put to cost, as such a part.

    Raises:
        ValueError: the strong model is not better, so there is no gap.
    """
    counts = np.ones(len(scores)) if counts is None else counts
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    calls = np.concatenate(([0.0], np.cumsum(counts[order])[ends]))
    gains = np.concatenate(([0.0], np.cumsum((counts * (strong - weak))[order])[ends]))
    if gains[-1] <= 0:
        raise ValueError("the strong model is not better than the cheap one: no gap to recover")
    left = TENTHS * (1 - weak_price) - others_price
    parts: Floats = np.interp(left * calls[-1], calls, gains / gains[-1])
    return parts


def apgr(curve: Floats) -> float:
    """The area under a curve of `recovered`."""
    return float(np.trapezoid(curve, TENTHS))


def call_share(curve: Floats, part: float) -> float:
    """CPT: the first share, in percent, at which `part` of the gap is recovered."""
    reached = np.flatnonzero(curve >= part)
    if not len(reached):
        return float("inf")
    end = int(reached[0])
    if end == 0:
        return 0.0
    low, high = curve[end - 1], curve[end]
    return float(100 * (TENTHS[end - 1] + 0.1 * (part - low) / (high - low)))


def figures(curve: Floats) -> Figures:
    """The three figures of a curve of `recovered`."""
    return Figures(apgr(curve), call_share(curve, 0.5), call_share(curve, 0.8))


def bootstrap(
    scores: Mapping[str, Floats],
    weak: Floats,
    strong: Floats,
    *,
    prices: Mapping[str, tuple[float, float]] | None = None,
    rounds: int = 1000,
    seed: int = 0,
) -> dict[str, Floats]:
    """APGR, CPT(50) and CPT(80) of each router on prompts drawn with replacement, one row a round.

    Each round draws once for all of them, so that rows may be subtracted. A round without a gap
    is left out. `prices` holds `weak_price` and `others_price` by name.
    """
    draw = np.random.default_rng(seed)
    chance = np.full(len(weak), 1 / len(weak))
    prices = prices or {}
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in scores}
    for _ in range(rounds):
        counts = draw.multinomial(len(weak), chance).astype(float)
        if counts @ (strong - weak) <= 0:
            continue
        for name, values in scores.items():
            own, others = prices.get(name, (0.0, 0.0))
            curve = recovered(
                values, weak, strong, counts=counts, weak_price=own, others_price=others
            )
            rows[name].append((apgr(curve), call_share(curve, 0.5), call_share(curve, 0.8)))
    return {name: np.array(found) for name, found in rows.items()}


def interval(values: Floats) -> tuple[float, float]:
    """The middle 95 % of what a bootstrap gave."""
    low, high = np.quantile(values, (0.025, 0.975), method="nearest")
    return float(low), float(high)
