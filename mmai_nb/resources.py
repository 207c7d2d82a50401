"""What the engine stands on: settings, ledger, cache and client, each opened at its first use."""

from __future__ import annotations

import builtins
import os
import threading
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .answer import Answer
from .caching import AnswerCache
from .dial import Dial
from .discovery.finder import Finder, Found
from .discovery.owners import strangers
from .drafts import plain
from .errors import (
    CacheWarning,
    ConfigError,
    ConnectionFailedError,
    MissingKeyError,
    OptionError,
    UnknownModelError,
)
from .fallback import Breakers
from .interpolation import user_secret
from .keeping import question_of
from .keys import refusal
from .learned import Learned
from .ledger import Ledger
from .offline import demo_models, demo_tiers, serve_demo
from .pricing import PriceUpdate, update_prices
from .providers import LOCAL_SERVERS, is_loopback, local_model
from .purse import Listeners, Purse, budget_frame
from .recording import fingerprint, notebook_name
from .records import Alert, Completion, OnText, Request
from .remembering import Turn
from .settings import (
    CacheSettings,
    ModelSpec,
    Settings,
    change_settings,
    has_own_models,
    is_found,
    is_offline,
    lay_found,
    load_settings,
    named_only,
)
from .texts import Texts
from .thresholds import Thresholds

if TYPE_CHECKING:
    from pandas import DataFrame

    from .calibration import Calibration
    from .call_log import CallLog

__all__ = ["Resources", "preference"]

Call = Callable[[Request, ModelSpec, OnText | None], Completion]


class Resources:
    """Settings, ledger, cache, client and breakers of one engine; `Engine` has the arguments."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        call: Call | None = None,
        ledger: Ledger | None = None,
        cache: AnswerCache | None = None,
    ) -> None:
        self._loads = settings is None
        self._changes: list[dict[str, Any]] = []
        self._settings = load_settings() if settings is None else settings
        self._call, self._ledger, self._cache = call, ledger, cache
        self._texts: Texts | None = None
        self._call_log: tuple[Path, CallLog] | None = None
        self._client: Any = None
        self._secret: bytes | None = None
        self._hinted = False
        self.demo_tiers: list[dict[str, Any]] | None = None
        self._demo: dict[bool, tuple[Settings | None, Settings]] = {}
        self._lock = threading.RLock()
        self._learned: dict[Path, Learned] = {}
        self._poor: dict[str, int] = {}
        self._last: Answer | None = None
        self.turn: Turn | None = None
        self.breakers = Breakers()
        self.finder = Finder()
        self.listeners = Listeners()
        self.thresholds = Thresholds(lambda: self.ledger)
        self.session = uuid.uuid4().hex[:12]
        self.notebook: Callable[[], str | None] = notebook_name

    @property
    def settings(self) -> Settings:
        """The settings in force; a key that came into the environment since is seen.

        With nothing configured they hold the models of the local servers that were found so far.
        """
        if self._loads and not has_own_models(self._settings):
            self.reload()
        return self._settings

    def reload(self) -> None:
        """Look for keys and files again, as after a key was given.

        What was configured stays; where it no longer fits, so does all that is in force.
        """
        with self._lock:
            if not self._loads:
                return
            base = load_settings(sources=self._settings.key_sources if self._changes else None)
            now = self._settings if self._changes else base
            found = self.finder.known if now.discover and not _wants_demo() else Found()
            made = self._with_changes(base)
            if found.models and not base.models and (made is None or not made.models):
                made = self._with_changes(lay_found(base, found.settings))
            made = self._settings if made is None else _detailed(made, found)
            if made != self._settings:
                self._settings = made

    def _with_changes(self, base: Settings) -> Settings | None:
        """The settings with all that was configured since the start; None where it does not fit."""
        try:
            return reduce(change_settings, self._changes, base)
        except ConfigError:
            return None

    def look(self, *names: str, fresh: bool = False) -> None:
        """Ask the local servers what they have, if it is their turn, or models of theirs are named.

        Args:
            names: models that are about to be asked.
            fresh: ask in any case, and again even if that was a moment ago.
        """
        settings = self.settings
        quiet = not settings.discover or is_offline(settings) or _wants_demo()
        if not self._loads or quiet:
            return
        named = any(local_model(name) for name in (*named_only(settings), *names))
        if fresh or named or not has_own_models(settings):
            before = self.finder.known
            if self.finder.look(fresh=fresh) is not before:
                self.reload()

    def configure(self, changes: Mapping[str, Any]) -> Settings:
        """Put validated changes in force; an invalid one raises and changes nothing.

        Raises:
            ConfigError: names the key, the value and the nearest right key.
        """
        with self._lock:
            roots = {str(key).split(".")[0] for key in changes}
            if "tiers" in roots and not self.settings.models:
                changes = self._without_demo_tiers(changes)
            changed = change_settings(self.settings, changes)
            if not changed.models and roots & {"default_model", "aliases"}:
                self._with_demo(changed)  # where nothing is configured, these name the demo's
            self._settings = _detailed(changed, self.finder.known)
            self._changes.append(plain(changes))
            by_chance = any(is_found(changed, name) for name in changed.models)
            if by_chance or roots & {"dotenv", "keyring"}:
                self.reload()  # what was configured goes before what was found
            client, self._client = self._client, None
            if "cache" in roots:
                self._cache = None
            if "ledger_path" in roots:
                self._ledger = None
        if client is not None:
            client.close()
        return self._settings

    def _without_demo_tiers(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The changes without those of the demo's tiers, which are made, for this session only.

        They cannot join the settings: those would hold models then, and no key be looked for.
        """
        wanted = plain(changes)
        try:
            change_settings(self.settings, wanted)
        except ConfigError:
            partly = not isinstance(wanted.get("tiers"), list)
            if not (partly or any(name in str(wanted["tiers"]) for name in demo_models())):
                raise
            made = change_settings(self._with_demo(self.settings), wanted)
            if not all(model.simulated for model in made.models.values()):
                raise
            self.demo_tiers = [plain(tier) for tier in made.tiers]
            rest = {k: v for k, v in wanted.items() if k.split(".")[0] != "tiers"}
        else:
            self.demo_tiers, rest = None, wanted
        self._demo.clear()
        return rest

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        with self._lock:
            if self._ledger is None:
                self._ledger = Ledger(self._settings.ledger_file)
            return self._ledger

    @property
    def texts(self) -> Texts:
        """Prompts and answers beside the ledger's rows."""
        with self._lock:
            if self._texts is None or self._texts.ledger is not self.ledger:
                self._texts = Texts(self.ledger)
            return self._texts

    @property
    def call_log(self) -> CallLog | None:
        """The log file; None where none is wished."""
        path = self._settings.log_file
        if path is None:
            return None
        from .call_log import CallLog

        with self._lock:
            if self._call_log is None or self._call_log[0] != path:
                self._call_log = path, CallLog(path)
            return self._call_log[1]

    @property
    def cache(self) -> AnswerCache:
        """The cache of answers."""
        with self._lock:
            if self._cache is None:
                self._cache = _opened(self._settings.cache)
            return self._cache

    def call(self, request: Request, spec: ModelSpec, on_text: OnText | None) -> Completion:
        """Ask one model once; the client (and openai) is made and imported at the first time."""
        if self._call is not None:
            return self._call(request, spec, on_text)
        with self._lock:
            if self._client is None:
                from .client import Client

                self._client = Client(self._settings)
            client: Call = self._client.call
        self._check_owner(spec)
        return client(request, _located(spec), on_text)

    def _check_owner(self, spec: ModelSpec) -> None:
        """Nothing, unless a server that nobody configured is another user's by now.

        Raises:
            ConnectionFailedError: it is; nothing was sent.
        """
        settings = self._settings
        named = spec.name in settings.given.get("models", {}) and not is_found(settings, spec.name)
        port = urlsplit(spec.base_url).port
        if spec.provider not in LOCAL_SERVERS or named or not is_loopback(spec.base_url):
            return
        if (user := strangers({port or 80}).get(port or 80)) is not None:
            error = ConnectionFailedError(
                f"{spec.name[:60]}: the server at port {port} belongs to another user ({user}), so "
                "nothing was sent; configure the model if you trust it",
                model=spec.name,
                provider=spec.provider,
                retries=0,
            )
            error.reason = "stranger"
            raise error

    @property
    def secret(self) -> bytes:
        """The user's own secret, for the fences around data."""
        if self._secret is None:
            self._secret = user_secret(Path(self._settings.ledger_file).parent)
        return self._secret

    # -- money

    def purse(self, budgets: Mapping[str, Decimal]) -> Purse:
        """The money that a call made here may spend under these budgets, in USD by scope."""
        notebook = self.notebook()
        return Purse(self.ledger, budgets, session=self.session, notebook=notebook)

    def purse_for(self, request: Request) -> Purse:
        """The money of a call that begins now."""
        purse = self.purse(self.settings.budget.amounts)
        return replace(purse, max_cost=request.max_cost, call_id=uuid.uuid4().hex)

    def budget(self) -> DataFrame:
        """A row per budget in force; see `mmai_nb.budget`."""
        return budget_frame(self.purse(self.settings.budget.amounts))

    def on_alert(self, function: Callable[[Alert], object]) -> Callable[[], None]:
        """Call a function with each `Alert` of a budget; see `mmai_nb.on_alert`."""
        if not callable(function):
            raise OptionError(f"on_alert takes a function, not {type(function).__name__}")
        return self.listeners.add(function)

    # -- the last answer, and votes

    def last(self) -> Answer | None:
        """The last answer of this engine, a partial one included."""
        return self._last

    def learned(self, settings: Settings) -> Learned:
        """What the votes of this user taught, beside the ledger; the demo's is kept apart."""
        simulated = any(settings.find(tier.chain[0]).simulated for tier in settings.tiers)
        name = "calibration.demo.json" if simulated else "calibration.json"
        path = Path(settings.ledger_file).parent / name
        with self._lock:
            return self._learned.setdefault(path, Learned(path))

    def lessons(self, request: Request, settings: Settings) -> dict[str, Any]:
        """What the cost dial and the votes say, as parts of a `Situation`; the dial's bounds win.

        A calibration's bounds hold only for the tiers that it was made for.
        """
        made = self.learned(settings).current()
        voted = () if made is None else _voted_bounds(made, settings)
        bounds, why = self._dialed(request, settings, {**_scale(made), "bounds": voted})
        if made is None:
            return {"bounds": bounds, "bounds_from": why}
        if not bounds:
            bounds = voted
            why = f"tiers begin where {made.votes} votes say" if bounds else ""
        known = {"offsets": made.offsets, "words": made.words}
        return {**known, "bounds": bounds, "bounds_from": why}

    def found_poor(self, request: Request, poor: bool) -> None:
        """Remember that the answer to this question was not good enough, or was after all."""
        question = question_of(request)
        if poor:
            self._poor[question] = self._poor.get(question, 0) + 1
        else:
            self._poor.pop(question, None)

    def asked_before(self, request: Request) -> Request:
        """The request, marked as asked again where its answer was found poor in this session."""
        if not self._poor or request.again:
            return request
        again = self._poor.get(question_of(request), 0)
        return replace(request, again=again) if again else request

    # -- what is asked

    def dial(self, prefer: str | float | None) -> Dial:
        """What a turn of the cost dial comes to, for the tiers that would be asked now."""
        settings = self.settings_for_display
        made = self.learned(settings).current()
        voted = _voted_bounds(made, settings)
        return self.thresholds.dial(prefer, settings, bounds=voted, **_scale(made))

    def _dialed(
        self, request: Request, settings: Settings, scale: Mapping[str, Any]
    ) -> tuple[tuple[float, ...], str]:
        """The tiers' bounds as the cost dial sets them, and why; () where they are as they were."""
        prefer = preference(request, settings)
        named = request.model != "auto" or request.tier is not None
        if prefer is None or named or not settings.tiers:
            return (), ""
        dial = self.thresholds.dial(prefer, settings, **scale)
        if dial.share is None:  # no scores to go by
            return (), ""
        return dial.bounds, dial.said(settings.tiers[-1].name)

    def in_force(self, request: Request) -> tuple[Request, Settings]:
        """The request and the settings it runs under: with nothing configured, the demo's.

        Raises:
            MissingKeyError: nothing is configured, and this is neither IPython nor a call of the
                demo.
        """
        demo, names = demo_models(), (request.model, *request.fallback)
        if request.model not in ("demo", *demo):
            self.look(*names)
        settings = self.settings
        asked = request.model
        if asked == "auto" and request.tier is None:
            asked = settings.default_model
        if request.model == "demo":
            return replace(request, model="auto"), self._with_demo(settings, only=True)
        if request.model in demo and request.model not in settings.models:
            return request, self._with_demo(settings)
        if settings.models or (asked != "auto" and _is_known(asked, settings)):
            return request, self._with_named(names, settings)
        if fault := refusal(settings.key_sources):
            raise MissingKeyError(fault)
        if getattr(builtins, "__IPYTHON__", False) or _wants_demo():
            return request, self._with_demo(settings)
        offered = "".join(f"; {o.where} could answer" for o in self.finder.known.offers[:1])
        raise MissingKeyError(
            "no model is configured: set a key such as OPENAI_API_KEY, or configure(models={…})"
            f'{offered}; to try it without one use model="demo" or MMAI_DEMO=1'
        )

    def _with_named(self, names: Sequence[str], settings: Settings) -> Settings:
        """With what was found of the models that the request names and nobody configured."""
        rows = [row for name in names if (row := local_model(name)) is not None]
        known = self.finder.known.models
        named = {n: known[n] for row in rows if (n := str(row["name"])) in known}
        fresh = {name: row for name, row in named.items() if name not in settings.models}
        return lay_found(settings, {"models": fresh}) if fresh else settings

    def hints(self, request: Request) -> tuple[str, ...]:
        """Beside the first answer that the demo gives for want of a model: what else there is."""
        if self._hinted or request.model != "auto" or self._settings.models:
            return ()
        found, self._hinted = self.finder.known, True
        servers = [f"{offer.where} could answer: %ai models shows how" for offer in found.offers]
        return (*servers, *(f"{at} is another user's server" for at in found.strangers))

    @property
    def settings_for_display(self) -> Settings:
        """The settings, with the demo's models where nothing is configured."""
        return self.settings if self.settings.models else self._with_demo(self.settings)

    def settings_of(self, *, simulated: bool) -> Settings:
        """The settings whose tiers an answer belongs to: the demo's own, or the user's."""
        return self._with_demo(self.settings) if simulated else self.settings_for_display

    def names(self, typed: str = "") -> list[str]:
        """Names of models that begin like what is typed; those of local servers that were found.

        No server is asked for it.
        """
        found = (name for name in self.finder.known.models if name.startswith(typed))
        return list(dict.fromkeys((*self.settings_for_display.names(typed), *found)))

    def update_prices(self, url: str | None = None) -> PriceUpdate:
        """Fetch newer price data; see `pricing.update_prices`.

        Raises:
            OptionError: nothing may be sent just now.
        """
        if is_offline(self.settings):
            raise OptionError(
                "nothing is fetched while offline: unset MMAI_OFFLINE, or %ai config offline false"
            )
        return update_prices(self.settings_for_display.models.values(), url=url)

    def _with_demo(self, settings: Settings, *, only: bool = False) -> Settings:
        """The settings with the demo's models and tiers; `only`: without a default model."""
        known, made = self._demo.get(only, (None, settings))
        if known is not settings:
            changes = {"models": demo_models(), "tiers": self.demo_tiers or demo_tiers()}
            made = change_settings(settings, changes | ({"default_model": "auto"} if only else {}))
            self._demo[only] = (settings, made)
        return made

    def key_state(self, spec: ModelSpec) -> str:
        """Whether the model's key is there: set, missing or not needed; never the key."""
        if spec.api_key_env is None or spec.simulated:
            return "not needed"
        found = fingerprint(spec, self._settings.key_sources)
        return "set" if found else f"missing: {spec.api_key_env}"

    def close(self) -> None:
        """Let go of connections and files; the next call opens them again."""
        with self._lock:
            client, self._client = self._client, None
            ledger, texts = self._ledger, self._texts
        if client is not None:
            client.close()
        if texts is not None:
            texts.close()
        if ledger is not None:
            ledger.close()


def _opened(cache: CacheSettings) -> AnswerCache:
    """The cache; a folder that the user did not name may be unusable, and costs a warning only."""
    try:
        return AnswerCache(cache.directory, max_age=cache.max_age, max_bytes=cache.max_size_bytes)
    except ConfigError as error:
        if cache.folder is not None:
            raise
        warnings.warn(f"{error}; until then answers are not kept", CacheWarning, stacklevel=4)
        return AnswerCache(None)


def _detailed(settings: Settings, found: Found) -> Settings:
    """With what was found of the models that are there only because a tier names them."""
    named = {name: found.models[name] for name in named_only(settings) if name in found.models}
    return lay_found(settings, {"models": named}) if named else settings


def preference(request: Request, settings: Settings) -> str | float | None:
    """The turn of the cost dial that holds for a request."""
    return settings.prefer if request.prefer is None else request.prefer


def _voted_bounds(made: Calibration | None, settings: Settings) -> tuple[float, ...]:
    """Where votes say that the tiers begin; () where they say nothing of these tiers."""
    names, bounds = [t.name for t in settings.tiers], [t.up_to for t in settings.tiers]
    return () if made is None else made.bounds_for(names, bounds)


def _scale(made: Calibration | None) -> dict[str, Any]:
    """Since when scores are what they are now, and what older ones come to."""
    return {} if made is None else {"since": made.created, "rescale": made.rescaled}


def _wants_demo() -> bool:
    return os.environ.get("MMAI_DEMO") == "1"


def _is_known(name: str, settings: Settings) -> bool:
    """Whether a named model exists, be it only as a preset whose key is missing."""
    try:
        settings.find(name)
    except (OptionError, UnknownModelError):
        return False
    return True


def _located(spec: ModelSpec) -> ModelSpec:
    """The demo's models live at an address of the moment; cache and ledger keep the stable one."""
    if not spec.simulated:
        return spec
    return spec.model_copy(update={"base_url": serve_demo().base_url})
