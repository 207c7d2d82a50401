"""Settings in the making: plain data, one source laid over the other, each key with its origin.

This module imports nothing of the package and validates nothing; what cannot even be laid over is a
plain ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

__all__ = [
    "Draft",
    "KeyPath",
    "NoSuchEntryError",
    "by_name",
    "leaves",
    "origin_of",
    "plain",
]

KeyPath = tuple[str | int, ...]
DEEPEST = 20
"""How deep tables and lists may stand in each other; no setting needs more than 4."""

Fields = Callable[[KeyPath], Sequence[str]]


class NoSuchEntryError(Exception):
    """None was given for something that is not there; `path` is its path."""

    def __init__(self, path: KeyPath) -> None:
        super().__init__(path)
        self.path = path


class Draft:
    """What has been given so far.

    Args:
        given: plain data to start from.
        origin: for each key in it, where it came from.
        fields: the field names of the table at a path; none where its keys are free.
        default_tiers: the tiers of given settings that name none.

    Attributes:
        latest: the source that was added last.
    """

    def __init__(
        self,
        given: Mapping[str, Any],
        origin: Mapping[KeyPath, str],
        *,
        fields: Fields,
        default_tiers: Callable[[Mapping[str, Any]], list[dict[str, Any]]],
    ) -> None:
        self.given: dict[str, Any] = dict(given)
        self.origin: dict[KeyPath, str] = dict(origin)
        self.latest = "settings"
        self._fields, self._default_tiers = fields, default_tiers

    def add(self, label: str, changes: Mapping[str, Any]) -> None:
        """Lay one source over what there is. Tables merge, None takes an entry out, else replaces.

        Tiers given as a table merge by name into those that are in force.

        Raises:
            NoSuchEntryError: None is given for something that is not there.
            ValueError: a tier is no table.
        """
        self.latest = label
        tables: dict[str, Any] = plain(changes)
        fresh = dict(leaves(tables))
        for path, value in fresh.items():
            if value is None and path[-1] not in self.known(path[:-1]):
                raise NoSuchEntryError(path)
        kept = {p: source for p, source in self.origin.items() if not _is_within(p, fresh)}
        given = (path for path, value in fresh.items() if value is not None)
        self.origin = {**kept, **dict.fromkeys(given, label)}
        if isinstance(tables.get("tiers"), dict):
            tables["tiers"] = self._tiers_with(tables["tiers"])
        self.given = _merged(self.given, tables)

    def nested(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Changes with dotted keys as tables in tables: {"cache.max_age": 7} as {"cache": {…}}.

        Raises:
            ValueError: a name is no text, or stands against another.
        """
        result: dict[str, Any] = {}
        for key, value in plain(changes).items():
            *tables, last = self._path_of(key)
            place = result
            for table in tables:
                place = place.setdefault(table, {})
                if not isinstance(place, dict):
                    raise ValueError(f"{key} and {table} cannot both be given")
            both = isinstance(value, dict) and isinstance(place.get(last), dict)
            place[last] = {**place[last], **value} if both else value
        return result

    def _path_of(self, key: str) -> tuple[str, ...]:
        """The path of a dotted key; the name of a model or an alias may hold dots itself."""
        table, _, rest = key.partition(".")
        name, _, field = rest.rpartition(".")
        entries = self.known((table,)) if table in ("models", "tiers") else [rest]
        is_field = name in entries or field in self._fields((table, name))
        if name and rest not in entries and is_field:
            return table, name, field
        return (table, rest) if rest else (key,)

    def known(self, path: KeyPath) -> Sequence[str]:
        """The keys there are, or may be, in the table at a path."""
        if path in (("models",), ("aliases",)):
            table = self.given.get(str(path[0]))
            return list(table) if isinstance(table, dict) else []
        if path == ("tiers",):
            return [str(row.get("name")) for row in self._tier_rows()]
        return self._fields(path)

    def _tier_rows(self) -> list[dict[str, Any]]:
        rows = self.given.get("tiers") or self._default_tiers(self.given)
        return [dict(r) for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []

    def _tiers_with(self, changes: dict[str, Any]) -> list[dict[str, Any]]:
        """The tiers with some changed by name; a new one stands where its up_to belongs."""
        rows = self._tier_rows()
        for name, change in changes.items():
            at = next((i for i, row in enumerate(rows) if row.get("name") == name), None)
            if change is None:
                rows = [row for row in rows if row.get("name") != name]
            elif not isinstance(change, dict):
                raise ValueError(f"tiers.{name} must be a table")
            elif at is not None:
                rows[at] = _merged(rows[at], change)
            else:
                bound = _number(change.get("up_to"))
                above = (i for i, row in enumerate(rows) if _number(row.get("up_to")) > bound)
                rows.insert(next(above, len(rows)), {"name": name, **change})
        return rows


def _is_within(path: KeyPath, tables: Container[KeyPath]) -> bool:
    """Whether a path, or one of the tables around it, is among those given."""
    return any(path[:end] in tables for end in range(1, len(path) + 1))


def by_name(path: KeyPath, given: Mapping[str, Any]) -> KeyPath:
    """The path with a tier's name in place of its number."""
    if len(path) > 1 and path[0] == "tiers" and isinstance(path[1], int):
        rows = given["tiers"]
        row = rows[path[1]] if isinstance(rows, list) else None
        if isinstance(row, dict) and isinstance(row.get("name"), str):
            return ("tiers", row["name"], *path[2:])
    return path


def origin_of(path: KeyPath, origin: Mapping[KeyPath, str]) -> str:
    """Where a key, or the table around it, came from; "default" for what nobody gave."""
    around = (path[:end] for end in range(len(path), 0, -1))
    return next((origin[p] for p in around if p in origin), "default")


def plain(value: Any, depth: int = 0) -> Any:
    """The same value in fresh dicts and lists.

    Raises:
        ValueError: it is nested too deep for a setting, or cannot be read.
    """
    if depth > DEEPEST:
        raise ValueError("a setting is nested too deep, or holds itself")
    if isinstance(value, BaseModel):
        return plain(value.model_dump(exclude_unset=True), depth)
    try:
        if isinstance(value, Mapping):
            return {_name(key): plain(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner, depth + 1) for inner in value]
    except ValueError:
        raise
    except Exception as error:  # a class that only looks like a dict or list may raise anything
        raise ValueError(f"a setting cannot be read: {type(error).__name__}") from error
    return value


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the names of settings are text, not of type {type(key).__name__[:40]}")
    return str.__str__(key)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = _merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def leaves(data: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Each value that is no table, with its path."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0.0
