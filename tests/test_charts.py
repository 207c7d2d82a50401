"""Frames as pictures."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from mmai_nb import charts
from mmai_nb.charts import grouping, lettering, paper
from mmai_nb.errors import OptionError
from mmai_nb.ledger import Ledger
from mmai_nb.records import NANO, Attempt

START = datetime(2026, 5, 1, tzinfo=UTC)


def attempt(n: int, model: str = "small", nano: int | None = NANO, **more) -> Attempt:
    facts = {
        "ts": START.timestamp() + n * 3_600,
        "request_model": model,
        "provider": "acme",
        "tier": "simple",
        "input_tokens": 100,
        "output_tokens": 50,
        "cost_nano": nano,
        "status": "ok",
        "duration_s": 1.0 + n % 3,
        **more,
    }
    return Attempt(f"call-{n}-{model}", 1, **facts)


@pytest.fixture
def ledger():
    made = Ledger(None)
    yield made
    made.close()


def frame_of(ledger: Ledger, *attempts: Attempt) -> pd.DataFrame:
    for row in attempts:
        ledger.record(row)
    return ledger.frame()


def bars(figure) -> list[float]:
    return [round(bar.get_height(), 9) for bar in figure.axes[0].patches]


def legend(figure) -> list[str]:
    return [text.get_text().lstrip("\u200b") for text in figure.legends[0].get_texts()]


def words(figure) -> str:
    """Everything that is written on a figure, once it is drawn."""
    figure.savefig(io.BytesIO())
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return "\n".join(artist.get_text() for artist in found)


ALL = {
    "spend_over_time": charts.spend_over_time,
    "cost_by": charts.cost_by,
    "tokens_by": charts.tokens_by,
    "savings": charts.savings,
    "latency": charts.latency,
}


@pytest.mark.parametrize("chart", ALL.values(), ids=ALL)
def test_an_empty_ledger_is_told_kindly(chart, ledger):
    assert charts.EMPTY in words(chart(ledger.frame()))


def burnt(frame):
    return charts.burn_down(frame, 5.0, START, START + timedelta(days=31))


GIVEN = {"rows": lambda ledger: ledger.frame(), "sums": lambda ledger: ledger.summary("tier")}
GIVEN |= {"days": lambda ledger: ledger.summary("day"), "list": lambda _: [1, 2]}
GIVEN["texts"] = lambda ledger: ledger.frame().astype({"ts": "string"})


@pytest.mark.parametrize(
    ("chart", "given", "source"),
    [
        (charts.spend_over_time, "days", "ai.costs()"),
        (charts.spend_over_time, "sums", "ai.costs()"),
        (charts.spend_over_time, "list", "ai.costs()"),
        (charts.spend_over_time, "texts", "ai.costs()"),
        (charts.savings, "days", "ai.costs()"),
        (charts.savings, "texts", "ai.costs()"),
        (burnt, "sums", "ai.costs()"),
        (burnt, "list", "ai.costs()"),
        (charts.cost_by, "sums", "ai.summary('model')"),
        (charts.cost_by, "list", "ai.summary('model')"),
        (charts.tokens_by, "days", "ai.summary('model')"),
        (charts.latency, "sums", "ai.summary('model')"),
        (charts.rates, "rows", "ai.summary('model')"),
        (charts.rates, "sums", "ai.summary('model')"),
        (charts.rates, "list", "ai.summary('model')"),
    ],
)
def test_of_another_frame_one_line_says_which_is_taken(chart, given, source, ledger):
    frame_of(ledger, attempt(1))
    with pytest.raises(OptionError) as raised:
        chart(GIVEN[given](ledger))
    assert source in str(raised.value)
    assert len(str(raised.value)) <= 200


@pytest.mark.parametrize("by", ["modle", ["model", "tier"], None])
@pytest.mark.parametrize("name", [name for name in ALL if name != "savings"])
def test_a_group_that_is_not_there_is_told_in_one_line(name, by, ledger):
    with pytest.raises(OptionError, match="this frame has no column"):
        ALL[name](frame_of(ledger, attempt(1)), by=by)


@pytest.mark.parametrize("chart", [charts.spend_over_time, charts.savings])
def test_a_step_that_is_none_is_told_in_one_line(chart, ledger):
    with pytest.raises(OptionError, match="no step 'week': take hour, day, month"):
        chart(frame_of(ledger, attempt(1)), step="week")


def test_a_frame_may_have_its_groups_as_its_index(ledger):
    frame_of(ledger, attempt(1))
    sums = ledger.summary("model").set_index("model")
    assert "small" in words(charts.rates(sums))
    assert "small" in words(charts.cost_by(sums))


@pytest.mark.parametrize("chart", ALL.values(), ids=ALL)
def test_one_row_alone_can_be_drawn(chart, ledger):
    assert charts.EMPTY not in words(chart(frame_of(ledger, attempt(1))))


@pytest.mark.parametrize("chart", ALL.values(), ids=ALL)
def test_costs_that_are_all_unknown_can_be_drawn(chart, ledger):
    words(chart(frame_of(ledger, attempt(1, nano=None), attempt(2, nano=None))))


@pytest.mark.parametrize("chart", ALL.values(), ids=ALL)
def test_names_with_markup_are_shown_to_the_letter(chart, ledger):
    name = r"_evil_$x^2$\alpha<b>"
    shown = words(chart(frame_of(ledger, attempt(1, name), attempt(2, name))))
    assert name in shown or chart is charts.savings


@pytest.mark.parametrize("chart", ALL.values(), ids=ALL)
def test_forty_models_do_not_run_over(chart, ledger):
    rows = [attempt(n, f"a-provider/with-a-long-model-name-{n:02d}-instruct") for n in range(40)]
    figure = chart(frame_of(ledger, *rows))
    words(figure)
    assert len(figure.axes[0].get_yticklabels()) <= grouping.MOST_BARS + 1
    assert figure.get_figheight() <= 8


def test_long_names_that_are_alike_can_be_told_apart():
    names = [f"provider/some-very-long-model-name-{n:02d}-instruct-preview" for n in range(12)]
    shown = lettering.shown_names(names)
    assert len(set(shown)) == len(names)
    assert max(map(len, shown)) <= lettering.LONGEST_NAME


@pytest.mark.parametrize("chart", ALL.values(), ids=ALL)
def test_letters_that_no_font_has_are_boxes_and_no_warnings(chart, ledger, monkeypatch):
    has = lettering._letters()
    monkeypatch.setattr(lettering, "_letters", lambda: {"DejaVu Sans": has["DejaVu Sans"]})
    shown = words(chart(frame_of(ledger, attempt(1, "модель-模型"), attempt(2, "модель-模型"))))
    assert "модель-□□" in shown or chart is charts.savings


@pytest.mark.parametrize(
    ("marks", "shown"),
    [
        ([0, 0.025, 0.05, 0.1], ["$0", "$0.025", "$0.050", "$0.100"]),
        ([0, 0.2, 0.30000000000000004], ["$0", "$0.20", "$0.30"]),
        ([0, 2e-5, 4e-5], ["$0", "$0.00002", "$0.00004"]),
        ([-1000.0, 0, 2000.0], ["-$1,000", "$0", "$2,000"]),
    ],
)
def test_the_marks_of_an_axis_have_as_many_decimals_each(marks, shown):
    figure = charts.words("")
    lettering.money_axis(figure.axes[0].yaxis)
    made = figure.axes[0].yaxis.get_major_formatter().format_ticks(marks)
    assert [label.replace("\\", "") for label in made] == shown


def test_spend_is_stacked_by_model_and_local_day(ledger):
    rows = [attempt(0), attempt(1), attempt(1, "large", 3 * NANO), attempt(24, "large", NANO)]
    figure = charts.spend_over_time(frame_of(ledger, *rows))
    assert bars(figure) == [3.0, 1.0, 2.0, 0.0]  # large first: it cost most
    assert legend(figure) == ["large", "small"]


def test_a_series_gives_the_same_bars_as_its_rows(ledger):
    rows = [attempt(0), attempt(1), attempt(1, "large", 3 * NANO), attempt(24, "large", NANO)]
    frame = frame_of(ledger, *rows)
    series = ledger.series("model", step="day", since=None)
    assert bars(charts.spend_over_time(series)) == bars(charts.spend_over_time(frame))


def test_small_groups_are_one_group_of_others(ledger):
    rows = [attempt(n, f"m{n:02d}", (40 - n) * NANO) for n in range(20)]
    figure = charts.spend_over_time(frame_of(ledger, *rows))
    names = legend(figure)
    assert names[-1] == "14 others"
    assert len(names) == paper.MOST_GROUPS
    assert sum(bars(figure)) == sum(40 - n for n in range(20))


def test_a_day_is_the_users_own_day(ledger, monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Kathmandu")  # UTC+5:45
    time.tzset()
    try:
        late = attempt(0, ts=(START + timedelta(hours=18, minutes=10)).timestamp())
        next_day = attempt(1, ts=(START + timedelta(hours=18, minutes=20)).timestamp())
        figure = charts.spend_over_time(frame_of(ledger, late, next_day))
        assert bars(figure) == [1.0, 1.0]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("step", ["hour", "day", "month"])
def test_every_step_adds_up_to_the_same(ledger, step):
    frame = frame_of(ledger, *(attempt(n) for n in range(30)))
    assert sum(bars(charts.spend_over_time(frame, step=step))) == pytest.approx(30)


def test_small_amounts_keep_their_figures(ledger):
    assert "$0.000071" in words(charts.cost_by(frame_of(ledger, attempt(1, nano=71_000))))


def test_what_is_left_out_or_pretend_is_told(ledger):
    rows = [attempt(1), attempt(2, nano=None), attempt(3, simulated=True)]
    shown = words(charts.cost_by(frame_of(ledger, *rows)))
    assert "pretend" in shown
    assert "1 of unknown price left out" in shown


def test_savings_by_cache_and_by_routing_stand_beside_each_other(ledger):
    ledger.record(attempt(1, baseline_nano=5 * NANO))
    ledger.record(attempt(2, nano=0, cache_hit=True, saved_nano=2 * NANO))
    figure = charts.savings(ledger.series((), since=None))
    assert bars(figure) == [2.0, 4.0]


def test_what_routing_saved_is_drawn_less_what_checks_cost(ledger):
    rejected = attempt(1, baseline_nano=5 * NANO, tier="simple")
    ledger.record(rejected)
    stands = {"attempt": 2, "tier": "complex", "cost_nano": 5 * NANO}
    ledger.record(replace(rejected, **stands))
    assert bars(charts.savings(ledger.series((), since=None))) == [0.0, -1.0]


def test_latency_shows_median_and_95th_percentile(ledger):
    frame_of(ledger, *(attempt(n) for n in range(30)))
    shown = words(charts.latency(ledger.latencies("model", since=None)))
    (label,) = [line for line in shown.split("\n") if " – " in line and "median" not in line]
    median, most = (float(part.removesuffix(" s")) for part in label.split(" – "))
    assert (median, most) == (pytest.approx(2, rel=0.05), pytest.approx(3, rel=0.05))


def test_the_first_and_the_last_latency_stand_within_the_picture(ledger):
    frame_of(ledger, attempt(1, "one"), attempt(2, "two"))
    lowest, highest = charts.latency(ledger.latencies("model", since=None)).axes[0].get_ylim()
    assert (lowest, highest) == (1.6, -0.6)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.0042, "0.004 s"), (0.349, "0.35 s"), (3.456, "3.46 s"), (240, "240 s")],
)
def test_a_time_is_told_in_seconds(seconds, said):
    assert charts.format_seconds(seconds) == said


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_all_pretend_is_not_said_to_include_it(kept, ledger):
    rows = [attempt(1, simulated=True), attempt(2, simulated=kept)]
    shown = words(charts.cost_by(frame_of(ledger, *rows)))
    assert "the demo's pretend money" in shown
    assert ("includes" in shown) is not kept


def test_rates_are_percent(ledger):
    frame_of(ledger, attempt(1), attempt(2, nano=0, cache_hit=True, saved_nano=1))
    shown = words(charts.rates(ledger.summary("model")))
    assert "50 %" in shown
    assert "0 %" in shown


# -- a budget's burn-down


def burn(ledger, now: timedelta, *attempts, limit=10.0):
    frame = frame_of(ledger, *attempts)
    end = START + timedelta(days=30)
    return charts.burn_down(frame, limit, START, end, START + now)


def test_the_burn_down_says_what_is_spent_and_where_it_leads(ledger):
    shown = words(burn(ledger, timedelta(days=15), attempt(24), attempt(48)))
    assert "$2.00 spent, about $4.00 by the end" in shown
    assert "used up" not in shown


def test_a_budget_that_will_not_do_says_when_it_is_used_up(ledger):
    shown = words(burn(ledger, timedelta(days=10), attempt(24, nano=5 * NANO)))
    assert "about $15.00 by the end; used up 21 May 00:00" in shown


def test_early_in_the_period_there_is_no_forecast(ledger):
    assert "by the end" not in words(burn(ledger, timedelta(days=1), attempt(5)))


def test_a_budget_without_spend_is_whole(ledger):
    assert "$0.00 spent" in words(burn(ledger, timedelta(days=15)))


def test_a_budget_that_is_overrun_is_below_zero(ledger):
    figure = burn(ledger, timedelta(days=20), attempt(24, nano=12 * NANO))
    assert min(figure.axes[0].lines[0].get_ydata()) == -2.0


def test_a_month_ends_with_its_own_name_and_not_the_next_ones(ledger):
    burnt = burn(ledger, timedelta(days=20), attempt(24))
    burnt.draw_without_rendering()
    start = burnt.axes[0].xaxis.get_offset_text().get_text()
    assert start == f"{START:%Y-%b}"


# -- manners


def test_the_palette_has_a_colour_for_each_group_and_no_two_alike():
    assert len({*charts.PALETTE, charts.OTHERS}) == paper.MOST_GROUPS + 1


def test_pyplot_and_its_state_are_left_alone(tmp_path):
    code = (
        "import sys, mmai_nb; from mmai_nb.ledger import Ledger; "
        "mmai_nb.charts.spend_over_time(Ledger(None).frame()).savefig('x.png'); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "False"


def test_a_chart_shows_itself_as_a_picture(ledger):
    import base64

    bundle = charts.cost_by(frame_of(ledger, attempt(1)))._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == "<Chart: Cost by model>"
