"""Python in a model's text is read, never run, by many threads at once; nothing is left behind."""

from __future__ import annotations

import ast
import gc
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from mmai_nb.markup import python_tree

CODES = ("a" + ".b" * 80, "x = [1, 2]\n" * 200, "(" * 80 + "1" + ")" * 80, "1" + "+1" * 2000)


@contextmanager
def threads_that_change_often() -> Iterator[None]:
    """Python runs while a tree is built, as where somebody listens to the collector."""

    def listen(phase: str, info: object) -> None:
        for _ in range(50):
            pass

    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-5)
    gc.set_threshold(200)
    gc.callbacks.append(listen)
    try:
        yield
    finally:
        gc.callbacks.remove(listen)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)


def in_threads(read: Callable[[str], object], codes: tuple[str, ...]) -> None:
    with ThreadPoolExecutor(len(codes)) as pool:
        list(pool.map(read, codes))


def test_many_threads_read_code_at_once():
    def often(code: str) -> None:
        for _ in range(40):
            python_tree(code)

    with threads_that_change_often():
        in_threads(often, CODES)


def test_the_users_filters_of_warnings_are_as_before_when_threads_have_read(monkeypatch):
    really = ast.parse

    def slowly(code: str, mode: str = "exec") -> ast.AST:
        time.sleep(0.02 * len(code))
        return really(code, mode=mode)

    monkeypatch.setattr(ast, "parse", slowly)
    before = list(warnings.filters)
    in_threads(python_tree, ("a", "ab", "abc", "abcd"))
    assert warnings.filters == before


def test_code_that_would_give_a_warning_gives_none():
    assert python_tree(r"x = '\d'; x is 'a'").body


@pytest.mark.parametrize("code", ["(" * 5000, "-" * 100_000 + "1", "a = \0"], ids=lambda c: c[:3])
def test_what_cannot_be_read_is_told_in_one_way(code):
    with pytest.raises((SyntaxError, ValueError)):
        python_tree(code)
