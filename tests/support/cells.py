"""A real IPython shell in which cells are run, over a model that plays a script."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.ledger import Ledger

from .scripted import Scripted


class Shown:
    """What running a cell printed, returned and raised."""

    def __init__(self, result: Any, output: Any) -> None:
        self.result, self.value = result, result.result
        self.error = result.error_in_exec or result.error_before_exec
        self.text = output.stdout + output.stderr

    @property
    def ok(self) -> bool:
        return bool(self.result.success)

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line]


@contextmanager
def loaded_shell(config: dict[str, Any] | None = None) -> Iterator[InteractiveShell]:
    """A shell with the extension loaded; `config` is what an ipython_config.py would set.

    Afterwards nothing tells a later test that this process has been IPython.
    """
    base = {"HistoryManager": {"enabled": False}}
    shell = InteractiveShell(config=Config({**base, **(config or {})}), colors="nocolor")
    shell.extension_manager.load_extension("mmai_nb")
    yield shell
    shell.extension_manager.unload_extension("mmai_nb")
    shell.restore_sys_module_state()
    vars(builtins).pop("__IPYTHON__", None)


@contextmanager
def playing(folder: Path, settings: Any) -> Iterator[Any]:
    """A function that runs a cell, over an engine with these settings whose call is scripted."""
    call = Scripted()
    engine = Engine(
        settings,
        call=call,
        ledger=Ledger(folder / "ledger.sqlite3"),
        cache=AnswerCache(folder / "cache"),
        sleep=lambda seconds: None,
    )
    with loaded_shell() as shell:
        shell.magics_manager.magics["cell"]["ai"].__self__._engine = engine

        def run(cell: str, *plays: Any) -> Shown:
            if plays:
                call.plays[:] = plays
            with capture_output() as output:
                result = shell.run_cell(cell)
            return Shown(result, output)

        run.shell, run.call, run.engine = shell, call, engine  # type: ignore[attr-defined]
        yield run
    engine.close()
