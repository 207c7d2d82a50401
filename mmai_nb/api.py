"""The functions of `import mmai_nb as ai`, over the default engine.

Everything the magic can do, a function here can do; none needs IPython.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, Unpack

from .answer import Answer
from .calibrating import Report
from .calibrating import act as calibrate_by
from .cancel import Stopped, stops_with
from .checkup import Checkup, examine
from .comparison import Comparison
from .engine import default_engine
from .errors import OptionError
from .feedback import Voted
from .feedback import escalate as ask_higher
from .feedback import retry as ask_once_more
from .feedback import vote as give_vote
from .options import make_request
from .planning import Plan
from .pricing import PriceUpdate
from .reading import MOST_ROWS
from .records import Alert, Check, Message, OnText
from .selection import Filters, Moment, Names
from .settings import Settings
from .shelf import export_kept, forget_answer, import_kept
from .transfer import Exported, Imported

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "aask",
    "ask",
    "astream",
    "budget",
    "calibrate",
    "compare",
    "configure",
    "costs",
    "doctor",
    "escalate",
    "export_answers",
    "export_costs",
    "forget",
    "history",
    "import_answers",
    "last",
    "on_alert",
    "plan",
    "retry",
    "summary",
    "update_prices",
    "vote",
    "win_rates",
]


def ask(
    prompt: str | None = None,
    *,
    model: str = "auto",
    tier: str | None = None,
    system: str | None = None,
    messages: Sequence[Mapping[str, Any] | Message] | None = None,
    schema: Any = None,
    format: str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    params: Mapping[str, Any] | None = None,
    fallback: str | Sequence[str] = (),
    cache: bool = True,
    refresh: bool = False,
    timeout: float | None = None,
    max_cost: float | str | None = None,
    check: Check | None = None,
    on_text: OnText | None = None,
    tag: str | None = None,
    prefer: str | float | None = None,
    allow_secrets: bool = False,
    **others: Never,
) -> Answer:
    """The answer to a prompt: routed, from the cache if it is there, priced and recorded.

    Args:
        prompt: what is asked; or give `messages`.
        model: a name of the settings, a tier's name, or "auto" to route by complexity.
        tier: the tier to use whatever the complexity.
        system: the system message.
        messages: a whole chat, `[{"role": "user", "content": "…"}, …]`, in place of `prompt`.
        schema: a pydantic model or a JSON schema the answer must fit; then `answer.parsed` holds
            it.
        format: markdown, text, code, json or html; how it is asked for and shown.
        temperature: 0 to 2; sent only when given.
        max_tokens: the longest answer, in tokens.
        params: any other parameter, sent as it is.
        fallback: models to try after those of the tier.
        cache: False neither reads nor writes the cache.
        refresh: ask again and overwrite the cached answer.
        timeout: seconds for the whole call, retries and waits included.
        max_cost: USD the whole call may cost, as 0.05 or "$0.05", retries and fallbacks included.
        check: True: an answer that fails its local checks (nothing of it is run) is asked for
            again, one tier up, and `answer.rejected` keeps it. "agree": a second model of another
            provider answers too, and where they disagree it goes up as well. False: no check.
            None: as the tier says. An answer that could still be replaced reaches `on_text` in
            one piece, once it stands.
        on_text: called with each piece of text as it comes; then nothing restarts once text was
            shown.
        tag: a word for the ledger.
        prefer: the cost dial for this call: cheap, balanced, quality, or the share of prompts that
            may go to the strongest tier, as 0.2 or "20%"; default: the setting.
        allow_secrets: send a prompt although it holds a key.
        others: there are none; what is given here is refused with the nearest right name.

    Raises:
        OptionError, PromptError, MissingKeyError, …: before anything is sent.
        BudgetExceededError: a budget leaves no money for any of the models; nothing was sent.
        CallError, ChainExhaustedError: no model answered; `.attempts` tells what was tried.
        SchemaMismatchError: the answer does not fit the schema; `.raw` keeps it.
    """
    return default_engine().ask(
        prompt,
        model=model,
        tier=tier,
        system=system,
        messages=messages,
        schema=schema,
        format=format,
        temperature=temperature,
        max_tokens=max_tokens,
        params=params,
        fallback=fallback,
        cache=cache,
        refresh=refresh,
        timeout=timeout,
        max_cost=max_cost,
        check=check,
        on_text=on_text,
        tag=tag,
        prefer=prefer,
        allow_secrets=allow_secrets,
        **others,
    )


async def aask(prompt: str | None = None, **options: Any) -> Answer:
    """`ask` for coroutines: the same walk in a worker thread.

    Cancelling stops the request too, within 0.2 s: its row says "cancelled", nothing is cached.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Answer] = loop.create_future()
    left = threading.Event()

    def settle(set_it: Callable[[Any], None], value: Any) -> None:
        if not answered.done():
            set_it(value)

    def tell(set_it: Callable[[Any], None], value: Any) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, set_it, value)

    def work() -> None:
        try:
            with stops_with(left):
                answer = ask(prompt, **options)
        except Stopped:
            return
        except BaseException as error:
            tell(answered.set_exception, error)
        else:
            tell(answered.set_result, answer)

    try:
        _start(work, "mmai-aask")
        return await answered
    finally:
        left.set()


def _start(work: Callable[[], None], name: str) -> None:
    """A thread of its own: no pool that others fill, nothing that a loop waits for at its end."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), daemon=True, name=name).start()


async def astream(prompt: str | None = None, **options: Any) -> AsyncIterator[str]:
    """The answer's pieces of text as they come; leaving the loop stops the request.

    With `check`, an answer that a stronger model's could replace comes in one piece, once it
    stands. The whole answer is in `last()` afterwards.
    """
    if "on_text" in options:
        raise OptionError("astream gives the text itself: leave on_text out")
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
    left = threading.Event()

    def tell(piece: str | BaseException | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

    def work() -> None:
        try:
            with stops_with(left):
                ask(prompt, on_text=tell, **options)
        except Stopped:
            return
        except BaseException as error:
            tell(error)
        else:
            tell(None)

    try:
        _start(work, "mmai-astream")
        while (piece := await pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        left.set()


def compare(
    prompt: str,
    models: Sequence[str],
    *,
    blind: bool = False,
    on_change: Callable[[Comparison], None] | None = None,
    **options: Any,
) -> Comparison:
    """The answers of several models to one prompt, asked at the same time; shows them side by side.

    Each model is asked as `ask(prompt, model=…)` would: routed nowhere else, cached, priced and
    recorded. One that fails has its error in its own column.

    Args:
        prompt: what is asked.
        models: names, each once, 50 at most.
        blind: hide the names until `vote`, and shuffle the answers.
        on_change: called with the comparison while answers come, about 20 times a second.
        options: those of `ask` but model, tier, fallback, messages and on_text; a `check` only
            tells what it finds.

    Raises:
        OptionError, PromptError, UnknownModelError: before anything is sent.
        KeyboardInterrupt: with `partial`, the comparison; what had ended is kept.
    """
    comparison = default_engine().compare(prompt, models, blind=blind, **options)
    comparison.start()
    return comparison.wait(on_change)


def plan(prompt: str, **options: Any) -> Plan:
    """What would happen to the prompt and why, with estimated tokens and cost; nothing is sent.

    It shows itself as `%ai route` does: the route, a row per model, and other turns of the dial.

    Also known as `mmai_nb.route`. Options are those of `ask`.
    """
    engine = default_engine()
    return engine.route(make_request(prompt, engine.settings, **options).request)


def configure(**changes: Any) -> Settings:
    """Put validated changes in force and give the settings; without changes just give them.

    Mappings are merged: `configure(models={"tiny": {…}})` adds a model; `None` takes one out;
    dotted keys can be given as `configure(**{"cache.max_age": 30})`.

    Raises:
        ConfigError: names the key, the value and the nearest right key; nothing has changed then.
    """
    engine = default_engine()
    return engine.configure(changes) if changes else engine.settings


def budget() -> DataFrame:
    """The budgets in force: limit, spent, held and left in USD, share of 1 used, end of the period.

    `held_usd` is what calls on their way may cost, and what those did whose outcome nobody knows.
    Set one with `configure(budget={"day": 5})`; scopes are call, notebook, day and month.
    """
    return default_engine().budget()


def on_alert(function: Callable[[Alert], object]) -> Callable[[], None]:
    """Call a function when 50, 80 or 100 % of a day's, month's or notebook's budget are used.

    Each is told once for all kernels. The function gets an `Alert`, in the thread of the call that
    went past; if it fails, that is a warning. What is given back ends it.
    """
    return default_engine().on_alert(function)


def costs(
    *,
    limit: int | None = MOST_ROWS,
    since: Moment = None,
    until: Moment = None,
    call_id: str | None = None,
    **only: Unpack[Filters],
) -> DataFrame:
    """The ledger as a DataFrame, one row per attempt, newest last.

    `costs(since="7d", tag="study")`; see `Ledger.frame`.

    Args:
        limit: how many of the newest rows at most; None: all.
        since: a datetime, a date, seconds since the epoch, "today", "week", "month" or "7d".
        until: likewise; only rows before it.
        call_id: only rows of that call.
        only: model, provider, tier, notebook, tag (one or several) or simulated (True or False).

    Raises:
        OptionError: a value is wrong.
    """
    return default_engine().costs(limit=limit, since=since, until=until, call_id=call_id, **only)


def export_costs(
    path: str | Path,
    *,
    limit: int | None = None,
    since: Moment = None,
    until: Moment = None,
    force: bool = False,
    **only: Unpack[Filters],
) -> int:
    """Write the rows of `costs` to a CSV or Parquet file, oldest first; how many there were.

    The file is its owner's alone, and whole or not there. In CSV a text that a spreadsheet would
    take for a formula has a `'` before it; Parquet needs pyarrow.

    Args:
        path: ends in .csv or .parquet.
        limit: as in `costs`.
        since: as in `costs`.
        until: as in `costs`.
        force: replace the file if it is there.
        only: as in `costs`.

    Raises:
        OptionError: a value is wrong, or the file is there already or cannot be written.
    """
    return default_engine().export_costs(
        path, limit=limit, since=since, until=until, force=force, **only
    )


def summary(
    by: Names = "model", since: Moment = None, until: Moment = None, **only: Unpack[Filters]
) -> DataFrame:
    """Calls, tokens, cost, rates of hit, fallback and error, latency and savings, by column.

    `summary(["day", "model"], since="7d", tag="study")`; see `Ledger.summary`.

    Args:
        by: one or several of model, provider, tier, notebook, tag, hour, day, month,
            response_model, endpoint, session, status, error_type, finish_reason; None for totals.
        since: a datetime, a date, seconds since the epoch, "today", "week", "month" or "7d".
        until: likewise; what is before it counts.
        only: model, provider, tier, notebook, tag (one or several) or simulated (True or False).

    Raises:
        OptionError: there is no such group, or a value is wrong.
    """
    return default_engine().summary(by, since=since, until=until, **only)


def history(
    words: str | None = None,
    *,
    limit: int | None = 1_000,
    model: str | None = None,
    tag: str | None = None,
    since: Moment = None,
) -> DataFrame:
    """Prompts and answers of the past as a DataFrame, one row per exchange; without secrets.

    Newest last; with words the best fit first. `asked` tells how often, the other facts are those
    of the last time, and `cost_usd` is what all times have cost.

    Args:
        words: only where all of these are in the prompt or the answer, part of a word too.
        limit: how many at most; None: all.
        model: only models with this in their name.
        tag: only calls with this tag.
        since: only what was asked from then on: a datetime, a date, seconds since the epoch,
            "today", "week", "month" or "7d".

    Raises:
        OptionError: a limit is negative, or a time is none.
    """
    return default_engine().history(words, limit=limit, model=model, tag=tag, since=since)


def vote(word: str, answer: Answer | None = None) -> Voted:
    """Say of an answer, by default the last one, whether it was good enough: "good" or "poor".

    It is kept in the ledger, without any text, and `calibrate` learns from it; a second word on the
    same answer replaces the first.

    Raises:
        MmaiError: there is no answer yet.
        OptionError: it is another word, or no answer.
    """
    return give_vote(default_engine(), word, answer)


def escalate(*, on_text: OnText | None = None) -> Answer:
    """Ask the last question one tier up, as it was sent: the last answer was not good enough.

    That is kept as a vote, unless you called it good before. A kept answer of the stronger tier
    will do.

    Args:
        on_text: called with each piece of text as it comes.

    Raises:
        MmaiError: nothing was asked yet, or what `ask` raises.
        OptionError: there is no tier above.
    """
    engine = default_engine()
    return ask_higher(engine, lambda r, parse: engine.answer(r, on_text, parse=parse))


def retry(*, on_text: OnText | None = None) -> Answer:
    """Ask the last question once more, as it was sent: the same route, a fresh answer.

    Args:
        on_text: called with each piece of text as it comes.

    Raises:
        MmaiError: nothing was asked yet, or what `ask` raises.
    """
    engine = default_engine()
    return ask_once_more(engine, lambda r, parse: engine.answer(r, on_text, parse=parse))


def calibrate(action: str = "fit", path: str | Path | None = None) -> Report:
    """Fit the router to your votes: in force at once where cross-validation says that it helps.

    What is given back shows what moved, before and after, and what it would have cost.

    Args:
        action: "fit"; "show" what is in force; "undo"; "reset": none in force; "force": in force
            even where it may not help; "export" or "import" with the path of a file.
        path: of that file.

    Raises:
        OptionError: there is no such action, or it cannot be done.
        ConfigError: the calibration cannot be written.
    """
    return calibrate_by(default_engine(), action, path)


def doctor() -> Checkup:
    """Look at settings, keys, ledger, cache, local servers and versions; shows itself as a page.

    `findings` has what was found, `wrong` what should be seen to. No model is asked.
    """
    return examine(default_engine)


def win_rates() -> DataFrame:
    """A row per model: votes on comparisons it stood in, won, tied, lost, and its `win_rate`.

    That is wins and half of the ties, of all its votes, those that none was good included.
    """
    return default_engine().win_rates()


def update_prices() -> PriceUpdate:
    """Fetch newer prices from genai-prices, for this process; nothing else ever does.

    Raises:
        OptionError: nothing may be sent just now.
        ConnectionFailedError, TimedOutError, BadResponseError: the old prices stay in force.
    """
    return default_engine().update_prices()


def last() -> Answer | None:
    """The last answer, a partial one included; None before the first."""
    return default_engine().last()


def forget(answer: Answer | None = None) -> None:
    """Remove an answer, by default the last one, from the cache: its question is asked anew.

    Raises:
        MmaiError: there is none, it is not kept, or it cannot be removed.
    """
    engine = default_engine()
    forget_answer(engine.cache, engine.last() if answer is None else answer)


def export_answers(
    path: str | os.PathLike[str],
    *,
    notebook: str | None = None,
    everything: bool = False,
    force: bool = False,
) -> Exported:
    """Write kept answers to a file of JSON lines, to be taken along; see `import_answers`.

    They are this notebook's or, where the front end does not tell it, this session's. There are no
    prompts and no keys in the file, but the endpoints' addresses; an answer that holds a secret is
    left out.

    Args:
        path: the file; compressed by gzip if it ends in .gz.
        notebook: another notebook's path, or its end.
        everything: all answers that are kept.
        force: overwrite a file that is there.

    Raises:
        OptionError: there is nothing to write, no such notebook, or no way to write.
    """
    return export_kept(
        default_engine(), path, notebook=notebook, everything=everything, force=force
    )


def import_answers(path: str | os.PathLike[str], *, replace: bool = False) -> Imported:
    """Put the answers of an exported file into the cache, so that its notebook replays here.

    Each is checked, none is run; but a hit shows it as the model's, marked "imported": import only
    what you trust.

    Args:
        path: the file.
        replace: whether they replace answers that are here already.

    Raises:
        OptionError: it cannot be read, is no such file, damaged or too large; nothing has changed.
    """
    return import_kept(default_engine(), path, replace=replace)
