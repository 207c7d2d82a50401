"""What votes taught the router, as plain data: a correction of the score, and bounds of the tiers.

Whatever is read back is checked: nothing moves further than votes may move it. How it is found
stands in fitting.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from .complexity import Weights, fitted_weights
from .signals import WORD_NUMBERS

__all__ = [
    "LEARNED",
    "MOST_BIAS",
    "MOST_SLOPE",
    "MOST_WEIGHT",
    "MOST_WORD",
    "Calibration",
    "Figures",
    "Label",
    "logistic",
    "logit",
]

VERSION = 1
LONGEST_NAME = 200
MOST_COUNTED = 10**9
MOST_FIGURE = 100.0
LAST_SECOND = 1e11
MOST_WEIGHT = 0.6
MOST_WORD = 3.0
MOST_BIAS = 8.0
MOST_SLOPE = 3.0
"""What no number of votes moves anything beyond, before the logistic."""

MOST_SENT_WRONG = 0.05
"""By how much the share of prompts at the right tier may fall for a better order of them."""

LEARNED = tuple(
    name for name in Weights.__dataclass_fields__ if name not in ("bias", "output", "again")
)
"""The weights that pairs move. The others are about how something was asked."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of one prompt.

    Attributes:
        signals: what `read_signals` counts in it; what is missing is 0.
        words: the numbers of its words; empty where they were not kept.
        tier: the place of the tier that was judged, the cheaper one of a pair; 0 is the cheapest.
        enough: whether its answer was good enough; None where nobody can tell.
        gain: of a pair, 1 where the dearer answer was better, 0.5 where neither was, 0 where the
            cheaper one was; None where only one answer was seen.
    """

    signals: Mapping[str, float]
    tier: int = 0
    enough: bool | None = None
    gain: float | None = None
    words: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """How well votes are foretold that were not fitted on, before and after.

    Attributes:
        votes: how many of them say whether a tier was good enough.
        right_before, right_after: the share that went to the right side of the tier's bound.
        right_error: standard error of what they differ by.
        loss_before, loss_after: mean log-loss; lower is better, 0.69 is a coin.
        loss_error: standard error of what they differ by.
        gain: how much better it is foretold when the dearer answer is better, in log-loss;
            `gain_error` its standard error.
        pairs: how many pairs of answers there are.
        ranks_before, ranks_after: how often, of two prompts of which only one was worth the dearer
            answer, that one has the higher score; 0.5 is a coin, None without both kinds.
    """

    votes: int = 0
    right_before: float = 0.0
    right_after: float = 0.0
    right_error: float = 0.0
    loss_before: float = 0.0
    loss_after: float = 0.0
    loss_error: float = 0.0
    gain: float = 0.0
    gain_error: float = 0.0
    pairs: int = 0
    ranks_before: float | None = None
    ranks_after: float | None = None

    @property
    def sends_wrong(self) -> bool:
        """Whether clearly fewer prompts go to the right tier."""
        return self.right_before - self.right_after > max(self.right_error, MOST_SENT_WRONG)

    @property
    def helps(self) -> bool:
        """Whether it foretells one thing better by more than the standard error, neither worse.

        And not clearly fewer prompts may go to the right tier: that is what the user sees and pays.
        """
        if self.sends_wrong:
            return False
        better = self.loss_before - self.loss_after
        return (better > self.loss_error and self.gain >= -self.gain_error) or (
            self.gain > self.gain_error > 0 and better >= -self.loss_error
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learned from votes.

    Attributes:
        offsets: what is added to the weights of the score, by their names.
        words: what is added for words, by their numbers.
        bounds: up to which score each tier serves; they hold for the tiers they were made for.
        tiers: names of those tiers; `up_to` their own bounds.
        level: how far the usual prompt is moved before the logistic.
        slope, shift: what a score from before comes to, on the voted prompts and before the
            logistic: slope times it plus shift.
        votes: how many taught something.
        created: seconds since the epoch.
        figures: before and after.
    """

    offsets: Mapping[str, float]
    words: Mapping[int, float] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    tiers: tuple[str, ...] = ()
    up_to: tuple[float, ...] = ()
    level: float = 0.0
    slope: float = 1.0
    shift: float = 0.0
    votes: int = 0
    created: float = 0.0
    figures: Figures = field(default_factory=Figures)

    def bounds_for(self, tiers: Sequence[str], up_to: Sequence[float]) -> tuple[float, ...]:
        """Its bounds, if these are the tiers that they were made for and they differ; else ()."""
        same = (tuple(tiers), tuple(up_to)) == (self.tiers, self.up_to)
        return self.bounds if same and self.bounds != self.up_to else ()

    def rescaled(self, score: float) -> float:
        """What a score from before it comes to now, on average."""
        return round(logistic(self.slope * logit(min(max(score, 1e-6), 1 - 1e-6)) + self.shift), 4)

    def as_json(self) -> dict[str, Any]:
        """Plain data for a file; the inverse of `from_json`."""
        words = {str(number): weight for number, weight in self.words.items()}
        return {"version": VERSION, **asdict(self), "words": words}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """A calibration from what `as_json` gave, whoever wrote it.

        Raises:
            ValueError: it is no such data, of another version, or moves more than votes may.
        """
        if not isinstance(data, Mapping) or "version" not in data:
            raise ValueError("it is no calibration")
        if data["version"] != VERSION:
            raise ValueError(f"its version is not {VERSION}")
        try:
            given = {name: data[name] for name in cls.__dataclass_fields__}
            figures = {
                name: _count(value) if name in ("votes", "pairs") else _figure(name, value)
                for name, value in given["figures"].items()
            }
            made = cls(
                offsets={str(name): _number(value) for name, value in given["offsets"].items()},
                words={int(n): _number(weight) for n, weight in given["words"].items()},
                bounds=tuple(map(_number, given["bounds"])),
                tiers=tuple(map(str, given["tiers"])),
                up_to=tuple(map(_number, given["up_to"])),
                level=_number(given["level"]),
                slope=_number(given["slope"]),
                shift=_number(given["shift"]),
                votes=_count(given["votes"]),
                created=_number(given["created"]),
                figures=Figures(**figures),  # type: ignore[arg-type]
            )
        except (AttributeError, KeyError, OverflowError, TypeError) as error:
            raise ValueError("it is no calibration") from error
        _check(made)
        return made


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("it holds what is no number")
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MOST_COUNTED:
        raise ValueError("it holds what is no count")
    return value


def _figure(name: str, value: Any) -> float | None:
    if value is None and name.startswith("ranks_"):
        return None
    number = _number(value)
    if abs(number) > MOST_FIGURE:
        raise ValueError("it holds what is no figure of votes")
    return number


def _check(made: Calibration) -> None:
    """Refuse what `fit` cannot have given.

    Raises:
        ValueError: it is.
    """
    weights = fitted_weights()
    for name, offset in made.offsets.items():
        if name not in (*LEARNED, "bias"):
            raise ValueError(f"there is no weight {name[:40]!r} to move")
        if abs(offset) > _most(name, weights) + 1e-6:
            raise ValueError(f"{name} is moved by {offset:+.2f}, more than votes may")
    for number, weight in made.words.items():
        if not 0 <= number < WORD_NUMBERS or abs(weight) > MOST_WORD:
            raise ValueError("it moves words by more than votes may")
    bounds = made.bounds
    if not (0 <= made.slope <= MOST_SLOPE and abs(made.shift) <= MOST_BIAS):
        raise ValueError("it moves older scores by more than votes may")
    if not all(name.isprintable() and len(name) <= LONGEST_NAME for name in made.tiers):
        raise ValueError("it holds what is no tier's name")
    if not 0 <= made.created <= LAST_SECOND:
        raise ValueError("it holds what is no time")
    if not len(bounds) == len(made.tiers) == len(made.up_to):
        raise ValueError("it has another number of bounds than of tiers")
    for ends in (bounds, made.up_to):
        if ends and (not all(0 < b <= 1 for b in ends) or ends[-1] != 1):
            raise ValueError("its bounds do not end at 1")
        if any(low >= high for low, high in pairwise(ends)):
            raise ValueError("its bounds do not rise")


def _most(name: str, weights: Weights) -> float:
    """How far a weight may be moved; the bias also makes up for what the other weights move."""
    return MOST_BIAS if name == "bias" else abs(getattr(weights, name)) + MOST_WEIGHT


def logit(share: float) -> float:
    """What stands before the logistic, for a share between 0 and 1."""
    return math.log(share / (1 - share))


def logistic(z: float) -> float:
    """The share that it comes to."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, z))))
