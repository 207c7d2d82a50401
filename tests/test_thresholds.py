"""The cost dial at work: whose prompts it goes by, and where calls go then."""

from __future__ import annotations

import json
import random
from importlib.resources import files

import pytest
from support.attempts import attempt
from support.scripted import Scripted, settings_of

from mmai_nb import dial as dials
from mmai_nb.caching import AnswerCache
from mmai_nb.calibration import Calibration
from mmai_nb.complexity import score
from mmai_nb.dial import bounds_for, public_scores, tier_at
from mmai_nb.engine import Engine
from mmai_nb.errors import OptionError
from mmai_nb.ledger import Ledger
from mmai_nb.options import make_request
from mmai_nb.thresholds import KEEPS_S, NEWEST, Thresholds

FREE = {"base_url": "http://127.0.0.1:9/v1", "input_price": 0, "output_price": 0}
HARD = "Prove that there are infinitely many primes, and explain each step."


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.sqlite3")
    yield made
    made.close()


@pytest.fixture
def engine(ledger, tmp_path):
    made = Engine(
        settings_of(), call=Scripted(), ledger=ledger, cache=AnswerCache(tmp_path / "cache")
    )
    yield made
    made.close()


@pytest.fixture
def clock():
    return Clock()


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def record(ledger, scores, name: str = "c", **facts) -> None:
    """One call per score, one second after the other."""
    for number, value in enumerate(scores):
        row = {"call_id": f"{name}-{number}", "ts": 1000.0 + number, "complexity": value}
        ledger.record(attempt(**row | facts))


def basis(ledger, clock=None, **options) -> str:
    made = Thresholds(lambda: ledger) if clock is None else Thresholds(lambda: ledger, clock)
    return made.dial("balanced", settings_of(), **options).basis


def scores_of(count: int) -> list[float]:
    return [round((i % 97) / 100, 2) for i in range(count)]


# whose prompts


def test_fifty_prompts_of_the_users_own_speak_for_themselves(ledger):
    record(ledger, scores_of(49))
    assert basis(ledger) == "public exam questions"
    record(ledger, [0.5], name="one-more")
    assert basis(ledger) == "your last 50 prompts"


def test_only_the_newest_thousand_count(ledger):
    record(ledger, [0.9] * 30, name="old", ts=1.0)
    record(ledger, [0.1] * NEWEST, name="new")
    dial = Thresholds(lambda: ledger).dial("balanced", settings_of())
    assert dial.basis == "your last 1,000 prompts"
    assert dial.expected == (1.0, 0.0)


@pytest.mark.parametrize(
    "facts",
    [
        {"number": 2},
        {"cache_hit": True},
        {"simulated": True},
        {"complexity": None},
    ],
    ids=["a second attempt", "a cache hit", "the demo's", "a named model"],
)
def test_rows_that_are_no_prompt_of_the_users_do_not_count(ledger, facts):
    record(ledger, scores_of(60), **facts)
    assert basis(ledger) == "public exam questions"


def test_rows_that_wait_to_be_written_count_too(tmp_path):
    (tmp_path / "gone").touch()
    waiting = Ledger(None)
    record(waiting, scores_of(60))
    assert basis(waiting) == "your last 60 prompts"


def test_prompts_from_before_a_calibration_are_left_out_where_there_are_enough_since(ledger):
    record(ledger, scores_of(100))
    assert basis(ledger, since=1040.0) == "your last 60 prompts"
    said = "your last 100 prompts, most of them from before the calibration"
    assert basis(ledger, since=1060.0) == said


def test_prompts_from_before_a_calibration_count_as_they_would_be_scored_now(ledger):
    record(ledger, scores_of(100))
    as_it_was = Thresholds(lambda: ledger).dial(0.5, settings_of()).bounds[0]
    made = Thresholds(lambda: ledger)
    dial = made.dial(0.5, settings_of(), since=1060.0, rescale=lambda old: old / 2)
    assert dial.bounds[0] < 0.8 * as_it_was


def test_too_few_prompts_are_too_few_before_a_calibration_too(ledger):
    record(ledger, scores_of(40))
    assert basis(ledger, since=1030.0) == "public exam questions"


def test_the_demo_goes_by_the_demos_prompts(tmp_path):
    engine = Engine(None, call=Scripted(), ledger=Ledger(None), cache=AnswerCache(None))
    record(engine.ledger, scores_of(60), simulated=True)
    engine.configure({"prefer": "cheap"})
    assert engine.dial("cheap").basis == "your last 60 prompts to the demo"
    engine.close()


# how often the ledger is read


class Counting(Ledger):
    """A ledger that counts how often it is asked for scores."""

    asked = 0

    def scores(self, **options):
        self.asked += 1
        return super().scores(**options)


def test_the_ledger_is_read_once_in_a_long_while(clock):
    ledger = Counting(None)
    thresholds = Thresholds(lambda: ledger, clock)
    for prefer in ("cheap", "quality", "cheap", 0.3):
        thresholds.dial(prefer, settings_of())
    assert ledger.asked == 1
    clock.now = KEEPS_S + 1
    thresholds.dial("cheap", settings_of())
    assert ledger.asked == 2


def test_what_is_not_set_reads_nothing(tmp_path):
    ledger = Counting(None)
    engine = Engine(settings_of(), call=Scripted(), ledger=ledger, cache=AnswerCache(None))
    engine.ask("hi")
    engine.ask("hi", model="large", prefer="cheap")
    engine.ask("hi", tier="complex", prefer="cheap")
    assert ledger.asked == 0


def test_another_ledger_is_read_at_once(ledger):
    ledgers = [Ledger(None), ledger]
    record(ledger, scores_of(60))
    thresholds = Thresholds(lambda: ledgers[0])
    assert thresholds.dial("cheap", settings_of()).basis == "public exam questions"
    ledgers.reverse()
    assert thresholds.dial("cheap", settings_of()).basis == "your last 60 prompts"


def test_without_a_sound_file_the_tiers_own_bounds_hold_with_a_warning(ledger, monkeypatch):
    def broken() -> None:
        raise ValueError("damaged")

    monkeypatch.setattr("mmai_nb.thresholds.public_scores", broken)
    with pytest.warns(RuntimeWarning, match=r"scores\.json cannot be used \(damaged\).*own"):
        found = Thresholds(lambda: ledger).dial("cheap", settings_of())
    assert (found.bounds, found.said("complex")) == ((0.5, 1.0), "")


@pytest.mark.parametrize("text", ["{}", "[]", "[0.2, 0.1]", "[0.1, 7]", "[null]", "nonsense"])
def test_a_damaged_file_of_public_scores_is_refused(tmp_path, monkeypatch, text):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "scores.json").write_text(text)
    monkeypatch.setattr(dials, "files", lambda package: tmp_path)
    with pytest.raises((ValueError, TypeError)):
        public_scores.__wrapped__()


def test_the_file_of_public_scores_is_where_the_package_is():
    place = files("mmai_nb") / "data" / "scores.json"
    assert tuple(json.loads(place.read_text())) == public_scores()


# where calls go


def test_never_and_always(engine):
    assert engine.ask(HARD, prefer=0).route.tier == "simple"
    assert engine.ask("hi", prefer=1).route.tier == "complex"
    assert engine.ask("hi").route.tier == "simple"


def test_the_setting_holds_until_it_is_taken_back(engine):
    engine.configure({"prefer": 1})
    assert engine.ask("hi").route.tier == "complex"
    engine.configure({"prefer": None})
    assert engine.ask("hi").route.tier == "simple"


def test_a_call_may_be_turned_otherwise_than_the_setting(engine):
    engine.configure({"prefer": 1})
    assert engine.ask("hi", prefer="cheap").route.tier == "simple"


def test_the_route_tells_the_dial(engine):
    route = engine.ask("hi", prefer="cheap").route
    assert route.reasons[1].startswith("prefer cheap: at most 5 % to complex (threshold 0.")
    assert route.reasons[1].endswith("from public exam questions)")
    assert route.bounds == bounds_for(0.05, public_scores(), 2)


def test_a_named_model_or_tier_goes_before_the_dial(engine):
    assert engine.ask("hi", model="small", prefer=1).model == "small"
    assert engine.ask("hi", tier="simple", prefer=1).route.tier == "simple"


def test_what_fits_no_other_tier_goes_to_the_strongest_even_at_0(tmp_path):
    settings = settings_of(
        models={
            "small": {**FREE, "context_window": 1_000},
            "large": FREE,
        },
        tiers=[
            {"name": "simple", "up_to": 0.5, "chain": ["small"]},
            {"name": "complex", "up_to": 1.0, "chain": ["large"]},
        ],
        prefer=0,
    )
    engine = Engine(settings, call=Scripted(), ledger=Ledger(None), cache=AnswerCache(None))
    assert engine.ask("word " * 2_000).route.tier == "complex"


def test_the_kept_answer_serves_whatever_the_dial_says(engine):
    engine.ask("hi", prefer="cheap")
    assert engine.ask("hi", prefer="quality").cache_hit


def test_a_wrong_turn_of_one_call_is_refused_before_anything_is_sent(engine):
    with pytest.raises(OptionError, match=r"prefer = 2: must be cheap, balanced, quality"):
        engine.ask("hi", prefer=2)
    assert engine._call.calls == []


@pytest.mark.parametrize("typed", ["none", "None", ""])
def test_one_call_cannot_set_the_dial_back(engine, typed):
    engine.configure({"prefer": 1})
    with pytest.raises(OptionError, match="is no turn for one call"):
        engine.ask("hi", prefer=typed)
    assert engine._call.calls == []


# beside a calibration


@pytest.fixture
def voted(engine):
    """An engine whose user's votes have moved the bound from 0.5 to 0.1."""
    made = Calibration({}, {}, (0.1, 1.0), ("simple", "complex"), (0.5, 1.0), votes=30)
    engine.learned(engine.settings).save(made)
    return engine


def test_without_the_dial_the_bounds_of_a_calibration_hold_and_are_shown(voted):
    assert voted.dial(None).bounds == voted.ask("hi").route.bounds == (0.1, 1.0)
    said = voted.dial(None).limit_said("complex", (0.5, 1.0))
    assert said == "The bounds that your votes call for hold: %ai calibrate show."


def test_quality_goes_no_lower_than_the_bounds_of_a_calibration(voted):
    assert (
        voted.route(make_request("hi", voted.settings, prefer="quality").request).bounds[0] <= 0.1
    )


def test_the_dial_goes_before_a_calibration(voted):
    assert voted.ask("hi").route.tier == "complex"
    assert voted.ask("hi", prefer="cheap").route.tier == "simple"


def test_a_plan_tells_where_the_prompt_goes_without_the_dial_as_calibrated(voted):
    found = voted.route(make_request("hi", voted.settings, prefer="cheap").request)
    assert {c.prefer: c.tier for c in found.choices}[None] == "complex"


PHRASES = (
    "What is a median?",
    "Translate 'good night' into Dutch.",
    "Explain why the plot is empty.",
    "Write a function that parses dates, with tests.",
    "It must be exact, without any loop, in at most 20 lines.",
    "Compare three ways to do it and design the best one.",
    "Prove that it is right, step by step.",
    "Traceback (most recent call last):\nKeyError: 'x'",
)


def prompts(draw: random.Random, count: int) -> list[str]:
    """Prompts as a user might type them, each another one."""
    return [
        " ".join([*draw.sample(PHRASES, draw.choice((1, 1, 1, 2, 2, 3))), f"({draw.random()})"])
        for _ in range(count)
    ]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_who_asks_on_as_before_gets_at_most_the_share_and_near_it(engine, share):
    asked = prompts(random.Random(11), 150)
    for prompt in asked:
        engine.ask(prompt)
    engine.configure({"prefer": share})
    told = engine.route(make_request(asked[0], engine.settings).request).reasons[1]
    assert told.endswith("from your last 150 prompts and public ones)")
    tiers = [engine.ask(prompt, cache=False).route.tier for prompt in asked]
    assert 0 < tiers.count("complex") / len(tiers) <= share


@pytest.mark.parametrize(
    "prompt", ["Write a haiku", "Name three rivers", "Explain what a list is."]
)
def test_after_a_batch_of_like_prompts_cheap_is_no_dearer_than_no_dial(engine, prompt):
    for number in range(60):
        engine.ask(f"What is {number} + {number * 7}?")
    plain, cheap = (
        engine.route(make_request(prompt, engine.settings, prefer=turn).request)
        for turn in (None, "cheap")
    )
    assert cheap.tier == plain.tier == "simple"


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_new_prompts_of_that_kind_keep_to_the_share_too(share):
    up = []
    for seed in range(20):
        draw, ledger = random.Random(seed), Ledger(None)
        record(ledger, [score(prompt).score for prompt in prompts(draw, 312)])
        bounds = Thresholds(lambda made=ledger: made).dial(share, settings_of()).bounds
        up += [tier_at(score(prompt).score, bounds) for prompt in prompts(draw, 312)]
    assert share - 0.04 <= sum(up) / len(up) <= share + 0.005
