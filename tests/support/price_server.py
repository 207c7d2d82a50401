"""A server on loopback that gives out price data, whole or spoilt."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any


def price_list(models: dict[str, tuple[float, float]], others: int = 1_500) -> list[Any]:
    """Price data as genai-prices publishes them: OpenAI's models, and enough others to be true."""
    rows = [
        {
            "id": name,
            "match": {"equals": name},
            "prices": {"input_mtok": prices[0], "output_mtok": prices[1]},
        }
        for name, prices in {**models, **{f"other-{n}": (1.0, 2.0) for n in range(others)}}.items()
    ]
    openai = {
        "id": "openai",
        "name": "OpenAI",
        "api_pattern": r"https://api\.openai\.com",
        "models": rows,
    }
    return [openai]


class PriceServer:
    """Give `body` (JSON, or bytes as they are) with `status`, not before `until` is set."""

    def __init__(self, body: Any, status: int = 200, until: threading.Event | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.count = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.count += 1
                if until is not None:
                    until.wait(60)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/data.json"

    def __enter__(self) -> PriceServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
