"""The client on a good day: what it sends, what it makes of an answer, what it learns."""

from __future__ import annotations

import threading
import time
from decimal import Decimal

import pytest
from support.stub_server import (
    FOREVER,
    broken,
    chunk,
    event,
    events,
    http,
    ok,
    sse,
    status,
    stream,
)
from support.talking import IN_TIME, Talking
from support.waiting import soon

from mmai_nb.errors import (
    BadRequestError,
    ChainExhaustedError,
    MissingKeyError,
    MmaiError,
    OptionError,
    ParameterAdaptedError,
    PromptError,
    RateLimitError,
    UnknownModelError,
)
from mmai_nb.records import Message, Request, Usage
from mmai_nb.settings import ModelSpec
from mmai_nb.tokens import estimate_messages, estimate_tokens

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


# what is sent


def test_only_what_the_user_set_is_sent(whole):
    whole.ask()
    assert whole.stub.last.json == {
        "model": "small",
        "messages": [{"role": "user", "content": "hello"}],
    }


def test_a_stream_asks_for_its_usage_too(streamed):
    streamed.ask(sse("a"))
    more = {"stream": True, "stream_options": {"include_usage": True}}
    assert more.items() <= streamed.stub.last.json.items()


def test_parameters_travel_as_they_are(whole):
    params = {"temperature": 0.2, "top_k": 7, "stop": ["x"], "chat_template_kwargs": {"a": None}}
    whole.ask(params=params)
    assert params.items() <= whole.stub.last.json.items()


def test_the_models_own_id_is_sent(stub):
    talk = Talking(stub, spec={"model": "vendor/model:free"})
    answered = talk.ask()
    assert stub.last.json["model"] == "vendor/model:free"
    assert (answered.model, answered.request_model) == ("small", "vendor/model:free")


def test_parameters_cannot_replace_the_prompt(whole):
    whole.ask(params={"messages": [], "model": "other", "stream": True})
    assert whole.stub.last.json["messages"] == [{"role": "user", "content": "hello"}]
    assert whole.stub.last.json["model"] == "small"
    assert "stream" not in whole.stub.last.json


def test_no_header_promises_that_a_request_counts_once(talk):
    talk.ask(sse("a") if talk.stream else ok())
    assert not [name for name in talk.stub.last.headers if "idempotency" in name.lower()]


def test_the_key_is_sent_and_found_anew_for_each_call(stub, monkeypatch):
    talk = Talking(stub, spec={"api_key_env": "STUB_API_KEY"})
    for key in ("first-key-1", "second-key-2"):
        monkeypatch.setenv("STUB_API_KEY", key)
        talk.ask()
        assert stub.last.headers["authorization"] == f"Bearer {key}"


def test_a_missing_key_stops_before_any_request(stub, monkeypatch):
    monkeypatch.delenv("STUB_API_KEY", raising=False)
    error = Talking(stub, spec={"api_key_env": "STUB_API_KEY"}).fail()
    assert type(error) is MissingKeyError
    assert "STUB_API_KEY" in str(error)
    assert stub.connections == 0


def test_no_key_is_looked_for_where_none_is_named(whole, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-this-server-123456")
    whole.ask()
    assert whole.stub.last.headers["authorization"] == "Bearer not-needed"


def test_an_organization_is_for_openai_alone(whole, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-private")
    whole.ask()
    assert "private" not in str(whole.stub.last.headers)


@pytest.mark.parametrize(
    ("params", "prompt", "kind"),
    [
        ({"temperature": float("nan")}, "hi", OptionError),
        ({"stop": {1, 2}}, "hi", OptionError),
        ({}, "a\ud800b", PromptError),
    ],
    ids=["nan", "no JSON", "lone surrogate"],
)
def test_what_cannot_be_sent_stops_before_any_request(talk, params, prompt, kind):
    assert type(talk.fail(params=params, prompt=prompt)) is kind
    assert talk.stub.connections == 0


def test_one_call_is_one_request(talk):
    for reply in (status(500), status(429), broken(), http(200, b"x")):
        talk.fail(reply)
    assert talk.stub.count == 4


# what comes back


def test_an_answer_with_all_its_facts(whole):
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 20},
        "cost": 0.00123,
    }
    begin = time.time()
    answered = whole.ask(ok("the text", usage=usage, reasoning_content="the thoughts"))
    assert (answered.text, answered.reasoning_text) == ("the text", "the thoughts")
    assert answered.usage == Usage(100, 50, 40, 10, 20, False, Decimal("0.00123"))
    assert (answered.provider, answered.endpoint) == ("local", whole.stub.base_url)
    assert (answered.response_model, answered.finish_reason) == ("stub-1", "stop")
    assert answered.first_token_s is None
    assert 0 < answered.duration_s <= whole.seconds
    assert begin <= answered.created <= time.time()


def test_a_stream_shows_each_piece_as_it_comes(streamed):
    seen, when_sent = [], []

    def one_by_one():
        role, *words, finish, usage, done = events("one ", "two ", "three")
        yield role
        for number, word in enumerate(words, 1):
            yield word
            when_sent.append(soon(lambda: len(seen) == number))  # noqa: B023
        yield from (finish, usage, done)

    streamed.ask(stream(one_by_one()), on_text=seen.append)
    assert seen == ["one ", "two ", "three"]
    assert when_sent == [True, True, True]


def test_the_first_token_is_timed(streamed):
    answered = streamed.ask(stream([events("a")[0], 0.2, *events("a")[1:]]))
    assert 0.2 <= answered.first_token_s <= answered.duration_s


def test_pieces_are_shown_in_the_callers_thread(streamed):
    threads = []
    streamed.ask(sse("a"), on_text=lambda _: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_are_kept_apart_from_the_text(talk, field):
    thoughts = [chunk(delta={field: "let me "}), chunk(delta={field: "think"}), "done"]
    reply = sse(*thoughts) if talk.stream else ok("done", **{field: "let me think"})
    answered = talk.ask(reply)
    assert (answered.text, answered.reasoning_text) == ("done", "let me think")
    assert talk.pieces == (["done"] if talk.stream else [])


def test_thoughts_in_parts_of_the_content(talk):
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "yes"}]
    answered = talk.ask(sse(chunk(parts)) if talk.stream else ok(parts))
    assert (answered.text, answered.reasoning_text) == ("yes", "hm")


class Enough(BaseException):
    """A listener's own way to say that it wants no more."""


@pytest.mark.parametrize(
    "error",
    [
        LookupError("no display"),
        RateLimitError("of another call"),
        UnknownModelError("of another call"),
        StopIteration("no more"),
        GeneratorExit("closed"),
        Enough("of it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_listener_that_raises_ends_the_call_and_gets_what_came(streamed, error):
    def listen(piece):
        if piece == "far":
            raise error

    with pytest.raises(type(error)) as stopped:
        streamed.ask(stream([*events("so ", "far")[:3], FOREVER]), on_text=listen)
    assert streamed.seconds < IN_TIME
    assert stopped.value is error
    partial = error.partial
    assert (partial.text, partial.finish_reason) == ("so far", None)
    assert partial.usage == Usage(
        estimate_messages([Message("user", "hello")]), estimate_tokens("so far"), estimated=True
    )
    streamed.stub.wait_for_hang_up()
    assert streamed.stub.count == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RateLimitError, LookupError])
def test_a_partial_answer_that_an_exception_has_already_is_kept(streamed, kind):
    error = kind("of another call")
    error.partial = "another answer"

    def listen(_):
        raise error

    with pytest.raises(kind):
        streamed.ask(sse("a"), on_text=listen)
    assert error.partial == "another answer"


def test_an_exception_whose_partial_is_its_own_affair_is_left_as_it_is(streamed):
    error = ChainExhaustedError("of another call", [])

    def listen(_):
        raise error

    assert streamed.fail(sse("a"), on_text=listen) is error
    assert error.partial is None


USAGES = {
    "last of many": (
        [{"prompt_tokens": 9, "completion_tokens": n} for n in (1, 2, 5)],
        (9, 5, False),
    ),
    "null after it": ([{"prompt_tokens": 9, "completion_tokens": 5}, None], (9, 5, False)),
    "other names": ([{"input_tokens": 9, "output_tokens": 5}], (9, 5, False)),
}


@pytest.mark.parametrize("case", USAGES)
def test_usage_in_a_stream_is_the_last_report(streamed, case):
    reports, expected = USAGES[case]
    chunks = [chunk("word", usage=report) for report in reports]
    usage = streamed.ask(sse(*chunks, usage=None)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == expected


def test_usage_on_the_finish_chunk(streamed):
    last = event(chunk(finish="stop", usage={"prompt_tokens": 3, "completion_tokens": 2}))
    assert streamed.ask(sse("a", last, finish=None, usage=None)).usage == Usage(3, 2)


BAD_USAGES = {
    "absent": None,
    "null": {"prompt_tokens": None, "completion_tokens": None},
    "words": {"prompt_tokens": "12", "completion_tokens": "7"},
    "negative": {"prompt_tokens": -1, "completion_tokens": -7},
    "huge": {"prompt_tokens": 10**10, "completion_tokens": 10**400},
    "zero": {"prompt_tokens": 0, "completion_tokens": 0},
    "truth": {"prompt_tokens": True, "completion_tokens": True},
    "a list": [1, 2],
}


@pytest.mark.parametrize("case", BAD_USAGES)
def test_usage_that_is_none_is_estimated_and_says_so(talk, case):
    bad, text = BAD_USAGES[case], "a handful of plain words"
    answered = talk.ask(sse(text, usage=bad) if talk.stream else ok(text, usage=bad))
    sent = estimate_messages([Message("user", "hello")])
    assert answered.usage == Usage(sent, estimate_tokens(text), estimated=True)


def test_details_that_do_not_add_up_are_left_out(whole):
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 11},
        "completion_tokens_details": {"reasoning_tokens": 6},
    }
    assert whole.ask(ok(usage=usage)).usage == Usage(10, 5)


@pytest.mark.parametrize("cost", [-1, "free", float("1e300"), True, None, [1], "NaN", "Infinity"])
def test_a_reported_cost_that_is_none_is_left_out(whole, cost):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "cost": cost}
    assert whole.ask(ok(usage=usage)).usage.reported_cost_usd is None


@pytest.mark.parametrize(("cost", "expected"), [("0.5", "0.5"), (0, "0"), (1e-07, "1E-7")])
def test_a_reported_cost_is_exact(whole, cost, expected):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "cost": cost}
    assert whole.ask(ok(usage=usage)).usage.reported_cost_usd == Decimal(expected)


# what an endpoint does not take (C12)

UNSUPPORTED = (
    "Unsupported parameter: 'max_tokens' is not supported with this model."
    " Use 'max_completion_tokens' instead."
)
ADAPTATIONS = {
    "stream_options": (
        {},
        "stream_options: Extra inputs are not permitted",
        {"stream_options": None},
    ),
    "max_tokens": (
        {"max_tokens": 9},
        UNSUPPORTED,
        {"max_tokens": None, "max_completion_tokens": 9},
    ),
    "temperature": (
        {"temperature": 0.5},
        "Unsupported value: 'temperature' does not support 0.5. Only the default (1) is supported.",
        {"temperature": None},
    ),
    "top_p": ({"top_p": 0.5}, "top_p is not supported by this model", {"top_p": None}),
}


@pytest.mark.parametrize("code", [400, 422])
@pytest.mark.parametrize("case", ADAPTATIONS)
def test_a_refused_parameter_is_learned(streamed, case, code):
    params, said, expected = ADAPTATIONS[case]
    error = streamed.fail(status(code, said), sse("fine"), params=params)
    assert type(error) is ParameterAdaptedError
    assert error.status == code
    for _ in range(2):  # remembered: the next calls do not run into it again
        answered = streamed.ask(params=params)
        assert answered.text == "fine"
        sent = streamed.stub.last.json
        assert {name: sent.get(name) for name in expected} == expected
    assert bool(answered.notes) == (case in ("temperature", "top_p"))
    assert streamed.stub.count == 3


def test_a_dropped_parameter_is_told(whole):
    said, params = ADAPTATIONS["temperature"][1], {"temperature": 0.5}
    answered = whole.keep_asking(status(400, said), ok(), params=params)
    assert answered.notes == ("temperature was dropped: small does not take 0.5",)
    assert whole.ask(ok()).notes == ()


def test_nothing_is_learned_once_text_was_shown(streamed):
    late = event({"error": {"code": 400, "message": ADAPTATIONS["temperature"][1]}})
    error = streamed.fail(stream([*events("a")[:2], late]), params={"temperature": 0.5})
    assert type(error) is BadRequestError
    assert error.partial.text == "a"


def test_an_endpoint_that_takes_no_stream_options_is_sent_none_for_any_model(streamed):
    streamed.fail(status(400, ADAPTATIONS["stream_options"][1]), sse("fine"))
    streamed.spec = ModelSpec(name="other", base_url=streamed.stub.base_url)
    assert streamed.ask().text == "fine"
    assert "stream_options" not in streamed.stub.last.json


def test_what_one_model_does_not_take_another_may(stub):
    talk = Talking(stub)
    talk.fail(status(400, ADAPTATIONS["temperature"][1]), ok(), params={"temperature": 0.5})
    talk.spec = ModelSpec(name="other", base_url=stub.base_url)
    talk.ask(params={"temperature": 0.5})
    assert stub.last.json["temperature"] == 0.5


def test_the_cap_is_swapped_once_only(whole):
    said = "'max_tokens' and 'max_completion_tokens' are not supported"
    assert type(whole.fail(status(400, said), params={"max_tokens": 5})) is ParameterAdaptedError
    assert type(whole.fail(params={"max_tokens": 5})) is BadRequestError


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"max_tokens": 10**6}, "max_tokens is too large: 1000000. It must be at most 4096"),
        ({"temperature": 1.9}, "temperature must be between 0 and 1"),
        ({}, "Unsupported parameter: 'temperature'"),
        ({"top_k": 3}, "Unsupported parameter: 'top_k'"),
        ({"response_format": {"type": "json_object"}}, "response_format is not supported"),
    ],
    ids=["range", "range of temperature", "not sent", "not known", "the user's own"],
)
def test_a_wrong_request_is_not_adapted(whole, params, said):
    assert type(whole.fail(status(400, said), params=params)) is BadRequestError


def test_openai_itself_is_asked_in_its_own_word(stub):
    talk = Talking(stub)
    spec = ModelSpec(name="big", base_url="https://api.openai.com/v1")
    made = talk.client._begin(
        Request((Message("user", "x"),), params={"max_tokens": 5}), spec, None
    )
    assert made.body.data["max_completion_tokens"] == 5
    assert "max_tokens" not in made.body.data


# JSON


def test_a_schema_is_asked_for_strictly(talk):
    talk.ask(sse('{"n": 1}') if talk.stream else ok('{"n": 1}'), schema=SCHEMA, format="json")
    wanted = talk.stub.last.json["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["strict"] is True
    assert wanted["json_schema"]["schema"] == SCHEMA
    assert talk.stub.last.json["messages"][0]["content"] == "hello"


def test_json_without_a_schema_is_json_mode(whole):
    whole.ask(format="json")
    assert whole.stub.last.json["response_format"] == {"type": "json_object"}


def test_a_format_of_the_users_own_is_kept(whole):
    own = {"type": "text"}
    whole.ask(schema=SCHEMA, format="json", params={"response_format": own})
    assert whole.stub.last.json["response_format"] == own


def test_where_no_schema_is_taken_it_goes_into_the_prompt(whole):
    refusals = [
        status(400, "response_format type json_schema is not supported"),
        status(400, "response_format is not supported"),
    ]
    answered = whole.keep_asking(*refusals, ok('{"n": 1}'), schema=SCHEMA, format="json")
    sent = [asked.json for asked in whole.stub.requests]
    assert [s.get("response_format", {}).get("type") for s in sent] == [
        "json_schema",
        "json_object",
        None,
    ]
    assert ['"required"' in s["messages"][0]["content"] for s in sent] == [False, True, True]
    assert any("schema" in note for note in answered.notes)


def test_a_schema_that_cannot_be_strict_is_sent_loosely(whole):
    said = "Invalid schema for response_format 'answer': 'additionalProperties' is required"
    whole.keep_asking(status(400, said), ok('{"n": 1}'), schema=SCHEMA, format="json")
    wanted = whole.stub.last.json["response_format"]
    assert (wanted["type"], wanted["json_schema"]["strict"]) == ("json_schema", False)


def test_json_mode_is_dropped_where_it_is_refused(whole):
    refusal = status(400, "json_object is not supported")
    assert whole.keep_asking(refusal, ok("{}"), format="json").text == "{}"
    assert "response_format" not in whole.stub.last.json


# the list of models


def test_the_models_of_an_endpoint(whole):
    whole.stub.models = ["a", "b"]
    assert whole.client.list_models(whole.spec) == ["a", "b"]
    assert whole.stub.count == 0


def test_an_endpoint_that_does_not_list_its_models(whole):
    with pytest.raises(MmaiError):
        whole.client.list_models(whole.spec)
