from __future__ import annotations

import datetime
import decimal
import enum
import json
import uuid
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from mmai_nb.demo.values import make_value


class Colour(enum.Enum):
    red = "red"
    blue = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Node(BaseModel):
    name: str
    parent: Node | None = None
    children: list[Node]


class Everything(BaseModel):
    title: str = Field(min_length=3, max_length=12)
    code: str = Field(pattern=r"^[A-Z]{2}-\d{4}$")
    zip_code: str = Field(pattern=r"^\d{5}(?:-\d{4})?$", min_length=10)
    score: float = Field(gt=0, lt=1)
    rating: int = Field(ge=1, le=5)
    step: float = Field(multiple_of=0.25, gt=2)
    price: decimal.Decimal
    when: datetime.datetime
    day: datetime.date
    at: datetime.time
    lasts: datetime.timedelta
    who: uuid.UUID
    colour: Colour
    shade: Literal["dark", "light"]
    maybe: int | None
    either: int | str
    tags: set[Colour] = Field(min_length=2)
    pair: tuple[int, str]
    exactly: list[int] = Field(min_length=3, max_length=3)
    counts: dict[str, int]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    tree: Node
    ok: bool
    nothing: None
    optional: str = "x"


@pytest.mark.parametrize("model", [Everything, Node, Cat, Dog])
def test_the_value_for_a_pydantic_models_schema_is_one_of_that_model(model):
    model.model_validate_json(json.dumps(make_value(model.model_json_schema())))


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": ["null", "string"], "pattern": "^a+b$"},
        {"type": "string", "pattern": r"^(foo|bar)[^a-z]\.(\w{2,3}|x)?$", "minLength": 6},
        {"type": "string", "pattern": "^(?!a)[a-c]{2}$"},
        {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"},
        {"type": "integer", "exclusiveMinimum": 4, "maximum": 10, "multipleOf": 5},
        {"type": "integer", "exclusiveMaximum": -3},
        {"type": "number", "multipleOf": 0.1, "minimum": 0.55},
        {"minimum": 3},
        {"allOf": [{"type": "integer", "minimum": 2}, {"type": "number", "minimum": 5}]},
        {"oneOf": [{"type": "number"}, {"type": "integer"}, {"type": "string"}]},
        {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 0.5}]},
        {"type": "array", "uniqueItems": True, "minItems": 5, "items": {"type": "number"}},
        {"type": "array", "uniqueItems": True, "minItems": 4, "items": {"format": "date"}},
        {"type": "array", "uniqueItems": True, "items": {"enum": ["only"]}},
        {"type": "array", "uniqueItems": True, "minItems": 2, "items": {"type": "boolean"}},
        {"type": "array", "prefixItems": [{"const": 1}], "items": False},
        {"type": "array", "contains": {"const": 7}, "minContains": 2},
        {"type": "array", "maxItems": 0},
        {"type": "object", "minProperties": 3},
        {"type": "object", "required": ["a"], "properties": {"b": False}},
        {"properties": {"a": {"type": "string"}, "b": {}}, "maxProperties": 1, "required": ["b"]},
        {"type": "object", "patternProperties": {"^x-": {"type": "integer"}}},
        {"additionalProperties": {"type": "null"}, "propertyNames": {"enum": ["p", "q"]}},
        {"$defs": {"a/b": {"const": 3}}, "$ref": "#/$defs/a~1b"},
        {"$defs": {"n": {"minimum": 3}}, "allOf": [{"$ref": "#/$defs/n"}, {"type": "integer"}]},
        {"enum": [1, "two", None], "type": "string"},
        {"type": "string", "minLength": 30.0, "maxLength": 31.0},
    ],
    ids=json.dumps,
)
def test_the_made_up_value_fits_the_schema(schema):
    assert jsonschema.Draft202012Validator(schema).is_valid(make_value(schema))


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    small = st.integers(-20, 20)
    return st.one_of(
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.just({}),
        st.builds(lambda v: {"const": v}, st.one_of(small, st.text(max_size=3), st.none())),
        st.builds(lambda v: {"enum": v}, st.lists(small, min_size=1, unique=True)),
        st.builds(
            lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
            small,
            st.integers(0, 5),
        ),
        st.builds(
            lambda low, more: {"type": "number", "exclusiveMinimum": low, "maximum": low + more},
            small,
            st.integers(1, 5),
        ),
        st.builds(
            lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
            st.integers(0, 9),
            st.integers(0, 9),
        ),
        st.sampled_from(["date", "date-time", "uuid", "email", "uri", "ipv4"]).map(
            lambda name: {"type": "string", "format": name}
        ),
    )


def grown(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(
            lambda items, low: {"type": "array", "items": items, "minItems": low},
            parts,
            st.integers(0, 3),
        ),
        st.builds(
            lambda props, closed: {
                "type": "object",
                "properties": props,
                "required": sorted(props)[::2],
                "additionalProperties": not closed,
            },
            st.dictionaries(st.text(max_size=4), parts, max_size=4),
            st.booleans(),
        ),
        st.builds(lambda some: {"anyOf": some}, st.lists(parts, min_size=1, max_size=3)),
    )


@given(st.recursive(leaves(), grown, max_leaves=12))
def test_a_value_is_made_up_for_any_schema_that_allows_one(schema):
    value = make_value(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(value)
    assert value == make_value(json.loads(json.dumps(schema)))


IMPOSSIBLE = {
    "false": {"not": {}},
    "empty range": {"type": "integer", "minimum": 5, "maximum": 4},
    "endless": {"$defs": {"a": {"required": ["a"], "properties": {"a": {"$ref": "#/$defs/a"}}}}}
    | {"$ref": "#/$defs/a"},
    "nowhere": {"$ref": "#/$defs/none"},
    "elsewhere": {"$ref": "http://127.0.0.1:1/schema.json"},
    "not a schema": {"type": "strnig"},
    "huge": {"type": "array", "minItems": 10**9},
    "long": {"type": "string", "minLength": 10**9},
    "bomb": {
        "$defs": {
            f"d{n}": {
                "required": ["a", "b"],
                "properties": {key: {"$ref": f"#/$defs/d{n + 1}"} for key in "ab"},
            }
            for n in range(40)
        }
        | {"d40": {}},
        "$ref": "#/$defs/d0",
    },
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_schema_that_allows_nothing_that_could_be_made_up_is_a_value_error(name):
    with pytest.raises(ValueError, match=r"schema|\$ref") as caught:
        make_value(IMPOSSIBLE[name])
    assert len(str(caught.value)) <= 160
