"""The store that keeps what joblib.Memory remembers, in private JSON files. No pickle is used."""

from __future__ import annotations

import math
import os
import re
import shutil
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import joblib

from .files.private import private_folder, read_json, write_json, write_private
from .files.tidying import Item, items, trim

__all__ = ["JsonStore"]


class JsonStore(joblib.StoreBackendBase):  # type: ignore[misc]  # joblib has no types
    """One JSON file per answer: <folder>/joblib/<function>/<2 digits>/<30 digits>.json.

    Usable by any `joblib.Memory(folder, backend="mmai-json")` for functions that return dicts. What
    is torn or foreign is a miss, said once, and healed by the next write; a write that fails is one
    warning. An answer that says when it was `created` (epoch s) is of that age.
    """

    def configure(
        self, location: str, verbose: int = 0, backend_options: Mapping[str, Any] | None = None
    ) -> None:
        """Called by joblib with the place; the option "warning" is the category of warnings.

        Raises:
            OSError: the folder cannot be made.
        """
        path = os.path.abspath(location)
        # joblib adds this name to a place given as str and not to a Path: one folder, one cache
        self.location = path if path.endswith(f"{os.sep}joblib") else os.path.join(path, "joblib")
        self._found = threading.local()  # what contains_item has read: a hit opens its file once
        self._code: dict[str, str] = {}
        self.ailing = self._damage_told = False
        self._warning: type[Warning] = (backend_options or {}).get("warning", UserWarning)
        private_folder(self.location)
        self._mark()

    def _mark(self) -> None:
        """Neither version control nor a backup shall take the answers along by accident."""
        marks = {".gitignore": "*\n", "CACHEDIR.TAG": _CACHEDIR_TAG}
        with suppress(OSError):
            for name, text in marks.items():
                if not os.path.exists(path := os.path.join(self.location, name)):
                    write_private(path, text)

    def _folder(self, function: str) -> str:
        return os.path.join(self.location, function)

    def _path(self, call_id: Sequence[str]) -> str:
        function, arguments = call_id
        return os.path.join(self._folder(function), arguments[:2], f"{arguments[2:]}.json")

    # a hit

    def contains_item(self, call_id: Sequence[str]) -> bool:
        """Whether there is a whole answer."""
        self._found.item = None
        path = self._path(call_id)
        try:
            meta, value = _parts(read_json(path))
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            self._tell_damage(path, error)
            return False
        self._found.item = (tuple(call_id), meta, value)
        return True

    def _tell_damage(self, path: str, error: Exception) -> None:
        """One warning, since what hurt one entry may have hurt many."""
        if not self._damage_told:
            self._damage_told = True
            reason = error.strerror if isinstance(error, OSError) else "torn or foreign"
            warnings.warn(
                f"cache entry damaged ({reason}): it and others like it are paid for anew; {path}",
                self._warning,
                stacklevel=2,
            )

    def _entry(self, call_id: Sequence[str]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        found = getattr(self._found, "item", None)
        if found is None or found[0] != tuple(call_id):
            if not self.contains_item(call_id):
                raise KeyError(tuple(call_id))
            found = self._found.item
        return found  # type: ignore[no-any-return]  # a thread's own attribute has no type

    def get_metadata(self, call_id: Sequence[str]) -> dict[str, Any]:
        """When the answer was written: {"time": seconds since the epoch}."""
        try:
            return self._entry(call_id)[1]
        except KeyError:
            return {}

    def load_item(self, call_id: Sequence[str], **_: Any) -> dict[str, Any]:
        """The answer.

        Raises:
            KeyError: there is none.
        """
        value = self._entry(call_id)[2]
        self._found.item = None
        return value

    # a miss

    def dump_item(self, call_id: Sequence[str], item: dict[str, Any], verbose: int = 0) -> None:
        """Write the answer; if that fails, warn once and go on."""
        try:
            if not isinstance(item, dict):
                raise TypeError(f"{type(item).__name__} is no dict")
            path = self._path(call_id)
            private_folder(os.path.dirname(path))
            now = time.time()
            made = _made(item, now)
            write_json(path, {"meta": {"time": made}, "value": item})
            if made != now:
                with suppress(OSError):
                    os.utime(path, (now, made))
        except (OSError, TypeError, ValueError, RecursionError) as error:
            if not self.ailing:
                self.ailing = True
                warnings.warn(
                    f"the answer is fine but was not kept in {self.location}: {error}",
                    self._warning,
                    stacklevel=2,
                )
        else:
            self.ailing = False

    def store_metadata(self, call_id: Sequence[str], metadata: Mapping[str, Any]) -> None:
        """Nothing: joblib would write the arguments in clear."""

    # the text that joblib compares to find a changed function

    def _code_path(self, function: str) -> str:
        return os.path.join(self._folder(function), "function.code")

    def store_cached_func_code(self, call_id: Sequence[str], func_code: str | None = None) -> None:
        """Keep the function's text."""
        if func_code is not None:
            self._code[call_id[0]] = func_code
            with suppress(OSError):
                private_folder(self._folder(call_id[0]))
                write_json(self._code_path(call_id[0]), {"code": func_code})

    def get_cached_func_code(self, call_id: Sequence[str]) -> str:
        """The function's text; read once per process.

        Raises:
            OSError: there is none; joblib then writes it. Damage counts as none, or joblib would
                take the function for changed and throw all answers away.
        """
        function = call_id[0]
        if function not in self._code:
            path = self._code_path(function)
            try:
                self._code[function] = str(read_json(path)["code"])
            except (ValueError, KeyError) as error:
                raise OSError(f"{path} is damaged") from error
        return self._code[function]

    def get_cached_func_info(self, call_id: Sequence[str]) -> dict[str, str]:
        """Where the function's answers are."""
        return {"location": self._folder(call_id[0])}

    # tidying up

    def clear_item(self, call_id: Sequence[str]) -> None:
        """Remove one answer."""
        self._found.item = None
        with suppress(OSError):
            os.unlink(self._path(call_id))

    def clear_location(self, location: str) -> None:
        """Remove a folder and all in it."""
        shutil.rmtree(location, ignore_errors=True)

    def clear_path(self, call_id: Sequence[str]) -> None:
        """Remove all answers of one function."""
        self._code.pop(call_id[0], None)
        self.clear_location(self._folder(call_id[0]))

    def clear(self) -> None:
        """Remove all answers of all functions."""
        self._code.clear()
        self.clear_location(self.location)
        with suppress(OSError):
            private_folder(self.location)
            self._mark()

    def get_items(self) -> list[Item]:
        """All answers."""
        return items(self.location)

    def enforce_store_limits(
        self,
        bytes_limit: int | str | None = None,
        items_limit: int | None = None,
        age_limit: timedelta | None = None,
    ) -> None:
        """What joblib's `Memory.reduce_size` does: remove the least recently used answers."""
        trim(
            self.location,
            most_bytes=_in_bytes(bytes_limit),
            most_items=math.inf if items_limit is None else items_limit,
            most_seconds=math.inf if age_limit is None else age_limit.total_seconds(),
        )

    # abstract in joblib's base, called by its own stores only

    def create_location(self, location: str) -> None:
        """Make a private folder."""
        private_folder(location)

    def _open_item(self, f: Any, mode: str) -> Any:
        raise NotImplementedError

    def _item_exists(self, location: str) -> bool:
        raise NotImplementedError

    def _move_item(self, src: str, dst: str) -> None:
        raise NotImplementedError


def _parts(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metadata and the value of an entry."""
    meta, value = record.get("meta"), record.get("value")
    if not (isinstance(meta, dict) and isinstance(value, dict)):
        raise ValueError("parts are missing")
    if not isinstance(meta.get("time"), int | float):
        raise ValueError("no time")
    return meta, value


def _made(item: Mapping[str, Any], now: float) -> float:
    """When the answer was made: as it says itself, if that can be; else now."""
    created = item.get("created")
    plausible = isinstance(created, int | float) and 0 < created < now - 1
    return float(created) if plausible else now  # type: ignore[arg-type]  # plausible: a number


_CACHEDIR_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# See https://bford.info/cachedir/\n"


def _in_bytes(limit: int | str | None) -> float:
    """The limit as joblib hands it on, as it was given: None, a number, or a text such as "10M"."""
    if limit is None:
        return math.inf
    found = re.fullmatch(r"([0-9.]+)([KMG]?)", str(limit))
    if found is None:
        raise ValueError(f"bytes_limit must be a number with or without K, M or G, not {limit!r}")
    return float(found[1]) * {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}[found[2]]


joblib.register_store_backend("mmai-json", JsonStore)
