"""How the demo endpoint misbehaves when it is asked to: for one request, or for the next few."""

from __future__ import annotations

import hashlib
import shlex
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..errors import OptionError
from .answers import DIRECTIVE, MODELS

__all__ = ["Behaviour", "Script", "read_behaviour"]

SHORT = {"cut": "cut_after", "stall": "stall_after"}


@dataclass(frozen=True)
class Behaviour:
    """What a demo server does instead of simply answering.

    Attributes:
        times: for how many requests, None for each one; a prompt's are counted by model.
        only_model: the only model that misbehaves.
        status: an error with this HTTP status, 400 to 599.
        code: the `code` in the error, "insufficient_quota" for instance.
        retry_after: the header Retry-After of the error: seconds, or any text.
        delay: seconds before the first byte.
        chunk_delay: seconds between the chunks of a stream.
        cut_after: drop the connection after so many chunks, with 0 before the first byte;
            JSON is cut in its middle.
        stall_after: stop sending after so many chunks and leave the connection open.
        hang: never answer, and leave the connection open.
        usage: False leaves the token counts out.
        finish_reason: instead of "stop"; "missing" ends the answer without one.
        text: the answer, word for word.
        body: the whole body of the response, JSON or not.
    """

    times: int | None = None
    only_model: str | None = None
    status: int | None = None
    code: str | None = None
    retry_after: float | str | None = None
    delay: float = 0.0
    chunk_delay: float | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    hang: bool = False
    usage: bool = True
    finish_reason: str | None = None
    text: str | None = None
    body: str | None = None

    def __post_init__(self) -> None:
        whole, seconds = (0, 10**6), (0, 3600)
        ranges = {
            "times": (1, 10**6),
            "status": (400, 599),
            "cut_after": whole,
            "stall_after": whole,
        }
        ranges |= {"delay": seconds, "chunk_delay": seconds}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} must be from {low:,} to {high:,}, not {value}")
        if self.only_model is not None and self.only_model not in MODELS:
            raise ValueError(f"only_model must be one of {', '.join(MODELS)}")
        header = str(self.retry_after)
        if not (header.isascii() and header.isprintable()):
            raise ValueError("retry_after must be plain text on one line")


def read_behaviour(words: Mapping[str, Any]) -> Behaviour:
    """A Behaviour from the words of either door; texts become numbers.

    Raises:
        OptionError: an unknown word, or a value that it cannot have.
    """
    from pydantic import TypeAdapter, ValidationError

    given = {SHORT.get(word, word): value for word, value in words.items()}
    known = [f.name for f in fields(Behaviour)]
    if unknown := given.keys() - set(known):
        raise OptionError(f"demo: no {min(unknown)[:30]!r}; there is {', '.join(known)}")
    try:
        return TypeAdapter(Behaviour).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"][:1])
        raise OptionError(f"demo: {where}{first['msg']}"[:200]) from error


def _directives(prompt: str) -> list[Behaviour]:
    """The behaviours that the lines `[[demo: …]]` of a prompt ask for.

    Raises:
        OptionError: one of them cannot be read.
    """
    found = []
    for directive in DIRECTIVE.findall(prompt):
        try:
            pairs = [word.partition("=") for word in shlex.split(directive)]
        except ValueError as error:
            raise OptionError(
                f"demo: {directive.strip()[:80]!r} cannot be read: {error}"
            ) from error
        found.append(read_behaviour({name: value if sign else True for name, sign, value in pairs}))
    return found


class Script:
    """Which behaviour the next request meets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[tuple[Behaviour, int | None]] = []
        self._played: Counter[tuple[str, str]] = Counter()

    def add(self, behaviour: Behaviour) -> None:
        """Queue a behaviour for the next `times` requests to its model."""
        with self._lock:
            self._queue.append((behaviour, behaviour.times))

    def next_for(self, model: str, prompt: str) -> Behaviour:
        """The first queued behaviour for this model, else the prompt's own, else a good one.

        Raises:
            OptionError: the prompt asks for a behaviour that there is not.
        """
        asked = _directives(prompt)
        with self._lock:
            return self._queued(model) or self._asked(model, prompt, asked) or Behaviour()

    def _queued(self, model: str) -> Behaviour | None:
        for n, (behaviour, left) in enumerate(self._queue):
            if behaviour.only_model in (None, model):
                if left is not None:
                    self._queue[n : n + 1] = [(behaviour, left - 1)] if left > 1 else []
                return behaviour
        return None

    def _asked(self, model: str, prompt: str, asked: list[Behaviour]) -> Behaviour | None:
        digest = hashlib.sha256(prompt.encode()).hexdigest() if asked else ""
        for n, behaviour in enumerate(asked):
            if behaviour.only_model not in (None, model):
                continue
            played = (f"{n} {digest}", model)
            self._played[played] += 1
            if behaviour.times is None or self._played[played] <= behaviour.times:
                return behaviour
        return None
