"""Connections to endpoints: each used by one call at a time, and listened to with real deadlines.

The time-outs of HTTP libraries are per read: a server that drips bytes or comments keeps them
waiting for ever, and looking up a host name has no time-out at all. So a worker thread reads, and
the caller waits for it as long as the deadlines allow, interruptible at any moment. Who gives up
hangs up: the socket is shut down, so that the worker ends and the server stops generating.

This module imports nothing of openai, httpx or httpx2; it is given what it drives.
"""

from __future__ import annotations

import math
import os
import queue
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from .. import cancel

__all__ = [
    "Deadlines",
    "Hooks",
    "Line",
    "Lost",
    "Overdue",
    "Pool",
    "Reply",
    "TooLarge",
    "Undecodable",
]

SLICE_SECONDS = 0.1
"""A wait is taken in slices: a signal that another thread receives does not wake this one."""

Hooks = dict[str, list[Callable[[Any], None]]]
Limit = Literal["connect", "tls", "first token", "silence", "gap", "total"]
Send = Callable[[Any], AbstractContextManager[Any]]


class Overdue(Exception):
    """A deadline has passed: which, and of how many seconds."""

    def __init__(self, limit: Limit, seconds: float) -> None:
        super().__init__(limit, seconds)
        self.limit, self.seconds = limit, seconds


class Lost(Exception):
    """The connection was not made, or broke; `error` is what the SDK or the system raised."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class TooLarge(Exception):
    """The answer is over the cap on bytes."""


class Undecodable(Exception):
    """The answer is not in a Content-Encoding that can be read."""


@dataclass
class Deadlines:
    """How long one call may take, in seconds.

    Args:
        total: from the beginning to the end.
        connect: until there is a connection, host name and TLS included.
        first: from then until the first token; None where only `total` counts.
        gap: between two pieces, once the answer has begun.
        silence: from the beginning to the first token, while other models wait for their turn.
    """

    total: float
    connect: float
    first: float | None
    gap: float
    silence: float | None = None
    begun: bool = False
    """Whether a first token came; set by who reads the answer."""
    _started: float = field(default_factory=time.monotonic)
    _dialled: float = 0.0
    _sent: float = 0.0
    _heard: float = 0.0

    def dial(self) -> None:
        """The client is ready: from now on a connection is awaited."""
        self._dialled = time.monotonic()

    def sent(self) -> None:
        """There is a connection, and the request is on its way."""
        self._sent = time.monotonic()

    def heard(self) -> None:
        """Something came, or was dealt with: a new gap begins."""
        self._heard = time.monotonic()

    def cut(self, seconds: float) -> None:
        """Allow only so much more from now on: what is still to come is not worth more."""
        self.total = min(self.total, self.spent + seconds)

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    def left(self) -> tuple[float, Overdue]:
        """Seconds that may still be waited, and what it means when they have passed."""
        total, now = self.total - self.spent, time.monotonic()
        silence = math.inf if self.silence is None or self.begun else self.silence
        if not self._sent:
            left = min(total, silence - self.spent, self.connect - (now - self._dialled))
            return max(0.0, left), Overdue("connect", min(self.connect, silence, self.total))
        left, overdue = total, Overdue("total", self.total)
        if self.begun:
            left, overdue = self.gap - (now - self._heard), Overdue("gap", self.gap)
        elif self.first is not None:
            left, overdue = self.first - (now - self._sent), Overdue("first token", self.first)
        if silence - self.spent < left:
            left, overdue = silence - self.spent, Overdue("silence", silence)
        if total < left:
            left, overdue = total, Overdue("total", self.total)
        return max(0.0, left), overdue


class Reply:
    """What comes back for a request: a head, then the pieces of the body, decoded.

    Attributes:
        status: HTTP status; 0 before `begin`.
        headers: by lower-case name.
        complete: whether the body was read to its end.
    """

    def __init__(self, receive: Iterator[Any], cap: int) -> None:
        self._receive, self._cap = receive, cap
        self.status, self.headers, self.complete = 0, dict[str, str](), False

    def begin(self) -> None:
        """Wait for the head. Raises like the iteration."""
        self.status, self.headers = next(self._receive)

    def __iter__(self) -> Iterator[bytes]:
        """The pieces of the body.

        Raises:
            Overdue, Lost, TooLarge, Undecodable: the line is to be hung up.
        """
        unpack = _Unpacker(self.headers.get("content-encoding", ""), self._cap)
        for data in self._receive:
            yield unpack(data)
        self.complete = True


class _Sent:
    """The request is on its way."""


class Line:
    """A client of its own for one call at a time, and the socket it uses at the moment.

    Args:
        build: makes the client; its argument is for `event_hooks` of the HTTP client below it.
    """

    def __init__(self, build: Callable[[Hooks], Any]) -> None:
        self._client = build({"request": [self._watch], "response": [self._note_status]})
        self._lock = threading.Lock()
        self._given_up = self._working = self._in_tls = False
        self._stream: Any = None
        self._status = 0
        self._box: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask(self, send: Send, deadlines: Deadlines, cap: int) -> Reply:
        """Send a request.

        Args:
            send: given the client, sends the request and gives the SDK's streamed response.
            deadlines: how long to wait.
            cap: most bytes of a body, packed or not.
        """
        self._box, self._in_tls, self._working = queue.SimpleQueue(), False, True
        deadlines.dial()
        threading.Thread(target=self._work, args=(send, cap), daemon=True).start()
        return Reply(self._receive(deadlines), cap)

    def hang_up(self) -> None:
        """Break off whatever goes on; the line is of no use after it."""
        with self._lock:
            self._given_up = True
            working = self._working
        if not working:
            self._client.close()
        elif self._stream is not None:
            _shut_down(self._stream)

    def _receive(self, deadlines: Deadlines) -> Iterator[Any]:
        while True:
            item = self._wait(deadlines)
            if item is None:
                return
            if isinstance(item, BaseException):
                raise Lost(item)
            if item is _Sent:
                deadlines.sent()
            else:
                yield item
            if deadlines.spent > deadlines.total:
                raise Overdue("total", deadlines.total)

    def _wait(self, deadlines: Deadlines) -> Any:
        deadlines.heard()
        while True:
            cancel.check()
            left, overdue = deadlines.left()
            try:
                return self._box.get(timeout=min(left, SLICE_SECONDS))
            except queue.Empty:
                if left > SLICE_SECONDS:
                    continue
            if overdue.limit == "connect" and self._in_tls:
                overdue.limit = "tls"
            raise overdue

    def _work(self, send: Send, cap: int) -> None:
        box = self._box
        try:
            with send(self._client) as reply:
                response, came = reply.http_response, 0
                box.put((self._status, {k.lower(): v for k, v in response.headers.items()}))
                for data in response.iter_raw():
                    box.put(data)
                    came += len(data)
                    if self._given_up or came > cap:
                        break
        except BaseException as error:  # the caller's thread raises it and knows its name
            self._end(box, error)
        else:
            self._end(box, None)

    def _end(self, box: queue.SimpleQueue[Any], last: BaseException | None) -> None:
        with self._lock:
            self._working = False
            given_up = self._given_up
        if given_up:
            self._client.close()
        box.put(last)

    def _watch(self, request: Any) -> None:
        request.extensions = {**request.extensions, "trace": self._follow}

    def _follow(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep hold of the socket, and know how far it has come (httpx's `trace` extension)."""
        what = event.partition(".")[2]
        if what in ("connect_tcp.complete", "start_tls.complete"):
            self._stream, self._in_tls = info["return_value"], False
            if self._given_up:
                self._stream.close()
                raise ConnectionAbortedError("the caller has hung up")
        elif what == "start_tls.started":
            self._in_tls = True
        elif what == "send_request_headers.started":
            if self._given_up:
                raise ConnectionAbortedError("the caller has hung up")
            if info["request"].method != b"CONNECT":
                self._box.put(_Sent)

    def _note_status(self, response: Any) -> None:
        """Let the SDK take a refusal for a success, so that its body is read here like any other.

        The SDK would load it at once, however large it is and however slowly it comes.
        """
        self._status, response.status_code = response.status_code, 200


class Pool:
    """Idle lines by endpoint and key; each is lent to one call at a time."""

    def __init__(self) -> None:
        self._open()

    def take(self, slot: tuple[str, str], build: Callable[[Hooks], Any]) -> Line:
        """An idle line, or a new one."""
        if self._process != os.getpid():  # sockets are not to be shared with the parent of a fork
            self._open()
        with self._lock:
            idle = self._idle.get(slot)
            line = idle.pop() if idle else None
        return line or Line(build)

    def give_back(self, slot: tuple[str, str], line: Line) -> None:
        """The call is over, and its answer was read to the end."""
        with self._lock:
            if not self._closed:
                self._idle.setdefault(slot, []).append(line)
                return
        line.hang_up()

    def close(self) -> None:
        """Close the idle lines now, and the others when they come back."""
        if self._process != os.getpid():
            return
        with self._lock:
            self._closed = True
            lines = [line for idle in self._idle.values() for line in idle]
            self._idle.clear()
        for line in lines:
            line.hang_up()

    def _open(self) -> None:
        self._process, self._lock, self._closed = os.getpid(), threading.Lock(), False
        self._idle: dict[tuple[str, str], list[Line]] = {}


def _shut_down(stream: Any) -> None:
    """Wake up whoever reads from it; closing alone would leave the reader waiting."""
    connection = stream.get_extra_info("socket")
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Unpacker:
    """Decodes a Content-Encoding, to `cap` bytes at the most: a small body may hold gigabytes."""

    def __init__(self, encoding: str, cap: int) -> None:
        self._left, self._zip = cap, None
        encoding = encoding.strip().lower()
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._zip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        elif encoding not in ("", "identity"):
            raise Undecodable(f"an unknown Content-Encoding: {encoding[:40]}")

    def __call__(self, data: bytes) -> bytes:
        if self._zip is not None:
            try:
                data = self._zip.decompress(data, self._left + 1)
            except zlib.error:
                raise Undecodable("bytes that are not in their Content-Encoding") from None
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge
        return data
