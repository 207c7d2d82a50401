"""What a user's set-up is like: settings, keys, ledger, cache, local servers, versions.

Nothing is sent but to the ports of this machine where local servers are looked for.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import schema
from .amounts import counted, format_bytes
from .errors import ConfigError, MissingKeyError, MmaiError
from .keys import find_key
from .ledger import Ledger
from .markup import PRE_WRAP, clean_line, escape
from .opening import TROUBLES, one, read_only
from .providers import LOCAL_SERVERS
from .resources import Resources
from .settings import Settings, is_offline
from .sources import project_source, short_path, user_source
from .values import one_line

__all__ = ["Checkup", "Finding", "examine", "mend"]

DISTRIBUTIONS = ("mmai_nb", "openai", "ipython", "ipywidgets", "joblib", "pandas", "genai-prices")
MOST_LINES = 12
"""Keys, or servers, that are told one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what: settings, keys, ledger, cache, servers, versions.
        text: what was found, in a line; where it is wrong, also what to do.
        wrong: whether something should be done.
    """

    name: str
    text: str
    wrong: bool = False


@dataclass(frozen=True)
class Checkup:
    """All that was looked at; it shows itself as a page, on which `!` marks what is wrong."""

    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """What should be seen to."""
        return tuple(finding for finding in self.findings if finding.wrong)

    def __repr__(self) -> str:
        lines, before = [], ""
        for found in self.findings:
            name = "" if found.name == before else found.name
            lines.append(f"{'!' if found.wrong else ' '} {name:<9} {clean_line(found.text)}")
            before = found.name
        count = len(self.wrong)
        lines.append("")
        lines.append(f"{counted(count, 'thing')} to see to, marked !" if count else "all is well")
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        text = repr(self)
        return {"text/plain": text, "text/html": f"{PRE_WRAP}{escape(text)}</pre>"}


def examine(engine: Callable[[], Resources]) -> Checkup:
    """Look at all of it; what cannot be looked at is a finding, never an error.

    Args:
        engine: gives the engine; it may raise ConfigError, which is a finding, too.
    """
    findings = list(_versions())
    try:
        ours = engine()
    except ConfigError as error:
        findings.append(Finding("settings", str(error), wrong=True))
        return Checkup(tuple(findings))
    for name, look in _LOOKS.items():
        try:
            findings += look(ours)
        except (MmaiError, OSError, ValueError) as error:
            findings.append(Finding(name, str(error), wrong=True))
    return Checkup(tuple(findings))


def mend(ledger: Ledger) -> str:
    """Compare the ledger's sums with all its rows, make them anew if they differ; say which.

    Raises:
        MmaiError: the ledger cannot be written to.
    """
    try:
        mended = ledger.mend()
    except TROUBLES as error:
        raise MmaiError(one_line(f"the ledger {ledger.path} cannot be mended: {error}")) from error
    if mended:
        return "the sums did not fit the ledger's rows: they are made anew"
    return "the sums fit the ledger's rows: nothing to mend"


def _versions() -> Iterator[Finding]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    for name in DISTRIBUTIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding("versions", f"{name} is not installed: pip install {name}", wrong=True)
    yield Finding("versions", ", ".join(found))


# -- settings and keys


def _settings(engine: Resources) -> Iterator[Finding]:
    settings = engine.settings
    if settings.models:
        tiers = counted(len(settings.tiers), "tier")
        yield Finding("settings", f"{counted(len(settings.models), 'model')}, {tiers}")
    else:
        yield Finding("settings", "no model is configured: the demo answers in IPython")
    sources = (user_source(None, os.environ), project_source(None))
    files = [short_path(source.path) for source in sources if source is not None]
    yield Finding(
        "settings", f"read from {' and '.join(files)}" if files else "no file of settings"
    )
    if is_offline(settings):
        yield Finding("settings", "offline: nothing is sent to any model but the demo's")


def _keys(engine: Resources) -> Iterator[Finding]:
    settings, users = engine.settings, defaultdict[str, int](int)
    for spec in settings.models.values():
        if spec.api_key_env and not spec.simulated:
            users[spec.api_key_env] += 1
    if not users:
        yield Finding("keys", "no model needs one")
    for variable, count in sorted(users.items())[:MOST_LINES]:
        yield _key(variable, counted(count, "model"), settings)
    if (more := len(users) - MOST_LINES) > 0:
        yield Finding("keys", f"and {more} more: %ai models shows them")


def _key(variable: str, models: str, settings: Settings) -> Finding:
    try:
        there = find_key(variable, settings.key_sources)
    except MissingKeyError as error:
        return Finding("keys", str(error), wrong=True)
    if there:
        return Finding("keys", f"{variable} is there, for {models}")
    text = f"{variable} is missing, for {models}: %ai key {variable} asks for it"
    return Finding("keys", text, wrong=True)


# -- what is kept


def _ledger(engine: Resources) -> Iterator[Finding]:
    ledger = engine.ledger
    path = ledger.path
    if path is None:
        yield Finding("ledger", "in memory only: it ends with this process")
    elif not path.exists():
        yield Finding("ledger", f"{short_path(path)}, which the first call makes")
    else:
        yield _file(path)
    if waiting := len(ledger.pending) if path else 0:
        text = f"{counted(waiting, 'row')} in memory only, since the file cannot be written to"
        yield Finding("ledger", text, wrong=True)


def _file(path: Path) -> Finding:
    """The ledger's file, read and not touched: another kernel may be at it."""
    name = short_path(path)
    try:
        with read_only(f"{path.as_uri()}?mode=ro") as db:
            said = str(one(db, "PRAGMA quick_check(1)"))
            if said != "ok":
                raise sqlite3.DatabaseError(said)
            if one(db, "PRAGMA application_id") != schema.APPLICATION:
                text = f"{name} is the database of another program: set ledger_path to a new file"
                return Finding("ledger", text, wrong=True)
            rows = counted(one(db, "SELECT COUNT(*) FROM attempt"), "row")
            now, fits = one(db, "PRAGMA user_version"), schema.adds_up(db)
    except TROUBLES as error:
        text = f"{name} cannot be read ({error}): move it away, and the next call makes a new one"
        return Finding("ledger", one_line(text), wrong=True)
    text = f"{name}: {rows}, {format_bytes(path.stat().st_size)}"
    if now > schema.SCHEMA:
        text += "; a newer version of mmai_nb has written it: upgrade to add rows"
        return Finding("ledger", text, wrong=True)
    if now < schema.SCHEMA:
        return Finding("ledger", f"{text}; of an older version, which the next call brings up")
    if not fits:
        text += "; its sums do not fit its rows: %ai doctor mend makes them anew"
        return Finding("ledger", text, wrong=True)
    return Finding("ledger", f"{text}, whole; its sums fit its rows")


def _cache(engine: Resources) -> Iterator[Finding]:
    if not engine.settings.cache.enabled:
        yield Finding("cache", "switched off: each answer is paid for")
        return
    try:
        cache = engine.cache
    except ConfigError as error:
        yield Finding("cache", str(error), wrong=True)
        return
    if cache.folder is None or not cache.keeps:
        name = short_path(engine.settings.cache.directory or Path())
        text = f"{name} cannot be used: each answer is paid for; set cache.folder to another"
        yield Finding("cache", one_line(text), wrong=True)
        return
    count, size = cache.size()
    most = "" if cache.max_bytes is None else f" of {format_bytes(cache.max_bytes)}"
    text = f"{short_path(cache.folder)}: {counted(count, 'answer')}, {format_bytes(size)}{most}"
    try:
        with tempfile.TemporaryFile(dir=cache.folder):
            yield Finding("cache", text)
    except OSError as error:
        why = f"it cannot be written to ({error.strerror}): new answers are paid for each time"
        yield Finding("cache", one_line(f"{text}; {why}"), wrong=True)


# -- local servers


def _servers(engine: Resources) -> Iterator[Finding]:
    settings = engine.settings
    if not settings.discover or is_offline(settings):
        why = "offline" if settings.discover else "discover = false"
        yield Finding("servers", f"not looked for: {why}")
        return
    found = engine.finder.look(fresh=True)
    names = [str(row["provider"]) for row in found.models.values()]
    for name in dict.fromkeys(names):
        title = LOCAL_SERVERS[name].title if name in LOCAL_SERVERS else name
        yield Finding("servers", f"{title}: {counted(names.count(name), 'model')}")
    for offer in found.offers[:MOST_LINES]:
        yield Finding("servers", f"{offer.where} answers once you run  {offer.line}")
    for where in found.strangers:
        yield Finding("servers", f"{where} is another user's, and left alone")
    if not (names or found.offers or found.strangers):
        yield Finding("servers", "none on the usual ports of this machine")


_LOOKS: dict[str, Callable[[Resources], Iterator[Finding]]] = {
    "settings": _settings,
    "keys": _keys,
    "ledger": _ledger,
    "cache": _cache,
    "servers": _servers,
}
