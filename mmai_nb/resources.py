"""What the engine stands on and looks back to: ledger, cache, client, lessons.

Each is opened at its first use.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .answer import Answer
from .caching import AnswerCache
from .dial import Dial
from .discovery.owners import strangers
from .errors import CacheWarning, ConfigError, ConnectionFailedError, OptionError
from .fallback import Breakers
from .in_force import InForce, roots_of
from .interpolation import user_secret
from .keeping import question_of
from .learned import Learned
from .ledger import Ledger
from .offline import serve_demo
from .pricing import PriceUpdate, update_prices
from .providers import LOCAL_SERVERS, is_loopback
from .purse import Listeners, Purse, budget_frame
from .recording import fingerprint, notebook_name
from .records import Alert, Completion, OnText, Request
from .remembering import Turn
from .settings import CacheSettings, ModelSpec, Settings, is_found, is_offline
from .texts import Deleted, Texts
from .thresholds import Thresholds
from .verdicts import read_verdicts, win_rates
from .votes import COMPARE

if TYPE_CHECKING:
    from pandas import DataFrame

    from .calibration import Calibration
    from .call_log import CallLog

__all__ = ["Resources", "preference"]

Call = Callable[[Request, ModelSpec, OnText | None], Completion]


class Resources(InForce):
    """Ledger, cache, client, breakers and lessons of one engine; `Engine` has the arguments."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        call: Call | None = None,
        ledger: Ledger | None = None,
        cache: AnswerCache | None = None,
    ) -> None:
        super().__init__(settings)
        self._call, self._ledger, self._cache = call, ledger, cache
        self._texts: Texts | None = None
        self._call_log: tuple[Path, CallLog] | None = None
        self._client: Any = None
        self._secret: bytes | None = None
        self._learned: dict[Path, Learned] = {}
        self._poor: dict[str, int] = {}
        self._last: Answer | None = None
        self.turn: Turn | None = None
        self.breakers = Breakers()
        self.listeners = Listeners()
        self.thresholds = Thresholds(lambda: self.ledger)
        self.session = uuid.uuid4().hex[:12]
        self.notebook: Callable[[], str | None] = notebook_name

    # -- what is open

    def configure(self, changes: Mapping[str, Any]) -> Settings:
        """Put validated changes in force; what they concern is opened anew.

        Raises:
            ConfigError: names the key, the value and the nearest right key; nothing has changed.
        """
        with self._lock:
            settings = super().configure(changes)
            client, self._client = self._client, None
            if "cache" in roots_of(changes):
                self._cache = None
            if "ledger_path" in roots_of(changes):
                self._ledger = None
        if client is not None:
            client.close()
        return settings

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

    def key_state(self, spec: ModelSpec) -> str:
        """Whether the model's key is there: set, missing or not needed; never the key."""
        if spec.api_key_env is None or spec.simulated:
            return "not needed"
        found = fingerprint(spec, self._settings.key_sources)
        return "set" if found else f"missing: {spec.api_key_env}"

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

    # -- looking back

    def costs(self, **options: Any) -> DataFrame:
        """One row per attempt; see `Ledger.frame`."""
        return self.ledger.frame(**options)

    def export_costs(self, path: str | Path, **options: Any) -> int:
        """Write the rows to a CSV or Parquet file; see `Ledger.export`."""
        return self.ledger.export(path, **options)

    def summary(self, by: str | Sequence[str] | None = "model", **options: Any) -> DataFrame:
        """Calls, tokens, cost, rates and latency by column; see `Ledger.summary`."""
        return self.ledger.summary(by, **options)

    def history(self, words: str | None = None, **options: Any) -> DataFrame:
        """Prompts and answers; see `Texts.frame`."""
        return self.texts.frame(words, **options)

    def delete_history(self, found: DataFrame, *, cache: bool = False) -> Deleted:
        """Delete exchanges for good, as far as the history goes.

        Args:
            found: which: what `history` gave, or some rows of it.
            cache: also remove their answers from the cache, which holds the answer's text too.

        Raises:
            MmaiError: the ledger cannot be written to just now; nothing is deleted.
        """
        deleted = self.texts.delete(found)
        for key in deleted.cache_keys if cache else ():
            self.cache.forget(key)
        if self._is_last(set(found["call_id"]), set(deleted.cache_keys)):
            self.turn = None  # else a vote would keep the numbers of its words again
        return deleted

    def _is_last(self, calls: Collection[str], keys: Collection[str]) -> bool:
        """Whether the last question is one of these calls, or its answer is kept under a key."""
        if self.turn is None:
            return False
        answer, call = self.last(), self.turn.call_id
        row = answer.row if answer is not None and answer.call_id == call else None
        return call in calls or (row is not None and row.cache_key in keys)

    def win_rates(self) -> DataFrame:
        """How the models fared in the user's votes on comparisons; see `verdicts.win_rates`."""
        votes = self.ledger.votes(COMPARE)
        return win_rates(read_verdicts(data for _, _, _, data in votes))


def _opened(cache: CacheSettings) -> AnswerCache:
    """The cache; a folder that the user did not name may be unusable, and costs a warning only."""
    try:
        return AnswerCache(cache.directory, max_age=cache.max_age, max_bytes=cache.max_size_bytes)
    except ConfigError as error:
        if cache.folder is not None:
            raise
        warnings.warn(f"{error}; until then answers are not kept", CacheWarning, stacklevel=4)
        return AnswerCache(None)


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


def _located(spec: ModelSpec) -> ModelSpec:
    """The demo's models live at an address of the moment; cache and ledger keep the stable one."""
    if not spec.simulated:
        return spec
    return spec.model_copy(update={"base_url": serve_demo().base_url})
