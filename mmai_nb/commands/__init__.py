"""The subcommands of `%ai`: each takes the engine and its words, and gives what is shown.

A line is a subcommand only if the whole of it parses as one; anything else is a question. Each
module here holds one family of them in its `COMMANDS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import MmaiError
from ..values import shown, similar
from . import (
    aliases,
    asking,
    budgeting,
    doctoring,
    history,
    judging,
    prices,
    showing,
    spending,
    stats,
    stored,
    tuning,
    unlocking,
)
from .helping import TOPICS, help_page
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
    return None if found is None else found.parse(rest, engine)


def words_after(words: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    """The words of commands that may come next behind `%ai` and these words.

    Raises:
        LookupError: the first of them is no subcommand, so the line is a question.
    """
    if not words:
        return (*_BY_NAME, "help")
    if words[0] == "help":
        return () if words[1:] else (*TOPICS, *_BY_NAME)
    return _BY_NAME[words[0]].complete(words[1:], engine)


def near_command(line: str, engine: EngineGetter) -> str:
    """What to say of a line that looks like a command with a slip in it; "" for a question."""
    words = line.split()
    if not words or len(words) > 2 or line.endswith("?"):
        return ""
    if words[0] in _BY_NAME:
        return _near_word(_BY_NAME[words[0]], words[1:], engine)
    near = similar(words[0], [*_BY_NAME, "help"], least=0.75)
    return f"no command {shown(words[0])}; did you mean %ai {near[0]}?" if near else ""


def _near_word(found: Subcommand, words: list[str], engine: EngineGetter) -> str:
    """What to say of a subcommand whose words do not fit: the nearest right one, or its usage."""
    try:
        known = list(found.complete((), engine))
    except MmaiError:
        known = []
    near = similar(words[0], known) if words else []
    if not near or words[0] in known:
        return found.usage
    return f"no {shown(words[0])} in %ai {found.name}; did you mean %ai {found.name} {near[0]}?"
