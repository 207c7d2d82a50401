"""`%ai doctor`: what it looks at, and what it says of what is wrong."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.attempts import attempt
from support.cells import playing
from support.scripted import URL, Scripted, settings_of

import mmai_nb as ai
from mmai_nb import checkup, schema
from mmai_nb.caching import AnswerCache
from mmai_nb.checkup import Checkup, Finding, examine, mend
from mmai_nb.discovery.finder import Found, Offer
from mmai_nb.discovery.servers import LocalModel, Server
from mmai_nb.engine import Engine
from mmai_nb.errors import ConfigError, MmaiError
from mmai_nb.ledger import Ledger
from mmai_nb.settings import Settings

KEY = "sk-proj-Tq7rXb2LmN9vKc4ZpW8yHd3FgJ6sAe1"


@pytest.fixture
def build(tmp_path):
    made = []

    def make(settings: Settings | None = None) -> Engine:
        engine = Engine(
            settings or settings_of(),
            call=Scripted(),
            ledger=Ledger(tmp_path / "ledger.sqlite3"),
            cache=AnswerCache(tmp_path / "cache"),
        )
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


def found(engine: Engine, name: str) -> list[Finding]:
    return [one for one in examine(lambda: engine).findings if one.name == name]


def told(engine: Engine, name: str) -> str:
    return "\n".join(one.text for one in found(engine, name))


def changed_by_hand(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        schema.prepare(db)
        for statement in statements:
            db.execute(statement)


def test_where_all_is_well_it_says_so(build):
    engine = build()
    engine.ask("hi")
    page = examine(lambda: engine)
    assert page.wrong == ()
    assert repr(page).endswith("all is well")
    assert {one.name for one in page.findings} == {
        *("versions", "settings", "keys", "ledger", "cache", "servers")
    }
    assert engine._call.asked == ["small"]  # the question; looking asks nobody


def test_versions_are_those_at_work_and_a_missing_one_is_told(build, monkeypatch):
    assert "Python 3" in told(build(), "versions")
    monkeypatch.setattr(checkup, "DISTRIBUTIONS", ("mmai_nb", "no-such-library"))
    (missing, _) = found(build(), "versions")
    assert missing == Finding(
        "versions", "no-such-library is not installed: pip install no-such-library", wrong=True
    )


def test_settings_that_cannot_be_read_are_a_finding(monkeypatch):
    def broken() -> Engine:
        raise ConfigError("config.toml:1: unknown key 'cach'; did you mean 'cache'?")

    page = examine(broken)
    assert [one.name for one in page.wrong] == ["settings"]
    assert "! settings  config.toml:1: unknown key 'cach'" in repr(page)


def test_a_file_that_breaks_later_is_a_finding_too(build, tmp_path):
    (tmp_path / "mmai_nb.toml").write_text("cach = 1 1")
    (wrong,) = examine(build).wrong
    assert wrong.name == "settings"
    assert "mmai_nb.toml:1" in wrong.text


@pytest.mark.filterwarnings("ignore:MMAI_CONFIG. there is no file")
def test_the_files_of_settings_are_named(build, tmp_path):
    Path(os.environ["MMAI_CONFIG"]).unlink()
    assert told(build(), "settings") == "2 models, 2 tiers\nno file of settings"
    (tmp_path / "mmai_nb.toml").write_text('format = "text"')
    assert told(build(), "settings").endswith("/mmai_nb.toml")
    assert "read from" in told(build(), "settings")


def keyed(**variables: str) -> Settings:
    return Settings(
        models={name: {"base_url": URL, "api_key_env": v} for name, v in variables.items()},
        tiers=[{"name": "all", "up_to": 1.0, "chain": list(variables)}],
    )


def test_keys_are_there_or_missing_and_never_shown(build, monkeypatch):
    monkeypatch.setenv("A_KEY", KEY)
    page = examine(lambda: build(keyed(one="A_KEY", two="A_KEY", three="B_KEY")))
    assert [one.text for one in page.findings if one.name == "keys"] == [
        "A_KEY is there, for 2 models",
        "B_KEY is missing, for 1 model: %ai key B_KEY asks for it",
    ]
    assert [one.name for one in page.wrong] == ["keys"]
    assert KEY not in repr(page) + page._repr_mimebundle_()["text/html"]


def test_a_key_that_no_header_can_carry_is_told_without_it(build, monkeypatch):
    monkeypatch.setenv("A_KEY", KEY[:20] + "\n" + KEY[20:])
    (wrong,) = found(build(keyed(one="A_KEY")), "keys")
    assert wrong.wrong
    assert "A_KEY" in wrong.text
    assert KEY[:20] not in wrong.text


def test_where_no_model_needs_a_key_it_says_so(build):
    assert told(build(), "keys") == "no model needs one"


# -- the ledger


def test_a_ledger_that_is_not_there_yet_is_no_trouble_and_not_made(build, tmp_path):
    (one,) = found(build(), "ledger")
    assert (one.wrong, "the first call makes" in one.text) == (False, True)
    assert not (tmp_path / "ledger.sqlite3").exists()


def test_a_ledger_in_memory_says_so(build):
    engine = build()
    engine._ledger = Ledger(None)
    assert told(engine, "ledger") == "in memory only: it ends with this process"


def test_sums_that_do_not_fit_are_found_and_mended(build, tmp_path):
    engine, path = build(), tmp_path / "ledger.sqlite3"
    engine.ask("hi")
    assert "1 row" in told(engine, "ledger")
    assert "whole; its sums fit its rows" in told(engine, "ledger")
    changed_by_hand(path, "UPDATE rollup SET cost_nano = cost_nano + 5")
    (wrong,) = found(engine, "ledger")
    assert wrong.wrong
    assert "%ai doctor mend" in wrong.text
    assert "made anew" in mend(engine.ledger)
    assert found(engine, "ledger")[0].wrong is False
    assert "nothing to mend" in mend(engine.ledger)
    assert engine.summary(None)["cost_usd"].tolist() == engine.costs()["cost_usd"].tolist()


def test_lost_triggers_are_found_by_the_process_that_mends(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger(path)
    ledger.record(attempt())
    ledger.close()
    changed_by_hand(path, "DROP TRIGGER answer_added")
    ledger = Ledger(path)
    assert "made anew" in mend(ledger)
    ledger.close()


def test_looking_changes_no_byte_of_the_ledger(build, tmp_path):
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger(path)
    ledger.record(attempt())
    ledger.close()
    changed_by_hand(path, "UPDATE rollup SET calls = 9")
    before = path.read_bytes()
    assert found(build(), "ledger")[0].wrong
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "said", "wrong"),
    [
        ("PRAGMA user_version=99", "upgrade to add rows", True),
        ("PRAGMA user_version=2", "of an older version", False),
        ("PRAGMA application_id=7", "of another program", True),
    ],
)
def test_a_file_of_another_version_or_program_is_told(build, tmp_path, statement, said, wrong):
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    ledger.record(attempt())
    ledger.close()
    changed_by_hand(tmp_path / "ledger.sqlite3", statement)
    (one,) = found(build(), "ledger")
    assert (one.wrong, said in one.text) == (wrong, True)


def test_a_damaged_ledger_is_left_as_it_is_and_the_way_out_told(build, tmp_path):
    path = tmp_path / "ledger.sqlite3"
    path.write_text("these are my notes\n" * 300)
    (wrong,) = found(build(), "ledger")
    assert wrong.wrong
    assert "move it away" in wrong.text
    assert len(wrong.text) <= 200
    assert path.read_text() == "these are my notes\n" * 300
    with pytest.raises(MmaiError, match="cannot be mended"):
        mend(build().ledger)


def test_a_page_of_the_file_that_is_damaged_is_found(build, tmp_path):
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger(path)
    for n in range(300):
        ledger.record(attempt(f"c{n}"))
    ledger.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xff" * 8192)
    (wrong,) = found(build(), "ledger")
    assert wrong.wrong


def test_rows_that_wait_in_memory_are_told(build, tmp_path):
    engine = build()
    engine.ledger._keep(attempt())
    assert "1 row in memory only" in told(engine, "ledger")


# -- the cache


def test_the_cache_tells_what_it_holds(build, tmp_path):
    engine = build()
    engine.ask("hi")
    assert "cache: 1 answer, 0." in told(engine, "cache").replace(str(tmp_path), "")


def test_a_cache_that_is_off_or_nowhere_is_told(build):
    assert "switched off" in told(build(settings_of(cache={"enabled": False})), "cache")
    engine = build()
    engine._cache = AnswerCache(None)
    (wrong,) = found(engine, "cache")
    assert (wrong.wrong, "set cache.folder" in wrong.text) == (True, True)
    assert Path(str(engine.settings.cache.directory)).name in wrong.text


def test_a_cache_that_a_full_disk_refuses_is_found(build, monkeypatch):
    def full(**_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkup.tempfile, "TemporaryFile", full)
    (wrong,) = found(build(), "cache")
    assert "cannot be written to (No space left on device)" in wrong.text


# -- local servers


def test_servers_are_told_with_the_way_to_use_those_that_wait(build, monkeypatch):
    engine = build(settings_of(discover=True))
    offer = Offer(Server("vllm", 8000), LocalModel("org/m"))
    there = {"models": {f"ollama/{n}": {"provider": "ollama"} for n in "ab"}}
    monkeypatch.setattr(
        engine.finder, "look", lambda fresh: Found(there, (offer,), ("127.0.0.1:1234",))
    )
    first, second, third = (one.text for one in found(engine, "servers"))
    assert first == "Ollama: 2 models"
    assert "ai.configure(models=" in second
    assert "127.0.0.1:1234 is another user's" in third


@pytest.mark.parametrize(
    ("more", "why"), [({"discover": False}, "discover = false"), ({"offline": True}, "offline")]
)
def test_nobody_is_asked_where_that_is_not_wished(build, monkeypatch, more, why):
    engine = build(settings_of(**{"discover": True, **more}))
    monkeypatch.setattr(engine.finder, "look", lambda fresh: pytest.fail("asked"))
    assert told(engine, "servers") == f"not looked for: {why}"


# -- the command


def test_the_command_shows_the_page_and_mends(tmp_path):
    with playing(tmp_path, settings_of()) as run:
        run("%%ai\nhi")
        shown = run("%ai doctor")
        assert isinstance(shown.value, Checkup)
        assert "all is well" in shown.text
        assert "nothing to mend" in run("%ai doctor mend").text
        assert run.call.asked == ["small"]


def test_a_question_on_doctors_is_a_question(tmp_path):
    with playing(tmp_path, settings_of()) as run:
        run("%ai doctor who is my favourite show", "Fine.")
        assert run.call.asked == ["small"]


def test_the_function_gives_the_same(monkeypatch):
    page = ai.doctor()
    assert isinstance(page, Checkup)
    assert page._repr_mimebundle_()["text/plain"] == repr(page)


def test_what_is_told_cannot_write_to_the_terminal():
    page = Checkup((Finding("servers", "a\x1b[31mb\nc <b>"),))
    assert "\x1b" not in repr(page)
    assert len(repr(page).splitlines()) == 3
    assert "<b>" not in page._repr_mimebundle_()["text/html"]
