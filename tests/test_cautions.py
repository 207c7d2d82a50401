"""How warnings are written in a notebook."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

import mmai_nb
from mmai_nb import cautions
from mmai_nb.errors import CacheWarning

OURS = str(Path(mmai_nb.__file__).parent / "resources.py")


@pytest.fixture
def plain():
    """Warnings are written as they are once the extension is loaded."""
    before = warnings.formatwarning
    cautions.show_plainly()
    yield
    cautions.restore()
    assert warnings.formatwarning is before


@pytest.mark.parametrize(
    ("category", "file"), [(CacheWarning, "x.py"), (CacheWarning, OURS), (UserWarning, OURS)]
)
def test_a_warning_of_the_package_is_one_line_without_a_place(plain, category, file):
    said = warnings.formatwarning("no room", category, file, 1)
    assert said == f"{category.__name__}: no room\n"


def test_a_warning_of_others_has_its_place(plain):
    said = warnings.formatwarning("old", DeprecationWarning, "x.py", 7)
    assert said.startswith("x.py:7: DeprecationWarning: old")


def test_another_who_writes_warnings_is_left_alone():
    before = warnings.formatwarning
    cautions.show_plainly()
    cautions.show_plainly()
    ours, theirs = warnings.formatwarning, lambda *_: "theirs"
    warnings.formatwarning = theirs
    cautions.restore()
    assert warnings.formatwarning is theirs
    warnings.formatwarning = ours
    cautions.restore()
    assert warnings.formatwarning is before


def test_the_extension_shows_them_so_until_it_is_unloaded():
    shell = InteractiveShell()
    before = warnings.formatwarning
    shell.extension_manager.load_extension("mmai_nb")
    try:
        said = warnings.formatwarning("no room", CacheWarning, OURS, 1)
        assert said == "CacheWarning: no room\n"
    finally:
        shell.extension_manager.unload_extension("mmai_nb")
        shell.restore_sys_module_state()
    assert warnings.formatwarning is before
