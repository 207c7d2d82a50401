"""The same model again, then the next one: retries, deadline, circuit breaker.

One retry layer, this one. The figures (3 tries a model, 6 a call, full jitter, a retry budget of
10 per endpoint that refills by 0.1 a success, 5 failures to open a breaker for 30 s) follow the
advice of AWS's "Timeouts, retries and backoff with jitter" and the SRE book's chapter on overload.
"""

from __future__ import annotations

import copy
import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from . import cancel
from .errors import (
    BadRequestError,
    BudgetExceededError,
    CallError,
    ChainExhaustedError,
    ContentFilteredError,
    ContextTooLongError,
    MissingKeyError,
    MmaiError,
    ParameterAdaptedError,
    TimedOutError,
    UnknownModelError,
)
from .records import Completion, OnText, Request
from .settings import ModelSpec, Settings

__all__ = [
    "MOST_ATTEMPTS",
    "Breakers",
    "Run",
    "ask_again",
    "ask_chain",
    "reason_of",
    "refusals_of",
]

Call = Callable[[Request, ModelSpec, OnText | None], Completion]
"""The one shape of a call: of the network, the recorded call and a test double."""

_chance = random.Random()
"""Of our own: a notebook's `random.seed` must neither steer the waits nor be moved on by them."""

MOST_ATTEMPTS = 6
CLASS_RETRIES = 2
"""An error class with as many retries leaves their number to the settings."""
MOST_ADAPTATIONS = 3


@dataclass
class _Breaker:
    failures: int = 0
    open_until: float = 0.0
    open_for: float = 30.0
    probing: bool = False


class Breakers:
    """One circuit breaker per (endpoint, model, key): closed, open, or half-open with one probe.

    Args:
        clock: seconds, monotonic.
        threshold: consecutive failures that open a breaker.
        open_for: seconds it stays open the first time; doubled at each failed probe.
        longest: seconds it stays open at the most.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        threshold: int = 5,
        open_for: float = 30.0,
        longest: float = 300.0,
    ) -> None:
        self._clock, self._threshold = clock, threshold
        self._open_for, self._longest = open_for, longest
        self._lock = threading.Lock()
        self._breakers: dict[str, _Breaker] = {}
        self._tenths: dict[str, int] = {}  # of a retry, by endpoint

    def __bool__(self) -> bool:
        """Whether any breaker exists at all, open or not."""
        return bool(self._breakers)

    def is_open(self, key: str) -> bool:
        """Whether this model should be left out now; False once a probe is due."""
        with self._lock:
            breaker = self._breakers.get(key)
            if breaker is None or not breaker.open_until:
                return False
            return breaker.probing or self._clock() < breaker.open_until

    def admit(self, key: str) -> bool:
        """Take the one probe of a breaker whose time is over; True while it is closed.

        A model that the user named is asked whatever this says: naming it probes at once.
        """
        with self._lock:
            breaker = self._breakers.get(key)
            if breaker is None or not breaker.open_until:
                return True
            due = not breaker.probing and self._clock() >= breaker.open_until
            breaker.probing = True
            return due

    def succeeded(self, key: str) -> None:
        """The model answered: its breaker closes."""
        with self._lock:
            self._breakers.pop(key, None)

    def abandoned(self, key: str) -> None:
        """The request ended without a verdict on the model, by an interrupt for instance."""
        with self._lock:
            if key in self._breakers:
                self._breakers[key].probing = False

    def failed(self, key: str, error: MmaiError) -> None:
        """Count the failure as its class says: not at all, as one of several, or open at once."""
        if error.breaker == "no":
            self.abandoned(key)
            return
        asked = getattr(error, "retry_after", None) or 0.0
        with self._lock:
            breaker = self._breakers.setdefault(key, _Breaker(open_for=self._open_for))
            breaker.failures += 1
            if breaker.probing:
                breaker.open_for = min(self._longest, breaker.open_for * 2)
            if (
                error.breaker == "opens"
                or breaker.probing
                or breaker.failures >= self._threshold
                or asked > self._open_for
            ):
                seconds = min(self._longest, max(breaker.open_for, asked))
                breaker.open_until, breaker.probing = self._clock() + seconds, False

    def is_known(self, key: str) -> bool:
        """Whether it is open or half-open: such a model gets one probe and no retries."""
        with self._lock:
            breaker = self._breakers.get(key)
            return breaker is not None and bool(breaker.open_until)

    def may_retry(self, endpoint: str) -> bool:
        """Take one retry out of the endpoint's budget (10, refilled by successes)."""
        with self._lock:
            left = self._tenths.get(endpoint, 100)
            if left < 10:
                return False
            self._tenths[endpoint] = left - 10
            return True

    def earned(self, endpoint: str) -> None:
        """A success gives a tenth of a retry back."""
        with self._lock:
            self._tenths[endpoint] = min(100, self._tenths.get(endpoint, 100) + 1)


@dataclass
class Run:
    """What one call shares over its attempts: deadline, counters, whether text was shown."""

    settings: Settings
    breakers: Breakers
    on_text: OnText | None = None
    timeout: float = 300.0
    breaker_key: Callable[[ModelSpec], str] = lambda spec: f"{spec.base_url} {spec.model}"
    retry_ambiguous: Callable[[ModelSpec], bool] = lambda spec: True
    tell: Callable[[str], None] = lambda words: None
    sleep: Callable[[float], None] = cancel.pause
    clock: Callable[[], float] = time.monotonic
    asked: list[str] = field(default_factory=list)
    """Each model's name as often as it was asked."""
    shown: bool = False
    others: bool = False
    """Whether another model of the chain could be asked."""
    errors: list[tuple[str, MmaiError]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadline = self.clock() + self.timeout

    def branch(self, on_text: OnText | None) -> Run:
        """A run to other models of the same call: one deadline and count, and nothing shown yet."""
        other = copy.copy(self)
        other.on_text, other.shown, other.others, other.errors = on_text, False, False, []
        return other

    @property
    def attempts(self) -> int:
        """How often a model was asked."""
        return len(self.asked)

    @property
    def left(self) -> float:
        """Seconds until the deadline; may be negative."""
        return self.deadline - self.clock()

    @property
    def text_sink(self) -> OnText | None:
        """`on_text`, with a memory of whether anything was shown; None when nobody listens."""
        if self.on_text is None:
            return None
        listener = self.on_text

        def show(piece: str) -> None:
            self.shown = True
            listener(piece)

        return show

    def timed(self, request: Request, on_text: OnText | None) -> Request:
        """The request with the time of one attempt: a silent one leaves half to the other models.

        What streams is silent until its first token, anything else until it is complete.
        """
        left = self.left
        if not self.others:
            return replace(request, timeout=left)
        if on_text is None:
            return replace(request, timeout=left / 2)
        return replace(request, timeout=left, silence=left / 2)

    def wait_before_retry(self, error: MmaiError, failed: int, spec: ModelSpec) -> float | None:
        """Seconds to wait before the same model is asked again; None when it is not.

        Exponential backoff with full jitter; the server's Retry-After is a floor. A wait over the
        cap or past the deadline means that the next model is the better choice.
        """
        most = self.settings.retries
        allowed = most if error.retries >= CLASS_RETRIES else min(error.retries, most)
        if self.shown or failed > allowed or self.attempts >= MOST_ATTEMPTS:
            return None
        if getattr(error, "ambiguous", False) and (self.others or not self.retry_ambiguous(spec)):
            return None
        longest = min(self.settings.backoff_cap, self.settings.backoff_base * 2 ** (failed - 1))
        asked = getattr(error, "retry_after", None) or 0.0
        wait = max(_chance.uniform(0.0, longest), asked)
        if asked > self.settings.retry_after_cap or wait >= self.left:
            return None
        return wait if self.breakers.may_retry(spec.base_url) else None


def ask_again(
    call: Call, request: Request, spec: ModelSpec, run: Run, on_text: OnText | None
) -> Completion:
    """The same model until it answers, or until its error says that asking again is of no use.

    Raises:
        MmaiError: the last attempt's error.
    """
    failed = adapted = 0
    last: MmaiError | None = None
    key = run.breaker_key(spec)
    probe = run.breakers.is_known(key)
    run.breakers.admit(key)
    try:
        while True:
            cancel.check()
            if run.left <= 0:
                raise TimedOutError(f"{spec.name}: no answer within {run.timeout:g} s")
            run.tell(f"asking {spec.name} …")
            try:
                completion = call(run.timed(request, on_text), spec, on_text)
            except BudgetExceededError as error:  # no attempt: nothing was sent
                if last is not None:
                    error.add_note(f"before it, {type(last).__name__}: {last}")
                raise
            except ParameterAdaptedError as error:
                adapted += 1
                if adapted > MOST_ADAPTATIONS:
                    raise BadRequestError(f"{spec.name}: {error}", model=spec.name) from error
            except MmaiError as error:
                failed, last = failed + 1, error
                run.asked.append(spec.name)
                run.breakers.failed(key, error)
                wait = None if probe else run.wait_before_retry(error, failed, spec)
                if wait is None:
                    raise
                run.tell(f"{spec.name}: {reason_of(error)}; asking again in {wait:.1f} s …")
                run.sleep(wait)
            else:
                run.asked.append(spec.name)
                run.breakers.succeeded(key)
                run.breakers.earned(spec.base_url)
                return completion
    finally:
        run.breakers.abandoned(key)


def ask_chain(
    specs: Sequence[ModelSpec],
    ask: Callable[[ModelSpec], Completion],
    run: Run,
    window: Callable[[ModelSpec], int | None] = lambda spec: spec.context_window,
) -> Completion:
    """The first answer that a model of the chain gives, in the chain's order.

    Raises:
        MmaiError: the only model's error, or one that no other model would mend.
        ChainExhaustedError: every model failed; `errors` has each one's.
    """
    too_small = 0
    for position, spec in enumerate(specs):
        if too_small and not (window(spec) or 0) > too_small:
            continue
        if run.attempts >= MOST_ATTEMPTS or (position and run.left <= 0):
            break
        run.others = position + 1 < len(specs)
        try:
            return ask(spec)
        except MmaiError as error:
            run.errors.append((spec.name, error))
            if _stops(error, run, position):
                _add_history(error, run)
                raise
            if isinstance(error, ContextTooLongError):
                too_small = error.window or window(spec) or too_small or 1
    raise _exhausted(specs, run)


def _stops(error: MmaiError, run: Run, position: int) -> bool:
    """Whether no other model is asked after this error."""
    if run.shown:
        return True
    if isinstance(error, MissingKeyError):
        return position == 0
    if isinstance(error, ContentFilteredError):
        return not run.settings.fallback_on_content_filter
    return not error.falls_back


def _add_history(error: MmaiError, run: Run) -> None:
    for name, earlier in run.errors[:-1]:
        error.add_note(f"before it, {name}: {type(earlier).__name__}: {earlier}")


def _exhausted(specs: Sequence[ModelSpec], run: Run) -> MmaiError:
    if not run.errors:
        return TimedOutError(f"no answer within {run.timeout:g} s; a longer --timeout helps")
    if len(run.errors) == 1 and len(specs) == 1:
        return run.errors[0][1]
    refused = [error for _, error in run.errors if isinstance(error, BudgetExceededError)]
    if len(refused) == len(run.errors):
        return _unaffordable(refused)
    reasons = "; ".join(f"{name}: {reason_of(e)}" for name, e in run.errors)
    tried = f"{len(run.errors)} of {len(specs)} models" if len(run.errors) < len(specs) else "all"
    over = f" within {run.timeout:g} s" if run.left <= 0 else ""
    hint = "; a longer --timeout helps" if over else ""
    error = ChainExhaustedError(
        f"no model answered{over} ({tried} tried{hint}): {reasons}"[:160],
        [e for _, e in run.errors],
    )
    for budget in refused[:1]:
        error.add_note(str(budget))
    return error


def _unaffordable(refused: Sequence[BudgetExceededError]) -> BudgetExceededError:
    """The one of the model that needs least; the others are in its notes."""
    nearest = min(refused, key=lambda error: error.needed_usd or math.inf)
    for error in refused:
        if error is not nearest and error.why != nearest.why:
            nearest.add_note(f"{error.model} {error.why}".lstrip())
    return nearest


def refusals_of(run: Run) -> list[str]:
    """What a reader should know of the models that a budget kept from being asked."""
    refused = [(name, e) for name, e in run.errors if isinstance(e, BudgetExceededError)]
    return [f"left out {name}: {error.why}" for name, error in refused]


def reason_of(error: MmaiError) -> str:
    """Why a model did not answer, in two or three words."""
    status = getattr(error, "status", None) if isinstance(error, CallError) else None
    kind = {
        UnknownModelError: "unknown model",
        MissingKeyError: "no key",
        BudgetExceededError: "over budget",
    }.get(type(error))
    name = kind or type(error).__name__.removesuffix("Error")
    return f"{name} {status}" if status else name
