"""Answers that were paid for once, kept by joblib.Memory in JSON files; one payment per request.

joblib is in charge: every look-up and every write goes through one MemorizedFunc. Our part is the
key and the single flight, which joblib has not: of many callers with the same request one pays, the
others follow it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
import time
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

import joblib

from . import cancel
from .errors import CacheWarning, ConfigError, OptionError
from .files import tidying
from .files.locks import turn
from .files.private import private_folder, read_json, why_unsafe, write_private
from .flights import Fetched, Flight, Value, under_way
from .questions import Questions
from .records import OnText
from .store import JsonStore

__all__ = ["KEY_VERSION", "AnswerCache", "Entry", "NotStored", "cache_key"]

KEY_VERSION = 2
"""Part of every key: a new one forgets all answers, after a change of what a request means."""

SCHEMA = 1
"""Part of the folder's name: a new one starts afresh, after a change of what a value means."""

LONGEST_TURN = 300.0
"""Seconds to wait for another process that pays for the same answer, if no timeout is given."""

Pay = Callable[[OnText | None], Value]


class NotStored(Exception):
    """Raised by a payer: `value` is the answer, but it must not be kept (cut, filtered …)."""

    def __init__(self, value: Value) -> None:
        super().__init__("an answer that is not kept")
        self.value = value


class _MissingError(Exception):
    """The answer is not kept, and nobody may pay for it now."""


class Entry(NamedTuple):
    """One kept answer as `AnswerCache.entries` shows it: what it holds, its bytes, its age."""

    value: Value
    size: int
    made: float
    path: str


# -- the key


def cache_key(parts: Mapping[str, Any]) -> str:
    """64 hex digits: the SHA-256 of `parts` as canonical JSON (the idea of RFC 8785).

    Order of names, 0 or 0.0, tuple or list, composed or decomposed accents make no difference;
    True and 1 do.

    Raises:
        OptionError: something in it is not JSON.
    """
    try:
        plain = {"version": KEY_VERSION, "parts": _canonical(parts)}
        text = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except OptionError:
        raise
    except RecursionError:
        raise OptionError("the request is nested too deep, or in a circle: flatten it") from None
    except ValueError as error:
        raise OptionError(f"the request cannot be made a key: {str(error)[:120]}") from error
    # surrogatepass: half a character makes a key of its own instead of an error
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OptionError(f"{value} is no number that can be sent: use a finite one")
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return _canonical_mapping(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_canonical(one) for one in value]
    raise OptionError(
        f"{repr(value)[:60]} ({type(value).__name__}) is not JSON: "
        "use text, numbers, booleans, None, lists and dicts"
    )


def _canonical_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, one in value.items():
        if not isinstance(name, str):
            raise OptionError(f"the name {repr(name)[:60]} in a dict must be text")
        name = unicodedata.normalize("NFC", name)
        if name in result:
            raise OptionError(f"the name {name[:60]!r} stands twice in a dict: remove one")
        result[name] = _canonical(one)
    return result


class _Body:
    """What joblib takes for the cached function: it runs on a miss, and pays if it may.

    joblib compares a callable's repr where it finds no source, so an upgrade of the package, which
    changes the source but not this repr, keeps the answers. One instance per folder: joblib notes
    by function, not by folder, that the text was compared.
    """

    def __init__(self) -> None:
        self.__module__, self.__name__ = "mmai_nb", f"answers_v{SCHEMA}"
        self._now = threading.local()

    def __repr__(self) -> str:
        return f"<mmai_nb answers, schema {SCHEMA}>"

    def __call__(self, key: str) -> Value:
        pay: Callable[[], Value] | None = getattr(self._now, "pay", None)
        if pay is None:
            raise _MissingError(key)
        return pay()

    @contextmanager
    def paying(self, pay: Callable[[], Value] | None) -> Iterator[None]:
        """Within, this thread's misses are paid so; a payer may itself need the cache."""
        before = getattr(self._now, "pay", None)
        self._now.pay = pay
        try:
            yield
        finally:
            self._now.pay = before


# -- the cache


class AnswerCache:
    """Answers by key, in a folder that several kernels may share.

    Args:
        folder: where they are kept; None keeps none, and nobody follows anybody.
        max_age: days after which an answer counts as missing; None: never.
        max_bytes: what `trim` leaves; None: everything.

    Attributes:
        calls: how often joblib's MemorizedFunc was asked.

    Raises:
        ConfigError: the folder is a file, belongs to another user, or everybody may write to it.
            One that merely cannot be made is a CacheWarning, and it goes on without.
    """

    def __init__(
        self, folder: Path | None, *, max_age: float | None = None, max_bytes: int | None = None
    ) -> None:
        self.folder = None if folder is None else _checked(Path(folder))
        self.max_age, self.max_bytes = max_age, max_bytes
        self._body = _Body()
        self._tally: dict[int, int] = {}
        self._trimmed_on = 0
        self._index_told = False
        memory = self._open()
        self._store: JsonStore | None = memory.store_backend
        self._place: str | None = self._store and self._store.location
        self._questions = Questions(os.path.join(self._place or "", "questions"))
        self._cached = memory.cache(
            self._body, cache_validation_callback=None if max_age is None else self._is_fresh
        )
        # joblib notes the function's text at its first comparison, and takes that for a miss
        self._cached.check_call_in_cache("")

    def _open(self) -> Any:
        if self.folder is not None:
            try:
                return joblib.Memory(
                    str(self.folder),
                    backend="mmai-json",
                    backend_options={"warning": CacheWarning},
                    verbose=0,
                )
            except OSError as error:
                warnings.warn(
                    f"answers cannot be kept in {self.folder} ({error.strerror or error}): "
                    "each is paid for anew",
                    CacheWarning,
                    stacklevel=3,
                )
        return joblib.Memory(None, verbose=0)

    def _is_fresh(self, metadata: Mapping[str, Any]) -> bool:
        return self.max_age is None or time.time() - metadata["time"] < self.max_age * 86_400

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all: there is a folder, and it could be opened."""
        return self._place is not None

    @property
    def calls(self) -> int:
        """How often joblib's MemorizedFunc was asked, by all threads."""
        return sum(list(self._tally.values()))

    def look(self, key: str) -> Value | None:
        """The answer, or None; never pays."""
        try:
            return self._ask(key, None).value
        except _MissingError:
            return None

    def fetch(
        self,
        key: str,
        pay: Pay,
        *,
        question: str | None = None,
        refresh: bool = False,
        on_text: OnText | None = None,
        timeout: float | None = None,
        terms: str = "",
    ) -> Fetched:
        """The answer from the disk, or from another caller who is just paying for it, or paid for.

        Args:
            key: of the request, see `cache_key`.
            pay: asks the model: `pay(on_text)`. It gets None where no piece of text is wanted.
            question: the hash of the request without its model; then `answers_to` it finds this.
            refresh: pay in any case, alone, and overwrite what is kept.
            on_text: gets the pieces of text, live, from a payer; none for a hit.
            timeout: seconds to follow somebody else, or to wait for another process; None: as long
                as it takes. At most half of it is spent on waiting for another process, so that
                there is time left to pay after all. A payer keeps its own time.
            terms: under which it is paid, such as a limit on its cost: nobody follows a payer with
                others, whose answer they may have cut.

        Raises:
            TimedOutError: the timeout was over while following. A payer's own reaches those only
                who were passed pieces of text; of the others one pays.
            TruncatedStreamError: the payer was interrupted after pieces of text were passed on.
            Exception: what else `pay` raised, to the payer and its followers; nothing is kept.
        """

        def ask(tell: OnText | None) -> Fetched:
            return self._ask(key, lambda: pay(tell), question, force=refresh)

        if refresh or self.folder is None:
            return ask(on_text)
        patience = math.inf if timeout is None else timeout
        until = time.monotonic() + patience
        while True:
            flight, name = Flight(), (os.getpid(), str(self.folder), key + terms)
            try:
                leader = under_way.setdefault(name, flight)
                if leader is flight:
                    return self._lead(flight, key, ask, on_text, until)
            finally:
                # first out of the list, then over: who comes now finds the answer on the disk
                if under_way.get(name) is flight:
                    del under_way[name]
                flight.end()
            fetched = leader.follow(on_text, min(until - time.monotonic(), threading.TIMEOUT_MAX))
            if fetched is not None:
                return fetched

    def _lead(
        self,
        flight: Flight,
        key: str,
        ask: Callable[[OnText | None], Fetched],
        on_text: OnText | None,
        until: float,
    ) -> Fetched:
        own_fault = False

        def tell(piece: str) -> None:
            nonlocal own_fault
            flight.add(piece)
            if on_text is not None:
                try:
                    on_text(piece)
                except BaseException:
                    own_fault = True  # this caller's display failed, not the payment
                    raise

        try:
            with self._turn(key, until - time.monotonic()):
                flight.fetched = ask(None if on_text is None else tell)
        except Exception as error:
            flight.error = None if own_fault else error
            raise
        return flight.fetched

    def _turn(self, key: str, seconds: float) -> AbstractContextManager[None]:
        """One process at a time for this key: who waited finds the answer on the disk.

        Who has waited for half of its time goes on all the same, to pay while there is time left.
        """
        if self._place is None:
            return nullcontext()
        with suppress(OSError):
            private_folder(folder := os.path.join(self._place, "locks"))
            wait = min(seconds / 2, LONGEST_TURN)
            return turn(os.path.join(folder, f"{key}.lock"), wait, cancel.pause)
        return nullcontext()

    def _ask(
        self,
        key: str,
        pay: Callable[[], Value] | None,
        question: str | None = None,
        *,
        force: bool = False,
    ) -> Fetched:
        """One call of the MemorizedFunc."""
        paid: list[Value] = []

        def pay_once() -> Value:
            assert pay is not None
            paid.append(pay())
            return paid[0]

        thread = threading.get_ident()
        self._tally[thread] = self._tally.get(thread, 0) + 1
        try:
            with self._body.paying(None if pay is None else pay_once):
                found = (self._cached.call if force else self._cached)(key)
        except NotStored as unkept:
            return Fetched(unkept.value, "paid")
        if not paid:
            return Fetched(found, "hit")
        if question is not None:
            self.note(question, key)
        self.trim_daily()
        return Fetched(paid[0], "paid")

    # -- by question

    def answers_to(self, question: str) -> Iterator[tuple[str, Value]]:
        """The kept answers to a question, whatever model gave them, each with its key.

        The one that was written last comes first.
        """
        for key in () if self._place is None else self._questions.keys(question):
            value = self.look(key)
            if value is None:
                self._questions.drop(question, key)
            else:
                yield key, value

    @property
    def knows_questions(self) -> bool:
        """Whether there is any question to which an answer was kept."""
        return self._place is not None and bool(self._questions)

    def note(self, question: str, key: str, *, latest: bool = True) -> None:
        """Remember that `key` answers the question; `latest`: before other answers to it."""
        if self._store is None or self._store.ailing:
            return
        try:
            self._questions.note(question, key, latest=latest)
        except OSError as error:
            if not self._index_told:
                self._index_told = True
                warnings.warn(
                    f"the answer is kept, but not found without its model ({error.strerror})",
                    CacheWarning,
                    stacklevel=4,
                )

    def _removed(self, record: Mapping[str, Any]) -> None:
        """An entry has gone: so does the way to it from its question."""
        value = record.get("value")
        if isinstance(value, Mapping):
            self._questions.drop(value.get("question"), value.get("key"))

    # -- tidying up

    def size(self) -> tuple[int, int]:
        """How many answers are kept, and their bytes."""
        kept = self.files()
        return len(kept), sum(item.size for item in kept)

    def files(self) -> list[tidying.Item]:
        """The files of the answers."""
        return [] if self._place is None else tidying.items(self._place)

    def entries(self, most: int | None = None) -> Iterator[Entry]:
        """The kept answers, the one used last first, with what they hold; none counts as used.

        Args:
            most: how many files are read at the most.
        """
        for item in sorted(self.files(), key=lambda item: -item.last_access)[:most]:
            with suppress(OSError, ValueError):
                value = read_json(item.path, use=False).get("value")
                if isinstance(value, dict):
                    yield Entry(value, item.size, item.made, item.path)

    def forget(self, key: str) -> bool:
        """Remove one answer; whether it was there and has gone."""
        value = self.look(key)
        if value is None:
            return False
        with self._body.paying(None), suppress(_MissingError):
            self._cached.call_and_shelve(key).clear()
        self._removed({"value": value})
        return self.look(key) is None

    def remove(self, which: Callable[[Entry], bool]) -> int:
        """Remove the answers of which `which` holds; how many they were."""
        found = [entry.path for entry in self.entries() if which(entry)]
        return sum(tidying.remove(path, self._removed) for path in found)

    def clear(self) -> int:
        """Forget all answers; how many they were."""
        if self._place is None:
            return 0
        self._questions.clear()
        return tidying.trim(self._place, most_items=0)

    def trim(self) -> int:
        """Remove what is older than `max_age`, then the least recently used; how many.

        They go until `max_bytes` holds. What killed processes left behind goes too.
        """
        if self._place is None:
            return 0
        tidying.sweep(self._place)
        return tidying.trim(
            self._place,
            most_bytes=math.inf if self.max_bytes is None else self.max_bytes,
            most_age=math.inf if self.max_age is None else self.max_age * 86_400,
            removed=self._removed,
        )

    def trim_daily(self) -> threading.Thread | None:
        """`trim` in the background, if none of the kernels has done it today (UTC); else None."""
        today = int(time.time() // 86_400)
        if self._place is None or self._trimmed_on == today:
            return None
        self._trimmed_on = today
        marker = os.path.join(self._place, ".trimmed")
        with suppress(OSError):
            if int(os.stat(marker).st_mtime // 86_400) == today:
                return None
        with suppress(OSError):
            write_private(marker, "")
        thread = threading.Thread(target=self.trim, name="mmai_nb trim", daemon=True)
        thread.start()
        return thread


def _checked(folder: Path) -> Path:
    if ".." in folder.parts:
        raise ConfigError(f"the cache folder {str(folder)[:100]!r} has '..' in it: give it in full")
    folder = folder.expanduser().absolute()
    for place in (folder, folder / "joblib"):
        if (reason := why_unsafe(place)) is not None:
            raise ConfigError(
                f"the cache folder {str(place)[:100]!r} {reason}: set cache.folder to your own"
            )
    return folder
