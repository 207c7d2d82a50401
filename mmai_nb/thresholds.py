"""The bounds that the cost dial sets, from the user's own past prompts and the public ones.

The ledger is read rarely and a little of it, so that a call pays next to nothing for the dial, and
the bounds hold still while a notebook runs.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from .dial import ENOUGH, PUBLIC, Dial, expected_shares, public_scores, turned
from .ledger import Ledger
from .settings import Settings

__all__ = ["Thresholds"]

NEWEST = 1_000
"""So many of the newest prompts count: what is asked changes over the months."""

KEEPS_S = 600.0
"""Seconds for which what was read holds."""


Rescale = Callable[[float], float]


def _as_it_is(score: float) -> float:
    return score


@dataclass(frozen=True, slots=True)
class _Past:
    """Scores in rising order, whose they are, the public ones beside them, and until when."""

    scores: tuple[float, ...]
    basis: str
    public: tuple[float, ...]
    ledger: Ledger
    until: float


class Thresholds:
    """What the dial comes to just now.

    Args:
        ledger: gives the ledger in use.
        clock: seconds, monotonic.
    """

    def __init__(
        self, ledger: Callable[[], Ledger], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._clock = ledger, clock
        self._past: dict[tuple[bool, float], _Past] = {}
        self._made: dict[
            tuple[str | float, tuple[float, ...], bool, float], tuple[_Past, Dial]
        ] = {}

    def dial(
        self,
        prefer: str | float | None,
        settings: Settings,
        *,
        since: float = 0.0,
        rescale: Rescale = _as_it_is,
        bounds: tuple[float, ...] = (),
    ) -> Dial:
        """What a preference comes to; with None, what the tiers' own bounds do.

        Args:
            prefer: a checked one.
            settings: with the tiers it is for.
            since: scores that were recorded before are of another scale: seconds since the epoch.
                They count only where those since then are too few.
            rescale: what a score from before, or a public one, comes to since then.
            bounds: what holds without the dial; (): the tiers' own.
        """
        simulated = settings.models[settings.tiers[-1].chain[0]].simulated
        past = self._scores(simulated, since, rescale)
        bounds = bounds or tuple(tier.up_to for tier in settings.tiers)
        if prefer is None or not past.scores:
            return Dial(None, None, bounds, expected_shares(bounds, past.scores), past.basis)
        key = (prefer, bounds, simulated, since)
        made = self._made.get(key)
        if made is None or made[0] is not past:
            dial = turned(prefer, past.scores, bounds, past.basis, past.public)
            made = self._made[key] = past, dial
        return made[1]

    def refresh(self) -> None:
        """Read the ledger again at the next use."""
        self._past.clear()
        self._made.clear()

    def _scores(self, simulated: bool, since: float, rescale: Rescale) -> _Past:
        """The user's own scores, where there are enough; those of the demo are no real ones."""
        ledger, now = self._ledger(), self._clock()
        past = self._past.get((simulated, since))
        if past is None or past.ledger is not ledger or past.until < now:
            scores, basis = _own(ledger, simulated, since, rescale)
            public = tuple(map(rescale, _public()))
            if len(scores) < ENOUGH:
                scores, basis, public = public, PUBLIC, ()
            past = _Past(scores, basis, public, ledger, now + KEEPS_S)
            self._past[simulated, since] = past
        return past


def _own(
    ledger: Ledger, simulated: bool, since: float, rescale: Rescale
) -> tuple[tuple[float, ...], str]:
    """The user's own scores, in rising order, and which they are."""
    found = ledger.scores(since=since, simulated=simulated, most=NEWEST)
    note = " to the demo" if simulated else ""
    if since and len(found) < ENOUGH:
        older = ledger.scores(simulated=simulated, most=NEWEST)[len(found) :]  # the newest first
        found += map(rescale, older)
        note += ", most of them from before the calibration"
    return tuple(sorted(found)), f"your last {len(found):,} prompts{note}"


def _public() -> tuple[float, ...]:
    """The public scores; without a sound file none, with a warning."""
    try:
        return public_scores()
    except (OSError, ValueError, TypeError) as error:
        warnings.warn(
            f"data/scores.json cannot be used ({error!s:.80}): prefer goes by your own prompts "
            f"alone, once there are {ENOUGH}; install mmai_nb again",
            RuntimeWarning,
            stacklevel=2,
        )
        return ()
