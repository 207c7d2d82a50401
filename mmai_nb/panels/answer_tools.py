"""What can be done with answers side by side: see two differ, copy one, keep its model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..comparison import Comparison
from ..engine import Engine
from .looks import AT_THE_EDGE, message, named, short
from .panel import close_all

__all__ = ["AnswerTools"]

FEWEST = 2
"""Answers that can differ."""


class AnswerTools:
    """A list to choose an answer, and another to hold it against; nothing while there is none.

    The row is made anew for each comparison: its parts then come with one message that changes
    what is shown, not with one each.

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
        import ipywidgets

        self._w = ipywidgets
        self._engine, self._safely, self._say = engine, safely, say
        self._comparison: Comparison | None = None
        self.answer: Any = None
        self.other: Any = None
        self.copy: Any = None
        self.differ: Any = None
        self.keep: Any = None
        self.shown: Any = None
        self.widget = ipywidgets.VBox()

    def offer(self, comparison: Comparison | None) -> None:
        """Have the answers of a comparison to choose from; None: there are none now."""
        done = [] if comparison is None else [c for c in comparison.ordered() if c.answer]
        again = comparison is self._comparison and self.widget.children != ()
        kept = (self.answer.value, self.other.value) if again else ("", "")
        switched = (self.copy.value, self.differ.value) if again else (False, False)
        self._comparison = comparison
        old, self.widget.children = self.widget.children, ()
        for widget in old:
            close_all(widget)
        if comparison is None or not done:
            return
        names = [(short(comparison.name_of(column)), column.label) for column in done]
        first, second = names[0][1], names[min(1, len(names) - 1)][1]
        self.answer = self._list("answer", names, kept[0] or first)
        self.other = self._list("against", names, kept[1] or second)
        self.copy = self._switch("Text to copy", switched[0])
        self.differ = self._switch("Differences", switched[1])
        self.keep = self._keep_button()
        self.differ.disabled = self.other.disabled = len(done) < FEWEST
        self.keep.disabled = comparison.hidden
        self.shown = self._w.VBox()
        row = self._w.Layout(display="flex", flex_flow="row wrap", align_items="center")
        kinds = [self.answer, self.copy, self.keep, self.other, self.differ]
        self.draw()
        self.widget.children = (self._w.Box(kinds, layout=row), self.shown)

    def _list(self, label: str, names: list[tuple[str, str]], value: str) -> Any:
        box = self._w.Dropdown(
            options=names,
            value=value or None,
            description=label,
            style={"description_width": "auto"},
            layout=self._w.Layout(width="auto", max_width="20em"),
        )
        box.observe(lambda _: self._safely(self.draw), "value")
        return box

    def _switch(self, label: str, value: bool = False) -> Any:
        button = self._w.ToggleButton(
            description=label, value=value, layout=self._w.Layout(width="auto")
        )
        button.observe(lambda _: self._safely(self.draw), "value")
        return button

    def _keep_button(self) -> Any:
        button = self._w.Button(
            description="Make it the default model",
            tooltip="prompts without a model of their own go to it from now on",
            layout=self._w.Layout(width="auto"),
        )
        button.on_click(lambda _: self._safely(self._make_default))
        return button

    def draw(self) -> None:
        """Show what is switched on, for the answers that are chosen."""
        if self._comparison is None:
            return
        old, self.shown.children = self.shown.children, ()
        for widget in old:
            close_all(widget)
        column = self._comparison.column(self.answer.value)
        made = []
        if self.copy.value:
            made.append(
                self._w.Textarea(
                    value=self._comparison.text_of(column),
                    **named("the answer as it was written"),
                    layout=self._w.Layout(width="auto", height="9em", margin=AT_THE_EDGE),
                )
            )
        if self.differ.value and not self.differ.disabled:
            made.append(self._w.HTML(self._difference()))
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
