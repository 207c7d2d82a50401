"""What votes teach: little when they are few, within bounds, and only where it helps."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb.calibration import LEARNED, Calibration, Figures, Label
from mmai_nb.complexity import fitted_weights, score, with_offsets
from mmai_nb.fitting import FEWEST_FOR_WORDS, calibrate, fit, rescaling
from mmai_nb.signals import WORD_NUMBERS, read_signals, read_words

TWO = (0.3, 1.0)
THREE = (0.3, 0.6, 1.0)

shares = (st.floats(0, 3) | st.floats(0, 100)).map(lambda value: round(value, 3))
any_labels = st.lists(
    st.builds(
        Label,
        signals=st.dictionaries(st.sampled_from(LEARNED), shares, max_size=4),
        tier=st.integers(0, 3),
        enough=st.none() | st.booleans(),
        gain=st.none() | st.sampled_from([0.0, 0.5, 1.0]),
        words=st.lists(st.integers(0, WORD_NUMBERS - 1), max_size=4, unique=True).map(tuple),
    ),
    max_size=60,
)


def label(text: str, **known: Any) -> Label:
    return Label(read_signals(text), words=read_words(text), **known)


def a_user(count: int, seed: int = 0) -> list[Label]:
    """Pairs of one whose prompts on tides are worth the dearer model, and no others."""
    draw, found = np.random.default_rng(seed), []
    for at in range(count):
        of_tides = at % 2 == 0
        topic = "tides and harbours" if of_tides else "stamps and albums"
        text = f"Tell me of {topic} {' '.join(['word'] * int(draw.integers(1, 40)))}"
        found.append(label(text, enough=not of_tides, gain=1.0 if of_tides else 0.5))
    return found


class TestFewVotes:
    def test_without_labels_nothing_moves(self):
        assert fit([], TWO) == Calibration({}, bounds=TWO)

    @pytest.mark.parametrize("enough", [True, False])
    def test_one_vote_moves_the_level_by_next_to_nothing(self, enough):
        made = fit([label("What is the capital of Peru?", enough=enough)], TWO)
        assert set(made.offsets) == {"bias"}
        assert abs(made.offsets["bias"]) < 0.25
        assert (made.offsets["bias"] < 0) is enough

    def test_more_votes_move_more(self):
        moves = [
            fit([label(f"Why {n}?", enough=False) for n in range(count)], TWO).level
            for count in (1, 5, 20, 100)
        ]
        assert moves == sorted(moves)
        assert moves[0] < moves[-1] / 3

    def test_single_votes_move_the_level_alone(self):
        votes = [label(f"Sort {n} of them", enough=n % 3 == 0) for n in range(200)]
        assert set(fit(votes, TWO).offsets) == {"bias"}

    def test_words_count_only_with_many_pairs(self):
        few, _ = calibrate(a_user(FEWEST_FOR_WORDS - 2), TWO)
        many, _ = calibrate(a_user(200), TWO)
        assert not few.words
        assert many.words


class TestOrderAlone:
    def test_pairs_may_teach_the_order_where_the_level_cannot_be_told(self):
        kinds = {
            "What is {}?": 0,
            "Explain {} in detail and give two examples with code": 1,
            "Prove that {} is irrational": 0,
            "List {} things": 0,
            "Design a system for {} users, compare options, and write tests": 1,
            "translate {} to French": 0,
            "def f(x):\n    return x+{}\nwhy does this fail?": 1,
        }
        pairs = [
            label(text.format(n), enough=not worth, gain=1.0 if worth else 0.5)
            for n in range(40)
            for text, worth in kinds.items()
        ]
        made, figures = calibrate(pairs, TWO)
        assert figures.helps
        assert figures.ranks_after > figures.ranks_before + 0.03
        assert (made.level, made.bounds) == (0.0, TWO)


class TestAllTheSame:
    @pytest.mark.parametrize("enough", [True, False])
    def test_a_thousand_equal_votes_move_the_level_as_far_as_votes_may(self, enough):
        made = fit([label(f"Why {n % 7}?", enough=enough) for n in range(1000)], TWO)
        assert abs(made.level) <= 1.5
        assert set(made.offsets) == {"bias"}

    def test_votes_that_contradict_each_other_are_no_help(self):
        votes = [
            label("Prove that there are infinitely many primes.", enough=n % 2 == 0)
            for n in range(60)
        ]
        made, figures = calibrate(votes, TWO)
        assert figures.right_after == pytest.approx(0.5)
        assert 0.3 < math.exp(-figures.loss_after) < 0.6
        assert abs(made.level) < 1.5


class TestReach:
    """The router sends easy prompts alone to the cheap tier, so most votes on it are of those."""

    def test_good_answers_to_easy_prompts_do_not_send_hard_ones_to_the_cheap_tier(self):
        votes = [
            label(f"What is the capital of {'x ' * (n % 9)}?", enough=True) for n in range(300)
        ]
        assert -0.5 <= fit(votes, TWO).level < 0

    def test_good_answers_to_hard_prompts_do(self):
        hard = "Prove that {}the mean minimises the squared error, and explain why."
        votes = [label(hard.format("x " * (n % 9)), enough=True) for n in range(300)]
        assert fit(votes, TWO).level < -1

    def test_poor_answers_near_the_bound_keep_it_where_good_ones_are_far_from_it(self):
        easy = [label(f"Hi {'x ' * (n % 9)}", enough=True) for n in range(200)]
        near = [label(f"Explain {'x ' * (n % 9)}", enough=n % 2 == 0) for n in range(60)]
        assert fit(easy, TWO).level < 0
        assert fit([*easy, *near], TWO).level == 0


class TestHelps:
    def test_a_user_whose_words_tell_is_understood(self):
        made, figures = calibrate(a_user(200), TWO)
        assert figures.helps
        assert figures.ranks_after > figures.ranks_before + 0.2
        assert figures.loss_after < figures.loss_before
        tides = score("Tell me of tides", offsets=made.offsets, words=made.words)
        stamps = score("Tell me of stamps", offsets=made.offsets, words=made.words)
        assert tides.score > stamps.score + 0.2

    def test_votes_drawn_by_chance_rarely_help(self):
        kept = 0
        for seed in range(10):
            draw = np.random.default_rng(seed)
            base = [label(f"Explain {'word ' * int(draw.integers(1, 90))}") for _ in range(100)]
            votes = []
            for one in base:
                z = sum(getattr(fitted_weights(), n) * v for n, v in one.signals.items())
                chance = 1 / (1 + math.exp(-z - fitted_weights().bias))
                votes.append(replace(one, enough=bool(draw.random() > chance)))
            kept += calibrate(votes, TWO)[1].helps
        assert kept <= 3

    def test_what_sends_fewer_prompts_to_the_right_tier_does_not_help(self):
        less_surprised = Figures(votes=64, loss_before=0.49, loss_after=0.45, loss_error=0.02)
        assert less_surprised.helps
        for fall, helps in ((0.05, True), (0.25, False)):
            after = replace(
                less_surprised, right_before=1.0, right_after=1.0 - fall, right_error=0.06
            )
            assert after.helps == helps

    def test_the_figures_are_of_votes_that_were_not_fitted_on(self):
        votes = [label(f"Note {'word ' * n}", enough=n % 2 == 0, gain=0.5) for n in range(80)]
        assert calibrate(votes, TWO)[1].right_after < 0.75

    def test_equal_prompts_never_stand_on_both_sides(self):
        votes = [label("Why?", enough=True) for _ in range(40)]
        _, figures = calibrate(votes, TWO)
        assert figures.loss_after == pytest.approx(figures.loss_before)


class TestTiers:
    def test_the_first_bound_is_the_users_and_stays(self):
        votes = [label(f"Why {n}?", tier=n % 2, enough=n % 3 == 0) for n in range(90)]
        assert fit(votes, THREE).bounds[0] == 0.3

    def test_a_middle_tier_that_does_well_serves_further_up(self):
        text = "Explain in detail how a compiler allocates registers, and compare two ways."
        well = [label(text, tier=1, enough=True) for _ in range(40)]
        badly = [label(text, tier=1, enough=False) for _ in range(40)]
        fails = [label(text, tier=0, enough=False) for _ in range(40)]
        assert fit([*well, *fails], THREE).bounds[1] > 0.6
        assert fit([*badly, *fails], THREE).bounds[1] < fit([*well, *fails], THREE).bounds[1]

    def test_a_vote_on_the_strongest_tier_says_nothing(self):
        assert fit([label("Why?", tier=1, enough=False)] * 50, TWO) == fit([], TWO)

    def test_bounds_hold_only_for_the_tiers_they_were_made_for(self):
        made = Calibration({}, {}, (0.3, 0.7, 1.0), ("a", "b", "c"), THREE)
        assert made.bounds_for(["a", "b", "c"], THREE) == (0.3, 0.7, 1.0)
        assert made.bounds_for(["a", "b", "d"], THREE) == ()
        assert made.bounds_for(["a", "b", "c"], (0.2, 0.6, 1.0)) == ()


class TestBounds:
    @given(any_labels, st.sampled_from([TWO, THREE, (1.0,), (0.01, 0.02, 0.99, 1.0)]))
    def test_whatever_is_voted_what_comes_out_can_be_read_back(self, labels, up_to):
        made = replace(fit(labels, up_to), tiers=tuple(map(str, up_to)), up_to=up_to)
        slope, shift = rescaling(labels, None, made)
        made = replace(made, slope=slope, shift=shift)
        assert Calibration.from_json(json.loads(json.dumps(made.as_json()))) == made

    @given(any_labels)
    def test_no_signal_ever_makes_a_prompt_look_easier(self, labels):
        moved = with_offsets(fitted_weights(), fit(labels, TWO).offsets)
        assert all(getattr(moved, n) >= 0 for n in LEARNED if n != "opening")

    def test_the_words_of_a_prompt_can_only_do_so_much(self):
        heavy = dict.fromkeys(range(WORD_NUMBERS), 3.0)
        light = score("one two three four", words={})
        moved = score("one two three four", words=heavy)
        assert math.log(moved.score / (1 - moved.score)) - math.log(
            light.score / (1 - light.score)
        ) == pytest.approx(1.5, abs=0.01)


class TestRescaling:
    def test_an_older_score_comes_to_what_the_prompt_scores_now(self):
        votes = a_user(200)
        made = fit(votes, TWO, how="scale")
        slope, shift = rescaling(votes, None, made)
        made = replace(made, slope=slope, shift=shift)
        for text in (
            "Tell me of tides and harbours word word",
            "Tell me of stamps and albums word",
        ):
            now = score(text, offsets=made.offsets, words=made.words)
            assert made.rescaled(now.shipped) == pytest.approx(now.score, abs=0.05)

    def test_without_votes_it_stays_as_it_is(self):
        assert rescaling([], None, Calibration({})) == (1.0, 0.0)
        assert Calibration({}).rescaled(0.4) == pytest.approx(0.4)

    @given(st.floats(0, 1))
    def test_it_is_a_score_again(self, old):
        assert 0 <= Calibration({}, slope=2.0, shift=-3.0).rescaled(old) <= 1


GOOD = Calibration(
    {"bias": 0.4, "code": 0.2}, {7: 0.5}, (0.3, 1.0), ("a", "b"), TWO, votes=30, created=1e9
).as_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"offsets": {"nothing": 0.1}},
        {"offsets": {"again": 0.1}},
        {"offsets": {"code": 9.0}},
        {"offsets": {"code": float("nan")}},
        {"offsets": {"code": "0.1"}},
        {"offsets": {"code": True}},
        {"offsets": ["code"]},
        {"offsets": {"bias": 1e9}},
        {"words": {"x": 0.1}},
        {"words": {"-1": 0.1}},
        {"words": {"99999": 0.1}},
        {"words": {"7": 40}},
        {"bounds": [0.3, 0.9]},
        {"bounds": [1.0, 0.3]},
        {"bounds": [0.3]},
        {"bounds": [-1, 1]},
        {"bounds": "ab"},
        {"votes": None},
        {"votes": "12"},
        {"votes": -5},
        {"votes": 10**400},
        {"figures": {"right_before": 1e300}},
        {"figures": {"loss_before": None}},
        {"figures": {"pairs": 10**30}},
        {"created": 1e18},
        {"created": -1e300},
        {"up_to": [0.0, 1.0]},
        {"up_to": [1.0, 0.3]},
        {"figures": {"votes": [1]}},
        {"figures": {"more": 1}},
        {"figures": None},
        {"created": 10**400},
        {"slope": -1},
        {"slope": 1e9},
        {"shift": 1e9},
        {"tiers": None},
        {"tiers": ["a", "\x1b[31m"]},
        {"tiers": ["a", "b" * 300]},
    ],
    ids=str,
)
def test_a_hostile_calibration_is_refused(changes):
    with pytest.raises(ValueError):
        Calibration.from_json({**GOOD, **changes})


def test_a_sound_calibration_is_taken():
    assert Calibration.from_json(GOOD).offsets == {"bias": 0.4, "code": 0.2}


def test_a_missing_field_is_refused():
    for name in GOOD:
        with pytest.raises(ValueError):
            Calibration.from_json({n: v for n, v in GOOD.items() if n != name})


def test_nothing_voted_is_no_help():
    assert not Figures().helps
