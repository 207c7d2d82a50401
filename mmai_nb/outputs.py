"""An output of a notebook that can be replaced later, in place. Outside a kernel there is none.

This module imports nothing of the package, and IPython only when something is shown.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from typing import Any

__all__ = ["can_replace", "publisher"]


def can_replace() -> bool:
    """Whether this runs in a kernel, whose front end replaces what it shows."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def publisher() -> Callable[..., None]:
    """What shows MIME bundles in one output: a bundle, metadata, and `update` to replace it."""
    name = uuid.uuid4().hex

    def publish(bundle: dict[str, Any], metadata: dict[str, Any], *, update: bool) -> None:
        from IPython.display import publish_display_data

        show: Callable[..., None] = publish_display_data
        show(bundle, metadata, transient={"display_id": name}, update=update)

    return publish
