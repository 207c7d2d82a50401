"""A command with a slip is refused with what is wrong; a sentence that begins like one is asked."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

AS_IT_IS = "%ai -- "


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("stats today week", "%ai stats today takes no 'week'"),
        ("stats model foo", "%ai stats model takes no 'foo'"),
        ("budget 5/day please", "not 'please'"),
        ("config save elsewhere", "%ai config save takes no 'elsewhere'"),
        ("calibrate undo please", "%ai calibrate undo takes no 'please'"),
        ("history purge everything", "%ai history purge takes no 'everything'"),
        ("costs export a.csv 7x", "%ai costs export a.csv takes no '7x'"),
        ("costs --plot bananas", "%ai costs --plot takes no 'bananas'"),
        ("costs --plot for the last 3 years", "%ai costs --plot takes no 'for'"),
        ("panel compare spend", "%ai panel compare takes no 'spend'"),
        ("models demo small", "%ai models demo takes no 'small'"),
        ("help costs please", "%ai help costs takes no 'please'"),
        ("key OPENAI_API_KEY now", "not 'now'"),
        ("calibrate undo shwo", "%ai calibrate undo takes no 'shwo'"),
        ("stats modle 7d", "did you mean %ai stats model 7d?"),
        ("calibrate exprot votes.json", "did you mean %ai calibrate export votes.json?"),
        ("stats model teir", "did you mean %ai stats model tier?"),
        ("poor b", "%ai poor takes no 'b': %ai poor [last]"),
        ("last week", "%ai last takes no 'week'"),
        ("version please", "%ai version takes no 'please'"),
        ("costs abc", "no model and no tag in the ledger has 'abc' in its name"),
    ],
)
def test_a_slip_behind_a_commands_own_word_is_named_and_nothing_is_sent(demo, line, says):
    shown = demo(f"%ai {line}")
    assert isinstance(shown.error, UsageError)
    assert says in str(shown.error)
    assert AS_IT_IS in str(shown.error)
    assert ".;" not in str(shown.error)
    assert len(str(shown.error)) <= 200
    assert demo.call.calls == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("route", "TEXT is missing: %ai route [-v] TEXT"),
        ("dealias", "NAME is missing: %ai dealias NAME"),
        ("calibrate export", "FILE is missing behind export"),
        ("history -q", "WORDS is missing behind -q"),
        ("history delete", "N is missing behind delete"),
        ("history -m", "a value is missing behind -m"),
        ("costs -3", "N from 0 on, not -3"),
    ],
)
def test_what_is_missing_or_wrong_in_a_command_is_named(demo, line, says):
    shown = demo(f"%ai {line}")
    assert isinstance(shown.error, UsageError)
    assert says in str(shown.error)
    assert demo.call.calls == []


@pytest.mark.parametrize(
    "line",
    [
        "help me understand joins",
        "help compare two lists of names",
        "history of Rome in two lines",
        "history delete my account please",
        "stats homework: what is a p-value",
        "stats models explained",
        "stats model for churn prediction",
        "costs export to France",
        "key value stores compared",
        "panel models in econometrics",
        "stats model foo?",
    ],
)
def test_a_sentence_that_begins_with_a_commands_words_is_asked(demo, line):
    assert demo(f"%ai {line}").ok
    assert demo.call.calls[0][0].prompt == line


def test_by_before_the_groups_of_stats_says_nothing(demo):
    demo("%ai What is 2 + 3?")
    assert demo("%ai stats by tier model").value.by == ("tier", "model")


@pytest.mark.parametrize("line", ["good", "models", "costs", "route", "cache clear", "list"])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_behind_a_command_is_its_help(demo, line, option):
    shown = demo(f"%ai {line} {option}")
    assert shown.value == demo(f"%ai help {line.split()[0]}").value
    assert demo.call.calls == []


def test_help_behind_a_text_is_part_of_it(demo):
    assert "complexity" in repr(demo("%ai route what does git --help").value)
