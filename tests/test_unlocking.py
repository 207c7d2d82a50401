"""`%ai key`: asks unseen, remembers in this process, says what it opens; no key on the line."""

from __future__ import annotations

import getpass
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from support.stub_server import ok, status
from traitlets.config import Config

from mmai_nb.caching import AnswerCache
from mmai_nb.commands import command_for
from mmai_nb.engine import Engine
from mmai_nb.errors import AuthError, MissingKeyError
from mmai_nb.keys import find_key
from mmai_nb.ledger import Ledger
from mmai_nb.redaction import redact
from mmai_nb.settings import Settings

KEY = "kQ7zX2mW9pL4vB8nT3cR"
ANTHROPIC = "sk-ant-api03-" + "Zx9" * 10


@pytest.fixture
def engine(tmp_path) -> Iterator[Engine]:
    made = Engine(ledger=Ledger(tmp_path / "l.sqlite3"), cache=AnswerCache(tmp_path / "cache"))
    yield made
    made.close()


@pytest.fixture
def key(engine, monkeypatch) -> Callable[..., str]:
    """Run `%ai key …` while somebody types: `key("openai", typed=…)` gives what is shown."""

    def run(words: str = "", *, typed: str = KEY) -> str:
        def ask(prompt: str) -> str:
            run.prompt = prompt
            return typed

        monkeypatch.setattr(getpass, "getpass", ask)
        command = command_for(f"key {words}", lambda: engine, "")
        assert command is not None
        return str(command())

    run.prompt = ""
    return run


def test_a_provider_brings_its_models_with_nothing_configured(engine, key):
    assert engine.settings.models == {}
    shown = key("openai")
    assert key.prompt == "OPENAI_API_KEY (not shown, not stored): "
    assert "OPENAI_API_KEY is remembered in this process only; nothing was stored" in shown
    assert "can be asked now: openai/" in shown
    assert {engine.key_state(spec) for spec in engine.settings.models.values()} == {"set"}
    assert engine.settings.tiers
    assert KEY not in shown


def test_it_joins_the_providers_that_have_a_key_already(engine, key, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "some-key-1234567")
    assert {s.provider for s in engine.settings.models.values()} == {"anthropic"}
    key("openai")
    assert {s.provider for s in engine.settings.models.values()} == {"anthropic", "openai"}


def test_what_was_configured_stays(engine, key):
    engine.configure({"temperature": 0.5})
    key("openai")
    assert engine.settings.temperature == 0.5
    assert engine.settings.models


def test_a_variable_of_ones_own_is_remembered_for_its_model(engine, key):
    row = {"base_url": "https://llm.example.org/v1", "api_key_env": "MY_KEY"}
    engine.configure({"models": {"mine": row}})
    assert engine.key_state(engine.settings.models["mine"]) == "missing: MY_KEY"
    assert "can be asked now: mine" in key("MY_KEY")
    assert engine.key_state(engine.settings.models["mine"]) == "set"


def test_without_a_word_it_asks_for_the_one_that_is_missing(engine, key):
    row = {"base_url": "https://llm.example.org/v1", "api_key_env": "MY_KEY"}
    engine.configure({"models": {"mine": row}})
    assert "mine" in key()
    assert key.prompt.startswith("MY_KEY (")


def test_without_a_word_it_guesses_by_the_first_letters(engine, key):
    assert "ANTHROPIC_API_KEY is remembered" in key(typed=ANTHROPIC)
    assert key.prompt.startswith("API key (")
    with pytest.raises(Exception, match="whose key is it"):
        key(typed=KEY)


def test_a_variable_that_no_model_names_says_what_to_do(key):
    assert 'give one api_key_env = "OTHER_KEY"' in key("OTHER_KEY")


def test_another_providers_key_is_remarked_on(key):
    shown = key("openai", typed=ANTHROPIC)
    assert "it looks like a key of anthropic: if it is one, run %ai key anthropic" in shown
    assert "looks like" not in key("anthropic", typed=ANTHROPIC)


def test_it_goes_before_the_environments(engine, key, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-1234567")
    assert "it goes before the one in the environment" in key("openai")
    assert find_key("OPENAI_API_KEY") == KEY


@pytest.mark.parametrize(
    ("typed", "says"),
    [("", "is empty"), ("  ", "is empty"), ("a\nb", "a line break"), ("schlüssel", "non-ASCII")],
)
def test_what_cannot_be_a_key_is_refused_and_changes_nothing(engine, key, typed, says):
    with pytest.raises(MissingKeyError, match=says):
        key("openai", typed=typed)
    assert find_key("OPENAI_API_KEY") is None
    assert engine.settings.models == {}


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("opnai", "did you mean 'openai'"),
        ("ollama", "Ollama needs no key"),
        ("OPENAI_API_KY", ""),
        ("1KEY_X", "is no provider and no variable"),
    ],
)
def test_a_word_that_is_neither_says_what_it_may_be(key, word, says):
    if word == "OPENAI_API_KY":
        assert "no model uses it yet" in key(word)
        return
    with pytest.raises(Exception, match=says):
        key(word)


@pytest.fixture
def cell() -> Iterator[Callable[[str], Any]]:
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.extension_manager.load_extension("mmai_nb")

    def run(text: str) -> Any:
        with capture_output() as shown:
            result = shell.run_cell(text)
        return result, shown.stdout + shown.stderr

    yield run
    shell.restore_sys_module_state()


@pytest.mark.parametrize(
    "line",
    [
        f"key {ANTHROPIC}",
        f"key openai {ANTHROPIC}",
        f"key OPENAI_API_KEY={ANTHROPIC}",
        "key gsk_a1b2c3d4e5f6g7h8i9j0",
        "key 0123456789abcdef0123456789abcdef",
    ],
)
def test_a_key_on_the_line_is_refused_with_what_to_do_about_it(cell, line):
    result, shown = cell(f"%ai {line}")
    assert isinstance(result.error_in_exec, UsageError)
    assert "revoke it" in shown
    assert line.split()[-1].rpartition("=")[2] not in shown
    assert line.split()[-1] not in redact(line)


def test_refusing_a_key_keeps_the_name_of_its_variable_readable(cell):
    cell(f"%ai key OPENAI_API_KEY {ANTHROPIC}")
    assert redact("set OPENAI_API_KEY") == "set OPENAI_API_KEY"


@pytest.mark.parametrize(
    "line", ["key concepts of topology", "key signatures in music?", "key value stores compared"]
)
def test_a_question_that_begins_with_the_word_is_a_question(cell, line):
    assert command_for(line, lambda: None, "") is None  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("problem", [EOFError, NotImplementedError])
def test_where_nobody_can_type_it_says_to_set_the_variable(engine, monkeypatch, problem):
    def ask(prompt: str) -> str:
        raise problem

    monkeypatch.setattr(getpass, "getpass", ask)
    with pytest.raises(MissingKeyError) as caught:
        command_for("key openai", lambda: engine, "")()  # type: ignore[misc]
    assert str(caught.value) == (
        "nobody can type a key here: set OPENAI_API_KEY in the environment before this runs"
    )


def test_a_terminal_that_would_show_the_key_is_not_asked(engine, monkeypatch):
    def ask(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=1)
        return KEY

    monkeypatch.setattr(getpass, "getpass", ask)
    with pytest.raises(MissingKeyError, match="nobody can type"):
        command_for("key openai", lambda: engine, "")()  # type: ignore[misc]
    assert find_key("OPENAI_API_KEY") is None


def test_a_missing_key_says_how_to_give_it(engine):
    with pytest.raises(MissingKeyError) as caught:
        engine.ask("hi", model="gpt-6-luna")
    assert str(caught.value) == (
        "openai/gpt-6-luna needs an API key: set OPENAI_API_KEY, or run %ai key OPENAI_API_KEY "
        "(asks, nothing is stored)"
    )


def test_a_mended_key_is_tried_at_once(stub, tmp_path, monkeypatch, key):
    monkeypatch.setenv("STUB_KEY", "some-key-1234567")
    row = {"base_url": stub.base_url, "api_key_env": "STUB_KEY", "input_price": 0}
    settings = Settings(models={"m": {**row, "output_price": 0}})
    other = Engine(settings, ledger=Ledger(None), cache=AnswerCache(None))
    stub.play(status(401))
    with pytest.raises(AuthError):
        other.ask("hi")
    stub.play(ok("fine"))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: KEY)
    command_for("key STUB_KEY", lambda: other, "")()  # type: ignore[misc]
    assert other.ask("hi") == "fine"
    assert stub.last.headers["authorization"] == f"Bearer {KEY}"
    other.close()
