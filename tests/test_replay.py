"""Kept answers where no model may be asked: offline, without a key, with nothing configured."""

from __future__ import annotations

import builtins
import json
import os
import time
from typing import Any

import pytest
from pydantic import BaseModel
from support.scripted import URL, Scripted, settings_of

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import MissingKeyError, OfflineError, OptionError, UnknownModelError
from mmai_nb.ledger import Ledger
from mmai_nb.settings import Settings

KEYED = {"base_url": URL, "api_key_env": "ACME_API_KEY", "input_price": 1, "output_price": 2}


class City(BaseModel):
    name: str


@pytest.fixture
def build(tmp_path):
    """An engine over a scripted call; all of them share one cache and one ledger."""
    made = []

    def make(*plays: Any, settings: Settings | None = None, **more: Any) -> tuple[Engine, Scripted]:
        call = Scripted(*plays)
        engine = Engine(
            settings_of(**more) if settings is None else settings,
            call=call,
            ledger=Ledger(tmp_path / "ledger.sqlite3"),
            cache=AnswerCache(tmp_path / "cache"),
            sleep=lambda seconds: None,
        )
        made.append(engine)
        return engine, call

    yield make
    for engine in made:
        engine.close()


@pytest.fixture(autouse=True)
def _in_a_script(monkeypatch):
    monkeypatch.delattr(builtins, "__IPYTHON__", raising=False)


@pytest.fixture
def in_ipython(_in_a_script, monkeypatch):
    monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)


def one_line(error: Exception) -> str:
    assert len(str(error)) <= 200
    assert "\n" not in str(error)
    return str(error)


# -- offline


def test_offline_the_chains_own_answer_is_a_plain_hit(build):
    build("kept")[0].ask("hi", model="small")
    engine, call = build(offline=True)
    answer = engine.ask("hi", model="small")
    assert (answer, answer.cache_hit, answer.notes) == ("kept", True, ())
    assert not call.calls


def test_offline_any_models_answer_is_replayed_and_the_footer_says_which(build):
    build("kept")[0].ask("hi", model="large")
    engine, call = build(offline=True)
    answer = engine.ask("hi", model="small")
    assert (answer, answer.model, answer.cost_usd) == ("kept", "large", 0.0)
    assert answer.footer().startswith("large · ")
    assert "replayed instead of small: offline" in answer.footer()
    assert not call.calls


def test_offline_without_an_answer_is_one_clear_line_and_nothing_is_sent(build):
    engine, call = build(offline=True)
    with pytest.raises(OfflineError, match="'small' may not be asked") as caught:
        engine.ask("hi", model="small")
    assert "offline false" in one_line(caught.value)
    assert not call.calls
    assert len(engine.costs()) == 0


@pytest.mark.parametrize("option", ["refresh", "no cache"])
def test_offline_what_asks_past_the_cache_is_refused(build, option):
    build("kept")[0].ask("hi")
    engine, call = build(offline=True)
    with pytest.raises(OfflineError, match="asks past the cache") as caught:
        engine.ask("hi", **({"refresh": True} if option == "refresh" else {"cache": False}))
    one_line(caught.value)
    assert not call.calls


def test_offline_a_local_server_is_not_asked_either(build):
    engine, call = build(offline=True, models={"mine": {"base_url": URL}}, tiers=[])
    with pytest.raises(OfflineError):
        engine.ask("hi")
    assert not call.calls


def test_offline_a_model_that_is_not_known_here_is_replayed(build):
    models = {"theirs": {"base_url": URL, "input_price": 1, "output_price": 1}}
    build("kept", models=models, tiers=[])[0].ask("hi", model="theirs")
    engine, _ = build(offline=True)
    answer = engine.ask("hi", model="theirs")
    assert (answer, answer.model) == ("kept", "theirs")
    assert "replayed: offline" in answer.footer()
    with pytest.raises(UnknownModelError):
        engine.ask("something else", model="theirs")
    with pytest.raises(OptionError):
        engine.ask("something else", tier="theirs")


def test_the_variable_works_when_it_is_set_and_configure_stands_above_it(build, monkeypatch):
    engine, call = build()
    monkeypatch.setenv("MMAI_OFFLINE", "1")
    with pytest.raises(OfflineError):
        engine.ask("hi")
    monkeypatch.setenv("MMAI_OFFLINE", "no")
    engine.ask("hi")
    monkeypatch.setenv("MMAI_OFFLINE", "1")
    engine.configure({"offline": False})
    engine.ask("something else")
    engine.configure({"offline": None})
    with pytest.raises(OfflineError):
        engine.ask("a third")
    assert len(call.calls) == 2


def test_offline_the_demo_answers_who_names_it_and_nobody_else_of_its_chain(build):
    engine, _ = build(offline=True)
    engine._call = None
    assert engine.ask("What is 2 + 3?", model="demo-small").simulated
    assert engine.ask("What is 2 + 4?", model="demo").simulated
    cut = "hello\n[[demo: status=501]]"
    with pytest.raises(OfflineError):
        engine.ask(cut, model="demo-small", fallback=["small"])


def test_a_plan_says_what_is_done_offline(build):
    from mmai_nb.options import make_request

    build("kept")[0].ask("hi", model="large")
    engine, call = build(offline=True)

    def said(prompt: str, **options: Any) -> str:
        request = make_request(prompt, engine.settings, **options).request
        return engine.route(request).reasons[-1]

    assert said("hi", model="large") == "the answer is in the cache: free"
    assert said("hi", tier="simple") == "the answer is in the cache: free"
    assert said("hi", model="large", refresh=True) == "offline: nobody is asked"
    assert said("hello", model="small") == "offline: nobody is asked"
    assert said("hi", model="small") == "offline: the kept answer of large"
    assert not call.calls


def test_in_a_comparison_no_model_speaks_for_another(build):
    build("kept")[0].ask("hi", model="large")
    engine, call = build(offline=True)
    done = engine.compare("hi", ["large", "small"])
    done.start()
    done.wait()
    assert {name: str(text) for name, text in done.answers.items()} == {"large": "kept"}
    assert isinstance(done.errors["small"], OfflineError)
    assert not call.calls


# -- no key


def test_without_its_key_a_model_is_replayed(build, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "acme-0123456789")
    models = {"a": KEYED, "b": KEYED | {"model": "b2"}}
    build("kept", models=models, tiers=[])[0].ask("hi", model="b")
    monkeypatch.delenv("ACME_API_KEY")
    engine, call = build(models=models, tiers=[])
    own, other = engine.ask("hi", model="b"), engine.ask("hi", model="a")
    assert (own, own.notes) == ("kept", ())
    assert (other, other.model) == ("kept", "b")
    assert "replayed instead of a: no key in ACME_API_KEY" in other.footer()
    with pytest.raises(MissingKeyError, match="ACME_API_KEY"):
        engine.ask("something else", model="a")
    with pytest.raises(MissingKeyError, match="ACME_API_KEY"):
        engine.ask("hi", model="a", refresh=True)
    assert not call.calls


def test_with_its_key_a_model_is_asked_whatever_another_answered(build, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "acme-0123456789")
    engine, call = build(
        "of b", "of a", models={"a": KEYED, "b": KEYED | {"model": "b2"}}, tiers=[]
    )
    engine.ask("hi", model="b")
    assert engine.ask("hi", model="a") == "of a"
    assert call.asked == ["b", "a"]


# -- nothing configured


def test_with_nothing_configured_an_answer_is_replayed(build):
    build("kept")[0].ask("hi")
    engine, _ = build(settings=Settings())
    answer = engine.ask("hi")
    assert (answer, answer.model) == ("kept", "small")
    assert "replayed: no model is configured" in answer.footer()
    with pytest.raises(MissingKeyError, match="no model is configured"):
        engine.ask("something else")


def test_in_a_notebook_a_kept_answer_comes_before_the_demos(build, in_ipython):
    engine, _ = build(settings=Settings())
    engine._call = None
    assert engine.ask("hi").simulated
    build("kept")[0].ask("hi")
    answer = engine.ask("hi")
    assert (answer, answer.simulated) == ("kept", False)
    assert "replayed instead of demo-small: no model is configured" in answer.footer()
    assert engine.ask("hi", model="demo").simulated
    assert engine.ask("something else").simulated


def test_offline_the_demo_stands_in_only_for_who_never_had_a_real_answer(build, in_ipython):
    engine, _ = build(settings=Settings(offline=True))
    engine._call = None
    assert engine.ask("something else").simulated
    build("kept")[0].ask("hi")
    assert engine.ask("hi") == "kept"
    with pytest.raises(OfflineError, match="not in the cache"):
        engine.ask("something else")


def test_offline_with_nothing_configured_in_a_script_is_an_offline_error(build):
    engine, _ = build(settings=Settings(offline=True))
    with pytest.raises(OfflineError, match="no model may be asked"):
        engine.ask("hi")


def test_a_long_name_does_not_make_the_error_long(build):
    models = {"m" * 190: {"base_url": URL, "input_price": 1, "output_price": 1}}
    engine, _ = build(offline=True, models=models, tiers=[])
    for options in ({}, {"cache": False}):
        with pytest.raises(OfflineError) as caught:
            engine.ask("hi", model="m" * 190, **options)
        assert "offline false" in one_line(caught.value)


def test_the_demos_answers_are_never_replayed_for_a_real_model(build, in_ipython):
    engine, _ = build(settings=Settings())
    engine._call = None
    assert engine.ask("hi").simulated
    assert not engine.cache.knows_questions
    real, _ = build(offline=True)
    with pytest.raises(OfflineError):
        real.ask("hi")


# -- what is replayed


def test_the_latest_answer_is_replayed(build):
    engine, _ = build("first", "second", "third")
    engine.ask("hi", model="small")
    engine.ask("hi", model="large")
    empty, _ = build(settings=Settings())
    assert empty.ask("hi") == "second"
    engine.ask("hi", model="small", refresh=True)
    assert empty.ask("hi") == "third"


def test_a_replay_streams_as_a_whole(build):
    build("kept and whole")[0].ask("hi")
    pieces: list[str] = []
    build(settings=Settings())[0].ask("hi", on_text=pieces.append)
    assert pieces == ["kept and whole"]


@pytest.mark.parametrize(
    ("options", "text", "parsed"),
    [
        ({"schema": City}, '{"name": "Oslo"}', City(name="Oslo")),
        ({"format": "json"}, "[1, 2]", [1, 2]),
        ({"format": "code"}, "```python\nx = 1\n```", "x = 1"),
    ],
    ids=["schema", "json", "code"],
)
def test_a_replay_is_parsed_as_the_answer_was(build, options, text, parsed):
    build(text)[0].ask("hi", **options)
    answer = build(settings=Settings())[0].ask("hi", **options)
    assert answer.cache_hit
    assert getattr(answer.parsed, "text", answer.parsed) == parsed or parsed in str(answer.parsed)


def test_another_format_or_schema_is_another_question(build):
    build('{"name": "Oslo"}')[0].ask("hi", schema=City)
    engine, _ = build(settings=Settings())
    for options in ({}, {"format": "json"}, {"system": "be brief"}, {"temperature": 1}):
        with pytest.raises(MissingKeyError):
            engine.ask("hi", **options)


def test_what_does_not_fit_any_more_is_not_replayed(build):
    engine, _ = build('{"name": "Oslo"}')
    engine.ask("hi", schema=City)
    (file,) = engine.cache.folder.rglob("*.json")
    record = json.loads(file.read_text())
    record["value"]["text"] = "{}"
    file.write_text(json.dumps(record))
    with pytest.raises(OfflineError):
        build(offline=True)[0].ask("hi", schema=City)
    assert build('{"name": "Rome"}')[0].ask("hi", schema=City).parsed == City(name="Rome")


def test_cut_answers_and_errors_are_not_replayed(build):
    from support.scripted import USAGE

    from mmai_nb.records import Completion

    engine, _ = build(Completion("half", "small", USAGE, finish_reason="length"))
    engine.ask("hi")
    assert not engine.cache.knows_questions


def test_the_ledgers_row_of_a_replay_tells_who_had_answered(build):
    paid = build("kept")[0].ask("hi", model="large")
    engine, _ = build(settings=Settings())
    answer = engine.ask("hi")
    row = engine.costs().iloc[-1]
    assert (row.request_model, row.endpoint, row.provider) == ("large", URL, "local")
    assert (row.cost_usd, row.cache_hit, row.status) == (0.0, True, "ok")
    assert row.saved_usd == answer.saved_usd == paid.cost_usd > 0
    assert "replayed" in row.reason


# -- the index lives and dies with the answers


def age(cache: AnswerCache, days: float) -> None:
    """Make every kept answer so many days old."""
    then = time.time() - days * 86_400
    for file in cache.folder.rglob("*.json"):
        record = json.loads(file.read_text())
        record["meta"]["time"] = record["value"]["created"] = then
        file.write_text(json.dumps(record))
        os.utime(file, (then, then))


def test_an_aged_answer_is_neither_a_hit_nor_replayed(build, tmp_path):
    engine, _ = build("kept")
    engine.ask("hi", model="large")
    age(engine.cache, 3)
    old = AnswerCache(tmp_path / "cache", max_age=4)
    young = AnswerCache(tmp_path / "cache", max_age=2)
    offline = settings_of(offline=True)
    for model in ("large", "small"):
        kept = Engine(offline, cache=old, ledger=Ledger(None)).ask("hi", model=model)
        assert "cached 3 d ago" in kept.footer()
    for model in ("large", "small"):
        with pytest.raises(OfflineError):
            Engine(offline, cache=young, ledger=Ledger(None)).ask("hi", model=model)
    assert not young.knows_questions


def index_files(cache: AnswerCache) -> int:
    return len(list(cache.folder.rglob("*.keys")))


def test_clear_trim_forget_and_remove_take_the_way_to_the_answer_along(build):
    engine, _ = build()
    cache = engine.cache
    clear = [
        cache.clear,
        lambda: cache.forget(engine.last().attempts[-1].cache_key),
        lambda: cache.remove(lambda entry: entry.value["model"] == "small"),
    ]
    for remove in clear:
        engine.ask("hi", model="small")
        assert (index_files(cache), cache.knows_questions) == (1, True)
        assert remove() == 1
        assert (index_files(cache), cache.knows_questions) == (0, False)
    engine.ask("hi", model="small")
    engine.ask("hi", model="large")
    cache.max_bytes = cache.size()[1] - 1
    assert cache.trim() == 1
    assert build(settings=Settings())[0].ask("hi").model == "large"
    cache.max_bytes = 0
    assert cache.trim() == 1
    assert index_files(cache) == 0


def test_an_answer_that_is_gone_without_a_word_is_passed_over(build):
    engine, _ = build("of small", "of large")
    engine.ask("hi", model="small")
    (first,) = engine.cache.folder.rglob("*.json")
    engine.ask("hi", model="large")
    for file in set(engine.cache.folder.rglob("*.json")) - {first}:
        file.unlink()
    empty, _ = build(settings=Settings())
    assert empty.ask("hi") == "of small"
    first.unlink()
    with pytest.raises(MissingKeyError):
        empty.ask("hi")
    assert index_files(engine.cache) == 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"keys": 5}', '{"keys": ["../../x", 5]}'], ids=str
)
def test_a_damaged_index_is_as_none_and_healed(build, text):
    engine, _ = build("kept")
    engine.ask("hi")
    (file,) = engine.cache.folder.rglob("*.keys")
    file.write_text(text)
    empty, _ = build(settings=Settings())
    with pytest.raises(MissingKeyError):
        empty.ask("hi")
    engine.ask("hi", refresh=True)
    assert empty.ask("hi") == "kept"


def test_an_index_that_cannot_be_written_is_one_warning_and_costs_no_answer(build, recwarn):
    engine, _ = build("kept")
    place = engine.cache.folder / "joblib" / "questions"
    place.write_text("a file in the way")
    with pytest.warns(UserWarning, match="not found without its model") as said:
        assert [engine.ask(f"hi {n}") for n in range(3)] == ["kept"] * 3
    assert len(said) == 1
    assert build()[0].ask("hi 1").cache_hit


def test_the_index_leads_to_no_file_outside_the_cache(build):
    engine, _ = build("kept")
    engine.ask("hi")
    (file,) = engine.cache.folder.rglob("*.json")
    record = json.loads(file.read_text())
    outside = engine.cache.folder.parent / "outside.keys"
    outside.write_text("mine")
    record["value"]["question"] = "../../outside"
    file.write_text(json.dumps(record))
    assert engine.cache.remove(lambda entry: True) == 1
    assert outside.read_text() == "mine"
