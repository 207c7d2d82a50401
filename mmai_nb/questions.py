"""Which kept answers there are to a question, whatever model gave them.

The cache's keys name the endpoint and the model, so a reader who may ask neither cannot make them.
For each question, the request without its model, there is one small file with the keys of its
answers, the latest first. It leads to keys only: the answers themselves come from the cache.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeGuard

from .files.private import private_folder, read_json, write_json
from .files.tidying import items

__all__ = ["Questions", "is_key"]

MOST_KEYS = 8
"""Answers to one question that are remembered, each of another model or endpoint."""

PATIENCE = 1.0
"""Seconds to wait for another thread that notes an answer."""

_ENDING = ".keys"
_HASH = re.compile(r"[0-9a-f]{64}")


class Questions:
    """The keys of the answers to each question.

    Args:
        folder: where the files are; made when there is something to keep.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether there is any."""
        with suppress(OSError), os.scandir(self._folder) as folders:
            return any(name.endswith(_ENDING) for inner in folders for name in os.listdir(inner))
        return False

    def keys(self, question: str) -> tuple[str, ...]:
        """The keys of its answers, the latest first; some may not be kept any more."""
        with suppress(OSError, ValueError):
            found = read_json(self._path(question)).get("keys")
            if isinstance(found, list):
                return tuple(key for key in found if is_key(key))
        return ()

    def note(self, question: str, key: str, *, latest: bool = True) -> None:
        """Remember an answer.

        Args:
            question: the hash of the request without its model.
            key: of the answer.
            latest: whether it goes before those that are known, or behind them.

        Raises:
            OSError: it cannot be written.
            ValueError: the question is no hash.
        """
        path = self._path(question)
        with self._turn():
            known = self.keys(question)
            others = [other for other in known if other != key]
            keys = [key, *others] if latest else list(dict.fromkeys([*known, key]))
            if keys != list(known):
                private_folder(os.path.dirname(path))
                write_json(path, {"keys": keys[:MOST_KEYS]})

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One thread at a time, since models that are compared answer the same question at once.

        Who has waited in vain goes on: a fork may have brought the lock here as it was held.
        """
        held = self._lock.acquire(timeout=PATIENCE)
        try:
            yield
        finally:
            if held:
                self._lock.release()

    def drop(self, question: object, key: object) -> None:
        """Forget an answer, and the question with its last one; nothing where it is not known."""
        with suppress(OSError, ValueError):
            path = self._path(question)
            known = self.keys(str(question))
            others = [other for other in known if other != key]
            if not others:
                os.unlink(path)
            elif len(others) < len(known):
                write_json(path, {"keys": others})

    def clear(self) -> None:
        """Forget them all."""
        for item in items(self._folder, _ENDING):
            with suppress(OSError):
                os.unlink(item.path)

    def _path(self, question: object) -> str:
        if not is_key(question):
            raise ValueError("no hash")
        return str(Path(self._folder, question[:2], question[2:] + _ENDING))


def is_key(value: object) -> TypeGuard[str]:
    """Whether it is what a question and an answer are kept under: 64 hex digits."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None
