"""Code in an answer: whether it parses, and whether the names it uses exist. It is never run."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import json
import re
import textwrap
import tomllib
import warnings
from collections.abc import Callable, Collection, Iterator

from .finding import Finding

__all__ = ["broken_code", "is_installed", "unknown_names"]

LONGEST_BLOCK = 100_000
MOST_NAMES = 3

_FENCE = re.compile(
    r"^(?P<mark>```+|~~~+)[ \t]*(?P<lang>[\w+#.-]*)[^\n]*\n(?P<code>.*?)"
    r"(?:^(?P=mark)[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
_SHELL = re.compile(r"^[ \t]*(?:%|!|\?|[\w.]+\?{1,2}$)")
_ELLIPSIS = re.compile(r"^[ \t]*(?:\.\.\.|…)[ \t]*$")
_PYTHON = ("python", "py", "python3", "ipython", "pycon")


def broken_code(text: str) -> Iterator[Finding]:
    """A finding for each block of Python, JSON or TOML that does not parse."""
    for language, code in _blocks(text):
        if language in _PYTHON:
            if (fault := _python_fault(code)) is not None:
                yield Finding("code", f"the Python code does not parse: {fault}")
        elif language == "json" and (fault := _json_fault(code)) is not None:
            yield Finding("code", f"the JSON does not parse: {fault}")
        elif language == "toml" and (fault := _toml_fault(code)) is not None:
            yield Finding("code", f"the TOML does not parse: {fault}")


def unknown_names(
    text: str, namespace: Collection[str], installed: Callable[[str], bool]
) -> Iterator[Finding]:
    """A finding for names in the answer's Python that exist nowhere, and for missing modules.

    All blocks together are one program; what one defines another may use.

    Args:
        text: the answer.
        namespace: the names that exist where the code would run.
        installed: whether a module of that name can be imported; it is not imported for it.
    """
    trees = [
        tree
        for language, code in _blocks(text)
        if language in _PYTHON and (tree := _parsed(code)) is not None
    ]
    seen = _Names()
    for tree in trees:
        seen.visit(tree)
    if seen.everything:
        return
    missing = [name for name in seen.modules if not installed(name)]
    if missing:
        yield Finding("names", f"it imports {_listed(missing)}, which is not installed")
    known = {*seen.bound, *namespace, *dir(builtins), "__file__", "get_ipython", "display"}
    unknown = [name for name in seen.used if name not in known]
    if unknown:
        yield Finding("names", f"it uses {_listed(unknown)}, which is not defined")


def is_installed(module: str) -> bool:
    """Whether a top-level module can be imported; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and code of each fenced block."""
    for found in _FENCE.finditer(text):
        if len(found["code"]) <= LONGEST_BLOCK:
            yield found["lang"].lower(), found["code"]


def _python_fault(code: str) -> str | None:
    source = _source(code)
    try:
        _parse(source)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return type(error).__name__
    return None


def _parsed(code: str) -> ast.Module | None:
    try:
        return _parse(_source(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():  # "invalid escape sequence" is no concern of the reader here
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _source(code: str) -> str:
    """The code without prompts, shell lines and the indent of all of it."""
    lines = textwrap.dedent(code.expandtabs()).split("\n")
    if any(line.startswith(">>> ") for line in lines):
        lines = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
    kept = []
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        skipped = _SHELL.match(line) and not line.lstrip().startswith("%s")
        kept.append(f"{indent}pass" if skipped else _ELLIPSIS.sub(f"{indent}...", line))
    return "\n".join(kept)


def _json_fault(code: str) -> str | None:
    if not code.strip() or re.search(r"(?:^|\s)//|^\s*#|\.\.\.|…", code, re.MULTILINE):
        return None  # shown with comments or left-out parts: no claim to be whole
    try:
        json.loads(code)
    except RecursionError:
        return "it is nested too deep"
    except ValueError as error:
        if _is_json_lines(code):
            return None
        return f"line {getattr(error, 'lineno', '?')}: {getattr(error, 'msg', error)}"
    return None


def _is_json_lines(code: str) -> bool:
    try:
        return bool([json.loads(line) for line in code.splitlines() if line.strip()])
    except (ValueError, RecursionError):
        return False


def _toml_fault(code: str) -> str | None:
    try:
        tomllib.loads(code)
    except RecursionError:
        return "it is nested too deep"
    except ValueError as error:
        return str(error)[:80]
    return None


class _Names(ast.NodeVisitor):
    """What a program binds, anywhere, and what it uses."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.used: dict[str, None] = {}
        self.modules: dict[str, None] = {}
        self.everything = False
        """Whether `from … import *` may have bound any name."""

    def visit_Name(self, node: ast.Name) -> None:
        """A name that is read is used; one that is written is bound."""
        if isinstance(node.ctx, ast.Load):
            self.used.setdefault(node.id)
        else:
            self.bound.add(node.id)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.bound.add(node.name)
        self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _define

    def visit_arg(self, node: ast.arg) -> None:
        """A parameter; its annotation may name what is imported only for type checkers."""
        self.bound.add(node.arg)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """`except … as name`."""
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """`import a.b as c`."""
        for alias in node.names:
            self.bound.add(alias.asname or alias.name.partition(".")[0])
            self.modules.setdefault(alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from a import b`; a relative one belongs to a package that is not here."""
        if not node.level and node.module:
            self.modules.setdefault(node.module.partition(".")[0])
        for alias in node.names:
            self.everything |= alias.name == "*"
            self.bound.add(alias.asname or alias.name)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        """`case … as name`."""
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        """`case [*name]`."""
        if node.name:
            self.bound.add(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        """`case {**rest}`."""
        if node.rest:
            self.bound.add(node.rest)
        self.generic_visit(node)
