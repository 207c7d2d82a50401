"""A value that fits a JSON schema, made up: how the demo endpoint answers a structured request.

This module imports nothing of the package.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

__all__ = ["make_value"]


class _ImpossibleError(ValueError):
    """This part of a schema allows no value that could be made up."""


def make_value(schema: Mapping[str, Any]) -> Any:
    """A value that fits a JSON schema (draft 2020-12), checked; the same each time.

    Raises:
        ValueError: not a valid schema, or one of other documents, or no value could be made up.
    """
    import jsonschema
    from referencing.exceptions import Unresolvable

    if re.search(r'"\$(?:ref|dynamicRef)": "(?!#)', json.dumps(schema)):
        raise ValueError("a $ref must stay in the schema: begin it with #")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        value = _Maker(
            schema, lambda part, made: validator.evolve(schema=part).is_valid(made)
        ).make(schema, "value")
        fits = validator.is_valid(value)
    except jsonschema.SchemaError as error:
        raise ValueError(f"not a valid JSON schema: {error.message}"[:160]) from error
    except (_ImpossibleError, Unresolvable, RecursionError, OverflowError, re.error) as error:
        raise ValueError(f"no value could be made up for this schema: {error}"[:160]) from error
    if not fits:
        raise ValueError("no value could be made up for this schema")
    return value


FORMATS = {
    "date": "2024-01-{n:02d}",
    "date-time": "2024-01-{n:02d}T12:00:00Z",
    "duration": "PT{n}M",
    "email": "demo{n}@example.com",
    "hostname": "demo{n}.example.com",
    "ipv4": "192.0.2.{n}",
    "ipv6": "2001:db8::{n}",
    "json-string": "{n}",
    "time": "12:{n:02d}:00Z",
    "uri": "https://example.com/demo/{n}",
    "uuid": "00000000-0000-4000-8000-{n:012d}",
}
HINTS = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "minProperties",
    ),
    "array": ("items", "prefixItems", "minItems", "contains"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
MOST_PARTS = 10_000
MOST_CHARS = 100_000


class _Maker:
    """Walks one schema and makes the first value that comes to hand at each place.

    Args:
        root: the schema that `$ref` points into.
        fits: whether a value fits a part of it.
    """

    def __init__(self, root: Mapping[str, Any], fits: Callable[[Any, Any], bool]) -> None:
        self.root, self.fits, self.left = root, fits, MOST_PARTS

    def make(
        self, schema: Any, name: str, nth: int = 0, inside: frozenset[str] = frozenset()
    ) -> Any:
        """A value; `nth` sets it off from its neighbours, `inside` names the refs it is in."""
        self.left -= 1
        if self.left < 0:
            raise _ImpossibleError("it is too large")
        flat, inside = self._flat(schema, inside)
        if "const" in flat:
            return flat["const"]
        if "enum" in flat:
            allowed = [v for v in flat["enum"] if self.fits(_without(flat, "enum"), v)]
            return self._first(allowed[nth % max(1, len(allowed)) :], {}, lambda value: value)
        for word in ("anyOf", "oneOf"):
            if word in flat:
                branches = [{"allOf": [_without(flat, word), b]} for b in flat[word]]
                return self._first(
                    branches, flat, lambda branch: self.make(branch, name, nth, inside)
                )
        return self._first(_kinds(flat), flat, lambda k: self._of(k, flat, name, nth, inside))

    def _first(self, choices: Sequence[Any], schema: Any, make: Callable[[Any], Any]) -> Any:
        """The first choice whose value can be made and fits."""
        failed = _ImpossibleError("nothing is allowed")
        for choice in choices:
            try:
                value = make(choice)
            except _ImpossibleError as error:
                failed = error
                continue
            if len(choices) == 1 or self.fits(schema, value):
                return value
        raise failed

    def _flat(self, schema: Any, inside: frozenset[str]) -> tuple[dict[str, Any], frozenset[str]]:
        """The schema with its `$ref` and `allOf` worked in."""
        if isinstance(schema, bool):
            if not schema:
                raise _ImpossibleError("false allows nothing")
            return {}, inside
        parts = [*schema.get("allOf", ())]
        flat = _without(schema, "$ref", "allOf")
        if (ref := schema.get("$ref")) is not None:
            if ref in inside:
                raise _ImpossibleError(f"{ref} is inside itself")
            inside |= {ref}
            parts.append(self._find(ref))
        for part in parts:
            more, inside = self._flat(part, inside)
            flat = _merged(flat, more)
        return flat, inside

    def _find(self, ref: str) -> Any:
        node: Any = self.root
        for step in ref.lstrip("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(key)] if isinstance(node, list) else node[key]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise _ImpossibleError(f"{ref} leads nowhere") from error
        return node

    def _of(self, kind: str, schema: Any, name: str, nth: int, inside: frozenset[str]) -> Any:
        match kind:
            case "object":
                return self._object(schema, inside)
            case "array":
                return self._array(schema, name, inside)
            case "string":
                return _string(schema, name, nth)
            case "integer" | "number":
                return _number(schema, nth, whole=kind == "integer")
            case "boolean":
                return nth % 2 == 0
        return None

    def _object(self, schema: Mapping[str, Any], inside: frozenset[str]) -> dict[str, Any]:
        known: Mapping[str, Any] = schema.get("properties", {})
        required: Sequence[str] = schema.get("required", ())
        others = schema.get("additionalProperties", True)
        room = schema.get("maxProperties", MOST_PARTS) - len(set(required))
        made: dict[str, Any] = {}
        for name in dict.fromkeys([*known, *required]):
            if name not in required and room <= 0:
                continue
            try:
                made[name] = self.make(known.get(name, others), name, 0, inside)
            except _ImpossibleError:
                if name in required:
                    raise
                continue
            room -= name not in required
        patterns = schema.get("patternProperties", {})
        mapping = not known and room > 0 and (patterns or isinstance(others, Mapping))
        wanted, nth = max(schema.get("minProperties", 0), int(bool(mapping))), 0
        while len(made) < wanted:
            pattern, part = next(iter(patterns.items()), (None, others))
            names = schema.get("propertyNames", {} if pattern is None else {"pattern": pattern})
            made[str(self.make(names, "key", nth, inside))] = self.make(part, "value", nth, inside)
            nth += 1
        return made

    def _array(self, schema: Mapping[str, Any], name: str, inside: frozenset[str]) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", MOST_PARTS)
        prefix = schema.get("prefixItems", [])
        wanted = min(most, max(least, len(prefix) or 2))
        rest = schema.get("items", schema.get("contains", True))
        made: list[Any] = []
        nth = 0
        while len(made) < wanted:
            part = prefix[nth] if nth < len(prefix) else rest
            try:
                value = self.make(part, name, nth, inside)
            except _ImpossibleError:
                if len(made) >= least:
                    break
                raise
            nth += 1
            if not schema.get("uniqueItems") or value not in made:
                made.append(value)
            elif nth > wanted and len(made) >= least:
                break
        return made


def _without(schema: Mapping[str, Any], *words: str) -> dict[str, Any]:
    return {word: value for word, value in schema.items() if word not in words}


def _merged(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    """One schema that asks for what both ask for, as far as it can be said without `allOf`."""
    both: dict[str, Any] = {**one, **two}
    for word in one.keys() & two.keys():
        a, b = one[word], two[word]
        if word == "properties":
            shared = {name: {"allOf": [a[name], b[name]]} for name in a.keys() & b.keys()}
            both[word] = {**a, **b, **shared}
        elif word == "required":
            both[word] = [*dict.fromkeys([*a, *b])]
        elif word == "type":
            both[word] = [kind for kind in _types(a) if kind in _types(b)]
        elif word == "enum":
            both[word] = [x for x in a if x in b]
        elif word in ("anyOf", "oneOf"):
            both[word] = [{"allOf": [x, y]} for x in a for y in b]
        elif word.startswith(("min", "exclusiveMin")):
            both[word] = max(a, b)
        elif word.startswith(("max", "exclusiveMax")):
            both[word] = min(a, b)
    return both


def _types(given: str | Sequence[str]) -> list[str]:
    """The types as a list; whoever allows a number allows an integer."""
    types = [given] if isinstance(given, str) else list(given)
    return [*types, "integer"] if "number" in types and "integer" not in types else types


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    """The types the schema allows, null last."""
    given = schema.get("type")
    if given is None:
        given = next((k for k, words in HINTS.items() if any(w in schema for w in words)), "string")
    kinds = [given] if isinstance(given, str) else list(given)
    return sorted(kinds, key=lambda kind: kind == "null")


def _string(schema: Mapping[str, Any], name: str, nth: int) -> str:
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", MOST_CHARS))
    if least > MOST_CHARS:
        raise _ImpossibleError("a text is too long")
    if (pattern := schema.get("pattern")) is not None:
        for more in range(nth, nth + 70):
            text = _Pattern(pattern, more).make()
            if least <= len(text) <= most and re.search(pattern, text):
                return text
        raise _ImpossibleError(f"no text for the pattern {pattern}")
    if (shape := FORMATS.get(schema.get("format", ""))) is not None:
        return shape.format(n=nth % 28 + 1)
    text = f"demo {name}" + (f" {nth + 1}" if nth else "")
    return (text if len(text) <= most else f"{nth + 1}demo"[:most]).ljust(least, ".")


def _number(schema: Mapping[str, Any], nth: int, *, whole: bool) -> int | float:
    def bound(plain: str, exclusive: str, tightest: Callable[..., Fraction]) -> Fraction | None:
        given = [Fraction(str(schema[word])) for word in (plain, exclusive) if word in schema]
        return tightest(given) if given else None

    low = bound("minimum", "exclusiveMinimum", max)
    high = bound("maximum", "exclusiveMaximum", min)
    step = Fraction(str(schema["multipleOf"])) if "multipleOf" in schema else None
    if whole:
        step = Fraction(step.numerator if step else 1)
    if step is None:
        if high is None:
            return float((low or 0) + 1 + nth)
        if low is None:
            return float(high - 1 - nth)
        return float(low + (high - low) * Fraction(nth + 1, nth + 2))
    first = last = None
    if low is not None:
        first = math.ceil(low / step)
        first += first * step == schema.get("exclusiveMinimum")
    if high is not None:
        last = math.floor(high / step)
        last -= last * step == schema.get("exclusiveMaximum")
    factors = [_factor(first, last, n) for n in range(nth, nth + (1 if whole else 100))]
    if whole:
        return int(factors[0] * step)
    # Validators divide floats: of 0.6, 0.7 and 0.8 only the last is a multiple of 0.1 to them.
    exact = (float(n * step) for n in factors if float(n * step) / float(step) == n)
    return next(exact, float(factors[0] * step))


def _factor(first: int | None, last: int | None, nth: int) -> int:
    """The nth whole number from `first` to `last`, from the start again after the last one."""
    if first is not None and last is not None:
        if last < first:
            raise _ImpossibleError("a range is empty")
        return first + nth % (last - first + 1)
    return (1 if first is None else first) + nth if last is None else last - nth


class _Pattern:
    """A text for a simple regular expression; `more` counts up to other letters and repetitions."""

    ATOM = re.compile(
        r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|\((?:\?[:=!]|\?<[=!]|\?P<\w+>)?|.", re.DOTALL
    )
    REPEAT = re.compile(r"(?:([*+?])|\{(\d+)(,?)(\d*)\})\??")
    LETTERS = "aA0_ -.@/:" + "".join(map(chr, range(33, 127)))

    def __init__(self, pattern: str, more: int) -> None:
        self.pattern, self.more, self.at = pattern, more, 0

    def make(self) -> str:
        """The text of the first alternative from here to the closing bracket or the end."""
        branches = [""]
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            atom = self.ATOM.match(self.pattern, self.at)
            if atom is None:
                raise _ImpossibleError(f"no text for the pattern {self.pattern}")
            self.at = atom.end()
            if atom[0] == "|":
                branches.append("")
            else:
                branches[-1] += self._repeated(self._text(atom[0]))
        return branches[0]

    def _text(self, atom: str) -> str:
        if atom.startswith("("):
            text = self.make()
            self.at += 1
            return "" if atom.endswith(("=", "!")) else text
        if atom in ("^", "$", r"\b", r"\A", r"\Z"):
            return ""
        found = [c for c in self.LETTERS if re.fullmatch(atom, c)]
        if not found and len(atom) > 1:
            raise _ImpossibleError(f"no character for {atom}")
        return found[self.more % len(found)] if found else atom

    def _repeated(self, text: str) -> str:
        repeat = self.REPEAT.match(self.pattern, self.at)
        if repeat is None:
            return text
        self.at = repeat.end()
        sign, low, comma, high = repeat.groups()
        if sign:
            low, high = {"*": ("0", ""), "+": ("1", ""), "?": ("0", "1")}[sign]
        elif not comma:
            high = low
        count = min(int(low) + self.more, int(high)) if high else int(low) + self.more
        if count * len(text) > MOST_CHARS:
            raise _ImpossibleError("a text is too long")
        return text * count
