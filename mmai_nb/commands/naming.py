"""Keys of `%ai config` that name a model or a tier: is it there, and does it have such a key?"""

from __future__ import annotations

from ..engine import Engine
from ..errors import ConfigError, OptionError
from ..offline import demo_models
from ..specs import fields_at
from ..values import nearest, one_line, shown, unknown_key

__all__ = ["refuse_stranger"]

KINDS = {"models": "model", "tiers": "tier"}


def refuse_stranger(engine: Engine, key: str) -> None:
    """Say which model, tier or key is not there, before something else is found wrong with it.

    Raises:
        ConfigError: the key names a model or a tier that is not there, or what it has not.
        OptionError: the key is "models", or of the demo's models, of which nothing can be set.
    """
    table, _, rest = key.partition(".")
    if key == "models":
        raise OptionError("%ai models lists the models; a key of one is models.NAME.price, for one")
    if table not in KINDS or "." not in rest:
        return
    settings = engine.settings_for_display
    names = list(settings.models) if table == "models" else [tier.name for tier in settings.tiers]
    name = next((name for name in names if rest.startswith(f"{name}.")), rest.rpartition(".")[0])
    field = rest.removeprefix(f"{name}.")
    fields = [known for known in fields_at((table, name)) if known != "name"]
    fields += ["price"] if table == "models" else []
    if name not in names and field not in ("base_url", "up_to", "chain"):
        near = nearest(name, names) or f"; %ai {'models' if table == 'models' else 'config tiers'}"
        near += "" if near.endswith("?") else " shows those there are"
        raise ConfigError(one_line(f"no {KINDS[table]} {shown(name)}{near}"))
    if name in names and field not in fields:
        raise ConfigError(one_line(unknown_key((table, name, field), fields)))
    if table == "models" and name in demo_models() and name not in engine.settings.models:
        what = "prices" if "price" in field else "models"
        raise OptionError(f"the demo's {what} cannot be set: {shown(name)} is one of its models")
