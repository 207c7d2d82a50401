"""The house rules, held against the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmai_nb

HOUSE = Path(mmai_nb.__file__).parent
PLAN = re.findall(r"^\s+(\d+)  (.+)$", mmai_nb.__doc__ or "", re.MULTILINE)
FLOORS = {room: int(floor) for floor, rooms in PLAN for room in rooms.split()}
FILES = sorted(p for p in HOUSE.rglob("*.py") if p.relative_to(HOUSE).parts != ("__init__.py",))
HEAVY = (
    "openai pandas joblib matplotlib ipywidgets pydantic genai_prices numpy jsonschema "
    "markdown_it importlib.metadata"
)


def room_of(file: Path) -> str:
    """A file is a room; so is a folder, with all that is in it."""
    return file.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(file: Path) -> list[tuple[str, ...]]:
    """What a file imports of the package, as paths from the top; in functions too."""
    here = file.relative_to(HOUSE).parent.parts
    found: list[tuple[str, ...]] = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) + 1 - node.level]
            if node.module:
                found.append((*base, *node.module.split(".")))
            else:
                found += [(*base, alias.name) for alias in node.names]
    return found


def name_of(file: Path) -> str:
    return "/".join(file.relative_to(HOUSE).with_suffix("").parts)


def test_the_plan_names_every_room():
    assert set(FLOORS) == {room_of(f) for f in FILES}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_only_go_down(file):
    room = room_of(file)
    for path in imports(file):
        below = path[0]
        assert below == room or FLOORS[below] < FLOORS[room], f"{room} imports {below}"


def test_there_is_no_circle_inside_a_folder():
    graph = {
        name_of(f): {"/".join(p) for p in imports(f) if p[0] == room_of(f)}
        for f in FILES
        if f.parent != HOUSE
    }
    done: set[str] = set()
    while len(done) < len(graph):
        free = {n for n, needs in graph.items() if n not in done and needs <= done | {n}}
        assert free, f"a circle among {sorted(set(graph) - done)}"
        done |= free


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_no_file_is_over_600_lines(file):
    assert len(file.read_text("utf-8").splitlines()) <= 600


def test_only_the_client_knows_openai():
    for file in FILES:
        room = room_of(file)
        names = [
            alias.name
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        ]
        modules = [
            node.module or ""
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom) and not node.level
        ]
        known = {n.split(".")[0] for n in names + modules}
        assert "openai" not in known or room == "client"
        assert not known & {"httpx", "httpx2", "pickle", "litellm"}, room


def test_no_public_name_hides_a_room():
    assert not set(mmai_nb.__all__) & set(FLOORS)


def test_the_public_names_are_sorted_and_all_there():
    assert mmai_nb.__all__ == sorted(mmai_nb.__all__)
    for name in mmai_nb.__all__:
        assert getattr(mmai_nb, name).__doc__


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = mmai_nb.nothing_here


@pytest.mark.parametrize(
    "code",
    [
        "import mmai_nb",
        "from IPython.core.interactiveshell import InteractiveShell as S; "
        "S.instance().extension_manager.load_extension('mmai_nb')",
    ],
    ids=["import", "load_ext"],
)
def test_loading_imports_nothing_heavy(code):
    code += f"; import sys; print([m for m in '{HEAVY}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_does_not_import_ipython():
    code = "import sys, mmai_nb; print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_panel_hides_a_module():
    from mmai_nb import panels

    assert not set(panels.__all__) & {file.stem for file in (HOUSE / "panels").glob("*.py")}
