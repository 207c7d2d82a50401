"""What a vote carries, and what votes tell of the tiers: labels to calibrate by.

A vote holds numbers, never text: the prompt's signals and, where prompts are kept anyway
(`log_text`), the numbers of its words. Votes outlive a deleted history, but the numbers of words go
with it: a guess at what was asked could be held against them.

Each answer stands for the cheapest tier that begins with its model. "good" and "poor" say of that
tier whether it was good enough; one on the strongest tier says nothing, since there is no other way
to send the prompt. A comparison, or an escalation whose second answer was judged too, says what the
dearer model would have gained. Where most poor answers were escalated and judged, "good" says it as
well: nothing. Else it must not, or every prompt that is known to gain would lack its counterpart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .calibration import LEARNED, Label
from .errors import OptionError, UnknownModelError
from .records import Request, Situation
from .routing import score_of, written_in
from .settings import Settings
from .signals import WORD_NUMBERS, read_words
from .verdicts import Verdict

__all__ = [
    "ANSWER",
    "COMPARE",
    "ESCALATE",
    "RETRY",
    "WORDS",
    "Taught",
    "Vote",
    "facts_of",
    "taught",
    "tier_of",
]

ANSWER, COMPARE, ESCALATE, RETRY = "answer", "compare", "escalate", "retry"
"""Kinds of rows: a word on an answer, a verdict on a comparison, an answer one tier up, a fresh
answer of the same route. The last says nothing of the tiers: a second draw is no better by rule."""

WORDS = ("good", "poor")
"""What may be said of an answer."""

Row = tuple[float, str | None, str, dict[str, Any]]
"""What `Ledger.votes` gives: time (epoch s), call_id, kind, data."""


def facts_of(request: Request, *, words: bool) -> dict[str, Any]:
    """What a vote carries of a prompt.

    Args:
        request: what was asked.
        words: whether the numbers of its words may be kept.
    """
    found = score_of(request, Situation())
    facts: dict[str, Any] = {"score": found.score}
    facts["signals"] = {
        name: round(value, 4) for name, value in found.signals.items() if name in LEARNED
    }
    if words:
        facts["words"] = list(read_words(written_in(request)[0]))
    return facts


@dataclass(frozen=True, slots=True)
class Taught:
    """What all votes say together.

    Attributes:
        labels: what can be learned from.
        votes: answers and comparisons that were judged.
        silent: how many of them say nothing, by why.
    """

    labels: tuple[Label, ...]
    votes: int
    silent: Mapping[str, int]

    @property
    def judged(self) -> int:
        """How many labels say whether a tier was good enough."""
        return sum(label.enough is not None for label in self.labels)

    @property
    def good(self) -> int:
        """How many of those say that it was."""
        return sum(label.enough is True for label in self.labels)

    @property
    def pairs(self) -> int:
        """How many labels come of two answers to the same prompt."""
        return sum(label.gain is not None for label in self.labels)

    @property
    def both(self) -> int:
        """How many labels of two answers say as well whether the tier was good enough."""
        return sum(None not in (label.enough, label.gain) for label in self.labels)


MOST_SIGNAL = 100.0
"""What no count of `read_signals` is above."""

STRONGEST = "of the strongest tier, where a prompt can go no further up"
NO_TIER = "of models that begin no tier"
SAME_TIER = "between models of one tier"
NO_SIGNALS = "without the prompt's signals"


@dataclass(frozen=True, slots=True)
class Vote:
    """The last word on one answer."""

    word: str
    model: str
    signals: Mapping[str, float] | None
    words: tuple[int, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Vote | None:
        """A vote from a row's data; None where it is none."""
        word, model = data.get("word"), data.get("model")
        if word not in WORDS or not isinstance(model, str):
            return None
        return cls(str(word), model, _signals(data), _words(data))


def taught(rows: Iterable[Row], settings: Settings) -> Taught:
    """What rows of votes say of the tiers of the settings; a row that makes no sense says nothing.

    Args:
        rows: oldest first; of two votes on one answer the later one counts.
        settings: whose tiers.
    """
    votes: dict[str, Vote] = {}
    pairs: dict[str, str] = {}
    labels: list[Label] = []
    silent: Counter[str] = Counter()
    compared = 0
    for _, call_id, kind, data in rows:
        if kind == ANSWER and call_id and (vote := Vote.of(data)) is not None:
            votes[call_id] = vote
        elif kind == ESCALATE and call_id and isinstance(data.get("of"), str):
            pairs[data["of"]] = call_id
        elif kind == COMPARE:
            compared += 1
            _add(labels, silent, _of_comparison(data, settings))
    above = {call_id: votes.get(pairs.get(call_id, "")) for call_id in votes}
    poor = [call_id for call_id, vote in votes.items() if vote.word == "poor"]
    judged = sum(above[call_id] is not None for call_id in poor)
    known = bool(judged) and 2 * judged >= len(poor)
    for call_id, vote in votes.items():
        _add(labels, silent, _of_answer(vote, above[call_id], settings, good_known=known))
    return Taught(tuple(labels), len(votes) + compared, silent)


def _add(labels: list[Label], silent: Counter[str], found: Label | str) -> None:
    if isinstance(found, str):
        silent[found] += 1
    else:
        labels.append(found)


def _of_answer(
    vote: Vote, above: Vote | None, settings: Settings, *, good_known: bool
) -> Label | str:
    """The label of a vote.

    Args:
        vote: the vote.
        above: what was said of the answer one tier up, if it was.
        settings: whose tiers.
        good_known: whether a good answer counts as one of a pair, which the other would not beat.
    """
    tier = tier_of(vote.model, settings)
    if tier is None:
        return NO_TIER
    if tier >= len(settings.tiers) - 1:
        return STRONGEST
    if vote.signals is None:
        return NO_SIGNALS
    if vote.word == "good":
        return Label(vote.signals, tier, True, 0.5 if good_known else None, vote.words)
    if above is None:
        return Label(vote.signals, tier, False, None, vote.words)
    mended = above.word == "good"
    enough, gain = (False, 1.0) if mended else (None, 0.5)
    return Label(vote.signals, tier, enough, gain, vote.words)


def _of_comparison(data: Mapping[str, Any], settings: Settings) -> Label | str:
    """The label of a verdict: the cheapest of its models against the dearer ones."""
    signals = _signals(data)
    try:
        verdict = Verdict.from_json(data)
    except (KeyError, TypeError, ValueError):
        return NO_SIGNALS
    if signals is None:
        return NO_SIGNALS
    tiers = {name: tier_of(name, settings) for name in verdict.models}
    known = [tier for tier in tiers.values() if tier is not None]
    if len(known) < len(verdict.models):
        return NO_TIER
    low, high = min(known), max(known)
    if low == high:
        return SAME_TIER
    if verdict.winner == "bad":
        return Label(signals, low, None, 0.5, _words(data))
    if verdict.winner == "tie":
        return Label(signals, low, True, 0.5, _words(data))
    won = tiers.get(verdict.winner)
    if won is None:
        return NO_SIGNALS
    return Label(signals, low, won == low, float(won > low), _words(data))


def tier_of(model: str, settings: Settings) -> int | None:
    """The place of the cheapest tier that begins with the model; None where none does."""
    try:
        name = settings.find(model).name
    except (OptionError, UnknownModelError):
        return None
    for place, tier in enumerate(settings.tiers):
        if settings.find(tier.chain[0]).name == name:
            return place
    return None


def _signals(data: Mapping[str, Any]) -> dict[str, float] | None:
    """The signals a vote carries; None where they are missing or cannot be true."""
    given = data.get("signals")
    if not isinstance(given, dict):
        return None
    found = {name: value for name, value in given.items() if name in LEARNED}
    for value in found.values():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not 0 <= value <= MOST_SIGNAL:
            return None
    return {name: float(value) for name, value in found.items()}


def _words(data: Mapping[str, Any]) -> tuple[int, ...]:
    given = data.get("words")
    if not isinstance(given, list):
        return ()
    numbers = {n for n in given if isinstance(n, int) and 0 <= n < WORD_NUMBERS}
    return tuple(sorted(numbers))
