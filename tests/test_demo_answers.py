from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb.demo.answers import MODELS, STATEMENT, make_answer


def answer(prompt: str, model: str = "demo-small", json_only: bool = False) -> str:
    return make_answer([("user", prompt)], model=model, tier=MODELS[model][0], json_only=json_only)


def code_in(text: str) -> str:
    return text.partition("```python\n")[2].partition("```")[0]


def test_a_larger_model_answers_at_greater_length():
    lengths = [len(answer("What is a monad?", model)) for model in MODELS]
    assert lengths == sorted(set(lengths))


@given(st.text(max_size=300), st.sampled_from([*MODELS]), st.booleans())
def test_any_prompt_gets_the_same_answer_again_and_it_names_the_demo(prompt, model, json_only):
    text = answer(prompt, model, json_only)
    assert STATEMENT in text
    assert answer(prompt, model, json_only) == text


@pytest.mark.parametrize(
    ("prompt", "result"),
    [
        ("what is 17 * 3", "= **51**"),
        ("What's 2 + 2?", "= **4**"),
        ("calculate (1+2)*3", "= **9**"),
        ("how much is 10 / 4?", "= **2.5**"),
        ("what is 1/3?", "≈ **0.333333333333**"),
        ("what is 0.1 + 0.2", "= **0.3**"),
        ("what is 7 times 6 minus 2?", "= **40**"),
        ("2^10", "= **1024**"),
        ("12 × 12", "= **144**"),
        ("what is -3 - -5", "= **2**"),
        ("compute 1/0", "divides by zero"),
    ],
)
def test_a_sum_is_worked_out(prompt, result):
    assert result in answer(prompt)


@pytest.mark.parametrize(
    "prompt",
    ["2024-01-05", "what is 9**9**9", "what is __import__('os')", "what is 2**-0.5", "what is 007"],
)
def test_what_is_no_small_sum_is_not_worked_out(prompt):
    assert "You asked" in answer(prompt)


PROGRAMS = {
    "Write a function that sorts a list": ("merge_sort([3, 1, 2])", [1, 2, 3]),
    "write fibonacci code": ("fibonacci(7)", [0, 1, 1, 2, 3, 5, 8]),
    "Show me a function for the sum and the mean": ("sum_and_mean([1.0, 3.0])", (4.0, 2.0)),
    "Create a Python function that reverses a string": ("reverse('abc')", "cba"),
    "I need a regex that finds email addresses": ("find_emails('to a.b@c.de.')", ["a.b@c.de"]),
}


@pytest.mark.parametrize("prompt", PROGRAMS)
def test_code_that_is_asked_for_works(prompt):
    call, result = PROGRAMS[prompt]
    names: dict[str, Any] = {}
    exec(code_in(answer(prompt)), names)
    assert eval(call, names) == result


@pytest.mark.parametrize("prompt", ["write code that reads a csv with pandas", "plot my data"])
def test_code_with_heavy_imports_is_valid_python(prompt):
    code = code_in(answer(prompt))
    assert "import" in code
    ast.parse(code)


@given(st.text(max_size=200))
def test_code_for_any_prompt_is_valid_python_with_the_statement_in_it(prompt):
    system = "Answer with code only, in one fenced block that names its language."
    text = make_answer([("system", system), ("user", prompt)], model="demo-small", tier="simple")
    assert text.startswith("```python\n")
    assert text.count("```") == 2
    assert STATEMENT in code_in(text)
    ast.parse(code_in(text))


def test_fenced_data_is_counted_and_not_echoed():
    table = "a,b\n1,2\n3,4\n"
    text = answer(f'Look: <data-7f3a91 name="df">{table}</data-7f3a91> What is it?')
    assert "- data `df`: 3 lines" in text
    assert "Look: df What is it?" in text
    assert "1,2" not in text
