"""What the demo endpoint takes and gives: OpenAI's chat completions as data, without a socket."""

from __future__ import annotations

import bisect
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..records import Message
from ..tokens import estimate_messages, estimate_tokens
from .answers import MODELS, make_answer
from .values import make_value

__all__ = ["Chat", "RefusedError", "Reply", "check_chat", "make_reply"]

KINDS = {  # status: type and code of OpenAI's error object
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    429: ("requests", "rate_limit_exceeded"),
}
ROLES = ("system", "developer", "user", "assistant", "tool")


class RefusedError(Exception):
    """The request gets an error of OpenAI's shape with this HTTP status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        usual = ("server_error" if status >= 500 else "invalid_request_error", None)
        self.status, self.headers = status, dict(headers or {})
        self.kind, usual_code = KINDS.get(status, usual)
        self.code = code or usual_code

    def as_json(self) -> dict[str, Any]:
        """The body of the response."""
        return {
            "error": {"message": str(self), "type": self.kind, "param": None, "code": self.code}
        }


@dataclass(frozen=True, slots=True)
class Chat:
    """A checked request."""

    model: str
    messages: tuple[Message, ...]
    stream: bool
    include_usage: bool
    max_tokens: int | None
    form: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        """The last user message."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, in the pieces in which it is streamed."""

    head: Mapping[str, Any]
    pieces: tuple[str, ...]
    finish_reason: str | None
    usage: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """The whole answer as the body of the response."""
        message = {"role": "assistant", "content": "".join(self.pieces), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        body = {**self.head, "object": "chat.completion", "choices": [choice]}
        return body if self.usage is None else {**body, "usage": self.usage}

    def as_chunk(
        self, delta: Mapping[str, Any], finish_reason: str | None = None
    ) -> dict[str, Any]:
        """One event of the stream."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {**self.head, "object": "chat.completion.chunk", "choices": [choice]}

    def as_last_chunk(self) -> dict[str, Any]:
        """The event that tells the usage: it has no choices."""
        return {**self.as_chunk({}), "choices": [], "usage": self.usage}


def make_reply(chat: Chat, text: str | None = None) -> Reply:
    """The answer to a chat, cut at `max_tokens`; its text is `text` where one is given.

    Raises:
        RefusedError: no value could be made up for the JSON schema that was asked for.
    """
    said = [(m.role, m.content) for m in chat.messages]
    if text is None and chat.form["type"] == "json_schema":
        try:
            text = json.dumps(make_value(chat.form["json_schema"]["schema"]), ensure_ascii=False)
        except ValueError as error:
            message = f"Invalid schema for response_format: {error}"
            raise RefusedError(400, message, code="invalid_json_schema") from error
    if text is None:
        tier, kind = MODELS[chat.model][0], chat.form["type"]
        text = make_answer(said, model=chat.model, tier=tier, json_only=kind == "json_object")
    words = re.findall(r"\s*\S{1,20}|\s+", text)
    kept = words if chat.max_tokens is None else _fitting(words, chat.max_tokens)
    asked, given = estimate_messages(chat.messages), estimate_tokens("".join(kept))
    given = given if chat.max_tokens is None else min(given, chat.max_tokens)
    digest = hashlib.sha256(repr((chat.model, said, text)).encode()).hexdigest()
    return Reply(
        head={
            "id": f"chatcmpl-demo-{digest[:16]}",
            "created": int(time.time()),
            "model": chat.model,
            "system_fingerprint": "mmai-demo",
        },
        pieces=tuple("".join(kept[n : n + 3]) for n in range(0, len(kept), 3)),
        finish_reason="stop" if len(kept) == len(words) else "length",
        usage={
            "prompt_tokens": asked,
            "completion_tokens": given,
            "total_tokens": asked + given,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    )


def _fitting(words: list[str], max_tokens: int) -> list[str]:
    """As many words as fit into so many tokens, at least one."""
    lengths = range(len(words) + 1)
    over = bisect.bisect_right(
        lengths, max_tokens, key=lambda n: estimate_tokens("".join(words[:n]))
    )
    return words[: max(1, over - 1)]


def check_chat(body: Any) -> Chat:
    """The request in a parsed body. Parameters that would change nothing here are not looked at.

    Raises:
        RefusedError: a wrong parameter, no such model, or too many tokens for it.
    """
    if not isinstance(body, dict):
        raise RefusedError(400, "The body must be a JSON object.")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RefusedError(400, "You must provide a model parameter.")
    if model not in MODELS:
        message = f"The model `{model[:100]}` does not exist; there is {', '.join(MODELS)}."
        raise RefusedError(404, message, code="model_not_found")
    stream, options = body.get("stream") or False, body.get("stream_options") or {}
    if not isinstance(stream, bool) or not isinstance(options, dict):
        raise RefusedError(
            400, "Invalid 'stream' or 'stream_options': expected a boolean, an object."
        )
    if options and not stream:
        raise RefusedError(400, "'stream_options' is only allowed when 'stream' is enabled.")
    messages = _messages(body.get("messages"))
    tokens, window = estimate_messages(messages), MODELS[model][1]
    if tokens > window:
        message = (
            f"This model's maximum context length is {window} tokens. However, your messages "
            f"resulted in {tokens} tokens. Please reduce the length of the messages."
        )
        raise RefusedError(400, message, code="context_length_exceeded")
    return Chat(
        model=model,
        messages=messages,
        stream=stream,
        include_usage=bool(options.get("include_usage")),
        max_tokens=_checked_numbers(body),
        form=_form(body.get("response_format")),
    )


def _checked_numbers(body: Mapping[str, Any]) -> int | None:
    """The cap on tokens, once all numbers are found to be in their ranges."""
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("n", 1, 1)):
        value = body.get(name)
        if value is None:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise RefusedError(400, f"Invalid '{name}': expected a number from {low} to {high}.")
    caps = [body[n] for n in ("max_completion_tokens", "max_tokens") if body.get(n) is not None]
    if any(not isinstance(cap, int) or isinstance(cap, bool) or cap < 1 for cap in caps):
        raise RefusedError(400, "Invalid 'max_tokens': expected a whole number of at least 1.")
    return min(caps, default=None)


def _messages(given: Any) -> tuple[Message, ...]:
    if not isinstance(given, list) or not given:
        raise RefusedError(400, "Invalid 'messages': expected a non-empty array.")
    made = []
    for n, entry in enumerate(given):
        role = entry.get("role") if isinstance(entry, dict) else None
        if role not in ROLES:
            raise RefusedError(400, f"Invalid 'messages[{n}].role': expected {', '.join(ROLES)}.")
        content = entry.get("content")
        if isinstance(content, list) and all(isinstance(part, dict) for part in content):
            content = "\n".join(str(part.get("text", "")) for part in content)
        if not isinstance(content, str) and (content is not None or role != "assistant"):
            raise RefusedError(400, f"Invalid 'messages[{n}].content': expected text.")
        made.append(Message(role, (content or "").encode("utf-8", "replace").decode()))
    return tuple(made)


def _form(given: Any) -> Mapping[str, Any]:
    form = {"type": "text"} if given is None else given
    kind = form.get("type") if isinstance(form, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        raise RefusedError(
            400, "Invalid 'response_format': expected type text, json_object or json_schema."
        )
    named = form.get("json_schema") if kind == "json_schema" else {"schema": {}}
    if not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        raise RefusedError(400, "Invalid 'response_format.json_schema.schema': expected an object.")
    return dict(form)
