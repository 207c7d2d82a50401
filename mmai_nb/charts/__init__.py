"""DataFrames as pictures: spend, tokens, savings, latency, rates, a budget's burn-down.

Each function takes a frame and gives a matplotlib Figure of its own, without pyplot and its global
state. Frames are those of `mmai_nb.costs()` (a row per attempt) or of `Ledger.series` (a row per
period and group); `Ledger.latencies` for latency. Names are shown to the letter: no `$` or `_` in
them is a formula. Colours are Okabe and Ito's (jfly.uni-koeln.de/color), which all can tell apart.

One room of five files: figures (the charts), taking (the frames they take), grouping (rows summed
as they are drawn), paper (sheet, colours, axes), lettering (names and marks).
"""

from __future__ import annotations

from ..amounts import format_count, format_seconds
from .figures import burn_down, cost_by, latency, rates, savings, spend_over_time, tokens_by
from .paper import EMPTY, INK, OTHERS, PALETTE, SOFT, words

__all__ = [
    "EMPTY",
    "INK",
    "OTHERS",
    "PALETTE",
    "SOFT",
    "burn_down",
    "cost_by",
    "format_count",
    "format_seconds",
    "latency",
    "rates",
    "savings",
    "spend_over_time",
    "tokens_by",
    "words",
]
