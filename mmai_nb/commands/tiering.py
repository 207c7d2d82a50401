"""The tiers as `%ai config tiers` shows them: those in force, the demo's too."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine import Engine
from ..errors import ConfigError, OptionError
from ..plan_page import aligned
from ..saving import unsaved
from ..settings import explain_settings
from .page import Page

__all__ = ["DEMO_TIERS", "refuse_check", "refuse_demo_tiers", "tiers_page"]

DEMO_TIERS = "the demo's, for this session"
"""The source of tiers that answer where nothing is configured; they are no settings."""


def tiers_page(engine: Engine, key: str) -> Page | None:
    """The tiers in force, where the key is theirs; else None."""
    return Page("\n".join(_lines(engine))) if key == "tiers" else None


def _lines(engine: Engine) -> Iterator[str]:
    settings = engine.settings_for_display
    known = explain_settings(settings)
    rows = [("tier", "up_to", "chain", "check", "source")]
    for tier in settings.tiers:
        kinds = {known[f"tiers.{tier.name}.{field}"][1] for field in ("up_to", "chain", "check")}
        source = ", ".join(sorted(kinds)) if engine.settings.models else DEMO_TIERS
        check = str(tier.check).lower()
        rows.append((tier.name, f"{tier.up_to:g}", " → ".join(tier.chain), check, source))
    yield from (line.rstrip() for line in aligned(rows, ["up_to"]))
    yield ""
    if settings.prefer is not None:
        yield "the cost dial puts other bounds in place of up_to: %ai config prefer shows them"
    elif engine.dial(None).bounds != tuple(tier.up_to for tier in settings.tiers):
        yield "your votes put other bounds in place of up_to: %ai calibrate show tells which"
    name = settings.tiers[0].name if settings.tiers else "NAME"
    yield f"%ai config tiers.{name}.check true changes one; %ai help tiers tells the rest"
    if not engine.settings.models:
        yield "tiers of the demo's models hold for this session and cannot be saved"


def refuse_check(engine: Engine, key: str) -> None:
    """Say where a check is set, to who takes it for a setting of its own.

    Raises:
        OptionError: the key is `check`.
    """
    if key == "check":
        names = [tier.name for tier in engine.settings_for_display.tiers[:3]] or ["NAME"]
        keys = ", ".join(f"tiers.{name}.check" for name in names)
        raise OptionError(f"check is set for each tier: {keys}"[:150] + "; for one cell: --check")


def refuse_demo_tiers(engine: Engine) -> None:
    """Say what there is, where all that was changed are the demo's tiers.

    Raises:
        ConfigError: they are.
    """
    if engine.demo_tiers is not None and not unsaved(engine.settings):
        raise ConfigError(
            "nothing to save: only tiers of the demo's models were changed, which hold for this "
            "session and cannot be saved"
        )
