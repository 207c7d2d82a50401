"""Answers and panels in Jupyter Notebook 7, in a real browser. Pictures: .artifacts/."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.lab import chromium, desk, menu, notebook7, open_panel, save, wait_until_idle

PICTURES = Path(__file__).parents[1] / ".artifacts"
PICTURE = "This is a picture of the panel"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on PATH (Debian: chromium)"),
    pytest.mark.skipif(find_spec("notebook") is None, reason="Notebook 7 is not installed"),
    pytest.mark.filterwarnings("default"),
]


def cell(panel, number: int):
    return panel.locator(".jp-CodeCell").nth(number)


def test_panels_live_in_notebook_7_and_leave_pictures_when_the_kernel_is_killed(tmp_path):
    PICTURES.mkdir(exist_ok=True)
    cells = (
        "%load_ext mmai_nb\nimport mmai_nb as ai, os\nprint(os.getpid())",
        "ai.panels.compare('Name three rivers.', ['demo-small', 'demo-large'])",
        "%ai panel spend",
        "%ai panel models",
        "%%ai complex\nWrite a long essay about bridges\n[[demo: chunk_delay=0.3]]",
    )
    with desk(notebook7, tmp_path, *cells) as page:
        panel = open_panel(page)
        its_own = list(page.problems)  # Notebook 7 complains of itself, before anything ran
        menu(page, "Run", "Run All Cells")

        answer = cell(panel, 4).locator(".jp-OutputArea-output").first
        answer.locator(".mmai-answer").wait_for()
        first = answer.inner_text()
        page.wait_for_function(
            "([answer, first]) => answer.innerText.length > first",
            arg=[answer.element_handle(), len(first)],
        )
        menu(page, "Kernel", "Interrupt Kernel")
        panel.get_by_text("KeyboardInterrupt: the call was stopped").first.wait_for()
        assert "interrupted: what came is in ai.last()" in answer.inner_text()
        wait_until_idle(page)

        panel.get_by_label("hide the names until I vote").check()
        panel.get_by_role("button", name="Compare", exact=True).click()
        panel.get_by_role("button", name="Answer A is best").click()
        panel.get_by_text("your choice").first.wait_for(state="attached")
        cell(panel, 2).locator("select").filter(has_text="Demo (pretend)").select_option(
            "Demo (pretend)"
        )
        cell(panel, 2).locator("img[alt^='Spend over time']:visible").wait_for()
        panel.get_by_placeholder("try a prompt").fill("What is the capital of France?")
        panel.get_by_text("→ simple → demo-small").wait_for()
        cell(panel, 1).locator(".mmai-twin").get_by_text("your choice").wait_for(state="attached")
        assert panel.locator(".mmai-twin").count() == 3
        assert panel.locator(".mmai-twin:visible").count() == 0
        page.screenshot(path=PICTURES / "notebook7.png")
        assert page.problems == its_own

        os.kill(int(cell(panel, 0).locator(".jp-OutputArea-output").inner_text()), signal.SIGKILL)
        panel.locator(".mmai-twin:visible").nth(2).wait_for()
        assert not panel.get_by_role("button", name="Compare", exact=True).is_visible()
        page.get_by_role("button", name="Ok", exact=True).click()
        assert "your choice" in save(page)
        page.reload()
        panel = open_panel(page)
        panel.locator(".mmai-twin:visible").nth(2).wait_for()
        assert cell(panel, 1).get_by_text("your choice").is_visible()
        assert panel.get_by_text(PICTURE).count() == 3
        assert panel.locator(".jupyter-widgets:visible").count() == 0
