"""What is kept on disk: the cache of answers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..amounts import counted, format_bytes, format_percent, format_usd
from ..engine import Engine
from ..errors import OptionError
from ..shelf import (
    MOST_READ,
    Kept,
    Use,
    clear_kept,
    export_kept,
    forget_answer,
    import_kept,
    kept_models,
    look_over,
)
from ..transfer import Exported, Imported
from ..values import nearest, one_line, shown, similar
from .page import Command, Page
from .registry import PATHS, EngineGetter, Subcommand

__all__ = ["COMMANDS"]

MOST_ROWS = 12
"""Models in the table of `%ai cache`."""


@dataclass(frozen=True)
class _Verb:
    """What may stand behind `%ai cache`; an option without a word for its value is a switch."""

    usage: str
    files: int = 0
    options: dict[str, str] = field(default_factory=dict)


_VERBS = {
    "clear": _Verb("clear [--model NAME] [--older 30d]", 0, {"--model": "NAME", "--older": "AGE"}),
    "trim": _Verb("trim"),
    "forget": _Verb("forget"),
    "export": _Verb(
        "export FILE [--notebook PATH | --all] [--force]",
        1,
        {"--notebook": "PATH", "--all": "", "--force": ""},
    ),
    "import": _Verb("import FILE [--replace]", 1, {"--replace": ""}),
}


def _cache(rest: str, engine: EngineGetter) -> Command | None:
    words = _split(rest)
    if not words:
        return lambda: _page(look_over(engine()))
    name, *more = words
    meant = [name] if name in _VERBS else similar(name, _VERBS, least=0.75)
    if not meant or _is_question(_VERBS[meant[0]], more):
        return None
    if name not in _VERBS:
        hint = f"did you mean %ai cache {meant[0]}?"
        raise OptionError(f"no {shown(name)} in %ai cache; {hint} (%ai -- asks it as it is)")
    return lambda: _run(engine(), name, _VERBS[name], more)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an apostrophe
        return text.split()


def _is_question(verb: _Verb, words: Sequence[str]) -> bool:
    """Whether so many words follow that a sentence goes on: `%ai cache import in Python, how?`."""
    return len(words) > verb.files + 1 and not any(word.startswith("--") for word in words)


def _run(engine: Engine, name: str, verb: _Verb, words: Sequence[str]) -> Page:
    files, options = _read(name, verb, words)
    if name == "clear":
        older = options.get("--older")
        seconds = None if older is None else _seconds(older)
        gone = clear_kept(engine.cache, model=options.get("--model"), older_than=seconds)
        return Page(f"{counted(gone, 'kept answer')} removed")
    if name == "trim":
        return Page(f"{counted(engine.cache.trim(), 'kept answer')} removed")
    if name == "forget":
        forget_answer(engine.cache, engine.last())
        return Page("the last answer is forgotten: the same question is asked anew")
    if name == "export":
        done = export_kept(
            engine,
            files[0],
            notebook=options.get("--notebook"),
            everything="--all" in options,
            force="--force" in options,
        )
        return _exported(done)
    return _imported(import_kept(engine, files[0], replace="--replace" in options))


def _read(name: str, verb: _Verb, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The files and options among the words.

    Raises:
        OptionError: one of them is wrong, missing or too many.
    """
    files, options, rest = list[str](), dict[str, str](), list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            files.append(word)
            continue
        option, given, value = word.partition("=")
        if option not in verb.options:
            hint = nearest(option, verb.options) or f"; {_usage(verb)}"
            raise OptionError(one_line(f"no option {shown(option)} in %ai cache {name}{hint}"))
        if verb.options[option]:
            if not given and not rest:
                raise OptionError(f"{option} needs a value: {_usage(verb)}")
            value = value if given else rest.pop(0)
        elif given:
            raise OptionError(f"{option} takes no value: {_usage(verb)}")
        options[option] = value
    if len(files) != verb.files:
        wrong = f"{shown(files[verb.files])} is too much" if files[verb.files :] else "which file?"
        raise OptionError(one_line(f"%ai cache {name}: {wrong}; {_usage(verb)}"))
    return files, options


def _usage(verb: _Verb) -> str:
    return f"%ai cache {verb.usage}"


_UNITS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}


def _seconds(age: str) -> float:
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([hdw])", age.strip().lower())
    if found is None:
        raise OptionError(f"--older {shown(age)}: give an age such as 12h, 30d or 2w")
    return float(found[1]) * _UNITS[found[2]]


# -- pages


def _exported(done: Exported) -> Page:
    lines = [
        f"{counted(done.count, 'answer')} exported to {done.path} "
        f"({format_bytes(done.path.stat().st_size)}): no prompts, but the endpoints' addresses"
    ]
    if done.gone:
        lines.append(f"{done.gone:,} not kept any more")
    if done.secret:
        lines.append(f"{done.secret:,} left out: a key, token or password stands in them")
    return Page("\n".join(lines))


def _imported(done: Imported) -> Page:
    lines = [f"{counted(done.came, 'answer')} imported from {done.path}"]
    if done.known:
        lines.append(f"{done.known:,} here already")
    lines += [f"{number:,} refused: {reason}" for reason, number in done.refused.items()]
    return Page("\n".join(lines))


def _page(kept: Kept) -> Page:
    if kept.folder is None:
        return Page("the cache is off: answers are kept nowhere")
    most = "" if kept.most is None else f", trimmed daily to {format_bytes(kept.most)}"
    lines = [
        f"answers  {kept.count:,} in {format_bytes(kept.size)}{most}",
        f"folder   {kept.folder}",
        f"made     {_made(kept)}",
    ]
    lines.append(f"hits     {_by_period(kept, _rate)}")
    lines.append(f"saved    {_by_period(kept, _saved)}")
    lines += [
        f"demo     {_rate(use)}, a pretend {_saved(use)} saved"
        for use in kept.by_period["ever"]
        if use.simulated
    ]
    return Page("\n".join([*lines, *_table(kept)]))


def _made(kept: Kept) -> str:
    if kept.oldest is None or kept.newest is None:
        words = "nothing yet"
    else:
        first, last = _day(kept.oldest), _day(kept.newest)
        words = first if first == last else f"{first} to {last}"
    limit = "kept whatever their age" if kept.max_age is None else f"for {kept.max_age:g} days"
    return f"{words}; {limit} (cache.max_age)"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d")


def _by_period(kept: Kept, words: Callable[[Use], str]) -> str:
    """What real models' answers were used for; the demo's are pretend."""
    return " · ".join(
        f"{name} {words(next((use for use in uses if not use.simulated), _NOTHING))}"
        for name, uses in kept.by_period.items()
    )


_NOTHING = Use(0, None, 0.0, False)


def _rate(use: Use) -> str:
    """The share of the answers that came from the cache, as `%ai stats` has it."""
    if not use.calls:
        return "no calls"
    rate = "no answers" if use.rate is None else f"{format_percent(use.rate)} of the answers"
    return f"{rate} in {counted(use.calls, 'call')}"


def _saved(use: Use) -> str:
    return format_usd(use.saved_usd)


def _table(kept: Kept) -> list[str]:
    """Answers, rate of hits and savings by the model's id, the one with the most answers first."""
    uses = {use.model: use for use in kept.by_model if use.model in kept.models or use.rate}
    names = list(dict.fromkeys([*kept.models, *uses]))
    if not names:
        return []
    rows = [("model", "answers", "size", "hits", "saved")]
    for name in names[:MOST_ROWS]:
        count, size = kept.models.get(name, (0, 0))
        use = uses.get(name, _NOTHING)
        hits = "" if use.rate is None else format_percent(use.rate)
        saved = f"pretend {_saved(use)}" if use.simulated else _saved(use)
        rows.append((name, f"{count:,}", format_bytes(size), hits, saved))
    wide = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:<{wide[0]}}  "
        + "  ".join(f"{row[column]:>{wide[column]}}" for column in (1, 2, 3))
        + f"  {row[4]}"
        for row in rows
    ]
    if len(names) > MOST_ROWS:
        lines.append(f"and {counted(len(names) - MOST_ROWS, 'more model')}")
    if kept.count > MOST_READ:
        lines.append(f"answers by model: of the {MOST_READ:,} used last")
    return ["", *lines]


def _words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    if not before:
        return tuple(_VERBS)
    verb = _VERBS.get(before[0])
    if verb is None:
        return ()
    if before[-1] == "--model":
        return kept_models(engine().cache)
    if before[-1] == "--notebook":
        return engine().ledger.choices()["notebook"]
    if before[-1] == "--older":
        return ("12h", "7d", "30d")
    if verb.files and len(before) == 1:
        return PATHS
    return tuple(option for option in verb.options if option not in before)


_HELP = """\
The same question to the same model is paid for once: the answer is kept on your disk, for all your
notebooks. A footer that begins with "cached" tells so, and what was saved.

    %ai cache

    %ai cache trim

    %ai cache clear --older 30d

trim takes out what is older than cache.max_age days, then the least used down to cache.max_bytes,
as happens once a day; clear takes out everything, or a model's answers, or those over an age;
forget takes out the last answer, a bad one. For one cell:

    %%ai --refresh
    What is the capital of Norway?

    %%ai --no-cache
    What is the capital of Norway?

--refresh asks again and keeps the new answer, --no-cache neither looks nor keeps. For all cells:

    %ai config cache.enabled false

export writes this notebook's answers (this session's, where the front end does not name it),
another one's or all to a file of JSON lines, compressed if it ends in .gz. Your prompts and keys
are not in it, the endpoints' addresses are; an answer that holds a secret is left out. import
brings them in; what is here already stays, unless you say --replace. With MMAI_OFFLINE=1 the
notebook then replays with no key and no network. Import only what you trust: it is shown as the
model's answer, marked "imported"."""

COMMANDS = (
    Subcommand(
        "cache",
        "%ai cache [clear|trim|forget|export FILE|import FILE]: the kept answers, and what they "
        "saved.",
        _cache,
        help=_HELP,
        complete=_words,
    ),
)
