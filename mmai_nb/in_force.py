"""Which settings are in force: what was configured, what was found, else the demo's."""

from __future__ import annotations

import builtins
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from .discovery.finder import Finder, Found
from .drafts import plain
from .errors import ConfigError, MissingKeyError, OptionError, UnknownModelError
from .keys import refusal
from .offline import demo_models, demo_tiers
from .providers import local_model
from .records import Request
from .settings import (
    Settings,
    change_settings,
    has_own_models,
    is_found,
    is_offline,
    lay_found,
    load_settings,
    named_only,
)

__all__ = ["InForce", "roots_of"]


class InForce:
    """The settings of one engine as they change: configured, found, or the demo's.

    Args:
        settings: the settings to start with; default: as `load_settings` finds them.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._loads = settings is None
        self._changes: list[dict[str, Any]] = []
        self._settings = load_settings() if settings is None else settings
        self._hinted = False
        self._demo: dict[bool, tuple[Settings | None, Settings]] = {}
        self._lock = threading.RLock()
        self.demo_tiers: list[dict[str, Any]] | None = None
        self.finder = Finder()

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
            roots = roots_of(changes)
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

    def _with_demo(self, settings: Settings, *, only: bool = False) -> Settings:
        """The settings with the demo's models and tiers; `only`: without a default model."""
        known, made = self._demo.get(only, (None, settings))
        if known is not settings:
            changes = {"models": demo_models(), "tiers": self.demo_tiers or demo_tiers()}
            made = change_settings(settings, changes | ({"default_model": "auto"} if only else {}))
            self._demo[only] = (settings, made)
        return made


def roots_of(changes: Mapping[str, Any]) -> set[str]:
    """The settings that the changes are of: the first word of each key."""
    return {str(key).split(".")[0] for key in changes}


def _detailed(settings: Settings, found: Found) -> Settings:
    """With what was found of the models that are there only because a tier names them."""
    named = {name: found.models[name] for name in named_only(settings) if name in found.models}
    return lay_found(settings, {"models": named}) if named else settings


def _wants_demo() -> bool:
    return os.environ.get("MMAI_DEMO") == "1"


def _is_known(name: str, settings: Settings) -> bool:
    """Whether a named model exists, be it only as a preset whose key is missing."""
    try:
        settings.find(name)
    except (OptionError, UnknownModelError):
        return False
    return True
