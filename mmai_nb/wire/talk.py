"""One answer as it comes in: listened to, shown piece by piece, and judged when it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import (
    BadResponseError,
    CallError,
    ContentFilteredError,
    EmptyResponseError,
    MmaiError,
    ServerError,
    TruncatedStreamError,
)
from ..records import Completion, OnText, Request
from ..settings import ModelSpec
from .bodies import Body, Quirks
from .failures import Peer, make, reported
from .line import Deadlines, Lost, Overdue, Reply, TooLarge, Undecodable
from .reading import Draft, Reader, error_in
from .told import Told

__all__ = ["Refusal", "Talk"]

TAIL_SECONDS = 2.0
"""How long a stream is listened to after its finish_reason, for the report of usage, …"""
END_SECONDS = 0.05
"""… and after its [DONE], for the end that lets the connection be used again."""


class Refusal(Exception):
    """The endpoint refused: the error that it means, and what it said."""

    def __init__(self, error: MmaiError, told: Told) -> None:
        super().__init__(error)
        self.error, self.told = error, told


@dataclass
class Talk:
    """One request under way: what was asked, what has come, how long it may take."""

    request: Request
    spec: ModelSpec
    peer: Peer
    body: Body
    quirks: Quirks
    deadlines: Deadlines
    on_text: OnText | None
    draft: Draft = field(default_factory=Draft)
    first_token_s: float | None = None

    @property
    def stream(self) -> bool:
        """Whether the answer was asked for piece by piece."""
        return self.on_text is not None

    def listen(self, reply: Reply) -> None:
        """Read the answer to its end, showing its text as it comes.

        Raises:
            Refusal: it is an error.
            CallError: it ended, but is no answer.
            Garbled, Overdue, Lost, TooLarge, Undecodable: it did not end well.
        """
        reader = Reader(reply.headers.get("content-type", ""))
        try:
            for data in reply:
                self.deadlines.begun |= not self.stream
                self._take(reader.feed(data))
                if reader.done:
                    self.deadlines.cut(END_SECONDS)
            self._take(reader.finish())
        except (Overdue, Lost, TooLarge, Undecodable):
            # the answer itself is whole: only its end was lost
            if self.draft.finish_reason is None and not reader.done:
                raise
        if error := self._fault(reader):
            raise error

    def completion(self, *, finished: bool = True) -> Completion:
        """The answer so far, or as it ended."""
        spec, draft = self.spec, self.draft
        return Completion(
            text=draft.text,
            model=spec.name,
            usage=draft.usage(self.request.messages),
            provider=spec.provider,
            endpoint=spec.base_url,
            request_model=spec.model,
            response_model=draft.response_model,
            finish_reason=draft.finish_reason if finished else None,
            duration_s=self.deadlines.spent,
            first_token_s=self.first_token_s,
            reasoning_text=draft.thoughts,
            simulated=spec.simulated,
            notes=self.body.notes,
        )

    def _take(self, objects: Iterator[Mapping[str, Any]]) -> None:
        for found in objects:
            if error := error_in(found):
                raise Refusal(reported(self.peer, error), Told.of(error))
            text = self.draft.add(found)
            if self.stream and self.draft.begun and not self.deadlines.begun:
                self.deadlines.begun, self.first_token_s = True, self.deadlines.spent
            if self.draft.finish_reason:
                self.deadlines.cut(TAIL_SECONDS)
            if text and self.on_text is not None:
                self.on_text(text)

    def _fault(self, reader: Reader) -> CallError | None:
        """Why what has ended is no answer, if it is none."""
        draft, peer = self.draft, self.peer
        if draft.finish_reason == "content_filter":
            what = "the provider's content filter stopped the answer"
            return make(ContentFilteredError, peer, what)
        if draft.finish_reason == "error":
            return make(ServerError, peer, "the server failed in the middle of the answer")
        if not draft.objects:
            kind = EmptyResponseError if self.stream or reader.events else BadResponseError
            return make(kind, peer, "the endpoint answered with nothing at all")
        if draft.finish_reason is None and reader.events:
            what = "the answer broke off: the stream ended without a finish_reason"
            return make(TruncatedStreamError, peer, what)
        if not draft.text.strip():
            return self._empty()
        return None

    def _empty(self) -> EmptyResponseError:
        if self.draft.finish_reason == "length":
            what = "all tokens went into thinking, none was left for the answer"
            hint = "raise max_tokens"
            return make(EmptyResponseError, self.peer, what, hint=hint, retries=0)
        if self.draft.tool_calls:
            what = "the model asked for a tool instead of answering"
            return make(EmptyResponseError, self.peer, what)
        return make(EmptyResponseError, self.peer, "the answer has no text")
