"""mmai_nb: ask many LLMs from a notebook: routed, cached, priced and recorded.

The plan of the house. A module imports only from floors below its own; a test holds the code to it.

   12  magic completion
   11  commands
   10  display panels api cell_line traits
    9  engine shelf feedback calibrating checkup
    8  escalation
    7  walk
    6  resources replaying
    5  client recording remembering transfer assessing votes in_force
    4  saving comparison fallback purse keeping options routing offline texts wire
    4  planning thresholds learned fitting
    3  pricing settings side_by_side ledger calibration
    2  braces charts checks complexity demo exchanges specs caching reading holds
    2  price_data plan_page columns
    1  tables sums selection answer interpolation schemas tokens flights questions budgets keys
    1  discovery call_log opening word_index exporting signals dial store
    0  cancel verdicts errors records markup redaction files schema frames values providers
    0  amounts cautions sources drafts envfile vaults words vocabulary pacing fitted outputs

The walk of one `%%ai` cell: magic parses the line, interpolation puts variables in as data →
`Engine.answer` → routing chooses a chain of models → the cache is asked for each of them → else
fallback tries one model after the other, each attempt a row of the ledger before it leaves, with
the money it may cost where a budget is in force → pricing → with a check, escalation to the next
tier where the answer fails it → an Answer.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .answer import Answer
    from .api import (
        aask,
        ask,
        astream,
        budget,
        calibrate,
        compare,
        configure,
        costs,
        doctor,
        escalate,
        export_answers,
        export_costs,
        forget,
        history,
        import_answers,
        last,
        on_alert,
        retry,
        summary,
        vote,
        win_rates,
    )
    from .api import plan as route
    from .engine import Engine
    from .records import Alert

__all__ = [
    "Alert",
    "Answer",
    "Engine",
    "aask",
    "ask",
    "astream",
    "budget",
    "calibrate",
    "compare",
    "configure",
    "costs",
    "doctor",
    "escalate",
    "export_answers",
    "export_costs",
    "forget",
    "history",
    "import_answers",
    "last",
    "on_alert",
    "retry",
    "route",
    "summary",
    "vote",
    "win_rates",
]

_WHERE = {
    "Alert": ("records", "Alert"),
    "Answer": ("answer", "Answer"),
    "Engine": ("engine", "Engine"),
    "route": ("api", "plan"),
    **{
        name: ("api", name)
        for name in (
            "aask",
            "ask",
            "astream",
            "budget",
            "calibrate",
            "compare",
            "configure",
            "costs",
            "doctor",
            "escalate",
            "export_answers",
            "export_costs",
            "forget",
            "history",
            "import_answers",
            "last",
            "on_alert",
            "retry",
            "summary",
            "update_prices",
            "vote",
            "win_rates",
        )
    },
}

logging.getLogger("mmai_nb").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Public names are imported at their first use, so that loading the extension stays quick."""
    if name in ("charts", "errors", "offline", "panels"):
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room, inside = _WHERE[name]
    return getattr(importlib.import_module(f"{__name__}.{room}"), inside)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext mmai_nb`: register `%%ai` and `%ai`, and what completes them."""
    from .cautions import show_plainly
    from .completion import add_matcher
    from .magic import register

    show_plainly()
    add_matcher(shell, register(shell))


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext mmai_nb`: take them out again."""
    from .cautions import restore
    from .completion import remove_matcher
    from .magic import unregister

    restore()
    unregister(shell)
    remove_matcher(shell)
