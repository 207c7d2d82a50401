"""Whether two answers say the same."""

from __future__ import annotations

import pytest

from mmai_nb.checks import agree

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
        ("$18.50", "$18.60", "How much is it?"),
        ("Paris", "Lyon", "What is the capital of France?"),
        ("Yes, it is.", "No, it is not.", "Is 7 prime?"),
        ('{"a": 1}', '{"a": true}', "As JSON."),
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
        ("", "", HOW_MANY),
        ("The answer is (B).", PROSE, OPTIONS),
        ("#### 9", PROSE, HOW_MANY),
        ('{"a": 1}', PROSE, "As JSON."),
        ("```python\nx = 1\n```", "```python\nx = 2 - 1\n```", "Set it."),
        ("It is Paris.", "It is not Paris.", "What is the capital of France?"),
    ],
)
def test_answers_that_cannot_be_compared_say_nothing(one, two, prompt):
    assert agree(one, two, prompt) is None
    assert agree(two, one, prompt) is None
