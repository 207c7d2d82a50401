"""An answer: a text that knows what it cost, and how to show itself.

The MIME protocol is duck-typed: nothing of IPython is imported here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from .amounts import counted, format_age, format_duration, format_usd
from .markup import clean_line, render, short
from .records import NANO, Attempt, Checked, Completion, Cost, Route, Usage
from .redaction import redact

__all__ = ["Answer", "row_of"]

Bundle = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What an answer carries beside its text."""

    completion: Completion
    route: Route
    attempts: tuple[Attempt, ...]
    call_id: str
    saved: Cost
    parsed: Any
    format: str
    notes: tuple[str, ...]
    checks: tuple[Checked, ...] = ()


class Answer(str):
    """The text of an answer: a str in every respect, which also tells where it came from.

    Methods of str give a plain str. Pickling and copying keep everything.

    Args:
        text: the answer.
        completion: what the model gave, or the cache held.
        route: which models were to be asked, and why.
        attempts: the ledger's rows of this call, oldest first.
        call_id: the ledger's id of this call.
        saved: what cache hits saved; by default the cost of the original calls.
        parsed: the value of an answer that was asked for as JSON.
        format: how it shows itself: markdown, text, code, json or html.
        notes: what a reader should know beside `completion.notes`.
        checks: what the check made of each of the call's answers.
    """

    _facts: _Facts
    _left: str | None

    def __new__(
        cls,
        text: str,
        *,
        completion: Completion,
        route: Route,
        attempts: tuple[Attempt, ...] = (),
        call_id: str = "",
        saved: Cost | None = None,
        parsed: Any = None,
        format: str = "markdown",
        notes: tuple[str, ...] = (),
        checks: tuple[Checked, ...] = (),
    ) -> Answer:
        """A new answer."""
        if saved is None:
            hits = [c for c in (completion, *_others(completion, checks)) if c.cache_hit]
            saved = hits[0].cost if len(hits) == 1 else Cost(_total(hits), "free")
        facts = _Facts(
            completion,
            route,
            tuple(attempts),
            call_id,
            saved,
            parsed,
            format,
            tuple(notes),
            tuple(checks),
        )
        return cls._made(text, facts)

    @classmethod
    def _made(cls, text: str, facts: _Facts) -> Answer:
        self = super().__new__(cls, text)
        object.__setattr__(self, "_facts", facts)
        object.__setattr__(self, "_left", None)
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an Answer does not change: {name} cannot be set")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._made, (self.text, self._facts)

    def __repr__(self) -> str:
        return f"Answer({short(self.text, 60)!r}, model={self.model!r})"

    def with_parsed(self, parsed: Any) -> Answer:
        """The same answer with the value that was found in it."""
        return type(self)._made(self.text, replace(self._facts, parsed=parsed))

    @property
    def text(self) -> str:
        """The answer as a plain str."""
        return str.__str__(self)

    @property
    def parsed(self) -> Any:
        """The value of an answer that was asked for as JSON, else None."""
        return self._facts.parsed

    @property
    def model(self) -> str:
        """Our name of the model that answered."""
        return self._facts.completion.model

    @property
    def route(self) -> Route:
        """Which models were to be asked, and why."""
        return self._facts.route

    @property
    def usage(self) -> Usage:
        """Tokens of the original call."""
        return self._facts.completion.usage

    @property
    def cost_usd(self) -> float | None:
        """US dollars paid for this answer, and for those that its check needed or did not pass.

        0 for cache hits, None where a price is unknown.
        """
        nano = _total([c for c in self._completions if not c.cache_hit])
        return None if nano is None else nano / NANO

    @property
    def _completions(self) -> list[Completion]:
        """All answers of the call that were there, this one first."""
        return [self._facts.completion, *_others(self._facts.completion, self.checks)]

    @property
    def saved_usd(self) -> float | None:
        """US dollars that a cache hit saved; 0 for a paid answer, None where unknown."""
        return self._facts.saved.usd

    @property
    def cache_hit(self) -> bool:
        """Whether it came from the cache, without a request."""
        return self._facts.completion.cache_hit

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The ledger's rows of this call, oldest first."""
        return self._facts.attempts

    @property
    def row(self) -> Attempt | None:
        """The ledger's row of the attempt that gave this answer; None where there are no rows."""
        return row_of(self.attempts, self._facts.completion)

    @property
    def checks(self) -> tuple[Checked, ...]:
        """What the check made of each of the call's answers, this one's last; () without a check.

        Each has `completion`, `passed`, `doubt` (0 to 1), `reasons` and `opinion`, the second
        model's answer.
        """
        return self._facts.checks

    @property
    def rejected(self) -> tuple[Completion, ...]:
        """The answers that did not pass their check and were replaced, each with text and model."""
        given = (found.completion for found in self.checks)
        return tuple(c for c in given if c != self._facts.completion)

    @property
    def call_id(self) -> str:
        """The ledger's id of this call."""
        return self._facts.call_id

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped: stop, length, content_filter …; None if it did not say."""
        return self._facts.completion.finish_reason

    @property
    def duration_s(self) -> float:
        """Seconds of the original call, even for a cached answer."""
        return self._facts.completion.duration_s

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        return (*self._facts.completion.notes, *self._facts.notes)

    @property
    def simulated(self) -> bool:
        """Whether the built-in demo answered, which is no language model."""
        return self._facts.completion.simulated

    @property
    def reasoning_text(self) -> str:
        """What a thinking model showed of its thoughts; no part of the answer."""
        return self._facts.completion.reasoning_text

    def footer(self, *, brief: bool = False) -> str:
        """One line: which model, why, tokens, cost, time, and what a reader should know.

        `brief` gives only the last of these.
        """
        parts = self._check_words() if brief else self._facts_words()
        parts += _failure_words(self.attempts, self.row)
        if self.finish_reason == "length":
            parts.append(f"cut at {self.usage.output_tokens:,} tokens")
        if self.finish_reason == "content_filter":
            parts.append("stopped by the content filter")
        if self.simulated:
            parts.append("not a language model")
        line = " · ".join(part for part in (*parts, *self.notes) if part)
        return redact(clean_line(line))

    def _facts_words(self) -> list[str]:
        parts = [self.model, *_tier_words(self.route), *self._check_words()]
        parts += self._passed_words()
        parts += _token_words(self.usage)
        parts += self._money_words()
        if not self.cache_hit and self.duration_s > 0:
            parts.append(format_duration(self.duration_s))
        return parts

    def _check_words(self) -> list[str]:
        """Why it was escalated, and what the check still says of it."""
        reasons = "; then ".join(dict.fromkeys(why for _, why in self.route.escalated))
        twice = " twice" if len(self.route.escalated) > 1 else ""
        words = [f"escalated{twice}: {reasons}"] if reasons else []
        ours = [found for found in self.checks if found.completion == self._facts.completion]
        return words + [f"check: {found.reason}" for found in ours if not found.passed]

    def _passed_words(self) -> list[str]:
        """That a check let this answer pass, and what it saw; of one that broke the notes tell."""
        if any(note.startswith("not checked") for note in self.notes):
            return []
        ours, last = self._facts.completion, self.checks[-1:]
        saw = [c.reason.partition(': "')[0] for c in last if c.passed and c.completion == ours]
        return [f"checked: {words}" if words else "checked" for words in saw]

    def _money_words(self) -> list[str]:
        words, paid = [], [c for c in self._completions if not c.cache_hit]
        if paid and self.simulated:
            words.append(f"demo: pretend {format_usd(self.cost_usd)}")
        elif paid:
            free = all(c.cost.source == "free" for c in paid)
            words.append("free" if free else format_usd(self.cost_usd))
        if self.cache_hit:
            cached = f"cached {format_age(time.time() - self._facts.completion.created)}"
            if self.saved_usd:
                pretend = "a pretend " if self.simulated else ""
                cached += f", saved {pretend}{format_usd(self.saved_usd)}"
            words.append(cached)
        return words

    def mark_shown(self, left: str = "") -> None:
        """It was shown while it came: the next display, which is the cell's, shows only `left`."""
        object.__setattr__(self, "_left", left)

    def mark_unshown(self) -> None:
        """The next display shows all of it again."""
        self._forget()

    def mime_bundle(self, details: str = "", *, brief: bool = False) -> tuple[Bundle, Bundle]:
        """MIME data and metadata to show, with `details` as further lines under the footer."""
        data = render(
            self.text,
            self._facts.format,
            self.footer(brief=brief),
            reasoning=self.reasoning_text,
            details=details,
        )
        return data, self._metadata()

    def _metadata(self) -> Bundle:
        """What a reader of the saved notebook may want to know; no text, no key."""
        completion, usage = self._facts.completion, self.usage
        ours = {
            "requested": self.route.chain[0] if self.route.chain else self.model,
            "model": self.model,
            "tier": self.route.tier,
            "tokens": {
                "input": usage.input_tokens,
                "cache_read": usage.cache_read_tokens,
                "output": usage.output_tokens,
                "reasoning": usage.reasoning_tokens,
                "estimated": usage.estimated,
            },
            "cost_usd": self.cost_usd,
            "saved_usd": self.saved_usd,
            "duration_s": round(self.duration_s, 3),
            "cache_hit": self.cache_hit,
            "attempts": len(self.attempts),
            "escalated": bool(self.route.escalated),
            "call_id": self.call_id,
            "simulated": self.simulated,
        }
        theirs = {
            "provider_id": completion.provider,
            "model_id": completion.request_model or self.model,
        }
        return {"mmai_nb": ours, "jupyter_ai": theirs}

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> tuple[Bundle, Bundle]:
        data, metadata = self.mime_bundle()
        kept = {
            kind: value
            for kind, value in data.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }
        return kept, metadata

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """IPython's `text/plain`, where its printer of str goes before the MIME bundle."""
        if self._left:
            printer.text(self._left)
            return self._forget()
        alone = len(getattr(printer, "stack", ())) <= 1
        printer.text(self._repr_mimebundle_()[0]["text/plain"] if alone else repr(self))

    def _ipython_display_(self) -> None:
        """Nothing, once, if it was shown while it came; else left to `_repr_mimebundle_`.

        Raises:
            NotImplementedError: IPython's word for that.
        """
        if self._left != "":
            raise NotImplementedError
        self._forget()

    def _forget(self) -> None:
        object.__setattr__(self, "_left", None)


def _tier_words(route: Route) -> list[str]:
    if route.tier is None:
        return []
    if route.escalated:
        return [route.tier]
    reasons = route.complexity.reasons[:2] if route.complexity else ()
    return [f"{route.tier} ({', '.join(reasons)})" if reasons else route.tier]


def _token_words(usage: Usage) -> list[str]:
    if not usage.input_tokens and not usage.output_tokens:
        return []
    about = "~" if usage.estimated else ""
    return [f"{about}{usage.input_tokens:,}→{usage.output_tokens:,} tok"]


def row_of(attempts: Sequence[Attempt], completion: Completion | None) -> Attempt | None:
    """The row of the attempt that gave an answer; the last one where none has given it."""
    for row in reversed(attempts):
        ours = completion and (completion.endpoint, completion.request_model)
        if row.status == "ok" and (row.endpoint, row.request_model) == ours:
            return row
    return attempts[-1] if attempts else None


def _others(completion: Completion, checks: Sequence[Checked]) -> list[Completion]:
    """The answers that a check was about or needed, beside this one."""
    given = (c for found in checks for c in (found.completion, found.opinion))
    return [c for c in given if c is not None and c != completion]


def _total(completions: Sequence[Completion]) -> int | None:
    """Nano-dollars of all; None where one is unknown."""
    costs = [completion.cost.nano for completion in completions]
    return None if None in costs else sum(nano or 0 for nano in costs)


def _failure_words(attempts: tuple[Attempt, ...], row: Attempt | None) -> list[str]:
    """What failed before the attempt that gave the answer."""
    before = attempts[: attempts.index(row)] if row is not None else ()
    failed = [a.error_type or "" for a in before if a.status in ("error", "partial", "unknown")]
    if not failed:
        return []
    kinds = list(dict.fromkeys(filter(None, map(_error_words, failed))))[:3]
    why = f" ({', '.join(kinds)})" if kinds else ""
    return [f"after {counted(len(failed), 'failed attempt')}{why}"]


def _error_words(error_type: str) -> str:
    """`RateLimitError` as "rate limit"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", error_type.removesuffix("Error")).lower()
