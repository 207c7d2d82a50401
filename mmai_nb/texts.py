"""Prompts and answers beside the ledger's rows: kept, found again, deleted for good.

Keeping them never costs the user an answer: what cannot be written waits in memory, within bounds,
and is written with the next one that can.
"""

from __future__ import annotations

import atexit
import sqlite3
import threading
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import exchanges
from .errors import LedgerWarning, MmaiError
from .exchanges import Exchange, Text, Wanted
from .ledger import Ledger
from .opening import TROUBLES
from .records import Message
from .selection import Moment, checked_limit, checked_text, moment
from .tables import storable
from .word_index import WordIndex
from .words import words_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Deleted", "Texts"]

MOST_WAITING = 1_000
MOST_CHARACTERS = 50_000_000
"""What waits in memory, at most; beyond it the oldest goes."""

WORTH_AN_INDEX = 8_000_000
"""Characters outside the index that make a search slow enough (0.05 s) to bring it up to date."""

PATIENCE_TO_DELETE = 5.0
"""Seconds to wait for other kernels, for each step of a deletion."""

BATCH = 500
"""Texts that are read, or added to the index, in one go."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted.

    Attributes:
        exchanges: how many.
        cache_keys: where the cache may hold their answers still.
        wiped: whether their traces are gone from the disk, too.
    """

    exchanges: int
    cache_keys: tuple[str, ...]
    wiped: bool


class Texts:
    """The exchanges of one ledger.

    Args:
        ledger: beside whose rows they are kept; without a file they are in memory only.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        # no lock, which a forked child could inherit held: a deque's own methods are atomic
        self._waiting: deque[Exchange] = deque()
        self._index = None if ledger.path is None else WordIndex(Path(f"{ledger.path}.words"))
        self._indexing: threading.Thread | None = None
        self._ailing = self._last_chance = self._traces = False

    # -- keeping

    def keep(self, exchange: Exchange, *, hurry: bool = False) -> None:
        """Write an exchange, or let it wait in memory; `hurry`: if the file is locked, at once."""
        self._waiting.append(exchange)
        if self.ledger.path is not None:
            soon = hurry or self._ailing or bool(self.ledger.pending)
            self._write_all(0.1 if soon else None)
        self._bound()

    def put_by(self, exchange: Exchange) -> None:
        """Write what a call has so far, in case its process is killed; `keep` replaces it.

        What cannot be written at once is let be: in memory it would not outlive the process, and
        `keep` tells of the trouble.
        """
        if self.ledger.path is not None and not self._ailing:
            with suppress(*TROUBLES):
                self.ledger.change(partial(exchanges.put_by, exchange=exchange), 0.1)

    @property
    def waiting(self) -> list[Exchange]:
        """The exchanges that are in memory only."""
        return list(self._waiting)

    def close(self) -> None:
        """Write what waits, and wipe the traces of what was deleted, if that can be."""
        if self.ledger.path is not None:
            with suppress(*TROUBLES):
                self._drain(0.1)
            if self._traces:
                self._traces = not self._wiped(0.5)

    def _write_all(self, patience: float | None) -> None:
        try:
            self._drain(patience)
        except TROUBLES as error:
            self._complain(error)
        else:
            self._ailing = False

    def _drain(self, patience: float | None) -> None:
        while True:
            try:
                first = self._waiting.popleft()
            except IndexError:
                return
            try:
                self.ledger.change(partial(exchanges.write, exchange=first), patience)
            except BaseException:
                self._waiting.appendleft(first)
                raise

    def _bound(self) -> None:
        sizes = sum(len(one.prompt) + len(one.answer) for one in self.waiting)
        while len(self._waiting) > MOST_WAITING or sizes > MOST_CHARACTERS:
            oldest = self._waiting.popleft()
            sizes -= len(oldest.prompt) + len(oldest.answer)

    def _complain(self, error: Exception) -> None:
        """One warning for as long as the trouble lasts; none where the ledger has given it."""
        self._close_at_exit()
        if not self._ailing and not self.ledger.pending:
            warnings.warn(
                f"prompt and answer cannot be written to {self.ledger.path} ({error}): "
                f"the newest {MOST_WAITING:,} wait in memory and are written later",
                LedgerWarning,
                stacklevel=4,
            )
        self._ailing = True

    def _close_at_exit(self) -> None:
        if not self._last_chance:
            self._last_chance = True
            atexit.register(self.close)

    # -- finding

    def frame(
        self,
        words: str | None = None,
        *,
        limit: int | None = MOST_WAITING,
        model: str | None = None,
        tag: str | None = None,
        since: Moment = None,
        before: Moment = None,
        number: int | None = None,
    ) -> DataFrame:
        """Prompts and answers as a DataFrame: newest last, with words the best fit first.

        One row per exchange, however often it was asked; the facts are those of the last time,
        `cost_usd` is what all times have cost. `id` is NA while an exchange waits to be written.
        Dtypes are the same for any rows, none included.

        Args:
            words: only where all of these are in the prompt or the answer, part of a word too;
                case does not count, and no character has a meaning of its own.
            limit: how many at most; None: all.
            model: only models with this in their name.
            tag: only calls with this tag.
            since: only what was asked from then on: a datetime, a date, seconds since the epoch,
                "today", "week", "month" or "7d".
            before: only what was not asked since then; likewise.
            number: only the one with this id.

        Raises:
            OptionError: a limit is negative, or a time is none.
        """
        wanted = Wanted(
            limit=checked_limit(limit),
            since=moment(since, "since"),
            before=moment(before, "before"),
            model=checked_text("model", model),
            tag=checked_text("tag", tag),
            number=number,
        )
        sought = words_of(storable(checked_text("words", words) or ""))
        waiting = self.waiting

        def query(db: sqlite3.Connection, rows: str) -> list[tuple[object, ...]]:
            source = exchanges.include(db, waiting)
            scores = self._scores(db, source, sought) if sought else None
            return exchanges.fetch(db, source, rows, wanted, scores)

        return exchanges.frame(self.ledger.read(query))

    def context(self, number: int) -> tuple[Message, ...]:
        """The messages before the prompt of the exchange with this id, oldest first."""

        def query(db: sqlite3.Connection, rows: str) -> tuple[Message, ...]:
            exchanges.include(db)
            return exchanges.context_of(db, number)

        return self.ledger.read(query)

    def _scores(
        self, db: sqlite3.Connection, source: str, words: Sequence[str]
    ) -> dict[str, float]:
        """The score of every text with all the words, by call id."""
        upto, candidates = self._candidates(db, words)
        scores = exchanges.hits(exchanges.some(db, candidates), words)
        seen = 0

        def rest() -> Iterator[Text]:
            nonlocal seen
            for text in exchanges.after(db, source, upto):
                seen += len(text[2]) + len(text[3])
                yield text

        scores |= exchanges.hits(rest(), words)
        if seen > WORTH_AN_INDEX:
            self.catch_up()
        return scores

    def _candidates(
        self, db: sqlite3.Connection, words: Sequence[str]
    ) -> tuple[int, Sequence[int]]:
        """Up to which id the index can tell, and which of those texts may hold the words."""
        known = None if self._index is None else self._index.known()
        if self._index is None or known is None:
            return 0, ()
        if not exchanges.is_indexed(db, *known):  # the ledger was replaced by another
            self._index.remove()
            return 0, ()
        found = self._index.find(words)
        return (0, ()) if found is None else (known[0], found)

    def catch_up(self) -> threading.Thread | None:
        """Bring the index up to date in the background; None where that is under way already."""
        if self._index is None or (self._indexing is not None and self._indexing.is_alive()):
            return None
        self._indexing = threading.Thread(
            target=self._add_all, args=(self._index,), name="mmai_nb index", daemon=True
        )
        self._indexing.start()
        return self._indexing

    def _add_all(self, index: WordIndex) -> None:
        while index.add(self._unindexed):
            pass

    def _unindexed(self, upto: int) -> list[tuple[int, float, str]]:

        def query(db: sqlite3.Connection, rows: str) -> list[tuple[int, float, str]]:
            exchanges.include(db)
            return exchanges.to_index(db, upto, BATCH)

        return self.ledger.read(query)

    # -- deleting

    def delete(self, found: DataFrame) -> Deleted:
        """Delete exchanges for good: their texts, the index of words, and all traces of both.

        Votes on them stay, without the numbers of their words.

        Args:
            found: what `frame` gave.

        Raises:
            MmaiError: the ledger cannot be written to just now; nothing is deleted.
        """
        calls = set(found["call_id"])
        for one in self.waiting:
            if one.call_id in calls:
                with suppress(ValueError):  # written just now by another thread
                    self._waiting.remove(one)
        wiped = self.ledger.path is None or self._delete(found)
        return Deleted(len(found), tuple(found["cache_key"].dropna()), wiped)

    def _delete(self, found: DataFrame) -> bool:
        numbers = [int(number) for number in found["id"].dropna()]
        waiting = [str(call) for call in found["call_id"][found["id"].isna()]]
        calls, keys = map(str, found["call_id"].dropna()), map(str, found["cache_key"].dropna())

        def action(db: sqlite3.Connection) -> None:
            exchanges.delete(db, numbers, waiting)
            exchanges.forget_words(db, calls, keys)

        try:
            self.ledger.change(action, PATIENCE_TO_DELETE)
        except TROUBLES as error:
            raise MmaiError(
                f"nothing was deleted, the ledger cannot be written to: {error}"[:200]
            ) from error
        wiped = self._wiped(PATIENCE_TO_DELETE)
        self._traces = not wiped
        if not wiped:
            self._close_at_exit()
        return wiped

    def _wiped(self, patience: float) -> bool:
        try:
            if self._index is not None:
                self._index.remove()
        except OSError:
            return False
        return self.ledger.wipe(patience)
