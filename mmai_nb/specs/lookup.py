"""The one model that a name means: its own name, an alias, "provider/id", or its id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache

from ..providers import local_model, preset_models
from ..values import nearest, shown
from .tables import ModelSpec

__all__ = ["find_model", "names_for"]

MOST_ALIASES = 20
"""How many aliases may stand between a name and its model."""


@cache
def _preset_specs() -> dict[str, ModelSpec]:
    return {name: ModelSpec(name=name, **row) for name, row in preset_models().items()}


def find_model(
    name: str,
    models: Mapping[str, ModelSpec],
    aliases: Mapping[str, str],
    others: Iterable[str] = (),
) -> ModelSpec:
    """The one model meant by a name; else a ValueError that says why not.

    `others` are no models, but may have been meant, too.
    """
    wanted = _aliased(name, aliases)
    found = _matches(wanted, models) or _matches(wanted, _preset_specs()) or _local_specs(wanted)
    if len(found) > 1:
        several = " or ".join(shown(spec.name) for spec in found[:3])
        raise ValueError(f"{shown(wanted)} may be {several}: say which")
    if not found:
        ids = (spec.model for spec in models.values())
        known = dict.fromkeys((*models, *aliases, *ids)) or _preset_specs()
        raise ValueError(f"no model {shown(wanted)}{nearest(wanted, (*known, *others), n=3)}")
    return found[0]


def _aliased(name: str, aliases: Mapping[str, str]) -> str:
    """The name at the end of a path of aliases."""
    path = [name]
    while path[-1] in aliases:
        path.append(aliases[path[-1]])
        if path[-1] in path[:-1]:
            raise ValueError(f"aliases go in a circle: {' -> '.join(path)}")
        if len(path) > MOST_ALIASES:
            raise ValueError(f"{shown(name)} leads through more than {MOST_ALIASES} aliases")
    return path[-1]


def names_for(typed: str, models: Mapping[str, ModelSpec], aliases: Iterable[str]) -> list[str]:
    """What begins like what is typed: aliases, then one name for each model; else presets."""
    found = _names_like(typed, models)
    if typed and not found:
        found = _names_like(typed, _preset_specs())
    return [*(alias for alias in aliases if _begins(alias, typed)), *found]


def _names_like(typed: str, models: Mapping[str, ModelSpec]) -> list[str]:
    """The first name of each model that begins like what is typed."""
    ids = Counter(spec.model for spec in models.values())
    found = []
    for spec in models.values():
        names = [spec.name, *([spec.model] if ids[spec.model] == 1 else [])]
        names += [f"{spec.provider}{mark}{spec.model}" for mark in "/:" if mark in typed]
        found += [name for name in names if _begins(name, typed)][:1]
    return found


def _begins(name: str, typed: str) -> bool:
    return name.casefold().startswith(typed.casefold())


def _local_specs(name: str) -> list[ModelSpec]:
    """The model of a local server that has its name from it: there, as far as anybody knows."""
    row = local_model(name)
    return [] if row is None else [ModelSpec(**row)]


def _matches(name: str, models: Mapping[str, ModelSpec]) -> list[ModelSpec]:
    if name in models:
        return [models[name]]
    with_provider = [
        spec
        for spec in models.values()
        if name in (f"{spec.provider}/{spec.model}", f"{spec.provider}:{spec.model}")
    ]
    return with_provider or [spec for spec in models.values() if spec.model == name]
