"""What votes tell of the tiers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scripted import URL, settings_of

from mmai_nb.calibration import Label
from mmai_nb.records import Message, Request
from mmai_nb.settings import Settings
from mmai_nb.votes import (
    ANSWER,
    COMPARE,
    ESCALATE,
    NO_SIGNALS,
    NO_TIER,
    STRONGEST,
    facts_of,
    taught,
)

FACTS = {"signals": {"code": 1.0}, "words": [3, 5], "score": 0.4}
SEEN = {"code": 1.0}

THREE = Settings(
    models={name: {"base_url": URL} for name in ("tiny", "mid", "big", "spare")},
    tiers=[
        {"name": "simple", "up_to": 0.3, "chain": ["tiny", "mid"]},
        {"name": "standard", "up_to": 0.6, "chain": ["mid", "tiny"]},
        {"name": "complex", "up_to": 1.0, "chain": ["big", "mid"]},
    ],
)


def said(call_id: str, word: str, model: str, **changes: Any) -> tuple[Any, ...]:
    return 1.0, call_id, ANSWER, {"word": word, "model": model, **FACTS, **changes}


def escalated(lower: str, upper: str) -> tuple[Any, ...]:
    return 2.0, upper, ESCALATE, {"of": lower}


def compared(winner: str, *models: str, **changes: Any) -> tuple[Any, ...]:
    data = {"models": list(models), "winner": winner, "blind": True, "call_ids": [], **FACTS}
    return 1.0, None, COMPARE, {**data, **changes}


def labels(*rows: Any) -> tuple[Label, ...]:
    return taught(rows, THREE).labels


@pytest.mark.parametrize(("word", "enough"), [("good", True), ("poor", False)])
def test_a_vote_says_whether_the_tier_was_good_enough(word, enough):
    assert labels(said("a", word, "tiny")) == (Label(SEEN, 0, enough, None, (3, 5)),)


def test_an_answer_stands_for_the_first_tier_that_begins_with_its_model():
    assert [one.tier for one in labels(said("a", "good", "mid"))] == [1]


def test_of_two_votes_on_an_answer_the_later_counts():
    (only,) = labels(said("a", "good", "tiny"), said("a", "poor", "tiny"))
    assert only.enough is False


def test_a_vote_on_the_strongest_tier_teaches_nothing_and_is_counted():
    found = taught([said("a", "good", "big"), said("b", "poor", "big")], THREE)
    assert (found.labels, found.votes, found.silent) == ((), 2, {STRONGEST: 2})


def test_a_model_that_begins_no_tier_teaches_nothing():
    assert taught([said("a", "good", "spare")], THREE).silent == {NO_TIER: 1}
    assert taught([said("a", "good", "gone")], THREE).silent == {NO_TIER: 1}


def test_an_escalation_that_was_worth_it_is_a_pair():
    rows = said("a", "poor", "tiny"), escalated("a", "b"), said("b", "good", "mid")
    assert labels(*rows)[0] == Label(SEEN, 0, False, 1.0, (3, 5))


def test_an_escalation_that_was_no_better_is_not_held_against_the_cheap_tier():
    rows = said("a", "poor", "tiny"), escalated("a", "b"), said("b", "poor", "mid")
    assert labels(*rows)[0] == Label(SEEN, 0, None, 0.5, (3, 5))


def test_an_escalation_without_a_second_word_is_a_single_vote():
    rows = said("a", "poor", "tiny"), escalated("a", "b")
    assert labels(*rows) == (Label(SEEN, 0, False, None, (3, 5)),)


def test_where_poor_answers_are_escalated_and_judged_a_good_one_says_there_was_no_gain():
    rows = said("a", "poor", "tiny"), escalated("a", "b"), said("b", "good", "big")
    assert labels(*rows, said("c", "good", "tiny"))[1].gain == 0.5


def test_where_most_are_not_it_does_not():
    rows = said("a", "poor", "tiny"), escalated("a", "b"), said("b", "good", "big")
    more = said("d", "poor", "tiny"), said("e", "poor", "tiny"), said("c", "good", "tiny")
    assert [one.gain for one in labels(*rows, *more)] == [1.0, None, None, None]


def test_labels_that_say_both_are_counted_once():
    rows = (
        said("a", "poor", "tiny"),
        compared("tiny", "big", "tiny"),
        compared("bad", "big", "tiny"),
    )
    found = taught(rows, THREE)
    assert (found.votes, found.judged, found.pairs, found.both) == (3, 2, 2, 1)
    assert found.judged + found.pairs - found.both + sum(found.silent.values()) == found.votes


@pytest.mark.parametrize(
    ("winner", "enough", "gain"),
    [("tiny", True, 0.0), ("tie", True, 0.5), ("big", False, 1.0), ("bad", None, 0.5)],
)
def test_a_comparison_says_what_the_dearer_model_gains(winner, enough, gain):
    (only,) = labels(compared(winner, "big", "tiny"))
    assert (only.tier, only.enough, only.gain) == (0, enough, gain)


def test_of_three_models_the_cheapest_is_held_against_the_others():
    (only,) = labels(compared("mid", "big", "mid", "tiny"))
    assert (only.tier, only.enough, only.gain) == (0, False, 1.0)


def test_models_of_one_tier_teach_nothing():
    twice = settings_of(aliases={"little": "small"})
    found = taught([compared("small", "small", "little")], twice)
    assert (found.labels, found.votes) == ((), 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"signals": None},
        {"signals": [1]},
        {"signals": {"code": "x"}},
        {"signals": {"code": float("nan")}},
        {"signals": {"code": -1}},
        {"signals": {"code": 1e9}},
        {"signals": {"code": True}},
    ],
    ids=str,
)
def test_signals_that_cannot_be_true_teach_nothing(changes):
    assert taught([said("a", "good", "tiny", **changes)], THREE).silent == {NO_SIGNALS: 1}
    assert taught([compared("tie", "tiny", "big", **changes)], THREE).silent == {NO_SIGNALS: 1}


def test_signals_of_another_version_are_passed_over():
    (only,) = labels(said("a", "good", "tiny", signals={"code": 1.0, "mood": 3.0}))
    assert only.signals == SEEN


def test_a_vote_of_before_signals_were_kept_teaches_nothing():
    old = {"models": ["tiny", "big"], "winner": "tie", "blind": False, "call_ids": ["a", "b"]}
    assert taught([(1.0, None, COMPARE, old)], THREE).silent == {NO_SIGNALS: 1}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
names = st.sampled_from(["word", "model", "signals", "words", "of", "models", "winner", "blind"])


@given(
    st.lists(
        st.tuples(
            st.floats(),
            st.none() | st.text(max_size=2),
            st.sampled_from([ANSWER, COMPARE, ESCALATE, "retry", ""]),
            st.dictionaries(names, json_values | st.sampled_from(["good", "poor", "tiny"])),
        ),
        max_size=5,
    )
)
def test_rows_of_any_shape_break_nothing(rows):
    assert taught(rows, THREE).votes >= 0


def test_a_vote_carries_numbers_and_no_text():
    request = Request((Message("user", "Where did Kowalski hide the amber brooch?"),))
    facts = facts_of(request, words=True)
    text = str(facts).lower()
    assert not any(word in text for word in ("kowalski", "amber", "brooch"))
    assert facts["signals"]["length"] > 0
    assert all(isinstance(number, int) for number in facts["words"])


def test_without_kept_texts_a_vote_has_not_even_the_numbers_of_words():
    request = Request((Message("user", "Where did Kowalski hide the amber brooch?"),))
    assert set(facts_of(request, words=False)) == {"score", "signals"}
