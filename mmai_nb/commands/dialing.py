"""The cost dial as `%ai config prefer` shows it: what each turn of it comes to."""

from __future__ import annotations

from collections.abc import Iterator

from ..dial import CALIBRATED, ENOUGH, PREFERENCES, PUBLIC, turn_said, wholes
from ..engine import Engine
from ..plan_page import aligned
from ..settings import explain_settings
from .page import Page

__all__ = ["TURNS", "dial_page"]

TURNS = (*PREFERENCES, "20%", "None")
"""What the Tab key offers as the value of `prefer`."""


def dial_page(engine: Engine, key: str) -> Page | None:
    """The dial, where the key is its own; else None."""
    if key != "prefer":
        return None
    engine.thresholds.refresh()
    return Page("\n".join(_lines(engine)))


def _lines(engine: Engine) -> Iterator[str]:
    settings, tiers = engine.settings, engine.settings_for_display.tiers
    prefer, source = explain_settings(settings)["prefer"]
    dial, own = engine.dial(prefer), tuple(tier.up_to for tier in tiers)
    yield f"prefer = {None if prefer is None else turn_said(prefer)}   ({source})"
    yield dial.limit_said(tiers[-1].name, own)
    if settings.default_model != "auto":
        yield f"No effect while default_model is {settings.default_model}, not auto."
    if len(tiers) < 2:
        return
    yield ""
    yield f"shares by the scores of {dial.basis}"
    if dial.basis == PUBLIC:
        yield f"(exams are longer than most prompts; your own count once there are {ENOUGH})"
    elif dial.mixed:
        yield "(public exam questions keep a batch of like prompts from setting the bounds alone)"
    names = [tier.name for tier in tiers]
    rows = [("", "bounds between", *names, "")]
    for turn in dict.fromkeys((None, *PREFERENCES, prefer)):
        found = engine.dial(turn)
        now = "← now" if turn == prefer else ""
        calibrated = turn is None and found.bounds != own
        name = CALIBRATED if calibrated else turn_said(turn)
        rows.append((name, found.between, *wholes(found.expected), now))
    yield from (line.rstrip() for line in aligned(rows, names))
