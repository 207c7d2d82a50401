"""What the user thinks of an answer: a word on it, the question once more, or one tier up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .answer import Answer
from .errors import MmaiError, OptionError
from .keeping import Parse
from .records import Request
from .remembering import Turn
from .resources import Resources
from .values import nearest, one_line, shown, simple
from .votes import ANSWER, ESCALATE, RETRY, WORDS, facts_of, tier_of

__all__ = ["Ask", "Voted", "escalate", "retry", "vote"]

Ask = Callable[[Request, Parse | None], Answer]
"""Asks what was made of the last question."""

NO_ANSWER = "there is no answer yet: run a %%ai cell first"
NO_MODEL = "the last question reached no model, so there is no tier above it: ask it anew"
NO_QUESTION = "there is no question to ask again, a comparison is none: run a %%ai cell first"
NO_ONE_ANSWER = (
    "a comparison has no one answer: ask one of its models alone first, with %%ai and its name"
)
WHICH_ANSWER = (
    "the last question failed, was deleted, or several models answered it: say which answer you "
    'mean, as in comparison.vote("a") or ai.vote("good", answer)'
)


@dataclass(frozen=True, slots=True, repr=False)
class Voted:
    """A word on an answer, as it was kept; it shows itself as a sentence.

    Attributes:
        word: good or poor.
        model: whose answer it was.
        tier: the place of the tier that begins with it; None where none does.
        strongest: whether that is the last tier, which teaches nothing of where to send a prompt.
        second: whether it came of `escalate`, so that both answers were judged: that teaches most.
    """

    word: str
    model: str
    tier: str | None
    strongest: bool
    second: bool = False

    def __repr__(self) -> str:
        kept = f"kept: the answer of {self.model} was {self.word}"
        if self.second:
            return f"{kept}, and what it gains over the one before; %ai calibrate learns from both"
        if self.tier is None:
            return f"{kept}; its model begins no tier, so routing learns nothing of it"
        if self.strongest:
            return f"{kept}; {self.tier} is the strongest tier, so routing learns nothing of it"
        if self.word == "poor":
            return f"{kept}; %ai escalate asks one tier up, %ai calibrate learns from such votes"
        return f"{kept}; %ai calibrate learns from such votes"


def vote(engine: Resources, word: str, answer: Answer | None = None) -> Voted:
    """Keep a word on an answer, by default the last one; a second word replaces the first.

    Raises:
        MmaiError: there is no answer.
        OptionError: it is no such word, or no answer of a call.
    """
    word, answer = _word(word), _judged(engine, answer)
    settings = engine.settings_of(simulated=answer.simulated)
    place = tier_of(answer.model, settings)
    tier = None if place is None else settings.tiers[place].name
    _keep(engine, word, answer, tier)
    strongest = place == len(settings.tiers) - 1
    return Voted(word, answer.model, tier, strongest, _follows_a_poor_one(engine, answer))


def _follows_a_poor_one(engine: Resources, answer: Answer) -> bool:
    """Whether an answer came of escalating from one that was called poor."""
    rows = engine.ledger.votes()
    before = [
        d.get("of") for _, call, kind, d in rows if (call, kind) == (answer.call_id, ESCALATE)
    ]
    words = {call: d.get("word") for _, call, kind, d in rows if kind == ANSWER}
    return bool(before) and words.get(before[-1]) == "poor"


def _word(word: Any) -> str:
    word = simple(word)
    if not isinstance(word, str) or word not in WORDS:
        hint = nearest(word, WORDS) if isinstance(word, str) else ""
        raise OptionError(one_line(f"a vote is good or poor, not {shown(word)}{hint}"))
    return word


def _judged(engine: Resources, answer: Any) -> Answer:
    if answer is None:
        answer, turn = engine.last(), engine.turn
        if answer is None:
            raise MmaiError(NO_ANSWER)
        if turn is None or turn.call_id != answer.call_id:
            raise OptionError(WHICH_ANSWER)
    if not isinstance(answer, Answer):
        raise OptionError(f"vote takes an answer, not {shown(answer)}: the last is ai.last()")
    if not answer.call_id:
        raise OptionError("this answer comes of no call, so there is nothing to keep a vote on")
    return answer


def _keep(engine: Resources, word: str, answer: Answer, tier: str | None) -> None:
    data: dict[str, Any] = {"word": word, "model": answer.model, "tier": tier}
    turn = engine.turn
    if turn is not None and turn.call_id == answer.call_id:
        data |= facts_of(turn.request, words=engine.settings.log_text)
        engine.found_poor(turn.request, word == "poor")
    elif answer.route.complexity is not None:
        found = answer.route.complexity
        data |= {"score": found.score, "signals": dict(found.signals)}
    engine.ledger.add_vote(ANSWER, answer.call_id, data)


# -- the question again


def retry(engine: Resources, ask: Ask) -> Answer:
    """Ask the last question once more: the same route, a fresh answer.

    Args:
        engine: whose last question.
        ask: asks it.

    Raises:
        MmaiError: nothing was asked yet, or what asking raises.
    """
    turn = _turn(engine)
    request = replace(turn.request, refresh=turn.request.cache, again=turn.request.again + 1)
    if turn.route.tier is not None:
        model = "demo" if request.model == "demo" else "auto"
        request = replace(request, model=model, tier=turn.route.tier)
    fresh = ask(request, turn.parse)
    engine.ledger.add_vote(RETRY, fresh.call_id, {"of": turn.call_id})
    return fresh


def escalate(engine: Resources, ask: Ask) -> Answer:
    """Ask the last question one tier up, since the answer was not good enough; that is kept.

    Unless the answer was called good before: then only a second one is wished for.

    Args:
        engine: whose last question.
        ask: asks it.

    Raises:
        MmaiError: nothing was asked yet, or what asking raises.
        OptionError: there is no tier above, or the model is in no tier.
    """
    turn = _turn(engine)
    answer = engine.last()
    answer = answer if answer is not None and answer.call_id == turn.call_id else None
    request = _one_up(engine, turn, answer)
    if answer is not None and not _called_good(engine, answer):
        vote(engine, "poor", answer)
    better = ask(request, turn.parse)
    if answer is not None:
        engine.ledger.add_vote(ESCALATE, better.call_id, {"of": answer.call_id})
    return better


def _called_good(engine: Resources, answer: Answer) -> bool:
    words = [data for _, call, _, data in engine.ledger.votes(ANSWER) if call == answer.call_id]
    return bool(words) and words[-1].get("word") == "good"


def _turn(engine: Resources) -> Turn:
    if engine.turn is None:
        raise MmaiError(NO_QUESTION if engine.last() is None else NO_ONE_ANSWER)
    return engine.turn


def _one_up(engine: Resources, turn: Turn, answer: Answer | None) -> Request:
    """The last question for the next tier that begins with another model."""
    _, settings = engine.in_force(turn.request)
    names = [tier.name for tier in settings.tiers]
    if answer is None and not turn.route.chain:
        raise OptionError(NO_MODEL)
    model = answer.model if answer is not None else turn.route.chain[0]
    known = [] if turn.route.tier is None else [names.index(turn.route.tier)]
    known += [] if (place := tier_of(model, settings)) is None else [place]
    if not known:
        raise OptionError(
            one_line(f"{shown(model)} begins no tier, so there is none above: name a model instead")
        )
    for tier in settings.tiers[max(known) + 1 :]:
        if settings.find(tier.chain[0]).name not in (model, *turn.request.without):
            simulated = settings.find(tier.chain[0]).simulated
            return replace(
                turn.request,
                model="demo" if simulated else "auto",
                tier=tier.name,
                refresh=False,
                again=turn.request.again + 1,
                without=(*turn.request.without, model),
            )
    raise OptionError(
        one_line(f"there is no tier above that of {shown(model)}: %ai retry asks it again")
    )
