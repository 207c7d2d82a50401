"""A word on the last answer, the question once more, and one tier up: at both doors."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from support.scripted import URL, USAGE, Scripted, settings_of

import mmai_nb as ai
from mmai_nb import engine as engines
from mmai_nb.answer import Answer
from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import LedgerWarning, MmaiError, OptionError, TimedOutError
from mmai_nb.feedback import escalate, retry, vote
from mmai_nb.ledger import Ledger
from mmai_nb.records import Completion, Route

FREE = {"base_url": URL, "input_price": 0, "output_price": 0}
EASY = "What is the capital of Peru?"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The default engine, over a scripted model."""
    made = Engine(
        settings_of(),
        call=Scripted("the first", "the second", "the third"),
        ledger=Ledger(tmp_path / "ledger.sqlite3"),
        cache=AnswerCache(tmp_path / "cache"),
        sleep=lambda seconds: None,
    )
    monkeypatch.setattr(engines, "_default", made)
    yield made
    made.close()


def kinds(engine: Engine) -> list[str]:
    return [kind for _, _, kind, _ in engine.ledger.votes()]


def last_vote(engine: Engine) -> dict[str, Any]:
    return engine.ledger.votes("answer")[-1][3]


class TestAVote:
    @pytest.mark.parametrize("word", ["good", "poor"])
    def test_a_word_on_the_last_answer_is_kept(self, engine, word):
        answer = ai.ask(EASY)
        ai.vote(word)
        ((_, call_id, _, data),) = engine.ledger.votes("answer")
        assert (call_id, data["word"]) == (answer.call_id, word)
        assert (data["model"], data["tier"]) == ("small", "simple")
        assert data["score"] == answer.route.complexity.score
        assert data["signals"]["opening"] > 0

    def test_no_text_is_kept_with_it(self, engine):
        ai.ask("Where did Kowalski hide the amber brooch?")
        ai.vote("poor")
        assert not {"kowalski", "amber", "brooch", "first"} & set(
            str(last_vote(engine)).lower().replace("'", " ").split()
        )

    def test_with_log_text_off_the_words_have_no_numbers_either(self, engine):
        engine.configure({"log_text": False})
        ai.ask(EASY)
        ai.vote("good")
        assert "words" not in last_vote(engine)
        assert last_vote(engine)["signals"]

    def test_an_earlier_answer_may_be_voted_on(self, engine):
        first = ai.ask(EASY)
        ai.ask("What is the capital of Chad?")
        ai.vote("poor", first)
        ((_, call_id, _, data),) = engine.ledger.votes("answer")
        assert call_id == first.call_id
        assert data["signals"] == first.route.complexity.signals

    def test_a_named_models_answer_has_its_signals_too(self, engine):
        ai.ask(EASY, model="small")
        ai.vote("good")
        assert last_vote(engine)["signals"]

    def test_what_is_said_tells_whether_it_teaches(self, engine):
        ai.ask(EASY)
        assert "%ai calibrate learns" in str(ai.vote("good"))
        ai.ask(EASY, tier="complex")
        assert "strongest tier" in str(ai.vote("good"))

    def test_a_cached_answer_may_be_voted_on(self, engine):
        ai.ask(EASY)
        assert ai.ask(EASY).cache_hit
        ai.vote("poor")
        assert last_vote(engine)["model"] == "small"

    def test_a_vote_before_any_answer_is_one_line(self, engine):
        with pytest.raises(MmaiError, match="there is no answer yet"):
            ai.vote("good")
        assert kinds(engine) == []

    @pytest.mark.parametrize("word", ["bad", "goood", "", "GOOD", 1, None, ["good"], b"good"])
    def test_another_word_is_refused(self, engine, word):
        ai.ask(EASY)
        with pytest.raises(OptionError, match="a vote is good or poor"):
            ai.vote(word)
        assert kinds(engine) == []

    @pytest.mark.parametrize("thing", ["x", 7, [], object], ids=repr)
    def test_what_is_no_answer_is_refused(self, engine, thing):
        with pytest.raises(OptionError, match="vote takes an answer"):
            ai.vote("good", thing)

    def test_after_a_comparison_it_is_asked_which_answer_is_meant(self, engine):
        ai.ask("What is the capital of Chad?")
        both = ai.compare(EASY, ["small", "large"])
        with pytest.raises(OptionError, match="several models answered it"):
            ai.vote("good")
        for again in (ai.escalate, ai.retry):
            with pytest.raises(MmaiError, match="a comparison has no one answer"):
                again()
        ai.vote("poor", both.answers["small"])
        assert last_vote(engine)["model"] == "small"

    def test_after_a_question_that_failed_the_answer_before_it_is_not_meant(self, engine):
        ai.ask("What is the capital of Chad?")
        engine._call.plays = [TimedOutError("x")]
        engine.configure({"retries": 0})
        with pytest.raises(MmaiError):
            ai.ask(EASY)
        with pytest.raises(OptionError, match="the last question failed"):
            ai.vote("good")

    def test_an_answer_of_no_call_is_refused(self, engine):
        bare = Answer("x", completion=Completion("x", "small"), route=Route(None, None, ()))
        with pytest.raises(OptionError, match="comes of no call"):
            ai.vote("good", bare)

    def test_a_ledger_that_cannot_be_written_to_costs_a_warning_and_no_answer(self, engine):
        ai.ask(EASY)
        engine.ledger.close()
        engine.ledger.path.write_bytes(b"not a database, not at all, not even close" * 100)
        with pytest.warns(LedgerWarning):
            ai.vote("poor")
        assert last_vote(engine)["word"] == "poor"

    def test_damaged_votes_are_left_out_with_a_warning(self, engine):
        ai.ask(EASY)
        ai.vote("poor")
        engine.ledger.close()
        with sqlite3.connect(engine.ledger.path) as db:
            for data in ("{", "[]", "null", "[" * 100_000, b"\xff"):
                db.execute(
                    "INSERT INTO vote(ts, call_id, kind, data) VALUES(1, 'x', 'answer', ?)", (data,)
                )
        with pytest.warns(LedgerWarning, match="5 damaged votes"):
            assert len(engine.ledger.votes()) == 1

    def test_damaged_verdicts_do_not_break_the_win_rates(self, engine):
        engine.ledger.add_vote("compare", None, {"models": 7})
        assert len(engine.win_rates()) == 0


class TestPoorIsRemembered:
    def test_the_same_question_counts_as_asked_again(self, engine):
        before = ai.ask(EASY).route.complexity.score
        ai.vote("poor")
        assert ai.ask(EASY).route.complexity.score > before

    def test_until_its_answer_is_good(self, engine):
        before = ai.ask(EASY).route.complexity.score
        ai.vote("poor")
        ai.vote("good")
        assert ai.ask(EASY).route.complexity.score == before

    def test_another_question_does_not(self, engine):
        before = ai.ask("What is the capital of Chad?", cache=False).route.complexity.score
        ai.ask(EASY)
        ai.vote("poor")
        again = ai.ask("What is the capital of Chad?", cache=False)
        assert again.route.complexity.score == before


class TestEscalate:
    def test_the_question_goes_one_tier_up(self, engine):
        ai.ask(EASY, system="Be brief.", temperature=0.3, max_tokens=50, tag="t")
        better = ai.escalate()
        assert (better, better.model, better.route.tier) == ("the second", "large", "complex")
        first, second = (request for request, _ in engine._call.calls)
        same = replace(second, tier=None, again=0, without=(), timeout=first.timeout)
        assert same == first
        assert (second.again, second.without) == (1, ("small",))

    def test_it_says_that_the_answer_before_was_poor(self, engine):
        first = ai.ask(EASY)
        better = ai.escalate()
        (_, poor_id, _, data), (_, call_id, kind, of) = engine.ledger.votes()
        assert (poor_id, data["word"]) == (first.call_id, "poor")
        assert (call_id, kind, of) == (better.call_id, "escalate", {"of": first.call_id})

    def test_a_word_on_what_it_gave_is_said_to_teach(self, engine):
        ai.ask(EASY)
        ai.escalate()
        assert "learns from both" in str(ai.vote("good"))
        ai.ask("What is a mode?", tier="simple")
        ai.vote("good")
        ai.escalate()
        assert "strongest tier" in str(ai.vote("good"))

    def test_an_answer_that_was_called_good_stays_good(self, engine):
        ai.ask(EASY)
        ai.vote("good")
        ai.escalate()
        words = [data["word"] for _, _, kind, data in engine.ledger.votes() if kind == "answer"]
        assert words == ["good"]

    def test_the_format_and_schema_stay(self, engine):
        engine._call.plays = ['{"n": 1}', '{"n": 2}']
        ai.ask(EASY, schema={"type": "object", "required": ["n"]})
        assert ai.escalate().parsed == {"n": 2}

    def test_a_poor_answer_in_the_cache_does_not_come_back(self, engine):
        ai.ask(EASY, model="large")
        ai.ask(EASY, model="small")
        better = ai.escalate()
        assert (better.model, better.cache_hit) == ("large", True)

    def test_it_works_after_a_cached_answer(self, engine):
        ai.ask(EASY)
        assert ai.ask(EASY).cache_hit
        assert ai.escalate().model == "large"

    def test_it_works_after_a_partial_answer(self, engine):
        stop = KeyboardInterrupt()
        stop.partial = Completion("half of", "small", USAGE)
        engine._call.plays = [stop, "the whole"]
        with pytest.raises(KeyboardInterrupt):
            ai.ask(EASY)
        assert ai.last() == "half of"
        assert ai.escalate() == "the whole"

    def test_it_works_after_a_question_without_any_answer(self, engine):
        engine._call.plays = [TimedOutError("x"), TimedOutError("x"), "at last"]
        engine.configure({"retries": 0})
        with pytest.raises(MmaiError):
            ai.ask(EASY)
        assert ai.escalate() == "at last"
        assert kinds(engine) == []

    def test_it_works_with_a_named_model(self, engine):
        ai.ask(EASY, model="small")
        assert ai.escalate().model == "large"

    def test_from_the_strongest_there_is_no_way_up(self, engine):
        ai.ask(EASY)
        ai.escalate()
        with pytest.raises(OptionError, match="no tier above that of 'large'"):
            ai.escalate()
        assert len(engine._call.calls) == 2

    def test_nor_from_a_model_that_is_in_no_tier(self, engine):
        engine.configure({"models": {"odd": FREE}})
        ai.ask(EASY, model="odd")
        with pytest.raises(OptionError, match="'odd' begins no tier"):
            ai.escalate()
        assert kinds(engine) == []

    def test_nor_before_any_question(self, engine):
        with pytest.raises(MmaiError, match="there is no question to ask again"):
            ai.escalate()

    def test_what_was_said_stays_though_the_stronger_model_fails(self, engine):
        engine._call.plays = ["the first", TimedOutError("x")]
        engine.configure({"retries": 0})
        ai.ask(EASY)
        with pytest.raises(MmaiError):
            ai.escalate()
        assert kinds(engine) == ["answer"]

    def test_it_streams(self, engine):
        ai.ask(EASY)
        pieces: list[str] = []
        ai.escalate(on_text=pieces.append)
        assert "".join(pieces).strip() == "the second"


class TestRetry:
    def test_the_same_models_are_asked_for_a_fresh_answer(self, engine):
        first = ai.ask(EASY)
        again = ai.retry()
        assert (again, again.model, again.route.tier) == ("the second", "small", "simple")
        assert again.route.chain == first.route.chain
        assert ai.ask(EASY) == "the second"

    def test_it_counts_as_asked_again(self, engine):
        ai.ask(EASY)
        ai.retry()
        assert engine._call.calls[1][0].again == 1
        assert kinds(engine) == ["retry"]

    def test_a_named_model_stays(self, engine):
        ai.ask(EASY, model="large")
        assert ai.retry().model == "large"

    def test_what_is_not_to_be_cached_stays_so(self, engine):
        ai.ask(EASY, cache=False)
        ai.retry()
        assert engine.cache.size()[0] == 0

    def test_it_asks_the_last_question_though_it_failed(self, engine):
        ai.ask("What is the capital of Chad?")
        engine._call.plays = [TimedOutError("x"), TimedOutError("x"), "at last"]
        engine.configure({"retries": 0})
        with pytest.raises(MmaiError):
            ai.ask(EASY)
        assert ai.retry() == "at last"
        assert engine._call.calls[-1][0].prompt == EASY

    def test_before_any_question_it_is_one_line(self, engine):
        with pytest.raises(MmaiError, match="there is no question to ask again"):
            ai.retry()


def test_an_engine_of_ones_own_takes_votes(engine):
    own = Engine(settings_of(), call=Scripted("a", "b", "c"), ledger=Ledger(None))
    own.ask(EASY)
    vote(own, "good")
    escalate(own, lambda request, parse: own.answer(request, parse=parse))
    retry(own, lambda request, parse: own.answer(request, parse=parse))
    assert len(own.ledger.votes()) == 3
    assert kinds(engine) == []


class TestInANotebook:
    def test_good_and_poor_answer_in_one_line(self, play):
        play(f"%ai {EASY}")
        assert play("%ai good").value.startswith("kept: the answer of small was good")
        poor = play("%ai poor last").value
        assert poor.startswith("kept: the answer of small was poor; %ai escalate asks one tier up")

    def test_escalate_shows_an_answer_like_a_cells(self, play):
        play(f"%%ai\n{EASY}", "one", "two words")
        shown = play("%ai escalate")
        assert "two words" in shown.text
        assert isinstance(shown.value, Answer)
        assert shown.value.model == "large"

    def test_it_keeps_the_options_of_the_cell(self, play):
        play("x = [1, 2]")
        play('%%ai -s "Be brief." -f json -t 0.5 --no-cache\nSum {x}', "3", "4")
        assert play("%ai escalate").value.parsed == 4
        first, second = (request for request, _ in play.call.calls)
        assert second.messages == first.messages or second.messages[0] == first.messages[0]
        assert second.params == first.params
        assert second.format == "json"
        assert "1, 2" in second.prompt or "[1, 2]" in second.prompt

    def test_code_that_was_asked_for_goes_to_the_next_cell_again(self, play, monkeypatch):
        put: list[str] = []
        monkeypatch.setattr(play.shell, "set_next_input", lambda text, replace: put.append(text))
        fence = "```python\nx = {}\n```"
        play("%%ai -f code\nset x", fence.format(1), fence.format(2))
        play("%ai retry")
        assert put == ["x = 1", "x = 2"]

    def test_a_semicolon_keeps_the_value_away(self, play):
        play(f"%ai {EASY}")
        assert play("%ai retry;").value is None

    @pytest.mark.parametrize("line", ["escalate", "retry", "good", "poor"])
    def test_before_any_cell_it_is_one_line(self, play, line):
        shown = play(f"%ai {line}")
        assert not shown.ok
        assert len(shown.lines) == 1
        assert play.call.calls == []

    @pytest.mark.parametrize("line", ["escalate now", "retry it", "good lst", "poor man"])
    def test_a_slip_is_refused_and_a_sentence_is_a_question(self, play, line):
        assert isinstance(play(f"%ai {line}").error, UsageError)
        assert play(f"%ai {line}, will you please?").ok
        assert len(play.call.calls) == 1

    def test_the_demo_can_be_escalated(self, tmp_path):
        from support.cells import playing

        with playing(tmp_path, None) as run:
            run(f"%ai {EASY}")
            assert run("%ai escalate").value.model == "demo-medium"
            assert run("%ai escalate").value.model == "demo-large"
            assert not run("%ai escalate").ok
            run(f"%%ai demo-small\n{EASY}")
            assert run("%ai escalate").value.model == "demo-medium"

    def test_a_question_that_reached_no_model_has_no_tier_above(self, tmp_path):
        from support.cells import playing

        with playing(tmp_path, None) as run:
            run(f"%%ai --model nosuch\n{EASY}")
            assert "reached no model" in str(run("%ai escalate").error)
