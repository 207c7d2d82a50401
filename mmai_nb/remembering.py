"""What is kept of a call once it is over: its texts for the history, and a line of the log file.

Whatever is kept here has no secrets in it; the answer and the cache keep theirs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .answer import row_of
from .errors import ChainExhaustedError
from .exchanges import Exchange
from .keeping import Parse
from .records import NANO, Attempt, Completion, Message, Request, Route, cost_of
from .redaction import learn_secrets, redact

if TYPE_CHECKING:
    from .call_log import CallLog
    from .texts import Texts

__all__ = ["Ended", "Turn", "put_by", "remember"]

MOST_KEPT = 1_000_000
"""Characters of one text in the history; the rest is cut, and says so."""

MOST_LOGGED = 100_000
"""Characters of one text in the log file."""


@dataclass(frozen=True)
class Turn:
    """The last question, as long as the engine lives: what is asked again, or voted on.

    Attributes:
        request: as it was asked.
        parse: what makes `answer.parsed`; None where there is nothing.
        call_id: the ledger's.
        route: where it went.
    """

    request: Request
    parse: Parse | None
    call_id: str
    route: Route


@dataclass(frozen=True)
class Ended:
    """A call that is over, or as far as it has come.

    Attributes:
        call_id: its id in the ledger.
        request: what was asked.
        route: which models were to be asked, and why.
        attempts: its rows, oldest first.
        errors: what each failed attempt said, by its number.
        completion: the answer, or what had come of it; None where nothing had.
        error: what the call ended with, if it failed.
        cached: whether the cache keeps the answer.
        session: the kernel's.
    """

    call_id: str
    request: Request
    route: Route
    attempts: Sequence[Attempt]
    errors: dict[int, str]
    completion: Completion | None
    error: BaseException | None = None
    cached: bool = True
    session: str = ""

    @property
    def row(self) -> Attempt | None:
        """Of the attempt that gave the answer; the last one where there is none."""
        return row_of(self.attempts, self.completion)


def remember(ended: Ended, texts: Texts | None, log: CallLog | None) -> None:
    """Keep the texts of the call and log it.

    Args:
        ended: the call.
        texts: where prompts and answers are kept; None: nowhere, the log file has none either.
        log: the log file; None: there is none.
    """
    if texts is None and log is None:
        return
    said = _Said.of(ended) if texts is not None else None
    if texts is not None and said is not None and ended.attempts:
        interrupted = ended.error is not None and not isinstance(ended.error, Exception)
        texts.keep(_exchange(ended, said), hurry=interrupted)
    if log is not None:
        log.write(_facts(ended, said))


def put_by(ended: Ended, texts: Texts) -> None:
    """Keep the texts of a call that goes on, so far as it has come; `remember` replaces them.

    An answer of the cache is not put by: it was kept when it was paid for.
    """
    if ended.row is not None and not ended.row.cache_hit:
        texts.put_by(_exchange(ended, _Said.of(ended)))


@dataclass(frozen=True)
class _Said:
    """The texts of a call without the secrets in them."""

    prompt: str
    answer: str
    context: tuple[Message, ...]

    @classmethod
    def of(cls, ended: Ended) -> _Said:
        messages = ended.request.messages
        at = max((i for i, m in enumerate(messages) if m.role == "user"), default=0)
        prompt = messages[at].content
        for begun in messages[at + 1 :]:  # the model was to go on from there
            prompt += f"\n\n{begun.role}: {begun.content}"
        answer = "" if ended.completion is None else ended.completion.text
        learn_secrets("\n".join([answer, *(m.content for m in messages)]), os.environ)
        context = (Message(m.role, _kept(m.content)) for m in messages[:at])
        return cls(_kept(prompt), _kept(answer), tuple(context))


def _kept(text: str, most: int = MOST_KEPT) -> str:
    """The text without secrets, and not longer than `most` characters and a word on the rest."""
    text = redact(text)
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… [{len(text) - most:,} more characters were not kept]"


def _exchange(ended: Ended, said: _Said) -> Exchange:
    completion, last = ended.completion, ended.row or ended.attempts[-1]
    partial = said.answer and last.status != "ok"
    return Exchange(
        call_id=ended.call_id,
        ts=time.time(),
        prompt=said.prompt,
        answer=said.answer,
        context=said.context,
        cache_key=last.cache_key if ended.cached else None,
        cost_nano=cost_of(ended.attempts),
        model=last.request_model if completion is None else completion.model,
        status="partial" if partial else last.status,
        format=ended.request.format,
        simulated=last.simulated,
    )


def _facts(ended: Ended, said: _Said | None) -> dict[str, Any]:
    """The line of the log file; what servers said of a failure may quote the prompt."""
    completion, error = ended.completion, ended.error
    last = ended.row
    facts: dict[str, Any] = {
        "ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "call_id": ended.call_id,
        "status": "ok" if error is None else "error",
        "session": ended.session,
    }
    for name in _OF_THE_ROW:
        facts[name] = getattr(last, name) if last else None
    facts["tier"] = ended.route.tier
    facts["reason"] = "; ".join(ended.route.reasons)
    facts["duration_s"] = round(
        sum(a.duration_s or 0 for a in ended.attempts if not a.cache_hit), 3
    )
    nano = cost_of(ended.attempts)
    facts["cost_usd"] = None if nano is None else nano / NANO
    facts["attempts"] = [_attempt(a, ended, said is not None) for a in ended.attempts]
    if error is not None:
        facts["error_type"] = type(error).__name__
    if said is None:
        return facts
    if error is not None:
        causes = error.errors if isinstance(error, ChainExhaustedError) else ()
        facts["error"] = [_kept(f"{e}", 2_000) for e in (error, *causes)]
    facts["earlier"] = [{"role": m.role, "content": _cut(m.content)} for m in said.context]
    facts["prompt"] = _cut(said.prompt)
    facts["answer"] = _cut(said.answer) if completion is not None else None
    return facts


_OF_THE_ROW = (
    "notebook",
    "tag",
    "provider",
    "request_model",
    "response_model",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "reasoning_tokens",
    "first_token_s",
    "cache_hit",
    "finish_reason",
    "simulated",
)


def _attempt(attempt: Attempt, ended: Ended, in_words: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "attempt": attempt.attempt,
        "request_model": attempt.request_model,
        "status": attempt.status,
        "duration_s": attempt.duration_s,
        "cost_usd": None if attempt.cost_nano is None else attempt.cost_nano / NANO,
    }
    if attempt.error_type:
        facts["error_type"] = attempt.error_type
    if in_words and attempt.attempt in ended.errors:
        facts["error"] = _kept(ended.errors[attempt.attempt], 2_000)
    return facts


def _cut(text: str) -> str:
    if len(text) <= MOST_LOGGED:
        return text
    return f"{text[:MOST_LOGGED]}… [{len(text) - MOST_LOGGED:,} more characters]"
