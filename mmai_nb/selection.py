"""Which rows of the ledger are meant: a period, in dates or in words, and names; checked.

This module opens no file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime, time, timedelta
from numbers import Real
from typing import Any, TypeAlias, TypedDict

from .errors import OptionError
from .schema import ROLLUP_KEY, SLOT_S, Where
from .values import nearest, shown, simple

__all__ = [
    "Filters",
    "Moment",
    "Names",
    "checked_limit",
    "checked_text",
    "is_period",
    "moment",
    "of_rows",
    "of_sums",
]

Moment: TypeAlias = datetime | date | float | str | None
"""A moment: with a zone or in local time, a day, seconds since the epoch, or a word."""

Names: TypeAlias = str | Sequence[str] | None
"""One name or several; None is any."""


class Filters(TypedDict, total=False):
    """What rows can be chosen by; "" chooses those that have no such name."""

    model: Names
    provider: Names
    tier: Names
    notebook: Names
    tag: Names
    simulated: bool | None


_DAYS = re.compile(r"(\d{1,6}) ?d(?:ays?)?", re.IGNORECASE)
_WORDS = ("today", "week", "month", "year", "all")
MOST_ROWS = 10**12
"""More than any ledger holds."""
LONGEST_TEXT = 10_000
"""Characters of a text that is looked for; no row is told from another by more."""
_LATEST = 1e11
"""Seconds since the epoch, in the year 5138: what is greater was meant to be milliseconds."""


def checked_limit(limit: int | None) -> int | None:
    """How many rows at most; None is all.

    Raises:
        OptionError: it is no whole number from 0 on.
    """
    limit = simple(limit)
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= MOST_ROWS:
        raise OptionError(f"limit must be 0 or more, or None for all rows, not {shown(limit)}")
    return limit


def checked_text(name: str, text: str | None) -> str | None:
    """A text that rows are looked for by, as the database can take it; None is any.

    Raises:
        OptionError: it is no text.
    """
    text = simple(text)
    if text is None:
        return None
    if not isinstance(text, str):
        raise OptionError(f"{name} must be a text or None, not {shown(text)}")
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode()


def is_period(word: str) -> bool:
    """Whether `moment` knows the word, such as today, week or 7d; dates are none."""
    return word.lower() in _WORDS or _DAYS.fullmatch(word) is not None


def moment(value: Moment, name: str = "since") -> float | None:
    """A moment in seconds since the epoch; None is any time.

    Words: today, week (since Monday), month, year, all, and 7d for the last 7 days, today among
    them: each from a local midnight on. Also dates such as 2026-01-31 and 2026-01-31T12:00.

    Args:
        value: what the user gave.
        name: of the argument, for the error.

    Raises:
        OptionError: it is no moment.
    """
    value = simple(value)
    if value is None:
        return None
    try:
        found = _seconds(value)
    except (ValueError, OverflowError, OSError, TypeError):
        found = math.nan
    if found is None:
        return None
    if not math.isfinite(found) or found > _LATEST:
        seen = shown(str(value) if type(value) in (date, datetime) else value)
        raise OptionError(
            f"{name}={seen} is no moment: take a date such as 2026-01-31, a datetime, "
            'seconds since the epoch, "today", "week", "month", "all" or "7d"'
        )
    return found


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        return _worded(value.strip().lower())
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, date):
        return _midnight(value)
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    return math.nan


def _worded(word: str) -> float | None:
    today = date.today()
    if word == "all":
        return None
    if days := _DAYS.fullmatch(word):
        return _midnight(today - timedelta(days=max(int(days[1]), 1) - 1))
    begins = {
        "today": today,
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "year": today.replace(month=1, day=1),
    }
    return _midnight(begins[word]) if word in begins else datetime.fromisoformat(word).timestamp()


def _midnight(day: date) -> float:
    return datetime.combine(day, time()).timestamp()


def of_sums(since: Moment, until: Moment, only: Mapping[str, Any]) -> Where:
    """The condition on the rollup: the slots that the period touches, and the names.

    Raises:
        OptionError: a value is wrong.
    """
    first, last = _period(since, until)
    where, values = _named(only, {name: name for name in ROLLUP_KEY})
    if first is not None:
        where.append("slot >= :since")
        values["since"] = math.floor(first / SLOT_S)
    if last is not None:
        where.append("slot < :until")
        values["until"] = math.ceil(last / SLOT_S)
    return " AND ".join(where) or "1", values


def of_rows(since: Moment, until: Moment, only: Mapping[str, Any]) -> Where:
    """The condition on attempts `r`: from `since` on, before `until`, the names, the call.

    Raises:
        OptionError: a value is wrong.
    """
    first, last = _period(since, until)
    where, values = _named(only, {**ROLLUP_KEY, "call_id": "r.call_id"})
    if first is not None:
        where.append("r.ts >= :since")
        values["since"] = first
    if last is not None:
        where.append("r.ts < :until")
        values["until"] = last
    return " AND ".join(where) or "1", values


def _period(since: Moment, until: Moment) -> tuple[float | None, float | None]:
    first, last = moment(since, "since"), moment(until, "until")
    if first is not None and last is not None and first >= last:
        raise OptionError(f"since={shown(since)} must be before until={shown(until)}")
    return first, last


def _named(
    only: Mapping[str, Any], columns: Mapping[str, str]
) -> tuple[list[str], dict[str, object]]:
    where, values = list[str](), dict[str, object]()
    for name, wanted in only.items():
        if name not in columns or name == "slot":
            known = [column for column in columns if column != "slot"]
            hint = nearest(name, known) or f": take {', '.join(known)}"
            raise OptionError(f"rows cannot be chosen by {shown(name)}{hint}")
        if wanted is None:
            continue
        named = {f"{name}{n}": value for n, value in enumerate(_checked(name, wanted))}
        marks = ", ".join(f":{mark}" for mark in named)
        where.append(f"{columns[name]} IN ({marks})")
        values |= named
    return where, values


def _checked(name: str, wanted: Any) -> Sequence[object]:
    """The values that are wanted of a column, one or several."""
    if name == "simulated":
        if not isinstance(wanted, bool):
            raise OptionError(f"simulated must be True, False or None, not {shown(wanted)}")
        return [wanted]
    wanted = simple(wanted)
    names = [wanted] if isinstance(wanted, str) else wanted
    several = isinstance(names, list | tuple | Set)
    if not several or not all(isinstance(each, str) for each in names):
        raise OptionError(f"{name} must be a text or several, not {shown(wanted)}")
    return [checked_text(name, each) or "" for each in names]
