"""Where a prompt would go, what the last answer was, and which versions are at work."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

from ..engine import Engine
from ..errors import MmaiError, OptionError
from .page import Command, Page, Planned
from .registry import EngineGetter, Subcommand

__all__ = ["COMMANDS"]


def _route(rest: str, engine: EngineGetter) -> Command | None:
    text = rest.removeprefix("-v ").strip()
    if not text or rest == "-v":
        return None

    def run() -> Planned:
        if re.match(r"--?[a-z]", text):
            raise OptionError(
                "%ai route takes TEXT, and -v before it: %%ai --dry-run takes options"
            )
        return Planned(text, everything=text != rest)

    return run


def _last(rest: str, engine: EngineGetter) -> Command | None:
    return None if rest else lambda: _the_last(engine())


def _the_last(engine: Engine) -> Any:
    answer = engine.last()
    if answer is None:
        raise MmaiError("there is no answer yet: run a %%ai cell first")
    return answer


def _version(rest: str, engine: EngineGetter) -> Command | None:
    return None if rest else _versions


def _versions() -> Page:
    names = ("mmai_nb", "openai", "joblib", "pandas", "ipython", "genai-prices")
    return Page("\n".join(f"{name} {version(name)}" for name in names))


_ROUTE_HELP = """\
The score and its reasons, the tier and its bounds, the models in the order in which they are tried,
and what each of them would cost; below, where the same prompt goes with another turn of the cost
dial. Variables are put in as asking does. Tokens and costs are estimates: an answer is taken to
have max_tokens, or 400. -v shows every model where there are many.

    %ai route Prove that there are infinitely many primes.

    %ai route -v What is the capital of Norway?

In Python it is ai.route(text), whose `estimates` and `choices` hold the figures:

    import mmai_nb as ai

    plan = ai.route("What is 2 + 3?")

    plan.estimates[0].cost_usd"""

_LAST_HELP = """\
    %ai What is the capital of Norway?

    %ai last

In Python it is ai.last(). What had come of an answer that was stopped or broke off is here, too."""

COMMANDS = (
    Subcommand(
        "route",
        "%ai route [-v] TEXT: where TEXT would go, why, at what cost; sends nothing.",
        _route,
        help=_ROUTE_HELP,
    ),
    Subcommand(
        "last", "%ai last: the last answer, a partial one included.", _last, help=_LAST_HELP
    ),
    Subcommand(
        "version",
        "%ai version: the versions of mmai_nb and of what it stands on.",
        _version,
        help="    %ai version",
    ),
)
