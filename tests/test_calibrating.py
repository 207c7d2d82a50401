"""`%ai calibrate` as a user meets it: from votes to other routes, and back."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from support.scripted import Scripted, settings_of

import mmai_nb as ai
from mmai_nb import calibrating
from mmai_nb import engine as engines
from mmai_nb.caching import AnswerCache
from mmai_nb.calibrating import ACTIONS, Report
from mmai_nb.calibration import Calibration, Figures, Label
from mmai_nb.engine import Engine
from mmai_nb.errors import ConfigError, OptionError
from mmai_nb.ledger import Ledger
from mmai_nb.settings import Settings
from mmai_nb.votes import Taught

THREE = [
    {"name": "simple", "up_to": 0.3, "chain": ["small"]},
    {"name": "middle", "up_to": 0.6, "chain": ["small", "large"]},
    {"name": "complex", "up_to": 1.0, "chain": ["large"]},
]
TRICKY = "Prove that {} holds for every natural number, step by step, and explain why."
QUICK = "What is the capital of {}?"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = house(tmp_path)
    monkeypatch.setattr(engines, "_default", made)
    yield made
    made.close()


def house(folder: Path, **settings: Any) -> Engine:
    return Engine(
        settings_of(**settings),
        call=Scripted(),
        ledger=Ledger(folder / "ledger.sqlite3"),
        cache=AnswerCache(folder / "cache"),
        sleep=lambda seconds: None,
    )


def vote_often(*, tricky: str = "good", quick: str = "good", count: int = 20) -> None:
    """A user for whom the cheap model is as good as these words say, asked of each kind."""
    for number in range(count):
        for text, word in ((TRICKY, tricky), (QUICK, quick)):
            ai.ask(text.format(f"law{number} {'x ' * number}"), tier="simple")
            ai.vote(word)


def moved(settings: Settings) -> Calibration:
    """A calibration of these tiers that moves the second bound."""
    tiers = tuple(tier.name for tier in settings.tiers)
    up_to = tuple(tier.up_to for tier in settings.tiers)
    return Calibration({"bias": 0.3}, {}, (0.3, 0.8, 1.0), tiers, up_to, votes=30)


class TestFit:
    def test_a_user_whom_the_cheap_model_serves_well_goes_to_it_more_often(self, engine):
        text = "Explain to me how a lock works."
        before = ai.route(text).complexity.score
        vote_often()
        report = ai.calibrate()
        assert report.saved
        assert report.figures.helps
        after = ai.route(text).complexity
        assert after.score < before
        assert after.shipped == before

    def test_a_user_whom_it_serves_badly_goes_to_it_less_often(self, engine):
        before = ai.route(QUICK.format("Peru")).complexity.score
        vote_often(count=6)
        vote_often(quick="poor", tricky="poor")
        assert ai.calibrate().saved
        assert ai.route(QUICK.format("Peru")).complexity.score > before

    def test_who_votes_only_where_something_went_wrong_does_not_pay_more_for_all(self, engine):
        for number in range(25):
            ai.ask(QUICK.format(f"land {number} {'x ' * number}"), tier="simple")
            ai.escalate()
            ai.vote("good")
        report = ai.calibrate()
        assert not report.saved
        assert report.figures.helps
        assert "nearly all of these votes are poor" in repr(report)
        assert ai.calibrate("force").saved

    def test_the_route_says_that_votes_moved_the_score(self, engine):
        vote_often()
        before = ai.route(QUICK.format("Peru")).complexity.score
        ai.calibrate()
        reasons = ai.route(QUICK.format("Peru")).reasons
        assert any(f"{before:.2f} before your votes" in reason for reason in reasons)
        assert "before your votes" in ai.ask(QUICK.format("Peru")).route.reasons[0]

    def test_too_few_votes_say_how_many_are_needed(self, engine):
        vote_often(count=3)
        report = ai.calibrate()
        assert not report.saved
        assert "6 votes" in repr(report)
        assert "14 more are needed" in repr(report)
        assert report.calibration is None

    def test_where_it_does_not_help_things_stay_as_they_are(self, engine):
        vote_often(tricky="poor")
        report = ai.calibrate()
        assert not report.saved
        assert "nothing has changed" in repr(report)
        assert not engine.learned(engine.settings).path.exists()

    def test_force_puts_it_in_force_all_the_same(self, engine):
        vote_often(tricky="poor")
        assert ai.calibrate("force").saved
        assert ai.calibrate("show").calibration is not None

    def test_votes_with_log_text_off_teach_as_well(self, engine):
        engine.configure({"log_text": False})
        vote_often()
        assert ai.calibrate().saved

    def test_a_dearer_answer_one_saw_teaches_what_signals_count(self, engine):
        for number in range(30):
            for text, better in ((TRICKY, "good"), (QUICK, "poor")):
                ai.ask(text.format(f"law{number} {'x ' * number}"), tier="simple")
                ai.escalate()
                ai.vote(better)
        report = ai.calibrate()
        assert report.taught.pairs == 60
        assert report.figures.ranks_after is not None

    def test_votes_on_comparisons_count(self, engine):
        for number in range(12):
            for text, winner in ((TRICKY, "large"), (QUICK, "tie")):
                prompt = text.format(f"law{number} {'x ' * number}")
                ai.compare(prompt, ["small", "large"]).vote(winner)
        report = ai.calibrate()
        assert (report.taught.judged, report.taught.pairs) == (24, 24)

    def test_a_budget_and_a_named_model_are_not_touched_by_it(self, engine):
        vote_often()
        ai.calibrate()
        assert ai.ask("hello there", model="large").model == "large"

    def test_the_cost_of_past_calls_is_foretold(self, engine):
        for number in range(6):
            ai.ask(f"Explain how law{number} works, and give an example.")
        vote_often(quick="poor", tricky="poor")
        outcome = ai.calibrate().outcome
        assert outcome.calls == 6
        assert outcome.before_usd > 0
        assert (outcome.up > 0) == (outcome.after_usd > outcome.before_usd)

    def test_an_unknown_price_is_said(self, engine):
        ai.ask("Explain how a lock works.")
        vote_often()
        engine.configure({"models": {"small": {"input_price": None, "output_price": None}}})
        assert "a price is unknown" in repr(ai.calibrate("force"))


class TestAfterwards:
    def test_undo_brings_the_shipped_score_back(self, engine):
        before = ai.route(QUICK.format("Peru")).complexity
        vote_often()
        ai.calibrate()
        assert "scored as shipped" in repr(ai.calibrate("undo"))
        assert ai.route(QUICK.format("Peru")).complexity == before

    def test_reset_brings_it_back_from_any_number_of_calibrations(self, engine):
        before = ai.route(QUICK.format("Peru")).complexity
        vote_often()
        ai.calibrate("force")
        ai.calibrate("force")
        assert "scored as shipped" in repr(ai.calibrate("reset"))
        assert ai.route(QUICK.format("Peru")).complexity == before

    def test_what_was_made_for_other_tiers_says_so_and_names_none_of_their_bounds(self, engine):
        engine.configure({"tiers": THREE})
        engine.learned(engine.settings).save(moved(engine.settings))
        assert "middle serves up to a score of 0.80" in repr(ai.calibrate("show"))
        engine.configure({"tiers": {"middle": {"up_to": 0.7}}})
        assert "0.80" not in repr(ai.calibrate("show"))
        assert "made for other tiers" in repr(ai.calibrate("show"))

    def test_another_kernel_sees_it_at_its_next_call(self, engine, tmp_path):
        other = house(tmp_path)
        request = "Explain how a lock works."
        assert other.ask(request).route.complexity.shipped is None
        vote_often()
        ai.calibrate()
        assert other.ask(request).route.complexity.shipped is not None
        other.close()

    def test_it_is_kept_in_the_data_folder_for_its_owner_alone(self, engine):
        vote_often()
        ai.calibrate()
        path = Path(engine.settings.ledger_file).parent / "calibration.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_undo_says_what_is_in_force_again(self, engine):
        vote_often()
        ai.calibrate()
        ai.calibrate("force")
        assert repr(ai.calibrate("undo")) == (
            "taken back: in force again is the one before it, from 40 votes; "
            "%ai calibrate undo takes that back, too"
        )

    def test_no_text_stands_in_it(self, engine):
        vote_often()
        ai.calibrate()
        held = engine.learned(engine.settings).path.read_text().lower()
        assert not any(word in held for word in ("capital", "natural", "law1"))

    def test_it_can_be_taken_to_another_machine(self, engine, tmp_path):
        vote_often()
        made = ai.calibrate().calibration
        ai.calibrate("export", tmp_path / "mine.json")
        ai.calibrate("undo")
        brought = ai.calibrate("import", str(tmp_path / "mine.json")).calibration
        assert (brought.offsets, brought.bounds) == (made.offsets, made.bounds)
        assert ai.calibrate("show").calibration == brought

    def test_a_hostile_file_is_refused_and_changes_nothing(self, engine, tmp_path):
        vote_often()
        made = ai.calibrate().calibration
        held = {**made.as_json(), "offsets": {"bias": 1e9}}
        (tmp_path / "bad.json").write_text(json.dumps(held))
        with pytest.raises(OptionError, match="bias is moved by"):
            ai.calibrate("import", tmp_path / "bad.json")
        assert ai.calibrate("show").calibration == made

    def test_a_damaged_file_costs_a_warning_and_no_answer(self, engine):
        path = engine.learned(engine.settings).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{")
        with pytest.warns(RuntimeWarning, match=r"calibration\.json is not used"):
            assert ai.ask(QUICK.format("Peru")).route.tier == "simple"

    def test_the_cost_dial_goes_before_its_bounds_and_the_score_stays_calibrated(self, engine):
        engine.configure({"tiers": THREE})
        learned = engine.learned(engine.settings)
        learned.save(moved(engine.settings))
        assert ai.ask("hello there").route.bounds == (0.3, 0.8, 1.0)
        dialed = ai.ask("hello again there", prefer="quality").route
        assert dialed.bounds != (0.3, 0.8, 1.0)
        assert dialed.complexity.shipped is not None

    def test_the_dial_keeps_its_share_when_votes_move_all_scores(self, engine):
        for number in range(30):
            for text in (TRICKY, QUICK):
                ai.ask(text.format(f"law{number} {'x ' * number}"))
        longest = TRICKY.format(f"law29 {'x ' * 29}")
        before = [ai.route(text, prefer="balanced") for text in (longest, QUICK.format("Peru"))]
        vote_often()
        assert ai.calibrate().saved
        engine.thresholds.refresh()
        after = [ai.route(text, prefer="balanced") for text in (longest, QUICK.format("Peru"))]
        assert [r.tier for r in after] == [r.tier for r in before] == ["complex", "simple"]
        assert after[0].complexity.score < before[0].bounds[0]

    def test_its_bounds_end_with_the_tiers_they_were_made_for(self, engine):
        engine.configure({"tiers": THREE})
        engine.learned(engine.settings).save(moved(engine.settings))
        engine.configure({"tiers": {"middle": {"up_to": 0.7}}})
        assert ai.ask("hello there").route.bounds == (0.3, 0.7, 1.0)
        assert ai.last().route.complexity.shipped is not None

    def test_the_demos_votes_calibrate_the_demo_alone(self, engine):
        assert engine.learned(engine.settings_of(simulated=True)).path.name.endswith("demo.json")
        assert engine.learned(engine.settings).path.name == "calibration.json"

    def test_a_folder_that_cannot_be_written_to_is_one_line(self, engine, tmp_path, monkeypatch):
        vote_often()

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("mmai_nb.learned.write_json", full)
        with pytest.raises(ConfigError, match="cannot be written"):
            ai.calibrate()
        assert ai.calibrate("show").calibration is None


class TestReport:
    def test_it_shows_itself_as_a_table(self, engine):
        vote_often()
        report = ai.calibrate()
        assert isinstance(report, Report)
        lines = repr(report).splitlines()
        assert lines[0] == "40 votes, of which 40 tell whether a tier was good enough"
        assert any(line.startswith("sent to the right tier") for line in lines)
        assert any("simple is good enough more often than the score said" in x for x in lines)
        assert all(len(line) <= 100 for line in lines)
        assert repr(report) in report._repr_mimebundle_()["text/plain"]

    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            ([(True, None), None], "2 votes, of which 1 tells whether a tier was good enough"),
            (
                [(True, 0.5), (None, 0.5), (False, None)],
                "3 votes, of which 2 tell whether a tier was good enough, 2 what a dearer answer "
                "gains (1 both)",
            ),
            (
                [(True, None), (None, 0.5)],
                "2 votes, of which 1 tells whether a tier was good enough, 1 what a dearer answer "
                "gains (none both)",
            ),
            (
                [(True, 0.5)],
                "1 vote, of which 1 tells whether a tier was good enough, 1 what a dearer answer "
                "gains",
            ),
        ],
    )
    def test_the_numbers_of_votes_add_up(self, labels, said):
        made = tuple(Label({}, 0, *each, ()) for each in labels if each)
        assert calibrating._counted(Taught(made, len(labels), {}))[0] == said

    @pytest.mark.parametrize(
        ("after", "error", "ends"),
        [
            (16 / 27, 0.037, "0.63     0.59   of 27; falls by 0.037 ± 0.037: no clear loss"),
            (10 / 27, 0.101, "0.63     0.37   of 27; falls by 0.259 ± 0.101"),
            (17 / 27, 0.0, "0.63     0.63   of 27"),
            (20 / 27, 0.08, "0.63     0.74   of 27"),
        ],
    )
    def test_where_fewer_go_to_the_right_tier_its_error_tells_whether_that_is_clear(
        self, engine, after, error, ends
    ):
        figures = Figures(27, 17 / 27, after, error, 0.7, 0.6, 0.02)
        learned = engine.learned(engine.settings)
        learned.save(Calibration({"bias": 0.3}, {}, votes=30, figures=figures))
        lines = repr(ai.calibrate("show")).splitlines()
        assert next(x for x in lines if x.startswith("sent to the right tier")).endswith(ends)
        assert figures.sends_wrong == (ends.endswith("0.101"))

    def test_its_figures_are_a_frame_too(self, engine):
        empty = ai.calibrate("show").frame()
        vote_often()
        full = ai.calibrate().frame()
        assert list(full.index) == ["right_tier", "log_loss", "ranking", "cost_usd"]
        assert list(full.dtypes) == list(empty.dtypes)

    def test_show_tells_it_again(self, engine):
        vote_often()
        made = ai.calibrate()
        again = ai.calibrate("show")
        assert again.calibration == made.calibration
        assert "in force since" in repr(again)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("fti",), "did you mean 'fit'"),
        ((7,), "calibrate takes"),
        (("export",), "needs the path"),
        (("undo", "x"), "takes no path"),
        (("import", ""), "path of a file is needed"),
        (("import", "nowhere.json"), "No such file"),
        (("export", "x.json"), "nothing to export"),
        (("undo",), "none to take back"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_line(engine, given, says):
    with pytest.raises(OptionError, match=says) as caught:
        ai.calibrate(*given)
    assert len(str(caught.value)) <= 200
    assert len(str(caught.value).splitlines()) == 1


def test_the_magic_does_all_that_the_function_does(play, tmp_path):
    assert "20 more are needed" in repr(play("%ai calibrate").value)
    for action in ACTIONS:
        path = f" {tmp_path / 'x.json'}" if action in ("export", "import") else ""
        shown = play(f"%ai calibrate {action}{path}")
        assert shown.ok or len(shown.lines) == 1
    assert play.call.calls == []


def test_a_sentence_that_begins_with_calibrate_is_a_question(play):
    play("%ai calibrate my oven for bread")
    assert play.call.calls[0][0].prompt == "calibrate my oven for bread"
