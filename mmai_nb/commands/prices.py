"""Prices at the prompt: newer ones on request, and the user's own in one step."""

from __future__ import annotations

from typing import Any

from ..engine import Engine
from ..errors import OptionError
from ..pricing import ListPrice, list_price
from ..values import shown
from .page import Command, Page
from .registry import EngineGetter, Subcommand

__all__ = ["COMMANDS", "price_change", "price_page"]

FIELDS = ("input_price", "output_price", "cache_read_price")
MOST_TOLD = 10
"""Changed prices that are shown one by one."""


def _update(rest: str, engine: EngineGetter) -> Command | None:
    return (lambda: _updated(engine())) if rest in ("", "prices") else None


def _updated(engine: Engine) -> Page:
    done = engine.update_prices()
    models = len(engine.settings_for_display.models)
    whose = "your 1 model's" if models == 1 else f"your {models} models'"
    lines = [f"{done.old} → {done.new}: {len(done.changed)} of {whose} prices changed"]
    lines += [
        f"  {name}: {_amount(was)} → {_amount(now)}" for name, was, now in done.changed[:MOST_TOLD]
    ]
    if (more := len(done.changed) - MOST_TOLD) > 0:
        lines.append(f"  and {more} more: %ai models shows them")
    lines.append("in force until this kernel ends")
    return Page("\n".join(lines))


def _amount(price: ListPrice) -> str:
    if price.input_usd is None or price.output_usd is None:
        return "unknown"
    return f"{price.input_usd.normalize():f} in, {price.output_usd.normalize():f} out"


def price_change(key: str, value: str) -> dict[str, Any] | None:
    """What `%ai config models.NAME.price "INPUT OUTPUT [CACHED]"` changes; None for other keys.

    Raises:
        OptionError: these are not two or three numbers.
    """
    name = _model_of(key)
    if name is None:
        return None
    text = value.strip().strip("'\"").strip()
    if text == "None":
        return {"models": {name: dict.fromkeys(FIELDS)}}
    words = ("0 0" if text == "free" else text.replace("$", "").replace(",", " ")).split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3):
        raise OptionError(
            f'{key} takes "INPUT OUTPUT" or "INPUT OUTPUT CACHED" in USD per million tokens, '
            f"free or None, not {shown(value)}"
        )
    return {"models": {name: dict(zip(FIELDS, numbers, strict=False))}}


def price_page(engine: Engine, key: str) -> Page | None:
    """The price that is in force, for `%ai config models.NAME.price`; None for other keys."""
    spec = engine.settings_for_display.models.get(_model_of(key) or "")
    if spec is None:
        return None
    price = list_price(spec)
    cached = "" if spec.cache_read_price is None else f", {spec.cache_read_price} cached input"
    return Page(f"{key} = {_amount(price)}{cached}, USD per million tokens   ({price.said})")


def _model_of(key: str) -> str | None:
    ours = key.startswith("models.") and key.endswith(".price")
    return key.removeprefix("models.").removesuffix(".price") if ours else None


_HELP = """\
Prices come with genai-prices and are as old as its version. The table of models tells where each
is from, and of which day:

    %ai models

%ai update downloads the newest prices; they hold until the kernel ends. If that fails, the old ones
stay in force. A price of your own wins over all others: %ai config models.NAME.price "0.2 0.8" sets
those of input and output in USD per million tokens; a third number is that of cached input."""

COMMANDS = (
    Subcommand(
        "update",
        "%ai update: fetch newer prices from genai-prices; nothing else ever does.",
        _update,
        help=_HELP,
    ),
)
