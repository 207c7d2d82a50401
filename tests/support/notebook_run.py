"""Runs the cells of a notebook in an IPython of its own: what they answered, and who was called.

    python notebook_run.py notebook.ipynb [a cell to run before the others …]

prints one line of JSON: {"answers": […], "hits": […], "footers": […], "errors": […],
"connections": n}.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any


def main(notebook: Path, first: list[str]) -> None:
    calls: list[Any] = []
    connect = socket.socket.connect

    def counted(self: socket.socket, address: Any) -> Any:
        if self.family != getattr(socket, "AF_UNIX", None):
            calls.append(address)
        return connect(self, address)

    socket.socket.connect = counted  # type: ignore[method-assign]

    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_cell("%load_ext mmai_nb")
    cells = json.loads(notebook.read_text())["cells"]
    code = [*first, *("".join(c["source"]) for c in cells if c["cell_type"] == "code")]
    answers: list[Any] = []
    errors: list[str] = []
    for cell in code:
        result = shell.run_cell(cell)
        error = result.error_in_exec or result.error_before_exec
        if error is not None:
            errors.append(f"{type(error).__name__}: {error}")
        import mmai_nb

        last = mmai_nb.last()
        if last is not None and (not answers or last is not answers[-1]):
            answers.append(last)
    found = {
        "answers": [str(answer) for answer in answers],
        "hits": [answer.cache_hit for answer in answers],
        "footers": [answer.footer() for answer in answers],
        "errors": errors,
        "connections": len(calls),
    }
    sys.stdout.write("\n" + json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
