"""What all panels are: a widget, its static twin in the same MIME bundle, and an end."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import MmaiError
from ..markup import clean_text, inert_html
from ..pacing import DEAD_FRONT_END
from .looks import message
from .place import WIDGET_VIEW, Place

__all__ = ["NOTE_STYLE", "Panel", "close_all"]

NOTE_STYLE = "color: var(--jp-ui-font-color2, #616161); font-size: 87%"
HOW_TO_GET_IT = (
    "This is a picture of the panel. Run the cell in a front end with ipywidgets for the live one."
)
QUIET = 2.0
"""Seconds without a change after which the twin in the notebook follows."""


class Panel(ABC):
    """A widget that leaves something to read where no widget can live.

    A live front end shows the widget and nothing else; nbconvert, GitHub, a front end without
    widgets and a notebook whose kernel is gone show the static twin, which stands beside it. The
    twin stands alone where nobody can use a widget: in a notebook that a program runs, and once the
    panel is closed or its kernel ends.

    Args:
        name: said where only text can be shown.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._widget: Any = None
        self._told: Any = None  # the line that says what a click did, made with the widget
        self._undo: list[Callable[[], None]] = []
        self._closed = self._shown = False
        self._place = Place()
        self._renewal: threading.Timer | None = None
        self._shown_by: tuple[object, object] = (None, None)

    @abstractmethod
    def build(self) -> Any:
        """The widget, made at the first display."""

    @abstractmethod
    def static(self) -> dict[str, str]:
        """`text/html` and `text/plain` that say what the widget shows just now."""

    @property
    def widget(self) -> Any:
        """The ipywidgets widget; made at the first use."""
        if self._widget is None:
            self._widget = self.build()
        return self._widget

    def on_close(self, undo: Callable[[], None]) -> None:
        """Have `undo` called when the panel closes: it takes a listener away."""
        self._undo.append(undo)

    def close(self) -> None:
        """Let go of listeners and widgets; on the screen stays the static twin."""
        self._closed = True
        self._end_renewal()
        while self._undo:
            self._undo.pop()()
        widget, self._widget = self._widget, None
        if widget is not None:
            close_all(widget)
        if self._shown:
            self._shown = False
            with suppress(*DEAD_FRONT_END):
                self._place.close(self._repr_mimebundle_())

    def changed(self) -> None:
        """What is shown is another now: the twin that is saved with the notebook follows soon."""
        if self._shown and self._place.apart:
            self._end_renewal()
            self._renewal = threading.Timer(QUIET, self._renew)
            self._renewal.daemon = True
            self._renewal.start()

    def _renew(self) -> None:
        if not self._closed:
            with suppress(*DEAD_FRONT_END):
                self._place.renew(self._repr_mimebundle_())

    def _end_renewal(self) -> None:
        renewal = self._renewal
        if renewal is not None:
            renewal.cancel()
            if renewal is not threading.current_thread():
                renewal.join()

    def _safely(self, action: Callable[[], object]) -> None:
        """Run what a click asks for; an error is a line in the panel, never a lost traceback."""
        try:
            self._say("")
            action()
        except (MmaiError, OSError, ValueError) as error:
            self._say(str(error), "bad")

    def _say(self, words: str, tone: str = "good") -> None:
        self._told.value = message(words, tone) if words else ""

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def _ipython_display_(self) -> None:
        """Show it where it can be updated later; outside a kernel that is IPython's affair.

        Raises:
            NotImplementedError: IPython's word for that.
        """
        if _kernel() is None:
            raise NotImplementedError
        cell, run = self._shown_by = _cell_and_run()
        for other in list(_shown):  # what an earlier run of this cell had shown is off the screen
            if other is not self and other._shown_by[0] == cell and other._shown_by[1] != run:
                other.close()
        bundle = self._repr_mimebundle_()
        if WIDGET_VIEW in bundle:
            self.widget.add_class(self._place.mark)
        self._place.show(bundle, apart=_is_jupyterlab())
        self._shown = not self._closed
        _shown.add(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        twin = self.static()
        note = f'<div style="{NOTE_STYLE}">{inert_html(HOW_TO_GET_IT)}</div>'
        bundle: dict[str, Any] = {
            "text/plain": clean_text(twin["text/plain"]),
            "text/html": f"<div>{twin['text/html']}{note}</div>",
        }
        if not (self._closed or _is_run_by_a_program()):
            bundle[WIDGET_VIEW] = {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            }
        return bundle


_shown: weakref.WeakSet[Panel] = weakref.WeakSet()


@atexit.register
def _leave_twins() -> None:
    """The kernel ends: what is saved from now on needs none."""
    for panel in list(_shown):
        panel.close()


def _kernel() -> Any:
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def _is_run_by_a_program() -> bool:
    """Whether the cell was sent by nbconvert, papermill and the like: they let nobody type.

    Voilà does so too, and then shows the widgets live.
    """
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return False
    return _request().get("content", {}).get("allow_stdin") is False


def _is_jupyterlab() -> bool:
    """Whether JupyterLab or what is made of it (Notebook 7) sent the cell: only they tell this."""
    return "deletedCells" in _request().get("metadata", {})


def _cell_and_run() -> tuple[object, object]:
    """Which cell runs, where the front end tells (JupyterLab, Notebook 7, VS Code), and which run.

    A cell that is not told is one of its own.
    """
    asked = _request()
    run = asked.get("header", {}).get("msg_id")
    return asked.get("metadata", {}).get("cellId", run), run


def _request() -> dict[str, Any]:
    """What the front end has sent to run the cell; nothing outside a kernel."""
    kernel = _kernel()
    return (kernel.get_parent() or {}) if kernel is not None else {}


def close_all(widget: Any) -> None:
    """Close a widget and all that is in it: ipywidgets keeps each open one for ever."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    for name in ("layout", "style"):
        part = getattr(widget, name, None)
        if part is not None and hasattr(part, "close"):
            part.close()
    widget.close()
