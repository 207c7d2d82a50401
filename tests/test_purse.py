"""Budgets over the whole walk of a call: caps, refusals, settlement, alerts, lower tiers."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scripted import URL, USAGE, Scripted, settings_of

from mmai_nb import ledger as room
from mmai_nb import purse
from mmai_nb.budgets import LEAST_TOKENS, USUAL_TOKENS, Limit
from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import (
    BadRequestError,
    BudgetExceededError,
    BudgetWarning,
    ChainExhaustedError,
    EmptyResponseError,
    OptionError,
    ParameterAdaptedError,
    SchemaMismatchError,
    ServerError,
    TimedOutError,
)
from mmai_nb.ledger import Ledger
from mmai_nb.options import make_request
from mmai_nb.purse import reserved_tokens
from mmai_nb.records import NANO, Alert, Attempt, Completion, Usage

pytestmark = pytest.mark.filterwarnings("ignore::mmai_nb.errors.BudgetWarning")

EASY = "What is the capital of France?"
HARD = "Prove that there are infinitely many primes, step by step, with code for each step."
COST = (1_000 * 0.10 + 500 * 0.40) / 1e6
"""USD of a scripted answer of the small model."""

FREE = {"base_url": URL, "input_price": 0, "output_price": 0}


@pytest.fixture
def build(tmp_path):
    """An engine over a scripted call, all on one ledger and one cache."""
    made = []

    def make(*plays: Any, memory: bool = False, **changes: Any) -> tuple[Engine, Scripted]:
        call = Scripted(*plays)
        engine = Engine(
            settings_of(**changes),
            call=call,
            ledger=Ledger(None if memory else tmp_path / "ledger.sqlite3"),
            cache=AnswerCache(tmp_path / "cache"),
            sleep=lambda seconds: None,
        )
        made.append(engine)
        return engine, call

    yield make
    for engine in made:
        engine.close()


def sent(call: Scripted, n: int = -1) -> dict[str, Any]:
    return dict(call.calls[n][0].params)


def refused(engine: Engine, prompt: str = EASY, **options: Any) -> BudgetExceededError:
    """The error of a call that is refused: one line, no row, no request."""
    rows, asked = len(engine.costs()), len(engine._call.calls)
    with pytest.raises(BudgetExceededError) as caught:
        engine.ask(prompt, **options)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert len(text) <= 200
    assert (len(engine.costs()), len(engine._call.calls)) == (rows, asked)
    return caught.value


def least(engine: Engine, model: str = "small", tokens: int = LEAST_TOKENS) -> Decimal:
    """USD that a call must have free for so long an answer."""
    spec = engine.settings.find(model)
    request = make_request(EASY, engine.settings).request
    price = reserved_tokens(request) * spec.input_price + tokens * spec.output_price
    return price / 10**6


def of_tokens(text: str, tokens: int, finish: str | None = "stop", **more: Any) -> Completion:
    return Completion(text, "small", Usage(10, tokens, **more), finish_reason=finish)


# -- what is sent


def test_without_a_budget_nothing_is_capped_and_nothing_is_reserved(build, monkeypatch):
    engine, call = build()
    monkeypatch.setattr(Ledger, "reserve", None)
    monkeypatch.setattr(Ledger, "standings", None)
    engine.ask(EASY)
    assert sent(call) == {}


def test_with_a_budget_an_answer_has_a_usual_length(build):
    engine, call = build(budget={"day": 5})
    answer = engine.ask(EASY)
    assert sent(call) == {"max_tokens": USUAL_TOKENS}
    assert answer.cost_usd == pytest.approx(COST)
    assert "budget" not in answer.footer()


def test_the_users_own_length_is_sent_as_it_is(build):
    engine, call = build(budget={"day": 5})
    engine.ask(EASY, max_tokens=9_000)
    assert sent(call) == {"max_tokens": 9_000}


def test_the_users_own_word_for_it_is_kept(build):
    engine, call = build(budget={"call": least_of(build, 200)})
    engine.ask(EASY, params={"max_completion_tokens": 9_000})
    assert set(sent(call)) == {"max_completion_tokens"}
    assert sent(call)["max_completion_tokens"] < 9_000


def least_of(build: Any, tokens: int) -> Decimal:
    return least(build()[0], tokens=tokens)


def test_the_answer_shrinks_to_what_is_left(build):
    engine, call = build(budget={"day": least_of(build, 300)})
    engine.ask(EASY)
    assert sent(call) == {"max_tokens": 300}


def test_a_length_below_which_an_answer_is_of_no_use_is_refused(build):
    engine, _ = build(budget={"day": least_of(build, LEAST_TOKENS - 1)})
    assert "day budget" in str(refused(engine))
    engine, call = build(budget={"day": least_of(build, LEAST_TOKENS - 1)})
    engine.ask(EASY, max_tokens=LEAST_TOKENS - 5)
    assert sent(call) == {"max_tokens": LEAST_TOKENS - 5}


def test_the_cap_fits_the_models_window(build):
    small = {"base_url": URL, "input_price": 1, "output_price": 1, "context_window": 400}
    engine, call = build(models={"m": small}, tiers=[], budget={"day": 5})
    engine.ask(EASY, model="m")
    assert 300 < sent(call)["max_tokens"] < 400


def test_a_schema_and_parameters_count_as_input(build):
    engine, _ = build()
    plain = make_request("hi", engine.settings).request
    schema = {"type": "object", "properties": {"a": {"type": "string", "description": "x " * 200}}}
    assert reserved_tokens(replace(plain, schema=schema)) > reserved_tokens(plain) + 200
    tools = {"tools": [{"name": "x" * 900}]}
    assert reserved_tokens(replace(plain, params=tools)) > reserved_tokens(plain) + 100


# -- the cache


def test_the_cap_is_no_part_of_the_key(build):
    engine, _ = build(budget={"day": 5})
    engine.ask(EASY)
    free, call = build("another")
    assert free.ask(EASY).cache_hit
    assert call.calls == []


def test_a_hit_needs_no_money(build):
    build()[0].ask(EASY)
    engine, _ = build(budget={"day": "0.000000001"})
    answer = engine.ask(EASY)
    assert answer.cache_hit
    assert "budget" not in answer.footer()


def test_an_answer_that_the_budget_cut_is_not_kept_and_says_so(build):
    engine, call = build(of_tokens("half", 300, "length"), budget={"day": least_of(build, 300)})
    footer = engine.ask(EASY).footer()
    assert "cut at 300 tokens" in footer
    assert "the day budget left no more" in footer
    rich, call = build("whole")
    assert rich.ask(EASY).text == "whole"
    assert len(call.calls) == 1


def test_an_answer_that_the_usual_length_cut_says_how_to_get_a_longer_one(build):
    engine, _ = build(of_tokens("half", USUAL_TOKENS, "length"), budget={"day": 5})
    assert "max_tokens asks for a longer answer" in engine.ask(EASY).footer()


def test_an_answer_that_the_users_own_length_cut_is_not_the_budgets_doing(build):
    engine, _ = build(of_tokens("half", 70, "length"), budget={"day": 5})
    assert "budget" not in engine.ask(EASY, max_tokens=70).footer()


@pytest.mark.parametrize("finish", ["stop", None, "MAX_TOKENS"])
def test_an_answer_as_long_as_its_cap_is_a_cut_one_whatever_the_server_says(build, finish):
    engine, _ = build(of_tokens("half", USUAL_TOKENS, finish), "whole", budget={"day": 5})
    assert engine.ask(EASY).finish_reason == "length"
    assert engine.ask(EASY).text == "whole"


def test_a_whole_answer_of_guessed_length_is_a_whole_one(build):
    engine, _ = build(of_tokens("all", 5_000, "stop", estimated=True), budget={"day": 5})
    assert engine.ask(EASY).finish_reason == "stop"
    assert engine.ask(EASY).cache_hit


def test_what_was_cut_explains_itself_where_it_fails(build):
    cut = of_tokens('{"a": ', USUAL_TOKENS, "length")
    engine, _ = build(cut, budget={"day": 5})
    with pytest.raises(SchemaMismatchError) as caught:
        engine.ask("json", format="json")
    assert "max_tokens" in str(caught.value)
    empty = EmptyResponseError("all tokens went into thinking", partial=cut, retries=0)
    engine, _ = build(empty, budget={"call": least_of(build, 300)})
    with pytest.raises(EmptyResponseError) as caught:
        engine.ask(EASY, model="small")
    assert caught.value.__notes__ == ["the call budget left no more"]


def test_calls_of_other_limits_do_not_share_an_answer_on_its_way(build):
    """Else the poor one's refusal, or its cut answer, would be the rich one's."""
    engine, call = build(of_tokens("half", 300, "length"), "whole")
    entered, release = threading.Event(), threading.Event()
    inner = engine._call

    def slow(*args: Any) -> Completion:
        first = not entered.is_set()
        entered.set()
        if first:
            release.wait(60)
        return inner(*args)

    engine._call = slow
    answers = {}

    def ask(name: str, **options: Any) -> None:
        answers[name] = str(engine.ask(EASY, model="small", **options))

    poor = threading.Thread(target=ask, args=("poor",), kwargs={"max_cost": least_of(build, 300)})
    poor.start()
    assert entered.wait(60)
    rich = threading.Thread(target=ask, args=("rich",), kwargs={"timeout": 60})
    rich.start()
    rich.join(0.3)
    release.set()
    poor.join(60)
    rich.join(60)
    assert sorted(answers.values()) == ["half", "whole"]
    assert len(call.calls) == 2


# -- refusals


def test_a_refusal_says_which_budget_what_is_left_what_is_needed_and_what_to_do(build):
    engine, _ = build(budget={"day": 0.00002})
    error = refused(engine, model="large")
    assert str(error) == (
        "'large' needs $0.00027, the day budget of $0.00002 has $0.00002 left ($0.00 spent): "
        "raise it with %ai budget 0.00028/day"
    )
    assert (error.model, error.scope, error.limit_usd) == ("large", "day", 0.00002)
    assert error.spent_usd == 0
    assert error.needed_usd == pytest.approx(float(least(engine, "large")))


def test_the_way_out_is_enough(build):
    engine, _ = build(budget={"day": 0.0000011})
    words = str(refused(engine, model="large")).split("%ai budget ")[1]
    engine.configure({"budget": {"day": words.removesuffix("/day")}})
    engine.ask(EASY, model="large")


def test_the_next_model_of_the_chain_is_asked_where_it_is_cheaper(build):
    engine, call = build(budget={"day": least_of(build, 300)})
    answer = engine.ask(EASY, model="large", fallback=["small"])
    assert call.asked == ["small"]
    assert "left out large: needs $0.00027" in answer.footer()
    assert "left of the day budget" in answer.footer()


def test_where_no_model_can_be_paid_there_is_one_error_about_the_cheapest(build):
    engine, _ = build(budget={"day": 0.000001})
    error = refused(engine)
    assert error.model == "small"
    assert error.__notes__[0].startswith("large needs $0.00027")


def test_one_that_failed_and_one_that_cannot_be_paid_are_told_together(build):
    engine, _ = build(ServerError("500", retries=0), budget={"day": least_of(build, 100)})
    with pytest.raises(ChainExhaustedError, match="large: over budget") as caught:
        engine.ask(EASY)
    assert "%ai budget" in caught.value.__notes__[0]


def test_a_retry_that_cannot_be_paid_tells_what_failed_before(build):
    lost = TimedOutError("no answer")
    lost.ambiguous = True
    engine, call = build(lost, budget={"call": least_of(build, 100)})
    with pytest.raises(BudgetExceededError) as caught:
        engine.ask(EASY, model="small")
    assert caught.value.__notes__ == ["before it, TimedOutError: no answer"]
    assert len(caught.value.attempts) == len(call.calls) == 1


def test_refused_models_are_no_attempts(build):
    """A chain of dear models still comes to the free one at its end."""
    dear = {
        f"dear{n}": {"base_url": URL, "input_price": 900, "output_price": 900} for n in "abcdefgh"
    }
    engine, call = build(
        models={**dear, "free": FREE},
        tiers=[{"name": "all", "up_to": 1, "chain": [*dear, "free"]}],
        budget={"day": 0.001},
    )
    engine.ask(EASY, tier="all")
    assert call.asked == ["free"]


@pytest.mark.parametrize("budget", [{"day": 5}, {"call": 5}])
def test_a_model_whose_price_is_unknown_is_refused_with_the_way_out(build, budget):
    engine, call = build(models={"odd": {"base_url": URL}, "free": FREE}, tiers=[], budget=budget)
    text = str(refused(engine, model="odd"))
    assert "'odd'" in text
    assert "models.odd.input_price" in text
    assert "output_price" in text
    answer = engine.ask(EASY, model="odd", fallback=["free"])
    assert call.asked == ["free"]
    assert "left out odd: its price is unknown" in answer.footer()


def test_free_models_are_never_stopped_nor_capped(build):
    engine, call = build(models={"free": FREE}, tiers=[], budget={"day": "1e-9"})
    answer = engine.ask(EASY, model="free")
    assert sent(call) == {}
    assert "budget" not in answer.footer()


def test_pretend_prices_are_never_stopped(build):
    pretend = {"base_url": URL, "input_price": 9, "output_price": 9, "simulated": True}
    engine, call = build(models={"demo": pretend}, tiers=[], budget={"day": "1e-9"})
    engine.ask(EASY, model="demo")
    assert sent(call) == {}


def test_a_listed_price_is_enough(build):
    engine, call = build(
        models={"m": {"base_url": "https://api.openai.com/v1", "model": "gpt-4o"}},
        tiers=[],
        budget={"day": 5},
    )
    assert engine.ask(EASY, model="m").cost_usd > 0
    assert sent(call) == {"max_tokens": USUAL_TOKENS}


# -- one call


@pytest.mark.parametrize("amount", [0.1, "0.1", "$0.1", 1])
def test_a_call_has_a_limit_of_its_own(build, amount):
    engine, call = build()
    engine.ask(EASY, max_cost=amount)
    assert sent(call) == {"max_tokens": USUAL_TOKENS}


@pytest.mark.parametrize(
    "amount",
    [0, -1, math.nan, math.inf, "x", True, [1], "1,5", pytest.param(10**5_000, id="huge")],
)
def test_a_limit_that_is_none_is_an_option_error_in_one_line(build, amount):
    engine, call = build()
    with pytest.raises(OptionError, match="max_cost must be an amount of USD") as caught:
        engine.ask(EASY, max_cost=amount)
    assert len(str(caught.value)) <= 200
    assert call.calls == []


@pytest.mark.parametrize(("own", "usual"), [("0.00001", 5), (5, "0.00001")])
def test_the_lower_one_of_the_calls_limits_holds(build, own, usual):
    engine, _ = build(budget={"call": usual})
    assert refused(engine, model="large", max_cost=own).limit_usd == 0.00001


def test_the_way_out_of_a_calls_own_limit_is_that_limit(build):
    engine, _ = build()
    text = str(refused(engine, model="large", max_cost="0.00001"))
    assert "--max-cost 0.00028 (max_cost=0.00028)" in text


def test_earlier_attempts_of_the_same_call_count(build):
    """A failure that may have been billed takes its part of the limit."""
    lost = TimedOutError("no answer")
    lost.ambiguous = True
    once = least_of(build, USUAL_TOKENS)
    engine, call = build(lost, "fine", budget={"call": once * 3 / 2})
    engine.ask(EASY, model="small")
    assert sent(call, 0) == {"max_tokens": USUAL_TOKENS}
    assert sent(call, 1)["max_tokens"] < USUAL_TOKENS / 1.9


def test_failures_that_nobody_bills_give_their_money_back(build):
    engine, call = build(
        ServerError("500"),
        ParameterAdaptedError("x"),
        "fine",
        budget={"call": least_of(build, USUAL_TOKENS)},
    )
    engine.ask(EASY, model="small")
    assert [sent(call, n)["max_tokens"] for n in range(3)] == [USUAL_TOKENS] * 3
    assert holds(engine) == []


def holds(engine: Engine) -> list[int]:
    with closing(sqlite3.connect(engine.ledger.path)) as db:
        return [nano for (nano,) in db.execute("SELECT nano FROM hold")]


def test_what_may_have_been_billed_goes_on_counting_at_what_was_held(build):
    lost = TimedOutError("no answer", retries=0)
    lost.ambiguous = True
    engine, _ = build(lost, budget={"day": 5})
    with pytest.raises(TimedOutError):
        engine.ask(EASY, model="small")
    assert holds(engine) == [round(least(engine, tokens=USUAL_TOKENS) * NANO)]
    assert engine.budget().loc["day", "held_usd"] == pytest.approx(holds(engine)[0] / NANO)
    assert engine.budget().loc["day", "spent_usd"] == 0


def test_an_interrupted_call_is_settled_by_what_came(build):
    stop = KeyboardInterrupt()
    stop.partial = Completion("The first ", "small", Usage(10, 3, estimated=True))
    engine, _ = build(stop, budget={"day": 5})
    with pytest.raises(KeyboardInterrupt):
        engine.ask(EASY)
    assert holds(engine) == []


def test_the_attempt_is_held_while_it_is_on_its_way(build):
    engine, _ = build(budget={"day": 5, "month": 50})
    seen = []
    inner = engine._call
    engine._call = lambda *args: (seen.append(holds(engine)), inner(*args))[1]
    engine.ask(EASY)
    assert seen == [[round(least(engine, tokens=USUAL_TOKENS) * NANO)]]
    assert holds(engine) == []


def test_an_interrupt_before_anything_came_is_of_unknown_cost(build):
    """The provider may have made, and billed, a whole answer by then."""
    stop = KeyboardInterrupt()
    stop.partial = Completion("", "small", Usage(10, 0, estimated=True))
    engine, _ = build(stop, budget={"day": 5})
    with pytest.raises(KeyboardInterrupt):
        engine.ask(EASY)
    assert len(holds(engine)) == 1
    assert engine.costs().cost_usd.isna().all()


def test_a_refused_length_says_who_had_set_it(build):
    engine, _ = build(BadRequestError("max_tokens is too large: 4096"), budget={"day": 5})
    with pytest.raises(BadRequestError) as caught:
        engine.ask(EASY)
    assert caught.value.__notes__ == ["max_tokens = 4,096 was sent since a budget is in force"]


# -- money on its way


class Queue:
    """The wait for money by a clock that stands still, but for the pauses; those take no time."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.then: Callable[[], None] = lambda: None

    def pause(self, seconds: float) -> None:
        self.waited += seconds
        self.then()


@pytest.fixture
def queue(monkeypatch) -> Queue:
    made = Queue()
    clock = SimpleNamespace(monotonic=lambda: made.waited, time=time.time)
    monkeypatch.setattr(purse, "time", clock)
    monkeypatch.setattr(purse, "cancel", made)
    return made


@contextmanager
def another(engine: Engine) -> Iterator[Callable[[], None]]:
    """Another call, which holds most of the money until what this gives is called."""
    inner, entered, release = engine._call, threading.Event(), threading.Event()

    def slow(*args: Any) -> Completion:
        if not entered.is_set():
            entered.set()
            assert release.wait(60)
        return inner(*args)

    engine._call = slow
    other = threading.Thread(target=lambda: engine.ask("other", cache=False, model="small"))
    other.start()
    assert entered.wait(60)

    def end() -> None:
        release.set()
        other.join(60)

    yield end
    end()


def test_a_call_waits_for_money_that_another_holds_on_its_way(build, queue):
    answer = of_tokens("short", 10)
    engine, call = build(answer, budget={"day": least_of(build, USUAL_TOKENS + 900)})
    with another(engine) as end:
        queue.then = lambda: end() if queue.waited > 0.4 else None
        engine.ask(EASY, cache=False, model="small", timeout=20)
    assert 0.4 < queue.waited < 0.6
    assert [sent(call, n)["max_tokens"] for n in range(2)] == [USUAL_TOKENS] * 2


def test_it_does_not_wait_for_ever(build, queue):
    answer = of_tokens("short", 10)
    engine, call = build(answer, budget={"day": least_of(build, USUAL_TOKENS + 900)})
    with another(engine):
        engine.ask(EASY, cache=False, model="small", timeout=12)
    assert queue.waited == pytest.approx(6, abs=0.11)  # half of the call's time
    assert sent(call, 0)["max_tokens"] < 900


def test_it_does_not_wait_for_the_same_money_twice(build, queue):
    engine, _ = build(budget={"day": least_of(build, 100)})
    row = Attempt("dead", 1, time.time(), session="of a kernel that was killed")
    plenty = [Limit("day", NANO, "d")]
    engine.ledger.reserve(row, plenty, lambda _: (int(least(engine, tokens=99) * NANO), None))
    for _ in range(2):
        with pytest.raises(BudgetExceededError, match="held"):
            engine.ask("another", model="small")
        assert queue.waited == pytest.approx(purse.LONGEST_QUEUE, abs=0.11)


def test_money_of_an_attempt_that_ended_is_not_waited_for(build, queue):
    lost = TimedOutError("no answer", retries=0)
    lost.ambiguous = True
    engine, _ = build(lost, budget={"day": least_of(build, USUAL_TOKENS)})
    with pytest.raises(TimedOutError):
        engine.ask(EASY, model="small")
    refused(engine, "another", model="small")
    assert queue.waited == 0


# -- scopes


def test_a_notebooks_budget_counts_that_notebook_only(build):
    engine, _ = build(budget={"notebook": 2.05 * COST})
    engine.notebook = lambda: "/home/me/a.ipynb"
    engine.ask("one", max_tokens=64)
    engine.ask("two", max_tokens=64)
    assert refused(engine, "three").scope == "notebook"
    engine.notebook = lambda: "/home/me/b.ipynb"
    engine.ask("three", max_tokens=64)


def test_a_notebook_without_a_name_is_its_session(build):
    first, _ = build(budget={"notebook": 2.05 * COST})
    first.ask("one", max_tokens=64)
    first.ask("two", max_tokens=64)
    refused(first, "three")
    second, _ = build(budget={"notebook": 2.05 * COST})
    second.ask("three", max_tokens=64)


def test_a_days_budget_counts_all_kernels(build):
    first, second = build(budget={"day": 2.05 * COST})[0], build(budget={"day": 2.05 * COST})[0]
    first.ask("one", max_tokens=64)
    second.ask("two", max_tokens=64)
    refused(first, "three", max_tokens=500)
    refused(second, "three", max_tokens=500)


def test_yesterdays_money_is_not_todays(build, monkeypatch):
    engine, _ = build(budget={"day": 1.05 * COST})
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    engine.ask("one", max_tokens=64)
    refused(engine, "two", max_tokens=900)
    monkeypatch.setattr(time, "time", lambda: now)
    engine.ask("two", max_tokens=64)


@pytest.mark.parametrize("memory", [False, True])
@settings(max_examples=6)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=10, max_size=25))
def test_whatever_the_calls_cost_the_budget_holds(tmp_path_factory, memory, calls):
    folder = tmp_path_factory.mktemp("budget")
    limit = 0.02

    def call(request: Any, spec: Any, on_text: Any) -> Completion:
        fails, part = calls[min(len(done), len(calls) - 1)]
        done.append(None)
        if fails and part > 0.7:
            lost = TimedOutError("no answer", retries=0)
            lost.ambiguous = True
            raise lost
        tokens = int(part * request.params["max_tokens"])
        return Completion("x", spec.name, Usage(5, tokens), finish_reason="stop")

    engine = Engine(
        settings_of(budget={"day": limit}),
        call=call,
        ledger=Ledger(None if memory else folder / "ledger.sqlite3"),
        cache=AnswerCache(None),
    )
    done: list[None] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        for _ in calls:
            with suppress(BudgetExceededError, TimedOutError):
                engine.ask(EASY, model="large")
            row = engine.budget().loc["day"]
            assert row.spent_usd + row.held_usd <= limit + 1e-12
            assert row.spent_usd == pytest.approx(engine.costs().cost_usd.sum())
    engine.close()


# -- a ledger in trouble


def test_a_ledger_that_cannot_be_written_stops_paid_calls_only(build, tmp_path):
    build()[0].ask("kept")
    (tmp_path / "ledger.sqlite3").write_bytes(b"these are my notes, not a database\n" * 200)
    for name in ("ledger.sqlite3-wal", "ledger.sqlite3-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    models = {**settings_of().given["models"], "free": FREE}
    engine, call = build(models=models, budget={"day": 5})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = str(refused(engine))
        assert "the ledger cannot be written" in text
        assert "so the budget cannot be checked" in text
        assert engine.ask("kept").cache_hit
        answer = engine.ask(EASY, model="large", fallback=["free"])
    assert call.asked == ["free"]
    assert "left out large: the ledger cannot be written" in answer.footer()


def test_without_a_budget_such_a_ledger_stops_nothing(build, tmp_path):
    (tmp_path / "ledger.sqlite3").write_bytes(b"these are my notes, not a database\n" * 200)
    engine, _ = build()
    with pytest.warns(UserWarning, match="cannot be used"):
        assert engine.ask(EASY).text == "an answer"


def test_an_answer_that_is_paid_for_is_shown_though_it_cannot_be_noted(
    build, tmp_path, monkeypatch
):
    engine, _ = build(budget={"day": 5})
    monkeypatch.setattr(room, "PATIENCE", 0.0)
    other = sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)
    inner = engine._call

    def locking(*args: Any) -> Completion:
        other.execute("BEGIN IMMEDIATE")
        return inner(*args)

    engine._call = locking
    with pytest.warns(UserWarning, match="locked"):
        assert engine.ask(EASY).text == "an answer"
    engine._call = inner
    assert "locked" in str(refused(engine, "another", timeout=1.0))
    other.execute("ROLLBACK")
    other.close()
    engine.ask("another")
    assert engine.costs().cost_usd.sum() == pytest.approx(2 * COST)


def test_the_wait_for_the_ledger_is_part_of_the_calls_time(build, tmp_path, monkeypatch):
    engine, call = build(budget={"day": 5})
    engine.ask("first")
    other = sqlite3.connect(
        tmp_path / "ledger.sqlite3", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")
    reserve = engine.ledger.reserve

    def locked(*args: Any, **options: Any) -> Any:
        threading.Timer(0.5, lambda: other.execute("ROLLBACK")).start()
        return reserve(*args, **options)

    monkeypatch.setattr(engine.ledger, "reserve", locked)
    engine.ask(EASY, timeout=100, model="small")
    assert 50 < call.calls[-1][0].timeout < 99.6
    other.close()


# -- alerts


def spend(engine: Engine, times: int, start: int = 0) -> list[str]:
    """So many small calls; what their footers say of the budget."""
    found = []
    for n in range(start, start + times):
        footer = engine.ask(f"question {n}", max_tokens=64, model="small").footer()
        words = [part for part in footer.split(" · ") if "budget" in part]
        found.append(" ".join(words).partition(" budget")[0].replace(" of the", ""))
    return found


def test_each_level_is_told_once_where_it_is_crossed(build):
    engine, _ = build(budget={"day": 10 * COST})
    heard: list[Alert] = []
    engine.on_alert(heard.append)
    with pytest.warns(BudgetWarning) as said:
        footers = spend(engine, 9)
    assert [(alert.scope, alert.level) for alert in heard] == [("day", 50), ("day", 80)]
    assert heard[0].limit_usd == pytest.approx(10 * COST)
    assert heard[0].spent_usd == pytest.approx(5 * COST)
    assert len(said) == 2
    assert str(said[0].message) == "50 % of the day budget of $0.003 is used: $0.0015 spent"
    assert footers[:4] == [""] * 4
    assert footers[4:] == ["50 % day", "", "", "80 % day", "90 % day"]


def test_a_jump_over_two_levels_is_one_alert(build):
    engine, _ = build(budget={"day": 1.2 * COST})
    heard: list[Alert] = []
    engine.on_alert(heard.append)
    with pytest.warns(BudgetWarning, match="80 %"):
        spend(engine, 1)
    assert [alert.level for alert in heard] == [80]


def test_of_two_kernels_one_tells(build):
    heard: list[Alert] = []
    engines = [build(budget={"day": 10 * COST})[0] for _ in range(2)]
    for engine in engines:
        engine.on_alert(heard.append)
    for n in range(6):
        spend(engines[n % 2], 1, start=n)
    assert [alert.level for alert in heard] == [50]


def test_each_budget_has_its_own_alerts(build):
    engine, _ = build(budget={"day": 2 * COST, "month": 2 * COST, "notebook": 9})
    heard: list[Alert] = []
    engine.on_alert(heard.append)
    with pytest.warns(BudgetWarning):
        spend(engine, 1)
    assert [alert.scope for alert in heard] == ["day", "month"]
    assert len(heard[0].period) == len("2026-11-26")
    assert heard[1].period == heard[0].period[:7]


def test_a_budget_that_was_changed_is_told_of_anew(build):
    engine, _ = build(budget={"day": 2 * COST})
    with pytest.warns(BudgetWarning, match="50 %"):
        spend(engine, 1)
    engine.configure({"budget": {"day": 4 * COST}})
    with pytest.warns(BudgetWarning, match="50 %"):
        spend(engine, 1, start=1)


def test_a_refusal_near_the_end_says_that_the_budget_is_used_up(build):
    engine, _ = build(budget={"day": 1.01 * COST})
    heard: list[Alert] = []
    engine.on_alert(heard.append)
    spend(engine, 1)
    with pytest.warns(BudgetWarning, match="is used up"):
        refused(engine, "another")
    refused(engine, "another")
    assert [alert.level for alert in heard] == [80, 100]


def test_a_listener_can_be_taken_out_again(build):
    engine, _ = build(budget={"day": 2 * COST})
    heard: list[Alert] = []
    undo = engine.on_alert(heard.append)
    undo()
    undo()
    with pytest.warns(BudgetWarning):
        spend(engine, 1)
    assert heard == []


def test_a_listener_that_fails_is_a_warning_and_costs_nothing(build):
    engine, _ = build(budget={"day": 2 * COST})
    heard: list[Alert] = []

    def broken(alert: Alert) -> None:
        raise RuntimeError("no network\nat all")

    engine.on_alert(broken)
    engine.on_alert(heard.append)
    with pytest.warns(BudgetWarning) as said:
        assert spend(engine, 1) == ["50 % day"]
    assert len(said) == 2
    assert "'broken' failed on a budget's alert: RuntimeError: no network at all" in str(
        said[1].message
    )
    assert len(heard) == 1


def test_an_answer_is_kept_where_warnings_are_errors(build):
    engine, _ = build(budget={"day": 2 * COST})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BudgetWarning):
            engine.ask(EASY, max_tokens=64)
    assert engine.last() == "an answer"
    assert engine.ask(EASY, max_tokens=64).cache_hit


def test_a_listener_is_a_function(build):
    with pytest.raises(OptionError, match="function"):
        build()[0].on_alert("mail me")


def test_a_call_that_fails_tells_too(build):
    billed = BadRequestError("400", partial=Completion("", "small", USAGE))
    engine, _ = build(billed, budget={"day": 1.9 * COST})
    with pytest.warns(BudgetWarning, match="50 %"), pytest.raises(BadRequestError):
        engine.ask(EASY, model="small", max_tokens=64)


# -- lower tiers


def test_from_80_percent_on_a_prompt_goes_a_tier_lower(build):
    engine, call = build(budget={"day": 10 * COST})
    spend(engine, 7)
    assert engine.route(request(engine, HARD)).tier == "complex"
    spend(engine, 1, start=7)
    route = engine.route(request(engine, HARD))
    assert route.tier == "simple"
    assert route.chain[0] == "small"
    assert "complex -> simple: 80 % of the day budget is used" in route.reasons
    footer = engine.ask(HARD, max_tokens=64).footer()
    assert "complex -> simple: 80 % of the day budget is used" in footer
    assert call.asked[-1] == "small"


def request(engine: Engine, prompt: str, **options: Any) -> Any:
    return make_request(prompt, engine.settings, **options).request


@pytest.mark.parametrize("asked", [{"tier": "complex"}, {"model": "large"}, {"model": "complex"}])
def test_what_the_user_named_stays(build, asked):
    engine, _ = build(budget={"day": 10 * COST})
    with pytest.warns(BudgetWarning):
        spend(engine, 8)
    route = engine.route(request(engine, HARD, **asked))
    assert route.chain[0] == "large"
    assert route.stepped == ""


def test_a_tier_that_cannot_be_paid_gives_way_at_once(build):
    engine, call = build(budget={"day": least_of(build, 150)})
    route = engine.route(request(engine, HARD))
    assert route.tier == "simple"
    assert "no model of complex can be paid" in route.stepped
    engine.ask(HARD)
    assert call.asked == ["small"]


def test_the_answer_of_the_higher_tier_is_taken_where_it_is_kept(build):
    build("the dear one")[0].ask(HARD)
    engine, call = build(budget={"day": least_of(build, 150)})
    answer = engine.ask(HARD)
    assert (answer.text, answer.cache_hit) == ("the dear one", True)
    assert call.calls == []


def test_where_no_tier_can_be_paid_the_call_is_refused(build):
    engine, _ = build(budget={"day": "1e-9"})
    refused(engine, HARD)


# -- both doors


def test_the_table_of_budgets(build):
    engine, _ = build(budget={"day": 5, "call": 0.5, "month": 50})
    engine.ask(EASY)
    frame = engine.budget()
    assert list(frame.index) == ["call", "day", "month"]
    assert list(frame.limit_usd) == [0.5, 5, 50]
    day = frame.loc["day"]
    assert day.spent_usd == pytest.approx(COST)
    assert day.left_usd == pytest.approx(5 - COST)
    assert day.share == pytest.approx(COST / 5)
    assert day.until.endswith("00:00")
    assert frame.loc["call"].isna().sum() == 5
    assert frame.dtypes.astype(str).tolist() == ["float64"] * 5 + ["string"]


def test_the_table_without_a_budget_is_empty(build):
    frame = build()[0].budget()
    assert frame.empty
    assert frame.dtypes.astype(str).tolist() == ["float64"] * 5 + ["string"]
