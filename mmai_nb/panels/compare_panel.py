"""The compare panel: one prompt, several models, their answers live beside each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..amounts import format_percent
from ..comparison import ORDERS, Comparison
from ..engine import Engine
from ..errors import MmaiError
from ..pacing import PACE, size_of
from ..side_by_side import side_by_side
from .answer_tools import AnswerTools
from .foresight import cost_words
from .looks import AT_THE_EDGE, heading, message, named, quoted, short, table
from .panel import Panel, close_all

__all__ = ["ComparePanel"]

SLICE = 0.05
"""Seconds between two looks at what has come."""
FEWEST = 2
MOST_BUTTONS = 6
"""Answers with a button each to vote for them; of more one is chosen from a list."""


class ComparePanel(Panel):
    """Ask several models at once, look at their answers side by side, and vote.

    Args:
        engine: who is asked.
        prompt: what stands in the box at first.
        models: who is chosen at first; default: the first model of each tier.
    """

    def __init__(
        self, engine: Engine, prompt: str = "", models: tuple[str, ...] | None = None
    ) -> None:
        super().__init__("compare panel")
        self._engine, self._prompt = engine, prompt
        settings = engine.settings_for_display
        firsts = dict.fromkeys(tier.chain[0] for tier in settings.tiers)
        self._chosen = tuple(firsts) if models is None else models
        self.comparison: Comparison | None = None
        self._watcher: threading.Thread | None = None
        self._began = 0.0

    # -- what it shows

    def static(self) -> dict[str, str]:
        """The answers side by side; before the first run, how to get one."""
        if self.comparison is not None:
            bundle, asked = self.comparison._repr_mimebundle_(), self.comparison.prompt
            return {
                "text/html": heading("Compare models") + quoted(asked) + bundle["text/html"],
                "text/plain": f"{asked}\n\n{bundle['text/plain']}",
            }
        words = "Nothing compared yet: type a prompt, choose models and press Compare."
        return {"text/html": heading("Compare models") + message(words), "text/plain": words}

    # -- the widget

    def build(self) -> Any:
        """The widget; nothing is asked before its button is pressed."""
        import ipywidgets as w

        self._ask_box = w.Textarea(
            value=self._prompt,
            placeholder="What shall they answer? (What you type is saved with the notebook.)",
            **named("prompt"),
            continuous_update=True,
            layout=w.Layout(width="auto", height="5.5em", margin=AT_THE_EDGE),
        )
        self._ask_box.observe(lambda _: self._foresee(), "value")
        self._cost = w.HTML()
        self._search = w.Text(
            placeholder="search models",
            **named("search models"),
            continuous_update=True,
            layout=w.Layout(width="auto", margin=AT_THE_EDGE),
        )
        self._search.observe(lambda _: self._list_models(), "value")
        self._picker = w.SelectMultiple(
            options=self._names(),
            value=self._known(self._chosen),
            rows=6,
            **named("models to ask, several with Ctrl or Cmd"),
            layout=w.Layout(width="auto", margin=AT_THE_EDGE),
        )
        self._picker.observe(self._note_choice, "value")
        self._blind = w.Checkbox(description="hide the names until I vote", indent=False)
        self._order = w.Dropdown(
            options=list(ORDERS),
            description="sort by",
            style={"description_width": "auto"},
            layout=w.Layout(width="auto"),
        )
        self._order.observe(lambda change: self._safely(self._sort), "value")
        self._run = self._button(w, "Compare", self._compare, "primary")
        self._stop = self._button(w, "Stop", self._stop_all)
        self._again = self._button(w, "Ask failed ones again", self._rerun)
        self._told, self._answers = w.HTML(), w.HTML(layout=w.Layout(width="auto"))
        self._votes, self._rates = w.Box(layout=_row(w)), w.HTML()
        self._tools = AnswerTools(self._engine, self._safely, self._say)
        self._foresee()
        self._show_rates()
        self._enable()
        self.on_close(self._stop_all)
        left = w.VBox([self._search, self._picker], layout=w.Layout(flex="1 1 16em"))
        under = w.Box([self._blind, self._cost], layout=_row(w))
        right = w.VBox([self._ask_box, under], layout=w.Layout(flex="3 1 22em"))
        buttons = [self._run, self._stop, self._again, self._order]
        return w.VBox(
            [
                w.HTML(heading("Compare models")),
                w.Box([left, right], layout=_row(w, "stretch")),
                w.Box(buttons, layout=_row(w)),
                self._told,
                self._votes,
                self._tools.widget,
                self._answers,
                self._rates,
            ]
        )

    def _button(self, w: Any, label: str, action: Callable[[], None], style: str = "") -> Any:
        button = w.Button(description=label, button_style=style, layout=w.Layout(width="auto"))
        button.on_click(lambda _: self._safely(action))
        return button

    # -- choosing

    def _names(self) -> list[str]:
        words = self._search.value.lower().split()
        names = list(self._engine.settings_for_display.models)
        chosen = [name for name in names if name in self._chosen]
        found = [n for n in names if all(word in n.lower() for word in words)]
        return list(dict.fromkeys([*chosen, *found])) if words else names

    def _known(self, names: tuple[str, ...]) -> tuple[str, ...]:
        known = self._engine.settings_for_display.models
        return tuple(name for name in names if name in known)

    def _list_models(self) -> None:
        """What was chosen stays in the list, and chosen, whatever is searched for."""
        kept = self._chosen
        self._picker.options = self._names()
        self._picker.value = self._known(kept)

    def _note_choice(self, change: Any) -> None:
        if change["new"] or not self._search.value:
            self._chosen = tuple(change["new"])
        self._foresee()

    def _foresee(self) -> None:
        """What it would cost, while the prompt is typed and models are chosen."""
        prompt, words = self._ask_box.value, ""
        try:
            settings = self._engine.settings_for_display
            for name in self._chosen:
                if name not in [tier.name for tier in settings.tiers]:
                    settings.find(name)  # what is not there is told at once
            if prompt.strip() and len(self._chosen) >= FEWEST:
                words = cost_words(self._engine, prompt, self._chosen)
        except MmaiError as error:
            self._cost.value = message(str(error), "bad")
            return
        self._cost.value = message(words) if words else ""

    # -- running

    def _compare(self) -> None:
        if not self._ask_box.value.strip():
            raise MmaiError("there is no prompt yet: type one into the box")
        if len(self._chosen) < FEWEST:
            raise MmaiError("choose at least two models: hold Ctrl (Cmd) and click")
        self._take(
            self._engine.compare(self._ask_box.value, list(self._chosen), blind=self._blind.value)
        )
        assert self.comparison is not None
        self._watch(self.comparison.start)

    def _rerun(self) -> None:
        comparison = self._some()
        missing = [c for c in comparison.columns if c.state in ("failed", "stopped")]
        self._began = time.monotonic()
        self._watch(lambda: comparison.start(missing))

    def _take(self, comparison: Comparison) -> None:
        """Put a comparison into the panel."""
        self._let_go(self._votes)
        self._tools.offer(None)
        self.comparison, self._began = comparison, time.monotonic()

    def _watch(self, start: Callable[[], None]) -> None:
        comparison = self._some()
        start()
        self._enable()
        self._watcher = threading.Thread(
            target=self._follow, args=(comparison,), daemon=True, name="mmai-compare-panel"
        )
        self._watcher.start()

    def _follow(self, comparison: Comparison) -> None:
        """Show what comes until all is there; runs beside the kernel, so that Stop is heard."""
        next_time = 0.0
        while not comparison.over:
            if time.monotonic() >= next_time:
                next_time = self._update(comparison)
            time.sleep(SLICE)
        self._update(comparison)
        if self.comparison is comparison and not self._closed:
            self._finish(comparison)

    def _update(self, comparison: Comparison) -> float:
        """Send what has changed, all columns as one message; gives the time (s) of the next.

        The line that tells how far it is, each second another, takes the turn of the answers.
        """
        begin, over = time.monotonic(), comparison.over
        seconds = int(begin - self._began)
        box, html = self._told, message(f"{comparison.note()} {seconds} s")
        if over or not seconds or box.value == html:
            cells = [comparison.cell(column) for column in comparison.ordered()]
            box, html = self._answers, side_by_side(cells, comparison.format)["text/html"]
        if self.comparison is not comparison or box.value == html:
            return begin
        box.value = html
        took = time.monotonic() - begin
        return max(PACE.sent(size_of([html])), time.monotonic() + 5 * took)

    def _finish(self, comparison: Comparison) -> None:
        failed = sum(column.answer is None for column in comparison.columns)
        words = f" · {failed} without an answer: they can be asked again" if failed else ""
        self._say(
            f"{len(comparison.columns) - failed} of {len(comparison.columns)} answers are there. "
            "Vote to see the names."
            if comparison.hidden
            else comparison.summary() + words,
            "plain",
        )
        self._offer_votes(comparison)
        self._tools.offer(comparison)
        self._enable()
        self.changed()

    def _stop_all(self) -> None:
        if self.comparison is not None and not self.comparison.over:
            self.comparison.stop()
        watcher = self._watcher
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join(5.0)

    # -- judging

    def _offer_votes(self, comparison: Comparison) -> None:
        import ipywidgets as w

        done = [column for column in comparison.columns if column.answer is not None]
        self._let_go(self._votes)
        if comparison.verdict is not None or len(done) < FEWEST:
            return
        names = [(short(comparison.name_of(c)), c.label) for c in done]
        first = [self._button(w, f"{n} is best", partial(self._vote, c)) for n, c in names]
        if len(names) > MOST_BUTTONS:
            best = w.Dropdown(options=names, **named("the best answer"), layout=_narrow(w))
            first = [best, self._button(w, "is best", lambda: self._vote(best.value))]
        others = (("all the same", "tie"), ("none is good", "bad"))
        rest = [self._button(w, label, partial(self._vote, word)) for label, word in others]
        self._votes.children = (w.Label("Your vote:"), *first, *rest)

    def _vote(self, which: str) -> None:
        comparison = self._some()
        comparison.vote(which)
        self._let_go(self._votes)
        self._update(comparison)
        self._tools.offer(comparison)
        self._say("Your vote is kept.")
        self._show_rates()
        self._enable()
        self.changed()

    def _sort(self) -> None:
        if self.comparison is None:
            return
        try:
            self.comparison.sorted_by(self._order.value)
        except MmaiError:
            self._order.value = "asked"
            raise
        self._update(self.comparison)
        self.changed()

    def _show_rates(self) -> None:
        rates = self._engine.win_rates()
        if not len(rates):
            return
        rows = [
            (
                str(model),
                *(str(row[name]) for name in ("votes", "won", "tied", "lost", "bad")),
                format_percent(row["win_rate"]),
            )
            for model, row in rates.iterrows()
        ]
        columns = (
            "your votes so far",
            "votes",
            "won",
            "tied",
            "lost",
            "none good",
            "win rate (a tie is half)",
        )
        self._rates.value = table(columns, rows)

    # -- all of it

    def _some(self) -> Comparison:
        if self.comparison is None:
            raise MmaiError("nothing was compared yet: press Compare first")
        return self.comparison

    def _enable(self) -> None:
        """Only what makes sense now can be pressed."""
        comparison = self.comparison
        running = comparison is not None and not comparison.over
        ended = comparison is not None and comparison.over
        states = [c.state for c in comparison.columns] if comparison is not None else []
        self._run.disabled, self._stop.disabled = running, not running
        self._again.disabled = not (ended and {"failed", "stopped"} & set(states))

    def _let_go(self, *boxes: Any) -> None:
        for box in boxes:
            old, box.children = box.children, ()
            for widget in old:
                close_all(widget)


def _narrow(w: Any) -> Any:
    return w.Layout(width="auto", max_width="20em")


def _row(w: Any, align: str = "center") -> Any:
    return w.Layout(display="flex", flex_flow="row wrap", align_items=align, width="100%")
