"""The cost dial in the model panel: a word or a share of one's own, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..dial import AS_THE_TIERS_SAY, ENOUGH, PREFERENCES, PUBLIC, Dial, limit_of, percent, share_of
from ..engine import Engine
from .looks import message, named

__all__ = ["DialControl", "dial_words"]

OWN = "own share"
FIRST_SHARE = "20%"
"""What stands in the box where no share was set before."""


def dial_words(engine: Engine, dial: Dial) -> tuple[str, str]:
    """What the dial says, in two lines: the limit, and which tier gets how much.

    Args:
        engine: with the tiers it is for.
        dial: what its turn comes to.
    """
    tiers = engine.settings_for_display.tiers
    names = [tier.name for tier in tiers]
    limit = dial.limit_said(names[-1], [tier.up_to for tier in tiers])
    if engine.settings.default_model != "auto":
        limit += f" No effect while default_model is {engine.settings.default_model}, not auto."
    until = f"; your own count once there are {ENOUGH}" if dial.basis == PUBLIC else ""
    return limit, f"{dial.shares_said(names)} — by the scores of {dial.basis}{until}"


class DialControl:
    """Buttons for the words, a box for a share; each change goes through `configure()`.

    Args:
        engine: whose dial is shown and turned.
        safely: runs an action and shows what it raises.
        changed: called after each change.
    """

    def __init__(
        self,
        engine: Engine,
        safely: Callable[[Callable[[], None]], None],
        changed: Callable[[], None],
    ) -> None:
        import ipywidgets as w

        self._engine, self._safely, self._after = engine, safely, changed
        self._drawing = False
        self._buttons = w.ToggleButtons(
            options=[AS_THE_TIERS_SAY, *PREFERENCES, OWN],
            tooltips=[
                "no dial: each tier serves up to its own bound",
                *(f"{limit} to the strongest tier" for limit in map(limit_of, PREFERENCES)),
                "your own limit",
            ],
            style={"button_width": "auto"},
            layout=w.Layout(width="auto"),
        )
        self._buttons.observe(self._pressed, "value")
        self._share = w.Text(
            placeholder=FIRST_SHARE,
            continuous_update=False,
            **named("the share of prompts that may go to the strongest tier: 20% or 0.2"),
            layout=w.Layout(width="6em", display="none"),
        )
        self._share.observe(self._typed, "value")
        self._words = w.HTML()
        layout = w.Layout(flex_flow="row wrap", align_items="center")
        row = w.HBox([w.Label("cost dial"), self._buttons, self._share], layout=layout)
        self.widget = w.VBox([row, self._words])

    def draw(self) -> None:
        """Show the dial as it is set, and what that comes to."""
        prefer = self._engine.settings.prefer
        own = isinstance(prefer, float)
        self._drawing = True
        try:
            self._buttons.value = OWN if own else prefer or AS_THE_TIERS_SAY
            self._share.value = _typed_share(prefer) if own else ""
            self._share.layout.display = "" if own else "none"
        finally:
            self._drawing = False
        limit, shares = dial_words(self._engine, self._engine.dial(prefer))
        self._words.value = message(limit) + message(shares)

    def _pressed(self, change: Any) -> None:
        if self._drawing:
            return
        prefer, pressed = self._engine.settings.prefer, change["new"]
        if pressed == OWN:
            pressed = FIRST_SHARE if prefer is None else _typed_share(share_of(prefer))
        self._safely(partial(self._turn, None if pressed == AS_THE_TIERS_SAY else pressed))

    def _typed(self, change: Any) -> None:
        if not self._drawing:
            self._safely(partial(self._turn, change["new"].strip() or None))

    def _turn(self, prefer: str | None) -> None:
        try:
            self._engine.configure({"prefer": prefer})
        finally:
            self.draw()  # what was refused is put back
        self._after()


def _typed_share(share: Any) -> str:
    """A share as one would type it."""
    return percent(share).replace(" ", "")
