"""The subcommands of `%ai`: each takes the engine and its words, and gives what is shown.

A line is a subcommand only if the whole of it parses as one; anything else is a question.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .answer import format_usd
from .engine import Engine
from .errors import MmaiError, OptionError
from .markup import escape
from .options import make_request
from .pricing import context_window, list_price
from .records import Route
from .settings import explain_settings

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["TOPICS", "Page", "command_for", "near_command", "route_page"]

Command = Callable[[], Any]


_PRE_STYLE = "white-space: pre-wrap; font-family: var(--jp-code-font-family, monospace)"


class Page(str):
    """A text that a terminal prints and a notebook shows as it is, without quotes."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """IPython's `text/plain`, where its printer of str goes before the MIME bundle."""
        printer.text(str(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {
            "text/plain": str(self),
            "text/html": f'<pre style="{_PRE_STYLE}">{escape(str(self))}</pre>',
        }


TOPICS = {
    "models": "%ai models [WORD]: models with tier, price per million tokens, window, key.",
    "route": "%ai route TEXT: where TEXT would go, why, at what cost; sends nothing.",
    "costs": "%ai costs [N]: the last N attempts (default 20); ai.costs() has them all.",
    "stats": "%ai stats [model|tier|tag|day|…]: calls, cost, rates, latency, savings.",
    "cache": "%ai cache [clear|trim]: how many answers are kept and where; clear forgets them all.",
    "config": "%ai config [KEY [VALUE]]: the settings and their sources; or one; or change it.",
    "last": "%ai last: the last answer, a partial one included.",
    "help": "%ai help [TOPIC]: this page, or one line of it.",
    "version": "%ai version: the versions of mmai_nb and of what it stands on.",
}


def command_for(line: str, engine: Callable[[], Engine], cell_help: str) -> Command | None:
    """What the line asks for, or None when it is a question.

    Args:
        line: all that stands behind `%ai`.
        engine: gives the engine; called only by commands that need one.
        cell_help: the options of `%%ai`, for the help page.
    """
    head, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    words = rest.split()
    if head in ("help", "-h", "--help", "") and (rest in TOPICS or not rest):
        return lambda: _help(rest, cell_help)
    if head == "route" and rest:
        return lambda: _route(engine(), rest)
    if head == "config" and len(words) <= 1:
        return lambda: _config(engine(), *words)
    if head == "config" and _looks_like_key(words[0], engine):
        return lambda: _set(engine(), words[0], rest[len(words[0]) :].strip())
    if head in ("models", "list") and len(words) <= 1:
        return lambda: _models(engine(), *words)
    if head == "costs" and (not words or (len(words) == 1 and words[0].isdecimal())):
        return lambda: _costs(engine(), int(words[0]) if words else 20)
    if head == "stats" and len(words) <= 1:
        return lambda: engine().summary(*words)
    if head == "cache" and rest in ("", "clear", "trim"):
        return lambda: _cache(engine(), rest)
    if head == "last" and not rest:
        return lambda: _last(engine())
    if head == "version" and not rest:
        return _version
    return None


def near_command(line: str) -> str:
    """What to say of a line that looks like a command with a slip in it; "" for a question."""
    from difflib import get_close_matches

    words = line.split()
    if not words or len(words) > 2 or line.endswith("?"):
        return ""
    if words[0] in TOPICS:
        return TOPICS[words[0]]
    near = get_close_matches(words[0], TOPICS, n=1, cutoff=0.75)
    return f"no command {words[0][:40]!r}; did you mean %ai {near[0]}?" if near else ""


def route_page(route: Route) -> Page:
    """A route as lines: tier, score and reasons, then each candidate with its estimate."""
    lines = [f"tier       {route.tier or '–'}"]
    if route.complexity is not None:
        why = ", ".join(route.complexity.reasons) or "nothing stands out"
        lines.append(f"complexity {route.complexity.score:.2f}, of 0 to 1: {why}")
    more = route.reasons if route.complexity is None else route.reasons[1:]
    lines += [f"why        {reason}" for reason in more]
    lines.append("chain      tried in this order; nothing was sent")
    wide = max((len(e.model) for e in route.estimates), default=0)
    for place, e in enumerate(route.estimates, 1):
        cost = "price unknown" if e.cost_usd is None else f"~{format_usd(e.cost_usd)}"
        tokens = f"~{e.input_tokens:,} in + ~{e.output_tokens:,} out"
        lines.append(f"  {place}. {e.model:<{wide}}  {tokens}  {cost}")
    lines += [f"left out   {name}: {reason}" for name, reason in route.skipped]
    return Page("\n".join(lines))


def _help(topic: str, cell_help: str) -> Page:
    if topic:
        return Page(TOPICS[topic])
    commands = "\n".join(f"  {line}" for line in TOPICS.values())
    return Page(
        f"{cell_help.rstrip()}\n\n%ai a question on one line   asks it (%ai -- TEXT always asks)\n"
        f"{commands}"
    )


def _route(engine: Engine, text: str) -> Page:
    return route_page(engine.route(make_request(text, engine.settings).request))


def _models(engine: Engine, word: str = "") -> DataFrame:
    import pandas as pd

    settings = engine.settings_for_display
    rows = []
    for spec in settings.models.values():
        if word.lower() not in f"{spec.name} {spec.provider} {spec.model}".lower():
            continue
        price = list_price(spec)
        rows.append(
            {
                "model": spec.name,
                "provider": spec.provider,
                "tiers": ", ".join(t.name for t in settings.tiers if spec.name in t.chain),
                "input_price": _float(price.input_usd),
                "output_price": _float(price.output_usd),
                "window": context_window(spec),
                "key": engine.key_state(spec),
                "price_source": " ".join(filter(None, (price.source, price.date))),
            }
        )
    if word and not rows:
        raise OptionError(f"no model matches {word[:40]!r}; %ai models shows them all")
    frame = pd.DataFrame(rows).set_index("model") if rows else pd.DataFrame()
    if rows:
        frame["window"] = frame["window"].astype("Int64")
    return frame


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _costs(engine: Engine, rows: int) -> DataFrame:
    """The ledger's newest rows, in the columns that fit a screen; ai.costs() has them all."""
    frame = engine.costs(limit=rows)
    local = frame["ts"].dt.tz_convert(datetime.now().astimezone().tzinfo)
    frame["time"] = local.dt.strftime("%m-%d %H:%M")
    tokens = frame["input_tokens"].astype("string") + "→" + frame["output_tokens"].astype("string")
    frame["tokens"] = tokens.fillna("–")
    return frame[["time", "request_model", "tokens", "cost_usd", "cache_hit", "status"]]


def _cache(engine: Engine, what: str) -> Page:
    if what:
        gone = engine.cache.clear() if what == "clear" else engine.cache.trim()
        return Page(f"{gone:,} kept answers removed")
    entries, size = engine.cache.size()
    folder = engine.cache.folder or "nowhere: the cache is off"
    amount = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"
    return Page(f"{entries:,} answers, {amount}, kept in {folder}")


def _config(engine: Engine, key: str = "") -> Any:
    import pandas as pd

    known = _effective(engine)
    if not key:
        rows = [(name, _shown(value), source) for name, (value, source) in known.items()]
        return pd.DataFrame(rows, columns=["setting", "value", "source"]).set_index("setting")
    if key not in known:
        near = _nearest(key, known)
        raise OptionError(f"no setting {key[:60]!r}{near}; %ai config shows them all")
    value, source = known[key]
    return Page(f"{key} = {value}   ({source})")


def _effective(engine: Engine) -> dict[str, tuple[Any, str]]:
    """Every setting with its source; folders that were not set as they come out."""
    known = explain_settings(engine.settings)
    places = {
        "ledger_path": engine.settings.ledger_file,
        "cache.folder": engine.settings.cache.directory,
    }
    for name, place in places.items():
        if known[name][0] is None:
            known[name] = (place, known[name][1])
    return known


def _set(engine: Engine, key: str, value: str) -> Page:
    engine.configure({key: _parsed(value)})
    now, source = explain_settings(engine.settings).get(key, (None, "taken out"))
    return Page(f"{key} = {_shown(now)}   ({source})")


def _looks_like_key(word: str, engine: Callable[[], Engine]) -> bool:
    """Whether a word after `config` is a setting, or nearly one: `%ai config maps in k8s` asks."""
    known = explain_settings(engine().settings)
    return word in known or "." in word or "_" in word or bool(_nearest(word, known))


def _nearest(word: str, known: Any) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return {"None": None, "True": True, "False": False}.get(value, value)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _last(engine: Engine) -> Any:
    answer = engine.last()
    if answer is None:
        raise MmaiError("there is no answer yet: run a %%ai cell first")
    return answer


def _version() -> Page:
    names = ("mmai_nb", "openai", "joblib", "pandas", "ipython", "genai-prices")
    return Page("\n".join(f"{name} {version(name)}" for name in names))
