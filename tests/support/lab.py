"""A notebook in JupyterLab or Notebook 7 as a person runs it: a real server, browser and menus.

The server has private folders and listens on 127.0.0.1; the browser resolves no other host.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import nbformat

FrontEnd = Callable[[Path, Path], AbstractContextManager[str]]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",  # root and most containers have none; only our own server's page is opened
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
]
SETTINGS: dict[str, dict[str, Any]] = {
    # the "Jupyter news?" pop-up would cover a corner of the picture
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false"},
    # cells out of sight must be in the page too, or their prompts cannot be read
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}


def chromium() -> str | None:
    """The browser on PATH, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def environment(folder: Path) -> dict[str, str]:
    """Private folders for all that Jupyter keeps, with SETTINGS in place."""
    for name, value in SETTINGS.items():
        file = folder / "settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    places = {
        "HOME": "user",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "layout",
        "MMAI_DATA_DIR": "mmai",
    }
    (folder / "user").mkdir(exist_ok=True)
    own = {name: str(folder / place) for name, place in places.items()}
    return {**os.environ, **own, "MMAI_DISCOVER": "no"}


def lab(folder: Path, notebooks: Path) -> AbstractContextManager[str]:
    """A running JupyterLab over `notebooks`; gives its address with {} for the notebook's name."""
    options = [
        "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    return _running(["lab", *options], "lab/tree/{}?token=TOKEN&reset", folder, notebooks)


def notebook7(folder: Path, notebooks: Path) -> AbstractContextManager[str]:
    """The same with Jupyter Notebook 7, which shows one notebook to a page."""
    return _running(["notebook"], "notebooks/{}?token=TOKEN", folder, notebooks)


@contextmanager
def _running(
    app: list[str], place: str, folder: Path, notebooks: Path, seconds: float = 60
) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = [
        *(sys.executable, "-m", "jupyter", *app, "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}"),
        f"--ServerApp.root_dir={notebooks}",
    ]
    said = folder / "server.log"
    with said.open("wb") as out:
        server = subprocess.Popen(
            command, env=environment(folder), cwd=notebooks, stdout=out, stderr=out
        )
    here = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{here}/api/status?token={token}", server, seconds, said)
        yield f"{here}/{place.replace('TOKEN', token)}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], seconds: float, said: Path) -> None:
    end = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                answer.read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("Jupyter did not come up:\n" + said.read_text()[-2000:])


def copy_clean(notebook: Path, target: Path) -> None:
    """A copy without outputs and counts: what is seen later comes from this run."""
    content = json.loads(notebook.read_text("utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    content["metadata"].pop("widgets", None)
    target.write_text(json.dumps(content), "utf-8")


@contextmanager
def page_of(url: str, size: tuple[int, int] = (1280, 900), seconds: float = 60) -> Iterator[Any]:
    """A browser page at the address; `page.problems` lists what its console complained of."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.problems = []
        page.on("pageerror", lambda e: page.problems.append(str(e)))
        page.on("console", lambda m: m.type == "error" and page.problems.append(m.text))
        page.set_default_timeout(seconds * 1e3)
        page.goto(url)
        yield page
        browser.close()


@contextmanager
def desk(
    front_end: FrontEnd, folder: Path, *cells: str, size: tuple[int, int] = (1000, 1300)
) -> Iterator[Any]:
    """A page with a notebook of these cells, not yet run; `page.file` is where it is saved."""
    own, notebooks = folder / "jupyter", folder / "notebooks"
    own.mkdir()
    notebooks.mkdir()
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(made, notebooks / "panel.ipynb")
    with front_end(own, notebooks) as url, page_of(url.format("panel.ipynb"), size=size) as page:
        page.file = notebooks / "panel.ipynb"
        yield page


def save(page: Any) -> str:
    """Save the notebook; gives what is in the file then."""
    before = page.file.stat().st_mtime_ns
    page.keyboard.press("Control+s")
    for _ in range(600):
        if page.file.stat().st_mtime_ns != before:
            return str(page.file.read_text("utf-8"))
        page.wait_for_timeout(100)
    raise AssertionError("the notebook was not saved")


def open_panel(page: Any) -> Any:
    """The notebook's panel, once its kernel is ready."""
    page.wait_for_selector("#jupyterlab-splash", state="detached")
    panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    panel.locator(".jp-Cell").first.wait_for()
    wait_until_idle(page)
    return panel


def wait_until_idle(page: Any) -> None:
    """Wait for the kernel: connected, and at rest.

    The toolbar's indicator says idle before the kernel is connected; JupyterLab's status bar does
    not, nor does the line of words in Notebook 7, which is empty once all is well.
    """
    words = page.locator(".jp-StatusBar-Widget").get_by_text("| Idle")
    line = page.locator(".jp-NotebookKernelStatus-fade:empty")
    words.or_(line).first.wait_for(state="attached")
    idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    idle.first.wait_for(state="attached")  # a narrow toolbar hides it


def menu(page: Any, bar: str, item: str) -> None:
    """Choose an item of the menu bar; the beginning of its name is enough."""
    page.get_by_role("menuitem", name=bar, exact=True).first.click()
    page.get_by_role("menuitem", name=re.compile(f"^{re.escape(item)}")).first.click()


def run_all(page: Any) -> Any:
    """Run > Run All Cells, and wait for the last; gives the panel."""
    panel = open_panel(page)
    page.evaluate(
        """() => {
            const prompts = () => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
            window.running = () => prompts().some(p => p.textContent.includes('[*]'));
            window.begun = false;  // what ran before has its numbers already
            new MutationObserver(() => { window.begun ||= window.running(); }).observe(
                document.body, {childList: true, subtree: true, characterData: true});
        }"""
    )
    menu(page, "Run", "Run All Cells")
    page.wait_for_function("() => window.begun && !window.running()")
    wait_until_idle(page)
    return panel
