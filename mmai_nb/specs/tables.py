"""The tables of the settings: a model, a tier, the cache, the budget."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    model_validator,
)

from ..providers import checked_url, is_loopback, provider_of
from ..records import Check
from ..values import (
    checked_check,
    checked_folder,
    checked_name,
    checked_price,
    checked_size,
    checked_usd,
    checked_variable,
    size_in_bytes,
)

__all__ = [
    "BudgetSettings",
    "CacheSettings",
    "Count",
    "Frozen",
    "ModelSpec",
    "Name",
    "Number",
    "Tier",
    "home",
]

Name = Annotated[str, Strict(), AfterValidator(checked_name)]
Price = Annotated[Decimal, BeforeValidator(checked_price)]
Usd = Annotated[Decimal, BeforeValidator(checked_usd)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Count = Annotated[int, Strict(), Field(ge=1)]


class Frozen(BaseModel):
    """A table whose keys are fixed and whose values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ModelSpec(Frozen):
    """One model at one endpoint. Prices are in USD per million tokens, windows in tokens.

    Attributes:
        name: ours: used in cells, chains and panels.
        base_url: the endpoint's address, up to and without /chat/completions.
        model: the id sent to the endpoint; default: the name.
        provider: default: by the endpoint's host; "local" on this machine.
        api_key_env: the environment variable that holds the key; None where none is needed.
        input_price, output_price: win over every other price; both 0: free, because you say so.
        cache_read_price: of input the provider read from its prompt cache; default: input_price.
        capabilities: such as "images" or "json_schema".
        allow_insecure: lets the key travel over plain http to another machine.
        simulated: the demo's; its rows are kept apart from real spend.
    """

    name: Name
    base_url: Annotated[str, Strict(), AfterValidator(checked_url)]
    model: Name = Field(default_factory=lambda data: str(data.get("name", "")))
    provider: Name = Field(default_factory=lambda data: provider_of(str(data.get("base_url", ""))))
    api_key_env: Annotated[str, Strict(), AfterValidator(checked_variable)] | None = None
    input_price: Price | None = None
    output_price: Price | None = None
    cache_read_price: Price | None = None
    context_window: Count | None = None
    capabilities: frozenset[Name] = frozenset()
    allow_insecure: StrictBool = False
    simulated: StrictBool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.input_price is None) != (self.output_price is None):
            raise ValueError(f"input_price and output_price go together: {self._both(2)}")
        if self.cache_read_price is not None and self.input_price is None:
            raise ValueError(f"cache_read_price needs both others: {self._both(3)}")
        in_clear = self.base_url.lower().startswith("http://") and not is_loopback(self.base_url)
        if in_clear and self.api_key_env and not self.allow_insecure:
            raise ValueError(
                "the key would travel in clear over http: use https, or allow_insecure = true"
            )
        return self

    def _both(self, prices: int) -> str:
        """What to type to set prices that belong together."""
        given = (self.input_price, self.output_price, self.cache_read_price)[:prices]
        words = zip(given, ("INPUT", "OUTPUT", "CACHED"), strict=False)
        typed = " ".join(name if value is None else str(value) for value, name in words)
        return f'%ai config models.{self.name}.price "{typed}"'


class Tier(Frozen):
    """A band of complexity, from the tier before up to `up_to`, and its models in order.

    Attributes:
        check: whether an answer that fails its local checks goes a tier up; "agree": a second model
            of another provider answers, too.
    """

    name: Name
    up_to: Annotated[Number, Field(gt=0, le=1)]
    chain: Annotated[tuple[Name, ...], Field(min_length=1)]
    check: Annotated[Check, BeforeValidator(checked_check)] = False


class CacheSettings(Frozen):
    """Where and how long answers are kept. `max_age` is in days; None keeps them for ever."""

    enabled: StrictBool = True
    folder: Annotated[Path, AfterValidator(checked_folder)] | None = None
    max_age: Annotated[Number, Field(gt=0)] | None = None
    max_bytes: Annotated[int | str, BeforeValidator(checked_size)] = "1GB"

    @property
    def directory(self) -> Path | None:
        """The folder in use; None where the cache is switched off."""
        return (self.folder or home("cache")) if self.enabled else None

    @property
    def max_size_bytes(self) -> int:
        """`max_bytes` as a number of bytes."""
        return size_in_bytes(self.max_bytes)


class BudgetSettings(Frozen):
    """What may be spent, in USD; None sets no limit.

    Attributes:
        call: by one call, all its attempts together.
        notebook: by one notebook, ever; where the front end does not name it, by its session.
        day, month: by all kernels together, from local midnight, or from the local 1st, on.
    """

    call: Usd | None = None
    notebook: Usd | None = None
    day: Usd | None = None
    month: Usd | None = None

    @property
    def amounts(self) -> dict[str, Decimal]:
        """The budgets that are set, in USD by their scope."""
        given = {scope: getattr(self, scope) for scope in type(self).model_fields}
        return {scope: usd for scope, usd in given.items() if usd is not None}


def home(kind: Literal["cache", "data"]) -> Path:
    """Where our files are: in MMAI_DATA_DIR if that is set, else where the platform wants them."""
    if root := os.environ.get("MMAI_DATA_DIR", "").strip():
        return Path(root).expanduser() / ("cache" if kind == "cache" else "")
    where = platformdirs.PlatformDirs("mmai_nb", appauthor=False)
    return where.user_cache_path if kind == "cache" else where.user_data_path
