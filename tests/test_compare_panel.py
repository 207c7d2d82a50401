"""The compare panel, driven without a browser."""

from __future__ import annotations

import re
import threading
import time
from html import unescape

import ipywidgets
import pytest
from support.scripted import settings_of

from mmai_nb.caching import AnswerCache
from mmai_nb.cancel import check
from mmai_nb.engine import Engine
from mmai_nb.errors import ServerError
from mmai_nb.ledger import Ledger
from mmai_nb.panels.compare_panel import ComparePanel
from mmai_nb.panels.panel import WIDGET_VIEW
from mmai_nb.records import Completion, Usage
from mmai_nb.settings import Settings


class Models:
    """Scripted models: a text, an error, or a function of the listener by name."""

    def __init__(self) -> None:
        self.plays = {"small": "one", "large": "two"}
        self.asked: list[str] = []

    def __call__(self, request, spec, on_text):
        self.asked.append(spec.name)
        play = self.plays[spec.name]
        if isinstance(play, Exception):
            raise play
        text = play(on_text) if callable(play) else play
        if on_text is not None and not callable(play):
            on_text(text)
        return Completion(text, spec.name, Usage(10, 5), finish_reason="stop", duration_s=0.1)


@pytest.fixture
def models():
    return Models()


@pytest.fixture
def engine(tmp_path, models):
    made = Engine(
        settings_of(retries=0),
        call=models,
        ledger=Ledger(tmp_path / "ledger.sqlite3"),
        cache=AnswerCache(tmp_path / "cache"),
    )
    yield made
    made.close()


@pytest.fixture
def panel(engine):
    made = ComparePanel(engine, "hi there")
    _ = made.widget
    yield made
    made.close()


def finished(panel: ComparePanel) -> ComparePanel:
    panel._watcher.join(20)
    assert not panel._watcher.is_alive()
    return panel


def run(panel: ComparePanel) -> ComparePanel:
    panel._run.click()
    return finished(panel)


def cards(panel: ComparePanel) -> list[str]:
    return re.findall("<section.*?</section>", panel._answers.value, re.DOTALL)


def shown(panel: ComparePanel) -> tuple:
    """What the switches under the votes show."""
    return panel._tools.shown.children


def wait_until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def text_of(html) -> str:
    return unescape(re.sub("<[^>]*>", "", html.value))


def all_in(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from all_in(child)


def vote(panel: ComparePanel, label: str) -> None:
    (button,) = [b for b in panel._votes.children if b.description == label]
    button.click()


def test_nothing_is_asked_before_the_button_is_pressed(panel, models):
    assert models.asked == []
    assert "press Compare" in panel._repr_mimebundle_()["text/html"]


def test_the_first_model_of_each_tier_is_chosen_at_first(panel):
    assert panel._picker.value == ("small", "large")


def test_every_model_gets_a_card_with_its_answer(panel):
    one, two = cards(run(panel))
    assert "small" in one
    assert ">one<" in one
    assert "large" in two
    assert ">two<" in two


def test_the_text_shows_while_it_comes(panel, models):
    go_on = threading.Event()

    def slowly(hear):
        hear("a first part")
        go_on.wait(20)
        return "a first part and the rest"

    models.plays["small"] = slowly
    panel._run.click()
    end = time.monotonic() + 20
    while "a first part" not in cards(panel)[0] and time.monotonic() < end:
        time.sleep(0.02)
    assert "a first part" in cards(panel)[0]
    assert panel._run.disabled
    go_on.set()
    assert "and the rest" in cards(finished(panel))[0]
    assert not panel._run.disabled


def test_one_that_fails_shows_its_error_and_can_be_asked_again(panel, models):
    models.plays["small"] = ServerError("it is down")
    assert "it is down" in cards(run(panel))[0]
    assert not panel._again.disabled
    models.plays["small"] = "one"
    panel._again.click()
    assert ">one<" in cards(finished(panel))[0]
    assert models.asked.count("large") == 1


def test_stop_ends_what_is_under_way_and_keeps_what_is_there(panel, models):
    from mmai_nb import cancel

    def endless(hear):
        hear("a part")
        cancel.pause(60)
        return "never"

    models.plays["large"] = endless
    panel._run.click()
    end = time.monotonic() + 20
    while "a part" not in cards(panel)[1] and time.monotonic() < end:
        time.sleep(0.02)
    panel._stop.click()
    one, two = cards(finished(panel))
    assert ">one<" in one
    assert "stopped" in two


def test_a_blind_comparison_tells_no_name_before_the_vote(panel):
    panel._blind.value = True
    shown = " ".join(cards(run(panel))) + " ".join(b.description for b in panel._votes.children)
    assert "small" not in shown
    assert "large" not in shown
    vote(panel, "Answer A is best")
    assert "your choice" in " ".join(cards(panel))
    assert "small" in " ".join(cards(panel))


def test_what_differs_is_shown_with_the_names_once_they_are_out(panel):
    panel._blind.value = True
    run(panel)
    panel._tools.differ.value = True
    assert "Answer A → Answer B" in shown(panel)[0].value
    vote(panel, "Answer A is best")
    assert "Answer" not in shown(panel)[0].value
    assert "large" in shown(panel)[0].value


def test_a_vote_is_kept_and_shown_as_a_win_rate(panel, engine):
    run(panel)
    vote(panel, "large is best")
    assert engine.win_rates().win_rate.to_dict() == {"large": 1.0, "small": 0.0}
    assert "100\u00a0%" in panel._rates.value
    assert panel._votes.children == ()


def test_answers_can_be_sorted(panel):
    run(panel)
    panel._order.value = "name"
    assert ["large" in card for card in cards(panel)] == [True, False]


def test_hidden_answers_cannot_be_sorted_by_what_tells(panel):
    panel._blind.value = True
    run(panel)
    panel._order.value = "cost"
    assert "vote first" in panel._told.value
    assert panel._order.value == "asked"


def test_differences_are_marked(panel):
    run(panel)
    panel._tools.differ.value = True
    assert "<del" in shown(panel)[0].value
    panel._tools.differ.value = False
    assert shown(panel) == ()


def test_any_two_answers_can_be_held_against_each_other(panel):
    run(panel)
    panel._tools.differ.value = True
    assert "small → large" in shown(panel)[0].value
    panel._tools.answer.value, panel._tools.other.value = "b", "a"
    assert "large → small" in shown(panel)[0].value
    panel._tools.other.value = "b"
    assert "That is one answer twice" in shown(panel)[0].value


def test_the_text_of_an_answer_can_be_copied(panel, models):
    models.plays["large"] = "**two** for $5"
    run(panel)
    panel._tools.copy.value = True
    panel._tools.answer.value = "b"
    assert shown(panel)[0].value == "**two** for $5"


def test_the_model_of_a_good_answer_becomes_the_default(panel, engine):
    run(panel)
    panel._tools.answer.value = "b"
    panel._tools.keep.click()
    assert engine.settings.default_model == "large"
    assert "%ai config default_model " in panel._told.value


def test_a_hidden_model_cannot_be_made_the_default(panel):
    panel._blind.value = True
    run(panel)
    assert panel._tools.keep.disabled
    vote(panel, "all the same")
    assert not panel._tools.keep.disabled


def test_before_there_are_answers_nothing_is_offered_for_them(panel, models):
    assert panel._tools.widget.children == ()
    models.plays |= {"large": ServerError("down"), "small": ServerError("down")}
    run(panel)
    assert panel._tools.widget.children == ()


def test_one_answer_alone_has_nothing_to_differ_from(panel, models):
    models.plays["large"] = ServerError("down")
    run(panel)
    assert panel._tools.differ.disabled
    assert panel._tools.widget.children


def test_what_it_would_cost_is_told_while_the_prompt_is_typed(panel, models):
    panel._ask_box.value = "Name three rivers."
    assert re.search(r"2 models · about .*\d in all", text_of(panel._cost))
    panel._picker.value = ("small",)
    assert panel._cost.value == ""
    assert models.asked == []


def test_what_it_would_cost_in_the_demo_is_called_pretend(tmp_path, monkeypatch):
    monkeypatch.setenv("MMAI_DEMO", "1")
    demo = Engine(Settings(), ledger=Ledger(tmp_path / "demo.sqlite3"), cache=AnswerCache(None))
    made = ComparePanel(demo, "hi there")
    _ = made.widget
    assert "about a pretend $" in text_of(made._cost)
    made.close()
    demo.close()


def test_answers_that_are_in_the_cache_are_told_to_be_free(panel):
    run(panel)
    panel._ask_box.value = "hi there, all"
    panel._ask_box.value = "hi there"
    assert "about $0.00 in all · 2 from the cache" in text_of(panel._cost)


def test_a_model_under_another_name_is_counted_in(panel, engine):
    engine.configure({"aliases": {"quick": "small"}})
    other = ComparePanel(engine, "hi there", ("quick", "large"))
    _ = other.widget
    panel._ask_box.value = "hi there, all"
    panel._ask_box.value = "hi there"
    assert text_of(other._cost) == text_of(panel._cost) != ""
    other.close()


def test_a_model_without_a_price_is_told_before_it_is_asked(panel, engine):
    engine.configure({"models": {"large": {"input_price": None, "output_price": None}}})
    panel._ask_box.value = "Name three rivers."
    assert "1 of unknown price" in text_of(panel._cost)


def test_a_prompt_that_cannot_be_sent_says_so_while_it_is_typed(panel):
    panel._ask_box.value = "x" * 3_000_000
    assert "prompt" in text_of(panel._cost)


def test_how_many_have_ended_is_told_while_others_are_waited_for(panel, models):
    held = threading.Event()
    models.plays["large"] = lambda hear: held.wait(20) and "two"
    panel._run.click()
    wait_until(lambda: re.search(r"1 of 2 answers are there … \d+ s", panel._told.value))
    held.set()
    finished(panel)
    assert "2 of 2 answers · " in panel._told.value


def test_of_many_answers_the_best_is_chosen_from_a_list(engine, models):
    free = {"base_url": "http://127.0.0.1:9/v1", "input_price": 0, "output_price": 0}
    names = [f"m{n}" for n in range(8)]
    engine.configure({"models": dict.fromkeys(names, free)})
    models.plays |= {name: f"answer {name}" for name in names}
    panel = ComparePanel(engine, "hi", tuple(names))
    _ = panel.widget
    run(panel)
    _label, best, press, *others = panel._votes.children
    assert [one.description for one in others] == ["all the same", "none is good"]
    best.value = "c"
    press.click()
    assert panel.comparison.verdict.winner == "m2"
    panel.close()


def test_the_twin_shows_what_was_asked(panel):
    panel._ask_box.value = "Is <b>this</b>\nfor $5?"
    run(panel)
    bundle = panel._repr_mimebundle_()
    assert "Is &lt;b&gt;this&lt;/b&gt;<br>for" in bundle["text/html"]
    assert bundle["text/plain"].startswith("Is <b>this</b>\nfor $5?")


def test_every_field_has_a_name_for_a_screen_reader(panel):
    run(panel)
    fields = [w for w in all_in(panel.widget) if hasattr(w, "value") and hasattr(w, "tooltip")]
    named = [w for w in fields if not isinstance(w, ipywidgets.HTML | ipywidgets.Label)]
    assert len(named) >= 8
    assert [w for w in named if not w.description] == []


@pytest.mark.parametrize("prompt", ["", "  \n "])
def test_an_empty_prompt_is_told(panel, models, prompt):
    panel._ask_box.value = prompt
    panel._run.click()
    assert "no prompt yet" in panel._told.value
    assert models.asked == []


@pytest.mark.parametrize("chosen", [(), ("small",)])
def test_fewer_than_two_models_are_told(panel, models, chosen):
    panel._picker.value = chosen
    panel._run.click()
    assert "at least two" in panel._told.value
    assert models.asked == []


def test_a_prompt_that_cannot_be_sent_is_a_line_in_the_panel(panel, models):
    panel._ask_box.value = "x" * 200_000
    panel._run.click()
    assert 'role="alert"' in panel._told.value
    assert models.asked == []


def test_searching_keeps_what_was_chosen(panel):
    panel._picker.value = ("large",)
    panel._search.value = "small"
    assert set(panel._picker.options) == {"small", "large"}
    assert panel._picker.value == ("large",)
    panel._search.value = ""
    assert panel._picker.value == ("large",)


def test_a_model_that_is_not_there_is_told_at_once_with_the_nearest(engine):
    made = ComparePanel(engine, "", ("smal",))
    _ = made.widget
    assert "no model 'smal'; did you mean 'small'" in text_of(made._cost)
    assert 'role="alert"' in made._cost.value
    made._picker.value = ("small", "large")
    assert made._cost.value == ""
    made.close()


def test_models_that_are_not_there_are_not_chosen(engine):
    panel = ComparePanel(engine, "hi", ("small", "gone"))
    _ = panel.widget
    assert panel._picker.value == ("small",)
    panel.close()


def test_the_twin_shows_the_answers(panel):
    run(panel)
    bundle = panel._repr_mimebundle_()
    assert WIDGET_VIEW in bundle
    assert ">two<" in bundle["text/html"]
    assert "── small" in bundle["text/plain"]


def test_closing_stops_what_is_under_way(panel, models):
    from mmai_nb import cancel

    models.plays["large"] = lambda hear: cancel.pause(60) or "never"
    panel._run.click()
    panel.close()
    assert panel.comparison.over
    assert not [t for t in threading.enumerate() if t.name.startswith("mmai-compare")]


def test_the_updates_leave_room_for_others(panel, monkeypatch):
    panel._take(panel._engine.compare("hi", ["small", "large"]))
    for column in panel.comparison.columns:
        column.pieces.append("x" * 50_000)
    now = time.monotonic()
    assert panel._update(panel.comparison) >= now + 1.0  # 100 kB at 100 kB/s


def test_all_columns_are_one_message(panel):
    sent = []
    panel._take(panel._engine.compare("hi", ["small", "large"]))
    panel._answers.observe(lambda change: sent.append(change["new"]), "value")
    for column in panel.comparison.columns:
        column.pieces.append("some text")
    panel._update(panel.comparison)
    panel._update(panel.comparison)
    assert len(sent) == 1
    assert sent[0].count("some text") == 2


def test_what_failed_is_told_with_the_way_to_ask_again(panel, models):
    models.plays["large"] = ServerError("it is down")
    run(panel)
    assert "1 without an answer: they can be asked again" in panel._told.value
    assert not panel._again.disabled


def test_a_long_name_leaves_room_for_what_its_button_does(engine):
    name = "somebody/" + "x" * 80
    free = {"base_url": "http://127.0.0.1:9/v1", "input_price": 0, "output_price": 0}
    engine.configure({"models": {name: free}})
    engine._call.plays[name] = "three"
    made = ComparePanel(engine, "hi", ("small", name))
    _ = made.widget
    run(made)
    labels = [button.description for button in made._votes.children[1:]]
    assert labels[1].startswith("somebody/xx")
    assert labels[1].endswith("xx is best")
    assert len(labels[1]) <= 50
    made.close()


def test_asking_again_asks_only_what_failed(panel, models):
    models.plays["large"] = ServerError("it is down")
    run(panel)
    models.plays["large"] = "two at last"
    panel._again.click()
    finished(panel)
    assert sorted(models.asked) == ["large", "large", "small"]
    assert "two at last" in panel._answers.value


def test_closing_while_models_stream_ends_them_and_keeps_what_came_as_the_twin(panel, models):
    def endless(hear):
        for _ in range(6000):
            hear("word ")
            time.sleep(0.01)
            check()
        raise AssertionError("nobody stopped it")

    models.plays["large"] = endless
    panel._run.click()
    end = time.monotonic() + 20

    def under_way() -> bool:
        done = [c.model for c in panel.comparison.columns if c.state == "done"]
        return done == ["small"] and "word" in panel._answers.value

    while not under_way() and time.monotonic() < end:
        time.sleep(0.02)
    panel.close()
    assert {c.model: c.state for c in panel.comparison.columns} == {
        "small": "done",
        "large": "stopped",
    }
    twin = panel._repr_mimebundle_()
    assert "stopped: what came is above" in twin["text/html"]
    assert ">one<" in twin["text/html"]


def test_a_second_comparison_leaves_no_widgets_of_the_first(panel):
    run(panel)
    vote(panel, "all the same")
    before = len(ipywidgets.Widget.get_manager_state()["state"])
    for _ in range(3):
        run(panel)
        vote(panel, "all the same")
    assert len(ipywidgets.Widget.get_manager_state()["state"]) == before
