"""Code in an answer: whether it parses, and whether the names it uses exist. It is never run."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import re
import textwrap
from collections.abc import Callable, Collection, Iterator

from ..markup import python_tree
from .attributes import missing_attributes
from .blocks import take_apart
from .finding import Finding
from .formats import LEFT_OUT, json_fault, toml_fault, xml_fault

__all__ = ["broken_code", "is_installed", "unknown_names"]

LONGEST_BLOCK = 100_000
MOST_BLOCKS = 100
MOST_NAMES = 3
NEARBY = 150
"""Characters before and after a block in which an answer says what it is."""

_SHELL = re.compile(
    r"[ \t]*(?:%|!|\?|\$ |[\w.]+\?{1,2}$|(?:pip|pip3|conda|uv|python|jupyter) +[a-z-])"
)
_KEPT = re.compile(r"([ \t]*[\w, ]+=\s*)(?:!|%\w).*")
_PROMPT = re.compile(r"(?:>>> ?|\.\.\. ?|In \[\d*\]: ?|   \.{3,}: ?)")
_ELLIPSIS = re.compile(r"^[ \t]*(?:\.\.\.|…)[ \t]*$")
_BRANCH = re.compile(r"\s*(?:elif|else|except|finally|case)\b")
_CHANGE = re.compile(r"[-+ \t@]")
_MEANT_WRONG = re.compile(
    r"\bpseudo-?\s?code|\b(?:Syntax|Indentation|Tab|JSONDecode|TOMLDecode)Error\b|\bPython ?2\b|"
    r"\b(?:invalid|malformed) (?:syntax|JSON|TOML|Python|code)\b|"
    r"\b(?:does(?:n't| not)|won't|will not|can(?:not|'t)) (?:work|parse|compile|run|be parsed)\b|"
    r"\b(?:is|are) (?:wrong|broken|invalid|malformed|not (?:valid|allowed))\b|"
    r"\btrailing commas?\b|\bJSON(?:5|C)\b|[❌✗✘]",
    re.IGNORECASE,
)
_MARKED_WRONG = re.compile(r"\b(?:wrong|bad|broken|invalid|SyntaxError)\b|[❌✗✘]", re.IGNORECASE)
_LEADS_TO_WRONG = re.compile(
    r"^\W*(?:\d{1,2}[.)] *)?\W*(?:"
    r"(?:the |your |my )?(?:old|before|original|wrong|bad|incorrect)\b[^\n]{0,30}:|"
    r"[^\n]{0,40}\b(?:missing|unbalanced|unclosed|unmatched|forgotten|misplaced|mixed|wrong|extra) "
    r"(?:a |the |closing |opening )?(?:colons?|commas?|brackets?|parenthes[ei]s|braces?|quotes?|"
    r"quotation marks?|indent\w*|operators?|equals signs?|tabs?)\b)",
    re.IGNORECASE,
)
_PRINTED = re.compile(
    r"\b(?:outputs?|results?|prints?|printed|returns?|displays?|shows?|gives?)\b", re.I
)
_MEANT_RIGHT = re.compile(r"\b(?:fix\w*|correct\w*|right|working|instead)\b", re.IGNORECASE)
_INSTALLS = re.compile(r"\b(?:pip3?|conda|mamba|uv|poetry|apt(?:-get)?) +(?:install|add)\b")
_NEWER = re.compile(r"^[ \t]*(?:type +\w+.*=|(?:async +)?def +\w+\[|class +\w+\[)", re.MULTILINE)
_NOTEBOOK = ("__file__", "__class__", "get_ipython", "display", "In", "Out", "exit", "quit")
_EARLIER = re.compile(r"_{1,3}|_\d+|_i{1,3}|_i\d+")
"""IPython's names for earlier cells and their values."""
_PYTHON = ("python", "py", "python3", "ipython", "pycon")


def broken_code(text: str, prompt: str = "", *, ended: bool = False) -> Iterator[Finding]:
    """A finding for each block of Python, JSON, TOML or XML that does not parse, and is meant to.

    What stands in the prompt, or is shown as wrong or as pseudo-code, is not meant to.

    Args:
        text: the answer.
        prompt: what was asked.
        ended: whether the model says that it was done, so that a block without an end is whole.
    """
    for language, code in _blocks(text, ended):
        found = _fault(language, code)
        if (
            found
            and not _is_shown_as_wrong(code, text, prompt)
            and not _is_output(language, code, text)
        ):
            yield Finding("code", found)


def _fault(language: str, code: str) -> str:
    """Why a block does not parse; "" where it does, or is in a language that is not known here."""
    checks = {"json": ("JSON", json_fault), "toml": ("TOML", toml_fault)}
    checks |= dict.fromkeys(("xml", "svg", "xsd"), ("XML", xml_fault))
    checks |= dict.fromkeys(_PYTHON, ("Python code", _python_fault))
    if language not in checks:
        return ""
    name, check = checks[language]
    fault = check(code)
    return "" if fault is None else f"the {name} does not parse: {fault}"


def _is_shown_as_wrong(code: str, text: str, prompt: str) -> bool:
    """Whether code is the prompt's own, or words around it or a comment say that it is wrong."""
    at = text.find(code)
    before, after = text[:at][-NEARBY:], text[at + len(code) :][:NEARBY]
    lead = before.rsplit("```", 1)[0].rstrip().rsplit("\n", 1)[-1]
    if _MEANT_RIGHT.search(lead):
        return False
    if _LEADS_TO_WRONG.search(lead):
        return True
    around = f"{before}\n{after}".replace("’", "'")
    comments = "\n".join(line.partition("#")[2] for line in code.split("\n"))
    told = _MEANT_WRONG.search(around) or _MARKED_WRONG.search(comments)
    return bool(told) or code.strip() in prompt


_LOOKS_LIKE_CODE = re.compile(
    r"[=({\[]|^[ \t]*(?:def|class|for|if|while|return|import|from|with|try|print|lambda)\b|"
    r":[ \t]*$",
    re.MULTILINE,
)


def _is_output(language: str, code: str, text: str) -> bool:
    """Whether a block shows what code prints: a frame, or what a lead in calls so."""
    lead = text[: text.find(code)][-NEARBY:].rsplit("```", 1)[0].rstrip().rsplit("\n", 1)[-1]
    if language not in _PYTHON:
        return False
    introduced = lead.endswith((":", "：")) and _PRINTED.search(lead) and "print(" not in code
    return bool(introduced) or not _LOOKS_LIKE_CODE.search(code)


def unknown_names(
    text: str, prompt: str, namespace: Collection[str], installed: Callable[[str], bool]
) -> Iterator[Finding]:
    """Findings for names in the answer's Python that exist nowhere, and for missing modules.

    A name that a module does not have is another kind: an example may use names that are nowhere,
    but a module that is here has no such name for certain.

    An answer that says how to install something is taken to mean those.
    All blocks together are one program; what one defines another may use.

    Args:
        text: the answer.
        prompt: what was asked.
        namespace: the names that exist where the code would run.
        installed: whether a module of that name can be imported; it is not imported for it.
    """
    trees = [
        tree
        for language, code in _blocks(text, ended=False)
        if language in _PYTHON and (tree := _parsed(code)) is not None
    ]
    seen = _Names()
    for tree in trees:
        seen.visit(tree)
    if seen.everything:
        return
    missing = [name for name in seen.modules if not installed(name)]
    if missing and not _INSTALLS.search(text):
        yield Finding("names", f"it imports {_listed(missing)}, which is not installed")
    known = {*seen.bound, *namespace, *dir(builtins), *_NOTEBOOK}
    unknown = [name for name in seen.used if name not in known and not _EARLIER.fullmatch(name)]
    if unknown:
        yield Finding("names", f"it uses {_listed(unknown)}, which is not defined")
    if not _ABOUT_NAMES.search(text):
        lacking = missing_attributes(trees, namespace, seen.assigned)
        if lacking := [name for name in lacking if name.rpartition(".")[2] not in prompt]:
            yield Finding("attribute", f"there is no {_listed(lacking)}")


_ABOUT_NAMES = re.compile(
    r"\b(?:deprecated|removed|no longer|renamed|AttributeError|ImportError|has no attribute|"
    r"(?:does not|doesn't|doesn’t) exist|(?:older|newer|earlier|later|previous) versions?|hasattr|"
    r"Windows|macOS|"
    r"(?:since|before|until|from|requires?|needs?|in) (?:version |v|[Pp]ython |[a-z]{2,12} )\d)"
)
"""It tells of versions, or of what is not there."""


def is_installed(module: str) -> bool:
    """Whether a top-level module can be imported; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _blocks(text: str, ended: bool) -> Iterator[tuple[str, str]]:
    """Language and code of each fenced block that is whole, of the first hundred."""
    for block in take_apart(text).blocks[:MOST_BLOCKS]:
        if (block.closed or ended) and len(block.code) <= LONGEST_BLOCK:
            yield block.language, block.code


def _python_fault(code: str) -> str | None:
    source = _source(code)
    try:
        python_tree(source)
    except SyntaxError as error:
        if _is_part(code, source) or _is_sketch(source, error) or _is_newer(source, error):
            return None
        return f"line {error.lineno}: {error.msg}"
    except ValueError as error:
        return str(error)
    return None


def _is_part(code: str, source: str) -> bool:
    """Whether code is no program of its own: a branch, a diff, a chain, arguments, a decorator."""
    lines = [line for line in code.split("\n") if line.strip()]
    changes = all(map(_CHANGE.match, lines)) and any(line[0] in "-+" for line in lines)
    start = source.lstrip()
    whole = f"(x{start}\n)" if start[:1] == "." else f"f(\n{source}\n)"
    wholes = (f"{source}\ndef f(): ...", whole, f"{{\n{source}\n}}")
    if changes:
        return True
    if branch := _BRANCH.match(code):
        heads = ("if x:\n    pass\n", "try:\n    pass\n", "for x in y:\n    pass\n")
        return branch[0].strip() == "case" or any(_parses(f"{head}{source}") for head in heads)
    if not lines or len(source) > LONGEST_PART or not re.match(r"\s*[.@\w'\"*{]", source):
        return False
    return any(map(_parses, wholes[: 3 if lines[-1].lstrip()[:1] != "@" else 1]))


LONGEST_PART = 2_000


def _parses(source: str) -> bool:
    try:
        python_tree(source)
    except (SyntaxError, ValueError):
        return False
    return True


def _is_sketch(source: str, error: SyntaxError) -> bool:
    """Whether the code leaves something out on purpose: dots, <your key>, the body of a head."""
    if LEFT_OUT.search(source):
        return True
    no_body = isinstance(error, IndentationError) and "expected an indented" in error.msg
    last = source.rstrip().rsplit("\n", 1)[-1]
    return no_body and ("#" in source or last.partition("#")[0].rstrip().endswith(":"))


def _is_newer(source: str, error: SyntaxError) -> bool:
    """Whether the code may be right for a Python that is newer than this one."""
    return bool(_NEWER.search(source)) or "f-string" in (error.msg or "")


def _parsed(code: str) -> ast.Module | None:
    try:
        return python_tree(_source(code))
    except (SyntaxError, ValueError):
        return None


def _source(code: str) -> str:
    """The code without prompts, shell lines and the indent of all of it."""
    lines = textwrap.dedent(code.expandtabs()).strip("\n").split("\n")
    if re.match(r"%%(?!time|capture|prun)", lines[0]):
        return ""  # the cell is in another language
    if any(line.startswith((">>> ", "In [")) for line in lines):
        lines = [line[found.end() :] for line in lines if (found := _PROMPT.match(line))]
    return "\n".join(map(_plain, lines))


def _plain(line: str) -> str:
    """A line of a notebook as plain Python."""
    indent = line[: len(line) - len(line.lstrip())]
    if _SHELL.match(line) and not line.lstrip().startswith("%s"):
        return f"{indent}pass"
    if kept := _KEPT.fullmatch(line):
        return f"{kept[1]}None"
    return _ELLIPSIS.sub(f"{indent}...", line)


class _Names(ast.NodeVisitor):
    """What a program binds, anywhere, and what it uses."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.assigned: set[str] = set()
        """What is bound by anything but an import."""
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
            self.assigned.add(node.id)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.bound.add(node.name)
        self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _define

    def visit_arg(self, node: ast.arg) -> None:
        """A parameter; its annotation may name what is imported only for type checkers."""
        self.bound.add(node.arg)
        self.assigned.add(node.arg)

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

    def visit_TypeVar(self, node: ast.AST) -> None:
        """`def f[T]`, of Python 3.12."""
        self.bound.add(str(getattr(node, "name", "")))
        self.generic_visit(node)

    visit_ParamSpec = visit_TypeVarTuple = visit_TypeVar

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
