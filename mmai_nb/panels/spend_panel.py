"""The spend panel: what calls cost, as figures, pictures and a table, live."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import charts
from ..engine import Engine
from ..errors import MmaiError
from ..pacing import PACE, size_of
from .looks import big_figures, heading, message, picture, png, short, table, text_table
from .panel import Panel
from .spend_report import (
    CHARTS,
    GROUPS,
    KINDS,
    PERIODS,
    SORTS,
    Choice,
    Report,
    money,
    report,
    share,
)

__all__ = ["SpendPanel"]

GAP = 1.0
"""Seconds between two redraws while calls come."""
LABELS = {"Spend over time": "Over time"}
"""Of charts whose names are too long for a narrow window."""
MOST_ROWS = 100
"""Rows of the table that are shown; the export has all."""
IN_TEXT = 6
"""Columns that plain text has room for, the names among them."""
COLUMNS = (
    *("calls", "tokens", "cost", "cached", "fell back", "failed"),
    *("p50", "p95", "saved by cache", "saved by routing", "for checks"),
)


class SpendPanel(Panel):
    """Spend by period, model, tag and notebook; follows new calls of this process.

    Args:
        engine: whose ledger is shown.
        choice: what is chosen at first.
    """

    def __init__(self, engine: Engine, choice: Choice | None = None) -> None:
        super().__init__("spend panel")
        self._engine = engine
        self.choice = choice or _first_choice(engine)
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._next, self._missed = 0.0, False

    # -- what it shows

    def report(self) -> Report:
        """What is shown just now, as data."""
        return report(self._engine.ledger, self.choice, self._engine.settings.budget.amounts)

    def static(self) -> dict[str, str]:
        """The figures, the picture and the table of what is chosen."""
        found = self.report()
        head = heading(f"Spend, {self.choice.period.lower()}: {self.choice.kind.lower()} money")
        if found.empty:
            html = head + message(found.why_empty) + _noted(found.aside)
            return {
                "text/html": html,
                "text/plain": "\n".join(filter(None, (found.why_empty, found.aside))),
            }
        parts = [head, big_figures(found.totals), _noted(found.aside)]
        parts.append(picture(png(found.figure), found.alt))
        plain = [f"{name}: {value}" for name, value in found.totals]
        plain += [found.aside] if found.aside else []
        rows = _rows(found.table)
        in_sight = ((short(row[0]), *row[1:IN_TEXT]) for row in rows)
        plain += ["", text_table((self.choice.by, *COLUMNS[: IN_TEXT - 1]), in_sight)]
        return {
            "text/html": "".join([*parts, _table_of(found.table, rows)]),
            "text/plain": "\n".join(plain),
        }

    # -- the widget

    def build(self) -> Any:
        """The widget; it listens to the ledger from now on."""
        import ipywidgets as w

        self._boxes = self._choosers(w)
        self._figures, self._picture, self._table = w.HTML(), w.HTML(), w.HTML()
        self._told, self._aside = w.HTML(), w.HTML()
        self._folder = w.Text(
            value="spend",
            description="to file",
            tooltip="without its ending",
            style={"description_width": "auto"},
            layout=w.Layout(width="14em"),
        )
        buttons = []
        for label, action in (
            ("CSV", self._export_csv),
            ("Parquet", self._export_parquet),
            ("PNG of the chart", self._export_png),
            ("Refresh", lambda: self._draw()),
        ):
            button = w.Button(description=label, layout=w.Layout(width="auto"))
            button.on_click(lambda _, act=action: self._safely(act))
            buttons.append(button)
        self._draw()
        self.on_close(self._engine.ledger.subscribe(lambda _: self._soon()))
        self.on_close(self._stop_timer)
        return w.VBox(
            [
                w.HTML(heading("Spend")),
                w.GridBox(list(self._boxes.values()), layout=_columns(w)),
                self._figures,
                self._aside,
                self._picture,
                self._table,
                w.Box([self._folder, *buttons], layout=_wrapping(w)),
                self._told,
            ]
        )

    def _choosers(self, w: Any) -> dict[str, Any]:
        names = self._engine.ledger.choices()
        options: dict[str, Any] = {
            "period": list(PERIODS),
            "kind": list(KINDS),
            **{name: _with_all(names[name]) for name in ("model", "tag", "notebook")},
            "chart": [(LABELS.get(name, name), name) for name in CHARTS],
            "by": list(GROUPS),
            "sort": list(SORTS),
            "turned": [("highest first", False), ("lowest first", True)],
        }
        labels = {"kind": "money", "by": "group by", "sort": "sort by", "turned": "order"}
        made = {}
        for name, choices in options.items():
            value = getattr(self.choice, name)
            known = [c[1] if isinstance(c, tuple) else c for c in choices]
            box = w.Dropdown(
                options=choices,
                value=value if value in known else known[0],
                description=labels.get(name, name),
                style={"description_width": "4.7em"},
                layout=w.Layout(width="auto"),
            )
            box.observe(lambda change, which=name: self._choose(which, change["new"]), "value")
            made[name] = box
        return made

    def _choose(self, name: str, value: Any) -> None:
        self.choice = replace(self.choice, **{name: value})
        self._safely(self._draw)

    def _draw(self) -> None:
        """Show what there is now; only what has changed goes to the front end."""
        self.changed()
        with self._lock:
            found = self.report()
            self._aside.value = _noted(found.aside)
            if found.empty:
                self._figures.value = message(found.why_empty)
                self._picture.value = self._table.value = ""
                return
            self._figures.value = big_figures(found.totals)
            self._picture.value = picture(png(found.figure), found.alt)
            rows = _rows(found.table)
            more = len(found.table) - len(rows)
            note = message(f"{more:,} more rows: the export has them all") if more > 0 else ""
            self._table.value = _table_of(found.table, rows) + note
            shown = [self._figures.value, self._picture.value, self._table.value]
            paced = PACE.sent(size_of(shown), updates=len(shown))
            self._next = max(paced, time.monotonic() + GAP)

    def _soon(self) -> None:
        """Draw at once, or as soon as the gap has passed; many calls make one redraw."""
        with self._lock:
            if self._timer is not None or self._closed:
                self._missed = True
                return
            wait = max(0.0, self._next - time.monotonic())
            self._timer = threading.Timer(wait, self._redraw)
            self._timer.daemon = True
            self._timer.start()

    def _redraw(self) -> None:
        if not self._closed:
            self._refresh_names()
            self._safely(self._draw)
        with self._lock:
            self._timer = None
            again = self._missed
            self._missed = False
        if again:
            self._soon()

    def _refresh_names(self) -> None:
        """Models, tags and notebooks that are new can be chosen."""
        names = self._engine.ledger.choices()
        for name in ("model", "tag", "notebook"):
            box = self._boxes[name]
            options = _with_all(names[name])
            if list(box.options) != options:
                kept = box.value
                box.options = options
                box.value = kept if kept in [value for _, value in options] else ""

    def _stop_timer(self) -> None:
        """End the redraw that is due or under way, so that nothing reads the ledger after it."""
        with self._lock:  # whoever holds it may be about to start one
            timer = self._timer
        if timer is not None:
            timer.cancel()
            if timer is not threading.current_thread():
                timer.join()

    # -- export

    def _export_csv(self) -> None:
        path = self._path(".csv")
        self.report().table.to_csv(path, index=False)
        self._say(f"the table is in {path.name}")

    def _export_parquet(self) -> None:
        path = self._path(".parquet")
        try:
            self.report().table.to_parquet(path)
        except ImportError:
            self._say("Parquet needs pyarrow: pip install pyarrow; CSV works without", "bad")
            return
        self._say(f"the table is in {path.name}")

    def _export_png(self) -> None:
        path = self._path(".png")
        path.write_bytes(png(self.report().figure))
        self._say(f"the chart is in {path.name}")

    def _path(self, ending: str) -> Path:
        name = self._folder.value.strip() or "spend"
        path = Path(name).expanduser()
        path = path if path.suffix == ending else path.with_name(path.name + ending)
        if path.exists():
            raise MmaiError(f"{path.name} is there already: take another name")
        return path


def _first_choice(engine: Engine) -> Choice:
    """Real money where there is any, else the demo's."""
    choice = Choice()
    demo = replace(choice, kind="Demo (pretend)")
    real = len(engine.ledger.summary(None, **choice.filters))
    return demo if not real and len(engine.ledger.summary(None, **demo.filters)) else choice


def _noted(aside: str) -> str:
    return message(aside) if aside else ""


def _with_all(names: Iterable[str]) -> list[tuple[str, str]]:
    """Names to filter by, and the choice of none of them."""
    return [("all", ""), *((short(name), name) for name in names)]


def _columns(w: Any) -> Any:
    """As many choosers beside each other as have room, five at most."""
    columns = "repeat(auto-fill, minmax(max(14em, 19%), 1fr))"
    return w.Layout(display="grid", grid_template_columns=columns, width="100%")


def _table_of(frame: Any, rows: Sequence[tuple[str, ...]]) -> str:
    """The table in HTML; what checks cost has a column where they cost anything."""
    heads = COLUMNS if frame["check_cost_usd"].any() else COLUMNS[:-1]
    return table((frame.columns[0], *heads), [row[: len(heads) + 1] for row in rows])


def _rows(frame: Any) -> list[tuple[str, ...]]:
    return [
        (
            str(row[0]),
            f"{row.calls:,}",
            charts.format_count(float(row.tokens)),
            _cost(row),
            share(row.cache_hit_rate),
            share(row.fallback_rate),
            share(row.error_rate),
            _seconds(row.p50_s),
            _seconds(row.p95_s),
            money(row.saved_by_cache_usd),
            money(row.saved_by_routing_usd),
            money(row.check_cost_usd),
        )
        for row in frame.head(MOST_ROWS).itertuples(index=False)
    ]


def _cost(row: Any) -> str:
    if row.cost_usd != row.cost_usd:
        return "unknown"
    unknown = f" + {row.unknown_cost} unknown" if row.unknown_cost else ""
    return money(row.cost_usd) + unknown


def _seconds(seconds: float) -> str:
    return "–" if seconds != seconds else charts.format_seconds(seconds)


def _wrapping(w: Any) -> Any:
    return w.Layout(display="flex", flex_flow="row wrap", align_items="center")
