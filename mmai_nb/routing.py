"""Which models a request goes to, in which order, and why. Pure: no network, no clock, no state.

A model the user names is asked first, without any score. Else a tier is chosen, by name or by the
prompt's complexity, and its chain is taken as it is. What cannot work is left out with its reason:
first models whose context window is too small, then those whose circuit breaker is open.

Where a budget is nearly spent, a prompt that was routed by its complexity goes a tier down; what
the user named is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .amounts import format_usd
from .budgets import STEP_DOWN
from .complexity import score
from .dial import tier_at
from .errors import ConfigError, ContextTooLongError
from .interpolation import split_data
from .records import NANO, Complexity, Outlook, Request, Route, Situation
from .settings import Settings, Tier
from .tokens import estimate_messages
from .values import one_line, shown

__all__ = ["choose_route", "notes_on", "score_of", "written_in"]

FEWEST_WORDS = 2
"""A prompt with fewer words around its data is no instruction: the data itself is what is asked."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A route under work. `named`: the model that was named instead of a tier.

    `stepped`: why the tier is lower than the complexity asks for.
    """

    chain: tuple[str, ...]
    reasons: tuple[str, ...]
    tier: str | None = None
    complexity: Complexity | None = None
    named: str | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    stepped: str = ""
    bounds: tuple[float, ...] = ()


def choose_route(request: Request, settings: Settings, situation: Situation) -> Route:
    """The models to ask for a request, in their order, with the reasons in words.

    Raises:
        ConfigError: no model is configured.
        ContextTooLongError: the prompt fits no model that may be asked; nothing was sent.
        OptionError: there is no such tier, or a name that cannot be one.
        UnknownModelError: there is no such model, or more than one.
    """
    draft = _first_draft(request, settings, situation)
    draft = _without_poor(draft, request)
    draft = _within_windows(draft, request, settings, situation)
    draft = _json_first(draft, request, settings)
    draft = _without_open_breakers(draft, request, situation)
    return Route(
        tier=draft.tier,
        complexity=draft.complexity,
        chain=draft.chain,
        reasons=draft.reasons,
        skipped=tuple(pair for pair in draft.skipped if pair[0] not in draft.chain),
        stepped=draft.stepped,
        bounds=draft.bounds,
    )


def _first_draft(request: Request, settings: Settings, situation: Situation) -> _Draft:
    """The chain that was asked for, before anything is left out of it."""
    asked, why, tier = request.model, "you named it", request.tier
    if asked == "auto" and tier is None:
        asked, why = settings.default_model, "your default model"
    if asked != "auto" and _means_a_tier(asked, settings):
        asked, tier = "auto", asked
    if asked != "auto":
        chain = _names((asked, *request.fallback), settings)
        return _Draft(chain, (why,), named=chain[0])
    if not settings.tiers:
        raise ConfigError(
            "no model is configured: set a key such as OPENAI_API_KEY, or configure(models={…})"
        )
    if tier is not None:
        return _tier_draft(settings.tier(tier), f"tier {tier} as asked", request, settings)
    found = score_of(request, situation)
    bounds = situation.bounds or tuple(tier.up_to for tier in settings.tiers)
    chosen = settings.tiers[tier_at(found.score, bounds)]
    reasons = found.reasons
    if found.shipped is not None and found.shipped != found.score:
        reasons = (*reasons, f"{found.shipped:.2f} before your votes")
    said = f" ({', '.join(reasons)})" if reasons else ""
    why = f"auto: complexity {found.score:.2f} -> {chosen.name}{said}"
    draft = _tier_draft(chosen, why, request, settings)
    told = tuple(filter(None, (why, situation.bounds_from)))
    draft = replace(draft, reasons=told, complexity=found, bounds=bounds)
    return draft if situation.money is None else _affordable(draft, request, settings, situation)


def written_in(request: Request) -> tuple[str, str]:
    """What is asked in the user's own words, and the data that stands in it."""
    written, data = split_data(request.prompt)
    return (request.prompt, "") if len(written.split()) < FEWEST_WORDS else (written, data)


def score_of(request: Request, situation: Situation) -> Complexity:
    """How hard a request looks, with what the user's votes say of it."""
    written, data = written_in(request)
    return score(
        written,
        data=data,
        frames=request.frames,
        format=request.format,
        again=request.again,
        offsets=situation.offsets,
        words=situation.words,
    )


def _affordable(
    draft: _Draft, request: Request, settings: Settings, situation: Situation
) -> _Draft:
    """The draft, or that of a lower tier where money is short.

    The models that are left out so are named: an answer of theirs may be in the cache, for nothing.
    """
    names, money = [tier.name for tier in settings.tiers], situation.money
    assert money is not None
    at = names.index(draft.tier or "")
    below, why = _tier_for_money(at, settings, money)
    if below == at:
        return draft
    stepped = f"{names[at]} -> {names[below]}: {why}"
    lower = _tier_draft(settings.tiers[below], draft.reasons[0], request, settings)
    skipped = tuple((name, stepped) for name in draft.chain if name not in lower.chain)
    return replace(
        lower,
        complexity=draft.complexity,
        reasons=(*draft.reasons, stepped),
        skipped=skipped,
        stepped=stepped,
        bounds=draft.bounds,
    )


def _tier_for_money(at: int, settings: Settings, money: Outlook) -> tuple[int, str]:
    """One tier down once a budget is nearly spent; then down to the first that can be paid."""
    below, why = at, ""
    if at and money.share >= STEP_DOWN:
        below, why = at - 1, f"{int(money.share * 100)} % of the {money.scope} budget is used"
    for tier in range(below, -1, -1):
        needs = [money.needs.get(name, 0) for name in settings.tiers[tier].chain]
        if any(need is not None and need <= money.left for need in needs):
            if tier < below:
                why = f"no model of {settings.tiers[below].name} can be paid with the "
                why += f"{format_usd(money.left / NANO)} left"
            return tier, why
    return below, why


def _without_poor(draft: _Draft, request: Request) -> _Draft:
    """Without the models whose answer to the same was found poor, while there are others.

    They are not told as left out: a kept answer of theirs would stand in.
    """
    chain = tuple(name for name in draft.chain if name not in request.without)
    if not chain or chain == draft.chain:
        return draft
    poor = ", ".join(name for name in draft.chain if name in request.without)
    return replace(draft, chain=chain, reasons=(*draft.reasons, f"{poor} answered poorly"))


def _means_a_tier(name: str, settings: Settings) -> bool:
    """Whether a tier's name was given as the model's; a model of that name wins."""
    return name not in {*settings.models, *settings.aliases} and any(
        tier.name == name for tier in settings.tiers
    )


def _tier_draft(tier: Tier, why: str, request: Request, settings: Settings) -> _Draft:
    return _Draft(_names((*tier.chain, *request.fallback), settings), (why,), tier=tier.name)


def _names(asked: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """The models' own names, each once, in order."""
    return tuple(dict.fromkeys(settings.find(name).name for name in asked))


def _within_windows(
    draft: _Draft, request: Request, settings: Settings, situation: Situation
) -> _Draft:
    """Without the models whose window is too small; if none is left, those of another tier."""
    tokens = estimate_messages(request.messages)
    room = request.params.get("max_tokens") or 0
    need = f"~{tokens:,}" + (f" + {room:,} answer" if room else "") + " tokens"
    too_small: dict[str, int] = {}

    def fitting(chain: Iterable[str]) -> tuple[str, ...]:
        for name in chain:
            window = situation.windows.get(name) or settings.find(name).context_window
            if window is not None and window < tokens + room:
                too_small[name] = window
        return tuple(name for name in chain if name not in too_small)

    chain = fitting(draft.chain)
    skipped = [(name, f"prompt {need} > window {size:,}") for name, size in too_small.items()]
    draft = replace(draft, chain=chain or draft.chain, skipped=(*draft.skipped, *skipped))
    if chain:
        return draft
    for tier, others in () if draft.named is not None else _elsewhere(draft, settings):
        if chain := fitting(others):
            reasons = (*draft.reasons, f"prompt {need}: too long for {draft.tier}")
            return replace(draft, chain=chain, tier=tier, reasons=reasons)
    largest = max(too_small, key=too_small.__getitem__)
    raise _too_long(need, largest, too_small[largest])


def _elsewhere(draft: _Draft, settings: Settings) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Where a prompt may fit too: the tiers above, those below, any model. Never demo for real."""
    simulated = settings.find(draft.chain[0]).simulated
    chains = [(tier.name, tier.chain) for tier in settings.tiers]
    here = [name for name, _ in chains].index(draft.tier or "")
    everything = (draft.tier, tuple(settings.models))
    for tier, chain in (*chains[here + 1 :], *chains[:here], everything):
        yield tier, tuple(name for name in chain if settings.find(name).simulated == simulated)


def _too_long(need: str, name: str, window: int) -> ContextTooLongError:
    error = ContextTooLongError(
        one_line(
            f"the prompt needs {need}, the largest window is {window:,} ({shown(name)}): "
            "shorten it, or name a model with a larger window"
        ),
        model=name,
    )
    error.window = window
    return error


def _json_first(draft: _Draft, request: Request, settings: Settings) -> _Draft:
    """Models known not to do JSON schemas go last; beside a named model the order is the user's."""
    if draft.named is not None or not request.wants_json:
        return draft

    def cannot(name: str) -> bool:
        declared = settings.find(name).capabilities
        return bool(declared) and "json_schema" not in declared

    chain = tuple(sorted(draft.chain, key=cannot))
    if chain == draft.chain:
        return draft
    return replace(draft, chain=chain, reasons=(*draft.reasons, "JSON schemas wanted"))


def _without_open_breakers(draft: _Draft, request: Request, situation: Situation) -> _Draft:
    """Without the models that are resting, unless the user named one or no other is left."""
    resting = situation.open_breakers & set(draft.chain)
    if draft.named is not None and request.model != "auto":
        resting -= {draft.named}
    if not resting:
        return draft
    chain = tuple(name for name in draft.chain if name not in resting)
    if not chain:
        reasons = (*draft.reasons, "all of them are resting after failures: tried all the same")
        return replace(draft, reasons=reasons)
    skipped = [(name, "resting after failures") for name in draft.chain if name in resting]
    return replace(draft, chain=chain, skipped=(*draft.skipped, *skipped))


def notes_on(route: Route) -> list[str]:
    """What a reader should know of a route: a lower tier, and what was left out and why."""
    by_reason: dict[str, list[str]] = {}
    for name, why in route.skipped:
        by_reason.setdefault(why, []).append(name)
    by_reason.pop(route.stepped, None)
    notes = [f"left out {', '.join(names)}: {why}" for why, names in by_reason.items()]
    return [route.stepped, *notes] if route.stepped else notes
