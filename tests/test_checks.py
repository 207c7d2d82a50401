"""What speaks against an answer, found in its text alone."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb.checks import Question, arithmetic, assess, code, find_faults
from mmai_nb.checks.code import is_installed


def kinds(text: str, prompt: str = "Explain it.", **more) -> set[str]:
    return {finding.kind for finding in find_faults(text, Question(prompt, **more))}


def reason(text: str, prompt: str = "Explain it.", **more) -> str:
    (finding,) = find_faults(text, Question(prompt, **more))
    return finding.reason


GOOD = """There are three steps.

1. Read the file with `open(path)`.
2. Count the words: 3 × 17 = 51, so far.
3. Print the result.

```python
from collections import Counter

def count(path: str) -> Counter[str]:
    with open(path) as file:
        return Counter(file.read().split())
```
"""


def test_a_good_answer_has_no_fault():
    assert kinds(GOOD, "Write a word counter in Python.", namespace=()) == set()


# -- empty, truncated


@pytest.mark.parametrize("text", ["", "  \n", "...", "```\n```", "\u200b", "``", "|~|", "***"])
def test_an_answer_without_words_is_empty(text):
    assert kinds(text) == {"empty"}


def test_an_answer_of_one_word_is_not_empty():
    assert kinds("Paris") == set()


@pytest.mark.parametrize("text", ["👍", "≈", "`==`", "`%`", "$", ">"])
def test_a_sign_or_an_operator_alone_is_an_answer(text):
    assert kinds(text, "Which sign stands for it?") == set()


def test_the_limit_on_tokens_cuts():
    assert reason("Once upon a time", finish_reason="length").startswith("the answer was cut")


@pytest.mark.parametrize(
    "text",
    [
        "Here is the code that you asked for, as a whole:\n\n```python\ndef f():\n    return 1\n",
        "There are many reasons why this happens in practice. The first and most important of them",
        "She buys 3 at first. Then she buys 4 more. So she has 23 + 16 = <<23+1",
        "Peter has 3 apples in his bag.\nHe eats two of them.\nThe value of it all is 80 + 50 = 1",
    ],
)
def test_an_answer_that_breaks_off_is_truncated(text):
    assert "truncated" in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        "The capital of France is Paris",
        "It adds up as follows, over all of the twelve months of the year.\n\n#### 18",
        "These are the longest rivers of the world, by length:\n\n- Nile\n- Amazon\n- Yangtze",
        "Here are the figures of all months that you asked for:\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "x = 20 - 15, and so on, for as long as the sum of all of them is 5\nx = 5",
        "Let me compute what is asked for here, step by step, in a block:\n```\n1 + 1\n```",
        "这是一个完整的句子。它以句号结束。",
        "Did it work for you, or is there anything else that you would like to know about it?",
    ],
)
def test_an_answer_that_ends_well_is_not_truncated(text):
    assert "truncated" not in kinds(text)


UNFINISHED = (
    "There are two reasons for it. The first is the cold. The second is that nobody knew it"
)


def test_who_says_that_all_was_said_is_believed_unless_a_step_is_cut():
    assert kinds(UNFINISHED) == {"truncated"}
    assert kinds(UNFINISHED, finish_reason="stop") == set()
    assert kinds(f"{UNFINISHED} or the", finish_reason="stop") == {"truncated"}
    assert kinds("```python\nx = 1", finish_reason="stop") == set()
    assert kinds("```python\nx = (1", finish_reason="stop") == {"code"}


# -- refusal, hedging


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot access your files.",
        "As an AI language model, I have no opinion.",
        "Unfortunately, I can't open links.",
        "Es tut mir leid, das kann ich nicht beantworten.",
        "Désolé, je ne peux pas répondre.",
        "Lo siento, no puedo ayudar con eso.",
        "抱歉,我无法回答这个问题。",
        "申し訳ありませんが、お答えできません。",
    ],
)
def test_a_refusal_is_seen_in_many_languages(text):
    assert "refusal" in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "I don't know.",
        "No idea.",
        "Sorry, I do not know the answer to that.",
        "I’m not entirely sure.",
        "It is hard to say.",
    ],
)
def test_who_only_says_that_he_does_not_know_has_not_answered(text):
    assert "refusal" in kinds(text, "What is the melting point of platinum?")


def test_who_declines_one_thing_and_answers_another_has_answered():
    text = "I can't see live weather. In November it rains on about half of the days in Berlin."
    assert "refusal" not in kinds(text, "Is it going to rain tomorrow?")


@pytest.mark.parametrize(
    "more",
    [
        "If you have any other questions about a different topic, feel free to ask me.",
        "A licensed physician would be able to evaluate all of these symptoms properly.",
        "My knowledge ends in 2023, and nothing after that date has been told to me yet.",
        "It is against the guidelines that I have been given by those who made me, sadly.",
    ],
)
def test_a_way_out_is_no_answer(more):
    assert "refusal" in kinds(f"I'm sorry, but I can't help with that. {more}")


def test_not_knowing_may_be_asked_for_and_doubt_may_go_on_to_an_answer():
    assert "refusal" not in kinds("I don't know.", "Say that you don't know, if so: who is it?")
    assert "refusal" not in kinds("I am not sure, but it may be 4.", "What is half of 8?")
    reasoned = "I am not sure at first sight, so let us compute. " + "Half of 8 is 4. " * 10
    assert "refusal" not in kinds(reasoned, "What is half of 8?")
    assert "refusal" not in kinds("It is unclear to me why, but 4.", "What is half of 8?")


@pytest.mark.parametrize(
    "text",
    [
        "The form says: I'm sorry, but we are closed.",
        "Sorry for the confusion above: the result is 4.",
        "You can't divide by zero; Python raises ZeroDivisionError.",
        "I can help with that. Use sorted().",
    ],
)
def test_what_only_sounds_like_a_refusal_is_none(text):
    assert "refusal" not in kinds(text)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Write an apology to my boss", "I'm sorry that I missed the meeting."),
        ("Translate 'I'm sorry, I can't help you' into Spanish", "Lo siento, no puedo ayudarte."),
        ("What is the German for sorry?", "Es tut mir leid."),
        ("Wie sagt man 'sorry' auf Deutsch?", "Es tut mir leid."),
    ],
)
def test_an_apology_that_was_asked_for_is_no_refusal(prompt, text):
    assert kinds(text, prompt) == set()


@pytest.mark.parametrize(
    "prompt",
    [
        "I can't get this to run: fix it",
        "Write a function that adds two numbers",
        "Translate the letter into Spanish",
    ],
)
def test_a_refusal_to_write_or_to_help_stays_one(prompt):
    assert "refusal" in kinds("I'm sorry, but I can't help with that.", prompt)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I'm not sure, but it may be 4.", "i'm not sure"),
        ("It cannot be determined from the data.", "cannot be determine"),
        ("None of the options match my result.", "none of the options"),
    ],
)
def test_doubt_is_quoted(text, words):
    assert words in reason(text)


def test_a_plain_statement_is_no_doubt():
    assert kinds("The result is 4, and that is certain.") == set()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("<a><b></a>", "mismatched tag"),
        ("<a x=1/>", "not well-formed"),
        ("<?xml version='1.0'?>\n<a>", "mismatched tag"),
    ],
)
def test_xml_that_does_not_parse_is_a_fault(code, words):
    assert words in reason(f"```xml\n{code}\n```")


@pytest.mark.parametrize(
    "code",
    [
        "<a/>\n<b/>",
        "<?xml version='1.0'?>\n<a>&nbsp;</a>",
        "<x:a>…</x:a>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<a>{{ value }}",
        "key: value",
        "<!-- what\nis said --><a b='c'/>",
    ],
)
def test_xml_that_parses_or_is_a_part_is_no_fault(code):
    assert kinds(f"```xml\n{code}\n```") == set()


# -- arithmetic

RIGHT = [
    "16 - 3 = 13 eggs",
    "9 * 2 = $<<9*2=18>>18.",
    "2/2 * 1/2 = 1/2 bolt",
    "80,000 + 50,000 = $130,000",
    "10/3 = 3.33",
    "10/3 = 3",
    "2/3 = 0.66",
    "140/3 = 46.666666666666664",
    "x = 3 + 4 = 7",
    "y = 2x + 3 = 9",
    "50 = 300n / (4 \\* 3)",
    "20% of 50 = 10",
    "2^10 = 1024",
    "(3+4)*2 = 14",
    "the years 2023-2024 = 3 terms",
    "a + 3 * 2 = 10",
    "f(2) + 3 = 9",
    "5 - 3 = 2 - 1 days",
    "1/2 + 2/3 = 7/6",
    "3 + 4 = 7x",
    "3 * 4 = 12%",
    "`3+3=7`",
    "```\n3+3=7\n```",
    "log2(8) + 1 = 4",
    "sqrt(16) - 1 = 3",
    "\\frac{1}{2} + 3 = 3.5",
    "5! - 20 = 100",
    "3,5 + 1,5 = 5",
    "7 - 10 = -3",
    "5*(-3) = -15",
    "3-1=2.",
    "3 + 4 == 8",
    "3 + 4 != 8",
    "1/0 = 5",
    "9^99 - 1 = 3",
    "3-5 = 2",
    "lines 10 - 12 = 3",
    "2024-01-15 = 3 days before",
    "0x10 = 16",
    "1.000 + 500 = 1.500 Euro",
    r"A = \pi (0.02)^2 = 0.00126",
    "√(9 + 16) = 5",
    "ln (1 + 2) = 1.0986",
    "(150 - 120) / 120 = 25 percent",
    "3 × 333.33 = 1000",
    "1.07 × 70 = 75",
    "0.05 / 5 × 10^-8 = 10^6",
    "about 212 × 298 = 63,000",
    "9 + 5 = 2 modulo 12",
    "in binary 1 + 1 = 10",
    "the slogan 2 + 2 = 5",
    "not 3 × 4 = 13, that is wrong",
    "11 + 3 = 2 on a 12-hour clock",
    "On a clock, 10 + 5 = 3.",
]
WRONG = [
    ("3 × 17 = 41", "3 × 17 = 41 is wrong"),
    ("So 16 - 3 = 12 eggs", "16 - 3 = 12 is wrong"),
    ("2 + 2 = 5.", "2 + 2 = 5 is wrong"),
    ("x = 3 + 4 = 8", "3 + 4 = 8 is wrong"),
    ("$80,000 + 50,000 = $13,000", "80000 + 50000 = 13000 is wrong"),
    ("1/2 + 2/3 = 3/5", "1÷2 + 2÷3 = 3÷5 is wrong"),
    ("1.5*2 = 3.1", "1.5×2 = 3.1 is wrong"),
    ("so 3 x 60 = 190 meters", "3 × 60 = 190 is wrong"),
    ("9 \\times 9 = 80", "9 × 9 = 80 is wrong"),
    ("2^3 = 6", "2^3 = 6 is wrong"),
    ("5-3 = 8", "5-3 = 8 is wrong"),
    ("about 212 × 298 = 73,000", "212 × 298 = 73000 is wrong"),
    ("1.25 × 4 = 5.5", "1.25 × 4 = 5.5 is wrong"),
    ("1.000 + 500 = 1.600", "1.000 + 500 = 1.600 is wrong"),
    ("That is (3 + 4) × 2 = 15", "(3 + 4) × 2 = 15 is wrong"),
]


@pytest.mark.parametrize("text", RIGHT)
def test_a_sum_that_is_right_or_cannot_be_judged_is_no_fault(text):
    assert "arithmetic" not in kinds(text)


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_wrong_sum_is_shown(text, words):
    assert words in {finding.reason for finding in find_faults(text, Question("Explain it."))}


@given(st.integers(-999, 999), st.integers(1, 999), st.sampled_from("+-*"))
def test_every_true_sum_is_believed(a, b, sign):
    true = {"+": a + b, "-": a - b, "*": a * b}[sign]
    assert kinds(f"Then {a} {sign} {b} = {true}.") == set()


@given(st.integers(0, 999), st.integers(1, 999), st.integers(1, 50), st.sampled_from("+-*"))
def test_every_false_sum_is_found(a, b, off, sign):
    true = {"+": a + b, "-": a - b, "*": a * b}[sign]
    assert kinds(f"Then {a} {sign} {b} = {true + off}.") == {"arithmetic"}


def test_a_sum_that_the_question_shows_is_not_the_answers_fault():
    text = "Because 3 × 17 = 41 forgets the carry: it is 51."
    assert kinds(text, "Why is 3 × 17 = 41 a mistake?") == set()
    assert kinds(text, "What is it?") == {"arithmetic"}


def test_of_many_sums_so_many_are_worked_out(monkeypatch):
    held = []
    monkeypatch.setattr(arithmetic, "_holds", lambda left, readings: held.append(left) or True)
    kinds("".join(f"{n} + 1 = {n + 1}\n" for n in range(20_000)))
    assert 0 < len(held) <= arithmetic.MOST_EQUATIONS


def test_of_many_blocks_so_many_are_parsed(monkeypatch):
    parsed = []
    monkeypatch.setattr(code, "_python_fault", lambda source: parsed.append(source))
    kinds("```python\nx = 1\n```\n" * 5_000)
    assert 0 < len(parsed) <= code.MOST_BLOCKS


# -- steps

TANK = "A tank of 18 liters loses 2 liters a day for 4 days. How much is left?"


def test_steps_that_fit_together_are_no_fault():
    assert kinds("It loses 2 * 4 = 8 liters. 18 - 8 = 10 liters are left.\n#### 10", TANK) == set()
    assert (
        kinds("In 4 days it loses 2 × 4 = 8, so **10** of the 18 are left: 18 − 8 = 10.", TANK)
        == set()
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It loses 2 a day: 18 - 2 = 16.\n#### 16", "the number 4 of the question is not used"),
        (
            "It loses 2 * 4 = 8 liters. 18 - 2 - 2 - 2 - 2 = 10 liters are left.\n#### 10",
            "8 is worked out and not used",
        ),
        (
            "It loses 2 * 4 = 8 liters. 18 - 8 = 10 liters.\n#### 12",
            "the answer 12 is none of its results",
        ),
    ],
)
def test_steps_that_do_not_fit_together_are_told(text, words):
    assert words in {finding.reason for finding in find_faults(text, Question(TANK))}


@pytest.mark.parametrize(
    "prompt",
    [
        "Tell me about tanks of 18 liters.",
        f"{TANK}\n" + "\n".join(f"{n}: {n * 7} liters" for n in range(2, 14)),
    ],
    ids=["no number asked", "data"],
)
def test_numbers_of_data_or_of_a_text_need_not_be_used(prompt):
    text = "It loses 2 a day: 18 - 2 = 16.\n#### 16"
    assert "unused" not in kinds(text, prompt)


# -- final answers

OPTIONS = "Which is it?\nA. one\nB. two\nC. three\nD. four\nAnswer:"


def test_two_final_answers_contradict_each_other():
    words = reason("The answer is 5. Wait, no. The final answer is 7.", "How many are there?")
    assert words == "two final answers: 5 and 7"


def test_the_same_answer_twice_is_no_contradiction():
    assert kinds("The answer is 5. So the final answer: **5.0**", "How many are there?") == set()


@pytest.mark.parametrize("text", ["The answer is (C).", "C", "C. three", "So it must be **B**."])
def test_a_choice_that_is_named_is_enough(text):
    assert kinds(text, OPTIONS) == set()


@pytest.mark.parametrize("text", ["three", "It is three.", "**Three**, since two is too few."])
def test_the_words_of_a_choice_are_as_good_as_its_letter(text):
    assert kinds(text, OPTIONS.replace("C. three", "C. three.")) == set()


def test_a_list_that_is_no_choice_is_told_in_its_words():
    asked = "Make a sentence of these notes:\nA. buy milk\nB. call Bob\nC. sleep"
    assert kinds("First buy milk, then call Bob, and sleep.", asked) == set()


def test_a_long_answer_has_to_name_its_choice():
    text = "One speaks for it and two speaks against it, and it takes more to tell. " * 3
    assert "final" in kinds(text, OPTIONS)


def test_a_choice_that_is_missing_is_a_fault():
    text = "All of these depend on the case at hand, and it takes more to tell."
    assert reason(text, OPTIONS) == "no choice is named at the end"


def test_a_number_that_was_asked_for_and_is_missing_is_a_fault():
    asked = "She has 16 eggs and eats 3. How many does she sell?"
    assert kinds("She sells them at the market.", asked) == {"final"}


@pytest.mark.parametrize("text", ["She sells 9.", "She sells nine of them.", "None."])
def test_a_number_in_figures_or_words_is_enough(text):
    assert kinds(text, "How many eggs does she sell?") == set()


def test_a_number_in_words_of_another_language_is_enough():
    assert kinds("sept", "How much is 3 + 4? In words, in French") == set()


# -- code


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("```python\ndef f(:\n    pass\n```", "the Python code does not parse: line 1"),
        ('```json\n{"a": 1,}\n```', "the JSON does not parse: line 1"),
        ("```toml\na = \n```", "the TOML does not parse"),
    ],
)
def test_a_block_that_does_not_parse_is_a_fault(block, words):
    assert reason(f"Here it is:\n\n{block}\n").startswith(words)


@pytest.mark.parametrize(
    "block",
    [
        "```python\n>>> 1 + 1\n2\n```",
        "```python\n    x = 1\n    y = x\n```",
        "```python\n%load_ext mmai_nb\n!pip install x\ndf?\nx = 1\n```",
        "```python\nclass A:\n    ...\n```",
        "```python\nclass A:\n    …\n```",
        '```json\n{"a": 1} \n{"a": 2}\n```',
        '```json\n{"a": 1, // a comment\n}\n```',
        "```json\n{\n  ...\n}\n```",
        "```\nno language: { [\n```",
        "```cpp\nint main( {\n```",
        "```python\nasync def f():\n    await g()\n```",
    ],
)
def test_what_is_no_mistake_in_code_is_none(block):
    assert "code" not in kinds(f"Here it is:\n\n{block}\n")


@pytest.mark.parametrize(
    "code",
    [
        "elif x > 3:\n    print(x)",
        "except ValueError as error:\n    print(error)",
        "    else:\n        x = 1",
        "-    return a\n+    return b",
        "- def f():\n+ def g():\n      return 1",
        "@@ -1,2 +1,2 @@\n-def f(a):\n+def f(a, b):",
    ],
)
def test_a_branch_alone_or_a_change_is_no_mistake(code):
    assert "code" not in kinds(f"Change it to:\n\n```python\n{code}\n```\n")


@pytest.mark.parametrize(
    "text",
    [
        'In Python 2 you wrote:\n\n```python\nprint "hello"\n```\n',
        "```python\nif x = 3:\n    pass\n```\n\nThis raises `SyntaxError: invalid syntax`.",
        "This does not work:\n\n```python\nif x = 3:\n    pass\n```\n",
        "```python\nfor i in range(3)  # ❌ no colon\n    pass\n```",
        'This is invalid JSON, since a comma is too many:\n\n```json\n{"a": 1,}\n```',
        "As pseudo-code:\n\n```python\nfunction sort(A):\n    if length(A) <= 1 return A\n```",
    ],
)
def test_what_is_shown_as_wrong_or_as_pseudo_code_need_not_parse(text):
    assert "code" not in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "The colon was missing: a SyntaxError. Here is the fixed code:\n\n"
        "```python\nfor i in range(3)\n    pass\n```",
        '```python\nif x < 0:\n    raise ValueError("invalid x"\n```',
        "```python\ndef f(:\n    pass  # error handling\n```",
    ],
)
def test_what_is_meant_to_be_right_has_to_parse(text):
    assert "code" in kinds(text)


def test_code_that_stands_in_the_prompt_may_be_shown_again():
    code = "for i in range(3)\n    pass"
    asked = f"Why does this fail?\n\n{code}"
    assert "code" not in kinds(
        f"You wrote:\n\n```python\n{code}\n```\n\nA colon is missing.", asked
    )


def block(code: str) -> str:
    return f"Here it is:\n\n```python\n{code}\n```\n"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print(frame2)", "it uses frame2, which is not defined"),
        ("import no_such_module_x", "it imports no_such_module_x, which is not installed"),
        ("from no_such_module_x.y import z", "it imports no_such_module_x"),
        ("a + b + c + d + e", "it uses a, b, c and 2 more"),
    ],
)
def test_names_that_exist_nowhere_are_told(code, words):
    assert words in reason(block(code), namespace={"frame"})


@pytest.mark.parametrize(
    "code",
    [
        "frame.head()",
        "x = 1\nprint(x, len('a'), __name__)",
        "def f(a, *b, c=1, **d):\n    return a, b, c, d\nf(1)",
        "[i for i in range(3) if (n := i)]\nprint(n)",
        "import json as j, os.path\nj.dumps(os)",
        "try:\n    pass\nexcept ValueError as error:\n    print(error)",
        "match 1:\n    case [a, *b]:\n        a, b\n    case {'k': v, **r} as w:\n        v, r, w",
        "with open('x') as file:\n    file.read()",
        "from json import *\nprint(dumps(1))",
        "from .local import thing\nthing()",
        "lambda a: a",
        "class A(Exception):\n    def m(self): return A",
        "global g\ng = 1\nprint(g)",
        "print(_, _3, _i, _i3, Out[1])",
        "class A:\n    def m(self): return __class__",
    ],
)
def test_names_that_exist_are_no_fault(code):
    assert "names" not in kinds(block(code), namespace={"frame"})


def test_what_one_block_defines_the_next_may_use():
    assert kinds(block("x = 1") + block("print(x)"), namespace=()) == set()


def test_a_module_that_the_answer_installs_is_no_fault():
    text = "%pip install polrs\n" + block("import polrs\npolrs.read()")
    assert kinds(text, namespace=()) == set()


def test_without_a_namespace_unknown_names_are_no_fault():
    assert kinds(block("print(df)")) == set()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import math\nmath.root(2)", "there is no math.root"),
        ("from math import root", "there is no math.root"),
        ("import math as m\nm.root(2)", "there is no m.root"),
        ("import os.paths", "there is no os.paths"),
        ("held.root(2)", "there is no held.root"),
        ("import os\nos.path.joined('a')", "there is no os.path.joined"),
        ("import math\nmath.root(2)\nmath.third(2)", "there is no math.root, math.third"),
    ],
)
def test_a_name_that_a_module_does_not_have_is_told_and_fails_an_answer(code, words):
    found = assess(f"```python\n{code}\n```", Question("How?", namespace={"held": math}))
    assert [finding.reason for finding in found.findings] == [words]
    assert found.fails


@pytest.mark.parametrize(
    "code",
    [
        "import math\nmath.sqrt(2)",
        "import math\nmath.root = math.sqrt\nmath.root(2)",
        "math = object()\nmath.root(2)",
        "import nowhere_at_all\nnowhere_at_all.root(2)  # pip install it",
        "try:\n    from math import root\nexcept ImportError:\n    root = None",
        "import sys, os\nif sys.platform == 'win32':\n    os.startfile('a')",
        "import math\nif hasattr(math, 'root'):\n    math.root(2)",
        "import xml.etree.ElementTree as ET\nET.fromstring('<a/>')",
        "held.sqrt(2)",
        "frame.root(2)",
        "from mmai_nb import new_name_of_the_users_own",
    ],
)
def test_a_name_that_a_module_has_or_may_have_is_no_fault(code):
    names = {"held": math, "frame": object()}
    found = find_faults(f"```python\n{code}\n```", Question("How?", namespace=names))
    assert "attribute" not in {finding.kind for finding in found}


def test_a_name_that_the_prompt_has_or_that_is_called_gone_may_be_missing():
    code = "```python\nimport math\nmath.root(2)\n```"
    assert kinds(code, "How do I replace math.root?", namespace={}) == set()
    assert kinds(f"{code}\n\nIt was removed in math 2.", namespace={}) == set()
    assert kinds(code) == set()  # nobody knows where it would run


def test_looking_for_a_module_does_not_import_it(tmp_path, monkeypatch):
    (tmp_path / "boom_on_import.py").write_text("raise SystemExit('it was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert is_installed("boom_on_import")
    assert kinds(block("import boom_on_import"), namespace=()) == set()
    assert "boom_on_import" not in sys.modules


def test_the_answers_code_is_never_run(tmp_path):
    target = tmp_path / "it_ran"
    kinds(block(f"open({str(target)!r}, 'w').close()"), namespace=())
    assert not target.exists()


# -- schema

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def test_json_that_misses_its_schema_is_a_fault():
    assert kinds('{"n": "three"}', schema=SCHEMA) == {"schema"}


def test_json_that_fits_its_schema_is_none():
    assert kinds('{"n": 3}', schema=SCHEMA) == set()


# -- language

GERMAN = "Die Hauptstadt von Frankreich ist Paris, und sie ist mit mehr als zwei Millionen " * 2
FRENCH = "La capitale de la France est Paris, et elle est dans le nord du pays avec des ponts " * 2
ENGLISH = "The capital of France is Paris, and it is in the north of the country with bridges " * 2


@pytest.mark.parametrize(
    ("prompt", "text", "words"),
    [
        ("Wie heißt die Hauptstadt von Frankreich und was ist sie?", ENGLISH, "asked in German"),
        ("What is the capital of France, and where is it?", GERMAN, "answered in German"),
        ("法国的首都是什么?请用几句话说明它的历史。", ENGLISH, "asked in Chinese"),
        (
            "フランスの首都はどこですか。説明してください。",
            "法国的首都是巴黎。" * 9,
            "answered in Chinese",
        ),
        ("Какая столица у Франции и где она находится?", ENGLISH, "asked in Cyrillic"),
    ],
)
def test_an_answer_in_another_language_is_a_fault(prompt, text, words):
    assert words in {f.kind: f.reason for f in find_faults(text, Question(prompt))}["language"]


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("What is the capital of France, and where is it?", ENGLISH),
        ("Wie heißt die Hauptstadt von Frankreich und was ist sie?", GERMAN),
        ("Translate into German: the capital of France is Paris and it is old", GERMAN),
        ("Say it in French please, what is the capital of the country?", FRENCH),
        ("Wie sortiert man die Liste in Python und was ist der Weg?", block("x = sorted(y)")),
        ("Schreib eine Mail an einen englischen Kunden, dass es später wird.", ENGLISH),
        ("hi", GERMAN),
        ("フランスの首都はどこですか。", "フランスの首都はパリです。" * 9),
        ("Was ist die Antwort auf alles, und wie ist die Frage?", "42"),
    ],
)
def test_an_answer_in_the_right_or_no_clear_language_is_none(prompt, text):
    assert "language" not in kinds(text, prompt)


# -- repetition


@pytest.mark.parametrize(
    "text",
    [
        "It begins. " + "and then it goes on " * 30,
        "no no no no no no no no no no no",
        "Intro.\n" + "The same line again and again.\n" * 12,
    ],
)
def test_going_round_in_circles_is_a_fault(text):
    assert "repetition" in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 20,
        "<svg>\n" + '<circle r="3"/>\n' * 8 + "</svg>",
        "Ha ha ha! That is a good one.",
        "\n".join(f"- item number {n} of the list" for n in range(40)),
        "-" * 500,
    ],
)
def test_a_list_a_table_or_a_rule_is_no_circle(text):
    assert "repetition" not in kinds(text)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Say hello ten times", "hello " * 10),
        ("Print 'All work and no play' 8 times.", "All work and no play\n" * 8),
    ],
)
def test_what_was_to_be_repeated_is_no_circle(prompt, text):
    assert "repetition" not in kinds(text, prompt)


def test_a_sum_with_times_in_it_asks_for_no_repetition():
    asked = "Ann has 3 times as many as Bob, who has 4. How many has Ann?"
    assert "repetition" in kinds("Ann has 12. " * 12, asked)


# -- any text


@given(st.text(max_size=400), st.text(max_size=80))
def test_any_text_is_judged_the_same_twice(text, prompt):
    first = find_faults(text, Question(prompt, namespace=()))
    assert first == find_faults(text, Question(prompt, namespace=()))
    assert all(f.reason and "\n" not in f.reason and len(f.reason) <= 300 for f in first)


@pytest.mark.parametrize(
    "text",
    [
        "3 + 4 = 7 " * 100_000,
        "1+" * 500_000 + "=3",
        "(" * 200_000 + "=2",
        " " * 1_000_000,
        "```python\n" + "(" * 50_000 + "\n```",
        "```json\n" + "[" * 90_000 + "\n```",
        "`" * 300_000,
        "```" * 100_000,
        "a " * 500_000,
        "answer is " * 100_000,
        "\ud800" * 1_000,
        "\\boxed{" * 50_000,
    ],
    ids=range(12),
)
def test_hostile_text_does_not_hold_the_checks(text):
    begin = time.thread_time()
    find_faults(text, Question("How many?", namespace=()))
    assert time.thread_time() - begin < 10


def test_the_checks_import_nothing_heavy():
    heavy = "openai pandas joblib matplotlib ipywidgets IPython numpy"
    code = (
        "import sys; from mmai_nb.checks import *; assess('3 + 4 = 8', Question('hi')); "
        "agree('1', '2', 'hi'); "
        f"print([m for m in '{heavy}'.split() if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    assert done.stdout.strip() == "[]"


# -- doubt


def test_an_answer_without_a_fault_is_not_doubted_much():
    found = assess(GOOD, Question("Write a word counter in Python."))
    assert (found.findings, found.reason, found.fails) == ((), "", False)
    assert 0 < found.doubt < 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("So 3 × 17 = 41 of them.", "3 × 17 = 41 is wrong"),
        ("I'm sorry, but I can't help with that.", "the model declines to answer"),
        ("", "the answer is empty"),
        ("```python\ndef f(:\n    pass\n```", "the Python code does not parse"),
    ],
)
def test_an_answer_with_a_grave_fault_fails_and_says_why(text, words):
    found = assess(text, Question("Explain it."))
    assert found.fails
    assert found.reason.startswith(words)


def test_hedging_alone_raises_doubt_but_does_not_fail_an_answer():
    found = assess("I'm not sure, but it is 4.", Question("Explain it."))
    assert not found.fails
    assert found.doubt > assess("It is 4.", Question("Explain it.")).doubt


def test_the_strongest_finding_is_the_reason():
    found = assess("I'm not sure, but 3 + 4 = 8.", Question("Explain it."))
    assert [finding.kind for finding in found.findings] == ["arithmetic", "hedging"]
    assert found.reason == "3 + 4 = 8 is wrong"
