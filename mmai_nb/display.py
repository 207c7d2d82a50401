"""How an answer appears while it comes: in a notebook, in a terminal, or not at all.

In a notebook: one output that is updated in place, at once for the first text and then as the pace
of the kernel allows (see pacing.py) and at most every 5 × the last render; the last state always.
More would overrun the server's limit of 1 MB/s and be dropped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from .answer import Answer
from .comparison import Comparison
from .markup import clean_text, escape, render
from .outputs import can_replace, publisher
from .pacing import DEAD_FRONT_END, PACE, Pace, size_of

__all__ = ["Board", "Sheet", "Silent", "View", "board_for", "view_for"]

RENDERS = 5
"""So many times as long as the last render took is waited before the next."""


class View(Protocol):
    """What the magic tells about an answer that is on its way."""

    def waiting(self, words: str) -> None:
        """Nothing has come yet; `words` say what is asked."""

    def text(self, piece: str) -> None:
        """A piece of the answer came."""

    def rejected(self, words: str) -> None:
        """What came does not stand; `words` say why, and what is done now."""

    def done(self, answer: Answer, details: str = "", *, brief: bool = False) -> None:
        """The whole answer is there; `brief`: under it stands only what is amiss."""

    def stopped(self, words: str) -> None:
        """It ended early; what came stays, with `words` under it."""


class Silent:
    """Shows nothing (`-q`)."""

    def waiting(self, words: str) -> None:
        """Nothing is shown."""

    def text(self, piece: str) -> None:
        """Nothing is shown."""

    def rejected(self, words: str) -> None:
        """Nothing is shown."""

    def done(self, answer: Answer, details: str = "", *, brief: bool = False) -> None:
        """Nothing is shown, and nothing later when the cell's value is."""
        answer.mark_shown()

    def stopped(self, words: str) -> None:
        """Nothing is shown."""


class Notebook:
    """One output, updated in place.

    Args:
        format: how the text is shown.
        publish: shows a MIME bundle; the keyword `update` says that it replaces the former one.
        pace: what all outputs keep to.
    """

    def __init__(
        self, format: str, publish: Callable[..., None] | None = None, pace: Pace = PACE
    ) -> None:
        self._format, self._pace = format, pace
        self._publish = publish or publisher()
        self._pieces: list[str] = []
        self._rejected, self._why = "", ""
        self._shown = False
        self._next = 0.0

    def waiting(self, words: str) -> None:
        """A line instead of an empty cell, until the first text comes; under the text after it."""
        if self._rejected:
            return
        if self._pieces:
            return self._show(render("".join(self._pieces), self._format, words, partial=True))
        self._show(
            {"text/plain": words, "text/html": f'<div class="mmai-wait">{escape(words)}</div>'}
        )

    def text(self, piece: str) -> None:
        """Show the text so far, if it is time."""
        self._pieces.append(piece)
        begin = self._pace.clock()
        if begin < self._next:
            return
        bundle = _draft(render("".join(self._pieces), self._format, self._why, partial=True))
        self._show(bundle)
        self._next = _after(self._pace, bundle, begin)

    def rejected(self, words: str) -> None:
        """The text so far pales, with the reason under it, until another takes its place."""
        self._rejected = "".join(self._pieces) or self._rejected
        self._pieces, self._why, self._next = [], words, 0.0
        bundle = render(self._rejected, self._format, f"{words} …")
        bundle["text/html"] = f'<div style="opacity: 0.5">{bundle["text/html"]}</div>'
        self._show(bundle)

    def done(self, answer: Answer, details: str = "", *, brief: bool = False) -> None:
        """The last state, with its footer; the cell's value does not show it a second time."""
        bundle, metadata = answer.mime_bundle(details=details, brief=brief)
        self._show(bundle, metadata)
        answer.mark_shown()

    def stopped(self, words: str) -> None:
        """The text so far with a line under it; the waiting line alone when nothing came.

        A text that was being replaced is back again: it is the one that is kept.
        """
        text = self._rejected or "".join(self._pieces)
        if text:
            self._show(render(text, self._format, footer=words))
        elif self._shown:
            words = words or "no answer"
            self._show({"text/plain": words, "text/html": f"<div>{escape(words)}</div>"})

    def _show(self, bundle: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        try:
            self._publish(bundle, metadata or {}, update=self._shown)
        except DEAD_FRONT_END:
            return  # the answer is paid for: it goes on to `_`, to the cache and to the ledger
        self._shown = True


def _draft(bundle: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a text that is still coming: its Markdown is for who reads the file."""
    return {kind: data for kind, data in bundle.items() if kind != "text/markdown"}


def _after(pace: Pace, bundle: dict[str, Any], begin: float) -> float:
    """The time of the next update, after this one, which was rendered and sent since `begin`."""
    now = pace.clock()
    return max(pace.sent(size_of(bundle.values())), now + RENDERS * (now - begin))


class Board:
    """A comparison in one output, updated in place as often as a single answer's."""

    def __init__(self, publish: Callable[..., None] | None = None, pace: Pace = PACE) -> None:
        self._publish, self._pace = publish or publisher(), pace
        self._next, self._shown, self._last = 0.0, False, ("", False)

    def show(self, comparison: Comparison) -> None:
        """What has come so far, if it is time; the end always."""
        begin, over = self._pace.clock(), comparison.over
        if begin < self._next and not over:
            return
        bundle = comparison._repr_mimebundle_()
        if (bundle["text/html"], over) == self._last:
            return
        self._last = bundle["text/html"], over
        bundle = bundle if over else _draft(bundle)
        with suppress(*DEAD_FRONT_END):
            self._publish(bundle, {}, update=self._shown)
            self._shown = True
        if not over:
            self._next = _after(self._pace, bundle, begin)


class Sheet:
    """A comparison in a terminal: printed once, when all have ended."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or _to_stdout

    def show(self, comparison: Comparison) -> None:
        """Print it, if it is over."""
        if comparison.over:
            with suppress(*DEAD_FRONT_END):
                self._write(comparison._repr_mimebundle_()["text/plain"] + "\n")


class Terminal:
    """Text as it comes, the footer under it."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or _to_stdout
        self._last = ""

    def waiting(self, words: str) -> None:
        """A terminal shows its own cursor."""

    def text(self, piece: str) -> None:
        """Print the piece, without what could drive the terminal."""
        self._last = clean_text(piece) or self._last
        self._print(clean_text(piece))

    def rejected(self, words: str) -> None:
        """Print the reason: what is printed cannot be taken back; the next text comes below."""
        self._last = ""
        self._print(f"\n\n{clean_text(words)}\n\n")

    def done(self, answer: Answer, details: str = "", *, brief: bool = False) -> None:
        """Print what was not streamed; the footer is left for the prompt `Out[n]`."""
        if not self._last:
            self._print(clean_text(answer.text))
        self._print("\n\n")
        answer.mark_shown(left="\n".join(filter(None, [answer.footer(brief=brief), details])))

    def stopped(self, words: str) -> None:
        """Print the words on a line of their own."""
        self._print(("\n" if self._last else "") + (f"{words}\n" if words else ""))

    def _print(self, text: str) -> None:
        with suppress(*DEAD_FRONT_END):
            self._write(text)


def view_for(shell: Any, format: str, *, quiet: bool) -> View:
    """The view that fits where the shell runs: a notebook shows MIME bundles, a terminal text."""
    if quiet:
        return Silent()
    return Notebook(format) if can_replace(shell) else Terminal()


def board_for(shell: Any) -> Board | Sheet:
    """How a comparison shows itself where the shell runs."""
    return Board() if can_replace(shell) else Sheet()


def _to_stdout(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
