"""Check and escalate: an answer that its check doubts is asked for again, one tier up.

The checks look at the answer's text, here, for nothing, and run none of its code (`checks`). What
they let pass a second model of another provider may still contradict ("agree"). Each step goes to a
higher tier, and there are few of them; models that have answered or failed in this call are left
out. Whatever happens on the way, the answer that is there already stands.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

from .assessing import assessed, compared, flaw_of, said
from .errors import BudgetExceededError, CallError, MissingKeyError, MmaiError
from .fallback import MOST_ATTEMPTS, Run, reason_of
from .pricing import price
from .purse import CAP_WORDS
from .recording import check_key
from .records import Checked, Completion, OnText, Request, Route, Usage
from .routing import notes_on
from .settings import ModelSpec, Settings
from .tokens import estimate_messages
from .walk import Checking, Walk

__all__ = ["Ways", "checked", "checking_of", "said_of_check"]

log = logging.getLogger("mmai_nb")

MOST_STEPS = 2
"""Tiers that one call goes up at most: a third answer that fails says that asking on is no use."""

MOST_OPINIONS = 2
"""Models that are tried, one after the other, for a second opinion."""


@dataclass(frozen=True)
class Ways:
    """What the engine lends.

    Attributes:
        obtain: the answer of a walk's route: a kept one, else the first that a model gives.
        route: where another request of the same call goes.
        put_by: keeps a walk's answer where it is found again, whatever happens to the others.
    """

    obtain: Callable[[Walk], Completion]
    route: Callable[[Walk, Request], Route]
    put_by: Callable[[Walk, Completion], None]


def checking_of(
    request: Request,
    settings: Settings,
    route: Route,
    *,
    names: Collection[str] | None = None,
    alone: bool = False,
) -> Checking | None:
    """How an answer of the route is checked, as the call or else the tier says; None: not at all.

    Args:
        request: what is asked.
        settings: in force.
        route: where it goes.
        names: what exists where the answer's code would run; None: not known.
        alone: whether no other model may stand in; then a failure is only said.
    """
    tiers = {tier.name: tier.check for tier in settings.tiers}
    how = tiers.get(route.tier or "", False) if request.check is None else request.check
    if not how:
        return None
    escalates = not alone and any(True for _ in _tiers_above(route, settings))
    return Checking("agree" if how == "agree" and not alone else True, escalates, names)


def said_of_check(request: Request, settings: Settings, route: Route) -> str:
    """What a plan says of the check: where a failing answer goes, or ""."""
    checking = checking_of(request, settings, route)
    if checking is None:
        return ""
    goes = next(iter(_tiers_above(route, settings)), "")
    where = f"a failing answer goes to {goes}" if goes else "a failing answer is only told"
    return f"checked: {where}"


def checked(walk: Walk, completion: Completion, ways: Ways) -> tuple[Walk, Completion]:
    """The answer that stands with its walk: this one, or that of a stronger tier.

    Raises:
        KeyboardInterrupt, …: what no model's failure is; what stood is in `walk.checking.stood`.
    """
    checking = walk.checking
    if checking is None:
        return walk, completion
    checking.stood.append((walk, completion))
    for steps_left in range(MOST_STEPS, -1, -1):
        walk, completion = checking.stood[-1]
        found = _assessed(walk, completion)
        if found.passed and steps_left == MOST_STEPS and checking.how == "agree":
            found = _compared(walk, found, ways)
        checking.found.append(found)
        if found.passed or not checking.escalates or not steps_left:
            break
        if _is_cut_by_the_caller(walk, completion):
            walk.notes += (_stays(walk, "the limit on tokens would cut any answer"),)
            break
        higher = _asked_higher(walk, found, ways)
        if higher is None:
            break
        checking.stood.append(higher)
    walk, completion = _standing(checking)
    if checking.held is not None:
        checking.held(completion.text)
    return walk, completion


def _standing(checking: Checking) -> tuple[Walk, Completion]:
    """The last answer; one before it where only that is whole and fits the schema."""
    last, theirs = checking.stood[-1]
    flaw = flaw_of(theirs, last.parse)
    for walk, completion in reversed(checking.stood[:-1] if flaw else ()):
        if not flaw_of(completion, walk.parse):
            _keep(walk, completion, _stays(walk, f"the answer of {theirs.model} {flaw}"))
            return walk, completion
    return last, theirs


def _is_cut_by_the_caller(walk: Walk, completion: Completion) -> bool:
    """Whether a limit that holds for every model, the user's or a budget's, has cut the answer."""
    limited = any(word in walk.request.params for word in CAP_WORDS) or bool(walk.purse.amounts)
    return completion.finish_reason == "length" and limited


def _assessed(walk: Walk, completion: Completion) -> Checked:
    """What the local checks make of an answer; a check that breaks costs no answer."""
    tier, names = walk.route.tier, walk.checking.names if walk.checking else None
    try:
        return assessed(walk.request, completion, walk.parse, tier=tier, names=names)
    except Exception as error:
        return _broken(walk, Checked(completion, tier, passed=True), error)


def _compared(walk: Walk, found: Checked, ways: Ways) -> Checked:
    """What is made of an answer once a second model has answered, too."""
    found = replace(found, opinion=_second_opinion(walk, found.completion, ways))
    try:
        return compared(found, walk.request.prompt)
    except Exception as error:
        return _broken(walk, found, error)


def _broken(walk: Walk, found: Checked, error: Exception) -> Checked:
    log.warning("a check of an answer broke", exc_info=error)
    walk.notes += (f"not checked: the check broke ({type(error).__name__})",)
    return found


# -- a second opinion


def _second_opinion(walk: Walk, completion: Completion, ways: Ways) -> Completion | None:
    """Another provider's answer to the same; None, with a note, where there is none."""
    names: tuple[str, ...] = ()
    checking = walk.checking
    reasons = (*walk.route.reasons, f"second opinion on {completion.model}")
    try:
        names = tuple(spec.name for spec in _others(walk, completion)[:MOST_OPINIONS])
        if not names:
            walk.notes += ("no second opinion: no model of another provider is at hand",)
            return None
        ways.put_by(walk, completion)
        aside = _branch(walk, replace(walk.route, chain=names, skipped=(), reasons=reasons), None)
        aside.run.tell = partial(_tell_after, walk.run, f"a second opinion on {completion.model}")
        return ways.obtain(aside)
    except MmaiError as error:
        if checking is not None:
            checking.failed.update(names)
        walk.notes += (f"no second opinion: {_why(error, ''.join(names[:1]))}",)
        return None
    finally:
        walk.recorder.route = walk.route


def _others(walk: Walk, completion: Completion) -> list[ModelSpec]:
    """Models of other providers, the cheapest first: of the answer's tier, else of another.

    Models that stand in the last tier alone are not among them: asking those is what escalating is.
    """
    settings = walk.settings
    ours = settings.find(completion.model)
    here = _tier_of(walk.route, settings)
    tiers = {tier.name: tier.chain for tier in settings.tiers}
    elsewhere = (name for chain in list(tiers.values())[:-1] for name in chain)
    asked = _asked(walk)
    for names in (tiers.get(here or "", ()), elsewhere):
        specs = [settings.find(name) for name in dict.fromkeys(names) if name not in asked]
        others = [
            spec
            for spec in specs
            if spec.provider != ours.provider
            and spec.simulated == ours.simulated
            and _is_at_hand(spec, walk)
        ]
        if others:
            return sorted(others, key=lambda spec: _expected_cost(spec, walk.request))
    return []


def _is_at_hand(spec: ModelSpec, walk: Walk) -> bool:
    """Whether a model's key is there and its circuit closed."""
    try:
        check_key(spec, walk.settings.key_sources)
    except MissingKeyError:
        return False
    return not walk.run.breakers.is_open(walk.run.breaker_key(spec))


def _expected_cost(spec: ModelSpec, request: Request) -> float:
    """USD for the prompt and an answer as long; endless where the price is unknown."""
    tokens = estimate_messages(request.messages)
    usd = price(Usage(tokens, tokens), spec, warn=False).usd
    return math.inf if usd is None else usd


# -- one tier up


def _asked_higher(walk: Walk, found: Checked, ways: Ways) -> tuple[Walk, Completion] | None:
    """A stronger tier's answer and its walk; None, with a note, where there is none."""
    checking, run = walk.checking, walk.run
    assert checking is not None
    whys: list[str] = []
    try:
        for route in _higher_routes(walk, found, ways):
            words = f"escalated to {route.tier}: {found.reason}"
            _take_back(walk, words)
            higher = _branch(walk, route, run.on_text)
            higher.notes += tuple(notes_on(route))
            higher.run.tell = partial(_tell_after, run, words)
            ways.put_by(walk, found.completion)
            try:
                completion = ways.obtain(higher)
            except MmaiError as error:
                whys.append(_why(error, route.chain[0]))
                checking.failed |= {name for name, _ in higher.run.errors} | {route.chain[0]}
            else:
                higher.run.errors[:0] = run.errors
                return higher, completion
    except MmaiError as error:  # of a route: the prompt fits no model of the tier
        whys.append(said(str(error)))
    none = "no time is left" if run.left <= 0 else "no other model of a stronger tier is at hand"
    words = "; ".join(whys) or none
    _keep(walk, found.completion, _stays(walk, words), taken=bool(checking.failed))
    return None


def _tell_after(run: Run, words: str, line: str) -> None:
    run.tell(f"{words}; {line}")


def _higher_routes(walk: Walk, found: Checked, ways: Ways) -> Iterator[Route]:
    """Routes to the tiers above, as long as they have a model that has not been asked yet."""
    route = walk.route
    names = list(_tiers_above(route, walk.settings))
    came = route.tier or found.completion.model
    for tier in names:
        if walk.run.attempts >= MOST_ATTEMPTS or walk.run.left <= 0:
            return
        request = replace(walk.request, model="auto", tier=tier, fallback=())
        there, asked = ways.route(walk, request), _no_stronger(walk, found.completion)
        chain = tuple(name for name in there.chain if name not in asked)
        if chain and there.tier in names:
            yield replace(
                there,
                chain=chain,
                skipped=tuple(pair for pair in there.skipped if pair[0] not in asked),
                complexity=route.complexity,
                bounds=route.bounds,
                reasons=(*route.reasons, f"escalated {came} -> {there.tier}: {found.reason}"),
                escalated=(*route.escalated, (came, found.reason)),
            )


def _tiers_above(route: Route, settings: Settings) -> Iterator[str]:
    """The names of the tiers above the route's own, the next one first."""
    names = [tier.name for tier in settings.tiers]
    here = _tier_of(route, settings)
    return iter(names[names.index(here) + 1 :] if here in names else ())


def _tier_of(route: Route, settings: Settings) -> str | None:
    """The route's tier; for a model that was named the first tier that begins with it.

    Where none does, the first in which it stands at all.
    """
    if route.tier is not None or not route.chain:
        return route.tier
    name = route.chain[0]
    first = (tier.name for tier in settings.tiers if tier.chain[0] == name)
    return next(first, None) or next((t.name for t in settings.tiers if name in t.chain), None)


def _asked(walk: Walk) -> set[str]:
    """The models that have answered or failed in this call."""
    checking = walk.checking
    assert checking is not None
    asked = {completion.model for _, completion in checking.stood}
    asked |= {found.opinion.model for found in checking.found if found.opinion is not None}
    return asked | checking.failed | {name for name, _ in walk.run.errors}


def _no_stronger(walk: Walk, completion: Completion) -> set[str]:
    """The models that were asked, and those that stand before the answer's in its own tier.

    Tiers that nobody made have the same models each: there only those behind it are left.
    """
    here = _tier_of(walk.route, walk.settings)
    chain = next((tier.chain for tier in walk.settings.tiers if tier.name == here), ())
    before = chain[: chain.index(completion.model)] if completion.model in chain else ()
    return _asked(walk) | set(before)


def _branch(walk: Walk, route: Route, on_text: OnText | None) -> Walk:
    """The walk to the models of another route, within the same call."""
    walk.recorder.route = route
    run = walk.run.branch(on_text)
    return replace(walk, route=route, run=run, replays=False, hindrance=None, cached=True)


def _take_back(walk: Walk, words: str) -> None:
    """Say why what was shown does not stand."""
    checking = walk.checking
    assert checking is not None
    if checking.retract is not None and walk.run.on_text is not None:
        checking.retract(words)
    else:
        walk.run.tell(f"{words} …")


def _stays(walk: Walk, why: str) -> str:
    """A note on an answer that stands although it failed."""
    return f"not escalated{' further' * bool(walk.route.escalated)}: {why}"


def _keep(walk: Walk, completion: Completion, words: str, *, taken: bool = True) -> None:
    """Let an answer stand, with a note that says why; shown again if it was taken back."""
    walk.recorder.route = walk.route
    walk.notes += (words,)
    if not taken:
        return
    _take_back(walk, words)
    if walk.run.on_text is not None:
        walk.run.on_text(completion.text)


def _why(error: MmaiError, model: str) -> str:
    """Why nothing came of the models that begin with this one."""
    if isinstance(error, BudgetExceededError):
        return said(f"{error.model or model} {error.why}")
    return said(f"{model}: {reason_of(error)}" if isinstance(error, CallError) else str(error))
