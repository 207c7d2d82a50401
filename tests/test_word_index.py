"""The index of words: it narrows a search down and never leaves a text out."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb.word_index import WordIndex
from mmai_nb.words import score, words_of


@pytest.fixture
def index(tmp_path: Path) -> WordIndex:
    return WordIndex(tmp_path / "ledger.sqlite3.words")


def reader(*texts: str):
    """Gives texts with the ids 1, 2 …, as the ledger would."""
    rows = [(number, 0.5 + number, text) for number, text in enumerate(texts, 1)]
    return lambda upto: [row for row in rows if row[0] > upto]


def test_it_names_the_texts_that_may_hold_all_words(index):
    assert index.add(reader("the connection was refused", "a connection", "nothing"))
    assert index.find(["connection"]) == [1, 2]
    assert index.find(["connection", "refused"]) == [1]
    assert index.find(["absent"]) == []


def test_a_nul_in_a_text_hides_nothing_behind_it(index):
    index.add(reader("one\0two", "\0three"))
    assert index.find(["two"]) == [1]
    assert index.find(["three"]) == [2]


def test_it_cannot_tell_for_words_of_less_than_three_characters(index):
    index.add(reader("你好"))
    assert index.find(["你好"]) is None
    assert index.find([]) is None


def test_it_knows_nothing_before_the_first_text(index):
    assert index.known() is None
    assert index.find(["connection"]) is None
    assert not index.path.exists()


def test_only_what_is_new_is_added(index):
    assert index.add(reader("one", "two"))
    assert index.known() == (2, 2.5)
    assert not index.add(reader("one", "two"))
    assert index.add(reader("one", "two", "three"))
    assert index.known() == (3, 3.5)
    assert index.find(["three"]) == [3]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_only_its_owner_can_read_it_whatever_the_umask(index):
    before = os.umask(0)
    try:
        index.add(reader("one"))
    finally:
        os.umask(before)
    assert [oct(stat.S_IMODE(p.stat().st_mode)) for p in index.path.parent.iterdir()] == ["0o600"]


def test_removed_it_leaves_no_file_and_is_made_again(index):
    index.add(reader("secret"))
    index.remove()
    assert list(index.path.parent.iterdir()) == []
    index.remove()
    assert index.add(reader("other"))
    assert index.find(["secret"]) == []


def test_a_damaged_file_cannot_tell_and_is_made_again_by_the_next(index):
    index.path.write_bytes(b"no database at all" * 100)
    assert index.known() is None
    assert index.find(["one"]) is None
    assert not index.add(reader("one"))
    assert index.add(reader("one"))
    assert index.find(["one"]) == [1]


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    index = WordIndex(tmp_path / "file" / "words")
    assert not index.add(reader("one"))
    assert index.find(["one"]) is None


def test_without_fts5_there_is_no_index_and_no_error(index, monkeypatch):
    connect = sqlite3.connect

    class Without(sqlite3.Connection):
        def execute(self, statement, *args):
            if "fts5" in statement:
                raise sqlite3.OperationalError("no such module: fts5")
            return super().execute(statement, *args)

    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: connect(*a, **{"factory": Without, **k})
    )
    assert not index.add(reader("one"))
    assert index.known() is None


def test_texts_are_read_while_nobody_else_adds_or_removes(index):
    seen = []

    def read(upto: int):
        seen.append(Path(f"{index.path}.lock").exists())
        return []

    index.add(read)
    assert seen == [True]


def test_it_holds_pieces_only_and_no_text(index):
    index.add(reader("a-very-long-unbroken-canary"))
    assert b"canary" not in index.path.read_bytes()


@given(
    st.lists(st.text(alphabet="ab'\"* (\0É你好ß\n", max_size=12), max_size=6),
    st.text(alphabet="ab'\"* (É你好ßÉ", max_size=8),
)
def test_no_text_that_fits_is_left_out(tmp_path_factory, texts, typed):
    index = WordIndex(tmp_path_factory.mktemp("words") / "words")
    index.add(reader(*texts))
    words = words_of(typed)
    fits = {number for number, text in enumerate(texts, 1) if score(words, text, "")}
    found = index.find(words)
    assert found is None or not words or fits <= set(found)
