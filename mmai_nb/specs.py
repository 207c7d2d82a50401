"""What valid settings are: models, tiers, cache and the rest, frozen pydantic models.

Settings hold the name of a key's variable, never a key. A tier is routing and fallback in one: up
to which complexity it serves, and its models in the order in which they are tried.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    Strict,
    StrictBool,
    StrictStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .dial import checked_prefer
from .drafts import KeyPath, by_name, plain
from .errors import ConfigError, OptionError, UnknownModelError
from .keys import KeySources
from .providers import (
    TIER_BOUNDS,
    checked_url,
    is_loopback,
    local_model,
    preset_models,
    provider_of,
)
from .records import Check
from .redaction import redact
from .values import (
    checked_check,
    checked_dotenv,
    checked_file,
    checked_folder,
    checked_name,
    checked_price,
    checked_size,
    checked_usd,
    checked_variable,
    fault_sentence,
    nearest,
    one_line,
    shown,
    size_in_bytes,
    unknown_key,
)

__all__ = [
    "BudgetSettings",
    "CacheSettings",
    "ModelSpec",
    "Settings",
    "Tier",
    "fault_path",
    "fields_at",
    "kind_at",
]

MOST_ALIASES = 20
"""How many aliases may stand between a name and its model."""

Name = Annotated[str, Strict(), AfterValidator(checked_name)]
Price = Annotated[Decimal, BeforeValidator(checked_price)]
Usd = Annotated[Decimal, BeforeValidator(checked_usd)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Seconds = Annotated[Number, Field(gt=0, le=86_400)]
Pause = Annotated[Number, Field(ge=0, le=86_400)]
Count = Annotated[int, Strict(), Field(ge=1)]
Prefer = Annotated[str | float | None, BeforeValidator(checked_prefer)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ModelSpec(_Frozen):
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


class Tier(_Frozen):
    """A band of complexity, from the tier before up to `up_to`, and its models in order.

    Attributes:
        check: whether an answer that fails its local checks goes a tier up; "agree": a second model
            of another provider answers, too.
    """

    name: Name
    up_to: Annotated[Number, Field(gt=0, le=1)]
    chain: Annotated[tuple[Name, ...], Field(min_length=1)]
    check: Annotated[Check, BeforeValidator(checked_check)] = False


class CacheSettings(_Frozen):
    """Where and how long answers are kept. `max_age` is in days; None keeps them for ever."""

    enabled: StrictBool = True
    folder: Annotated[Path, AfterValidator(checked_folder)] | None = None
    max_age: Annotated[Number, Field(gt=0)] | None = None
    max_bytes: Annotated[int | str, BeforeValidator(checked_size)] = "1GB"

    @property
    def directory(self) -> Path | None:
        """The folder in use; None where the cache is switched off."""
        return (self.folder or _home("cache")) if self.enabled else None

    @property
    def max_size_bytes(self) -> int:
        """`max_bytes` as a number of bytes."""
        return size_in_bytes(self.max_bytes)


class BudgetSettings(_Frozen):
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


def _home(kind: Literal["cache", "data"]) -> Path:
    """Where our files are: in MMAI_DATA_DIR if that is set, else where the platform wants them."""
    if root := os.environ.get("MMAI_DATA_DIR", "").strip():
        return Path(root).expanduser() / ("cache" if kind == "cache" else "")
    where = platformdirs.PlatformDirs("mmai_nb", appauthor=False)
    return where.user_cache_path if kind == "cache" else where.user_data_path


def _default_tiers(data: Mapping[str, Any]) -> tuple[Tier, ...]:
    """The tiers where none were given: the default ones, each with all models in their order."""
    chain = tuple(data.get("models", ()))
    bounds = TIER_BOUNDS.items() if chain else ()
    return tuple(Tier(name=name, up_to=bound, chain=chain) for name, bound in bounds)


class Settings(_Frozen):
    """All settings, valid by construction. Times are in seconds.

    Attributes:
        prefer: the cost dial: cheap, balanced, quality, or the share of prompts that may go to the
            strongest tier, 0 to 1; None: the tiers' own bounds.
        log_text: keep prompts and answers beside the ledger's rows, for the history.
        log_file: where each call is written as a line, for debugging; None: nowhere.

    Raises:
        ConfigError: names the key, the value and what is allowed.
    """

    models: Mapping[str, ModelSpec] = Field(default_factory=dict)
    aliases: Mapping[Name, Name] = Field(default_factory=dict)
    tiers: tuple[Tier, ...] = Field(default_factory=_default_tiers)
    default_model: Name = "auto"
    prefer: Prefer = None
    system: StrictStr | None = None
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[Count, Field(le=1_000_000)] | None = None
    format: Literal["markdown", "text", "code", "json", "html"] = "markdown"
    stream: StrictBool = True
    interpolate: StrictBool = True
    timeout: Seconds = 300.0
    connect_timeout: Seconds = 5.0
    first_token_timeout: Seconds = 60.0
    gap_timeout: Seconds = 30.0
    retries: Annotated[int, Strict(), Field(ge=0, le=10)] = 2
    backoff_base: Pause = 0.5
    backoff_cap: Pause = 8.0
    retry_after_cap: Pause = 30.0
    fallback_on_content_filter: StrictBool = False
    max_prompt_chars: Count = 100_000
    max_response_bytes: Count = 10_000_000
    cache: CacheSettings = CacheSettings()
    budget: BudgetSettings = BudgetSettings()
    ledger_path: Annotated[Path, AfterValidator(checked_file)] | None = None
    log_text: StrictBool = True
    log_file: Annotated[Path, AfterValidator(checked_file)] | None = None
    allow_secrets: StrictBool = False
    offline: StrictBool = False
    discover: StrictBool = True
    dotenv: Annotated[bool | Path, BeforeValidator(checked_dotenv)] = False
    keyring: StrictBool = False

    _given: dict[str, Any] = PrivateAttr(default_factory=dict)
    _origin: dict[KeyPath, str] = PrivateAttr(default_factory=dict)

    def __init__(self, /, **given: Any) -> None:
        try:
            given = plain(given)
        except ValueError as error:
            raise ConfigError(_said(str(error))) from error
        if "tiers" in given and _is_nothing(given["tiers"]):
            del given["tiers"]
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ConfigError(_said(_sentence(_first_fault(error), given))) from error
        self._given = given

    @classmethod
    def from_plain(cls, given: Mapping[str, Any], origin: Mapping[KeyPath, str]) -> Self:
        """Settings from plain data that remember where each of their keys came from."""
        settings = cls(**given)
        settings._origin = dict(origin)
        return settings

    def __repr__(self) -> str:
        if not self.models:
            return (
                "Settings(0 models; tiers: the demo's, see %ai config tiers; %ai config shows all)"
            )
        tiers = ", ".join(tier.name for tier in self.tiers)
        models = f"{len(self.models)} model{'s' * (len(self.models) != 1)}"
        return f"Settings({models}; tiers: {tiers or 'none'}; %ai config shows all)"

    @property
    def given(self) -> Mapping[str, Any]:
        """What was given, before names were resolved and defaults filled in."""
        return self._given

    @property
    def origin(self) -> Mapping[KeyPath, str]:
        """Where what was given came from, by path."""
        return self._origin

    @field_validator("models", mode="before")
    @classmethod
    def _names_from_keys(cls, models: Any) -> Any:
        if not isinstance(models, Mapping):
            return models
        named = {}
        for name, row in models.items():
            if name == "auto":
                raise ValueError('"auto" cannot be the name of a model')
            if isinstance(row, Mapping) and row.get("name", name) != name:
                raise ValueError(f"{shown(name)} has another name inside")
            named[name] = {**row, "name": name} if isinstance(row, Mapping) else row
        return named

    @field_validator("aliases")
    @classmethod
    def _aliases_lead_to_models(
        cls, aliases: Mapping[str, str], info: ValidationInfo
    ) -> Mapping[str, str]:
        models = info.data.get("models")
        if models is None:
            return aliases
        for alias in aliases:
            if alias in ("auto", "demo"):
                raise _alias_fault(alias, "is a reserved word: choose another name")
            if alias in models:
                raise _alias_fault(alias, "is a model already: choose another name")
            try:
                _find(alias, models, aliases)
            except ValueError as error:
                raise _alias_fault(alias, str(error)) from None
        return aliases

    @field_validator("tiers")
    @classmethod
    def _tiers_cover_everything(
        cls, tiers: tuple[Tier, ...], info: ValidationInfo
    ) -> tuple[Tier, ...]:
        models, aliases = info.data.get("models"), info.data.get("aliases")
        if models is None or aliases is None:
            return tiers
        _check_bounds(tiers)
        resolved = []
        for tier in tiers:
            specs = [_find(name, models, aliases) for name in tier.chain]
            chain = tuple(spec.name for spec in specs)
            if twice := next((name for name, count in Counter(chain).items() if count > 1), ""):
                raise ValueError(f"the chain of {shown(tier.name)} names {shown(twice)} twice")
            models.update({spec.name: spec for spec in specs})  # a preset joins by being named
            resolved.append(tier.model_copy(update={"chain": chain}))
        return tuple(resolved)

    @field_validator("default_model")
    @classmethod
    def _default_model_is_known(cls, name: str, info: ValidationInfo) -> str:
        models, aliases = info.data.get("models"), info.data.get("aliases")
        if name != "auto" and models and aliases is not None:
            _find(name, models, aliases)
        return name

    @model_validator(mode="after")
    def _aliases_hide_no_tier(self) -> Self:
        for tier in self.tiers:
            if tier.name in self.aliases:
                raise _alias_fault(tier.name, "is a tier already: choose another name")
        return self

    @property
    def strongest(self) -> str | None:
        """The first model of the last tier, against which savings are counted."""
        return self.tiers[-1].chain[0] if self.tiers else None

    @property
    def key_sources(self) -> KeySources:
        """Where keys are looked for beside memory, environment and Colab."""
        return KeySources(self.dotenv, self.keyring)

    @property
    def ledger_file(self) -> Path:
        """The ledger's file in use."""
        return self.ledger_path or _home("data") / "ledger.sqlite3"

    def find(self, name: str) -> ModelSpec:
        """A model by its name, an alias, "provider/id", "provider:id" or an unambiguous id.

        A preset model is found without its key, too: what is missing then is the key.

        Raises:
            OptionError: it cannot be a name.
            UnknownModelError: there is no such model, or more than one.
        """
        try:
            checked_name(name)
        except ValueError as error:
            raise OptionError(_said(f"model = {shown(name)}: a name {error}")) from None
        others = ("auto", "demo", *(tier.name for tier in self.tiers))
        try:
            return _find(name, self.models, self.aliases, others)
        except ValueError as error:
            raise UnknownModelError(_said(f"{error} (%ai models shows them all)")) from None

    def names(self, typed: str = "") -> list[str]:
        """What `find` understands and begins like what is typed: one name for each model.

        Aliases and the models' own names first; ids, "provider/id" and "provider:id" where only
        they fit, and preset models without a key where no other model does.
        """
        aliases = [alias for alias in self.aliases if _begins(alias, typed)]
        found = _names_like(typed, self.models)
        if typed and not found:
            found = _names_like(typed, _preset_specs())
        return [*aliases, *found]

    def tier(self, name: str) -> Tier:
        """A tier by its name.

        Raises:
            OptionError: there is no such tier.
        """
        names = [tier.name for tier in self.tiers]
        if name not in names:
            near = nearest(name, names) or f"; the tiers are: {', '.join(names) or 'none'}"
            raise OptionError(_said(f"no tier {shown(name)}{near}"))
        return self.tiers[names.index(name)]


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, list | dict) and not value)


def _alias_fault(alias: str, why: str) -> PydanticCustomError:
    return PydanticCustomError("alias", "{why}", {"alias": alias, "why": why})


def _check_bounds(tiers: tuple[Tier, ...]) -> None:
    for before, after in pairwise(tiers):
        if after.up_to <= before.up_to:
            raise ValueError(
                f"up_to must rise from tier to tier, but {shown(after.name)} has {after.up_to:g} "
                f"after {before.up_to:g}"
            )
    if len({tier.name for tier in tiers}) < len(tiers):
        raise ValueError("two tiers have the same name")
    if tiers and tiers[-1].up_to != 1:
        last = tiers[-1]
        raise ValueError(f"the last one, {shown(last.name)}, must end at 1.0, not {last.up_to:g}")


@cache
def _preset_specs() -> dict[str, ModelSpec]:
    return {name: ModelSpec(name=name, **row) for name, row in preset_models().items()}


def _find(
    name: str,
    models: Mapping[str, ModelSpec],
    aliases: Mapping[str, str],
    others: Iterable[str] = (),
) -> ModelSpec:
    """The one model meant by a name; else a ValueError that says why not.

    `others` are no models, but may have been meant, too.
    """
    path = [name]
    while path[-1] in aliases:
        path.append(aliases[path[-1]])
        if path[-1] in path[:-1]:
            raise ValueError(f"aliases go in a circle: {' -> '.join(path)}")
        if len(path) > MOST_ALIASES:
            raise ValueError(f"{shown(name)} leads through more than {MOST_ALIASES} aliases")
    wanted = path[-1]
    found = _matches(wanted, models) or _matches(wanted, _preset_specs()) or _local_specs(wanted)
    if len(found) > 1:
        several = " or ".join(shown(spec.name) for spec in found[:3])
        raise ValueError(f"{shown(wanted)} may be {several}: say which")
    if not found:
        ids = (spec.model for spec in models.values())
        known = dict.fromkeys((*models, *aliases, *ids)) or _preset_specs()
        raise ValueError(f"no model {shown(wanted)}{nearest(wanted, (*known, *others), n=3)}")
    return found[0]


def _names_like(typed: str, models: Mapping[str, ModelSpec]) -> list[str]:
    """The first name of each model that begins like what is typed."""
    ids = Counter(spec.model for spec in models.values())
    found = []
    for spec in models.values():
        names = [spec.name, *([spec.model] if ids[spec.model] == 1 else [])]
        names += [f"{spec.provider}{mark}{spec.model}" for mark in "/:" if mark in typed]
        found += [name for name in names if _begins(name, typed)][:1]
    return found


def _begins(name: str, typed: str) -> bool:
    return name.casefold().startswith(typed.casefold())


def _local_specs(name: str) -> list[ModelSpec]:
    """The model of a local server that has its name from it: there, as far as anybody knows."""
    row = local_model(name)
    return [] if row is None else [ModelSpec(**row)]


def _matches(name: str, models: Mapping[str, ModelSpec]) -> list[ModelSpec]:
    if name in models:
        return [models[name]]
    with_provider = [
        spec
        for spec in models.values()
        if name in (f"{spec.provider}/{spec.model}", f"{spec.provider}:{spec.model}")
    ]
    return with_provider or [spec for spec in models.values() if spec.model == name]


def _table_at(path: KeyPath) -> type[BaseModel] | None:
    """The kind of table that stands at a path of the settings, if its keys are fixed."""
    match path:
        case ():
            return Settings
        case ("cache",):
            return CacheSettings
        case ("budget",):
            return BudgetSettings
        case ("models", _):
            return ModelSpec
        case ("tiers", _):
            return Tier
    return None


def fields_at(path: KeyPath) -> list[str]:
    """The keys of the table at a path; none where the keys are free, as in aliases."""
    table = _table_at(path)
    return [] if table is None else list(table.model_fields)


def kind_at(path: KeyPath) -> Any:
    """The type of the setting at a path, or None if there is no such setting."""
    if len(path) == 2 and path[0] == "aliases":
        return str
    table = _table_at(path[:-1])
    field = None if table is None else table.model_fields.get(str(path[-1]))
    return None if field is None else field.annotation


def fault_path(error: ConfigError) -> KeyPath:
    """Where in the settings the error is, as far as it is known."""
    cause = error.__cause__
    return _path(_first_fault(cause)) if isinstance(cause, ValidationError) else ()


def _first_fault(error: ValidationError) -> Any:
    """The first fault that is not a mere consequence of another."""
    faults = error.errors(include_url=False)
    kinds = ("extra_forbidden", "default_factory_not_called")
    unknown = next((f for f in faults if f["type"] == kinds[0]), None)
    return unknown or next((f for f in faults if f["type"] != kinds[1]), faults[0])


def _path(fault: Mapping[str, Any]) -> KeyPath:
    if fault["type"] == "alias":
        return ("aliases", fault["ctx"]["alias"])
    return tuple(part for part in fault["loc"] if part != "[key]")


def _sentence(fault: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    path = by_name(_path(fault), given)
    if fault["type"] == "extra_forbidden":
        return unknown_key(path, fields_at(path[:-1]))
    return fault_sentence(fault, path)


def _said(text: str) -> str:
    return one_line(redact(text))
