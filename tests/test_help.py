"""Each page of the help, and each of its examples run in a fresh notebook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.cells import playing

from mmai_nb.commands import FAMILIES
from mmai_nb.commands.helping import TOPICS
from mmai_nb.settings import load_settings

COMMANDS = [command for family in FAMILIES.values() for command in family]
PAGES = [*TOPICS, *(command.name for command in COMMANDS)]


@pytest.fixture
def fresh(tmp_path) -> Iterator[Any]:
    """A notebook with no key and no settings, so that the demo's models are there."""
    with playing(tmp_path, None) as run:
        run("0", "[2, 3, 5]")
        yield run


def examples(page: str) -> tuple[list[str], str]:
    """The cells and the TOML that stand on a page, indented by four spaces."""
    cells, toml = [], []
    for block in re.split(r"\n\n+", page):
        lines = block.split("\n")
        if all(line.startswith("    ") for line in lines):
            code = "\n".join(line[4:] for line in lines)
            (toml if code.startswith("[") else cells).append(code)
    return cells, "\n".join(toml)


@pytest.mark.parametrize("topic", PAGES)
def test_the_examples_of_a_page_work(fresh, topic, tmp_path):
    page = fresh(f"%ai help {topic}").value
    cells, toml = examples(page)
    for cell in cells:
        shown = fresh(cell)
        assert shown.ok, f"{cell}\n{shown.text}"
    if toml:
        (tmp_path / "config.toml").write_text(toml)
        assert load_settings(user_file=tmp_path / "config.toml").given


@pytest.mark.parametrize("topic", PAGES)
def test_every_page_has_an_example_or_is_a_list(fresh, topic):
    cells, _ = examples(fresh(f"%ai help {topic}").value)
    assert cells, topic


@pytest.mark.parametrize("topic", PAGES)
def test_a_page_fits_a_notebook(fresh, topic):
    for line in fresh(f"%ai help {topic}").value.splitlines():
        assert len(line) <= 100
        assert line.isprintable()


def test_every_name_of_a_command_has_its_page(fresh):
    for command in COMMANDS:
        for name in (command.name, *command.names):
            assert command.usage in fresh(f"%ai help {name}").value


def test_the_first_page_names_every_command_option_and_topic(fresh):
    page = fresh("%ai help").value
    assert all(command.usage in page for command in COMMANDS)
    assert all(topic in page for topic in TOPICS)
    magics = fresh.shell.magics_manager.magics["cell"]["ai"].__self__
    assert all(option in page for option in magics.parser.options())


@pytest.mark.parametrize(
    "cell",
    ["%ai", "%ai --help", "%ai -h", "%ai help help", "%%ai --help", "%%ai -h\nx", "%%mmai -h"],
)
def test_all_doors_show_the_same_page(fresh, cell):
    assert fresh(cell).value == fresh("%ai help").value


@pytest.mark.parametrize("cell", ["%ai?", "%%ai?", "%mmai?", "%%mmai?", "?%ai"])
def test_ipythons_own_help_shows_it_too(fresh, cell):
    assert fresh("%ai help").value in fresh(cell).text


def test_the_options_stand_under_headings(fresh):
    lines = fresh("%ai help options").value.splitlines()
    headings = [line for line in lines[:40] if re.fullmatch(r"[a-z, ]+", line)]
    assert headings[:4] == [
        "who answers",
        "what is asked",
        "how it is shown",
        "cache, time and money",
    ]


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("cahce", "did you mean 'cache'?"),
        ("optoins", "did you mean 'options'?"),
        ("Formats", "did you mean 'formats'?"),
        ("xyzzy", "topics are options"),
    ],
)
def test_an_unknown_topic_is_one_line_with_the_nearest(fresh, topic, says):
    shown = fresh(f"%ai help {topic}")
    assert not shown.ok
    (line,) = shown.lines
    assert says in line
    assert fresh.call.calls == []


@pytest.mark.parametrize(
    ("word", "says"),
    [("prefer", "the cost dial"), ("--prefer", "the cost dial"), ("check", "--check agree also")],
)
def test_an_option_has_the_page_it_stands_on(fresh, word, says):
    assert says in fresh(f"%ai help {word}").value


def test_a_sentence_that_begins_with_help_is_a_question(fresh):
    fresh("%ai help me sort a list")
    assert fresh.call.calls[0][0].prompt == "help me sort a list"


@pytest.mark.parametrize(
    ("topic", "line"),
    [
        ("--check", "--check looks at the answer"),
        ("check", "--check looks at the answer"),
        ("agree", "--check looks at the answer"),
        ("compare", "--compare asks several models"),
        ("--compare", "--compare asks several models"),
        ("--blind", "--compare asks several models"),
        ("prefer", "The setting prefer is the cost dial"),
        ("votes", "%ai good [last]"),
        ("--max-cost", "%ai budget"),
        ("--tag", "--tag WORD"),
        ("-t", "-t, --temperature"),
    ],
)
def test_an_option_or_a_plain_word_leads_to_its_page(fresh, topic, line):
    assert line in fresh(f"%ai help {topic}").value


def test_an_option_that_is_not_there_has_no_page(fresh):
    assert "no help on '--nonesuch'" in fresh("%ai help --nonesuch").text


def test_the_help_names_every_word_of_check(fresh):
    assert "--check [agree|on|off]" in fresh("%ai help").value


def test_the_pages_on_votes_say_what_last_is(fresh):
    assert "%ai poor last says what is meant" in fresh("%ai help poor").value
