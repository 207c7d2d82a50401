"""Prompts and answers in SQL: written, listed, searched, deleted.

This module opens no file; pandas is imported only when a frame is made.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .frames import make_frame
from .records import Message
from .schema import EXCHANGES
from .tables import storable
from .words import score

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "Exchange",
    "Wanted",
    "after",
    "context_of",
    "delete",
    "fetch",
    "forget_words",
    "frame",
    "hits",
    "include",
    "is_indexed",
    "put_by",
    "some",
    "to_index",
    "write",
]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One prompt and its answer, as they are kept: without secrets, cut where they are long.

    Attributes:
        call_id: of the call; of the last one, where it was asked several times.
        ts: when the answer was there, in seconds since the epoch.
        context: the messages before the prompt, system message first.
        cache_key: where the cache keeps this answer; None if it does not.
        cost_nano: of all attempts of the call, in nano-dollars; None where one is unknown.
        model: our name of the model that answered.
        status: ok, partial or error.
        format: how the answer is shown.
        asked: how often it was asked.
    """

    call_id: str
    ts: float
    prompt: str
    answer: str
    context: tuple[Message, ...] = ()
    cache_key: str | None = None
    cost_nano: int | None = None
    model: str = ""
    status: str = "ok"
    format: str = "markdown"
    simulated: bool = False
    asked: int = 1


_FACTS = (
    "cache_key",
    "call_id",
    "began",
    "ts",
    "asked",
    "cost_nano",
    "model",
    "status",
    "format",
    "simulated",
    "context",
    "earlier",
    "prompt",
    "answer",
)
"""The columns of `exchange` but its id."""

_NAMES, _MARKS = ", ".join(_FACTS), ", ".join("?" * len(_FACTS))


def _row(exchange: Exchange, context: int) -> tuple[object, ...]:
    return (
        exchange.cache_key,
        exchange.call_id,
        exchange.ts,
        exchange.ts,
        exchange.asked,
        exchange.cost_nano,
        exchange.model,
        exchange.status,
        exchange.format,
        exchange.simulated,
        context,
        len(exchange.context),
        storable(exchange.prompt),
        storable(exchange.answer),
    )


def write(db: sqlite3.Connection, exchange: Exchange) -> None:
    """Write the exchange, or count it once more where the same answer came from the cache.

    Another answer under the same cache key takes the key over, and the former one stays as an
    exchange of its own. What the call had put by goes. Writing it twice is writing it once.
    """
    _take_away(db, exchange.call_id)
    again = db.execute(
        "UPDATE exchange SET ts = ?, call_id = ?, asked = asked + 1, cost_nano = cost_nano + ? "
        "WHERE cache_key = ? AND call_id != ? AND answer = ?",
        (
            exchange.ts,
            exchange.call_id,
            exchange.cost_nano,
            exchange.cache_key,
            exchange.call_id,
            storable(exchange.answer),
        ),
    )
    if not again.rowcount:
        _add(db, exchange)


def put_by(db: sqlite3.Connection, exchange: Exchange) -> None:
    """Write what a call has so far while it goes on; `write` puts its end in the place of it.

    An answer that the history has already stays as it is.
    """
    _take_away(db, exchange.call_id)
    there = db.execute(
        "SELECT 1 FROM exchange WHERE cache_key = ? AND answer = ?",
        (exchange.cache_key, storable(exchange.answer)),
    )
    if there.fetchone() is None:
        _add(db, exchange)


def _take_away(db: sqlite3.Connection, call_id: str) -> None:
    """Remove what the call alone has written; its next row gets a new id, for the index's sake."""
    db.execute("DELETE FROM exchange WHERE call_id = ? AND asked = 1", (call_id,))


def _add(db: sqlite3.Connection, exchange: Exchange) -> None:
    if exchange.cache_key is not None:
        db.execute(
            "UPDATE exchange SET cache_key = NULL WHERE cache_key = ? AND call_id != ?",
            (exchange.cache_key, exchange.call_id),
        )
    before = 0
    for message in exchange.context:
        before = _linked(db, before, message)
    db.execute(f"INSERT OR IGNORE INTO exchange({_NAMES}) VALUES({_MARKS})", _row(exchange, before))


def _linked(db: sqlite3.Connection, before: int, message: Message) -> int:
    """The message's id, written if it does not stand behind `before` yet."""
    role, content = message.role, storable(message.content)
    digest = hashlib.sha256(f"{role}\n{content}".encode()).hexdigest()
    found = db.execute(
        "SELECT id FROM message WHERE before = ? AND digest = ?", (before, digest)
    ).fetchone()
    if found is None:
        written = db.execute(
            "INSERT INTO message(before, digest, role, content) VALUES(?, ?, ?, ?)",
            (before, digest, role, content),
        )
        return written.lastrowid or 0
    return int(found[0])


def include(db: sqlite3.Connection, waiting: Sequence[Exchange] = ()) -> str:
    """Name of a table or view with what the file holds and what waits to be written (no id).

    In a transaction of the caller's; rolling it back takes all away that is made for it.
    """
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    for statement in EXCHANGES:  # a file of an older version that is only read has none
        if not {"exchange", "message"} <= there and "CREATE TABLE" in statement:
            db.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE"))
    if not waiting:
        return "exchange"
    db.execute(f"CREATE TEMP TABLE unwritten({_NAMES})")
    db.executemany(
        f"INSERT INTO temp.unwritten VALUES({_MARKS})", [_row(one, 0) for one in waiting]
    )
    db.execute(
        f"CREATE TEMP VIEW said AS SELECT id, {_NAMES} FROM exchange "
        f"UNION ALL SELECT NULL, {_NAMES} FROM temp.unwritten"
    )
    return "said"


# -- reading


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exchanges: those that fit everything that is given; `since` and `before` in seconds."""

    limit: int | None = None
    since: float | None = None
    before: float | None = None
    model: str | None = None
    tag: str | None = None
    number: int | None = None


_FRAME = {
    "id": "Int64",
    "ts": "time",
    "call_id": "string",
    "model": "string",
    "tier": "string",
    "tag": "string",
    "notebook": "string",
    "prompt": "string",
    "answer": "string",
    "earlier": "Int64",
    "asked": "Int64",
    "input_tokens": "Int64",
    "output_tokens": "Int64",
    "cost_nano": "money",
    "cache_hit": "boolean",
    "status": "string",
    "simulated": "boolean",
    "format": "string",
    "cache_key": "string",
}
"""What `fetch` gives, and the kind of its column in a frame."""

_OF_THE_CALL = ("tier", "tag", "notebook", "input_tokens", "output_tokens", "cache_hit")


def _selected(source: str, rows: str) -> str:
    """Exchanges with the facts of their last call: of the attempt that gave the answer, if known.

    Else of the last one.
    """
    columns = ", ".join(f"{'a' if name in _OF_THE_CALL else 'e'}.{name}" for name in _FRAME)
    last = f"SELECT MAX(attempt) FROM {rows} WHERE call_id = e.call_id"
    its_own = f"{last} AND status = 'ok' AND cache_key = e.cache_key"
    return (
        f"SELECT {columns} FROM {source} AS e LEFT JOIN {rows} AS a ON a.call_id = e.call_id "
        f"AND a.attempt = COALESCE(({its_own}), ({last}))"
    )


_CONDITIONS = {
    "since": "e.ts >= ?",
    "before": "e.ts < ?",
    "tag": "a.tag = ?",
    "number": "e.id = ?",
    "model": "instr(lower(e.model || ' ' || COALESCE(a.request_model, '') || ' ' "
    "|| COALESCE(a.response_model, '')), lower(?))",
}


def fetch(
    db: sqlite3.Connection,
    source: str,
    rows: str,
    wanted: Wanted,
    scores: dict[str, float] | None = None,
) -> list[tuple[Any, ...]]:
    """Exchanges, newest last; with scores by call id only those, the best first.

    Args:
        db: where they are.
        source: their table or view, as `include` names it.
        rows: the attempts' table or view.
        wanted: which.
        scores: by call id, what `hits` gives.
    """
    given = [(name, getattr(wanted, name)) for name in _CONDITIONS]
    where = [_CONDITIONS[name] for name, value in given if value is not None]
    values = [value for _, value in given if value is not None]
    statement, order = _selected(source, rows), "e.ts DESC, e.id DESC"
    if scores is not None:
        db.execute("CREATE TEMP TABLE hit(call_id TEXT PRIMARY KEY, score REAL)")
        db.executemany("INSERT INTO temp.hit VALUES(?, ?)", scores.items())
        statement += " JOIN temp.hit AS h ON h.call_id = e.call_id"
        order = f"h.score DESC, {order}"
    if where:
        statement += " WHERE " + " AND ".join(where)
    limit = -1 if wanted.limit is None else wanted.limit
    found = db.execute(f"{statement} ORDER BY {order} LIMIT ?", (*values, limit)).fetchall()
    return found if scores is not None else found[::-1]


def frame(found: Sequence[tuple[Any, ...]]) -> DataFrame:
    """What `fetch` gave as a DataFrame; the same dtypes for any rows, none included."""
    kinds = {name.replace("_nano", "_usd"): kind for name, kind in _FRAME.items()}
    return make_frame(kinds, found)


def context_of(db: sqlite3.Connection, number: int) -> tuple[Message, ...]:
    """The messages before the prompt of the exchange with this id, oldest first."""
    found = db.execute(
        "WITH RECURSIVE chain(id, before, role, content, depth) AS ("
        "SELECT m.id, m.before, m.role, m.content, 0 FROM exchange AS e "
        "JOIN message AS m ON m.id = e.context WHERE e.id = ? "
        "UNION ALL SELECT m.id, m.before, m.role, m.content, depth + 1 "
        "FROM chain JOIN message AS m ON m.id = chain.before) "
        "SELECT role, content FROM chain ORDER BY depth DESC",
        (number,),
    )
    return tuple(Message(role, content) for role, content in found)


# -- searching

Text = tuple[int | None, str, str, str]
"""An id (None: not written yet), a call id, a prompt and an answer."""


def hits(texts: Iterable[Text], words: Sequence[str]) -> dict[str, float]:
    """The score by call id of the texts in which all words are."""
    found = ((call_id, score(words, prompt, answer)) for _, call_id, prompt, answer in texts)
    return {call_id: fits for call_id, fits in found if fits}


def after(db: sqlite3.Connection, source: str, number: int) -> Iterator[Text]:
    """The texts with an id above the number, and those that are not written yet."""
    yield from db.execute(
        f"SELECT id, call_id, prompt, answer FROM {source} WHERE id > ? OR id IS NULL ORDER BY id",
        (number,),
    )


def some(db: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[Text]:
    """The texts with these ids, those that are still there."""
    for number in numbers:
        yield from db.execute(
            "SELECT id, call_id, prompt, answer FROM exchange WHERE id = ?", (number,)
        )


def to_index(db: sqlite3.Connection, number: int, most: int) -> list[tuple[int, float, str]]:
    """Id, first time and all words of `most` exchanges at the most, with ids above the number."""
    found = db.execute(
        "SELECT id, began, prompt, answer FROM exchange WHERE id > ? ORDER BY id LIMIT ?",
        (number, most),
    )
    return [(number, began, f"{prompt}\n{answer}") for number, began, prompt, answer in found]


def is_indexed(db: sqlite3.Connection, number: int, began: float) -> bool:
    """Whether the file is the one whose exchanges up to this one are in the index."""
    return (
        db.execute("SELECT 1 FROM exchange WHERE id = ? AND began = ?", (number, began)).fetchone()
        is not None
    )


# -- deleting


def delete(db: sqlite3.Connection, numbers: Iterable[int], calls: Iterable[str] = ()) -> None:
    """Delete exchanges, by id or call id, and the messages that none of the others has."""
    db.executemany("DELETE FROM exchange WHERE id = ?", [(n,) for n in numbers])
    db.executemany("DELETE FROM exchange WHERE call_id = ?", [(c,) for c in calls])
    db.execute(
        "WITH RECURSIVE used(id) AS (SELECT context FROM exchange "
        "UNION SELECT message.before FROM message JOIN used USING(id)) "
        "DELETE FROM message WHERE id NOT IN (SELECT id FROM used)"
    )


def forget_words(db: sqlite3.Connection, calls: Iterable[str], keys: Iterable[str]) -> None:
    """Take the numbers of words out of votes on these calls, or on answers kept under these keys.

    Who guesses what a deleted prompt said could hold the guess against them.
    """
    gone, kept = set(calls), set(keys)
    rows = db.execute(
        "SELECT id, call_id, data FROM vote WHERE instr(data, '\"words\"')"
    ).fetchall()
    for number, call_id, text in rows:
        try:
            data = json.loads(text)
            judged = {call_id, *data.get("call_ids", ())}
        except (AttributeError, TypeError, ValueError, RecursionError):
            continue
        if judged & gone or any(kept & _keys(db, call) for call in judged):
            data.pop("words", None)
            db.execute("UPDATE vote SET data = ? WHERE id = ?", (json.dumps(data), number))


def _keys(db: sqlite3.Connection, call: object) -> set[str]:
    """Under which keys the answer of a call is cached."""
    found = db.execute("SELECT cache_key FROM attempt WHERE call_id = ?", (str(call),))
    return {key for (key,) in found if key is not None}
