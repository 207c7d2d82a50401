"""The Tab key in `%%ai` cells and `%ai` lines, as a matcher of IPython's completer.

Everything offered is known already: no server is asked or started, nothing of the user's is run.
Where a line is not ours, IPython completes it as ever. Where it is, IPython's own matchers are held
back, also where nothing is offered: a prompt is prose, and builtins of Python have no place in it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from .cell_line import CHECKS

if TYPE_CHECKING:
    from argparse import Action
    from typing import Protocol

    from IPython.core.completer import CompletionContext
    from IPython.core.interactiveshell import InteractiveShell

    from .cell_line import Completes, Parser
    from .engine import Engine

    class Magics(Protocol):
        """What is asked of the magics."""

        @property
        def engine(self) -> Engine:
            """The engine; it loads the settings when it is first needed."""

        @property
        def parser(self) -> Parser:
            """The parser of a cell's first line."""

        def variables(self) -> Mapping[str, Any]:
            """What may stand in braces."""


__all__ = ["add_matcher", "remove_matcher"]

IDENTIFIER = "mmai_nb"

_CELL = r"\s*%%(?:ai|mmai)\s+(?P<line>.*)"  # compiled at the first use: that takes its time
_LINE = r"\s*(?:[\w.,\[\]'\" ]+=\s*)?%(?:ai|mmai)\s+(?P<line>.*)"
_SYMBOL = r"\\\S*\Z"
r"""\alpha, which IPython makes α of; that is of use in prose, too."""
_FILES = "IPCompleter.file_matcher"


class _Offer:
    """What is typed of a word, and which words may stand in its place."""

    def __init__(self, typed: str = "", words: Iterable[str] = (), *, paths: bool = False) -> None:
        self.typed, self.words, self.paths = typed, words, paths


class _Nothing(Sequence[SimpleCompletion]):
    """No completion at all, in a shape that still holds other matchers back.

    IPython heeds `suppress` only where there is something to show, by its length.
    """

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[SimpleCompletion]:
        return iter(())

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(index)


class _Words:
    """Finds what to offer at a place of a cell."""

    def __init__(self, magics: Magics) -> None:
        self._magics = magics

    @cached_property
    def _options(self) -> Mapping[str, Action]:
        return self._magics.parser.options()

    def at(self, text: str, line: int, before: str) -> _Offer | None:
        """The offer for the cursor behind `before` in a line of a cell; None where it is not ours.

        Args:
            text: the cell.
            line: the number of the cursor's line, from 0.
            before: that line up to the cursor.
        """
        lines = text.split("\n")
        first = next((i for i, each in enumerate(lines) if each.strip()), 0)
        if lines[first].lstrip().startswith("%%"):
            if line > first:
                return self._prompt(before) if re.match(_CELL, f"{lines[first]} ") else None
            found = re.fullmatch(_CELL, before) if line == first else None
            return found and self._first_line(found["line"])
        found = re.fullmatch(_LINE, before) if "%" in before else None
        return found and self._line(found["line"])

    def _prompt(self, before: str) -> _Offer | None:
        from .braces import words_in_braces

        if re.search(_SYMBOL, before):
            return None
        found = words_in_braces(before, self._magics.variables())
        return _Offer() if found is None else _Offer(*found)

    # -- %ai

    def _line(self, line: str) -> _Offer | None:
        from .commands import PATHS, words_after

        *words, typed = line.split() if line[-1:].strip() else (*line.split(), "")
        try:
            known = words_after(words, lambda: self._magics.engine)
        except LookupError:
            return self._prompt(line)
        return _Offer(typed, known, paths=known is PATHS)

    # -- the first line of a cell

    def _first_line(self, line: str) -> _Offer:
        typed = re.split(r"\s", line)[-1]
        try:
            words = shlex.split(line[: len(line) - len(typed)])
        except ValueError:  # inside of quotes: free text
            return _Offer()
        waiting, used, free = self._read(words)
        if waiting is not None:
            return self._value(waiting, typed)
        if typed.startswith("--") and "=" in typed:
            name, _, value = typed.partition("=")
            action = self._options.get(name)
            if action is not None and self._is_check(action):
                return _Offer(value, CHECKS)
            return _Offer() if action is None else self._value(action, value)
        if typed.startswith("-") or (free and not typed):
            return _Offer(typed, self._names(used, typed))
        return _Offer() if free else _Offer(typed, self._answerers(typed))

    def _read(self, words: Sequence[str]) -> tuple[Action | None, set[str], bool]:
        """The option that waits for its value, the options that are given, whether a model is."""
        waiting, missing = None, 0
        used: set[str] = set()
        free = False
        for word in words:
            name, _, value = word.partition("=")
            action = self._options.get(name)
            if missing:
                missing -= 1
                free |= waiting is not None and self._is_check(waiting) and word not in CHECKS
            elif action is not None:
                used.add(action.dest)
                waiting, missing = action, _values_of(action) - bool(value)
            else:
                free = True
        return (waiting if missing else None), used, free or "model" in used

    def _is_check(self, action: Action) -> bool:
        """Whether it is --check, behind which a word may be its own or say who answers."""
        return self._magics.parser.completes.get(action.dest) == "checks"

    def _names(self, used: set[str], typed: str) -> Iterator[str]:
        """The options that may still be given, long ones where two dashes or none are typed."""
        for name, action in self._options.items():
            repeatable = isinstance(action.default, list)
            short = not name.startswith("--")
            if (repeatable or action.dest not in used) and not (short and typed != "-"):
                yield name

    def _value(self, action: Action, typed: str) -> _Offer:
        where: Completes = self._magics.parser.completes.get(action.dest, ())
        if where == "answerers":
            return _Offer(typed, self._answerers(typed))
        if where == "checks":
            return _Offer(typed, (*CHECKS, *self._answerers(typed)))
        if where == "models":
            return _Offer(typed, self._models(typed))
        if where == "listed models":
            return self._next_of_list(typed)
        if where == "tags":
            return _Offer(typed, self._tags())
        if where == "paths":
            return _Offer(typed, paths=True)
        return _Offer(typed, where)

    # -- what the settings know

    def _answerers(self, typed: str) -> Iterator[str]:
        tiers = self._magics.engine.settings_for_display.tiers
        yield from ("auto", *(tier.name for tier in tiers), "demo")
        yield from self._models(typed)

    def _models(self, typed: str) -> Iterable[str]:
        return self._magics.engine.names(typed)

    def _next_of_list(self, typed: str) -> _Offer:
        """Models that are not named yet in a list with commas."""
        *named, typed = typed.split(",")
        return _Offer(typed, (name for name in self._models(typed) if name not in named))

    def _tags(self) -> Iterator[str]:
        return (tag for tag in self._magics.engine.ledger.tags() if tag.isprintable())


def _values_of(action: Action) -> int:
    return 1 if action.nargs is None else int(action.nargs)


def _fitting(offer: _Offer) -> list[str]:
    """The words that begin like what is typed, in the same case if there are such."""
    words = list(dict.fromkeys(offer.words))
    typed = offer.typed.casefold()
    same = [word for word in words if word.startswith(offer.typed)]
    return same or [word for word in words if word.casefold().startswith(typed)]


def _completed(words: _Words, context: CompletionContext) -> dict[str, Any]:
    """What the matcher gives for a place."""
    from .errors import MmaiError

    try:
        offer = words.at(context.full_text, context.cursor_line, context.text_until_cursor)
        fitting = [] if offer is None else _fitting(offer)
    except MmaiError:  # the settings are wrong: the next cell says so, a pressed key does not
        offer, fitting = _Offer(), []
    if offer is None:
        return {"completions": [], "suppress": False}
    return {
        "completions": [SimpleCompletion(word, type="param") for word in fitting] or _Nothing(),
        "suppress": True,
        "do_not_suppress": {_FILES} if offer.paths else set(),
        "ordered": True,
        "matched_fragment": offer.typed,
    }


def add_matcher(shell: InteractiveShell, magics: Magics) -> None:
    """Let the shell complete our lines; a second time replaces the first."""
    words = _Words(magics)

    @context_matcher(identifier=IDENTIFIER)  # type: ignore[untyped-decorator, unused-ignore]
    def match(context: CompletionContext) -> dict[str, Any]:
        return _completed(words, context)

    remove_matcher(shell)
    shell.Completer.custom_matchers.append(match)


def remove_matcher(shell: InteractiveShell) -> None:
    """Leave all completion to IPython again."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [m for m in matchers if getattr(m, "matcher_identifier", "") != IDENTIFIER]
