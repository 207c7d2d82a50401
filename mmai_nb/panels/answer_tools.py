"""What can be done with answers side by side: see two differ, copy one, keep its model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..comparison import Column, Comparison
from ..engine import Engine
from .looks import message, named, short

__all__ = ["AnswerTools"]

FEWEST = 2
"""Answers that can differ."""


class AnswerTools:
    """A row to choose an answer, and another to hold it against; hidden while there is none.

    Args:
        engine: whose default model can be set to the one that gave an answer.
        safely: runs an action and shows what it raises.
        say: shows a line of success.
    """

    def __init__(
        self,
        engine: Engine,
        safely: Callable[[Callable[[], None]], None],
        say: Callable[[str], None],
    ) -> None:
        import ipywidgets as w

        self._engine, self._safely, self._say = engine, safely, say
        self._comparison: Comparison | None = None
        self._filling = False
        self.answer = self._list(w, "answer")
        self.other = self._list(w, "against")
        self.differ = self._switch(w, "Differences", "mark what differs from the other answer")
        self.copy = self._switch(w, "Text to copy", "the answer as it was written, to select")
        self.keep = w.Button(
            description="Make it the default model",
            tooltip="unmarked prompts go to this model from now on",
            layout=w.Layout(width="auto"),
        )
        self.keep.on_click(lambda _: self._safely(self._make_default))
        self.shown = w.VBox()
        row = w.Layout(display="flex", flex_flow="row wrap", align_items="center", width="100%")
        kinds = [self.answer, self.copy, self.keep, self.other, self.differ]
        self.widget = w.VBox([w.Box(kinds, layout=row), self.shown])
        self.offer(None)

    def _list(self, w: Any, label: str) -> Any:
        box = w.Dropdown(
            description=label,
            style={"description_width": "auto"},
            layout=w.Layout(width="auto", max_width="20em"),
        )
        box.observe(lambda _: self._filling or self._safely(self.draw), "value")
        return box

    def _switch(self, w: Any, label: str, hint: str) -> Any:
        button = w.ToggleButton(
            description=label, tooltip=hint, value=False, layout=w.Layout(width="auto")
        )
        button.observe(lambda _: self._filling or self._safely(self.draw), "value")
        return button

    def offer(self, comparison: Comparison | None) -> None:
        """Have the answers of a comparison to choose from; None: there are none now."""
        done = [] if comparison is None else _whole(comparison)
        fresh, self._comparison = comparison is not self._comparison, comparison
        self._filling = True
        try:
            for box, place in ((self.answer, 0), (self.other, 1)):
                kept = None if fresh else box.value
                box.options = [(short(comparison.name_of(c)), c.label) for c in done if comparison]
                if done:
                    known = [column.label for column in done]
                    box.value = kept if kept in known else known[min(place, len(done) - 1)]
            if fresh:
                self.copy.value = self.differ.value = False
            self.differ.disabled = self.other.disabled = len(done) < FEWEST
            self.keep.disabled = comparison is None or comparison.hidden
        finally:
            self._filling = False
        self.widget.layout.display = "" if done else "none"
        self.draw()

    def draw(self) -> None:
        """Show what is switched on, for the answers that are chosen."""
        import ipywidgets as w

        old, self.shown.children = self.shown.children, ()
        for widget in old:
            widget.close()
        if self._comparison is None or self.answer.value is None:
            return
        column = self._comparison.column(self.answer.value)
        made = []
        if self.copy.value:
            made.append(
                w.Textarea(
                    value=column.text,
                    **named("the answer as it was written"),
                    layout=w.Layout(width="auto", height="9em"),
                )
            )
        if self.differ.value and not self.differ.disabled:
            made.append(w.HTML(self._difference()))
        self.shown.children = tuple(made)

    def _difference(self) -> str:
        if self.answer.value == self.other.value:
            return message("That is one answer twice: choose another to hold it against.")
        assert self._comparison is not None
        found = self._comparison.diff(self.answer.value, self.other.value)
        return str(found._repr_mimebundle_()["text/html"])

    def _make_default(self) -> None:
        assert self._comparison is not None
        name = self._comparison.column(self.answer.value).model
        self._engine.configure({"default_model": name})
        line = f"%ai config default_model {json.dumps(name, ensure_ascii=False)}"
        self._say(f"{name} answers from now on, like after {line}; %ai config save keeps it")


def _whole(comparison: Comparison) -> list[Column]:
    return [column for column in comparison.ordered() if column.answer is not None]
