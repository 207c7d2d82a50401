"""How panels look: pieces of HTML in the front end's own colours, and pictures with words."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..markup import escape, inert_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "AT_THE_EDGE",
    "big_figures",
    "heading",
    "message",
    "named",
    "picture",
    "png",
    "quoted",
    "short",
    "table",
    "text_table",
]

SOFT = "color: var(--jp-ui-font-color2, #616161)"
_TABLE = (
    "border-collapse: collapse; table-layout: auto; width: 100%; font-size: 90%; line-height: 1.3; "
    "font-variant-numeric: tabular-nums; overflow-wrap: break-word"
)
_SCROLLS = "overflow-x: auto; width: 0; min-width: 100%"
"""As wide as its place: a wider table scrolls in it; a box that grew with it would be cut."""
_LINE = "border-bottom: 1px solid var(--jp-border-color2, #e0e0e0)"
_HEAD = f"{SOFT}; font-weight: 500"
_NAME, _FIGURE = 'style="text-align: left"', 'align="right" nowrap'
"""Of a cell: short, since there may be thousands, and what Markdown on the web leaves of them."""
_TONES = {
    "plain": SOFT,
    "good": "color: var(--jp-success-color1, #1b5e20)",
    "bad": "color: var(--jp-error-color1, #b71c1c)",
}


def heading(words: str) -> str:
    """A panel's title."""
    return f'<div role="heading" aria-level="3" style="font-weight: 600">{inert_html(words)}</div>'


def message(words: str, tone: str = "plain") -> str:
    """One line that says what happened: plain, good or bad; read aloud by a screen reader."""
    role = ' role="alert"' if tone == "bad" else ' role="status"'
    return f'<div{role} style="{_TONES[tone]}; line-height: 1.4">{inert_html(words)}</div>'


def quoted(words: str) -> str:
    """What was asked, line by line as it was typed."""
    style = "border-left: 3px solid var(--jp-border-color2, #bdbdbd); padding-left: 0.75em"
    text = inert_html(words).replace("\n", "<br>")
    return f'<div style="{style}; margin: 0.35em 0; overflow-wrap: break-word">{text}</div>'


def big_figures(figures: Iterable[tuple[str, str]]) -> str:
    """Figures in large type, each over its name; they wrap where it is narrow."""
    cells = "".join(
        f'<div><div style="font-size: 150%; font-weight: 600; white-space: nowrap">'
        f'{inert_html(value)}</div><div style="{SOFT}; font-size: 87%">{inert_html(name)}</div>'
        "</div>"
        for name, value in figures
    )
    style = "display: flex; flex-wrap: wrap; gap: 0.5em 2em; margin: 0.5em 0; line-height: 1.3"
    return f'<div style="{style}">{cells}</div>'


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    """A table; the first `names` columns hold names, the others figures."""
    kinds = [_NAME] * names + [_FIGURE] * (len(columns) - names)
    heads = ['style="text-align: left; min-width: 8em"', *[_NAME] * (names - 1)]
    heads += ['style="text-align: right"'] * (len(columns) - names)
    head = "".join(
        f'<th scope="col" {kind}><span style="{_HEAD}">{inert_html(column)}</span></th>'
        for column, kind in zip(columns, heads, strict=True)
    )
    body = "".join(
        f'<tr style="{_LINE}">'
        + "".join(
            f"<td {kind}>{inert_html(cell if kind is _NAME else _in_one_line(cell))}</td>"
            for cell, kind in zip(row, kinds, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div style="{_SCROLLS}"><table cellpadding="4" style="{_TABLE}"><thead>'
        f'<tr style="{_LINE}">{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _in_one_line(figure: str) -> str:
    """A figure and its unit stay together where a page's style goes before `nowrap`."""
    return figure.replace(" ", "\N{NO-BREAK SPACE}")


AT_THE_EDGE = "2px 2px 2px -6px"
"""The margin of a field that begins a line: its unseen label takes no room."""


def named(words: str) -> dict[str, Any]:
    """A field's name for who cannot see what stands around it: read aloud, and not shown.

    A tooltip would not do: the field's label goes before it, even where that is empty.
    """
    return {"description": words, "style": {"description_width": "0px"}}


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    """The same in plain text, its columns one under the other."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < names else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def short(name: str) -> str:
    """A name as it fits into a button or a list: its beginning and its end."""
    return name if len(name) <= 40 else f"{name[:18]}…{name[-21:]}"


DPI = 140
"""A chart is about 1,000 pixels wide, and shrinks where there is less room."""


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


_IN_THE_DARK = (
    '<style>[data-jp-theme-light="false"] .mmai-picture, .vscode-dark .mmai-picture '
    "{ filter: invert(0.933) hue-rotate(180deg); mix-blend-mode: lighten }</style>"
)
"""No ink is legible on white and on black alike (4.5:1 on both cannot be), so a picture has a white
ground, and where the theme is dark it is turned over: paper to #111, JupyterLab's dark ground, a
lighter one shows through, ink to white, each hue to itself. What drops the style shows the picture
on white."""


def picture(data: bytes, alt: str) -> str:
    """A PNG within the page itself, with the words for who cannot see it."""
    text = base64.b64encode(data).decode()
    return (
        f'{_IN_THE_DARK}<img class="mmai-picture" alt="{escape(alt)}" '
        f'src="data:image/png;base64,{text}" '
        'style="max-width: 100%; height: auto; border-radius: 4px">'
    )
