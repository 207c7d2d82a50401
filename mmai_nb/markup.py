"""Model text made safe to show: as HTML, as Markdown, as plain text; and the code or JSON inside.

Model text is hostile. A notebook runs whatever HTML a cell of its user puts out, so nothing here
passes markup through: the text is parsed as Markdown with raw HTML off, and what is shown is
written anew from the parsed tokens. Nothing shown loads anything from anywhere.
"""

from __future__ import annotations

import ast
import html
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

__all__ = [
    "CODE",
    "PRE_WRAP",
    "clean_text",
    "close_open_fence",
    "escape",
    "escape_lines",
    "escape_markdown",
    "extract_code",
    "extract_json",
    "fenced",
    "inert_html",
    "runnable_code",
    "to_html",
    "to_safe_markdown",
]

CODE = '<pre style="overflow-x: auto; word-break: normal"><code style="white-space: pre">'
"""Code: a long line scrolls; JupyterLab's own rules would break it within a word."""
PRE_WRAP = '<pre style="white-space: pre-wrap; word-break: normal; overflow-wrap: break-word">'
"""Text to the letter: a long line wraps between words."""

MAX_PARSED = 120_000
"""Longer texts, in characters, are shown as they are, without Markdown."""
MAX_DEPTH = 40
"""Deeper nested blocks are shown as they are: half of it is what a list of lists may reach."""
MAX_STYLES = 8
"""Emphasis nested deeper than this is dropped; its text stays."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[@-Z\\-_])")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u202a-\u202e\u2066-\u2069"  # bidi embeddings, overrides, isolates
    "\U000e0000-\U000e007f]"  # tags: text that only a model reads
)
_ZERO_WIDTH = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text without what a terminal or a reader would obey but not see.

    Removes ANSI sequences, control characters but newline and tab, bidi overrides and tag
    characters; a lone surrogate becomes U+FFFD.
    """
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", text))


def escape(text: str) -> str:
    """The text for use in HTML, as content or within a quoted attribute."""
    return html.escape(clean_text(text))


def escape_lines(text: str) -> str:
    """The text for the inside of a <pre>, without a blank line.

    At a blank line Markdown takes up again within HTML, as when a notebook is exported to it.
    """
    return re.sub(r"\n(?=[ \t]*\n)", "&#10;", escape(text))


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


_DOLLARS = re.compile(r"\$(?=[^\s$])(?:\\.|[^$\\`]){1,1000}(?<=\S)\$(?!\d)", re.DOTALL)
_CLOSERS = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_OPENER = re.compile(
    r"\$\$|\\\[|\\begin\{((?:align|equation|gather|multline|split|cases|array|[bpvBV]?matrix)\*?)\}"
)
_ACTIVE_TEX = re.compile(
    r"\\(?:href|url|style|class|cssId|data|bbox|mmlToken|unicode|html[A-Za-z]*|includegraphics|require"
    r"|csname|def|let|(?:re)?new(?:command|environment))(?![A-Za-z])"
)


def _inline_math(state: StateInline, silent: bool) -> bool:
    r"""`$…$`, `$$…$$`, `\(…\)`, `\[…\]`, kept to the letter; dollars by the rule of pandoc."""
    src, start = state.src, state.pos
    closer = _CLOSERS.get(src[start : start + 2])
    if closer:
        found = src.find(closer, start + 3, min(state.posMax, start + 4000))
        end = found + 2 if found > 0 else -1
    else:
        dollars = _DOLLARS.match(src, start, state.posMax)
        end = dollars.end() if dollars else -1
    if end < 0:
        return False
    if not silent:
        state.push("math", "", 0).content = src[start:end]
    state.pos = end
    return True


def _block_math(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    r"""`$$`, `\[` or `\begin{…}` at the start of a line, up to the line that closes it."""
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]].rstrip()
    opener = _OPENER.match(first)
    if opener is None or state.is_code_block(start):
        return False
    closer = f"\\end{{{opener[1]}}}" if opener[1] else _CLOSERS[opener[0]]
    for line in range(start, min(end, start + 200)):
        shown = state.src[state.bMarks[line] : state.eMarks[line]].strip()
        if line > start and shown and state.sCount[line] < state.blkIndent:
            return False
        if closer in (first[opener.end() :] if line == start else shown):
            break
    else:
        return False
    if not shown.endswith(closer):
        return False
    if not silent:
        token = state.push("math_block", "", 0)
        token.block, token.content = True, state.getLines(start, line + 1, state.blkIndent, False)
        state.line = line + 1
    return True


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    md = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": MAX_DEPTH})
    md.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])
    md.inline.ruler.before("escape", "math", _inline_math)
    containers = ["paragraph", "reference", "blockquote", "list"]
    md.block.ruler.before("fence", "math_block", _block_math, {"alt": containers})
    rules = {
        "text": lambda t: inert_html(t.content),
        "math": lambda t: _math_html(t.content),
        "math_block": lambda t: f"<p>{_math_html(t.content)}</p>\n",
        "image": lambda t: inert_html(_image_text(t)),
        "fence": lambda t: f"{CODE}{escape_lines(t.content)}</code></pre>\n",
        "code_block": lambda t: f"{CODE}{escape_lines(t.content)}</code></pre>\n",
        "code_inline": lambda t: f"<code>{html.escape(t.content)}</code>",
    }
    for name, shown in rules.items():
        md.add_render_rule(name, lambda _, tokens, i, *__, shown=shown: shown(tokens[i]))
    md.render("warm-up: markdown-it fills its rule tables at first use, which is not thread-safe")
    return md


def _parse(text: str) -> list[Token] | None:
    """Tamed tokens of a text already cleaned; None where it is too long or nested too deep."""
    if len(text) > MAX_PARSED:
        return None
    tokens = _parser().parse(text)
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
        yield Token("text", "", 0, content=f" ({_end(host) or _short(url)})")


def _image_text(token: Token) -> str:
    url = str(token.attrGet("src") or "")
    where = f"{_end(host)}/…" if (host := _host(url)) else _short(url)
    return f"[image: {' '.join(filter(None, [where, _short(token.content)]))}]"


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _end(host: str, most: int = 60) -> str:
    """The end of a host, which is the part that tells whose it is."""
    return host if len(host) <= most else "…" + host[1 - most :]


def to_html(text: str) -> str:
    """Model text, which is Markdown, as HTML that is safe to put out in a notebook.

    No raw HTML, scripts, styles, ids, images or relative links; a link shows the host it leads to.
    LaTeX stays as it was typed, for the notebook to typeset; other dollars stand apart.
    """
    text = clean_text(text)
    tokens = _parse(text)
    if tokens is None:
        inner = f"{PRE_WRAP}{escape_lines(text)}</pre>\n"
    else:
        inner = _parser().renderer.render(tokens, _parser().options, {})
    return f'<div class="mmai-answer jp-RenderedHTMLCommon jp-RenderedMarkdown">\n{inner}</div>'


def _math_html(tex: str) -> str:
    """LaTeX for MathJax; as mere text where it holds a macro that links, styles or defines."""
    return inert_html(tex) if _ACTIVE_TEX.search(tex) else escape_lines(tex)


def to_safe_markdown(text: str) -> str:
    """Model text as Markdown that stays harmless in a renderer that lets raw HTML through.

    Written anew from the parsed text, with one way of writing each thing, so that renderers which
    differ in the fine points of Markdown still agree on what is code and what is not.
    """
    text = clean_text(text)
    tokens = _parse(text)
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


def fenced(code: str, info: str = "") -> str:
    """The text as a fenced block of Markdown, which nothing in it can close."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", code)), default=0))
    language = re.match(r"[\w+#.-]{0,20}", info.strip(), re.ASCII)
    lines = code.removesuffix("\n").split("\n")
    return "\n".join([ticks + (language[0] if language else ""), *lines, ticks])


_MARKS = {"em_open": "*", "em_close": "*", "strong_open": "**", "strong_close": "**"}


def _inline(children: Iterable[Token]) -> str:
    parts: list[str] = []
    url = ""
    for token in children:
        match token.type:
            case "text":
                parts.append(escape_markdown(token.content))
            case "image":
                parts.append(escape_markdown(_image_text(token)))
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
    ticks = "`" * (1 + max((len(run) for run in re.findall(r"`+", code)), default=0))
    pad = " " if code[:1] in ("`", " ") or code[-1:] in ("`", " ") else ""
    return f"{ticks}{pad}{code}{pad}{ticks}"


def _math_markdown(tex: str) -> str:
    """LaTeX to the letter where a renderer that knows none of it could do no harm, else as text."""
    if "`" in tex or "~~~" in tex or _ACTIVE_TEX.search(tex):
        return escape_markdown(tex)
    tex = re.sub(r"<", r"\\lt ", tex)
    return re.sub(r"\](?=[(:\[])", "] ", tex).replace("![", "! [")


_FENCE = re.compile(r"([ \t>]*)(`{3,}|~{3,})(.*)")


def _scan_fences(text: str) -> tuple[list[str], str]:
    """The fenced blocks of a text, and the line that would close one still open, or ""."""
    blocks: list[list[str]] = []
    prefix = fence = ""
    for line in text.removesuffix("\n").split("\n"):
        found = _FENCE.match(line)
        if fence and found and found[2].startswith(fence) and not found[3].strip():
            fence = ""
        elif fence:
            blocks[-1].append(re.sub(rf"^[ \t>]{{0,{len(prefix)}}}", "", line))
        elif found and (found[2][0] == "~" or "`" not in found[3]):
            prefix, fence = found[1], found[2]
            blocks.append([])
    return ["\n".join(lines) for lines in blocks], prefix + fence if fence else ""


def close_open_fence(text: str) -> str:
    """The text with a code fence that is still open closed, so that a layout does not jump."""
    closing = _scan_fences(text)[1]
    if not closing:
        return text
    return text + ("" if text.endswith("\n") else "\n") + closing


def extract_code(text: str, every: bool = False) -> str:
    """The first fenced block of code, or all of them with `every`; without one, the whole text.

    Characters that hide what the code does are gone: controls, bidi overrides, zero-width ones.
    """
    text = _ZERO_WIDTH.sub("", clean_text(text))
    blocks = _scan_fences(text)[0]
    if not blocks:
        return text.strip("\n")
    return "\n\n".join(blocks) if every else blocks[0]


def runnable_code(text: str) -> str:
    """The code of an answer for a new cell, with shell lines and magics commented out.

    A cell that begins with `!curl … | sh` would be one keystroke from running.
    """
    code = extract_code(text)
    if _is_python(code):
        return code
    lines = code.split("\n")
    made = [f"# {line}" if _ESCAPES.match(line) else line for line in lines]
    if made == lines:
        return code
    return "\n".join(["# Lines that run a shell or a magic are commented out.", *made])


_ESCAPES = re.compile(r"\s*(?:[!%?/,;]|.*\?\s*$|.*=\s*[!%])")


def _is_python(code: str) -> bool:
    """Whether it is plain Python, in which no line can be a magic or a shell command."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a SyntaxWarning about the model's code is not ours
        try:
            ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def extract_json(text: str) -> Any:
    """The JSON value in a text: the whole, else a fenced block, else the longest one in its prose.

    Raises:
        ValueError: there is none.
    """
    for candidate in (text, *_scan_fences(clean_text(text))[0]):
        try:
            value = _JSON.decode(candidate.strip().lstrip("\ufeff"))
        except (ValueError, RecursionError):
            continue
        if candidate is text or isinstance(value, dict | list):
            return value
    found = max(_objects(text), key=lambda pair: pair[0], default=None)
    if found is None:
        raise ValueError(f"no JSON in {_short(' '.join(text[:200].split()), 80)!r}")
    return found[1]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def _objects(text: str, tries: int = 500) -> Iterator[tuple[int, Any]]:
    """Length and value of each object or array in prose, outermost ones only."""
    position = 0
    for _ in range(tries):
        start = re.compile(r"[{\[]").search(text, position)
        if start is None:
            return
        try:
            value, position = _JSON.raw_decode(text, start.start())
            yield position - start.start(), value
        except (ValueError, RecursionError):
            position = start.end()
