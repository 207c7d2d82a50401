"""Words in texts: what counts as the same, what fits better, where the hit is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb.words import fold, score, snippet, words_of


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("pandas merge", ["pandas", "merge"]),
        ("Pandas  PANDAS", ["pandas"]),
        ('"connection refused"', ["connection", "refused"]),
        ("it's AND (x OR y) NEAR/2 col:*", ["it's", "and", "(x", "or", "y)", "near/2", "col:*"]),
        ('print("hi")', ['print("hi")']),
        ('"', ['"']),
        ("ＡＢＣ　你好", ["abc", "你好"]),
        ("  ", []),
    ],
)
def test_words_are_as_they_are_typed_but_for_case_width_and_quotes_around_them(typed, words):
    assert words_of(typed) == words


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("nection", "the connection"),
        ("你好", "说你好吧"),
        ("user_na", "get_user_name()"),
        ("username", "getUserName()"),
        ("STRASSE", "die Straße"),
        ("fine", "a ﬁne day"),
        ("a b", "b then a"),
        ("%", "100% sure"),
        ("_", "snake_case"),
    ],
)
def test_a_part_of_a_word_is_found(words, text):
    assert score(words_of(words), text, "") > 0
    assert score(words_of(words), "", text) > 0


def test_all_words_must_be_there_in_the_prompt_or_in_the_answer():
    assert score(["a", "b"], "a", "b") > 0
    assert score(["a", "b"], "a", "c") == 0


def test_more_hits_a_hit_in_the_prompt_and_a_short_text_fit_better():
    once = score(["x"], "", "x y z")
    assert score(["x"], "", "x x y z") > once
    assert score(["x"], "x y z", "") > once
    assert score(["x"], "", "x y z" + " more" * 1_000) < once


def test_the_snippet_is_around_the_first_hit_and_marks_the_hits():
    text = "begin " * 50 + "the Connection was REFUSED by it" + " end" * 50
    found = snippet(words_of("refused connection"), text)
    assert "«Connection» was «REFUSED»" in found
    assert found.startswith("…")
    assert found.endswith("…")
    assert len(found) <= 106


def test_the_snippet_shows_the_text_as_it_was_though_folding_changes_lengths():
    assert snippet(words_of("pool"), "You asked… the ﬁne Pool") == "You asked… the ﬁne «Pool»"


def test_a_snippet_without_a_hit_is_the_beginning_on_one_line():
    assert snippet(["x"], "one\n\ntwo\tthree") == "one two three"
    assert snippet([], "") == ""


@given(st.text(max_size=40), st.text(max_size=200), st.integers(10, 60))
def test_any_snippet_is_one_short_line(typed, text, width):
    found = snippet(words_of(typed), text, width)
    assert len(found.splitlines()) <= 1
    assert len(found) <= width + 2 + 2 * len(words_of(typed))


@given(st.text(max_size=30), st.data())
def test_every_part_of_a_text_is_found_in_it(text, data):
    first = data.draw(st.integers(0, len(text)))
    words = words_of(fold(text)[first : data.draw(st.integers(first, len(text)))])
    assert not words or score(words, fold(text), "") > 0
