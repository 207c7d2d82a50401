"""What calls cost: the newest rows of the ledger on the screen, or all of them in a file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..amounts import counted, format_bytes
from ..engine import Engine
from ..errors import OptionError
from ..selection import is_period
from ..values import shown
from .page import Command, Page, short_name
from .registry import PATHS, EngineGetter, Subcommand

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["COMMANDS"]

USUAL_ROWS = 20
LONGEST_NAME = 22


def _costs(rest: str, engine: EngineGetter) -> Command | None:
    words = rest.split()
    if words[:1] == ["export"]:
        return _export(rest.removeprefix("export"), engine)
    if words[:1] == ["--plot"]:
        return _plot(words[1:], engine)
    if len(words) < 3 and words and re.fullmatch(r"-\d+", words[0]):
        raise OptionError(
            f"%ai costs N shows the last N attempts: N from 0 on, not {words[0][:20]}"
        )
    number = words and words[0].isdecimal() and len(words[0]) <= 9
    rows = int(words.pop(0)) if number else None
    if len(words) > 1:
        return None
    if not words:
        return lambda: _newest(engine(), USUAL_ROWS if rows is None else rows)
    found = _matching(engine(), words[0])
    if found is None:
        if rows is None:
            return None
        raise OptionError(f"no model and no tag in the ledger has {shown(words[0])} in its name")
    kind, names = found
    return lambda: _newest(engine(), USUAL_ROWS if rows is None else rows, kind, names)


def _matching(engine: Engine, word: str) -> tuple[str, list[str]] | None:
    """Which models, else which tags, the word means: that one, else those that have it in them."""
    choices = engine.ledger.choices()
    for means in (str.__eq__, lambda name, part: part.lower() in name.lower()):
        for kind in ("model", "tag"):
            names = [name for name in choices[kind] if means(name, word)]
            if names:
                return kind, names
    return None


def _newest(
    engine: Engine, rows: int, kind: str = "model", names: Sequence[str] | None = None
) -> DataFrame:
    """The ledger's newest rows, in the columns that fit a screen; ai.costs() has them all."""
    from .table import Table

    frame = engine.costs(limit=rows, **{kind: names})
    frame["time"] = frame["ts"].dt.tz_convert("tzlocal()").dt.strftime("%m-%d %H:%M")
    tokens = frame["input_tokens"].astype("string") + "→" + frame["output_tokens"].astype("string")
    frame["tokens"] = tokens.fillna("–")
    frame["request_model"] = frame["request_model"].map(
        lambda name: short_name(name, LONGEST_NAME), na_action="ignore"
    )
    frame["cached"] = frame["cache_hit"].map({True: "yes", False: ""})
    columns = ["time", "request_model", "tokens", "cost_usd", "cached", "status"]
    table = frame[columns].set_index("time")
    return Table.of(table, empty="no calls yet: ask something with %%ai or %ai")


def _plot(words: Sequence[str], engine: EngineGetter) -> Command | None:
    since = words[0] if words else "30d"
    if len(words) > 1 or not is_period(since):
        return None

    def run() -> Figure:
        from .. import charts

        ledger, step = engine().ledger, "hour" if since == "today" else "day"
        real = ledger.series(step=step, since=since, simulated=False)
        shown = real if len(real) else ledger.series(step=step, since=since, simulated=True)
        return charts.spend_over_time(shown, step=step)

    return run


def _export(rest: str, engine: EngineGetter) -> Command | None:
    try:
        words = shlex.split(rest)
    except ValueError:
        raise OptionError("a quote in %ai costs export is not closed") from None
    force = "--force" in words
    words = [word for word in words if word != "--force"]
    periods = [word for word in words[1:] if is_period(word)]
    if len(words) > 1 + len(periods) or len(periods) > 1:
        return None
    if not words:
        raise OptionError("name the file to write: %ai costs export FILE.csv")
    since = periods[0] if periods else None
    return lambda: _exported(engine(), words[0], since, force)


def _exported(engine: Engine, name: str, since: str | None, force: bool) -> Page:
    rows = engine.export_costs(name, since=since, force=force)
    path = Path(name).expanduser().absolute()
    size = format_bytes(path.stat().st_size)
    return Page(f"{counted(rows, 'row')}, {size}, written to {path}")


def _words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    if not before or (len(before) == 1 and before[0].isdecimal()):
        choices = engine().ledger.choices()
        first = () if before else ("export", "--plot")
        return (*first, *choices["model"], *choices["tag"])
    if before[0] == "--plot":
        return () if before[1:] else ("today", "week", "month", "7d", "30d")
    if before[0] != "export":
        return ()
    return PATHS if len(before) == 1 else ("today", "week", "month", "7d", "30d", "--force")


COMMANDS = (
    Subcommand(
        "costs",
        "%ai costs [N] [WORD] | --plot | export FILE: the last N attempts; or a chart; or a file.",
        _costs,
        help="""\
    %ai costs

    %ai costs 5

One row is one request, or one answer from the cache; a price that is not known is NaN. WORD is a
model or a tag, or a part of its name: %ai costs 5 mini. ai.costs() has all columns, and more to
choose by:

    import mmai_nb as ai
    ai.costs(since="7d", simulated=False)

    %ai costs --plot 7d

draws what was spent, by day and model: real money, or the demo's where there is no other.

%ai costs export FILE writes all columns to a file of yours alone that ends in .csv or .parquet.
Behind FILE may stand today, week, month, year or a number of days such as 30d, and --force where
it may replace a file that is there.""",
        complete=_words,
        wrong_word="no model and no tag in the ledger has {} in its name",
    ),
)
