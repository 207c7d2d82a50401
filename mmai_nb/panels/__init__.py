"""Widgets over the engine: choose models, compare them live, see the spend.

`models()`, `compare()` and `spend()` give a panel each. A panel shows itself: live where the front
end has ipywidgets, and as its static twin everywhere else. It owns no state but what is chosen in
it; settings and figures are the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..engine import default_engine
from .compare_panel import ComparePanel
from .models_panel import ModelsPanel
from .spend_panel import SpendPanel

__all__ = ["compare", "models", "spend"]


def compare(prompt: str = "", models: Sequence[str] | None = None) -> ComparePanel:
    """One prompt, several models: their answers live beside each other, and your vote.

    Args:
        prompt: what stands in the box at first.
        models: who is chosen at first; default: the first model of each tier.
    """
    return ComparePanel(default_engine(), prompt, None if models is None else tuple(models))


def models() -> ModelsPanel:
    """Every model with price, window, key and health; tiers and settings to change and save."""
    return ModelsPanel(default_engine())


def spend() -> SpendPanel:
    """What calls cost: figures, pictures, a table; it follows new calls."""
    return SpendPanel(default_engine())
