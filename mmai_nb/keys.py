"""API keys: where they are found, checked, never shown.

The order: what `%ai key` remembers in this process, the environment, Colab's secrets, and where the
settings ask for them, an `.env` file and the system's keyring. A key enters no setting, no cache,
no ledger and no repr; only the name of its variable does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .envfile import env_file, value_in
from .errors import MissingKeyError
from .providers import known_providers
from .redaction import register_secret
from .vaults import colab_secret, keyring_secret

__all__ = [
    "NOWHERE_ELSE",
    "KeySources",
    "find_key",
    "guess_provider",
    "missing_key",
    "present_keys",
    "refusal",
    "remember_key",
]

KEPT_SECONDS = 60.0
"""How long the answer of a vault holds, …"""
REFUSED_SECONDS = 5.0
"""… and a no: so that a key that was put there since is seen by the next cell."""


@dataclass(frozen=True, slots=True)
class KeySources:
    """Where keys are looked for beside the environment: the settings `dotenv` and `keyring`."""

    dotenv: bool | Path = False
    keyring: bool = False


NOWHERE_ELSE = KeySources()
"""No place but the process's memory, its environment and Colab."""


class _Secret:
    """A key that does not show itself in a repr, a traceback or a debugger's list of variables."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "'***'"


Place = Callable[[str], _Secret]
"""Gives what stands under a variable's name in one place; a blank secret for nothing."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a vault said, and until when it holds."""

    secret: _Secret
    fault: str
    until: float


_remembered: dict[str, list[_Secret]] = {}  # by variable, the one in force last
_told: dict[tuple[str, str], _Told] = {}  # by vault and variable


def find_key(variable: str | None, sources: KeySources = NOWHERE_ELSE) -> str | None:
    """The key under a variable's name, from the first place that has one; None if there is none.

    White space around it is dropped. Whatever is found is kept out of every message from now on.

    Args:
        variable: its name; None where no key is needed.
        sources: where to look beside memory, environment and Colab.

    Raises:
        MissingKeyError: it holds a line break, a control or a non-ASCII character, which no HTTP
            header can carry (the message tells the position, never the key); or a place that may
            have it cannot be read.
    """
    if variable is None:
        return None
    at_hand: Place = partial(_at_hand, os.environ)
    for place in (at_hand, _in_colab, *_asked_for(sources)):
        if key := _checked(variable, place(variable)):
            return key
    return None


def present_keys(env: Mapping[str, str], sources: KeySources = NOWHERE_ELSE) -> dict[str, str]:
    """The variables of known providers that have a key, each with a word in place of the key.

    Colab's secrets are asked only where there is no key elsewhere: each question may need a click.
    """
    variables = [v for p in known_providers().values() for v in p.key_variables]
    near = [v for v in variables if _has(v, (partial(_at_hand, env), *_asked_for(sources)))]
    return dict.fromkeys(near or [v for v in variables if _has(v, (_in_colab,))], "present")


def refusal(sources: KeySources) -> str:
    """What a place that may hold a known provider's key said instead of giving it; or ""."""
    for variable in (v for p in known_providers().values() for v in p.key_variables):
        for place in (_in_colab, *_asked_for(sources)):
            try:
                place(variable)
            except MissingKeyError as error:
                return str(error)
    return ""


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


def missing_key(name: str, variable: str) -> MissingKeyError:
    """The error for a model whose key is nowhere."""
    return MissingKeyError(
        f"{name[:60]} needs an API key: set {variable[:40]}, or run %ai key {variable[:40]} "
        "(asks, nothing is stored)"
    )


def guess_provider(key: str) -> str | None:
    """Whose key it is, as far as its first letters say: "anthropic" for sk-ant-…, or None."""
    owners = {p: owner.name for owner in known_providers().values() for p in owner.key_prefixes}
    fits = [prefix for prefix in owners if key.strip().startswith(prefix)]
    return owners[max(fits, key=len)] if fits else None


def _at_hand(env: Mapping[str, str], variable: str) -> _Secret:
    told = _remembered.get(variable)
    return told[-1] if told else _Secret(env.get(variable, ""))


def _in_colab(variable: str) -> _Secret:
    asks = threading.current_thread() is threading.main_thread()
    return _from_vault("Colab", colab_secret, variable, asks=asks)


def _in_keyring(variable: str) -> _Secret:
    return _from_vault("keyring", keyring_secret, variable)


def _in_file(asked: bool | Path, variable: str) -> _Secret:
    try:
        file = env_file(asked)
        return _Secret("" if file is None else value_in(file, variable))
    except ValueError as error:
        raise MissingKeyError(str(error)) from None


def _asked_for(sources: KeySources) -> Iterator[Place]:
    """The places that the settings name, in the order in which they are asked."""
    if sources.dotenv:
        yield partial(_in_file, sources.dotenv)
    if sources.keyring:
        yield _in_keyring


def _from_vault(
    vault: str, ask: Callable[[str], str | None], variable: str, *, asks: bool = True
) -> _Secret:
    """What the vault has, asked again after a while only: it may be slow, or want a click."""
    told, now = _told.get((vault, variable)), time.monotonic()
    if asks and (told is None or told.until < now):
        told = _told[vault, variable] = _answer_of(ask, variable, now)
    if told is None:
        return _Secret("")
    if told.fault:
        raise MissingKeyError(told.fault)
    return told.secret


def _answer_of(ask: Callable[[str], str | None], variable: str, now: float) -> _Told:
    try:
        secret = _Secret(ask(variable) or "")
    except ValueError as error:
        return _Told(_Secret(""), str(error), now + REFUSED_SECONDS)
    return _Told(secret, "", now + (KEPT_SECONDS if secret.value else REFUSED_SECONDS))


def _has(variable: str, places: tuple[Place, ...]) -> bool:
    """Whether one of the places has something under this name, be it no good as a key."""
    for place in places:
        try:
            if place(variable).value.strip():
                return True
        except MissingKeyError:
            continue
    return False


def _checked(variable: str, secret: _Secret) -> str:
    """The key without the white space around it, registered as a secret; "" where it is blank."""
    register_secret(secret.value)
    if fault := _fault_of(secret):
        raise MissingKeyError(f"{variable} contains {fault}: set it again")
    return secret.value.strip()


def _fault_of(secret: _Secret) -> str:
    """Why no HTTP header can carry the key; the error is raised where no variable holds it."""
    for position, character in enumerate(secret.value.strip(), 1):
        if character in "\r\n":
            return f"a line break at position {position}"
        if not character.isascii():
            return f"a non-ASCII character at position {position}"
        if not character.isprintable():
            return f"a control character at position {position}"
    return ""
