"""The first line of a `%%ai` cell: its options, and what is wrong with them.

Misuse is IPython's own UsageError, one line. This module imports nothing of the package.
"""

from __future__ import annotations

import argparse
import json
import shlex
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from IPython.core.error import UsageError

__all__ = ["Parser", "make_parser", "parse_line", "request_options"]

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
    """An argparse parser that speaks IPython's UsageError and knows near misses."""

    def error(self, message: str) -> NoReturn:
        """IPython's own one-line error."""
        raise UsageError(f"%%ai: {message}"[:200])

    def options(self) -> list[str]:
        """Every option string."""
        return [s for action in self._actions for s in action.option_strings]


def make_parser() -> Parser:
    """The parser of a cell's first line."""
    parser = Parser(
        prog="%%ai", allow_abbrev=False, add_help=False, description="The prompt stands below."
    )

    def value(*names: str, **more: Any) -> None:
        parser.add_argument(*names, action=_Once, **more)

    def switch(*names: str, help: str) -> None:
        parser.add_argument(*names, action=_Once, nargs=0, default=False, help=help)

    parser.add_argument("words", nargs="*", metavar="MODEL | TIER | auto", help="who answers")
    value("-m", "--model", metavar="NAME", help="the model, as a name of %%ai models")
    value("-s", "--system", metavar="TEXT", help="the system message")
    value("-t", "--temperature", type=float, metavar="0..2", help="sent only when given")
    value("--max-tokens", type=_whole, metavar="N", help="the longest answer, in tokens")
    parser.add_argument(
        *("-o", "--option"),
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="any other parameter; may be repeated",
    )
    value(
        *("-f", "--format"),
        choices=["markdown", "text", "code", "json", "html"],
        help="how it is asked for and shown",
    )
    value("--var", metavar="NAME", help="also put the answer into this variable")
    parser.add_argument(
        *("--fallback",),
        action="append",
        default=[],
        metavar="MODEL",
        help="tried next; repeatable",
    )
    switch("--no-cache", help="neither read nor write the cache")
    switch("--refresh", help="ask again and overwrite the cached answer")
    switch("--dry-run", help="show model, reasons, tokens and cost; send nothing")
    value("--timeout", type=float, metavar="S", help="seconds for the whole call")
    switch("--no-stream", help="show the answer only when it is whole")
    switch("--raw", help="leave {names} as they are")
    switch("--allow-secrets", help="send a prompt that holds a key")
    value("--tag", metavar="WORD", help="a word for the ledger")
    switch("-q", "--quiet", help="show nothing; the answer is in _ and in --var")
    switch("-v", "--verbose", help="show reasons and attempts under the answer")
    switch("-h", "--help", help="show this")
    return parser


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
    tokens = _split(line)
    for token in tokens:
        name = token.split("=")[0]
        if name in REFUSED:
            raise UsageError(
                f"{name} is refused: a key typed in a cell is kept in the history and in the "
                "notebook. Rotate it, and set it in an environment variable"
            )
        if token.startswith("-") and len(token) > 1 and not _is_number(token):
            _check_option(parser, name, tokens)
    options = parser.parse_args(tokens)
    if options.no_cache and options.refresh:
        raise UsageError("--no-cache and --refresh exclude each other: give one")
    _take_model(options)
    return options


def _check_option(parser: Parser, name: str, tokens: Sequence[str]) -> None:
    known = parser.options()
    before = tokens[tokens.index(name) - 1] if name in tokens and tokens.index(name) else ""
    if name in known or before in ("-s", "--system", "--tag", "-o", "--option"):
        return
    import difflib

    begins = [option for option in known if len(name) > 3 and option.startswith(name)]
    near = begins or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else "; %%ai --help shows them all"
    raise UsageError(f"no option {name[:60]!r}{hint}")


def _take_model(options: argparse.Namespace) -> None:
    words: list[str] = options.words
    if len(words) > 1:
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
        "tag": options.tag,
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
