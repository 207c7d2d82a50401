from __future__ import annotations

import builtins
import json
import logging
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator
from support.scripted import URL, USAGE, Scripted, settings_of

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import (
    BadRequestError,
    BadResponseError,
    CacheWarning,
    ChainExhaustedError,
    ConfigError,
    ContextTooLongError,
    EmptyResponseError,
    MissingKeyError,
    OptionError,
    ParameterAdaptedError,
    PromptError,
    QuotaError,
    SchemaMismatchError,
    SecretInPromptError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
    UnknownModelError,
)
from mmai_nb.ledger import Ledger
from mmai_nb.records import Completion, Usage
from mmai_nb.settings import Settings

KEY = "acme-0123456789-secret"


@pytest.fixture
def build(tmp_path):
    """An engine over a scripted call, with a ledger and a cache of its own."""
    made = []

    def make(*plays: Any, **settings: Any) -> tuple[Engine, Scripted]:
        call = Scripted(*plays)
        engine = Engine(
            settings_of(**settings),
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


def test_an_easy_prompt_goes_to_the_cheap_model(build):
    engine, call = build("Paris")
    answer = engine.ask("What is the capital of France?")
    assert (str(answer), answer.model, answer.route.tier) == ("Paris", "small", "simple")
    assert call.asked == ["small"]


def test_an_answer_is_priced_from_its_usage(build):
    engine, _ = build()
    answer = engine.ask("hi")
    assert answer.cost_usd == pytest.approx(1000 * 0.10e-6 + 500 * 0.40e-6)


def test_the_same_question_is_paid_once(build):
    engine, call = build()
    first, second = engine.ask("hi"), engine.ask("hi")
    assert len(call.calls) == 1
    assert (first.cache_hit, second.cache_hit) == (False, True)
    assert second.cost_usd == 0
    assert second.saved_usd == first.cost_usd


def test_a_hit_on_a_later_model_of_the_chain_wins_over_a_paid_call(build):
    engine, call = build()
    engine.ask("hi", model="large")
    answer = engine.ask("hi")
    assert (answer.model, answer.cache_hit) == ("large", True)
    assert call.asked == ["large"]


def test_a_fallbacks_answer_is_not_kept_under_the_first_models_name(build):
    engine, _call = build(ServerError("501", retries=0), "from large", "from small")
    assert engine.ask("hi").model == "large"
    assert engine.ask("hi", model="small").text == "from small"


def test_refresh_asks_again_and_overwrites(build):
    engine, call = build("old", "new")
    engine.ask("hi")
    assert engine.ask("hi", refresh=True).text == "new"
    assert engine.ask("hi").text == "new"
    assert len(call.calls) == 2


def test_no_cache_neither_reads_nor_writes(build):
    engine, _call = build("one", "two", "three")
    engine.ask("hi", cache=False)
    assert engine.ask("hi").text == "two"
    assert engine.ask("hi", cache=False).text == "three"


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_is_not_whole_is_not_kept(build, reason):
    cut = Completion("half", "small", USAGE, finish_reason=reason)
    engine, _call = build(cut, "whole")
    engine.ask("hi")
    assert engine.ask("hi").text == "whole"


@pytest.mark.parametrize("cache", [True, False])
def test_an_answer_without_text_is_paid_once_and_not_kept(build, cache):
    engine, _call = build("", "fine")
    assert engine.ask("hi", cache=cache) == ""
    assert len(engine.costs()) == 1
    assert engine.ask("hi", cache=cache) == "fine"


def test_errors_are_not_kept(build):
    engine, _call = build(BadRequestError("400"), "fine")
    with pytest.raises(BadRequestError):
        engine.ask("hi")
    assert engine.ask("hi").text == "fine"


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5},
        {"system": "be brief"},
        {"max_tokens": 7},
        {"params": {"seed": 1}},
        {"model": "large"},
    ],
    ids=str,
)
def test_what_changes_the_answer_is_in_the_key(build, change):
    engine, call = build()
    engine.ask("hi", model="small")
    engine.ask("hi", **{"model": "small", **change})
    assert len(call.calls) == 2


@pytest.mark.parametrize(
    "change", [{"tag": "x"}, {"fallback": ["large"]}, {"format": "text"}], ids=str
)
def test_what_does_not_change_the_answer_is_not_in_the_key(build, change):
    engine, call = build()
    engine.ask("hi", model="small")
    engine.ask("hi", model="small", **change)
    assert len(call.calls) == 1


def test_the_joblib_memory_sees_every_look_and_every_write(build):
    engine, _ = build()
    engine.ask("hi", model="small")
    looks = engine.cache.calls
    engine.ask("hi", model="small")
    assert engine.cache.calls == looks + 1


def test_every_attempt_is_a_row_and_no_row_is_more(build):
    engine, call = build(ServerError("500"), ParameterAdaptedError("x"), "fine")
    engine.ask("hi")
    engine.ask("hi")
    frame = engine.costs()
    assert list(frame.status) == ["error", "adapted", "ok", "ok"]
    assert list(frame.cache_hit) == [False, False, False, True]
    assert (~frame.cache_hit).sum() == len(call.calls)
    assert list(frame.attempt) == [1, 2, 3, 1]


def test_the_row_is_there_before_the_request_leaves(build):
    engine, _ = build()
    seen = []
    engine._call = lambda *a: (
        seen.append(engine.costs().status.tolist()) or Completion("x", "small")
    )
    engine.ask("hi")
    assert seen == [["unknown"]]


def test_attempts_are_visible_on_the_answer(build):
    engine, _ = build(ServerError("501", retries=0), "fine")
    answer = engine.ask("hi")
    assert [(a.request_model, a.status) for a in answer.attempts] == [
        ("small", "error"),
        ("large", "ok"),
    ]


def test_attempts_are_visible_on_the_error(build):
    engine, _ = build(ServerError("501", retries=0))
    with pytest.raises(ChainExhaustedError) as caught:
        engine.ask("hi")
    assert [a.request_model for a in caught.value.attempts] == ["small", "large"]
    assert caught.value.call_id == caught.value.attempts[0].call_id


def test_a_failed_attempt_costs_nothing_and_a_time_out_is_unknown(build):
    slow = TimedOutError("no answer", retries=0)
    slow.ambiguous = True
    engine, _ = build(slow, ServerError("501", retries=0))
    with pytest.raises(ChainExhaustedError):
        engine.ask("hi")
    frame = engine.costs()
    assert list(frame.status) == ["unknown", "error"]
    assert frame.cost_usd.isna().tolist() == [True, False]


def test_a_cut_stream_keeps_what_came(build):
    part = Completion("The first ", "small", Usage(10, 3, estimated=True))
    engine, _ = build(TruncatedStreamError("cut", partial=part))
    with pytest.raises(TruncatedStreamError):
        engine.ask("hi", model="small", on_text=lambda piece: None)
    assert str(engine.last()) == "The first "
    row = engine.costs().iloc[-1]
    assert (row.status, row.output_tokens, bool(row.tokens_estimated)) == ("partial", 3, True)
    assert row.cost_usd > 0


def test_an_interrupt_keeps_what_came_and_is_recorded(build):
    stop = KeyboardInterrupt()
    stop.partial = Completion("The first ", "small", Usage(10, 3, estimated=True))
    engine, _ = build(stop)
    with pytest.raises(KeyboardInterrupt):
        engine.ask("hi")
    assert str(engine.last()) == "The first "
    assert engine.costs().iloc[-1].status == "cancelled"


def test_the_pieces_of_a_streamed_answer_come_in_order(build):
    engine, _ = build("one two three")
    pieces: list[str] = []
    engine.ask("hi", on_text=pieces.append)
    assert pieces == ["one ", "two ", "three "]


def test_a_cached_answer_is_streamed_as_one_piece(build):
    engine, _ = build("one two three")
    engine.ask("hi")
    pieces: list[str] = []
    engine.ask("hi", on_text=pieces.append)
    assert pieces == ["one two three"]


def test_sixty_four_threads_with_one_question_pay_once(build):
    engine, call = build()
    release = threading.Event()
    inner = engine._call

    def slow(*args: Any) -> Completion:
        release.wait(60)
        return inner(*args)

    engine._call = slow
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(engine.ask("hi"))) for _ in range(64)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(60)
    assert {str(a) for a in answers} == {"an answer"}
    assert len(answers) == 64
    assert len(call.calls) == 1
    assert (~engine.costs().cache_hit).sum() == 1


class City(BaseModel):
    name: str
    people: int


def test_a_pydantic_schema_gives_its_object(build):
    engine, call = build('```json\n{"name": "Oslo", "people": 700000}\n```')
    answer = engine.ask("a city", schema=City)
    assert answer.parsed == City(name="Oslo", people=700000)
    assert call.calls[0][0].schema["additionalProperties"] is False


def test_an_answer_that_misses_the_schema_raises_keeps_the_text_and_is_not_cached(build):
    engine, _call = build('{"name": "Oslo"}', '{"name": "Oslo", "people": 1}')
    with pytest.raises(SchemaMismatchError, match="people") as caught:
        engine.ask("a city", schema=City)
    assert caught.value.raw == '{"name": "Oslo"}'
    assert str(engine.last()) == '{"name": "Oslo"}'
    assert engine.ask("a city", schema=City).parsed.people == 1


def test_format_json_gives_the_value(build):
    engine, _ = build('Here you are: {"a": [1, 2]}')
    assert engine.ask("json please", format="json").parsed == {"a": [1, 2]}


def test_no_model_outside_a_notebook_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delattr(builtins, "__IPYTHON__", raising=False)
    engine = Engine(Settings(), ledger=Ledger(None), cache=AnswerCache(tmp_path / "c"))
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        engine.ask("hi")


def test_a_missing_key_sends_nothing_and_writes_no_row(build):
    engine, call = build(
        models={"m": {"base_url": URL, "api_key_env": "ACME_API_KEY"}},
        tiers=[{"name": "only", "up_to": 1.0, "chain": ["m"]}],
    )
    with pytest.raises(MissingKeyError, match="ACME_API_KEY"):
        engine.ask("hi")
    assert call.calls == []
    assert len(engine.costs()) == 0


def test_a_cached_answer_needs_no_key(build, monkeypatch):
    model = {"base_url": URL, "api_key_env": "ACME_API_KEY", "input_price": 1, "output_price": 1}
    keyed = {
        "models": {"m": model},
        "tiers": [{"name": "only", "up_to": 1.0, "chain": ["m"]}],
    }
    engine, _call = build(**keyed)
    monkeypatch.setenv("ACME_API_KEY", "a-key-of-acme-123")
    engine.ask("hi")
    monkeypatch.delenv("ACME_API_KEY")
    assert engine.ask("hi").cache_hit


def test_an_unknown_model_names_the_nearest_and_sends_nothing(build):
    engine, call = build()
    with pytest.raises(UnknownModelError, match="small"):
        engine.ask("hi", model="smal")
    assert call.calls == []


def test_a_prompt_longer_than_every_window_is_refused_before_sending(build):
    model = {"base_url": URL, "context_window": 100, "input_price": 0, "output_price": 0}
    engine, call = build(
        models={"m": model}, tiers=[{"name": "only", "up_to": 1.0, "chain": ["m"]}]
    )
    with pytest.raises(ContextTooLongError, match="100"):
        engine.ask("word " * 400)
    assert call.calls == []


BAD = [
    ({"temperature": float("nan")}, OptionError, "temperature"),
    ({"temperature": 3}, OptionError, "0 to 2"),
    ({"temperature": "hot"}, OptionError, "hot"),
    ({"max_tokens": 0}, OptionError, "max_tokens"),
    ({"max_tokens": 1.5}, OptionError, "whole number"),
    ({"max_tokens": 10**400}, OptionError, "huge"),
    ({"timeout": 0}, OptionError, "timeout"),
    ({"timeout": -1}, OptionError, "timeout"),
    ({"timeout": "abc"}, OptionError, "abc"),
    ({"model": ""}, OptionError, "model"),
    ({"model": None}, OptionError, "model"),
    ({"model": "a b"}, OptionError, "spaces"),
    ({"model": "x" * 100_000}, OptionError, "200 characters"),
    ({"format": "pdf"}, OptionError, "markdown"),
    ({"cache": False, "refresh": True}, OptionError, "refresh"),
    ({"params": {"temperature": 1}, "temperature": 1}, OptionError, "twice"),
    ({"params": {"model": "x"}}, OptionError, "set by mmai_nb"),
    ({"params": {"x": {1}}}, OptionError, "plain JSON"),
    ({"schema": 5}, OptionError, "pydantic"),
    ({"schema": {"type": "nonsense"}}, OptionError, "schema"),
    ({"tier": "simpel"}, OptionError, "simple"),
    ({"fallback": 5}, OptionError, "fallback"),
    ({"tag": "a\nb"}, OptionError, "tag"),
]


@pytest.mark.parametrize(("options", "error", "words"), BAD, ids=lambda v: str(v)[:40])
def test_a_bad_option_is_one_clear_line_and_nothing_is_sent(build, options, error, words):
    engine, call = build()
    with pytest.raises(error, match=words) as caught:
        engine.ask("hi", **options)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) <= 200
    assert call.calls == []
    assert len(engine.costs()) == 0


BAD_MESSAGES = [
    ("a string", "list"),
    ({"role": "user", "content": "x"}, "list"),
    ([], "empty"),
    ([{"role": "user"}], r"messages\[0\]"),
    (
        [{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}],
        r"messages\[1\].*robot",
    ),
    ([{"role": "user", "content": object()}], "object"),
    ([{"role": "system", "content": "x"}], "ask something"),
]


@pytest.mark.parametrize(("messages", "words"), BAD_MESSAGES, ids=lambda v: str(v)[:40])
def test_bad_messages_are_named_by_their_index(build, messages, words):
    engine, call = build()
    with pytest.raises(PromptError, match=words):
        engine.ask(messages=messages)
    assert call.calls == []


@pytest.mark.parametrize("prompt", ["", "  \n ", "\ud800", "x" * 200_000, 5])
def test_a_prompt_that_cannot_be_sent_is_refused(build, prompt):
    engine, call = build()
    with pytest.raises(PromptError):
        engine.ask(prompt)
    assert call.calls == []


def test_a_secret_in_the_prompt_is_refused_by_its_name(build, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "acme-0123456789-secret")
    engine, call = build()
    with pytest.raises(SecretInPromptError, match="ACME_API_KEY") as caught:
        engine.ask("what is acme-0123456789-secret?")
    assert "acme-0123456789-secret" not in str(caught.value)
    assert call.calls == []
    assert engine.ask("what is acme-0123456789-secret?", allow_secrets=True)


def test_nothing_is_sent_that_the_user_did_not_set(build):
    engine, call = build()
    engine.ask("hi")
    assert call.calls[0][0].params == {}
    assert [m.role for m in call.calls[0][0].messages] == ["user"]


def test_one_structured_record_is_logged_for_each_call(build, caplog):
    engine, _ = build()
    with caplog.at_level(logging.INFO, "mmai_nb"):
        engine.ask("hi")
    (record,) = [r for r in caplog.records if r.name == "mmai_nb"]
    assert record.mmai["model"] == "small"
    assert record.mmai["input_tokens"] == 1000
    assert {"output_tokens", "duration_s", "cost_usd"} <= set(record.mmai)
    assert "hi" not in json.dumps(record.mmai).split()


def test_a_change_of_settings_is_in_force_at_once_and_a_bad_one_changes_nothing(build):
    engine, call = build()
    engine.configure({"temperature": 0.25})
    engine.ask("hi")
    assert call.calls[0][0].params == {"temperature": 0.25}
    with pytest.raises(ValueError, match="temperature"):
        engine.configure({"temperature": 9})
    assert engine.settings.temperature == 0.25


def test_a_route_tells_tokens_and_cost_and_sends_nothing(build):
    from mmai_nb.options import make_request

    engine, call = build()
    route = engine.route(make_request("What is the capital of France?", engine.settings).request)
    assert [e.model for e in route.estimates] == ["small", "large"]
    assert 0 < route.estimates[0].cost_usd < route.estimates[1].cost_usd
    assert call.calls == []


def test_savings_are_counted_against_the_strongest_model(build):
    engine, _ = build()
    engine.ask("hi")
    row = engine.summary("model").reset_index().iloc[0]
    assert row.saved_by_routing_usd == pytest.approx(float(Decimal(9) * (100 + 200) / 10**6))


def test_the_data_fences_that_are_sent_are_sealed_and_stable(build):
    from mmai_nb.interpolation import interpolate

    engine, call = build()
    text = interpolate("Look at {word}", {"word": "hello"}, max_chars=1000).text
    engine.ask(text, cache=False)
    engine.ask(text, cache=False)
    first, second = (c[0].messages[-1].content for c in call.calls)
    assert first == second
    assert "hello" in first
    assert "<data-" in first
    assert call.calls[0][0].messages[0].role == "system"


def test_the_demo_answers_when_it_is_asked_for_by_name(tmp_path):
    engine = Engine(
        Settings(), ledger=Ledger(tmp_path / "l.sqlite3"), cache=AnswerCache(tmp_path / "c")
    )
    answer = engine.ask("What is the capital of France?", model="demo")
    assert answer.simulated
    assert engine.costs().simulated.tolist() == [True]
    assert "demo" in answer.footer()
    assert Path(tmp_path / "l.sqlite3").exists()
    engine.close()


def test_an_entry_of_another_shape_is_a_miss_and_is_healed(build):
    engine, call = build("fine")
    engine.ask("hi", model="small")
    (file,) = [p for p in engine.cache.folder.rglob("*.json") if "answers" in str(p)]
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "value": {"another": "shape"}}))
    with pytest.warns(CacheWarning, match="cache entry damaged"):
        assert str(engine.ask("hi", model="small")) == "fine"
    assert len(call.calls) == 2
    assert engine.ask("hi", model="small").cache_hit


def test_a_default_cache_folder_that_is_unsafe_costs_a_warning_not_the_answer(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cache").write_text("a file")
    engine = Engine(settings_of(), call=Scripted("fine"), ledger=Ledger(None))
    with pytest.warns(CacheWarning, match="not kept"):
        assert engine.ask("hi") == "fine"


def test_a_cache_folder_of_the_users_that_is_unsafe_is_an_error(tmp_path):
    settings = settings_of(cache={"folder": str(tmp_path / "file")})
    (tmp_path / "file").write_text("a file")
    with pytest.raises(ConfigError, match="cache folder"):
        Engine(settings, call=Scripted("fine"), ledger=Ledger(None)).ask("hi")


DAMAGE = [
    {"usage": {"input_tokens": "lots"}},
    {"usage": 5},
    {"cost": "x"},
    {"cost": {"nano": 1.5}},
    {"created": None},
    {"duration_s": "x"},
    {"model": 5},
    {"text": 5},
    {"text": ""},
    {"reasoning_text": 5},
    {"notes": 5},
]


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_a_damaged_entry_is_a_miss_and_the_engine_goes_on(build, damage):
    engine, call = build("fine")
    engine.ask("hi", model="small")
    (file,) = [p for p in engine.cache.folder.rglob("*.json") if "answers" in str(p)]
    record = json.loads(file.read_text())
    record["value"] |= damage
    file.write_text(json.dumps(record))
    with pytest.warns(CacheWarning, match="cache entry damaged"):
        assert engine.ask("hi", model="small") == "fine"
    assert len(call.calls) == 2
    assert len(engine.costs()) == 2


def test_a_billed_failure_is_booked(build):
    empty = EmptyResponseError("no text", retries=0, falls_back=False)
    empty.partial = Completion("", "small", Usage(1000, 4000))
    engine, _ = build(empty)
    with pytest.raises(EmptyResponseError):
        engine.ask("hi", model="small")
    row = engine.costs().iloc[-1]
    assert (row.status, row.output_tokens) == ("error", 4000)
    assert row.cost_usd == pytest.approx(1000 * 0.10e-6 + 4000 * 0.40e-6)


def test_an_answer_that_was_no_answer_has_an_unknown_cost(build):
    engine, _ = build(BadResponseError("garbled", retries=0, falls_back=False))
    with pytest.raises(BadResponseError):
        engine.ask("hi", model="small")
    assert engine.costs().cost_usd.isna().tolist() == [True]


def test_an_unknown_cost_is_logged_as_such(build, caplog):
    plain = {"models": {"m": {"base_url": URL}}, "tiers": []}
    engine, _ = build(**plain)
    with caplog.at_level(logging.INFO, "mmai_nb"), pytest.warns(UserWarning, match="unknown"):
        engine.ask("hi")
    assert caplog.records[-1].mmai["cost_usd"] is None


def test_a_kept_answer_of_a_resting_model_wins_over_a_paid_one(build):
    engine, call = build("kept", QuotaError("402"), "paid")
    engine.ask("one", model="small")
    engine.ask("two")
    assert engine.ask("one") == "kept"
    assert len(call.calls) == 3


def test_the_demo_by_name_is_the_demo_whatever_the_default_model_is(build):
    engine, call = build(default_model="large")
    answer = engine.ask("What is 2 + 3?", model="demo", cache=False)
    assert call.asked == ["demo-small"]
    assert answer.simulated


def test_a_rejected_answer_is_not_kept(build):
    class Even(BaseModel):
        n: int

        @field_validator("n")
        @classmethod
        def even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("must be even")
            return value

    engine, _ = build('{"n": 3}', '{"n": 4}')
    with pytest.raises(SchemaMismatchError, match="even") as caught:
        engine.ask("a number", schema=Even)
    assert caught.value.attempts
    assert engine.ask("a number", schema=Even).parsed.n == 4


def test_cut_json_is_a_mismatch_and_says_so(build):
    cut = Completion('[{"name": "A"}, {"na', "small", USAGE, finish_reason="length")
    engine, _ = build(cut)
    with pytest.raises(SchemaMismatchError, match="cut"):
        engine.ask("names", format="json")


def test_a_kept_answer_carries_the_readers_own_name_of_the_model(build, tmp_path):
    engine, _ = build("kept")
    engine.ask("hi", model="small")
    spec = {"base_url": URL, "model": "small", "input_price": 1, "output_price": 1}
    other = Engine(
        Settings(models={"mine": spec}), ledger=Ledger(None), cache=AnswerCache(tmp_path / "cache")
    )
    answer = other.ask("hi")
    assert (answer.model, answer.cache_hit) == ("mine", True)
    assert other.costs().tier.notna().all()


def test_a_named_preset_without_its_key_names_the_variable(tmp_path, monkeypatch):
    monkeypatch.delattr(builtins, "__IPYTHON__", raising=False)
    engine = Engine(Settings(), ledger=Ledger(None), cache=AnswerCache(tmp_path / "c"))
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY"):
        engine.ask("hi", model="anthropic/claude-haiku-5-5")


def test_a_key_set_later_is_seen_by_the_next_call(tmp_path, monkeypatch):
    monkeypatch.setenv("MMAI_DEMO", "1")
    engine = Engine(call=Scripted("fine"), ledger=Ledger(None), cache=AnswerCache(tmp_path / "c"))
    assert engine.ask("hi").simulated
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-" + "a1B2" * 8)
    assert not engine.ask("hi").simulated


@pytest.mark.parametrize("where", [{"tag": KEY}, {"params": {"user": KEY}}], ids=["tag", "params"])
def test_a_secret_beside_the_prompt_is_refused_too(build, monkeypatch, where):
    monkeypatch.setenv("ACME_API_KEY", KEY)
    engine, call = build()
    with pytest.raises(SecretInPromptError, match="ACME_API_KEY"):
        engine.ask("hi", **where)
    assert call.calls == []


@pytest.mark.parametrize(
    "options",
    [
        {"params": "abc"},
        {"params": {"api_key": "x"}},
        {"temperature": 10**400},
        {"timeout": 10**400},
        {"on_text": 5},
        {"model": "small", "tier": "simple"},
        {"schema": City, "format": "text"},
        {"schema": {"$ref": "#/nope"}},
        {"schema": {"$ref": "#"}},
        {"schema": {"type": "object", "$dynamicRef": "http://127.0.0.1:1/x"}},
    ],
    ids=lambda o: str(o)[:40],
)
def test_more_bad_options_are_one_line_and_send_nothing(build, options):
    engine, call = build()
    with pytest.raises(OptionError) as caught:
        engine.ask("hi", **options)
    assert len(str(caught.value)) <= 200
    assert call.calls == []


def test_a_heading_may_be_a_system_message(build):
    engine, call = build()
    engine.ask("hi", system="# Rules")
    assert call.calls[0][0].messages[0].content == "# Rules"


def test_names_from_the_server_are_made_harmless(build):
    evil = Completion(
        "hi", "small", USAGE, response_model="x\x1b]0;pwned\x07", finish_reason="stop"
    )
    engine, _ = build(evil)
    engine.ask("hi")
    assert "\x1b" not in engine.costs().response_model.iloc[0]


def test_a_route_tells_that_the_answer_is_kept(build):
    from mmai_nb.options import make_request

    engine, _ = build()
    request = make_request("hi", engine.settings).request
    assert not any("cache" in reason for reason in engine.route(request).reasons)
    engine.ask("hi")
    assert any("cache" in reason for reason in engine.route(request).reasons)


def test_an_exhausted_chain_tells_the_cost_so_far(build):
    engine, _ = build(ServerError("501", retries=0))
    with pytest.raises(ChainExhaustedError, match=r"cost so far \$0.00"):
        engine.ask("hi")


def test_an_exhausted_chain_tells_that_its_cost_is_unknown(build):
    slow = TimedOutError("no answer", retries=0)
    slow.ambiguous = True
    engine, _ = build(slow, ServerError("501", retries=0))
    with pytest.raises(ChainExhaustedError, match=r"; cost so far unknown$"):
        engine.ask("hi")


def test_a_ledger_that_was_deleted_is_made_anew(build, tmp_path):
    engine, _ = build()
    engine.ask("one")
    (tmp_path / "ledger.sqlite3").unlink()
    engine.ask("two")
    assert len(engine.costs()) == 1
