"""The model panel, driven without a browser."""

from __future__ import annotations

import re
from html import unescape

import ipywidgets
import pytest
from support.scripted import Scripted, settings_of

from mmai_nb.caching import AnswerCache
from mmai_nb.calibration import Calibration
from mmai_nb.engine import Engine
from mmai_nb.errors import ServerError
from mmai_nb.ledger import Ledger
from mmai_nb.panels.models_panel import MOST_LINES, ModelsPanel
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


def button(panel, tooltip: str, tier: int = 0):
    """What moves the chosen model of a tier."""
    found = [w for w in all_in(panel._tiers.widget) if getattr(w, "tooltip", "") == tooltip]
    return found[tier]


def listed(panel, tier: int = 0):
    """The models of a tier."""
    return [w for w in all_in(panel._tiers.widget) if getattr(w, "rows", 0)][tier]


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


@pytest.mark.parametrize(
    ("order", "first"), [("name", "large"), ("price in", "small"), ("p50", "large")]
)
def test_the_models_can_be_sorted(panel, engine, order, first):
    engine.configure({"models": {"unpriced": {"base_url": "http://127.0.0.1:9/v1"}}})
    engine.ask("hi", model="large")
    panel._order.value = order
    names = [row[0] for row in panel._rows("", order)]
    assert (names[0], names[-1]) == (first, "unpriced")
    assert panel._models.value.index(first) == min(map(panel._models.value.index, names))


def test_a_price_has_no_more_figures_than_it_needs(panel, engine):
    spec = {"base_url": "http://127.0.0.1:9/v1", "input_price": 0.1 + 0.2, "output_price": 4}
    engine.configure({"models": {"sum": spec}})
    row = next(row for row in panel._rows("sum"))
    assert row[6:8] == ("0.3", "4")


def test_a_system_message_of_several_lines_is_kept_as_it_is(panel, engine):
    panel._boxes["system"].value = "Be brief.\nBe kind."
    assert engine.settings.system == "Be brief.\nBe kind."


def test_a_tab_shows_what_was_changed_elsewhere(panel, engine):
    engine.configure({"temperature": 0.5, "format": "code", "cache": {"enabled": False}})
    described(panel, "default_model").value = "large"
    tabs = next(w for w in all_in(panel.widget) if hasattr(w, "selected_index"))
    tabs.selected_index = 2
    shown = {key: panel._boxes[key].value for key in ("temperature", "format", "cache.enabled")}
    assert shown == {"temperature": "0.5", "format": "code", "cache.enabled": False}
    assert engine.settings.default_model == "large"


def test_every_field_has_a_name_for_a_screen_reader(panel):
    fields = [w for w in all_in(panel.widget) if hasattr(w, "value") and hasattr(w, "tooltip")]
    words = ipywidgets.HTML | ipywidgets.Label | ipywidgets.ToggleButtons  # each button has a name
    named = [w for w in fields if not isinstance(w, words)]
    assert len(named) >= 20
    assert [w for w in named if not w.description] == []


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
    button(panel, "later").click()
    assert chain(engine) == ("large", "small")
    assert listed(panel).value == "small"  # and moved on from there
    button(panel, "earlier").click()
    assert chain(engine) == ("small", "large")


def test_a_model_can_be_taken_out_and_put_back(panel, engine):
    listed(panel).value = "large"
    button(panel, "take out").click()
    assert chain(engine) == ("small",)
    add = next(w for w in all_in(panel._tiers.widget) if hasattr(w, "options"))
    add.value = "large"
    assert chain(engine) == ("small", "large")


def test_the_last_model_of_a_tier_cannot_be_taken_out(panel):
    assert not button(panel, "take out", 0).disabled
    assert button(panel, "take out", 1).disabled


def test_the_first_model_of_a_tier_cannot_come_earlier(panel):
    assert button(panel, "earlier").disabled
    assert not button(panel, "later").disabled
    listed(panel).value = "large"
    assert not button(panel, "earlier").disabled
    assert button(panel, "later").disabled


def test_a_tier_of_many_models_takes_no_more_widgets_than_one_of_few(panel, engine):
    few = sum(1 for _ in all_in(panel._tiers.widget))
    many = {f"m{n}": {"base_url": "http://127.0.0.1:9/v1"} for n in range(150)}
    engine.configure({"models": many, "tiers": [{"name": "all", "up_to": 1.0, "chain": [*many]}]})
    panel._changed()
    assert len(listed(panel).options) == 150
    assert sum(1 for _ in all_in(panel._tiers.widget)) <= few


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


def described(panel, description: str):
    (found,) = (w for w in all_in(panel.widget) if getattr(w, "description", "") == description)
    return found


def add_tier(panel, name: str) -> None:
    box = next(
        w for w in all_in(panel._tiers.widget) if "new tier" in getattr(w, "placeholder", "")
    )
    box.value = name
    described(panel, "Add tier").click()


def bounds(engine) -> dict[str, float]:
    return {tier.name: tier.up_to for tier in engine.settings.tiers}


def test_a_tier_is_added_halfway_below_the_last(panel, engine):
    add_tier(panel, "middle")
    assert bounds(engine) == {"simple": 0.5, "middle": 0.75, "complex": 1.0}
    assert chain(engine, 1) == chain(engine, 2) == ("large",)
    assert listed(panel, 2).options == (("1. large", "large"),)


@pytest.mark.parametrize(("name", "said"), [("", "no name yet"), ("simple", "there is a tier")])
def test_a_tier_that_cannot_be_added_is_told(panel, engine, name, said):
    add_tier(panel, name)
    assert said in text_of(panel._told.value)
    assert 'role="alert"' in panel._told.value
    assert list(bounds(engine)) == ["simple", "complex"]


@pytest.mark.parametrize("place", [0, 1])
def test_a_tier_is_taken_out_and_all_prompts_still_have_one(panel, engine, place):
    names = list(bounds(engine))
    button(panel, f"take out the tier {names[place]}").click()
    assert bounds(engine) == {names[1 - place]: 1.0}
    assert described(panel, "Remove").disabled


# -- the cost dial


def dial(panel):
    """The buttons and the box of the dial."""
    return panel._dial._buttons, panel._dial._share


def press(panel, word: str) -> None:
    dial(panel)[0].value = word


def type_share(panel, text: str) -> None:
    dial(panel)[1].value = text


@pytest.mark.parametrize("word", ["cheap", "balanced", "quality"])
def test_the_cost_dial_is_turned_by_a_word(panel, engine, word):
    press(panel, word)
    assert engine.settings.prefer == word
    assert f'%ai config prefer "{word}"' in text_of(panel._lines.value)


def test_the_dial_shows_the_limit_the_bounds_and_what_each_tier_gets(panel):
    press(panel, "balanced")
    shown = panel._dial._words.value
    assert "At most 20 % of prompts go to complex." in shown
    assert "simple up to 0.532 (80 %) · complex (20 %) — by the scores of public exam" in shown


def test_the_dial_can_be_let_go(panel, engine):
    press(panel, "cheap")
    press(panel, "as the tiers say")
    assert engine.settings.prefer is None
    assert "The tiers' own bounds hold. simple up to 0.5" in text_of(panel._dial._words.value)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_a_share_of_ones_own_begins_at_the_one_in_force(panel, engine):
    press(panel, "own share")
    assert engine.settings.prefer == 0.2
    press(panel, "cheap")
    press(panel, "own share")
    assert (engine.settings.prefer, dial(panel)[1].value) == (0.05, "5%")
    assert dial(panel)[1].layout.display == ""


@pytest.mark.parametrize(("typed", "is_"), [("12.5%", 0.125), ("0.3", 0.3), ("0", 0.0)])
def test_a_share_of_ones_own_is_typed(panel, engine, typed, is_):
    press(panel, "own share")
    type_share(panel, typed)
    assert engine.settings.prefer == is_


@pytest.mark.parametrize("typed", ["150%", "much", "-1", "nan"])
def test_an_invalid_share_shows_its_sentence_and_changes_nothing(panel, engine, typed):
    press(panel, "own share")
    before = engine.settings
    type_share(panel, typed)
    assert "must be cheap, balanced, quality or a share" in panel._told.value
    assert engine.settings is before
    assert dial(panel)[1].value == "20%"


def test_a_share_that_is_taken_out_lets_the_dial_go(panel, engine):
    press(panel, "own share")
    type_share(panel, "")
    assert engine.settings.prefer is None
    assert dial(panel)[0].value == "as the tiers say"


def test_the_prompt_that_is_tried_follows_the_dial(panel):
    panel._try.value = "hi"
    assert "→ simple →" in panel._route.value
    press(panel, "own share")
    type_share(panel, "100%")
    assert "→ complex →" in panel._route.value


def test_the_dial_stands_as_it_was_set_elsewhere(engine):
    engine.configure({"prefer": "quality"})
    panel = ModelsPanel(engine)
    _ = panel.widget
    assert dial(panel)[0].value == "quality"
    assert engine.settings.origin[("prefer",)] == "configure()"
    panel.close()


def test_the_tiers_say_that_the_dial_stands_above_them(panel):
    about = "The cost dial sets other bounds now"
    assert not any(
        about in getattr(w, "value", "") for w in all_in(panel._tiers.widget) if _html(w)
    )
    press(panel, "cheap")
    assert any(about in w.value for w in all_in(panel._tiers.widget) if _html(w))


def test_the_tiers_say_that_votes_stand_above_them(panel, engine):
    made = Calibration({}, {}, (0.1, 1.0), ("simple", "complex"), (0.5, 1.0), votes=30)
    engine.learned(engine.settings).save(made)
    panel._tiers.draw()
    about = "Your votes set other bounds now: %ai calibrate show."
    assert any(about in w.value for w in all_in(panel._tiers.widget) if _html(w))
    assert "simple (up to 0.1): small → large" in panel.static()["text/plain"]


def _html(widget) -> bool:
    return isinstance(getattr(widget, "value", None), str)


def test_a_default_model_makes_the_dial_idle_and_the_panel_says_so(panel, engine):
    panel._boxes["default_model"].value = "large"
    assert "No effect while default_model is large, not auto." in panel._dial._words.value


def test_the_twin_tells_the_dial(engine):
    engine.configure({"prefer": "cheap"})
    panel = ModelsPanel(engine)
    bundle = panel._repr_mimebundle_()
    for kind in ("text/html", "text/plain"):
        assert "At most 5 % of prompts go to complex; none to a dearer tier" in bundle[kind]
    panel.close()


def test_the_twins_table_has_the_bounds_that_its_text_has(engine):
    engine.configure({"prefer": 0.2})
    shown = ModelsPanel(engine).static()
    for bound in ("simple (up to 0.532): small → large", "simple up to 0.532 (80 %)"):
        assert bound in shown["text/plain"]
    assert ">0.532<" in shown["text/html"]
    assert ">0.5<" not in shown["text/html"]
    engine.configure({"prefer": 1})
    assert "simple (up to none): small → large" not in ModelsPanel(engine).static()["text/plain"]
    assert "simple (none): small → large" in ModelsPanel(engine).static()["text/plain"]


# -- the demo


@pytest.fixture
def demo():
    """The panel of an engine with nothing configured, so that the demo's models are there."""
    engine = Engine(Settings(), ledger=Ledger(None), cache=AnswerCache(None))
    panel = ModelsPanel(engine)
    _ = panel.widget
    yield panel, engine
    panel.close()
    engine.close()


def test_the_demos_tiers_can_be_changed_for_the_session(demo):
    panel, engine = demo
    bound(panel, 0).value = 0.1
    button(panel, "later").click()
    first = engine.settings_for_display.tiers[0]
    assert (first.up_to, first.chain) == (0.1, ("demo-medium", "demo-small", "demo-second"))
    assert "for this session only" in panel._lines.value
    assert engine.settings.models == {}


def test_a_bound_of_the_demo_that_cannot_be_is_told_and_put_back(demo):
    panel, engine = demo
    bound(panel, 0).value = 0.9
    assert "rise from tier to tier" in panel._told.value
    assert bound(panel, 0).value == 0.3
    assert engine.demo_tiers is None


def test_what_a_tried_prompt_would_cost_in_the_demo_is_called_pretend(demo, monkeypatch):
    monkeypatch.setenv("MMAI_DEMO", "1")
    panel, _ = demo
    panel._try.value = "What is the capital of France?"
    assert "about a pretend $" in text_of(panel._route.value)


def test_the_dial_turns_in_the_demo_too(demo):
    panel, engine = demo
    press(panel, "cheap")
    assert engine.settings.prefer == "cheap"
    assert "At most 5 % of prompts go to complex; none to a dearer" in panel._dial._words.value


# -- saving


def test_of_many_unsaved_changes_the_last_are_shown_and_the_others_counted(panel, engine):
    engine.configure(
        {"models": {f"m{n}": {"base_url": "http://127.0.0.1:9/v1"} for n in range(50)}}
    )
    panel._changed()
    assert panel._lines.value.count("%ai config") == MOST_LINES
    assert "more, and:" in panel._lines.value
    bound(panel, 0).value = 0.4
    assert "%ai config tiers" in panel._lines.value


def save(panel, label: str) -> None:
    (found,) = [w for w in all_in(panel.widget) if getattr(w, "description", "") == label]
    found.click()


def test_changes_are_saved_for_the_next_start(panel, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("MMAI_CONFIG", str(tmp_path / "config.toml"))
    panel._boxes["temperature"].value = "0.5"
    save(panel, "Save for me")
    assert "saved in" in panel._told.value
    assert load_settings().temperature == 0.5
    assert "not saved yet" not in panel._lines.value


def test_what_is_changed_after_saving_is_not_saved_yet(panel, tmp_path, monkeypatch):
    monkeypatch.setenv("MMAI_CONFIG", str(tmp_path / "config.toml"))
    panel._boxes["temperature"].value = "0.5"
    save(panel, "Save for me")
    panel._boxes["temperature"].value = "0.6"
    assert "%ai config temperature 0.6" in panel._lines.value
    panel._boxes["timeout"].value = "20"
    save(panel, "Save for me")
    panel._boxes["temperature"].value = "0.5"
    assert "%ai config temperature 0.5" in panel._lines.value
    assert "timeout" not in panel._lines.value


def test_a_project_gets_what_it_may_have_and_the_rest_is_told(panel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel._boxes["system"].value = "Be brief."
    panel._boxes["format"].value = "text"
    save(panel, "Save in the project")
    assert (tmp_path / "mmai_nb.toml").read_text() == 'format = "text"\n'
    assert "not system: a project may not set that, Save for me keeps it" in panel._told.value
    assert "%ai config system" in panel._lines.value
    assert "%ai config format" not in panel._lines.value


def test_the_sentence_of_a_wrong_value_goes_with_the_tab_and_with_a_right_value(panel):
    (tabs,) = [w for w in all_in(panel.widget) if hasattr(w, "selected_index")]
    box = panel._boxes["temperature"]
    box.value = "warm"
    assert 'role="alert"' in panel._told.value
    tabs.selected_index = 1
    assert panel._told.value == ""
    box.value = "hot"
    box.value = "0.5"
    assert panel._told.value == ""


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


def test_a_tiers_check_is_chosen_in_the_panel(panel, engine):
    boxes = [
        w for w in all_in(panel._tiers.widget) if "goes a tier up" in getattr(w, "description", "")
    ]
    assert [box.value for box in boxes] == [False, False]
    boxes[0].value = "agree"
    assert [tier.check for tier in engine.settings.tiers] == ["agree", False]
    assert "check" in panel._lines.value


def test_changing_a_chain_leaves_a_tiers_check_as_it_is(panel, engine):
    engine.configure({"tiers.simple.check": "agree"})
    panel._changed()
    button(panel, "take out").click()
    assert chain(engine) == ("large",)
    assert [tier.check for tier in engine.settings.tiers] == ["agree", False]


def test_tiers_that_are_drawn_anew_leave_no_widgets_of_before(panel, engine):
    before = len(ipywidgets.Widget.get_manager_state()["state"])
    for bound in (0.4, 0.3, 0.2):
        engine.configure({"tiers.simple.up_to": bound})
        panel._changed()
    assert len(ipywidgets.Widget.get_manager_state()["state"]) == before
