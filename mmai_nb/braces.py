"""What may come next inside the braces of a prompt: variables, attributes, keys.

Nothing of the user's is run: no property, no `__getattr__`, no `__getitem__` and no `__eq__`.
Names are read from the dictionaries of objects and of their classes, as the interpreter keeps them;
what cannot be seen that way is not offered. Of pandas, columns are offered too.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, Literal

from .interpolation import IN_A_FORMULA, KEY, STEP

__all__ = ["words_in_braces"]

MOST = 500
"""Keys of one object that are offered; no front end shows more."""

_OPEN = re.compile(
    r"(?<!\{)\{(?P<root>(?:[^\W\d]\w*)?)"
    rf"(?:(?P<path>(?:\.[^\W\d]\w*|{KEY})*?)(?P<last>\.(?:[^\W\d]\w*)?|\[[^\[\]\n]*|!\w*))?\Z"
)
_PLAIN_KEY = re.compile(r"\w[\w .-]*")
_NUMBER = re.compile(r"-?\d+")
_UNSEEN = object()
"""What is there only when code of the user's runs, or is not there at all."""

_NO_TEXT = (
    *(bytes, bytearray, memoryview, types.ModuleType, type, partial),
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.CoroutineType),
)
"""Kinds of values that interpolation refuses."""
_OF_PANDAS = ("shape", "size", "columns", "dtypes", "index")
"""What a table can tell of itself in few words."""
_CALLED = (
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType),
    *(types.WrapperDescriptorType, types.ClassMethodDescriptorType, types.MethodType),
    *(staticmethod, classmethod, type, types.ModuleType),
)
"""Kinds of a class's attributes that are no data."""


def words_in_braces(before: str, names: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """What is typed of a word, and all the words that interpolation would accept in its place.

    None where the cursor is in no braces that a variable's name may stand in.

    Args:
        before: the line up to the cursor.
        names: the variables.
    """
    found = _OPEN.search(before)
    if found is None or IN_A_FORMULA.search(before, 0, found.start()):
        return None
    root, last = found["root"], found["last"]
    if last is None:
        return root, [name for name, value in names.items() if _offered(name, value)]
    if root not in names or root.startswith("_"):
        return last, []
    value = names[root]
    for step in STEP.finditer(found["path"]):
        value = _step(value, step["attribute"], step[0][1:-1])
    if last[0] == "!":
        return last[1:], ["raw"]
    words = _attributes(value) if last[0] == "." else _keys(value, last[1:])
    return last[1:], list(dict.fromkeys(words))


def _offered(name: str, value: Any) -> bool:
    kind = type(value)
    uses_up = _has(value, "__next__") or _has(value, "__anext__")
    return _is_name(name) and not issubclass(kind, _NO_TEXT) and not uses_up


def _step(value: Any, attribute: str | None, key: str) -> Any:
    if value is _UNSEEN:
        return _UNSEEN
    if attribute is not None:
        return _attribute(value, attribute)
    return _item(value, key)


def _attribute(value: Any, name: str) -> Any:
    """What Python would give, where it would give it without running code."""
    of_class = _of_class(type(value)).get(name, _UNSEEN)
    if of_class is _UNSEEN and name in _labels(value, "columns"):
        return value[name]
    if type(of_class) is types.MemberDescriptorType:  # a slot: read by the interpreter itself
        try:
            return of_class.__get__(value, type(value))
        except AttributeError:
            return _UNSEEN
    found = _UNSEEN if _has(of_class, "__set__") else _own_dict(value).get(name, of_class)
    return _UNSEEN if found is of_class and _has(of_class, "__get__") else found


def _has(value: Any, method: str) -> bool:
    return any(method in inner for inner in _dicts(type(value)))


def _item(value: Any, key: str) -> Any:
    quoted = key[:1] in ("'", '"')
    name = key[1:-1] if quoted else key
    kind = type(value)
    if issubclass(kind, dict):
        wanted = (name, int(name)) if _NUMBER.fullmatch(name) and not quoted else (name,)
        pairs = dict.items(value)
        return next((v for k, v in pairs if type(k) in (str, int) and k in wanted), _UNSEEN)
    if issubclass(kind, list | tuple) and _NUMBER.fullmatch(name) and not quoted:
        read = list.__getitem__ if issubclass(kind, list) else tuple.__getitem__
        try:
            return read(value, int(name))
        except IndexError:
            return _UNSEEN
    return value[name] if name in _labels(value, "columns") else _UNSEEN


def _attributes(value: Any) -> Iterator[str]:
    """Names of data, the object's own first."""
    if value is _UNSEEN:
        return
    if _is_pandas(value, "DataFrame") or _is_pandas(value, "Series"):
        yield from (label for label in _labels(value, "columns") if label.isidentifier())
        yield from _OF_PANDAS
        return
    own = _own_dict(value)
    for name, found in own.items():
        if _is_name(name) and not issubclass(type(found), _CALLED):
            yield name
    for name, found in _of_class(type(value)).items():
        if _is_name(name) and name not in own and not issubclass(type(found), _CALLED):
            yield name


def _is_name(name: object) -> bool:
    return type(name) is str and name.isidentifier() and not name.startswith("_")


def _keys(value: Any, typed: str) -> Iterator[str]:
    """The object's keys as they are written in brackets, in the quotes that are open already."""
    keys: Iterator[Any] = iter(())
    if issubclass(type(value), dict):
        keys = islice(dict.__iter__(value), MOST)
    elif value is not _UNSEEN:
        keys = islice((*_labels(value, "columns"), *_labels(value, "index")), MOST)
    for key in keys:
        if type(key) is int and not typed.startswith(("'", '"')):
            yield str(key)
        elif type(key) is str and key.isprintable():
            yield from _written(key, typed[:1])


def _written(key: str, begun: str) -> Iterator[str]:
    if begun not in ("'", '"') and _PLAIN_KEY.fullmatch(key) and not _NUMBER.fullmatch(key):
        yield key
        return
    quotes = (begun,) if begun in ("'", '"') else ("'", '"')
    quote = next((quote for quote in quotes if quote not in key), None)
    if quote is not None and key:
        yield f"{quote}{key}{quote}"


def _labels(value: Any, axis: Literal["columns", "index"]) -> tuple[str, ...]:
    """The labels of pandas' own DataFrame (columns) or Series (index), where all are plain text."""
    if not _is_pandas(value, "DataFrame" if axis == "columns" else "Series"):
        return ()
    most = None if axis == "columns" else MOST
    labels = tuple(islice(iter(getattr(value, axis)), most))
    return labels if all(type(label) is str for label in labels) else ()


def _is_pandas(value: Any, name: str) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and type(value) is getattr(pandas, name, None)


def _own_dict(value: Any) -> Mapping[str, Any]:
    """The attributes an object keeps itself; none where its class keeps them another way."""
    if issubclass(type(value), type):
        return _of_class(value)
    found = (inner["__dict__"] for inner in _dicts(type(value)) if "__dict__" in inner)
    kept: Any = next(found, None)
    if type(kept) not in (types.GetSetDescriptorType, types.MemberDescriptorType):
        return {}
    own = kept.__get__(value, type(value))
    return own if type(own) is dict else {}


def _of_class(kind: type) -> dict[str, Any]:
    """The attributes of a class and of those it comes from."""
    merged: dict[str, Any] = {}
    for inner in reversed(_dicts(kind)):
        merged |= inner
    return merged


_MRO, _CLASS_DICT = type.__dict__["__mro__"], type.__dict__["__dict__"]


def _dicts(kind: type) -> list[Mapping[str, Any]]:
    """The dictionaries of a class and of those it comes from, past what a metaclass may say."""
    return [_CLASS_DICT.__get__(each) for each in _MRO.__get__(kind)]
