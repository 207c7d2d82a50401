"""Model text as Markdown, written anew from the parsed tokens."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .escaping import clean_text, escape_markdown, fenced, longest_run
from .formulas import is_active
from .parsing import image_text, parse

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["to_safe_markdown"]


def to_safe_markdown(text: str) -> str:
    """Model text as Markdown that stays harmless in a renderer that lets raw HTML through.

    Written anew from the parsed text, with one way of writing each thing, so that renderers which
    differ in the fine points of Markdown still agree on what is code and what is not.
    """
    text = clean_text(text)
    tokens = parse(text)
    if tokens is None:
        return fenced(text)
    return "\n".join(_blocks(iter(tokens))) + "\n"


def _blocks(tokens: Iterator[Token], tight: bool = False) -> list[str]:
    """Lines of the blocks up to the token that closes the container they stand in."""
    lines: list[str] = []
    for token in tokens:
        if token.nesting == -1 and token.type not in ("paragraph_close", "heading_close"):
            break
        block = _block(token, tokens)
        if block is None:
            tight = tight or token.hidden
            continue
        if lines and not tight:
            lines.append("")
        lines += block
    return lines


def _block(token: Token, tokens: Iterator[Token]) -> list[str] | None:
    """Lines of one block; None for a token that shows nothing by itself."""
    match token.type:
        case "inline":
            return _inline(token.children or []).split("\n")
        case "heading_open":
            title = _inline(next(tokens).children or []).replace("\n", " ")
            return [f"{'#' * int(token.tag[1])} {title}"]
        case "fence" | "code_block":
            return fenced(token.content, token.info).split("\n")
        case "math_block":
            return _math_markdown(token.content).split("\n")
        case "hr":
            return ["* * *"]
        case "blockquote_open":
            return [f"> {line}".rstrip() for line in _blocks(tokens)]
        case "bullet_list_open" | "ordered_list_open":
            return _list(token, tokens)
        case "table_open":
            return _table(tokens)
        case _:
            return None


def _list(opening: Token, tokens: Iterator[Token]) -> list[str]:
    lines: list[str] = []
    start = opening.attrGet("start")
    number = None if opening.tag == "ul" else 1 if start is None else int(start)
    for token in tokens:
        if token.type != "list_item_open":
            break
        mark = "- " if number is None else f"{number}. "
        number = None if number is None else number + 1
        item = _blocks(tokens) or [""]
        lines += [mark + item[0]] + [(" " * len(mark) + line).rstrip() for line in item[1:]]
    return [line.rstrip() for line in lines]


def _table(tokens: Iterator[Token]) -> list[str]:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_inline(_for_a_cell(token.children or [])).replace("\n", " "))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]


def _for_a_cell(children: Iterable[Token]) -> Iterator[Token]:
    """The tokens without code or formulas that hold a `|`, on whose escapes renderers differ."""
    for token in children:
        if token.type in ("code_inline", "math") and "|" in token.content:
            token.type = "text"
        yield token


_MARKS = {"em_open": "*", "em_close": "*", "strong_open": "**", "strong_close": "**"}


def _inline(children: Iterable[Token]) -> str:
    parts: list[str] = []
    url = ""
    for token in children:
        match token.type:
            case "text":
                parts.append(escape_markdown(token.content))
            case "image":
                parts.append(escape_markdown(image_text(token)))
            case "code_inline":
                parts.append(_code_span(token.content))
            case "math":
                parts.append(_math_markdown(token.content))
            case "softbreak":
                parts.append("\n")
            case "hardbreak":
                parts.append("\\\n")
            case "s_open" | "s_close":
                parts.append("~~")
            case "link_open":
                url = str(token.attrGet("href")).replace("(", "%28").replace(")", "%29")
                if parts and parts[-1].endswith("!"):  # with the link it would be an image
                    parts[-1] = parts[-1][:-1] + "&#33;"
                parts.append("[")
            case "link_close":
                parts.append(f"]({html.escape(url)})")
            case kind:
                parts.append(_MARKS.get(kind, ""))
    return "".join(parts)


def _code_span(code: str) -> str:
    ticks = "`" * (1 + longest_run(code))
    pad = " " if code[:1] in ("`", " ") or code[-1:] in ("`", " ") else ""
    return f"{ticks}{pad}{code}{pad}{ticks}"


def _math_markdown(tex: str) -> str:
    """LaTeX to the letter where a renderer that knows none of it could do no harm, else as text."""
    if "`" in tex or "~~~" in tex or is_active(tex):
        return escape_markdown(tex)
    tex = re.sub(r"<", r"\\lt ", tex)
    return re.sub(r"\](?=[(:\[])", "] ", tex).replace("![", "! [")
