"""Kept answers in a file, to be taken along: exported by key, imported without trust.

The file is JSON lines in ASCII, compressed by gzip where its name ends in .gz. A header, then one
line for each answer:

    {"mmai_nb": "answers", "version": 1, "count": 2}
    {"key": "64 hex digits", "question": "64 hex digits", "answer": {"text": "…", "model": "…", …}}

`question` is the hash of the request without its model, `key` a hash of the question, the
endpoint's address and the model's id, so a key that belongs to another model's answer is found out.
`answer` is what `records.Completion.as_json` gives. No prompt, no key of an API, no call id, and no
path of ours is in it; the endpoints' addresses are, as they are part of the keys.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn, TypeGuard

from .caching import AnswerCache
from .errors import OptionError
from .files.private import write_private
from .keeping import entry_of, key_of, may_be_kept, read_entry
from .offline import DEMO_URL
from .providers import checked_url
from .questions import is_key
from .records import NANO, Completion, Usage
from .redaction import find_secret
from .values import checked_name, one_line, shown

__all__ = ["Exported", "Imported", "export_answers", "import_answers"]

VERSION = 1
MOST_BYTES = 256 * 2**20
"""Of a file, after it is unpacked."""
LINE_BYTES = 32 * 2**20
"""Of one answer."""
MOST_ANSWERS = 100_000

_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_MOST_TOKENS, _MOST_USD, _MOST_SECONDS = 10**9, 10_000, 10**6


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into a file.

    Attributes:
        path: the file.
        count: answers in it.
        gone: keys whose answers are not kept any more.
        secret: answers left out, since a key, token or password stands in them.
    """

    path: Path
    count: int
    gone: int = 0
    secret: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What came out of a file.

    Attributes:
        path: the file.
        came: answers that are new here, or replace others.
        known: answers that were here already, and stayed.
        refused: how many were refused, by reason.
    """

    path: Path
    came: int
    known: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


# -- out


def export_answers(
    cache: AnswerCache, keys: Iterable[str], path: Path, *, force: bool = False
) -> Exported:
    """Write the answers of these keys to a file of mode 0600, all or nothing.

    Args:
        cache: where they are.
        keys: of the answers.
        path: of the file; compressed if it ends in .gz.
        force: overwrite a file that is there.

    Raises:
        OptionError: there is no answer to write, too many, a file in the way, or no way to write.
    """
    path = path.expanduser()
    if os.path.lexists(path) and not (force and path.is_file()):
        hint = "or --force (force=True) overwrites it" if path.is_file() else "it is no file"
        raise OptionError(f"{shown(path)} is there already: take another name, {hint}")
    lines, gone, secret = list[str](), 0, 0
    for key in keys:
        line = _line(cache.look(key))
        if line is None:
            gone += 1
        elif any(find_secret(text, os.environ) for text in _texts(json.loads(line))):
            secret += 1
        else:
            lines.append(line)
    if not lines:
        left = f", {secret} left out for the secrets in them" if secret else ""
        raise OptionError(f"there is no kept answer to export ({gone} not kept any more{left})")
    header = {"mmai_nb": "answers", "version": VERSION, "count": len(lines)}
    text = "\n".join([json.dumps(header), *lines, ""])
    if len(lines) > MOST_ANSWERS or len(text) > MOST_BYTES:
        raise OptionError(
            f"{len(lines):,} answers, {len(text) / 1e6:,.0f} MB, are too many for one file "
            f"({MOST_ANSWERS:,}, {MOST_BYTES / 1e6:,.0f} MB): export by notebook"
        )
    data = text.encode("ascii")
    try:
        write_private(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    except OSError as error:
        raise OptionError(f"{shown(path)} cannot be written: {error.strerror}") from error
    return Exported(path, len(lines), gone, secret)


def _line(value: Mapping[str, Any] | None) -> str | None:
    """An answer as a line of the file; None where it is not kept, or not in this version's way."""
    completion = read_entry(value)
    question = None if value is None else value.get("question")
    if completion is None or not isinstance(question, str):
        return None
    completion = _portable(completion)
    key = key_of(question, completion.endpoint, completion.request_model)
    record = {"key": key, "question": question, "answer": completion.as_json()}
    return json.dumps(record, separators=(",", ":"), allow_nan=False)


def _portable(completion: Completion) -> Completion:
    """The completion without paths of this machine, which local servers take for models' names."""
    return replace(
        completion,
        model=_last_part(completion.model),
        request_model=_last_part(completion.request_model),
        response_model=_last_part(completion.response_model),
        notes=tuple(note for note in completion.notes if note != "imported"),
    )


def _last_part(name: str) -> str:
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(name).is_absolute() or name.startswith("~"):
            return kind(name).name or name
    return name


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        yield from (text for one in data.values() for text in _texts(one))
    elif isinstance(data, list):
        yield from (text for one in data for text in _texts(one))


# -- in


def import_answers(cache: AnswerCache, path: Path, *, replace: bool = False) -> Imported:
    """Put the answers of a file into the cache, once all of it was looked through.

    Args:
        cache: where they go.
        path: of the file.
        replace: whether they replace answers that are here already.

    Raises:
        OptionError: the file cannot be read, is none of ours, damaged or too large, or the cache is
            off; nothing was imported.
    """
    if not cache.keeps:
        raise OptionError("the cache is off, so nothing can be imported: set cache.enabled = true")
    path = path.expanduser()
    answers, refused = _read(path, cache.max_age)
    came = known = 0
    for question, completion in answers:
        value = {**entry_of(completion, question), "imported": True}
        key = value["key"]
        if cache.fetch(key, _in_hand(value), refresh=replace).how != "paid":
            known += 1
        elif cache.look(key) is None:
            refused["could not be written"] += 1
            continue
        else:
            came += 1
        if not completion.simulated:
            cache.note(question, key, latest=replace)
    return Imported(path, came, known, dict(refused))


def _in_hand(value: dict[str, Any]) -> Callable[[object], dict[str, Any]]:
    """Pays for an answer with one that is there."""
    return lambda _: value


def _read(path: Path, max_age: float | None) -> tuple[list[tuple[str, Completion]], Counter[str]]:
    """The answers that may come in, each with its question; and how many may not, by reason."""
    found: dict[str, tuple[str, Completion]] = {}
    refused = Counter[str]()
    lines = _objects(path)
    count = _count(next(lines, None), path)
    seen = 0
    for seen, record in enumerate(lines, 1):
        if seen > min(count, MOST_ANSWERS):
            _refuse(path, f"it holds more than {min(count, MOST_ANSWERS):,} answers")
        try:
            key, question, completion = _checked(record)
            _check_age(completion, max_age)
            if key in found:
                raise ValueError("twice in the file")
        except ValueError as error:
            refused[str(error)] += 1
        else:
            found[key] = question, completion
    if seen < count:
        _refuse(path, f"it ends early, after {seen:,} of {count:,} answers")
    return list(found.values()), refused


def _count(header: Any, path: Path) -> int:
    """How many answers the file says it has."""
    if not (isinstance(header, dict) and header.get("mmai_nb") == "answers"):
        _refuse(path, "it is no export of %ai cache")
    version, count = header.get("version"), header.get("count")
    if not (_is_whole(version, 1, 10**6) and _is_whole(count, 0, MOST_ANSWERS)):
        _refuse(path, "its first line is damaged")
    if version != VERSION:
        _refuse(path, "a newer version of mmai_nb has written it: upgrade")
    return count


def _objects(path: Path) -> Iterator[Any]:
    """The lines of a file as the JSON they hold."""
    for number, line in enumerate(io.BytesIO(_content(path)), 1):
        if len(line) > LINE_BYTES:
            _refuse(path, f"line {number} is too large")
        try:
            yield json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError):
            _refuse(path, f"line {number} is no JSON")


def _content(path: Path) -> bytes:
    """The file's bytes, unpacked; never a pipe or a device, which might not end."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                _refuse(path, "it is no file")
            data = file.read(MOST_BYTES + 1)
        if data.startswith(b"\x1f\x8b"):
            unpacker = zlib.decompressobj(wbits=31)
            data = unpacker.decompress(data, MOST_BYTES + 1)
            if not unpacker.eof and len(data) <= MOST_BYTES:
                _refuse(path, "it ends early")
    except OSError as error:
        _refuse(path, error.strerror or "it cannot be read")
    except zlib.error:
        _refuse(path, "it is damaged")
    if len(data) > MOST_BYTES:
        _refuse(path, f"it holds more than {MOST_BYTES / 1e6:,.0f} MB")
    return data


def _checked(record: Any) -> tuple[str, str, Completion]:
    """Key, question and completion of a line.

    Raises:
        ValueError: why it may not come in, in words.
    """
    if not (isinstance(record, dict) and set(record) == {"key", "question", "answer"}):
        raise ValueError("malformed")
    key, question = record["key"], record["question"]
    if not (is_key(key) and is_key(question)):
        raise ValueError("malformed")
    try:
        completion = Completion.from_json(record["answer"])
        _check_shape(completion, record["answer"])
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        raise ValueError("malformed") from None
    if key != key_of(question, completion.endpoint, completion.request_model):
        raise ValueError("of a key that is not its own")
    if not may_be_kept(completion, None):
        raise ValueError("not whole")
    return key, question, completion


def _check_shape(completion: Completion, answer: Mapping[str, Any]) -> None:
    """Nothing, if each value is one that an answer of ours can have; else a ValueError."""
    names = (completion.model, completion.request_model, completion.provider or "none")
    for name in names:
        checked_name(name)
    texts = (completion.response_model, completion.finish_reason or "", completion.cost.source)
    notes = answer.get("notes", [])
    usage, cost = completion.usage, completion.cost.nano
    seconds = (completion.duration_s, completion.first_token_s or 0.0)
    reported = usage.reported_cost_usd
    fits = (
        checked_url(completion.endpoint) == completion.endpoint
        and completion.simulated == (completion.endpoint == DEMO_URL)
        and all(len(text) <= 1_000 for text in texts)
        and isinstance(notes, list)
        and len(notes) <= 50
        and all(isinstance(note, str) and len(note) <= 1_000 for note in notes)
        and all(_is_whole(n, 0, _MOST_TOKENS) for n in _counts(usage))
        and (cost is None or _is_whole(cost, 0, _MOST_USD * NANO))
        and (reported is None or 0 <= reported <= _MOST_USD)
        and all(0 <= n <= _MOST_SECONDS for n in seconds)
    )
    if not fits:
        raise ValueError("values out of range")


def _counts(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )


def _check_age(completion: Completion, max_age: float | None) -> None:
    now = time.time()
    if not 0 < completion.created < now + 86_400:
        raise ValueError("of a time that cannot be")
    if max_age is not None and now - completion.created > max_age * 86_400:
        raise ValueError(f"older than cache.max_age = {max_age:g} days")


def _is_whole(value: Any, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _refuse(path: Path, why: str) -> NoReturn:
    raise OptionError(one_line(f"{shown(path)} is not imported: {why}; nothing has changed"))
