"""How one value of the notebook reads in a prompt: in full, cut, or refused."""

from __future__ import annotations

import inspect
import json
import numbers
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from ..errors import PromptError
from ..markup import short

__all__ = ["VALUE_CHARS", "Shown", "named", "reading"]

VALUE_CHARS = 20_000
"""The most of one value that is put in, in characters; of a text, more (see `interpolate`)."""
FRAME_ROWS, FRAME_COLUMNS, ARRAY_ITEMS = 10, 30, 200


@contextmanager
def reading(label: str) -> Iterator[None]:
    """While an object of the user's is read: whatever it raises becomes a PromptError naming it."""
    try:
        yield
    except PromptError:
        raise
    except Exception as error:
        raise PromptError(
            f"{{{named(label)}}} cannot be put in: reading it raised {type(error).__name__}; "
            "check it in a cell, or put in str(…) of it"
        ) from error


class Shown:
    """How one value reads in a prompt.

    Args:
        label: the name it was asked for by.
        text_chars: how much of a text is put in, in characters; other values end at VALUE_CHARS.
    """

    def __init__(self, label: str, text_chars: int) -> None:
        self._label, self._text_chars = label, text_chars
        self.notes: list[str] = []
        self.bare = False
        self.is_frame = False

    def text(self, value: Any) -> str:
        """The value as text, capped, with a note on what a reader of the answer should know."""
        with reading(self._label):
            if refused := _refusal(value):
                raise PromptError(f"{{{named(self._label)}}} is {refused}")
            return self._text(value)

    def _text(self, value: Any) -> str:
        if isinstance(value, str):
            return self._of_str(value)
        if value is None or isinstance(value, numbers.Number):
            self.bare = True
            if value is None or value != value:
                self._note(f"is {value}")
            return str(value)
        if type(value).__module__.startswith("IPython.") and isinstance(
            data := getattr(value, "data", None), str
        ):
            return self._of_str(data)
        if isinstance(value, _type_of("pandas", "DataFrame")):
            return self._of_frame(value)
        if isinstance(value, _type_of("pandas", "Series")):
            return self._of_series(value)
        if isinstance(value, _type_of("numpy", "ndarray")):
            return self._of_array(value)
        if isinstance(value, dict | list | tuple | set | frozenset):
            return self._of_container(value)
        return self._of_object(value)

    def _note(self, words: str) -> None:
        self.notes.append(f"{named(self._label)}: {words}")

    def _of_str(self, value: str) -> str:
        if not value:
            self._note("is empty")
        kept = value[: self._text_chars]
        return self._cut(str.__str__(kept), len(value), self._text_chars)

    def _cut(self, text: str, total: int, most: int) -> str:
        if total <= most:
            return text
        self._note(f"{most:,} of {total:,} characters")
        return f"{text[:most]}\n[… truncated {total - most:,} of {total:,} characters]"

    def _of_object(self, value: Any) -> str:
        if _is_without_text(value):
            raise PromptError(
                f"{{{named(self._label)}}} has no text of its own (class "
                f"{named(type(value).__name__)}): put in an attribute, or a text made of it"
            )
        text = str(value)
        return self._cut(text, len(text), VALUE_CHARS)

    def _of_container(self, value: Any) -> str:
        if not value:
            self._note("is empty")
        chunks: list[str] = []
        length = 0
        try:
            for chunk in _ENCODER.iterencode(_sorted(value)):
                chunks.append(chunk)
                length += len(chunk)
                if length > VALUE_CHARS:
                    self._note(f"the first {VALUE_CHARS:,} characters")
                    kept = "".join(chunks)[:VALUE_CHARS]
                    return f"{kept}\n[… truncated, {len(value):,} items in all]"
        except TypeError:  # a key that JSON has no word for
            return self._of_object(value)
        except (ValueError, RecursionError) as error:
            if isinstance(error, ValueError) and "Circular" not in str(error):
                raise
            raise PromptError(
                f"{{{named(self._label)}}} contains itself, or is nested too deep: put in a part"
            ) from error
        return "".join(chunks)

    def _of_frame(self, frame: Any) -> str:
        self.is_frame = True
        rows, columns = frame.shape
        kept = frame.iloc[:, :FRAME_COLUMNS]
        series = [kept.iloc[:, i] for i in range(kept.shape[1])]
        lines = [f"DataFrame: {rows:,} rows × {columns:,} columns", ""]
        lines.append("column | dtype | non-null | example")
        for name, column in zip(kept.columns, series, strict=True):
            example = column.head(1000).dropna().head(1).tolist()
            cells = [name, column.dtype, int(column.count()), *example]
            lines.append(" | ".join(map(_cell, cells)))
        lines += ["", " | ".join(map(_cell, [frame.index.name or "index", *kept.columns]))]
        heads = [column.head(FRAME_ROWS) for column in series]
        for row in zip(frame.index[:FRAME_ROWS], *heads, strict=True):
            lines.append(" | ".join(map(_cell, row)))
        return self._of_lines(lines, rows, columns)

    def _of_series(self, series: Any) -> str:
        self.is_frame = True
        name = "" if series.name is None else f" {_cell(series.name)}"
        found = f"{len(series):,} values, {int(series.count()):,} non-null"
        lines = [f"Series{name}: {found}, dtype {series.dtype}", ""]
        for row in zip(series.index[:FRAME_ROWS], series.head(FRAME_ROWS), strict=True):
            lines.append(" | ".join(map(_cell, row)))
        return self._of_lines(lines, len(series), 1)

    def _of_lines(self, lines: list[str], rows: int, columns: int) -> str:
        if not rows:
            self._note("is empty")
        for count, most, word in ((rows, FRAME_ROWS, "rows"), (columns, FRAME_COLUMNS, "columns")):
            if count > most:
                self._note(f"{most} of {count:,} {word}")
                lines.append(f"[{most} of {count:,} {word}]")
        text = "\n".join(lines)
        return self._cut(text, len(text), VALUE_CHARS)

    def _of_array(self, array: Any) -> str:
        head = f"array of shape {array.shape}, dtype {array.dtype}"
        whole = array.size <= ARRAY_ITEMS
        items = _ENCODER.encode((array if whole else array.flat[:ARRAY_ITEMS]).tolist())
        if not whole:
            self._note(f"{ARRAY_ITEMS} of {array.size:,} values")
            items += f"\n[{ARRAY_ITEMS} of {array.size:,} values, row by row]"
        text = f"{head}\n{items}"
        return self._cut(text, len(text), VALUE_CHARS)


def _type_of(module: str, name: str) -> Any:
    """A class of a module for isinstance, if that module is loaded; else one that fits nothing."""
    return getattr(sys.modules.get(module), name, ())


def _refusal(value: Any) -> str:
    """What the value is, if it is nothing to put in a prompt, and what to do; else ""."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value):,} bytes: put in text, such as .decode() of it"
    if isinstance(value, ModuleType):
        return "a module: put in one of its values"
    if isinstance(value, type):
        return "a class: put in its source or a value, not the class"
    if inspect.isroutine(value) or isinstance(value, partial):
        return "a function: put in its result, or its source by inspect.getsource"
    if inspect.iscoroutine(value) or isinstance(value, Iterator | AsyncIterator):
        return f"a {named(type(value).__name__)}, which reading uses up: put in a list or its text"
    return ""


def _is_without_text(value: Any) -> bool:
    """Whether `str` would only tell its class and address, which is another in each process."""
    kind: Any = type(value)
    return kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__


def _sorted(value: Any) -> Any:
    """A set as a list in an order that is the same in every process; all else as it is."""
    return sorted(value, key=str) if isinstance(value, set | frozenset) else value


def _plain(value: Any) -> Any:
    """What JSON shows of an object inside a container; the same text in every process."""
    if isinstance(value, set | frozenset):
        return _sorted(value)
    if isinstance(value, _type_of("numpy", "generic")):
        return value.item()
    if isinstance(value, _type_of("numpy", "ndarray")):
        return value.flat[:ARRAY_ITEMS].tolist()
    if _refusal(value) or _is_without_text(value):
        return f"<{type(value).__name__}>"
    return str(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=_plain)


def _cell(value: Any) -> str:
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return short(" ".join(text[:200].split()), 60)


def named(name: str) -> str:
    """A name as it stands in a note or an error: cut where it is long."""
    return short(name, 40)
