"""Widgets over the engine: choose models, compare them live, see the spend.

`models()`, `compare()` and `spend()` give a panel each. A panel shows itself: live where the front
end has ipywidgets, and as its static twin everywhere else. It owns no state but what is chosen in
it; settings and figures are the engine's.
"""

from __future__ import annotations

__all__: list[str] = []
