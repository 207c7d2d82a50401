"""The cost dial: words and shares to bounds, and how many prompts then go where."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from bench.public_scores import STEPS, as_json, steps
from bench.questions import BENCHMARKS, load
from hypothesis import example, given
from hypothesis import strategies as st

import mmai_nb
from mmai_nb.complexity import score
from mmai_nb.dial import (
    NEVER,
    PREFERENCES,
    bounds_for,
    checked_prefer,
    expected_shares,
    percent,
    public_scores,
    share_of,
    tier_at,
    turned,
)

SHARES = (0.01, 0.05, 0.1, 0.2, 1 / 3, 0.5, 0.8, 0.95)
EVEN = tuple(i / 1000 for i in range(1, 1000))

scores = st.lists(st.integers(0, 10_000).map(lambda n: n / 10_000), max_size=300).map(sorted)
shares = st.floats(0, 1)
tiers = st.integers(1, 10)


def gets(bounds, values) -> list[float]:
    """The share of the values that each tier gets, counted one by one."""
    found = [tier_at(value, bounds) for value in values]
    return [found.count(tier) / len(found) for tier in range(len(bounds))]


# what may be set


@pytest.mark.parametrize(
    ("typed", "is_"),
    [
        ("cheap", "cheap"),
        (" Balanced ", "balanced"),
        ("QUALITY", "quality"),
        (0.2, 0.2),
        (0, 0.0),
        (1, 1.0),
        ("0.2", 0.2),
        ("20%", 0.2),
        ("20 %", 0.2),
        ("12.5%", 0.125),
        (np.float64(0.2), 0.2),
        (None, None),
        ("none", None),
        ("", None),
    ],
)
def test_a_word_or_a_share_may_be_set_as_people_type_it(typed, is_):
    assert checked_prefer(typed) == is_


@pytest.mark.parametrize(
    "typed",
    ["cheep", "20", 2, -0.1, "150%", "-5%", float("nan"), "nan", "inf", True, [0.2], b"cheap"],
)
def test_anything_else_is_refused_with_what_is_allowed(typed):
    with pytest.raises(ValueError, match=r'cheap, balanced, quality or a share.*"20%"'):
        checked_prefer(typed)


def test_the_words_are_shares_that_rise():
    found = [share_of(word) for word in ("cheap", "balanced", "quality")]
    assert found == [0.05, 0.2, 0.5]
    assert share_of(0.3) == 0.3


# bounds


@pytest.mark.parametrize("share", SHARES)
def test_the_strongest_tier_gets_the_share_and_no_more(share):
    got = gets(bounds_for(share, EVEN, 3), EVEN)[-1]
    assert share - 0.003 <= got <= share


@pytest.mark.parametrize("share", [0, *SHARES])
def test_of_the_rest_each_tier_gets_twice_as_many_as_the_next_stronger_one(share):
    got = gets(bounds_for(share, EVEN, 4), EVEN)
    rest = sum(got[:-1])
    assert got[:-1] == pytest.approx([rest * 4 / 7, rest * 2 / 7, rest / 7], abs=0.005)


def test_0_never_goes_to_the_strongest_tier_and_1_always():
    assert tier_at(1.0, bounds_for(0, EVEN, 3)) == 1
    assert tier_at(0.0, bounds_for(1, EVEN, 3)) == 2
    assert bounds_for(1, EVEN, 3) == (NEVER, NEVER, 1.0)


def test_one_tier_takes_everything_whatever_the_share():
    assert {bounds_for(share, EVEN, 1) for share in (0, 0.3, 1)} == {(1.0,)}


def test_prompts_of_one_score_go_one_way_and_never_above_the_limit():
    same = [0.2] * 60 + [0.7] * 40
    assert gets(bounds_for(0.3, same, 2), same) == [1, 0]  # all of the 40 would be too many
    assert gets(bounds_for(0.5, same, 2), same) == [0.6, 0.4]
    assert gets(bounds_for(0.9, [0.4] * 100, 3), [0.4] * 100) == [1, 0, 0]


def test_with_few_prompts_a_small_share_is_kept_by_sending_none():
    assert bounds_for(0.01, EVEN[::20], 2) == (1.0, 1.0)


@given(shares, scores, tiers)
def test_bounds_rise_from_tier_to_tier_and_end_at_1(share, past, count):
    bounds = bounds_for(share, past, count)
    assert len(bounds) == count
    assert bounds[-1] == 1.0
    assert list(bounds) == sorted(bounds)
    assert all(bound == NEVER or 0 <= bound <= 1 for bound in bounds)


@given(shares, shares, scores, tiers)
@example(one=0.0, other=0.9999999999999999, past=[], count=2)
def test_a_larger_share_moves_no_prompt_down(one, other, past, count):
    low, high = sorted((one, other))
    before, after = bounds_for(low, past, count), bounds_for(high, past, count)
    assert all(tier_at(s, after) >= tier_at(s, before) for s in (0.0, *past, 1.0))


@given(shares, scores.filter(bool), st.integers(2, 10))
def test_no_more_than_the_share_is_above_the_last_bound(share, past, count):
    assert gets(bounds_for(share, past, count), past)[-1] <= share + 1e-9


@given(shares, scores.filter(bool), tiers)
def test_the_expected_shares_are_those_that_are_counted(share, past, count):
    bounds = bounds_for(share, past, count)
    assert expected_shares(bounds, past) == pytest.approx(gets(bounds, past))


@pytest.mark.slow
def test_the_next_prompts_keep_to_the_limit_too():
    draw = random.Random(7)
    for size, share in ((50, 0.05), (50, 0.2), (312, 0.2), (1000, 0.05)):
        ups, rounds = 0, 2000
        for _ in range(rounds):
            past = sorted(round(draw.betavariate(2, 3), 4) for _ in range(size))
            bounds = bounds_for(share, past, 3)
            ups += round(draw.betavariate(2, 3), 4) > bounds[1]
        assert share - 0.035 < ups / rounds < share + 0.006, (size, share)


# words


@pytest.mark.parametrize(
    ("prefer", "count", "said"),
    [
        ("cheap", 3, "prefer cheap: at most 5 % to top (thresholds 0.634, 0.95 from here)"),
        (0.125, 2, "prefer 0.125: at most 12.5 % to top (threshold 0.875 from here)"),
        (0, 2, "prefer 0: none to top (threshold 1 from here)"),
        (1, 3, "prefer 1: every prompt goes to top"),
        ("cheap", 1, "prefer cheap: no choice, top is the only tier"),
    ],
)
def test_the_dial_tells_itself_in_one_line(prefer, count, said):
    assert turned(prefer, EVEN, count, "here").said("top") == said


@pytest.mark.parametrize(
    ("prefer", "count", "says"),
    [
        (0.25, 3, "At most 25 % of prompts go to top."),
        (0, 3, "No prompt goes to top, unless it fits nowhere else."),
        (1, 3, "Every prompt goes to top."),
        ("cheap", 1, "top is the only tier: there is nothing to choose."),
    ],
)
def test_the_limit_is_a_sentence(prefer, count, says):
    assert turned(prefer, EVEN, count, "here").limit_said("top", ()) == says


def test_the_shares_are_told_by_tier():
    said = turned("balanced", EVEN, 3, "here").shares_said(["low", "mid", "top"])
    assert said == "low up to 0.534 (53 %) · mid up to 0.8 (27 %) · top (20 %)"
    always = turned(1, EVEN, 2, "here").shares_said(["low", "top"])
    assert always == "low, none (0 %) · top (100 %)"


def test_ten_tiers_are_told_in_a_short_line():
    assert len(turned("quality", EVEN, 10, "your last 1,000 prompts").said("top")) < 140


# the public scores


def test_the_public_scores_are_a_thousand_in_rising_order():
    found = public_scores()
    assert len(found) == STEPS
    assert list(found) == sorted(found)


@pytest.mark.parametrize("word", PREFERENCES)
def test_the_model_card_has_the_bounds_of_each_word(word):
    card = (Path(mmai_nb.__file__).parent / "data" / "complexity.md").read_text("utf-8")
    dial = turned(word, public_scores(), 3, "")
    assert f"| {word} | {percent(dial.share)} | {dial.between} |" in card


@pytest.fixture(scope="module")
def scored() -> list[tuple[str, float]]:
    return [(q.benchmark, score(q.prompt).score) for q in load()]


@pytest.mark.slow
def test_the_file_of_public_scores_is_what_the_script_makes(scored):
    place = Path(mmai_nb.__file__).parent / "data" / "scores.json"
    assert as_json(steps(scored)).encode() == place.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("share", [*PREFERENCES.values(), *SHARES])
def test_on_the_public_prompts_the_share_is_at_most_the_asked_one_and_near_it(scored, share):
    last = bounds_for(share, public_scores(), 3)[1]
    up = [
        np.mean([value > last for benchmark, value in scored if benchmark == name])
        for name in BENCHMARKS
    ]
    assert share - 0.01 <= np.mean(up) <= share


@pytest.mark.slow
@pytest.mark.parametrize("share", PREFERENCES.values())
def test_bounds_from_one_half_of_the_public_prompts_hold_for_the_other(scored, share):
    values, got = [value for _, value in scored], []
    for seed in range(20):
        random.Random(seed).shuffle(values)
        half = len(values) // 2
        last = bounds_for(share, sorted(values[:half]), 3)[1]
        got.append(np.mean(np.array(values[half:]) > last))
    assert share - 0.005 <= np.mean(got) <= share + 0.002


def test_a_benchmark_counts_the_same_however_many_prompts_it_has():
    many, few = [("a", 0.2)] * 900, [("b", 0.8)] * 100
    found = steps([*many, *few])
    assert found[:500] == [0.2] * 500
    assert found[500:] == [0.8] * 500
