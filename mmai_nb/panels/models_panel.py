"""The model panel: which models there are and how they fare, the tiers, and the settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..charts import format_seconds
from ..engine import Engine
from ..errors import MmaiError
from ..options import FORMATS, make_request
from ..pricing import context_window, list_price
from ..saving import Where, not_for, save_settings, unsaved
from ..settings import ModelSpec, Settings, explain_settings
from ..sources import short_path
from .dial_control import DialControl, dial_words
from .foresight import about_usd
from .looks import AT_THE_EDGE, heading, message, named, table, text_table
from .panel import Panel
from .tiers_editor import TiersEditor

__all__ = ["ModelsPanel"]

COLUMNS = (
    *("model", "provider", "tiers", "can", "key", "health"),
    *("in, $/M", "out, $/M", "window", "p50"),
)
RECENT = 300
"""Rows of the ledger in which the last errors are looked for."""
MOST_LINES = 12
"""Unsaved changes that are shown as lines, …"""
LONGEST_LINE = 500
"""… and their length in characters; saving keeps all."""
FIELDS = {
    "default_model": "a model, a tier or auto",
    "system": "the system message; blank: none",
    "temperature": "0 to 2; blank: not sent",
    "max_tokens": "longest answer in tokens; blank: the model's own",
    "format": "markdown, text, code, json, html",
    "timeout": "seconds for a whole call",
    "retries": "0 to 10",
    "stream": "show text while it comes",
    "cache.enabled": "keep answers",
    "cache.max_age": "days; blank: for ever",
    "fallback_on_content_filter": "ask the next model when one filters",
    "budget.call": "USD; blank: none",
    "budget.notebook": "USD; blank: none",
    "budget.day": "USD; blank: none",
    "budget.month": "USD; blank: none",
}
"""What can be set here, with its hint; a key that this version does not have is left out."""
SAVES: dict[str, str] = {
    "user": "write the changes into your own settings file: they hold in all your notebooks",
    "project": "write the changes into the project's mmai_nb.toml: they hold for all who open it",
}
Figure = Callable[[ModelSpec, Mapping[str, float]], Any]
ORDERS: dict[str, Figure | None] = {
    "configured": None,
    "name": lambda spec, _: spec.name.casefold(),
    "price in": lambda spec, _: list_price(spec).input_usd,
    "price out": lambda spec, _: list_price(spec).output_usd,
    "window": lambda spec, _: -window if (window := context_window(spec)) else None,
    "p50": lambda spec, medians: medians.get(spec.model),
}
"""What the list of models can be sorted by: its figure; who has none comes last."""


class ModelsPanel(Panel):
    """See and choose models, tiers and settings; each change goes through `configure()`.

    Args:
        engine: whose settings are shown and changed.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__("model panel")
        self._engine = engine
        self._kept: dict[str, str] = {}  # by setting: its line as it was saved last

    # -- what it shows

    def static(self) -> dict[str, str]:
        """The models with their figures, and the tiers with their chains."""
        settings = self._engine.settings_for_display
        rows = self._rows("")
        if not rows:
            missing = "No model is configured: set a key such as OPENAI_API_KEY."
            return {"text/html": heading("Models") + message(missing), "text/plain": missing}
        dial = self._engine.dial(settings.prefer)
        tiers = [
            (t.name, " → ".join(t.chain), "" if bound < 0 else f"{bound:g}")
            for t, bound in zip(settings.tiers, dial.bounds, strict=True)
        ]
        html = heading("Models") + table(COLUMNS, rows, names=6)
        html += heading("Tiers") + table(
            ("tier", "chain", "up to"), [(*row, bound or "none") for *row, bound in tiers], names=2
        )
        words = dial_words(self._engine, dial)
        html += "".join(map(message, words))
        plain = [text_table(COLUMNS, rows, names=6), ""]
        plain += [
            f"{name} ({f'up to {bound}' if bound else 'none'}): {chain}"
            for name, chain, bound in tiers
        ]
        plain += words
        return {"text/html": html, "text/plain": "\n".join(plain)}

    def _rows(self, words: str, order: str = "configured") -> list[tuple[str, ...]]:
        settings = self._engine.settings_for_display
        medians, errors = self._medians(), self._last_errors()
        found = [
            spec
            for spec in settings.models.values()
            if all(w in f"{spec.name} {spec.provider} {spec.model}".lower() for w in words.split())
        ]
        figure = ORDERS[order]
        if figure is not None:
            found.sort(key=lambda spec: _last_if_none(figure(spec, medians)))
        return [
            self._row(spec, settings, medians.get(spec.model), errors.get(spec.model, ""))
            for spec in found
        ]

    def _row(
        self, spec: ModelSpec, settings: Settings, median: float | None, error: str
    ) -> tuple[str, ...]:
        price, window = list_price(spec), context_window(spec)
        health = "resting" if self._engine.is_resting(spec) else ""
        return (
            spec.name,
            spec.provider,
            ", ".join(t.name for t in settings.tiers if spec.name in t.chain) or "–",
            ", ".join(sorted(spec.capabilities)) or "–",
            self._engine.key_state(spec),
            ", ".join(filter(None, (health, error))) or "–",
            "?" if price.input_usd is None else f"{float(price.input_usd):g}",
            "?" if price.output_usd is None else f"{float(price.output_usd):g}",
            "?" if window is None else f"{window:,}",
            "–" if median is None else format_seconds(median),
        )

    def _medians(self) -> dict[str, float]:
        """The median seconds of the last 30 days by the id that was sent."""
        frame = self._engine.ledger.latencies("model")
        pairs = zip(frame["model"], frame["p50_s"], strict=True)
        return {str(name): float(p50) for name, p50 in pairs if p50 == p50}  # no NaN

    def _last_errors(self) -> dict[str, str]:
        """What a model failed with the last time it was asked, by the id that was sent."""
        frame = self._engine.ledger.frame(limit=RECENT)
        last = frame[~frame["cache_hit"].fillna(False)].groupby("request_model").tail(1)
        failed = last[last["error_type"].notna()]
        return dict(zip(failed["request_model"], failed["error_type"], strict=True))

    # -- the widget

    def build(self) -> Any:
        """The widget: a line to try prompts on, the cost dial, models, tiers and settings."""
        import ipywidgets as w

        self._told, self._lines = w.HTML(), w.HTML()
        self._search = w.Text(
            placeholder="search models",
            **named("search models"),
            continuous_update=True,
            layout=w.Layout(width="20em", margin=AT_THE_EDGE),
        )
        self._search.observe(lambda _: self._list_models(), "value")
        self._order = w.Dropdown(
            options=list(ORDERS),
            description="sort by",
            style={"description_width": "auto"},
            layout=w.Layout(width="auto"),
        )
        self._order.observe(lambda _: self._list_models(), "value")
        self._models = w.HTML()
        self._try = w.Text(
            placeholder="try a prompt: where would it go? Nothing is sent.",
            **named("a prompt to try"),
            continuous_update=True,
            layout=w.Layout(width="auto", margin=AT_THE_EDGE),
        )
        self._try.observe(lambda _: self._show_route(), "value")
        self._route = w.HTML()
        self._dial = DialControl(self._engine, self._safely, self._changed)
        self._tiers = TiersEditor(self._engine, self._safely, self._changed)
        self._boxes = self._form(w)
        tabs = w.Tab(
            children=[
                w.VBox([w.Box([self._search, self._order], layout=_row(w)), self._models]),
                w.VBox([self._tiers.widget]),
                w.VBox(list(self._boxes.values())),
            ],
            titles=("Models", "Tiers", "Settings"),
        )
        tabs.observe(lambda _: self._turn_to_tab(), "selected_index")
        saves = [
            self._button(w, "Save for me", lambda: self._save("user"), SAVES["user"]),
            self._button(w, "Save in the project", lambda: self._save("project"), SAVES["project"]),
        ]
        self._list_models()
        self._changed()
        return w.VBox(
            [
                w.HTML(heading("Models and settings")),
                self._try,
                self._route,
                self._dial.widget,
                tabs,
                self._told,
                w.HBox(saves),
                self._lines,
            ]
        )

    def _button(self, w: Any, label: str, action: Callable[[], None], hint: str) -> Any:
        button = w.Button(description=label, tooltip=hint, layout=w.Layout(width="auto"))
        button.on_click(lambda _: self._safely(action))
        return button

    def _form(self, w: Any) -> dict[str, Any]:
        known = explain_settings(self._engine.settings)
        made = {}
        for key, hint in FIELDS.items():
            if key not in known:
                continue
            value = known[key][0]
            box = self._field(w, key, value, hint)
            box.observe(lambda change, which=key: self._set(which, change["new"]), "value")
            made[key] = box
        return made

    def _field(self, w: Any, key: str, value: Any, hint: str) -> Any:
        """The box for a setting: what fits its values."""
        common: dict[str, Any] = {
            "description": key,
            "tooltip": hint,
            "style": {"description_width": "13em"},
            "layout": w.Layout(width="auto", max_width="40em"),
        }
        if isinstance(value, bool):
            return w.Checkbox(value=value, indent=True, **common)
        if key == "format":
            return w.Dropdown(value=value, options=list(FORMATS), **common)
        common |= {"value": _text(value), "placeholder": hint, "continuous_update": False}
        if key == "default_model":
            settings = self._engine.settings_for_display
            tiers = [tier.name for tier in settings.tiers]
            return w.Combobox(options=["auto", *tiers, *settings.models], **common)
        if key == "system":
            return w.Textarea(rows=3, **common)
        return w.Text(**common)

    # -- changing

    def _set(self, key: str, value: Any) -> None:
        """One setting; an invalid value shows its sentence, and the box its former value."""
        self._say("")
        now = explain_settings(self._engine.settings)[key][0]
        if value == (now if isinstance(value, bool) else _text(now)):
            return
        box = self._boxes[key]
        try:
            self._engine.configure({key: _value(value)})
        except MmaiError as error:
            box.value = now if isinstance(value, bool) else _text(now)
            self._say(str(error), "bad")
            return
        self._changed()

    def _turn_to_tab(self) -> None:
        """What a tab shows is what is in force now, wherever it was changed."""
        self._say("")
        now = explain_settings(self._engine.settings)
        for key, box in self._boxes.items():
            value = now[key][0]
            box.value = value if isinstance(value, bool) else _text(value)
        self._changed()

    def _changed(self) -> None:
        """The settings are others now: all that shows them is drawn anew."""
        self._dial.draw()
        self._tiers.draw()
        self._show_route()
        self._list_models()
        self._show_unsaved()
        self.changed()

    def _show_unsaved(self) -> None:
        """The lines of `%ai config` for what is in no file yet."""
        lines = _config_lines(unsaved(self._engine.settings))
        lines = [line for line in lines if self._kept.get(_key_of(line)) != line]
        more = f" ({len(lines) - MOST_LINES:,} more, and:)" if len(lines) > MOST_LINES else ""
        head = message(f"The same at the prompt; not saved yet:{more}") if lines else ""
        shown = "".join(
            message(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…")
            for line in lines[-MOST_LINES:]  # tiers and settings, which are changed here, come last
        )
        demo = self._engine.demo_tiers and not self._engine.settings.models
        note = message("The demo's tiers are changed for this session only.") if demo else ""
        self._lines.value = head + shown + note

    def _save(self, where: Where) -> None:
        settings = self._engine.settings
        path, left = save_settings(settings, where), not_for(settings, where)
        kept = {key: value for key, value in unsaved(settings).items() if key not in left}
        self._kept |= {_key_of(line): line for line in _config_lines(kept)}
        self._show_unsaved()
        but = f"; not {', '.join(left)}: a project may not set that, Save for me keeps it"
        self._say(f"saved in {short_path(path)}{but if left else ''}")

    # -- showing

    def _list_models(self) -> None:
        rows = self._rows(self._search.value.lower(), self._order.value)
        words = "No model matches." if self._search.value else "No model is configured."
        self._models.value = table(COLUMNS, rows, names=6) if rows else message(words)

    def _show_route(self) -> None:
        prompt = self._try.value
        if not prompt.strip():
            self._route.value = ""
            return
        try:
            request = make_request(prompt, self._engine.settings, allow_secrets=True).request
            route = self._engine.route(request)
        except MmaiError as error:
            self._route.value = message(str(error), "bad")
            return
        first = route.estimates[0]
        usd = first.cost_usd
        cost = "price unknown" if usd is None else about_usd(self._engine, [first.model], usd)
        score = f"{route.complexity.score:.2f} " if route.complexity else ""
        self._route.value = message(
            f"{score}→ {route.tier or 'no tier'} → {' → '.join(route.chain)} · {cost} · "
            f"{'; '.join(route.reasons)}"
        )


def _last_if_none(figure: Any) -> tuple[bool, Any]:
    return (True, 0) if figure is None else (False, figure)


def _row(w: Any) -> Any:
    return w.Layout(display="flex", flex_flow="row wrap", align_items="center")


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _value(text: Any) -> Any:
    """What a box says: nothing is None, a number is one, all else is text."""
    if not isinstance(text, str):
        return text
    if not text.strip():
        return None
    try:
        number = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    return number if isinstance(number, int | float) and not isinstance(number, bool) else text


def _key_of(line: str) -> str:
    """Which setting a line of `%ai config` is about."""
    return line.split(" ", 3)[2]


def _config_lines(tables: Mapping[str, Any], before: Sequence[str] = ()) -> list[str]:
    """The lines of `%ai config` that make the same changes."""
    lines: list[str] = []
    for key, value in tables.items():
        if isinstance(value, Mapping):
            lines += _config_lines(value, (*before, key))
        elif key == "tiers":
            lines += [f"%ai config tiers {json.dumps(value, ensure_ascii=False)}"]
        else:
            lines.append(f"%ai config {'.'.join((*before, key))} {json.dumps(value, default=str)}")
    return lines
