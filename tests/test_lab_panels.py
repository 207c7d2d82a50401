"""The panels in JupyterLab, in a real browser. Pictures are kept under .artifacts/."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
import support.lab
from support.lab import chromium, lab, menu, open_panel, run_all, save

PICTURES = Path(__file__).parents[1] / ".artifacts"
LOAD = "%load_ext mmai_nb\nimport mmai_nb as ai"
CHART = "img[alt^='Spend over time']:visible"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on PATH (Debian: chromium)"),
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture
def desk(tmp_path):
    """Opens a notebook of these cells in JupyterLab and runs it; gives page and panel."""
    PICTURES.mkdir(exist_ok=True)
    with ExitStack() as open_ones:

        def opened(*cells: str, size: tuple[int, int] = (1000, 1300)):
            page = open_ones.enter_context(support.lab.desk(lab, tmp_path, *cells, size=size))
            panel = run_all(page)
            page.keyboard.press("Control+b")
            return page, panel

        yield opened


def seen(found):
    """Those that are visible: beside a living widget is its twin, which is not."""
    return found.locator("visible=true")


def outputs_of(panel, cell: int):
    return panel.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea-output")


def test_models_are_compared_voted_on_and_the_spend_follows(desk):
    page, panel = desk(
        LOAD,
        "ai.panels.compare('Name three rivers.', ['demo-small', 'demo-large'])",
        "ai.panels.spend()",
    )
    seen(panel.get_by_text("No calls yet")).wait_for()
    panel.get_by_label("hide the names until I vote").check()
    panel.get_by_role("button", name="Compare", exact=True).click()
    panel.get_by_role("button", name="Answer A is best").wait_for()
    cards = panel.locator(".jp-OutputArea-output section:visible")
    assert cards.count() == 2
    assert seen(panel.get_by_text("Answer B", exact=True)).count() == 1
    panel.get_by_role("button", name="Answer A is best").click()
    seen(panel.get_by_text("your choice")).wait_for()
    panel.screenshot(path=PICTURES / "compare.png")
    money = panel.locator("select").filter(has_text="Demo (pretend)")
    money.select_option("Demo (pretend)")
    chart = panel.locator(CHART)
    chart.wait_for()
    before = chart.get_attribute("alt")
    panel.get_by_label("prompt", exact=True).fill("Name three lakes.")
    panel.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_function(
        "before => [...document.querySelectorAll(\"img[alt^='Spend over time']\")].some("
        "image => image.checkVisibility() && image.alt !== before)",
        arg=before,
    )
    panel.get_by_role("button", name="Answer A is best").wait_for()  # nothing grows after it
    panel.locator(".jp-CodeCell").nth(2).evaluate("cell => cell.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(1500)
    panel.screenshot(path=PICTURES / "spend.png")
    assert page.problems == []


def test_a_comparison_is_run_and_judged_without_a_mouse(desk):
    page, panel = desk(LOAD, "ai.panels.compare('', ['demo-small', 'demo-large'])")
    panel.get_by_label("search models").focus()

    def tab_to(name: str) -> None:
        found = panel.get_by_role("button", name=name, exact=True)
        found.wait_for()
        for _ in range(12):
            page.keyboard.press("Tab")
            if found.evaluate("button => button === document.activeElement"):
                break
        assert found.evaluate("button => button.matches(':focus-visible')")
        assert found.evaluate("button => getComputedStyle(button).outlineStyle") != "none"
        page.keyboard.press("Enter")

    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("Name three rivers.")
    panel.get_by_text("2 models · about").wait_for()
    tab_to("Compare")
    panel.get_by_text("2 of 2 answers").wait_for()
    tab_to("demo-large is best")
    panel.get_by_text("Your vote is kept.").wait_for()
    panel.get_by_label("search models").focus()
    tab_to("Differences")
    seen(panel.locator(".mmai-diff ins")).first.wait_for()
    panel.screenshot(path=PICTURES / "differences.png")
    assert page.problems == []


def test_a_prompt_is_tried_and_a_setting_changed_in_the_model_panel(desk):
    from playwright.sync_api import expect

    page, panel = desk(LOAD, "ai.panels.models()", size=(1000, 900))
    panel.get_by_label("a prompt to try").fill("What is the capital of France?")
    panel.get_by_text("→ simple → demo-small").wait_for()
    panel.get_by_role("button", name="cheap", exact=True).click()
    panel.get_by_text("At most 5 % of prompts go to complex; none to a dearer tier").wait_for()
    panel.screenshot(path=PICTURES / "models.png")
    panel.get_by_role("button", name="own share", exact=True).click()
    share = panel.get_by_placeholder("20%")
    share.fill("150%")
    share.press("Enter")
    panel.get_by_text("prefer = '150%': must be cheap, balanced, quality").wait_for()
    expect(share).to_have_value("5%", timeout=60_000)
    panel.get_by_role("tab", name="Settings").click()
    box = panel.get_by_placeholder("0 to 2; blank: not sent")
    box.fill("9")
    box.press("Enter")
    panel.get_by_text("temperature = 9").wait_for()
    expect(box).to_have_value("", timeout=60_000)
    box.fill("0.5")
    box.press("Enter")
    panel.get_by_text("%ai config temperature 0.5").wait_for()
    assert page.problems == []


def test_a_vote_replaces_a_blind_comparison_that_is_a_cells_value(desk):
    page, panel = desk(
        LOAD,
        "rivers = ai.compare('Name three rivers.', ['demo-small', 'demo-large'], blind=True)\n"
        "rivers",
        "rivers.vote('b')",
    )
    seen(panel.get_by_text("1 vote kept")).wait_for()
    shown = outputs_of(panel, 1)
    seen(shown.get_by_text("your choice")).wait_for()
    assert shown.count() == 1
    assert shown.get_by_text("Answer A", exact=True).count() == 0
    assert page.problems == []


def test_stop_ends_a_comparison_that_is_under_way(desk):
    page, panel = desk(
        LOAD,
        "ai.panels.compare('Write a long essay [[demo: chunk_delay=0.5]]', "
        "['demo-small', 'demo-large'])",
    )
    panel.get_by_role("button", name="Compare", exact=True).click()
    panel.locator(".jp-OutputArea-output .mmai-answer").first.wait_for()
    panel.get_by_role("button", name="Stop", exact=True).click()
    panel.get_by_text("stopped: what came is above").first.wait_for()
    assert page.problems == []


def test_a_panel_leaves_its_picture_in_the_notebook_when_the_kernel_is_shut_down(desk):
    page, panel = desk(LOAD, "%%ai -q\nWhat is 17 * 3?", "ai.panels.spend()")
    chart = panel.locator(CHART)
    chart.wait_for()
    menu(page, "Kernel", "Shut Down Kernel")
    panel.get_by_text("This is a picture of the panel").wait_for()
    assert chart.count() == 1
    save(page)
    page.reload()
    panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    panel.get_by_text("This is a picture of the panel").wait_for()
    assert panel.get_by_text("Error displaying widget").count() == 0
    assert page.problems == []


def test_a_panel_whose_kernel_was_killed_leaves_the_picture_of_what_it_last_showed(desk):
    page, panel = desk(
        LOAD,
        "import os\nprint(os.getpid())",
        "ai.panels.compare('Name three rivers.', ['demo-small', 'demo-large'])",
    )
    picture = panel.get_by_text("This is a picture of the panel")
    panel.get_by_role("button", name="Compare", exact=True).click()
    panel.locator(".mmai-twin section").nth(1).wait_for(state="attached")
    assert not picture.is_visible()
    os.kill(int(outputs_of(panel, 1).inner_text()), signal.SIGKILL)
    picture.wait_for()
    assert not panel.get_by_role("button", name="Compare", exact=True).is_visible()
    page.get_by_role("button", name="Ok", exact=True).click()
    save(page)
    page.reload()
    panel = open_panel(page)
    picture = panel.get_by_text("This is a picture of the panel")
    picture.wait_for()
    assert panel.locator("section:visible").count() == 2
    panel.get_by_text("Error displaying widget").wait_for(state="attached")
    assert not panel.get_by_text("Error displaying widget").is_visible()
    run_all(page)
    panel.get_by_role("button", name="Compare", exact=True).wait_for()
    assert not picture.is_visible()


def test_a_cell_that_runs_again_has_one_panel_that_listens(desk):
    page, panel = desk(
        LOAD,
        "ai.panels.spend()",
        "from mmai_nb.engine import default_engine\nprint(len(default_engine().ledger._listeners))",
    )
    for _ in range(2):
        run_all(page)
    seen(panel.get_by_text("No calls yet")).wait_for()
    assert outputs_of(panel, 2).inner_text().strip() == "1"
    assert page.problems == []


def test_in_a_dark_theme_a_picture_is_turned_over(desk, monkeypatch):
    themes = "@jupyterlab/apputils-extension/themes"
    monkeypatch.setitem(support.lab.SETTINGS, themes, {"theme": "JupyterLab Dark"})
    page, panel = desk(LOAD, "%%ai -q\nWhat is 17 * 3?", "ai.panels.spend()")
    chart = panel.locator(CHART)
    chart.wait_for()
    panel.screenshot(path=PICTURES / "spend-dark.png")
    assert "invert(0.933)" in chart.evaluate("image => getComputedStyle(image).filter")
    assert page.problems == []


@pytest.mark.parametrize("width", [700, 1600])
def test_the_panels_fit_narrow_and_wide_windows(desk, width):
    page, panel = desk(
        LOAD,
        "%%ai -q --tag a\nWhat is 17 * 3?",
        "ai.panels.spend()",
        size=(width, 1200),
    )
    panel.locator(CHART).wait_for()
    panel.screenshot(path=PICTURES / f"spend-{width}.png")
    wider = panel.evaluate(
        "p => p.querySelector('.jp-WindowedPanel-outer').scrollWidth > p.clientWidth + 4"
    )
    assert not wider
    assert page.problems == []
