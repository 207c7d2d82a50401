"""API keys: found in this process's memory or its environment, checked, never shown.

A key enters no setting, no cache, no ledger and no repr; only the name of its variable does.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from .errors import MissingKeyError
from .providers import known_providers
from .redaction import register_secret

__all__ = ["find_key", "guess_provider", "remember_key"]


class _Secret:
    """A key that does not show itself in a repr, a traceback or a debugger's list of variables."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "'***'"


_remembered: dict[str, list[_Secret]] = {}  # by variable, the one in force last


def find_key(variable: str | None) -> str | None:
    """The key under a variable's name: the one remembered, else the environment's; None if absent.

    White space around it is dropped. Whatever is found is kept out of every message from now on.

    Raises:
        MissingKeyError: it holds a line break, a control or a non-ASCII character, which no HTTP
            header can carry; the message tells the position, never the key.
    """
    if variable is None:
        return None
    told = _remembered.get(variable)
    return _checked(variable, told[-1] if told else _Secret(os.environ.get(variable, ""))) or None


def remember_key(variable: str, value: str) -> Callable[[], None]:
    """Use this key for the variable, for the life of this process; gives its undo.

    Raises:
        MissingKeyError: it is empty, or cannot be a key.
    """
    secret = _Secret(value)
    if not _checked(variable, secret):
        raise MissingKeyError(f"the key for {variable} is empty: give the whole key")
    told = _remembered.setdefault(variable, [])
    told.append(secret)

    def undo() -> None:
        if secret in told:
            told.remove(secret)

    return undo


def guess_provider(key: str) -> str | None:
    """Whose key it is, as far as its first letters say: "anthropic" for sk-ant-…, or None."""
    owners = {p: owner.name for owner in known_providers().values() for p in owner.key_prefixes}
    fits = [prefix for prefix in owners if key.strip().startswith(prefix)]
    return owners[max(fits, key=len)] if fits else None


def _checked(variable: str, secret: _Secret) -> str:
    """The key without the white space around it, registered as a secret; "" where it is blank."""
    key = secret.value.strip()
    if len(key) >= 8:
        register_secret(key)
    for position, character in enumerate(key, 1):
        if character in "\r\n":
            fault = "a line break"
        elif not character.isascii():
            fault = "a non-ASCII character"
        elif not character.isprintable():
            fault = "a control character"
        else:
            continue
        raise MissingKeyError(f"{variable} contains {fault} at position {position}: set it again")
    return key
