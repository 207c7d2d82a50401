"""Model text as MIME data: HTML, Markdown and plain text at once, with what stands under it."""

from __future__ import annotations

import json

from .escaping import (
    CODE,
    PRE_WRAP,
    clean_text,
    escape_lines,
    escape_markdown,
    fenced,
    inert_html,
    short,
)
from .extraction import extract_code, extract_json
from .html_writer import to_html
from .markdown_writer import to_safe_markdown

__all__ = ["render"]

MAX_REASONING = 20_000
"""Characters of a model's thoughts that are shown, and so saved with the notebook."""
_FOOTER_STYLE = "color: var(--jp-ui-font-color2, #616161); font-size: 87%; margin-top: 0.4em"


def render(
    text: str,
    format: str = "markdown",
    footer: str = "",
    *,
    reasoning: str = "",
    details: str = "",
    partial: bool = False,
) -> dict[str, str]:
    """MIME data that show a model's text safely.

    Args:
        text: the answer, or what has come of it.
        format: markdown, text, code, json or html, which is shown as source; else as markdown.
        footer: one line under it.
        reasoning: thoughts of the model, folded above it.
        details: further lines under the footer.
        partial: whether more is to come.
    """
    below = clean_text("\n".join(filter(None, [footer, details])))
    if format in ("text", "code", "json", "html"):
        shown = _source(text, format, partial)
        pre = f"{PRE_WRAP}<code>" if format == "text" else CODE
        inner = f"{pre}{escape_lines(shown)}</code></pre>"
        body = f'<div class="mmai-answer jp-RenderedHTMLCommon">{inner}</div>'
        safe = fenced(shown, "" if format in ("text", "code") else format)
    else:
        shown = clean_text(text)
        body = to_html(shown)
        safe = to_safe_markdown(shown).rstrip("\n")
    note = f"*{escape_markdown(' '.join(below.split()))}*" if below else ""
    return {
        "text/plain": "\n\n".join(filter(None, [shown, below])),
        "text/html": _reasoning_html(reasoning) + body + _footer_html(below),
        "text/markdown": "\n\n".join(filter(None, [safe, note])),
    }


def _source(text: str, format: str, partial: bool) -> str:
    """What of a text is shown to the letter."""
    if format == "code":
        return extract_code(text, every=True)
    if format == "json" and not partial:
        try:
            return json.dumps(extract_json(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return clean_text(text)


def _footer_html(words: str) -> str:
    if not words:
        return ""
    lines = "<br>".join(inert_html(line) for line in words.split("\n"))
    ignored = "tex2jax_ignore mathjax_ignore"  # dollars of two prices are no formula
    return f'\n<div class="mmai-footer {ignored}" style="{_FOOTER_STYLE}">{lines}</div>'


def _reasoning_html(reasoning: str) -> str:
    if not reasoning.strip():
        return ""
    words = escape_lines(short(reasoning.strip(), MAX_REASONING))
    return (
        '<details class="mmai-reasoning"><summary>reasoning</summary>'
        f"{PRE_WRAP}{words}</pre></details>\n"
    )
