"""An index of texts by their pieces of three characters, in a file of its own.

It only narrows a search down: what it names is looked at anyway, and so is what it does not know
yet. Therefore it may lag behind, be damaged or be missing, and is deleted whole when a text is: it
is made again when it is worth it. It holds pieces of the texts, so only its owner can read it.

SQLite's FTS5 with the trigram tokenizer, without positions: 0.4 bytes a character.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from .files.locks import turn
from .words import fold

__all__ = ["WordIndex"]

MOST_PIECES = 24
"""So many pieces of a word are looked up; more would name hardly fewer texts."""

PATIENCE = 5.0
"""Seconds to wait for another process that is adding to the index."""

_MAKE = (
    "CREATE TABLE IF NOT EXISTS known(upto INTEGER NOT NULL, began REAL NOT NULL)",
    "CREATE VIRTUAL TABLE IF NOT EXISTS piece USING fts5(text, content='', detail=none, "
    "columnsize=0, tokenize='trigram case_sensitive 1')",
)


class WordIndex:
    """Which texts may hold some words.

    Args:
        path: the file; made when the first text is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def known(self) -> tuple[int, float] | None:
        """Id and first time of the last text in it; None where there is none, or no index."""
        found = self._ask("SELECT upto, began FROM known")
        return (int(found[0][0]), float(found[0][1])) if found else None

    def find(self, words: Sequence[str]) -> list[int] | None:
        """Ids of the texts that may hold all the words; None where it cannot tell.

        Args:
            words: as `words_of` gives them; of no use below three characters.
        """
        pieces = list(dict.fromkeys(piece for word in words for piece in _pieces(word)))
        if not pieces:
            return None
        wanted = " AND ".join('"' + piece.replace('"', '""') + '"' for piece in pieces)
        found = self._ask("SELECT rowid FROM piece WHERE piece MATCH ?", wanted)
        return None if found is None else [number for (number,) in found]

    def add(self, read: Callable[[int], Sequence[tuple[int, float, str]]]) -> bool:
        """Add what `read` gives; whether there was something, and it could be added.

        Args:
            read: gives texts with an id above the number, lowest first: id, first time, text. It
                is called when no other process adds or removes.
        """
        try:
            with turn(f"{self.path}.lock", PATIENCE), self._opened() as db:
                for statement in _MAKE:
                    db.execute(statement)
                texts = read(next((int(n) for (n,) in db.execute("SELECT upto FROM known")), 0))
                db.executemany(
                    "INSERT INTO piece(rowid, text) VALUES(?, ?)",
                    # the tokenizer stops at a NUL
                    [(number, fold(text).replace("\0", " ")) for number, _, text in texts],
                )
                if texts:
                    db.execute("DELETE FROM known")
                    db.execute("INSERT INTO known VALUES(?, ?)", texts[-1][:2])
        except (sqlite3.Error, OSError) as error:  # a full disk, no FTS5 in this build of SQLite
            if not isinstance(error, sqlite3.OperationalError | OSError):
                self.remove()  # damaged: the next one begins anew
            return False
        return bool(texts)

    def remove(self) -> None:
        """Delete the file, and what a killed process left of it.

        Raises:
            OSError: it is still there.
        """
        with turn(f"{self.path}.lock", PATIENCE):
            for ending in ("-journal", ""):  # never a journal that has lost its file
                with suppress(FileNotFoundError):
                    os.unlink(f"{self.path}{ending}")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The file in one transaction, made if need be."""
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(self.path, timeout=1.0, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=OFF")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _ask(self, statement: str, *values: object) -> list[tuple[Any, ...]] | None:
        """The rows, or None where there is no index or it cannot be read."""
        if not self.path.exists():
            return None
        try:
            with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as db:
                return db.execute(statement, values).fetchall()
        except (sqlite3.Error, OSError):
            return None


def _pieces(word: str) -> list[str]:
    """Pieces of three characters out of a word, spread over it; none of a shorter word."""
    usable = [word[at : at + 3] for at in range(len(word) - 2) if "\0" not in word[at : at + 3]]
    step = max(1, -(-len(usable) // MOST_PIECES))
    return usable[::step]
