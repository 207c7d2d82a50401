"""The cost dial: how many prompts may go to the strongest tier, as bounds of the tiers.

`prefer` is a word or the share itself. Scores of past prompts say which bounds keep to it: the
share of them above the last bound is at most the asked one, and below it where many have the same
score. So it is an upper limit: a prompt whose score is not among the hardest never goes up because
some share is still free.

Of the rest, each tier may get twice as many as the next stronger one: prices rise more steeply than
that from tier to tier, so that the middle does not eat up what the top has saved.

A user's last prompts may be a batch of one kind, which says nothing of the next one. So their
bounds are never below those of a mixture, half of it public questions.

Two of the words mean a direction, too: with "cheap" no prompt goes to a dearer tier than without
the dial, with "quality" none to a cheaper one. So the share of "quality" is about, not at most.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import zip_longest

from .values import nearest, simple

__all__ = [
    "AS_THE_TIERS_SAY",
    "CALIBRATED",
    "ENOUGH",
    "NEVER",
    "PREFERENCES",
    "PUBLIC",
    "Dial",
    "bounds_for",
    "checked_prefer",
    "expected_shares",
    "limit_of",
    "percent",
    "public_scores",
    "share_of",
    "tier_at",
    "turn_said",
    "turned",
    "wholes",
]

PREFERENCES = {"cheap": 0.05, "balanced": 0.2, "quality": 0.5}
"""The words of the dial, each with the share of prompts that may go to the strongest tier; that of
quality is about, not at most.

On the public questions they recover 7, 28 and 64 % of what the strong model adds to the cheap one
(data/complexity.md).
"""

_DIRECTIONS = {
    "cheap": "; none to a dearer tier than without the dial",
    "quality": "; none to a cheaper tier than without the dial",
}

ENOUGH = 50
"""So many prompts of the user's own speak for themselves: a share of 20 % is then known to some
six points, which is less than exams and notebooks differ by."""

NEVER = -1.0
"""A bound below every score: nothing stays in this tier."""

PUBLIC = "public exam questions"
"""The basis of a dial where the user's own prompts are too few."""

AS_THE_TIERS_SAY = "as the tiers say"
"""The dial where it is not set."""

CALIBRATED = "no dial (calibrated)"
"""The same where a calibration has put other bounds in place of the tiers' own."""

FINEST = 1_000
"""Bounds are rounded up to so many parts of 1, to be told as they are."""


@dataclass(frozen=True, slots=True)
class Dial:
    """What a preference comes to.

    Attributes:
        prefer: as it was set; None where the tiers' own bounds hold.
        share: of prompts that may go to the strongest tier; None likewise.
        bounds: up to which score each tier serves.
        expected: the share of the prompts behind it that each tier gets.
        basis: whose prompts those are, in words.
        mixed: whether public questions had a say in the bounds beside them.
    """

    prefer: str | float | None
    share: float | None
    bounds: tuple[float, ...]
    expected: tuple[float, ...]
    basis: str
    mixed: bool = False

    def said(self, strongest: str) -> str:
        """The dial as a reason of a route; "" where it is not set.

        Args:
            strongest: the name of the last tier.
        """
        return _said(self, strongest)

    def limit_said(self, strongest: str, own: Sequence[float]) -> str:
        """What holds, in a sentence.

        Args:
            strongest: the name of the last tier.
            own: the tiers' own bounds.
        """
        if len(self.bounds) < 2:
            return f"{strongest} is the only tier: there is nothing to choose."
        if self.share == 0:
            return f"No prompt goes to {strongest}, unless it fits nowhere else."
        if self.share == 1:
            return f"Every prompt goes to {strongest}."
        if self.share is not None:
            limit = limit_of(self.prefer or 0.0).capitalize()
            direction = _DIRECTIONS.get(str(self.prefer), "")
            if self.mixed:  # the user's own may be easier than what the bounds were made for
                own_share = wholes(self.expected)[-1]
                limit = f"{limit} of prompts may go to {strongest}, and {own_share} of your last"
                return f"{limit} ones would{direction}."
            return f"{limit} of prompts go to {strongest}{direction}."
        if self.bounds == tuple(own):
            return "The tiers' own bounds hold."
        return "The bounds that your votes call for hold: %ai calibrate show."

    def shares_said(self, names: Sequence[str]) -> str:
        """Which tier serves up to which score, and the share of the prompts it gets.

        Args:
            names: of the tiers.
        """
        parts = []
        for name, bound, share in zip_longest(names, self.bounds, wholes(self.expected)):
            reach = "" if bound == 1 else ", none" if bound < 0 else f" up to {bound:g}"
            parts.append(f"{name}{reach}" + ("" if share is None else f" ({share})"))
        return " · ".join(parts)

    @property
    def between(self) -> str:
        """The bounds between the tiers: "0.41, 0.72"."""
        shown = ["–" if bound < 0 else f"{bound:g}" for bound in self.bounds[:-1]]
        return ", ".join(shown if len(shown) <= 4 else [*shown[:2], "…", *shown[-2:]])


@lru_cache(maxsize=64)  # told with every call
def _said(dial: Dial, strongest: str) -> str:
    if dial.share is None:
        return ""
    head = f"prefer {turn_said(dial.prefer)}"
    if len(dial.bounds) < 2:
        return f"{head}: no choice, {strongest} is the only tier"
    if dial.share >= 1:
        return f"{head}: every prompt goes to {strongest}"
    limit = limit_of(dial.prefer or 0.0) if dial.share else "none"
    thresholds = f"threshold{'s' * (len(dial.bounds) > 2)} {dial.between}"
    basis = dial.basis + " and public ones" * dial.mixed
    return f"{head}: {limit} to {strongest} ({thresholds} from {basis})"


def checked_prefer(value: object) -> str | float | None:
    """One of the words, or a share from 0 to 1, also as text: 0.2, "0.2", "20%"; "none" is None."""
    value = simple(value)
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "none")):
        return None
    if isinstance(value, str) and value.strip().lower() in PREFERENCES:
        return value.strip().lower()
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        words = ", ".join(PREFERENCES)
        near = nearest(value, PREFERENCES) if isinstance(value, str) else ""
        raise ValueError(f'must be {words} or a share of calls: 0 to 1, or such as "20%"{near}')
    return number


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        if isinstance(value, str):
            text = value.strip()
            return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        return float(value)
    except (ValueError, OverflowError):
        return None


def share_of(prefer: str | float) -> float:
    """The share of prompts that may go to the strongest tier."""
    return PREFERENCES[prefer] if isinstance(prefer, str) else prefer


def limit_of(prefer: str | float) -> str:
    """How many prompts may go to the strongest tier, in words: "at most 5 %"."""
    return f"{'about' if prefer == 'quality' else 'at most'} {percent(share_of(prefer))}"


def tier_at(score: float, bounds: Sequence[float]) -> int:
    """The number of the first tier whose bound is not below the score, else of the last."""
    return next((at for at, bound in enumerate(bounds) if score <= bound), len(bounds) - 1)


def turn_said(prefer: str | float | None) -> str:
    """A turn of the dial in words."""
    if prefer is None:
        return AS_THE_TIERS_SAY
    return prefer if isinstance(prefer, str) else percent(prefer)


def percent(share: float) -> str:
    """A share as people say it: "5 %", "12.5 %"."""
    return f"{100 * share:.3g} %"


def wholes(shares: Sequence[float]) -> list[str]:
    """Shares in whole percent; those of a whole add up to 100."""
    found = [math.floor(100 * share + 1e-9) for share in shares]
    missing = round(100 * sum(shares)) - sum(found)
    by_rest = sorted(range(len(found)), key=lambda at: found[at] - 100 * shares[at])
    for at in by_rest[:missing]:
        found[at] += 1
    return [f"{n} %" for n in found]


def turned(
    prefer: str | float,
    scores: Sequence[float],
    without: Sequence[float],
    basis: str,
    public: Sequence[float] = (),
) -> Dial:
    """What a preference comes to over the scores of past prompts.

    Args:
        prefer: a checked one.
        scores: of past prompts, in rising order.
        without: up to which score each tier serves without the dial.
        basis: whose prompts those are.
        public: scores of public questions, in rising order, where the prompts are the user's own.
    """
    share, tiers = share_of(prefer), len(without)
    bounds = bounds_for(share, scores, tiers)
    if public:
        bounds = tuple(map(max, bounds, bounds_for(share, _half_and_half(scores, public), tiers)))
    if prefer == "cheap":
        bounds = tuple(map(max, bounds, without))
    elif prefer == "quality":
        bounds = tuple(map(min, bounds, without))
    return Dial(prefer, share, bounds, expected_shares(bounds, scores), basis, bool(public))


def _half_and_half(scores: Sequence[float], public: Sequence[float]) -> list[float]:
    """A mixture, in rising order, to which both give as many."""
    steps = len(public)
    own = [scores[at * len(scores) // steps] for at in range(steps)] if scores else []
    return sorted([*own, *public])


def bounds_for(share: float, scores: Sequence[float], tiers: int) -> tuple[float, ...]:
    """Up to which score each tier serves; they never rise when the share does.

    Args:
        share: of prompts that may go to the strongest tier, 0 to 1; 0 is never, 1 is always.
        scores: of past prompts, in rising order; with none, only 0 and 1 can be kept to.
        tiers: how many there are, one at least.
    """
    below = tiers - 1
    bounds = []
    for tier in range(1, tiers):
        part = (2**below - 2 ** (below - tier)) / (2**below - 1)  # of the rest, up to this tier
        bounds.append(_bound(1 - (1 - share) * part, scores))
    return (*bounds, 1.0)


def _bound(share: float, scores: Sequence[float]) -> float:
    """The lowest bound that the next prompt is above with at most this likelihood.

    That is the past prompts' share and a little less: one more prompt is above the k-th highest of
    n with a likelihood of k / (n + 1).
    """
    if share >= 1:
        return NEVER
    above = min(math.floor(share * (len(scores) + 1) + 1e-9), len(scores)) - 1
    if above < 0:
        return 1.0
    found = scores[len(scores) - 1 - above]
    return min(1.0, math.ceil(round(found * FINEST, 6)) / FINEST)


def expected_shares(bounds: Sequence[float], scores: Sequence[float]) -> tuple[float, ...]:
    """The share of the prompts that each tier gets; nothing where there are none."""
    if not scores:
        return ()
    reach = [bisect_right(scores, bound) for bound in bounds[:-1]] + [len(scores)]
    starts = [0, *reach[:-1]]
    return tuple((end - start) / len(scores) for start, end in zip(starts, reach, strict=True))


@cache
def public_scores() -> tuple[float, ...]:
    """The scores of public exam questions: a thousand steps of their distribution, rising.

    They stand in for the user's own prompts as long as there are too few of those.

    Raises:
        OSError, ValueError: the file is missing or damaged.
    """
    found = json.loads((files(__package__) / "data" / "scores.json").read_bytes())
    if not isinstance(found, list) or not found:
        raise ValueError("data/scores.json holds no list of scores")
    scores = tuple(float(score) for score in found)
    if not all(0 <= score <= 1 for score in scores) or list(scores) != sorted(scores):
        raise ValueError("data/scores.json holds no scores in rising order")
    return scores
