"""Every error of this package, and what the walk of a request does about each.

MmaiError                        one line in a notebook; .retries, .falls_back, .breaker
├── ConfigError (ValueError)     settings are wrong; nothing was sent
├── OptionError (ValueError)     an argument or option is wrong; nothing was sent
├── MissingKeyError              no usable API key for a model; nothing was sent
├── PromptError (ValueError)     the prompt cannot be sent; nothing was sent
├── SecretInPromptError          the prompt holds a secret; nothing was sent
├── OfflineError                 nothing may be sent, and the cache has no answer
├── UnknownModelError            no such model                                      falls back
├── CallError                    one request to one model failed
│   ├── TimedOutError            408, no connection, no answer in time   2 retries   falls back
│   ├── ConnectionFailedError    refused, reset, host not found, TLS    2 retries   falls back
│   ├── RateLimitError           429: slow down                         2 retries   falls back
│   ├── QuotaError               402, 429 insufficient_quota                        falls back
│   ├── ServerError              5xx, 409, 425                          2 retries   falls back
│   ├── AuthError                401, 403                                           falls back
│   ├── BadRequestError          400, 422 and other 4xx: the caller's   stops
│   ├── ContextTooLongError      more tokens than the window     falls back to a larger window only
│   ├── ContentFilteredError     the provider refused the content       stops, unless allowed
│   ├── BadResponseError         not an answer of this protocol         1 retry     falls back
│   ├── EmptyResponseError       an answer without text                 1 retry     falls back
│   ├── TruncatedStreamError     the answer broke off                   2 retries   falls back
│   │                            (neither once text was shown)
│   ├── ResponseTooLargeError    over the byte cap                      stops
│   └── ParameterAdaptedError    never reaches the user: the client has learned, asked again at once
├── SchemaMismatchError          the answer does not fit the schema
├── ChainExhaustedError          every model of the chain failed; .errors in the order of the tries
└── BudgetExceededError          a budget says stop; nothing was sent               falls back

This module imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

__all__ = [
    "AuthError",
    "BadRequestError",
    "BadResponseError",
    "BudgetExceededError",
    "BudgetWarning",
    "CacheWarning",
    "CallError",
    "ChainExhaustedError",
    "ConfigError",
    "ConnectionFailedError",
    "ContentFilteredError",
    "ContextTooLongError",
    "EmptyResponseError",
    "LedgerWarning",
    "LogWarning",
    "MissingKeyError",
    "MmaiError",
    "OfflineError",
    "OptionError",
    "ParameterAdaptedError",
    "PriceWarning",
    "PromptError",
    "QuotaError",
    "RateLimitError",
    "ResponseTooLargeError",
    "SchemaMismatchError",
    "SecretInPromptError",
    "ServerError",
    "TimedOutError",
    "TruncatedStreamError",
    "UnknownModelError",
]

Breaker = Literal["no", "counts", "opens"]


class MmaiError(Exception):
    """Base of every error above. A notebook shows it as one line, and the cell still fails."""

    retries: int = 0
    """How often the same model may be asked again."""
    falls_back: bool = False
    """Whether the next model of the chain is asked."""
    breaker: ClassVar[Breaker] = "no"
    """What it tells the circuit breaker: nothing, one failure of several, or open at once."""

    call_id: str | None = None
    attempts: Sequence[Any] = ()
    """What was tried before this was raised: records.Attempt, oldest first."""

    def _render_traceback_(self) -> list[str]:
        """IPython's protocol for errors that show themselves; needs no import of IPython."""
        return [f"{type(self).__name__}: {self}", *getattr(self, "__notes__", ())]


class ConfigError(MmaiError, ValueError):
    """A setting is wrong; the message names the file, the key and the nearest right one."""


class OptionError(MmaiError, ValueError):
    """An argument of a function or an option of a magic is wrong."""


class MissingKeyError(MmaiError):
    """No usable API key was found for a model that needs one."""


class PromptError(MmaiError, ValueError):
    """The prompt cannot be sent as it is."""


class SecretInPromptError(MmaiError):
    """The prompt holds a key, token or password; the message names where it came from."""


class OfflineError(MmaiError):
    """Offline was asked for, the model would have to be asked, and the cache has no answer."""


class UnknownModelError(MmaiError):
    """No such model, here or at the endpoint. `said`: the endpoint's own words."""

    falls_back, breaker = True, "opens"
    said: str = ""


class CallError(MmaiError):
    """One request to one model failed.

    Args:
        message: one line: what happened, the value seen, what to do.
        model: the model's name in the settings.
        provider: who serves it.
        status: HTTP status, where there was one.
        retry_after: seconds the server asked to wait.
        partial: the records.Completion that had come before it broke off, or None.
        retries: overrides the class's number of retries for this one case.
        falls_back: overrides the class's rule for this one case.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str = "",
        provider: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        partial: Any = None,
        retries: int | None = None,
        falls_back: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.model, self.provider, self.status = model, provider, status
        self.retry_after, self.partial = retry_after, partial
        if retries is not None:
            self.retries = retries
        if falls_back is not None:
            self.falls_back = falls_back


class TimedOutError(CallError):
    """No connection or no whole answer in time. `ambiguous`: it may have been billed."""

    retries, falls_back, breaker = 2, True, "counts"
    ambiguous: bool = False


class ConnectionFailedError(CallError):
    """No connection, or it broke.

    `reason`: refused, reset, dns, tls, proxy, garbage, broken, or stranger (another user's server).
    """

    retries, falls_back, breaker = 2, True, "counts"
    reason: str = "broken"


class RateLimitError(CallError):
    """The endpoint asks to slow down."""

    retries, falls_back, breaker = 2, True, "counts"


class QuotaError(CallError):
    """The account has no credit or quota left; asking again is of no use."""

    falls_back, breaker = True, "opens"


class ServerError(CallError):
    """The endpoint failed, or was too busy."""

    retries, falls_back, breaker = 2, True, "counts"


class AuthError(CallError):
    """The endpoint did not accept the key."""

    falls_back, breaker = True, "opens"


class BadRequestError(CallError):
    """The endpoint refused the request itself; another model would refuse it too."""


class ContextTooLongError(CallError):
    """More tokens than the model's context window. `window`: its size, where the server told it."""

    falls_back = True
    window: int | None = None


class ContentFilteredError(CallError):
    """The provider's content filter stopped the prompt or the answer."""


class BadResponseError(CallError):
    """What came back is not an answer of this protocol."""

    retries, falls_back, breaker = 1, True, "counts"


class EmptyResponseError(CallError):
    """A well-formed answer without any text."""

    retries, falls_back, breaker = 1, True, "counts"


class TruncatedStreamError(CallError):
    """The answer broke off before its end; `partial` holds what came."""

    retries, falls_back, breaker = 2, True, "counts"


class ResponseTooLargeError(CallError):
    """The answer grew over the cap on bytes or characters."""


class ParameterAdaptedError(CallError):
    """The endpoint refused one parameter, and the client has learned it.

    The same call goes out again at once, in other words; this never reaches the user.
    """


class SchemaMismatchError(MmaiError):
    """The answer does not fit the schema. `raw` keeps the answer's text, `path` where it fails."""

    def __init__(self, message: str, *, raw: str = "", path: str = "") -> None:
        super().__init__(message)
        self.raw, self.path = raw, path


class ChainExhaustedError(MmaiError):
    """Every model of the chain failed; `errors` holds each one's, in the order of the tries."""

    def __init__(self, message: str, errors: Sequence[MmaiError]) -> None:
        super().__init__(message)
        self.errors = tuple(errors)

    @property
    def partial(self) -> Any:
        """The last partial answer among the errors, or None."""
        found = [p for e in self.errors if (p := getattr(e, "partial", None)) is not None]
        return found[-1] if found else None


class BudgetExceededError(MmaiError):
    """A budget would be exceeded, or cannot be checked; nothing was sent.

    Args:
        message: one line: which budget, what is left of it, what the call needs, what to do.
        why: the same in a few words, for a line that names several models.
        model: the model's name in the settings.
        scope: call, notebook, day or month; "" where the price or the ledger is the reason.
        limit_usd, spent_usd: of that budget; None without one.
        needed_usd: the least that must be free for the call; None where it is unknown.
    """

    falls_back = True

    def __init__(
        self,
        message: str,
        *,
        why: str = "",
        model: str = "",
        scope: str = "",
        limit_usd: float | None = None,
        spent_usd: float | None = None,
        needed_usd: float | None = None,
    ) -> None:
        super().__init__(message)
        self.why, self.model, self.scope = why or message, model, scope
        self.limit_usd, self.spent_usd, self.needed_usd = limit_usd, spent_usd, needed_usd


class BudgetWarning(UserWarning):
    """A good part of a budget is used, or a listener to that failed."""


class CacheWarning(UserWarning):
    """The answer is fine, but it could not be kept or read."""


class LedgerWarning(UserWarning):
    """The answer is fine, but its row could not be written yet."""


class LogWarning(UserWarning):
    """The answer is fine, but its line could not be written to the log file."""


class PriceWarning(UserWarning):
    """A model's price is unknown: its cost shows as NaN, never as 0."""
