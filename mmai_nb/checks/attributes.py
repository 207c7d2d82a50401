"""Names that an answer's code takes from modules that do not have them: `np.meen`, `math.root`.

Only modules are looked into that are loaded here already, and come with Python or were installed;
one of the user's own may be about to get the name. Nothing is imported, and none of the code runs.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Collection, Iterable, Mapping
from types import ModuleType

__all__ = ["missing_attributes"]

_GUARDS = {"platform", "name", "version", "version_info", "__version__", "TYPE_CHECKING", "hasattr"}
_INSTALLED = ("site-packages", "dist-packages")


def missing_attributes(
    trees: Iterable[ast.Module], namespace: Collection[str], rebound: Collection[str]
) -> list[str]:
    """The dotted names that do not exist, each once, as they are written.

    Args:
        trees: the code.
        namespace: what exists where it would run; of a mapping, modules among the values are known.
        rebound: names that the code binds to something else.
    """
    seen = _Uses()
    for tree in trees:
        seen.visit(tree)
    held = namespace if isinstance(namespace, Mapping) else {}
    modules = {name: value for name, value in held.items() if isinstance(value, ModuleType)}
    modules |= {
        name: sys.modules[module] for name, module in seen.imported.items() if module in sys.modules
    }
    found: dict[str, None] = {}
    for module, name in seen.taken:
        if module in sys.modules and not _has(sys.modules[module], name):
            found.setdefault(f"{module}.{name}")
    for first, *rest in seen.chains:
        known = first in modules and first not in rebound
        if known and (missing := _missing(modules[first], first, rest)):
            found.setdefault(missing)
    return [name for name in found if name not in seen.made]


def _missing(module: ModuleType, path: str, names: list[str]) -> str:
    """The first part of a dotted name that is missing; "" where none is, or nobody can tell."""
    value: object = module
    for name in names:
        if not isinstance(value, ModuleType):
            return ""
        path = f"{path}.{name}"
        if not _has(value, name):
            return path
        value = vars(value).get(name)
    return ""


def _has(module: ModuleType, name: str) -> bool:
    """Whether a module has a name; taken for granted where it cannot be told."""
    known = vars(module)
    if name in known or name.startswith("_") or not _is_published(module):
        return True
    if "__getattr__" in known and "__dir__" not in known:
        return True  # it makes names up as they are asked for
    try:
        if name in dir(module):
            return True
        if "__path__" not in known:
            return False
        return importlib.util.find_spec(f"{module.__name__}.{name}") is not None
    except Exception:  # of the module's own
        return True


def _is_published(module: ModuleType) -> bool:
    root = module.__name__.partition(".")[0]
    file = getattr(module, "__file__", None) or ""
    return root in sys.stdlib_module_names or any(folder in file for folder in _INSTALLED)


class _Uses(ast.NodeVisitor):
    """Modules that are imported, and dotted names that are read outside of any `try`."""

    def __init__(self) -> None:
        self.imported: dict[str, str] = {}
        self.taken: list[tuple[str, str]] = []
        self.chains: list[tuple[str, ...]] = []
        self.made: set[str] = set()
        """Dotted names that the code sets itself."""

    def visit_Import(self, node: ast.Import) -> None:
        """`import a.b as c` names a.b, `import a.b` names a."""
        for alias in node.names:
            root = alias.name.partition(".")[0]
            self.imported[alias.asname or root] = alias.name if alias.asname else root
            parent, _, name = alias.name.rpartition(".")
            if parent:
                self.taken.append((parent, name))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from a import b`."""
        if not node.level and node.module:
            self.taken += [(node.module, a.name) for a in node.names if a.name != "*"]

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """`a.b.c`, once for the longest."""
        names, value = [node.attr], node.value
        while isinstance(value, ast.Attribute):
            names.append(value.attr)
            value = value.value
        if not isinstance(value, ast.Name):
            self.generic_visit(node)
        elif isinstance(node.ctx, ast.Load):
            self.chains.append((value.id, *reversed(names)))
        else:
            self.made.add(".".join((value.id, *reversed(names))))

    def visit_Try(self, node: ast.Try) -> None:
        """What may fail is tried."""

    def visit_If(self, node: ast.If) -> None:
        """What is there on one platform, or in one version, is asked for."""
        asked = {n.attr for n in ast.walk(node.test) if isinstance(n, ast.Attribute)}
        asked |= {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}
        if not asked & _GUARDS:
            self.generic_visit(node)
