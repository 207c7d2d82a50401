"""Python code in a text as its syntax tree, also where several threads read code at once."""

from __future__ import annotations

import ast
import threading
import warnings
from typing import Literal, overload

__all__ = ["python_tree"]

_TRIES = 3
_TURN = threading.Lock()
"""Filters of warnings are the whole process's: two that leave in another order than they came
would silence the user's warnings for good."""


@overload
def python_tree(code: str) -> ast.Module: ...


@overload
def python_tree(code: str, mode: Literal["eval"]) -> ast.Expression: ...


def python_tree(code: str, mode: Literal["exec", "eval"] = "exec") -> ast.AST:
    """The syntax tree of Python code; nothing is run, and no warning about the code is given.

    Args:
        code: the code.
        mode: "exec" for statements, "eval" for one expression.

    Raises:
        SyntaxError: it is no Python.
        ValueError: it has null characters, or is nested too deeply to be read.
    """
    with _TURN, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_TRIES):
            try:
                return ast.parse(code, mode=mode)
            except (RecursionError, MemoryError):
                break
            except SystemError:
                # CPython 3.11 counts the depth of a tree for all threads together (gh-106905)
                continue
    raise ValueError("nested too deeply to be read")
