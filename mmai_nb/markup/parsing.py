"""Markdown of a model as tokens that are tame: raw HTML off, links checked, nesting bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .escaping import short, short_end
from .formulas import find_formulas

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["image_text", "parse", "parser"]

MAX_PARSED = 120_000
"""Longer texts, in characters, are shown as they are, without Markdown."""
MAX_DEPTH = 40
"""Deeper nested blocks are shown as they are: half of it is what a list of lists may reach."""
MAX_STYLES = 8
"""Emphasis nested deeper than this is dropped; its text stays."""


@cache
def parser() -> MarkdownIt:
    """The parser; made, and markdown-it imported, at the first use."""
    from markdown_it import MarkdownIt

    md = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": MAX_DEPTH})
    md.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])
    find_formulas(md)
    md.parse("warm-up: markdown-it fills its rule tables at first use, which is not thread-safe")
    return md


def parse(text: str) -> list[Token] | None:
    """Tamed tokens of a text already cleaned; None where it is too long or nested too deep."""
    if len(text) > MAX_PARSED:
        return None
    tokens = parser().parse(text)
    if any(t.nesting == 1 and t.level >= MAX_DEPTH - 1 for t in tokens):
        return None
    for token in tokens:
        if token.type == "inline":
            token.children = list(_tame(token.children or []))
        elif token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        elif token.type in ("th_open", "td_open") and not token.attrGet("style"):
            token.attrSet("style", "text-align:left")  # notebooks align tables of HTML to the right
    return tokens


def _tame(children: Sequence[Token]) -> Iterator[Token]:
    """Inline tokens with checked links, each followed by its host, and shallow emphasis."""
    depth, link, inside = 0, "", 0
    for i, token in enumerate(children):
        if token.type == "link_open":
            link, inside = str(token.attrGet("href") or ""), i
            if _host(link):
                token.attrs = {"href": link, "rel": "noopener noreferrer nofollow"}
                yield token
        elif token.type == "link_close":
            if _host(link):
                yield token
            yield from _link_note(link, children[inside + 1 : i])
        elif token.type in ("em_open", "strong_open", "s_open"):
            depth += 1
            if depth <= MAX_STYLES:
                yield token
        elif token.type in ("em_close", "strong_close", "s_close"):
            depth -= 1
            if depth < MAX_STYLES:
                yield token
        else:
            yield token


_LINK = re.compile(r"https?://[^\s/?#\\]+[^\s\\]*|mailto:[^\s\\/]+", re.IGNORECASE)


def _host(url: str) -> str:
    """Host of a web link, address of a mail link; "" for any other, which then is no link."""
    if not _LINK.fullmatch(url):
        return ""
    try:
        parts = urlsplit(url)
        return (parts.path if parts.scheme == "mailto" else parts.hostname or "").lower()
    except ValueError:
        return ""


def _link_note(url: str, inside: Iterable[Token]) -> Iterator[Token]:
    """A text token that tells where a link leads, unless its own text does."""
    from markdown_it.token import Token

    host = _host(url)
    shown = "".join(t.content for t in inside if t.type in ("text", "code_inline")).strip().lower()
    shown = re.sub(r"^(?:https?://|mailto:)", "", shown)
    if not re.match(re.escape(host or url.lower()) + r"(?:[/?#:]|\Z)", shown):
        yield Token("text", "", 0, content=f" ({short_end(host, 60) or short(url, 60)})")


def image_text(token: Token) -> str:
    """What stands in place of an image: where it is, and what it is said to show."""
    url = str(token.attrGet("src") or "")
    where = f"{short_end(host, 60)}/…" if (host := _host(url)) else short(url, 60)
    return f"[image: {' '.join(filter(None, [where, short(token.content, 60)]))}]"
