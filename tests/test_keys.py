"""Keys: where they are found, what is refused, and that they are never shown."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb import keys
from mmai_nb.errors import MissingKeyError
from mmai_nb.keys import find_key, guess_provider, remember_key
from mmai_nb.redaction import redact

VARIABLE = "SOME_TEST_KEY"
KEY = "kQ7zX2mW9pL4vB8nT3cR"


def test_a_model_without_a_variable_has_no_key():
    assert find_key(None) is None


@pytest.mark.parametrize("value", [None, "", "  ", "\n"])
def test_an_absent_or_blank_key_is_none(monkeypatch, value):
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    assert find_key(VARIABLE) is None


def test_white_space_around_a_key_is_dropped(monkeypatch):
    monkeypatch.setenv(VARIABLE, f" {KEY}\r\n")
    assert find_key(VARIABLE) == KEY


def test_a_remembered_key_wins_over_the_environment_until_it_is_undone(monkeypatch):
    monkeypatch.setenv(VARIABLE, KEY)
    undo = remember_key(VARIABLE, " told-to-this-process ")
    assert find_key(VARIABLE) == "told-to-this-process"
    undo()
    assert find_key(VARIABLE) == KEY


def test_remembered_keys_may_be_undone_in_any_order():
    first = remember_key(VARIABLE, "first-key-12")
    second = remember_key(VARIABLE, "second-key-12")
    first()
    assert find_key(VARIABLE) == "second-key-12"
    second()
    second()
    assert find_key(VARIABLE) is None


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("abcé1234", "a non-ASCII character at position 4"),
        ("abc\n1234", "a line break at position 4"),
        ("ab\r1234", "a line break at position 3"),
        ("abcdef\x07x", "a control character at position 7"),
        ("  abc\x7fdef", "a control character at position 4"),
        ("abc\u200bdef", "a non-ASCII character at position 4"),
    ],
)
def test_a_key_no_header_can_carry_is_refused_by_position(monkeypatch, key, says):
    monkeypatch.setenv(VARIABLE, key)
    with pytest.raises(MissingKeyError) as caught:
        find_key(VARIABLE)
    assert says in str(caught.value)
    assert VARIABLE in str(caught.value)
    assert key.strip() not in str(caught.value)
    with pytest.raises(MissingKeyError, match=says):
        remember_key(VARIABLE, key)


def test_a_refused_key_is_not_remembered():
    with pytest.raises(MissingKeyError):
        remember_key(VARIABLE, "ab\ncd")
    with pytest.raises(MissingKeyError, match="is empty"):
        remember_key(VARIABLE, " ")
    assert find_key(VARIABLE) is None


def test_a_key_that_was_found_is_kept_out_of_every_text(monkeypatch):
    secret = "unusual-words-make-a-key"
    assert secret in redact(f"the key is {secret}")
    monkeypatch.setenv(VARIABLE, secret)
    find_key(VARIABLE)
    assert secret not in redact(f"the key is {secret}")


def test_a_remembered_key_does_not_show_itself_in_a_repr():
    undo = remember_key(VARIABLE, KEY)
    assert KEY not in repr(keys._remembered)
    assert KEY not in repr(vars(keys))
    undo()


@pytest.mark.parametrize(
    ("key", "provider"),
    [
        ("sk-ant-api03-abc", "anthropic"),
        ("sk-or-v1-abc", "openrouter"),
        ("sk-proj-abc", "openai"),
        (" gsk_abc", "groq"),
        ("xai-abc", "xai"),
        ("AIzaSyAbc", "gemini"),
        ("sk-abc", None),
        ("", None),
        ("abc", None),
    ],
)
def test_a_key_tells_its_provider_by_its_first_letters_if_at_all(key, provider):
    assert guess_provider(key) == provider


@given(st.text(max_size=40))
def test_any_text_is_a_key_none_or_refused(text):
    with patch.object(keys, "register_secret"):  # or words of our own would be hidden from now on
        try:
            undo = remember_key(VARIABLE, text)
        except MissingKeyError:
            return
        found = find_key(VARIABLE)
        undo()
    assert found == text.strip()
    assert found
    assert found.isascii()
    assert found.isprintable()
