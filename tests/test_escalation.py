"""Check and escalate: a cheap answer that its check doubts is asked for again, one tier up."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from support.scripted import URL, USAGE, Scripted

from mmai_nb import assessing, checks
from mmai_nb import engine as walking
from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import (
    LedgerWarning,
    MmaiError,
    OfflineError,
    RateLimitError,
    SchemaMismatchError,
    TruncatedStreamError,
)
from mmai_nb.ledger import Ledger
from mmai_nb.records import Completion
from mmai_nb.settings import Settings

WRONG, RIGHT = "3 × 17 = 41", "3 × 17 = 51"
CUT = RateLimitError("429", retries=0)

PRICES = {"small": 0.1, "other": 0.2, "medium": 1, "large": 10}
TIERS = {"simple": ["small"], "standard": ["medium"], "complex": ["large"]}


class ByModel(Scripted):
    """A call in which each model says its own: a text or an error, the last one for ever."""

    def __init__(self, **plays: Any) -> None:
        super().__init__()
        self.by_model = {k: list(v) if isinstance(v, tuple) else [v] for k, v in plays.items()}

    def __call__(self, request: Any, spec: Any, on_text: Any) -> Completion:
        plays = self.by_model[spec.name]
        self.plays = [plays.pop(0) if len(plays) > 1 else plays[0]]
        return super().__call__(request, spec, on_text)


def settings_of(tiers: Any = TIERS, check: Any = False, **more: Any) -> Settings:
    bounds = [(n + 1) / len(tiers) for n in range(len(tiers))]
    return Settings(
        models={
            name: {
                "base_url": URL,
                "provider": "else" if name == "other" else "acme",
                "input_price": usd,
                "output_price": usd,
            }
            for name, usd in PRICES.items()
        },
        tiers=[
            {"name": name, "up_to": bound, "chain": chain, "check": check}
            for (name, chain), bound in zip(tiers.items(), bounds, strict=True)
        ],
        **more,
    )


@pytest.fixture
def build(tmp_path):
    """An engine whose models say what they are given here, with a ledger and a cache."""
    made = []

    def make(settings: Settings | None = None, **plays: Any) -> Engine:
        engine = Engine(
            settings or settings_of(),
            call=ByModel(**{"small": WRONG, "medium": RIGHT, "large": RIGHT} | plays),
            ledger=Ledger(tmp_path / "ledger.sqlite3"),
            cache=AnswerCache(tmp_path / "cache"),
            sleep=lambda seconds: None,
        )
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


def asked(engine: Engine) -> list[str]:
    return engine._call.asked


def usd_of(*models: str) -> float:
    """What one answer of each costs."""
    tokens = USAGE.input_tokens + USAGE.output_tokens
    return sum(PRICES[name] * tokens / 1e6 for name in models)


# -- when a stronger tier is asked


def test_a_wrong_sum_goes_one_tier_up(build):
    engine = build()
    answer = engine.ask("What is 3 * 17?", check=True)
    assert answer == RIGHT
    assert (answer.model, answer.route.tier) == ("medium", "standard")
    assert answer.route.escalated == (("simple", "3 × 17 = 41 is wrong"),)
    assert asked(engine) == ["small", "medium"]


def test_without_a_check_the_cheap_answer_stands(build):
    engine = build()
    assert engine.ask("What is 3 * 17?") == WRONG
    assert engine.ask("What is 3 * 17?").checks == ()
    assert asked(engine) == ["small"]


def test_an_answer_that_passes_asks_nobody_else(build):
    engine = build(small=RIGHT)
    answer = engine.ask("What is 3 * 17?", check=True)
    assert (answer.model, answer.rejected) == ("small", ())
    assert [found.passed for found in answer.checks] == [True]
    assert asked(engine) == ["small"]


def test_the_rejected_answer_stays_to_be_seen(build):
    answer = build().ask("What is 3 * 17?", check=True)
    assert [(c.text, c.model) for c in answer.rejected] == [(WRONG, "small")]
    first, last = answer.checks
    assert (first.passed, last.passed) == (False, True)
    assert first.reason == "3 × 17 = 41 is wrong"
    assert first.doubt > 0.5 > last.doubt


def test_both_answers_are_paid_and_the_footer_says_so(build):
    answer = build().ask("What is 3 * 17?", check=True)
    assert answer.cost_usd == pytest.approx(usd_of("small", "medium"))
    assert "medium · standard · escalated: 3 × 17 = 41 is wrong" in answer.footer()
    assert "$0.0016 " in answer.footer()
    assert "escalated: 3 × 17 = 41 is wrong" in answer.footer(brief=True)


def test_both_attempts_are_rows_of_one_call(build):
    engine = build()
    answer = engine.ask("What is 3 * 17?", check=True)
    rows = engine.ledger.rows(answer.call_id)
    assert [(r.attempt, r.request_model, r.tier, r.status) for r in rows] == [
        (1, "small", "simple", "ok"),
        (2, "medium", "standard", "ok"),
    ]
    assert "escalated" not in rows[0].reason
    assert "escalated simple -> standard: 3 × 17 = 41 is wrong" in rows[1].reason
    assert answer.row == rows[1]


def test_it_goes_up_as_long_as_answers_fail(build):
    answer = build(medium="3 × 17 = 42").ask("What is 3 * 17?", check=True)
    assert answer.model == "large"
    assert [c.model for c in answer.rejected] == ["small", "medium"]
    assert "escalated twice: 3 × 17 = 41 is wrong; then 3 × 17 = 42 is wrong" in answer.footer()


def test_the_strongest_answer_stands_whatever_the_check_says(build):
    answer = build(medium=WRONG, large=WRONG).ask("What is 3 * 17?", check=True)
    assert answer.model == "large"
    assert "check: 3 × 17 = 41 is wrong" in answer.footer()


def test_where_an_escalated_answer_fails_too_and_nobody_is_left_it_is_not_escalated_further(build):
    answer = build(medium=WRONG, large=CUT).ask("What is 3 * 17?", check=True)
    assert answer.model == "medium"
    assert answer.notes == ("not escalated further: large: RateLimit",)


def test_a_call_goes_two_tiers_up_at_most(build):
    tiers = {f"t{n}": [name] for n, name in enumerate(PRICES)}
    engine = build(settings_of(tiers), other=WRONG, medium=WRONG)
    assert engine.ask("What is 3 * 17?", check=True, tier="t0").model == "medium"
    assert asked(engine) == ["small", "other", "medium"]


def test_a_model_that_has_failed_is_not_asked_again(build):
    tiers = {"simple": ["small", "other"], "standard": ["small", "medium"]}
    engine = build(settings_of(tiers), small=CUT, other=WRONG)
    assert engine.ask("What is 3 * 17?", check=True, tier="simple").model == "medium"
    assert asked(engine) == ["small", "other", "medium"]


def test_the_next_model_of_a_chain_is_asked_when_the_stronger_tier_is_down_in_part(build):
    tiers = {"simple": ["small"], "complex": ["large", "medium"]}
    answer = build(settings_of(tiers), large=CUT).ask("3 * 17?", check=True, tier="simple")
    assert answer.model == "medium"
    assert "after 1 failed attempt (rate limit)" in answer.footer()


def test_tiers_that_nobody_made_go_on_to_the_next_model(build):
    names = ("small", "medium", "large")
    models = {name: {"base_url": URL, "input_price": 1, "output_price": 1} for name in names}
    engine = build(Settings(models=models))
    assert engine.ask("What is 3 * 17?", check=True).model == "medium"
    assert engine.ask("What is 3*17?", check=True, model="medium").route.escalated == ()
    assert build(Settings(models=models), large=WRONG).ask("3*17?", check=True, model="large") == (
        WRONG
    )


def test_an_order_to_the_demo_is_no_part_of_the_question(build):
    prompt = f'What is 3 * 17?\n[[demo: only_model=demo-small text="{WRONG}"]]'
    assert build().ask(prompt, check=True).model == "medium"
    assert build().ask(f"Why is {WRONG} no sum?", check=True).model == "small"


# -- a model that was named


def test_a_named_model_goes_to_the_tier_after_its_own(build):
    answer = build().ask("What is 3 * 17?", model="small", check=True)
    assert (answer.model, answer.route.tier) == ("medium", "standard")
    assert answer.route.escalated == (("small", "3 × 17 = 41 is wrong"),)


def test_a_model_that_begins_a_tier_counts_as_that_tiers(build):
    tiers = {"simple": ["small", "medium"], "standard": ["medium"], "complex": ["large", "medium"]}
    answer = build(settings_of(tiers), medium=WRONG).ask("3*17?", model="medium", check=True)
    assert answer.model == "large"


@pytest.mark.parametrize("name", ["large", "other"], ids=["the strongest", "of no tier"])
def test_where_nobody_is_stronger_the_check_only_tells(build, name):
    engine = build(large=WRONG, other=WRONG)
    answer = engine.ask("What is 3 * 17?", model=name, check=True)
    assert (answer.model, answer) == (name, WRONG)
    assert "check: 3 × 17 = 41 is wrong" in answer.footer()
    assert asked(engine) == [name]


def test_a_tiers_check_is_not_for_a_model_that_was_named(build):
    engine = build(settings_of(check=True))
    assert engine.ask("What is 3 * 17?", model="small").checks == ()
    assert engine.ask("What is 3 * 17?").model == "medium"


# -- the setting and the call


def test_the_calls_word_wins_over_the_tiers(build):
    engine = build(settings_of(check=True))
    assert engine.ask("What is 3 * 17?", check=False) == WRONG
    assert engine.ask("What is 3 * 17?") == RIGHT


def test_a_plan_tells_where_a_failing_answer_goes(build):
    from mmai_nb.options import make_request

    engine = build()

    def plan(**options: Any) -> tuple[str, ...]:
        return engine.route(make_request("hi", engine.settings, **options).request).reasons

    assert "checked: a failing answer goes to standard" in plan(check=True)
    assert "checked: a failing answer is only told" in plan(check=True, model="large")
    assert not any("checked" in reason for reason in plan())


# -- money


def test_a_budget_that_leaves_nothing_keeps_the_cheap_answer(build):
    engine = build()
    answer = engine.ask("What is 3 * 17?", check=True, max_cost=0.00016)
    assert (answer, answer.model) == (WRONG, "small")
    assert answer.cost_usd == pytest.approx(usd_of("small"))
    assert "check: 3 × 17 = 41 is wrong" in answer.footer()
    assert "not escalated: medium needs" in answer.footer()
    assert asked(engine) == ["small"]
    assert engine.last() == WRONG


def test_both_attempts_count_for_a_budget(build):
    engine = build(settings_of(budget={"day": 1}))
    engine.ask("What is 3 * 17?", check=True)
    spent = engine.budget()["spent_usd"]["day"]
    assert spent == pytest.approx(usd_of("small", "medium"))


# -- nothing is lost


def test_when_the_stronger_models_fail_the_cheap_answer_stands(build):
    engine = build(medium=CUT, large=CUT)
    answer = engine.ask("What is 3 * 17?", check=True)
    assert (answer, answer.route.tier) == (WRONG, "simple")
    assert "not escalated: medium: RateLimit; large: RateLimit" in answer.footer()
    assert "failed attempt" not in answer.footer()
    assert [row.status for row in answer.attempts] == ["ok", "error", "error"]
    assert answer.row.request_model == "small"


def test_a_tier_that_is_down_is_stepped_over(build):
    answer = build(medium=CUT).ask("What is 3 * 17?", check=True)
    assert (answer.model, answer.route.tier) == ("large", "complex")
    assert answer.route.escalated == (("simple", "3 × 17 = 41 is wrong"),)
    assert "after 1 failed attempt (rate limit)" in answer.footer()


def test_the_history_keeps_the_answer_that_stands_with_all_it_cost(build):
    engine = build(medium=(CUT, RIGHT), large=CUT)
    engine.ask("What is 3 * 17?", check=True)
    engine.ask("What is 3*17?", check=True)
    kept = engine.history().to_dict("records")
    assert [(row["model"], row["answer"], row["status"]) for row in kept] == [
        ("small", WRONG, "ok"),
        ("medium", RIGHT, "ok"),
    ]
    assert kept[1]["cost_usd"] == pytest.approx(usd_of("small", "medium"))


KILLED = """
import os, signal, sys
from pathlib import Path
from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.ledger import Ledger
from test_escalation import PAIR, TIERS, WRONG, ByModel, settings_of

class Deadly(ByModel):
    def __call__(self, request, spec, on_text):
        if spec.name == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(request, spec, on_text)

folder, check = Path(sys.argv[1]), eval(sys.argv[3])
engine = Engine(
    settings_of(PAIR if check == "agree" else TIERS),
    call=Deadly(small=WRONG if check is True else "3 × 17 = 51", medium="3 × 17 = 42"),
    ledger=Ledger(folder / "ledger.sqlite3"),
    cache=AnswerCache(folder / "cache"),
)
engine.ask("What is 3 * 17?", check=check, tier="simple")
"""


def killed_while_asking(folder: Path, model: str, check: bool | str = True) -> None:
    """A process of its own that asked with a check, and was killed while it asked the model."""
    roots = [str(Path(checks.__file__).parents[2]), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), model, repr(check)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
    )
    assert done.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize(
    ("model", "check", "paid", "answer"),
    [
        ("medium", True, ["small"], WRONG),
        ("large", True, ["small", "medium"], "3 × 17 = 42"),
        ("other", "agree", ["small"], RIGHT),
    ],
    ids=["one tier up", "two tiers up", "second opinion"],
)
def test_a_process_killed_while_it_asks_on_leaves_its_answer_in_the_history(
    build, tmp_path, model, check, paid, answer
):
    killed_while_asking(tmp_path, model, check)
    engine = build(large=RIGHT)
    (kept,) = engine.history("What is").to_dict("records")
    assert (kept["model"], kept["answer"], kept["status"]) == (paid[-1], answer, "ok")
    assert kept["cost_usd"] == pytest.approx(usd_of(*paid))
    assert (kept["input_tokens"], kept["asked"]) == (USAGE.input_tokens, 1)
    assert kept["cache_key"] in engine.costs()["cache_key"].tolist()
    assert engine.costs()["status"].tolist() == [*["ok"] * len(paid), "unknown"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_after_a_killed_escalation_the_cheap_answer_is_not_paid_again(build, tmp_path):
    killed_while_asking(tmp_path, "medium")
    engine = build()
    assert engine.ask("What is 3 * 17?", check=True) == RIGHT
    assert asked(engine) == ["medium"]
    assert engine.history()["answer"].tolist() == [WRONG, RIGHT]
    engine.ask("What is 3 * 17?", check=True)
    assert asked(engine) == ["medium"]
    assert engine.history()["asked"].tolist() == [1, 2]


@pytest.mark.parametrize("log_text", [True, False])
def test_what_is_put_by_is_there_while_the_stronger_model_is_asked(build, log_text):
    seen = []
    engine = build(settings_of(log_text=log_text))
    told = engine._call.by_model["medium"]

    class Looks(list):
        def __getitem__(self, place):
            seen.extend(engine.history()["answer"])
            return told[place]

    engine._call.by_model["medium"] = Looks(told)
    assert engine.ask("What is 3 * 17?", check=True) == RIGHT
    assert seen == [WRONG] * log_text
    assert engine.history()["answer"].tolist() == [RIGHT] * log_text


@pytest.mark.parametrize("plays", [{}, {"large": CUT, "medium": CUT}, {"medium": "3 × 17 = 42"}])
def test_an_escalation_that_ends_is_one_exchange_that_can_be_found(build, plays):
    engine = build(**plays)
    answer = engine.ask("What is 3 * 17?", check=True, cache=False)
    (kept,) = engine.history("17").to_dict("records")
    assert (kept["answer"], kept["model"]) == (answer, answer.model)
    assert kept["cost_usd"] == pytest.approx(usd_of(*asked(engine)[: len(answer.checks)]))


def test_a_cheap_answer_that_the_history_has_is_not_put_by_a_second_time(build):
    engine = build(medium=(CUT, KeyboardInterrupt()), large=CUT)
    engine.ask("What is 3 * 17?", check=True)
    with pytest.raises(KeyboardInterrupt):
        engine.ask("What is 3 * 17?", check=True, refresh=True)
    kept = engine.history()
    assert (kept["answer"].tolist(), kept["asked"].tolist()) == ([WRONG], [2])


def test_the_facts_of_an_answer_that_was_kept_are_those_of_its_own_model(build):
    engine = build(medium=CUT, large=CUT)
    engine.ask("What is 3 * 17?", check=True)
    (kept,) = engine.history().to_dict("records")
    assert (kept["model"], kept["tier"], kept["input_tokens"]) == ("small", "simple", 1_000)


def test_a_ledger_that_is_locked_for_long_costs_no_answer_to_put_by(build, tmp_path, monkeypatch):
    monkeypatch.setattr("mmai_nb.ledger.PATIENCE", 0.2)
    engine = build()
    engine.ask("hi")
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.warns(LedgerWarning):
            assert engine.ask("What is 3 * 17?", check=True) == RIGHT
        other.execute("ROLLBACK")
    engine.ask("hi")
    assert sorted(engine.history()["answer"]) == sorted([WRONG, RIGHT])


def test_the_sums_book_each_answer_where_it_was_paid(build):
    engine = build()
    engine.ask("What is 3 * 17?", check=True)
    sums = engine.summary("model").set_index("model")
    assert sums["check_cost_usd"].to_dict() == {"small": usd_of("small"), "medium": 0.0}
    saved = usd_of("large") - usd_of("medium")
    assert sums["saved_by_routing_usd"].to_dict() == {"small": 0.0, "medium": pytest.approx(saved)}
    assert sums["escalation_rate"]["small"] == 1.0


def test_a_cut_answer_that_does_not_stand_is_the_checks(build):
    cut = Completion(RIGHT, "medium", USAGE, finish_reason="length")
    engine = build(settings_of({"simple": ["small"], "standard": ["medium"]}), medium=cut)
    assert engine.ask("What is 3 * 17?", check=True).model == "small"
    sums = engine.summary("model").set_index("model")
    assert sums["check_cost_usd"].to_dict() == {"small": 0.0, "medium": usd_of("medium")}


def test_an_interrupt_keeps_the_cheap_answer(build):
    engine = build(medium=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        engine.ask("What is 3 * 17?", check=True)
    assert engine.last() == WRONG
    assert "stopped before its check was over" in engine.last().footer()
    assert [row.status for row in engine.last().attempts] == ["ok", "cancelled"]
    assert engine.history()["answer"].tolist() == [WRONG]


def test_an_interrupt_on_the_second_step_keeps_the_first_steps_answer(build):
    engine = build(medium="3 × 17 = 42", large=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        engine.ask("What is 3 * 17?", check=True)
    assert engine.last() == "3 × 17 = 42"
    assert engine.last().route.tier == "standard"


def test_a_check_that_breaks_costs_no_answer(build, monkeypatch, caplog):
    def broken(text: str, question: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(checks, "assess", broken)
    with caplog.at_level(logging.WARNING, "mmai_nb"):
        answer = build().ask("What is 3 * 17?", check=True)
    assert answer == WRONG
    assert "not checked: the check broke (ZeroDivisionError)" in answer.footer()
    assert "· checked ·" not in answer.footer()
    assert "a check of an answer broke" in caplog.text


def test_no_code_of_an_answer_is_run(build, tmp_path):
    trap = tmp_path / "trap"
    code = f"```python\nopen({str(trap)!r}, 'w').close()\n```\n3 × 17 = 41"
    build(small=code).ask("What is 3 * 17?", check=True)
    assert not trap.exists()


def test_offline_the_cheap_kept_answer_stands(build, monkeypatch):
    engine = build()
    engine.ask("What is 3 * 17?")
    monkeypatch.setenv("MMAI_OFFLINE", "1")
    answer = engine.ask("What is 3 * 17?", check=True)
    assert answer == WRONG
    assert "not escalated: offline" in answer.footer()
    with pytest.raises(OfflineError):
        engine.ask("another", check=True)


# -- the cache


def test_the_second_time_costs_nothing(build):
    engine = build()
    first = engine.ask("What is 3 * 17?", check=True)
    again = engine.ask("What is 3 * 17?", check=True)
    assert (again, again.cost_usd) == (RIGHT, 0)
    assert again.saved_usd == pytest.approx(first.cost_usd)
    assert "escalated: 3 × 17 = 41 is wrong" in again.footer()
    assert "cached" in again.footer()
    assert asked(engine) == ["small", "medium"]


def test_without_the_check_the_cheap_kept_answer_is_the_same_as_ever(build):
    engine = build()
    engine.ask("What is 3 * 17?", check=True)
    assert engine.ask("What is 3 * 17?") == WRONG


def test_a_kept_cheap_answer_is_checked_and_only_the_stronger_one_is_paid(build):
    engine = build()
    engine.ask("What is 3 * 17?")
    answer = engine.ask("What is 3 * 17?", check=True)
    assert answer.cost_usd == pytest.approx(usd_of("medium"))
    assert answer.saved_usd == pytest.approx(usd_of("small"))


def test_forgetting_an_escalated_answer_forgets_the_stronger_one(build):
    from mmai_nb.shelf import forget_answer

    engine = build()
    forget_answer(engine.cache, engine.ask("What is 3 * 17?", check=True))
    engine.ask("What is 3 * 17?", check=True)
    assert asked(engine) == ["small", "medium", "medium"]


def test_where_the_calls_time_is_over_the_cheap_answer_stands_and_says_so(build, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(walking, "Run", partial(walking.Run, clock=lambda: now[0]))

    class Slow(ByModel):
        def __call__(self, request: Any, spec: Any, on_text: Any) -> Completion:
            now[0] += 20
            return super().__call__(request, spec, on_text)

    engine = build()
    engine._call = Slow(small=WRONG, medium=RIGHT)
    answer = engine.ask("What is 3 * 17?", check=True, timeout=10)
    assert answer.notes == ("not escalated: no time is left",)
    assert engine._call.asked == ["small"]


# -- text while it comes


def test_text_that_cannot_be_taken_back_waits_for_the_check(build):
    got: list[str] = []
    build().ask("What is 3 * 17?", check=True, on_text=got.append)
    assert got == [RIGHT]


def test_text_that_nobody_will_replace_streams_as_ever(build):
    got: list[str] = []
    build(large=WRONG).ask("3*17?", check=True, model="large", on_text=got.append)
    assert len(got) > 1


def answer_with_screen(engine: Engine, prompt: str, **options: Any) -> tuple[Any, list[str]]:
    """An answer, and what a screen that can take text back was told."""
    from mmai_nb.options import make_request

    told: list[str] = []
    request = make_request(prompt, engine.settings, check=True, **options).request
    answer = engine.answer(
        request,
        told.append,
        retract=lambda words: told.append(f"<{words}>"),
    )
    return answer, told


def test_a_screen_shows_the_cheap_answer_at_once_and_then_takes_it_back(build):
    _, told = answer_with_screen(build(), "What is 3 * 17?")
    assert "".join(told) == f"{WRONG} <escalated to standard: 3 × 17 = 41 is wrong>{RIGHT} "


def test_a_stronger_stream_that_is_cut_brings_the_cheap_answer_back(build):
    half = Completion("3 × 17", "medium", USAGE)

    class Cut(ByModel):
        def __call__(self, request: Any, spec: Any, on_text: Any) -> Completion:
            completion = super().__call__(request, spec, on_text)
            if spec.name == "medium":
                raise TruncatedStreamError("cut", partial=half)
            return completion

    engine = build(settings_of({"simple": ["small"], "complex": ["medium"]}))
    engine._call = Cut(small=WRONG, medium="3 × 17")
    answer, told = answer_with_screen(engine, "What is 3 * 17?")
    assert answer == WRONG
    assert told[-2:] == ["<not escalated: medium: TruncatedStream>", WRONG]
    assert [row.status for row in answer.attempts] == ["ok", "partial"]


# -- JSON


class Town(BaseModel):
    name: str


def test_a_schema_that_is_missed_goes_up_before_it_raises(build):
    answer = build(small="none", medium='{"name": "Oslo"}').ask("a town", schema=Town, check=True)
    assert answer.parsed == Town(name="Oslo")
    assert answer.model == "medium"
    assert answer.checks[0].reasons == ("the answer holds no JSON: 'none'",)


def test_only_the_last_miss_raises(build):
    engine = build(small="none", medium="none", large="none")
    with pytest.raises(SchemaMismatchError) as caught:
        engine.ask("a town", schema=Town, check=True)
    assert [row.request_model for row in caught.value.attempts] == ["small", "medium", "large"]


def test_an_answer_that_fits_wins_over_a_stronger_one_that_does_not(build, monkeypatch):
    fits = '{"name": "Oslo"}'
    engine = build(settings_of({"a": ["small", "other"], "b": ["large"]}), large="none")
    engine._call.by_model |= {"small": [fits], "other": ['{"name": "Bergen"}']}
    answer = engine.ask("a town", schema=Town, check="agree", tier="a")
    assert answer.parsed == Town(name="Oslo")
    assert "not escalated: the answer of large does not fit the schema" in answer.footer()


# -- agreeing

PAIR = {"simple": ["small", "other"], "complex": ["large"]}
MANY = "How many legs has a spider?"


def test_two_models_that_agree_are_enough(build):
    engine = build(settings_of(PAIR), small="8", other="It has 8 legs.")
    answer = engine.ask(MANY, check="agree", tier="simple")
    assert answer == "8"
    assert answer.checks[0].opinion.model == "other"
    assert asked(engine) == ["small", "other"]


def test_two_models_that_disagree_go_up(build):
    engine = build(settings_of(PAIR), small="6", other="It has 8 legs.", large="8")
    answer = engine.ask(MANY, check="agree", tier="simple")
    assert (answer, answer.model) == ("8", "large")
    assert "escalated: small and other disagree" in answer.footer()
    assert answer.cost_usd == pytest.approx(usd_of("small", "other", "large"))


def test_the_second_opinion_is_a_row_of_the_call(build):
    engine = build(settings_of(PAIR), small="8", other="8")
    answer = engine.ask(MANY, check="agree", tier="simple")
    first, second = engine.ledger.rows(answer.call_id)
    assert (second.request_model, second.tier, second.attempt) == ("other", "simple", 2)
    assert "second opinion on small" in second.reason
    assert "second opinion" not in first.reason
    assert answer.row == first
    assert answer.cost_usd == pytest.approx(usd_of("small", "other"))


def test_nobody_is_asked_for_a_second_opinion_on_a_sum_that_is_wrong(build):
    engine = build(settings_of(PAIR), other=RIGHT)
    engine.ask("What is 3 * 17?", check="agree", tier="simple")
    assert asked(engine) == ["small", "large"]


def test_prose_that_cannot_be_compared_is_left_to_the_local_checks(build):
    one = "Mice are small rodents that live nearly everywhere and eat nearly everything. " * 3
    two = "Many people keep mice as pets, and laboratories keep them to study disease. " * 3
    engine = build(settings_of(PAIR), small=one, other=two)
    assert engine.ask("Tell me of mice", check="agree", tier="simple").model == "small"


def test_the_second_opinion_is_never_shown(build):
    got: list[str] = []
    engine = build(settings_of(PAIR), small="8", other="It has 8 legs.")
    engine.ask(MANY, check="agree", tier="simple", on_text=got.append)
    assert got == ["8"]


def test_the_second_opinion_is_the_cheapest_of_another_provider(build):
    settings = settings_of({"simple": ["small"], "standard": ["other"], "complex": ["large"]})
    engine = build(settings, small="8", other="8")
    assert engine.ask(MANY, check="agree", tier="simple").checks[0].opinion.model == "other"


def test_the_strongest_tier_alone_gives_no_second_opinion(build):
    settings = settings_of({"simple": ["small"], "complex": ["other"]})
    answer = build(settings, small="8").ask(MANY, check="agree", tier="simple")
    assert answer.checks[0].opinion is None
    assert "no second opinion: no model of another provider is at hand" in answer.footer()


def test_a_second_opinion_that_fails_leaves_the_local_checks(build):
    answer = build(settings_of(PAIR), small="8", other=CUT).ask(MANY, check="agree", tier="simple")
    assert answer == "8"
    assert "no second opinion: other: RateLimit" in answer.footer()


def test_an_interrupt_of_the_second_opinion_keeps_the_answer(build):
    engine = build(settings_of(PAIR), small="8", other=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        engine.ask(MANY, check="agree", tier="simple")
    assert engine.last() == "8"


# -- beside others


def test_a_comparison_only_tells(build):
    engine = build(settings_of(PAIR), small=WRONG, other=RIGHT)
    comparison = engine.compare("What is 3 * 17?", ["small", "other"], check="agree")
    comparison.start()
    comparison.wait()
    assert {name: str(a) for name, a in comparison.answers.items()} == {
        "small": WRONG,
        "other": RIGHT,
    }
    assert "check: 3 × 17 = 41 is wrong" in comparison.answers["small"].footer()
    assert sorted(asked(engine)) == ["other", "small"]


def test_an_escalated_answer_can_be_pickled(build):
    import pickle

    answer = build().ask("What is 3 * 17?", check=True)
    again = pickle.loads(pickle.dumps(answer))
    assert (again.checks, again.footer()) == (answer.checks, answer.footer())


def test_reasons_show_no_secret_and_no_control_code():
    key = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAb7cDe"
    said = assessing.said(f"it uses {key}\x1b[31m\n{'x' * 500}")
    assert key not in said
    assert "\x1b" not in said
    assert "\n" not in said
    assert len(said) <= 120


@pytest.mark.parametrize("limit", [{"max_tokens": 5}, {"params": {"max_completion_tokens": 5}}])
def test_the_callers_own_limit_on_tokens_is_no_reason_to_pay_for_a_stronger_model(build, limit):
    cut = Completion("a long story that ends", "small", USAGE, finish_reason="length")
    engine = build(small=cut)
    answer = engine.ask("Tell me a story", check=True, **limit)
    assert answer.model == "small"
    assert "check: the answer was cut at the limit on tokens" in answer.footer()
    assert "not escalated: the limit on tokens would cut any answer" in answer.footer()
    assert asked(engine) == ["small"]


def test_a_models_own_limit_on_tokens_is_one(build):
    cut = Completion("a long story that ends", "small", USAGE, finish_reason="length")
    assert build(small=cut).ask("Tell me a story", check=True).model == "medium"


def test_a_stronger_answer_that_was_cut_does_not_take_the_place_of_a_whole_one(build):
    cut = Completion("3 × 17 is computed as", "medium", USAGE, finish_reason="length")
    engine = build(settings_of({"a": ["small"], "b": ["medium"]}), medium=cut)
    answer, told = answer_with_screen(engine, "What is 3 * 17?", tier="a")
    assert (answer, answer.route.tier) == (WRONG, "a")
    note = "not escalated: the answer of medium was cut at the limit on tokens"
    assert note in answer.footer()
    assert told[-2:] == [f"<{note}>", WRONG]
    assert answer.cost_usd == pytest.approx(usd_of("small", "medium"))


def test_a_check_shows_itself_in_one_line(build):
    first, _ = build().ask("What is 3 * 17?", check=True).checks
    assert repr(first).startswith("Checked(small failed, doubt 0.")
    assert repr(first).endswith(", ('3 × 17 = 41 is wrong',))")


def test_a_stronger_answer_that_was_kept_costs_only_the_cheap_one(build):
    engine = build()
    engine.ask("What is 3 * 17?", model="medium")
    answer = engine.ask("What is 3 * 17?", check=True)
    assert (answer.model, answer.cache_hit) == ("medium", True)
    assert answer.cost_usd == pytest.approx(usd_of("small"))
    assert answer.saved_usd == pytest.approx(usd_of("medium"))
    assert "$0.00015 · cached just now, saved $0.0015" in answer.footer()


# -- whatever the models say

NAMES = sorted(PRICES)
plays = st.sampled_from([RIGHT, WRONG, "3 × 17 = 42", "51", CUT])
chains = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)


@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, plays)),
    st.lists(chains, min_size=1, max_size=4),
    st.sampled_from([True, "agree"]),
    st.sampled_from(["auto", *NAMES]),
    st.booleans(),
)
def test_an_answer_that_is_there_is_never_lost_and_each_model_is_paid_once(
    says, tiers, check, model, streamed
):
    settings = settings_of({f"t{n}": chain for n, chain in enumerate(tiers)})
    call = ByModel(**says)
    engine = Engine(settings, call=call, ledger=Ledger(None), cache=AnswerCache(None))
    plain = Engine(settings, call=ByModel(**says), ledger=Ledger(None), cache=AnswerCache(None))
    try:
        alone = plain.ask("What is 3 * 17?", model=model)
    except MmaiError:
        return  # nobody answers at all: nothing to check
    told: list[str] = []
    answer = engine.ask(
        "What is 3 * 17?", model=model, check=check, on_text=told.append if streamed else None
    )
    given = [*answer.checks, *(c for c in answer.checks if c.opinion)]
    answered = [name for name in call.asked if says[name] is not CUT]
    rows = engine.ledger.rows(answer.call_id)
    assert answer.checks[0].completion.text == alone.text
    assert len(set(call.asked)) == len(call.asked) == len(rows) <= 6
    assert len(answered) == len(given)
    assert answer.cost_usd == pytest.approx(sum(row.cost_nano or 0 for row in rows) / 1e9)
    assert answer.row.request_model == answer.model
    assert answer.row.status == "ok"
    assert len(answer.rejected) == len(answer.route.escalated) <= 2
    if streamed:
        assert "".join(told).strip() == answer.text
    engine.close()
    plain.close()


# -- in the demo


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """An engine with nothing configured: the demo answers."""
    monkeypatch.setenv("MMAI_DEMO", "1")
    engine = Engine(
        Settings(),
        ledger=Ledger(tmp_path / "ledger.sqlite3"),
        cache=AnswerCache(tmp_path / "cache"),
    )
    yield engine
    engine.close()


SPIDER = "\n".join(
    [
        MANY,
        '[[demo: only_model=demo-small text="A spider has 6 legs."]]',
        '[[demo: only_model=demo-second text="A spider has 8 legs."]]',
    ]
)


def test_the_demo_has_a_second_model_that_agrees(demo):
    answer = demo.ask("What is 17 * 3?", check="agree")
    assert (answer.model, answer.checks[0].opinion.model) == ("demo-small", "demo-second")
    assert "**51**" in answer.checks[0].opinion.text
    assert answer.route.escalated == ()
    assert [row.provider for row in answer.attempts] == ["demo", "demo-second"]
    assert all(row.simulated for row in answer.attempts)


def test_or_disagrees_where_it_is_told_to(demo):
    answer = demo.ask(SPIDER, check="agree")
    assert answer.model == "demo-medium"
    assert "escalated: demo-small and demo-second disagree" in answer.footer()
    assert "demo: pretend" in answer.footer()


@pytest.mark.parametrize("check", [None, True])
def test_it_is_asked_for_nothing_else_while_the_others_answer(demo, check):
    tiers = [tier.name for tier in demo.settings_for_display.tiers]
    answers = [demo.ask(MANY, check=check, tier=tier, cache=False) for tier in tiers]
    assert [answer.model for answer in answers] == ["demo-small", "demo-medium", "demo-large"]
    assert "demo-second" not in demo.costs()["request_model"].tolist()


def test_its_answers_say_what_they_are(demo):
    answer = demo.ask("Name three rivers.", model="demo-second")
    assert answer.startswith("*Demo answer, not a language model.*")
    assert "`demo-second`, of another pretend provider" in answer
    assert "not a language model" in answer.footer()
