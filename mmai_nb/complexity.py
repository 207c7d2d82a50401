"""How hard a prompt looks, from its text alone: a score from 0 to 1, and why.

The score is logistic(bias + sum of weight * signal): an estimate of how likely the answer of a
cheap model is not good enough. Every part of it can be read and told, and only an opening
("what is …", "translate …") pulls down: adding a traceback, a constraint or a task never lowers it.

Two kinds of weights stand side by side. Those of `Weights` that have a value here are set by hand:
priors for length and code, and for all that exam questions do not show. The others and the bias are
fitted on public data; they are read from data/complexity.json, and what they were fitted on, how
well they do and what they cannot do stands beside it in data/complexity.md.

What a user's own votes add to the weights comes as offsets; see fitting.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from .fitted import joined, logistic, read_fitted
from .records import Complexity
from .signals import READ, read_signals, read_words

__all__ = [
    "FITTED",
    "Weights",
    "fitted_weights",
    "score",
    "with_fitted",
    "with_offsets",
    "words_part",
]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each signal adds before the logistic.

    All but `bias` and `opening` must not be negative: the promise above rests on it.
    """

    bias: float = -1.15  # fitted; this value is for priors alone
    length: float = 0.5  # per e-fold of 1 + letters / 80: 100 tokens 0.9, 1,000 tokens 2.0
    opening: float = -0.5  # greeting or look-up; fades to 0.4 of it in long prompts
    ask: float = 0.5  # explain, write, why, and the verbs of the next two rows; 0.7 of it for how
    hard: float = 1.1  # design, compare, debug, optimise: 1 at 3
    proof: float = 1.3  # prove, derive, show that
    expert: float = 0.6  # terms of medicine, law, systems, statistics: 1 at 3
    maths: float = 0.1  # signs, LaTeX and terms: 1 at 3
    code: float = 0.6  # lines or fences of code: 1 at 2
    code_size: float = 0.3  # per e-fold of 1 + lines of code / 20: 80 lines 0.5
    coding: float = 0.6  # words that ask for code: 1 at 2, less what `code` has; at most as `code`
    traceback: float = 0.5
    tasks: float = 1.0  # list items, further questions, further verbs, then: 1 at 5
    constraints: float = 1.1  # must, exactly, without, at least: 1 at 4
    data: float = 0.5  # tables and frames: 1 at 4
    output: float = 0.2  # the answer is wanted as code or JSON
    again: float = 0.8  # asked before and not answered well: once 1, more often 2
    names: float = 0.0  # fitted, per e-fold of 1 + words with a capital
    brackets: float = 0.0  # fitted, per e-fold of 1 + opening brackets
    quantities: float = 0.0  # fitted, per e-fold of 1 + different words such as each, twice, ratio


FITTED = ("bias", "names", "brackets", "quantities")
"""The weights that data/complexity.json holds."""

MOST_WORDS = 1.5
"""What the words of a prompt may add, or take away, before the logistic."""

_WHY = {
    "ask": "asks to explain or write",
    "hard": "asks to analyse or design",
    "proof": "asks for a proof",
    "expert": "specialist terms",
    "maths": "contains maths",
    "code": "contains code",
    "code_size": "a lot of code",
    "coding": "asks for code",
    "traceback": "contains a traceback",
    "tasks": "several tasks",
    "constraints": "several constraints",
    "data": "contains data",
    "output": "structured answer",
    "again": "asked again",
    "names": "many names or sentences",
    "brackets": "many brackets",
    "quantities": "compares quantities",
    "words": "words of prompts you voted on",
}
_WORTH_TELLING = 0.2  # of the sum before the logistic
_CODELIKE = re.compile(r"\w[(\[]|[={};]")
"""Where one of these stands, "no code" would be too much to say."""
_LONG = math.log1p(600 / 80)  # the signal of 600 letters, 150 tokens
_SHORT = math.log1p(240 / 80)


def score(
    text: str,
    *,
    data: str = "",
    frames: int = 0,
    format: str = "markdown",
    again: int = 0,
    weights: Weights | None = None,
    offsets: Mapping[str, float] | None = None,
    words: Mapping[int, float] | None = None,
) -> Complexity:
    """How hard a prompt looks: 0 trivial … 1 hard, to 4 digits, with up to three reasons in words.

    Deterministic, without network. Reads at most 20,000 characters of any text.

    Args:
        text: the prompt.
        data: values put into it, which are no words of the user's: they count by a tenth of their
            length, and by a traceback among them.
        frames: how many DataFrames stand in it.
        format: how the answer is wanted; code and json weigh a little.
        again: how often the same was asked before and not answered well.
        weights: what each signal counts; the fitted weights where not given.
        offsets: what is added to the weights, by their names.
        words: what is added for words, by their numbers.
    """
    weights = weights or fitted_weights()
    signals = read_signals(text, data, frames=frames, format=format, again=again)
    seen = {name: value for name, value in signals.items() if value}
    shipped = logistic(_sum(weights, seen)) if offsets or words else None
    chosen = with_offsets(weights, offsets) if offsets else weights
    parts = {name: getattr(chosen, name) * value for name, value in seen.items()}
    if words:
        parts["words"] = words_part(words, read_words(text))
    z = chosen.bias + sum(parts.values())
    return Complexity(logistic(z), _reasons(parts, signals, text, data, z), seen, shipped)


def words_part(weights: Mapping[int, float], words: Sequence[int]) -> float:
    """What the words of a prompt add before the logistic, at most MOST_WORDS either way."""
    if not words:
        return 0.0
    part = sum([weights.get(number, 0.0) for number in words]) / math.sqrt(len(words))
    return max(-MOST_WORDS, min(MOST_WORDS, part))


def _sum(weights: Weights, signals: Mapping[str, float]) -> float:
    parts: float = sum([getattr(weights, name) * n for name, n in signals.items()])
    return weights.bias + parts


def with_offsets(weights: Weights, offsets: Mapping[str, float]) -> Weights:
    """The weights with these added; one that may not be negative stays at 0.

    Raises:
        ValueError: there is no such weight.
    """
    moved = {}
    for name, offset in offsets.items():
        if name not in Weights.__dataclass_fields__:
            raise ValueError(f"there is no weight {name[:40]!r}")
        value = getattr(weights, name) + offset
        moved[name] = value if name in ("bias", "opening") else max(0.0, value)
    return replace(weights, **moved)


@cache
def fitted_weights() -> Weights:
    """The priors with the fitted weights; without a sound file the priors alone, with a warning."""
    return read_fitted(Weights(), FITTED, "complexity.json", "complexity is scored by")


def with_fitted(found: object) -> Weights:
    """The priors with these values, by name, for all of the fitted weights.

    Raises:
        ValueError: they are not those that a file may hold.
    """
    return joined(Weights(), FITTED, found)


def _reasons(
    parts: Mapping[str, float], signals: Mapping[str, float], text: str, data: str, z: float
) -> tuple[str, ...]:
    """What raised the score most, strongest first; then what kept it low, where it is low."""
    why = _WHY | ({"length": _long(text, data)} if signals["length"] >= _LONG else {})
    high = [name for name, part in parts.items() if part >= _WORTH_TELLING and name in why]
    found = [why[name] for name in sorted(high, key=lambda name: -parts[name])]
    if z < 0:
        found += _low_reasons(signals, text)
    return tuple(found[:3])


def _long(text: str, data: str) -> str:
    """What is long of a long prompt: the words of the user's, or what is put into them."""
    if len(data) // 10 > len(text):
        return f"long data ({len(data):,} characters)"
    return f"long ({len(text):,} characters)"


def _low_reasons(signals: Mapping[str, float], text: str) -> list[str]:
    reasons = []
    if signals["length"] < _SHORT:
        reasons.append("short question" if signals["opening"] else "short")
    codelike = signals["code"] or signals["coding"] or _CODELIKE.search(text, 0, READ)
    if not codelike:
        reasons.append("no code")
    return reasons
