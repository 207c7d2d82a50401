"""One attempt, recorded: its row is in the ledger before the request leaves, its outcome after."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from .budgets import Grant
from .errors import (
    BadRequestError,
    BadResponseError,
    ConnectionFailedError,
    ContentFilteredError,
    EmptyResponseError,
    MissingKeyError,
    MmaiError,
    ParameterAdaptedError,
    ResponseTooLargeError,
    TimedOutError,
    TruncatedStreamError,
)
from .interpolation import seal
from .keys import NOWHERE_ELSE, KeySources, find_key, missing_key
from .ledger import Ledger
from .markup import clean_line
from .pricing import price
from .purse import CAP_WORDS, Purse, cut_words
from .records import (
    NANO,
    Attempt,
    Completion,
    Cost,
    Message,
    OnText,
    Request,
    Route,
    Status,
    Usage,
    cost_of,
)
from .redaction import learn_secrets, redact
from .settings import ModelSpec, Settings

__all__ = ["Recorder", "check_key", "fingerprint", "log_outcome", "notebook_name"]

log = logging.getLogger("mmai_nb")

CALLS_THAT_WERE_ANSWERED = (
    BadResponseError,
    ContentFilteredError,
    EmptyResponseError,
    ResponseTooLargeError,
    TruncatedStreamError,
)

Send = Callable[[Request, ModelSpec, OnText | None], Completion]


def notebook_name() -> str | None:
    """The notebook's path as the front end tells it (JupyterLab, Notebook 7), or None."""
    return os.environ.get("JPY_SESSION_NAME") or None


@dataclass
class Recorder:
    """Wraps `send` so that each of its requests is one row of the ledger, whatever happens to it.

    Args:
        send: what really asks the model.
        ledger: where the rows go.
        settings: the settings in force.
        call_id: of the whole call; the rows are numbered within it.
        secret: the user's own, for the fences around data.
        purse: the money of the call; by default no budget is in force.
    """

    send: Send
    ledger: Ledger
    settings: Settings
    call_id: str
    secret: bytes
    session: str
    notebook: str | None = None
    tag: str | None = None
    route: Route | None = None
    purse: Purse | None = None
    attempts: list[Attempt] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    """What the failed attempts said, by their number."""

    def __post_init__(self) -> None:
        if self.tag is not None:
            learn_secrets(self.tag, os.environ)
            self.tag = redact(self.tag)

    def call(
        self, request: Request, spec: ModelSpec, on_text: OnText | None, cache_key: str | None
    ) -> Completion:
        """One request: intent row with the money it may cost, request, price, outcome row.

        Raises:
            BudgetExceededError: there is no money for it; nothing was written or sent.
            MmaiError, KeyboardInterrupt: what `send` raised, its row written first.
        """
        row, purse = self._row(spec, cache_key), self.purse or Purse(self.ledger)
        sent, granted = purse.begin(row, self._sealed(request), spec)
        started = time.monotonic()
        try:
            answered = self.send(sent, spec, on_text)
        except MmaiError as error:
            _explain_cap(error, granted, request)
            self.errors[row.attempt] = str(error)
            self._finish(self._failed(row, spec, error, time.monotonic() - started))
            raise
        except BaseException as interrupt:
            partial = getattr(interrupt, "partial", None)
            row = replace(row, status="cancelled", error_type=type(interrupt).__name__)
            row = replace(row, duration_s=time.monotonic() - started)
            if isinstance(partial, Completion) and not partial.text and partial.usage.estimated:
                partial = None  # what was billed is not known, and not what was sent alone
            self._finish(self._with_usage(row, spec, partial))
            raise
        completion = _marked(self._own(answered, spec), granted, request)
        row = self._with_usage(replace(row, status="ok"), spec, completion)
        self._finish(row)
        return completion

    def cache_hit(self, completion: Completion, cache_key: str) -> None:
        """The row of an answer that cost nothing."""
        row = replace(
            _with_facts(self._row(None, cache_key), completion),
            provider=completion.provider,
            endpoint=completion.endpoint,
            request_model=completion.request_model,
            simulated=completion.simulated,
            cache_hit=True,
            status="ok",
            cost_nano=0,
            cost_source="cache",
            saved_nano=completion.cost.nano,
        )
        self._finish(row, new=True)

    def _finish(self, row: Attempt, *, new: bool = False) -> None:
        self.attempts.append(row)
        if new:
            self.ledger.record(row)
        else:
            self.ledger.finish(row)

    def _row(self, spec: ModelSpec | None, cache_key: str | None) -> Attempt:
        route = self.route
        row = Attempt(
            call_id=self.call_id,
            attempt=len(self.attempts) + 1,
            ts=time.time(),
            session=self.session,
            notebook=self.notebook,
            tag=self.tag,
            tier=route.tier if route else None,
            complexity=route.complexity.score if route and route.complexity else None,
            reason="; ".join(route.reasons) if route else None,
            cache_key=cache_key,
        )
        if spec is None:
            return row
        return replace(
            row,
            provider=spec.provider,
            endpoint=spec.base_url,
            request_model=spec.model,
            simulated=spec.simulated,
        )

    def _sealed(self, request: Request) -> Request:
        """The request as it is sent: data fences get a tag that nobody can guess."""
        messages = tuple(Message(m.role, seal(m.content, self.secret)) for m in request.messages)
        return replace(request, messages=messages)

    def _own(self, answered: Completion, spec: ModelSpec) -> Completion:
        """The completion under our names, priced."""
        return replace(
            answered,
            response_model=_name(answered.response_model),
            finish_reason=_name(answered.finish_reason) if answered.finish_reason else None,
            model=spec.name,
            provider=spec.provider,
            endpoint=spec.base_url,
            request_model=spec.model,
            simulated=spec.simulated,
            cost=price(answered.usage, spec, answered.created),
        )

    def _failed(self, row: Attempt, spec: ModelSpec, error: MmaiError, seconds: float) -> Attempt:
        partial = getattr(error, "partial", None)
        ambiguous = isinstance(error, TimedOutError) and error.ambiguous
        status: Status = "unknown" if ambiguous else "error"
        if isinstance(error, ParameterAdaptedError):
            status = "adapted"
        elif isinstance(partial, Completion) and partial.text:
            status = "partial"
        row = replace(row, status=status, error_type=type(error).__name__, duration_s=seconds)
        if isinstance(partial, Completion):
            return self._with_usage(row, spec, partial)
        return replace(row, cost_nano=0, cost_source="none") if _is_unbilled(error) else row

    def _with_usage(self, row: Attempt, spec: ModelSpec, completion: Completion | None) -> Attempt:
        if completion is None:
            return row
        cost = completion.cost
        if cost.nano is None:
            cost = price(completion.usage, spec, completion.created)
        return replace(
            _with_facts(row, completion),
            cost_nano=cost.nano,
            cost_source=cost.source,
            baseline_nano=self._baseline(completion.usage, spec, cost),
        )

    def _baseline(self, usage: Usage, spec: ModelSpec, cost: Cost) -> int | None:
        """What the strongest tier's first model would have cost for the same tokens."""
        strongest = self.settings.strongest
        if strongest is None or strongest == spec.name:
            return cost.nano
        usage = replace(usage, reported_cost_usd=None)
        return price(usage, self.settings.find(strongest), warn=False).nano


def _is_unbilled(error: MmaiError) -> bool:
    """Whether no provider charges for this failure: refused, or never reached. Else: unknown."""
    if isinstance(error, ConnectionFailedError):
        return error.reason in ("refused", "dns", "tls", "proxy", "stranger")
    if isinstance(error, TimedOutError):
        return not error.ambiguous
    if isinstance(error, CALLS_THAT_WERE_ANSWERED):
        return (error.status or 200) >= 300
    return True


def check_key(spec: ModelSpec, sources: KeySources = NOWHERE_ELSE) -> None:
    """Nothing, if the model's key is there or none is needed.

    Raises:
        MissingKeyError: names the variable to set.
    """
    if spec.api_key_env and not spec.simulated and not find_key(spec.api_key_env, sources):
        raise missing_key(spec.name, spec.api_key_env)


def fingerprint(spec: ModelSpec, sources: KeySources = NOWHERE_ELSE) -> str:
    """A short mark of the key in force, of no use to anyone who has it; "" without a key."""
    try:
        key = find_key(spec.api_key_env, sources)
    except MissingKeyError:
        return ""
    return hashlib.sha256(key.encode()).hexdigest()[:12] if key else ""


def _marked(completion: Completion, granted: Grant | None, request: Request) -> Completion:
    """The completion, with a note if the cap that a budget puts on it has cut it.

    Some servers do not say that they cut: such an answer must not be kept as a whole one.
    """
    words = cut_words(granted, request, completion) if granted else ""
    if not words:
        return completion
    return replace(completion, finish_reason="length", notes=(*completion.notes, words))


def _explain_cap(error: MmaiError, granted: Grant | None, request: Request) -> None:
    """Say it in the error where the cap that a budget puts on the answer may be its cause."""
    if granted is None:
        return
    partial = getattr(error, "partial", None)
    if isinstance(partial, Completion) and partial.finish_reason == "length":
        if words := cut_words(granted, request, partial):
            error.add_note(words)
    elif isinstance(error, BadRequestError) and any(word in str(error) for word in CAP_WORDS):
        error.add_note(f"max_tokens = {granted.tokens:,} was sent since a budget is in force")


def _name(text: str) -> str:
    """A name that a server gave, as it can be kept and shown: one short line without secrets."""
    return redact(clean_line(text[:1_000]))[:200]


def _with_facts(row: Attempt, completion: Completion) -> Attempt:
    """The row with the tokens, times and names of what was answered."""
    usage = completion.usage
    return replace(
        row,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        tokens_estimated=usage.estimated,
        response_model=_name(completion.response_model) or None,
        finish_reason=completion.finish_reason and _name(completion.finish_reason),
        duration_s=completion.duration_s,
        first_token_s=completion.first_token_s,
    )


def log_outcome(
    attempts: Sequence[Attempt], row: Attempt | None, error: BaseException | None = None
) -> None:
    """One structured record a call, for listeners to the logger `mmai_nb`; no prompt in it.

    Args:
        attempts: all rows of the call.
        row: the one that gave the answer, or the last.
        error: what the call ended with, if it failed.
    """
    level = logging.INFO if error is None else logging.WARNING
    if row is None or not log.isEnabledFor(level):
        return
    nano = cost_of(attempts)
    facts = {
        "call_id": row.call_id,
        "status": "ok" if error is None else "error",
        "model": row.request_model,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "duration_s": round(sum(a.duration_s or 0.0 for a in attempts if not a.cache_hit), 3),
        "cost_usd": None if nano is None else nano / NANO,
        "cache_hit": row.cache_hit,
        "attempts": len(attempts),
    }
    if error is not None:
        facts["error_type"] = type(error).__name__
    log.log(level, " ".join(f"{k}={v}" for k, v in facts.items()), extra={"mmai": facts})
