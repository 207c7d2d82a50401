"""The rules of budgets: exact money, local periods, and never more than the limit."""

from __future__ import annotations

import os
import time
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb.budgets import (
    LEAST_TOKENS,
    USUAL_TOKENS,
    Grant,
    Limit,
    Need,
    Refusal,
    Standing,
    grant,
    level_reached,
    limits_in_force,
    place_of,
    standing_of,
    with_margin,
    worth_waiting,
)
from mmai_nb.records import NANO, Attempt

DAY = Limit("day", 1_000, "2026-11-26")


@pytest.fixture
def zone(monkeypatch):
    """Live in another time zone."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone cannot be changed here")

    def move(name: str) -> ZoneInfo:
        monkeypatch.setenv("TZ", name)
        time.tzset()
        return ZoneInfo(name)

    before = os.environ.get("TZ")
    yield move
    monkeypatch.undo()
    assert os.environ.get("TZ") == before
    time.tzset()


def limits(now: float, **amounts: str) -> dict[str, Limit]:
    usd = {scope: Decimal(amount) for scope, amount in amounts.items()}
    found = limits_in_force(usd, call_id="c", place="a.ipynb", now=now)
    return {limit.scope: limit for limit in found}


def at(zone: ZoneInfo, *when: int) -> float:
    return datetime(*when, tzinfo=zone).timestamp()


# -- periods


def test_a_day_is_the_users_own_day(zone):
    tokyo = zone("Asia/Tokyo")
    found = limits(at(tokyo, 2026, 11, 27, 0, 30), day="5")["day"]
    assert found.period == "2026-11-27"
    assert found.since == at(tokyo, 2026, 11, 27)
    assert found.until == at(tokyo, 2026, 11, 28)


def test_a_month_begins_on_its_local_first(zone):
    york = zone("America/New_York")
    found = limits(at(york, 2026, 11, 30, 23, 59), month="5")["month"]
    assert (found.period, found.since) == ("2026-11", at(york, 2026, 11, 1))
    assert found.until == at(york, 2026, 12, 1)


@pytest.mark.parametrize(
    ("day", "hours"),
    [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 11, 26), 24)],
    ids=["spring", "autumn", "usual"],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone, day, hours):
    berlin = zone("Europe/Berlin")
    for hour in (0, 12, 23):
        found = limits(at(berlin, *day, hour), day="5")["day"]
        assert found.since == at(berlin, *day)
        assert found.until - found.since == hours * 3_600


def test_a_day_without_a_midnight_begins_when_the_clock_jumps(zone):
    santiago = zone("America/Santiago")  # 2024-09-08 began at 01:00
    found = limits(at(santiago, 2024, 9, 8, 12), day="5")["day"]
    assert found.since == at(santiago, 2024, 9, 8, 1)
    assert found.until - found.since == 23 * 3_600


def test_a_day_with_two_midnights_begins_at_the_first(zone):
    havana = zone("America/Havana")  # on 2024-11-03 01:00 became 00:00 again
    found = limits(at(havana, 2024, 11, 3, 12), day="5")["day"]
    assert found.since == at(havana, 2024, 11, 3)
    assert found.until - found.since == 25 * 3_600


@pytest.mark.parametrize(
    "name", ["Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/St_Johns"]
)
def test_a_day_begins_on_a_quarter_of_an_hour_in_odd_zones_too(zone, name):
    found = limits(at(zone(name), 2026, 7, 15, 12), day="5")["day"]
    assert found.since % 900 == 0


@pytest.mark.parametrize("month", range(1, 13))
def test_every_month_ends_where_the_next_begins(zone, month):
    utc = zone("UTC")
    found = limits(at(utc, 2028, month, 28, 12), month="5")["month"]
    following = (2028, month + 1, 1) if month < 12 else (2029, 1, 1)
    assert found.until == at(utc, *following)


def test_the_last_second_of_a_day_is_yesterdays(zone):
    utc = zone("UTC")
    before = limits(at(utc, 2026, 12, 31, 23, 59, 59), day="5", month="9")
    after = limits(at(utc, 2027, 1, 1), day="5", month="9")
    assert before["day"].until == after["day"].since
    assert before["month"].until == after["month"].since


def test_only_what_is_set_is_in_force_and_in_one_order():
    assert limits(0.0) == {}
    assert list(limits(0.0, month="1", call="1", day="1", notebook="1")) == [
        "call",
        "notebook",
        "day",
        "month",
    ]


def test_a_notebook_without_a_name_is_its_session():
    assert place_of("a.ipynb", "s") == "a.ipynb"
    assert place_of(None, "s") == "s"
    assert place_of("\udcff.ipynb", "s") == "?.ipynb"


@pytest.mark.parametrize("usd", ["0.1", "0.000000001", "123456789.123456789", "1e-9"])
def test_an_amount_is_exact_to_the_nano_dollar(usd):
    assert limits(0.0, day=usd)["day"].nano == int(Decimal(usd) * NANO)


# -- what a call needs


def need(prompt: str = "0.001", token: str = "0.000004", asked: int | None = None) -> Need:
    return Need.of(Decimal(prompt), Decimal(token), asked, None)


def test_a_fifth_is_put_on_what_was_estimated():
    assert [with_margin(n) for n in (0, 1, 5, 100, 101)] == [0, 2, 6, 120, 122]


def test_a_need_is_rounded_up_to_the_nano_dollar():
    tiny = Need.of(Decimal("1e-12"), Decimal("1e-12"), 1, None)
    assert tiny.nano(1) == 2


def test_without_a_wish_the_answer_is_the_usual_length():
    assert need().wanted == USUAL_TOKENS
    assert need(asked=100_000).wanted == 100_000


def test_a_small_window_asks_for_no_more_than_it_has_room_for():
    assert Need.of(Decimal(1), Decimal(1), None, 500).wanted == 500
    assert Need.of(Decimal(1), Decimal(1), None, -7).wanted == LEAST_TOKENS
    assert Need.of(Decimal(1), Decimal(1), 300, 100).wanted == 300


def test_enough_money_grants_what_was_wanted():
    rich = Standing(Limit("day", NANO, "d"))
    assert grant(need(), [rich]) == Grant(USUAL_TOKENS, 1_000_000 + USUAL_TOKENS * 4_000)


def test_the_answer_shrinks_to_what_is_left_and_says_by_which_budget():
    day = Standing(Limit("day", 2_000_000, "d"), spent=200_000)
    month = Standing(Limit("month", NANO, "m"))
    assert grant(need(), [month, day]) == Grant(200, 1_800_000, "day")


def test_what_is_left_is_used_to_the_last_nano_dollar():
    exact = Standing(Limit("day", 1_000_000 + LEAST_TOKENS * 4_000, "d"))
    assert isinstance(grant(need(), [exact]), Grant)
    short = Standing(Limit("day", 1_000_000 + LEAST_TOKENS * 4_000 - 1, "d"))
    assert grant(need(), [short]) == Refusal(short, 1_256_000)


def test_a_shorter_answer_that_the_user_wants_is_not_too_short():
    few = Standing(Limit("day", 1_000_000 + 10 * 4_000, "d"))
    assert grant(need(asked=10), [few]) == Grant(10, 1_040_000)
    assert isinstance(grant(need(asked=11), [few]), Refusal)


def test_held_money_is_not_granted_twice():
    held = Standing(Limit("day", 2_000_000, "d"), held=1_500_000)
    assert isinstance(grant(need(), [held]), Refusal)


def test_a_limit_that_was_lowered_below_what_is_spent_leaves_nothing():
    over = Standing(Limit("day", 100, "d"), spent=500)
    assert over.left == 0
    assert isinstance(grant(need(), [over]), Refusal)


def test_free_output_is_not_shortened():
    assert grant(need(token="0"), [Standing(Limit("day", NANO, "d"))]).tokens == USUAL_TOKENS


money = st.decimals("0", "0.01", places=9)


@given(
    st.integers(1, 50_000_000),
    st.lists(
        st.tuples(money, money, st.none() | st.integers(1, 9_000), st.floats(0, 1)), max_size=30
    ),
)
def test_whatever_is_asked_for_the_limit_is_never_exceeded(limit, calls):
    """Each call is granted or not, and costs some part of what was held for it."""
    spent, held = 0, []
    for prompt, token, asked, part in calls:
        standing = Standing(Limit("day", limit, "d"), spent=spent, held=sum(held))
        found = grant(Need.of(prompt, token, asked, None), [standing])
        if isinstance(found, Grant):
            held.append(found.nano)
        assert spent + sum(held) <= limit
        if held and part > 0.5:
            spent += int(held.pop(0) * part)
    assert spent + sum(held) <= limit


@given(money, money, st.none() | st.integers(1, 9_000), st.integers(0, 10**8))
def test_a_grant_is_the_longest_answer_that_can_be_paid(prompt, token, asked, left):
    wish = Need.of(prompt, token, asked, None)
    found = grant(wish, [Standing(Limit("day", left + 1, "d"), spent=1)])
    if isinstance(found, Refusal):
        assert wish.nano(wish.least) > left
        return
    assert found.nano == wish.nano(found.tokens) <= left
    assert wish.least <= found.tokens <= wish.wanted
    assert found.tokens == wish.wanted or wish.nano(found.tokens + 1) > left
    assert bool(found.scope) == (found.tokens < wish.wanted)


def test_fractions_of_a_nano_dollar_do_not_add_up_to_more():
    wish = Need(0, Fraction(1, 3), 1_000, 1)
    assert wish.tokens_within(10) == 30
    assert wish.nano(30) == 10
    assert wish.nano(31) == 11


# -- what counts


def row(**facts: object) -> Attempt:
    return Attempt(**{"call_id": "c", "attempt": 1, "ts": 100.0, "session": "s", **facts})


def counted(limit: Limit, *rows: tuple[Attempt, int]) -> tuple[int, int, int]:
    found = standing_of(limit, rows, 100.0)
    return found.spent, found.unsettled, found.held


def test_known_cost_is_spent_whatever_was_held_for_it():
    assert counted(DAY, (row(cost_nano=7, status="ok"), 50)) == (7, 0, 0)


def test_an_attempt_on_its_way_is_held_and_one_that_ended_unknown_is_used():
    assert counted(DAY, (row(), 50)) == (0, 0, 50)
    assert counted(DAY, (row(error_type="TimedOutError"), 50)) == (0, 50, 0)
    assert counted(DAY, (row(status="cancelled"), 50)) == (0, 50, 0)


def test_what_was_held_long_ago_is_not_expected_back():
    """The row is from second 100 on."""
    assert standing_of(DAY, [(row(), 50)], 99.0).moving == 50
    assert standing_of(DAY, [(row(), 50)], 100.0).moving == 0
    assert standing_of(DAY, [(row(error_type="TimedOutError"), 50)], 0.0).moving == 0


@pytest.mark.parametrize(
    ("held", "moving", "worth"),
    [
        (0, 0, False),  # all that was wanted is granted
        (NANO - 1_500_000, NANO - 1_500_000, True),  # shortened, and it need not be
        (NANO - 1_500_000, 0, False),  # shortened by what does not come back
        (NANO - 1, NANO - 1, True),  # refused, and it need not be
        (NANO - 1, 200_000, False),  # refused, and what comes back is not enough
    ],
)
def test_money_on_its_way_is_worth_waiting_for_where_it_grants_more(held, moving, worth):
    standings = [Standing(Limit("day", NANO, "d"), held=held, moving=moving)]
    assert worth_waiting(need(), standings, grant(need(), standings)) is worth


def test_pretend_money_counts_for_nothing():
    assert counted(DAY, (row(cost_nano=7, simulated=True), 0)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("limit", "counts"),
    [
        (Limit("call", 9, "c"), True),
        (Limit("call", 9, "another"), False),
        (Limit("notebook", 9, "s"), True),
        (Limit("notebook", 9, "a.ipynb"), False),
        (Limit("day", 9, "d", since=100.0), True),
        (Limit("day", 9, "d", since=100.5), False),
        (Limit("month", 9, "m", since=99.0), True),
    ],
)
def test_each_scope_counts_its_own(limit, counts):
    assert counted(limit, (row(cost_nano=5), 0)) == ((5, 0, 0) if counts else (0, 0, 0))


# -- levels


@pytest.mark.parametrize(
    ("used", "level"), [(0, 0), (499, 0), (500, 50), (799, 50), (800, 80), (999, 80), (1_000, 100)]
)
def test_a_level_is_reached_to_the_nano_dollar(used, level):
    assert level_reached(Standing(DAY, spent=used)) == level
    assert level_reached(Standing(DAY, unsettled=used)) == level


def test_what_is_only_held_reaches_no_level():
    assert level_reached(Standing(DAY, held=1_000)) == 0


def test_a_refusal_near_the_end_means_that_the_budget_is_used_up():
    assert level_reached(Standing(DAY, spent=800), refused=True) == 100
    assert level_reached(Standing(DAY, spent=600), refused=True) == 50
