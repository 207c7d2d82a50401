"""Prompts and answers of the past: listed, searched, shown whole, deleted for good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..amounts import counted, format_usd
from ..engine import Engine
from ..errors import OptionError
from ..markup import PRE_WRAP, clean_line, clean_text, escape_lines, fenced, render
from ..records import Message
from ..texts import Deleted
from ..words import snippet, words_of
from .page import Command, Page
from .registry import EngineGetter, Subcommand

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["COMMANDS"]

MOST_SHOWN = 1_000
WIDTH = 84
"""Characters of prompt and answer on their line of the list."""

_TAKES_VALUE = {
    "-n": "limit",
    "-m": "model",
    "--model": "model",
    "--since": "since",
    "--tag": "tag",
    "--before": "before",
}
_FLAGS = {"--yes": "yes", "--cache": "cache"}
_ALLOWED = {
    "list": ("-n", "-m", "--model", "--since", "--tag", "-q"),
    "delete": ("-m", "--model", "--since", "--before", "--tag", "-q", "--yes", "--cache"),
    "purge": ("--before", "--yes", "--cache"),
}


@dataclass(frozen=True, slots=True)
class _Line:
    """What stands behind `%ai history`, read."""

    action: str = "list"
    numbers: tuple[int, ...] = ()
    words: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()


def _read(rest: str) -> _Line | None:
    """The line's options and numbers; None where it is none of ours, so a question."""
    tokens = rest.split()
    action = tokens.pop(0) if tokens[:1] in (["delete"], ["purge"]) else "list"
    line, allowed = _Line(action), _ALLOWED[action]
    while tokens:
        token = tokens.pop(0)
        if token.isascii() and token.isdecimal() and action != "purge":
            line = replace(line, numbers=(*line.numbers, int(token[:18])))
        elif token not in allowed:
            return None
        elif token in _FLAGS:
            line = replace(line, flags=line.flags | {_FLAGS[token]})
        elif token == "-q":
            line = replace(line, words=_taken(tokens, allowed))
            if not line.words:
                return None
        elif not tokens:
            return None
        else:
            line = replace(line, given={**line.given, _TAKES_VALUE[token]: _value(tokens)})
    return line if _fits(line) else None


def _fits(line: _Line) -> bool:
    choosing = line.words is not None or line.given
    if line.action == "list":
        return len(line.numbers) <= 1 and not (line.numbers and choosing)
    return line.action == "purge" or bool(line.numbers) != bool(choosing)


def _taken(tokens: list[str], allowed: Iterable[str]) -> str:
    """The words up to the next option; all of them behind `--`."""
    literal = tokens[:1] == ["--"] and len(tokens) > 1
    if literal:
        del tokens[0]
    words = []
    while tokens and (literal or tokens[0] not in allowed):
        words.append(tokens.pop(0))
    return " ".join(words)


def _value(tokens: list[str]) -> str:
    """The next word, or several within quotes."""
    value = tokens.pop(0)
    quote = value[0] if value[0] in "'\"" else ""
    while quote and tokens and (len(value) == 1 or not value.endswith(quote)):
        value += f" {tokens.pop(0)}"
    return value.strip(quote) if quote else value


def _history(rest: str, engine: EngineGetter) -> Command | None:
    line = _read(rest)
    if line is None:
        return None
    if line.action != "list":
        return lambda: _forgotten(engine(), line)
    if line.numbers:
        return lambda: _whole(engine(), line.numbers[0])
    return lambda: _listed(engine(), line)


# -- the list


def _listed(engine: Engine, line: _Line) -> Page:
    limit = line.given.get("limit", "20")
    if not (limit.isascii() and limit.isdecimal() and 0 < int(limit[:9]) <= MOST_SHOWN):
        raise OptionError(f"-n must be a whole number from 1 to {MOST_SHOWN:,}, not {limit[:40]!r}")
    options = {name: value for name, value in line.given.items() if name != "limit"}
    found = engine.history(line.words, limit=int(limit), **options)
    if found.empty:
        return Page(_nothing(engine, line))
    rows = found.to_dict("records")
    sought = words_of(line.words or "")
    rows.sort(key=lambda row: row["ts"], reverse=True)
    return Page("\n".join(_entries(rows, sought)))


def _nothing(engine: Engine, line: _Line) -> str:
    if line.words or line.given:
        return "nothing in the history fits; %ai history shows the newest"
    off = "" if engine.settings.log_text else ": log_text is off, so nothing is added"
    return f"the history is empty{off}"


def _entries(rows: Sequence[Mapping[Any, Any]], words: Sequence[str]) -> list[str]:
    wide = max(len(_number(row)) for row in rows)
    return [_entry(row, words, wide) for row in rows]


def _entry(row: Mapping[Any, Any], words: Sequence[str], wide: int) -> str:
    """Three lines: facts, prompt, answer; of a long text its beginning, or where the hit is."""
    indent = " " * (wide + 2)
    lines = [f"{_number(row):>{wide}}  {_facts(row)}"]
    for mark, text in (("Q", row["prompt"]), ("A", row["answer"])):
        shown = snippet(words, clean_text(text), WIDTH)
        lines.append(f"{indent}{mark} {shown}" if shown else f"{indent}{mark} –")
    return "\n".join(lines)


def _number(row: Mapping[Any, Any]) -> str:
    return str(row["id"]) if _is_known(row["id"]) else "–"


def _facts(row: Mapping[Any, Any]) -> str:
    """When, which model, tokens, money, how often: one line."""
    when = row["ts"].tz_convert(datetime.now().astimezone().tzinfo)
    parts = [f"{when:%Y-%m-%d %H:%M}", _known(row["model"])]
    if row["status"] != "ok":
        parts.append(_known(row["status"]))
    if all(_is_known(row[name]) for name in ("input_tokens", "output_tokens")):
        parts.append(f"{row['input_tokens']:,}→{row['output_tokens']:,} tok")
    cost = format_usd(row["cost_usd"])
    parts.append(f"demo: pretend {cost}" if row["simulated"] else cost)
    if row["asked"] > 1:
        parts.append(f"asked {row['asked']:,} times")
    if _is_known(row["cache_hit"]) and row["cache_hit"]:
        parts.append("from the cache")
    if _is_known(row["tag"]):
        parts.append(f"#{_known(row['tag'])}")
    if _is_known(row["notebook"]):
        parts.append(_known(row["notebook"]).rpartition("/")[2])
    return " · ".join(part for part in parts if part)


def _is_known(value: Any) -> bool:
    return value is not None and str(value) not in ("<NA>", "nan", "NaT")


def _known(value: Any) -> str:
    text = clean_line(str(value)) if _is_known(value) else ""
    return text if len(text) <= 60 else text[:59] + "…"


# -- one of them


class _Past(str):
    """An answer of the past, with its prompt and facts; shows all of it, safely."""

    prompt: str
    context: tuple[Message, ...]
    _bundle: dict[str, str]

    @classmethod
    def made(cls, row: Mapping[Any, Any], context: Sequence[Message]) -> _Past:
        """From a row of the history and the messages before its prompt."""
        self = cls(row["answer"])
        self.prompt, self.context = row["prompt"], tuple(context)
        self._bundle = _bundle(self, row)
        return self

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """IPython's `text/plain`, where its printer of str goes before the MIME bundle."""
        printer.text(self._bundle["text/plain"])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return dict(self._bundle)


def _bundle(past: _Past, row: Mapping[Any, Any]) -> dict[str, str]:
    said = [(m.role, m.content) for m in past.context] + [("user", past.prompt)]
    facts = f"{_number(row)} · {_facts(row)}"
    answer = render(str(past) or "(no answer)", str(row["format"]), facts)
    plain = "\n\n".join(f"{role}:\n{clean_text(text)}" for role, text in said)
    html = "".join(
        f'<div style="{_ROLE_STYLE}">{role}</div>{PRE_WRAP}{escape_lines(text)}</pre>\n'
        for role, text in said
    )
    markdown = "\n\n".join(f"**{role}**\n\n{fenced(clean_text(text))}" for role, text in said)
    return {
        "text/plain": f"{plain}\n\nassistant:\n{answer['text/plain']}",
        "text/html": f'{html}<div style="{_ROLE_STYLE}">assistant</div>{answer["text/html"]}',
        "text/markdown": f"{markdown}\n\n**assistant**\n\n{answer['text/markdown']}",
    }


_ROLE_STYLE = "color: var(--jp-ui-font-color2, #616161); font-size: 87%"


def _whole(engine: Engine, number: int) -> _Past:
    row = _one(engine, number).to_dict("records")[0]
    return _Past.made(row, engine.texts.context(number))


def _one(engine: Engine, number: int) -> DataFrame:
    found = engine.texts.frame(number=number)
    if found.empty:
        raise OptionError(f"there is no {number} in the history; %ai history shows the newest")
    return found


# -- deleting


def _forgotten(engine: Engine, line: _Line) -> Page:
    engine.texts.close()  # what waits gets its number, if it can
    found = _chosen(engine, line)
    if found.empty:
        return Page("nothing in the history fits: nothing was deleted")
    cached = sum(engine.cache.look(key) is not None for key in found["cache_key"].dropna())
    if "yes" not in line.flags:
        return Page(_announced(found, cached, "cache" in line.flags))
    deleted = engine.delete_history(found, cache="cache" in line.flags)
    return Page(_told(engine, deleted, cached, "cache" in line.flags))


def _chosen(engine: Engine, line: _Line) -> DataFrame:
    if not line.numbers:
        return engine.history(line.words, limit=None, **line.given)
    import pandas as pd

    return pd.concat([_one(engine, n) for n in dict.fromkeys(line.numbers)], ignore_index=True)


def _announced(found: DataFrame, cached: int, with_cache: bool) -> str:
    """What would go, and what else holds it."""
    rows = found.to_dict("records")
    lines = _entries(rows[-3:], ())
    if len(rows) > 3:
        lines.insert(0, f"{len(rows) - 3:,} more, and")
    lines.append(f"{counted(len(rows), 'exchange')} would be deleted for good; add --yes to do it")
    if cached:
        what = "go too" if with_cache else "stay, text and all; --cache takes them out"
        lines.append(f"{counted(cached, 'answer')} in the cache would {what}")
    return "\n".join(lines)


def _told(engine: Engine, deleted: Deleted, cached: int, with_cache: bool) -> str:
    lines = [f"{counted(deleted.exchanges, 'exchange')} deleted"]
    if cached:
        lines.append(
            f"{counted(cached, 'answer')} {'went from' if with_cache else 'stayed in'} the cache"
        )
    if not deleted.wiped:
        lines.append(
            "traces of them are on the disk still, since another kernel is at work: they go with "
            "the next deletion, or when this kernel ends"
        )
    if engine.settings.log_file is not None:
        lines.append(f"the log file keeps its lines: {engine.settings.log_file}")
    return "\n".join(lines)


_HELP = """\
Prompts and answers are kept beside the ledger, on your disk, without the keys in them: once,
however often the same answer came from the cache.

    %ai history

    %ai history -n 5 --since week

    %ai history -q pandas merge

    %ai history -m demo-small --tag physics -q integral

-q finds what has all the words, in the prompt or in the answer; a part of a word counts, case does
not, and no character has a meaning of its own. --tag takes a tag, -m a part of a model's name,
--since and --before a date, today, week, month or 7d. A number shows one of them whole:

    %%ai
    What is the capital of Norway?

    %ai history 1

Deleting tells what would go, and does it with --yes. The cache keeps its own copy of the answer;
--cache removes that as well. What you said of answers, as with %ai good, stays with counts such as
how long the prompt was, and without anything of its words.

    %ai history delete 1

    %ai history delete -q Norway --cache --yes

    %ai history purge --before 2026-01-31

To keep no texts from now on:

    %ai config log_text false"""


def _words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    """What may come next; nothing where a value or a word of the user's does."""
    if before and before[-1] in _TAKES_VALUE:
        return engine().settings_for_display.models if _TAKES_VALUE[before[-1]] == "model" else ()
    if "-q" in before:
        return ()
    action = before[0] if before and before[0] in _ALLOWED else "list"
    actions = () if before else ("delete", "purge")
    return (*actions, *(word for word in _ALLOWED[action] if word not in before))


COMMANDS = (
    Subcommand(
        "history",
        "%ai history [N | -q WORDS | delete N | purge]: past prompts and answers, found again.",
        _history,
        help=_HELP,
        complete=_words,
    ),
)
