"""`%config MmaiMagics`: settings as traits of IPython's kind, and how much the magics show.

A trait that stands for a setting keeps nothing itself: reading it gives what is in force, setting
it is `Engine.configure`. What is set before there is an engine, in ipython_config.py too, is kept
until the settings are loaded: `%load_ext` neither loads nor checks them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics
from traitlets import Bool, Enum, TraitError, TraitType

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from .engine import Engine
    from .settings import Settings

__all__ = ["ConfiguredMagics"]

CONFIGURATION = "MmaiMagics"
"""The origin of what ipython_config.py or the command line says."""

OWN_NAMES = {"model": "default_model", "cache": "cache.enabled"}
"""The settings of traits that have a name of their own; the others have the setting's."""


class Setting(TraitType[Any, Any]):
    """A trait whose value is a setting's."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        """The setting in force."""
        return obj.in_force(self.name)

    def set(self, obj: Any, value: Any) -> None:
        """Change the setting.

        Raises:
            ConfigError: the value is wrong; nothing has changed.
        """
        obj.change(self.name, value)

    def from_string(self, s: str) -> Any:
        """The value of a text of the command line: JSON, else the text itself."""
        import json

        try:
            return json.loads(s)
        except (ValueError, RecursionError):
            return {"None": None, "True": True, "False": False}.get(s, s)


class Words(Enum[Any]):
    """One of a few words; a slip is answered with the nearest."""

    def validate(self, obj: Any, value: Any) -> Any:
        """The word, if it is one of them."""
        from .values import nearest, shown

        known = tuple(self.values or ())
        if value in known:
            return value
        hint = nearest(value, known) or f": it is one of {', '.join(known)}"
        raise TraitError(f"{self.name} = {shown(value)} is no such word{hint}")


def _setting(default: Any, help: str) -> Setting:
    return Setting(default, help=help).tag(config=True)


class ConfiguredMagics(Magics):  # type: ignore[misc, unused-ignore]
    """Magics with an engine, whose settings are traits.

    Args:
        shell: whose magics they are.
        engine: default: the one behind `mmai_nb.ask`, made when it is first needed.
    """

    model = _setting("auto", "The model of cells that name none; auto: by complexity.")
    prefer = _setting(
        None,
        "The cost dial: cheap, balanced, quality, or the share of prompts that may go to the "
        "strongest tier; None: as the tiers say.",
    )
    aliases = _setting({}, "Short names of models: {'best': 'openai/gpt-6.1-sol'}.")
    temperature = _setting(None, "0 to 2; None: not sent.")
    max_tokens = _setting(None, "The longest answer, in tokens; None: not sent.")
    format = _setting("markdown", "How an answer is asked for and shown: see %ai help formats.")
    stream = _setting(True, "Show an answer while it comes.")
    timeout = _setting(300.0, "Seconds for a whole call, retries included.")
    cache = _setting(True, "Keep answers on disk, and look there first.")
    interpolate = _setting(True, "Put variables in place of {names}.")
    system = _setting(None, "The system message of cells that give none.")
    retries = _setting(2, "How often one model is asked again, 0 to 10.")
    max_prompt_chars = _setting(100_000, "The longest prompt, in characters.")
    allow_secrets = _setting(False, "Send prompts that hold a key.")
    short_errors = Bool(
        True, help="Show an error of a cell as one line; False: with IPython's traceback."
    ).tag(config=True)
    feedback = Words(
        ("quiet", "normal", "verbose"),
        default_value="normal",
        help="What stands under an answer: only what is amiss; one line with model, tokens, cost "
        "and time; or reasons and attempts, too, as -v shows them.",
    ).tag(config=True)

    _loaded = False

    def __init__(self, shell: InteractiveShell, engine: Engine | None = None) -> None:
        self._engine = engine
        super().__init__(shell)
        self._loaded = True

    @property
    def engine(self) -> Engine:
        """The engine; the default one is made when it is first needed."""
        if self._engine is None:
            from .engine import default_engine

            self._engine = default_engine()
        return self._engine

    def in_force(self, name: str) -> Any:
        """The value of the setting behind a trait; while the extension loads, what was set."""
        if not self._loaded:
            from .sources import remembered_changes

            default = self.traits()[name].default_value
            return remembered_changes().get(CONFIGURATION, {}).get(_key(name), default)
        value: Any = self.engine.settings
        for part in _key(name).split("."):
            value = getattr(value, part)
        return dict(value) if isinstance(value, Mapping) else value

    def change(self, name: str, value: Any) -> None:
        """Change the setting behind a trait, at once or when the engine is made.

        Raises:
            ConfigError: the value is wrong; nothing has changed.
        """
        engine = self._engine or _made_engine()
        if engine is not None:
            engine.configure({_key(name): _whole(name, value, engine.settings)})
        elif self._loaded:
            _change_before_engine(name, value)
        else:
            from .sources import remember_change

            remember_change(_key(name), value, CONFIGURATION)

    def update_config(self, config: Config) -> None:
        """Take what `%config` says; IPython shows what is wrong with it on one line.

        Raises:
            ConfigError: there is no such trait.
        """
        known = self.traits(config=True)
        for name in config.get("MmaiMagics", {}):
            if name not in known:
                from .errors import ConfigError
                from .values import nearest, shown

                hint = nearest(name, known) or "; %config MmaiMagics lists them"
                raise ConfigError(f"MmaiMagics has no {shown(name)}{hint}")
        super().update_config(config)


def _key(trait: str) -> str:
    return OWN_NAMES.get(trait, trait)


def _made_engine() -> Engine | None:
    """The default engine if it was made; this never imports what it is made of."""
    module = sys.modules.get(f"{__package__}.engine")
    made: Engine | None = None if module is None else module.made_engine()
    return made


def _change_before_engine(name: str, value: Any) -> None:
    """Keep a change for the engine to come, if the settings it will load are right with it."""
    from .settings import CONFIGURE
    from .sources import remember_change

    undo = remember_change(_key(name), value, CONFIGURE)
    try:
        settings = _settings_to_come()
    except BaseException:
        undo()
        raise
    remember_change(_key(name), _whole(name, value, settings), CONFIGURE)


def _settings_to_come() -> Settings:
    """The settings that an engine would have that was made now.

    Raises:
        ConfigError: they are wrong.
    """
    from .offline import demo_models, demo_tiers
    from .settings import change_settings, load_settings

    settings = load_settings()
    if not settings.models:
        change_settings(settings, {"models": demo_models(), "tiers": demo_tiers()})
    return settings


def _whole(name: str, value: Any, settings: Settings) -> Any:
    """A table with None for what else there is: aliases merge, but a trait is set as a whole."""
    if name != "aliases" or not isinstance(value, Mapping):
        return value
    return {**dict.fromkeys(settings.aliases), **value}
