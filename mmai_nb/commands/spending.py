"""What calls cost: the newest rows of the ledger, and the sums over them."""

from __future__ import annotations

from datetime import datetime
from textwrap import fill
from typing import TYPE_CHECKING

from ..engine import Engine
from ..sums import GROUPS
from .page import Command
from .registry import EngineGetter, Subcommand, one_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["COMMANDS"]


def _costs(rest: str, engine: EngineGetter) -> Command | None:
    if rest and not (rest.isdecimal() and len(rest) <= 9):
        return None
    return lambda: _newest(engine(), int(rest) if rest else 20)


def _newest(engine: Engine, rows: int) -> DataFrame:
    """The ledger's newest rows, in the columns that fit a screen; ai.costs() has them all."""
    frame = engine.costs(limit=rows)
    local = frame["ts"].dt.tz_convert(datetime.now().astimezone().tzinfo)
    frame["time"] = local.dt.strftime("%m-%d %H:%M")
    tokens = frame["input_tokens"].astype("string") + "→" + frame["output_tokens"].astype("string")
    frame["tokens"] = tokens.fillna("–")
    return frame[["time", "request_model", "tokens", "cost_usd", "cache_hit", "status"]]


def _stats(rest: str, engine: EngineGetter) -> Command | None:
    words = rest.split()
    return (lambda: engine().summary(*words)) if len(words) <= 1 else None


COMMANDS = (
    Subcommand(
        "costs",
        "%ai costs [N]: the last N attempts (default 20); ai.costs() has them all.",
        _costs,
        help="""\
    %ai costs

    %ai costs 5

One row is one request, or one answer from the cache; a price that is not known is NaN. All columns:

    import mmai_nb as ai
    ai.costs()""",
    ),
    Subcommand(
        "stats",
        "%ai stats [model|tier|tag|day|…]: calls, cost, rates, latency, savings.",
        _stats,
        complete=one_of(*GROUPS),
        help=f"""\
One row for each value of a column, with what the cache and the routing have saved. Columns to sum
up by:

{fill(", ".join(GROUPS), 96, initial_indent="  ", subsequent_indent="  ")}

    %ai stats

    %ai stats day

Several at once, in Python:

    import mmai_nb as ai
    ai.summary(["model", "tag"])""",
    ),
)
