"""From what went wrong at an endpoint to our error tree: refusals, error objects, broken lines.

Each function gives the error, ready to be raised; its message is one line without secrets or HTML:
what happened, what the server said, what to do. This module imports nothing of the SDK.
"""

from __future__ import annotations

import re
import shlex
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..errors import (
    AuthError,
    BadRequestError,
    BadResponseError,
    CallError,
    ConfigError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextTooLongError,
    MmaiError,
    QuotaError,
    RateLimitError,
    ServerError,
    TimedOutError,
    UnknownModelError,
)
from ..redaction import redact
from ..values import similar
from .told import Told, wanted_wait

__all__ = ["Peer", "broken", "make", "overdue", "refused", "reported", "unknown_model"]

E = TypeVar("E", bound=CallError)

LONGEST = 200
"""Characters of a message."""
_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|billing|credit balance|payment required"
    r"|(insufficient|not enough|out of|no) (credit|balance|fund)",
    re.IGNORECASE,
)
_BUSY = re.compile(r"rate_limit_exceeded|requests per (min|second|day)|\bRP[MD]\b|\bTP[MD]\b")
"""A rate limit whose text only points to the billing page."""
_TOO_LONG = re.compile(
    r"exceed_context|context[ _](length|window|size)"
    r"|prompt is too long|too many (input )?tokens|input token count.{0,40}exceeds"
    r"|reduce the length|string_above_max_length",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content[_ ]filter|content[_ ]policy|content management policy|safety system"
    r"|responsibleaipolicy|moderation",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model_not_found|(unknown|no such|invalid) model"
    r"|model\b.{0,120}?(does not exist|doesn't exist|not found|not available)",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(
    r"api[_ ]key[_ ](?:is )?(?:not valid|not found|invalid|expired)"
    r"|(?:invalid|incorrect) api[_ ]key",
    re.IGNORECASE,
)
"""Gemini says so with HTTP 400."""
_UNKNOWN_CA = range(18, 22)
"""OpenSSL's codes for a certificate or an issuer that nobody here trusts (X509_V_ERR_…)."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who was asked: what a sentence about a failure needs to know."""

    name: str
    model: str
    provider: str
    base_url: str
    key_variable: str | None = None

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.base_url).netloc


def sentence(name: str, what: str, said: str = "", hint: str = "") -> str:
    """One clean line: what happened, what the server said (shortened to fit), what to do."""
    head, tail = _clean(f"{name[:40]}: {what}"), _clean(f"; {hint}") if hint else ""
    said, room = _clean(said), LONGEST - len(head) - len(tail) - 2
    if said and room > 10:
        head += ": " + (said if len(said) <= room else said[: room - 1] + "…")
    return (head + tail)[:LONGEST]


def make(
    kind: type[E], peer: Peer, what: str, *, said: str = "", hint: str = "", **facts: Any
) -> E:
    """An error of this kind about this peer; the facts are CallError's own arguments."""
    message = sentence(peer.name, what, said, hint)
    return kind(message, model=peer.name, provider=peer.provider, **facts)


def refused(
    peer: Peer, status: int, headers: Mapping[str, str], body: bytes, *, key_of: str | None = None
) -> MmaiError:
    """The error for an HTTP status that is not 200.

    Args:
        peer: who answered.
        status: the HTTP status.
        headers: of the answer, by lower-case name.
        body: of the answer, as much of it as was read.
        key_of: the provider that the key seems to belong to, where it seems to be another one.
    """
    told = Told.read(body)
    if 300 <= status < 400:
        target = _host_of(headers.get("location", "?"))
        hint = "its prompt was not sent there; set base_url if that is right"
        what = f"the endpoint redirects to {target} (HTTP {status})"
        return make(BadResponseError, peer, what, hint=hint, status=status, retries=0)
    if status < 300:
        what = f"an answer without content (HTTP {status})"
        return make(BadResponseError, peer, what, status=status)
    error = _judge(peer, status, told, wanted_wait(headers), key_of)
    if isinstance(error, CallError):
        wanted = headers.get("x-should-retry", "").strip().lower()
        if wanted in ("true", "false"):
            error.retries = max(error.retries, 2) if wanted == "true" else 0
    return error


def reported(peer: Peer, error: Any) -> MmaiError:
    """The error for an error object that came with HTTP status 200, whole or in a stream."""
    told = Told.of(error)
    return _judge(peer, told.status, told, None, None)


def unknown_model(peer: Peer, ids: Sequence[str] = (), said: str = "") -> UnknownModelError:
    """No such model at the endpoint: in its own words, with its nearest ids where it told them."""
    said = _clean(said)
    near = similar(peer.model, ids, n=3, least=0.4)
    hint = f"it has {', '.join(near)}" if near else ""
    what = f"{peer.host} has no model {peer.model[:60]!r}"
    if _is_ollama(peer, said):
        pull = f"run ollama pull {shlex.quote(peer.model[:60])}"
        text = sentence(peer.name, said[:80] or what, hint=f"{pull}; {hint}" if hint else pull)
    else:
        text = sentence(peer.name, what, said, hint or "%ai models lists what is configured")
    error = UnknownModelError(text)
    error.said = said
    return error


def _is_ollama(peer: Peer, said: str) -> bool:
    return peer.provider == "ollama" or ":11434" in peer.host or "try pulling it" in said


def overdue(peer: Peer, limit: str, seconds: float) -> CallError:
    """A deadline has passed: connect, tls, first token, silence, gap or total."""
    if limit == "connect":
        what = f"no connection to {peer.host} within {seconds:.3g} s"
        return make(TimedOutError, peer, what, hint="check base_url and network", retries=0)
    if limit == "tls":
        return _tls(peer, f"no TLS handshake within {seconds:g} s")
    what, hint = {
        "first token": (
            f"no first token within {seconds:g} s",
            "raise first_token_timeout to wait",
        ),
        "silence": (
            f"no first token within {seconds:.3g} s, and other models wait",
            "a longer timeout helps",
        ),
        "gap": (f"nothing more came for {seconds:g} s", "the answer may have been billed"),
        "total": (f"no complete answer within {seconds:.3g} s", "a longer timeout helps"),
    }[limit]
    error = make(TimedOutError, peer, what, hint=hint)
    error.ambiguous = True
    return error


def broken(peer: Peer, error: BaseException, *, talking: bool = False) -> MmaiError:
    """The error for a connection that could not be made or broke.

    Args:
        peer: who was to answer.
        error: what the SDK, the HTTP library or the system raised.
        talking: whether the answer had begun.
    """
    chain = list(_causes(error))
    names = {type(e).__name__ for e in chain}
    if names & {"InvalidURL", "UnsupportedProtocol"}:
        return ConfigError(
            sentence(peer.name, f"base_url {peer.base_url[:80]!r} is not a URL that can be asked")
        )
    if "ProxyError" in names:
        return _proxy(peer, str(chain[-1]))
    system = next((e for e in chain if isinstance(e, OSError)), None)
    if isinstance(system, ssl.SSLError) and not talking:
        return _tls(peer, system)
    if isinstance(system, socket.gaierror):
        return _dns(peer, system)
    if isinstance(system, ConnectionRefusedError):
        hint = "is the server running?" + (" (ollama serve)" if ":11434" in peer.host else "")
        return _failed(peer, "refused", f"nothing listens at {peer.host}", hint=hint)
    if names & {"ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "TimeoutError"}:
        return _timed_out(peer, connecting="ConnectTimeout" in names)
    if isinstance(system, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return _failed(peer, "reset", f"{peer.host} reset the connection")
    said = str(chain[-1])
    if "RemoteProtocolError" in names and not talking and not _closed(said):
        hint = "check base_url"
        return _failed(peer, "garbage", f"{peer.host} is not an HTTP server", said, hint, retries=0)
    what = "the connection broke" if talking else f"no answer from {peer.host}"
    return _failed(peer, "broken", what, said)


def _judge(
    peer: Peer, status: int | None, told: Told, wait: float | None, key_of: str | None
) -> MmaiError:
    """The meaning of what was told goes before the status: many servers mix up their statuses."""
    facts: dict[str, Any] = {"said": told.message, "status": status, "retry_after": wait}
    http = f" (HTTP {status})" if status else ""
    text = told.text
    only_busy = status == 429 and _BUSY.search(text) and "insufficient_quota" not in text
    if status == 402 or (status in (400, 403, 429) and _QUOTA.search(text) and not only_busy):
        return make(QuotaError, peer, f"no credit or quota left{http}", **facts)
    if status == 413 or (status in (None, 400, 422, 500) and _TOO_LONG.search(text)):
        return _too_long(peer, http, told, facts)
    if status in (None, 400, 403, 422) and _FILTERED.search(text):
        what = f"the provider's content filter refused the prompt{http}"
        return make(ContentFilteredError, peer, what, **facts)
    if status in (None, 400, 404, 422) and _NO_MODEL.search(text):
        return unknown_model(peer, said=told.message)
    if status in (401, 403) or (status == 400 and _BAD_KEY.search(text)):
        return _not_accepted(peer, status, facts, key_of)
    if status == 404:
        return make(BadRequestError, peer, f"nothing at this path{http}", **facts, hint=_path(peer))
    if status == 407:
        return _proxy(peer, told.message)
    if told.html:
        facts["said"] = "it sent an HTML page"
    return _by_status(peer, status, facts, http)


def _by_status(peer: Peer, status: int | None, facts: dict[str, Any], http: str) -> CallError:
    if status == 408:
        return make(TimedOutError, peer, f"the server gave up waiting{http}", **facts)
    if status == 429:
        wait = facts["retry_after"]
        hint = f"it asks to wait {wait:.3g} s" if wait else ""
        return make(RateLimitError, peer, f"too many requests{http}", **facts, hint=hint)
    if status in (409, 425):
        retries = 1 if status == 425 else None
        return make(ServerError, peer, f"the server is not ready{http}", **facts, retries=retries)
    if status is None or status >= 500:
        what = "is overloaded" if status in (503, 529) else "failed"
        retries = 0 if status == 501 else None
        return make(ServerError, peer, f"the server {what}{http}", **facts, retries=retries)
    return make(BadRequestError, peer, f"the request was refused{http}", **facts)


def _not_accepted(peer: Peer, status: int, facts: dict[str, Any], key_of: str | None) -> AuthError:
    if peer.key_variable is None:
        what, hint = "the endpoint asks for a key", f"set api_key_env for {peer.name[:40]}"
    elif key_of:
        what = "the key was not accepted"
        hint = f"the key in {peer.key_variable} looks like one of {key_of}"
    else:
        what = "access was refused" if status == 403 else "the key was not accepted"
        hint = f"check {peer.key_variable}"
    return make(AuthError, peer, f"{what} (HTTP {status})", **facts, hint=hint)


def _too_long(peer: Peer, http: str, told: Told, facts: dict[str, Any]) -> ContextTooLongError:
    window = told.context_window
    what = f"the prompt is too long for this model{http}"
    if window:
        what += f", which takes {window} tokens"
    error = make(ContextTooLongError, peer, what, **facts, hint="shorten it or name a larger model")
    error.window = window
    return error


def _host_of(location: str) -> str:
    try:
        return urlsplit(location).netloc or location
    except ValueError:
        return location


def _path(peer: Peer) -> str:
    base = peer.base_url.rstrip("/")
    if re.search(r"/v\d+(beta)?(/|$)", urlsplit(base).path):
        return f"check base_url {base}"
    return f"should base_url be {base}/v1 ?"


def _failed(
    peer: Peer,
    reason: str,
    what: str,
    said: str = "",
    hint: str = "",
    *,
    retries: int | None = None,
) -> ConnectionFailedError:
    error = make(ConnectionFailedError, peer, what, said=said, hint=hint, retries=retries)
    error.reason = reason
    return error


def _proxy(peer: Peer, said: str) -> ConnectionFailedError:
    hint = "check HTTPS_PROXY and HTTP_PROXY, or name the host in NO_PROXY"
    return _failed(peer, "proxy", "the proxy refused the connection", said, hint, retries=0)


def _tls(peer: Peer, why: ssl.SSLError | str) -> ConnectionFailedError:
    if isinstance(why, ssl.SSLCertVerificationError):
        what = f"the certificate of {peer.host} is not trusted"
        known = why.verify_code not in _UNKNOWN_CA
        hint = "" if known else "add its CA: set SSL_CERT_FILE to the PEM file"
        return _failed(peer, "tls", what, why.verify_message, hint, retries=0)
    said = why if isinstance(why, str) else why.reason or "the TLS handshake failed"
    what, hint = f"{peer.host} does not speak TLS", "should base_url begin with http:// ?"
    return _failed(peer, "tls", what, said, hint, retries=0)


def _dns(peer: Peer, error: socket.gaierror) -> ConnectionFailedError:
    host = urlsplit(peer.base_url).hostname
    if error.errno == socket.EAI_AGAIN:
        return _failed(peer, "dns", f"host name {host} cannot be looked up now")
    return _failed(peer, "dns", f"host name {host} not found", hint="check base_url", retries=0)


def _timed_out(peer: Peer, *, connecting: bool) -> TimedOutError:
    what = f"{peer.host} did not answer in time"
    error = make(TimedOutError, peer, what, retries=0 if connecting else None)
    error.ambiguous = not connecting
    return error


def _closed(said: str) -> bool:
    return "disconnected" in said or "closed" in said


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _clean(text: str) -> str:
    """Without secrets, tags and control characters, on one line."""
    text = re.sub(r"</?[a-zA-Z!][^<>]*>", " ", redact(text[:100_000])[:4000])
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
