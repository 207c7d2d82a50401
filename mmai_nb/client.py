"""The wall to the network: one request to one model, and every way it can end.

The only room that imports `openai`, and only when a request goes out, so that a notebook whose
answers all come from the cache never does. It imports neither httpx nor httpx2.
"""

from __future__ import annotations

import hashlib
import ssl
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from . import keys
from .errors import (
    AuthError,
    BadRequestError,
    BadResponseError,
    CallError,
    ConfigError,
    ConnectionFailedError,
    ContentFilteredError,
    MmaiError,
    ParameterAdaptedError,
    ResponseTooLargeError,
    SchemaMismatchError,
    UnknownModelError,
)
from .keys import KeySources
from .providers import is_loopback
from .records import Completion, OnText, Request
from .settings import ModelSpec, Settings
from .wire.bodies import Lessons, adapt, make_body
from .wire.failures import (
    Peer,
    broken,
    make,
    overdue,
    refused,
    reported,
    sentence,
    unknown_model,
)
from .wire.line import Deadlines, Hooks, Lost, Overdue, Pool, Reply, Send, TooLarge, Undecodable
from .wire.reading import Garbled, ids_in
from .wire.talk import Refusal, Talk
from .wire.told import Told

__all__ = ["SDK_ERRORS", "Client", "translate"]

NO_KEY = "not-needed"
"""Sent where a model needs no key: the SDK refuses an empty one."""
ERROR_BYTES = 64 * 1024
"""So much of a refusal's body is read, …"""
ERROR_SECONDS = 5.0
"""… and for so long."""
HINT_SECONDS = 2.0
"""How long the list of models may take, when it is asked for to say what an unknown one may be."""


class Client:
    """Calls models over HTTP, streamed or not; one request a call, never a retry.

    It keeps open connections, and what each endpoint has shown it does not take. Safe to use from
    many threads, and in the child after a fork.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = Pool()
        self._lessons = Lessons()
        self._sources = settings.key_sources
        weakref.finalize(self, self._pool.close)

    def call(self, request: Request, spec: ModelSpec, on_text: OnText | None = None) -> Completion:
        """One request to one model; streamed if somebody listens.

        Args:
            request: what to ask; its `timeout` (seconds) is for this one request.
            spec: whom to ask.
            on_text: gets each new piece of the answer's text, in this thread.

        Raises:
            MmaiError: with `partial`, a Completion, where a part of the answer had come.
            ParameterAdaptedError: a parameter was refused; the same call will go without it now.
            BaseException: what `on_text` raised, or an interrupt, with `partial` too, unless it has
                one; the connection is closed.
        """
        talk = self._begin(request, spec, on_text)
        try:
            self._exchange(talk)
        except BaseException as error:
            if isinstance(error, UnknownModelError) and not talk.draft.begun:
                raise unknown_model(talk.peer, self._ids(talk), error.said) from None
            _keep_what_came(talk, error)
            raise
        return talk.completion()

    def list_models(self, spec: ModelSpec) -> list[str]:
        """The ids of the models that the endpoint of `spec` serves.

        Raises:
            MmaiError: it does not tell.
        """
        return self._list(spec, self._settings.first_token_timeout)

    def close(self) -> None:
        """Close the connections that are not in use; the others close when their answer is read."""
        self._pool.close()

    def _begin(self, request: Request, spec: ModelSpec, on_text: OnText | None) -> Talk:
        settings, stream = self._settings, on_text is not None
        quirks = self._lessons.of(spec.base_url, spec.model)
        deadlines = Deadlines(
            total=request.timeout or settings.timeout,
            connect=settings.connect_timeout,
            # what is not streamed begins when it is complete, and that may take minutes
            first=settings.first_token_timeout if stream else None,
            gap=settings.gap_timeout,
            silence=request.silence,
        )
        body = make_body(request, spec.model, quirks, stream=stream)
        return Talk(request, spec, _peer(spec), body, quirks, deadlines, on_text)

    def _exchange(self, talk: Talk) -> None:
        """Send the request, and read the answer into the talk's draft."""

        def send(sdk: Any) -> Any:
            return sdk.chat.completions.with_streaming_response.create(
                model=talk.spec.model,
                messages=[],  # what is in extra_body the SDK does not walk through to transform it
                extra_body=talk.body.data,
                extra_headers={"Accept-Encoding": "identity"},
                timeout=_backstop(talk.deadlines),
            )

        try:
            with self._asked(talk.spec, talk.deadlines, send) as reply:
                talk.listen(reply)
        except Refusal as refusal:
            raise self._meaning(talk, refusal) from None

    def _meaning(self, talk: Talk, refusal: Refusal) -> MmaiError:
        """The error itself, or what was learned from it: then the same call can go out again."""
        error = refusal.error
        if not isinstance(error, BadRequestError) or error.status not in (400, 422):
            return error
        if talk.draft.begun:
            return error
        learned = adapt(talk.quirks, talk.body.data, refusal.told.text)
        if learned is None:
            return error
        quirks, note = learned
        again = make_body(talk.request, talk.spec.model, quirks, stream=talk.stream)
        if again.data == talk.body.data:
            return error
        self._lessons.learn(talk.spec.base_url, talk.spec.model, quirks)
        said, status = refusal.told.message, error.status
        return make(ParameterAdaptedError, talk.peer, note, said=said, status=status)

    @contextmanager
    def _asked(self, spec: ModelSpec, deadlines: Deadlines, send: Send) -> Iterator[Reply]:
        """A reply that is no refusal; its line is kept if it was read to its end, else hung up.

        Raises:
            Refusal: the endpoint refused.
            MmaiError: there is no reply, or it broke.
        """
        peer, cap = _peer(spec), self._settings.max_response_bytes
        slot, build = _door(spec, self._sources)
        line, reply = self._pool.take(slot, build), None
        try:
            reply = line.ask(send, deadlines, cap)  # an interrupt may come while its worker starts
            reply.begin()
            if not 200 <= reply.status < 204:
                raise _refusal(spec, reply, deadlines, self._sources)
            yield reply
        except Overdue as error:
            raise overdue(peer, error.limit, error.seconds) from None
        except Lost as error:
            talking = reply is not None and bool(reply.status)
            raise translate(peer, error.error, talking=talking) from error.error
        except TooLarge:
            what = f"the answer is larger than max_response_bytes ({cap:,})"
            raise make(ResponseTooLargeError, peer, what) from None
        except (Undecodable, Garbled) as error:
            retries = 0 if isinstance(error, Undecodable) or "HTML" in str(error) else None
            raise make(BadResponseError, peer, f"it sent {error}", retries=retries) from None
        finally:
            if reply is not None and reply.complete:
                self._pool.give_back(slot, line)
            else:
                line.hang_up()

    def _list(self, spec: ModelSpec, seconds: float) -> list[str]:
        settings = self._settings
        deadlines = Deadlines(seconds, settings.connect_timeout, None, settings.gap_timeout)

        def send(sdk: Any) -> Any:
            return sdk.models.with_streaming_response.list(timeout=_backstop(deadlines))

        try:
            with self._asked(spec, deadlines, send) as reply:
                return ids_in(b"".join(reply))
        except Refusal as refusal:
            raise refusal.error from None

    def _ids(self, talk: Talk) -> list[str]:
        """The endpoint's models for a hint, if it tells them soon."""
        left = min(HINT_SECONDS, talk.deadlines.total - talk.deadlines.spent)
        try:
            return self._list(talk.spec, left) if left > 0 else []
        except MmaiError:
            return []


def _keep_what_came(talk: Talk, error: BaseException) -> None:
    """Hand what came to who catches the exception.

    Before the first token that is nothing, but for an interrupt and for a bill without an answer.
    """
    if not talk.draft.begun and isinstance(error, Exception) and not talk.draft.billed:
        return
    if getattr(error, "partial", None) is None:
        with suppress(AttributeError):  # one that on_text raised may have a `partial` of its own
            ended = isinstance(error, CallError)
            error.partial = talk.completion(finished=ended)  # type: ignore[attr-defined]


def translate(peer: Peer, error: BaseException, *, talking: bool = False) -> BaseException:
    """Our error for one that the SDK, its HTTP library or the system raised.

    What comes from none of them is a mistake of our own, and is given back as it is.
    """
    for kind in type(error).__mro__:
        if kind.__name__ == "APIConnectionError":
            break
        if kind.__name__ in SDK_ERRORS and kind.__module__.partition(".")[0] == "openai":
            return SDK_ERRORS[kind.__name__](peer, error)
    else:
        library = type(error).__module__.partition(".")[0]
        if not isinstance(error, OSError) and not library.startswith("http"):
            return error
    return broken(peer, error, talking=talking)


def _misused(peer: Peer, error: Any) -> MmaiError:
    return ConfigError(sentence(peer.name, "openai refused to send it", str(error)))


def _means(kind: type[CallError], what: str) -> Callable[[Peer, Any], MmaiError]:
    return lambda peer, error: make(kind, peer, what, said=str(error))


SDK_ERRORS: Mapping[str, Callable[[Peer, Any], MmaiError]] = {
    "APIConnectionError": broken,
    "APIStatusError": lambda peer, error: refused(
        peer, error.status_code, error.response.headers, error.response.content
    ),
    "APIResponseValidationError": _means(BadResponseError, "not an answer of this protocol"),
    "APIError": lambda peer, error: reported(peer, error.body or error.message),
    "ContentFilterFinishReasonError": _means(ContentFilteredError, "the answer was filtered"),
    "LengthFinishReasonError": lambda peer, error: SchemaMismatchError(
        sentence(peer.name, "the answer was cut before its JSON ended", hint="raise max_tokens")
    ),
    "StreamAlreadyConsumed": _means(BadResponseError, "the answer was read twice"),
    "SubjectTokenProviderError": _means(AuthError, "no token for this endpoint"),
    "WebSocketConnectionClosedError": _means(ConnectionFailedError, "the connection broke"),
    "WebSocketQueueFullError": _means(ConnectionFailedError, "the connection is too slow"),
    "MissingDependencyError": _misused,
    "MutuallyExclusiveAuthError": _misused,
    "APIRemovedInV1": _misused,
    "_AmbiguousModuleClientUsageError": _misused,
    "OpenAIError": _misused,
}
"""What the SDK's errors mean here, by the name of the class or of its nearest base."""


def _peer(spec: ModelSpec) -> Peer:
    return Peer(spec.name, spec.model, spec.provider, spec.base_url, spec.api_key_env)


def _refusal(spec: ModelSpec, reply: Reply, deadlines: Deadlines, sources: KeySources) -> Refusal:
    """The refusal in a reply with a status other than 200, whatever becomes of its body."""
    body = bytearray()
    deadlines.begun = True
    deadlines.cut(ERROR_SECONDS)
    try:
        for data in reply:
            body += data
            if len(body) > ERROR_BYTES:
                break
    except (Overdue, Lost, TooLarge, Undecodable):
        pass  # the status alone tells enough
    key_of = _key_of(spec, sources) if reply.status in (400, 401) else None
    read = bytes(body[:ERROR_BYTES])
    error = refused(_peer(spec), reply.status, reply.headers, read, key_of=key_of)
    return Refusal(error, Told.read(read))


def _key_of(spec: ModelSpec, sources: KeySources) -> str | None:
    """Another provider whose keys look like the one that was sent."""
    owner = keys.guess_provider(keys.find_key(spec.api_key_env, sources) or "")
    return owner if owner != spec.provider else None


def _door(spec: ModelSpec, sources: KeySources) -> tuple[tuple[str, str], Callable[[Hooks], Any]]:
    """Which idle lines fit a model, and how a new one is made.

    Raises:
        MissingKeyError: it needs a key and there is none.
    """
    key = keys.find_key(spec.api_key_env, sources)
    if spec.api_key_env and not key:
        raise keys.missing_key(spec.name, spec.api_key_env)
    slot = (spec.base_url, hashlib.sha256((key or "").encode()).hexdigest())
    return slot, partial(_build, spec.base_url, spec.api_key_env, sources)


def _build(base_url: str, key_variable: str | None, sources: KeySources, hooks: Hooks) -> Any:
    """A client of the SDK that retries nothing, follows no redirect and tells what it does.

    The key is in none of the names here: a verbose traceback shows those.

    Raises:
        ConfigError: openai is missing, too old or too new.
    """
    try:
        import openai

        http = openai.DefaultHttpxClient(
            follow_redirects=False, event_hooks=hooks, **_network_options(base_url)
        )
        client = openai.OpenAI(
            base_url=base_url,
            api_key=keys.find_key(key_variable, sources) or NO_KEY,
            max_retries=0,
            http_client=http,
        )
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"openai cannot be used: pip install openai~=3.0 ({error})"[:200]
        ) from error
    if client.base_url.host != "api.openai.com":
        client.organization = client.project = None  # of no concern to any other provider
    return client


def _network_options(base_url: str) -> dict[str, Any]:
    """How the endpoint is reached: no proxy of the environment leads to this machine itself.

    Where there is no TLS, a context that trusts nobody: loading all certificates takes 20 ms.
    """
    options: dict[str, Any] = {"trust_env": not is_loopback(base_url)}
    if base_url.lower().startswith("http://"):
        options["verify"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    elif not options["trust_env"]:
        options["verify"] = ssl.create_default_context()  # knows SSL_CERT_FILE all the same
    return options


def _backstop(deadlines: Deadlines) -> Any:
    """Time-outs of the SDK that end a forgotten worker; the deadlines themselves are sooner."""
    import openai

    return openai.Timeout(deadlines.total + 5.0, connect=2 * deadlines.connect + 1.0)
