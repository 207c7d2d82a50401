"""One prompt, several models, side by side: asked at the same time, each with its own end.

The engine is not known here: a comparison is given what asks one model.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from . import cancel
from .amounts import format_duration, format_usd
from .answer import Answer
from .columns import KINDS, ORDERS, Column, letters, without_names
from .errors import OptionError
from .outputs import can_replace, publisher
from .pacing import DEAD_FRONT_END
from .records import OnText
from .side_by_side import Cell, Difference, side_by_side
from .values import nearest, one_line
from .verdicts import VERDICTS, Verdict

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ORDERS", "Column", "Comparison"]

Ask = Callable[[str, OnText], Answer]
"""Asks one model, by its name, for the prompt of the comparison."""

MOST_AT_ONCE = 16
"""Models asked at the same time; the others wait for a place."""
MOST_MODELS = 50
SLICE = 0.05
"""Seconds between two looks at what has come."""
STOP_SECONDS = 2.0
"""How long a stopped comparison waits for its threads to have written their rows."""

_order = random.Random()
"""Of our own: a notebook's `random.seed` must not tell who is behind A and B."""


class Comparison:
    """The answers of several models to one prompt.

    Args:
        prompt: what is asked, to show it.
        models: names, each once.
        ask: asks one of them; called in a thread of its own each.
        format: how the answers are shown.
        blind: hides the names, and what gives them away, until a vote; columns are shuffled.
        keep: called with each Verdict, to keep it.
        tells: what gives a model away in a text, hidden with the names; default: the names.

    Raises:
        OptionError: no model, one twice, or too many.
    """

    def __init__(
        self,
        prompt: str,
        models: Sequence[str],
        ask: Ask,
        *,
        format: str = "markdown",
        blind: bool = False,
        keep: Callable[[Verdict], None] | None = None,
        tells: Iterable[str] | None = None,
    ) -> None:
        names = _checked(models)
        if blind:
            _order.shuffle(names)
        self.prompt, self.format, self.blind = prompt, format, blind
        self.columns = tuple(Column(letters(i), name) for i, name in enumerate(names))
        self.order = "asked"
        self.verdict: Verdict | None = None
        self.notes: tuple[str, ...] = ()
        self._ask, self._keep = ask, keep
        self._tells = tuple(names if tells is None else tells)
        self._stop = threading.Event()
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._threads: list[threading.Thread] = []
        self._left: str | None = None
        self._told: list[Callable[[Comparison], None]] = []

    # -- running

    def start(self, columns: Sequence[Column] | None = None) -> None:
        """Ask all models, or those columns, at the same time; comes back at once."""
        from contextvars import copy_context

        self._stop = threading.Event()
        try:
            for column in self.columns if columns is None else columns:
                column.clear()
                work, given = copy_context().run, (self._work, column, self._stop)
                thread = threading.Thread(target=work, args=given, daemon=True, name="mmai-compare")
                self._threads.append(thread)
                thread.start()
        except BaseException:  # an interrupt while one starts: those that have started end
            self._stop.set()
            raise

    def wait(self, tell: Callable[[Comparison], None] | None = None) -> Comparison:
        """Wait until all have ended; `tell` is called while they come, and once at the end.

        Raises:
            KeyboardInterrupt: with `partial`, this comparison; what was under way is stopped.
        """
        try:
            while not self.over:
                if tell is not None:
                    tell(self)
                for thread in self._threads:
                    thread.join(SLICE)
                    break
                self._threads = [thread for thread in self._threads if thread.is_alive()]
        except KeyboardInterrupt as interrupt:
            self.stop()
            interrupt.partial = self  # type: ignore[attr-defined]
            raise
        finally:
            if tell is not None:
                tell(self)
        return self

    def stop(self) -> None:
        """Stop what is under way; what has ended stays, and so does the text that had come."""
        self._stop.set()
        until = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for column in self.columns:
            if not column.over:
                column.state = "stopped"

    def rerun(self, tell: Callable[[Comparison], None] | None = None) -> Comparison:
        """Ask those again that failed or were stopped; the others stay as they are."""
        self.start([c for c in self.columns if c.state in ("failed", "stopped")])
        return self.wait(tell)

    def _work(self, column: Column, stop: threading.Event) -> None:
        try:
            with cancel.stops_with(stop):
                while not self._places.acquire(timeout=SLICE):
                    cancel.check()
                try:
                    cancel.check()
                    column.started, column.state = time.monotonic(), "running"
                    answer = self._ask(column.model, column.hear)
                finally:
                    self._places.release()
        except KeyboardInterrupt as error:
            column.error, column.state = error, "stopped"
        except Exception as error:  # of this column alone: the others go on
            column.error, column.state = error, "failed"
        else:
            column.take(answer)

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return all(column.over for column in self.columns)

    # -- looking

    @property
    def answers(self) -> dict[str, Answer]:
        """The whole answers by model, in the columns' order."""
        self._reveal_only_when_allowed()
        return {c.model: c.answer for c in self.ordered() if c.answer is not None}

    @property
    def errors(self) -> dict[str, BaseException]:
        """What failed or was stopped, by model."""
        return {c.model: c.error for c in self.columns if c.error is not None}

    @property
    def hidden(self) -> bool:
        """Whether the models' names are hidden still."""
        return self.blind and self.verdict is None

    def name_of(self, column: Column) -> str:
        """What a column is called: its model, or its letter while names are hidden."""
        return f"Answer {column.label.upper()}" if self.hidden else column.model

    def text_of(self, column: Column) -> str:
        """What has come of a column's answer, without the models' names while they are hidden."""
        if not self.hidden:
            return column.text
        return without_names(column.text, self._tells, partial=not column.over)

    def sorted_by(self, order: str) -> Comparison:
        """The same comparison with its columns in another order, one of ORDERS.

        Raises:
            OptionError: there is no such order, or it would tell who is who.
        """
        if order not in ORDERS:
            near = nearest(order, ORDERS) or f": take {', '.join(ORDERS)}"
            raise OptionError(one_line(f"answers cannot be sorted by {order!r}{near}"))
        if self.hidden and order != "asked":
            raise OptionError("the names are hidden: vote first, then sort")
        self.order = order
        return self

    def ordered(self) -> list[Column]:
        """The columns in the order that was chosen; who has no figure comes last."""
        return sorted(self.columns, key=lambda column: _last_if_none(column.figure(self.order)))

    def frame(self) -> DataFrame:
        """A row per model: text, tokens, cost (USD), times (s), cache hit, finish, error, vote.

        While names are hidden, `model` holds letters and what gives the models away is missing.
        """
        import pandas as pd

        rows = [self._row(column) for column in self.ordered()]
        return pd.DataFrame(rows, columns=list(KINDS)).astype(KINDS)

    def _row(self, column: Column) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(KINDS)
        row |= {"label": column.label, "model": self.name_of(column), "text": self.text_of(column)}
        row["state"], row["error"] = column.state, column.failure(hidden=self.hidden) or None
        if self.verdict is not None:
            won = "won" if self.verdict.winner == column.model else "lost"
            row["vote"] = self.verdict.winner if self.verdict.winner in VERDICTS else won
        return row if self.hidden else row | column.facts()

    def _reveal_only_when_allowed(self) -> None:
        if self.hidden:
            raise OptionError('the names are hidden: vote first, such as comparison.vote("a")')

    def column(self, which: str) -> Column:
        """A column by its letter or, once they may be known, its model's name.

        Raises:
            OptionError: there is none.
        """
        word = str(which).strip()
        for column in self.columns:
            if word.lower() == column.label or (word == column.model and not self.hidden):
                return column
        known = [c.label for c in self.columns]
        if not self.hidden:
            known += [c.model for c in self.columns]
        raise OptionError(
            one_line(
                f"no answer {word[:40]!r}{nearest(word, known)}; "
                f"there are {', '.join(c.label for c in self.columns)}"
            )
        )

    # -- voting

    def vote(self, which: str, *others: object) -> Verdict:
        """Say which answer is best: a letter, a model's name, "tie" or "bad" (none is any good).

        It is kept in the ledger, and names that were hidden show from now on.

        Raises:
            OptionError: there is no such answer, it is not whole, or a vote was given.
        """
        if others:
            raise OptionError('a vote takes one word, such as .vote("a"); of equals say "tie"')
        if self.verdict is not None:
            raise OptionError(
                one_line(
                    f"you have voted already: {self.verdict.winner}; a vote stands, "
                    "compare again to give another"
                )
            )
        if not self.over:
            raise OptionError("not all answers are there yet: wait, or stop the others first")
        word = str(which).strip().lower()
        winner = word if word in VERDICTS else self._winner(str(which))
        done = [c for c in self.columns if c.answer is not None]
        if len(done) < 2:
            raise OptionError("a vote needs two answers: run the failed ones again with rerun()")
        self.verdict = Verdict(
            tuple(c.model for c in done),
            winner,
            self.blind,
            tuple(c.answer.call_id for c in done if c.answer is not None),
        )
        if self._keep is not None:
            self._keep(self.verdict)
        for tell in self._told:
            tell(self)
        return self.verdict

    def on_vote(self, tell: Callable[[Comparison], None]) -> None:
        """Have `tell` called once a vote is kept: it shows the names where the answers stand."""
        self._told.append(tell)

    def _winner(self, which: str) -> str:
        column = self.column(which)
        if column.answer is None:
            raise OptionError(f"answer {column.label} is not there: it {column.state}")
        return column.model

    # -- showing

    def __repr__(self) -> str:
        states = ", ".join(f"{self.name_of(c)}: {c.state}" for c in self.columns)
        return f"Comparison({states})"

    def mark_shown(self, left: str = "") -> None:
        """It was shown while it came: the next display, which is the cell's, shows only `left`."""
        self._left = left

    def mark_unshown(self) -> None:
        """The next display shows it again."""
        self._left = None

    def summary(self) -> str:
        """One line on all of them: how many, what they cost and how long the slowest took."""
        done = [c.answer for c in self.columns if c.answer is not None]
        if not done:
            return "no answer"
        count = f"{len(done)} of {len(self.columns)} answers"
        asked = [answer for answer in done if not answer.cache_hit]
        if not asked:
            return f"{count} · from the cache"
        costs = [answer.cost_usd for answer in asked]
        known = [cost for cost in costs if cost is not None]
        pretend = "demo: pretend " if any(answer.simulated for answer in asked) else ""
        cost = f"{pretend}{format_usd(sum(known))} in all" if known == costs else "cost unknown"
        cached = [f"{len(done) - len(asked)} from the cache"] if len(asked) < len(done) else []
        slowest = format_duration(max(answer.duration_s for answer in asked))
        return " · ".join([count, cost, *cached, slowest])

    def _ipython_display_(self) -> None:
        """Nothing, once, if it was shown while it came; else where a vote can show it anew.

        Raises:
            NotImplementedError: IPython's word for leaving it to `_repr_mimebundle_`.
        """
        if self._left == "":
            self._left = None
        elif self._left is None and can_replace():
            self._show_replaceable()
        else:
            raise NotImplementedError

    def _show_replaceable(self) -> None:
        publish = publisher()
        publish(self._repr_mimebundle_(), {}, update=False)

        def again(made: Comparison) -> None:
            with suppress(*DEAD_FRONT_END):
                publish(made._repr_mimebundle_(), {}, update=True)

        if self.verdict is None:
            self.on_vote(again)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        left, self._left = self._left, None
        if left:
            return {"text/plain": left}
        return side_by_side(
            [self.cell(column) for column in self.ordered()], self.format, self.note()
        )

    def cell(self, column: Column) -> Cell:
        """What a column shows just now."""
        answer, footer, wrong = column.answer, "", ""
        if answer is not None and not self.hidden:
            footer = answer.footer().removeprefix(f"{column.model} · ")
            if column.first_token_s is not None:
                footer += f" · first token {column.first_token_s:.2f} s"
        if column.state == "failed":
            wrong = column.failure(hidden=self.hidden)
        if column.state == "stopped":
            wrong = "stopped: " + ("what came is above" if column.text else "nothing had come")
        return Cell(
            self.name_of(column),
            self.text_of(column),
            footer,
            wrong,
            self._chips(column),
            not column.over,
        )

    def _chips(self, column: Column) -> tuple[str, ...]:
        """What sets an answer apart from the others."""
        done = [c for c in self.columns if c.answer is not None]
        chips = []
        if self.verdict is not None:
            chips += {column.model: ["your choice"]}.get(self.verdict.winner, [])
        if column.answer is None or len(done) < 2:
            return tuple(chips)
        cached = any(c.answer.cache_hit for c in done if c.answer is not None)
        if self.over and not self.hidden and not cached:  # else they were not asked alike
            for word, order in (("cheapest", "cost"), ("fastest", "duration")):
                figures = [c.figure(order) for c in done]
                best = None if None in figures else min(figures)
                if figures.count(best) == 1 and column.figure(order) == best:
                    chips.append(word)
        twin = next((c for c in done if c.answer == column.answer), column)
        return (*chips, f"same as {self.name_of(twin)}") if twin is not column else tuple(chips)

    def note(self) -> str:
        """One line under the answers: what is still to come, or to do."""
        if not self.over:
            over = sum(column.over for column in self.columns)
            return f"{over} of {len(self.columns)} answers are there …"
        if self.hidden:
            letters = [column.label for column in self.columns]
            votes = ", ".join(f'.vote("{word}")' for word in (*letters[:3], "tie"))
            more = " …" if len(letters) > 3 else ""
            return f'Names are hidden. Vote to see them: {votes} or .vote("bad"){more}'
        failed = [c for c in self.columns if c.answer is None]
        again = [f"{len(failed)} without an answer: .rerun() asks them again"] if failed else []
        return " · ".join([*again, *self.notes])

    def diff(self, first: str = "a", second: str = "b") -> Difference:
        """What differs between two answers, word by word; shows itself.

        Raises:
            OptionError: there is no such answer.
        """
        return Difference(
            *((self.name_of(c), self.text_of(c)) for c in map(self.column, (first, second)))
        )


def _last_if_none(figure: Any) -> tuple[bool, Any]:
    return (True, 0) if figure is None else (False, figure)


def _checked(models: Sequence[str]) -> list[str]:
    names = [models] if isinstance(models, str) else list(models)
    if not names:
        raise OptionError("compare needs models: compare(prompt, models=[…]); see %ai models")
    if len(names) > MOST_MODELS:
        raise OptionError(
            f"{len(names)} models are too many to compare: give {MOST_MODELS} at most"
        )
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise OptionError(one_line(f"{twice[0]!r} stands twice in models: give each once"))
    return names
