"""All settings together, valid by construction, and what stands at a path of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
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

from ..dial import checked_prefer
from ..drafts import KeyPath, by_name, plain
from ..errors import ConfigError, OptionError, UnknownModelError
from ..keys import KeySources
from ..providers import TIER_BOUNDS
from ..redaction import redact
from ..values import (
    checked_dotenv,
    checked_file,
    checked_name,
    fault_sentence,
    nearest,
    one_line,
    shown,
    unknown_key,
)
from .lookup import find_model, names_for
from .tables import (
    BudgetSettings,
    CacheSettings,
    Count,
    Frozen,
    ModelSpec,
    Name,
    Number,
    Tier,
    home,
)

__all__ = ["Settings", "fault_path", "fields_at", "kind_at"]

Seconds = Annotated[Number, Field(gt=0, le=86_400)]
Pause = Annotated[Number, Field(ge=0, le=86_400)]
Prefer = Annotated[str | float | None, BeforeValidator(checked_prefer)]


def _default_tiers(data: Mapping[str, Any]) -> tuple[Tier, ...]:
    """The tiers where none were given: the default ones, each with all models in their order."""
    chain = tuple(data.get("models", ()))
    bounds = TIER_BOUNDS.items() if chain else ()
    return tuple(Tier(name=name, up_to=bound, chain=chain) for name, bound in bounds)


class Settings(Frozen):
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
                find_model(alias, models, aliases)
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
            specs = [find_model(name, models, aliases) for name in tier.chain]
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
            find_model(name, models, aliases)
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
        return self.ledger_path or home("data") / "ledger.sqlite3"

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
            return find_model(name, self.models, self.aliases, others)
        except ValueError as error:
            raise UnknownModelError(_said(f"{error} (%ai models shows them all)")) from None

    def names(self, typed: str = "") -> list[str]:
        """What `find` understands and begins like what is typed: one name for each model.

        Aliases and the models' own names first; ids, "provider/id" and "provider:id" where only
        they fit, and preset models without a key where no other model does.
        """
        return names_for(typed, self.models, self.aliases)

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
