"""JSON schemas: what a user may give for one, and whether an answer fits it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .errors import OptionError, SchemaMismatchError
from .markup import clean_text, extract_json
from .redaction import redact

__all__ = ["as_instance", "as_schema", "is_strict", "parse_answer"]


def as_schema(schema: Any) -> dict[str, Any]:
    """The JSON schema of a pydantic model, or the dict itself, checked.

    A pydantic model's schema is made strict (every property required, no others allowed), which is
    what endpoints that hold answers to a schema ask for.

    Raises:
        OptionError: it is neither, or no valid JSON schema.
    """
    import pydantic

    if isinstance(schema, type) and issubclass(schema, pydantic.BaseModel):
        try:
            made = schema.model_json_schema()
        except (pydantic.PydanticUserError, AttributeError) as error:
            raise OptionError(
                f"{schema.__name__} has no JSON schema: {' '.join(str(error).split())}"[:200]
            ) from None
        return _checked(_made_strict(made))
    if isinstance(schema, Mapping):
        return _checked(dict(schema))
    raise OptionError(
        f"schema must be a pydantic model or a JSON schema as a dict, not {type(schema).__name__}"
    )


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    import jsonschema

    try:
        json.dumps(schema)
        jsonschema.Draft202012Validator.check_schema(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"schema is not JSON: {error}"[:200]) from error
    except jsonschema.SchemaError as error:
        raise OptionError(f"schema is not a valid JSON schema: {error.message}"[:200]) from error
    _check_references(schema)
    if not any(
        k in schema for k in ("type", "properties", "anyOf", "oneOf", "allOf", "$ref", "enum")
    ):
        raise OptionError('schema says nothing about the answer: give "type" or "properties"')
    return schema


def _check_references(schema: dict[str, Any]) -> None:
    """Every $ref leads to a place in the schema itself, and none of them in a circle."""
    if _mentions(schema, ("$dynamicRef", "$recursiveRef", "$id")):
        raise OptionError("schema must do without $id, $dynamicRef and $recursiveRef")
    leads = {}
    for ref in set(_references(schema)):
        if not ref.startswith("#"):
            raise OptionError("schema points outside itself: every $ref must begin with #")
        leads[ref] = set(_references(_at(schema, ref)))
    while free := [ref for ref, further in leads.items() if not further & leads.keys()]:
        for ref in free:
            del leads[ref]
    if leads:
        raise OptionError(f"schema is recursive at {min(leads)}: an answer could go on for ever")


def _at(schema: Any, ref: str) -> Any:
    node = schema
    for part in ref.removeprefix("#").split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or part not in node:
            raise OptionError(f"schema has nothing at {ref}")
        node = node[part]
    return node


def _mentions(node: Any, words: tuple[str, ...]) -> bool:
    if isinstance(node, Mapping):
        return any(w in node for w in words) or any(_mentions(n, words) for n in node.values())
    return isinstance(node, list) and any(_mentions(n, words) for n in node)


def _references(node: Any) -> list[str]:
    """Every $ref in it: one that leads elsewhere would be fetched over the network."""
    if isinstance(node, Mapping):
        own = [str(node["$ref"])] if isinstance(node.get("$ref"), str) else []
        return own + [ref for inner in node.values() for ref in _references(inner)]
    if isinstance(node, list):
        return [ref for inner in node for ref in _references(inner)]
    return []


def _made_strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_made_strict(n) for n in node]
    if not isinstance(node, dict):
        return node
    made = {k: _made_strict(v) for k, v in node.items() if k != "default"}
    if isinstance(made.get("properties"), dict) and made.get("type", "object") == "object":
        made |= {"additionalProperties": False, "required": list(made["properties"])}
    return made


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether every object in it requires all its properties and allows no others."""
    nodes: list[Any] = [schema]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes += node
        elif isinstance(node, Mapping):
            nodes += node.values()
            if isinstance(properties := node.get("properties"), Mapping) and (
                node.get("additionalProperties") is not False
                or set(node.get("required", ())) != set(properties)
            ):
                return False
    return True


def parse_answer(text: str, schema: Mapping[str, Any] | None) -> Any:
    """The JSON value in an answer, checked by the schema; fences and prose around it are fine.

    Raises:
        SchemaMismatchError: no JSON in it, or JSON that does not fit; the raw text is kept.
    """
    try:
        value = extract_json(text)
    except ValueError as error:
        raise SchemaMismatchError(
            f"the answer holds no JSON: {redact(' '.join(text.split()))[:80]!r}; see error.raw",
            raw=text,
        ) from error
    if schema is None:
        return value
    import jsonschema

    failed = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema).iter_errors(value)
    )
    if failed is not None:
        path = failed.json_path
        said = clean_text(f"the answer does not fit the schema at {path}: {failed.message}")
        message = redact(" ".join(said.split()))[:170]
        raise SchemaMismatchError(f"{message}; see error.raw", raw=text, path=path) from None
    return value


def as_instance(schema: type, value: Any, raw: str) -> Any:
    """The pydantic model's object for a parsed answer.

    Raises:
        SchemaMismatchError: the model's own validators refuse it; `raw` is kept.
    """
    import pydantic

    assert issubclass(schema, pydantic.BaseModel)
    try:
        return schema.model_validate(value)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(p) for p in first["loc"]) or "$"
        raise SchemaMismatchError(
            " ".join(
                f"the answer does not fit {schema.__name__} at {path}: {first['msg']}".split()
            )[:180],
            raw=raw,
            path=path,
        ) from error
