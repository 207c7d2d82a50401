"""What all panels are: a widget, its static twin in the same MIME bundle, and an end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ..markup import clean_text, inert_html

__all__ = ["NOTE_STYLE", "Panel"]

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
NOTE_STYLE = "color: var(--jp-ui-font-color2, #616161); font-size: 87%"
HOW_TO_GET_IT = (
    "This is a picture of the panel. Run the cell in a front end with ipywidgets for the live one."
)


class Panel(ABC):
    """A widget that leaves something to read where no widget can live.

    A live front end shows the widget and nothing else; nbconvert, GitHub and a front end without
    widgets show the static twin that stands in the same MIME bundle.

    Args:
        name: said where only text can be shown.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._widget: Any = None
        self._undo: list[Callable[[], None]] = []
        self._closed = False

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
        """Let go of listeners and widgets; what is on the screen stays as it is."""
        self._closed = True
        while self._undo:
            self._undo.pop()()
        widget, self._widget = self._widget, None
        if widget is not None:
            _close_all(widget)

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        twin = self.static()
        note = f'<div style="{NOTE_STYLE}">{inert_html(HOW_TO_GET_IT)}</div>'
        bundle: dict[str, Any] = {
            "text/plain": clean_text(twin["text/plain"]),
            "text/html": f"<div>{twin['text/html']}{note}</div>",
        }
        if not self._closed:
            bundle[WIDGET_VIEW] = {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            }
        return bundle


def _close_all(widget: Any) -> None:
    """Close a widget and all that is in it: ipywidgets keeps each open one for ever."""
    for child in getattr(widget, "children", ()):
        _close_all(child)
    for name in ("layout", "style"):
        part = getattr(widget, name, None)
        if part is not None and hasattr(part, "close"):
            part.close()
    widget.close()
