"""The rules of budgets: what counts for each, what a call must have free, and when to tell. Pure.

A budget limits what one scope may cost: a call, a notebook, a local day or a local month. Before an
attempt leaves, the most it may cost is held; the hold is let go when its cost is known. What is
spent and what is held never exceed a budget together.

Money is in whole nano-dollars. What is held is rounded up, nothing else is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from .records import NANO, Attempt

__all__ = [
    "LEAST_TOKENS",
    "LEVELS",
    "LONGEST_CALL",
    "SCOPES",
    "STEP_DOWN",
    "USUAL_TOKENS",
    "Grant",
    "Limit",
    "Need",
    "Refusal",
    "Standing",
    "grant",
    "level_reached",
    "limits_in_force",
    "place_of",
    "standing_of",
    "with_margin",
    "worth_waiting",
]

SCOPES = ("call", "notebook", "day", "month")

LEVELS = (50, 80, 100)
"""Percent of a budget that are told when they are reached."""
STEP_DOWN = 0.8
"""The share of a budget from which on routing takes a lower tier, and every answer shows it."""

LONGEST_CALL = 600.0
"""Seconds after which money held for an attempt is not expected back: its kernel may be dead."""

USUAL_TOKENS = 4_096
"""The longest answer where a budget is in force and the user set none."""
LEAST_TOKENS = 64
"""A shorter answer is of no use: such a call is refused."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget in force, for one period.

    Attributes:
        scope: call, notebook, day or month.
        nano: what may be spent.
        period: the call's id, the notebook's path, or the day or month as 2026-11-26 or 2026-11.
        since: seconds since the epoch from which on a day or a month counts.
        until: when it ends; None: never.
    """

    scope: str
    nano: int
    period: str
    since: float = 0.0
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is of a limit.

    Attributes:
        spent: known cost.
        unsettled: held for attempts that ended without a known cost.
        held: held for attempts on their way, or of kernels that died meanwhile.
        moving: the part of `held` that is not old: most of it comes back when those have ended.
    """

    limit: Limit
    spent: int = 0
    unsettled: int = 0
    held: int = 0
    moving: int = 0

    @property
    def used(self) -> int:
        """What was spent, as far as it is known, else what was held for it."""
        return self.spent + self.unsettled

    @property
    def left(self) -> int:
        """What may still be held."""
        return max(0, self.limit.nano - self.used - self.held)

    @property
    def share(self) -> float:
        """The part of the limit that is used; 1.0 is all."""
        return self.used / self.limit.nano


@dataclass(frozen=True, slots=True)
class Need:
    """What an attempt may cost at most.

    Attributes:
        prompt: of its input.
        token: of each token of its output.
        wanted: tokens of output that it should have.
        least: tokens of output below which it is of no use.
    """

    prompt: int
    token: Fraction
    wanted: int = USUAL_TOKENS
    least: int = LEAST_TOKENS

    def nano(self, tokens: int) -> int:
        """The cost with so many tokens of output, rounded up."""
        return self.prompt + math.ceil(self.token * tokens)

    def tokens_within(self, nano: int) -> int:
        """The most tokens of output, up to those wanted, that cost no more than that in all."""
        room = nano - self.prompt
        if room < 0:
            return 0
        return self.wanted if not self.token else min(self.wanted, math.floor(room / self.token))

    @classmethod
    def of(
        cls, prompt_usd: Decimal, token_usd: Decimal, asked: int | None, room: int | None
    ) -> Need:
        """The need of an attempt by its prices.

        Args:
            prompt_usd: of its input, USD.
            token_usd: of one token of its output, USD.
            asked: the longest answer that the user asked for, in tokens.
            room: tokens that the model's window leaves for the answer, where that is known.
        """
        prompt, token = math.ceil(Fraction(prompt_usd) * NANO), Fraction(token_usd) * NANO
        if asked is not None:
            return cls(prompt, token, asked, min(asked, LEAST_TOKENS))
        usual = USUAL_TOKENS if room is None else min(USUAL_TOKENS, max(room, LEAST_TOKENS))
        return cls(prompt, token, usual)


@dataclass(frozen=True, slots=True)
class Grant:
    """An attempt may be made, with so many tokens of output; `nano` is held for it.

    `scope`: the budget that left no more tokens; "" where they are those that were wanted.
    """

    tokens: int
    nano: int
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An attempt may not be made: this budget has not the `nano` left that it needs at least."""

    standing: Standing
    nano: int


def grant(need: Need, standings: Sequence[Standing]) -> Grant | Refusal:
    """Whether an attempt may be made, and with how long an answer."""
    scarce = min(standings, key=lambda standing: standing.left)
    tokens = need.tokens_within(scarce.left)
    if tokens < need.least:
        return Refusal(scarce, need.nano(need.least))
    return Grant(tokens, need.nano(tokens), scarce.limit.scope if tokens < need.wanted else "")


def worth_waiting(need: Need, standings: Sequence[Standing], found: Grant | Refusal) -> bool:
    """Whether more could be granted if what others hold on their way came back."""
    tokens = found.tokens if isinstance(found, Grant) else need.least - 1
    most = min(standing.left + standing.moving for standing in standings)
    return need.tokens_within(most) > tokens


def with_margin(tokens: int) -> int:
    """A fifth more than was estimated, rounded up."""
    return -(-tokens * 6 // 5)


def limits_in_force(
    amounts: Mapping[str, Decimal], *, call_id: str, place: str, now: float
) -> list[Limit]:
    """The budgets that hold for an attempt.

    Args:
        amounts: USD by scope.
        call_id: of the call.
        place: its notebook, see `place_of`.
        now: when the attempt is made, in seconds since the epoch.
    """
    today = datetime.fromtimestamp(now).date()
    first = today.replace(day=1)
    periods: dict[str, tuple[str, date | None, date | None]] = {
        "call": (call_id, None, None),
        "notebook": (place, None, None),
        "day": (today.isoformat(), today, today + timedelta(days=1)),
        "month": (today.isoformat()[:7], first, (first + timedelta(days=31)).replace(day=1)),
    }
    limits = []
    for scope in SCOPES:
        if scope in amounts:
            period, begin, end = periods[scope]
            nano = math.floor(Fraction(amounts[scope]) * NANO)
            since = 0.0 if begin is None else _midnight(begin)
            until = None if end is None else _midnight(end)
            limits.append(Limit(scope, nano, period, since, until))
    return limits


def _midnight(day: date) -> float:
    """When the local day begins, in seconds since the epoch.

    Its first midnight where the clock gives it two, and the jump of the clock where it has none.
    """
    return datetime.combine(day, time()).timestamp()


def place_of(notebook: str | None, session: str) -> str:
    """What a budget for a notebook goes by: its path, or the session where nobody tells it."""
    place = session if notebook is None else notebook
    return place.encode("utf-8", "replace").decode()  # as the ledger can hold it


def standing_of(limit: Limit, rows: Iterable[tuple[Attempt, int]], young: float) -> Standing:
    """What there is of a limit after these attempts, each with what is held for it.

    What is held for one that began by `young`, in seconds since the epoch, is not expected back.
    """
    spent = unsettled = held = moving = 0
    for row, nano in rows:
        if row.simulated or not _counts(row, limit):
            continue
        if row.cost_nano is not None:
            spent += row.cost_nano
        elif row.status != "unknown" or row.error_type is not None:
            unsettled += nano
        else:
            held += nano
            moving += nano if row.ts > young else 0
    return Standing(limit, spent, unsettled, held, moving)


def _counts(row: Attempt, limit: Limit) -> bool:
    if limit.scope == "call":
        return row.call_id == limit.period
    if limit.scope == "notebook":
        return place_of(row.notebook, row.session) == limit.period
    return row.ts >= limit.since


def level_reached(standing: Standing, *, refused: bool = False) -> int:
    """The highest of LEVELS that a budget has reached, 0 before the first.

    A call that was refused for lack of money means the last one, once it is in sight: what is left
    to the last nano-dollar can hardly ever be spent.
    """
    if refused and standing.share >= STEP_DOWN:
        return LEVELS[-1]
    percent = standing.used * 100
    return max((level for level in LEVELS if percent >= level * standing.limit.nano), default=0)
