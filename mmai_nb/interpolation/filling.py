"""The braces of a prompt: found, followed to a value, and filled in."""

from __future__ import annotations

import builtins
import difflib
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PromptError
from .fences import fenced, without_fences
from .prompts import refuse_blank, refuse_length, removal_note, without_unseen
from .values import VALUE_CHARS, Shown, named, reading

__all__ = ["IN_A_FORMULA", "KEY", "STEP", "Interpolated", "interpolate"]


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A prompt with its values put in.

    Attributes:
        text: the prompt, values between fixed fences.
        notes: what the user should know: what was cut, left as typed, empty.
        frames: how many DataFrames and Series were put in.
        names: the variables that were used, in the order of their first use.
    """

    text: str
    notes: tuple[str, ...] = ()
    frames: int = 0
    names: tuple[str, ...] = ()


KEY = r"""\[(?:-?\d+|'[^'\n]*'|"[^"\n]*"|\w[\w .-]*)\]"""
_BRACES = re.compile(
    r"\{\{(?P<literal>[^\W\d]\w*)\}\}"
    rf"|\{{(?P<root>[^\W\d]\w*)(?P<path>(?:\.[^\W\d]\w*|{KEY})*)(?P<raw>!raw)?\}}"
)
_EXPRESSION = re.compile(r"(?<!\{)\{ ?(?P<root>[^\W\d]\w*)[ .:!(+\-*/%\[][^{}\n]{0,80}\}")
IN_A_FORMULA = re.compile(r"(?:[$^]|\\[A-Za-z]+)\Z")
"""What stands before the braces of ${shell}, x^{n} and \\hat{s}: they are no variables' own."""
_CONVERSION = re.compile(r"\{(?P<value>[^!{}\n]+)!(?P<word>\w{2,6})\}")
_LATEX = re.compile(r"(?:[\^_]|\\[A-Za-z]+(?:\{[^{}\n]*\})*)\Z")
"""The same, or its second braces: they hold no variable, so nothing is said of them."""
LATEX_CHARS = 60
"""How far before braces their LaTeX command may begin."""
STEP = re.compile(rf"\.(?P<attribute>\w+)|{KEY}")


def interpolate(text: str, names: Mapping[str, Any], *, max_chars: int) -> Interpolated:
    """The text with `{name}`, `{name.attr}` and `{name[key]}` replaced by what `names` holds.

    Only braces whose first name is in `names` are touched; `{{name}}` gives `{name}`, and
    `{name!raw}` puts the value in without a fence. What was put in is never looked at again. A text
    is put in up to three quarters of `max_chars`, other values up to 20,000 characters.

    Args:
        text: the prompt as typed.
        names: the variables.
        max_chars: the longest prompt allowed, in characters.

    Raises:
        PromptError: a name looks mistyped, a value cannot be put in, or `check_prompt` refuses.
    """
    refuse_length(text, max_chars)
    work = _Interpolation(names, max_chars)
    typed, work.removed = without_unseen(without_fences(text))
    filled = _BRACES.sub(work.replace, typed)
    work.look_for_expressions(typed)
    refuse_blank(filled)
    refuse_length(filled, max_chars)
    return Interpolated(
        text=filled,
        notes=(*work.notes, *work.left_as_typed(), *removal_note(work.removed)),
        frames=work.frames,
        names=tuple(work.used),
    )


class _Interpolation:
    """One pass over one prompt: replaces its braces one by one, and gathers what to say."""

    def __init__(self, names: Mapping[str, Any], max_chars: int) -> None:
        self._names, self._max_chars = names, max_chars
        self._unknown: dict[str, None] = {}
        self._near: dict[str, str | None] = {}
        self.notes: list[str] = []
        self.used: dict[str, None] = {}
        self.frames = 0
        self.removed = 0

    def replace(self, found: re.Match[str]) -> str:
        """What stands in place of one pair of braces."""
        if found["literal"]:
            return f"{{{found['literal']}}}"
        root = found["root"]
        known = root in self._names
        if not known:
            self._refuse_near_miss(root, found)
        if not known or _follows(IN_A_FORMULA, found):
            if known or not _follows(_LATEX, found):
                self._unknown[found[0]] = None
            return found[0]
        self.used[root] = None
        label = root + found["path"]
        if root.startswith("_"):
            raise PromptError(
                f"{{{named(label)}}}: names that begin with _ are not put in; "
                f"give the value another name, or write {{{{{named(root)}}}}} to keep the braces"
            )
        value = _follow(self._names[root], label, found["path"])
        shown = Shown(label, max(VALUE_CHARS, self._max_chars * 3 // 4))
        text, removed = without_unseen(without_fences(shown.text(value)), f"{{{named(label)}}}: ")
        self.removed += removed
        self.notes += shown.notes
        self.frames += shown.is_frame
        return text if found["raw"] or shown.bare else fenced(label, text)

    def look_for_expressions(self, typed: str) -> None:
        """Note braces around more than a variable's name: they are not evaluated."""
        for found in _EXPRESSION.finditer(typed):
            if found["root"] in self._names and not _BRACES.fullmatch(found[0]):
                _refuse_near_raw(found[0])
                self._unknown[named(found[0])] = None

    def left_as_typed(self) -> tuple[str, ...]:
        """One note on the braces that name no variable."""
        if not self._unknown:
            return ()
        first, more = [named(name) for name in self._unknown][:3], len(self._unknown) - 3
        rest = f" and {more} more" if more > 0 else ""
        return (f"left as typed: {', '.join(first)}{rest}",)

    def _refuse_near_miss(self, root: str, found: re.Match[str]) -> None:
        before = found.string[found.start() - 1 : found.start()] if found.start() else ""
        if before and (before.isalnum() or before in "$}]\\%#_"):
            return  # ${name} of a shell, \begin{name} of LaTeX: code, not a slip
        if len(self._near) < 50 and root not in self._near:
            self._near[root] = _near_miss(root, self._names)
        if near := self._near.get(root):
            raise PromptError(
                f"no variable {named(root)!r}; did you mean {named(near)!r}? "
                f"Write {{{{{named(root)}}}}} to keep the braces as they are"
            )


def _follows(pattern: re.Pattern[str], found: re.Match[str]) -> bool:
    """Whether the pattern stands right before the braces."""
    at = found.start()
    return pattern.search(found.string, max(0, at - LATEX_CHARS), at) is not None


def _refuse_near_raw(braces: str) -> None:
    found = _CONVERSION.fullmatch(braces)
    if found and difflib.get_close_matches(found["word"].lower(), ["raw"], cutoff=0.6):
        raise PromptError(
            f"no conversion {named('!' + found['word'])!r} in {named(braces)}; "
            f"did you mean {{{named(found['value'])}!raw}}?"
        )


def _near_miss(root: str, names: Iterable[str]) -> str | None:
    if len(root) < 4 or root.startswith("_") or keyword.iskeyword(root) or hasattr(builtins, root):
        return None
    others = [n for n in names if isinstance(n, str) and len(n) >= 4 and not n.startswith("_")]
    near = difflib.get_close_matches(root, others, n=1, cutoff=0.8)
    return near[0] if near else None


def _follow(value: Any, label: str, path: str) -> Any:
    """The value at the end of a path of attributes and keys."""
    for step in STEP.finditer(path):
        attribute = step["attribute"]
        if attribute and attribute.startswith("_"):
            raise PromptError(f"{{{named(label)}}}: attributes that begin with _ are not put in")
        with reading(label):
            value = getattr(value, attribute) if attribute else _item(value, step[0][1:-1])
    return value


def _item(value: Any, key: str) -> Any:
    if key[0] in "'\"":
        return value[key[1:-1]]
    if re.fullmatch(r"-?\d+", key) and not (isinstance(value, Mapping) and key in value):
        return value[int(key)]
    return value[key]
