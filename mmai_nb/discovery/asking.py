"""Questions to servers on this machine, asked side by side, all answered or dropped in time.

No proxy, no redirect, no more than a few megabytes; a server that hangs, drips or sends garbage has
not answered. This module imports nothing of the package.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

__all__ = ["Ask", "Reply", "ask_all"]

MOST_BYTES = 4_000_000
MOST_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Ask:
    """One question; with a `body` it is a POST of that JSON."""

    host: str
    port: int
    path: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it: status and parsed JSON, or that nothing listens there."""

    status: int = 0
    data: Any = None
    refused: bool = False


SILENCE = Reply()
"""No answer that can be used, or none in time."""


def ask_all(asks: Sequence[Ask], seconds: float) -> list[Reply]:
    """The replies in the order of the questions, after `seconds` at the most."""
    until = time.monotonic() + seconds
    replies = [SILENCE] * len(asks)
    todo = deque(enumerate(asks))
    lines: list[HTTPConnection] = []

    def work() -> None:
        while todo and (left := until - time.monotonic()) > 0:
            with suppress(IndexError):  # another thread took the last one
                place, ask = todo.popleft()
                line = HTTPConnection(ask.host, ask.port, timeout=left)
                lines.append(line)
                replies[place] = _reply(line, ask, until)

    threads = [
        threading.Thread(target=work, name="mmai-discovery", daemon=True)
        for _ in range(min(len(asks), MOST_AT_ONCE))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    found = list(replies)
    for line in list(lines):
        _hang_up(line)
    return found


def _reply(line: HTTPConnection, ask: Ask, until: float) -> Reply:
    method = "POST" if ask.body else "GET"
    headers = {"Accept": "application/json", "Connection": "close"}
    if ask.body:
        headers["Content-Type"] = "application/json"
    try:
        line.request(method, ask.path, body=ask.body or None, headers=headers)
        answer = line.getresponse()
        data = bytearray()
        while piece := answer.read1(65536):
            data += piece
            if len(data) > MOST_BYTES or time.monotonic() > until:
                return SILENCE
        return Reply(answer.status, json.loads(data) if data else None)
    except ConnectionRefusedError:
        return Reply(refused=True)
    except (OSError, HTTPException, ValueError, RecursionError):
        return SILENCE
    finally:
        line.close()


def _hang_up(line: HTTPConnection) -> None:
    """End what is still under way: its thread sees the end of the connection, and stops."""
    if (sock := line.sock) is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
