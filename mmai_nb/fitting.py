"""What votes teach: fitted with little faith in few votes, and held to cross-validation.

The score estimates how likely the cheapest tier's answer is not good enough. Two kinds of votes
teach two things. A vote on one answer tells how often a tier is good enough: it moves the level, no
more. Only who saw a cheaper and a dearer answer to the same prompt knows which prompts are worth
the dearer one: such pairs teach what the signals count. (On public data, ranking prompts by single
votes sends what no model can answer to the dearest one, and is worse than no votes at all.)

Everything is pulled towards no change, by as much as some twenty votes say; everything is bounded;
and a correction counts as a help only where it foretells votes that it was not fitted on.

Pure: no file, no clock. numpy is imported when something is fitted.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .calibration import (
    LEARNED,
    MOST_BIAS,
    MOST_SLOPE,
    MOST_WEIGHT,
    MOST_WORD,
    Calibration,
    Figures,
    Label,
    logistic,
    logit,
)
from .complexity import Weights, fitted_weights, with_offsets, words_part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["FEWEST", "FEWEST_FOR_WORDS", "FEWEST_PAIRS", "calibrate", "fit", "rescaling"]

FEWEST = 20
"""Votes below which nothing is fitted."""
FEWEST_PAIRS = 20
"""Pairs of answers below which the weights of the score stay as they are."""
FEWEST_FOR_WORDS = 50
"""Pairs below which they move by one factor for all, and words count nothing."""

How = Literal["level", "scale", "words"]
HOWS: tuple[How, ...] = ("level", "scale", "words")

FOLDS = 5
LEVEL_SPREAD = 0.5
"""How far, before the logistic, the level and the bounds are expected to be off."""
SCALE_SPREAD = 0.5
"""The same for a factor on all weights."""
WEIGHT_SPREAD = 0.15
"""The same for each weight."""
WORD_SPREAD = 0.5
"""The same for each number of words, in prompts of one word."""
FREE = 1e3
"""The same for what is not drawn to 0."""
MOST_LEVEL = 1.5
STEP = 0.5
"""How far, before the logistic, the level may fall beyond the hardest prompts with a vote."""
FEWEST_NEAR = 10
NEAREST = 0.2
"""What share of the votes, those nearest to a bound, must agree that it is off, and their least."""
LEAST_SCALE, MOST_SCALE = -0.9, 0.5
"""What no number of votes moves them beyond."""
SMALLEST_WORD = 0.005
"""What of a number of words is not worth keeping."""


def calibrate(
    labels: Sequence[Label], up_to: Sequence[float], weights: Weights | None = None
) -> tuple[Calibration, Figures]:
    """What the labels teach, as far as cross-validation says that it helps, and the figures.

    The weights of the signals move only where that foretells votes better than moving the level
    alone, and they move alone where the level does not help; `Figures.helps` tells whether any of
    it does.

    Args:
        labels: what is known; at least FEWEST that say whether a tier was good enough.
        up_to: the bounds of the tiers as they are set; the last is 1.
        weights: what each signal counts without the votes; default: as shipped.
    """
    weights = weights or fitted_weights()
    folds = [_fold(label) for label in labels]
    pairs = sum(label.gain is not None for label in labels)
    hows = HOWS if pairs >= FEWEST_FOR_WORDS else HOWS[:2]
    told: dict[tuple[How, bool], list[_Told]] = {(h, moves): [] for h in hows for moves in _EITHER}
    for number in range(FOLDS):
        train = [one for one, fold in zip(labels, folds, strict=True) if fold != number]
        test = [one for one, fold in zip(labels, folds, strict=True) if fold == number]
        for tried in hows:
            shape = _shape(train, weights, tried)
            for moves in _EITHER:
                made = _made(train, up_to, weights, shape, level=moves)
                gain = _gain_level(train, made, weights)
                told[tried, moves] += _foretold(test, made, up_to, weights, gain)
    plain = told["level", False]
    how: How = "scale" if _figures(told["level", True], told["scale", True]).helps else "level"
    if "words" in hows and _ranks_better(told["scale", True], told["words", True]):
        how = "words"
    figures = _figures(plain, told[how, True])
    order = _figures(plain, told[how, False])
    moves = figures.helps or not order.helps
    shape = _shape(labels, weights, how)
    return _made(labels, up_to, weights, shape, level=moves), figures if moves else order


_EITHER = (True, False)
"""Whether the level and the bounds move, too: the order alone may help where they do not."""


def _ranks_better(before: Sequence[_Told], after: Sequence[_Told]) -> bool:
    """Whether the gain of the dearer answer is foretold better, by more than half of its error."""
    better, error = _gain_won(before, after)
    return better > 0.5 * error


def fit(
    labels: Sequence[Label],
    up_to: Sequence[float],
    weights: Weights | None = None,
    *,
    how: How = "words",
) -> Calibration:
    """The correction that fits the labels best among those that move little.

    Args:
        labels: what is known; nothing moves without any.
        up_to: the bounds of the tiers as they are set.
        weights: what each signal counts without the votes; default: as shipped.
        how: what may move: the "level" alone, with it the "scale" of all weights, or each of them
            and those of "words" as well, as pairs say.
    """
    weights = weights or fitted_weights()
    return _made(labels, up_to, weights, _shape(labels, weights, how), level=True)


Shape = tuple[dict[str, float], dict[int, float]]
"""What is added to the weights, and for words."""


def _made(
    labels: Sequence[Label], up_to: Sequence[float], weights: Weights, shape: Shape, *, level: bool
) -> Calibration:
    """The correction of this shape: the usual prompt scores as before, but for the level."""
    offsets, words = dict(shape[0]), shape[1]
    judged = [label for label in labels if label.enough is not None and label.tier < len(up_to) - 1]
    if not judged:
        return Calibration({}, bounds=tuple(up_to))
    moved = with_offsets(weights, offsets)
    z = [_sum(moved, label, words) for label in judged]
    shift = _mean([_sum(weights, label) for label in judged]) - _mean(z)
    by, bounds = 0.0, tuple(up_to)
    if level:
        by, bounds = _level(judged, [one + shift for one in z], up_to)
    offsets["bias"] = round(max(-MOST_BIAS, min(MOST_BIAS, shift + by)), 4)
    return Calibration(offsets, words, bounds, level=round(by, 4), votes=len(judged))


def _shape(labels: Sequence[Label], weights: Weights, how: How) -> Shape:
    """What pairs add to the weights: a factor on all of them, a little for each, and for words."""
    import numpy as np

    pairs = [label for label in labels if label.gain is not None]
    if how == "level" or len(pairs) < FEWEST_PAIRS:
        return {}, {}
    counts = np.array([[label.signals.get(name, 0.0) for name in LEARNED] for label in pairs])
    own = np.array([getattr(weights, name) for name in LEARNED])
    z = weights.bias + counts @ own
    shares, numbers = _word_shares(pairs)
    even = counts - counts.mean(axis=0)
    columns = np.column_stack([np.ones(len(pairs)), z - z.mean(), even, shares])
    each = [WEIGHT_SPREAD] * len(LEARNED)
    spread = np.array([FREE, SCALE_SPREAD, *each, *[WORD_SPREAD] * len(numbers)])
    moving = columns.shape[1] if how == "words" else 2
    found = np.zeros(columns.shape[1])
    found[:moving] = _regression(columns[:, :moving], z, _gains(pairs), spread[:moving])
    scale = float(np.clip(found[1], LEAST_SCALE, MOST_SCALE))
    moved = scale * own + np.clip(found[2 : 2 + len(own)], -MOST_WEIGHT, MOST_WEIGHT)
    for at, name in enumerate(LEARNED):
        if name != "opening":
            moved[at] = max(moved[at], -own[at])  # a signal never makes a prompt look easier
    told = np.clip(found[2 + len(own) :], -MOST_WORD, MOST_WORD)
    return (
        {name: round(float(m), 4) for name, m in zip(LEARNED, moved, strict=True) if m},
        {
            n: round(float(w), 3)
            for n, w in zip(numbers, told, strict=True)
            if abs(w) > SMALLEST_WORD
        },
    )


def _gains(pairs: Sequence[Label]) -> Floats:
    import numpy as np

    return np.array([label.gain for label in pairs], dtype=float)


def _gain_level(labels: Sequence[Label], made: Calibration, weights: Weights) -> float:
    """What to add to the score to foretell the gain of the dearer answer."""
    import numpy as np

    pairs = [label for label in labels if label.gain is not None]
    if not pairs:
        return 0.0
    moved = with_offsets(weights, made.offsets)
    z = np.array([_sum(moved, label, made.words) for label in pairs])
    return float(_regression(np.ones((len(pairs), 1)), z, _gains(pairs), np.array([FREE]))[0])


def _word_shares(pairs: Sequence[Label]) -> tuple[Floats, list[int]]:
    """A row per pair, a column per number that stands in any of them; each row of length 1."""
    import numpy as np

    numbers = sorted({number for label in pairs for number in label.words})
    places = {number: place for place, number in enumerate(numbers)}
    shares = np.zeros((len(pairs), len(numbers)))
    for row, label in zip(shares, pairs, strict=True):
        if label.words:
            row[[places[number] for number in label.words]] = 1 / math.sqrt(len(label.words))
    return shares, numbers


def _level(
    judged: Sequence[Label], z: Sequence[float], up_to: Sequence[float]
) -> tuple[float, tuple[float, ...]]:
    """How much more often than the score says a tier fails, and the bounds after the first.

    The first bound is how much risk the user takes, and stays. The others say how much more the
    tiers above the first can do; votes on their answers tell that. Good answers to easy prompts
    say little of hard ones: see `_supported`.
    """
    import numpy as np

    cuts = [logit(bound) for bound in up_to[:-1]]
    tiers = np.array([label.tier for label in judged])
    columns = np.zeros((len(judged), len(cuts)))
    columns[:, 0] = 1.0
    for tier in range(1, len(cuts)):
        columns[tiers == tier, tier] = -1.0
    ahead = np.array(z) - np.array([cuts[tier] - cuts[0] for tier in tiers])
    failed = np.array([not label.enough for label in judged], dtype=float)
    found = _regression(columns, ahead, failed, np.full(len(cuts), LEVEL_SPREAD))
    found = np.clip(found, -MOST_LEVEL, MOST_LEVEL)
    bounds = [float(up_to[0])]
    for cut, moved in zip(cuts[1:], found[1:], strict=True):
        bounds.append(max(bounds[-1] + 0.01, min(0.99, round(logistic(cut + float(moved)), 2))))
    level = _supported(float(found[0]), ahead - cuts[0], failed, up_to[0])
    return level, (*bounds, 1.0) if max(bounds) < 1 else tuple(map(float, up_to))


def _supported(level: float, beyond: Floats, failed: Floats, risk: float) -> float:
    """The level as far as the votes near the bound bear it out.

    Args:
        level: how much more often than the score says a tier fails.
        beyond: how far the prompt of each vote is above its bound, before the logistic.
        failed: 1 where its answer was not good enough.
        risk: how often answers to prompts at the bound may fail.
    """
    import numpy as np

    nearest = np.argsort(np.abs(beyond), kind="stable")
    fails = float(failed[nearest[: max(FEWEST_NEAR, int(NEAREST * len(nearest)))]].mean())
    if (fails >= risk) != (level > 0):
        return 0.0
    reached = max(0.0, float(np.quantile(beyond, 0.9)))
    return max(level, -reached - STEP)


def _regression(columns: Floats, ahead: Floats, target: Floats, spread: Floats) -> Floats:
    """Logistic regression beside a fixed part, each weight drawn to 0 by its spread."""
    import numpy as np

    weights = np.zeros(columns.shape[1])
    pull = 1 / spread**2
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(ahead + columns @ weights, -30, 30)))
        slope = columns.T @ (p - target) + pull * weights
        curve = (columns * (p * (1 - p))[:, None]).T @ columns + np.diag(pull)
        step = np.linalg.solve(curve, slope)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))  # never far at once
        weights -= step
        if float(np.abs(step).max()) < 1e-8:
            break
    return weights


def rescaling(
    labels: Sequence[Label], before: Calibration | None, after: Calibration
) -> tuple[float, float]:
    """Slope and shift from the scores before to those after, by least squares on the labels."""
    if not labels:
        return 1.0, 0.0
    was = [_score(label, before) for label in labels]
    now = [_score(label, after) for label in labels]
    middle, centre = _mean(was), _mean(now)
    spread = sum((one - middle) ** 2 for one in was)
    joint = sum((a - middle) * (b - centre) for a, b in zip(was, now, strict=True))
    slope = min(max(joint / spread, 0.0), MOST_SLOPE) if spread > 1e-9 else 1.0
    return round(slope, 4), round(max(-MOST_BIAS, min(MOST_BIAS, centre - slope * middle)), 4)


def _score(label: Label, made: Calibration | None) -> float:
    if made is None:
        return _sum(fitted_weights(), label)
    return _sum(with_offsets(fitted_weights(), made.offsets), label, made.words)


# -- measuring


@dataclass(frozen=True, slots=True)
class _Told:
    """What was said of one label before it was seen.

    `chance` that the tier fails, `goes_up`: the side of its bound, `gain`: the chance that the
    dearer answer is better.
    """

    label: Label
    score: float
    chance: float
    goes_up: bool
    gain: float
    fold: int

    @property
    def loss(self) -> float:
        return _loss(self.chance, float(not self.label.enough))

    @property
    def gain_loss(self) -> float:
        return _loss(self.gain, self.label.gain or 0.0)

    @property
    def right(self) -> bool:
        return self.goes_up != self.label.enough


def _loss(said: float, seen: float) -> float:
    said = min(max(said, 1e-6), 1 - 1e-6)
    return -seen * math.log(said) - (1 - seen) * math.log(1 - said)


def _foretold(
    labels: Sequence[Label],
    made: Calibration,
    up_to: Sequence[float],
    weights: Weights,
    gain_level: float = 0.0,
) -> list[_Told]:
    moved = with_offsets(weights, made.offsets)
    bounds, told = made.bounds, []
    for label in labels:
        if label.tier >= len(up_to) - 1:
            continue
        z = _sum(moved, label, made.words)
        better = logit(bounds[label.tier]) - logit(bounds[0])
        up = logistic(z) > bounds[label.tier]
        gain = logistic(z + gain_level)
        told.append(_Told(label, z, logistic(z - better), up, gain, _fold(label)))
    return told


def _figures(before: Sequence[_Told], after: Sequence[_Told]) -> Figures:
    judged = [
        (was, now) for was, now in zip(before, after, strict=True) if was.label.enough is not None
    ]
    if not judged:
        return Figures()
    won = [was.loss - now.loss for was, now in judged]
    righted = [float(now.right) - float(was.right) for was, now in judged]
    gain, gain_error = _gain_won(before, after)
    return Figures(
        votes=len(won),
        right_before=_mean([was.right for was, _ in judged]),
        right_after=_mean([now.right for _, now in judged]),
        right_error=_error(righted),
        loss_before=_mean([was.loss for was, _ in judged]),
        loss_after=_mean([now.loss for _, now in judged]),
        loss_error=_error(won),
        gain=gain,
        gain_error=gain_error,
        pairs=sum(one.label.gain is not None for one in before),
        ranks_before=_ranks(before),
        ranks_after=_ranks(after),
    )


def _gain_won(before: Sequence[_Told], after: Sequence[_Told]) -> tuple[float, float]:
    """By how much less the gain of pairs comes as a surprise, and the standard error of it."""
    pairs = zip(before, after, strict=True)
    won = [was.gain_loss - now.gain_loss for was, now in pairs if was.label.gain is not None]
    return (_mean(won), _error(won)) if len(won) >= FEWEST_PAIRS else (0.0, 0.0)


def _ranks(told: Sequence[_Told]) -> float | None:
    """Of pairs: how often what was worth the dearer answer has a higher score than what was not.

    Only prompts of one fold are held against each other: each fold has weights of its own.
    """
    won = count = 0.0
    for number in range(FOLDS):
        here = [one for one in told if one.label.gain is not None and one.fold == number]
        worth = [one.score for one in here if one.label.gain == 1]
        others = sorted(one.score for one in here if one.label.gain != 1)
        won += sum((bisect_left(others, a) + bisect_right(others, a)) / 2 for a in worth)
        count += len(worth) * len(others)
    return won / count if count else None


def _fold(label: Label) -> int:
    """The same for prompts that look the same, on every machine."""
    import zlib

    seen = sorted((name, round(value, 3)) for name, value in label.signals.items() if value)
    return zlib.crc32(repr(seen).encode()) % FOLDS


def _sum(weights: Weights, label: Label, words: Mapping[int, float] | None = None) -> float:
    """What stands before the logistic."""
    signals = label.signals.items()
    z: float = weights.bias + sum([getattr(weights, name) * value for name, value in signals])
    return z + words_part(words, label.words) if words else z


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _error(values: Sequence[float]) -> float:
    """The standard error of their mean."""
    mean, count = _mean(values), len(values)
    spread = math.sqrt(sum((one - mean) ** 2 for one in values) / max(count - 1, 1))
    return spread / math.sqrt(count)
