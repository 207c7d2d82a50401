"""What all panels do, driven without a browser."""

from __future__ import annotations

import ipywidgets
import pytest

from mmai_nb.errors import LedgerWarning
from mmai_nb.ledger import Ledger
from mmai_nb.panels.panel import WIDGET_VIEW, Panel
from mmai_nb.records import Attempt


class Small(Panel):
    def build(self):
        return ipywidgets.VBox([ipywidgets.Button(description="press"), ipywidgets.HTML("x")])

    def static(self):
        return {"text/html": "<b>twin</b>", "text/plain": "twin\x1b[31m"}


def test_the_twin_stands_in_the_same_bundle_as_the_widget():
    panel = Small("a panel")
    bundle = panel._repr_mimebundle_()
    assert bundle[WIDGET_VIEW]["model_id"] == panel.widget.model_id
    assert "<b>twin</b>" in bundle["text/html"]
    assert "ipywidgets" in bundle["text/html"]
    assert bundle["text/plain"] == "twin"
    panel.close()


def test_a_closed_panel_shows_its_twin_alone_and_lets_go_of_everything():
    panel, undone = Small("a panel"), []
    panel.on_close(lambda: undone.append(1))
    button = panel.widget.children[0]
    panel.close()
    panel.close()
    assert undone == [1]
    assert WIDGET_VIEW not in panel._repr_mimebundle_()
    assert button.comm is None


def test_a_listener_hears_outcomes_until_it_is_taken_away():
    ledger, heard = Ledger(None), []
    undo = ledger.subscribe(heard.append)
    row = Attempt("a", 1, 0.0, status="ok")
    ledger.begin(Attempt("a", 1, 0.0))
    ledger.finish(row)
    ledger.record(row)
    undo()
    undo()
    ledger.record(row)
    assert heard == [row, row]


def test_a_listener_that_fails_costs_a_warning_and_not_the_row():
    ledger = Ledger(None)

    def broken(attempt: Attempt) -> None:
        raise RuntimeError("the front end is gone")

    ledger.subscribe(broken)
    with pytest.warns(LedgerWarning, match="the front end is gone"):
        ledger.record(Attempt("a", 1, 0.0, status="ok"))
    assert len(ledger.frame()) == 1
