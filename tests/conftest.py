"""What every test gets: folders of its own, no keys, no way to the internet."""

from __future__ import annotations

import builtins
import faulthandler
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

hypothesis_settings.register_profile("house", deadline=None, max_examples=60)
hypothesis_settings.load_profile("house")

KEYS = ("_API_KEY", "_TOKEN", "_SECRET")


def pytest_configure() -> None:
    """What a shell in the background or the time of day would change for some tests.

    A suite that is started in the background is born deaf to interrupts.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(time, "tzset") and "TZ" not in os.environ:
        # it is noon or a little later: many tests count what is of today, and see no day end
        os.environ["TZ"] = f"NOON{time.gmtime().tm_hour - 12:+}"
        time.tzset()


def pytest_unconfigure() -> None:
    """A thread that never ends would keep the process for good: tell where it is, and end."""
    faulthandler.dump_traceback_later(120, exit=True, file=sys.__stderr__)


def pytest_sessionfinish() -> None:
    """The shells of tests have nothing to save; each would collect all garbage at the exit."""
    shells = sys.modules.get("IPython.core.interactiveshell")
    if shells is not None:
        shells.InteractiveShell.reset = lambda self, *args, **more: None


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the developer's keys, settings, cache or ledger, nor leaves anything in them."""
    for name in list(os.environ):
        if name.startswith("MMAI_") or name.endswith(KEYS):
            monkeypatch.delenv(name)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.delattr(builtins, "__IPYTHON__", raising=False)  # a shell of another test's
    monkeypatch.setenv("MMAI_DATA_DIR", str(tmp_path / "data"))
    config = tmp_path.with_name(f"{tmp_path.name}.toml")  # beside it: some tests list their folder
    config.write_text("")
    monkeypatch.setenv("MMAI_CONFIG", str(config))
    monkeypatch.setenv("MMAI_DISCOVER", "no")  # what runs on the developer's machine is no fixture
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.chdir(tmp_path)
    ledger = sys.modules.get("mmai_nb.ledger")
    if ledger is not None:
        monkeypatch.setattr(ledger, "PATIENCE", 20.0)  # a slow disk makes no test warn
    yield
    engine = sys.modules.get("mmai_nb.engine")
    if engine is not None and engine._default is not None:
        engine._default.close()
        engine._default = None
    cautions = sys.modules.get("mmai_nb.cautions")
    if cautions is not None:
        cautions.restore()
    keys = sys.modules.get("mmai_nb.keys")
    if keys is not None:
        for variable in set(keys._remembered) - {"MMAI_DEMO_KEY"}:
            del keys._remembered[variable]
        keys._told.clear()
    offline = sys.modules.get("mmai_nb.offline")
    if offline is not None and offline._shared.server is not None:
        offline._shared.server.close()


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that would leave this machine fails the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            if not (host.startswith("127.") or host in ("::1", "localhost")):
                raise AssertionError(f"a test tried to connect to {host}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def stub() -> Iterator[Any]:
    """A scripted server on loopback."""
    from support.stub_server import StubServer

    with StubServer() as server:
        yield server


@pytest.fixture
def hasten(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Put the client's clock forward: so many seconds are over, and nobody has waited for them."""
    from mmai_nb.wire import line

    ahead, clock = [0.0], time.monotonic

    def forward(seconds: float) -> None:
        ahead[0] += seconds

    monkeypatch.setattr(line, "time", SimpleNamespace(monotonic=lambda: clock() + ahead[0]))
    return forward


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Discovery waits for a local server as long as a slow machine may take."""
    from mmai_nb.discovery import finder

    monkeypatch.setattr(finder, "ROUND_SECONDS", 30.0)


@pytest.fixture
def hurried(unhurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Discovery gives up soon: for servers that never answer."""
    from mmai_nb.discovery import finder

    monkeypatch.setattr(finder, "ROUND_SECONDS", 0.1)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Any]:
    """Run cells in a real IPython shell over a scripted model."""
    from support.cells import playing
    from support.scripted import settings_of

    with playing(tmp_path, settings_of()) as run:
        yield run


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Any]:
    """The same where nothing is configured: the demo's models are there."""
    from support.cells import playing

    with playing(tmp_path, None) as run:
        yield run


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def talk(stub: Any, request: pytest.FixtureRequest) -> Any:
    """A client that talks to the stub, both ways."""
    from support.talking import Talking

    return Talking(stub, request.param)


@pytest.fixture
def streamed(stub: Any) -> Any:
    """The same, streamed only."""
    from support.talking import Talking

    return Talking(stub, True)


@pytest.fixture
def whole(stub: Any) -> Any:
    """The same, not streamed."""
    from support.talking import Talking

    return Talking(stub, False)
