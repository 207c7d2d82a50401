"""The quickstart in JupyterLab, in a real browser. Pictures are kept under .artifacts/."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from support.lab import chromium, copy_clean, lab, menu, open_panel, page_of, run_all

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / ".artifacts"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on PATH (Debian: chromium)"),
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture
def desk(tmp_path):
    """A folder for notebooks beside one for Jupyter's own things."""
    folder, notebooks = tmp_path / "jupyter", tmp_path / "notebooks"
    folder.mkdir()
    notebooks.mkdir()
    PICTURES.mkdir(exist_ok=True)
    return folder, notebooks


def outputs_of(panel, cell: int):
    return panel.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea-output")


def test_the_quickstart_runs_and_looks_right(desk):
    folder, notebooks = desk
    copy_clean(ROOT / "notebooks" / "quickstart.ipynb", notebooks / "quickstart.ipynb")
    with (
        lab(folder, notebooks) as url,
        page_of(url.format("quickstart.ipynb"), size=(960, 1180)) as page,
    ):
        panel = run_all(page)
        page.keyboard.press("Control+b")  # the sidebar is not what the picture is about
        panel.locator(".jp-Cell").first.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        panel.screenshot(path=PICTURES / "quickstart.png")
        footers = panel.locator(".mmai-footer")
        assert footers.count() >= 3
        assert "cached" in panel.locator(".jp-OutputArea").all_inner_texts().__str__()
        assert panel.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        assert page.problems == []


def notebook(folder: Path, *cells: str) -> str:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(made, folder / "test.ipynb")
    return "test.ipynb"


def test_hostile_text_does_nothing_in_the_page(desk):
    folder, notebooks = desk
    evil = (
        "<img src=x onerror='window.hacked=1'><script>window.hacked=2</script>"
        "[click](javascript:window.hacked=3) ![x](http://127.0.0.1:1/leak.png)"
    )
    name = notebook(
        notebooks,
        "%load_ext mmai_nb\n"
        "from mmai_nb.engine import default_engine\n"
        "from mmai_nb.records import Completion\n"
        f"default_engine()._call = lambda request, spec, on_text: Completion({evil!r}, spec.name)",
        "%%ai\nhi",
    )
    with lab(folder, notebooks) as url, page_of(url.format(name)) as page:
        asked: list[str] = []
        page.on("request", lambda r: asked.append(r.url))
        panel = run_all(page)
        assert outputs_of(panel, 1).count() == 1
        page.wait_for_timeout(500)
        assert page.evaluate("window.hacked") is None
        assert outputs_of(panel, 1).locator("img, script").count() == 0
        assert not [u for u in asked if "leak.png" in u]


def test_an_answer_streams_in_place_and_the_stop_button_keeps_what_came(desk):
    folder, notebooks = desk
    name = notebook(
        notebooks,
        "%load_ext mmai_nb",
        "%%ai complex\nWrite a long essay about bridges\n[[demo: chunk_delay=0.3]]",
    )
    with lab(folder, notebooks) as url, page_of(url.format(name)) as page:
        panel = open_panel(page)
        menu(page, "Run", "Run All Cells")
        answer = outputs_of(panel, 1).first
        answer.locator(".mmai-answer").wait_for()
        first = answer.inner_text()
        page.wait_for_function(
            "([answer, first]) => answer.innerText.length > first",
            arg=[answer.element_handle(), len(first)],
        )
        page.get_by_role("menuitem", name="Kernel", exact=True).first.click()
        page.get_by_role("menuitem", name="Interrupt Kernel").click()
        panel.get_by_text("KeyboardInterrupt: the call was stopped").first.wait_for()
        answer.get_by_text("interrupted: what came is in ai.last()").wait_for()
        page.screenshot(path=PICTURES / "interrupted.png")
        assert outputs_of(panel, 1).count() == 2
