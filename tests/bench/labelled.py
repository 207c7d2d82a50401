"""A router that learns from labels of the very pair of models: what a user's own labels may give.

Ridge regression of strong minus weak on the score that stands without labels, on the words of a
prompt (one and two of them in a row, by how rare they are, each prompt of length 1) and on its
shape (some fifty counts). It is linear, so it could be written down as weights; it is fitted to one
pair on one kind of prompt, and what it knows is mostly on which topics the two differ.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "fit_labels", "grams", "shape"]

Floats = NDArray[np.float64]

SHAPE_SHARE = 0.1  # of the weight of the words, for all counts of the shape together
SCORE_SHARE = 0.03  # the same for the score that it starts from
RIDGE = 20.0
FEWEST = 3  # prompts that a word must stand in
STEPS = 80

_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_WORD = re.compile(r"[^\W\d_]+")
_COMMON = frozenset(["the", "of", "and", "to", "in", "a", "is", "that", "for"])
_SETS = {
    "not": {"not", "except", "least", "never", "false", "incorrect", "without", "cannot"},
    "calculate": {"calculate", "compute", "determine", "find", "evaluate", "solve", "estimate"},
    "best": {"best", "most", "likely"},
    "how": {"how"},
    "why": {"why"},
    "which": {"which"},
    "following": {"following"},
    "statement": {"statement", "statements"},
}
_COUNTED = {
    "quantity": "each per every total remaining left more less fewer than average percent",
    "relation": "than as twice half times third quarter",
    "logic": "if then all some only must unless suppose assume given let such whose",
    "if": "if",
    "preposition": "of in for on with by from at",
}


def grams(prompt: str) -> set[str]:
    """Words and pairs of words in a row, in lower case; a number is a number."""
    words = ["#" if w.isdigit() else w for w in _TOKEN.findall(prompt.lower())]
    return {*words, *(f"{a} {b}" for a, b in pairwise(words))}


def shape(prompt: str) -> list[float]:
    """Counts of what a prompt is made of, most of them as logarithms."""
    text = re.sub(r"\n[A-J]\. ", "\n", prompt.removesuffix("\nAnswer:"))
    question = text.split("\n")[0] if "\nA. " in prompt else text
    words = _WORD.findall(text)
    lower = [word.lower() for word in words]
    count, different, total = Counter(lower), set(lower), len(words) or 1
    numbers = re.findall(r"\d+(?:[.,]\d+)*", text)
    long = [word for word in different if len(word) > 8]
    marks = {
        mark: math.log1p(text.count(mark)) for mark in ("=", "^", "(", "?", ",", "$", "%", '"')
    }
    found = [
        math.log1p(len(text)),
        math.log1p(len(question)),
        math.log1p(len(text) - len(question)),
        math.log1p(len(words)),
        math.log1p(len(different)),
        len(different) / total,
        sum(map(len, words)) / total,
        math.log1p(len(long)),
        len(long) / total,
        math.log1p(sum(len(word) > 11 for word in different)),
        float(max(map(len, words), default=0)),
        math.log1p(len(numbers)),
        len(numbers) / (total + len(numbers)),
        math.log1p(len(re.findall(r"\d\.\d", text))),
        math.log1p(len(re.findall(r"\d{3,}", text))),
        math.log1p(len(re.findall(r"\\[a-z]+|\$[^$]+\$", text))),
        math.log1p(len(re.findall(r"[^\w\s.,;:?!'\"-]", text))),
        math.log1p(len(re.findall(r"[.!?](?:\s|$)", text))),
        math.log1p(question.count("\n")),
        math.log1p(sum(word[0].isupper() for word in words[1:])),
        math.log1p(sum(word.isupper() and len(word) > 1 for word in words)),
        math.log1p(sum(len(word) == 1 for word in words)),
        float("?" not in question),
        float("__" in text or "..." in text),
        float(not text.isascii()),
        sum(count[word] for word in _COMMON) / total,
        *marks.values(),
        *(float(bool(different & wanted)) for wanted in _SETS.values()),
    ]
    counted = (sum(count[word] for word in listed.split()) for listed in _COUNTED.values())
    return found + [math.log1p(number) for number in counted]


class Rows:
    """Some prompts as rows of a sparse table of words beside a dense one of shapes."""

    def __init__(
        self, words: Sequence[set[str]], shapes: Floats, places: dict[str, int], rarity: Floats
    ) -> None:
        known = [[places[word] for word in sorted(found) if word in places] for found in words]
        self.shapes = shapes
        self.size = len(places)
        self.row = np.repeat(np.arange(len(words)), [len(found) for found in known])
        self.column = np.array([place for found in known for place in found], dtype=np.int64)
        values = rarity[self.column]
        length = np.sqrt(np.bincount(self.row, values**2, minlength=len(words)))
        self.value = values / np.where(length > 0, length, 1.0)[self.row]

    def times(self, weights: Floats) -> Floats:
        """The sum of each row."""
        split = self.shapes.shape[1]
        spread = self.value * weights[split:][self.column]
        words: Floats = np.bincount(self.row, spread, minlength=len(self.shapes))
        return words + self.shapes @ weights[:split]

    def gathered(self, values: Floats) -> Floats:
        """The sum of each column, the rows weighed."""
        spread = self.value * values[self.row]
        words = np.bincount(self.column, spread, minlength=self.size)
        return np.concatenate([self.shapes.T @ values, words])


def fit_labels(
    words: Sequence[set[str]],
    shapes: Floats,
    scores: Floats,
    gain: Floats,
    train: NDArray[np.bool_],
) -> Floats:
    """What a router that learned the gain of the `train` rows says of the other rows.

    Args:
        words: `grams` of each row.
        shapes: `shape` of each row.
        scores: the score of each row that stands without labels.
        gain: strong minus weak.
        train: which rows are learned from.
    """
    counts = Counter(w for w_set, used in zip(words, train, strict=True) if used for w in w_set)
    kept = sorted(word for word, number in counts.items() if number >= FEWEST)
    places = {word: place for place, word in enumerate(kept)}
    rarity = np.array([math.log(train.sum() / counts[word]) for word in kept])
    even = np.column_stack(
        [
            _even(scores[:, None], train) * math.sqrt(SCORE_SHARE),
            _even(shapes, train) * math.sqrt(SHAPE_SHARE / shapes.shape[1]),
        ]
    )
    of = [found for found, used in zip(words, train, strict=True) if used]
    others = [found for found, used in zip(words, train, strict=True) if not used]
    weights = _ridge(Rows(of, even[train], places, rarity), gain[train] - gain[train].mean())
    return Rows(others, even[~train], places, rarity).times(weights)


def _even(columns: Floats, train: NDArray[np.bool_]) -> Floats:
    """Each column with mean 0 and spread 1 over the rows that are learned from."""
    spread = columns[train].std(axis=0)
    found: Floats = (columns - columns[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return found


def _ridge(rows: Rows, target: Floats) -> Floats:
    """Least squares with RIDGE, by conjugate gradients."""
    weights = np.zeros(rows.shapes.shape[1] + rows.size)
    rest = rows.gathered(target)
    way, square = rest.copy(), float(rest @ rest)
    for _ in range(STEPS):
        if square < 1e-12:
            break
        turned = rows.gathered(rows.times(way)) + RIDGE * way
        step = square / float(way @ turned)
        weights += step * way
        rest -= step * turned
        before, square = square, float(rest @ rest)
        way = rest + square / before * way
    return weights
