from __future__ import annotations

import math
from collections import UserDict
from typing import Any, NoReturn

import pandas as pd
import pytest

from mmai_nb.braces import words_in_braces
from mmai_nb.errors import PromptError
from mmai_nb.interpolation import interpolate


class Refuses(type):
    """A class of classes that will not be looked at."""

    def __getattribute__(cls, name: str) -> Any:
        if name == "__name__":  # pytest asks for it to tell of a failure
            return "Hostile"
        raise AssertionError(f"the class's {name} was asked for")


class Person:
    """An object with data of every kind."""

    planet = "Earth"

    def __init__(self) -> None:
        self.name, self._secret = "Anne", "hidden"
        self.friend = {"town": "Oslo"}
        self.laugh = print

    @property
    def age(self) -> NoReturn:
        raise AssertionError("a property was run")

    def walk(self) -> None:
        raise AssertionError("a method was run")

    @classmethod
    def made(cls) -> None:
        raise AssertionError("a method was run")

    Inner = dict


class Slotted:
    __slots__ = ("height", "weight")

    def __init__(self) -> None:
        self.height = {"unit": "m"}


def hostile() -> Any:
    """An object with which everything that Python would call by itself raises."""

    class Hostile(metaclass=Refuses):
        def __getattribute__(self, name: str) -> NoReturn:
            raise AssertionError(f"{name} was asked for")

        def __getattr__(self, name: str) -> NoReturn:
            raise AssertionError(f"{name} was asked for")

        def __getitem__(self, key: Any) -> NoReturn:
            raise AssertionError("an item was asked for")

        def __iter__(self) -> NoReturn:
            raise AssertionError("it was iterated over")

        def __eq__(self, other: object) -> NoReturn:
            raise AssertionError("it was compared")

        def __hash__(self) -> NoReturn:
            raise AssertionError("its hash was asked for")

        def __dir__(self) -> NoReturn:
            raise AssertionError("dir was called")

        def __repr__(self) -> NoReturn:
            raise AssertionError("it was shown")

        def keys(self) -> NoReturn:
            raise AssertionError("its keys were asked for")

    return type.__call__(Hostile)


class Hiding:
    """`__dict__` and `__class__` are properties."""

    @property
    def __dict__(self) -> NoReturn:  # type: ignore[override]
        raise AssertionError("__dict__ was run")

    @property
    def __class__(self) -> NoReturn:  # type: ignore[override]
        raise AssertionError("__class__ was run")


class Lying(dict[str, int]):
    def __iter__(self) -> NoReturn:
        raise AssertionError("it was iterated over")

    def items(self) -> NoReturn:
        raise AssertionError("its items were asked for")

    def __getitem__(self, key: str) -> NoReturn:
        raise AssertionError("an item was asked for")


FRAME = pd.DataFrame({"height": [1, 2], "unit price": [3, 4], "size": [5, 6]})
NAMES = {
    "city": "Oslo",
    "count": 3,
    "person": Person(),
    "slotted": Slotted(),
    "frame": FRAME,
    "series": pd.Series([1, 2], index=["north", "south"]),
    "odd": pd.DataFrame({1: [2]}),
    "data": {"town": "Oslo", "b c": 1, 3: "x", "it's": {"deep": {"deeper": 1}}, "a]b": 1, "": 0},
    "rows": [{"first": 1}, {"second": 2}],
    "_hidden": 1,
    "math": math,
    "function": print,
    "number_of": (n for n in ()),
    "raw_bytes": b"x",
    "Person": Person,
    "nothing": None,
}


def words(text: str, **more: Any) -> list[str]:
    found = words_in_braces(text, {**NAMES, **more})
    assert found is not None
    typed, known = found
    assert text.endswith(typed)
    return [word for word in known if word.startswith(typed)]


@pytest.mark.parametrize(
    "text", ["", "Why?", "a } b", "{city} is", "{{cit", '{"a', "{1", "${cit", "x^{cit", "\\hat{cit"]
)
def test_outside_of_braces_nothing_is_offered(text):
    assert words_in_braces(text, NAMES) is None


def test_variables_are_offered():
    assert words("Where is {ci") == ["city"]
    assert words("a {count} of {ci") == ["city"]


def test_what_interpolation_refuses_is_not_offered():
    offered = words("{")
    assert {"city", "count", "person", "frame", "nothing"} <= set(offered)
    assert not {"_hidden", "math", "function", "number_of", "raw_bytes", "Person"} & set(offered)


def test_every_variable_that_is_offered_can_be_put_in():
    for name in words("{"):
        if name in ("slotted", "person"):  # only their attributes have a text
            continue
        interpolate(f"{{{name}}}", NAMES, max_chars=100_000)


def test_attributes_are_those_with_data():
    assert words("{person.") == ["name", "friend", "planet", "age"]
    assert words("{slotted.") == ["height", "weight"]
    assert words("{math.p") == ["pi"]
    assert words("{city.") == []


def test_a_chain_of_attributes_and_keys_is_followed():
    assert words("{person.friend[") == ["town"]
    assert words("{slotted.height[") == ["unit"]
    assert words("{rows[1][") == ["second"]
    assert words("{rows[-1][") == ["second"]
    assert words("{rows[7][") == []
    assert words('{data["it\'s"][deep][') == ["deeper"]


def test_columns_are_offered_as_attributes_and_as_keys():
    assert words("{frame.h") == ["height"]
    assert words("{frame[") == ["height", "unit price", "size"]
    assert words("{frame.sh") == ["shape"]
    assert words("{series[") == ["north", "south"]
    assert words("{odd[") == []


def test_keys_are_written_as_interpolation_reads_them():
    assert words("{data[") == ["town", "b c", "3", '"it\'s"', "'a]b'"]
    assert words("{data['") == ["'town'", "'b c'", "'a]b'"]
    assert words('{data["it') == ['"it\'s"']
    for key in words("{data["):
        interpolate(f"{{data[{key}]}}", NAMES, max_chars=100_000)


def test_every_attribute_that_is_offered_of_a_frame_can_be_put_in():
    for name in words("{frame."):
        interpolate(f"{{frame.{name}}}", NAMES, max_chars=100_000)


def test_raw_is_offered_behind_an_exclamation_mark():
    assert words("{city!") == ["raw"]


@pytest.mark.parametrize("text", ["{nobody.", "{_hidden.", "{person.age.", "{person.walk.", "{."])
def test_what_cannot_be_seen_offers_nothing(text):
    assert words(text) == []


@pytest.mark.parametrize("text", ["{x", "{x.", "{x[", "{x.a.", "{x[a][", "{x[0].", "{x.a[0]["])
@pytest.mark.parametrize("make", [hostile, Hiding, Lying], ids=["hostile", "hiding", "lying"])
def test_no_code_of_the_users_is_run(text, make):
    words_in_braces(text, {"x": make()})


class Tricky:
    """A key that hides behind the hash of "town"; armed, it tells when it is looked at."""

    armed = False

    def __eq__(self, other: object) -> bool:
        assert not self.armed, "it was compared"
        return False

    def __hash__(self) -> int:
        assert not self.armed, "its hash was asked for"
        return hash("town")


def test_no_key_of_the_users_is_compared(monkeypatch):
    tricky = {Tricky(): {"wrong": 1}, "town": {"right": 2}}
    monkeypatch.setattr(Tricky, "armed", True)
    assert words("{x[", x=tricky) == ["town"]
    assert words("{x[town][", x=tricky) == ["right"]


def test_no_label_of_a_frame_is_compared(monkeypatch):
    frame = pd.DataFrame([[1, 2]], columns=pd.Index([Tricky(), "town"], dtype=object))
    monkeypatch.setattr(Tricky, "armed", True)
    assert words("{x[", x=frame) == []
    assert words("{x.", x=frame) == ["shape", "size", "columns", "dtypes", "index"]
    assert words("{x[town].", x=frame) == []
    assert words("{x.town.", x=frame) == []


def test_a_mapping_of_the_users_own_is_not_read():
    assert words("{x[", x=UserDict(a=1)) == []


def test_control_characters_in_a_key_are_not_offered():
    assert words("{x[", x={"a\x1b[31mb": 1, "a\u202eb": 2, "fine": 3}) == ["fine"]


def test_a_large_dict_is_not_offered_whole():
    assert len(words("{x[", x=dict.fromkeys(map(str, range(10_000)), 1))) == 500


def test_what_is_offered_of_a_person_is_what_interpolation_takes():
    with pytest.raises(PromptError):
        interpolate("{person.walk}", NAMES, max_chars=1000)
    assert "walk" not in words("{person.")
