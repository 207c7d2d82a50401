"""The cost dial: words and shares to bounds, and how many prompts then go where."""

from __future__ import annotations

import itertools
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
    limit_of,
    public_scores,
    share_of,
    tier_at,
    turned,
    wholes,
)

SHARES = (0.01, 0.05, 0.1, 0.2, 1 / 3, 0.5, 0.8, 0.95)
EVEN = tuple(i / 1000 for i in range(1, 1000))
THIRDS = (0.3, 0.6, 1.0)


def own_bounds(tiers: int) -> tuple[float, ...]:
    """Bounds that tiers may have of their own."""
    return tuple((tier + 1) / tiers for tier in range(tiers))


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


# a batch of like prompts, and what the words mean beside a share

batches = st.lists(st.integers(0, 100).map(lambda n: n / 100), min_size=50, max_size=80).map(sorted)
rising = st.lists(st.floats(0, 1), max_size=4).map(lambda found: (*sorted(found), 1.0))
turns = st.sampled_from([*PREFERENCES, 0.0, 0.1, 0.3, 0.7, 1.0])


@pytest.mark.parametrize("turn", ["cheap", "balanced", 0.2])
def test_a_batch_of_like_prompts_does_not_pull_the_bounds_down_to_itself(turn):
    alone = turned(turn, [0.148] * 60, THIRDS, "here")
    found = turned(turn, [0.148] * 60, THIRDS, "here", public_scores())
    assert alone.bounds[1] < 0.61  # the batch itself, or with cheap what the tiers say
    assert found.bounds[0] > 0.2
    assert found.bounds[1] > 0.4


@given(turns.filter(lambda turn: turn != "quality"), batches, rising)
def test_the_limit_holds_for_the_own_prompts_whatever_the_public_ones_are(turn, past, own):
    found = turned(turn, past, own, "here", public_scores())
    assert len(own) == 1 or found.expected[-1] <= share_of(turn) + 1e-9


@given(batches, rising, st.booleans())
def test_cheap_sends_no_prompt_to_a_dearer_tier_than_without_the_dial(past, own, mixed):
    bounds = turned("cheap", past, own, "here", public_scores() if mixed else ()).bounds
    assert all(tier_at(s, bounds) <= tier_at(s, own) for s in (*EVEN, 0.0, 1.0, *past))


@given(batches, rising, st.booleans())
def test_quality_sends_no_prompt_to_a_cheaper_tier_than_without_the_dial(past, own, mixed):
    bounds = turned("quality", past, own, "here", public_scores() if mixed else ()).bounds
    assert all(tier_at(s, bounds) >= tier_at(s, own) for s in (*EVEN, 0.0, 1.0, *past))


@given(batches, rising, st.booleans())
def test_the_words_stay_in_their_order_and_their_bounds_rise(past, own, mixed):
    public = public_scores() if mixed else ()
    found = [turned(word, past, own, "here", public).bounds for word in PREFERENCES]
    for dearer, cheaper in itertools.pairwise(reversed(found)):
        assert all(a <= b for a, b in zip(dearer, cheaper, strict=True))
    assert all(list(bounds) == sorted(bounds) for bounds in found)


def test_balanced_and_a_share_of_ones_own_are_not_held_to_the_tiers_bounds():
    own = (0.05, 0.95, 1.0)
    for turn in ("balanced", 0.05, 0.5):
        assert turned(turn, EVEN, own, "here").bounds == bounds_for(share_of(turn), EVEN, 3)


# words


@pytest.mark.parametrize(
    ("prefer", "count", "said"),
    [
        ("cheap", 3, "prefer cheap: at most 5 % to top (thresholds 0.634, 0.95 from here)"),
        (0.125, 2, "prefer 12.5 %: at most 12.5 % to top (threshold 0.875 from here)"),
        (0, 2, "prefer 0 %: none to top (threshold 1 from here)"),
        (1, 3, "prefer 100 %: every prompt goes to top"),
        ("cheap", 1, "prefer cheap: no choice, top is the only tier"),
    ],
)
def test_the_dial_tells_itself_in_one_line(prefer, count, said):
    assert turned(prefer, EVEN, own_bounds(count), "here").said("top") == said


@pytest.mark.parametrize(
    ("prefer", "count", "says"),
    [
        (0.25, 3, "At most 25 % of prompts go to top."),
        (0, 3, "No prompt goes to top, unless it fits nowhere else."),
        (1, 3, "Every prompt goes to top."),
        ("cheap", 1, "top is the only tier: there is nothing to choose."),
        (
            "cheap",
            3,
            "At most 5 % of prompts go to top; none to a dearer tier than without the dial.",
        ),
        ("balanced", 3, "At most 20 % of prompts go to top."),
        (
            "quality",
            3,
            "About 50 % of prompts go to top; none to a cheaper tier than without the dial.",
        ),
    ],
)
def test_the_limit_is_a_sentence(prefer, count, says):
    assert turned(prefer, EVEN, own_bounds(count), "here").limit_said("top", ()) == says


def test_what_is_asked_for_and_what_ones_own_prompts_come_to_stand_in_one_sentence():
    easy = [at / 100 for at in range(30)] + [0.9] * 2
    dial = turned("quality", easy, own_bounds(2), "here", public_scores())
    last = f"{wholes(dial.expected)[-1]} of your last ones would"
    assert dial.expected[-1] < 0.1
    assert dial.limit_said("top", ()) == (
        f"About 50 % of prompts may go to top, and {last}; "
        "none to a cheaper tier than without the dial."
    )


def test_the_shares_are_told_by_tier():
    said = turned("balanced", EVEN, THIRDS, "here").shares_said(["low", "mid", "top"])
    assert said == "low up to 0.534 (53 %) · mid up to 0.8 (27 %) · top (20 %)"
    always = turned(1, EVEN, own_bounds(2), "here").shares_said(["low", "top"])
    assert always == "low, none (0 %) · top (100 %)"


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=10).filter(any))
def test_shares_in_whole_percent_add_up_to_100(counts):
    shown = [int(text.removesuffix(" %")) for text in wholes([n / sum(counts) for n in counts])]
    assert sum(shown) == 100
    assert all(abs(a - 100 * n / sum(counts)) < 1 for a, n in zip(shown, counts, strict=True))


def test_no_shares_are_none():
    assert wholes(()) == []


def test_ten_tiers_are_told_in_a_short_line():
    assert len(said_of_ten()) < 150


def said_of_ten() -> str:
    own = "your last 1,000 prompts"
    return turned("quality", EVEN, own_bounds(10), own, public_scores()).said("top")


# the public scores


def test_the_public_scores_are_a_thousand_in_rising_order():
    found = public_scores()
    assert len(found) == STEPS
    assert list(found) == sorted(found)


@pytest.mark.parametrize("word", PREFERENCES)
def test_the_model_card_has_the_bounds_of_each_word(word):
    card = (Path(mmai_nb.__file__).parent / "data" / "complexity.md").read_text("utf-8")
    dial = turned(word, public_scores(), THIRDS, "")
    assert f"| {word} | {limit_of(word)} | {dial.between} |" in card


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
