"""The measures of the routing benchmark, on data small enough to check by hand."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench import fit_checks, labelled
from bench.answer_routers import (
    one_disagrees,
    other_benchmark,
    other_questions,
    three_disagree,
    with_checks,
    without_marks,
)
from bench.fit_complexity import SIGNALS, as_json, fit, nonnegative_fit, sums, table
from bench.keywords import keyword_score
from bench.metrics import apgr, bootstrap, call_share, figures, interval, recovered
from bench.questions import (
    PHI,
    PRO_STRONG,
    Question,
    folds,
    learnable,
    load,
    other_sources,
    question_key,
)
from bench.routing import AGREEING, Bench, Router, main_table, measured, routers, strong_table

from mmai_nb import complexity
from mmai_nb.checks import Question as Asked
from mmai_nb.checks import find_faults
from mmai_nb.complexity import fitted_weights, score

WEAK = np.array([1.0, 1, 0, 0])
STRONG = np.array([1.0, 1, 1, 1])
BEST = np.array([0.1, 0.2, 0.8, 0.9])


class TestCurve:
    def test_a_perfect_router_recovers_all_with_the_calls_that_are_needed(self):
        curve = recovered(BEST, WEAK, STRONG)
        assert curve == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1])
        assert apgr(curve) == pytest.approx(0.75)
        assert (call_share(curve, 0.5), call_share(curve, 0.8)) == pytest.approx((25, 40))

    def test_the_worst_router_recovers_nothing_before_it_must(self):
        assert apgr(recovered(-BEST, WEAK, STRONG)) == pytest.approx(0.25)

    def test_equal_scores_count_as_a_coin(self):
        curve = recovered(np.zeros(4), WEAK, STRONG)
        assert curve == pytest.approx(np.linspace(0, 1, 11))
        assert figures(curve).apgr == pytest.approx(0.5)

    def test_a_tie_is_the_mean_of_its_orders(self):
        tied = recovered(np.array([0.0, 0, 1, 1]), WEAK, np.array([1.0, 1, 1, 0]))
        first = recovered(np.array([0.0, 0, 2, 1]), WEAK, np.array([1.0, 1, 1, 0]))
        last = recovered(np.array([0.0, 0, 1, 2]), WEAK, np.array([1.0, 1, 1, 0]))
        assert tied[5] == pytest.approx((first[5] + last[5]) / 2)

    def test_a_strong_model_that_is_worse_at_times_may_be_worth_more_than_always_calling_it(self):
        curve = recovered(np.array([0.0, 1, 1]), np.array([1.0, 0, 0]), np.array([0.0, 1, 1]))
        assert max(curve) == pytest.approx(1.9)
        assert curve[-1] == pytest.approx(1)

    def test_counting_a_prompt_twice_is_having_it_twice(self):
        counts = np.array([1.0, 0, 2, 1])
        twice = np.array([0, 2, 2, 3])
        assert recovered(BEST, WEAK, STRONG, counts=counts) == pytest.approx(
            recovered(BEST[twice], WEAK[twice], STRONG[twice])
        )

    def test_without_a_gap_there_is_nothing_to_measure(self):
        with pytest.raises(ValueError, match="no gap"):
            recovered(BEST, STRONG, WEAK)

    def test_what_is_never_reached_has_no_share(self):
        assert call_share(np.array([0, 0.1, *[0.2] * 9]), 0.5) == math.inf


class TestMoney:
    def test_an_escalated_call_pays_for_both(self):
        before = recovered(BEST, WEAK, STRONG)
        after = recovered(BEST, WEAK, STRONG, weak_price=0.5)
        assert after == pytest.approx(
            np.interp(np.linspace(0, 0.5, 11), np.linspace(0, 1, 11), before)
        )
        assert call_share(after, 0.5) == pytest.approx(2 * call_share(before, 0.5))

    def test_all_the_money_of_always_strong_does_not_buy_every_escalation(self):
        coin = recovered(np.zeros(4), WEAK, STRONG, weak_price=0.2)
        assert coin[-1] == pytest.approx(0.8)


class TestBootstrap:
    def test_the_same_seed_gives_the_same_rows(self):
        scores = {"best": BEST}
        one, two = (bootstrap(scores, WEAK, STRONG, rounds=20)["best"] for _ in range(2))
        assert one.shape[1] == 3
        assert (one == two).all()

    def test_routers_are_drawn_together_so_that_a_router_never_differs_from_itself(self):
        rows = bootstrap({"a": BEST, "b": BEST * 3}, WEAK, STRONG, rounds=50)
        assert (rows["a"] == rows["b"]).all()

    def test_the_interval_holds_the_figure(self):
        draw = np.random.default_rng(1)
        weak = draw.integers(0, 2, 400).astype(float)
        strong = np.maximum(weak, draw.integers(0, 2, 400))
        scores = draw.random(400) + (strong - weak)
        low, high = interval(bootstrap({"r": scores}, weak, strong, rounds=200)["r"][:, 0])
        assert low < apgr(recovered(scores, weak, strong)) < high
        assert high - low < 0.1

    def test_rounds_without_a_gap_are_left_out(self):
        rows = bootstrap({"r": np.array([1.0, 0])}, np.array([0.0, 1]), np.ones(2), rounds=40)
        assert 0 < len(rows["r"]) < 40


class TestQuestions:
    def test_a_question_has_one_key_whatever_its_choices_and_layout(self):
        short = "What is  2 + 2?\nA. 3\nB. 4\nAnswer:"
        long = "what is 2+2 ?\nA) 3\nB) 4\nC) 5"
        assert question_key(short) == question_key(long) == "whatis22"

    def test_a_long_question_is_known_by_its_beginning(self):
        assert question_key("ab " * 300) == "ab" * 100

    def test_equal_labels_share_a_fold(self):
        found = folds(["a", "b", "a", "c", "b"])
        assert found[0] == found[2]
        assert found[1] == found[4]
        assert set(folds([str(n) for n in range(50)], 5)) == set(range(5))
        assert (folds(["a"] * 9, seed=1) == folds(["a"] * 9, seed=1)).all()

    def test_a_question_that_is_asked_in_the_test_is_not_learned_from(self, public):
        asked = [q for q in public if q.benchmark == "GSM8K"]
        left = {q.key for q in learnable(public, asked)}
        assert not left & {q.key for q in asked}

    def test_out_of_distribution_nothing_of_the_benchmark_or_its_collections_is_left(self, public):
        mmlu = [q for q in public if q.benchmark == "MMLU"]
        left = other_sources(public, mmlu)
        assert {q.benchmark for q in left} == {"GSM8K", "MMLU-Pro", "LLMRouter"}
        assert "mmlu" not in {q.source for q in left}
        assert not {q.key for q in left} & {q.key for q in mmlu}


class TestPublicData:
    def test_contaminated_rows_and_rows_without_a_label_are_left_out(self, public):
        counts = dict.fromkeys(("MMLU", "GSM8K", "MMLU-Pro", "LLMRouter"), 0)
        for question in public:
            counts[question.benchmark] += 1
        assert counts == {"MMLU": 6345, "GSM8K": 628, "MMLU-Pro": 6384, "LLMRouter": 3373}

    def test_questions_stand_in_several_files_which_is_why_splits_go_by_key(self, public):
        mmlu = {q.key for q in public if q.benchmark == "MMLU"}
        assert sum(q.key in mmlu for q in public if q.benchmark == "MMLU-Pro") > 500

    def test_scores_lie_between_0_and_1(self, public):
        for question in public:
            for value in (question.weak, question.strong, question.fails, question.mends):
                assert 0 <= value <= 1
        assert sum(q.weak_answer is not None for q in public) == 628 + 6384

    def test_a_file_of_ones_own_reads_the_same_way(self, tmp_path):
        row = {"prompt": "Q", "group": "g", "weak_score": 0.0, "strong_score": 1.0}
        kept, dropped = {**row, "contaminated": False}, {**row, "contaminated": True}
        for name in ("mmlu_mixtral_gpt4", "gsm8k_mixtral_gpt4"):
            with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt") as file:
                file.write(f"{json.dumps(kept)}\n{json.dumps(dropped)}\n")
        for name in ("mmlu_pro_29models", "ulab_llmrouter_9models"):
            gzip.open(tmp_path / f"{name}.jsonl.gz", "wt").close()
        assert [(q.benchmark, q.fails, q.mends) for q in load(tmp_path)] == [
            ("MMLU", 1.0, 1.0),
            ("GSM8K", 1.0, 1.0),
        ]


def made_up(count: int = 60) -> list[Question]:
    """Questions of which those with a name in them are the ones that a strong model mends."""
    draw = np.random.default_rng(3)
    found = []
    for number in range(count):
        hard = bool(draw.integers(0, 2))
        found.append(
            Question(
                prompt=f"so {'Anna and Otto meet' if hard else 'nobody is there'} {number}",
                benchmark="MMLU" if number % 2 else "GSM8K",
                task=f"t{number % 4}",
                source=f"s{number % 2}",
                group=f"t{number % 4}",
                weak=float(not hard),
                strong=1.0,
                fails=float(hard),
                mends=float(hard),
            )
        )
    return found


class TestFit:
    def test_a_signal_that_helps_gets_a_weight_and_one_that_misleads_gets_none(self):
        draw = np.random.default_rng(0)
        values = draw.normal(size=(4000, 3))
        chance = 1 / (1 + np.exp(-(values[:, 0] - values[:, 1])))
        target = (draw.random(4000) < chance).astype(float)
        found = nonnegative_fit(values, target, np.zeros(4000, dtype=np.int64))
        assert found[0] == pytest.approx(1, abs=0.35)
        assert found[1] == 0
        assert found[2] < 0.1

    def test_a_level_that_differs_between_tasks_teaches_nothing(self):
        level = np.repeat([0, 1], 2000)
        values = level[:, None] + np.random.default_rng(0).normal(size=(4000, 1))
        target = np.where(level, 0.9, 0.1)
        together = np.zeros(4000, dtype=np.int64)
        assert nonnegative_fit(values, target, level)[0] < 0.1
        assert nonnegative_fit(values, target, together)[0] > 0.5

    def test_the_score_says_on_average_how_often_cheap_models_fail(self):
        questions = made_up()
        weights = fit(questions, table(questions))
        assert weights.names > 0
        said = [score(q.prompt, weights=weights).score for q in questions]
        assert np.mean(said) == pytest.approx(np.mean([q.fails for q in questions]), abs=0.02)

    def test_the_sums_are_those_of_the_score(self):
        prompts = ["Prove that 2 > 1.", "hi", "What is x?\n```\na = 1\n```"]
        rows = [Question(p, "MMLU", "t", "s", "g", 0, 1, 1, 1) for p in prompts]
        z = sums(fitted_weights(), table(rows))
        assert [score(p).score for p in prompts] == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-4)

    @pytest.mark.slow
    def test_the_shipped_weights_are_those_of_the_script_and_the_same_each_time(self, public):
        rows = table(public)
        assert len(SIGNALS) == rows.shape[1]
        fitted = as_json(fit(public, rows))
        assert fitted == as_json(fit(public, rows))
        kept = Path(complexity.__file__).parent / "data" / "complexity.json"
        shipped = json.loads(kept.read_text("utf-8"))
        for name, value in json.loads(fitted).items():
            assert shipped[name] == pytest.approx(value, abs=2e-4)  # exp differs by machine


class TestRouters:
    def test_keywords_tell_code_and_reasoning_from_a_greeting(self):
        hello = keyword_score("hello")
        assert hello < keyword_score("debug this python function")
        assert hello < keyword_score("Prove and explain why")

    def test_labels_of_the_pair_are_learned_from_the_train_rows_alone(self):
        questions = made_up(80)
        words = [labelled.grams(q.prompt) for q in questions]
        shapes = np.array([labelled.shape(q.prompt) for q in questions])
        gain = np.array([q.strong - q.weak for q in questions])
        train = np.arange(80) < 60
        found = labelled.fit_labels(words, shapes, np.zeros(80), gain, train)
        assert found[gain[60:] > 0].min() > found[gain[60:] == 0].max()
        turned = np.where(train, gain, 5.0)
        assert (labelled.fit_labels(words, shapes, np.zeros(80), turned, train) == found).all()

    def test_numbers_are_one_word_and_pairs_stand_beside_words(self):
        assert labelled.grams("Add 12 pears") == {"add", "#", "pears", "add #", "# pears"}

    def test_every_shape_has_the_same_counts_whatever_the_text(self):
        lengths = {len(labelled.shape(text)) for text in ("", "a", "1 + 1 = 2?", "A\nA. b\nB. c")}
        assert len(lengths) == 1


class TestTables:
    def test_each_router_has_a_line_and_a_figure_where_it_speaks(self):
        bench = Bench(made_up())
        rows = routers(bench)
        parts = [measured(b, bench, rows, bench.benchmark == b, 20) for b in ("MMLU", "GSM8K")]
        lines = main_table(rows, parts).splitlines()
        assert len(lines) == 2 + len(rows)
        assert lines[2] == "| random | nothing | 0.500 · 50 / 80 | 0.500 · 50 / 80 | 0.500 |"
        assert {line.count("|") for line in lines} == {lines[0].count("|")}
        assert parts[0].figures["labels of the pair, other questions"].apgr > 0.6

    def test_a_router_that_reads_answers_speaks_where_there_are_some_and_pays_twice(self):
        bench = Bench(made_up())
        gain = bench.strong - bench.weak
        half = np.where(bench.benchmark == "MMLU", gain, np.nan)
        free, paid = Router("free", "", half), Router("paid", "", half, weak_price=0.5)
        here = measured("MMLU", bench, [free, paid], bench.benchmark == "MMLU", 5)
        assert here.figures["paid"].cpt50 == pytest.approx(2 * here.figures["free"].cpt50)
        assert measured("x", bench, [free], bench.benchmark == "GSM8K", 5).figures == {}


@pytest.fixture(scope="module")
def public():
    return load()


class TestAnswerRouters:
    def test_asking_other_models_is_paid_for_on_every_prompt(self):
        free = recovered(BEST, WEAK, STRONG, weak_price=0.1)
        paid = recovered(BEST, WEAK, STRONG, weak_price=0.1, others_price=0.3)
        assert paid[:3] == pytest.approx([0, 0, 0])
        assert paid[10] == pytest.approx(np.interp(0.6, np.linspace(0, 0.9, 11), free))

    def test_checks_put_what_is_broken_off_or_wrong_first_and_learn_nothing_from_the_test(
        self, some
    ):
        z = other_questions(some)
        broken = np.array([bool("truncated" in kinds(q) or "arithmetic" in kinds(q)) for q in some])
        assert broken.any()
        assert z[broken].min() > np.median(z[~broken])
        turned = [replace(q, weak=1 - q.weak) if q.key == some[0].key else q for q in some]
        assert other_questions(turned)[0] == z[0]

    def test_out_of_distribution_the_other_benchmark_alone_is_learned_from(self, some):
        z = other_benchmark(some)
        turned = [replace(q, weak=1 - q.weak) if q.benchmark == "GSM8K" else q for q in some]
        gsm8k = np.array([q.benchmark == "GSM8K" for q in some])
        assert (other_benchmark(turned)[gsm8k] == z[gsm8k]).all()
        assert (other_benchmark(turned)[~gsm8k] != z[~gsm8k]).any()

    def test_without_marks_of_format_a_cut_answer_is_like_any_other(self, some):
        z = without_marks(some)
        cut = [i for i, q in enumerate(some) if kinds(q) == {"truncated"}]
        clean = [i for i, q in enumerate(some) if not kinds(q)]
        assert cut
        assert z[cut].max() <= z[clean].max()

    def test_a_model_that_was_not_asked_says_nothing_and_the_others_agree_or_not(self, some):
        said = one_disagrees(some)
        pro = np.array([q.benchmark == "MMLU-Pro" for q in some])
        assert np.isnan(said[~pro]).all()
        assert set(said[pro]) == {0.0, 1.0}
        assert set(three_disagree([q for q in some if q.benchmark == "MMLU-Pro"])) <= {0, 1, 2, 3}

    def test_disagreement_with_checks_learns_nothing_from_the_test(self, some):
        rows = [q for q in some if q.benchmark == "MMLU-Pro"]
        z = with_checks(rows, (PHI,))
        turned = [replace(q, weak=1 - q.weak, strong=q.weak) if q is rows[0] else q for q in rows]
        assert with_checks(turned, (PHI,))[0] == z[0]
        apart = one_disagrees(rows)
        assert z[apart == 1].mean() > z[apart == 0].mean()
        assert np.isnan(with_checks(some, (PHI,))).sum() == len(some) - len(rows)

    def test_the_same_routers_are_held_against_every_strong_model(self, some):
        table = strong_table(Bench(some), 2).splitlines()
        assert all(name in table[0] for name in PRO_STRONG)
        assert [line.split(" | ")[0] for line in table[2:6]] == [f"| {name}" for name in AGREEING]

    @pytest.mark.slow
    def test_the_shipped_weights_of_the_checks_are_those_of_the_script(self, public):
        rows = fit_checks.answered(public)
        fitted = fit_checks.as_json(fit_checks.fit(rows, fit_checks.table(rows)))
        assert fitted == fit_checks.as_json(fit_checks.fit(rows, fit_checks.table(rows)))
        kept = Path(complexity.__file__).parent / "data" / "checks.json"
        shipped = json.loads(kept.read_text("utf-8"))
        for name, value in json.loads(fitted).items():
            assert shipped[name] == pytest.approx(value, abs=2e-4)  # exp differs by machine


def kinds(question):
    asked = Asked(question.prompt)
    return {finding.kind for finding in find_faults(question.weak_answer, asked)}


@pytest.fixture(scope="module")
def some(public):
    """400 answers to each of the two benchmarks that have answers."""
    return [
        question
        for name in ("GSM8K", "MMLU-Pro")
        for question in [q for q in public if q.benchmark == name][:400]
    ]
