"""A line that looks like a command with a slip in it: what is said of it, in place of asking it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..errors import MmaiError
from ..values import one_line, shown, similar
from .registry import PATHS, EngineGetter, Subcommand

__all__ = ["near_command"]


def near_command(line: str, known: Mapping[str, Subcommand], engine: EngineGetter) -> str:
    """What to say of a line that looks like a command with a slip in it; "" for a question.

    Such is a line of two words; a longer one whose words are the command's own for at least one
    half, or would be but for the first's slip; and one that goes on with an option of the
    command's, as no sentence does.

    Args:
        line: what stands behind `%ai`, which is no command.
        known: the subcommands by name.
        engine: gives the engine, for the words that a command takes.
    """
    words = line.split()
    if not words or line.endswith("?"):
        return ""
    found = known.get(words[0])
    if found is None:
        near = similar(words[0], known, least=0.75) if len(words) < 3 else []
        return f"no command {shown(words[0])}; did you mean %ai {near[0]}?" if near else ""
    behind = words[1:]
    fitting = _fitting(found, behind, engine)
    if fitting == 0 and len(behind) == 2 and (hint := _near(found, behind, engine)):
        return hint
    ours = len(behind) < 2 or (fitting > 0 and behind[0].startswith("-"))
    if not ours and fitting * 2 < len(behind):
        return ""
    return one_line(_said(found, behind, fitting, engine))


def _near(found: Subcommand, words: Sequence[str], engine: EngineGetter) -> str:
    """What to say where only the first word has a slip, and the rest fits; else ""."""
    choices = _choices(found, (), engine)
    meant = [*similar(words[0], choices, least=0.75), *words[1:]]
    if len(meant) < len(words) or _fitting(found, meant, engine) < len(words):
        return ""
    right = " ".join([found.name, *meant])
    return one_line(f"no {shown(words[0])} in %ai {found.name}; did you mean %ai {right}?")


def _fitting(found: Subcommand, words: Sequence[str], engine: EngineGetter) -> int:
    """How many of the words are the command's own, from the first on."""
    for place, word in enumerate(words):
        choices = _choices(found, words[:place], engine)
        is_path = choices is PATHS and bool(re.search(r"[./\\]", word))
        if not is_path and word not in choices:
            return place
    return len(words)


def _choices(found: Subcommand, before: Sequence[str], engine: EngineGetter) -> Sequence[str]:
    try:
        choices = found.complete(before, engine)
    except MmaiError:
        return ()
    return PATHS if choices is PATHS else tuple(choices)


def _said(found: Subcommand, words: Sequence[str], fitting: int, engine: EngineGetter) -> str:
    """What is missing, or which word does not fit, with the nearest one that would."""
    form = found.usage.partition(": ")[0]
    if fitting == len(words):
        return f"{_lacking(form, words[-1] if words else '')}: {form}"
    slip = words[fitting]
    choices = _choices(found, words[:fitting], engine)
    if near := similar(slip, () if choices is PATHS else choices, least=0.6):
        right = " ".join([found.name, *words[:fitting], near[0]])
        return f"no {shown(slip)} in %ai {found.name}; did you mean %ai {right}?"
    if found.wrong_word and not fitting:
        return f"{found.wrong_word.format(shown(slip))}: {form}"
    return f"%ai {' '.join([found.name, *words[:fitting]])} takes no {shown(slip)}: {form}"


def _lacking(form: str, last: str) -> str:
    """What must stand behind the last word, "" for the command itself, by the command's form."""
    if not last:
        needed = re.search("[A-Z]{2,}", re.sub(r"\[.*?\]", "", form))
        return f"{needed[0] if needed else 'a word'} is missing"
    value = re.search(rf"{re.escape(last)} ([A-Z]+)", form)
    return f"{value[1] if value else 'a value'} is missing behind {last}"
