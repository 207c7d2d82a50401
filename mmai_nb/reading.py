"""What can be read of a ledger: its rows and the sums over them, as DataFrames.

How the file is opened and which rows are not in it yet is the ledger's own business.
"""

from __future__ import annotations

import sqlite3
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, Unpack

from . import sums, tables
from .errors import LedgerWarning, OptionError
from .exporting import checked_target, write_frames
from .selection import Filters, Moment, Names, checked_limit, of_rows, of_sums
from .values import nearest, one_line, shown, simple

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["MOST_ROWS", "Reading"]

T = TypeVar("T")

MOST_ROWS = 100_000
"""What `frame` reads if it is not told."""


class Reading(ABC):
    """The part of a ledger that only reads."""

    @abstractmethod
    def _read(self, query: Callable[[sqlite3.Connection, str], T]) -> T:
        """The query's result over the rows, named by its second argument, pending ones included."""

    @abstractmethod
    def _mend_if_seen(self) -> None:
        """Make the sums anew where it shows that they do not fit the rows."""

    def frame(
        self,
        *,
        limit: int | None = MOST_ROWS,
        since: Moment = None,
        until: Moment = None,
        call_id: str | None = None,
        **only: Unpack[Filters],
    ) -> DataFrame:
        """The rows as a DataFrame, newest last; tokens, USD and seconds, unknown is NA or NaN.

        The dtypes are the same for any rows, none included. `frame.attrs["truncated"]` tells
        whether older rows were left out; the default limit warns of it too.

        Args:
            limit: how many of the newest rows at most; None: all.
            since: only rows from then on: a datetime, a date, seconds since the epoch, or a word
                such as "today", "week", "month" or "7d".
            until: only rows before then; likewise.
            call_id: only rows of that call.
            only: only rows of that model, provider, tier, notebook or tag, one or several, "" for
                none; or by `simulated`.

        Raises:
            OptionError: limit is negative, or another value is wrong.
        """
        limit = checked_limit(limit)
        where = of_rows(since, until, {"call_id": call_id, **only})
        one_more = None if limit is None else limit + 1
        rows = self._read(lambda db, source: tables.fetch(db, source, where, one_more))
        cut = limit is not None and len(rows) > limit
        frame = tables.frame(rows[1:] if cut else rows)
        frame.attrs["truncated"] = cut
        if cut and limit == MOST_ROWS:
            warnings.warn(
                f"only the newest {limit:,} rows are shown; limit=None gives all",
                LedgerWarning,
                stacklevel=2,
            )
        return frame

    def export(
        self,
        path: str | Path,
        *,
        limit: int | None = None,
        since: Moment = None,
        until: Moment = None,
        force: bool = False,
        **only: Unpack[Filters],
    ) -> int:
        """Write rows to a CSV or Parquet file, oldest first; how many there were.

        It has the columns of `frame`, is readable by its owner alone, and is there whole or not at
        all. However many rows there are, few of them are in memory at a time. In CSV a text that
        a spreadsheet would take for a formula has a `'` before it; Parquet needs pyarrow.

        Args:
            path: ends with .csv or .parquet.
            limit: how many of the newest rows at most; None: all.
            since: as in `frame`.
            until: as in `frame`.
            force: replace the file if it is there.
            only: as in `frame`.

        Raises:
            OptionError: a value is wrong, or the file is there, or cannot be written.
        """
        limit = checked_limit(limit)
        target, where = checked_target(path, force=force), of_rows(since, until, only)

        def write(db: sqlite3.Connection, source: str) -> int:
            frames = map(tables.frame, tables.pieces(db, source, where, limit))
            return write_frames(target, frames, force=force)

        return self._read(write)

    def summary(
        self,
        by: Names = "model",
        since: Moment = None,
        until: Moment = None,
        **only: Unpack[Filters],
    ) -> DataFrame:
        """Calls, tokens, money, rates and latency by group; simulated money has rows of its own.

        A call counts where its first attempt went, so that `calls` add up over any grouping: a
        model that only stood in for others has attempts and no calls. `attempts` are requests that
        were sent; tokens and money are theirs. `unknown_cost` counts attempts that may have been
        billed and have no price: `cost_usd` is the sum of the others, NaN if there are none, and
        `cost_per_call_usd` is that sum over all calls. `cache_hit_rate` is the share of answers
        that the cache gave, `fallback_rate` the share of calls that another model answered than
        the one asked first, `escalation_rate` of those whose answer did not pass its check and
        that a stronger tier answered, `error_rate` the share of attempts that failed. `p50_s` and
        `p95_s` are seconds of attempts that were answered, true to 5 %. `saved_by_routing_usd`
        compares the answers that stand with the strongest tier's first model for the same tokens.
        `check_cost_usd` is what the others cost, which a check rejected or asked as a second
        opinion: saved by routing, all told, is the first less the second.

        Args:
            by: one or several of model, provider, tier, notebook, tag, hour, day, month (local
                time), response_model, endpoint, session, status, error_type, finish_reason; None
                for the totals. The last six are summed from the rows, which takes its time.
            since: only from then on; as in `frame`, but the quarter of an hour counts whole.
            until: only before then; likewise.
            only: as in `frame`.

        Raises:
            OptionError: there is no such group, or a value is wrong.
        """
        query = sums.Query(_groups(by, sums.GROUPS), of_sums(since, until, only))
        return self._read_sums(lambda db, source: sums.summary(db, source, query))

    def series(
        self,
        by: Names = "model",
        step: str = "day",
        since: Moment = "30d",
        until: Moment = None,
        **only: Unpack[Filters],
    ) -> DataFrame:
        """The figures of `summary` but for latencies, per period and group, oldest first.

        `start` is when the period begins, in local time. Periods without calls have no row.

        Args:
            by: one or several of model, provider, tier, notebook, tag; None for all together.
            step: hour, day or month.
            since: as in `summary`.
            until: as in `summary`.
            only: as in `frame`.

        Raises:
            OptionError: there is no such group or step, or a value is wrong.
        """
        if step not in sums.PERIODS:
            raise OptionError(f"step must be hour, day or month, not {shown(step)}")
        groups = (step, *_groups(by, sums.ROLLED))
        query = sums.Query(groups, of_sums(since, until, only), "period_start")
        return self._read_sums(lambda db, source: sums.series(db, source, query))

    def latencies(
        self,
        by: Names = "model",
        since: Moment = "30d",
        until: Moment = None,
        **only: Unpack[Filters],
    ) -> DataFrame:
        """Per group: attempts that were answered, and p50, p90, p95 and p99 of their seconds.

        The seconds are true to 5 %. Slowest first; periods in their order.

        Args:
            by: one or several of model, provider, tier, notebook, tag, hour, day, month; None for
                all together.
            since: as in `summary`.
            until: as in `summary`.
            only: as in `frame`.

        Raises:
            OptionError: there is no such group, or a value is wrong.
        """
        groups = _groups(by, (*sums.ROLLED, *sums.PERIODS))
        query = sums.Query(groups, of_sums(since, until, only))
        return self._read_sums(lambda db, source: sums.latencies(db, source, query))

    def choices(
        self, since: Moment = None, until: Moment = None, **only: Unpack[Filters]
    ) -> dict[str, list[str]]:
        """The names that occur, sorted, of each kind: model, provider, tier, notebook, tag.

        Args:
            since: as in `summary`.
            until: as in `summary`.
            only: as in `frame`.

        Raises:
            OptionError: a value is wrong.
        """
        where = of_sums(since, until, only)
        return self._read_sums(lambda db, source: sums.choices(db, source, where))

    def keys_used(self, *, notebook: str | None = None, session: str | None = None) -> list[str]:
        """The cache keys of the answers that a notebook got, or a session where that is None."""
        column, name = ("session", session) if notebook is None else ("notebook", notebook)
        return self._read(lambda db, source: tables.keys_used(db, source, column, name))

    def scores(
        self, *, since: float = 0.0, simulated: bool = False, most: int = 1_000
    ) -> list[float]:
        """The complexity of the newest prompts that were sent, newest first.

        Args:
            since: only from then on, in seconds since the epoch.
            simulated: the demo's instead of real ones.
            most: how many at most, looked for in twenty times as many rows.
        """
        return self._read(
            lambda db, source: tables.scores(
                db, source, since=since, simulated=simulated, most=most, looked_at=20 * most
            )
        )

    def _read_sums(self, query: Callable[[sqlite3.Connection, str], T]) -> T:
        self._mend_if_seen()
        return self._read(query)


def _groups(by: Names, known: Sequence[str]) -> tuple[str, ...]:
    """The names to group by, each once.

    Raises:
        OptionError: one of them is none of the known.
    """
    by = simple(by)
    several = isinstance(by, list | tuple | Set | Iterator)
    asked: list[object] = list(by) if several else [] if by is None else [by]
    names = [simple(name) for name in asked]
    for name in names:
        if not isinstance(name, str) or name not in known:
            hint = nearest(name, known) if isinstance(name, str) else ""
            hint = hint or f": take {', '.join(known)}"
            raise OptionError(one_line(f"by={shown(name)} is no column to group by{hint}"))
    return tuple(dict.fromkeys(names))
