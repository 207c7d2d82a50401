"""Where a prompt would go, what the last answer was, and which versions are at work."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from ..answer import format_usd
from ..engine import Engine
from ..errors import MmaiError
from ..options import make_request
from ..records import Route
from .page import Command, Page
from .registry import EngineGetter, Subcommand

__all__ = ["COMMANDS", "route_page"]


def route_page(route: Route) -> Page:
    """A route as lines: tier, score and reasons, then each candidate with its estimate."""
    lines = [f"tier       {route.tier or '–'}"]
    if route.complexity is not None:
        why = ", ".join(route.complexity.reasons) or "nothing stands out"
        lines.append(f"complexity {route.complexity.score:.2f}, of 0 to 1: {why}")
    more = route.reasons if route.complexity is None else route.reasons[1:]
    lines += [f"why        {reason}" for reason in more]
    lines.append("chain      tried in this order; nothing was sent")
    wide = max((len(e.model) for e in route.estimates), default=0)
    for place, e in enumerate(route.estimates, 1):
        cost = "price unknown" if e.cost_usd is None else f"~{format_usd(e.cost_usd)}"
        tokens = f"~{e.input_tokens:,} in + ~{e.output_tokens:,} out"
        lines.append(f"  {place}. {e.model:<{wide}}  {tokens}  {cost}")
    others = [(name, reason) for name, reason in route.skipped if reason != route.stepped]
    lines += [f"left out   {name}: {reason}" for name, reason in others]
    return Page("\n".join(lines))


def _route(rest: str, engine: EngineGetter) -> Command | None:
    if not rest:
        return None

    def run() -> Page:
        asked = make_request(rest, engine().settings)
        return route_page(engine().route(asked.request))

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


_LAST_HELP = """\
    %ai What is the capital of Norway?

    %ai last

In Python it is ai.last(). What had come of an answer that was stopped or broke off is here, too."""

COMMANDS = (
    Subcommand(
        "route",
        "%ai route TEXT: where TEXT would go, why, at what cost; sends nothing.",
        _route,
        help="    %ai route Prove that there are infinitely many primes.",
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
