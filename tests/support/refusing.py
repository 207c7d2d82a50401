"""An engine, and a shell over it, that nothing bad may get past: what every refusal must be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.ledger import Ledger

from .scripted import Scripted, settings_of

TRACE = re.compile(r"Traceback|^\s*File |<ipython-input|----> \d|line \d+, in ", re.MULTILINE)


def bare_shell() -> InteractiveShell:
    """A shell of a test's own, without a history file."""
    return InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))


class House:
    """Both doors over one scripted model.

    Attributes:
        call: what stands in place of the network; its `calls` are what was sent.
        engine: the door of Python.
        shell: the door of the notebook.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.call = Scripted()
        self.engine = Engine(
            settings_of(**settings),
            call=self.call,
            ledger=Ledger(folder / "ledger.sqlite3"),
            cache=AnswerCache(folder / "cache"),
            sleep=lambda seconds: None,
        )
        self.shell = bare_shell()
        self.shell.extension_manager.load_extension("mmai_nb")
        self.magics = self.shell.magics_manager.magics["cell"]["ai"].__self__
        self.magics._engine = self.engine

    def close(self) -> None:
        self.engine.close()
        self.shell.restore_sys_module_state()

    def run(self, cell: str) -> tuple[Any, str]:
        """What a cell gives, and all that it prints."""
        with capture_output() as shown:
            result = self.shell.run_cell(cell)
        return result, shown.stdout + shown.stderr

    def refuses_cell(self, cell: str, error: type[Exception], *says: str) -> str:
        """The one line that the cell shows; it fails, and nothing was sent or written."""
        result, text = self.run(cell)
        raised = result.error_in_exec or result.error_before_exec
        assert isinstance(raised, error), text
        lines = [line for line in text.splitlines() if line.strip()]
        assert len(lines) == 1, text
        assert lines[0].endswith(str(raised))
        assert not TRACE.search(text), text
        return self._holds(str(raised), says)

    def refuses(
        self, error: type[Exception], *says: str, prompt: Any = "hi", **options: Any
    ) -> str:
        """The message of `ask`; nothing was sent or written."""
        if "messages" in options:
            prompt = None
        with pytest.raises(error) as caught:
            self.engine.ask(prompt, **options)
        return self._holds(str(caught.value), says)

    def refuses_settings(self, changes: dict[str, Any], error: type[Exception], *says: str) -> str:
        """The message of `configure`; the settings are as they were."""
        before = self.engine.settings
        with pytest.raises(error) as caught:
            self.engine.configure(changes)
        assert self.engine.settings is before
        return self._holds(str(caught.value), says)

    def _holds(self, text: str, says: tuple[str, ...]) -> str:
        assert is_one_clear_line(text)
        for words in says:
            assert words in text
        self.is_untouched()
        return text

    def is_untouched(self) -> None:
        """Nothing was sent, recorded or kept."""
        assert self.call.calls == []
        assert len(self.engine.costs()) == 0
        assert self.engine.cache.size()[0] == 0


def is_one_clear_line(text: str) -> bool:
    """Whether a message is one line of at most 200 characters that can all be seen."""
    assert len(text.splitlines()) == 1, text
    assert len(text) <= 200, text
    assert text.isprintable(), ascii(text)
    return True
