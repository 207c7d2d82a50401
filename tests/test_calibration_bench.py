"""The simulation of votes on public data: the shape of what they give as they grow."""

from __future__ import annotations

import pytest
from bench.calibration import (
    NONE,
    Simulation,
    called_good,
    escalation_label,
    simulated,
    single_label,
)
from bench.questions import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def mmlu() -> Simulation:
    return Simulation("MMLU", load())


@pytest.fixture(scope="module")
def pro() -> Simulation:
    return Simulation("MMLU-Pro", load())


def test_without_votes_nothing_changes(mmlu):
    assert simulated(mmlu, 0, 2) == simulated(mmlu, 0, 2, single_label)
    assert all(
        (one.gain, one.right, one.kept) == (0.0, 0.0, False) for one in simulated(mmlu, 0, 2)
    )


@pytest.mark.parametrize("size", [30, 45])
def test_few_votes_never_change_the_ranking_and_never_harm_the_tiers(mmlu, pro, size):
    for simulation in (mmlu, pro):
        for one in simulated(simulation, size, 4):
            assert abs(one.gain) < 0.002
            assert one.right > -0.02


def test_many_votes_rank_better_than_none(mmlu, pro):
    for simulation in (mmlu, pro):
        found = simulated(simulation, 1500, 2)
        assert all(one.kept for one in found)
        assert sum(one.gain for one in found) / len(found) > 0.01


def test_escalations_that_are_judged_rank_better_too(pro):
    (found,) = simulated(pro, 1500, 1, escalation_label)
    assert found.gain > 0.01


def test_a_word_on_a_mean_is_drawn_as_often_as_the_mean_says():
    rows = [q for q in load() if q.benchmark == "LLMRouter"]
    said = [called_good(q, "cheap", q.weak) for q in rows]
    assert sum(said) / len(said) == pytest.approx(sum(q.weak for q in rows) / len(rows), abs=0.02)
    assert all(good == q.weak for good, q in zip(said, rows, strict=True) if q.weak in (0, 1))


def test_judged_escalations_never_rank_worse_where_scores_are_graded():
    simulation = Simulation("LLMRouter", load())
    assert all(one.gain > -0.005 for one in simulated(simulation, 1500, 2, escalation_label))


def test_single_votes_move_the_level_and_leave_the_ranking_alone(mmlu):
    few, many = (simulated(mmlu, size, 3, single_label) for size in (30, 300))
    assert all(abs(one.gain) < 1e-9 for one in (*few, *many))
    assert sum(one.right for one in many) / 3 > 0.1
    assert sum(one.right for one in many) >= sum(one.right for one in few)


def test_what_is_measured_on_was_never_voted_on(mmlu):
    asked = {mmlu.questions[at].key for at in mmlu.train}
    assert not asked & {mmlu.questions[at].key for at in mmlu.test}
    assert 0.5 < mmlu.apgr(NONE) < 0.6
