"""The quickstart, run once with a key, runs again with no key, no server and no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import notebook_run
from support.stub_server import Asked, Reply, StubServer, ok, sse

import mmai_nb

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(mmai_nb.__file__).parent.parent
QUICKSTART = ROOT / "notebooks" / "quickstart.ipynb"
CONFIG = """
[models.acme-small]
base_url = "{url}"
api_key_env = "ACME_API_KEY"
input_price = 1
output_price = 2
[models.acme-large]
base_url = "{url}"
api_key_env = "ACME_API_KEY"
input_price = 10
output_price = 20
[[tiers]]
name = "simple"
up_to = 0.35
chain = ["acme-small", "acme-large"]
[[tiers]]
name = "hard"
up_to = 1.0
chain = ["acme-large"]
"""


def replying(asked: Asked) -> Reply:
    """An answer that is never the same twice, but for the schema's sake."""
    body = asked.json
    words = body["messages"][-1]["content"].split()[:4]
    text = f"Of {' '.join(words)}: {os.urandom(4).hex()}."
    if "response_format" in body:
        text = json.dumps({"name": "Oslo", "country": "Norway", "population": 709_037})
    return sse(*text.split(" ")) if body.get("stream") else ok(text)


def run(folder: Path, *first: str, notebook: Path = QUICKSTART, **env: str) -> dict[str, Any]:
    """What a fresh process gives that runs the notebook's cells."""
    kept = {k: v for k, v in os.environ.items() if k != "ACME_API_KEY"}
    done = subprocess.run(
        [sys.executable, notebook_run.__file__, str(notebook), *first],
        env={**kept, "PYTHONPATH": str(ROOT), "MMAI_DATA_DIR": str(folder / "data"), **env},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay")


@pytest.fixture(scope="module")
def paid(folder: Path) -> dict[str, Any]:
    """The quickstart, run with a key against a server that is gone afterwards."""
    with StubServer() as stub:
        stub.play(replying)
        config = folder / "config.toml"
        config.write_text(CONFIG.format(url=stub.base_url))
        done = run(
            folder,
            JPY_SESSION_NAME="/home/ada/course/quickstart.ipynb",
            MMAI_CONFIG=str(config),
            ACME_API_KEY="acme-0123456789-secret",
        )
        assert not done["errors"]
        assert stub.count == len(done["answers"]) - sum(done["hits"])
    assert len(set(done["answers"])) == len(done["answers"]) - 1 >= 4
    return done


@pytest.mark.parametrize("configured", [True, False], ids=["models known", "nothing configured"])
def test_the_quickstart_replays_with_no_key_and_no_network(paid, folder, configured):
    config = folder / ("config.toml" if configured else "none.toml")
    again = run(folder, MMAI_CONFIG=str(config), MMAI_OFFLINE="1")
    assert again["answers"] == paid["answers"]
    assert all(again["hits"])
    assert again["connections"] == 0
    assert not again["errors"]
    replayed = ["replayed" in footer for footer in again["footers"]]
    assert replayed == [not configured] * len(replayed)


def test_without_its_key_it_replays_too_though_nobody_said_offline(paid, folder):
    again = run(folder, MMAI_CONFIG=str(folder / "config.toml"))
    assert again["answers"] == paid["answers"]
    assert again["connections"] == 0


def test_an_author_ships_a_notebook_with_its_answers(paid, folder, tmp_path):
    file = tmp_path / "answers.jsonl.gz"
    export = f"%ai cache export {file} --notebook course/quickstart.ipynb"
    author = run(folder, export, MMAI_CONFIG=str(folder / "none.toml"), MMAI_OFFLINE="1")
    assert not author["errors"]
    student = run(
        tmp_path,
        f"%ai cache import {file}",
        MMAI_CONFIG=str(tmp_path / "none.toml"),
        MMAI_OFFLINE="1",
    )
    assert not student["errors"]
    assert student["answers"] == paid["answers"]
    assert student["connections"] == 0
    assert all("imported" in footer for footer in student["footers"])


def test_a_cell_that_was_never_run_is_an_offline_error_and_calls_nobody(paid, folder):
    new = "%%ai\nA question that was never asked?"
    again = run(folder, new, MMAI_CONFIG=str(folder / "config.toml"), MMAI_OFFLINE="1")
    assert [error.split(":")[0] for error in again["errors"]] == ["OfflineError"]
    assert again["answers"] == paid["answers"]
    assert again["connections"] == 0
