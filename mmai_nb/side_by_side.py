"""How a comparison shows itself: answers beside each other, and what differs between two.

It takes plain cells and gives MIME data; model text goes through the same parser as any answer.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .amounts import format_percent
from .markup import clean_line, clean_text, escape_markdown, inert_html, render, without_blank_lines

__all__ = ["Cell", "Difference", "card", "side_by_side"]

_GRID = (
    "display: grid; gap: 0.75em; margin: 0.25em 0; width: 0; min-width: 100%; "
    "grid-template-columns: repeat(auto-fit, minmax(min(100%, 19em), 1fr))"
)
"""As wide as its place, whatever is in it: long lines scroll in their own card."""
_ROOM = (
    "<style>.mmai-compare .mmai-answer { padding-right: 0 } "
    ".mmai-compare .mmai-answer pre, .mmai-compare .mmai-answer table { margin: 0.5em 0 }</style>"
)
"""JupyterLab's wide margins around code would leave a narrow card with half of its lines."""
_CARD = (
    "border: 1px solid var(--jp-border-color2, #bdbdbd); border-radius: 4px; min-width: 0; "
    "padding: 0.5em 0.75em; overflow-x: auto; overflow-wrap: break-word; line-height: 1.4"
)
_TITLE = "font-weight: 600; margin-bottom: 0.35em"
_SOFT = "color: var(--jp-ui-font-color2, #616161); font-size: 87%; font-weight: 400"
_CHIP = (
    "border: 1px solid var(--jp-border-color2, #bdbdbd); border-radius: 0.7em; "
    "padding: 0 0.5em; margin-left: 0.25em; white-space: nowrap; " + _SOFT
)
_ERROR = "color: var(--jp-error-color1, #b71c1c)"
_CODE = (
    "white-space: pre-wrap; overflow-wrap: break-word; line-height: 1.4; "
    "font-family: var(--jp-code-font-family, monospace); font-size: var(--jp-code-font-size, 13px)"
)
_INK = "color: #1b1b1b"  # on the light marks below, in both themes
_GONE = f"background: #ffd7cf; text-decoration: line-through; {_INK}"
_NEW = f"background: #bfe3ff; {_INK}"
"""Red-orange and blue, told apart by all, and the struck-out line tells without any colour."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one model's column shows.

    Attributes:
        title: the model's name, or its letter while names are hidden.
        text: the answer, or what has come of it.
        footer: one line of facts under it.
        error: what it failed with, in one line.
        chips: short words beside the title: "cheapest", "same as A".
        partial: whether more is to come.
    """

    title: str
    text: str = ""
    footer: str = ""
    error: str = ""
    chips: tuple[str, ...] = ()
    partial: bool = False


def side_by_side(cells: Sequence[Cell], format: str = "markdown", note: str = "") -> dict[str, str]:
    """MIME data of answers beside each other: HTML as a grid, plain text and Markdown in turn."""
    shown = [card(cell, format) for cell in cells]
    below = f'<div style="{_SOFT}">{inert_html(note)}</div>' if note else ""
    grid = "".join(one["text/html"] for one in shown)
    return {
        "text/html": f'<div class="mmai-compare" style="{_GRID}">{_ROOM}{grid}</div>{below}',
        "text/plain": "\n\n".join([*(one["text/plain"] for one in shown), *_some(note)]),
        "text/markdown": "\n\n".join(
            [*(one["text/markdown"] for one in shown), *_some(escape_markdown(note))]
        ),
    }


def card(cell: Cell, format: str = "markdown") -> dict[str, str]:
    """MIME data of one answer in its frame."""
    body = {"text/html": "", "text/plain": "", "text/markdown": ""}
    if cell.text or (cell.footer and not cell.error):
        body = render(cell.text, format, cell.footer, partial=cell.partial)
    elif not cell.error:
        body["text/html"] = f'<div style="{_SOFT}">…</div>'
    # a space before each: what drops the style must not write them as one word
    chips = "".join(f' <span style="{_CHIP}">{inert_html(chip)}</span>' for chip in cell.chips)
    error = clean_line(cell.error)
    failed = f'<div role="alert" style="{_ERROR}">{inert_html(error)}</div>' if error else ""
    title = clean_line(cell.title)
    words = f"{title}{''.join(f' [{chip}]' for chip in cell.chips)}"
    return {
        "text/html": f'<section style="{_CARD}"><div style="{_TITLE}">{inert_html(title)}{chips}'
        f"</div>{body['text/html']}{failed}</section>",
        "text/plain": "\n".join([f"── {words} ──", *_some(body["text/plain"]), *_some(error)]),
        "text/markdown": "\n\n".join(
            [
                f"**{escape_markdown(words)}**",
                *_some(body["text/markdown"]),
                *_some(escape_markdown(error)),
            ]
        ),
    }


def _some(text: str) -> list[str]:
    return [text] if text else []


class Difference:
    """What differs between two texts, word by word: `[-gone-]` and `{+new+}` in plain text.

    Args:
        first, second: name and text of each.
    """

    def __init__(self, first: tuple[str, str], second: tuple[str, str]) -> None:
        self.first, self.second = first, second
        self.parts = tuple(_parts(clean_text(first[1]), clean_text(second[1])))

    @property
    def same(self) -> float:
        """The share of the words, from 0 to 1, that stand in both."""
        kept = sum(_count(old) for kind, old, _ in self.parts if kind == "same")
        most = max(_count(clean_text(text)) for _, text in (self.first, self.second))
        return kept / most if most else 1.0

    def _share(self) -> str:
        """In words: what differs at all is never 100 %."""
        return "over 99 %" if 0.99 < self.same < 1 else format_percent(self.same)

    def __repr__(self) -> str:
        return f"Difference({self.first[0]!r}, {self.second[0]!r}, {self._share()} the same)"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        head = f"{self.first[0]} → {self.second[0]}: {self._share()} of the words are the same"
        plain = "".join(
            old if kind == "same" else _plain_change(old, new) for kind, old, new in self.parts
        )
        marked = "".join(
            inert_html(old) if kind == "same" else _html_change(old, new)
            for kind, old, new in self.parts
        )
        return {
            "text/plain": f"{head}\n\n{plain}",
            "text/html": f'<div style="{_SOFT}">{inert_html(head)}</div><div class="mmai-diff" '
            f'style="{_CODE}">{without_blank_lines(marked)}</div>',
        }

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self._repr_mimebundle_()["text/plain"])


def _parts(first: str, second: str) -> Iterator[tuple[str, str, str]]:
    old, new = _words(first), _words(second)
    for kind, i, j, k, n in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield ("same" if kind == "equal" else "changed", "".join(old[i:j]), "".join(new[k:n]))


MOST_WORDS = 4_000
"""Beyond it whole lines are compared: the time grows with the square."""


def _count(text: str) -> int:
    """The words and signs in it, which are what is compared."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def _words(text: str) -> list[str]:
    words = re.findall(r"\s+|\w+|[^\w\s]", text)
    return words if len(words) <= MOST_WORDS else text.splitlines(keepends=True)


def _plain_change(old: str, new: str) -> str:
    return (f"[-{old}-]" if old else "") + (f"{{+{new}+}}" if new else "")


def _html_change(old: str, new: str) -> str:
    gone = f'<del style="{_GONE}">{inert_html(old)}</del>' if old else ""
    come = f'<ins style="{_NEW}; text-decoration: none">{inert_html(new)}</ins>' if new else ""
    return gone + come
