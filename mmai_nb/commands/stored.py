"""What is kept on disk: the cache of answers."""

from __future__ import annotations

from ..engine import Engine
from .page import Command, Page
from .registry import EngineGetter, Subcommand, one_of

__all__ = ["COMMANDS"]


def _cache(rest: str, engine: EngineGetter) -> Command | None:
    return (lambda: _kept(engine(), rest)) if rest in ("", "clear", "trim") else None


def _kept(engine: Engine, what: str) -> Page:
    if what:
        gone = engine.cache.clear() if what == "clear" else engine.cache.trim()
        return Page(f"{gone:,} kept answers removed")
    entries, size = engine.cache.size()
    folder = engine.cache.folder or "nowhere: the cache is off"
    amount = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"
    return Page(f"{entries:,} answers, {amount}, kept in {folder}")


COMMANDS = (
    Subcommand(
        "cache",
        "%ai cache [clear|trim]: how many answers are kept and where; clear forgets them all.",
        _cache,
        complete=one_of("clear", "trim"),
        help="""\
The same question to the same model is paid for once: the answer is kept on your disk, for all your
notebooks. A footer that begins with "cached" tells so, and what was saved.

    %ai cache

    %ai cache trim

trim takes out what is older than cache.max_age days, and the least used down to cache.max_bytes;
clear takes out everything. For one cell:

    %%ai --refresh
    What is the capital of Norway?

    %%ai --no-cache
    What is the capital of Norway?

--refresh asks again and keeps the new answer, --no-cache neither looks nor keeps. For all cells:

    %ai config cache.enabled false""",
    ),
)
