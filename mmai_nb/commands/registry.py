"""What a subcommand of `%ai` is: a name, help, how its words are read and how they complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..engine import Engine
from .page import Command

__all__ = ["PATHS", "Complete", "EngineGetter", "Subcommand", "no_words", "one_of"]

EngineGetter = Callable[[], Engine]
"""Gives the engine; called only by commands that need one."""

Complete = Callable[[Sequence[str], EngineGetter], Iterable[str]]
"""Gives the words that may come next, for those that stand behind the name already.

All that may, in the order in which they are shown; the caller keeps those that begin like what is
typed. It serves the Tab key and "did you mean", so it is quick, asks no server and changes nothing.
An error of the package means that there is nothing to offer.
"""

PATHS: tuple[str, ...] = ("./",)
"""What a `Complete` gives, this very tuple, where a path comes next."""


def no_words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    """For a subcommand that takes no words, or free text."""
    return ()


def one_of(*words: str) -> Complete:
    """For a subcommand that takes one of these words, and nothing after it."""
    return lambda before, engine: () if before else words


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One subcommand.

    Attributes:
        name: the word behind `%ai`.
        usage: its line on the help page: "%ai name [WORD]: what it gives."
        parse: what to run for the words behind the name, or None where the line is a question.
        names: further words that mean the same.
        help: what `%ai help NAME` adds to `usage`: plain sentences, with examples indented by four
            spaces; a test runs each example, so it must work in a fresh notebook.
        complete: which words may come next.
        wrong_word: how a first word that is none of the command's is spoken of, with {} for it;
            "" for what is said of all.
    """

    name: str
    usage: str
    parse: Callable[[str, EngineGetter], Command | None]
    names: tuple[str, ...] = ()
    help: str = ""
    complete: Complete = no_words
    wrong_word: str = ""
