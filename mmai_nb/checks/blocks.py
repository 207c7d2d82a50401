"""A text taken apart: its fenced blocks of code, and the prose between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["READ", "Block", "Parts", "sample", "take_apart"]

READ = 200_000
"""How many characters of an answer are read at most."""

_FENCE = re.compile(
    r"[ \t]*(?:>[ \t]?)*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?(?P<mark>`{3,}|~{3,})[ \t]*"
    r"(?P<lang>[\w+#.-]*)(?P<rest>[^\n]*)$"
)
_INLINE = re.compile(r"(`{1,2})[^`\n]+\1")
_MARKDOWN = ("markdown", "md")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    code: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """The blocks of a text, and its prose: without them, and without the code within lines."""

    blocks: tuple[Block, ...]
    prose: str


def sample(text: str) -> str:
    """The text, or of a longer one than `READ` its beginning and its end."""
    if len(text) <= READ:
        return text
    return f"{text[: READ * 3 // 4]}\n{text[-READ // 4 :]}"


@lru_cache(maxsize=4)  # several checks ask for the parts of the same answer
def take_apart(text: str) -> Parts:
    """The blocks and the prose of a text; a fence in a Markdown block opens one within it."""
    blocks: list[Block] = []
    prose: list[str] = []
    inside: list[str] = []
    mark, language, depth = "", "", 0
    for line in text.split("\n"):
        fence = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if not mark:
            if fence and not (fence["mark"][0] == "`" and "`" in fence["rest"]):
                mark, language, depth, inside = fence["mark"], fence["lang"].lower(), 1, []
                prose.append("")
            else:
                prose.append(line)
            continue
        if fence and fence["mark"].startswith(mark):
            named = bool(fence["lang"] or fence["rest"].strip())
            if not named:
                depth -= 1
            elif language in _MARKDOWN:
                depth += 1
            if depth == 0:
                blocks.append(Block(language, "\n".join(inside), True))
                mark = ""
                continue
        inside.append(line)
    if mark and any(line.strip() for line in inside):
        blocks.append(Block(language, "\n".join(inside), False))
    return Parts(tuple(blocks), _INLINE.sub(" ", "\n".join(prose)))
