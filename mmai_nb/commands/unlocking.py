"""`%ai key`: a key for this process, asked for without showing it, kept nowhere else."""

from __future__ import annotations

import getpass
import os
import re
import warnings
from collections.abc import Iterable, Sequence

from ..engine import Engine
from ..errors import MissingKeyError, OptionError
from ..keys import guess_provider, remember_key
from ..providers import LOCAL_SERVERS, known_providers
from ..recording import fingerprint
from ..redaction import find_secret, register_secret
from ..settings import Settings
from ..values import checked_variable, nearest, shown
from .page import Command, Page
from .registry import EngineGetter, Subcommand

__all__ = ["COMMANDS"]

MOST_SHOWN = 4
SHORTEST_KEY = 12
"""Characters: a shorter word that begins like a key is a word."""

_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+")


def _key(rest: str, engine: EngineGetter) -> Command | None:
    words = rest.split()
    if typed := [word.rpartition("=")[2] for word in words if _looks_like_a_key(word)]:
        for key in typed:
            register_secret(key)
        return _refuse
    if len(words) == 2 and _VARIABLE.fullmatch(words[0]):
        raise OptionError(
            f"%ai key takes one variable or provider, not {shown(words[1])} behind it; "
            "%ai -- asks the line as it is"
        )
    return (lambda: _ask(engine(), *words)) if len(words) <= 1 else None


def _complete(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    return () if before else known_providers()


def _looks_like_a_key(word: str) -> bool:
    if len(word) < SHORTEST_KEY:
        return False
    random = len(word) >= 20 and "_" not in word and any(c.isdigit() for c in word)
    return random or guess_provider(word) is not None or find_secret(word, {}) is not None


def _refuse() -> Page:
    raise OptionError(
        "a key typed in a cell stays in the history and in the notebook: revoke it, make a new "
        "one, and run %ai key alone, which asks for it"
    )


def _ask(engine: Engine, word: str = "") -> Page:
    """Ask for the key, remember it, and say what it opens.

    Raises:
        OptionError: it cannot be told whose key that is.
        MissingKeyError: nobody can type here, or what was typed cannot be a key.
    """
    settings = engine.settings
    variable = _variable(settings, word) if word else _the_missing_one(settings)
    key = _typed(variable)
    owner = guess_provider(key)
    if not variable:
        if owner is None:
            known = ", ".join(known_providers())
            raise OptionError(f"whose key is it? Say so, as in %ai key openai; known are {known}")
        variable = _variable(settings, owner)
    remember_key(variable, key)
    engine.reload()
    return Page("\n".join(_told(engine.settings, variable, owner)))


def _variable(settings: Settings, word: str) -> str:
    """The variable that a word means: itself, or that of a provider.

    Raises:
        OptionError: it is neither.
    """
    used = {s.provider: s.api_key_env for s in settings.models.values() if s.api_key_env}
    if word in (*used.values(), *_all_variables()):
        return word
    if variable := used.get(word):
        return variable
    if word in known_providers():
        return known_providers()[word].key_variables[0]
    if word in LOCAL_SERVERS:
        raise OptionError(f"{LOCAL_SERVERS[word].title} needs no key on this machine")
    if not _VARIABLE.fullmatch(word):
        near = nearest(word, [*used, *known_providers(), *_all_variables()])
        raise OptionError(
            f"{word[:40]!r} is no provider and no variable such as OPENAI_API_KEY{near}"
        )
    return checked_variable(word)


def _all_variables() -> list[str]:
    return [variable for p in known_providers().values() for variable in p.key_variables]


def _the_missing_one(settings: Settings) -> str:
    """The one variable that the models in force lack, if there is just one; else ""."""
    sources = settings.key_sources
    specs = [spec for spec in settings.models.values() if spec.api_key_env and not spec.simulated]
    missing = {s.api_key_env or "" for s in specs if not fingerprint(s, sources)}
    return missing.pop() if len(missing) == 1 else ""


def _typed(variable: str) -> str:
    """What the user types, unseen.

    Raises:
        MissingKeyError: nobody can type here, as under nbconvert.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would show the key
            return getpass.getpass(f"{variable or 'API key'} (not shown, not stored): ")
    except (EOFError, NotImplementedError, getpass.GetPassWarning):
        raise MissingKeyError(
            f"nobody can type a key here: set {variable or 'its variable'} in the environment "
            "before this runs"
        ) from None


def _told(settings: Settings, variable: str, owner: str | None) -> list[str]:
    opened = [spec for spec in settings.models.values() if spec.api_key_env == variable]
    lines = [f"{variable} is remembered in this process only; nothing was stored"]
    if os.environ.get(variable, "").strip():
        lines[0] += "; it goes before the one in the environment"
    if opened:
        names = ", ".join(spec.name for spec in opened[:MOST_SHOWN])
        more = f" and {len(opened) - MOST_SHOWN} more" if len(opened) > MOST_SHOWN else ""
        lines.append(f"can be asked now: {names}{more}")
    else:
        lines.append(f'no model uses it yet: give one api_key_env = "{variable}"')
    if owner is not None and owner not in {_owner_of(variable), *(s.provider for s in opened)}:
        lines.append(f"it looks like a key of {owner}: if it is one, run %ai key {owner}")
    return lines


def _owner_of(variable: str) -> str | None:
    """The provider whose variable this is, if it is a known one's."""
    found = (p.name for p in known_providers().values() if variable in p.key_variables)
    return next(found, None)


COMMANDS = (
    Subcommand(
        "key",
        "%ai key [VARIABLE|PROVIDER]: asks for a key, and keeps it in this process only.",
        _key,
        complete=_complete,
        help="""\
The key is typed unseen and stored nowhere; a restart of the kernel forgets it. A word says whose it
is: a provider's name (%ai key anthropic), or the variable that a model names in api_key_env (%ai
key MY_KEY). Without one it asks for the key that is missing, or guesses by the first letters.

Where nobody can type, as under nbconvert, set the variable in the environment; %ai help keys tells
of more places. The column `key` shows which keys are there:

    %ai models""",
    ),
)
