"""From what the user typed to a Request: every option checked before anything is sent.

Both doors, the function and the magic, come through here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

from .dial import checked_prefer
from .errors import OptionError, PromptError, SecretInPromptError
from .interpolation import DATA_NOTE, check_prompt, has_data
from .records import Check, Message, Request
from .redaction import find_secret
from .schemas import as_json, as_schema
from .settings import Settings
from .values import checked_check, checked_usd, nearest, one_line, shown, simple

__all__ = ["FORMATS", "Asked", "for_model", "make_request"]

FORMATS = ("markdown", "text", "code", "json", "html")
ROLES = ("system", "user", "assistant")

KEY_WORDS = {"api_key", "key", "token", "authorization", "extra_headers"}

INSTRUCTIONS = {
    "code": "Answer with code only, in one fenced block that names its language.",
    "json": "Answer with one JSON value only: no prose, no code fence.",
    "html": "Answer with HTML source only: no prose around it.",
}
"""What a format adds to the system message; a format without a line here adds nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request, and what the reader should know about how it was read."""

    request: Request
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Options:
    model: str | None = "auto"
    tier: str | None = None
    system: str | None = None
    messages: Sequence[Mapping[str, Any]] | None = None
    schema: Any = None
    format: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    params: Mapping[str, Any] | None = None
    fallback: str | Sequence[str] = ()
    cache: bool = True
    refresh: bool = False
    timeout: float | None = None
    max_cost: Any = None
    check: Any = None
    tag: str | None = None
    prefer: Any = None
    frames: int = 0
    allow_secrets: bool = False


def make_request(prompt: str | None, settings: Settings, **given: Any) -> Asked:
    """The request for a prompt and the options of `ask`, with the settings' defaults filled in.

    Raises:
        OptionError: an option is wrong; the message shows the value and what is allowed.
        PromptError: the prompt cannot be sent as it is.
        SecretInPromptError: it holds a key, token or password.
    """
    try:
        return _made(simple(prompt), settings, _options(given))
    except (OptionError, PromptError) as error:
        error.args = (one_line(str(error)),)
        raise


def for_model(asked: Asked, name: Any) -> Asked:
    """The same request for another model.

    Raises:
        OptionError: that is no name.
    """
    return replace(asked, request=replace(asked.request, model=_model_name("model", name)))


def _options(given: Mapping[str, Any]) -> _Options:
    known = [field.name for field in fields(_Options)]
    for name in given:
        if name in KEY_WORDS:
            raise OptionError(f"{name} is no option: set the key in an environment variable")
        if name not in known:
            raise OptionError(f"no option {shown(name)}{nearest(name, known)}")
    options = _Options(**{name: simple(value) for name, value in given.items()})
    for name in ("cache", "refresh", "allow_secrets"):
        if not isinstance(value := getattr(options, name), bool):
            raise OptionError(f"{name} must be True or False, not {shown(value)}")
    if options.refresh and not options.cache:
        raise OptionError("refresh overwrites the cache and cache=False leaves it out: give one")
    return options


def _made(prompt: str | None, settings: Settings, options: _Options) -> Asked:
    asked_format = settings.format if options.format is None else options.format
    form = _choice("format", asked_format, FORMATS)
    messages, notes = _messages(prompt, options, settings)
    schema = (
        None if options.schema is None else as_schema(options.schema, settings.max_prompt_chars)
    )
    model = _model_name("model", options.model)
    if options.tier is not None and model != "auto":
        raise OptionError(
            f"give a model or a tier, not both: {shown(model)}, {shown(options.tier)}"
        )
    if schema is not None and options.format not in (None, "json"):
        raise OptionError(f"a schema asks for JSON: leave format={shown(options.format)} out")
    messages = _with_system(messages, form, schema)
    params, tag = _params(options, settings), _tag(options.tag)
    if not (options.allow_secrets or settings.allow_secrets):
        _refuse_secrets(messages, params, tag)
    request = Request(
        messages=messages,
        model=model,
        tier=None if options.tier is None else _model_name("tier", options.tier),
        params=params,
        schema=schema,
        format="json" if schema is not None else form,
        fallback=_names("fallback", options.fallback),
        cache=options.cache and settings.cache.enabled,
        refresh=options.refresh,
        timeout=_number("timeout", options.timeout, above=0.0, most=86_400.0, unit="seconds"),
        max_cost=_usd("max_cost", options.max_cost),
        check=_check(options.check),
        tag=tag,
        prefer=_prefer(options.prefer),
        frames=options.frames,
    )
    return Asked(request, notes)


def _messages(
    prompt: str | None, options: _Options, settings: Settings
) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    if (prompt is None) == (options.messages is None):
        raise PromptError("give either a prompt or messages=[…]")
    system = options.system if options.system is not None else settings.system
    chat = [{"role": "user", "content": prompt}] if options.messages is None else options.messages
    if isinstance(chat, str | bytes | Mapping) or not isinstance(chat, Sequence):
        raise PromptError(
            f'messages must be a list like [{{"role": "user", "content": "…"}}], not a '
            f"{type(chat).__name__}"
        )
    chat = _read("messages", list, chat)
    if not chat:
        raise PromptError("messages is empty: give at least one message of role user")
    made: list[Message] = []
    notes: list[str] = []
    for index, entry in enumerate(chat):
        content, said = _content(entry, index, options.messages is None, settings)
        made.append(content)
        notes += said
    if made[-1].role == "system":
        raise PromptError("messages end with a system message: the last one must ask something")
    if system is not None:
        if not isinstance(system, str):
            raise OptionError(f"system must be text, not {shown(system)}")
        if made[0].role == "system" and options.system is not None:
            raise OptionError("system is given twice: as system= and in messages[0]")
        if system.strip() and made[0].role != "system":
            cleaned, said = check_prompt(system, settings.max_prompt_chars, asks=False)
            made.insert(0, Message("system", cleaned))
            notes += said
    total = sum(len(m.content) for m in made)
    if total > settings.max_prompt_chars:
        raise PromptError(
            f"the messages have {total:,} characters together, over max_prompt_chars = "
            f"{settings.max_prompt_chars:,}: shorten them or raise it with %ai config"
        )
    return tuple(made), tuple(notes)


def _content(
    entry: Any, index: int, plain: bool, settings: Settings
) -> tuple[Message, tuple[str, ...]]:
    where = "the prompt" if plain else f"messages[{index}]"
    if isinstance(entry, Message):
        entry = {"role": entry.role, "content": entry.content}
    if not isinstance(entry, Mapping):
        raise PromptError(f'{where} must be a dict with "role" and "content", not {shown(entry)}')
    entry = _read(where, dict, entry)
    if not {"role", "content"} <= entry.keys():
        raise PromptError(f'{where} must be a dict with "role" and "content"')
    role, content = simple(entry["role"]), simple(entry["content"])
    if not isinstance(role, str) or role not in ROLES:
        raise PromptError(f"{where} has the role {shown(role)}: use {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise PromptError(
            f"{where} must be text, not {type(content).__name__}: give str(…) or json.dumps(…)"
        )
    if role == "assistant" and not content.strip():
        return Message(role, content), ()
    asks = role == "user"
    cleaned, notes = check_prompt(content, settings.max_prompt_chars, asks=asks)
    return Message(role, cleaned), notes


def _read(what: str, kind: Callable[[Any], Any], value: Any) -> Any:
    """The value as a list or dict of its own; the code of a class that only looks like one runs."""
    try:
        return kind(value)
    except Exception as error:
        raise OptionError(
            f"{what} cannot be read: {type(error).__name__}; give a {kind.__name__}"
        ) from error


def _with_system(
    messages: tuple[Message, ...], form: str, schema: Mapping[str, Any] | None
) -> tuple[Message, ...]:
    """The messages with what the format and fenced data need said in the system message."""
    lines = (
        [INSTRUCTIONS["json" if schema is not None else form]]
        if (schema is not None or form in INSTRUCTIONS)
        else []
    )
    if any(has_data(m.content) for m in messages):
        lines.append(DATA_NOTE)
    if not lines:
        return messages
    if messages[0].role == "system":
        first = Message("system", "\n\n".join([messages[0].content, *lines]))
        return (first, *messages[1:])
    return (Message("system", "\n\n".join(lines)), *messages)


def _refuse_secrets(
    messages: Iterable[Message], params: Mapping[str, Any], tag: str | None
) -> None:
    named = [("the prompt", m.content) for m in messages]
    named += [("a parameter", json.dumps(params)), ("the tag", str(tag or ""))]
    environment = dict(os.environ)  # each look into os.environ itself decodes anew
    for where, text in named:
        found = find_secret(text, environment)
        if found:
            raise SecretInPromptError(
                f"{where} holds {found}; take it out, or pass --allow-secrets "
                "(allow_secrets=True) if it is meant to be sent"
            )


def _params(options: _Options, settings: Settings) -> dict[str, Any]:
    if options.params is not None and not isinstance(options.params, Mapping):
        raise OptionError(f"params must be a dict, not {type(options.params).__name__}")
    params = {} if options.params is None else _read("params", dict, options.params)
    params = {simple(name): simple(value) for name, value in params.items()}
    for name in params:
        if not isinstance(name, str) or not name.isidentifier() or len(name) > 100:
            raise OptionError(f"{shown(name)} is no parameter's name: use letters, digits and _")
        if name in KEY_WORDS:
            raise OptionError(f"{name} is no parameter: set the key in an environment variable")
        if name in {"model", "messages", "stream", "stream_options", "response_format", "n"}:
            raise OptionError(f"the parameter {name!r} is set by mmai_nb itself: leave it out")
    for name, value in (("temperature", options.temperature), ("max_tokens", options.max_tokens)):
        if value is not None and name in params:
            raise OptionError(f"{name} is given twice: as an option and as a parameter")
        default = getattr(settings, name)
        if value is not None or (name not in params and default is not None):
            params[name] = default if value is None else value
    if "temperature" in params:
        params["temperature"] = _number("temperature", params["temperature"], least=0.0, most=2.0)
    if "max_tokens" in params:
        params["max_tokens"] = _whole("max_tokens", params["max_tokens"], 1, 1_000_000)
    made: dict[str, Any] = as_json("params", params, settings.max_prompt_chars)
    return made


def _number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float,
    unit: str = "",
) -> float | None:
    """A finite number in its range, or None."""
    if value is None:
        return None
    low = f"above {above:g}, up to" if least is None else f"from {least:g} to"
    asks = f"{name} must be a number {low} {most:g} {unit}".rstrip()
    if type(value) is Decimal and value.is_finite():
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionError(f"{asks}, not {shown(value)}")
    fits = least <= value <= most if least is not None else (above or 0.0) < value <= most
    if not fits:  # NaN fits nowhere
        raise OptionError(f"{asks}, not {shown(value)}")
    return value


def _usd(name: str, value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        return checked_usd(value)
    except ValueError as error:
        raise OptionError(f"{name} {error}, not {shown(value)}") from None


def _prefer(value: Any) -> str | float | None:
    try:
        made = checked_prefer(value)
    except ValueError as error:
        raise OptionError(f"prefer = {shown(value)}: {error}") from None
    if made is None and value is not None:
        raise OptionError(
            f"prefer = {shown(value)} is no turn for one call: leave it out, or name a tier; "
            "%ai config prefer None sets the dial back for all"
        )
    return made


def _check(value: Any) -> Check | None:
    if value is None:
        return None
    try:
        return checked_check(value)
    except ValueError as error:
        raise OptionError(f"check {error}, not {shown(value)}") from None


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        asks = f"{name} must be a whole number from {least:,} to {most:,}"
        raise OptionError(f"{asks}, not {shown(value)}")
    return value


def _choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        near = nearest(value, allowed) if isinstance(value, str) else ""
        raise OptionError(f"{name} must be one of {', '.join(allowed)}, not {shown(value)}{near}")
    return value


def _model_name(what: str, value: Any) -> str:
    value = simple(value)
    kind, auto = ("tier", "") if what == "tier" else ("model", ' or "auto"')
    if not isinstance(value, str) or not value.strip():
        raise OptionError(
            f"{what} must be a {kind}'s name{auto}, not {shown(value)}; see %ai models"
        )
    if len(value) > 200 or any(c.isspace() or not c.isprintable() for c in value.strip()):
        raise OptionError(
            f"{what} {shown(value)} is no {kind}'s name (no spaces, at most 200 characters)"
        )
    return value.strip()


def _names(what: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, bytes) or not isinstance(names, Sequence):
        raise OptionError(f"{what} must be a list of models' names, not {shown(value)}")
    return tuple(_model_name(what, name) for name in _read(what, list, names))


def _tag(value: Any) -> str | None:
    if value is None:
        return None
    if (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > 200
        or not value.isprintable()
    ):
        raise OptionError(
            f"tag must be a text of 1 to 200 characters on one line, not {shown(value)}"
        )
    return value.strip()
