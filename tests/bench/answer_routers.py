"""Routers that read the cheap model's answer before they decide; `routing.py` adds their rows.

A router here is a function of questions that all have a `weak_answer`: one number a question, the
highest the first to go to the strong model. What it spends counts both calls (`WEAK_PRICE` of
`routing.py`), since the cheap answer is paid for before it can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from bench.questions import Question
from numpy.typing import NDArray

__all__ = ["ANSWER_ROUTERS"]

ANSWER_ROUTERS: Mapping[str, Callable[[Sequence[Question]], NDArray[np.float64]]] = {}
"""By the name of their row."""
