"""The code or the JSON inside a text, and the fences around it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from .escaping import clean_text, short
from .python import python_tree

__all__ = ["close_open_fence", "extract_code", "extract_json", "runnable_code"]

_ZERO_WIDTH = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff]")
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
    try:
        python_tree(code)
    except (SyntaxError, ValueError):
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
        raise ValueError(f"no JSON in {short(' '.join(text[:200].split()), 80)!r}")
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
