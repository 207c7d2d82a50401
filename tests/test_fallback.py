from __future__ import annotations

import random
from typing import Any

import pytest

from mmai_nb.errors import (
    AuthError,
    BadRequestError,
    ChainExhaustedError,
    ContentFilteredError,
    ContextTooLongError,
    MissingKeyError,
    ParameterAdaptedError,
    QuotaError,
    RateLimitError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
)
from mmai_nb.fallback import Breakers, Run, ask_again, ask_chain
from mmai_nb.records import Completion, Message, Request
from mmai_nb.settings import Settings

REQUEST = Request((Message("user", "hello"),))


class Clock:
    """A clock that only moves when told, and a sleep that moves it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings() -> Settings:
    url = {"base_url": "http://127.0.0.1:9/v1"}
    return Settings(models={"a": url, "b": url, "c": {**url, "context_window": 100_000}})


def make_run(settings: Settings, clock: Clock, **more: Any) -> Run:
    more.setdefault("timeout", 300.0)
    return Run(settings, Breakers(clock), sleep=clock.sleep, clock=clock, **more)


class Script:
    """A call that plays a list of errors and texts, and remembers who was asked."""

    def __init__(self, *plays: Any) -> None:
        self.plays, self.asked = list(plays), []

    def __call__(self, request: Any, spec: Any, on_text: Any) -> Completion:
        self.asked.append(spec.name)
        play = self.plays.pop(0)
        if isinstance(play, BaseException):
            raise play
        return Completion(play, spec.name)


def chain(script: Script, settings: Settings, run: Run, *names: str) -> Completion:
    specs = [settings.models[n] for n in names]
    return ask_chain(specs, lambda s: ask_again(script, REQUEST, s, run, run.text_sink), run)


RETRIED = [ServerError("500"), RateLimitError("429"), TruncatedStreamError("cut")]
FINAL = [BadRequestError("400"), ContentFilteredError("filtered")]
MOVES_ON = [AuthError("401"), QuotaError("402"), ServerError("501", retries=0)]


@pytest.mark.parametrize("error", RETRIED, ids=lambda e: type(e).__name__)
def test_a_passing_failure_is_tried_again_on_the_same_model(error, settings, clock):
    script = Script(error, "fine")
    assert chain(script, settings, make_run(settings, clock), "a", "b").text == "fine"
    assert script.asked == ["a", "a"]


@pytest.mark.parametrize("error", FINAL, ids=lambda e: type(e).__name__)
def test_the_callers_own_mistake_is_not_sent_to_every_model(error, settings, clock):
    script = Script(error)
    with pytest.raises(type(error)):
        chain(script, settings, make_run(settings, clock), "a", "b")
    assert script.asked == ["a"]


@pytest.mark.parametrize("error", MOVES_ON, ids=lambda e: str(e))
def test_what_only_another_model_mends_goes_to_the_next_at_once(error, settings, clock):
    script = Script(error, "fine")
    assert chain(script, settings, make_run(settings, clock), "a", "b").model == "b"
    assert script.asked == ["a", "b"]
    assert clock.slept == []


def test_a_model_is_asked_three_times_at_most_then_the_next(settings, clock):
    script = Script(*[ServerError("503")] * 3, "fine")
    assert chain(script, settings, make_run(settings, clock), "a", "b").model == "b"
    assert script.asked == ["a", "a", "a", "b"]


def test_a_call_makes_six_attempts_at_most(settings, clock):
    script = Script(*[ServerError("503")] * 9)
    with pytest.raises(ChainExhaustedError) as caught:
        chain(script, settings, make_run(settings, clock), "a", "b", "c")
    assert len(script.asked) == 6
    assert "a: Server" in str(caught.value)
    assert [type(e) for e in caught.value.errors] == [ServerError, ServerError]


def test_backoff_is_jittered_and_grows(settings, clock, monkeypatch):
    monkeypatch.setattr("mmai_nb.fallback._chance.uniform", lambda low, high: high)
    script = Script(ServerError("503"), ServerError("503"), "fine")
    chain(script, settings, make_run(settings, clock), "a")
    assert clock.slept == [0.5, 1.0]


def test_retry_after_is_a_floor(settings, clock):
    script = Script(RateLimitError("429", retry_after=4.0), "fine")
    chain(script, settings, make_run(settings, clock), "a")
    assert clock.slept == [4.0]


def test_a_long_retry_after_goes_to_the_next_model_at_once(settings, clock):
    script = Script(RateLimitError("429", retry_after=60.0), "fine")
    run = make_run(settings, clock)
    assert chain(script, settings, run, "a", "b").model == "b"
    assert clock.slept == []
    key = run.breaker_key(settings.models["a"])
    assert run.breakers.is_open(key)


def test_a_wait_past_the_deadline_is_not_waited(settings, clock):
    script = Script(RateLimitError("429", retry_after=20.0))
    with pytest.raises(RateLimitError):
        chain(script, settings, make_run(settings, clock, timeout=10.0), "a")
    assert clock.slept == []


def test_the_deadline_spans_retries_and_models(settings, clock):
    class Slow(Script):
        def __call__(self, request: Any, spec: Any, on_text: Any) -> Completion:
            clock.now += 6.0
            return super().__call__(request, spec, on_text)

    script = Slow(*[ServerError("503")] * 6)
    with pytest.raises(ChainExhaustedError):
        chain(script, settings, make_run(settings, clock, timeout=10.0), "a", "b", "c")
    assert len(script.asked) == 2


def test_each_attempt_gets_only_the_time_that_is_left(settings, clock):
    given = []

    def call(request, spec, on_text):
        given.append(request.timeout)
        clock.now += 4.0
        if len(given) == 1:
            raise ServerError("503", retry_after=1.0)
        return Completion("fine", spec.name)

    run = make_run(settings, clock, timeout=10.0)
    ask_again(call, REQUEST, settings.models["a"], run, None)
    assert given == [10.0, 5.0]


def test_nothing_restarts_once_text_was_shown(settings, clock):
    shown: list[str] = []

    def call(request, spec, on_text):
        on_text("The first ")
        raise TruncatedStreamError("cut", partial=Completion("The first ", spec.name))

    run = make_run(settings, clock, on_text=shown.append)
    with pytest.raises(TruncatedStreamError) as caught:
        chain(call, settings, run, "a", "b")
    assert shown == ["The first "]
    assert caught.value.partial.text == "The first "


def test_a_cut_answer_that_nobody_saw_is_asked_again(settings, clock):
    script = Script(TruncatedStreamError("cut"), "whole")
    assert chain(script, settings, make_run(settings, clock), "a").text == "whole"


def test_a_parameter_adaptation_is_no_attempt(settings, clock):
    script = Script(*[ParameterAdaptedError("x")] * 3, ServerError("500"), "fine")
    run = make_run(settings, clock)
    chain(script, settings, run, "a")
    assert run.attempts == 2


def test_endless_adaptation_ends_as_a_bad_request(settings, clock):
    script = Script(*[ParameterAdaptedError("temperature")] * 9)
    with pytest.raises(BadRequestError, match="temperature"):
        chain(script, settings, make_run(settings, clock), "a", "b")
    assert len(script.asked) == 4


def test_an_ambiguous_time_out_is_repeated_only_when_it_is_cheap(settings, clock):
    error = TimedOutError("no answer")
    error.ambiguous = True
    script = Script(error, "fine")
    run = make_run(settings, clock, retry_ambiguous=lambda spec: False)
    assert chain(script, settings, run, "a", "b").model == "b"


def test_too_long_goes_to_a_larger_window_only(settings, clock):
    error = ContextTooLongError("too long")
    error.window = 8_000
    script = Script(error, "fine")
    assert chain(script, settings, make_run(settings, clock), "a", "b", "c").model == "c"
    assert script.asked == ["a", "c"]


def test_too_long_for_every_model_is_said_as_such(settings, clock):
    script = Script(ContextTooLongError("too long"))
    with pytest.raises(ChainExhaustedError, match="ContextTooLong"):
        chain(script, settings, make_run(settings, clock), "a", "b")


def test_a_missing_key_of_the_first_model_stops(settings, clock):
    script = Script(MissingKeyError("set X"))
    with pytest.raises(MissingKeyError):
        chain(script, settings, make_run(settings, clock), "a", "b")


def test_a_missing_key_further_on_is_one_more_reason(settings, clock):
    script = Script(QuotaError("402"), MissingKeyError("set X"), "fine")
    assert chain(script, settings, make_run(settings, clock), "a", "b", "c").model == "c"


def test_the_only_models_error_is_raised_as_it_is(settings, clock):
    with pytest.raises(AuthError):
        chain(Script(AuthError("401")), settings, make_run(settings, clock), "a")


def test_a_stopping_error_tells_what_came_before_it(settings, clock):
    script = Script(QuotaError("no credit"), BadRequestError("bad"))
    with pytest.raises(BadRequestError) as caught:
        chain(script, settings, make_run(settings, clock), "a", "b")
    assert caught.value.__notes__ == ["before it, a: QuotaError: no credit"]


def test_an_interrupt_is_never_retried(settings, clock):
    script = Script(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        chain(script, settings, make_run(settings, clock), "a", "b")
    assert script.asked == ["a"]


def test_a_filtered_answer_falls_back_when_the_settings_allow_it(settings, clock):
    allowed = Settings(models=dict(settings.models), fallback_on_content_filter=True)
    script = Script(ContentFilteredError("no"), "fine")
    assert chain(script, allowed, make_run(allowed, clock), "a", "b").model == "b"


class TestBreakers:
    def test_five_failures_in_a_row_open_it(self, clock):
        breakers = Breakers(clock)
        for _ in range(4):
            breakers.failed("k", ServerError("500"))
        assert not breakers.is_open("k")
        breakers.failed("k", ServerError("500"))
        assert breakers.is_open("k")

    def test_a_success_between_resets_the_count(self, clock):
        breakers = Breakers(clock)
        for _ in range(4):
            breakers.failed("k", ServerError("500"))
        breakers.succeeded("k")
        breakers.failed("k", ServerError("500"))
        assert not breakers.is_open("k")

    def test_no_credit_opens_it_at_once(self, clock):
        breakers = Breakers(clock)
        breakers.failed("k", QuotaError("402"))
        assert breakers.is_open("k")

    def test_the_callers_mistake_tells_it_nothing(self, clock):
        breakers = Breakers(clock)
        for _ in range(9):
            breakers.failed("k", BadRequestError("400"))
        assert not breakers.is_open("k")

    def test_after_its_time_one_probe_may_go(self, clock):
        breakers = Breakers(clock)
        breakers.failed("k", QuotaError("402"))
        clock.now += 31
        assert not breakers.is_open("k")
        assert breakers.admit("k")
        assert not breakers.admit("k")
        assert breakers.is_open("k")

    def test_a_failed_probe_opens_it_for_twice_the_time(self, clock):
        breakers = Breakers(clock)
        breakers.failed("k", QuotaError("402"))
        clock.now += 31
        assert breakers.admit("k")
        breakers.failed("k", ServerError("500"))
        clock.now += 45
        assert breakers.is_open("k")
        clock.now += 16
        assert not breakers.is_open("k")

    def test_a_probe_that_answers_closes_it(self, clock):
        breakers = Breakers(clock)
        breakers.failed("k", QuotaError("402"))
        clock.now += 31
        assert breakers.admit("k")
        breakers.succeeded("k")
        assert not breakers.is_open("k")

    def test_an_interrupted_probe_leaves_the_next_one_free(self, clock):
        breakers = Breakers(clock)
        breakers.failed("k", QuotaError("402"))
        clock.now += 31
        assert breakers.admit("k")
        breakers.abandoned("k")
        assert not breakers.is_open("k")

    def test_it_never_stays_open_longer_than_five_minutes(self, clock):
        breakers = Breakers(clock)
        breakers.failed("k", RateLimitError("429", retry_after=3600.0))
        clock.now += 301
        assert not breakers.is_open("k")

    def test_a_lasting_outage_uses_up_the_retry_budget(self, clock):
        breakers = Breakers(clock)
        assert [breakers.may_retry("e") for _ in range(12)] == [True] * 10 + [False] * 2
        for _ in range(10):
            breakers.earned("e")
        assert breakers.may_retry("e")


def test_who_is_asked_and_how_long_it_waits_is_told(settings, clock, monkeypatch):
    monkeypatch.setattr("mmai_nb.fallback._chance.uniform", lambda low, high: high)
    said = []
    script = Script(RateLimitError("slow", status=429), "fine")
    chain(script, settings, make_run(settings, clock, tell=said.append), "a")
    assert said == [
        "asking a …",
        "a: RateLimit 429; asking again in 0.5 s …",
        "asking a …",
    ]


def test_a_model_that_rests_gets_one_probe_and_no_retry(settings, clock):
    run = make_run(settings, clock)
    key = run.breaker_key(settings.models["a"])
    run.breakers.failed(key, QuotaError("402"))
    clock.now += 31
    script = Script(*[ServerError("503")] * 3)
    with pytest.raises(ServerError):
        chain(script, settings, run, "a")
    assert script.asked == ["a"]
    clock.now += 59
    assert run.breakers.is_open(key)
    clock.now += 2
    assert not run.breakers.is_open(key)


def test_a_probe_that_ends_without_a_verdict_leaves_the_next_one_free(settings, clock):
    run = make_run(settings, clock)
    key = run.breaker_key(settings.models["a"])
    run.breakers.failed(key, QuotaError("402"))
    clock.now += 31
    with pytest.raises(BadRequestError):
        chain(Script(*[ParameterAdaptedError("x")] * 9), settings, run, "a")
    assert not run.breakers.is_open(key)


def test_the_first_rest_is_thirty_seconds_even_after_more_failures(settings, clock):
    breakers = Breakers(clock)
    for _ in range(7):
        breakers.failed("k", ServerError("503"))
    clock.now += 31
    assert not breakers.is_open("k")


def test_a_silent_model_leaves_half_of_the_time_to_the_next(settings, clock):
    given = []

    def call(request, spec, on_text):
        given.append(request.timeout)
        error = TimedOutError("no answer")
        error.ambiguous = True
        clock.now += request.timeout
        raise error

    with pytest.raises(ChainExhaustedError):
        chain(call, settings, make_run(settings, clock, timeout=100.0), "a", "b")
    assert given == [50.0, 50.0]


def test_a_silent_stream_leaves_half_of_the_time_to_the_next(settings, clock):
    given = []

    def call(request, spec, on_text):
        given.append((request.silence, request.timeout))
        error = TimedOutError("no first token")
        error.ambiguous = True
        clock.now += request.silence or request.timeout
        raise error

    run = make_run(settings, clock, timeout=100.0)
    with pytest.raises(ChainExhaustedError):
        ask_chain(
            [settings.models[name] for name in "abc"],
            lambda spec: ask_again(call, REQUEST, spec, run, lambda piece: None),
            run,
        )
    assert given == [(50.0, 100.0), (25.0, 50.0), (None, 25.0)]


def test_a_chain_that_ran_out_of_time_says_so_and_what_helps(settings, clock):
    def call(request, spec, on_text):
        clock.now += 4.0
        raise TimedOutError("no answer", retries=0)

    with pytest.raises(ChainExhaustedError) as caught:
        chain(call, settings, make_run(settings, clock, timeout=4.0), "a", "b")
    said = (
        "no model answered within 4 s (1 of 2 models tried; a longer --timeout helps): a: TimedOut"
    )
    assert str(caught.value) == said


def test_more_retries_than_usual_can_be_set(settings, clock):
    patient = Settings(models=dict(settings.models), retries=4)
    script = Script(*[ServerError("503")] * 4, "fine")
    assert chain(script, patient, make_run(patient, clock), "a").text == "fine"
    assert len(script.asked) == 5


def test_a_seed_of_the_users_is_neither_heard_nor_moved_on(settings, clock):
    random.seed(7)
    expected = random.Random(7).random()
    script = Script(ServerError("503"), "fine")
    chain(script, settings, make_run(settings, clock), "a")
    assert random.random() == expected
