"""Model text as HTML, written anew from the parsed tokens."""

from __future__ import annotations

import html
from functools import cache
from types import MethodType
from typing import TYPE_CHECKING

from .escaping import CODE, PRE_WRAP, clean_text, escape_lines, inert_html
from .formulas import is_active
from .parsing import image_text, parse, parser

if TYPE_CHECKING:
    from markdown_it.renderer import RendererHTML

__all__ = ["to_html"]


def to_html(text: str) -> str:
    """Model text, which is Markdown, as HTML that is safe to put out in a notebook.

    No raw HTML, scripts, styles, ids, images or relative links; a link shows the host it leads to.
    LaTeX stays as it was typed, for the notebook to typeset; other dollars stand apart.
    """
    text = clean_text(text)
    tokens = parse(text)
    if tokens is None:
        inner = f"{PRE_WRAP}{escape_lines(text)}</pre>\n"
    else:
        inner = _renderer().render(tokens, parser().options, {})
    return f'<div class="mmai-answer jp-RenderedHTMLCommon jp-RenderedMarkdown">\n{inner}</div>'


@cache
def _renderer() -> RendererHTML:
    from markdown_it.renderer import RendererHTML

    renderer = RendererHTML()
    rules = {
        "text": lambda t: inert_html(t.content),
        "math": lambda t: _math_html(t.content),
        "math_block": lambda t: f"<p>{_math_html(t.content)}</p>\n",
        "image": lambda t: inert_html(image_text(t)),
        "fence": lambda t: f"{CODE}{escape_lines(t.content)}</code></pre>\n",
        "code_block": lambda t: f"{CODE}{escape_lines(t.content)}</code></pre>\n",
        "code_inline": lambda t: f"<code>{html.escape(t.content)}</code>",
    }
    for name, shown in rules.items():
        renderer.rules[name] = MethodType(
            lambda _, tokens, i, *__, shown=shown: shown(tokens[i]), renderer
        )
    return renderer


def _math_html(tex: str) -> str:
    """LaTeX for MathJax; as mere text where it holds a macro that links, styles or defines."""
    return inert_html(tex) if is_active(tex) else escape_lines(tex)
