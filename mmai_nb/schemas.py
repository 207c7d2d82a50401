"""JSON schemas: what a user may give for one, and whether an answer fits it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from .errors import OptionError, SchemaMismatchError
from .markup import clean_text, extract_json
from .redaction import redact
from .values import shown

__all__ = ["as_instance", "as_json", "as_schema", "is_strict", "parse_answer"]

LONGEST_PATTERN = 1_000
"""Characters: what a regular expression of a schema may have."""


def as_json(what: str, value: Any, most: int) -> Any:
    """The value as plain JSON data of its own.

    Args:
        what: the value's name in a message.
        value: dicts, lists, texts, numbers, true, false, null.
        most: how many characters its JSON may have.

    Raises:
        OptionError: it is no JSON, or too long.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except Exception as error:  # a class that only looks like a dict may raise anything
        told = isinstance(error, TypeError | ValueError | RecursionError)
        why = str(error) if told else type(error).__name__
        raise OptionError(f"{what} must hold plain JSON values: {why[:200]}") from error
    if len(text) > most:
        raise OptionError(f"{what} has {len(text):,} characters as JSON, over {most:,}: shorten it")
    return json.loads(text)


def as_schema(schema: Any, most: int = 100_000) -> dict[str, Any]:
    """The JSON schema of a pydantic model, or the dict itself, checked.

    A pydantic model's schema is made strict (every property required, no others allowed), which is
    what endpoints that hold answers to a schema ask for.

    Args:
        schema: the model, or the dict.
        most: how many characters it may have as JSON.

    Raises:
        OptionError: it is neither, or no valid JSON schema.
    """
    import pydantic

    if isinstance(schema, type) and issubclass(schema, pydantic.BaseModel):
        try:
            made = schema.model_json_schema()
        except Exception as error:  # a field's own hooks may raise anything
            why = f"{type(error).__name__}: {error}"
            raise OptionError(f"{schema.__name__[:40]} has no JSON schema: {why}") from error
        return _checked(_made_strict(as_json("schema", made, most)))
    if isinstance(schema, Mapping):
        return _checked(as_json("schema", schema, most))
    seen = shown(schema)
    if isinstance(schema, type):
        seen = f"the class {schema.__name__[:40]}: derive it from pydantic.BaseModel"
    raise OptionError(f"schema must be a pydantic model or a JSON schema as a dict, not {seen}")


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except RecursionError as error:
        raise OptionError("schema is nested too deep: flatten it") from error
    except jsonschema.SchemaError as error:
        raise OptionError(f"schema is not a valid JSON schema: {error.message[:200]}") from error
    _check_references(schema)
    for pattern in _patterns(schema):
        _check_pattern(pattern)
    if not any(
        k in schema for k in ("type", "properties", "anyOf", "oneOf", "allOf", "$ref", "enum")
    ):
        raise OptionError('schema says nothing about the answer: give "type" or "properties"')
    return schema


def _check_references(schema: dict[str, Any]) -> None:
    """Every $ref leads to a place in the schema itself, and none of them in a circle."""
    inside = any(_mentions(part, ("$schema",)) for part in schema.values())
    if inside or _mentions(schema, ("$dynamicRef", "$recursiveRef", "$id")):
        raise OptionError("schema must do without $id, $dynamicRef, $recursiveRef, inner $schema")
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


def _patterns(node: Any) -> Iterator[str]:
    """Every regular expression in it."""
    if isinstance(node, Mapping):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        if isinstance(named := node.get("patternProperties"), Mapping):
            yield from named
            if "unevaluatedProperties" in node:
                raise OptionError("schema: use additionalProperties beside patternProperties")
    inner = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    for value in inner:
        yield from _patterns(value)


def _check_pattern(pattern: str) -> None:
    from pydantic_core import SchemaError

    if len(pattern) > LONGEST_PATTERN:
        raise OptionError(f"schema: a pattern has over {LONGEST_PATTERN:,} characters: shorten it")
    try:
        _regex(pattern)
    except SchemaError as error:
        why = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
        raise OptionError(
            f"schema: the pattern {shown(pattern)} cannot be checked: {why}"
        ) from None


@lru_cache(256)
def _regex(pattern: str) -> Any:
    """The expression, in an engine whose time grows with the text's length only.

    With Python's own, one answer of a model could hold the whole kernel for hours.
    """
    from pydantic_core import SchemaValidator, core_schema

    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _fits(pattern: str, text: str) -> bool:
    return bool(_regex(pattern).isinstance_python(text))


@cache
def _validator() -> Any:
    """The validator of jsonschema, with every regular expression tried by `_regex`."""
    import jsonschema

    known = jsonschema.Draft202012Validator

    def pattern(validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[Any]:
        if validator.is_type(value, "string") and not _fits(wanted, value):
            yield jsonschema.ValidationError(f"{value!r} does not match {wanted!r}")

    def pattern_properties(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        for expression, inner in wanted.items() if validator.is_type(value, "object") else ():
            for name in (name for name in value if _fits(expression, name)):
                yield from validator.descend(value[name], inner, path=name, schema_path=expression)

    def additional(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        expressions = schema.get("patternProperties", ())
        if validator.is_type(value, "object"):
            value = {n: v for n, v in value.items() if not any(_fits(e, n) for e in expressions)}
        rest = {key: inner for key, inner in schema.items() if key != "patternProperties"}
        yield from known.VALIDATORS["additionalProperties"](validator, wanted, value, rest)

    own = {
        "pattern": pattern,
        "patternProperties": pattern_properties,
        "additionalProperties": additional,
    }
    return jsonschema.validators.extend(known, own)


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

    failed = jsonschema.exceptions.best_match(_validator()(schema).iter_errors(value))
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
