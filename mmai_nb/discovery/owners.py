"""Whose process listens on a port of this machine, where the system tells it (Linux).

Anybody on a shared machine may listen on a port that is free, so a server is trusted only if it is
the user's own or the system's. This module imports nothing of the package.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

__all__ = ["strangers"]

PROC = Path("/proc/net")
SYSTEM_ACCOUNTS = range(1000)
"""Users that no person logs in as, by the custom of Linux: daemons, and root."""

_LISTENING = "0A"
_REACHED = {
    "00000000",  # 0.0.0.0
    "0100007F",  # 127.0.0.1
    "0" * 32,  # ::
    "0" * 24 + "01000000",  # ::1
    "0000000000000000FFFF00000100007F",  # ::ffff:127.0.0.1
}
"""Addresses, as the kernel writes them, at which a connection to this machine may arrive."""


def strangers(ports: Collection[int], proc: Path | None = None) -> dict[int, int]:
    """The ports on which another person's process listens, each with that user's number.

    Where the system does not tell (no /proc, as on macOS and Windows, or a port that the system
    itself forwards, as for a container) nobody is a stranger.
    """
    found: dict[int, int] = {}
    for table in ("tcp", "tcp6"):
        try:
            text = ((proc or PROC) / table).read_text("ascii")
        except (OSError, ValueError):
            continue
        for line in text.splitlines()[1:]:
            port, user = _listener(line)
            if port in ports and user not in (os.geteuid(), *SYSTEM_ACCOUNTS):
                found[port] = user
    return found


def _listener(line: str) -> tuple[int, int]:
    """Port and user of a line of the table; (0, 0) where nobody listens for this machine."""
    fields = line.split()
    if len(fields) < 8 or fields[3] != _LISTENING:
        return 0, 0
    address, _, port = fields[1].partition(":")
    return (int(port, 16), int(fields[7])) if address in _REACHED else (0, 0)
