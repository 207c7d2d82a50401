"""Short names for models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ..engine import Engine
from ..errors import OptionError
from ..offline import demo_models
from ..values import nearest, shown
from .page import Command, Page
from .registry import EngineGetter, Subcommand

__all__ = ["family"]

Names = Callable[[], Iterable[str]]


def _alias(commands: Names, rest: str, engine: EngineGetter) -> Command | None:
    words = rest.split()
    if len(words) == 2:
        return lambda: _set(engine(), commands(), *words)
    return (lambda: _listed(engine(), *words)) if len(words) < 2 else None


def _listed(engine: Engine, name: str = "") -> Page:
    aliases = engine.settings.aliases
    if name:
        return Page(f"{name} -> {aliases[_known(engine, name)]}")
    lines = [f"{alias} -> {target}" for alias, target in aliases.items()]
    return Page("\n".join(lines) or "no alias yet: %ai alias NAME TARGET makes one")


def _known(engine: Engine, name: str) -> str:
    """The alias's name.

    Raises:
        OptionError: there is no such alias.
    """
    aliases = engine.settings.aliases
    if name not in aliases:
        hint = nearest(name, aliases) or "; %ai alias lists them, %ai alias NAME TARGET makes one"
        raise OptionError(f"no alias {shown(name)}{hint}")
    return name


def _set(engine: Engine, commands: Iterable[str], name: str, target: str) -> Page:
    demo = demo_models()
    for whose, names in (("a command", commands), ("one of the demo's models", demo)):
        if name in names:
            raise OptionError(f"{shown(name)} is {whose} already: choose another name")
    if target in demo and target not in engine.settings.models:
        raise OptionError(f"{shown(target)} is one of the demo's models, which take no alias")
    engine.configure({"aliases": {name: target}})
    return Page(f"{name} -> {target}   (in this session; %ai help alias tells how to keep it)")


def _dealias(rest: str, engine: EngineGetter) -> Command | None:
    words = rest.split()
    return (lambda: _taken_out(engine(), words[0])) if len(words) == 1 else None


def _taken_out(engine: Engine, name: str) -> Page:
    engine.configure({"aliases": {_known(engine, name): None}})
    return Page(f"{name} is no alias any more")


def _alias_words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    """The aliases there are, then what one may lead to."""
    settings = engine().settings
    if not before:
        return settings.aliases
    return settings.models if len(before) == 1 else ()


def _dealias_words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    return () if before else engine().settings.aliases


def family(commands: Names) -> tuple[Subcommand, ...]:
    """The subcommands; `commands` gives the names of all of them, which no alias may have."""
    return (
        Subcommand(
            "alias",
            "%ai alias [NAME [TARGET]]: the short names of models; or one; or make it.",
            partial(_alias, commands),
            names=("register",),
            complete=_alias_words,
            help=_HELP,
        ),
        Subcommand(
            "dealias",
            "%ai dealias NAME: take a short name out again.",
            _dealias,
            names=("delete",),
            complete=_dealias_words,
            help="    %ai alias best openai/gpt-6.1-sol\n\n    %ai dealias best",
        ),
    )


_HELP = """\
A short name stands for a model wherever a model's name may stand: in %%ai, in --fallback, in the
chains of tiers and in functions. It may not be the name of a model, a tier or a command.

    %ai alias best openai/gpt-6.1-sol

    %ai alias

It lasts as long as the session. To keep it, run `%ai config save`, or put it into your config.toml:

    [aliases]
    best = "openai/gpt-6.1-sol"

%ai dealias NAME takes it out again."""
