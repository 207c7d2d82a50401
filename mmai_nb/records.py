"""The nouns that travel through the walk of a request: frozen, without behaviour of their own.

This module imports nothing of the package.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal

__all__ = [
    "NANO",
    "Alert",
    "Attempt",
    "Check",
    "Checked",
    "Choice",
    "Completion",
    "Complexity",
    "Cost",
    "Estimate",
    "Message",
    "OnText",
    "Outlook",
    "Request",
    "Route",
    "Situation",
    "Status",
    "Usage",
    "cost_of",
]

NANO = 10**9

OnText = Callable[[str], None]
"""Called with each new piece of an answer's text, in order."""

Status = Literal["unknown", "ok", "error", "partial", "adapted", "cancelled"]

Check = bool | Literal["agree"]
"""Whether an answer is checked; "agree": by a second model's answer, too."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat: role system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for, validated; the same object from the cell to the endpoint.

    Attributes:
        messages: the whole chat, system message first if there is one.
        model: a name from the settings, or "auto".
        tier: name of a tier that overrides the complexity, or None.
        params: what changes the answer and is sent as it is: temperature, max_tokens, …
        schema: a JSON schema the answer must fit, or None.
        format: how the answer is shown: markdown, text, code, json or html.
        fallback: models to try after `model`.
        cache: False neither reads nor writes the cache.
        refresh: True calls the model and overwrites the cached answer.
        timeout: seconds for the whole call, retries and waits included.
        silence: seconds one attempt may take to its first token, while other models wait.
        max_cost: USD the whole call may cost, retries and fallbacks included.
        check: whether an answer that fails its check goes a tier up; None: as the tier says.
        tag: free word that lands in the ledger.
        prefer: the cost dial for this request, checked; None: as the settings say.
        frames: how many DataFrames stand in the prompt (a routing signal).
        again: how often the same was asked before and not answered well (a routing signal).
        without: models whose answer was found poor: left out while there are others.
    """

    messages: tuple[Message, ...]
    model: str = "auto"
    tier: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    format: str = "markdown"
    fallback: tuple[str, ...] = ()
    cache: bool = True
    refresh: bool = False
    timeout: float | None = None
    silence: float | None = None
    max_cost: Decimal | None = None
    check: Check | None = None
    tag: str | None = None
    prefer: str | float | None = None
    frames: int = 0
    again: int = 0
    without: tuple[str, ...] = ()

    @property
    def prompt(self) -> str:
        """The last user message: what routing looks at."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def wants_json(self) -> bool:
        """Whether the answer is to be JSON."""
        return self.schema is not None or self.format == "json"


@dataclass(frozen=True, slots=True)
class Complexity:
    """How hard a prompt looks: score from 0 (trivial) to 1, and its main reasons in words.

    Attributes:
        signals: what was counted in the prompt, by name, without the zeros; no text.
        shipped: the score without a calibration; None where none is in force.
    """

    score: float
    reasons: tuple[str, ...] = ()
    signals: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)
    shipped: float | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """How much money a request may cost, where a budget is in force. Money is in nano-dollars.

    Attributes:
        scope: the budget of which the largest share is used, and `share` that share.
        left: what all budgets leave.
        needs: the least a call must have free, by model name; None where the price is unknown.
    """

    scope: str
    share: float
    left: int
    needs: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """What routing must know and may not look up itself; gathered by the engine.

    Attributes:
        open_breakers: names of models that are not to be asked now.
        windows: context window in tokens by model name; None where unknown.
        money: what may be spent; None where no budget is in force.
        bounds: up to which complexity each tier serves, in place of the tiers' own `up_to`; the
            last is 1, one below 0 leaves its tier out. Empty: as the tiers say.
        bounds_from: why these bounds hold, in words.
        offsets: what the user's votes add to the weights of the score, by their names.
        words: what they add for words, by the numbers of `read_words`.
    """

    open_breakers: frozenset[str] = frozenset()
    windows: Mapping[str, int | None] = field(default_factory=dict)
    money: Outlook | None = None
    bounds: tuple[float, ...] = ()
    bounds_from: str = ""
    offsets: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one model would cost, and what else speaks for it or against it.

    Attributes:
        cost_usd: None where the price is unknown.
        place: in the chain, from 1; 0 for a model that would not be asked.
        tiers: the tiers in whose chains it stands.
        leads: whether it is the first in one of them.
        window: the context window in tokens; None where unknown.
        note: what a reader should know: it rests, is too small, has no key, is cached.
    """

    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    place: int = 0
    tiers: tuple[str, ...] = ()
    leads: bool = False
    provider: str = ""
    window: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the same prompt would go with another turn of the cost dial.

    Attributes:
        prefer: the turn; None: the tiers' own bounds.
        cost_usd: estimated for the first model of the chain; None where the price is unknown.
        in_force: whether it is what holds now.
    """

    prefer: str | float | None
    tier: str | None
    model: str
    cost_usd: float | None
    in_force: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Which models are asked, in which order, and why.

    Attributes:
        tier: name of the tier, or None when the user named a model.
        complexity: the prompt's score and reasons, or None when it was not needed.
        chain: model names in the order in which they are tried.
        reasons: why this chain, in words.
        skipped: models left out, each with its reason.
        stepped: why the tier is lower than the complexity asks for; "" where it is not.
        estimates: what each model would cost, the chain's first and in its order, then the other
            models of all tiers; filled where they are asked for.
        bounds: up to which complexity each tier served; empty where no score was needed.
        escalated: the tiers before this one, or the model that was named, each with the reason why
            its answer did not pass its check.
    """

    tier: str | None
    complexity: Complexity | None
    chain: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    stepped: str = ""
    estimates: tuple[Estimate, ...] = ()
    bounds: tuple[float, ...] = ()
    escalated: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server reported them, or estimated.

    `input_tokens` includes the cached ones, `output_tokens` the reasoning ones.
    `reported_cost_usd` is the server's own figure, where it sends one.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    reported_cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """Money in whole nano-dollars; `nano` is None where no price is known, never 0 for unknown.

    `source`: user, server, genai-prices, free or unknown.
    """

    nano: int | None = None
    source: str = "unknown"

    @property
    def usd(self) -> float | None:
        """US dollars, or None where unknown."""
        return None if self.nano is None else self.nano / NANO


@dataclass(frozen=True, slots=True)
class Completion:
    """One model's answer to one request, with everything that is worth keeping.

    Attributes:
        text: the answer.
        model: our name of the model; `request_model` the id sent, `response_model` the id that
            answered.
        finish_reason: stop, length, content_filter …; None if it never came.
        duration_s, first_token_s: seconds, of the original call even for a cached answer.
        reasoning_text: what a thinking model showed of its thoughts; never part of the answer.
        cost: of the original call.
        created: seconds since the epoch when it was answered.
        cache_hit: True when no request was made for it.
        notes: what a reader should know ("temperature was dropped: …").
    """

    text: str
    model: str
    usage: Usage = Usage()
    provider: str = ""
    endpoint: str = ""
    request_model: str = ""
    response_model: str = ""
    finish_reason: str | None = None
    duration_s: float = 0.0
    first_token_s: float | None = None
    reasoning_text: str = ""
    cost: Cost = Cost()
    created: float = field(default_factory=time.time)
    cache_hit: bool = False
    simulated: bool = False
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data for the cache; the inverse of `from_json`."""
        data = asdict(self)
        reported = self.usage.reported_cost_usd
        data["usage"]["reported_cost_usd"] = None if reported is None else str(reported)
        data["notes"] = list(self.notes)
        del data["cache_hit"]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Completion:
        """A completion from what `as_json` gave, of this or another version of the package.

        Raises:
            KeyError, TypeError, ValueError: it is no such data.
        """
        kept = _kept(cls, data)
        usage = _kept(Usage, data["usage"])
        if usage.get("reported_cost_usd") is not None:
            usage["reported_cost_usd"] = Decimal(usage["reported_cost_usd"])
        kept["usage"] = Usage(**usage)
        kept["cost"] = Cost(**_kept(Cost, data.get("cost") or {}))
        kept["notes"] = tuple(str(note) for note in data.get("notes", ()))
        return cls(text=data["text"], **{k: v for k, v in kept.items() if k != "text"})


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """What the check made of one answer.

    Attributes:
        completion: the answer.
        tier: whose model gave it; None where the model was named.
        passed: whether it was good enough.
        doubt: how likely it is not good enough, 0 to 1: an estimate.
        reasons: what speaks against it, in words, the strongest first.
        opinion: another model's answer that it was held against, or None.
    """

    completion: Completion
    tier: str | None
    passed: bool
    doubt: float = 0.0
    reasons: tuple[str, ...] = ()
    opinion: Completion | None = None

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        return f"Checked({self.completion.model} {verdict}, doubt {self.doubt:.2f}, {self.reasons})"

    @property
    def reason(self) -> str:
        """The strongest of the reasons; "" where there is none."""
        return self.reasons[0] if self.reasons else ""


@dataclass(frozen=True, slots=True)
class Alert:
    """A good part of a budget is used. It is told once, by the kernel whose call went past it.

    Attributes:
        scope: day, month or notebook.
        level: percent: 50, 80 or 100, which says that calls are refused from now on.
        limit_usd: the budget.
        spent_usd: what is used of it.
        period: the day or month, as 2026-11-26 or 2026-11, or the notebook.
    """

    scope: str
    level: int
    limit_usd: float
    spent_usd: float
    period: str


_KINDS: dict[str, Any] = {
    "str": str,
    "bool": bool,
    "int": int,
    "float": (int, float),
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
    "str | None": (str, type(None)),
    "Decimal | None": (str, type(None)),
}


def _kept(record: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record among the data; a value of another kind is a TypeError."""
    if not isinstance(data, Mapping):
        raise TypeError(f"a {record.__name__} is a mapping, not a {type(data).__name__}")
    found = {}
    for known in fields(record):
        if known.name not in data:
            continue
        value = found[known.name] = data[known.name]
        kind = _KINDS.get(str(known.type))
        wrong = isinstance(value, bool) and kind is not bool
        if kind is not None and (wrong or not isinstance(value, kind)):
            raise TypeError(f"{known.name} is a {type(value).__name__}, not {known.type}")
    return found


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of the ledger: one request to one model, or one cache hit.

    Field names are the ledger's columns, save for money, which is in whole nano-dollars here.
    `ts` is in seconds since the epoch (UTC). `baseline_nano` is what the strongest tier's first
    model would have cost for the same tokens (kept for "saved by routing", no column of the frame).
    """

    call_id: str
    attempt: int
    ts: float
    session: str = ""
    notebook: str | None = None
    tag: str | None = None
    provider: str = ""
    endpoint: str = ""
    request_model: str = ""
    response_model: str | None = None
    tier: str | None = None
    complexity: float | None = None
    reason: str | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    tokens_estimated: bool = False
    cost_nano: int | None = None
    cost_source: str | None = None
    saved_nano: int | None = None
    baseline_nano: int | None = None
    duration_s: float | None = None
    first_token_s: float | None = None
    cache_hit: bool = False
    cache_key: str | None = None
    finish_reason: str | None = None
    status: Status = "unknown"
    error_type: str | None = None
    simulated: bool = False


def cost_of(attempts: Sequence[Attempt]) -> int | None:
    """Nano-dollars of all attempts; None if one of them has no known cost."""
    costs = [a.cost_nano for a in attempts if a.status != "adapted"]
    return None if None in costs else sum(c or 0 for c in costs)
