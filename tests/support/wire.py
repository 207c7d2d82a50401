"""What a kernel says to its front ends, message by message, as bytes on the wire."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

UPDATES = ("comm_msg", "update_display_data", "display_data", "stream")


@dataclass(frozen=True)
class Heard:
    """One message: when it was sent (s since the epoch), its kind, its bytes and its content."""

    at: float
    kind: str
    size: int
    content: bytes


@dataclass
class Wire:
    """A kernel with an ear at its broadcasts."""

    client: BlockingKernelClient
    heard: list[Heard] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        """Note each message until it is over; runs in a thread of its own."""
        socket = self.client.iopub_channel.socket
        while not self._over.is_set():
            if not socket.poll(50):
                continue
            frames = socket.recv_multipart()
            parts = frames[frames.index(b"<IDS|MSG>") + 1 :]
            header, size = json.loads(parts[1]), sum(map(len, frames))
            sent = datetime.fromisoformat(header["date"]).timestamp()
            self.heard.append(Heard(sent, header["msg_type"], size, parts[4]))

    def run(self, code: str, seconds: float = 60.0) -> None:
        """Run a cell to its end; an error in it is an AssertionError."""
        message = self.client.execute(code, allow_stdin=True)  # as who sits there does
        end = time.monotonic() + seconds
        while True:
            reply = self.client.get_shell_msg(timeout=max(0.1, end - time.monotonic()))
            if reply["parent_header"].get("msg_id") == message:
                assert reply["content"]["status"] == "ok", reply["content"]
                return

    def value(self, expression: str) -> str:
        """The text of an expression's value, in the kernel."""
        message = self.client.execute("", user_expressions={"it": expression}, silent=True)
        while True:
            reply = self.client.get_shell_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == message:
                it = reply["content"]["user_expressions"]["it"]
                assert it["status"] == "ok", it
                return str(it["data"]["text/plain"]).strip("'")

    def tell(self, widget: str, **data: Any) -> None:
        """Send a widget, named by an expression, what a front end would send."""
        model = self.value(f"{widget}.model_id")
        message = self.client.session.msg("comm_msg", {"comm_id": model, "data": data})
        self.client.shell_channel.send(message)

    def press(self, button: str) -> None:
        """Click a button."""
        self.tell(button, method="custom", content={"event": "click"})

    def wait_until(self, expression: str, seconds: float = 60.0) -> None:
        """Wait until an expression is True in the kernel."""
        end = time.monotonic() + seconds
        while self.value(f"bool({expression})") != "True":
            assert time.monotonic() < end, f"{expression} is not True after {seconds} s"
            time.sleep(0.25)

    def since(self, began: float) -> Traffic:
        """What was sent from a moment (s since the epoch) on, as far as it was heard."""
        return Traffic([heard for heard in list(self.heard) if heard.at >= began])


@dataclass(frozen=True)
class Traffic:
    """Messages within some time."""

    heard: list[Heard]

    @property
    def kinds(self) -> Counter[str]:
        """How many there were of each kind."""
        return Counter(heard.kind for heard in self.heard)

    @property
    def updates(self) -> list[Heard]:
        """Those that change what is shown."""
        return [heard for heard in self.heard if heard.kind in UPDATES]

    def most(self, seconds: float) -> tuple[float, float]:
        """The most bytes a second, and updates a second, over any stretch of so many seconds."""
        bytes_, counts = 0.0, 0.0
        for first in self.heard:
            part = [h for h in self.heard if first.at <= h.at < first.at + seconds]
            bytes_ = max(bytes_, sum(h.size for h in part) / seconds)
            counts = max(counts, len(Traffic(part).updates) / seconds)
        return bytes_, counts


@contextmanager
def kernel() -> Iterator[Wire]:
    """A new kernel, listened to."""
    manager, client = start_new_kernel()
    wire = Wire(client)
    ear = threading.Thread(target=wire.listen, daemon=True)
    ear.start()
    try:
        yield wire
    finally:
        wire._over.set()
        ear.join()
        client.stop_channels()
        manager.shutdown_kernel(now=True)
