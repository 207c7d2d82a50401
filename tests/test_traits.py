"""`%config MmaiMagics`, and what an ipython_config.py may set."""

from __future__ import annotations

import subprocess
import sys
from functools import reduce
from typing import Any

import pytest
from IPython.utils.capture import capture_output
from support.cells import Shown, loaded_shell
from traitlets.config.loader import DeferredConfigString

import mmai_nb
from mmai_nb.engine import made_engine
from mmai_nb.errors import ServerError
from mmai_nb.magic import MmaiMagics
from mmai_nb.settings import Settings, load_settings
from mmai_nb.traits import OWN_NAMES, Setting


def magics_of(shell: Any) -> MmaiMagics:
    found = shell.magics_manager.magics["cell"]["ai"].__self__
    assert isinstance(found, MmaiMagics)
    return found


def run(shell: Any, cell: str) -> Shown:
    with capture_output() as output:
        result = shell.run_cell(cell)
    return Shown(result, output)


class TestWithAnEngine:
    def test_they_are_listed_with_what_is_in_force(self, play):
        play.engine.configure({"temperature": 0.7})
        text = play("%config MmaiMagics").text
        assert "MmaiMagics.temperature=" in text
        assert "Current: 0.7" in text
        assert "Current: 'auto'" in text

    @pytest.mark.parametrize(
        ("line", "key", "value"),
        [
            ("temperature = 0.2", "temperature", 0.2),
            ("temperature = None", "temperature", None),
            ("max_tokens = 100", "max_tokens", 100),
            ("model = 'large'", "default_model", "large"),
            ("format = 'text'", "format", "text"),
            ("stream = False", "stream", False),
            ("timeout = 20", "timeout", 20),
            ("interpolate = False", "interpolate", False),
            ("system = 'be brief'", "system", "be brief"),
            ("prefer = 'cheap'", "prefer", "cheap"),
            ("prefer = 0.3", "prefer", 0.3),
        ],
    )
    def test_setting_one_changes_the_setting(self, play, line, key, value):
        assert play(f"%config MmaiMagics.{line}").ok
        assert getattr(play.engine.settings, key) == value
        assert play(f"%config MmaiMagics.{line.split()[0]}").value == value

    def test_the_cache_is_switched_off(self, play):
        play("%config MmaiMagics.cache = False")
        assert play.engine.settings.cache.enabled is False
        play("%%ai\nhi")
        play("%%ai\nhi")
        assert len(play.call.calls) == 2

    def test_aliases_are_set_as_a_whole(self, play):
        play("%config MmaiMagics.aliases = {'best': 'large', 'quick': 'small'}")
        play("%config MmaiMagics.aliases = {'best': 'small'}")
        assert play.engine.settings.aliases == {"best": "small"}
        assert play("%config MmaiMagics.aliases").value == {"best": "small"}

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("temperature = 9", "temperature = 9: must be less than or equal to 2"),
            ("temperature = 'hot'", "must be a number"),
            ("format = 'mrakdown'", "did you mean 'markdown'?"),
            ("stream = 3", "must be true or false"),
            ("model = 'larg'", "did you mean 'large'?"),
            ("aliases = {'small': 'large'}", "aliases.small: is a model already"),
            ("aliases = 3", "must be a table"),
            ("feedback = 'verbse'", "did you mean 'verbose'?"),
            ("prefer = 'cheep'", "did you mean 'cheap'?"),
            ("nope = 1", "MmaiMagics has no 'nope'"),
            ("temprature = 1", "did you mean 'temperature'?"),
        ],
    )
    def test_a_wrong_one_is_one_line_and_changes_nothing(self, play, caplog, line, says):
        before = play.engine.settings
        play(f"%config MmaiMagics.{line}")
        (message,) = caplog.messages
        assert says in message
        assert len(message.splitlines()) == 1
        assert len(message) <= 200
        assert play.engine.settings is before

    def test_the_class_is_there_once_after_loading_again(self, play):
        play.shell.extension_manager.reload_extension("mmai_nb")
        names = [type(c).__name__ for c in play.shell.configurables]
        assert names.count("MmaiMagics") == 1


class TestBeforeTheEngine:
    def test_what_a_configuration_file_sets_is_in_force(self):
        with loaded_shell({"MmaiMagics": {"temperature": 0, "cache": False}}) as shell:
            assert made_engine() is None
            assert run(shell, "%config MmaiMagics.temperature").value == 0
            assert "temperature = 0.0   (MmaiMagics)" in run(shell, "%ai config temperature").text
            assert mmai_nb.configure().cache.enabled is False

    def test_it_holds_for_functions_that_are_called_first(self):
        with loaded_shell({"MmaiMagics": {"temperature": 0.25}}):
            assert mmai_nb.configure().temperature == 0.25

    def test_it_wins_over_the_environment(self, monkeypatch):
        monkeypatch.setenv("MMAI_TEMPERATURE", "1")
        with loaded_shell({"MmaiMagics": {"temperature": 0.25}}):
            assert mmai_nb.configure().temperature == 0.25

    def test_a_word_of_the_command_line_is_read(self):
        words = {"temperature": DeferredConfigString("0.5"), "format": DeferredConfigString("text")}
        with loaded_shell({"MmaiMagics": words}):
            assert mmai_nb.configure().temperature == 0.5
            assert mmai_nb.configure().format == "text"

    def test_setting_one_makes_no_engine(self):
        with loaded_shell() as shell:
            run(shell, "%config MmaiMagics.temperature = 0.2")
            run(shell, "%config MmaiMagics.model = 'openai/gpt-6.1-sol'")
            assert made_engine() is None
            assert magics_of(shell).engine.settings.temperature == 0.2
            assert magics_of(shell).engine.settings.default_model == "openai/gpt-6.1-sol"

    @pytest.mark.parametrize(
        "line", ["temperature = 9", "model = 'demo-smal'", "aliases = {'simple': 'openai/x'}"]
    )
    def test_a_wrong_one_is_one_line_and_changes_nothing(self, caplog, line):
        with loaded_shell() as shell:
            run(shell, f"%config MmaiMagics.{line}")
            assert len(caplog.messages) == 1
            assert made_engine() is None
            assert mmai_nb.configure().given == load_settings().given

    def test_aliases_are_set_as_a_whole(self, tmp_path, monkeypatch):
        config = tmp_path / "config.toml"
        config.write_text('[aliases]\nold = "openai/gpt-6.1-sol"\n')
        monkeypatch.setenv("MMAI_CONFIG", str(config))
        with loaded_shell({"MmaiMagics": {"aliases": {"mine": "openai/gpt-6.1-sol"}}}) as shell:
            run(shell, "%config MmaiMagics.aliases = {'new': 'openai/gpt-6.1-sol'}")
            assert dict(mmai_nb.configure().aliases) == {"new": "openai/gpt-6.1-sol"}

    def test_what_is_set_by_hand_is_a_change_that_can_be_kept(self):
        with loaded_shell({"MmaiMagics": {"temperature": 0.5}}) as shell:
            run(shell, "%config MmaiMagics.temperature = 0.2")
            assert "0.2   (configure())" in run(shell, "%ai config temperature").text

    def test_a_wrong_one_of_a_file_is_told_by_the_first_cell_and_can_be_mended(self):
        with loaded_shell({"MmaiMagics": {"temperature": 9}}) as shell:
            shown = run(shell, "%ai config")
            (line,) = shown.lines
            assert line.startswith("ConfigError: MmaiMagics: temperature = 9")
            run(shell, "%config MmaiMagics.temperature = 0.5")
            assert magics_of(shell).engine.settings.temperature == 0.5

    def test_a_name_that_is_none_is_told_when_the_extension_loads(self):
        with (
            pytest.warns(UserWarning, match="`temperatur` not recognized.*`temperature`"),
            loaded_shell({"MmaiMagics": {"temperatur": 1}}),
        ):
            pass

    def test_what_was_set_is_gone_with_the_extension(self):
        with loaded_shell({"MmaiMagics": {"temperature": 0.25}}):
            pass
        assert mmai_nb.configure().temperature is None

    def test_wrong_settings_are_one_line_where_they_are_listed(self, tmp_path, monkeypatch):
        config = tmp_path / "config.toml"
        config.write_text("temperature = \n")
        monkeypatch.setenv("MMAI_CONFIG", str(config))
        with loaded_shell() as shell:
            (line,) = run(shell, "%config MmaiMagics").lines
        assert "config.toml:1: no valid TOML" in line

    def test_loading_with_a_configuration_imports_nothing_heavy(self):
        code = """if True:
            import sys
            from IPython.core.interactiveshell import InteractiveShell
            from traitlets.config import Config
            config = Config()
            config.MmaiMagics.temperature = 0
            config.MmaiMagics.aliases.update({"best": "openai/gpt-6.1-sol"})
            shell = InteractiveShell.instance(config=config)
            shell.extension_manager.load_extension("mmai_nb")
            print([m for m in ("pydantic", "mmai_nb.engine", "joblib") if m in sys.modules])
            import mmai_nb
            print(mmai_nb.configure().temperature, dict(mmai_nb.configure().aliases))
        """
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout == "[]\n0.0 {'best': 'openai/gpt-6.1-sol'}\n"


def test_the_defaults_are_those_of_the_settings():
    for name, trait in MmaiMagics.class_traits(config=True).items():
        if isinstance(trait, Setting):
            key = OWN_NAMES.get(name, name)
            assert trait.default_value == reduce(getattr, key.split("."), Settings()), name


class TestWhatIsShown:
    def test_an_error_is_one_line_or_a_traceback(self, play):
        error = ServerError("small: 501 from the endpoint", retries=0)
        assert play("%%ai small\none", error).lines == ["ServerError: small: 501 from the endpoint"]
        play("%config MmaiMagics.short_errors = False")
        lines = play("%%ai small\ntwo", error).lines
        assert any("Traceback" in line for line in lines)
        assert any("engine.py" in line for line in lines)
        assert lines[-1] == "ServerError: small: 501 from the endpoint"

    def test_misuse_stays_one_line(self, play):
        play("%config MmaiMagics.short_errors = False")
        assert len(play("%%ai --bogus\nhi").lines) == 1

    def test_a_quiet_answer_has_no_footer(self, play):
        play("%config MmaiMagics.feedback = 'quiet'")
        shown = play("%%ai\nhi", "fine")
        assert "fine" in shown.text
        assert "tok" not in shown.text
        assert "small" not in shown.text

    def test_a_quiet_answer_still_tells_what_is_amiss(self, play):
        play("%config MmaiMagics.feedback = 'quiet'")
        shown = play("%%ai\nWhat is {zebra_count}?", ServerError("501", retries=0), "fine")
        assert "after 1 failed attempt (server) · left as typed: {zebra_count}" in shown.text
        assert "tok" not in shown.text

    def test_a_verbose_answer_tells_reasons_and_attempts(self, play):
        play("%config MmaiMagics.feedback = 'verbose'")
        shown = play("%%ai\nhi", "fine")
        assert "attempt 1: small ok" in shown.text


class TestASemicolon:
    def test_a_command_that_ends_in_one_shows_nothing(self, play):
        shown = play("%ai config temperature 0.5;")
        assert shown.text == ""
        assert shown.value is None
        assert play.engine.settings.temperature == 0.5

    def test_a_question_that_ends_in_one_is_asked_and_shown(self, play):
        shown = play("%ai what does this do: int x = 3;", "fine")
        assert play.call.calls[0][0].prompt == "what does this do: int x = 3;"
        assert "fine" in shown.text

    def test_a_question_with_an_apostrophe_is_asked(self, play):
        assert play("%ai what's this;", "fine").ok
