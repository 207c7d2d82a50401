"""Bad input, row by row: a clear line of one class, nothing sent, nothing written, at both doors.

The number in a test's id is that of the misuse in our list of 68. WAITING names the rows whose
subject the package does not have yet.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
from IPython.core.error import UsageError
from support.refusing import House, bare_shell, is_one_clear_line
from support.scripted import URL, settings_of
from support.stub_server import status

from mmai_nb.errors import (
    AuthError,
    BudgetExceededError,
    ConfigError,
    LedgerWarning,
    MissingKeyError,
    MmaiError,
    OptionError,
    PromptError,
    SchemaMismatchError,
    SecretInPromptError,
    UnknownModelError,
)
from mmai_nb.settings import load_settings

WAITING = {
    17: "the hint of %ai doctor; that nothing is sent is held below",
    49: "attach",
    60: "map",
    61: "map",
    62: "map",
}
"""Rows by number, with what they wait for."""

HUGE = 10**400
A_KEY = "sk-proj-Tq7rXb2LmN9vKc4ZpW8yHd3FgJ6sAe1"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


# the first line of a cell, and %ai

CELLS: list[tuple[str, str, type[Exception], tuple[str, ...]]] = [
    ("D1-empty-cell", "%%ai", PromptError, ("no prompt", "below the line of %%ai")),
    ("D1-empty-options", "%%mmai small -v", PromptError, ("no prompt",)),
    ("D2-blank", "%%ai\n  \n\t\n", PromptError, ("The cell has no prompt",)),
    ("D2-comments", "%%ai\n# one\n# two", PromptError, ("nothing but comments",)),
    ("D3-unknown", "%%ai --bogus\nhi", UsageError, ("--bogus",)),
    ("D3-near", "%%ai --no-cach\nhi", UsageError, ("did you mean --no-cache?",)),
    ("D4-unclosed-quote", "%%ai -s 'be brief\nhi", UsageError, ("column 4 is not closed",)),
    ("D4-backslash", "%%ai -s x\\\nhi", UsageError, ("backslash",)),
    ("D5-no-value", "%%ai -t\nhi", UsageError, ("-t", "needs a value: 0..2")),
    ("D6-abbreviation", "%%ai --mod gpt\nhi", UsageError, ("--mod", "--model")),
    ("D7-quoted", "%%ai -m 'a b'\nhi", UsageError, ("'a b'", "no spaces")),
    ("D8-hot", "%%ai -t hot\nhi", UsageError, ("'hot'", "number from 0 to 2")),
    *(
        (f"D{row}-{value}", f"%%ai -t {value}\nhi", UsageError, ("from 0 to 2", value.strip("-")))
        for row, value in ((9, "nan"), (9, "inf"), (10, "3"), (10, "-1"))
    ),
    ("D10-1e999", "%%ai -t 1e999\nhi", UsageError, ("from 0 to 2", "inf")),
    *(
        (f"D11-{value}", f"%%ai --max-tokens {value}\nhi", UsageError, (value, "1 to 1,000,000"))
        for value in ("0", "-5", "1000000001")
    ),
    ("D11-1.5", "%%ai --max-tokens 1.5\nhi", UsageError, ("'1.5'", "whole number")),
    ("D11-1e9", "%%ai --max-tokens 1e9\nhi", UsageError, ("'1e9'", "whole number")),
    ("D11-huge", f"%%ai --max-tokens {HUGE}\nhi", UsageError, ("too large",)),
    ("D12-format", "%%ai --format pdf\nhi", UsageError, ("'pdf'", "markdown")),
    ("D14-twice", "%%ai -t 0 -t 1\nhi", UsageError, ("-t is given twice",)),
    ("D14-switch", "%%ai --refresh --refresh\nhi", UsageError, ("given twice",)),
    ("D14-parameter", "%%ai -o seed 1 -o seed 2\nhi", UsageError, ("seed is given twice",)),
    ("D15-conflict", "%%ai --no-cache --refresh\nhi", UsageError, ("exclude", "give one")),
    ("D15-unknown", "%%ai --stream --batch\nhi", UsageError, ("--stream", "--no-stream")),
    ("D16-prompt", "%%ai write a poem\nhi", UsageError, ("write a poem", "below the first line")),
    ("D17-capitals", "%%AI\nhi", UsageError, ("%%AI",)),
    ("D21-empty", "%%ai -m ''\nhi", UsageError, ("model", "''", "%ai models")),
    ("D22-unknown", "%%ai smal\nhi", UnknownModelError, ("'smal'", "'small'", "%ai models")),
    ("D23-spaces", "%%ai -m 'x y'\nhi", UsageError, ("'x y'", "no spaces")),
    ("D23-100-kB", f"%%ai -m {'x' * 100_000}\nhi", UsageError, ("200 characters",)),
    ("D23-escape", "%%ai -m '\x1b[31mred'\nhi", UsageError, ("\\x1b", "no spaces")),
    ("D24-no-fallback", "%%ai small --fallback ''\nhi", UsageError, ("fallback", "''")),
    ("D28-key", f"%%ai --api-key {A_KEY}\nhi", UsageError, ("--api-key", "Rotate it")),
    ("D28-equals", f"%%ai --api-key={A_KEY}\nhi", UsageError, ("--api-key", "Rotate it")),
    ("D28-parameter", "%%ai -o api_key x\nhi", UsageError, ("api_key", "environment")),
    *(
        (
            f"D36-{value}",
            f"%%ai --timeout {value}\nhi",
            UsageError,
            ("above 0, up to 86400 seconds", value),
        )
        for value in ("0", "-3", "nan", "1000000000.0")
    ),
    *(
        (f"D58-{value}", f"%%ai --max-cost {value}\nhi", UsageError, ("max_cost", "USD", value))
        for value in ("0", "-1", "nan", "inf", "$", "five")
    ),
    *(
        (f"prefer-{value}", f"%%ai --prefer {value}\nhi", UsageError, ("prefer", value, "20%"))
        for value in ("cheep", "2", "-0.1", "150%", "nan")
    ),
    ("check-word", "%%ai --check=maybe\nhi", UsageError, ("--check", "'maybe'", "agree, on, off")),
    ("check-slip", "%%ai --check agre\nhi", UsageError, ("--check", "'agre'", "--check agree")),
    ("check-name", "%%ai --check maybe\nhi", UsageError, ("'maybe'", "agree, on, off")),
    ("check-model", "%%ai --check smal\nhi", UnknownModelError, ("'smal'", "%ai models")),
    ("system-unquoted", "%%ai -s hello world\nhi", UsageError, ('-s "hello world"',)),
    ("system-long", "%%ai -s you are kind\nhi", UsageError, ('-s "you are kind"',)),
    ("tag-unquoted", "%%ai --tag my study\nhi", UsageError, ('--tag "my study"',)),
    ("compare-space", "%%ai --compare a b\nhi", UsageError, ("comma", "--compare a,b")),
    ("compare-model", "%%ai small --compare a,b\nhi", UsageError, ("leave a model out",)),
    ("far-fallback", "%%ai --fallback nope\nhi", UnknownModelError, ("no model 'nope' (%ai",)),
    ("far-format", "%%ai -f yaml\nhi", UsageError, ("markdown, text, code, json, html",)),
    ("check-twice", "%%ai --check --check\nhi", UsageError, ("--check is given twice",)),
    ("vote-before-any-answer", "%ai good", MmaiError, ("no answer yet",)),
    ("vote-poor-before-any-answer", "%ai poor last", MmaiError, ("no answer yet",)),
    ("vote-slip", "%ai goood", UsageError, ("did you mean %ai good?",)),
    ("escalate-nothing", "%ai escalate", MmaiError, ("no question to ask again",)),
    ("escalate-slip", "%ai escalate up", UsageError, ("%ai escalate",)),
    ("retry-nothing", "%ai retry", MmaiError, ("no question to ask again",)),
    ("calibrate-slip", "%ai calibrate shwo", UsageError, ("did you mean %ai calibrate show?",)),
    ("calibrate-no-file", "%ai calibrate import", UsageError, ("import FILE",)),
    ("calibrate-undo", "%ai calibrate undo", UsageError, ("none to take back",)),
    ("calibrate-nowhere", "%ai calibrate import no.json", UsageError, ("No such file",)),
    ("prefer-nothing", "%%ai --prefer\nhi", UsageError, ("cheap, balanced, quality or 20%",)),
    ("fallback-nothing", "%%ai --fallback\nhi", UsageError, ("--fallback needs a value: MODEL",)),
    ("option-half", "%%ai -o seed\nhi", UsageError, ("-o/--option needs a value: KEY VALUE",)),
    ("compare-end", "%%ai --compare a, b c\nhi", UsageError, ("--compare a,b,c",)),
    ("route-cell", "%%ai route\nhi", UsageError, ("no model 'route'", "%%ai --dry-run")),
    ("command-cell", "%%ai costs\nhi", UsageError, ("the command is %ai costs",)),
    ("D36-abc", "%%ai --timeout abc\nhi", UsageError, ("'abc'", "timeout must be")),
]


@pytest.mark.parametrize(
    ("cell", "error", "says"), [case[1:] for case in CELLS], ids=[case[0] for case in CELLS]
)
def test_a_bad_line_is_refused(house, cell, error, says):
    text = house.refuses_cell(cell, error, *says)
    assert A_KEY not in text


def test_a_line_without_anything_is_help__D1(house):
    assert "--max-tokens" in house.run("%ai")[1]
    house.is_untouched()


@pytest.mark.parametrize("line", ["--help", "-h", "small --help"])
def test_help_is_shown_whatever_stands_in_the_cell__D13(house, line):
    assert "--max-tokens" in house.run(f"%%ai {line}\nhi")[1]
    house.is_untouched()


def test_quotes_around_a_value_are_not_part_of_it__D7(house):
    house.run("%%ai -m 'small' -s 'be brief'\nhi")
    request, model = house.call.calls[0]
    assert (model, request.messages[0].content) == ("small", "be brief")


@pytest.mark.parametrize("text", ["what's new", 'say "hi', "a ' b \" c", "back\\"])
def test_a_question_on_one_line_is_never_split__D4(house, text):
    house.run(f"%ai {text}")
    assert house.call.calls[0][0].prompt == text


@pytest.mark.parametrize("cell", ["% ai hi", "x = 1\n%%ai\nhi", "%%Ai\nhi"])
def test_a_misspelt_magic_sends_nothing__D17(house, cell):
    result, _ = house.run(cell)
    assert not result.success
    house.is_untouched()


def test_a_shell_without_the_extension_says_that_there_is_no_such_magic__D18():
    shell = bare_shell()
    assert "ai" not in shell.magics_manager.magics["cell"]
    assert isinstance(shell.run_cell("%%ai\nhi").error_in_exec, UsageError)


def test_loading_twice_leaves_one_of_everything__D19(house):
    house.shell.extension_manager.reload_extension("mmai_nb")
    house.shell.extension_manager.load_extension("mmai_nb")
    magics = [c for c in house.shell.configurables if type(c).__name__ == "MmaiMagics"]
    assert len(magics) == 1
    names = [getattr(f, "__name__", "") for f in house.shell.input_transformers_cleanup]
    assert names.count("keep_question_marks") == 1
    assert len(house.shell.events.callbacks["post_run_cell"]) == 1


def test_a_clash_of_names_is_told_and_the_second_name_is_ours__D20():
    shell = bare_shell()
    shell.register_magic_function(lambda line, cell=None: None, "line_cell", "ai")
    with pytest.warns(UserWarning, match="%%mmai always is"):
        shell.extension_manager.load_extension("mmai_nb")
    assert type(shell.magics_manager.magics["cell"]["mmai"].__self__).__name__ == "MmaiMagics"


# the options of ask


class Sleepy:
    """An object whose code must not run: it would take for ever, or raise."""

    def __repr__(self) -> str:
        raise RuntimeError("its repr was asked for")

    __str__ = __bool__ = __len__ = __iter__ = __eq__ = __hash__ = __repr__  # type: ignore[assignment]


class Wordy(str):
    """A text whose methods raise."""

    def __str__(self) -> str:
        raise RuntimeError("its own code ran")

    __repr__ = strip = isprintable = __str__  # type: ignore[assignment]


LOOP: list[Any] = []
LOOP.append(LOOP)

CALLS: list[tuple[str, dict[str, Any], type[Exception], tuple[str, ...]]] = [
    ("D2-blank", {"prompt": " \n "}, PromptError, ("the prompt is empty: give",)),
    ("D2-comments", {"prompt": "# x"}, PromptError, ("nothing but comments",)),
    ("D3-near", {"temprature": 1}, OptionError, ("temprature", "did you mean 'temperature'?")),
    ("D9-nan", {"temperature": float("nan")}, OptionError, ("from 0 to 2", "nan")),
    ("D9-inf", {"temperature": float("inf")}, OptionError, ("from 0 to 2", "inf")),
    ("D9-numpy-nan", {"temperature": np.float64("nan")}, OptionError, ("from 0 to 2", "nan")),
    ("D9-decimal", {"temperature": Decimal("sNaN")}, OptionError, ("from 0 to 2", "sNaN")),
    ("D10-3", {"temperature": 3}, OptionError, ("from 0 to 2", "3")),
    ("D10-minus", {"temperature": -1}, OptionError, ("from 0 to 2", "-1")),
    ("D10-huge", {"temperature": HUGE}, OptionError, ("from 0 to 2", "a huge number")),
    ("D10-bool", {"temperature": True}, OptionError, ("from 0 to 2", "True")),
    ("D10-text", {"temperature": "1"}, OptionError, ("from 0 to 2", "'1'")),
    ("D10-NA", {"temperature": pd.NA}, OptionError, ("from 0 to 2", "NAType")),
    ("D10-array", {"temperature": np.array([1, 2])}, OptionError, ("from 0 to 2", "ndarray")),
    ("D10-object", {"temperature": Sleepy()}, OptionError, ("from 0 to 2", "Sleepy")),
    *(
        (f"D11-{value}", {"max_tokens": value}, OptionError, ("1 to 1,000,000", str(value)))
        for value in (0, -5, 1.5, 10**9, True, 1e9)
    ),
    ("D11-huge", {"max_tokens": HUGE}, OptionError, ("1 to 1,000,000", "a huge number")),
    ("D11-too-long-to-write", {"max_tokens": 10**5000}, OptionError, ("a huge number",)),
    ("D11-text", {"max_tokens": "\x1b[31m5\ud800"}, OptionError, ("\\x1b", "\\ud800")),
    ("D12-format", {"format": "pdf"}, OptionError, ("'pdf'", "markdown")),
    ("D12-empty", {"format": ""}, OptionError, ("''", "markdown")),
    ("D12-frame", {"format": pd.DataFrame({"a": [1]})}, OptionError, ("DataFrame", "markdown")),
    ("D15-conflict", {"cache": False, "refresh": True}, OptionError, ("give one",)),
    ("D15-tier", {"model": "small", "tier": "simple"}, OptionError, ("not both", "'simple'")),
    ("D15-not-a-flag", {"allow_secrets": "no"}, OptionError, ("True or False", "'no'")),
    ("D15-series", {"refresh": pd.Series([True])}, OptionError, ("True or False", "Series")),
    ("D21-empty", {"model": ""}, OptionError, ("''", "%ai models")),
    ("D21-none", {"model": None}, OptionError, ("None", "%ai models")),
    ("D21-tier", {"tier": ""}, OptionError, ("tier", "''")),
    ("D21-tier-array", {"tier": np.array(["a", "b"])}, OptionError, ("tier", "ndarray")),
    ("D22-model", {"model": "smal"}, UnknownModelError, ("'smal'", "'small'", "%ai models")),
    ("D22-tier", {"tier": "simpel"}, OptionError, ("'simpel'", "'simple'")),
    ("D22-fallback", {"fallback": ["larg"]}, UnknownModelError, ("'larg'", "'large'")),
    ("D23-spaces", {"model": "a b"}, OptionError, ("'a b'", "no spaces")),
    ("D23-newline", {"model": "a\nb"}, OptionError, ("'a\\nb'", "no spaces")),
    ("D23-100-kB", {"model": "x" * 100_000}, OptionError, ("200 characters",)),
    ("D23-surrogate", {"model": "\ud800"}, OptionError, ("\\ud800",)),
    ("D24-fallback", {"fallback": ""}, OptionError, ("fallback", "''")),
    ("D24-fallback-number", {"fallback": 5}, OptionError, ("fallback", "list", "5")),
    ("D24-fallback-bytes", {"fallback": b"ab"}, OptionError, ("fallback", "bytes")),
    ("D28-option", {"api_key": A_KEY}, OptionError, ("api_key", "environment variable")),
    ("D28-parameter", {"params": {"api_key": "x"}}, OptionError, ("api_key", "environment")),
    *(
        (
            f"D36-{value}",
            {"timeout": value},
            OptionError,
            ("above 0, up to 86400 seconds", str(value)),
        )
        for value in (0, -1, float("nan"), "abc", True)
    ),
    ("D36-huge", {"timeout": HUGE}, OptionError, ("above 0, up to 86400 seconds", "a huge number")),
    *(
        (f"D58-{value}", {"max_cost": value}, OptionError, ("max_cost", "USD", str(value)))
        for value in (0, -1, float("nan"), "five", True)
    ),
    *(
        (f"check-{value}", {"check": value}, OptionError, ("check", '"agree"', shown))
        for value, shown in (("yes", "'yes'"), (1, "1"), ("", "''"), ([True], "list"))
    ),
    ("D58-huge", {"max_cost": HUGE}, OptionError, ("max_cost", "a huge number")),
    ("D41-prompt", {"prompt": "x" * 100_001}, PromptError, ("100,001", "max_prompt_chars")),
    ("D41-system", {"system": "x" * 100_001}, PromptError, ("100,001", "max_prompt_chars")),
    ("D41-tag", {"tag": "x" * 201}, OptionError, ("tag", "200 characters")),
    ("D41-params", {"params": {"user": "x" * 100_001}}, OptionError, ("params", "100,000")),
    ("D41-schema", {"schema": {"title": "x" * 100_001}}, OptionError, ("schema", "100,000")),
    ("D43-prompt", {"prompt": "a\ud800"}, PromptError, ("U+D800 at 1", "take it out")),
    ("D43-system", {"system": "\udfff"}, PromptError, ("U+DFFF at 0",)),
    ("D43-params", {"params": {"user": "\ud800"}}, OptionError, ("\\ud800", "plain JSON")),
    ("D43-tag", {"tag": "\ud800"}, OptionError, ("\\ud800",)),
    ("D45-prompt", {"prompt": {"a": 1}}, PromptError, ("dict", "json.dumps")),
    ("D45-frame", {"prompt": pd.DataFrame()}, PromptError, ("DataFrame", "str(…)")),
    ("D45-bytes", {"prompt": b"hi"}, PromptError, ("bytes",)),
    ("D45-nothing", {"prompt": None}, PromptError, ("messages",)),
    ("D46-text", {"messages": "hi"}, PromptError, ("list", "str")),
    ("D46-empty", {"messages": []}, PromptError, ("empty",)),
    ("D46-dict", {"messages": {"role": "user", "content": "x"}}, PromptError, ("list", "dict")),
    ("D46-entry", {"messages": ["hi"]}, PromptError, ("messages[0]", "'hi'")),
    ("D46-no-content", {"messages": [{"role": "user"}]}, PromptError, ("messages[0]",)),
    (
        "D46-role",
        {"messages": [{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}]},
        PromptError,
        ("messages[1]", "'robot'", "assistant"),
    ),
    (
        "D46-role-array",
        {"messages": [{"role": np.array(["a", "b"]), "content": "x"}]},
        PromptError,
        ("messages[0]", "ndarray"),
    ),
    (
        "D46-content",
        {"messages": [{"role": "user", "content": Sleepy()}]},
        PromptError,
        ("messages[0]", "Sleepy"),
    ),
    ("D46-generator", {"messages": (i for i in "ab")}, PromptError, ("list", "generator")),
    ("D50-number", {"schema": 5}, OptionError, ("pydantic model", "5")),
    ("D50-any", {"schema": {}}, OptionError, ('"type"',)),
    ("D50-class", {"schema": int}, OptionError, ("pydantic model", "the class int: derive")),
    ("D50-nonsense", {"schema": {"type": "nonsense"}}, OptionError, ("nonsense",)),
    ("D50-recursive", {"schema": {"$ref": "#"}}, OptionError, ("recursive",)),
    ("D50-elsewhere", {"schema": {"$ref": "http://127.0.0.1/x"}}, OptionError, ("outside",)),
    ("D50-not-json", {"schema": {"type": Sleepy}}, OptionError, ("plain JSON",)),
    ("D50-format", {"schema": {"type": "object"}, "format": "code"}, OptionError, ("'code'",)),
    (
        "D50-pattern",
        {"schema": {"type": "string", "pattern": "(?=a)b"}},
        OptionError,
        ("'(?=a)b'", "look-around"),
    ),
    ("params-text", {"params": "abc"}, OptionError, ("dict", "str")),
    ("params-name", {"params": {"a b": 1}}, OptionError, ("'a b'", "letters")),
    ("params-loop", {"params": {"x": LOOP}}, OptionError, ("plain JSON", "ircular")),
    ("params-set", {"params": {"x": {1}}}, OptionError, ("plain JSON", "set")),
    ("params-nan", {"params": {"x": float("nan")}}, OptionError, ("plain JSON",)),
    ("params-ours", {"params": {"stream": True}}, OptionError, ("'stream'", "leave it out")),
    ("params-twice", {"params": {"temperature": 1}, "temperature": 1}, OptionError, ("twice",)),
    ("on_text", {"on_text": 5}, OptionError, ("on_text", "function")),
    *(
        (f"prefer-{value}", {"prefer": value}, OptionError, ("prefer", "cheap", "0 to 1"))
        for value in ("cheep", "20", 2, -1, float("inf"), True, HUGE, b"cheap", ["cheap"])
    ),
    ("prefer-object", {"prefer": Sleepy()}, OptionError, ("prefer", "Sleepy")),
    ("tag-lines", {"tag": "a\nb"}, OptionError, ("tag", "'a\\nb'")),
    ("tag-object", {"tag": Sleepy()}, OptionError, ("tag", "Sleepy")),
    ("system-object", {"system": Sleepy()}, OptionError, ("system", "Sleepy")),
]


@pytest.mark.parametrize(
    ("options", "error", "says"), [case[1:] for case in CALLS], ids=[case[0] for case in CALLS]
)
def test_a_bad_argument_is_refused(house, options, error, says):
    assert A_KEY not in house.refuses(error, *says, **options)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"temperature": np.float64(0.5)}, {"temperature": 0.5}),
        ({"temperature": np.float32(0.5)}, {"temperature": 0.5}),
        ({"temperature": np.int64(1)}, {"temperature": 1}),
        ({"temperature": Decimal("0.5")}, {"temperature": 0.5}),
        ({"max_tokens": np.int64(9)}, {"max_tokens": 9}),
        ({"max_tokens": IntEnum("Size", "SMALL").SMALL}, {"max_tokens": 1}),
        ({"params": {"top_p": np.float32(0.5), "n_best": np.int8(2)}}, {"top_p": 0.5, "n_best": 2}),
        ({"cache": np.bool_(False)}, {}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_number_of_another_library_is_a_number(house, given, sent):
    house.engine.ask("hi", **given)
    params = house.call.calls[0][0].params
    assert params == sent
    assert {type(value) for value in params.values()} <= {int, float}


@pytest.mark.parametrize("amount", ["$5", "5", 5, 0.05, Decimal("0.05"), np.float64(0.05)])
def test_an_amount_may_have_its_dollar_sign__D58(house, amount):
    assert house.engine.ask("hi", max_cost=amount)
    assert house.run(f"%%ai --max-cost {amount}\nagain")[0].success


def test_a_text_of_another_class_is_a_text(house):
    assert house.engine.ask(Wordy("hi"), model=Wordy("small"), system=Wordy("be brief"))
    request, _ = house.call.calls[0]
    assert [type(message.content) for message in request.messages] == [str, str]


def test_an_answer_can_be_asked_about(house):
    answer = house.engine.ask("hi")
    assert house.engine.ask(answer)
    assert house.call.calls[1][0].prompt == str(answer)


# settings

SETTINGS: list[tuple[str, str, Any, tuple[str, ...]]] = [
    ("D24-empty-chain", "tiers.simple.chain", [], ("chain", "not be empty")),
    ("D24-duplicate", "tiers.simple.chain", ["small", "small"], ("'small' twice",)),
    ("D24-unknown", "tiers.simple.chain", ["smal"], ("'smal'", "'small'")),
    ("D30-empty", "models.small.base_url", "", ("http:// or https://",)),
    ("D30-words", "models.small.base_url", "not a url", ("http:// or https://",)),
    ("D30-ftp", "models.small.base_url", "ftp://x/v1", ("http:// or https://", "ftp://")),
    ("D30-spaces", "models.small.base_url", "https://a b/v1", ("spaces",)),
    ("D31-bracket", "models.small.base_url", "http://[::1", ("no valid address",)),
    ("D32-port", "models.small.base_url", "http://127.0.0.1:99999/v1", ("1 to 65535",)),
    ("D33-user", "models.small.base_url", "https://me:pw@x.org/v1", ("api_key_env",)),
    ("D33-query", "models.small.base_url", "https://x.org/v1?key=abc", ("api_key_env",)),
    (
        "D34-operation",
        "models.small.base_url",
        "https://x.org/v1/chat/completions",
        ("use https://x.org/v1",),
    ),
    (
        "D34-no-v1",
        "models.small.base_url",
        "http://127.0.0.1:11434",
        ("Ollama listens at http://127.0.0.1:11434/v1",),
    ),
    ("D36-zero", "timeout", 0, ("timeout = 0", "greater than 0")),
    ("D36-minus", "timeout", -1, ("timeout = -1",)),
    ("D36-abc", "timeout", "abc", ("'abc'", "a number")),
    ("D37-minus", "retries", -1, ("retries = -1", "0")),
    ("D37-1000", "retries", 1000, ("retries = 1000", "10")),
    ("D37-2.5", "retries", 2.5, ("retries = 2.5", "whole number")),
    ("D37-huge", "retries", HUGE, ("a huge number",)),
    ("D53-type", "stream", "perhaps", ("'perhaps'", "true or false")),
    ("D53-unknown", "temprature", 1, ("did you mean 'temperature'?",)),
    ("D54-key", "models.small.api_key_env", A_KEY, ("api_key_env",)),
    ("D54-elsewhere", "system", f"use {A_KEY}", ("holds a key", "api_key_env")),
    ("D54-word", "models.small.api_key", "x", ("api_key_env",)),
    ("D55-minus", "models.small.input_price", -1, ("-1", "0 to 1,000,000")),
    ("D55-text", "models.small.input_price", "cheap", ("'cheap'", "USD per million tokens")),
    ("D55-huge", "models.small.input_price", HUGE, ("a huge number", "0 to 1,000,000")),
    ("D58-zero", "budget.day", 0, ("budget.day = 0", "USD")),
    ("D58-words", "budget.day", "much", ("'much'", "USD")),
    ("D58-scope", "budget.week", 5, ("budget.week", "day")),
    ("prefer-word", "prefer", "cheep", ("prefer = 'cheep'", "did you mean 'cheap'?")),
    ("prefer-over", "prefer", 1.5, ("prefer = 1.5", "0 to 1")),
    ("prefer-percent", "prefer", "120%", ("prefer = '120%'", '"20%"')),
    ("prefer-list", "prefer", ["cheap"], ("prefer", "cheap, balanced, quality")),
    ("prefer-huge", "prefer", HUGE, ("prefer = a huge number", "0 to 1")),
    ("D57-nope", "nope", 1, ("'nope'", "%ai config")),
    ("check-word", "tiers.simple.check", "maybe", ("check = 'maybe'", 'true, false or "agree"')),
    ("check-new", "tiers.other.check", True, ("tiers.other",)),
    ("check-number", "tiers.simple.check", 1, ("check = 1", 'true, false or "agree"')),
    ("D59-crossed", "tiers.simple.up_to", 1, ("rise from tier to tier",)),
    ("D59-no-end", "tiers.complex.up_to", 0.9, ("must end at 1.0",)),
    ("D59-over", "tiers.complex.up_to", 2, ("up_to = 2",)),
    ("D63-dots", "cache.folder", "../elsewhere", ("..",)),
    ("D63-too-long", "cache.folder", "/" + "x" * 5_000, ("cannot be used",)),
    ("D63-nobody", "ledger_path", "~nobody-here/ledger", ("cannot be used",)),
    ("D63-control", "ledger_path", "a\0b", ("control characters",)),
]


@pytest.mark.parametrize(
    ("key", "value", "says"), [case[1:] for case in SETTINGS], ids=[case[0] for case in SETTINGS]
)
def test_a_bad_setting_is_refused_at_both_doors(house, key, value, says):
    assert A_KEY not in house.refuses_settings({key: value}, ConfigError, *says)
    if value != "" and "\0" not in str(value):
        before = house.engine.settings
        written = repr(value).replace("'", '"') if isinstance(value, list) else str(value)
        error = house.refuses_cell(f"%ai config {key} {written}", ConfigError)
        assert A_KEY not in error
        assert house.engine.settings is before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"aliases": {"a": "b", "b": "a"}}, ("circle", "a -> b -> a")),
        (
            {"aliases": {f"a{i}": f"a{i + 1}" for i in range(50)} | {"a50": "small"}},
            ("20 aliases",),
        ),
        ({"tiers": [{"name": "t", "up_to": 0.5, "chain": ["small"]}]}, ("end at 1.0",)),
        ({"models.small.input_price": float("nan")}, ("0 to 1,000,000",)),
        ({"models.small.input_price": Sleepy()}, ("USD per million tokens",)),
        ({"system": LOOP}, ("nested too deep",)),
        ({"models": {5: {}}}, ("text", "int")),
        (
            {"models": {"far": {"base_url": "http://x.org/v1", "api_key_env": "X_KEY"}}},
            ("in clear", "https"),
        ),
    ],
    ids=["D24-cycle", "D24-long", "D59-gap", "D55-nan", "D55-object", "loop", "key", "D35-clear"],
)
def test_settings_that_make_no_sense_are_refused(house, changes, says):
    house.refuses_settings(changes, ConfigError, *says)


def test_a_folder_that_is_none_or_anybodys_is_refused__D63(house, tmp_path):
    file, shared = tmp_path / "file", tmp_path / "shared"
    file.touch()
    shared.mkdir()
    shared.chmod(0o777)
    house.refuses_settings({"cache.folder": str(file)}, ConfigError, "is a file")
    house.refuses_settings({"cache.folder": str(shared)}, ConfigError, "written by anybody")
    house.refuses_settings({"ledger_path": str(tmp_path)}, ConfigError, "is a folder")


FILES: list[tuple[str, bytes, tuple[str, ...]]] = [
    ("toml", b"x = [1", ("config.toml:1", "no valid TOML")),
    ("type", b'timeout = "abc"', ("config.toml:1", "'abc'", "a number")),
    ("unknown", b"\n\ntemprature = 1", ("config.toml:3", "did you mean 'temperature'?")),
    ("duplicate", b"retries = 1\nretries = 2", ("config.toml:2",)),
    ("latin-1", "system = 'é'".encode("latin-1"), ("not UTF-8",)),
    ("deep", b"x = " + b"[" * 3000 + b"]" * 3000, ("config.toml", "nested too deep")),
    ("less-deep", b"x = " + b"[" * 40 + b"]" * 40, ("config.toml", "nested too deep")),
    ("size", b"# " + b"x" * 400_000, ("400,002 bytes", "300,000")),
    ("many", b"".join(b"k%d = 1\n" % i for i in range(20_000)), ("config.toml:1", "'k0'")),
]


@pytest.mark.parametrize(
    ("text", "says"), [f[1:] for f in FILES], ids=[f"D53-{f[0]}" for f in FILES]
)
def test_a_bad_settings_file_is_refused(tmp_path, text, says):
    file = tmp_path / "config.toml"
    file.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(cwd=tmp_path, env={}, user_file=file)
    assert is_one_clear_line(str(caught.value))
    assert all(words in str(caught.value) for words in says)


def test_a_settings_file_that_is_none_or_anybodys_is_refused__D53(tmp_path):
    shared = tmp_path / "config.toml"
    shared.touch()
    shared.chmod(0o777)
    for file, says in ((tmp_path, "is no file"), (shared, "chmod o-w")):
        with pytest.raises(ConfigError, match=says) as caught:
            load_settings(cwd=tmp_path, env={}, user_file=file)
        assert is_one_clear_line(str(caught.value))


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm__D53(tmp_path):
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xef\xbb\xbfretries = 1\r\nstream = false\r\n")
    assert load_settings(cwd=tmp_path, env={}, user_file=file).retries == 1


@pytest.mark.parametrize(
    "line", ["temperature=9", "temperature='hot'", "retries=11", "prefer='cheep'"]
)
def test_a_bad_value_in_ipythons_config_is_one_line_and_changes_nothing__D56(house, line, caplog):
    before = house.engine.settings
    house.run(f"%config MmaiMagics.{line}")
    assert is_one_clear_line(caplog.messages[0])
    assert line.partition("=")[0] in caplog.messages[0]
    assert (len(caplog.messages), house.engine.settings) == (1, before)


def test_an_unknown_name_in_ipythons_config_is_one_line_with_the_nearest__D57(house, caplog):
    house.run("%config MmaiMagics.temprature=1")
    assert len(caplog.messages) == 1
    assert is_one_clear_line(caplog.messages[0])
    assert "did you mean 'temperature'?" in caplog.messages[0]


def test_ipythons_config_reads_and_changes_what_percent_ai_config_does(house):
    house.run("%config MmaiMagics.temperature = 0.5")
    assert house.engine.settings.temperature == 0.5
    house.run("%ai config temperature 1")
    assert house.run("%config MmaiMagics.temperature")[0].result == 1.0


# keys


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[House]:
    """A house whose one model needs a key."""
    model = {
        "base_url": "https://api.example.org/v1",
        "api_key_env": "ACME_API_KEY",
        "input_price": 1,
        "output_price": 1,
    }
    tiers = [{"name": "all", "up_to": 1.0, "chain": ["acme"]}]
    made = House(tmp_path, models={"acme": model}, tiers=tiers)
    yield made
    made.close()


KEYS: list[tuple[str, str | None, tuple[str, ...]]] = [
    ("D25-none", None, ("ACME_API_KEY", "set")),
    ("D26-blank", "  ", ("ACME_API_KEY", "set")),
    ("D26-line", "abcdefgh\nijklmnop", ("ACME_API_KEY", "line break at position 9")),
    ("D26-control", "abcdefgh\x01ijklmnop", ("ACME_API_KEY", "control character at position 9")),
    ("D27-accent", "abcéefghijklmnop", ("ACME_API_KEY", "non-ASCII character at position 4")),
]


@pytest.mark.parametrize(("key", "says"), [k[1:] for k in KEYS], ids=[k[0] for k in KEYS])
def test_a_key_that_is_none_is_refused_at_both_doors(keyed, monkeypatch, key, says):
    if key is not None:
        monkeypatch.setenv("ACME_API_KEY", key)
    for text in (
        keyed.refuses(MissingKeyError, *says),
        keyed.refuses_cell("%%ai\nhi", MissingKeyError, *says),
    ):
        assert key is None or not key.strip() or key not in text


def test_white_space_around_a_key_does_no_harm__D26(keyed, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "  abcdefghijklmnop \n")
    assert keyed.engine.ask("hi")


def test_a_preset_without_its_key_names_the_variable__D25(house):
    house.refuses(MissingKeyError, "OPENAI_API_KEY", model="openai/gpt-6-luna")


def test_the_key_of_another_provider_is_guessed_and_not_shown__D29(stub, tmp_path, monkeypatch):
    from mmai_nb.engine import Engine
    from mmai_nb.ledger import Ledger

    key = "sk-ant-api03-Xq7Lm2Vw9Tz4Rb8Kc1Jd6Hf3"
    monkeypatch.setenv("ACME_API_KEY", key)
    model = {"base_url": stub.base_url, "api_key_env": "ACME_API_KEY", "provider": "openai"}
    settings = settings_of(models={"acme": model}, tiers=[], aliases={})
    engine = Engine(settings, ledger=Ledger(None))
    stub.play(status(401))
    with pytest.raises(AuthError, match="anthropic") as caught:
        engine.ask("hi", model="acme")
    assert is_one_clear_line(str(caught.value))
    assert key not in str(caught.value)
    assert stub.count == 1
    engine.close()


# variables in a prompt


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class NoText:
    def __repr__(self) -> str:
        return 5  # type: ignore[return-value]


def _variables() -> dict[str, Any]:
    return {
        "unknown": 1,
        "text": "Oslo",
        "broken": Broken(),
        "no_text": NoText(),
        "frame_of": [Broken()],
        "loop": LOOP,
        "module": os,
        "function": len,
        "pieces": (i for i in "ab"),
        "raw_bytes": b"abc",
        "half": "ab\ud800",
        "cells": pd.DataFrame({"a": [Broken()]}),
        "key": A_KEY,
        "big": "x" * 90_000,
    }


VARIABLES: list[tuple[str, str, type[Exception], tuple[str, ...]]] = [
    ("D38-near-miss", "{unknwn}", PromptError, ("'unknwn'", "did you mean 'unknown'?")),
    ("D39-underscore", "{text.__class__}", PromptError, ("__class__", "begin with _")),
    ("D39-chain", "{text.x.__init__}", PromptError, ("text.x",)),
    ("D40-module", "{module}", PromptError, ("module", "one of its values")),
    ("D40-function", "{function}", PromptError, ("function", "its result")),
    ("D40-generator", "{pieces}", PromptError, ("generator", "a list")),
    ("D40-bytes", "{raw_bytes}", PromptError, ("3 bytes", ".decode()")),
    ("D41-loop", "{loop}", PromptError, ("loop", "contains itself")),
    ("D41-together", "{big!raw}{big!raw}", PromptError, ("max_prompt_chars",)),
    ("D42-raises", "{broken}", PromptError, ("broken", "RuntimeError")),
    ("D42-no-text", "{no_text}", PromptError, ("no_text", "TypeError")),
    ("D42-inside", "{frame_of}", PromptError, ("frame_of", "RuntimeError")),
    ("D42-frame", "{cells}", PromptError, ("cells", "RuntimeError")),
    ("D43-half", "{half}", PromptError, ("U+D800 at 2", "half")),
    ("D48-secret", "{key}", SecretInPromptError, ("--allow-secrets",)),
]


@pytest.mark.parametrize(
    ("prompt", "error", "says"), [v[1:] for v in VARIABLES], ids=[v[0] for v in VARIABLES]
)
def test_a_variable_that_cannot_be_put_in_is_refused(house, prompt, error, says):
    house.shell.user_ns.update(_variables())
    for cell in (f"%%ai\nAbout {prompt}", f"%ai About {prompt}"):
        assert A_KEY not in house.refuses_cell(cell, error, *says)


@pytest.mark.parametrize(
    "braces",
    ["{nothing_like_it}", "{1+1}", "{f()}", '{ "a": 1 }', "{}", "{text + text}", "${text}"],
)
def test_other_braces_stay_as_typed_and_are_not_evaluated__D39_D47(house, braces):
    house.shell.user_ns.update(text="Oslo", f=lambda: pytest.fail("it was called"))
    house.run(f"%%ai\nAbout {braces}")
    assert house.call.calls[0][0].prompt == f"About {braces}"


def test_doubled_braces_give_single_ones__D38(house):
    house.run("%%ai\nAbout {{x}}")
    assert house.call.calls[0][0].prompt == "About {x}"


@pytest.mark.parametrize(
    ("value", "note"),
    [(None, "is None"), (float("nan"), "is nan"), (pd.DataFrame(), "is empty"), ([], "is empty")],
    ids=["None", "NaN", "frame", "list"],
)
def test_an_empty_value_goes_in_with_a_note__D40(house, value, note):
    house.shell.user_ns["value"] = value
    assert f"value: {note}" in house.run("%%ai\nAbout {value}")[1]


def test_much_data_is_cut_with_a_note__D41(house):
    house.shell.user_ns["value"] = pd.DataFrame({"n": np.arange(10**6)})
    assert "10 of 1,000,000 rows" in house.run("%%ai\nAbout {value}")[1]
    assert len(house.call.calls[0][0].prompt) < 3_000


def test_hostile_names_of_columns_can_drive_nothing__D44(house):
    names = ["a\nb", "\x1b[31mred", "<script>alert(1)</script>", "\u202etxt", "x" * 10_000, 5, None]
    house.shell.user_ns["value"] = pd.DataFrame([range(len(names))], columns=names)
    house.run("%%ai\nAbout {value}")
    sent = house.call.calls[0][0].prompt
    assert not {"\x1b", "\u202e"} & {*sent}
    assert "x" * 100 not in sent


def test_control_characters_are_taken_out_with_a_note__D44(house):
    shown = house.run("%%ai\nAbout a\x00b\u202ec\x1b[31md")[1]
    assert house.call.calls[0][0].prompt == "About abcd"
    assert "removed" in shown
    assert "control characters" in shown


def test_a_secret_is_named_and_not_shown__D48(house, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "acme-0123456789-secret")
    for text in (
        house.refuses(SecretInPromptError, "ACME_API_KEY", prompt="use acme-0123456789-secret"),
        house.refuses(SecretInPromptError, "ACME_API_KEY", system="acme-0123456789-secret"),
        house.refuses(SecretInPromptError, "ACME_API_KEY", tag="acme-0123456789-secret"),
        house.refuses_cell("%%ai\nuse acme-0123456789-secret", SecretInPromptError, "ACME_API_KEY"),
    ):
        assert "0123456789" not in text


# looking back, and other functions

LOOKING: list[tuple[str, dict[str, Any], str]] = [
    ("costs", {"limit": -1}, "limit must be 0 or more"),
    ("costs", {"limit": HUGE}, "a huge number"),
    ("costs", {"limit": True}, "True"),
    ("costs", {"since": "yesteryear"}, "'yesteryear' is no moment"),
    ("costs", {"since": 10**5000}, "a huge number is no moment"),
    ("costs", {"until": Sleepy()}, "Sleepy is no moment"),
    ("costs", {"model": Sleepy()}, "model must be a text"),
    ("costs", {"modle": "small"}, "did you mean 'model'?"),
    ("summary", {"by": "modle"}, "did you mean 'model'?"),
    ("summary", {"by": pd.DataFrame()}, "DataFrame is no column"),
    ("summary", {"by": Sleepy()}, "Sleepy is no column"),
    ("history", {"words": 5}, "words must be a text"),
    ("history", {"tag": Sleepy()}, "tag must be a text"),
    ("history", {"limit": 0.5}, "limit must be 0 or more"),
    ("compare", {"prompt": "hi", "models": 5}, "list of models' names, not 5"),
    ("compare", {"prompt": "hi", "models": []}, "compare needs models"),
    ("compare", {"prompt": "hi", "models": ["small", "small"]}, "twice"),
    ("compare", {"prompt": "hi", "models": [Sleepy()]}, "Sleepy"),
    ("compare", {"prompt": "hi", "models": ["small"], "blind": "yes"}, "True or False"),
]


@pytest.mark.parametrize(
    ("name", "given", "says"), LOOKING, ids=[f"{name}-{says[:20]}" for name, _, says in LOOKING]
)
def test_a_bad_argument_of_another_function_is_refused(house, name, given, says):
    with pytest.raises(OptionError) as caught:
        getattr(house.engine, name)(**given)
    assert is_one_clear_line(str(caught.value))
    assert says in str(caught.value)
    house.is_untouched()


def test_half_a_character_finds_nothing(house):
    house.engine.ask("hi")
    assert len(house.engine.history("\ud800")) == 0
    assert len(house.engine.costs(tag="\ud800")) == 0


@pytest.mark.parametrize(
    "path",
    ["", "a\0b", 5, b"x", Sleepy()],
    ids=lambda value: ascii(value)[:9] if isinstance(value, str) else type(value).__name__,
)
def test_a_path_that_can_be_none_is_refused(house, path):
    from mmai_nb import shelf

    for write in (shelf.export_kept, shelf.import_kept):
        with pytest.raises(OptionError, match="path of a file"):
            write(house.engine, path)


def test_only_an_answer_can_be_forgotten(house):
    from mmai_nb import shelf

    with pytest.raises(OptionError, match=r"not 'hi': the last is ai\.last"):
        shelf.forget_answer(house.engine.cache, "hi")  # type: ignore[arg-type]


# answers that do not fit


class City(pydantic.BaseModel):
    name: str
    people: int


def test_an_answer_that_misses_the_schema_names_the_place_and_is_kept__D51(house):
    house.call.plays[:] = ['{"name": "Oslo", "people": "many"}']
    with pytest.raises(SchemaMismatchError, match="people") as caught:
        house.engine.ask("hi", schema=City)
    assert is_one_clear_line(str(caught.value))
    assert caught.value.raw == '{"name": "Oslo", "people": "many"}'
    assert house.engine.last() is not None
    assert house.engine.cache.size()[0] == 0


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"name": "Oslo", "people": 7}\n```',
        'Here it is:\n{"name": "Oslo", "people": 7}\nAnything else?',
    ],
    ids=["fenced", "prose"],
)
def test_json_within_other_text_is_found__D52(house, text):
    house.call.plays[:] = [text]
    assert house.engine.ask("hi", schema=City).parsed == City(name="Oslo", people=7)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": r"^(a+)+$"},
        {"type": "object", "patternProperties": {r"^(a+)+$": {"type": "string"}}},
        {
            "type": "object",
            "patternProperties": {r"^(a+)+$": {"type": "string"}},
            "additionalProperties": False,
        },
    ],
    ids=["value", "name", "other-names"],
)
def test_no_answer_can_hold_the_kernel_by_a_pattern(house, schema):
    long = "a" * 5_000 + "!"
    house.call.plays[:] = [f'"{long}"' if schema["type"] == "string" else f'{{"{long}": 1}}']
    fits = schema.get("additionalProperties", schema["type"] == "object")
    if fits:
        assert house.engine.ask("hi", schema=schema).parsed == {long: 1}
        return
    with pytest.raises(SchemaMismatchError) as caught:
        house.engine.ask("hi", schema=schema)
    assert is_one_clear_line(str(caught.value))


# no calls yet, a newer ledger, other ways to call


@pytest.mark.parametrize("command", ["costs", "stats", "stats day", "stats tier today"])
def test_before_the_first_call_there_is_a_friendly_word_and_no_warning__D64(house, command):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result, shown = house.run(f"%ai {command}")
    assert result.success
    assert "no calls yet" in shown


@pytest.mark.filterwarnings("ignore::mmai_nb.errors.PriceWarning")
def test_costs_that_are_all_unknown_are_shown_without_a_warning__D64(house):
    house.engine.configure({"models": {"unpriced": {"base_url": URL}}})
    house.engine.ask("hi", model="unpriced")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "NaN" in house.run("%ai costs")[1]
        assert house.run("%ai stats")[0].success


def test_a_ledger_of_a_newer_version_is_left_as_it_is__D65(tmp_path):
    first = House(tmp_path)
    first.engine.ask("hi")
    first.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    before = (tmp_path / "ledger.sqlite3").read_bytes()
    second = House(tmp_path)
    with pytest.warns(LedgerWarning, match="upgrade"):
        assert second.engine.ask("something else")
    assert len(second.engine.costs()) == 2
    with pytest.raises(BudgetExceededError) as caught:
        second.engine.ask("a third", max_cost=1)
    assert is_one_clear_line(str(caught.value))
    assert len(second.call.calls) == 1
    second.close()
    assert (tmp_path / "ledger.sqlite3").read_bytes() == before


@pytest.mark.parametrize("missing", ["pandas", "joblib"])
def test_a_library_that_is_missing_is_one_line_with_what_to_install__D66(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from IPython.core.interactiveshell import InteractiveShell as S\n"
        "s = S.instance(); s.extension_manager.load_extension('mmai_nb')\n"
        "r = s.run_cell('%ai costs')\nprint(type(r.error_in_exec).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "ConfigError"
    assert f"pip install {missing}" in lines[-2]
    assert is_one_clear_line(lines[-2])


def test_it_works_in_a_thread_in_a_coroutine_and_in_a_comprehension__D67_D68(house):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(house.engine.ask, ["one", "two"]))) == 2

    async def ask() -> Any:
        return house.engine.ask("three")

    assert asyncio.run(ask())
    assert len([house.engine.ask(f"number {n}") for n in range(3)]) == 3
    assert len(house.engine.costs()) == 6


def test_it_works_in_plain_python__D67():
    code = "import mmai_nb as ai; print(ai.ask('hi', model='demo').simulated); import sys; "
    code += "print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


# the list itself


def test_every_row_is_held_or_waits_for_its_subject():
    rows = {int(n) for n in _numbers(Path(__file__).read_text("utf-8"))}
    assert rows | set(WAITING) == set(range(1, 69))


def _numbers(text: str) -> list[str]:
    import re

    return re.findall(r"(?<![A-Za-z0-9])D(\d{1,2})(?=[-_\W])", text.replace("_D", " D"))


def test_errors_of_ours_are_what_both_doors_raise():
    assert issubclass(OptionError, MmaiError)
    assert issubclass(PromptError, ValueError)
