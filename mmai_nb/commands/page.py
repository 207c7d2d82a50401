"""A text as the value of a line: what most subcommands give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..answer import Answer
from ..markup import clean_line, escape, short_end

__all__ = ["Again", "Command", "Page", "Planned", "short_name"]

Command = Callable[[], Any]
"""Runs a subcommand whose words were read; gives what is shown, an Again or a Planned."""

_PRE_STYLE = (
    "margin: 0; padding: 0; white-space: pre-wrap; word-break: normal; overflow-wrap: break-word; "
    "font-family: var(--jp-code-font-family, monospace)"
)


def short_name(name: str, most: int) -> str:
    """A name for a narrow column: one line of at most so many characters, the end of a long one."""
    return short_end(clean_line(name), most)


@dataclass(frozen=True, slots=True)
class Again:
    """The last question is to be asked again, and shown as a cell's answer is.

    `run` gets what asks a request, with what makes `answer.parsed`, and gives the answer.
    """

    run: Callable[[Callable[..., Answer]], Answer]


@dataclass(frozen=True, slots=True)
class Planned:
    """A question is to be read as asking it would, and its plan shown.

    Attributes:
        text: as it was typed, with {names}.
        everything: show all models.
    """

    text: str
    everything: bool


class Page(str):
    """A text that a terminal prints and a notebook shows as it is, without quotes."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """IPython's `text/plain`, where its printer of str goes before the MIME bundle."""
        printer.text(str(self))

    @property
    def html(self) -> str:
        """The text as a block of HTML."""
        return f'<pre style="{_PRE_STYLE}">{escape(str(self))}</pre>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.html}
