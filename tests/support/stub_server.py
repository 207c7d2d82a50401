"""A scripted OpenAI-compatible server on raw sockets: it counts, keeps what came, and misbehaves.

    with StubServer() as stub:
        stub.play(status(429, retry_after=1), ok("hi"))
        ...                                 # stub.base_url ends with /v1
        assert stub.count == 2              # POSTs; the last reply is played again and again
        assert stub.requests[0].json["model"] == "small"

A reply is a sequence of steps: bytes are sent, a number is a pause in seconds, `RESET` and `CLOSE`
end the connection. `GET …/models` never uses up the script: it lists `stub.models`. What
`stub.routes` has for a path comes first, and is counted in `stub.routed`. Loopback only.
"""

from __future__ import annotations

import gzip
import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import repeat
from types import TracebackType
from typing import Any

RESET = "reset"
CLOSE = "close"
FOREVER = 3600.0
Step = bytes | float | str

DEFAULT_USAGE: dict[str, Any] = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
REASONS = {200: "OK", 204: "No Content", 307: "Temporary Redirect"}


@dataclass(frozen=True)
class Reply:
    """What the server does with one request: its steps, and whether the connection stays open."""

    steps: Iterable[Step]
    keep: bool = True

    def after(self, seconds: float) -> Reply:
        """The same, after a pause."""
        return Reply([seconds, *self.steps], self.keep)

    def dripped(self, pause: float, size: int = 1, *, skip: int = 0) -> Reply:
        """The same, `size` bytes at a time with a pause before each; the first `skip` at once."""
        data = self.data
        pieces: list[Step] = [data[:skip]] if skip else []
        for start in range(skip, len(data), size):
            pieces += [pause, data[start : start + size]]
        return Reply(pieces, self.keep)

    def cut(self, length: int, end: Step = CLOSE) -> Reply:
        """Only the first bytes of it (a negative length counts from the end), then `end`."""
        return Reply([self.data[:length], end], keep=False)

    @property
    def data(self) -> bytes:
        """All the bytes that it sends."""
        return b"".join(step for step in self.steps if isinstance(step, bytes))


@dataclass(frozen=True)
class Asked:
    """One request as it came in; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


def http(
    code: int = 200,
    body: bytes = b"",
    *,
    content_type: str | None = "application/json",
    headers: Mapping[str, object] | None = None,
    length: int | None = None,
) -> Reply:
    """A whole HTTP answer; `length` lies about the body's length."""
    lines = [f"HTTP/1.1 {code} {REASONS.get(code, 'Said')}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if code != 204:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return Reply(["\r\n".join([*lines, "", ""]).encode() + body])


def answer(body: Any, code: int = 200, **more: Any) -> Reply:
    """Any object as JSON."""
    return http(code, json.dumps(body).encode(), **more)


def completion(
    text: Any = "hi", *, finish: str | None = "stop", usage: Any = DEFAULT_USAGE, **message: Any
) -> dict[str, Any]:
    """The JSON of an answer that is not streamed."""
    message = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    made = {"id": "x", "object": "chat.completion", "model": "stub-1", "choices": [choice]}
    return made if usage is None else {**made, "usage": usage}


def ok(text: Any = "hi", **more: Any) -> Reply:
    """An answer that is not streamed; the options are those of `completion`."""
    return answer(completion(text, **more))


def status(
    code: int,
    message: str = "said no",
    *,
    error: Mapping[str, Any] | None = None,
    retry_after: object = None,
    headers: Mapping[str, object] | None = None,
) -> Reply:
    """A refusal with an OpenAI-shaped error body; `error` adds code, type and so on."""
    said = {"message": message, "type": None, "code": None, **(error or {})}
    waits = {} if retry_after is None else {"Retry-After": retry_after}
    return answer({"error": said}, code, headers={**waits, **(headers or {})})


def chunk(content: Any = None, *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """The JSON of one event of a stream; `delta=…` replaces the delta, the rest goes beside it."""
    delta = more.pop("delta", {} if content is None else {"content": content})
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "model": "stub-1",
        "choices": [choice],
        **more,
    }


def event(data: Any) -> bytes:
    """One server-sent event; bytes are taken as they are, anything else as JSON."""
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


DONE = event(b"[DONE]")


def events(
    *pieces: Any, finish: str | None = "stop", usage: Any = DEFAULT_USAGE, done: bool = True
) -> list[bytes]:
    """A whole stream: role, pieces (text, chunks or ready events), finish, usage, [DONE]."""
    made = [event(chunk(delta={"role": "assistant", "content": ""}))]
    for piece in pieces:
        ready = piece if isinstance(piece, dict) else chunk(piece)
        made.append(piece if isinstance(piece, bytes) else event(ready))
    made += [] if finish is None else [event(chunk(finish=finish))]
    made += [] if usage is None else [event({**chunk(), "choices": [], "usage": usage})]
    return made + ([DONE] if done else [])


def stream(
    steps: Iterable[Step], *, content_type: str | None = "text/event-stream", ends: bool = True
) -> Reply:
    """Any steps as a chunked body; without `ends` the last chunk never comes."""
    kind = "" if content_type is None else f"Content-Type: {content_type}\r\n"
    head = f"HTTP/1.1 200 OK\r\n{kind}Transfer-Encoding: chunked\r\n\r\n".encode()

    def played() -> Iterator[Step]:
        yield head
        for step in steps:
            yield b"%x\r\n%b\r\n" % (len(step), step) if isinstance(step, bytes) and step else step
        if ends:
            yield b"0\r\n\r\n"

    # a list where it can be: such a reply may be dripped, cut and played again
    return Reply(list(played()) if isinstance(steps, list | tuple) else played(), keep=ends)


def sse(*pieces: Any, pause: float = 0.0, **more: Any) -> Reply:
    """A streamed answer; `pause` (seconds) before each event, the options are those of `events`."""
    steps: list[Step] = []
    for data in events(*pieces, **more):
        steps += [pause, data] if pause else [data]
    return stream(steps)


def comments(pause: float = 0.05) -> Reply:
    """A stream of keep-alive comments that never ends."""
    beats = (step for _ in repeat(None) for step in (pause, b": keep-alive\n\n"))
    return stream(beats)


def hang() -> Reply:
    """Takes the request and never answers."""
    return Reply([FOREVER], keep=False)


def broken(end: Step = CLOSE) -> Reply:
    """No byte of an answer."""
    return Reply([end], keep=False)


def raw(*steps: Step) -> Reply:
    """Exactly these steps, then the connection is closed."""
    return Reply(list(steps), keep=False)


def redirect(location: str, code: int = 307) -> Reply:
    """A redirect."""
    return http(code, headers={"Location": location})


def gzipped(body: bytes) -> Reply:
    """A body in gzip."""
    return http(200, gzip.compress(body), headers={"Content-Encoding": "gzip"})


class StubServer:
    """The server; see the module. `tls` is a context that serves HTTPS."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._script: list[Reply | Callable[[Asked], Reply]] = [ok()]
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self.requests: list[Asked] = []
        self.gets: list[Asked] = []
        self.connections = 0
        self.hang_ups: list[float] = []
        self.models: list[str] | None = None
        self.routes: dict[str, Reply | Callable[[Asked], Reply]] = {}
        self.routed: list[Asked] = []

    def __enter__(self) -> StubServer:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def play(self, *replies: Reply | Callable[[Asked], Reply]) -> None:
        """The next replies, in order; the last one stays. A function is given the request."""
        with self._lock:
            self._script = list(replies)

    @property
    def count(self) -> int:
        """How many POSTs came."""
        return len(self.requests)

    @property
    def base_url(self) -> str:
        """To be given to a client."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def last(self) -> Asked:
        """The newest POST."""
        return self.requests[-1]

    def wait_for_hang_up(self, seconds: float = 20.0) -> float:
        """When (monotonic) the first client broke off a reply; fails if none does."""
        until = time.monotonic() + seconds
        while not self.hang_ups and time.monotonic() < until:
            time.sleep(0.005)
        assert self.hang_ups, "no client has hung up"
        return self.hang_ups[0]

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self._open.add(connection)
            while (asked := _read_request(connection)) is not None:
                reply = self._reply(asked)
                if not self._send(connection, reply) or not reply.keep:
                    break
        except (OSError, ValueError):
            pass  # the client went away, or does not speak HTTP
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)

    def _reply(self, asked: Asked) -> Reply:
        if (routed := self.routes.get(asked.path)) is not None:
            self.routed.append(asked)
            return routed if isinstance(routed, Reply) else routed(asked)
        if asked.method == "GET":
            self.gets.append(asked)
            if self.models is None:
                return status(404, "no such path")
            return answer({"data": [{"id": name, "object": "model"} for name in self.models]})
        with self._lock:
            self.requests.append(asked)
            reply = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        return reply if isinstance(reply, Reply) else reply(asked)

    def _send(self, connection: socket.socket, reply: Reply) -> bool:
        """Play the steps; whether the connection is still good."""
        try:
            for step in reply.steps:
                if isinstance(step, bytes):
                    connection.sendall(step)
                elif step == RESET:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return False
                elif step == CLOSE or not self._pause(connection, float(step)):
                    return False
        except OSError:
            self.hang_ups.append(time.monotonic())
            return False
        return True

    def _pause(self, connection: socket.socket, seconds: float) -> bool:
        """Wait, unless the client hangs up or the server stops."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stopping.is_set():
                return False
            if select.select([connection], [], [], min(left, 0.05))[0]:
                self.hang_ups.append(time.monotonic())
                return False
        return True


def _read_request(connection: socket.socket) -> Asked | None:
    """The next request, or None when the client has closed the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ", 2)
    while len(body) < int(headers.get("content-length", 0)):
        more = connection.recv(65536)
        if not more:
            return None
        body += more
    return Asked(method, path, headers, body)
