"""What would happen to a request, with each model's tokens and cost; nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

from .dial import PREFERENCES, tier_at
from .plan_page import page_html, page_text
from .pricing import context_window, price
from .records import Choice, Estimate, Outlook, Request, Route, Usage
from .settings import ModelSpec, Settings
from .tokens import estimate_messages

__all__ = ["TYPICAL_OUTPUT", "Known", "Plan", "likely_output", "plan_of", "same_tier"]

TYPICAL_OUTPUT = 400
"""Tokens an answer is taken to have when its cost is estimated and no max_tokens is set."""


@dataclass(frozen=True, slots=True)
class Plan(Route):
    """A route that shows itself as a page, with a table of the models that may answer.

    Attributes:
        choices: where the prompt would go with other turns of the cost dial.
        everything: show all models, not the chain and the first of each other tier alone.
    """

    choices: tuple[Choice, ...] = ()
    everything: bool = False

    def __str__(self) -> str:
        return page_text(self, self.choices, everything=self.everything)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        html = page_html(self, self.choices, everything=self.everything)
        return {"text/plain": str(self), "text/html": html}


@dataclass(frozen=True, slots=True)
class Known:
    """What a plan has to ask of others.

    Attributes:
        kept: whether an answer of a model is in the cache.
        is_resting: whether a model is left out for a while, after failures.
        key_state: whether a model's key is there, in words.
        turned: the route with another turn of the cost dial.
        prefer: the turn that is in force.
        money: what the budgets leave; None where there are none.
    """

    kept: Callable[[ModelSpec], bool]
    is_resting: Callable[[ModelSpec], bool]
    key_state: Callable[[ModelSpec], str]
    turned: Callable[[str | float | None], Route]
    prefer: str | float | None = None
    money: Outlook | None = None


def plan_of(route: Route, request: Request, settings: Settings, known: Known) -> Plan:
    """The route with what each model would cost, and where else the dial could send it."""
    estimates = _estimates(route, request, settings, known)
    made = {field.name: getattr(route, field.name) for field in fields(Route)}
    made["estimates"] = tuple(estimates)
    return Plan(**made, choices=tuple(_choices(route, settings, estimates, known)))


def same_tier(route: Route, bounds: Sequence[float], settings: Settings) -> bool:
    """Whether other bounds, () for the tiers' own, lead a route by score to the same tier."""
    if route.complexity is None:
        return True
    bounds = bounds or [tier.up_to for tier in settings.tiers]
    score = route.complexity.score
    return tier_at(score, bounds) == tier_at(score, route.bounds)


def likely_output(request: Request) -> int:
    """The tokens that an answer may have."""
    return int(request.params.get("max_tokens", TYPICAL_OUTPUT))


def _estimates(route: Route, request: Request, settings: Settings, known: Known) -> list[Estimate]:
    """A row for each model of the chain, then of all tiers."""
    tokens, output = estimate_messages(request.messages), likely_output(request)
    room = tokens + (request.params.get("max_tokens") or 0)
    tiers: dict[str, list[str]] = {name: [] for name in route.chain}
    for tier in settings.tiers:
        for name in tier.chain:
            tiers.setdefault(name, []).append(tier.name)
    leads = {tier.chain[0] for tier in settings.tiers}
    found = []
    for place, (name, stands_in) in enumerate(tiers.items(), 1):
        spec = settings.find(name)
        window = context_window(spec)
        found.append(
            Estimate(
                model=name,
                input_tokens=tokens,
                output_tokens=output,
                cost_usd=price(Usage(tokens, output), spec, warn=False).usd,
                place=place if place <= len(route.chain) else 0,
                tiers=tuple(stands_in),
                leads=name in leads,
                provider=spec.provider,
                window=window,
                note=_note(spec, known, small=window is not None and window < room),
            )
        )
    return found


def _note(spec: ModelSpec, known: Known, *, small: bool) -> str:
    key = known.key_state(spec)
    kept = known.kept(spec)
    notes = (
        "cached: free" if kept else "",
        "" if kept or _is_payable(spec, known.money) else "refused by a budget",
        "too small" if small else "",
        "resting after failures" if known.is_resting(spec) else "",
        f"key {key}" if key.startswith("missing") else "",
    )
    return ", ".join(filter(None, notes))


def _is_payable(spec: ModelSpec, money: Outlook | None) -> bool:
    """Whether the budgets leave enough for a model; one without a price cannot be held to them."""
    if money is None or spec.name not in money.needs:
        return True
    need = money.needs[spec.name]
    return need is not None and need <= money.left


def _choices(
    route: Route, settings: Settings, estimates: Sequence[Estimate], known: Known
) -> Iterator[Choice]:
    """Where each turn of the dial leads, if it is a score that decides."""
    if route.complexity is None or len(settings.tiers) < 2:
        return
    costs = {estimate.model: estimate.cost_usd for estimate in estimates}
    for prefer in dict.fromkeys((None, *PREFERENCES, known.prefer)):
        other, now = known.turned(prefer), prefer == known.prefer
        first = other.chain[0]
        yield Choice(prefer, other.tier, first, costs.get(first), in_force=now)
