"""How settings are found at the start, changed later, and explained.

Sources, later wins: presets for the providers whose key is at hand, the user's file, the project's
file, MMAI_* variables, IPython's configuration, `change_settings`. What valid settings are stands
in specs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .dial import checked_prefer, share_of, turn_said
from .drafts import Draft, KeyPath, NoSuchEntryError, by_name, leaves, origin_of, plain
from .errors import ConfigError
from .keys import KeySources, present_keys
from .providers import TIER_BOUNDS, preset_settings
from .redaction import find_secret, redact
from .sources import (
    RESERVED,
    Source,
    env_settings,
    project_source,
    remembered_changes,
    user_source,
)
from .specs import (
    BudgetSettings,
    CacheSettings,
    ModelSpec,
    Settings,
    Tier,
    fault_path,
    fields_at,
    kind_at,
)
from .values import (
    checked_dotenv,
    checked_usd,
    dotted,
    from_text,
    nearest,
    one_line,
    unknown_key,
)

__all__ = [
    "BudgetSettings",
    "CacheSettings",
    "ModelSpec",
    "Settings",
    "Tier",
    "change_settings",
    "explain_settings",
    "has_own_models",
    "is_found",
    "is_offline",
    "lay_found",
    "load_settings",
    "named_only",
]

CONFIGURE = "configure()"
"""The origin of what was changed in the running process."""

FOUND = "found on this machine"
"""The origin of models of local servers."""

PROJECT_MAY_SET = (
    "default_model",
    "tiers",
    "prefer",
    "aliases",
    "format",
    "stream",
    "max_prompt_chars",
    "budget",
)
"""What a project's file may set: it comes with a repository, so it is not trusted with more.

It chooses among the user's models; what they are told (`system`) and how they answer is not its own
to say. Limits, and the cost dial where the user has set it, it may lower and not raise."""


def load_settings(
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user_file: Path | None = None,
    sources: KeySources | None = None,
) -> Settings:
    """The settings in force at the start, from all sources in their order.

    Args:
        cwd: where the search for a project file begins; default: the working folder.
        env: default: the process's environment.
        user_file: the user's own file, which may be absent; default: MMAI_CONFIG, else the
            platform's place.
        sources: where keys are looked for beside memory, environment and Colab; default: what the
            user's file and variables say.

    Raises:
        ConfigError: names the file and line or the variable, the key and the nearest right one.
    """
    env = os.environ if env is None else env
    try:
        user, project = user_source(user_file, env), project_source(cwd)
    except ValueError as error:
        raise _wrong(str(error)) from error
    layers = _Layers()
    sources = _key_sources(user, env) if sources is None else sources
    layers.lay("presets", preset_settings(present_keys(env, sources)))
    if user is not None:
        layers.lay_file(user)
    if project is not None and (user is None or user.path != project.path):
        _check_trust(project, layers.draft.given)
        layers.lay_file(project)
    for variable, path, text in env_settings(env):
        layers.lay(variable, _from_variable(variable, path, text.strip()))
    for label, changes in remembered_changes().items():
        layers.lay(label, layers.nested(label, changes))
    return layers.settings()


def lay_found(settings: Settings, found: Mapping[str, Any]) -> Settings:
    """The settings with what was found on this machine, save for what somebody said otherwise."""

    def is_open(name: str, key: str) -> bool:
        return origin_of(("models", name, key), settings.origin) in (FOUND, "default")

    rows = found["models"].items()
    models = {name: {k: v for k, v in row.items() if is_open(name, k)} for name, row in rows}
    layers = _Layers(settings)
    layers.lay(FOUND, {**found, "models": models})
    return layers.settings()


def is_found(settings: Settings, name: str) -> bool:
    """Whether a model is there because it was found on this machine."""
    return origin_of(("models", name, "base_url"), settings.origin) == FOUND


def has_own_models(settings: Settings) -> bool:
    """Whether any model is there by somebody's word or key, not merely found on this machine."""
    return any(not is_found(settings, name) for name in settings.models)


def named_only(settings: Settings) -> list[str]:
    """The models that nobody gave: named in a tier, they joined as presets or local models do."""
    given = settings.given.get("models", {})
    return [name for name in settings.models if name not in given or is_found(settings, name)]


def _key_sources(user: Source | None, env: Mapping[str, str]) -> KeySources:
    """What the user's own file and variables ask for; what is wrong there is told where it lies."""
    given = dict(user.data) if user is not None else {}
    for _, path, text in env_settings(env):
        if path in (("dotenv",), ("keyring",)):
            given[path[0]] = from_text(text.strip(), kind_at(path))
    try:
        dotenv = checked_dotenv(given.get("dotenv", False))
    except ValueError:
        dotenv = False
    return KeySources(dotenv, given.get("keyring") is True)


def change_settings(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """New settings with the changes laid over the old ones; the old ones stay as they were.

    Models, aliases, cache and budget merge by key; a list of tiers replaces them all, a mapping of
    names to tiers merges by name; None takes an entry out, or a setting back to its default;
    "cache.max_age" is the same as {"cache": {"max_age": …}}.

    Raises:
        ConfigError: names the key, the value and the nearest right key; nothing has changed.
    """
    if not isinstance(changes, Mapping):
        raise ConfigError(f"changes must be a mapping, not a {type(changes).__name__}")
    layers = _Layers(settings)
    layers.lay(CONFIGURE, layers.nested(CONFIGURE, changes))
    return layers.settings()


def is_offline(settings: Settings) -> bool:
    """Whether nothing may be sent to any endpoint but the built-in demo.

    MMAI_OFFLINE is looked at each time, since a switch like this must work when it is thrown; only
    configure() stands above it.
    """
    if origin_of(("offline",), settings.origin) == CONFIGURE:
        return settings.offline
    said = os.environ.get("MMAI_OFFLINE", "").strip().lower()
    return settings.offline or said not in ("", "0", "false", "no", "off")


def explain_settings(settings: Settings) -> dict[str, tuple[Any, str]]:
    """Each setting by its dotted key: its value, and where it came from.

    The source is "default", "presets", "found on this machine", a file's name, a variable's name or
    "configure()".
    """
    return {
        ".".join(str(part) for part in path): (value, origin_of(path, settings.origin))
        for path, value in _values(settings)
    }


def _values(settings: Settings) -> Iterator[tuple[KeyPath, Any]]:
    for key in fields_at(()):
        value = getattr(settings, key)
        if key in ("cache", "budget"):
            yield from (((key, field), getattr(value, field)) for field in fields_at((key,)))
        elif key == "aliases":
            yield from (((key, alias), target) for alias, target in value.items())
        elif key in ("models", "tiers"):
            for row in value.values() if key == "models" else value:
                fields = [field for field in fields_at((key, row.name)) if field != "name"]
                yield from (((key, row.name, field), getattr(row, field)) for field in fields)
        else:
            yield (key,), value


class _Layers:
    """The sources laid over each other, each checked for what must be seen before they mix."""

    def __init__(self, start: Settings | None = None) -> None:
        given, origin = (start.given, start.origin) if start is not None else ({}, {})
        self.draft = Draft(given, origin, fields=fields_at, default_tiers=_default_rows)
        self.files: dict[str, Source] = {}

    def nested(self, label: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Changes with dotted keys as tables in tables."""
        try:
            return self.draft.nested(changes)
        except ValueError as error:
            raise _wrong(_at(label, str(error))) from error

    def lay_file(self, source: Source) -> None:
        self.files[source.name] = source
        self.lay(source.name, source.data)

    def lay(self, label: str, changes: Mapping[str, Any]) -> None:
        try:
            for path, value in leaves(plain(changes)):
                self._check(label, path, value)
            self.draft.add(label, changes)
        except ConfigError:
            raise
        except NoSuchEntryError as error:
            known = self.draft.known(error.path[:-1])
            raise _wrong(_at(label, unknown_key(error.path, known))) from None
        except ValueError as error:
            raise _wrong(_at(label, str(error))) from None

    def _check(self, label: str, path: KeyPath, value: Any) -> None:
        if any(find_secret(text, {}) for text in (*map(str, path), *_texts(value))):
            words = (
                f"{dotted(path)} holds a key: put it into an environment variable and name that "
                "in api_key_env"
            )
            raise _wrong(_at(self._place(label, path), words))
        if label != CONFIGURE and path[0] == "models" and path[-1] == "simulated":
            place = self._place(label, path)
            raise _wrong(f"{place}: {dotted(path)} is for the built-in demo only: take it out")

    def _place(self, label: str, path: KeyPath) -> str:
        return self.files[label].place(path) if label in self.files else label

    def settings(self) -> Settings:
        """The settings that come out, validated; an error says where its key came from."""
        given, origin = self.draft.given, self.draft.origin
        try:
            return Settings.from_plain(given, origin)
        except ConfigError as error:
            path = fault_path(error)
            named = by_name(path, given)
            label = origin_of(named, origin)
            label = self.draft.latest if label == "default" else label
            data = self.files[label].data if label in self.files else {}
            listed = isinstance(data.get("tiers"), list)
            place = self._place(label, path if listed else named)
            raise _wrong(_at(place, str(error))) from error.__cause__


def _at(place: str, text: str) -> str:
    """The text after its place; what was just typed or clicked needs none."""
    return text if place == CONFIGURE else f"{place}: {text}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for inner in pair for text in _texts(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _texts(inner))


def _default_rows(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    models = given.get("models")
    chain = list(models) if isinstance(models, dict) else []
    return [{"name": name, "up_to": bound, "chain": chain} for name, bound in TIER_BOUNDS.items()]


def _check_trust(project: Source, given: Mapping[str, Any]) -> None:
    """A project's file comes with a repository: it may choose among models, not bring them."""
    for key, value in project.data.items():
        if key in fields_at(()) and key not in PROJECT_MAY_SET:
            raise _wrong(
                f"{project.place((key,))}: {key} may not be set by a project, only "
                f"{', '.join(PROJECT_MAY_SET)}; put it into your config.toml"
            )
        if key == "max_prompt_chars":
            most = given.get(key, Settings.model_fields[key].default)
            if all(isinstance(n, int | float) for n in (value, most)) and value > most:
                place = project.place((key,))
                raise _wrong(f"{place}: a project may lower {key} below {most}, not raise it")
    _check_lower(project, given.get("budget"))
    _check_dial(project, given.get("prefer"))


def _check_dial(project: Source, yours: Any) -> None:
    """A project may turn the cost dial where you have not, and down where you have."""
    given = project.data.get("prefer")
    try:
        theirs, most = checked_prefer(given), checked_prefer(yours)
    except ValueError:
        return  # what is wrong is told with all else that is
    if given is None or most is None:
        return
    if theirs is None or share_of(theirs) > share_of(most):
        place = project.place(("prefer",))
        wish = "set it back" if theirs is None else f"up to {turn_said(theirs)}"
        raise _wrong(f"{place}: a project may turn prefer below {turn_said(most)}, not {wish}")


def _check_lower(project: Source, yours: Any) -> None:
    """A project may set a budget where you have none, and lower yours."""
    theirs = project.data.get("budget")
    for scope, amount in theirs.items() if isinstance(theirs, dict) else ():
        most = yours.get(scope) if isinstance(yours, dict) else None
        if most is not None and _is_more(amount, most):
            place = project.place(("budget", scope))
            raise _wrong(f"{place}: a project may lower budget.{scope} below {most}, not raise it")


def _is_more(amount: Any, most: Any) -> bool:
    """Whether it is; what is no amount at all is told with all else that is wrong."""
    with suppress(ValueError):
        return checked_usd(amount) > checked_usd(most)
    return False


def _from_variable(variable: str, path: tuple[str, ...], text: str) -> dict[str, Any]:
    """What one MMAI_* variable sets, as tables."""
    kind = kind_at(path)
    if kind is None:
        tables = ((), ("cache",), ("budget",), path[:-1])
        known = ("__".join((*table, field)) for table in tables for field in fields_at(table))
        names = [*(f"MMAI_{name.upper()}" for name in known), *RESERVED]
        near = "; keys stand in the provider's own variable, such as OPENAI_API_KEY"
        if not variable.endswith("_KEY"):
            near = nearest(variable, names)
        raise _wrong(f"{variable}: there is no such setting{near}")
    value: Any = from_text(text, kind)
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _wrong(text: str) -> ConfigError:
    return ConfigError(one_line(redact(text)))
