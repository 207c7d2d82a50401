"""What may be spent: the budgets in force, and how to set them from a cell."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from ..budgets import SCOPES
from ..engine import Engine
from ..errors import OptionError
from ..purse import PRETEND, usd
from ..values import checked_usd, nearest, shown
from .page import Command, Page
from .registry import EngineGetter, Subcommand

__all__ = ["COMMANDS"]

OFF = ("off", "none")
"""Words that take a budget out."""

_OURS = re.compile(r"[^/]*/[^/]*|[$+-]?[\d.,]+|off|none", re.IGNORECASE)
"""A word that is meant for us, right or wrong; anything else is part of a question."""

_PLAIN = re.compile(rf"\S*\d/(?:{'|'.join(SCOPES)})")
"""An amount as it should be: a sentence does not begin like that."""


def _budget(rest: str, engine: EngineGetter) -> Command | None:
    words = rest.split()
    if not words:
        return lambda: _shown(engine())
    strange = [word for word in words if not _OURS.fullmatch(word)]
    if len(strange) == 1 and len(words) == 2 and _PLAIN.fullmatch(words[0]):
        raise OptionError(
            f"%ai budget takes amounts such as 5/day or off/day, not {shown(strange[0])}; "
            "%ai -- asks the line as it is"
        )
    if strange:
        return None
    return lambda: _set(engine(), words)


def _shown(engine: Engine) -> Any:
    said = [] if engine.settings.models else [PRETEND]
    if engine.settings.budget.amounts:
        from .table import Table

        money = dict.fromkeys(("limit_usd", "spent_usd", "held_usd", "left_usd"), "usd")
        return Table.of(engine.budget(), below=said, share="share", until="text", **money)
    lines = ["no budget is set: %ai budget 5/day sets one"]
    purse = engine.purse({"day": Decimal(1), "month": Decimal(1)})
    for standing in engine.ledger.standings(purse.limits(time.time())):
        when = "today" if standing.limit.scope == "day" else "this month"
        lines.append(f"{when:<10}  {usd(standing.spent)} spent")
    return Page("\n".join([*lines, *said]))


def _set(engine: Engine, words: Sequence[str]) -> Any:
    """All words at once, or none of them where one is wrong."""
    changes: dict[str, Decimal | None] = {}
    for word in words:
        changes |= _change(word)
    engine.configure({"budget": changes})
    return _shown(engine)


def _change(word: str) -> dict[str, Decimal | None]:
    """What a word such as 5/day, off/day or off sets."""
    if word.lower() in OFF:
        return dict.fromkeys(SCOPES)
    amount, slash, scope = word.partition("/")
    if not slash:
        which = ", ".join(f"{word[:12]}/{scope}" for scope in SCOPES)
        raise OptionError(f"{shown(word)} lacks what it is for: {which}")
    if scope not in SCOPES:
        near = nearest(scope, SCOPES) or f": take {', '.join(SCOPES)}"
        raise OptionError(f"no budget for {shown(scope)}{near}")
    if amount.lower() in OFF:
        return {scope: None}
    try:
        return {scope: checked_usd(amount)}
    except ValueError as error:
        raise OptionError(f"the {scope} budget {error}, not {shown(amount)}") from None


def _words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    """Sensible first amounts, and off for those that are set."""
    given = [word.partition("/")[2] for word in before]
    usual = {"call": "0.5", "notebook": "10", "day": "5", "month": "50"}
    set_already = engine().settings.budget.amounts
    free = [scope for scope in SCOPES if scope not in given]
    return (
        *(f"{usual[scope]}/{scope}" for scope in free),
        *(f"off/{scope}" for scope in free if scope in set_already),
        *(OFF[:1] if set_already and not before else ()),
    )


COMMANDS = (
    Subcommand(
        "budget",
        "%ai budget [USD/SCOPE…]: what may be spent by call, notebook, day or month.",
        _budget,
        complete=_words,
        help="""\
It holds in this kernel, over what all kernels spend; day = 5 under [budget] in your settings file
keeps it.

    %ai budget 5/day 0.5/call

    %ai budget

    %ai budget off/day

    %ai budget none

A call for which no money is left goes to a cheaper or free model of its chain, or stops before
anything is sent. Free models and answers from the cache are never stopped. Alerts come at 50, 80
and 100 %, and from 80 % on prompts go a tier lower.""",
    ),
)
