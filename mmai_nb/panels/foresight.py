"""What asking several models would cost, in words, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence

from ..amounts import format_usd
from ..engine import Engine
from ..options import make_request
from ..pricing import list_price

__all__ = ["about_usd", "cost_words"]

MOST_NOTES = 3
"""Models whose notes are told."""


def about_usd(engine: Engine, models: Sequence[str], usd: float) -> str:
    """An estimate in words: the money of the demo's models is pretend.

    Args:
        engine: that knows the models.
        models: names of those that would be asked.
        usd: the estimate in US dollars.
    """
    known = engine.settings_for_display.models
    pretend = any(list_price(known[name]).source == "pretend" for name in models if name in known)
    return f"about {'a pretend ' if pretend else ''}{format_usd(usd)}"


def cost_words(engine: Engine, prompt: str, models: Sequence[str]) -> str:
    """About what the prompt would cost with these models, and what stands against some of them.

    Args:
        engine: whose prices, cache and budgets count.
        prompt: as it would be sent.
        models: names that are known; two at least.

    Raises:
        MmaiError: it cannot be sent like this.
    """
    first, *others = models
    asked = make_request(prompt, engine.settings, model=first, fallback=others, allow_secrets=True)
    found = [one for one in engine.route(asked.request).estimates if one.place]
    paid = [one for one in found if not one.note.startswith("cached")]
    known = [one.cost_usd for one in paid if one.cost_usd is not None]
    about = about_usd(engine, models, sum(known))
    parts = [f"{len(models)} models", f"{about} in all"]
    if unknown := len(paid) - len(known):
        parts.append(f"{unknown} of unknown price")
    if len(paid) < len(found):
        parts.append(f"{len(found) - len(paid)} from the cache")
    notes = [f"{one.model}: {one.note}" for one in paid if one.note]
    more = [f"{len(notes) - MOST_NOTES} more with notes"] if len(notes) > MOST_NOTES else []
    return " · ".join([*parts, *notes[:MOST_NOTES], *more])
