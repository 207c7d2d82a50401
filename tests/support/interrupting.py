"""Cells of a real kernel that are stopped while a request is on its way."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

__all__ = ["interrupted", "is_asked"]


def is_asked(folder: Path, model: str) -> bool:
    """Whether a request to the model is on its way, by the ledger."""
    place = (folder / "data" / "ledger.sqlite3").as_uri()
    query = "SELECT COUNT(*) FROM attempt WHERE status = 'unknown' AND request_model = ?"
    with closing(sqlite3.connect(f"{place}?mode=ro", uri=True)) as db:
        return bool(db.execute(query, (model,)).fetchone()[0])


def interrupted(manager: Any, client: Any, code: str, ready: Callable[[], object]) -> float:
    """Seconds from the interrupt to the prompt, for a cell that is stopped when it is `ready`."""
    message = client.execute(code)
    ready()
    time.sleep(0.2)
    begin = time.monotonic()
    manager.interrupt_kernel()
    while True:
        reply = client.get_shell_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == message:
            assert reply["content"]["status"] == "error"
            assert reply["content"]["ename"] == "KeyboardInterrupt"
            return time.monotonic() - begin
