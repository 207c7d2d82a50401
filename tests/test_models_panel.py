"""The model panel, driven without a browser."""

from __future__ import annotations

import pytest
from support.scripted import Scripted, settings_of

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import ServerError
from mmai_nb.ledger import Ledger
from mmai_nb.panels.models_panel import ModelsPanel
from mmai_nb.panels.panel import WIDGET_VIEW
from mmai_nb.settings import Settings, load_settings


@pytest.fixture
def engine(tmp_path):
    made = Engine(
        settings_of(retries=0),
        call=Scripted(),
        ledger=Ledger(tmp_path / "ledger.sqlite3"),
        cache=AnswerCache(tmp_path / "cache"),
    )
    yield made
    made.close()


@pytest.fixture
def panel(engine):
    made = ModelsPanel(engine)
    _ = made.widget
    yield made
    made.close()


def all_in(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from all_in(child)


def button(panel, tooltip: str):
    (found,) = [w for w in all_in(panel._tiers.widget) if getattr(w, "tooltip", "") == tooltip]
    return found


def chain(engine, tier: int = 0) -> tuple[str, ...]:
    return engine.settings.tiers[tier].chain


def test_every_model_stands_there_with_its_price(panel):
    assert "small" in panel._models.value
    assert ">0.1<" in panel._models.value
    assert "simple" in panel._models.value


def test_searching_narrows_the_list(panel):
    panel._search.value = "SMALL"
    assert "small" in panel._models.value
    assert "large" not in panel._models.value
    panel._search.value = "nothing like it"
    assert "No model matches" in panel._models.value


def test_the_twin_shows_models_and_tiers(panel):
    bundle = panel._repr_mimebundle_()
    assert WIDGET_VIEW in bundle
    assert "small → large" in bundle["text/html"]
    assert "simple (up to 0.5): small → large" in bundle["text/plain"]


def test_without_models_the_way_to_get_some_is_told(tmp_path):
    engine = Engine(Settings(), ledger=Ledger(None), cache=AnswerCache(None))
    panel = ModelsPanel(engine)
    _ = panel.widget
    assert "demo-small" in panel._models.value  # what would answer now
    panel.close()


def test_a_model_that_failed_says_with_what(engine):
    engine._call = Scripted(ServerError("down"), "fine")
    engine.ask("hi")
    panel = ModelsPanel(engine)
    _ = panel.widget
    assert "ServerError" in panel._models.value
    panel.close()


# -- trying a prompt


def test_a_prompt_shows_where_it_would_go_while_it_is_typed(panel, engine):
    panel._try.value = "What is the capital of France?"
    assert "→ simple → small" in panel._route.value
    assert "about" in panel._route.value
    assert engine._call.calls == []
    panel._try.value = ""
    assert panel._route.value == ""


def test_a_prompt_that_cannot_be_sent_says_why(panel):
    panel._try.value = "x" * 200_000
    assert 'role="alert"' in panel._route.value


# -- settings


def test_a_setting_is_changed_and_the_line_for_it_shown(panel, engine):
    panel._boxes["temperature"].value = "0.5"
    assert engine.settings.temperature == 0.5
    assert "%ai config temperature 0.5" in panel._lines.value


def test_a_blank_takes_a_setting_back(panel, engine):
    panel._boxes["temperature"].value = "0.5"
    panel._boxes["temperature"].value = ""
    assert engine.settings.temperature is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("temperature", "9"), ("temperature", "hot"), ("default_model", "gone"), ("retries", "-1")],
)
def test_an_invalid_value_shows_its_sentence_and_changes_nothing(panel, engine, key, value):
    before = engine.settings
    shown = panel._boxes[key].value
    panel._boxes[key].value = value
    assert key in panel._told.value
    assert 'role="alert"' in panel._told.value
    assert engine.settings is before
    assert panel._boxes[key].value == shown


def test_a_switch_is_a_checkbox(panel, engine):
    panel._boxes["stream"].value = False
    assert engine.settings.stream is False


def test_no_field_takes_a_key(panel):
    assert not [key for key in panel._boxes if "key" in key]


# -- tiers


def test_a_model_can_be_moved_within_its_tier(panel, engine):
    button(panel, "later: small").click()
    assert chain(engine) == ("large", "small")


def test_a_model_can_be_taken_out_and_put_back(panel, engine):
    (out, _) = [w for w in all_in(panel._tiers.widget) if _is(w, "take out: large")]
    out.click()
    assert chain(engine) == ("small",)
    add = next(w for w in all_in(panel._tiers.widget) if hasattr(w, "options"))
    add.value = "large"
    assert chain(engine) == ("small", "large")


def _is(widget, tooltip: str) -> bool:
    return getattr(widget, "tooltip", "") == tooltip


def test_the_last_model_of_a_tier_cannot_be_taken_out(panel):
    buttons = [w for w in all_in(panel._tiers.widget) if _is(w, "take out: large")]
    assert [b.disabled for b in buttons] == [False, True]


def bound(panel, place: int):
    return [w for w in all_in(panel._tiers.widget) if hasattr(w, "step")][place]


def test_a_bound_can_be_changed(panel, engine):
    bound(panel, 0).value = 0.4
    assert engine.settings.tiers[0].up_to == 0.4
    panel._try.value = "hi"


def test_a_bound_that_cannot_be_is_told_and_put_back(panel, engine):
    bound(panel, 0).value = 1.5
    assert 'role="alert"' in panel._told.value
    assert engine.settings.tiers[0].up_to == 0.5
    assert bound(panel, 0).value == 0.5


# -- saving


def save(panel, label: str) -> None:
    (found,) = [w for w in all_in(panel.widget) if getattr(w, "description", "") == label]
    found.click()


def test_changes_are_saved_for_the_next_start(panel, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("MMAI_CONFIG", str(tmp_path / "config.toml"))
    panel._boxes["temperature"].value = "0.5"
    save(panel, "Save for me")
    assert "saved in" in panel._told.value
    assert load_settings().temperature == 0.5


def test_what_a_project_may_not_set_is_told(panel, tmp_path):
    panel._boxes["system"].value = "Be brief."
    save(panel, "Save in the project")
    assert "may not set system" in panel._told.value
    assert not (tmp_path / "mmai_nb.toml").exists()


def test_names_with_markup_are_shown_to_the_letter():
    name = "<img/src=x>"
    engine = Engine(
        settings_of(models={name: {"base_url": "http://127.0.0.1:9/v1"}}, tiers=[]),
        ledger=Ledger(None),
        cache=AnswerCache(None),
    )
    panel = ModelsPanel(engine)
    shown = panel._repr_mimebundle_()["text/html"] + panel._models.value
    assert "<img" not in shown
    assert "&lt;img/src=x&gt;" in shown
    panel.close()


def test_changing_a_chain_leaves_a_tiers_check_as_it_is(panel, engine):
    engine.configure({"tiers.simple.check": "agree"})
    panel._changed()
    button(panel, "take out: small").click()
    assert chain(engine) == ("large",)
    assert [tier.check for tier in engine.settings.tiers] == ["agree", False]
