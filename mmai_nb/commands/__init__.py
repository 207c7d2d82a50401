"""The subcommands of `%ai`: each takes the engine and its words, and gives what is shown.

A line is a subcommand only if the whole of it parses as one; anything else is a question. Each
module here holds one family of them in its `COMMANDS`.
"""

from __future__ import annotations

from ..errors import MmaiError
from ..values import shown, similar
from . import asking, spending, stored, tuning
from .asking import route_page
from .page import Command, Page
from .registry import EngineGetter, Subcommand

__all__ = ["SUBCOMMANDS", "Page", "command_for", "near_command", "route_page"]

SUBCOMMANDS: tuple[Subcommand, ...] = (
    *tuning.COMMANDS,
    *asking.COMMANDS,
    *spending.COMMANDS,
    *stored.COMMANDS,
)
"""All of them, in the order of the help page."""

_BY_NAME = {name: sub for sub in SUBCOMMANDS for name in (sub.name, *sub.names)}


def command_for(line: str, engine: EngineGetter, cell_help: str) -> Command | None:
    """What the line asks for, or None when it is a question.

    Args:
        line: all that stands behind `%ai`.
        engine: gives the engine; called only by commands that need one.
        cell_help: the options of `%%ai`, for the help page.
    """
    head, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if head in ("help", "-h", "--help", "") and (rest in ("", "help") or rest in _BY_NAME):
        return lambda: _help(rest, cell_help)
    found = _BY_NAME.get(head)
    return None if found is None else found.parse(rest, engine)


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
    if not near:
        return found.usage
    return f"no {shown(words[0])} in %ai {found.name}; did you mean %ai {found.name} {near[0]}?"


_HELP_USAGE = "%ai help [TOPIC]: this page, or all about one command."


def _help(topic: str, cell_help: str) -> Page:
    if topic in _BY_NAME:
        found = _BY_NAME[topic]
        return Page("\n".join(filter(None, [found.usage, found.help])))
    if topic:
        return Page(_HELP_USAGE)
    commands = "\n".join(f"  {line}" for line in (*(s.usage for s in SUBCOMMANDS), _HELP_USAGE))
    return Page(
        f"{cell_help.rstrip()}\n\n%ai a question on one line   asks it (%ai -- TEXT always asks)\n"
        f"{commands}"
    )
