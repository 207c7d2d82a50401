"""Where a key comes from: memory, environment, Colab, an .env file, the keyring; in that order."""

from __future__ import annotations

import os
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmai_nb import keys, vaults
from mmai_nb.envfile import env_file, value_in
from mmai_nb.errors import ConfigError, MissingKeyError
from mmai_nb.keys import KeySources, find_key, present_keys, refusal, remember_key
from mmai_nb.settings import Settings, load_settings

VARIABLE = "OPENAI_API_KEY"
DOTENV, KEYRING = KeySources(dotenv=True), KeySources(keyring=True)


@pytest.fixture(autouse=True)
def _a_home(tmp_path, monkeypatch):
    """The working folder lies in the home folder."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)


@pytest.fixture
def dotenv(tmp_path) -> Callable[[str], Path]:
    def write(text: str, folder: Path = tmp_path) -> Path:
        (folder / ".env").write_text(text)
        return folder / ".env"

    return write


@pytest.fixture
def colab(monkeypatch) -> dict[str, Any]:
    """Colab's secrets: a value, or an exception to be raised, by name."""
    secrets: dict[str, Any] = {}
    userdata = types.ModuleType("google.colab.userdata")

    class SecretNotFoundError(Exception):
        pass

    def get(name: str) -> str:
        secrets.setdefault("asked", []).append(name)
        if name not in secrets:
            raise SecretNotFoundError(name)
        if isinstance(secrets[name], type):
            raise secrets[name](name)
        return str(secrets[name])

    userdata.get = get  # type: ignore[attr-defined]
    package = types.ModuleType("google.colab")
    package.userdata = userdata  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setitem(sys.modules, "google.colab.userdata", userdata)
    return secrets


class NotebookAccessError(Exception):
    """What Colab raises, by its name."""


@pytest.fixture
def ring(monkeypatch) -> dict[str, Any]:
    """A keyring: passwords by service and name, or an error to be raised."""
    held: dict[str, Any] = {}
    module, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")

    class KeyringError(Exception):
        pass

    class NoKeyringError(KeyringError):
        pass

    def get_password(service: str, name: str) -> str | None:
        if held.get("broken"):
            raise NoKeyringError("no recommended backend")
        return held.get(f"{service}/{name}")

    errors.KeyringError = KeyringError  # type: ignore[attr-defined]
    module.errors, module.get_password = errors, get_password  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return held


# the order


def test_memory_goes_before_environment_colab_file_and_keyring(monkeypatch, dotenv, colab, ring):
    everywhere = KeySources(dotenv=True, keyring=True)
    ring[f"mmai_nb/{VARIABLE}"] = "from-the-keyring"
    assert find_key(VARIABLE, everywhere) == "from-the-keyring"
    dotenv(f"{VARIABLE}=from-the-file")
    assert find_key(VARIABLE, everywhere) == "from-the-file"
    keys._told.clear()
    colab[VARIABLE] = "from-colab-itself"
    assert find_key(VARIABLE, everywhere) == "from-colab-itself"
    monkeypatch.setenv(VARIABLE, "from-the-environment")
    assert find_key(VARIABLE, everywhere) == "from-the-environment"
    remember_key(VARIABLE, "from-the-memory")
    assert find_key(VARIABLE, everywhere) == "from-the-memory"


def test_file_and_keyring_are_only_asked_if_the_settings_say_so(dotenv, ring):
    dotenv(f"{VARIABLE}=from-the-file")
    ring[f"mmai_nb/{VARIABLE}"] = "from-the-keyring"
    assert find_key(VARIABLE) is None
    assert find_key(VARIABLE, DOTENV) == "from-the-file"
    assert find_key(VARIABLE, KEYRING) == "from-the-keyring"


def test_a_file_changes_no_environment(dotenv):
    dotenv(f"{VARIABLE}=from-the-file")
    find_key(VARIABLE, DOTENV)
    assert VARIABLE not in os.environ


def test_what_is_no_key_is_refused_wherever_it_lies(dotenv, ring):
    dotenv(f'{VARIABLE}="bad é key"')
    with pytest.raises(MissingKeyError, match="non-ASCII character at position 5"):
        find_key(VARIABLE, DOTENV)
    ring[f"mmai_nb/{VARIABLE}"] = "two\nlines"
    with pytest.raises(MissingKeyError, match="a line break at position 4"):
        find_key(VARIABLE, KEYRING)


# an .env file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("K=plain", "plain"),
        ("K = spaced  ", "spaced"),
        ("export K=exported", "exported"),
        ("K='single # no comment'", "single # no comment"),
        ('K="double \\" quote"', 'double " quote'),
        ("K=value # a comment", "value"),
        ("K=with#hash", "with#hash"),
        ('K="quoted" # a comment', "quoted"),
        ("K=", ""),
        ("K= # nothing", ""),
        ("K=$HOME/${X}", "$HOME/${X}"),
        ("KK=other", ""),
        ("# K=commented", ""),
        ("K: yaml", ""),
        ("K=a\nK=b", "b"),
        ("\ufeffK=bom", "bom"),
        ("K=dos\r\nL=x\r\n", "dos"),
        ("OTHER='never closed\nK=fine", "fine"),
    ],
)
def test_a_line_is_read_as_shells_and_their_friends_do(dotenv, line, value):
    assert value_in(dotenv(line), "K") == value


def test_a_quote_that_is_not_closed_is_named_by_its_line(dotenv):
    with pytest.raises(ValueError, match=r"^\.env:2: K has a quote that is not closed$"):
        value_in(dotenv("A=1\nK='secret"), "K")


def test_the_nearest_file_up_to_home_is_read(tmp_path, dotenv):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert env_file(True, deep) is None
    at_home = dotenv("K=1")
    assert env_file(True, deep) == at_home
    nearer = dotenv("K=2", tmp_path / "a")
    assert env_file(True, deep) == nearer
    assert env_file(False, deep) is None


def test_above_home_and_outside_of_it_others_may_write(tmp_path, dotenv, monkeypatch):
    home, outside = tmp_path / "home", tmp_path / "outside" / "deep"
    home.mkdir()
    outside.mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    dotenv("K=1")
    dotenv("K=1", outside.parent)
    assert env_file(True, home) is None
    assert env_file(True, outside) is None
    assert env_file(True, outside.parent) == outside.parent / ".env"


def test_a_path_names_the_file(tmp_path):
    (tmp_path / "secret.env").write_text("K=1")
    assert env_file(Path("secret.env"), tmp_path) == tmp_path / "secret.env"
    with pytest.raises(ValueError, match=r"absent\.env: there is no such file"):
        env_file(Path("absent.env"), tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")
def test_a_file_that_others_may_write_is_not_believed(dotenv, monkeypatch):
    path = dotenv("K=1")
    path.chmod(0o666)
    with pytest.raises(ValueError, match=r"anybody; run chmod o-w"):
        value_in(path, "K")
    path.chmod(0o600)
    assert value_in(path, "K") == "1"
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    if os.getuid() == 0:
        assert value_in(path, "K") == "1"  # root's files are the system's
    else:
        with pytest.raises(ValueError, match="another user"):
            value_in(path, "K")


@pytest.mark.parametrize("text", [b"K=\xff", b"x" * 1_000_001], ids=["no text", "too large"])
def test_what_is_no_file_of_variables_is_refused(tmp_path, text):
    (tmp_path / ".env").write_bytes(text)
    with pytest.raises(ValueError, match=r"\.env is no"):
        value_in(tmp_path / ".env", "K")


# Colab


def test_colabs_secret_is_asked_once_a_minute(colab):
    colab[VARIABLE] = "from-colab-itself"
    assert [find_key(VARIABLE) for _ in range(5)] == ["from-colab-itself"] * 5
    assert colab["asked"] == [VARIABLE]


def test_a_secret_without_access_is_one_clear_line(colab):
    colab[VARIABLE] = NotebookAccessError
    with pytest.raises(MissingKeyError) as caught:
        find_key(VARIABLE)
    assert str(caught.value).startswith(
        "this notebook may not read OPENAI_API_KEY of Colab's secrets: give it access"
    )
    assert len(str(caught.value)) <= 200


def test_a_browser_that_does_not_answer_is_one_clear_line(colab):
    colab[VARIABLE] = TimeoutError
    with pytest.raises(MissingKeyError, match=r"do not answer \(TimeoutError\)"):
        find_key(VARIABLE)


def test_a_secret_that_is_not_there_is_no_error(colab):
    assert find_key(VARIABLE) is None
    assert refusal(KeySources()) == ""


def test_another_thread_does_not_wait_for_the_browser_but_knows_what_it_said(colab, monkeypatch):
    colab[VARIABLE] = "from-colab-itself"

    def in_a_thread() -> str | None:
        found: list[str | None] = []
        thread = threading.Thread(target=lambda: found.append(find_key(VARIABLE)))
        thread.start()
        thread.join()
        return found[0]

    assert in_a_thread() is None
    assert "asked" not in colab
    monkeypatch.setattr(keys, "KEPT_SECONDS", -1.0)
    assert find_key(VARIABLE) == in_a_thread() == "from-colab-itself"


def test_without_colab_nothing_of_it_is_imported():
    assert vaults.colab_secret(VARIABLE) is None
    assert "google.colab" not in sys.modules


# the keyring


def test_a_missing_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingKeyError, match="pip install keyring"):
        find_key(VARIABLE, KEYRING)


def test_a_keyring_that_cannot_be_opened_is_one_clear_line(ring):
    ring["broken"] = True
    with pytest.raises(MissingKeyError, match=r"cannot be read \(NoKeyringError\): set OPENAI"):
        find_key(VARIABLE, KEYRING)


# presets and settings


def test_presets_are_chosen_by_the_keys_of_all_places(dotenv, ring, monkeypatch):
    dotenv("ANTHROPIC_API_KEY=some-key-1234567")
    ring["mmai_nb/GEMINI_API_KEY"] = "some-key-1234567"
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-1234567")
    remember_key("MISTRAL_API_KEY", "some-key-1234567")
    monkeypatch.setenv("MMAI_DOTENV", "yes")
    monkeypatch.setenv("MMAI_KEYRING", "yes")
    providers = {spec.provider for spec in load_settings().models.values()}
    assert providers == {"anthropic", "gemini", "openai", "mistral"}


def test_what_stands_for_a_key_is_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-1234567")
    assert present_keys(os.environ) == {"OPENAI_API_KEY": "present"}


def test_colab_is_asked_for_presets_only_if_there_is_no_other_key(colab, monkeypatch):
    colab["ANTHROPIC_API_KEY"] = "some-key-1234567"
    assert {s.provider for s in load_settings().models.values()} == {"anthropic"}
    del colab["asked"]
    keys._told.clear()
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-1234567")
    assert {s.provider for s in load_settings().models.values()} == {"openai"}
    assert "asked" not in colab


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dotenv = true", True),
        ("dotenv = false", False),
        ('dotenv = "yes"', True),
        ('dotenv = "keys/.env"', Path("keys/.env")),
    ],
)
def test_the_setting_is_a_switch_or_a_path(tmp_path, text, value):
    (tmp_path / "user.toml").write_text(text)
    assert load_settings(env={}, user_file=tmp_path / "user.toml").dotenv == value


@pytest.mark.parametrize("value", ["''", "3", "[]"])
def test_anything_else_is_refused_where_it_stands(tmp_path, value):
    (tmp_path / "user.toml").write_text(f"\ndotenv = {value}")
    with pytest.raises(ConfigError, match=r"user\.toml:2: dotenv.*must be true, false or the path"):
        load_settings(env={}, user_file=tmp_path / "user.toml")


@pytest.mark.parametrize("key", ["dotenv", "keyring", "discover"])
def test_a_project_may_not_say_where_keys_come_from(tmp_path, key):
    (tmp_path / "mmai_nb.toml").write_text(f"{key} = true")
    with pytest.raises(ConfigError, match=f"{key} may not be set by a project"):
        load_settings(env={}, user_file=tmp_path / "absent.toml", cwd=tmp_path)


def test_settings_know_their_places():
    assert Settings().key_sources == KeySources()
    assert Settings(dotenv=True, keyring=True).key_sources == KeySources(True, True)
