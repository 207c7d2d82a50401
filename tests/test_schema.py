"""The rollup is always what the rows add up to."""

from __future__ import annotations

import math
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb import schema, tables
from mmai_nb.records import Attempt

SUMS = ", ".join((*schema.ROLLUP_KEY, *schema.SUMS))
NAMES = (*schema.ROLLUP_KEY, *schema.SUMS)


def attempts():
    small = st.integers(0, 3)
    return st.builds(
        Attempt,
        call_id=st.sampled_from("abc"),
        attempt=st.integers(1, 3),
        ts=st.sampled_from([0.0, 899.9, 900.0, 1.7e9]),
        request_model=st.sampled_from(["small", "large"]),
        endpoint=st.sampled_from(["here", "there"]),
        provider=st.just("acme"),
        tier=st.sampled_from([None, "simple"]),
        finish_reason=st.sampled_from([None, "stop", "length"]),
        notebook=st.sampled_from([None, "a.ipynb"]),
        session=st.sampled_from(["s", "t"]),
        tag=st.none(),
        input_tokens=st.none() | small,
        output_tokens=st.none() | small,
        cost_nano=st.none() | small,
        saved_nano=st.none() | small,
        baseline_nano=st.none() | small,
        duration_s=st.none() | st.sampled_from([0.0, 0.01, 1.0, 1.2, 1e9]),
        cache_hit=st.booleans(),
        status=st.sampled_from(["unknown", "ok", "error", "partial", "adapted", "cancelled"]),
        error_type=st.none() | st.just("ServerError"),
        simulated=st.booleans(),
    )


def fresh() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    schema.prepare(db)
    schema.install(db)
    return db


def write(db: sqlite3.Connection, attempt: Attempt) -> None:
    values = [getattr(attempt, name) for name in schema.COLUMNS]
    db.execute(tables.UPSERT, tables.as_row(values))


def rolled_up(db: sqlite3.Connection) -> tuple[list[object], list[object], list[object]]:
    """The rollup, the latencies and what was spent, without what came down to nothing."""
    some = " OR ".join(schema.ROLLUP_SUMS)
    rows = db.execute(f"SELECT {SUMS} FROM rollup WHERE {some} ORDER BY {SUMS}").fetchall()
    keys = ", ".join(schema.ROLLUP_KEY)
    latency = db.execute(
        f"SELECT {keys}, bucket, n FROM latency JOIN rollup ON id = rollup WHERE n "
        f"ORDER BY {keys}, bucket"
    ).fetchall()
    spend = db.execute("SELECT * FROM spend WHERE nano ORDER BY slot, notebook").fetchall()
    return rows, latency, spend


def without_calls(rows):
    columns = [n for n, name in enumerate(NAMES) if name not in schema.CALL_SUMS]
    return sorted([row[n] for n in columns] for row in rows)


@given(st.lists(attempts(), max_size=12), st.sets(st.integers(1, 3)))
def test_the_triggers_keep_what_a_rebuild_gives(rows, removed):
    db = fresh()
    for row in sorted(rows, key=lambda row: row.attempt):
        write(db, row)
    for number in removed:
        db.execute("DELETE FROM attempt WHERE id = ?", (number,))
    kept = rolled_up(db)
    schema.rebuild(db)
    # what takes a second row is judged by the first attempts as they were when the row came
    assert without_calls(rolled_up(db)[0]) == without_calls(kept[0])
    assert rolled_up(db)[1:] == kept[1:]
    db.close()


def test_a_call_that_fell_back_counts_where_it_was_asked_first():
    db = fresh()
    write(db, Attempt("a", 1, 0.0, request_model="large", status="error"))
    write(db, Attempt("a", 2, 0.0, request_model="small", status="ok"))
    found = dict(db.execute("SELECT model, fell FROM rollup").fetchall())
    assert found == {"large": 1, "small": 0}
    schema.rebuild(db)
    assert dict(db.execute("SELECT model, fell FROM rollup").fetchall()) == found
    db.close()


def test_only_the_first_other_answer_is_a_fallback():
    db = fresh()
    write(db, Attempt("a", 1, 0.0, request_model="large", status="error"))
    write(db, Attempt("a", 2, 0.0, request_model="small", status="ok"))
    write(db, Attempt("a", 3, 0.0, request_model="medium", status="ok"))
    assert db.execute("SELECT SUM(fell) FROM rollup").fetchone() == (1,)
    schema.rebuild(db)
    assert db.execute("SELECT SUM(fell) FROM rollup").fetchone() == (1,)
    db.close()


def escalation(db: sqlite3.Connection) -> None:
    """A cheap answer, a second opinion, one that failed and a stronger answer."""
    usual = {"status": "ok", "baseline_nano": 1_000}
    write(db, Attempt("a", 1, 0.0, request_model="s", tier="simple", cost_nano=10, **usual))
    write(db, Attempt("a", 2, 0.0, request_model="t", tier="simple", cost_nano=20, **usual))
    write(db, Attempt("a", 3, 0.0, request_model="m", tier="standard", status="error", cost_nano=3))
    write(db, Attempt("a", 4, 0.0, request_model="n", tier="standard", cost_nano=400, **usual))
    write(db, Attempt("a", 5, 0.0, request_model="l", tier="complex", cost_nano=1_000, **usual))


CHECKED = "SELECT model, check_nano, routed_nano - check_routed_nano FROM rollup ORDER BY model"


def test_what_an_answer_cost_that_does_not_stand_is_its_checks_and_no_negative_saving():
    db = fresh()
    escalation(db)
    found = db.execute(CHECKED).fetchall()
    assert found == [("l", 0, 0), ("m", 0, 0), ("n", 400, 0), ("s", 10, 0), ("t", 20, 0)]
    schema.rebuild(db)
    assert db.execute(CHECKED).fetchall() == found
    assert schema.adds_up(db)
    db.close()


def test_an_escalated_call_counts_where_it_was_asked_first():
    db = fresh()
    escalation(db)
    query = "SELECT model, fell, escalated FROM rollup WHERE calls OR escalated"
    assert db.execute(query).fetchall() == [("s", 0, 1)]
    schema.rebuild(db)
    assert db.execute(query).fetchall() == [("s", 0, 1)]
    db.close()


def saved_less_checks(db: sqlite3.Connection) -> int:
    query = "SELECT SUM(routed_nano - check_routed_nano - check_nano) FROM rollup"
    return int(db.execute(query).fetchone()[0])


def test_a_call_saves_what_the_strongest_model_would_have_cost_less_all_its_answers_cost():
    db = fresh()
    escalation(db)
    assert saved_less_checks(db) == 1_000 - 10 - 20 - 400 - 1_000
    db.close()


def test_the_strongest_models_own_answer_saves_nothing_and_loses_what_was_rejected():
    db = fresh()
    short = {"status": "ok", "tier": "simple", "cost_nano": 1, "baseline_nano": 50}
    write(db, Attempt("a", 1, 0.0, request_model="s", **short))
    assert db.execute(CHECKED).fetchall() == [("s", 0, 49)]  # it stands so far
    long = {"status": "ok", "tier": "complex", "cost_nano": 9_000, "baseline_nano": 9_000}
    write(db, Attempt("a", 2, 0.0, request_model="l", **long))
    assert db.execute(CHECKED).fetchall() == [("l", 0, 0), ("s", 1, 0)]
    db.close()


def test_a_second_opinion_is_the_checks_and_the_answer_it_shares_saves():
    db = fresh()
    usual = {"status": "ok", "tier": "simple", "baseline_nano": 1_000}
    write(db, Attempt("a", 1, 0.0, request_model="s", cost_nano=10, **usual))
    write(db, Attempt("a", 2, 0.0, request_model="t", cost_nano=20, **usual))
    assert db.execute(CHECKED).fetchall() == [("s", 0, 990), ("t", 20, 0)]
    db.close()


def test_an_answer_of_the_cache_that_stands_leaves_the_rejected_one_to_the_check():
    db = fresh()
    write(db, Attempt("a", 1, 0.0, request_model="s", status="ok", cost_nano=10, baseline_nano=70))
    hit = {"status": "ok", "tier": "complex", "cache_hit": True, "cost_nano": 0, "saved_nano": 70}
    write(db, Attempt("a", 2, 0.0, request_model="l", **hit))
    assert db.execute(CHECKED).fetchall() == [("l", 0, 0), ("s", 10, 0)]
    db.close()


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_stronger_answer_that_is_cut_does_not_take_the_place_of_a_whole_one(reason):
    db = fresh()
    usual = {"status": "ok", "baseline_nano": 1_000}
    write(db, Attempt("a", 1, 0.0, request_model="s", tier="simple", cost_nano=10, **usual))
    write(
        db,
        Attempt(
            "a",
            2,
            0.0,
            request_model="m",
            tier="standard",
            cost_nano=90,
            finish_reason=reason,
            **usual,
        ),
    )
    assert db.execute(CHECKED).fetchall() == [("m", 90, 0), ("s", 0, 990)]
    whole = {"tier": "complex", "cost_nano": 500, **usual}
    write(db, Attempt("a", 3, 0.0, request_model="l", **whole))
    assert db.execute(CHECKED).fetchall() == [("l", 0, 500), ("m", 90, 0), ("s", 10, 0)]
    schema.rebuild(db)
    assert db.execute(CHECKED).fetchall() == [("l", 0, 500), ("m", 90, 0), ("s", 10, 0)]
    db.close()


def test_the_rows_of_an_escalation_may_be_written_twice_and_go_again():
    db = fresh()
    escalation(db)
    once = db.execute(CHECKED).fetchall()
    escalation(db)
    assert db.execute(CHECKED).fetchall() == once
    assert db.execute("SELECT SUM(escalated) FROM rollup").fetchone() == (1,)
    db.execute("DELETE FROM attempt WHERE attempt = 5")
    assert db.execute("SELECT SUM(check_nano) FROM rollup").fetchone() == (30,)
    assert saved_less_checks(db) == 1_000 - 10 - 20 - 400
    db.close()


def test_a_fallback_within_a_tier_is_no_escalation():
    db = fresh()
    write(db, Attempt("a", 1, 0.0, request_model="s", tier="simple", status="error", cost_nano=0))
    write(db, Attempt("a", 2, 0.0, request_model="t", tier="simple", status="ok", cost_nano=5))
    assert db.execute("SELECT SUM(escalated), SUM(check_nano) FROM rollup").fetchone() == (0, 0)
    db.close()


def test_the_tokens_of_what_was_sent_add_up_and_those_of_hits_do_not():
    db = fresh()
    tokens = {"input_tokens": 10, "cache_read_tokens": 4, "output_tokens": 5, "reasoning_tokens": 2}
    write(db, Attempt("a", 1, 0.0, request_model="small", status="ok", **tokens))
    write(db, Attempt("b", 1, 0.0, request_model="small", status="ok", **tokens))
    write(db, Attempt("c", 1, 0.0, request_model="small", status="ok", cache_hit=True, **tokens))
    (found,) = db.execute(f"SELECT {', '.join(tokens)} FROM rollup").fetchall()
    assert found == (20, 8, 10, 4)
    db.close()


def test_a_hold_is_let_go_once_the_cost_is_known_and_not_before():
    db = fresh()
    row = Attempt("a", 1, 0.0, request_model="small")
    write(db, row)
    db.execute("INSERT INTO hold(call_id, attempt, ts, nano) VALUES('a', 1, 0.0, 50)")
    write(db, Attempt("a", 1, 0.0, request_model="small", error_type="TimedOutError"))
    assert db.execute("SELECT nano FROM hold").fetchall() == [(50,)]
    write(db, Attempt("a", 1, 0.0, request_model="small", status="ok", cost_nano=20))
    assert db.execute("SELECT nano FROM hold").fetchall() == []
    db.close()


@given(st.floats(1e-3, 1e5))
def test_a_bucket_stands_for_its_durations_within_5_percent(seconds):
    middle = schema.bucket_seconds(schema.latency_bucket(seconds))
    assert abs(middle / seconds - 1) <= 0.05


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e300, math.inf])
def test_a_duration_that_cannot_be_goes_into_an_outer_bucket(seconds):
    assert schema.latency_bucket(seconds) in (
        schema.latency_bucket(1e-4),
        schema.latency_bucket(1e6),
    )
