"""`%ai costs` and `%ai stats`: what they show, and which lines they take."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.attempts import attempt
from support.scripted import settings_of

from mmai_nb.amounts import format_bytes
from mmai_nb.commands import FAMILIES, PATHS, command_for, near_command
from mmai_nb.commands.stats import MOST_SHOWN
from mmai_nb.engine import Engine
from mmai_nb.errors import OptionError
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt

NOW = time.time()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(settings_of(), ledger=Ledger(None))


@pytest.fixture
def run(engine):
    def run(line: str) -> Any:
        command = command_for(line, lambda: engine, "")
        assert command is not None, f"{line} is taken for a question"
        return command()

    return run


def asked(engine: Engine, line: str) -> bool:
    """Whether the line is a question."""
    return command_for(line, lambda: engine, "") is None


def fill(engine: Engine, *rows: Attempt) -> None:
    for row in rows:
        engine.ledger.record(row)


def some(call_id: str, **changes: Any) -> Attempt:
    return attempt(call_id, **{"ts": NOW, "cost_nano": 2_000_000, **changes})


# -- %ai stats


def test_stats_shows_the_totals_and_then_a_table(engine, run):
    fill(
        engine,
        some("a", baseline_nano=5_000_000),
        some("b", request_model="big", cost_nano=None, status="partial"),
        some("c", cache_hit=True, cost_nano=0, saved_nano=2_000_000),
    )
    assert repr(run("stats")).splitlines() == [
        "calls    3 (all time), 50 % of the answers from the cache",
        "cost     $0.002, $0.00067 a call, and 1 attempt of unknown price",
        "saved    $0.002 by the cache, $0.003 by routing",
        "trouble  50 % of 2 attempts failed, 0 % of the calls fell back",
        "latency  half of the answers within 1 s, 95 % within 1 s; failed attempts apart",
        "tokens   20 in (0 cached by providers), 10 out (0 reasoning)",
        "",
        "model calls cached    cost fell failed p50 p95  saved",
        "    m     2   50 %  $0.002  0 %    0 % 1 s 1 s $0.005",
        "  big     1      – unknown  0 %  100 %   –   –  $0.00",
    ]


def test_money_that_is_not_known_is_never_0(engine, run):
    fill(
        engine,
        some("a", cost_nano=None),
        some("b", cache_hit=True, cost_nano=0),
        some("c", request_model="n", tag="x", cache_hit=True, cost_nano=0, saved_nano=2_000_000),
        some("d", request_model="n", tag="x"),
    )
    lines = repr(run("stats")).splitlines()
    assert "cost     $0.002, $0.0005 a call, and 1 attempt of unknown price" in lines
    assert lines[-2].endswith("$0.002+?")  # what routing saved is not known
    assert lines[-1].split()[-1] == "unknown"
    assert "unknown by routing" in lines[2]
    assert repr(run("stats tag")).splitlines()[-1].split()[0] == "–"


def test_stats_of_an_empty_ledger_say_so(run):
    assert repr(run("stats today")) == "no calls yet (today)"
    assert run("stats")._repr_mimebundle_() == {"text/plain": "no calls yet (all time)"}


def test_stats_tell_how_often_checks_escalate_and_what_that_costs(engine, run):
    base = {"baseline_nano": 9_000_000}
    fill(engine, some("a", tier="simple", **base), some("b", tier="simple", **base))
    assert "checks" not in repr(run("stats"))
    assert "escalated" not in repr(run("stats"))
    higher = {"tier": "complex", "request_model": "big", "cost_nano": 9_000_000, **base}
    fill(engine, some("b", number=2, **higher))
    lines = repr(run("stats")).splitlines()
    assert (
        "saved    $0.00 by the cache, $0.005 by routing" in lines
    )  # 18 that "big" would cost - 13
    words = "answers that did not stand cost $0.002 (taken off above)"
    assert f"checks   50 % of the calls were escalated; {words}" in lines
    assert [" ".join(line.split()) for line in lines[8:]] == [
        "model calls cached cost fell escalated failed checks p50 p95 saved",
        "big 0 0 % $0.009 – – 0 % $0.00 1 s 1 s $0.00",
        "m 2 0 % $0.004 0 % 50 % 0 % $0.002 1 s 1 s $0.007",
    ]


def test_no_model_that_was_escalated_shows_a_saving_below_zero(engine, run):
    tokens = {"baseline_nano": 50, "cost_nano": 5}
    for n in range(5):  # a short cheap answer and a long one that takes its place
        fill(
            engine,
            some(f"c{n}", tier="simple", **tokens),
            some(f"c{n}", number=2, tier="simple", request_model="other", **tokens),
            some(
                f"c{n}",
                number=3,
                tier="standard",
                request_model="mid",
                cost_nano=400,
                baseline_nano=900,
            ),
        )
    frame = run("stats").frame.set_index("model")
    assert frame["saved_by_routing_usd"].mul(1e9).round().to_dict() == {
        "mid": 2_500,
        "m": 0,
        "other": 0,
    }
    assert frame["check_cost_usd"].mul(1e9).round().to_dict() == {"mid": 0, "m": 25, "other": 25}
    assert (frame["check_cost_usd"] <= frame["cost_usd"]).all()
    for by in ("model", "provider", "tier", "tag", "day", "session"):
        parts, totals = run(f"stats {by}").frame, run("stats").totals
        for name in ("cost_usd", "saved_by_routing_usd", "check_cost_usd"):
            assert parts[name].sum() == pytest.approx(totals[name].sum())


def test_the_demos_money_is_called_pretend(engine, run):
    fill(engine, some("a"), some("b", simulated=True))
    text = repr(run("stats"))
    assert "demo     its money is pretend" in text
    assert text.count("calls    1 (all time)") == 2
    assert "real" in text


def test_stats_takes_groups_and_a_period_in_any_order(engine, run):
    old = NOW - 3 * 86400
    fill(engine, some("a", tag="x"), some("b", tag="x", ts=old), some("c", tag="y", ts=old))
    assert run("stats tag").frame["calls"].tolist() == [2, 1]
    assert run("stats tag today").frame["tag"].tolist() == ["x"]
    assert len(run("stats 7d tag model").frame) == 2
    assert len(run("stats tag day 7 days").frame) == 3
    assert "calls    3 (the last 30 days)" in repr(run("stats 30 d"))
    assert "(this month)" in repr(run("stats month"))
    assert run("stats month all").by == ("month",)


@pytest.mark.parametrize(
    "line", ["stats of the world cup", "stats today please", "stats today week", "stats model foo"]
)
def test_a_line_that_stats_does_not_know_is_a_question(engine, line):
    assert asked(engine, line)


def test_a_slip_in_a_word_of_stats_is_told(engine):
    assert "did you mean %ai stats today" in near_command("stats tody", lambda: engine)
    assert "did you mean %ai stats provider" in near_command("stats povider", lambda: engine)


def test_the_table_of_stats_fits_80_columns_and_is_short(engine, run):
    fill(
        engine,
        *(
            some(
                f"c{n}", request_model=f"provider/{'long' * 20}-{n}", saved_nano=n, cache_hit=n > 9
            )
            for n in range(MOST_SHOWN + 5)
        ),
    )
    lines = repr(run("stats")).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "… and 5 more: ai.summary() has them all"


def test_a_hostile_name_is_shown_as_text(engine, run):
    fill(engine, some("a", tag="<script>x</script>\x1b[31m\u202e"))
    stats = run("stats tag")
    assert "\x1b" not in repr(stats)
    assert "\u202e" not in repr(stats)
    html = stats._repr_mimebundle_()["text/html"]
    assert "&lt;script&gt;" in html
    assert "<script" not in html


# -- %ai costs


def test_costs_shows_the_newest_rows_in_80_columns(engine, run):
    fill(engine, *(some(f"c{n}", request_model="provider/" + "m" * 60) for n in range(30)))
    assert len(run("costs")) == 20
    frame = run("costs 5")
    assert len(frame) == 5
    with pd.option_context("display.width", 80):
        assert max(len(line) for line in repr(frame).splitlines()) <= 80
    assert len(repr(frame).splitlines()) == 7


def test_costs_can_be_of_a_model_or_a_tag(engine, run):
    fill(
        engine,
        some("a", request_model="gpt-mini", tag="study"),
        some("b", request_model="gpt-large", tag="mini"),
        some("c", request_model="other"),
    )
    assert run("costs gpt")["request_model"].tolist() == ["gpt-mini", "gpt-large"]
    assert run("costs 1 GPT")["request_model"].tolist() == ["gpt-large"]
    assert run("costs stud")["request_model"].tolist() == ["gpt-mini"]
    assert run("costs mini")["request_model"].tolist() == ["gpt-large"]  # a tag to the letter
    with pytest.raises(OptionError, match="'zzz'"):
        run("costs 5 zzz")


@pytest.mark.parametrize("line", ["costs of war in 1914", "costs zzz", "costs export to France"])
def test_a_line_that_costs_does_not_know_is_a_question(engine, line):
    assert asked(engine, line)


@pytest.mark.parametrize("line", ["stats 7d", "stats 7days", "stats 7 days", "stats 7DAYS"])
def test_a_number_of_days_is_one_however_it_is_written(engine, run, line):
    fill(engine, some("a"))
    assert "calls    1 (the last 7 days)" in str(run(line))


def test_costs_can_go_into_a_file(engine, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(engine, some("a"), some("b", ts=NOW - 10 * 86400))
    page = run("costs export 'my costs.csv'")
    size = format_bytes((tmp_path / "my costs.csv").stat().st_size)
    assert size.endswith(" kB")
    assert page == f"2 rows, {size}, written to {tmp_path / 'my costs.csv'}"
    with pytest.raises(OptionError, match="--force"):
        run("costs export 'my costs.csv'")
    assert "1 row," in run("costs export 'my costs.csv' 7d --force")
    assert len(pd.read_csv("my costs.csv")) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("costs export", "name the file"),
        ("costs export --force", "name the file"),
        ("costs export 'costs.csv", "quote"),
        ("costs export costs.xlsx", "must end in .csv"),
    ],
)
def test_an_export_that_cannot_be_is_one_clear_line(run, line, words):
    with pytest.raises(OptionError, match=words):
        run(line)


def test_the_words_that_may_come_next(engine):
    fill(engine, some("a", tag="study"))
    complete = {sub.name: sub.complete for sub in FAMILIES["what it cost"]}
    first = list(complete["costs"]((), lambda: engine))
    assert first == ["export", "--plot", "m", "study"]
    assert complete["costs"](("export",), lambda: engine) is PATHS
    assert "--force" in complete["costs"](("export", "x.csv"), lambda: engine)
    assert "today" in complete["stats"](("model",), lambda: engine)
    assert "today" not in complete["stats"](("7d",), lambda: engine)


@pytest.mark.parametrize("line", ["costs --plot", "costs --plot 7d", "costs --plot today"])
def test_costs_can_be_drawn(run, engine, line):
    engine.ledger.record(Attempt("a", 1, NOW, request_model="m", status="ok", cost_nano=5))
    chart = run(line)
    assert chart.axes[0].get_title(loc="left") == "Spend over time"
    assert len(chart.axes[0].patches) == 1


def test_a_plot_of_no_period_is_a_question(engine):
    assert asked(engine, "costs --plot of land")
