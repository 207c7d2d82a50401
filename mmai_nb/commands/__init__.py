"""The subcommands of `%ai`: each takes the engine and its words, and gives what is shown.

A line is a subcommand only if the whole of it parses as one; anything else is a question. Each
module here holds one family of them in its `COMMANDS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from . import (
    aliases,
    asking,
    budgeting,
    doctoring,
    history,
    judging,
    prices,
    showing,
    slips,
    spending,
    stats,
    stored,
    tuning,
    unlocking,
)
from .helping import TOPICS, USAGE, help_page
from .page import Again, Command, Page, Planned
from .registry import PATHS, EngineGetter, Subcommand

__all__ = [
    "FAMILIES",
    "PATHS",
    "Again",
    "Page",
    "Planned",
    "command_for",
    "help_page",
    "near_command",
    "words_after",
]

FAMILIES: Mapping[str, tuple[Subcommand, ...]] = {
    "models and settings": (
        *tuning.COMMANDS,
        *unlocking.COMMANDS,
        *prices.COMMANDS,
        *aliases.family(lambda: _BY_NAME),
    ),
    "questions and answers": (*asking.COMMANDS, *judging.COMMANDS),
    "what it cost": (*spending.COMMANDS, *stats.COMMANDS, *budgeting.COMMANDS),
    "what is kept": (*history.COMMANDS, *stored.COMMANDS, *doctoring.COMMANDS),
    "panels": showing.COMMANDS,
}
"""All subcommands under their headings, in the order of the help page."""

_BY_NAME: Mapping[str, Subcommand] = {
    n: sub for family in FAMILIES.values() for sub in family for n in (sub.name, *sub.names)
}

HELP = Subcommand(
    "help",
    USAGE,
    lambda rest, engine: None,
    complete=lambda before, engine: () if before else (*TOPICS, *_BY_NAME),
)
"""`%ai help`, which `command_for` runs itself: what it takes, for the Tab key and for slips."""


def command_for(line: str, engine: EngineGetter, options: str) -> Command | None:
    """What the line asks for, or None when it is a question.

    Args:
        line: all that stands behind `%ai`.
        engine: gives the engine; called only by commands that need one.
        options: the options of `%%ai`, for the help page.
    """
    head, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if head in ("help", "-h", "--help", "") and len(rest.split()) < 2:
        topic = "" if rest == "help" else rest
        return lambda: help_page(topic, FAMILIES, options)
    found = _BY_NAME.get(head)
    if found is not None and _asks_for_help(found, rest.split(), engine):
        return lambda: help_page(head, FAMILIES, options)
    return None if found is None else found.parse(rest, engine)


def _asks_for_help(found: Subcommand, words: Sequence[str], engine: EngineGetter) -> bool:
    """Whether --help stands right behind a command, or behind one of its own words."""
    if not words or words[-1] not in ("--help", "-h"):
        return False
    return len(words) == 1 or (len(words) == 2 and words[0] in found.complete((), engine))


def words_after(words: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    """The words of commands that may come next behind `%ai` and these words.

    Raises:
        LookupError: the first of them is no subcommand, so the line is a question.
    """
    if not words:
        return (*_BY_NAME, "help")
    if words[0] == "help":
        return HELP.complete(words[1:], engine)
    return _BY_NAME[words[0]].complete(words[1:], engine)


def near_command(line: str, engine: EngineGetter) -> str:
    """What to say of a line that looks like a command with a slip in it; "" for a question."""
    return slips.near_command(line, {**_BY_NAME, "help": HELP}, engine)
