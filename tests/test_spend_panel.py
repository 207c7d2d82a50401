"""The spend panel, driven without a browser."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import replace

import pandas as pd
import pytest
from support.scripted import Scripted, settings_of

from mmai_nb import charts
from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import LedgerWarning
from mmai_nb.ledger import Ledger
from mmai_nb.panels.panel import WIDGET_VIEW
from mmai_nb.panels.spend_panel import SpendPanel
from mmai_nb.panels.spend_report import CHARTS, GROUPS, PERIODS, SORTS, Choice, report
from mmai_nb.records import NANO, Attempt


def row(n: int, model: str = "small", nano: int | None = NANO, **more) -> Attempt:
    facts = {
        "ts": time.time() - 60 * n,
        "request_model": model,
        "provider": "acme",
        "tier": "simple",
        "input_tokens": 100,
        "output_tokens": 50,
        "cost_nano": nano,
        "status": "ok",
        "duration_s": 1.0,
        **more,
    }
    return Attempt(f"{model}-{n}", 1, **facts)


@pytest.fixture
def engine(tmp_path):
    made = Engine(
        settings_of(),
        call=Scripted(),
        ledger=Ledger(tmp_path / "ledger.sqlite3"),
        cache=AnswerCache(tmp_path / "cache"),
    )
    yield made
    made.close()


@pytest.fixture
def panel(engine):
    """A panel over two models, with its widget built."""
    engine.ledger.record(row(1))
    engine.ledger.record(row(2, "large", 3 * NANO, tag="essay"))
    engine.ledger.record(row(3, "demo-small", NANO, simulated=True))
    made = SpendPanel(engine)
    _ = made.widget
    yield made
    made.close()


def shown(panel: SpendPanel) -> str:
    return panel._figures.value + panel._picture.value + panel._table.value


def wait_until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def test_an_empty_ledger_is_told_kindly(engine):
    panel = SpendPanel(engine)
    _ = panel.widget
    assert charts.EMPTY in shown(panel)
    assert charts.EMPTY in panel._repr_mimebundle_()["text/html"]
    panel.close()


def test_it_shows_real_spend_and_leaves_the_demos_out(panel):
    assert "<span>$</span>4.00" in shown(panel)
    assert "demo-small" not in panel._table.value


def test_with_nothing_but_demo_calls_it_shows_those(engine):
    engine.ledger.record(row(3, "demo-small", simulated=True))
    assert SpendPanel(engine).choice.kind == "Demo (pretend)"


def test_it_says_what_the_demo_did_and_how_to_see_it(engine):
    engine.ledger.record(row(1, status="error", nano=0))
    engine.ledger.record(row(2, "demo-small", simulated=True))
    engine.ledger.record(row(3, "demo-small", simulated=True))
    panel = SpendPanel(engine)
    _ = panel.widget
    said = "2 simulated calls are not in these figures: choose Demo (pretend)"
    bundle = panel._repr_mimebundle_()
    assert said in bundle["text/plain"]
    assert said in bundle["text/html"]
    assert said in panel._aside.value
    panel._boxes["kind"].value = "Demo (pretend)"
    assert "1 real call is not in these figures: choose Real" in panel._aside.value
    panel.close()


def test_it_says_nothing_of_calls_that_there_are_not(engine):
    engine.ledger.record(row(1))
    panel = SpendPanel(engine)
    assert "not in these figures" not in panel._repr_mimebundle_()["text/plain"]
    assert panel._aside.value == ""
    panel.close()


def test_the_demos_money_is_called_pretend_where_its_sum_stands(panel):
    assert "pretend" not in panel._figures.value
    panel._boxes["kind"].value = "Demo (pretend)"
    assert "spent, pretend money" in panel._figures.value
    assert "spent, pretend money $1.00" in panel._picture.value


def test_a_choice_changes_what_is_shown(panel):
    panel._boxes["model"].value = "small"
    assert "<span>$</span>1.00" in shown(panel)
    assert "large" not in panel._table.value
    panel._boxes["model"].value = ""
    panel._boxes["tag"].value = "essay"
    assert "<span>$</span>3.00" in shown(panel)


@pytest.mark.parametrize(
    ("chart", "by"), [*((chart, "model") for chart in CHARTS), *(("Cost", by) for by in GROUPS)]
)
def test_every_chart_can_be_drawn_and_every_group_chosen(panel, chart, by):
    panel._boxes["chart"].value = chart
    panel._boxes["by"].value = by
    assert panel._told.value == ""
    said = {"Saved": "Saved, 30 days", "Budget": "What is left of the budget"}
    assert f'alt="{said.get(chart, f"{chart} by {by}")}' in panel._picture.value


@pytest.mark.parametrize("period", PERIODS)
def test_every_period_can_be_chosen(panel, period):
    panel._boxes["period"].value = period
    assert panel._told.value == ""
    assert "<span>$</span>4.00" in shown(panel)


def test_the_table_can_be_sorted(engine, panel):
    orders = {sort: report(engine.ledger, Choice(sort=sort)).table.model.tolist() for sort in SORTS}
    assert orders["cost"] == ["large", "small"]
    assert orders["name"] == ["large", "small"]
    engine.ledger.record(row(9, "small"))
    assert report(engine.ledger, Choice(sort="calls")).table.model.tolist() == ["small", "large"]


def test_a_budget_burns_down(engine, panel):
    panel._boxes["chart"].value = "Budget"
    assert 'alt="What is left of the budget over its period: no budget"' in panel._picture.value
    engine.configure({"budget": {"month": 10}})
    (figure,) = [panel.report().figure]
    spent = 10 - figure.axes[0].lines[0].get_ydata()[-1]
    assert spent == pytest.approx(4.0)
    assert "$4.00 spent" in figure.axes[0].get_xlabel()


def test_an_unknown_cost_is_not_taken_for_nothing(engine, panel):
    engine.ledger.record(row(4, "small", None))
    panel._draw()
    assert "of unknown price" in panel._figures.value
    assert "+ 1 unknown" in panel._table.value.replace("\N{NO-BREAK SPACE}", " ")


def test_the_twin_shows_what_the_widget_shows(panel):
    bundle = panel._repr_mimebundle_()
    assert bundle[WIDGET_VIEW]["model_id"] == panel.widget.model_id
    assert "<span>$</span>4.00" in bundle["text/html"]
    assert 'alt="Spend over time' in bundle["text/html"]
    assert "spent: $4.00" in bundle["text/plain"]


def test_it_follows_new_calls_and_their_models(engine, panel):
    engine.ask("What is 2 + 2?", model="small", tag="new tag")
    wait_until(lambda: "new tag" in [value for _, value in panel._boxes["tag"].options])
    wait_until(lambda: ">3<" in panel._figures.value.replace("\n", ""))


def test_many_calls_make_few_redraws(engine, panel, monkeypatch):
    drawn, due = [], []

    class Timer:
        def __init__(self, wait, redraw):
            self.redraw = redraw

        def start(self):
            due.append(self)

    monkeypatch.setattr("threading.Timer", Timer)
    monkeypatch.setattr(panel, "_draw", lambda: drawn.append(1))
    for n in range(50):
        engine.ledger.record(row(10 + n))
    assert len(due) == 1
    due[0].redraw()
    assert len(due) == 2  # for those that came after the first
    due[1].redraw()
    assert len(due) == len(drawn) == 2


def test_a_closed_panel_hears_nothing_more(engine, panel):
    panel.close()
    assert engine.ledger._listeners == []
    engine.ledger.record(row(5))
    assert panel._timer is None or not panel._timer.is_alive()


def test_a_ledger_that_is_damaged_under_the_panel_is_told_and_costs_nothing(engine, panel):
    engine.ledger.close()
    engine.ledger.path.write_bytes(b"no database" * 1000)
    with pytest.warns(LedgerWarning, match="cannot be used"):
        panel._draw()
    engine.ledger.record(row(9, "rescued"))
    wait_until(lambda: "rescued" in panel._table.value)
    assert engine.ledger.path.read_bytes().startswith(b"no database")


def test_costs_that_are_not_known_are_told_and_not_drawn_as_nothing(engine, panel):
    engine.ledger.record(row(9, "priceless", nano=None))
    panel._draw()
    assert '<td align="right" nowrap>unknown</td>' in panel._table.value
    assert "of unknown price" in panel._figures.value
    for chart in CHARTS:
        panel._choose("chart", chart)
        assert "<img" in panel._picture.value
    assert 'role="alert"' not in panel._told.value


# -- export


def button(panel, label):
    (found,) = [
        child
        for child in panel.widget.children[-2].children
        if getattr(child, "description", "") == label
    ]
    return found


def test_the_table_goes_into_a_csv_file(panel, tmp_path):
    panel._folder.value = "mine"
    button(panel, "CSV").click()
    assert "the table is in mine.csv" in panel._told.value
    assert pd.read_csv(tmp_path / "mine.csv").cost_usd.tolist() == [3.0, 1.0]


def test_the_table_goes_into_a_parquet_file(panel, tmp_path):
    button(panel, "Parquet").click()
    assert "the table is in spend.parquet" in panel._told.value
    found = pd.read_parquet(tmp_path / "spend.parquet")
    assert found.cost_usd.tolist() == [3.0, 1.0]
    assert found.model.tolist() == ["large", "small"]


def test_without_pyarrow_the_panel_says_what_to_install(panel, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    button(panel, "Parquet").click()
    assert "pip install pyarrow" in panel._told.value
    assert not (tmp_path / "spend.parquet").exists()


def test_the_chart_goes_into_a_png_file(panel, tmp_path):
    button(panel, "PNG of the chart").click()
    assert (tmp_path / "spend.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_that_is_there_is_not_overwritten(panel, tmp_path):
    (tmp_path / "spend.csv").write_text("precious")
    button(panel, "CSV").click()
    assert "is there already" in panel._told.value
    assert (tmp_path / "spend.csv").read_text() == "precious"


def test_a_place_that_cannot_be_written_to_is_a_line_in_the_panel(panel):
    panel._folder.value = "no/such/folder/x"
    button(panel, "CSV").click()
    assert 'role="alert"' in panel._told.value


def test_names_with_markup_are_shown_to_the_letter(engine):
    engine.ledger.record(row(1, "<img src=x>_$a$"))
    panel = SpendPanel(engine)
    _ = panel.widget
    assert "<img src=x>" not in panel._table.value + panel._repr_mimebundle_()["text/html"]
    assert "&lt;img src=x&gt;_" in panel._table.value
    panel.close()


def test_what_checks_cost_is_told_where_there_were_any(engine):
    engine.ledger.record(row(1))
    assert "for checks" not in dict(report(engine.ledger, Choice()).totals)
    up = replace(row(1, "large", 2 * NANO, tier="complex"), call_id="small-1", attempt=2)
    engine.ledger.record(up)
    totals = dict(report(engine.ledger, Choice()).totals)
    assert (totals["escalated"], totals["for checks"]) == ("100 %", "$1.00")


def test_the_table_has_a_column_for_checks_where_they_cost_anything(engine, panel):
    assert "saved by routing" in panel._table.value
    assert "for checks" not in panel._table.value + panel.static()["text/html"]
    first = row(1, tier="simple")
    engine.ledger.record(replace(first, attempt=2, request_model="large", tier="complex"))
    panel._draw()
    assert "for checks" in panel._table.value
    assert panel.static()["text/html"].count("for checks") == 2


def test_what_routing_saved_is_less_what_checks_cost_and_no_model_shows_less_than_0(engine):
    engine.ledger.record(row(1, baseline_nano=4 * NANO))
    engine.ledger.record(row(2, baseline_nano=4 * NANO))
    up = {"tier": "complex", "baseline_nano": 4 * NANO, "attempt": 2}
    up = replace(row(1, "large", 4 * NANO), call_id="small-1", **up)
    engine.ledger.record(up)
    shown = report(engine.ledger, Choice())
    assert dict(shown.totals)["saved by routing"] == "$2.00"
    table = shown.table.set_index("model")
    assert table["saved_by_routing_usd"].to_dict() == {"large": 0.0, "small": 3.0}
    assert table["check_cost_usd"].to_dict() == {"large": 0.0, "small": 1.0}


@pytest.mark.parametrize("count", [1, 12, 40, 150])
def test_any_number_of_models_fits(engine, count):
    for n in range(count):
        engine.ledger.record(row(n, f"provider/a-model-with-a-very-long-name-{n:03d}"))
    panel = SpendPanel(engine)
    _ = panel.widget
    assert panel._table.value.count("<tr>") <= 101
    assert ("more rows" in panel._table.value) == (count > 100)
    panel.close()


def test_a_choice_that_leaves_all_calls_out_says_so_and_not_that_there_are_none(panel):
    panel._boxes["period"].value = "Today"
    panel._boxes["tag"].value = "essay"
    panel._boxes["model"].value = "small"
    shown = panel._figures.value
    assert "No real calls in this period (today) with model small and tag essay" in shown
    assert charts.EMPTY not in shown


def test_the_order_of_the_table_can_be_turned_round(panel):
    first = panel.report().table["model"][0]
    panel._boxes["turned"].value = True
    assert panel.report().table["model"].tolist()[-1] == first == "large"


def test_a_cost_that_is_not_known_takes_no_more_room_than_one_that_is(engine):
    engine.ledger.record(row(1, nano=None))
    engine.ledger.record(row(2, "large"))
    engine.ledger.record(row(3, "large", None))
    panel = SpendPanel(engine)
    _ = panel.widget
    cells = re.findall("<td[^>]*>(.*?)</td>", panel._table.value)
    shown = [re.sub("<[^>]*>", "", cell).replace("\N{NO-BREAK SPACE}", " ") for cell in cells]
    assert {"unknown", "$1.00 + 1 unknown"} <= set(shown)
    assert "price unknown" not in panel._figures.value + panel._table.value
    panel.close()


def test_the_words_for_a_budgets_picture_name_the_budget(engine, panel):
    engine.configure({"budget": {"month": 6}})
    panel._boxes["chart"].value = "Budget"
    assert 'alt="What is left of the budget over its period: $6.00 a month"' in panel._picture.value
