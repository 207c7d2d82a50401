"""Which front ends replace what they have shown."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from mmai_nb import outputs
from mmai_nb.display import Board, Notebook, Sheet, Terminal, board_for, view_for

IN_A_KERNEL = SimpleNamespace(kernel=object())
ELSEWHERE = SimpleNamespace()


@pytest.fixture
def started_by(tmp_path, monkeypatch):
    """The kernel is the child of a program of this name."""
    running = []

    def made(name: str) -> None:
        program = tmp_path / name
        program.write_text("print(flush=True)\ninput()")
        process = subprocess.Popen(
            [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        running.append(process)
        process.stdout.readline()
        monkeypatch.setattr(outputs.os, "getppid", lambda: process.pid)

    yield made
    for process in running:
        process.communicate(b"\n")


def test_a_notebook_is_shown_outputs_that_are_replaced(started_by):
    started_by("jupyter-lab")
    assert outputs.can_replace(IN_A_KERNEL)
    assert isinstance(view_for(IN_A_KERNEL, "markdown", quiet=False), Notebook)
    assert isinstance(board_for(IN_A_KERNEL), Board)


@pytest.mark.parametrize("name", ["jupyter-console", "jupyter-qtconsole", "spyder"])
def test_a_console_with_a_kernel_is_shown_text_as_a_terminal_is(started_by, name):
    started_by(name)
    assert not outputs.can_replace(IN_A_KERNEL)
    assert isinstance(view_for(IN_A_KERNEL, "markdown", quiet=False), Terminal)
    assert isinstance(board_for(IN_A_KERNEL), Sheet)


def test_without_a_kernel_nothing_is_replaced(started_by):
    started_by("jupyter-lab")
    assert not outputs.can_replace(ELSEWHERE)


def test_a_parent_that_has_gone_is_no_console(monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    monkeypatch.setattr(outputs.os, "getppid", lambda: gone.pid)
    assert outputs.can_replace(IN_A_KERNEL)
