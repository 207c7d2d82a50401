"""Settings as traits of the magics: `%config MmaiMagics.temperature = 0`, and in IPython's files.

A trait keeps nothing itself: it reads and changes the engine's settings, which check the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets import TraitType
from traitlets.config import Config, Configurable

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["SettingTraits"]


class Setting(TraitType[Any, Any]):  # type: ignore[misc, unused-ignore]
    """One setting, under its own name."""

    def __init__(self, help: str) -> None:
        super().__init__(help=help)
        self.tag(config=True)

    def get(self, obj: Any, cls: Any = None) -> Any:
        return getattr(obj.engine.settings, str(self.name))

    def set(self, obj: Any, value: Any) -> None:
        obj.change_setting(str(self.name), value)


class SettingTraits(Configurable):  # type: ignore[misc, unused-ignore]
    """The settings that IPython's own `%config` and its configuration files may set."""

    default_model = Setting("Who answers where no model is named; auto routes by complexity.")
    system = Setting("The system message where none is given.")
    temperature = Setting("0 to 2; sent only when set.")
    max_tokens = Setting("The longest answer, in tokens.")
    format = Setting("markdown, text, code, json or html.")
    stream = Setting("Whether an answer shows while it comes.")
    interpolate = Setting("Whether {names} in a prompt become the values of variables.")
    timeout = Setting("Seconds for a whole call, retries and waits included.")
    retries = Setting("How often one model is asked again, 0 to 10.")
    max_prompt_chars = Setting("The longest prompt, in characters.")
    allow_secrets = Setting("Whether prompts that hold a key may be sent.")

    _engine: Engine | None = None
    _waiting: dict[str, Any] | None = None

    @property
    def engine(self) -> Engine:
        """The engine; the default one is made when it is first needed.

        Raises:
            ConfigError: IPython's configuration file sets what cannot be; told once.
        """
        if self._engine is None:
            from .engine import default_engine

            self._engine = default_engine()
        if self._waiting:
            waiting, self._waiting = self._waiting, None
            self._engine.configure(waiting)
        return self._engine

    def change_setting(self, name: str, value: Any) -> None:
        """Change one setting at once; before the engine is first needed, then."""
        if self._engine is None:
            self._waiting = {**(self._waiting or {}), name: value}
        else:
            self._engine.configure({name: value})

    def update_config(self, config: Config) -> None:
        """What `%config` calls, for every class; a wrong name or value changes nothing.

        Raises:
            ConfigError: the value cannot be, or there is no such setting.
        """
        section = type(self).__name__
        if section not in config:
            return
        from .errors import ConfigError
        from .values import one_line, unknown_key

        known = self.trait_names(config=True)
        for name in config[section]:
            if name not in known:
                raise ConfigError(one_line(f"{section}: {unknown_key((name,), known)}"))
        _ = self.engine
        super().update_config(config)
