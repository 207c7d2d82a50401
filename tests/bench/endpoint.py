"""An endpoint that takes its time and costs the measured process nothing: eight ports of its own.

Run as a process; it prints its base URLs and ends with its standard input. Each answer takes
SECONDS from the request to its end: half of it before the first token, half of it streaming.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

PORTS = 8
SECONDS = 0.2
PIECES = 8


@contextmanager
def serving() -> Iterator[list[str]]:
    """The base URLs of a running endpoint."""
    command = [sys.executable, __file__]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()
        process.communicate()


def _event(delta: dict[str, str], reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


def _part(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    + _part(_event({"role": "assistant", "content": ""}))
)
USAGE = {"prompt_tokens": 10, "completion_tokens": 2 * PIECES}
TAIL = _part(_event({}, "stop", usage=USAGE) + b"data: [DONE]\n\n") + _part(b"")


async def _answer(reader: StreamReader, writer: StreamWriter) -> None:
    clock = asyncio.get_running_loop().time
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            begun = clock()
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            for turn in range(PIECES):
                at = begun + SECONDS / 2 * (1 + turn / PIECES)
                await asyncio.sleep(max(0.0, at - clock()))
                writer.write(b"" if turn else HEAD)
                writer.write(_part(_event({"content": f"word{turn} "})))
            await asyncio.sleep(max(0.0, begun + SECONDS - clock()))
            writer.write(TAIL)
            await writer.drain()
    writer.close()


async def _main() -> None:
    servers = [await asyncio.start_server(_answer, "127.0.0.1", 0) for _ in range(PORTS)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(*(f"http://127.0.0.1:{port}/v1" for port in ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
