"""`{names}` in a prompt become the values of variables, put in as data; nothing is evaluated.

A value stands between two fences, which are sent as tags that nobody can guess who wrote the value.
This lowers the risk of prompt injection, it does not remove it.

One room of four files: filling (the braces), values (how a value reads), fences (what stands around
it), prompts (what can be sent at all).
"""

from __future__ import annotations

from .fences import DATA_NOTE, has_data, seal, split_data, user_secret
from .filling import IN_A_FORMULA, KEY, STEP, Interpolated, interpolate
from .prompts import check_prompt

__all__ = [
    "DATA_NOTE",
    "IN_A_FORMULA",
    "KEY",
    "STEP",
    "Interpolated",
    "check_prompt",
    "has_data",
    "interpolate",
    "seal",
    "split_data",
    "user_secret",
]
