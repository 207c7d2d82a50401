"""The kept answers as a whole: shown in figures, taken along, brought in, thrown out."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .answer import Answer
from .caching import AnswerCache, Entry
from .errors import MmaiError, OptionError
from .resources import Resources
from .transfer import Exported, Imported, export_answers, import_answers
from .values import nearest, one_line, shown, simple

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "MOST_READ",
    "Kept",
    "Use",
    "clear_kept",
    "export_kept",
    "forget_answer",
    "import_kept",
    "kept_models",
    "look_over",
]

MOST_READ = 20_000
"""Answers that are opened to tell whose they are; beyond it only the latest used ones are."""

PERIODS = {"today": "today", "30 days": "30d", "ever": None}


@dataclass(frozen=True, slots=True)
class Use:
    """What the cache was used for: calls, the share of answers that it gave, USD that it saved.

    `rate` is None where nothing was answered, `saved_usd` where nobody knows the prices.
    """

    calls: int
    rate: float | None
    saved_usd: float | None
    simulated: bool
    model: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """The cache in figures.

    Attributes:
        folder: where the answers are; None where none are kept.
        count, size: answers, and their bytes.
        most: bytes that the daily trim leaves; None: all.
        max_age: days after which an answer counts as missing; None: never.
        oldest, newest: when an answer was made, in seconds since the epoch; None without any.
        models: answers and their bytes by the model's id, the latest used `MOST_READ` of them.
        by_model: what each model's answers were used for, ever.
        by_period: the same for all models, "today" (local time), in "30 days" and "ever".
    """

    folder: Path | None
    count: int
    size: int
    most: int | None
    max_age: float | None
    oldest: float | None = None
    newest: float | None = None
    models: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    by_model: Sequence[Use] = ()
    by_period: Mapping[str, Sequence[Use]] = field(default_factory=dict)


def look_over(engine: Resources) -> Kept:
    """The cache in figures, and what it saved."""
    cache = engine.cache
    files = cache.files()
    count, size = Counter[str](), Counter[str]()
    for entry in cache.entries(MOST_READ):
        name = _model(entry)
        count[name] += 1
        size[name] += entry.size
    return Kept(
        cache.folder if cache.keeps else None,
        len(files),
        sum(item.size for item in files),
        cache.max_bytes,
        cache.max_age,
        min((item.made for item in files), default=None),
        max((item.made for item in files), default=None),
        {name: (n, size[name]) for name, n in count.most_common()},
        _uses(engine.ledger.summary("model")),
        {name: _uses(engine.ledger.summary(None, since)) for name, since in PERIODS.items()},
    )


def _uses(summed: DataFrame) -> list[Use]:
    names = summed["model"].fillna("") if "model" in summed else [""] * len(summed)
    columns = ("calls", "cache_hit_rate", "saved_by_cache_usd", "simulated")
    return [
        Use(int(calls), _known(rate), _known(saved), bool(simulated), model)
        for calls, rate, saved, simulated, model in zip(
            *(summed[column] for column in columns), names, strict=True
        )
    ]


def _known(number: float) -> float | None:
    return None if math.isnan(number) else float(number)


def _model(entry: Entry) -> str:
    return str(entry.value.get("request_model") or "unknown")


def kept_models(cache: AnswerCache) -> list[str]:
    """The models of which answers are kept, by our names and by the ids that were sent."""
    names = {str(e.value.get(n)) for e in cache.entries(MOST_READ) for n in _NAMES if n in e.value}
    return sorted(names)


_NAMES = ("model", "request_model")


def clear_kept(
    cache: AnswerCache, *, model: str | None = None, older_than: float | None = None
) -> int:
    """Remove all answers, or those of a model, or older ones; how many.

    Args:
        cache: where they are.
        model: our name of it, or the id that was sent.
        older_than: seconds since the answer was made.

    Raises:
        OptionError: no answer of such a model is kept.
    """
    if model is None and older_than is None:
        return cache.clear()
    if model is not None and model not in (known := kept_models(cache)):
        raise OptionError(one_line(f"no answer of {shown(model)} is kept{nearest(model, known)}"))
    oldest = None if older_than is None else time.time() - older_than

    def goes(entry: Entry) -> bool:
        named = model is None or model in (entry.value.get(name) for name in _NAMES)
        return named and (oldest is None or entry.made < oldest)

    return cache.remove(goes)


def forget_answer(cache: AnswerCache, answer: Answer | None) -> None:
    """Remove one answer, so that the next time the model is asked anew.

    Raises:
        MmaiError: there is none, it is not kept, or it cannot be removed.
    """
    if answer is None:
        raise MmaiError("there is no answer yet: run a %%ai cell first")
    if not isinstance(answer, Answer):
        raise OptionError(f"forget takes an answer, not {shown(answer)}: the last is ai.last()")
    key = answer.row.cache_key if answer.row else None
    if key is None or cache.look(key) is None:
        raise MmaiError("the last answer is not in the cache, so the model is asked anew anyway")
    if not cache.forget(key):
        raise MmaiError(f"the answer cannot be removed: may {cache.folder} be written to?")


def export_kept(
    engine: Resources,
    path: str | os.PathLike[str],
    *,
    notebook: str | None = None,
    everything: bool = False,
    force: bool = False,
) -> Exported:
    """Write kept answers to a file: this notebook's, another one's, or all.

    Where the front end does not tell the notebook, they are those of this session.

    Args:
        engine: whose answers.
        path: the file; compressed if it ends in .gz.
        notebook: another notebook's path, or its end.
        everything: all that are kept.
        force: overwrite a file that is there.

    Raises:
        OptionError: there is nothing to write, no such notebook, or no way to write.
    """
    if everything and notebook is not None:
        raise OptionError("--notebook and --all exclude each other: give one")
    keys: Iterator[str] | list[str]
    if everything:
        keys = (str(entry.value.get("key", "")) for entry in engine.cache.entries())
    elif notebook is not None:
        keys = engine.ledger.keys_used(notebook=_notebook(engine, notebook))
    else:
        keys = engine.ledger.keys_used(notebook=engine.notebook(), session=engine.session)
    return export_answers(engine.cache, keys, _path(path), force=force)


def _path(path: str | os.PathLike[str]) -> Path:
    """The path of a file.

    Raises:
        OptionError: it is none, or the system can have no such file.
    """
    path = simple(path)
    if not isinstance(path, str | Path) or not str(path).isprintable() or not str(path):
        raise OptionError(f"the path of a file is needed, not {shown(path)}")
    return Path(path)


def _notebook(engine: Resources, asked: str) -> str:
    """The notebook as the ledger knows it, by its path or the path's end."""
    asked = str(_path(asked))
    known = engine.ledger.choices()["notebook"]
    whole = os.path.abspath(os.path.expanduser(asked))
    found = [name for name in known if name in (asked, whole)] or [
        name for name in known if name.replace("\\", "/").endswith("/" + asked.lstrip("/."))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        several = " or ".join(shown(name) for name in found[:2])
        raise OptionError(one_line(f"{shown(asked)} may be {several}: give more of its path"))
    ends = [Path(name).name for name in known]
    raise OptionError(
        one_line(f"no answer was given in a notebook {shown(asked)}{nearest(asked, ends)}")
    )


def import_kept(
    engine: Resources, path: str | os.PathLike[str], *, replace: bool = False
) -> Imported:
    """Put the answers of an exported file into the cache; see `transfer.import_answers`."""
    return import_answers(engine.cache, _path(path), replace=replace)
