"""What a subcommand of `%ai` is: a name, a line of help, and how its words are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..engine import Engine
from .page import Command

__all__ = ["EngineGetter", "Subcommand"]

EngineGetter = Callable[[], Engine]
"""Gives the engine; called only by commands that need one."""


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One subcommand.

    Attributes:
        name: the word behind `%ai`.
        usage: its line on the help page: "%ai name [WORD]: what it gives."
        parse: what to run for the words behind the name, or None where the line is a question.
        names: further words that mean the same.
        help: what `%ai help NAME` adds to `usage`: lines with options and examples.
    """

    name: str
    usage: str
    parse: Callable[[str, EngineGetter], Command | None]
    names: tuple[str, ...] = ()
    help: str = ""
