"""The price data of genai-prices: where they are from, and newer ones when the user asks for them.

They come with the package; only `fetch` goes to the network, and only what it has checked is put in
force, for this process.
"""

from __future__ import annotations

import threading
from decimal import Decimal
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from .errors import BadResponseError, ConnectionFailedError, TimedOutError
from .providers import price_data_released
from .values import one_line

__all__ = ["fetch", "snapshot", "source"]

DEADLINE = 30.0
"""Seconds a download may take in all."""
LEAST_SHARE = 0.5
"""New data must hold at least this share of the models that are known: fewer are a broken file."""
MOST_USD = Decimal(1_000_000)
"""Per million tokens; a higher price is a mistake."""


def snapshot() -> Any:
    """The data in force, as genai-prices holds them; loaded at the first use."""
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


def source() -> str:
    """Where the data in force are from, and of which day they are as far as that is known."""
    from genai_prices.data import providers

    now = snapshot()
    if now.from_auto_update:
        return f"genai-prices fetched {now.timestamp:%Y-%m-%d}"
    if now.providers is not providers:
        return "genai-prices set in this kernel"
    installed = version("genai-prices")
    released = price_data_released().get(installed)
    return f"genai-prices of {released}" if released else f"genai-prices {installed}"


def fetch(url: str | None = None, deadline: float = DEADLINE) -> None:
    """Download the newest price data and put them in force; if that fails, nothing changes.

    Args:
        url: where they are; default: where genai-prices publishes them.
        deadline: seconds it may take in all.

    Raises:
        ConnectionFailedError, TimedOutError: nothing came, or not in time.
        BadResponseError: what came are no price data, or too few to be true.
    """
    from genai_prices import UpdatePrices
    from genai_prices.data_snapshot import set_custom_snapshot

    updater = UpdatePrices() if url is None else UpdatePrices(url=url)
    came: list[Any] = []

    def work() -> None:
        try:
            came.append(updater.fetch())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=work, daemon=True, name="mmai-prices")
    thread.start()
    thread.join(deadline)
    host = urlsplit(updater.url).hostname or "the server"
    if not came:  # what comes after this is dropped
        raise TimedOutError(_failed(f"{host} sent no prices within {deadline:g} s"))
    if isinstance(came[0], Exception):
        raise _explained(came[0], host) from came[0]
    if fault := _fault(came[0]):
        raise BadResponseError(_failed(f"the prices that {host} sent {fault}"))
    set_custom_snapshot(came[0])


def _failed(what: str) -> str:
    return one_line(f"{what[:120]}; the prices in force stay: {source()}")


def _explained(error: Exception, host: str) -> Exception:
    """The error of a download in our words."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return BadResponseError(_failed(f"{host} answered with HTTP {status} instead of prices"))
    if isinstance(error, ValueError):  # JSON, UTF-8 and pydantic
        return BadResponseError(_failed(f"{host} sent no price data ({type(error).__name__})"))
    return ConnectionFailedError(_failed(f"{host} cannot be reached ({type(error).__name__})"))


def _fault(fresh: Any) -> str:
    """What is wrong with data that have the right form; "" if nothing is."""
    if fresh is None:
        return "are empty"
    count, known = (
        sum(len(provider.models) for provider in data.providers) for data in (fresh, snapshot())
    )
    if count < known * LEAST_SHARE:
        return f"name {count:,} models where {known:,} are known"
    if not all(_sound(model) for provider in fresh.providers for model in provider.models):
        return f"hold a price below 0 or over {MOST_USD:,} USD"
    return ""


def _sound(model: Any) -> bool:
    """Whether each price of a model can be one."""
    listed = model.prices if isinstance(model.prices, list) else [model]
    for held in listed:
        for value in vars(held.prices).values():
            steps = [value] if isinstance(value, Decimal) else _steps(value)
            if not all(step.is_finite() and 0 <= step <= MOST_USD for step in steps):
                return False
    return bool(listed)


def _steps(value: Any) -> list[Decimal]:
    """The prices of one that rises with the prompt's length."""
    if value is None:
        return []
    return [value.base, *(tier.price for tier in value.tiers)]
