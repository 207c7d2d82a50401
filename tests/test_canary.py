"""Canary keys: after calls with a key from any place it may come from, no artefact holds it."""

from __future__ import annotations

import base64
import getpass
import json
import logging
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from IPython.core.interactiveshell import InteractiveShell
from support.stub_server import StubServer, ok, sse, status
from traitlets.config import Config

from mmai_nb import keys
from mmai_nb.engine import Engine
from mmai_nb.errors import MmaiError
from mmai_nb.settings import explain_settings

VARIABLE = "CANARY_API_KEY"
PLACES = ["remembered", "environment", "file", "keyring", "colab", "typed"]


def canary(place: str) -> str:
    """A key that no rule of shape would know, different for each place."""
    return f"canary/{place}+Vd8kQ2nR7w"


def put(place: str, key: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the key where it is to be found."""
    if place == "remembered":
        keys.remember_key(VARIABLE, key)
    elif place == "environment":
        monkeypatch.setenv(VARIABLE, key)
    elif place == "typed":
        monkeypatch.setattr(getpass, "getpass", lambda prompt: key)
    elif place == "file":
        (folder / ".env").write_text(f"{VARIABLE}='{key}'\n")
        monkeypatch.setenv("MMAI_DOTENV", "yes")
        monkeypatch.setattr(Path, "home", lambda: folder)
    elif place == "keyring":
        module, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
        errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
        module.errors = errors  # type: ignore[attr-defined]
        module.get_password = lambda service, name: key if name == VARIABLE else None  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "keyring", module)
        monkeypatch.setitem(sys.modules, "keyring.errors", errors)
        monkeypatch.setenv("MMAI_KEYRING", "yes")
    else:
        userdata = types.ModuleType("google.colab.userdata")
        userdata.get = lambda name: key if name == VARIABLE else ""  # type: ignore[attr-defined]
        package = types.ModuleType("google.colab")
        package.userdata = userdata  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "google.colab", package)
        monkeypatch.setitem(sys.modules, "google.colab.userdata", userdata)


@pytest.fixture
def shell(stub: StubServer) -> Iterator[InteractiveShell]:
    made = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    made.extension_manager.load_extension("mmai_nb")
    yield made
    made.restore_sys_module_state()


def engine_of(shell: InteractiveShell) -> Engine:
    engine: Engine = shell.magics_manager.magics["cell"]["ai"].__self__.engine
    return engine


def use(shell: InteractiveShell, stub: StubServer, place: str, key: str) -> list[Any]:
    """Answers, streams, refusals that echo the key, commands; everything they gave."""
    row = {"base_url": stub.base_url, "api_key_env": VARIABLE, "input_price": 0, "output_price": 0}
    engine = engine_of(shell)
    engine.configure({"models": {"m": row}, "retries": 0})
    if place == "typed":
        shell.run_cell(f"%ai key {VARIABLE}")
    made: list[Any] = []
    echo = f"Incorrect API key provided: {key}, in base64 {base64.b64encode(key.encode()).decode()}"
    for reply in (ok("fine"), sse("st", "ream"), status(401, echo), status(400, quote(key))):
        stub.play(reply)
        result = shell.run_cell(f"%%ai -v\nquestion {len(made)}")
        made += [result.result, result.error_in_exec]
    for line in ("models", "config", "last", "costs", "stats", "key", "route hi", "cache"):
        result = shell.run_cell(f"%ai {line}")
        made += [result.result, result.error_in_exec]
    try:
        engine.ask("by the function", model="m")
    except MmaiError as error:
        made.append(error)
    return made


def texts_of(made: list[Any], engine: Engine) -> Iterator[str]:
    """All that public objects say of themselves."""
    settings = engine.settings
    for thing in (*made, engine, settings, engine.finder, *settings.models.values(), keys):
        yield repr(thing)
        yield str(thing)
        yield repr(getattr(thing, "__dict__", ""))
        bundle = getattr(thing, "_repr_mimebundle_", None)
        yield repr(bundle()) if bundle else ""
    yield settings.model_dump_json()
    yield repr(explain_settings(settings))
    yield pickle.dumps(settings).decode("latin-1")
    yield engine.costs().to_csv() + engine.summary().to_csv()


@pytest.mark.parametrize("place", PLACES)
def test_no_artefact_holds_the_key(place, shell, stub, tmp_path, monkeypatch, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    key = canary(place)
    put(place, key, tmp_path, monkeypatch)
    engine = engine_of(shell)
    made = use(shell, stub, place, key)
    sent = {asked.headers.get("authorization") for asked in stub.requests}
    assert sent == {f"Bearer {key}"}
    said = [*texts_of(made, engine), caplog.text, *map(str, capfd.readouterr())]
    engine.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".env"]
    assert {"ledger.sqlite3"} <= {path.name for path in files}
    assert len(files) > 3
    forms = (
        key,
        quote(key, safe=""),
        json.dumps(key)[1:-1],
        base64.b64encode(key.encode()).decode(),
    )
    for form in forms:
        assert not [text[:200] for text in said if form in text]
        assert not [path for path in files if form.encode() in path.read_bytes()]
