"""The demo endpoint's side of the socket: HTTP/1.1 with keep-alive, JSON and server-sent events."""

from __future__ import annotations

import json
import secrets
import socket
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from ..errors import OptionError
from .answers import MODELS
from .chat import Chat, RefusedError, Reply, check_chat, make_reply
from .faults import Behaviour, Script

__all__ = ["Desk", "Listener"]

CHATS = "/v1/chat/completions"
MOST_BYTES = 10_000_000
MOST_DRAINED = 100_000_000
IDLE_SECONDS = 300.0
LOOPBACK = ("127.0.0.1", "localhost")


@dataclass
class Desk:
    """What the connections of one server share.

    Attributes:
        api_key: the key that a request must bring.
        chunk_delay: seconds between two chunks of a stream.
        script: which behaviour the next request meets.
        closing: set once the server stops; all waits end with it.
        count: how many POSTs to /chat/completions came.
        bodies: the last ones that could be read.
    """

    api_key: str
    chunk_delay: float
    script: Script = field(default_factory=Script)
    closing: threading.Event = field(default_factory=threading.Event)
    count: int = 0
    bodies: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, seconds: float) -> None:
        """Sleep, unless the server stops."""
        if seconds:
            self.closing.wait(seconds)


class Listener(ThreadingHTTPServer):
    """Accepts connections and knows which are open."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = False
    allow_reuse_port = False

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._open: set[Any] = set()
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Like HTTPServer's, without asking a name server for the host's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, which is remembered as open."""
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The end of a connection."""
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def hang_up(self) -> None:
        """End all open connections, and wait a moment for their threads to notice."""
        with self._changed:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, timeout=1)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news; anything else is a defect and is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads its requests one after the other and answers them."""

    server: Listener
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def version_string(self) -> str:
        """The header Server."""
        return "mmai-demo"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a notebook's stderr is not a log."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class finds wrong, in OpenAI's shape; the connection ends with it."""
        self.close_connection = True
        self._refuse(RefusedError(int(code), message or "The request cannot be read."))

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        if self.command == "POST" and path == CHATS:
            with self.server.desk.lock:
                self.server.desk.count += 1
        try:
            raw = self._read()
            self._check_host()
            self._route(path, raw)
        except RefusedError as error:
            self._refuse(error)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer

    def _read(self) -> bytes:
        """The body, read in any case: what stays in the connection would be taken for a request."""
        given = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (given.isascii() and given.isdigit()):
            self.close_connection = True
            raise RefusedError(411, "A request needs a Content-Length.")
        length = int(given[:20])
        if length > MOST_BYTES:
            self.close_connection = True
            left = min(length, MOST_DRAINED)
            while left and (part := self.rfile.read(min(left, 65_536))):
                left -= len(part)
            raise RefusedError(
                413, f"The body has {length:,} bytes; at most {MOST_BYTES:,} are taken."
            )
        raw = self.rfile.read(length)
        if len(raw) < length:
            raise ConnectionError("the client went away in the middle of its request")
        return raw

    def _check_host(self) -> None:
        """A web page may point its own name here (DNS rebinding); the name gives it away."""
        hosts = [host.rpartition(":")[0] or host for host in self.headers.get_all("Host", [])]
        if len(hosts) != 1 or hosts[0].lower() not in LOOPBACK:
            raise RefusedError(
                403, "The demo is only served under the name 127.0.0.1 or localhost."
            )

    def _route(self, path: str, raw: bytes) -> None:
        chats, models = path == CHATS, path.removeprefix("/v1/models")
        if not chats and (models == path or models[:1] not in ("", "/")):
            raise RefusedError(
                404, f"Unknown request URL: {path[:100]}; the base URL ends with /v1."
            )
        allowed = "POST" if chats else "GET"
        if self.command != allowed:
            message = f"Not allowed: {self.command} (use {allowed})."
            raise RefusedError(405, message, headers={"Allow": allowed})
        key = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not secrets.compare_digest(key.encode(), self.server.desk.api_key.encode()):
            raise RefusedError(401, "Incorrect API key provided: it is not this demo server's.")
        if chats:
            self._chat(raw)
        else:
            self._models(models[1:])

    def _models(self, name: str) -> None:
        listed = [
            {"id": n, "object": "model", "created": 0, "owned_by": "mmai-demo"} for n in MODELS
        ]
        if not name:
            return self._send(200, json.dumps({"object": "list", "data": listed}).encode())
        found = next((entry for entry in listed if entry["id"] == name), None)
        if found is None:
            message = f"The model `{name[:100]}` does not exist; there is {', '.join(MODELS)}."
            raise RefusedError(404, message, code="model_not_found")
        return self._send(200, json.dumps(found).encode())

    def _chat(self, raw: bytes) -> None:
        desk = self.server.desk
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, "The body of your request is no valid JSON.") from error
        if isinstance(body, dict):
            desk.bodies.append(body)
        chat = check_chat(body)
        try:
            act = desk.script.next_for(chat.model, chat.prompt)
        except OptionError as error:
            raise RefusedError(400, str(error), code="invalid_demo_instruction") from error
        desk.wait(act.delay)
        self._act(chat, act)

    def _act(self, chat: Chat, act: Behaviour) -> None:
        """Answer as well, or as badly, as the behaviour says."""
        if act.hang:
            return self._hang()
        if act.cut_after == 0:
            return self._drop()
        if act.body is not None:
            kind = "text/html" if act.body.lstrip().startswith("<") else "application/json"
            return self._send(act.status or 200, act.body.encode("utf-8", "replace"), kind)
        if act.status is not None:
            asked = act.retry_after
            wait = f"{asked:g}" if isinstance(asked, float) else asked
            headers = {} if wait is None else {"Retry-After": wait}
            message = f"the demo was asked to answer with status {act.status}"
            raise RefusedError(act.status, message, code=act.code, headers=headers)
        reply = make_reply(chat, act.text)
        if act.finish_reason is not None:
            reason = None if act.finish_reason == "missing" else act.finish_reason
            reply = replace(reply, finish_reason=reason)
        reply = reply if act.usage else replace(reply, usage=None)
        return self._stream(chat, reply, act) if chat.stream else self._whole(reply, act)

    def _whole(self, reply: Reply, act: Behaviour) -> None:
        body = json.dumps(reply.as_json()).encode()
        if act.cut_after is None and act.stall_after is None:
            return self._send(200, body)
        self._begin(200, "application/json", {"Content-Length": str(len(body))})
        self.wfile.write(body[: len(body) // 2])
        return self._drop() if act.cut_after is not None else self._hang()

    def _stream(self, chat: Chat, reply: Reply, act: Behaviour) -> None:
        desk = self.server.desk
        chunk_delay = desk.chunk_delay if act.chunk_delay is None else act.chunk_delay
        self._begin_events()
        self._event(reply.as_chunk({"role": "assistant", "content": ""}))
        for sent, piece in enumerate(reply.pieces):
            if sent == act.cut_after:
                return self._drop()
            if sent == act.stall_after:
                return self._hang()
            desk.wait(chunk_delay if sent else 0)
            self._event(reply.as_chunk({"content": piece}))
        if act.cut_after is not None:
            return self._drop()
        if act.stall_after is not None:
            return self._hang()
        if reply.finish_reason is not None:
            self._event(reply.as_chunk({}, reply.finish_reason))
            if chat.include_usage and reply.usage is not None:
                self._event(reply.as_last_chunk())
            self._part(b"data: [DONE]\n\n")
        return self._part(b"")

    def _begin(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _begin_events(self) -> None:
        self._chunked = self.request_version != "HTTP/1.0"
        self.close_connection |= not self._chunked
        headers = {"Transfer-Encoding": "chunked"} if self._chunked else {}
        self._begin(200, "text/event-stream", {"Cache-Control": "no-cache", **headers})

    def _event(self, data: Mapping[str, Any]) -> None:
        self._part(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _part(self, data: bytes) -> None:
        """One part of a chunked body; the empty one ends it."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._begin(status, kind, {"Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, error: RefusedError) -> None:
        self._send(error.status, json.dumps(error.as_json()).encode(), headers=error.headers)

    def _drop(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _hang(self) -> None:
        """Wait until the client or the server hangs up."""
        self.rfile.read(1)
        self._drop()
