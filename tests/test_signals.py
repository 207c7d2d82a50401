"""What is read of a prompt, and that no more is read than that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb import signals
from mmai_nb.signals import READ, WORD_NUMBERS, read_signals, read_words, sample
from mmai_nb.vocabulary import MEANINGS, TERMS, UNSPACED, VERBS

EMPTY = read_signals("")


class TestHowMuchIsRead:
    @pytest.mark.parametrize("size", [0, 1, READ, READ + 1, 3 * READ, 10_000_000])
    def test_never_more_than_the_cap(self, size):
        read, counted = sample("a" * size)
        assert len(read) <= READ + 2
        assert counted == size

    def test_every_pass_gets_what_was_sampled_and_nothing_longer(self, monkeypatch):
        seen: list[int] = []

        def counting(function):
            def counted(first, *rest):
                seen.append(len(first))
                return function(first, *rest)

            return counted

        passes = ("_words", "_marks", "_tasks", "_code_lines", "_has_rows", "_has_traceback")
        for name in passes:
            monkeypatch.setattr(signals, name, counting(getattr(signals, name)))
        read_signals("word, " * 1_000_000, "1,2,3\n" * 1_000_000)
        assert len(seen) == len(passes) + 1  # a traceback is looked for in the data too
        assert max(seen) <= READ + 2

    def test_the_beginning_and_the_end_of_a_long_text_are_read(self):
        read, _ = sample("first " + "x" * 100_000 + " last")
        assert read.startswith("\nfirst")
        assert read.endswith("last")

    def test_a_wide_character_counts_as_three_letters(self):
        assert sample("量子力学")[1] == 12
        assert sample("量" * 10 * READ)[1] == 30 * READ
        assert sample("für")[1] == 3


class TestWords:
    @pytest.mark.parametrize(
        "text",
        [
            "Prove it.",
            "first, prove it",
            "please prove it",
            "It holds (prove it)",
            "“Prove it”",
            "line\nprove it",
            "请证明它",
            "SQL请证明它",
            "ПРОШУ: докажите",
        ],
    )
    def test_a_verb_is_found_where_a_clause_begins(self, text):
        assert read_signals(text)["proof"] == 1

    def test_a_verb_inside_a_clause_is_no_task(self):
        assert read_signals("The show begins and the plan holds")["ask"] == 0

    def test_latin_words_between_chinese_ones_are_words(self):
        assert read_signals("写SQL查询")["coding"] > 0

    def test_each_word_of_the_vocabulary_is_reachable(self):
        assert set(MEANINGS) == {word for words in TERMS.values() for word in words.split()}
        assert set(MEANINGS) >= VERBS
        assert all(word == word.lower() for word in MEANINGS)
        assert all(word[0] == first for first, words in UNSPACED.items() for word in words)


class TestOpening:
    @pytest.mark.parametrize("text", ["What is pi?", "hi", "", "  ", "17", "List three colours."])
    def test_a_look_up_is_one(self, text):
        assert read_signals(text)["opening"] > 0.9

    @pytest.mark.parametrize(
        "text",
        [
            "What is pi? And who found it?",
            "What is pi? Explain.",
            "List three colours. Name two animals.",
            "What is wrong with this?",
            "The sky",
        ],
    )
    def test_where_more_is_asked_for_it_is_none(self, text):
        assert read_signals(text)["opening"] == 0

    def test_it_fades_with_the_length_but_not_wholly(self):
        short, long = (read_signals("What is x " + "y" * n)["opening"] for n in (0, 9_000))
        assert short > long > 0.4


class TestCode:
    def test_lines_between_fences_are_counted(self):
        fenced = read_signals("```\n" + "anything at all\n" * 40 + "```")["code_size"]
        loose = read_signals("x = f(1)\n" * 41 + "end")["code_size"]
        assert fenced == pytest.approx(loose, abs=0.1)

    def test_prose_has_none(self):
        assert read_signals("Nothing here is code, and nothing will be.")["code_size"] == 0


@given(st.text(), st.text(), st.integers(-5, 10**9), st.integers(-5, 10**9))
def test_any_text_gives_the_same_signals_each_with_a_number(text, data, frames, again):
    found = read_signals(text, data, frames=frames, again=again)
    assert found.keys() == EMPTY.keys()
    assert all(0 <= value < 20 for value in found.values())


@pytest.mark.parametrize(
    "odd", ["\x00", "\ud800", "\udfff\ud800", "\x1b[31m", "\u202e", "\u3000", "İ"]
)
def test_odd_characters_are_read_like_others(odd):
    assert read_signals(odd * 50).keys() == EMPTY.keys()


class TestNumbersOfWords:
    def test_equal_words_have_equal_numbers_whatever_their_case_and_place(self):
        assert read_words("Tides and harbours") == read_words("harbours AND tides, tides")

    def test_a_number_stands_for_many_words(self):
        words = [a + b for a in "bcdfghjklm" for b in "aeiouäöüyz"]
        numbers = {read_words(f"{one}{two}") for one in words for two in words}
        assert len(numbers) == WORD_NUMBERS < len(words) ** 2 / 10

    @pytest.mark.parametrize("text", ["", " ", "1 2 3", "\ud800", "日本語 です", "x" * 100_000])
    def test_any_text_can_be_read(self, text):
        assert all(0 <= number < WORD_NUMBERS for number in read_words(text))
