"""The tiers in the model panel: bounds, and chains that can be added to, cut and reordered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..dial import AS_THE_TIERS_SAY
from ..drafts import plain
from ..engine import Engine
from ..errors import MmaiError
from ..settings import Tier
from .looks import AT_THE_EDGE, heading, message, named, short
from .panel import close_all

__all__ = ["TiersEditor"]

FEWEST = 2
"""Tiers of which one can be taken out."""
MOST_ROWS = 8
"""Models of a tier that are in sight; the others are scrolled to."""


class TiersEditor:
    """A row and a list per tier; each change replaces the tiers through `configure()`.

    A list and not a row per model: a tier may hold hundreds, and each widget is a message.

    Args:
        engine: whose tiers are shown and changed.
        safely: runs an action and shows what it raises.
        changed: called after each change.
    """

    def __init__(
        self,
        engine: Engine,
        safely: Callable[[Callable[[], None]], None],
        changed: Callable[[], None],
    ) -> None:
        import ipywidgets

        self._w, self._engine = ipywidgets, engine
        self._safely, self._after = safely, changed
        self._drawn: tuple[tuple[Tier, ...], bool, bool] | None = None
        self._chosen: dict[str, str] = {}
        self.widget = ipywidgets.VBox()

    def draw(self) -> None:
        """Show the tiers in force, if they are others than those that are shown."""
        tiers = self._engine.settings_for_display.tiers
        dialed = self._engine.settings.prefer is not None
        voted = self._engine.dial(None).bounds != tuple(tier.up_to for tier in tiers)
        if (tiers, dialed, voted) == self._drawn:
            return
        self._drawn = tiers, dialed, voted
        old, self.widget.children = self.widget.children, ()
        for widget in old:
            close_all(widget)
        about = "A prompt goes to the first tier whose bound is not below its complexity (0 to 1); "
        about += "the tier's models are tried in this order."
        if dialed:
            about += " The cost dial sets other bounds now: these hold again when it stands at "
            about += f'"{AS_THE_TIERS_SAY}".'
        elif voted:
            about += " Your votes set other bounds now: %ai calibrate show."
        self.widget.children = (
            self._w.HTML(message(about)),
            *(self._tier(tier, last=tier is tiers[-1]) for tier in tiers),
            self._new_tier(),
        )

    def _tier(self, tier: Tier, *, last: bool) -> Any:
        w = self._w
        bound = w.FloatText(
            value=tier.up_to,
            step=0.05,
            disabled=last,
            description="up to",
            tooltip="the highest complexity that it serves; the last tier's is 1",
            continuous_update=False,
            layout=w.Layout(width="9em"),
            style={"description_width": "3.5em"},
        )
        bound.observe(lambda change: self._safely(partial(self._bound, tier, change)), "value")
        rest = [n for n in self._engine.settings_for_display.models if n not in tier.chain]
        add = w.Dropdown(
            options=[("add a model …", ""), *((short(name), name) for name in rest)],
            value="",
            **named(f"add a model to {tier.name}"),
            layout=w.Layout(width="9.5em"),
        )
        add.observe(
            lambda change: (
                change["new"]
                and self._safely(partial(self._chain, tier, [*tier.chain, change["new"]]))
            ),
            "value",
        )
        check = w.Dropdown(
            options=[("no check", False), ("check", True), ("check, agree", "agree")],
            value=tier.check,
            **named(f"check of {tier.name}: an answer that fails goes a tier up"),
            layout=w.Layout(width="8.5em"),
        )
        check.observe(
            lambda change: self._safely(partial(self._replace, tier, {"check": change["new"]})),
            "value",
        )
        out = w.Button(
            description="Remove",
            tooltip=f"take out the tier {tier.name}",
            disabled=len(self._engine.settings_for_display.tiers) < FEWEST,
            layout=w.Layout(width="auto"),
        )
        out.on_click(lambda _: self._safely(partial(self._remove, tier)))
        name = w.HTML(heading(short(tier.name)), layout=w.Layout(flex="0 0 auto", min_width="6em"))
        row = w.Layout(display="flex", flex_flow="row wrap", align_items="center")
        return w.VBox(
            [w.Box([name, bound, add, check, out], layout=row), self._models(tier)],
            layout=w.Layout(margin="0 0 0.5em 0"),
        )

    def _new_tier(self) -> Any:
        """A name for one more tier; it begins with the strongest tier's models."""
        w = self._w
        name = w.Text(
            placeholder="name of a new tier",
            **named("name of a new tier"),
            layout=w.Layout(width="15em", margin=AT_THE_EDGE),
        )
        add = w.Button(
            description="Add tier",
            tooltip="it stands before the last tier, halfway between the bounds, with its models",
            layout=w.Layout(width="auto"),
        )
        add.on_click(lambda _: self._safely(partial(self._add, name)))
        return w.HBox([name, add])

    def _add(self, box: Any) -> None:
        name = box.value.strip()
        if not name:
            raise MmaiError("the new tier has no name yet: type one")
        rows = plain(self._engine.settings_for_display.tiers)
        if any(row["name"] == name for row in rows):
            raise MmaiError(f"there is a tier {name[:40]!r} already: take another name")
        below = rows[-2]["up_to"] if len(rows) > 1 else 0.0
        new = {"name": name, "up_to": round((below + 1) / 2, 3), "chain": rows[-1]["chain"]}
        self._put([*rows[:-1], new, rows[-1]])

    def _remove(self, tier: Tier) -> None:
        rows = [r for r in plain(self._engine.settings_for_display.tiers) if r["name"] != tier.name]
        rows[-1]["up_to"] = 1.0  # all prompts have a tier, whichever was the last
        self._put(rows)

    def _put(self, rows: list[dict[str, Any]]) -> None:
        self._engine.configure({"tiers": rows})
        self._after()

    def _models(self, tier: Tier) -> Any:
        """The tier's models in their order, and what can be done with the chosen one."""
        w, chain = self._w, list(tier.chain)
        chosen = self._chosen.get(tier.name)
        listed = w.Select(
            options=[(f"{place}. {short(name)}", name) for place, name in enumerate(chain, 1)],
            **named(f"models of {tier.name}, in the order in which they are tried"),
            value=chosen if chosen in chain else chain[0],
            rows=max(3, min(len(chain), MOST_ROWS)),
            layout=w.Layout(width="100%", min_width="0", max_width="32em"),
        )
        moves: dict[str, tuple[str, Callable[[str], list[str]]]] = {
            "↑": ("earlier", lambda name: _moved(chain, name, -1)),
            "↓": ("later", lambda name: _moved(chain, name, 1)),
            "×": ("take out", lambda name: [n for n in chain if n != name] or chain),
        }
        buttons: dict[Any, Callable[[str], list[str]]] = {}
        for label, (what, moved) in moves.items():
            button = w.Button(description=label, tooltip=what, layout=w.Layout(width="2.4em"))
            button.on_click(lambda _, to=moved: self._safely(partial(self._move, tier, listed, to)))
            buttons[button] = moved

        def allow(_: Any = None) -> None:
            for button, moved in buttons.items():
                button.disabled = moved(listed.value) == chain

        listed.observe(allow, "value")
        allow()
        moving = w.VBox(list(buttons), layout=w.Layout(flex="0 0 auto"))
        return w.HBox([listed, moving], layout=w.Layout(margin="0 0 0 2em"))

    def _move(self, tier: Tier, listed: Any, moved: Callable[[str], list[str]]) -> None:
        self._chosen[tier.name] = listed.value
        self._chain(tier, moved(listed.value))

    def _bound(self, tier: Tier, change: Any) -> None:
        try:
            self._replace(tier, {"up_to": float(change["new"])})
        except (MmaiError, ValueError):
            change["owner"].value = tier.up_to
            raise

    def _chain(self, tier: Tier, chain: list[str]) -> None:
        self._replace(tier, {"chain": chain})

    def _replace(self, tier: Tier, change: dict[str, Any]) -> None:
        rows = plain(self._engine.settings_for_display.tiers)
        row = next(row for row in rows if row["name"] == tier.name)
        if row != row | change:
            row.update(change)
            self._put(rows)


def _moved(chain: list[str], name: str, by: int) -> list[str]:
    place = chain.index(name)
    if not 0 <= place + by < len(chain):
        return chain
    made = list(chain)
    made[place], made[place + by] = made[place + by], made[place]
    return made
