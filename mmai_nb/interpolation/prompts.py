"""What can be sent as a prompt, and what is taken out of it."""

from __future__ import annotations

import re

from ..amounts import counted
from ..errors import PromptError
from ..markup import clean_text

__all__ = ["check_prompt", "refuse_blank", "refuse_length", "removal_note", "without_unseen"]


def check_prompt(text: str, max_chars: int, *, asks: bool = True) -> tuple[str, tuple[str, ...]]:
    """The text as it can be sent, and notes on what was taken out of it.

    `asks=False` is for what may be blank or a heading: a system message, an earlier answer.

    Control characters, ANSI sequences, bidi overrides and tag characters go; fences stay.

    Raises:
        PromptError: it is blank or nothing but comments, too long, or holds half a character.
    """
    refuse_length(text, max_chars)
    cleaned, removed = without_unseen(text)
    if asks:
        refuse_blank(cleaned)
    return cleaned, removal_note(removed)


def without_unseen(text: str, where: str = "") -> tuple[str, int]:
    """The text without what cannot be seen, and how many characters that were.

    Args:
        text: what was typed, or a value.
        where: what an error begins with, such as the value's name.

    Raises:
        PromptError: it holds half a character.
    """
    if half := re.search("[\ud800-\udfff]", text):
        code, position = f"U+{ord(half[0]):04X}", half.start()
        raise PromptError(f"{where}character {code} at {position} cannot be sent: take it out")
    text = text.replace("\r\n", "\n")
    cleaned = clean_text(text)
    return cleaned, len(text) - len(cleaned)


def removal_note(removed: int) -> tuple[str, ...]:
    """What to say of so many characters that were taken out; () of none."""
    if not removed:
        return ()
    return (f"removed {counted(removed, 'control character')}",)


def refuse_blank(text: str) -> None:
    """Raise PromptError where nothing is asked."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if all(re.match(r"#(?:\s|$)", line) for line in lines):
        why = "it holds nothing but comments" if lines else "give the text that is to be asked"
        raise PromptError(f"the prompt is empty: {why}")


def refuse_length(text: str, max_chars: int) -> None:
    """Raise PromptError where the text is longer than allowed."""
    if len(text) > max_chars:
        raise PromptError(
            f"the prompt has {len(text):,} characters, over max_prompt_chars = {max_chars:,}: "
            "shorten it, or raise the limit with %ai config max_prompt_chars"
        )
