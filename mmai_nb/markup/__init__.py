"""Model text made safe to show: as HTML, as Markdown, as plain text; and the code or JSON inside.

Model text is hostile. A notebook runs whatever HTML a cell of its user puts out, so nothing here
passes markup through: the text is parsed as Markdown with raw HTML off, and what is shown is
written anew from the parsed tokens. Nothing shown loads anything from anywhere.

One room of eight files: escaping (text to the letter), formulas (LaTeX), parsing (Markdown as tame
tokens), html_writer and markdown_writer (what is shown), extraction (code and JSON inside), python
(the syntax tree of code), rendering (all of it, as MIME data).
"""

from __future__ import annotations

from .escaping import (
    CODE,
    PRE_WRAP,
    clean_line,
    clean_text,
    escape,
    escape_lines,
    escape_markdown,
    fenced,
    inert_html,
    short,
    short_end,
    without_blank_lines,
)
from .extraction import close_open_fence, extract_code, extract_json, runnable_code
from .html_writer import to_html
from .markdown_writer import to_safe_markdown
from .python import python_tree
from .rendering import render

__all__ = [
    "CODE",
    "PRE_WRAP",
    "clean_line",
    "clean_text",
    "close_open_fence",
    "escape",
    "escape_lines",
    "escape_markdown",
    "extract_code",
    "extract_json",
    "fenced",
    "inert_html",
    "python_tree",
    "render",
    "runnable_code",
    "short",
    "short_end",
    "to_html",
    "to_safe_markdown",
    "without_blank_lines",
]
