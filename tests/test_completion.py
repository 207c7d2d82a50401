from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from support.cells import loaded_shell, playing
from support.scripted import URL, settings_of

from mmai_nb.commands import FAMILIES
from mmai_nb.completion import IDENTIFIER
from mmai_nb.discovery.finder import Found
from mmai_nb.magic import MmaiMagics
from mmai_nb.settings import Settings


def completed(shell: Any, text: str) -> list[str]:
    """The cell after each completion at its end, as a front end would put it there."""
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, len(text)))
    return [text[: c.start] + c.text + text[c.end :] for c in found]


@pytest.fixture
def tab(play):
    """What may stand in place of the last word of a cell."""

    def words(text: str) -> list[str]:
        return [after[len(text) - len(last(text)) :] for after in completed(play.shell, text)]

    def last(text: str) -> str:
        return text[max(text.rfind(c) for c in " \n=,{[.!") + 1 :]

    words.play = play
    return words


class TestTheFirstLineOfACell:
    def test_the_first_word_is_who_answers(self, tab):
        assert tab("%%ai ") == ["auto", "simple", "complex", "demo", "small", "large"]

    @pytest.mark.parametrize("name", ["%%ai", "%%mmai", "\n\n%%ai"])
    def test_it_begins_like_what_is_typed(self, tab, name):
        assert tab(f"{name} s") == ["simple", "small"]

    def test_a_prompt_below_changes_nothing(self, tab):
        text = "%%ai la\nWhy is the sky blue?"
        with provisionalcompleter():
            found = list(tab.play.shell.Completer.completions(text, len("%%ai la")))
        assert [c.text for c in found] == ["large"]

    def test_an_alias_is_offered(self, tab):
        tab.play("%ai alias best large")
        assert tab("%%ai b") == ["best"]

    def test_options_are_offered_once_a_dash_is_typed(self, tab):
        assert tab("%%ai --no") == ["--no-stream", "--no-cache"]
        assert {"-m", "--model", "-h"} <= set(tab("%%ai -"))

    def test_options_are_offered_once_a_model_is_named(self, tab):
        assert {"--system", "--no-cache"} <= set(tab("%%ai small "))
        assert tab("%%ai small sm") == []

    def test_an_option_that_is_given_is_not_offered_again_unless_it_may_be(self, tab):
        found = tab("%%ai -t 0 --fallback large --")
        assert "--temperature" not in found
        assert "--fallback" in found

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("-f ", ["markdown", "text", "code", "json", "html"]),
            ("-f ma", ["markdown"]),
            ("--format=co", ["code"]),
            ("-m l", ["large"]),
            ("-m co", ["complex"]),
            ("--fallback ", ["small", "large"]),
            ("--prefer ", ["cheap", "balanced", "quality"]),
            ("--compare small,", ["large"]),
            (
                "--check ",
                ["agree", "on", "off", "auto", "simple", "complex", "demo", "small", "large"],
            ),
            ("--check s", ["simple", "small"]),
            ("--check=", ["agree", "on", "off"]),
            ("--check agree la", ["large"]),
            ("--check small la", []),
            ("-t ", []),
            ("--var ", []),
            ("-o ", []),
            ("-o seed ", []),
            ("-s 'be sm", []),
            ("--tag ", []),
            ("--bogus=", []),
        ],
    )
    def test_an_options_value_completes(self, tab, line, words):
        assert tab(f"%%ai {line}") == words

    def test_tags_that_were_used_are_offered_the_latest_first(self, tab):
        tab.play("%%ai --tag physics\nWhy is the sky blue?")
        tab.play("%%ai --tag maths\nWhat is 2 + 2?")
        assert tab("%%ai --tag ") == ["maths", "physics"]

    def test_words_in_another_case_serve_where_none_fits(self, tab):
        assert tab("%%ai SMA") == ["small"]


class TestNames:
    @pytest.fixture
    def several(self, tmp_path):
        row = {"base_url": URL, "provider": "acme"}
        models = {
            "acme/fast-1": {**row, "model": "fast-1"},
            "acme/slow-1": {**row, "model": "slow-1"},
            "here": {"base_url": URL, "model": "qwen3:8b"},
        }
        with playing(tmp_path, Settings(models=models)) as run:
            yield lambda text: completed(run.shell, text)

    @pytest.mark.parametrize(
        ("typed", "completed_to"),
        [
            ("acme/f", "acme/fast-1"),
            ("acme:f", "acme:fast-1"),
            ("fas", "fast-1"),
            ("qwen3:", "qwen3:8b"),
            ("her", "here"),
            ("openai/gpt-6.1-s", "openai/gpt-6.1-sol"),  # a preset, whose key is missing
        ],
    )
    def test_a_model_completes_by_any_of_its_names(self, several, typed, completed_to):
        assert several(f"%%ai {typed}") == [f"%%ai {completed_to}"]

    def test_an_id_that_two_models_have_is_not_offered_alone(self, tmp_path):
        row = {"base_url": URL, "model": "same"}
        models = {"a": {**row, "provider": "one"}, "b": {**row, "provider": "two"}}
        with playing(tmp_path, Settings(models=models)) as run:
            assert completed(run.shell, "%%ai sa") == []
            assert completed(run.shell, "%%ai two/") == ["%%ai two/same"]

    def test_a_local_model_that_was_found_is_offered(self, play, monkeypatch):
        row = {"model": "qwen3:8b", "base_url": "http://127.0.0.1:11434/v1"}
        found = Found(settings={"models": {"ollama/qwen3:8b": row}})
        monkeypatch.setattr(play.engine.finder, "_found", found)
        assert completed(play.shell, "%%ai olla") == ["%%ai ollama/qwen3:8b"]
        assert completed(play.shell, "%%ai --fallback ollama/q") == [
            "%%ai --fallback ollama/qwen3:8b"
        ]


class TestALine:
    def test_the_first_word_is_a_command(self, tab):
        assert tab("%ai cac") == ["cache"]
        assert tab("x = %ai ver") == ["version"]
        assert "help" in tab("%ai ")

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("cache ", ["clear", "trim", "forget", "export", "import"]),
            ("stats t", ["tier", "tag", "today"]),
            ("config format ", ["markdown", "text", "code", "json", "html"]),
            ("config prefer ", ["cheap", "balanced", "quality", "20%", "None"]),
            ("config cache.enabled ", ["true", "false"]),
            ("config default_model ", ["auto", "simple", "complex", "small", "large"]),
            ("config tempe", ["temperature"]),
            ("help variab", ["variables"]),
            ("help alia", ["alias"]),
            ("models la", ["large"]),
            ("alias best ", ["small", "large"]),
            ("version ", []),
            ("poor ", ["last"]),
            ("escalate ", []),
            ("calibrate ", ["fit", "show", "undo", "force", "reset", "export", "import"]),
            ("calibrate und", ["undo"]),
            ("route Why is pri", []),
        ],
    )
    def test_a_commands_words_complete(self, tab, line, words):
        assert tab(f"%ai {line}") == words

    def test_every_setting_is_offered_by_its_dotted_key(self, tab):
        assert {"cache.max_age", "models.small.base_url", "timeout"} <= {
            after.split()[-1] for after in completed(tab.play.shell, "%ai config ")
        }

    def test_every_commands_words_can_be_asked_for(self, tab):
        for family in FAMILIES.values():
            for command in family:
                for name in (command.name, *command.names):
                    words = list(command.complete((), lambda: tab.play.engine))
                    assert all(type(word) is str and word for word in words), name

    def test_a_question_gets_no_python(self, tab):
        assert tab("%ai what does pri") == []
        assert tab("%ai -- cac") == []

    def test_a_question_gets_variables_in_braces(self, tab):
        tab.play("height = 3")
        assert tab("%ai is {hei") == ["height"]


class TestTheBody:
    def test_prose_gets_no_python(self, tab):
        assert tab("%%ai\nWhat does pri") == []
        assert tab("%%ai\nWhy? ") == []

    def test_a_variable_completes_in_braces(self, tab):
        tab.play("rivers = ['Rhine']; rival = print")
        assert tab("%%ai\nHow long is {riv") == ["rivers"]

    def test_a_symbol_is_left_to_ipython(self, tab):
        assert completed(tab.play.shell, "%%ai\nthe angle \\alph") == ["%%ai\nthe angle \\alpha"]


class TestOtherLines:
    def test_python_completes_as_ever(self, tab):
        assert "print" in tab("pri")

    def test_the_magics_own_name_is_left_to_ipython(self, tab):
        assert tab("%%a") == ["%%ai"]

    def test_the_body_of_another_cell_magic_is_not_ours(self, tab):
        assert "clear" not in tab("%%bash\n%ai cache ")
        assert "print" in tab("%%time\npri")

    def test_a_name_that_only_begins_like_ours_is_not_ours(self, tab):
        assert "print" in tab("%%ain't\npri")


@pytest.mark.filterwarnings("ignore:.Completer.complete. is pending:PendingDeprecationWarning")
class TestTheOldDoor:
    def test_complete_gives_the_same_words(self, play):
        typed, words = play.shell.complete(None, "%%ai --no-c", 11)
        assert (typed, words) == ("--no-c", ["--no-cache"])

    def test_names_with_a_slash_are_one_word(self, play):
        typed, words = play.shell.complete(None, "%%ai openai/gpt-6.1-s", 21)
        assert (typed, words) == ("openai/gpt-6.1-s", ["openai/gpt-6.1-sol"])


class TestLoading:
    def matchers(self, shell: Any) -> list[Any]:
        found = shell.Completer.custom_matchers
        return [m for m in found if getattr(m, "matcher_identifier", "") == IDENTIFIER]

    def test_loading_again_leaves_one_matcher(self, play):
        play.shell.extension_manager.reload_extension("mmai_nb")
        play.shell.extension_manager.reload_extension("mmai_nb")
        assert len(self.matchers(play.shell)) == 1

    def test_unloading_takes_it_out(self, play):
        play.shell.extension_manager.unload_extension("mmai_nb")
        assert self.matchers(play.shell) == []
        play.shell.extension_manager.load_extension("mmai_nb")


def test_wrong_settings_break_no_completion(tmp_path, monkeypatch, capsys):
    config = tmp_path / "config.toml"
    config.write_text("temperature = \n")
    monkeypatch.setenv("MMAI_CONFIG", str(config))
    with loaded_shell() as shell:
        assert completed(shell, "%%ai sm") == []
        assert completed(shell, "%ai config te") == []
        assert completed(shell, "%%ai --no-c") == ["%%ai --no-cache"]
    assert capsys.readouterr().err == ""


def test_what_is_known_only_to_a_broken_ledger_breaks_no_completion(play):
    play.engine.ledger.path.write_bytes(b"no database at all")
    with pytest.warns(UserWarning, match="cannot be used"):
        assert completed(play.shell, "%%ai --tag ") == []


def test_completion_asks_nobody_and_imports_nothing_heavy():
    code = """if True:
        import socket, sys
        from IPython.core.completer import provisionalcompleter
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        shell.extension_manager.load_extension("mmai_nb")
        before = set(sys.modules)

        def refuse(*args): raise AssertionError("a socket was opened")
        socket.socket.connect = socket.socket.bind = refuse
        found = []
        for text in ("%%ai ", "%%ai -", "%%ai --fallback ", "%ai ", "%ai config ", "%ai help ",
                     "%%ai --tag ", "%%ai openai/", "%%ai\\n{x", "%ai models "):
            with provisionalcompleter():
                found.append(len(list(shell.Completer.completions(text, len(text)))))
        from mmai_nb.engine import made_engine
        heavy = {"openai", "pandas", "matplotlib", "ipywidgets", "jedi.api.classes"}
        print("pydantic" in before, sorted(heavy & (set(sys.modules) - before)),
              made_engine()._client, all(found[:6]))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False [] None True"


def test_a_cell_that_is_completed_is_not_run(play):
    completed(play.shell, "%%ai small\n{")
    assert play.call.calls == []
    assert isinstance(play.shell.magics_manager.magics["cell"]["ai"].__self__, MmaiMagics)


def test_the_settings_of_the_tests_are_offered(tab):
    assert set(settings_of().models) <= set(tab("%%ai "))
