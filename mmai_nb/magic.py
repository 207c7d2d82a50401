"""`%%ai`, `%ai` and their second name `mmai`: parse, call the engine, show the answer.

Importing this module imports IPython and the standard library only: `%load_ext mmai_nb` stays
quick.
"""

from __future__ import annotations

import argparse
import keyword
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import line_cell_magic, magics_class, needs_local_scope, no_var_expand

from .cell_line import Parser, late_options, make_parser, parse_line, request_options
from .traits import ConfiguredMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .answer import Answer
    from .commands import Again, Page
    from .comparison import Comparison
    from .display import View
    from .engine import Engine
    from .keeping import Parse
    from .records import Attempt, Request

__all__ = ["MmaiMagics", "register", "unregister"]

Magic = TypeVar("Magic", bound=Callable[..., Any])


def _documented(magic: Magic) -> Magic:
    """The magic with the help page as what `%ai?` shows, made when it is asked for."""
    vars(magic)["getdoc"] = lambda: _help_page(make_parser())
    return magic


@magics_class
class MmaiMagics(ConfiguredMagics):
    """The magics, over one engine."""

    def __init__(self, shell: InteractiveShell, engine: Engine | None = None) -> None:
        super().__init__(shell, engine)
        self._ip = shell
        self._local: Mapping[str, Any] = {}
        self._shown: Answer | Comparison | None = None

    @cached_property
    def parser(self) -> Parser:
        """The parser of a cell's first line."""
        return make_parser()

    @_documented
    @no_var_expand  # type: ignore[untyped-decorator, unused-ignore]
    @needs_local_scope  # type: ignore[untyped-decorator, unused-ignore]
    @line_cell_magic  # type: ignore[untyped-decorator, unused-ignore]
    def ai(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Any:
        """Ask a model; `%ai help` shows the options and commands."""
        return self._run(line, cell, local_ns)

    @_documented
    @no_var_expand  # type: ignore[untyped-decorator, unused-ignore]
    @needs_local_scope  # type: ignore[untyped-decorator, unused-ignore]
    @line_cell_magic  # type: ignore[untyped-decorator, unused-ignore]
    def mmai(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Any:
        """The same as `ai`, under a name that is always this package's."""
        return self._run(line, cell, local_ns)

    def _run(self, line: str, cell: str | None, local_ns: Mapping[str, Any] | None) -> Any:
        from .errors import ConfigError, MmaiError, OptionError
        from .values import one_line

        self._local = local_ns or {}
        try:
            return self._line(line) if cell is None else self._cell(line, cell)
        except (OptionError, UsageError) as error:
            raise UsageError(one_line(str(error))) from error
        except MmaiError as error:
            if not self.short_errors:
                self._show_traceback_of(error)
            raise
        except ImportError as error:
            library = (error.name or "a library").partition(".")[0]
            hint = f"{library} cannot be imported: pip install {library} ({error})"
            raise ConfigError(one_line(hint)) from error

    def _show_traceback_of(self, error: Exception) -> None:
        """Let IPython show the error as it shows others, not as one line."""
        show = self._ip.InteractiveTB.structured_traceback
        error._render_traceback_ = lambda: show(type(error), error, error.__traceback__)  # type: ignore[attr-defined]

    # -- %ai

    def _line(self, line: str) -> Any:
        from .commands import Again, Planned, command_for, near_command

        line = line.strip()
        if line.startswith("-- "):  # asked even if it looks like a command
            return self._ask(line[3:], self.parser.parse_args([]))
        plain = line.removesuffix(";").rstrip()
        command = command_for(plain, self._engine_here, self.parser.page())
        if command is not None:
            value = command()
            if isinstance(value, Again):
                value = self._asked_again(value)
            elif isinstance(value, Planned):
                options = ["--dry-run", *["-v"] * value.everything]
                value = self._ask(value.text, self.parser.parse_args(options))
            return value if plain == line else None
        if hint := near_command(plain, lambda: self.engine):
            raise UsageError(f"{hint}; %ai -- {line[:40]} asks it as it is")
        if line.startswith("-"):
            raise UsageError(
                "%ai takes a question or a command, no options: use %%ai with options, "
                "or %ai -- TEXT to ask it as it is"
            )
        said = late_options(self.parser, line)
        return self._ask(line, self.parser.parse_args([]), said)

    # -- %%ai

    def _cell(self, line: str, cell: str) -> Any:
        options = parse_line(self.parser, line)
        if options.help:
            return _help_page(self.parser)
        from .errors import PromptError, UnknownModelError

        if not cell.strip():
            raise PromptError("The cell has no prompt: type it below the line of %%ai")
        try:
            return self._ask(cell, options, late_options(self.parser, cell.strip()))
        except UnknownModelError as error:
            stray = "" if "did you mean" in str(error) else options.stray
            if hint := stray or _command_on_a_cell(options.model):
                raise UsageError(hint) from error
            raise

    # -- both

    def _ask(self, prompt: str, options: argparse.Namespace, said: tuple[str, ...] = ()) -> Any:
        from .display import view_for
        from .options import make_request

        engine = self._engine_here()
        var = options.var
        if var is not None and (not var.isidentifier() or keyword.iskeyword(var)):
            raise UsageError(f"--var {var[:40]!r} is no variable's name")
        text, notes, frames = self._interpolated(prompt.strip(), options)
        notes = (*said, *notes)
        asked = make_request(text, engine.settings, frames=frames, **request_options(options))
        if options.compare is not None:
            return self._compare(text, (*notes, *asked.notes), options)
        if options.dry_run:
            plan = engine.route(asked.request)
            reasons = (*plan.reasons, *notes, *asked.notes)
            return replace(plan, reasons=reasons, everything=options.verbose)
        view = view_for(self._ip, asked.request.format, quiet=options.quiet)
        stream = engine.settings.stream and not options.no_stream and not options.quiet
        answer = self._watched(
            view,
            lambda: engine.answer(
                asked.request,
                view.text if stream else None,
                notes=(*notes, *asked.notes),
                tell=view.waiting,
                retract=view.rejected,
                names=self.variables(),
            ),
            verbose=options.verbose,
        )
        view.done(
            answer,
            _details(answer) if options.verbose or self.feedback == "verbose" else "",
            brief=self.feedback == "quiet",
        )
        return self._deliver(answer, options)

    def _asked_again(self, again: Again) -> Answer:
        """The last question's next answer, shown like that of a cell."""
        from .display import view_for

        engine = self._engine_here()
        form = engine.settings.format if engine.turn is None else engine.turn.request.format
        view = view_for(self._ip, form, quiet=False)
        on_text = view.text if engine.settings.stream else None

        def ask(request: Request, parse: Parse | None) -> Answer:
            return engine.answer(
                request,
                on_text,
                tell=view.waiting,
                retract=view.rejected,
                parse=parse,
                names=self.variables(),
            )

        answer: Answer = self._watched(view, lambda: again.run(ask))
        verbose = self.feedback == "verbose"
        view.done(answer, _details(answer) if verbose else "", brief=self.feedback == "quiet")
        return self._deliver(answer, self.parser.parse_args(["-f", form]))

    def _compare(
        self, prompt: str, notes: tuple[str, ...], options: argparse.Namespace
    ) -> Comparison:
        """The answers of several models, side by side while they come."""
        from .display import Board, Sheet, board_for

        given = request_options(options)
        for name in ("model", "fallback"):
            del given[name]
        made = self.engine.compare(prompt, options.compare, blind=options.blind, **given)
        made.notes = notes
        if options.var is not None:
            self._ip.user_ns[options.var] = made  # at once: an interrupt leaves what came
        board = None if options.quiet else board_for(self._ip)
        made.start()
        try:
            made.wait(None if board is None else board.show)
        except KeyboardInterrupt as interrupt:
            interrupt._render_traceback_ = lambda: [  # type: ignore[attr-defined]
                "KeyboardInterrupt: the comparison was stopped; what had ended is kept"
            ]
            raise
        if isinstance(board, Board):
            made.on_vote(board.show)
        made.mark_shown(made.summary() if isinstance(board, Sheet) else "")
        self._shown = made
        return made

    def _watched(self, view: View, ask: Any, *, verbose: bool = False) -> Any:
        """The answer; if it ends early, what came stays on the screen and the error goes on."""
        from .errors import MmaiError

        try:
            return ask()
        except KeyboardInterrupt as interrupt:
            came = getattr(getattr(interrupt, "partial", None), "text", "")
            kept = "what came is in ai.last(); it was not cached"
            if hasattr(interrupt, "stood"):
                came, kept = True, "the answer that was there is in ai.last()"
            view.stopped(f"interrupted: {kept if came else 'nothing had come'}")
            interrupt._render_traceback_ = lambda: ["KeyboardInterrupt: the call was stopped"]  # type: ignore[attr-defined]
            raise
        except MmaiError as error:
            view.stopped("" if getattr(error, "partial", None) is None else "broke off here")
            for row in error.attempts if verbose or self.feedback == "verbose" else ():
                error.add_note(_told(row))
            raise
        except BaseException:
            view.stopped("")
            raise

    def _interpolated(
        self, prompt: str, options: argparse.Namespace
    ) -> tuple[str, tuple[str, ...], int]:
        from .interpolation import interpolate

        if options.raw or not self.engine.settings.interpolate:
            return prompt, (), 0
        found = interpolate(
            prompt, self.variables(), max_chars=self.engine.settings.max_prompt_chars
        )
        return found.text, found.notes, found.frames

    def variables(self) -> dict[str, Any]:
        """The user's variables, and In, Out and Err as the history has them."""
        shell = self._ip
        hidden = getattr(shell, "user_ns_hidden", {})
        names = {k: v for k, v in shell.user_ns.items() if k not in hidden}
        history = getattr(shell, "history_manager", None)
        names |= {k: v for k, v in self._local.items() if not k.startswith("_")}
        names["In"] = getattr(history, "input_hist_raw", [])
        names["Out"] = shell.user_ns.get("Out", {})
        names["Err"] = getattr(history, "exceptions", {})
        return names

    def _deliver(self, answer: Answer, options: argparse.Namespace) -> Answer:
        from .markup import runnable_code

        self._shown = answer
        if options.var is not None:
            self._ip.user_ns[options.var] = answer
        if options.format == "code" and not options.quiet:
            self._ip.set_next_input(runnable_code(answer.text), replace=False)
        return answer

    def _engine_here(self) -> Engine:
        """The engine, which can tell from now on in which notebook it is asked."""
        self.engine.notebook = self._notebook
        return self.engine

    def _notebook(self) -> str | None:
        """The notebook's path: VS Code's variable, else what the environment tells."""
        from .recording import notebook_name

        found = self._ip.user_ns.get("__vsc_ipynb_file__")
        return found if isinstance(found, str) else notebook_name()

    def forget_shown(self, *_: Any) -> None:
        """At the end of a cell: what was shown while it came shows again when it is asked for."""
        if self._shown is not None:
            self._shown.mark_unshown()
            self._shown = None


def _help_page(parser: Parser) -> Page:
    """What `%ai help`, `%%ai --help` and `%ai?` show."""
    from .commands import FAMILIES, help_page

    return help_page("", FAMILIES, parser.page())


def _command_on_a_cell(word: str | None) -> str:
    """What to say where a command of `%ai` stands on a cell in place of a model; "" elsewhere."""
    from .commands import FAMILIES

    names = {n for family in FAMILIES.values() for sub in family for n in (sub.name, *sub.names)}
    if word == "route":
        return "no model 'route': %%ai --dry-run shows where the prompt below it would go"
    return f"no model {word!r}: the command is %ai {word}, without a cell" if word in names else ""


def _details(answer: Answer) -> str:
    """What `-v` adds: why this model, and every attempt."""
    lines = [f"why: {reason}" for reason in answer.route.reasons]
    for found in answer.checks:
        why = f": {'; '.join(found.reasons)}" if found.reasons else ""
        verdict = "passed" if found.passed else "failed"
        verdict += f" beside {found.opinion.model}" if found.opinion is not None else ""
        lines.append(f"check: {found.completion.model} {verdict}, doubt {found.doubt:.2f}{why}")
    return "\n".join([*lines, *map(_told, answer.attempts)])


def _told(row: Attempt) -> str:
    """One attempt on a line."""
    from .amounts import format_usd
    from .records import NANO

    cost = format_usd(None if row.cost_nano is None else row.cost_nano / NANO)
    took = "" if row.duration_s is None else f" {row.duration_s:.2f} s"
    how = "cache" if row.cache_hit else row.status
    error = f" {row.error_type}" if row.error_type else ""
    return f"attempt {row.attempt}: {row.request_model} {how}{error}{took} {cost}"


_QUESTION = re.compile(
    r"(?P<before>\s*(?:[\w.,\[\]'\" ]+=\s*)?)%(?P<name>ai|mmai)\s+(?P<text>.*\?)\s*"
)


_HELP = re.compile(r"\s*%%(?:ai|mmai)\s+(?:--help|-h)\s*")


def keep_question_marks(lines: list[str]) -> list[str]:
    """The cell's lines with `%ai …?` made a call, which IPython would take for a look-up in help.

    An input transformer of IPython; the bodies of cell magics and of long strings stay as they are.
    """
    if lines and _HELP.fullmatch(lines[0]) and not "".join(lines[1:]).strip():
        return ["%ai help\n"]  # IPython refuses a cell magic without a cell
    if not lines or lines[0].lstrip().startswith("%%"):
        return lines
    made, quotes = [], 0
    for line in lines:
        found = None if quotes % 2 else _QUESTION.fullmatch(line)
        quotes += line.count('"""') + line.count("'''")
        if found:
            call = f"get_ipython().run_line_magic({found['name']!r}, {found['text']!r})"
            line = f"{found['before']}{call}\n"
        made.append(line)
    return made


_ALONE = re.compile(r"\s*%%(?:ai|mmai)(?:\s.*)?\s*")


def give_a_body(lines: list[str]) -> list[str]:
    """The cell's lines, with an empty one below a lone `%%ai`, so that what is said of it is ours.

    An input transformer of IPython.
    """
    return [*lines, "\n"] if len(lines) == 1 and _ALONE.fullmatch(lines[0]) else lines


vars(give_a_body)["has_side_effects"] = True  # left out where it is asked whether a cell is whole

TRANSFORMERS = (keep_question_marks, give_a_body)


def register(shell: InteractiveShell) -> MmaiMagics:
    """Put the magics into the shell and give them; a second time changes nothing."""
    existing = shell.magics_manager.magics["cell"].get("ai")
    owner = getattr(existing, "__self__", None)
    if isinstance(owner, MmaiMagics):
        return owner
    if existing is not None:
        warnings.warn(
            "%%ai was another extension's (Jupyter AI?) and is mmai_nb's now; %%mmai always is",
            stacklevel=2,
        )
    magics = MmaiMagics(shell)
    shell.register_magics(magics)
    shell.events.register("post_run_cell", magics.forget_shown)
    shell.input_transformers_cleanup.extend(TRANSFORMERS)
    return magics


def unregister(shell: InteractiveShell) -> None:
    """Take the magics out of the shell again."""
    for kind in ("line", "cell"):
        magics = shell.magics_manager.magics[kind]
        for name in ("ai", "mmai"):
            owner = getattr(magics.get(name), "__self__", None)
            if isinstance(owner, MmaiMagics):
                del magics[name]
                others = [c for c in shell.configurables if not isinstance(c, MmaiMagics)]
                shell.configurables[:] = others
                if owner.forget_shown in shell.events.callbacks["post_run_cell"]:
                    shell.events.unregister("post_run_cell", owner.forget_shown)
    from .sources import forget_changes

    forget_changes()
    shell.magics_manager.registry.pop("MmaiMagics", None)
    for transformer in TRANSFORMERS:
        if transformer in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.remove(transformer)
