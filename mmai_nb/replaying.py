"""When no model may be asked: why, and which kept answer stands in.

Nothing is sent while offline, and nothing can be without a key. A notebook that was run before can
then be run again all the same: by its own models' kept answers, else by whichever model answered
the same question last, which the footer says.
"""

from __future__ import annotations

from dataclasses import dataclass

from .caching import AnswerCache
from .errors import MissingKeyError, MmaiError, OfflineError
from .keeping import Kept, Parse, find_kept, may_be_kept, parser_of, question_of, read_entry
from .offline import demo_models
from .recording import check_key
from .records import Request, Route
from .settings import ModelSpec, Settings, is_offline
from .values import one_line, shown

__all__ = [
    "Hindrance",
    "find_replay",
    "means_demo",
    "models_of",
    "offline_error",
    "said_of_cache",
    "why_lost",
    "why_not_ask",
    "why_not_demo",
]


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why no model may be asked.

    Attributes:
        words: for the footer of a kept answer.
        error: what is raised where none is kept; None where the demo may answer then.
    """

    words: str
    error: MmaiError | None


def means_demo(request: Request) -> bool:
    """Whether the user named the demo or one of its models."""
    return request.model == "demo" or request.model in demo_models()


def models_of(route: Route, settings: Settings) -> list[ModelSpec]:
    """The route's models; those that rest or are too small too, since a kept answer is there."""
    return [settings.find(name) for name in (*route.chain, *(name for name, _ in route.skipped))]


def why_lost(error: MmaiError, settings: Settings, request: Request) -> Hindrance | None:
    """The hindrance where no route was found; None where the error is the user's to mend.

    That is, models are configured and may be asked.
    """
    if is_offline(settings):
        missing = isinstance(error, MissingKeyError)
        return Hindrance("offline", offline_error(None, request) if missing else error)
    return None if settings.models else Hindrance("no model is configured", error)


def why_not_ask(settings: Settings, route: Route, request: Request) -> Hindrance | None:
    """The hindrance of the first model of the chain; None where it may be asked."""
    first = settings.find(route.chain[0])
    if first.simulated:
        return None
    if is_offline(settings):
        return Hindrance("offline", offline_error(first.name, request))
    try:
        check_key(first, settings.key_sources)
    except MissingKeyError as error:
        return Hindrance(f"no key in {first.api_key_env}", error)
    return None


def why_not_demo(cache: AnswerCache, settings: Settings, request: Request) -> Hindrance:
    """The hindrance where the demo would answer, since no model is configured.

    Offline it does so only for who never had a real answer: else one is missing, and that is said.
    """
    stops = is_offline(settings) and cache.knows_questions
    return Hindrance("no model is configured", offline_error(None, request) if stops else None)


def offline_error(name: str | None, request: Request) -> OfflineError:
    """What is raised where this model, or any, would have to be asked."""
    way_out = "%ai config offline false (ai.configure(offline=False)) allows it"
    who = "no model" if name is None else shown(name)
    ban = "may be asked" if name is None else "may not be asked"
    if not request.cache or request.refresh:
        return OfflineError(one_line(f"offline: this asks past the cache, {who} {ban}; {way_out}"))
    return OfflineError(
        one_line(f"offline: the answer is not in the cache, and {who} {ban}; {way_out}")
    )


def find_replay(cache: AnswerCache, question: str, parse: Parse | None) -> Kept | None:
    """The latest kept answer to the question, whatever model gave it."""
    for key, value in cache.answers_to(question):
        completion = read_entry(value)
        if completion is not None and may_be_kept(completion, parse):
            return completion, key
    return None


def said_of_cache(cache: AnswerCache, request: Request, settings: Settings, route: Route) -> str:
    """What a plan says of the cache: that it has the answer, what is done offline, or ""."""
    question, parse = question_of(request), parser_of(request)
    reads = request.cache and not request.refresh
    if reads and find_kept(cache, question, models_of(route, settings), parse):
        return "the answer is in the cache: free"
    if not is_offline(settings) or settings.find(route.chain[0]).simulated:
        return ""
    found = find_replay(cache, question, parse) if reads else None
    return f"offline: the kept answer of {found[0].model}" if found else "offline: nobody is asked"
