"""The panels, opened from a cell."""

from __future__ import annotations

from .page import Command
from .registry import EngineGetter, Subcommand, one_of

__all__ = ["COMMANDS"]

PANELS = ("models", "compare", "spend")


def _panel(rest: str, engine: EngineGetter) -> Command | None:
    name = rest or "models"
    if name not in PANELS:
        return None

    def run() -> object:
        from ..panels.compare_panel import ComparePanel
        from ..panels.models_panel import ModelsPanel
        from ..panels.spend_panel import SpendPanel

        made = {"models": ModelsPanel, "compare": ComparePanel, "spend": SpendPanel}
        return made[name](engine())

    return run


COMMANDS = (
    Subcommand(
        "panel",
        "%ai panel [models|compare|spend]: choose models, compare them, see the spend.",
        _panel,
        complete=one_of(*PANELS),
        help="""\
A panel is live where the front end has ipywidgets, and a picture of itself elsewhere. The same
from Python: ai.panels.models(), ai.panels.compare(), ai.panels.spend().

    %ai panel models

    %ai panel compare

    %ai panel spend""",
    ),
)
