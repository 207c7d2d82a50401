"""What a call cost: tokens and a price give whole nano-dollars, and an unknown price gives None.

The order of the prices: the user's own, the cost the server reports, genai-prices, unknown. The
arithmetic is exact decimal; only the sum is rounded, half up, to 10**-9 USD.

Prices, windows and dates are those bundled with genai-prices, imported at its first use; only
`update_prices` asks the network for newer ones.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

from .errors import PriceWarning
from .price_data import DEADLINE, fetch, snapshot, source
from .providers import LOCAL, known_providers, provider_of
from .records import NANO, Cost, Usage

if TYPE_CHECKING:
    from .specs import ModelSpec

__all__ = [
    "HighestPrice",
    "ListPrice",
    "PriceUpdate",
    "context_window",
    "highest_price",
    "list_price",
    "price",
    "update_prices",
]

MOST_TOKENS = 10**9
MOST_USD = 10**9
"""What one call can count or cost at most: beyond it the figure is a server's mistake."""

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)  # whatever context the notebook works in
_warned: set[tuple[str, str]] = set()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class ListPrice:
    """Prices in USD per million tokens; None where unknown.

    `source` is user, free, pretend, genai-prices or unknown. `date` is the day since which a dated
    price holds, as YYYY-MM-DD.
    """

    input_usd: Decimal | None = None
    output_usd: Decimal | None = None
    source: str = "unknown"
    date: str | None = None

    @property
    def said(self) -> str:
        """Where the price is from, and of which day it is, for readers."""
        if self.source != "genai-prices":
            return {"user": "yours"}.get(self.source, self.source)
        return f"genai-prices since {self.date}" if self.date else source()


@dataclass(frozen=True, slots=True)
class PriceUpdate:
    """What newer price data have changed.

    Attributes:
        old: where the prices were from, in words.
        new: where they are from now.
        changed: the models whose price is another now: name, old and new price.
    """

    old: str
    new: str
    changed: tuple[tuple[str, ListPrice, ListPrice], ...] = ()


def update_prices(
    specs: Iterable[ModelSpec], *, url: str | None = None, deadline: float = DEADLINE
) -> PriceUpdate:
    """Fetch newer price data and put them in force until this process ends; on failure nothing is.

    Args:
        specs: the models whose changes are told.
        url: where the data are; default: where genai-prices publishes them.
        deadline: seconds it may take in all.

    Raises:
        ConnectionFailedError, TimedOutError, BadResponseError: the old prices stay in force.
    """
    old, before = source(), [(spec, list_price(spec)) for spec in specs]
    fetch(url, deadline)
    after = [(spec.name, was, list_price(spec)) for spec, was in before]
    changed = (row for row in after if _amounts(row[1]) != _amounts(row[2]))
    return PriceUpdate(old, source(), tuple(changed))


def _amounts(price: ListPrice) -> tuple[Decimal | None, Decimal | None]:
    return price.input_usd, price.output_usd


@dataclass(frozen=True, slots=True)
class HighestPrice:
    """The most one request can cost at list price: USD for its input, and for each output token."""

    input_usd: Decimal
    token_usd: Decimal


def price(usage: Usage, spec: ModelSpec, when: float | None = None, *, warn: bool = True) -> Cost:
    """The cost of one call.

    Counts that cannot be, such as more cached tokens than input, are taken as the nearest that can.

    Args:
        usage: `input_tokens` includes cached tokens, `output_tokens` reasoning tokens.
        spec: the model that was called.
        when: seconds since the epoch when it was called, for prices that have changed since.
        warn: whether an unknown price is told.

    Warns:
        PriceWarning: the model's price is unknown; once a model and process.
    """
    usage = _possible(usage)
    with localcontext(_EXACT):
        if spec.input_price is not None and spec.output_price is not None:
            return _own_cost(usage, spec, spec.input_price, spec.output_price)
        reported = usage.reported_cost_usd
        if reported is not None and reported.is_finite() and 0 <= reported <= MOST_USD:
            return Cost(_nano(reported), "server")
        usd = _listed_cost(usage, spec, when)
        if usd is not None:
            return Cost(_nano(usd), "genai-prices")
    if warn:
        _warn_once(spec)
    return Cost()


def context_window(spec: ModelSpec) -> int | None:
    """The model's context window in tokens: the user's figure, else genai-prices', else None."""
    if spec.context_window is not None:
        return spec.context_window
    found = _lookup(spec)
    return None if found is None else found[1].context_window


def list_price(spec: ModelSpec) -> ListPrice:
    """The model's price of today, of the lowest step where it rises with the prompt's length."""
    if spec.input_price is not None and spec.output_price is not None:
        source = "pretend" if spec.simulated else "free" if _is_free(spec) else "user"
        return ListPrice(spec.input_price, spec.output_price, source)
    found = _lookup(spec)
    if found is None:
        return ListPrice()
    model, now = found[1], datetime.now(UTC)
    prices = model.get_prices(now)
    if prices.input_mtok is None or prices.output_mtok is None:
        return ListPrice()
    return ListPrice(
        _base(prices.input_mtok), _base(prices.output_mtok), "genai-prices", _since(model, prices)
    )


def highest_price(spec: ModelSpec, input_tokens: int) -> HighestPrice | None:
    """The most a request of so many tokens can cost, or None where the price is unknown.

    It is the price of the step that applies to such a length, whatever of the input is read from or
    written to the provider's prompt cache, and whatever of the output is reasoning.
    """
    with localcontext(_EXACT):
        if spec.input_price is not None and spec.output_price is not None:
            per_input = max(spec.input_price, spec.cache_read_price or Decimal(0))
            return HighestPrice(input_tokens * per_input / 10**6, spec.output_price / 10**6)
        found = _lookup(spec)
        prices = None if found is None else found[1].get_prices(datetime.now(UTC))
        if prices is None or prices.input_mtok is None or prices.output_mtok is None:
            return None
        inputs, outputs = (
            max(_step(listed, input_tokens) for listed in kinds if listed is not None)
            for kinds in (
                (prices.input_mtok, prices.cache_write_mtok, prices.cache_read_mtok),
                (prices.output_mtok, prices.output_reasoning_mtok),
            )
        )
        each_request = _step(prices.requests_kcount or Decimal(0), input_tokens) / 1_000
        return HighestPrice(input_tokens * inputs / 10**6 + each_request, outputs / 10**6)


def _own_cost(usage: Usage, spec: ModelSpec, per_input: Decimal, per_output: Decimal) -> Cost:
    per_cached = spec.cache_read_price if spec.cache_read_price is not None else per_input
    fresh = usage.input_tokens - usage.cache_read_tokens
    total = fresh * per_input + usage.cache_read_tokens * per_cached
    total += usage.output_tokens * per_output
    return Cost(_nano(total / 10**6), "free" if _is_free(spec) else "user")


def _is_free(spec: ModelSpec) -> bool:
    return not (spec.input_price or spec.output_price or spec.cache_read_price)


def _listed_cost(usage: Usage, spec: ModelSpec, when: float | None) -> Decimal | None:
    """US dollars by genai-prices, or None where it has no price for both kinds of tokens."""
    found = _lookup(spec)
    if found is None:
        return None
    from genai_prices import Usage as Tokens

    provider, model = found
    at = datetime.now(UTC) if when is None else datetime.fromtimestamp(when, UTC)
    prices = model.get_prices(at)
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    tokens = Tokens(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
    )
    try:
        total: Decimal = model.calc_price(tokens, provider, genai_request_timestamp=at).total_price
    except ValueError:  # prices that contradict each other, after an update of the data
        return None
    return total


def _lookup(spec: ModelSpec) -> tuple[Any, Any] | None:
    """The provider and model of genai-prices that serve this endpoint, or None.

    Never by the model's id alone: the same weights cost nothing at home and something elsewhere.
    """
    known, served_by = known_providers(), provider_of(spec.base_url)
    owner = known.get(served_by) or known.get(spec.provider)
    if owner is None and served_by == LOCAL:
        return None
    data = snapshot()
    ids = {provider.id for provider in data.providers}
    if owner is not None:
        ways: list[tuple[str | None, str | None]] = [(owner.prices, None)]
    else:
        ways = [(None, spec.base_url), *([(spec.provider, None)] if spec.provider in ids else [])]
    for provider_id, url in ways:
        try:
            found: tuple[Any, Any] = data.find_provider_model(spec.model, None, provider_id, url)
            return found
        except LookupError:
            continue
    return None


def _step(listed: Any, input_tokens: int) -> Decimal:
    """The price that applies to a prompt of this length: the last step that it goes past."""
    if isinstance(listed, Decimal):
        return listed
    passed = [step.price for step in listed.tiers if input_tokens > step.start]
    return Decimal(passed[-1] if passed else listed.base)


def _base(listed: Any) -> Decimal:
    """The price itself, or the lowest step of a price that rises with the prompt's length."""
    return listed if isinstance(listed, Decimal) else Decimal(listed.base)


def _since(model: Any, prices: Any) -> str | None:
    dated = model.prices if isinstance(model.prices, list) else []
    starts = (getattr(c.constraint, "start_date", None) for c in dated if c.prices is prices)
    return next((start.isoformat() for start in starts if start is not None), None)


def _possible(usage: Usage) -> Usage:
    """The same usage with every count in its bounds."""
    total, output = _count(usage.input_tokens), _count(usage.output_tokens)
    read = min(_count(usage.cache_read_tokens), total)
    return Usage(
        input_tokens=total,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=min(_count(usage.cache_write_tokens), total - read),
        reasoning_tokens=min(_count(usage.reasoning_tokens), output),
        reported_cost_usd=usage.reported_cost_usd,
    )


def _count(tokens: Any) -> int:
    try:
        return min(max(int(tokens), 0), MOST_TOKENS)
    except (TypeError, ValueError, OverflowError):
        return 0


def _nano(usd: Decimal) -> int:
    return int((usd * NANO).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _warn_once(spec: ModelSpec) -> None:
    which = (spec.base_url, spec.model)
    with _lock:
        if which in _warned:
            return
        _warned.add(which)
    warnings.warn_explicit(  # no line of this package: it would say nothing to the reader
        f"the price of {spec.name} is unknown, so its cost shows as NaN: set its input_price and "
        f'output_price: %ai config models.{spec.name}.price "INPUT OUTPUT" '
        "(USD per million tokens, 0 for free)",
        PriceWarning,
        filename="mmai_nb",
        lineno=0,
    )
