"""`%ai route`: where a prompt would go, why, and what each model would cost."""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import FrozenInstanceError, replace

import pytest
from support.scripted import URL, Scripted, settings_of

import mmai_nb
from mmai_nb import tokens
from mmai_nb.caching import AnswerCache
from mmai_nb.calibration import Calibration
from mmai_nb.engine import Engine
from mmai_nb.errors import PromptError, ServerError
from mmai_nb.ledger import Ledger
from mmai_nb.options import make_request
from mmai_nb.plan_page import ORDER
from mmai_nb.records import Route

MIDDLING = "Explain what a median is, and write a function for it."


@pytest.fixture
def engine(tmp_path):
    made = engine_of(tmp_path)
    yield made
    made.close()


def engine_of(folder, *plays, **more) -> Engine:
    return Engine(
        settings_of(retries=0, **more),
        call=Scripted(*plays),
        ledger=Ledger(folder / "ledger.sqlite3"),
        cache=AnswerCache(folder / "cache"),
    )


def plan(engine, text=MIDDLING, **options):
    return engine.route(make_request(text, engine.settings, **options).request)


def many(count: int = 150, **more):
    """Settings with so many models in three tiers."""
    names = [f"model-{number}" for number in range(count)]
    row = {"base_url": URL, "input_price": 1, "output_price": 1}
    third = count // 3
    tiers = [
        {"name": name, "up_to": bound, "chain": names[at * third : (at + 1) * third]}
        for at, (name, bound) in enumerate((("low", 0.3), ("mid", 0.6), ("top", 1.0)))
    ]
    return {"models": dict.fromkeys(names, row), "tiers": tiers, **more}


# what it holds


def test_a_plan_is_a_route_that_does_not_change(engine):
    found = plan(engine)
    assert isinstance(found, Route)
    with pytest.raises(FrozenInstanceError):
        found.tier = "complex"


def test_the_chain_comes_first_then_the_other_models_of_all_tiers(engine):
    simple, hard = plan(engine, "hi"), plan(engine, "hi", tier="complex")
    assert [(e.model, e.place) for e in simple.estimates] == [("small", 1), ("large", 2)]
    assert [(e.model, e.place) for e in hard.estimates] == [("large", 1), ("small", 0)]
    assert hard.estimates[1].tiers == ("simple",)
    assert hard.estimates[0].tiers == ("simple", "complex")


def test_each_model_has_its_tokens_cost_and_window(tmp_path):
    models = settings_of().given["models"]
    models["small"]["context_window"] = 8_000
    engine = engine_of(tmp_path, models=models)
    first, second = plan(engine, "hi", max_tokens=1_000).estimates
    assert (first.output_tokens, first.window, first.provider) == (1_000, 8_000, "local")
    assert first.cost_usd == pytest.approx((first.input_tokens * 0.1 + 1_000 * 0.4) / 1e6)
    assert second.cost_usd == pytest.approx(10 * first.cost_usd)
    assert second.window is None


def test_what_speaks_for_or_against_a_model_is_noted(tmp_path):
    models = settings_of().given["models"]
    models["small"]["context_window"] = 500
    models["keyless"] = {"base_url": URL, "api_key_env": "NO_SUCH_KEY"}
    tiers = [{"name": "all", "up_to": 1.0, "chain": ["small", "large", "keyless"]}]
    engine = engine_of(tmp_path, models=models, tiers=tiers)
    engine.ask("word " * 1_000, model="large")
    notes = {e.model: e.note for e in plan(engine, "word " * 1_000).estimates}
    assert notes == {
        "small": "too small",
        "large": "cached: free",
        "keyless": "key missing: NO_SUCH_KEY",
    }


def test_a_model_that_rests_is_noted(tmp_path):
    engine = engine_of(tmp_path, ServerError("down"))
    for number in range(12):
        with pytest.raises(ServerError):
            engine.ask(f"hi {number}", model="small")
    found = plan(engine, "hi")
    assert found.chain == ("large",)
    assert {e.model: e.note for e in found.estimates}["small"] == "resting after failures"
    assert "left out   small: resting after failures" in str(found)


def test_a_model_that_a_budget_refuses_is_noted(tmp_path):
    engine = engine_of(tmp_path, budget={"call": 0.0001})
    notes = {e.model: e.note for e in plan(engine, "hello").estimates}
    assert notes == {"small": "", "large": "refused by a budget"}
    assert {e.note for e in plan(engine, "hello", model="large").estimates if e.place} == {
        "refused by a budget"
    }


def test_a_model_without_a_price_is_refused_by_any_budget(tmp_path):
    models = {"small": {"base_url": URL}, "large": {"base_url": URL, "context_window": 9_000}}
    engine = engine_of(tmp_path, budget={"day": 5}, models=models)
    assert {e.note for e in plan(engine, "hello").estimates} == {"refused by a budget"}
    engine.configure({"budget.day": None})
    assert {e.note for e in plan(engine, "hello").estimates} == {""}


def test_nothing_is_asked_and_nothing_recorded(engine):
    plan(engine)
    assert engine._call.calls == []
    assert len(engine.costs()) == 0


# the dial


def test_other_turns_of_the_dial_tell_where_the_prompt_would_go(tmp_path):
    engine = engine_of(tmp_path)
    found = plan(engine, prefer=1)
    where = {choice.prefer: (choice.tier, choice.in_force) for choice in found.choices}
    assert where[None][1] is False
    assert where["cheap"] == ("simple", False)
    assert where[1] == ("complex", True)
    costs = {choice.prefer: choice.cost_usd for choice in found.choices}
    assert costs[1] == pytest.approx(10 * costs["cheap"])


def test_the_turn_that_is_in_force_stands_there_once(engine):
    for prefer in (None, "cheap", 0.3):
        engine.configure({"prefer": prefer})
        choices = plan(engine).choices
        assert [c.prefer for c in choices if c.in_force] == [prefer]
        assert len({c.prefer for c in choices}) == len(choices)


def test_without_a_score_there_is_nothing_to_turn(engine):
    assert plan(engine, model="small").choices == ()
    assert plan(engine, tier="simple").choices == ()


def test_where_every_turn_leads_the_same_way_one_line_says_so(engine):
    assert "every turn of the cost dial leads to simple here" in str(plan(engine, "hi"))


# the page


def test_the_page_tells_score_reasons_tier_bounds_and_chain(engine):
    lines = str(plan(engine)).splitlines()
    assert re.fullmatch(r"complexity 0\.\d+, of 0 to 1: asks to explain or write, .*", lines[0])
    assert re.fullmatch(r"tier       simple   \(score from 0 to 0.5\)", lines[1])
    assert lines[2:5] == ["chain      small → large", "", ORDER]


def test_the_table_has_a_line_per_model_the_chain_first(engine):
    page = str(plan(engine, "hi", tier="complex"))
    assert re.search(r"^ +1\.  large  simple, complex +local +~8 +~400 +~\$0.0016 +\?$", page, re.M)
    assert re.search(r"^ +small +simple +local +~8 +~400 +~\$0.00016 +\?$", page, re.M)


def test_the_dial_stands_among_the_reasons(engine):
    assert "why        prefer cheap: at most 5 % to complex" in str(plan(engine, prefer="cheap"))


def test_an_unknown_price_is_said_and_never_0(tmp_path):
    engine = engine_of(tmp_path, models={"m": {"base_url": URL}}, tiers=[])
    page = str(plan(engine, "hi"))
    assert "price unknown" in page
    assert "$0" not in page


def test_many_models_do_not_flood_the_page(tmp_path):
    engine = engine_of(tmp_path, **many())
    found = plan(engine, "hi")
    lines = str(found).splitlines()
    assert len(found.estimates) == 150
    assert len(lines) < 20
    assert any("… 142 more: %ai route -v TEXT shows them all" in line for line in lines)
    for leading in ("model-0 ", "model-5 ", "model-50 ", "model-100 "):
        assert any(leading in line for line in lines)
    assert not any("model-6 " in line for line in lines)


def test_v_shows_all_of_them(play):
    play.engine.configure(many())
    assert "model-77" not in play("%ai route hi").text
    assert "model-77" in play("%ai route -v hi").text
    assert "model-77" in play("%%ai --dry-run -v\nhi").text


def test_a_dry_run_shows_the_same_page(play):
    assert play("%%ai --dry-run\nhi").text == play("%ai route hi").text
    assert play.call.calls == []


def test_the_html_has_the_same_rows_and_no_colour_of_its_own(engine):
    found = plan(engine, tier="simple")
    bundle = found._repr_mimebundle_()
    html = bundle["text/html"]
    assert bundle["text/plain"] == str(found)
    assert html.count(">small<") == html.count(">large<") == html.count(">1.<") == 1
    assert "asks to explain or write" in plan(engine)._repr_mimebundle_()["text/html"]
    assert "color" not in html
    assert "mathjax_ignore" in html  # the dollars of two prices are no formula


HOSTILE = ["<img/src=x>", "a$b$c", "[x](javascript:1)", "&lt;b&gt;", "\u202egnp"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_to_the_letter(tmp_path, name):
    row = {"base_url": URL, "input_price": 1, "output_price": 1}
    try:
        engine = engine_of(tmp_path, models={name: row}, tiers=[])
    except mmai_nb.errors.ConfigError:
        return  # it cannot be a name at all
    bundle = plan(engine, "hi")._repr_mimebundle_()
    assert "<img" not in bundle["text/html"]
    assert "\u202e" not in "".join(bundle.values())
    assert name in bundle["text/plain"]


def test_a_long_name_is_cut_and_the_table_stays_narrow(tmp_path):
    row = {"base_url": URL, "input_price": 1, "output_price": 1}
    engine = engine_of(tmp_path, models={"x" * 200: row}, tiers=[])
    table = [line for line in str(plan(engine, "hi")).splitlines() if "local" in line]
    assert len(table[0]) < 130


# odd prompts


@pytest.mark.parametrize("text", ["", "  \n", "a\ud800", "x" * 10_000_000])
def test_a_prompt_that_cannot_be_sent_is_one_clear_line(text):
    with pytest.raises(PromptError) as info:
        mmai_nb.route(text)
    assert len(str(info.value).splitlines()) == 1


def test_no_prompt_at_all_is_told_how_it_goes(play):
    shown = play("%ai route")
    assert not shown.ok
    assert "%ai route [-v] TEXT" in shown.text


@pytest.mark.parametrize("line", ["--prefer 1 hello", "-v -v hello", "-m large hello"])
def test_an_option_that_route_does_not_take_is_no_prompt(play, line):
    shown = play(f"%ai route {line}")
    assert not shown.ok
    assert "%%ai --dry-run takes options" in shown.text


def test_variables_are_put_in_as_asking_does(play):
    play("long = 'lorem ipsum dolor sit amet. ' * 300")
    shown = play("%ai route Summarise {long}")
    dry = play("%%ai --dry-run\nSummarise {long}")
    assert "long data (8,400 characters)" in str(shown.value)
    assert str(shown.value) == str(dry.value)


def test_what_was_cut_or_left_as_typed_is_told(play):
    play("import pandas; frame = pandas.DataFrame({'a': range(50)})")
    shown = str(play("%ai route Sum {frame} and {nowhere}").value)
    assert "frame: 10 of 50 rows" in shown
    assert "left as typed: {nowhere}" in shown


def test_a_value_that_cannot_be_put_in_is_refused_as_asking_does(play):
    play("import os")
    routed, asked = play("%ai route Summarise {os}"), play("%ai Summarise {os}")
    assert "a module: put in one of its values" in routed.text
    assert routed.text == asked.text


def test_control_characters_of_a_prompt_do_not_reach_the_page(engine):
    assert "\x1b" not in str(plan(engine, "a\x1b[31mb"))


def test_megabytes_are_planned(tmp_path):
    engine = engine_of(tmp_path, max_prompt_chars=3_000_000)
    found = plan(engine, "word " * 500_000)
    assert found.complexity.reasons[0] == "long (2,500,000 characters)"
    assert found.estimates[0].input_tokens > 400_000


def test_the_tokens_of_a_long_prompt_are_estimated_once_for_all_models(engine, monkeypatch):
    looks = []

    class Counted:
        def findall(self, text: str) -> list[str]:
            looks.append(text)
            return []

    monkeypatch.setattr(tokens, "_WORD", Counted())
    plan(engine, "how often is this prompt looked at? " * 1_000)
    assert len(looks) == 1


def test_a_plan_can_be_copied_pickled_and_compared(engine):
    found = plan(engine)
    assert pickle.loads(pickle.dumps(found)) == copy.deepcopy(found) == found
    assert replace(found, tier="x") != found


# the dial's own page


@pytest.mark.parametrize("typed", ["20%", "0.2", "20 %"])
def test_a_share_is_shown_in_percent_however_it_was_typed(play, typed):
    shown = str(play(f"%ai config prefer {typed}").value)
    assert "prefer = 20 %   (configure())" in shown
    assert re.search(r"\n  20 % .*← now", shown)
    assert play("%ai config").value.loc["prefer", "value"] == "20 %"


def test_the_shares_of_each_turn_add_up_to_100(play):
    shown = str(play("%ai config prefer cheap").value)
    rows = [re.findall(r"(\d+) %", line.split("  ", 2)[2]) for line in shown.splitlines()[6:]]
    assert [sum(map(int, row)) for row in rows] == [100] * 4


def test_the_row_without_the_dial_is_the_tiers_own_or_the_calibrations(play):
    assert "  as the tiers say  0.5" in str(play("%ai config prefer").value)
    made = Calibration({}, {}, (0.1, 1.0), ("simple", "complex"), (0.5, 1.0), votes=30)
    play.engine.learned(play.engine.settings).save(made)
    shown = str(play("%ai config prefer").value)
    assert "  no dial (calibrated)  0.1" in shown
    assert "as the tiers say" not in shown


def test_help_on_the_dial_says_which_prompts_count(play):
    shown = " ".join(str(play("%ai help prefer").value).split())
    assert "not from the cache, and with no model and no tier named" in shown
