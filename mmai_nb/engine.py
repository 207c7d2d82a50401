"""The walk of one request, from the prompt to the answer, on one screen: `Engine.answer`.

No notebook is needed here, nothing is global but the default engine, and a test may give its own
`call`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .amounts import format_usd
from .answer import Answer
from .caching import AnswerCache, NotStored
from .comparison import Comparison
from .errors import ChainExhaustedError, MmaiError, OptionError, SchemaMismatchError
from .escalation import Ways, checked, checking_of, said_of_check
from .fallback import Run, ask_again, ask_chain, refusals_of
from .keeping import (
    Kept,
    Parse,
    entry_of,
    find_kept,
    has_kept,
    key_of,
    may_be_kept,
    parser_of,
    question_of,
    read_entry,
)
from .ledger import Ledger
from .offline import place_of
from .options import for_model, make_request
from .planning import Known, Plan, likely_output, plan_of, same_tier
from .pricing import context_window, price
from .purse import Purse, outlook
from .recording import Recorder, check_key, fingerprint, log_outcome
from .records import (
    NANO,
    Attempt,
    Completion,
    Cost,
    OnText,
    Request,
    Route,
    Situation,
    Usage,
    cost_of,
)
from .remembering import Turn, put_by, remember
from .replaying import (
    Hindrance,
    find_replay,
    means_demo,
    models_of,
    offline_error,
    said_of_cache,
    why_lost,
    why_not_ask,
    why_not_demo,
)
from .resources import Call, Resources, preference
from .routing import choose_route, notes_on
from .settings import ModelSpec, Settings, is_offline
from .tokens import estimate_messages
from .values import shown, simple
from .verdicts import Verdict
from .votes import COMPARE, facts_of
from .walk import Walk

__all__ = ["Engine", "default_engine", "made_engine"]

SMALLEST_WINDOW = 4_000
"""Prompts below this many tokens fit every hosted model, so no price data is read for them."""
AMBIGUOUS_COST = 0.05
"""USD: a call that timed out and may have been billed is repeated only below this estimate."""


class Engine(Resources):
    """Routes, caches, calls, prices and records.

    Args:
        settings: the settings to start with; default: as `load_settings` finds them.
        call: `call(request, spec, on_text) -> Completion`; default: the network.
        ledger: where the rows go; default: the settings' ledger file.
        cache: the answers; default: the settings' cache folder.
        sleep: waits between retries, in seconds; tests give their own.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        call: Call | None = None,
        ledger: Ledger | None = None,
        cache: AnswerCache | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(settings, call=call, ledger=ledger, cache=cache)
        self._sleep = sleep

    # -- the walk

    def answer(
        self,
        request: Request,
        on_text: OnText | None = None,
        *,
        notes: Sequence[str] = (),
        tell: Callable[[str], None] | None = None,
        retract: Callable[[str], None] | None = None,
        parse: Parse | None = None,
        names: Collection[str] | None = None,
        alone: bool = False,
    ) -> Answer:
        """Route, look into the cache, else ask one model after the other; check, record, answer.

        Where a budget is in force, each attempt reserves its money in the transaction of its intent
        row: only after a miss, and before anything is sent.

        Args:
            request: what is asked, checked.
            on_text: gets each piece of text as it comes.
            notes: for the reader, added to the answer's.
            tell: gets a line on what is being done while nothing has come: who is asked, how long
                it waits.
            retract: takes back the text that `on_text` got, with the reason, when an answer goes a
                tier up; without it `on_text` gets such an answer in one piece, once it stands.
            parse: makes `answer.parsed` of the text, and raises SchemaMismatchError where it does
                not fit; default: as the request's schema and format say.
            names: what exists where the answer's code would run, for its check; None: not known.
            alone: whether no other model may stand in, neither by a kept answer where none may be
                asked nor by a better one.

        Raises:
            MmaiError: with `attempts` and, where something had come, `partial`.
            KeyboardInterrupt: what had come is in `last()`.
        """
        walk = self._begin(self.asked_before(request), on_text, tell)
        walk.notes = (*notes, *notes_on(walk.route), *self.hints(request))
        walk.parse, walk.replays = parse or parser_of(request), not alone
        walk.checking = checking_of(request, walk.settings, walk.route, names=names, alone=alone)
        _hold_text(walk, retract)
        if not alone:
            self.turn = Turn(request, walk.parse, walk.recorder.call_id, walk.route)
        ways = Ways(self._obtain, self._other_route, self._put_by)
        try:
            completion = self._obtain(walk)
            walk, completion = checked(walk, completion, ways)
        except BaseException as error:
            self._keep_what_came(walk, error)
            raise
        return self._finish(walk, completion)

    def ask(
        self, prompt: str | None = None, *, on_text: OnText | None = None, **options: Any
    ) -> Answer:
        """The answer to a prompt; the options are those of `mmai_nb.ask`."""
        if on_text is not None and not callable(on_text):
            raise OptionError(f"on_text must be a function, not {type(on_text).__name__}")
        asked = make_request(prompt, self.settings, **options)
        parse = parser_of(asked.request, options.get("schema"))
        return self.answer(asked.request, on_text, notes=asked.notes, parse=parse)

    def compare(
        self, prompt: str, models: Sequence[str], *, blind: bool = False, **options: Any
    ) -> Comparison:
        """The same walk for several models at the same time, not started yet; see `Comparison`.

        The options are those of `mmai_nb.compare`.
        """
        taken = {"model", "tier", "fallback", "messages", "on_text"} & options.keys()
        if taken:
            raise OptionError(f"compare asks each model for itself: leave {min(taken)} out")
        if not isinstance(blind, bool):
            raise OptionError(f"blind must be True or False, not {shown(blind)}")
        if not isinstance(models, str | list | tuple):
            raise OptionError(f"compare takes a list of models' names, not {shown(models)}")
        models = [simple(name) for name in ([models] if isinstance(models, str) else models)]
        first = make_request(prompt, self.settings, **options)
        asked = {name: for_model(first, name) for name in models}
        tells: set[str] = set()
        for made in asked.values():
            request, settings = self.in_force(made.request)
            route = self._route(request, settings)  # what is wrong with it is told now
            for name in route.chain:
                tells |= _signs(settings.find(name))
        parse = parser_of(first.request, options.get("schema"))
        self.turn = None  # several answers: none of them is the last

        def ask(name: str, on_text: OnText) -> Answer:
            made = asked[name]
            return self.answer(made.request, on_text, notes=made.notes, parse=parse, alone=True)

        def keep(verdict: Verdict) -> None:
            facts = facts_of(first.request, words=self.settings.log_text)
            self.ledger.add_vote(COMPARE, None, verdict.as_json() | facts)

        return Comparison(
            prompt,
            models,
            ask,
            format=str(options.get("format") or self.settings.format),
            blind=blind,
            keep=keep,
            tells=tells,
        )

    def is_resting(self, spec: ModelSpec) -> bool:
        """Whether the model is left out for a while, after failures."""
        return bool(self.breakers) and self.breakers.is_open(_breaker_key(self.settings, spec))

    def route(self, request: Request) -> Plan:
        """What would happen to the request, with tokens and cost estimated; nothing is sent."""
        request, settings = self.in_force(request)
        route = self._route(request, settings)
        for said in (
            said_of_cache(self.cache, request, settings, route),
            said_of_check(request, settings, route),
        ):
            route = replace(route, reasons=(*route.reasons, said)) if said else route
        reads, question = request.cache and not request.refresh, question_of(request)

        def turned(prefer: str | float | None) -> Route:
            asked = replace(request, prefer=prefer)
            other = settings.model_copy(update={"prefer": prefer})
            if same_tier(route, self.lessons(asked, other)["bounds"], settings):
                return route
            return self._route(asked, other)

        anyone = replace(request, model="auto", tier=None)
        known = Known(
            kept=lambda spec: reads and has_kept(self.cache, question, spec, parser_of(request)),
            is_resting=self.is_resting,
            key_state=self.key_state,
            money=outlook(self.purse_for(request), anyone, settings),
            turned=turned,
            prefer=preference(request, settings),
        )
        return plan_of(route, request, settings, known)

    # -- its steps

    def _begin(
        self, request: Request, on_text: OnText | None, tell: Callable[[str], None] | None
    ) -> Walk:
        purse = self.purse_for(request)
        request, settings, route, hindrance = self._plan(request, purse)
        recorder = Recorder(
            send=self.call,
            ledger=self.ledger,
            settings=settings,
            call_id=purse.call_id,
            secret=self.secret,
            session=purse.session,
            notebook=purse.notebook,
            tag=request.tag,
            route=route,
            purse=purse,
        )
        run = Run(
            settings,
            self.breakers,
            on_text,
            request.timeout or settings.timeout,
            breaker_key=partial(_breaker_key, settings),
            retry_ambiguous=partial(_cheap, request),
        )
        run.tell, run.sleep = tell or run.tell, self._sleep or run.sleep
        purse.tell = run.tell
        return Walk(settings, request, route, recorder, run, purse, hindrance)

    def _plan(
        self, asked: Request, purse: Purse
    ) -> tuple[Request, Settings, Route, Hindrance | None]:
        """What is in force and where the request goes, or why no model of the user's is asked."""
        try:
            request, settings = self.in_force(asked)
            route = self._route(request, settings, purse)
        except MmaiError as error:
            hindrance = why_lost(error, self.settings, asked)
            if hindrance is None:
                raise
            return asked, self.settings, Route(None, None, ()), hindrance
        stands_in = settings.find(route.chain[0]).simulated and not means_demo(asked)
        if stands_in and not self.settings.models:
            return request, settings, route, why_not_demo(self.cache, settings, request)
        return request, settings, route, None

    def _route(self, request: Request, settings: Settings, purse: Purse | None = None) -> Route:
        specs = settings.models.values()
        big = estimate_messages(request.messages) > SMALLEST_WINDOW
        windows = {s.name: context_window(s) if big else s.context_window for s in specs}
        stopped = (
            {s.name for s in specs if self.breakers.is_open(_breaker_key(settings, s))}
            if self.breakers
            else set[str]()
        )
        money = outlook(purse or self.purse_for(request), request, settings)
        known = self.lessons(request, settings)
        situation = Situation(frozenset(stopped), windows, money, **known)
        return choose_route(request, settings, situation)

    def _other_route(self, walk: Walk, request: Request) -> Route:
        return self._route(request, walk.settings, walk.purse)

    def _obtain(self, walk: Walk) -> Completion:
        """The answer of the walk's route: a kept one, else the first that a model gives."""
        return (
            self._replayed(walk, walk.hindrance)
            or self._from_cache(walk)
            or self._replayed(walk, why_not_ask(walk.settings, walk.route, walk.request))
            or ask_chain(
                [walk.settings.find(name) for name in walk.route.chain],
                partial(self._ask_model, walk),
                walk.run,
                context_window,
            )
        )

    def _from_cache(self, walk: Walk) -> Completion | None:
        """A kept answer of any model of the chain: it wins over a call that costs money."""
        if not walk.reads_cache:
            return None
        specs = models_of(walk.route, walk.settings)
        found = find_kept(self.cache, walk.question, specs, walk.parse)
        return None if found is None else self._hit(walk, found)

    def _replayed(self, walk: Walk, hindrance: Hindrance | None) -> Completion | None:
        """The kept answer of whichever model gave one, if no model may be asked; else None.

        Raises:
            MmaiError: why no model may be asked, where no answer is kept.
        """
        if hindrance is None:
            return None
        found: Kept | None = None
        if walk.reads_cache and walk.replays:
            found = find_replay(self.cache, walk.question, walk.parse)
        if found is None:
            if hindrance.error is None:
                return None
            raise hindrance.error
        instead = "".join(f" instead of {name}" for name in walk.route.chain[:1])
        note = f"replayed{instead}: {hindrance.words}"
        walk.notes += (note,)
        walk.route = replace(walk.route, reasons=(*walk.route.reasons, note))
        walk.recorder.route = walk.route
        return self._hit(walk, found)

    def _hit(self, walk: Walk, found: Kept) -> Completion:
        completion, key = found
        self._say(walk, completion)
        return _as_hit(walk, completion, key)

    def _ask_model(self, walk: Walk, spec: ModelSpec) -> Completion:
        """One model of the chain, through the cache: asked once at a time, kept if it may be."""
        request, run = walk.request, walk.run
        if is_offline(walk.settings) and not spec.simulated:
            raise offline_error(spec.name, request)
        check_key(spec, walk.settings.key_sources)
        if not request.cache:
            return ask_again(partial(_recorded, walk, None), request, spec, run, run.text_sink)
        key = key_of(walk.question, spec.base_url, spec.model)

        def pay(on_text: OnText | None) -> dict[str, Any]:
            call = partial(_recorded, walk, key)
            completion = ask_again(call, request, spec, run, on_text)
            walk.cached = may_be_kept(completion, walk.parse)
            if not walk.cached:
                raise NotStored(completion.as_json())
            return entry_of(completion, walk.question)

        fetch = partial(
            self.cache.fetch,
            key,
            pay,
            question=None if spec.simulated else walk.question,
            on_text=run.text_sink,
            timeout=run.left,
            terms=walk.purse.terms,
        )
        fetched = fetch(refresh=request.refresh)
        kept = read_entry(fetched.value) if fetched.how == "hit" else None
        if fetched.how == "hit" and not (kept and may_be_kept(kept, walk.parse)):
            fetched = fetch(refresh=True)  # an entry of another shape: overwritten
        completion = kept if kept and fetched.how == "hit" else Completion.from_json(fetched.value)
        if fetched.how == "paid":
            return completion
        if not run.shown:  # a hit, or the payer did not stream
            self._say(walk, completion)
        return _as_hit(walk, replace(completion, model=spec.name), key)

    @staticmethod
    def _say(walk: Walk, completion: Completion) -> None:
        if walk.run.text_sink is not None:
            walk.run.text_sink(completion.text)

    def _finish(self, walk: Walk, completion: Completion) -> Answer:
        notes, alerts = walk.purse.news()
        walk.notes = (*walk.notes, *refusals_of(walk.run), *notes)
        answer = self._remember(self._answer_of(walk, completion))
        self.listeners.tell(alerts)
        try:
            parsed = None if walk.parse is None else walk.parse(completion)
        except SchemaMismatchError as error:
            error.attempts, error.call_id = answer.attempts, answer.call_id
            self._over(walk, completion, error)
            raise
        self._over(walk, completion)
        return answer if walk.parse is None else self._remember(answer.with_parsed(parsed))

    def _answer_of(self, walk: Walk, completion: Completion) -> Answer:
        return Answer(
            completion.text,
            completion=completion,
            route=walk.route,
            attempts=tuple(walk.recorder.attempts),
            call_id=walk.recorder.call_id,
            format=walk.request.format,
            notes=walk.notes,
            checks=() if walk.checking is None else tuple(walk.checking.found),
        )

    def _keep_what_came(self, walk: Walk, error: BaseException) -> None:
        """Nothing is lost: what had come is the last answer, and the error carries its attempts."""
        if walk.checking is not None and walk.checking.stood:  # a stronger model was being asked
            walk, completion = walk.checking.stood[-1]
            if isinstance(error, KeyboardInterrupt):
                walk.notes += ("stopped before its check was over",)
                error.stood = completion  # type: ignore[attr-defined]
            self._remember(self._answer_of(walk, completion))
            return self._over(walk, completion, error)
        attempts = tuple(walk.recorder.attempts)
        if isinstance(error, MmaiError):
            error.attempts, error.call_id = attempts, walk.recorder.call_id
        if isinstance(error, ChainExhaustedError):
            cost = _cost_of(attempts)
            spent = "unknown" if cost is None else format_usd(cost)
            error.args = (f"{error}; cost so far {spent}",)
        came = getattr(error, "partial", None)
        if isinstance(came, str):  # of a call that another thread had sent
            came = Completion(came, walk.route.chain[0], Usage(estimated=True))
        walk.cached = False
        if isinstance(came, Completion) and came.text:
            note = (*came.notes, "partial: the answer ended early")
            paid = Cost(attempts[-1].cost_nano, "partial") if attempts else came.cost
            self._remember(self._answer_of(walk, replace(came, notes=note, cost=paid)))
        self._over(walk, came if isinstance(came, Completion) else None, error)
        if isinstance(error, Exception):  # after an interrupt nobody is kept waiting
            self.listeners.tell(walk.purse.news()[1])

    def _over(
        self, walk: Walk, completion: Completion | None, error: BaseException | None = None
    ) -> None:
        """The call has ended: tell who listens, and keep its texts where that is wished."""
        ended = walk.ended(completion, error)
        log_outcome(ended.attempts, ended.row, error)
        texts = self.texts if walk.settings.log_text else None
        remember(ended, texts, self.call_log)

    def _put_by(self, walk: Walk, completion: Completion) -> None:
        """An answer is there and others are asked: who is killed now finds it in the history."""
        if walk.settings.log_text:
            put_by(walk.ended(completion), self.texts)

    def _remember(self, answer: Answer) -> Answer:
        self._last = answer
        return answer


_default: Engine | None = None
_default_lock = threading.Lock()


def default_engine() -> Engine:
    """The engine behind `mmai_nb.ask` and `%%ai`; made at its first use."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Engine()
        return _default


def made_engine() -> Engine | None:
    """The default engine, or None while nobody has needed it."""
    return _default


def _recorded(
    walk: Walk, key: str | None, request: Request, spec: ModelSpec, on_text: OnText | None
) -> Completion:
    return walk.recorder.call(request, spec, on_text, key)


def _cost_of(attempts: Sequence[Attempt]) -> float | None:
    """US dollars of all attempts; None if one of them has no known cost."""
    nano = cost_of(attempts)
    return None if nano is None else nano / NANO


def _as_hit(walk: Walk, completion: Completion, key: str) -> Completion:
    completion = replace(completion, cache_hit=True)
    walk.recorder.cache_hit(completion, key)
    return completion


def _breaker_key(settings: Settings, spec: ModelSpec) -> str:
    return f"{spec.base_url} {spec.model} {fingerprint(spec, settings.key_sources)}"


def _cheap(request: Request, spec: ModelSpec) -> bool:
    usage = Usage(estimate_messages(request.messages), likely_output(request))
    cost = price(usage, spec).usd
    return cost is not None and cost < AMBIGUOUS_COST


def _hold_text(walk: Walk, retract: Callable[[str], None] | None) -> None:
    """Let text that cannot be taken back wait until its check is over."""
    checking, run = walk.checking, walk.run
    if checking is None or not checking.escalates:
        return
    checking.retract = retract
    if retract is None and run.on_text is not None:
        checking.held, run.on_text = run.on_text, None


def _signs(spec: ModelSpec) -> set[str]:
    """What tells in an answer's text that this model gave it: its name, its id, its place."""
    place = place_of(spec.model) if spec.simulated else ""
    return {spec.name, spec.model, spec.model.rpartition("/")[2], place}
