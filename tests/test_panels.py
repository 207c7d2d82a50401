"""What all panels do, driven without a browser."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import ipywidgets
import nbformat
import pytest
from nbconvert import HTMLExporter
from support.scripted import Scripted, settings_of
from support.waiting import soon

from mmai_nb import charts
from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import LedgerWarning
from mmai_nb.ledger import Ledger
from mmai_nb.panels.compare_panel import ComparePanel
from mmai_nb.panels.looks import picture, text_table
from mmai_nb.panels.models_panel import ModelsPanel
from mmai_nb.panels.panel import WIDGET_VIEW, Panel, _leave_twins
from mmai_nb.panels.spend_panel import SpendPanel
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


class Kernel:
    """What a panel asks of its kernel: whether the cell may ask for input, and what it shows."""

    def __init__(self, allow_stdin: bool) -> None:
        self.shown: list[tuple[bool, dict]] = []
        self._request = {"content": {"allow_stdin": allow_stdin}}

    def get_parent(self):
        return self._request

    def request(self, cell: str, run: str, **more: object) -> None:
        """A front end runs a cell; JupyterLab's tells more of it than others."""
        self._request |= {"metadata": {"cellId": cell, **more}, "header": {"msg_id": run}}

    def publish(self, bundle, *, transient, update):
        assert transient["display_id"]
        self.shown.append((update, bundle))


@pytest.fixture
def kernel(monkeypatch):
    def made(allow_stdin: bool) -> Kernel:
        one = Kernel(allow_stdin)
        monkeypatch.setattr("mmai_nb.panels.panel._kernel", lambda: one)
        monkeypatch.setattr("IPython.display.publish_display_data", one.publish)
        return one

    return made


def test_a_panel_that_is_closed_leaves_its_twin_where_it_was(kernel):
    screen, panel = kernel(allow_stdin=True), Small("a panel")
    panel._ipython_display_()
    panel.close()
    panel.close()
    assert [update for update, _ in screen.shown] == [False, True]
    assert WIDGET_VIEW in screen.shown[0][1]
    assert set(screen.shown[1][1]) == {"text/html", "text/plain"}
    assert "<b>twin</b>" in screen.shown[1][1]["text/html"]


def test_in_jupyterlab_the_twin_is_an_output_of_its_own_that_the_living_widget_hides(kernel):
    screen, panel = kernel(allow_stdin=True), Small("a panel")
    screen.request("1", "first", deletedCells=[])
    panel._ipython_display_()
    (_, twin), (_, live) = screen.shown
    assert set(twin) == {"text/html", "text/plain"}
    assert live[WIDGET_VIEW]["model_id"] == panel.widget.model_id
    (mark,) = panel.widget._dom_classes
    assert f":root:has(.{mark}:not(.jupyter-widgets-disconnected))" in twin["text/html"]
    assert live["text/html"] == "<div></div>"
    panel.close()
    (_, twin), (_, live) = screen.shown[2:]
    assert "<b>twin</b>" in twin["text/html"]
    assert "<style>" not in twin["text/html"]
    assert live == {"text/html": "<div></div>"}


def test_a_notebook_that_jupyterlab_saved_is_converted_to_the_picture(kernel):
    screen, panel = kernel(allow_stdin=True), Small("a panel")
    screen.request("1", "first", deletedCells=[])
    panel._ipython_display_()
    outputs = [nbformat.v4.new_output("display_data", data) for _, data in screen.shown]
    saved = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=outputs)])
    nbformat.validate(saved)
    page, _ = HTMLExporter().from_notebook_node(saved)
    assert page.count("<b>twin</b>") == 1
    assert panel.widget.model_id not in page
    panel.close()


def test_the_twin_beside_a_widget_follows_once_nothing_changes_any_more(kernel, monkeypatch):
    monkeypatch.setattr("mmai_nb.panels.panel.QUIET", 0.5)
    screen, panel = kernel(allow_stdin=True), Small("a panel")
    screen.request("1", "first", deletedCells=[])
    panel._ipython_display_()
    monkeypatch.setattr(panel, "static", lambda: {"text/html": "<b>new</b>", "text/plain": "new"})
    for _ in range(3):
        panel.changed()
    panel._renewal.join(20)
    assert [update for update, _ in screen.shown] == [False, False, True]
    assert "<b>new</b>" in screen.shown[2][1]["text/html"]
    assert WIDGET_VIEW not in screen.shown[2][1]
    panel.changed()
    panel.close()
    assert not panel._renewal.is_alive()
    assert len(screen.shown) == 5


def test_elsewhere_the_twin_is_in_the_widgets_output_and_is_left_as_it_was(kernel):
    screen, panel = kernel(allow_stdin=True), Small("a panel")
    screen.request("1", "first")
    panel._ipython_display_()
    panel.changed()
    assert panel._renewal is None
    assert len(screen.shown) == 1
    panel.close()


def test_a_panel_that_was_never_shown_shows_nothing_when_it_closes(kernel):
    screen, panel = kernel(allow_stdin=True), Small("a panel")
    panel._repr_mimebundle_()
    panel.close()
    assert screen.shown == []


def test_all_panels_on_the_screen_become_their_twins_when_the_kernel_ends(kernel):
    screen = kernel(allow_stdin=True)
    panels = [Small("one"), Small("two")]
    for panel in panels:
        panel._ipython_display_()
    _leave_twins()
    assert [WIDGET_VIEW in bundle for _, bundle in screen.shown] == [True, True, False, False]


def test_a_notebook_that_a_program_runs_gets_the_twin_and_no_widget(kernel):
    kernel(allow_stdin=False)
    panel, before = Small("a panel"), len(ipywidgets.Widget.get_manager_state()["state"])
    assert set(panel._repr_mimebundle_()) == {"text/html", "text/plain"}
    assert len(ipywidgets.Widget.get_manager_state()["state"]) == before


def test_voila_runs_a_notebook_as_a_program_and_gets_the_widget(kernel, monkeypatch):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.8")
    kernel(allow_stdin=False)
    panel = Small("a panel")
    assert WIDGET_VIEW in panel._repr_mimebundle_()
    panel.close()


def test_outside_a_kernel_a_panel_is_shown_as_ipython_shows_anything():
    with pytest.raises(NotImplementedError):
        Small("a panel")._ipython_display_()


def test_a_cell_that_runs_again_closes_what_its_last_run_has_shown(kernel):
    screen, old, new, other = (kernel(allow_stdin=True), *(Small(name) for name in "abc"))
    for panel, cell, run in ((other, "1", "first"), (old, "2", "second"), (new, "2", "third")):
        screen.request(cell, run)
        panel._ipython_display_()
    assert [panel._closed for panel in (other, old, new)] == [False, True, False]
    new._ipython_display_()
    assert not new._closed
    for panel in (new, other):
        panel.close()


def test_two_panels_of_one_cell_live_side_by_side(kernel):
    screen, panels = kernel(allow_stdin=True), (Small("one"), Small("two"))
    screen.request("1", "first")
    for panel in panels:
        panel._ipython_display_()
    assert not any(panel._closed for panel in panels)
    for panel in panels:
        panel.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [ModelsPanel, ComparePanel, SpendPanel])
def test_opening_and_closing_a_hundred_leaves_nothing_behind(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("mmai_nb.panels.spend_panel.png", lambda figure: b"")  # the slow part
    engine = Engine(
        settings_of(),
        call=Scripted(),
        ledger=Ledger(tmp_path / "ledger.sqlite3"),
        cache=AnswerCache(None),
    )
    engine.ledger.record(Attempt("a", 1, time.time(), request_model="small", status="ok"))
    before, threads = len(ipywidgets.Widget.get_manager_state()["state"]), threading.active_count()
    panels: weakref.WeakSet[Panel] = weakref.WeakSet()
    for _ in range(100):
        panel = kind(engine)
        panels.add(panel)
        assert panel._repr_mimebundle_()[WIDGET_VIEW]
        panel.close()
    del panel
    gc.collect()
    assert engine.ledger._listeners == []
    assert len(ipywidgets.Widget.get_manager_state()["state"]) == before
    assert len(panels) == 0
    assert soon(lambda: threading.active_count() <= threads)
    engine.close()


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


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 has it, of "#rrggbb"."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    low, high = sorted(map(luminance, (one, two)))
    return (high + 0.05) / (low + 0.05)


def turned_over(colour: str) -> str:
    """A grey as the picture shows it where the theme is dark: inverted by 93.3 %."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(0.933 * 255 - 0.866 * part):02x}" for part in parts)


def test_the_paper_of_a_picture_is_the_ground_of_jupyterlab_in_the_dark():
    assert turned_over("#ffffff") == "#111111"


@pytest.mark.parametrize("ink", [charts.INK, charts.SOFT])
def test_the_words_of_a_picture_are_legible_on_paper_and_in_the_dark(ink):
    assert contrast(ink, "#ffffff") >= 4.5
    for ground in ("#000000", "#111111", "#1e1e1e"):  # JupyterLab's and VS Code's dark themes
        assert contrast(turned_over(ink), ground) >= 4.5


def test_a_picture_is_turned_over_in_a_dark_theme_only():
    html = picture(b"png", "a chart")
    style = html.partition("<img")[0]
    assert 'class="mmai-picture"' in html
    assert "invert(0.933)" in style
    assert '[data-jp-theme-light="false"] .mmai-picture' in style


def test_a_table_in_plain_text_has_its_columns_one_under_the_other():
    shown = text_table(("model", "calls"), [("a", "1,000"), ("a-long-name", "2")])
    assert shown == "model        calls\na            1,000\na-long-name      2"
