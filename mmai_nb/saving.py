"""What was changed in the running process, written into the user's or the project's file.

The file keeps its comments and its order (tomlkit); it is read back and checked before it replaces
the old one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from .drafts import plain
from .errors import ConfigError
from .files.private import private_folder, write_private
from .settings import CONFIGURE, PROJECT_MAY_SET, Settings, load_settings
from .sources import PROJECT_FILE, default_user_file, project_source, short_path
from .values import one_line

__all__ = ["Where", "not_for", "save_settings", "unsaved"]

Where = Literal["user", "project"]


def unsaved(settings: Settings) -> dict[str, Any]:
    """What `configure()` and `%ai config` have changed, as the tables of a TOML file.

    Tiers are written as a whole. What was taken out leaves no trace: it is taken out of the file by
    hand.
    """
    found: dict[str, Any] = {}
    for path, label in settings.origin.items():
        if label != CONFIGURE:
            continue
        if path[0] == "tiers":
            found["tiers"] = plain(settings.tiers)
            continue
        value = _at(settings.given, path)
        if value is not None:
            _put(found, [str(part) for part in path], value)
    return found


def not_for(settings: Settings, where: Where) -> tuple[str, ...]:
    """What is unsaved and cannot be saved there: settings that a project's file may not have."""
    if where == "user":
        return ()
    return tuple(key for key in unsaved(settings) if key not in PROJECT_MAY_SET)


def save_settings(settings: Settings, where: Where = "user", *, cwd: Path | None = None) -> Path:
    """Write what is unsaved into the user's file or the project's; gives the file.

    A project's file gets what it may have: `not_for` tells the rest, which stays unsaved.

    Raises:
        ConfigError: there is nothing to save, a project may set none of it, the file cannot be
            written, or it would not be valid; it is as it was then.
    """
    changes = unsaved(settings)
    if not changes:
        raise ConfigError("nothing to save: no setting was changed with configure() or %ai config")
    path, root = _target(where, cwd)
    refused = not_for(settings, where)
    changes = {key: value for key, value in changes.items() if key not in refused}
    if not changes:
        raise ConfigError(
            f"a project's file may not set {', '.join(refused)[:80]}: save to your own file instead"
        )
    text = _merged(path, root, changes)
    _check(text, path, where)
    try:
        if where == "user":
            private_folder(path.parent)
            write_private(path, text)
        else:
            _replace(path, text)
    except OSError as error:
        raise ConfigError(
            one_line(f"{short_path(path)} cannot be written ({error.strerror or error})")
        ) from error
    return path


def _target(where: Where, cwd: Path | None) -> tuple[Path, tuple[str, ...]]:
    """The file, and the table in it that holds our settings."""
    if where == "user":
        named = os.environ.get("MMAI_CONFIG", "").strip()
        return (Path(named).expanduser() if named else default_user_file()), ()
    try:
        source = project_source(cwd)
    except ValueError as error:
        raise ConfigError(one_line(str(error))) from error
    if source is None:
        return (cwd or Path.cwd()) / PROJECT_FILE, ()
    return source.path, tuple(str(part) for part in source.root)


def _merged(path: Path, root: tuple[str, ...], changes: Mapping[str, Any]) -> str:
    """The file's text with the changes in it."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        old = path.read_text("utf-8") if path.exists() else ""
        document = tomlkit.parse(old)
        place: Any = document
        for name in root:
            place = place.setdefault(name, tomlkit.table())
        _lay(place, changes)
        return tomlkit.dumps(document)
    except (OSError, UnicodeDecodeError, TOMLKitError, TypeError, AttributeError) as error:
        raise ConfigError(
            one_line(f"{short_path(path)} cannot be changed ({error}): mend it by hand first")
        ) from error


def _lay(place: Any, changes: Mapping[str, Any]) -> None:
    import tomlkit

    for key, value in changes.items():
        if key == "tiers":
            tiers = tomlkit.aot()
            for tier in value:
                tiers.append(tomlkit.item(tier))
            place[key] = tiers
        elif isinstance(value, Mapping):
            if key not in place:
                place[key] = tomlkit.table()
            _lay(place[key], value)
        else:
            place[key] = value if isinstance(value, bool | int | float | list) else str(value)


def _check(text: str, path: Path, where: Where) -> None:
    """Read the new text as it will be read at the next start."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / (path.name if where == "project" else "config.toml")
        copy.write_text(text, "utf-8")
        try:
            load_settings(cwd=Path(folder), user_file=copy if where == "user" else None)
        except ConfigError as error:
            raise ConfigError(one_line(f"not saved, it would not be valid: {error}")) from error


def _replace(path: Path, text: str) -> None:
    """Put the new text in place of the old one at once; the file keeps its mode."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, "utf-8")
    if path.exists():
        fresh.chmod(path.stat().st_mode & 0o777)
    os.replace(fresh, path)


def _at(given: Mapping[str, Any], path: tuple[Any, ...]) -> Any:
    value: Any = given
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _put(tables: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        tables = tables.setdefault(part, {})
    tables[path[-1]] = value
