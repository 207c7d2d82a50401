"""`%ai doctor`: what the set-up is like, and what should be seen to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..checkup import examine, mend
from .page import Command, Page
from .registry import EngineGetter, Subcommand

__all__ = ["COMMANDS"]


def _doctor(rest: str, engine: EngineGetter) -> Command | None:
    if rest == "mend":
        return lambda: Page(mend(engine().ledger))
    return None if rest else lambda: examine(engine)


def _words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    return () if before else ("mend",)


COMMANDS = (
    Subcommand(
        "doctor",
        "%ai doctor [mend]: looks at settings, keys, ledger, cache, servers; asks no model.",
        _doctor,
        complete=_words,
        help="""\
    %ai doctor

shows versions; which settings and keys there are (never a key); whether the ledger is whole and its
sums fit its rows; whether the cache can be written to, and its size; and which local servers were
found. What should be seen to is marked with !, and says what to do. No model is asked, and no file
is changed.

    %ai doctor mend

makes the sums over the ledger's rows anew where they do not fit; the rows stay as they are. A file
that is damaged is left as it is: rows are kept in memory until it is moved away.

In Python it is ai.doctor(). Where a cell is not taken for a question at all: %%ai is in small
letters, without a blank behind the signs, and stands in the first line of its cell.""",
    ),
)
