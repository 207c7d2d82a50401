"""The demo endpoint: an OpenAI-compatible server on this machine, to try things out and for tests.

It is no language model and says so in each answer. The real client talks to it over a real socket,
so that everything but the wit of the answers is as it will be:

    from mmai_nb.offline import DemoServer

    with DemoServer(chunk_delay=0) as server:
        endpoint = {"base_url": server.base_url, "api_key_env": "MMAI_DEMO_KEY"}
        configure(models={"double": {"model": "demo-small", **endpoint}})
        server.misbehave(status=429, retry_after=1, times=2)
        ask("hello", model="double")  # two requests get the 429, the third an answer
        assert server.count == 3

In a notebook a line of the prompt asks for the same: `[[demo: status=429 retry_after=1 times=2]]`.
The words are the fields of `Behaviour`; `cut=3` and `stall=3` are short for the longer names. A
cheap answer that is wrong, for `--check`: `[[demo: only_model=demo-small text="3 × 17 = 41"]]`.
"""

from __future__ import annotations

import atexit
import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from .demo.answers import MODELS, SECOND, place_of
from .demo.faults import Behaviour, read_behaviour
from .keys import remember_key
from .providers import tiers_of

__all__ = [
    "DEMO_KEY_ENV",
    "DEMO_PROVIDER",
    "DEMO_URL",
    "Behaviour",
    "DemoServer",
    "demo_models",
    "demo_tiers",
    "place_of",
    "serve_demo",
]

DEMO_PROVIDER = "demo"
DEMO_URL = "http://demo.localhost/v1"
"""Stands for the server in settings, cache keys and ledger: its real address is new each time."""
DEMO_KEY_ENV = "MMAI_DEMO_KEY"


def demo_models() -> dict[str, dict[str, Any]]:
    """The demo's models, each as what a settings.ModelSpec takes. Their prices are pretend.

    One of them plays another provider's, so that a second opinion can be asked for.
    """
    return {
        name: {
            "model": name,
            "provider": SECOND if name == SECOND else DEMO_PROVIDER,
            "base_url": DEMO_URL,
            "api_key_env": DEMO_KEY_ENV,
            "input_price": Decimal(input_price),
            "output_price": Decimal(output_price),
            "context_window": window,
            "capabilities": ["json_schema"],
            "simulated": True,
        }
        for name, (_, window, input_price, output_price) in MODELS.items()
    }


def demo_tiers() -> list[dict[str, Any]]:
    """The demo's tiers, each as what a settings.Tier takes."""
    chains = {
        "simple": ["demo-small", "demo-medium", SECOND],
        "standard": ["demo-medium", "demo-large"],
        "complex": ["demo-large", "demo-medium"],
    }
    return tiers_of(chains)


class DemoServer:
    """A demo endpoint on 127.0.0.1, on a free port, until it is closed.

    Args:
        chunk_delay: seconds between two chunks of a stream; tests set 0.

    Attributes:
        base_url: what a client takes as its base URL.
        api_key: what it takes as its key; also found under MMAI_DEMO_KEY while the server runs.
    """

    def __init__(self, *, chunk_delay: float = 0.02) -> None:
        from .demo.server import Desk, Listener

        self._abandoned = False
        self.api_key = _shared.enter(self)
        self._desk = Desk(api_key=self.api_key, chunk_delay=chunk_delay)
        try:
            self._listener = Listener(self._desk)
        except OSError:
            _shared.leave(self)
            raise
        self.base_url = f"http://127.0.0.1:{self._listener.server_port}/v1"
        self._thread = threading.Thread(target=self._accept, name="mmai-demo", daemon=True)
        self._thread.start()

    def __enter__(self) -> DemoServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it has stopped."""
        return self._abandoned or self._desk.closing.is_set()

    @property
    def count(self) -> int:
        """How many POSTs to /chat/completions came, refused ones included."""
        return self._desk.count

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The parsed bodies of the last 100 of them, oldest first."""
        return list(self._desk.bodies)

    def misbehave(self, **words: Any) -> None:
        """Queue a behaviour for the next request, or the next `times` ones; then all is well again.

        Args:
            words: fields of `Behaviour`, as in `misbehave(status=429, times=2, retry_after=1)`.

        Raises:
            OptionError: an unknown field, or a value that it cannot have.
        """
        self._desk.script.add(read_behaviour({"times": 1, **words}))

    def close(self) -> None:
        """Free the port, end all connections and forget the key. Closing twice is fine."""
        if self.closed:
            return
        with self._desk.lock:
            if self.closed:
                return
            self._desk.closing.set()
        with suppress(OSError):  # wakes the thread that waits for the next connection
            socket.create_connection(("127.0.0.1", self._listener.server_port), timeout=1).close()
        self._thread.join(timeout=1)
        self._listener.server_close()
        self._listener.hang_up()
        _shared.leave(self)

    def _abandon(self) -> None:
        """Let go of what a fork brought here, without a lock: a thread may have held it."""
        self._abandoned = True
        self._listener.socket.close()

    def _accept(self) -> None:
        while not self.closed:
            self._listener.handle_request()


class _Shared:
    """What the demo servers of a process share: one random key, and the server of the kernel.

    One key, since one variable's name stands for it: a second server must not lock out the first.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.running: set[DemoServer] = set()
        self.server: DemoServer | None = None
        self.key = ""
        self.forget: Callable[[], None] | None = None

    def enter(self, server: DemoServer) -> str:
        """The key for a server that starts."""
        with self.lock:
            if not self.running:
                self.key = secrets.token_urlsafe(32)
                self.forget = remember_key(DEMO_KEY_ENV, self.key)
            self.running.add(server)
            return self.key

    def leave(self, server: DemoServer) -> None:
        """A server has stopped; the last one takes the key with it."""
        with self.lock:
            self.running.discard(server)
            if not self.running and self.forget is not None:
                self.forget()
                self.forget = None

    def renew(self) -> None:
        """In a forked child: the threads that served are gone, so none of it is this process's."""
        self.lock = threading.RLock()
        for server in self.running:
            server._abandon()
        self.running, self.server, self.forget = set(), None, None


_shared = _Shared()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.renew)


def serve_demo() -> DemoServer:
    """The demo server of this process; started at the first call, stopped at exit."""
    with _shared.lock:
        if _shared.server is None or _shared.server.closed:
            _shared.server = DemoServer()
            atexit.register(_shared.server.close)
        return _shared.server
