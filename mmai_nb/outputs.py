"""An output of a notebook that can be replaced later, in place. Outside a kernel there is none.

This module imports nothing of the package, and IPython only when something is shown.
"""

from __future__ import annotations

import importlib
import os
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import PurePath
from typing import Any

__all__ = ["can_replace", "publisher"]


CONSOLES = {"jupyter-console", "jupyter_console", "jupyter-qtconsole", "qtconsole", "spyder"}
"""Programs that print what a kernel shows, once, and drop what would replace it."""


def can_replace(shell: Any = None) -> bool:
    """Whether a shell (default: this process's) has a front end that replaces what it shows."""
    if shell is None:
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel") and not _is_of_a_console(os.getppid())


@cache
def _is_of_a_console(parent: int) -> bool:
    """Whether a console has started this kernel: its requests look like any other client's."""
    with suppress(ImportError, AttributeError, OSError):
        system: Any = importlib.import_module("psutil")  # ipykernel needs it, so a kernel has it
        with suppress(system.Error):
            return not CONSOLES.isdisjoint(
                PurePath(word).stem for word in system.Process(parent).cmdline()[:3]
            )
    return False


def publisher() -> Callable[..., None]:
    """What shows MIME bundles in one output: a bundle, metadata, and `update` to replace it."""
    name = uuid.uuid4().hex

    def publish(bundle: dict[str, Any], metadata: dict[str, Any], *, update: bool) -> None:
        from IPython.display import publish_display_data

        show: Callable[..., None] = publish_display_data
        show(bundle, metadata, transient={"display_id": name}, update=update)

    return publish
