"""LaTeX within Markdown: found by the parser, and kept to the letter where it does no harm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

__all__ = ["find_formulas", "is_active"]

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


def find_formulas(md: MarkdownIt) -> None:
    """Let a parser find formulas: tokens of the types math and math_block."""
    md.inline.ruler.before("escape", "math", _inline_math)
    containers = ["paragraph", "reference", "blockquote", "list"]
    md.block.ruler.before("fence", "math_block", _block_math, {"alt": containers})


def is_active(tex: str) -> bool:
    """Whether a formula holds a macro that links, styles or defines."""
    return _ACTIVE_TEX.search(tex) is not None
