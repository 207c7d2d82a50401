"""llama.cpp's own HTTP server, in a child process, with the tiny model: a real peer on loopback.

    with llama_server(folder) as llama:
        ...                                # llama.base_url, llama.key, llama.alias, llama.window

The server has C++ threads of its own, so it never runs in the process of the tests.
"""

from __future__ import annotations

import importlib.util
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

NEEDS = ("xllamacpp", "gguf", "tokenizers", "numpy")
SLOTS = 2
START_SECONDS = 90.0


@dataclass(frozen=True)
class Llama:
    """Where the server is, and what it answers to."""

    base_url: str
    key: str
    alias: str
    window: int


@contextmanager
def llama_server(folder: Path, key: str = "llama-test-key") -> Iterator[Llama]:
    """A running server; its model is made in the folder. Skips where a package is missing.

    Without a key it answers everybody.
    """
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"no real llama.cpp server without {', '.join(missing)}")
    from .tiny_gguf import CONTEXT, make_tiny_gguf

    model = make_tiny_gguf(folder / "tiny.gguf")
    alias = "tiny-random"
    job = {"model": str(model), "key": key, "alias": alias, "window": CONTEXT, "port": _free_port()}
    child = subprocess.Popen(
        [sys.executable, __file__, json.dumps(job)],
        stdin=subprocess.PIPE,  # the child ends when this pipe does, whatever becomes of its parent
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Llama(_address(child), key, alias, CONTEXT)
    finally:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.close()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()


def _address(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and child.poll() is None:
        if select.select([child.stdout], [], [], 0.2)[0]:
            line = child.stdout.readline()
            if line.startswith("serving "):
                return line.split()[1]
    raise AssertionError(f"llama.cpp's server did not start (exit code {child.poll()})")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(job: dict[str, object]) -> None:
    """In the child: serve until standard input ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = job["model"]
    params.cpuparams.n_threads = 2
    wanted = {
        "hostnames": ["127.0.0.1"],
        "port": job["port"],
        "api_keys": [job["key"]] if job["key"] else [],
        "model_alias": [job["alias"]],
        "n_parallel": SLOTS,
        "n_ctx": int(str(job["window"])) * SLOTS,
        "n_predict": 400,
        "use_jinja": True,
        "warmup": False,
    }
    for name, value in wanted.items():
        setattr(params, name, value)
    server = xllamacpp.Server(params)
    sys.stdout.write(f"serving {server.listening_address}/v1\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
