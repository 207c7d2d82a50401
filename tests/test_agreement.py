"""Whether two answers say the same."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb.checks import agree

DATA = Path(__file__).parent / "data" / "routing"

OPTIONS = "Which is it?\nA. one\nB. two\nC. three\nD. four\nAnswer:"
HOW_MANY = "How many are there?"
PROSE = "A closure keeps the names of the function around it, and so it can be called later on."
OTHER_PROSE = "It is a function together with its surroundings; they stay alive as long as it does."


@pytest.mark.parametrize(
    ("one", "two", "prompt"),
    [
        ("The answer is (B).", "So it must be **B**.", OPTIONS),
        ("B", "(B) two", OPTIONS),
        ("16 - 3 = 13 and 13 - 4 = 9.\n#### 9", "She sells 9 eggs.", HOW_MANY),
        ("She pays $1,234.50.", "So it is 1234.5 dollars.", "How much is it?"),
        ("It is 42 km.", "42,000 m", "How far is it?"),
        ("It takes 2 hours.", "#### 120 minutes", "How long does it take?"),
        ("#### 2", "It takes 2 hours.", "How long does it take?"),
        ("12.5%", "0.125", "What share is it?"),
        ("The result is 3.33.", "The result is 10/3.", "Divide it."),
        ("8", "Eight.", "How many legs has a spider?"),
        ("120", "120 minutes (2 × 60)", "How many minutes are 2 hours?"),
        ("8,848.86 m", "8,849 metres (29,032 ft)", "How tall is Everest?"),
        ("29,032 feet", "8,849 m", "How tall is Everest?"),
        ("299,792.458 km/s", "299,792,458 m/s", "How fast is light?"),
        ("15:30", "At 3:30", "What time is it 90 minutes after 14:00?"),
        ("15:30", "It is 3:30 p.m.", "What time is it 90 minutes after 14:00?"),
        ("FF", "0xff", "255 in hexadecimal?"),
        ("101", "0b101", "5 in binary?"),
        ("东京", "东京都", "日本的首都是哪里？"),
        ("东京都", "东京", "日本的首都是哪里？"),
        ("7 days", "It takes 1 week.", "How long do 2 of them take?"),
        ("1.000 Euro", "1000 Euro", "How much is it?"),
        ("5 × 10^-8", "0.00000005", HOW_MANY),
        ("\\boxed{12}", "$x = 12$", "Calculate x for 3x = 36."),
        ("1.4 billion", "1,408,000,000", "How many people live there?"),
        ("Paris", "The capital of France is Paris.", "What is the capital of France?"),
        ("the Nile", "Nile.", "Which river is it?"),
        ("Yes, it is prime.", "Yes. No number but 1 divides it.", "Is 7 prime?"),
        ('{"a": 1, "b": [2]}', '```json\n{"b": [2.0], "a": 1}\n```', "As JSON."),
        (
            "```python\nx = [1, 2]  # two\n```",
            "Here:\n\n```python\nx = [1,2]\n```\nDone.",
            "A list.",
        ),
        (PROSE, f"  {PROSE}\n", "What is a closure?"),
    ],
)
def test_answers_that_say_the_same_agree(one, two, prompt):
    assert agree(one, two, prompt) is True
    assert agree(two, one, prompt) is True


@pytest.mark.parametrize(
    ("one", "two", "prompt"),
    [
        ("The answer is (B).", "C", OPTIONS),
        ("#### 9", "She sells 10 eggs.", HOW_MANY),
        ("It is 42 km.", "It is 42 m.", "How far is it?"),
        ("13", "13.33", HOW_MANY),
        ("1 billion", "1.4 billion", HOW_MANY),
        ("about 700", "about 800", HOW_MANY),
        ("15:30", "16:30", "What time is it 90 minutes after 14:00?"),
        ("3:30 am", "3:30 pm", "When does it start?"),
        ("2024-12-25", "2024-12-24", "What date is Christmas?"),
        ("`len`", "`size`", "Which function is it?"),
        ("eight", "nine", "What is 17 - 9?"),
        ("8 (of 9)", "9 (of 9)", HOW_MANY),
        ("$18.50", "$18.60", "How much is it?"),
        ("Paris", "Lyon", "What is the capital of France?"),
        ("Yes, it is.", "No, it is not.", "Is 7 prime?"),
        ('{"a": 1}', '{"a": true}', "As JSON."),
        ('{"city": "Paris"}', '{"city": "Lyon"}', "As JSON."),
        ("It takes a week: 1 week.", "It takes 8 days.", "How long do 2 of them take?"),
        ("The answer is 18.", "16 - 3 = 13.\n#### 13", "She has 16 and eats 3. How many?"),
        ("\\boxed{12}", "$x = 13$", "Calculate x for 3x = 36."),
        ('{"a": 1}', '{"a": 1, "b": 2}', "As JSON."),
    ],
)
def test_answers_that_differ_disagree(one, two, prompt):
    assert agree(one, two, prompt) is False
    assert agree(two, one, prompt) is False


@pytest.mark.parametrize(
    ("one", "two", "prompt"),
    [
        (PROSE, OTHER_PROSE, "What is a closure?"),
        ("37 °C", "98.6 °F", "How warm is it?"),
        ("", "", HOW_MANY),
        ("The answer is (B).", PROSE, OPTIONS),
        ("#### 9", PROSE, HOW_MANY),
        ('{"a": 1}', PROSE, "As JSON."),
        ("```python\nx = 1\n```", "```python\nx = 2 - 1\n```", "Set it."),
        ("It is Paris.", "It is not Paris.", "What is the capital of France?"),
        ("Luna", "Milo", "Suggest a name for my cat."),
        ("Luna", "Milo", "A name for my cat?"),
        ("7", "11", "Name a prime."),
        ('{"age": 3}', '{"age": 40}', "A fictional person as JSON."),
        ("`s[::-1]`", "`''.join(reversed(s))`", "Reverse s in one line."),
        ("2024-12-25", "25 Dec 2024", "What date is Christmas?"),
        ("about 700,000", "709,037", "How many people live in Oslo?"),
        ("Le chat dort", "Un chat dort", "Translate into French: a cat sleeps"),
        (
            "- Sum: 21\n- Mean: 7",
            "The mean is 7 and the sum is 21.",
            "What are the sum of 4, 8, 9?",
        ),
        (
            '{"n": 1, "why": "because it is so and not otherwise"}',
            '{"n": 1, "why": "it follows from what was said before"}',
            "As JSON.",
        ),
        ('{"n": 1}', "It is 1.", "As JSON."),
        (
            "A list can change, and a tuple cannot. Both came with Python 1.",
            "Tuples are hashable. See chapter 3.",
            "What is the difference between a list and a tuple?",
        ),
        (
            "Comment as little as you can: 1 line in 20.",
            "Say why, never what. Rule 7.",
            "How much should I comment my code?",
        ),
    ],
)
def test_answers_that_cannot_be_compared_say_nothing(one, two, prompt):
    assert agree(one, two, prompt) is None
    assert agree(two, one, prompt) is None


WORDS = st.sampled_from(
    [
        "Paris",
        "the",
        "not",
        "yes",
        "No,",
        "42",
        "3.5 km",
        "$7",
        "(B)",
        "####",
        "answer is",
        "\n",
        "A.",
    ]
)
TEXTS = st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=80)
PROMPTS = st.sampled_from([OPTIONS, HOW_MANY, "What is it?", ""])


@given(TEXTS, TEXTS, PROMPTS)
def test_agreement_has_no_direction(one, two, prompt):
    assert agree(one, two, prompt) is agree(two, one, prompt)


@given(TEXTS, PROMPTS)
def test_an_answer_never_disagrees_with_itself(text, prompt):
    assert agree(text, f"  {text}\n", prompt) is not False


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_agree_if_they_are_equal(one, two):
    assert agree(f"It is {one:,}.", f"#### {two}", HOW_MANY) is (one == two)


@pytest.fixture(scope="module")
def rows():
    with gzip.open(DATA / "mmlu_pro_29models.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_the_letter_that_a_real_answer_comes_to_is_read(rows):
    """The benchmark's own reading differs in answers that name several."""
    told = [row for row in rows if row["weak_pred_mixtral"]]
    read = [
        agree(row["weak_response_mixtral"], f"({row['weak_pred_mixtral']})", row["prompt"])
        for row in told
    ]
    assert len(told) > 5_000
    assert sum(verdict is True for verdict in read) > 0.995 * len(told)


def test_real_answers_without_a_letter_cannot_be_compared(rows):
    silent = [row for row in rows if not row["weak_pred_mixtral"]]
    said = [agree(row["weak_response_mixtral"], "(A)", row["prompt"]) for row in silent]
    assert sum(verdict is None for verdict in said) > 0.8 * len(silent)


def test_a_real_answer_agrees_with_its_own_result_in_other_words():
    with gzip.open(DATA / "gsm8k_mixtral_gpt4.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    stated = [(row, re.search(r"^#### (\d+)$", row["weak_response"], re.M)) for row in rows]
    verdicts = [
        agree(row["weak_response"], f"So the answer is **{found[1]}**.", row["prompt"])
        for row, found in stated
        if found
    ]
    assert len(verdicts) > 300
    assert all(verdict is True for verdict in verdicts)
