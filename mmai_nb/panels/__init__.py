"""Widgets over the engine: choose models, compare them live, see the spend.

`models()`, `compare()` and `spend()` give a panel each. A panel shows itself: live where the front
end has ipywidgets, and as its static twin everywhere else. It owns no state but what is chosen in
it; settings and figures are the engine's.
"""

from __future__ import annotations

from ..engine import default_engine
from .spend_panel import SpendPanel

__all__ = ["spend"]


def spend() -> SpendPanel:
    """What calls cost: figures, pictures, a table; it follows new calls."""
    return SpendPanel(default_engine())
