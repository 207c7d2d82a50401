"""Where a panel stands in a notebook: what is shown there, what is saved, what replaces it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

__all__ = ["WIDGET_VIEW", "Place"]

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_NOTHING = {"text/html": "<div></div>"}
_LATE = 1.0
"""Seconds that a widget has to come up in, or to fail, before its twin is shown instead."""


class Place:
    """One output with all kinds of data, or the widget and its twin apart, in two.

    JupyterLab and Notebook 7 say "Error displaying widget" where a widget's kernel is gone (it was
    killed, or the notebook was saved and is opened another day): of one output they never show the
    next kind of data, as VS Code does. So there the twin is an output of its own, which a rule of
    CSS hides as long as the widget is in the page and alive; else it hides the widget's output.
    """

    def __init__(self) -> None:
        self._name = uuid.uuid4().hex
        self.apart = False

    @property
    def mark(self) -> str:
        """The CSS class by which the widget is known in the page."""
        return f"mmai-live-{self._name}"

    def show(self, bundle: dict[str, Any], *, apart: bool) -> None:
        """Show MIME data; where widget and twin are apart, the widget's output comes second."""
        self.apart = apart and WIDGET_VIEW in bundle
        if not self.apart:
            return self._send(bundle)
        self._send(self._twin(bundle))
        self._send({WIDGET_VIEW: bundle[WIDGET_VIEW], **_NOTHING}, of="live")

    def renew(self, bundle: dict[str, Any]) -> None:
        """Replace the twin that is saved beside the widget, which stays as it is."""
        if self.apart:
            self._send(self._twin(bundle), update=True)

    def close(self, bundle: dict[str, Any]) -> None:
        """The twin alone is left: there is no widget any more."""
        self._send(bundle, update=True)
        if self.apart:
            self._send(_NOTHING, of="live", update=True)

    def _twin(self, bundle: dict[str, Any]) -> dict[str, Any]:
        twin = {kind: data for kind, data in bundle.items() if kind != WIDGET_VIEW}
        twin["text/html"] = (
            f'<div class="mmai-twin mmai-twin-{self._name}">{twin["text/html"]}</div>{self._rule()}'
        )
        return twin

    def _rule(self) -> str:
        twin = f".mmai-twin-{self._name}"
        live = f".{self.mark}:not(.jupyter-widgets-disconnected)"
        output = ".jp-OutputArea-child"
        return (
            "<style>@keyframes mmai-late { from, to { max-height: 0; overflow: hidden } } "
            f"@media screen {{ {output}:not(:has(+ {output} .jupyter-widgets)) {twin} "
            f"{{ animation: mmai-late {_LATE}s }} }} "
            f":root:has({live}) {twin}, :root:has({live}) {output}:has({twin}), "
            f"{output}:has({twin}) + {output}:not(:has({live})) {{ display: none }}</style>"
        )

    def _send(self, bundle: dict[str, Any], of: str = "twin", *, update: bool = False) -> None:
        from IPython.display import publish_display_data

        publish: Callable[..., None] = publish_display_data
        publish(bundle, transient={"display_id": f"{self._name}-{of}"}, update=update)
