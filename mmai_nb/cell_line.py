"""The first line of a `%%ai` cell: its options, and what is wrong with them.

Misuse is IPython's own UsageError, one line. What `%load_ext` imports is IPython and the standard
library only: all else is imported where it is needed.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, NoReturn

from IPython.core.error import UsageError

__all__ = ["Parser", "late_options", "make_parser", "parse_line", "request_options"]

Completes = (
    Sequence[str] | Literal["models", "listed models", "answerers", "checks", "tags", "paths"]
)
"""What completes an option's value: these words, or a word for where they come from.

"answerers" are models and what else may stand as one on a line: tiers and auto. "listed models"
stand with commas between them. "checks" are the words of --check, or who answers after it.
"""

CHECKS: dict[str, bool | Literal["agree"]] = {"agree": "agree", "on": True, "off": False}
"""What may stand behind --check; without a word it is on."""

REFUSED = {"--api-key", "--key", "--token"}


class _Once(argparse.Action):
    """An option that may stand on the line once."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        seen = namespace.__dict__.setdefault("_seen", set())
        if self.dest in seen:
            parser.error(f"{option_string} is given twice")
        seen.add(self.dest)
        setattr(namespace, self.dest, True if self.nargs == 0 else values)


class Parser(argparse.ArgumentParser):
    """An argparse parser that speaks IPython's UsageError and shows its options under headings."""

    def __init__(self) -> None:
        super().__init__(prog="%%ai", allow_abbrev=False, add_help=False)
        self.headings: list[_Heading] = []
        self.completes: dict[str, Completes] = {}
        self.metavars: dict[str, str] = {}

    def error(self, message: str) -> NoReturn:
        """IPython's own one-line error."""
        if lacking := re.match(r"argument (\S+): expected \S+ argument", message):
            message = f"{lacking[1]} needs a value: {self._wanted(lacking[1])}"
        raise UsageError(f"%%ai: {message}"[:200])

    def _wanted(self, names: str) -> str:
        """What may stand behind an option: its words, where it has a few."""
        dest = self.options()[names.split("/")[0]].dest
        words, (metavar, _, other) = self.completes[dest], self.metavars[dest].partition(" | ")
        if isinstance(words, str) or not words:
            return metavar
        return f"{', '.join(words)}{' or ' if other else ''}{other}"

    def options(self) -> dict[str, argparse.Action]:
        """Every option string, with what it stands for."""
        return {name: action for action in self._actions for name in action.option_strings}

    def page(self) -> str:
        """The options under their headings."""
        lines = ["%%ai [MODEL | TIER | auto] [options]       the prompt stands below"]
        for heading in self.headings:
            lines += ["", heading.title]
            lines += [f"  {left:<24}  {right}" for left, right in heading.rows]
        return "\n".join(lines)


class _Heading:
    """A heading of the help page, and the options that stand under it."""

    def __init__(self, parser: Parser, title: str) -> None:
        self.title, self.rows = title, list[tuple[str, str]]()
        self._parser = parser
        parser.headings.append(self)

    def value(self, *names: str, metavar: str, help: str, **more: Any) -> None:
        """An option with a value; `completes` says with what the Tab key completes it."""
        self._add(names, metavar, help, action=_Once, **more)

    def values(self, *names: str, metavar: str, help: str, **more: Any) -> None:
        """An option that may be repeated, with a value, or several if the metavar names several."""
        several = len(metavar.split())
        nargs = None if several == 1 else several
        self._add(names, metavar, help, action="append", default=[], nargs=nargs, **more)

    def switch(self, *names: str, help: str) -> None:
        """An option without a value."""
        self._add(names, "", help, action=_Once, nargs=0, default=False)

    def words(self, metavar: str, help: str) -> None:
        """What stands on the line without a name."""
        self.rows.append((metavar, help))
        self._parser.add_argument("words", nargs="*")

    def _add(
        self,
        names: Sequence[str],
        metavar: str,
        help: str,
        completes: Completes = (),
        **more: Any,
    ) -> None:
        self.rows.append((f"{', '.join(names)} {metavar}".rstrip(), help))
        action = self._parser.add_argument(*names, **more)
        self._parser.completes[action.dest] = completes
        self._parser.metavars[action.dest] = metavar


def make_parser() -> Parser:
    """The parser of a cell's first line."""
    from .dial import PREFERENCES
    from .options import FORMATS

    parser = Parser()
    who = _Heading(parser, "who answers")
    who.words(metavar="MODEL | TIER | auto", help="a name of %ai models; default: auto")
    who.value("-m", "--model", metavar="NAME", help="the same as an option", completes="answerers")
    who.values("--fallback", metavar="MODEL", help="tried next; repeatable", completes="models")
    side = "ask these models at once, side by side"
    who.value("--compare", metavar="A,B,C", help=side, completes="listed models")
    who.switch("--blind", help="with --compare: hide the names until you vote")
    what = _Heading(parser, "what is asked")
    what.value("-s", "--system", metavar="TEXT", help="the system message")
    what.value("-t", "--temperature", type=_number, metavar="0..2", help="sent only when given")
    what.value("--max-tokens", type=_whole, metavar="N", help="the longest answer, in tokens")
    what.values("-o", "--option", metavar="KEY VALUE", help="any other parameter; repeatable")
    what.switch("--raw", help="leave {names} as they are")
    what.switch("--allow-secrets", help="send a prompt that holds a key")
    how = _Heading(parser, "how it is shown")
    how.value(
        *("-f", "--format"),
        type=_one_of(FORMATS),
        completes=FORMATS,
        metavar="WORD",
        help=f"how it is asked for and shown: {', '.join(FORMATS)}",
    )
    how.value("--var", metavar="NAME", help="also put the answer into this variable")
    how.switch("--no-stream", help="show the answer only when it is whole")
    how.switch("-q", "--quiet", help="show nothing; the answer is in _ and in --var")
    how.switch("-v", "--verbose", help="show reasons and attempts, too; -q is then ignored")
    cost = _Heading(parser, "cache, time and money")
    cost.switch("--no-cache", help="neither read nor write the cache")
    cost.switch("--refresh", help="ask again and overwrite the cached answer")
    cost.switch("--dry-run", help="show model, reasons, tokens and cost; send nothing")
    cost.value(
        "--max-cost", metavar="USD", help="the most the whole call may cost, retries included"
    )
    cost.value(
        "--check",
        type=_check_word,
        metavar="[agree|on|off]",
        help="a failing answer goes a tier up; agree: a second model checks, too",
        completes="checks",
    )
    cost.value("--timeout", type=_number, metavar="S", help="seconds for the whole call")
    dial = "cheap, balanced, quality, or the share that may be strong"
    cost.value("--prefer", metavar="WORD | 20%", help=dial, completes=tuple(PREFERENCES))
    tag = "a word for the ledger, to sum up by"
    cost.value("--tag", metavar="WORD", help=tag, completes="tags")
    _Heading(parser, "help").switch("-h", "--help", help="show this")
    return parser


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Reads an option that has a few values; a slip in one is answered with the nearest."""

    def checked(text: str) -> str:
        if text in words:
            return text
        from .values import nearest, shown

        hint = nearest(text, words)
        raise argparse.ArgumentTypeError(f"{shown(text)} is none of {', '.join(words)}{hint}")

    return checked


def _check_word(text: str) -> bool | str:
    return CHECKS[_one_of(tuple(CHECKS))(text)]


def _with_check_word(tokens: Sequence[str]) -> list[str]:
    """The tokens with the word of --check tied to it: what else stands there is a model's name."""
    tied: list[str] = []
    for token in tokens:
        if tied[-1:] == ["--check"]:
            from .values import shown, similar

            if near := similar(token, CHECKS, least=0.75):
                if token not in CHECKS:
                    raise UsageError(f"--check {shown(token)}; did you mean --check {near[0]}?")
                tied[-1] = f"--check={token}"
                continue
            tied[-1] = "--check=on"
        tied.append(token)
    return [*tied[:-1], "--check=on"] if tied[-1:] == ["--check"] else tied


def _with_joined_names(tokens: Sequence[str]) -> list[str]:
    """The tokens with the names of --compare in one, though a space stands at a comma."""
    joined: list[str] = []
    for token in tokens:
        before, value = joined[-2:-1], (joined or [""])[-1]
        _, sign, names = value.partition("--compare=")
        listed = before == ["--compare"] or (sign and names and value.startswith("--compare="))
        if listed and not token.startswith("-") and (value.endswith(",") or token[:1] == ","):
            joined[-1] += token
        else:
            joined.append(token)
    return joined


def late_options(parser: Parser, prompt: str) -> tuple[str, ...]:
    """What to say of an option of ours that ends a prompt of one line: it is text there.

    Where a sentence ends with it, it is spoken of.
    """
    known = parser.options()
    sentence = "\n" in prompt or prompt.endswith((".", "?", "!"))
    words = [] if sentence else prompt.split()
    for place in range(max(1, len(words) - 3), len(words)):
        name, sign, _ = words[place].partition("=")
        action = known.get(name) if name.startswith("--") else None
        after = len(words) - place - 1
        if action is None or after > _most_values(action, bool(sign)):
            continue
        return (f"{name!r} is part of the prompt: options stand on the first line of %%ai",)
    return ()


def _most_values(action: argparse.Action, given: bool) -> int:
    """How many words may stand behind an option."""
    if given:
        return 0
    return action.nargs if isinstance(action.nargs, int) else 1


def _number(text: str) -> float | str:
    """A number, or the text: what it must be is told where its range is known."""
    return float(text) if _is_number(text) else text


def _whole(text: str) -> int:
    if len(text) > 12:
        raise argparse.ArgumentTypeError("the number is too large")
    return int(text)


_whole.__name__ = "whole number"


def parse_line(parser: Parser, line: str) -> argparse.Namespace:
    """The options of a cell's first line, checked as far as it goes without the settings.

    Raises:
        UsageError: one line that says what is wrong and what to do.
    """
    tokens = _with_joined_names(_split(line))
    for token in tokens:
        name = token.split("=")[0]
        if name in REFUSED:
            raise UsageError(
                f"{name} is refused: a key typed in a cell is kept in the history and in the "
                "notebook. Rotate it, and set it in an environment variable"
            )
        if token.startswith("-") and len(token) > 1 and not _is_number(token):
            _check_option(parser, name, tokens)
    options = parser.parse_args(_with_check_word(tokens))
    options.stray = _stray(tokens, options.words)
    if options.no_cache and options.refresh:
        raise UsageError("--no-cache and --refresh exclude each other: give one")
    options.quiet = options.quiet and not options.verbose
    _take_model(options)
    _check_compare(options)
    return options


def _stray(tokens: Sequence[str], words: Sequence[str]) -> str:
    """What a word without an option may have been meant for, by what stands before it; else ""."""
    at = tokens.index(words[0]) if words and words[0] in tokens else 0
    before, value = tokens[max(0, at - 2) : at][-2:-1], tokens[max(0, at - 1) : at]
    if value == ["--check"]:
        return f"--check takes {', '.join(CHECKS)}, and {words[0][:40]!r} is no model"
    if before == ["--compare"]:
        return f"put a comma between them: --compare {value[0][:60]},{words[0][:60]}"
    if before in (["-s"], ["--system"], ["--tag"]) and " " not in value[0]:
        text = " ".join((*value, *words))
        return f"put the text of {before[0]} in quotes: {before[0]} {_quoted(text[:80])}"
    return ""


def _quoted(text: str) -> str:
    return f'"{text}"' if '"' not in text else shlex.quote(text)


def _check_compare(options: argparse.Namespace) -> None:
    if options.compare is None:
        if options.blind:
            raise UsageError("--blind hides the names of --compare A,B,C: give both")
        return
    options.compare = [name.strip() for name in options.compare.split(",") if name.strip()]
    if not options.compare:
        raise UsageError("--compare needs models: --compare A,B,C; %ai models shows them")
    for given, name in ((options.model, "a model"), (options.fallback, "--fallback")):
        if given:
            if given is options.model and options.stray:
                raise UsageError(options.stray)
            raise UsageError(f"--compare names the models: leave {name} out")
    if options.dry_run:
        raise UsageError("--dry-run shows one route: give one model in place of --compare")


def _check_option(parser: Parser, name: str, tokens: Sequence[str]) -> None:
    known = parser.options()
    before = tokens[tokens.index(name) - 1] if name in tokens and tokens.index(name) else ""
    if name in known or before in ("-s", "--system", "--tag", "-o", "--option"):
        return
    from .values import similar

    bare = {option.lstrip("-"): option for option in known if option.startswith("--")}
    near = similar(name.lstrip("-"), bare, least=0.6)
    hint = f"; did you mean {bare[near[0]]}?" if near else "; %ai help options shows them all"
    raise UsageError(f"no option {name[:60]!r}{hint}")


def _take_model(options: argparse.Namespace) -> None:
    words: list[str] = options.words
    if len(words) > 1:
        if options.stray:
            raise UsageError(options.stray)
        raise UsageError(
            f"only one model's name may stand on the line, not {' '.join(words)[:60]!r}: "
            "put the prompt below the first line"
        )
    if words and options.model is not None:
        raise UsageError(f"two models: {words[0]!r} and -m {options.model!r}; give one")
    if options.model is not None and options.model.startswith("{"):
        options.option += _jupyter_ai_parameters(options.model)
        options.model = None
        warnings.warn("-m {…} is read as parameters; here -m names a model", stacklevel=2)
    options.model = words[0] if words else options.model


def request_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options as `make_request` takes them."""
    return {
        "model": "auto" if options.model is None else options.model,
        "system": options.system,
        "format": options.format,
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
        "params": _params(options.option),
        "fallback": options.fallback,
        "cache": not options.no_cache,
        "refresh": options.refresh,
        "timeout": options.timeout,
        "max_cost": options.max_cost,
        "check": options.check,
        "tag": options.tag,
        "prefer": options.prefer,
        "allow_secrets": options.allow_secrets,
    }


def _params(given: Sequence[Sequence[Any]]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for key, text in given:
        if key in params:
            raise UsageError(f"-o {str(key)[:40]} is given twice")
        params[key] = _value(text)
    return params


def _value(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _jupyter_ai_parameters(text: str) -> list[list[Any]]:
    try:
        return [[key, value] for key, value in json.loads(text).items()]
    except (ValueError, AttributeError, RecursionError):
        raise UsageError(
            f"-m {text[:60]!r} is neither a model's name nor JSON parameters"
        ) from None


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        quote, column = _open_quote(line)
        raise UsageError(
            f"the quote {quote} opened at column {column} is not closed"
            if quote
            else "the line ends in a backslash: take it away"
        ) from None


def _open_quote(line: str) -> tuple[str, int]:
    """The quote that is never closed and its column from 1; ("", 0) if there is none."""
    quote, start, position = "", 0, 0
    while position < len(line):
        character = line[position]
        if character == "\\" and quote != "'":
            position += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote, start = character, position + 1
        position += 1
    return quote, start if quote else 0


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True
