"""The sums over the ledger are the same from the rollup, from the rows, and by hand."""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.attempts import NOON, any_attempts, attempt, intent, kept

from mmai_nb import schema, sums
from mmai_nb.errors import OptionError
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt


def summed(rows: list[Attempt], by: Any = "model", *args: Any, **only: Any) -> list[dict[str, Any]]:
    return kept(rows).summary(by, *args, **only).to_dict("records")


# -- what the figures mean


def test_a_summary_counts_sums_and_rates():
    hit = {"cache_hit": True, "cost_nano": 0, "saved_nano": 70}
    (row,) = summed(
        [
            attempt("a", duration_s=1.0, baseline_nano=400, cache_read_tokens=4),
            attempt("b", 1, status="error", cost_nano=0, error_type="ServerError"),
            attempt("b", 2, duration_s=3.0, cost_nano=200, baseline_nano=150, reasoning_tokens=3),
            attempt("c", **hit),
            attempt("d", **hit, duration_s=50.0),
        ],
    )
    assert row == {
        "model": "m",
        "simulated": False,
        "calls": 4,
        "attempts": 3,
        "input_tokens": 30,
        "cache_read_tokens": 4,
        "output_tokens": 15,
        "reasoning_tokens": 3,
        "cost_usd": 300 / 1e9,
        "unknown_cost": 0,
        "cost_per_call_usd": 75 / 1e9,
        "cache_hit_rate": 0.5,
        "fallback_rate": 0.0,
        "escalation_rate": 0.0,
        "error_rate": pytest.approx(1 / 3),
        "saved_by_cache_usd": 140 / 1e9,
        "saved_by_routing_usd": 250 / 1e9,
        "check_cost_usd": 0.0,
        "p50_s": pytest.approx(2.0, rel=0.05),
        "p95_s": pytest.approx(2.9, rel=0.05),
    }


FELL_BACK = [
    attempt("a", 1, status="error", request_model="first"),
    attempt("a", 2, status="error", request_model="first"),
    attempt("a", 3, request_model="second"),
    attempt("b", 1, request_model="first"),
    attempt("c", 1, status="error", request_model="first"),
    attempt("d", 1, status="adapted", request_model="first"),
    attempt("d", 2, request_model="first"),
]


def test_a_call_and_its_fallback_count_where_the_call_was_asked_first():
    found = {row["model"]: (row["calls"], row["fallback_rate"]) for row in summed(FELL_BACK)}
    assert found["first"] == (4, 0.25)
    assert str(found["second"]) == "(0, nan)"


@pytest.mark.parametrize("by", sums.GROUPS)
def test_calls_add_up_to_their_number_over_any_grouping(by):
    assert sum(row["calls"] for row in summed(FELL_BACK, by)) == 4


def test_an_answer_that_was_asked_for_again_higher_up_is_one_fallback():
    rows = [
        attempt("a", 1, status="error", request_model="first"),
        attempt("a", 2, request_model="second"),
        attempt("a", 3, request_model="third"),
    ]
    assert summed(rows, None)[0]["fallback_rate"] == 1.0


def test_the_same_model_at_another_endpoint_is_a_fallback():
    rows = [attempt("a", 1, status="error"), attempt("a", 2, endpoint="http://127.0.0.2/v1")]
    assert summed(rows)[0]["fallback_rate"] == 1.0


def test_cost_is_nan_only_where_nothing_billed_has_a_price():
    def cost(*rows: Attempt) -> tuple[Any, int]:
        (row,) = summed(list(rows))
        return row["cost_usd"], row["unknown_cost"]

    unpriced = attempt("a", cost_nano=None)
    free = attempt("b", status="error", cost_nano=0)
    hit = attempt("c", cache_hit=True, cost_nano=0)
    assert str(cost(unpriced)) == "(nan, 1)"
    assert str(cost(unpriced, free, hit)) == "(nan, 1)"
    assert cost(unpriced, attempt("d")) == (100 / 1e9, 1)
    assert cost(free, hit) == (0.0, 0)
    assert cost(attempt("e", status="error", cost_nano=None)) == (0.0, 0)


def test_an_attempt_whose_outcome_is_not_known_may_have_been_billed():
    (row,) = summed([intent(), attempt("d")])
    assert (row["unknown_cost"], row["error_rate"]) == (1, 0.0)
    timed_out = Attempt("c", 1, NOON, request_model="m", error_type="TimedOutError")
    (row,) = summed([timed_out, attempt("d")])
    assert (row["unknown_cost"], row["error_rate"]) == (1, 0.5)


def test_savings_are_nan_where_they_are_not_known_and_0_where_there_are_none():
    (row,) = summed([attempt("a", cost_nano=0, cache_hit=True)])
    assert str(row["saved_by_cache_usd"]) == "nan"
    assert row["saved_by_routing_usd"] == 0.0
    (row,) = summed([attempt("a")])
    assert row["saved_by_cache_usd"] == 0.0
    assert str(row["saved_by_routing_usd"]) == "nan"


def test_simulated_money_stands_apart_and_can_be_left_out():
    rows = [attempt("a"), attempt("b", simulated=True, cost_nano=7)]
    found = [(r["simulated"], r["cost_usd"]) for r in summed(rows)]
    assert found == [(False, 100 / 1e9), (True, 7 / 1e9)]
    assert [r["cost_usd"] for r in summed(rows, simulated=False)] == [100 / 1e9]


def test_the_dearest_group_comes_first():
    rows = [attempt("a", request_model="cheap"), attempt("b", request_model="dear", cost_nano=9999)]
    assert [row["model"] for row in summed(rows)] == ["dear", "cheap"]


def test_days_come_in_their_order_whatever_they_cost():
    rows = [attempt(f"c{n}", ts=NOON + 86400 * n, cost_nano=n % 3) for n in range(5)]
    days = [row["day"] for row in summed(rows, ["day", "model"])]
    assert days == sorted(days)


def test_a_summary_can_be_grouped_by_several_columns_and_by_none():
    rows = [
        attempt("a", tag="x"),
        attempt("b", tag=None),
        attempt("c", tag="x", request_model="n", cost_nano=50),
    ]
    found = [(r["tag"], r["model"], r["calls"]) for r in summed(rows, ["tag", "model", "tag"])]
    assert len(found) == 3
    assert ("x", "m", 1) in found
    assert ("x", "n", 1) in found
    assert [(r["calls"], r["cost_usd"]) for r in summed(rows, None)] == [(3, 250 / 1e9)]


# -- the same by every way


Recount = dict[tuple[Any, ...], dict[str, Any]]


def recounted(rows: list[Attempt], key: Callable[[Attempt], tuple[Any, ...]]) -> Recount:
    """The figures by hand, from the definitions alone."""
    groups: dict[tuple[Any, ...], list[Attempt]] = defaultdict(list)
    for row in rows:
        groups[(*key(row), row.simulated)].append(row)
    return {group: figures(found, rows) for group, found in groups.items()}


def figures(group: list[Attempt], rows: list[Attempt]) -> dict[str, Any]:
    sent = [a for a in group if not a.cache_hit]
    hits = [a for a in group if a.cache_hit]
    answered = [a for a in sent if a.status == "ok"]
    billed = [a for a in sent if a.status not in ("error", "adapted")]
    failed = [
        a
        for a in sent
        if a.status in ("error", "partial") or (a.status == "unknown" and a.error_type is not None)
    ]
    calls = [a for a in group if a.attempt == 1]
    cost = money([a.cost_nano for a in group], [a.cost_nano for a in billed])
    routed = [a.baseline_nano - a.cost_nano if both_known(a) else None for a in answered]
    beside = [a for a in group if a.status == "ok" and not stands(a, rows)]
    no_saving = [a.baseline_nano - a.cost_nano for a in beside if not a.cache_hit and both_known(a)]
    return {
        "calls": len(calls),
        "attempts": len(sent),
        "input_tokens": sum(a.input_tokens or 0 for a in sent),
        "cache_read_tokens": sum(a.cache_read_tokens or 0 for a in sent),
        "output_tokens": sum(a.output_tokens or 0 for a in sent),
        "reasoning_tokens": sum(a.reasoning_tokens or 0 for a in sent),
        "cost_usd": cost,
        "unknown_cost": sum(a.cost_nano is None for a in billed),
        "cost_per_call_usd": cost / len(calls) if calls else np.nan,
        "cache_hit_rate": share(len(hits), len(hits) + len(answered)),
        "fallback_rate": share(sum(fell_back(a, rows) for a in calls), len(calls)),
        "escalation_rate": share(sum(went_up(a, rows) for a in calls), len(calls)),
        "error_rate": share(len(failed), len(sent)),
        "saved_by_cache_usd": money([a.saved_nano for a in group], [a.saved_nano for a in hits]),
        "saved_by_routing_usd": money(routed, routed) - sum(no_saving) / 1e9,
        "check_cost_usd": sum(a.cost_nano or 0 for a in beside) / 1e9,
        "durations": [a.duration_s for a in answered if a.duration_s is not None],
    }


def money(of_all: list[int | None], that_could_be: list[int | None]) -> float:
    if that_could_be and all(nano is None for nano in that_could_be):
        return np.nan
    return sum(nano or 0 for nano in of_all) / 1e9


def share(part: int, whole: int) -> float:
    return part / whole if whole else np.nan


def both_known(a: Attempt) -> bool:
    return a.baseline_nano is not None and a.cost_nano is not None


def fell_back(first: Attempt, rows: list[Attempt]) -> bool:
    later = sorted(
        (a for a in rows if a.call_id == first.call_id and a.attempt > 1 and a.status == "ok"),
        key=lambda a: a.attempt,
    )
    if first.status == "ok" or not later:
        return False
    place = (later[0].endpoint, later[0].request_model)
    return place != (first.endpoint, first.request_model)


def later(first: Attempt, rows: list[Attempt]) -> list[Attempt]:
    """The rows of its call that came after a call's first."""
    return [a for a in rows if a.call_id == first.call_id and a.attempt > 1]


def went_up(first: Attempt, rows: list[Attempt]) -> bool:
    found = later(first, rows)
    return any(a.status == "ok" and (a.tier or "") != (first.tier or "") for a in found)


def stands(answer: Attempt, rows: list[Attempt]) -> bool:
    """Whether it is its call's: the last that is whole or, where all are cut, the last.

    A second one in a row of the same tier is a second opinion.
    """
    found: list[Attempt] = []
    tier = None
    for row in sorted(rows, key=lambda row: row.attempt):
        if row.call_id == answer.call_id and row.status == "ok":
            found += [row] if tier != (row.tier or "") else []
            tier = row.tier or ""
    whole = [row for row in found if row.finish_reason not in ("length", "content_filter")]
    return answer is (whole or found)[-1]


def check(frame: Any, by: list[str], expected: Recount) -> None:
    assert len(frame) == len(expected)
    for row in frame.to_dict("records"):
        key = tuple(
            None if row[name] is None or row[name] != row[name] else row[name] for name in by
        )
        want = dict(expected[(*key, row["simulated"])])
        spread = np.clip(want.pop("durations"), 1e-4, 1e6)
        for name, value in want.items():
            assert row[name] == pytest.approx(value, nan_ok=True), name
        for name, quantile in (("p50_s", 0.5), ("p95_s", 0.95)):
            value = np.quantile(spread, quantile) if len(spread) else np.nan
            assert row[name] == pytest.approx(value, rel=0.05, nan_ok=True), name


def in_file(rows: list[Attempt], path: Path) -> Ledger:
    ledger = Ledger(path)
    for row in sorted(rows, key=lambda row: row.attempt):
        ledger.record(row)
    return ledger


def without_rollup(rows: list[Attempt], path: Path) -> Ledger:
    """A file as the first version made it, which a reader leaves as it is."""
    in_file(rows, path).close()
    if not path.exists():
        return Ledger(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name in schema._TRIGGERS:
            db.execute(f"DROP TRIGGER IF EXISTS {name}")
        for name in ("rollup", "latency"):
            db.execute(f"DROP TABLE IF EXISTS {name}")
        db.execute("PRAGMA user_version=1")
    return Ledger(path)


def half_waiting(rows: list[Attempt], path: Path) -> Ledger:
    """Every second row waits in memory; of some of them the file holds the intent."""
    ledger, rows = Ledger(path), sorted(rows, key=lambda row: row.attempt)
    for n, row in enumerate(rows):
        if n % 4 == 1:
            ledger.begin(Attempt(row.call_id, row.attempt, row.ts, request_model="m", tag="x"))
        if n % 2 == 0:
            ledger.record(row)
    for row in rows[1::2]:
        ledger._keep(row)
    return ledger


def in_memory(rows: list[Attempt], path: Path) -> Ledger:
    return kept(rows)


def blank(text: str | None) -> str | None:
    return text or None


def day(row: Attempt) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(row.ts))


KEYS: dict[str, Callable[[Attempt], Any]] = {
    "model": lambda a: blank(a.request_model),
    "tag": lambda a: blank(a.tag),
    "tier": lambda a: blank(a.tier),
    "notebook": lambda a: blank(a.notebook),
    "day": day,
    "hour": lambda a: time.strftime("%Y-%m-%d %H:00", time.localtime(a.ts)),
    "month": lambda a: time.strftime("%Y-%m", time.localtime(a.ts)),
    "status": lambda a: a.status,
    "error_type": lambda a: blank(a.error_type),
    "session": lambda a: blank(a.session),
}


@pytest.mark.parametrize("way", [in_memory, in_file, without_rollup, half_waiting])
@settings(max_examples=25, deadline=None)
@given(any_attempts, st.lists(st.sampled_from(sorted(KEYS)), max_size=2, unique=True))
def test_every_way_gives_the_sums_that_a_count_by_hand_gives(way, rows, by):
    with TemporaryDirectory() as folder:
        ledger = way(rows, Path(folder) / "ledger.sqlite3")
        frame = ledger.summary(by)
        ledger.close()
    check(frame, by, recounted(rows, lambda row: tuple(KEYS[name](row) for name in by)))
    assert frame.dtypes.to_dict() == kept([]).summary(by).dtypes.to_dict()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(1e-4, 1e6), min_size=1, max_size=200))
def test_the_quantiles_are_within_5_percent_of_the_true_ones(durations):
    rows = [attempt(f"c{n}", duration_s=seconds) for n, seconds in enumerate(durations)]
    (row,) = summed(rows)
    for name, quantile in (("p50_s", 0.5), ("p95_s", 0.95)):
        assert row[name] == pytest.approx(np.quantile(durations, quantile), rel=0.05)


# -- periods and names


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts the process into a time zone."""
    if not hasattr(time, "tzset"):
        pytest.skip("needs tzset")

    def enter(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield enter
    monkeypatch.undo()
    time.tzset()


def test_a_day_is_the_users_own_day(zone):
    rows = [attempt("a", ts=NOON), attempt("b", ts=NOON + 8 * 3600)]
    zone("UTC+0")
    assert [r["day"] for r in summed(rows, "day")] == ["2026-01-01"]
    zone("XYZ-5")  # five hours ahead of UTC
    assert [r["day"] for r in summed(rows, "day")] == ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize("name", ["Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"])
def test_a_day_begins_at_midnight_in_zones_of_odd_offsets(zone, name):
    zone(name)
    midnight = datetime(2026, 3, 1).timestamp()
    rows = [attempt("a", ts=midnight - 1), attempt("b", ts=midnight)]
    assert [r["day"] for r in summed(rows, "day")] == ["2026-02-28", "2026-03-01"]
    assert [r["hour"] for r in summed(rows, "hour")] == ["2026-02-28 23:00", "2026-03-01 00:00"]


def test_a_period_can_be_chosen_in_words_dates_and_seconds():
    now = datetime.now()
    rows = [attempt(f"c{n}", ts=(now - timedelta(days=n)).timestamp()) for n in range(40)]

    def calls(since: Any, until: Any = None) -> int:
        return sum(r["calls"] for r in summed(rows, "model", since, until))

    today = now.date()
    assert calls("today") == 1
    assert calls("7d") == calls("7 days") == calls(today - timedelta(days=6)) == 7
    assert calls("month") == min(today.day, 40)
    assert calls("week") == today.weekday() + 1
    assert calls("all") == calls(None) == 40
    assert calls(None, "today") == 39
    assert calls((now - timedelta(days=3)).timestamp()) == 4
    assert calls(str(today - timedelta(days=2)), today) == 2


def test_the_quarter_of_an_hour_that_a_period_begins_or_ends_in_counts_whole():
    rows = [attempt("a", ts=NOON), attempt("b", ts=NOON + 899), attempt("c", ts=NOON + 900)]
    assert [r["calls"] for r in summed(rows, "model", NOON + 500)] == [3]
    assert [r["calls"] for r in summed(rows, "model", NOON, NOON + 500)] == [2]
    assert [r["calls"] for r in summed(rows, "status", NOON, NOON + 500)] == [2]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("yesteryear", "yesteryear"),
        (float("nan"), "nan"),
        (1_767_268_800_000, "1767268800000"),
        (True, "True"),
        ("9999999d", "9999999d"),
        (datetime.min, "0001-01-01"),
        (["7d"], "7d"),
    ],
)
def test_a_moment_that_is_none_is_one_clear_line(value, shown):
    with pytest.raises(OptionError, match=shown) as caught:
        summed([], "model", value)
    assert len(str(caught.value)) <= 200


def test_a_period_that_ends_before_it_begins_is_an_error():
    with pytest.raises(OptionError, match="must be before"):
        summed([], "model", "today", "7d")


def test_rows_can_be_chosen_by_name():
    rows = [
        attempt("a", tag="x"),
        attempt("b", tag="y", request_model="n"),
        attempt("c", provider="q"),
    ]
    assert [r["calls"] for r in summed(rows, None, tag="x")] == [1]
    assert [r["calls"] for r in summed(rows, None, tag=["x", "y"])] == [2]
    assert [r["calls"] for r in summed(rows, None, tag="")] == [1]
    assert [r["calls"] for r in summed(rows, "status", model="m", provider="p")] == [1]
    assert summed(rows, None, tag="'; DROP TABLE attempt; --") == []
    assert summed(rows, None, tag=[]) == []


@pytest.mark.parametrize(
    ("only", "hint"),
    [
        ({"modell": "m"}, "'model'"),
        ({"slot": "m"}, "take model"),
        ({"model": 3}, "3"),
        ({"model": ["m", 3]}, "list"),
        ({"model": b"m"}, "bytes"),
        ({"simulated": "yes"}, "yes"),
    ],
)
def test_a_wrong_choice_is_one_clear_line(only, hint):
    with pytest.raises(OptionError, match=hint) as caught:
        summed([], "model", **only)
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize(
    ("by", "hint"), [("modell", "'model'"), ("xyz", "provider"), (["model", 3], "3")]
)
def test_an_unknown_group_is_one_clear_line(by, hint):
    with pytest.raises(OptionError, match=hint) as caught:
        summed([], by)
    assert len(str(caught.value)) <= 200


# -- a rollup that cannot be used


def changed_by_hand(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


WRECKS = {
    "emptied": ["DELETE FROM rollup"],
    "gone": ["DROP TABLE rollup", "DROP TABLE latency"],
    "behind": [
        "DROP TRIGGER attempt_removed",
        "DELETE FROM attempt WHERE call_id = 'c2'",
    ],
    "without triggers": ["DROP TRIGGER attempt_added", "DROP TRIGGER attempt_changed"],
    "without triggers of checks": ["DROP TRIGGER answer_added"],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def rolled_up(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        (rows,) = db.execute("SELECT COALESCE(SUM(attempts + hits), 0) FROM rollup").fetchone()
    return rows


@pytest.mark.parametrize("how", WRECKS)
def test_sums_that_do_not_fit_the_rows_are_made_anew_at_a_look(path, how):
    in_file([attempt(f"c{n}") for n in range(3)], path).close()
    changed_by_hand(path, *WRECKS[how])
    ledger = Ledger(path)
    left = 2 if how == "behind" else 3
    assert ledger.summary()["calls"].tolist() == [left]
    assert rolled_up(path) == left
    ledger.record(attempt("new"))
    assert rolled_up(path) == left + 1
    ledger.close()


@pytest.mark.parametrize("how", WRECKS)
def test_sums_that_do_not_fit_the_rows_are_made_anew_at_a_write(path, how):
    in_file([attempt(f"c{n}") for n in range(3)], path).close()
    changed_by_hand(path, *WRECKS[how])
    ledger = Ledger(path)
    ledger.record(attempt("new"))
    assert rolled_up(path) == (3 if how == "behind" else 4)
    assert ledger.pending == []
    ledger.close()


def test_mending_compares_all_rows(path):
    ledger = in_file([attempt(f"c{n}", ts=NOON + 9000 * n) for n in range(3)], path)
    assert ledger.mend() is False
    changed_by_hand(path, "UPDATE rollup SET cost_nano = 7 WHERE id = 1")
    assert ledger.mend() is True
    assert ledger.summary()["cost_usd"].tolist() == [300 / 1e9]
    assert ledger.mend() is False
    ledger.close()
    assert Ledger(None).mend() is False


def test_while_another_writes_sums_that_do_not_fit_are_made_of_the_rows(path):
    in_file([attempt("a"), attempt("b")], path).close()
    changed_by_hand(path, "DELETE FROM rollup")
    ledger = Ledger(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert ledger.summary()["calls"].tolist() == [2]
        other.execute("ROLLBACK")
    assert rolled_up(path) == 0
    ledger.close()


# -- series, latencies, choices: from the rollup alone


def test_a_series_has_a_row_per_period_and_group_oldest_first(path):
    days = [NOON, NOON, NOON + 86400, NOON + 3 * 86400]
    models = ["m", "n", "m", "m"]
    rows = [
        attempt(f"c{n}", ts=ts, request_model=model)
        for n, (ts, model) in enumerate(zip(days, models, strict=True))
    ]
    ledger = in_file(rows, path)
    frame = ledger.series(since=NOON - 86400)
    assert list(frame.columns[:4]) == ["start", "model", "simulated", "calls"]
    found = list(zip(frame["start"].dt.strftime("%Y-%m-%d %H:%M"), frame["model"], strict=True))
    midnights = [datetime.fromtimestamp(ts).strftime("%Y-%m-%d 00:00") for ts in days]
    assert found == list(zip(midnights, models, strict=True))
    assert frame["cost_usd"].tolist() == [100 / 1e9] * 4
    assert ledger.series(None, "month", since=None)["calls"].sum() == 4
    ledger.close()


@pytest.mark.parametrize("step", sums.PERIODS)
@settings(max_examples=15, deadline=None)
@given(any_attempts)
def test_a_series_adds_up_to_the_summary(step, rows):
    ledger = kept(rows)
    frame, whole = ledger.series("model", step, since=None), ledger.summary("model")
    both = ["model", "simulated"]
    for name in ("calls", "attempts", "input_tokens", "unknown_cost", "saved_by_cache_usd"):
        apart = frame.groupby(both, dropna=False)[name].sum().sort_index()
        together = whole.groupby(both, dropna=False)[name].sum().sort_index()
        if frame[name].notna().all():  # what a period does not know is in no sum of periods
            assert apart.tolist() == pytest.approx(together.tolist())
    assert frame.dtypes.to_dict() == kept([]).series("model", step).dtypes.to_dict()


def test_a_series_shows_the_last_30_days_if_it_is_not_told():
    now = time.time()
    rows = [attempt(f"c{n}", ts=now - n * 86400) for n in (0, 5, 28, 31, 400)]
    assert kept(rows).series()["calls"].sum() == 3
    assert kept(rows).latencies()["answered"].sum() == 3
    assert kept(rows).series(since="all")["calls"].sum() == 5


def test_the_hour_that_comes_twice_in_autumn_is_two_hours(zone):
    zone("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 30).timestamp()
    if datetime(2026, 10, 25, 2, 30, fold=1).timestamp() == first:
        pytest.skip("needs the time zones' data")
    rows = [attempt("a", ts=first), attempt("b", ts=first + 3600)]
    starts = kept(rows).series(None, "hour", since=None)["start"]
    assert [str(start) for start in starts] == [
        "2026-10-25 02:00:00+02:00",
        "2026-10-25 02:00:00+01:00",
    ]
    assert kept(rows).series(None, "day", since=None)["calls"].tolist() == [2]
    assert kept(rows).summary("hour")["calls"].tolist() == [2]


def test_latencies_are_quantiles_of_what_was_answered_slowest_first():
    fast = [attempt(f"f{n}", duration_s=1.0 + n / 100) for n in range(100)]
    slow = [attempt(f"s{n}", duration_s=10.0, request_model="slow") for n in range(3)]
    failed = [attempt("e", status="error", duration_s=99.0)]
    frame = kept([*fast, *slow, *failed]).latencies(since=None)
    assert frame["model"].tolist() == ["slow", "m"]
    assert frame["answered"].tolist() == [3, 100]
    found = frame.iloc[1][["p50_s", "p90_s", "p95_s", "p99_s"]].tolist()
    assert found == pytest.approx([1.5, 1.89, 1.94, 1.98], rel=0.05)
    assert list(kept([]).latencies().dtypes) == list(frame.dtypes)


def test_choices_are_the_names_that_occur(path):
    ledger = in_file([attempt("a", tag="x", tier="simple"), attempt("b", request_model="n")], path)
    ledger._keep(attempt("c", tag="new"))
    assert ledger.choices() == {
        "model": ["m", "n"],
        "provider": ["p"],
        "tier": ["simple"],
        "notebook": [],
        "tag": ["new", "x"],
    }
    assert ledger.choices(model="n")["tag"] == []
    ledger.close()


def test_what_the_rollup_has_is_never_summed_from_the_rows(path):
    ledger = in_file([attempt("a"), attempt("b", tag="x")], path)
    said: list[str] = []
    ledger._opened().set_trace_callback(said.append)
    ledger.summary(["model", "day"], since="all", tag="x")
    ledger.series(["tag", "tier"], "hour", since=None)
    ledger.latencies(["notebook", "month"])
    ledger.choices()
    assert said
    assert [s for s in said if "attempt AS r" in s] == []
    ledger.summary("status")
    assert [s for s in said if "attempt AS r" in s] != []
    ledger.close()


@pytest.mark.parametrize(
    ("ask", "hint"),
    [
        (lambda ledger: ledger.series(step="week"), "hour, day or month"),
        (lambda ledger: ledger.series("status"), "provider"),
        (lambda ledger: ledger.series("day"), "tag"),
        (lambda ledger: ledger.latencies("session"), "notebook"),
        (lambda ledger: ledger.series(3), "by=3"),
        (lambda ledger: ledger.latencies([["model"]]), "model"),
        (lambda ledger: ledger.choices(tagg="x"), "'tag'"),
    ],
)
def test_what_cannot_be_shown_is_one_clear_line(ask, hint):
    with pytest.raises(OptionError, match=hint) as caught:
        ask(kept([]))
    assert len(str(caught.value)) <= 200
