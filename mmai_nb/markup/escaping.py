"""Text that is shown to the letter: as HTML, as Markdown, in a fence; without what nobody sees."""

from __future__ import annotations

import html
import re

__all__ = [
    "CODE",
    "PRE_WRAP",
    "clean_line",
    "clean_text",
    "escape",
    "escape_lines",
    "escape_markdown",
    "fenced",
    "inert_html",
    "longest_run",
    "short",
    "short_end",
    "without_blank_lines",
]

CODE = '<pre style="overflow-x: auto; word-break: normal"><code style="white-space: pre">'
"""Code: a long line scrolls; JupyterLab's own rules would break it within a word."""
PRE_WRAP = '<pre style="white-space: pre-wrap; word-break: normal; overflow-wrap: break-word">'
"""Text to the letter: a long line wraps between words."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[@-Z\\-_])")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u202a-\u202e\u2066-\u2069"  # bidi embeddings, overrides, isolates
    "\U000e0000-\U000e007f]"  # tags: text that only a model reads
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text without what a terminal or a reader would obey but not see.

    Removes ANSI sequences, control characters but newline and tab, bidi overrides and tag
    characters; a lone surrogate becomes U+FFFD.
    """
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", text))


def clean_line(text: str) -> str:
    """The same on one line, with a single space between words."""
    return " ".join(clean_text(text).split())


def escape(text: str) -> str:
    """The text for use in HTML, as content or within a quoted attribute."""
    return html.escape(clean_text(text))


def escape_lines(text: str) -> str:
    """The text for the inside of a <pre>, without a blank line."""
    return without_blank_lines(escape(text))


def without_blank_lines(content: str) -> str:
    """The HTML of a <pre> with the line breaks before blank lines written out.

    At a blank line Markdown takes up again within HTML, as when a notebook is exported to it.
    """
    return re.sub(r"\n(?=[ \t]*\n)", "&#10;", content)


def inert_html(text: str) -> str:
    r"""The text as HTML content in which no typesetter finds a formula: `$` and `\` stand apart."""
    return re.sub(r"[$\\]", r"<span>\g<0></span>", escape(text))


def escape_markdown(text: str) -> str:
    """One line of text as Markdown that shows exactly these characters, in every renderer."""
    text = re.sub(r"[\\*_\[\]~|$#]", r"\\\g<0>", clean_text(text))
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;").replace("`", "&#96;")
    return re.sub(r"^([ \t]*)(?:([-+=>])|(\d+)(?=[.)]))", _start_of_line, text, flags=re.MULTILINE)


def _start_of_line(found: re.Match[str]) -> str:
    space, sign, number = found.groups()
    return f"{space}\\{sign}" if sign else f"{space}{number}\\"


def fenced(code: str, info: str = "") -> str:
    """The text as a fenced block of Markdown, which nothing in it can close."""
    ticks = "`" * max(3, 1 + longest_run(code))
    language = re.match(r"[\w+#.-]{0,20}", info.strip(), re.ASCII)
    lines = code.removesuffix("\n").split("\n")
    return "\n".join([ticks + (language[0] if language else ""), *lines, ticks])


def longest_run(text: str) -> int:
    """The most backticks in a row that a text holds."""
    return max(map(len, re.findall(r"`+", text)), default=0)


def short(text: str, most: int) -> str:
    """The text, cut where it is longer than so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def short_end(text: str, most: int) -> str:
    """The end of a text that is longer than so many characters: of a host, whose it is."""
    return text if len(text) <= most else "…" + text[1 - most :]
