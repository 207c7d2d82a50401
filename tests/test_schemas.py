from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from mmai_nb.errors import OptionError, SchemaMismatchError
from mmai_nb.schemas import as_instance, as_schema, is_strict, parse_answer

CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}


class Part(BaseModel):
    size: int = 3


class Whole(BaseModel):
    parts: list[Part]
    label: str | None = None


def test_a_pydantic_models_schema_is_strict_in_depth():
    schema = as_schema(Whole)
    assert is_strict(schema)
    assert schema["required"] == ["parts", "label"]
    assert schema["$defs"]["Part"]["required"] == ["size"]


def test_a_dict_stays_as_it_is():
    assert as_schema(CITY) == CITY
    assert is_strict(CITY)
    assert not is_strict({"type": "object", "properties": {"a": {"type": "string"}}})


@pytest.mark.parametrize("bad", [5, "x", str, None, {}, {"type": "nonsense"}, {"type": object()}])
def test_what_is_no_schema_is_refused(bad: Any):
    with pytest.raises(OptionError, match="schema"):
        as_schema(bad)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Oslo", "people": 1}',
        '```json\n{"name": "Oslo", "people": 1}\n```',
        'Sure! Here it is:\n\n{"name": "Oslo", "people": 1}\n\nAnything else?',
    ],
)
def test_fences_and_prose_around_json_are_tolerated(text):
    assert parse_answer(text, CITY) == {"name": "Oslo", "people": 1}


def test_a_mismatch_names_the_path_and_keeps_the_text():
    with pytest.raises(SchemaMismatchError, match="people") as caught:
        parse_answer('{"name": "Oslo", "people": "many"}', CITY)
    assert caught.value.path == "$.people"
    assert "many" in caught.value.raw


def test_no_json_at_all_is_a_mismatch():
    with pytest.raises(SchemaMismatchError, match="no JSON"):
        parse_answer("I would rather not.", None)


def test_a_models_own_validator_is_a_mismatch_too():
    class Even(BaseModel):
        n: int

        @field_validator("n")
        @classmethod
        def even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("must be even")
            return value

    assert as_instance(Even, {"n": 2}, "").n == 2
    with pytest.raises(SchemaMismatchError, match="must be even"):
        as_instance(Even, {"n": 3}, '{"n": 3}')


def test_a_schema_that_points_elsewhere_is_refused():
    with pytest.raises(OptionError, match="must begin with #"):
        as_schema({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/x.json"}}})
