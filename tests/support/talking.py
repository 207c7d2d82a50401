"""A client and a stub server that talk to each other; no slow machine is out of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import openai

from mmai_nb.client import Client
from mmai_nb.errors import MmaiError
from mmai_nb.records import Completion, Message, Request
from mmai_nb.settings import ModelSpec, Settings

from .stub_server import Asked, Reply, StubServer

with openai.OpenAI(api_key="none") as _warm:  # what the first client imports is in no test's time
    _ = _warm.chat.completions.with_streaming_response

PATIENT = {
    "timeout": 40.0,
    "connect_timeout": 30.0,
    "first_token_timeout": 30.0,
    "gap_timeout": 30.0,
}
IN_TIME = 10.0
"""Seconds: less than any time-out above, so that something shorter must have ended the call."""


class Talking:
    """`ask` and `fail` play replies on the stub and call the client, streamed or not.

    Args:
        stub: the server.
        stream: whether somebody listens to the pieces.
        spec: what the model's settings are beside its address.
        settings: what the settings are beside the long time-outs.
    """

    def __init__(
        self,
        stub: StubServer,
        stream: bool = False,
        *,
        spec: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.stub, self.stream = stub, stream
        self.spec = ModelSpec(**{"name": "small", "base_url": stub.base_url, **(spec or {})})
        self.client = Client(Settings(**{**PATIENT, **settings}))
        self.pieces: list[str] = []
        self.seconds = 0.0

    def ask(
        self,
        *replies: Reply | Callable[[Asked], Reply],
        prompt: str = "hello",
        on_text: Callable[[str], None] | None = None,
        **request: Any,
    ) -> Completion:
        """The completion of one call."""
        if replies:
            self.stub.play(*replies)
        self.pieces = []
        listener = on_text or (self.pieces.append if self.stream else None)
        asked = Request((Message("user", prompt),), **request)
        begin = time.monotonic()
        try:
            return self.client.call(asked, self.spec, listener)
        finally:
            self.seconds = time.monotonic() - begin

    def fail(self, *replies: Reply | Callable[[Asked], Reply], **request: Any) -> Any:
        """The error of one call; an error outside the tree, or none, fails the test."""
        try:
            answer = self.ask(*replies, **request)
        except MmaiError as error:
            line = str(error)
            assert len(line) <= 200, line
            assert line.isprintable(), line
            assert "<" not in line, line
            return error
        raise AssertionError(f"no error, but {answer}")

    def keep_asking(self, *replies: Reply, calls: int = 4, **request: Any) -> Completion:
        """As the walk of a request does after an adaptation: the same call again."""
        self.stub.play(*replies)
        for _ in range(calls - 1):
            with suppress(MmaiError):
                return self.ask(**request)
        return self.ask(**request)
