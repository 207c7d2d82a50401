"""The money of one call: held for each attempt before it leaves, and told of afterwards.

Without a budget in force nothing is asked of the ledger but to begin the attempt's row.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from . import cancel
from .amounts import format_usd
from .budgets import (
    LEVELS,
    STEP_DOWN,
    Grant,
    Limit,
    Need,
    Refusal,
    Standing,
    grant,
    level_reached,
    limits_in_force,
    place_of,
    with_margin,
    worth_waiting,
)
from .errors import BudgetExceededError, BudgetWarning
from .holds import LONGEST_WAIT
from .ledger import Ledger
from .pricing import context_window, highest_price
from .records import NANO, Alert, Attempt, Completion, Outlook, Request
from .redaction import redact
from .settings import ModelSpec, Settings
from .tokens import estimate_messages, estimate_tokens
from .values import one_line, shown

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "CAP_WORDS",
    "PRETEND",
    "Listeners",
    "Purse",
    "budget_frame",
    "cut_words",
    "outlook",
    "usd",
]

LONGEST_QUEUE = 10.0
"""Seconds a call waits for money that others hold on their way, before it does with what is left;
never more than half of its time, and for the same money once."""
POLL = 0.1
"""Seconds between two looks whether it has come back."""

CAP_WORDS = ("max_tokens", "max_completion_tokens")
"""The words for the longest answer; one that the user has set is the one that is changed."""


PRETEND = "budgets do not count the demo's pretend money"


class _MoneyMovingError(Exception):
    """Others hold money that most likely comes back soon."""


@dataclass
class Purse:
    """What one call may spend over all its attempts.

    Args:
        ledger: where the rows are, and what is held.
        budgets: those in force, USD by scope.
        max_cost: the call's own limit, in USD; the lower one counts.
        call_id: of the call.
        session, notebook: where it is made.
        patience: seconds that all attempts together may wait for the ledger.
        tell: gets a line on what is waited for.
    """

    ledger: Ledger
    budgets: Mapping[str, Decimal] = field(default_factory=dict)
    max_cost: Decimal | None = None
    call_id: str = ""
    session: str = ""
    notebook: str | None = None
    patience: float = LONGEST_WAIT
    tell: Callable[[str], None] = lambda words: None
    _refused: set[str] = field(init=False, default_factory=set)
    _asked_at: float | None = field(init=False, default=None)
    _pretend: bool = field(init=False, default=False)

    @property
    def amounts(self) -> Mapping[str, Decimal]:
        """What limits the call, in USD by scope."""
        if self.max_cost is None or not self._own_limit:
            return self.budgets
        return {**self.budgets, "call": self.max_cost}

    @property
    def _own_limit(self) -> bool:
        """Whether it is the call's own limit that counts, and not the budget for calls."""
        return self.max_cost is not None and self.max_cost <= self.budgets.get("call", math.inf)

    def limits(self, now: float) -> list[Limit]:
        """The budgets in force at a time, in seconds since the epoch."""
        place = place_of(self.notebook, self.session)
        return limits_in_force(self.amounts, call_id=self.call_id, place=place, now=now)

    def begin(
        self, row: Attempt, request: Request, spec: ModelSpec
    ) -> tuple[Request, Grant | None]:
        """Write the intent, with what the attempt may cost held for it; the request to send.

        The request has a cap on its answer then. No grant: there is no budget, or it is free.

        Raises:
            BudgetExceededError: nothing was written, and nothing may be sent.
        """
        need = self._need(request, spec)
        if need is None:
            self.ledger.begin(row)
            return request, None
        self._asked_at = row.ts
        begun = time.monotonic()
        granted = self._reserved(row, need, spec, request.silence or request.timeout)
        waited = time.monotonic() - begun
        timeout = request.timeout and max(request.timeout - waited, 0.001)
        silence = request.silence and max(request.silence - waited, 0.001)
        capped = _capped(request, granted.tokens)
        return replace(capped, timeout=timeout, silence=silence), granted

    def _need(self, request: Request, spec: ModelSpec) -> Need | None:
        """What an attempt must have free; None where it costs nothing, or nothing limits it."""
        if not self.amounts:
            return None
        if spec.simulated:
            self._pretend = True
            return None
        need = need_of(request, spec, reserved_tokens(request))
        if need is None:
            raise _unpriced(spec.name)
        return need if need.nano(need.wanted) else None

    def _reserved(self, row: Attempt, need: Need, spec: ModelSpec, timeout: float | None) -> Grant:
        """The grant; for a while it waits for what others hold on their way."""
        until = time.monotonic() + min(LONGEST_QUEUE, (timeout or math.inf) / 2)

        def decide(standings: Sequence[Standing]) -> tuple[int, Grant]:
            found = grant(need, standings)
            if worth_waiting(need, standings, found):
                if time.monotonic() < until:
                    raise _MoneyMovingError
                self.ledger.given_up = row.ts
            if isinstance(found, Refusal):
                self._refused.add(found.standing.limit.scope)
                raise _refusal(found, spec.name, self._own_limit)
            return found.nano, found

        while True:
            begun = time.monotonic()
            patience = min(self.patience, timeout or self.patience)
            try:
                return self.ledger.reserve(row, self.limits(row.ts), decide, patience=patience)
            except _MoneyMovingError:
                self.tell("waiting for money that other calls hold …")
                cancel.pause(POLL)
            except BudgetExceededError:
                self.patience = max(0.0, self.patience - (time.monotonic() - begun))
                raise

    @property
    def terms(self) -> str:
        """What must be the same for two calls to share one answer on its way; "" without limits."""
        return " ".join(f"{scope}={amount}" for scope, amount in sorted(self.amounts.items()))

    def news(self) -> tuple[tuple[str, ...], tuple[Alert, ...]]:
        """What the reader should know of the budgets after the call, and the alerts to be told."""
        said = (PRETEND,) if self._pretend else ()
        if self._asked_at is None:
            return said, ()
        limits = [limit for limit in self.limits(self._asked_at) if limit.scope != "call"]
        notes, alerts = [], []
        for standing in self.ledger.standings(limits) if limits else ():
            limit = standing.limit
            level = level_reached(standing, refused=limit.scope in self._refused)
            period = f"{limit.period} {limit.nano}"  # a budget that was changed is another one
            levels = [known for known in LEVELS if known <= level]
            fresh = level > 0 and self.ledger.take_alert(limit.scope, period, levels)
            if fresh:
                money = (limit.nano / NANO, standing.used / NANO)
                alerts.append(Alert(limit.scope, level, *money, limit.period))
            if fresh or standing.share >= STEP_DOWN:
                notes.append(used_words(standing))
        return (*said, *notes), tuple(alerts)


def reserved_tokens(request: Request) -> int:
    """Tokens of input for which money is held: those estimated and a fifth more.

    The estimate is off by as much.
    """
    tokens = estimate_messages(request.messages)
    for given in (request.schema, request.params):
        tokens += estimate_tokens(json.dumps(dict(given), default=str)) if given else 0
    return with_margin(tokens)


def need_of(request: Request, spec: ModelSpec, tokens: int) -> Need | None:
    """What an attempt with so many tokens of input must have free; None: the price is unknown."""
    price = highest_price(spec, tokens)
    if price is None:
        return None
    window = context_window(spec)
    room = None if window is None else window - tokens
    return Need.of(price.input_usd, price.token_usd, _asked_tokens(request), room)


def _asked_tokens(request: Request) -> int | None:
    """The longest answer that the user asked for, in tokens."""
    given = (request.params.get(word) for word in CAP_WORDS)
    asked = [n for n in given if isinstance(n, int) and not isinstance(n, bool) and n > 0]
    return min(asked, default=None)


def _capped(request: Request, tokens: int) -> Request:
    words = [word for word in CAP_WORDS if word in request.params] or CAP_WORDS[:1]
    return replace(request, params={**request.params, **dict.fromkeys(words, tokens)})


def cut_words(granted: Grant, request: Request, completion: Completion) -> str:
    """Why an answer ended early if the budget's cap has cut it; "" where it has not.

    Args:
        granted: for the attempt.
        request: as the user asked it, without that cap.
        completion: the answer.
    """
    asked = _asked_tokens(request)
    if asked is not None and asked <= granted.tokens:
        return ""
    usage, ended = completion.usage, completion.finish_reason
    guessed = usage.estimated and ended is not None
    if ended != "length" and (guessed or usage.output_tokens < granted.tokens):
        return ""
    if granted.scope:
        return f"the {granted.scope} budget left no more"
    return "a budget is in force: max_tokens asks for a longer answer"


def outlook(purse: Purse, request: Request, settings: Settings) -> Outlook | None:
    """What routing should know of the money; None where it needs not, or nothing is known of it."""
    if not purse.amounts or request.model != "auto" or request.tier is not None:
        return None
    standings = purse.ledger.standings(purse.limits(time.time()))
    if not standings:
        return None
    fullest = max(
        (standing for standing in standings if standing.limit.scope != "call"),
        key=lambda standing: standing.share,
        default=standings[0],
    )
    needs: dict[str, int | None] = {}
    tokens = reserved_tokens(request)
    for name in {name for tier in settings.tiers for name in tier.chain}:
        spec = settings.find(name)
        need = need_of(request, spec, tokens)
        needs[name] = None if need is None else need.nano(need.least)
        if spec.simulated or (need is not None and not need.nano(need.wanted)):
            needs[name] = 0
    left = min(standing.left for standing in standings)
    return Outlook(fullest.limit.scope, fullest.share, left, needs)


def budget_frame(purse: Purse) -> DataFrame:
    """A row per budget: what it is, what is used, held and left of it in USD, and until when."""
    import pandas as pd

    limits = purse.limits(time.time())
    known = {standing.limit.scope: standing for standing in purse.ledger.standings(limits)}
    rows = [_budget_row(limit, known.get(limit.scope)) for limit in limits]
    columns = ["budget", "limit_usd", "spent_usd", "held_usd", "left_usd", "share", "until"]
    frame = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:-1], "float64"))
    return frame.astype({"budget": "string", "until": "string"}).set_index("budget")


def _budget_row(limit: Limit, standing: Standing | None) -> tuple[object, ...]:
    until = None
    if limit.until is not None:
        until = datetime.fromtimestamp(limit.until).strftime("%Y-%m-%d %H:%M")
    if standing is None or limit.scope == "call":  # nothing is spent by a call to come
        return (limit.scope, limit.nano / NANO, None, None, None, None, until)
    held = standing.unsettled + standing.held
    money = (limit.nano, standing.spent, held, standing.left)
    return (limit.scope, *(nano / NANO for nano in money), standing.share, until)


# -- words


def usd(nano: int) -> str:
    """Nano-dollars as a reader sees them."""
    return format_usd(nano / NANO)


def used_words(standing: Standing) -> str:
    """How much of a budget is used: "83 % of the day budget of $5.00 is used"."""
    limit = standing.limit
    percent = standing.used * 100 // limit.nano
    return f"{percent} % of the {limit.scope} budget of {usd(limit.nano)} is used"


def _refusal(refusal: Refusal, model: str, own_limit: bool) -> BudgetExceededError:
    standing, limit = refusal.standing, refusal.standing.limit
    needs, left = usd(refusal.nano), usd(standing.left)
    held = f", {usd(standing.held)} held" if standing.held else ""
    return BudgetExceededError(
        one_line(
            f"{shown(model)} needs {needs}, the {limit.scope} budget of {usd(limit.nano)} has "
            f"{left} left ({usd(standing.used)} spent{held}): {_way_out(refusal, own_limit)}"
        ),
        why=f"needs {needs}, {left} left of the {limit.scope} budget",
        model=model,
        scope=limit.scope,
        limit_usd=limit.nano / NANO,
        spent_usd=standing.used / NANO,
        needed_usd=refusal.nano / NANO,
    )


def _way_out(refusal: Refusal, own_limit: bool) -> str:
    """How to raise the limit, and to what: twice as much, or more where that is not enough."""
    standing, limit = refusal.standing, refusal.standing.limit
    missing = standing.used + standing.held + refusal.nano
    amount = Decimal(max(2 * limit.nano, missing)) / NANO
    two_digits = Decimal(1).scaleb(amount.adjusted() - 1)
    words = f"{amount.quantize(two_digits, rounding=ROUND_CEILING).normalize():f}"
    if limit.scope == "call" and own_limit:
        return f"give it --max-cost {words} (max_cost={words})"
    return f"raise it with %ai budget {words}/{limit.scope}"


def _unpriced(model: str) -> BudgetExceededError:
    name = model if len(model) <= 50 else "NAME"
    return BudgetExceededError(
        one_line(
            f"the price of {shown(model)} is unknown and a budget is in force: set "
            f"models.{name}.input_price and output_price (USD per million tokens, 0 for free)"
        ),
        why="its price is unknown and a budget is in force",
        model=model,
    )


# -- telling


class Listeners:
    """Functions that are called with each Alert."""

    def __init__(self) -> None:
        self._functions: dict[object, Callable[[Alert], object]] = {}

    def add(self, function: Callable[[Alert], object]) -> Callable[[], None]:
        """Call it from now on; the function that is given back ends that."""
        mark = object()
        self._functions[mark] = function

        def undo() -> None:
            self._functions.pop(mark, None)

        return undo

    def tell(self, alerts: Sequence[Alert]) -> None:
        """A warning for each, and a call of each function; one that fails is a warning too."""
        for alert in alerts:
            _warn(_alert_words(alert))
            for function in list(self._functions.values()):
                try:
                    function(alert)
                except Exception as error:  # the user's own code: it must not cost the answer
                    name = getattr(function, "__name__", type(function).__name__)
                    _warn(
                        f"{shown(name)} failed on a budget's alert: {type(error).__name__}: {error}"
                    )


def _alert_words(alert: Alert) -> str:
    limit, spent = format_usd(alert.limit_usd), format_usd(alert.spent_usd)
    if alert.level == LEVELS[-1]:
        return f"the {alert.scope} budget of {limit} is used up: {spent} spent"
    return f"{alert.level} % of the {alert.scope} budget of {limit} is used: {spent} spent"


def _warn(words: str) -> None:
    """A warning that names no line of this package: it would say nothing to the reader."""
    warnings.warn_explicit(one_line(redact(words)), BudgetWarning, filename="mmai_nb", lineno=0)
