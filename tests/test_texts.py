"""Prompts and answers: kept once, found again, gone when they are deleted."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_nb import ledger as ledger_room
from mmai_nb import schema, tables
from mmai_nb import texts as room
from mmai_nb.errors import LedgerWarning, MmaiError, OptionError
from mmai_nb.exchanges import Exchange
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt, Message
from mmai_nb.texts import Texts

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC
COLUMNS = {
    "id": "Int64",
    "ts": "datetime64[us, UTC]",
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
    "cost_usd": "float64",
    "cache_hit": "boolean",
    "status": "string",
    "simulated": "boolean",
    "format": "string",
    "cache_key": "string",
}


def said(call_id: str = "c", prompt: str = "hello", answer: str = "hi", **more: Any) -> Exchange:
    return Exchange(call_id, **{"ts": NOON, "prompt": prompt, "answer": answer, **more})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture
def texts(path: Path) -> Iterator[Texts]:
    texts = Texts(Ledger(path))
    yield texts
    if texts._indexing is not None:
        texts._indexing.join()
    texts.close()
    texts.ledger.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the write lock."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def on_disk(path: Path) -> bytes:
    """Every byte of every file beside the ledger."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


def rows(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return [tuple(row) for row in db.execute(statement)]


# -- kept


def test_an_exchange_comes_back_as_it_was(texts):
    texts.keep(said(prompt="what?", answer="that", model="m", cost_nano=70, simulated=True))
    (row,) = texts.frame().to_dict("records")
    assert (row["id"], row["prompt"], row["answer"]) == (1, "what?", "that")
    assert (row["model"], row["cost_usd"], row["simulated"]) == ("m", 70 / 1e9, True)
    assert (row["asked"], row["status"], row["earlier"]) == (1, "ok", 0)


def test_the_facts_are_those_of_the_calls_last_row(texts):
    facts = {"ts": NOON, "tag": "t", "notebook": "n.ipynb", "tier": "simple", "input_tokens": 3}
    texts.ledger.record(Attempt("c", 1, status="error", **facts))
    texts.ledger.record(Attempt("c", 2, status="ok", output_tokens=9, **facts))
    texts.keep(said())
    (row,) = texts.frame().to_dict("records")
    assert [row[name] for name in ("tag", "notebook", "tier")] == ["t", "n.ipynb", "simple"]
    assert (row["input_tokens"], row["output_tokens"], row["cache_hit"]) == (3, 9, False)


def test_the_same_answer_from_the_cache_is_counted_not_kept_twice(texts, path):
    texts.keep(said("paid", cache_key="k", cost_nano=70))
    texts.keep(said("hit", cache_key="k", cost_nano=0, ts=NOON + 5))
    (row,) = texts.frame().to_dict("records")
    assert (row["asked"], row["call_id"], row["cost_usd"]) == (2, "hit", 70 / 1e9)
    assert row["ts"].timestamp() == NOON + 5
    assert rows(path, "SELECT began, ts FROM exchange") == [(NOON, NOON + 5)]


def test_an_unknown_cost_makes_the_sum_unknown(texts):
    texts.keep(said("a", cache_key="k", cost_nano=70))
    texts.keep(said("b", cache_key="k", cost_nano=None))
    assert texts.frame()["cost_usd"].isna().tolist() == [True]


def test_another_answer_to_the_same_request_is_an_exchange_of_its_own(texts):
    texts.keep(said("old", answer="first", cache_key="k"))
    texts.keep(said("new", answer="second", cache_key="k", ts=NOON + 1))
    texts.keep(said("hit", answer="second", cache_key="k", ts=NOON + 2))
    frame = texts.frame()
    assert frame[["id", "answer", "asked"]].to_numpy().tolist() == [
        [1, "first", 1],
        [2, "second", 2],
    ]
    assert frame["cache_key"].isna().tolist() == [True, False]


def test_answers_that_are_not_cached_are_exchanges_of_their_own(texts):
    for call_id in ("a", "b"):
        texts.keep(said(call_id))
    assert texts.frame()["asked"].tolist() == [1, 1]


@pytest.mark.parametrize("key", [None, "k"])
def test_an_exchange_written_twice_is_one(texts, key):
    for _ in range(2):
        texts.keep(said(cache_key=key))
    assert texts.frame()["asked"].tolist() == [1]


def test_the_messages_before_the_prompt_are_kept_once(texts, path):
    system = Message("system", "be brief")
    first, second = Message("user", "one"), Message("assistant", "1")
    texts.keep(said("a", context=(system,)))
    texts.keep(said("b", context=(system, first, second)))
    texts.keep(said("c", context=(system, first, second)))
    texts.keep(said("d", context=(first, second)))
    assert [texts.context(n) for n in (1, 2, 3, 4)] == [
        (system,),
        (system, first, second),
        (system, first, second),
        (first, second),
    ]
    assert texts.frame()["earlier"].tolist() == [1, 3, 3, 2]
    assert rows(path, "SELECT COUNT(*) FROM message") == [(5,)]


def test_a_chat_costs_one_message_a_turn(texts, path):
    chat: list[Message] = []
    for turn in range(20):
        texts.keep(said(f"c{turn}", prompt=f"q{turn}", answer=f"a{turn}", context=tuple(chat)))
        chat += [Message("user", f"q{turn}"), Message("assistant", f"a{turn}")]
    assert rows(path, "SELECT COUNT(*) FROM message") == [(38,)]
    assert texts.context(20) == tuple(chat[:-2])


@pytest.mark.parametrize("text", ["half \ud83d", "nul \0 in it", "", "𝄞 ﷺ\u202e"])
def test_any_text_can_be_kept(texts, text):
    texts.keep(said(prompt=text, answer=text, context=(Message("system", text),)))
    (row,) = texts.frame().to_dict("records")
    assert row["prompt"] == row["answer"] == text.replace("\ud83d", "?")
    assert texts.context(1)[0].content == row["prompt"]
    assert len(texts.frame(text)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_only_the_owner_can_read_what_is_kept(texts, path, monkeypatch):
    before = os.umask(0)
    try:
        texts.keep(said())
        texts.catch_up().join()
    finally:
        os.umask(before)
    modes = {p.name: oct(stat.S_IMODE(p.stat().st_mode)) for p in path.parent.iterdir()}
    assert f"{path.name}.words" in modes
    assert set(modes.values()) == {"0o600"}


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_ledger_gets_the_tables_and_keeps_its_rows(texts, path, version):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute(schema.create("attempt"))
        names = ", ".join(schema.COLUMNS)
        row = tables.as_row(getattr(Attempt("c", 1, NOON), name) for name in schema.COLUMNS)
        db.execute(f"INSERT INTO attempt({names}) VALUES({', '.join('?' * len(row))})", row)
        if version == 2:
            db.execute("CREATE TABLE text(id INTEGER PRIMARY KEY, cache_key TEXT UNIQUE)")
        db.execute(f"PRAGMA application_id={schema.APPLICATION}")
        db.execute(f"PRAGMA user_version={version}")
        db.commit()
    texts.keep(said())
    assert len(texts.frame()) == len(texts.ledger.frame()) == 1
    assert rows(path, "SELECT name FROM sqlite_master WHERE name = 'text'") == []


# -- trouble


def test_while_the_file_is_locked_texts_wait_and_are_shown_and_found(texts, path, monkeypatch):
    monkeypatch.setattr(ledger_room, "PATIENCE", 0.05)
    texts.keep(said("before", answer="written"))
    with locked(path):
        with pytest.warns(LedgerWarning, match="wait in memory"):
            texts.keep(said("a", answer="waiting", ts=NOON + 1))
        texts.keep(said("b", answer="waiting too", ts=NOON + 2))  # no second warning
        frame = texts.frame()
        assert frame["answer"].tolist() == ["written", "waiting", "waiting too"]
        assert frame["id"].isna().tolist() == [False, True, True]
        assert sorted(texts.frame("WAITING")["call_id"]) == ["a", "b"]
        assert texts.frame("too")["call_id"].tolist() == ["b"]
    texts.keep(said("c"))
    assert texts.waiting == []
    assert rows(path, "SELECT call_id FROM exchange ORDER BY id") == [
        ("before",),
        ("a",),
        ("b",),
        ("c",),
    ]


def test_the_ledgers_own_warning_is_enough(texts, path, monkeypatch):
    monkeypatch.setattr(ledger_room, "PATIENCE", 0.05)
    texts.keep(said("before"))
    with locked(path), warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        texts.ledger.record(Attempt("a", 1, NOON, status="ok"))
        texts.keep(said("a"))
    assert len(given) == 1


def test_what_waits_is_bounded_and_the_oldest_goes(path, monkeypatch):
    texts = Texts(Ledger(None))
    monkeypatch.setattr(room, "MOST_WAITING", 3)
    for n in range(5):
        texts.keep(said(f"c{n}"))
    assert [one.call_id for one in texts.waiting] == ["c2", "c3", "c4"]
    monkeypatch.setattr(room, "MOST_CHARACTERS", 100)
    texts.keep(said("long", answer="x" * 90))
    assert [one.call_id for one in texts.waiting] == ["long"]


def test_closing_writes_what_waits(texts, path, monkeypatch):
    monkeypatch.setattr(ledger_room, "PATIENCE", 0.05)
    texts.keep(said("before"))
    with locked(path), pytest.warns(LedgerWarning):
        texts.keep(said("a"))
    texts.close()
    assert rows(path, "SELECT COUNT(*) FROM exchange") == [(2,)]


def test_a_full_disk_costs_no_text(texts, path):
    texts.keep(said())
    db = texts.ledger._connection()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.warns(LedgerWarning, match="full"):
        texts.keep(said("big", answer="x" * 50_000))
    assert [one.call_id for one in texts.waiting] == ["big"]
    db.execute("PRAGMA max_page_count=1000000")
    texts.keep(said("after"))
    assert len(texts.frame()) == 3
    assert texts.waiting == []


class Failing(sqlite3.Connection):
    """Fails at the n-th statement from now on."""

    left = -1

    def execute(self, *args: Any) -> Any:
        Failing.left -= 1
        if Failing.left == 0:
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(*args)


@pytest.mark.parametrize("nth", range(1, 12))
def test_whichever_statement_fails_no_text_is_lost_or_doubled(path, monkeypatch, nth):
    ledger = Ledger(path)
    ledger.record(Attempt("c", 1, NOON, status="ok"))
    ledger.close()
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: connect(*a, **{"factory": Failing, **k})
    )
    monkeypatch.setattr(Failing, "left", nth + 7)  # after the opening of the file
    texts = Texts(ledger)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        texts.keep(said("a", cache_key="k", context=(Message("system", "s"),)))
        texts.keep(said("b", cache_key="k"))
    monkeypatch.undo()
    texts.ledger.close()
    texts.keep(said("c"))
    assert texts.frame()["asked"].tolist() == [2, 1]
    assert texts.waiting == []
    ledger.close()


def test_without_a_file_texts_are_in_memory(tmp_path):
    texts = Texts(Ledger(None))
    texts.keep(said(context=(Message("system", "s"),)))
    assert texts.frame()["id"].isna().tolist() == [True]
    assert len(texts.frame("hello")) == 1
    assert texts.frame("absent").empty
    deleted = texts.delete(texts.frame())
    assert (deleted.exchanges, deleted.wiped) == (1, True)
    assert texts.frame().empty
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_made_by_looking(texts, path):
    assert texts.frame().empty
    assert texts.frame("words").empty
    assert not path.parent.exists()


# -- found


def test_the_columns_and_dtypes_are_the_same_for_no_rows(texts):
    empty = texts.frame().dtypes.astype(str).to_dict()
    texts.keep(said())
    assert empty == texts.frame().dtypes.astype(str).to_dict() == COLUMNS
    assert texts.frame("nothing like it").dtypes.astype(str).to_dict() == COLUMNS


def some(texts: Texts) -> Texts:
    for n, (prompt, answer, model, tag) in enumerate(
        [
            ("merge two frames", "use pd.merge(a, b)", "small", None),
            ("你好 is what?", "a greeting", "large", "lang"),
            ("why 'sky is \"blue\"'?", "Rayleigh merge", "small", "sky"),
        ]
    ):
        texts.ledger.record(
            Attempt(f"c{n}", 1, NOON, request_model=f"id-{model}", tag=tag, status="ok")
        )
        texts.keep(said(f"c{n}", prompt, answer, model=model, ts=NOON + n))
    return texts


def test_without_words_the_newest_is_last_and_the_limit_takes_the_newest(texts):
    assert some(texts).frame()["id"].tolist() == [1, 2, 3]
    assert texts.frame(limit=2)["id"].tolist() == [2, 3]
    assert texts.frame(limit=0).empty
    with pytest.raises(OptionError, match="limit"):
        texts.frame(limit=-1)


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({"model": "SMALL"}, [1, 3]),
        ({"model": "id-large"}, [2]),
        ({"model": "%"}, []),
        ({"tag": "sky"}, [3]),
        ({"since": NOON + 1}, [2, 3]),
        ({"before": NOON + 1}, [1]),
        ({"number": 2}, [2]),
        ({"words": "merge", "model": "small", "tag": "sky"}, [3]),
    ],
)
def test_it_can_be_asked_for_some_only(texts, options, ids):
    assert some(texts).frame(**options)["id"].tolist() == ids


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("merge", [1, 3]),
        ("MERGE(A,", [1]),
        ("你好", [2]),
        ("好", [2]),
        ("sky merge", [3]),
        ('"blue"', [3]),
        ("'sky", [3]),
        ("NOT OR AND", []),
        ('" OR 1=1 --', []),
        ("* ( ) : ^ NEAR", []),
    ],
)
@pytest.mark.parametrize("indexed", [False, True])
def test_words_are_found_whatever_is_in_them(texts, words, ids, indexed):
    some(texts)
    if indexed:
        texts.catch_up().join()
    assert texts.frame(words)["id"].tolist() == ids


def test_the_best_fit_is_first(texts):
    texts.keep(said("a", "x", "one word of many" + " others" * 500))
    texts.keep(said("b", "word", "word", ts=NOON - 5))
    assert texts.frame("word")["call_id"].tolist() == ["b", "a"]
    assert texts.frame("word", limit=1)["call_id"].tolist() == ["b"]


def test_what_came_after_the_index_is_found_too(texts):
    some(texts).catch_up().join()
    texts.keep(said("late", "merge requests", ts=NOON + 9))
    assert sorted(texts.frame("merge")["id"]) == [1, 3, 4]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=8),
    st.integers(0, 8),
    st.data(),
)
def test_the_index_changes_nothing_of_what_is_found(tmp_path_factory, pairs, indexed, data):
    texts = Texts(Ledger(tmp_path_factory.mktemp("texts") / "l.sqlite3"))
    for n, (prompt, answer) in enumerate(pairs):
        if n == indexed:
            texts.catch_up().join()
        texts.keep(said(f"c{n}", prompt, answer))
    whole = "".join(p + a for p, a in pairs) or "x"
    first = data.draw(st.integers(0, len(whole) - 1))
    words = whole[first : first + data.draw(st.integers(1, 6))]
    with_index = texts.frame(words)
    texts._index = None
    assert with_index.equals(texts.frame(words))
    texts.ledger.close()


def test_a_long_history_is_indexed_in_the_background_by_a_search(texts, monkeypatch):
    monkeypatch.setattr(room, "WORTH_AN_INDEX", 100)
    monkeypatch.setattr(room, "BATCH", 2)
    for n in range(7):
        texts.keep(said(f"c{n}", f"number{n}", "x" * 30))
    assert texts.frame("number3")["call_id"].tolist() == ["c3"]
    texts._indexing.join()
    assert texts._index.known()[0] == 7
    assert texts.frame("number3")["call_id"].tolist() == ["c3"]


def test_a_ledger_in_anothers_place_does_not_use_its_index(texts, path):
    some(texts).catch_up().join()
    texts.ledger.close()
    path.unlink()
    for n in range(4):
        texts.keep(said(f"d{n}", "merge again", ts=NOON + 50))
    assert len(texts.frame("merge")) == 4


def test_a_wrong_moment_says_so(texts):
    for name in ("since", "before"):
        with pytest.raises(OptionError, match=name):
            texts.frame(**{name: "soon"})


# -- deleted


def marked(n: int) -> str:
    return f"<canary-{n:05d}>"


def test_a_deleted_text_is_in_no_byte_of_any_file(texts, path):
    for n in range(60):
        # of all sizes, with hits and other answers, so that SQLite moves rows between its pages
        text = marked(n) * (1, 5, 40, 300, 2_000)[n % 5]
        context = (Message("system", f"{marked(n)} system"),)
        texts.keep(said(f"c{n}", text, text, cache_key=f"k{n}", context=context))
        texts.keep(said(f"h{n}", text, text, cache_key=f"k{n // 2}"))
    texts.catch_up().join()
    frame = texts.frame()
    gone = frame[frame["prompt"].str.contains("|".join(marked(n) for n in range(0, 60, 3)))]
    deleted = texts.delete(gone)
    assert deleted.exchanges == len(gone) > 20
    assert deleted.wiped
    raw = on_disk(path)
    assert [n for n in range(60) if marked(n).encode() in raw] == [n for n in range(60) if n % 3]
    assert not Path(f"{path}.words").exists()
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.slow
def test_deletions_of_any_pattern_leave_no_byte(tmp_path):
    import random

    for seed in range(8):
        chance = random.Random(seed)
        path = tmp_path / str(seed) / "ledger.sqlite3"
        texts, gone = Texts(Ledger(path)), set[int]()
        for n in range(150):
            text = marked(n) * chance.choice([1, 3, 9, 30, 200, 500])
            texts.keep(said(f"c{n}", text, marked(n) * chance.choice([1, 40]), cache_key=f"k{n}"))
            texts.ledger.record(Attempt(f"c{n}", 1, NOON, reason="r" * chance.randint(9, 300)))
        for size in (1, 20, 90):
            frame = texts.frame(limit=None).sample(size, random_state=seed)
            gone |= {int(call[1:]) for call in frame["call_id"]}
            assert texts.delete(frame).wiped
            raw = on_disk(path)
            assert [n for n in gone if marked(n).encode() in raw] == []
        assert len(texts.frame()) == 150 - 111
        texts.ledger.close()


def test_messages_go_with_the_last_exchange_that_has_them(texts, path):
    shared, own = Message("system", "shared"), Message("user", "own")
    texts.keep(said("a", context=(shared, own)))
    texts.keep(said("b", context=(shared,)))
    texts.delete(texts.frame(number=1))
    assert rows(path, "SELECT content FROM message") == [("shared",)]
    assert texts.context(2) == (shared,)
    texts.delete(texts.frame(number=2))
    assert rows(path, "SELECT COUNT(*) FROM message") == [(0,)]
    assert b"shared" not in on_disk(path)


def test_ids_of_deleted_exchanges_are_not_given_again(texts):
    texts.keep(said("a"))
    texts.delete(texts.frame())
    texts.keep(said("b"))
    assert texts.frame()["id"].tolist() == [2]


def test_the_rows_of_the_ledger_stay(texts):
    some(texts)
    texts.delete(texts.frame())
    assert len(texts.ledger.frame()) == 3


def test_deleting_says_which_answers_the_cache_may_hold(texts):
    texts.keep(said("a", cache_key="k"))
    texts.keep(said("b"))
    assert texts.delete(texts.frame()).cache_keys == ("k",)


def test_while_the_file_is_locked_nothing_is_deleted_and_that_is_said(texts, path, monkeypatch):
    texts.keep(said())
    monkeypatch.setattr(room, "PATIENCE_TO_DELETE", 0.05)
    with locked(path), pytest.raises(MmaiError, match="nothing was deleted"):
        texts.delete(texts.frame())
    assert len(texts.frame()) == 1


def test_while_another_kernel_reads_traces_stay_and_go_when_this_one_ends(texts, path, monkeypatch):
    texts.keep(said(prompt=marked(1)))
    monkeypatch.setattr(room, "PATIENCE_TO_DELETE", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM exchange").fetchone()
        assert not texts.delete(texts.frame()).wiped
        assert texts.frame().empty
        assert marked(1).encode() in on_disk(path)
        reader.execute("COMMIT")
    texts.close()
    assert marked(1).encode() not in on_disk(path)


def test_what_is_indexed_while_it_is_deleted_does_not_come_back(texts, path, monkeypatch):
    texts.keep(said(prompt="canarycanary"))
    frame, read, started = texts.frame(), texts._unindexed, threading.Event()

    def slow(upto: int) -> Any:
        started.set()
        found = read(upto)
        threading.Event().wait(0.2)
        return found

    monkeypatch.setattr(texts, "_unindexed", slow)
    thread = texts.catch_up()
    started.wait(10)
    texts.delete(frame)
    thread.join()
    assert texts._index.find(["canary"]) in (None, [])
    assert texts.frame("canary").empty
