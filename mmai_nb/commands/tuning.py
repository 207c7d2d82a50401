"""Which models there are, and the settings in force."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from ..dial import turn_said
from ..engine import Engine
from ..errors import OptionError
from ..pricing import context_window, list_price
from ..saving import Where, not_for, save_settings
from ..settings import Settings, explain_settings, is_offline
from ..sources import short_path
from ..specs import kind_at
from ..values import nearest, shown, similar
from .dialing import TURNS, dial_page
from .naming import refuse_stranger
from .page import Command, Page
from .prices import price_change, price_page
from .registry import EngineGetter, Subcommand
from .tiering import DEMO_TIERS, refuse_check, refuse_demo_tiers, tiers_page

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["COMMANDS"]


def _models(rest: str, engine: EngineGetter) -> Command | None:
    words = rest.split()
    return (lambda: _models_frame(engine(), *words)) if len(words) <= 1 else None


def _models_frame(engine: Engine, word: str = "") -> DataFrame:
    from .table import Table

    engine.look(fresh=True)
    settings = engine.settings_for_display
    rows = []
    for spec in settings.models.values():
        if word.lower() not in f"{spec.name} {spec.provider} {spec.model}".lower():
            continue
        price = list_price(spec)
        rows.append(
            {
                "model": spec.name,
                "tiers": ", ".join(t.name for t in settings.tiers if spec.name in t.chain),
                "input_price": _float(price.input_usd),
                "output_price": _float(price.output_usd),
                "window": context_window(spec),
                "price_source": price.said,
                "key": engine.key_state(spec),
            }
        )
    if word and not rows:
        hint = nearest(word, settings.names()) or "; %ai models shows them all"
        raise OptionError(f"no model matches {shown(word)}{hint}")
    table = Table(rows, columns=_COLUMNS).set_index("model")
    table["window"] = table["window"].astype("Int64")
    kinds = {"input_price": "usd", "output_price": "usd", "window": "count"}
    return Table.of(table, below=_also(engine), **kinds)


CHECK_WORDS = ("true", "false", "on", "off", "agree")
_COLUMNS = ("model", "tiers", "input_price", "output_price", "window", "price_source", "key")


def _also(engine: Engine) -> list[str]:
    """What could be asked besides, and how."""
    found = engine.finder.known
    lines = [f"{o.where} could answer too; to use it, run\n  {o.line}" for o in found.offers]
    return lines + [f"{at} is another user's server, and not asked" for at in found.strangers]


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _config(rest: str, engine: EngineGetter) -> Command | None:
    words = rest.split()
    if words[:1] == ["save"] and words[1:] in ([], ["user"], ["project"]):
        return lambda: _save(engine(), "project" if words[1:] == ["project"] else "user")
    if len(words) <= 1:
        return lambda: _explained(engine(), *words)
    if _looks_like_key(words, engine):
        return lambda: _set(engine(), words[0], rest[len(words[0]) :].strip())
    return None


def _explained(engine: Engine, key: str = "") -> Any:
    known = _effective(engine)
    if not key:
        from .table import Table

        rows = [(name, _shown(value), source) for name, (value, source) in known.items()]
        table = Table(rows, columns=["setting", "value", "source"])
        return Table.of(table.set_index("setting"))
    if page := price_page(engine, key) or dial_page(engine, key) or tiers_page(engine, key):
        return page
    refuse_check(engine, key)
    known |= _of_the_demo(engine)
    if key not in known:
        refuse_stranger(engine, key)
        raise OptionError(
            f"no setting {shown(key)}{nearest(key, known)}; %ai config shows them all"
        )
    value, source = known[key]
    return Page(f"{key} = {value}   ({source})")


def _save(engine: Engine, where: Where) -> Page:
    refuse_demo_tiers(engine)
    path = save_settings(engine.settings, where)
    said = f"what was changed is in {short_path(path)} now"
    if left := not_for(engine.settings, where):
        names = ", ".join(left)
        said += f", but not {names}: a project's file may not set that; %ai config save keeps it"
    if engine.demo_tiers is not None and not engine.settings.models:
        said += "; the demo's tiers are not, they cannot be saved"
    return Page(said)


def _effective(engine: Engine) -> dict[str, tuple[Any, str]]:
    """Every setting with its source, as it comes out: folders that were not set, a late switch."""
    known = explain_settings(engine.settings)
    places = {
        "ledger_path": engine.settings.ledger_file,
        "cache.folder": engine.settings.cache.directory,
    }
    for name, place in places.items():
        if known[name][0] is None:
            known[name] = (place, known[name][1])
    prefer, source = known["prefer"]
    if prefer is not None:
        known["prefer"] = (turn_said(prefer), source)
    if is_offline(engine.settings) and not known["offline"][0]:
        known["offline"] = (True, "MMAI_OFFLINE")
    return known


def _of_the_demo(engine: Engine) -> dict[str, tuple[Any, str]]:
    """The tiers that answer where nothing is configured; they are none of the user's settings."""
    if engine.settings.models:
        return {}
    known = explain_settings(engine.settings_for_display)
    tiers = {name: value for name, (value, _) in known.items() if name.startswith("tiers.")}
    return {name: (value, DEMO_TIERS) for name, value in tiers.items()}


def _set(engine: Engine, key: str, value: str) -> Page:
    refuse_check(engine, key)
    if not isinstance(_parsed(value), dict):
        refuse_stranger(engine, key)
    changes = price_change(key, value)
    engine.configure({key: _parsed(value)} if changes is None else changes)
    if changes is not None:
        return price_page(engine, key) or Page(f"{key} is taken out")
    if page := dial_page(engine, key) or tiers_page(engine, key):
        return page
    known = explain_settings(engine.settings) | _of_the_demo(engine)
    now, source = known.get(key, (None, "taken out"))
    return Page(f"{key} = {_shown(now)}   ({source})")


def _looks_like_key(words: Sequence[str], engine: EngineGetter) -> bool:
    """Whether a word after `config` is a setting, or nearly one: `%ai config maps in k8s` asks."""
    known = explain_settings(engine().settings)
    word = words[0]
    near = similar(word, (key for key in known if "." not in key), least=0.6)
    if word in known or "." in word or "_" in word or near:
        return True
    if word == "check":
        return len(words) == 2 and words[1].lower() in CHECK_WORDS
    is_table = any(key.startswith(f"{word}.") for key in known)
    return len(words) == 2 and (is_table or not isinstance(_parsed(words[1]), str))


def _model_words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    settings = engine().settings_for_display
    names = [word for spec in settings.models.values() for word in (spec.provider, spec.name)]
    return () if before else dict.fromkeys(names)


def _config_words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    settings = engine().settings
    if not before:
        prices = (f"models.{name}.price" for name in settings.models)
        return ("save", "tiers", *explain_settings(settings), *prices)
    if before == ["save"]:
        return ("user", "project")
    return _values_of(before[0], settings) if len(before) == 1 else ()


def _values_of(key: str, settings: Settings) -> Iterable[str]:
    """The values a setting may have, where they can be counted."""
    table, _, rest = key.partition(".")
    name, _, field = rest.rpartition(".")
    path = (table, name, field) if name else tuple(key.split(".", 1))
    if table in ("default_model", "aliases"):
        tiers = () if rest else ("auto", *(tier.name for tier in settings.tiers))
        return (*tiers, *settings.models)
    if key == "prefer":
        return TURNS
    kind = kind_at(path)
    if kind is bool:
        return ("true", "false")
    if path[-1] == "check":
        return ("true", "false", "agree")
    return get_args(kind) if get_origin(kind) is Literal else ()


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return {"None": None, "True": True, "False": False}.get(value, value)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


COMMANDS = (
    Subcommand(
        "models",
        "%ai models [WORD]: models with tier, price per million tokens, window, key.",
        _models,
        names=("list",),
        complete=_model_words,
        help="""\
With a WORD only those whose name, provider or id holds it. Prices are US dollars per million
tokens, the window is in tokens; `key` tells whether the key's variable is set, `tiers` where a
model is tried when no model is named.

    %ai models

    %ai models demo

Models of Ollama and LM Studio on this machine are found, and answer where there is no key; any of
them can be named, as in "%%ai ollama/qwen3:8b". A llama.cpp or vLLM that runs at its usual port is
shown below the table with the line that puts it to use. Any other OpenAI-compatible server, in
config.toml or with ai.configure(models={…}):

    [models.mine]
    base_url = "http://127.0.0.1:11434/v1"
    model = "qwen3:8b"
    input_price = 0
    output_price = 0""",
    ),
    Subcommand(
        "config",
        "%ai config [KEY [VALUE] | save]: the settings; or one; or change it; or keep changes.",
        _config,
        complete=_config_words,
        help="""\
    %ai config

    %ai config temperature

    %ai config temperature 0.5

    %ai config temperature None

    %ai config prefer cheap

    %ai config prefer

prefer is the cost dial: %ai help tiers; %ai config tiers shows the tiers in force. None sets one
back. A wrong value is an error, and changes nothing. A change lasts as long as the session. `%ai
config save` keeps what was changed in config.toml (~/.config/mmai_nb on Linux; MMAI_CONFIG names
another file), `%ai config save project` in the project's mmai_nb.toml, but for what a project may
not set, which it names. A variable such as MMAI_TEMPERATURE does it too. The file looks like this:

    temperature = 0.5
    format = "text"

    [cache]
    max_age = 30

The same from Python is ai.configure(temperature=0.5); some settings can also be set in IPython's
own way, which %config MmaiMagics lists.""",
    ),
)
