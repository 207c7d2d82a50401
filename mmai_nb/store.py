"""Private JSON files, and the store that keeps what joblib.Memory remembers in them.

Only their owner can read them (folders 0700, files 0600), they are written whole or not at all and
read without trust: symbolic links are not followed, and nothing in them is ever executed. No pickle
is read or written.

This module imports nothing of the package.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import shutil
import stat
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import joblib

__all__ = [
    "MOST_BYTES",
    "Item",
    "JsonStore",
    "items",
    "private_folder",
    "read_json",
    "remove",
    "sweep",
    "trim",
    "turn",
    "why_unsafe",
    "write_json",
    "write_private",
]

# Windows has neither. O_NONBLOCK: a named pipe put there must not make the reader wait.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_TOUCH_AFTER = 3600.0
_POLL = 0.05

MOST_BYTES = 64 * 2**20
"""Of one file: what is larger is not written, and not read, however it came here."""


class Item(NamedTuple):
    """One entry: its path, its size in bytes, when it was last used and made (epoch s)."""

    path: str
    size: int
    last_access: float
    made: float


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags | _SAFELY, 0o600)


def private_folder(path: str | Path) -> None:
    """Make `path` and what is missing above it, all 0700 (os.makedirs: only the last one).

    Raises:
        OSError: it cannot be made.
    """
    path = os.fspath(path)
    if not os.path.isdir(path):
        parent = os.path.dirname(path)
        if parent and parent != path:
            private_folder(parent)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not os.path.isdir(path):
                raise


def why_unsafe(folder: Path) -> str | None:
    """Why nothing should be kept in `folder`, in words; None if it is safe or yet to be made."""
    try:
        found = os.stat(folder)
    except NotADirectoryError:
        return "lies below a file"
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        return "is a file, not a folder"
    if sys.platform != "win32":
        if found.st_uid not in (os.geteuid(), 0):
            return "belongs to another user"
        if found.st_mode & stat.S_IWOTH:
            return "can be written by everybody"
    return None


def write_private(path: str | Path, content: str | bytes) -> None:
    """Write a file of mode 0600, all or nothing: a temporary file, then os.replace.

    Raises:
        OSError: the old content, if there was any, is still there.
    """
    temporary = f"{os.fspath(path)}.{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb", opener=_privately) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write `data`; lone surrogates in it survive, escaped.

    Raises:
        OSError: it could not be written.
        TypeError, ValueError: it is not JSON.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    if len(text) > MOST_BYTES:
        raise ValueError(f"{len(text):,} bytes are more than {MOST_BYTES:,}")
    write_private(path, text)


def read_json(path: str | Path, *, use: bool = True) -> dict[str, Any]:
    """What `write_json` wrote.

    The time of access is brought up to date once an hour: many disks are mounted not to do it.

    Args:
        path: of the file.
        use: False only looks: the time of access stays as it was.

    Raises:
        OSError: there is no such file, or it is a link.
        ValueError: it is torn, foreign or too large.
    """
    with open(path, "rb", opener=_privately) as file:
        found = os.fstat(file.fileno())
        if found.st_size > MOST_BYTES:
            raise ValueError("too large")
        text = file.read()
    try:
        data = json.loads(text or b"")
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(data, dict):
        raise ValueError("no JSON object")
    now = time.time_ns()
    if not use or now - max(found.st_atime_ns, found.st_mtime_ns) > _TOUCH_AFTER * 1e9:
        with suppress(OSError):
            os.utime(path, ns=(now if use else found.st_atime_ns, found.st_mtime_ns))
    return data


def items(folder: str | Path, ending: str = ".json") -> list[Item]:
    """Every file below `folder` whose name has the ending."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if name.endswith(ending):
                with suppress(OSError):
                    it = os.lstat(path)
                    used = max(it.st_atime, it.st_mtime)
                    found.append(Item(path, it.st_size, used, it.st_mtime))
    return found


def trim(
    folder: str | Path,
    *,
    most_bytes: float = math.inf,
    most_items: float = math.inf,
    most_seconds: float = math.inf,
    most_age: float = math.inf,
    removed: Callable[[dict[str, Any]], None] | None = None,
) -> int:
    """Remove the aged, then the least recently used entries until all limits hold; how many.

    Args:
        folder: where they are.
        most_bytes: of all entries together.
        most_items: entries that may stay.
        most_seconds: since an entry was last read or written.
        most_age: seconds since an entry was made.
        removed: gets what a removed entry held, if it could be read.
    """
    now = time.time()
    entries = sorted(items(folder), key=lambda it: (now - it.made <= most_age, it.last_access))
    size, left, count = sum(item.size for item in entries), len(entries), 0
    for item in entries:
        young = now - item.made <= most_age and now - item.last_access <= most_seconds
        if young and size <= most_bytes and left <= most_items:
            break
        count += remove(item.path, removed)
        size, left = size - item.size, left - 1
    return count


def remove(path: str, removed: Callable[[dict[str, Any]], None] | None = None) -> bool:
    """Remove one entry; whether it was there. `removed` gets what it held, if it could be read."""
    held = None
    if removed is not None:
        with suppress(OSError, ValueError):
            held = read_json(path)
    try:
        os.unlink(path)
    except OSError:
        return False
    if removed is not None and held is not None:
        removed(held)
    return True


def sweep(folder: str | Path, older_than: float = 3600.0) -> None:
    """Remove what killed processes left: locks that nobody holds, temporary files after a while.

    Args:
        folder: where they are.
        older_than: seconds since a temporary file was last written.
    """
    for item in items(folder, ".tmp"):
        if time.time() - item.last_access > older_than:
            with suppress(OSError):
                os.unlink(item.path)
    for item in items(folder, ".lock"):
        with suppress(OSError):
            if (lock := _locked(item.path)) is not None:
                _let_go(lock, item.path)


@contextmanager
def turn(
    path: str | Path, seconds: float, pause: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Wait for one's turn: no other process of this machine holds `path` in the meantime.

    After `seconds`, and where there are no such locks (Windows, some network disks, a read-only
    folder), it goes on all the same. The death of the holder lets go.
    """
    until = time.monotonic() + seconds
    lock: FileIO | None = None
    try:
        with suppress(OSError):
            while (lock := _locked(path)) is None and time.monotonic() < until:
                pause(_POLL)
        yield
    finally:
        if lock is not None:
            _let_go(lock, path)


if sys.platform == "win32":

    def _locked(path: str | Path) -> FileIO | None:
        raise OSError("no such locks here")

    def _let_go(lock: FileIO, path: str | Path) -> None:
        lock.close()

else:
    import fcntl

    def _locked(path: str | Path) -> FileIO | None:
        """The lock, or None while somebody else holds it."""
        lock = FileIO(os.fspath(path), "a", opener=_privately)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
                return lock  # else the last holder has removed this very file: it locks nothing
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            lock.close()
            raise
        lock.close()
        return None

    def _let_go(lock: FileIO, path: str | Path) -> None:
        with suppress(OSError):
            os.unlink(path)
        # a forked child may share the open file, so closing alone would not let go
        fcntl.flock(lock, fcntl.LOCK_UN)
        lock.close()


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
