from __future__ import annotations

import warnings
from decimal import Decimal
from typing import Any

import pytest
from support.cells import playing

from mmai_nb.commands import words_after
from mmai_nb.errors import ServerError, TruncatedStreamError
from mmai_nb.magic import MmaiMagics
from mmai_nb.records import Completion, Usage
from mmai_nb.settings import Settings


def test_a_cell_gives_its_answer(play):
    shown = play("%%ai\nWhat is the capital of France?", "Paris")
    assert shown.ok
    assert str(shown.value) == "Paris"
    assert "Paris" in shown.text
    assert "small · simple" in shown.text


def test_the_answer_is_shown_once(play):
    shown = play("%%ai\nWhat is the capital of France?", "Paris")
    assert shown.text.count("Paris") == 1


def test_the_value_of_the_cell_is_text(play):
    play("%%ai\nhi", "one two")
    assert play("print(_.upper())").text.strip() == "ONE TWO"


def test_a_second_name_does_the_same(play):
    assert str(play("%%mmai\nhi", "fine").value) == "fine"


def test_a_question_on_one_line(play):
    shown = play("%ai what's new in {here}?", "nothing")
    assert shown.ok
    assert play.call.calls[0][0].prompt == "what's new in {here}?"


def test_a_question_can_be_assigned(play):
    play("x = %ai why is the sky blue?", "because")
    assert play("print(x)").text.strip() == "because"


def test_a_question_mark_at_the_end_asks_and_does_not_look_up_help(play):
    shown = play("%ai What is the capital of France?", "Paris")
    assert "Paris" in shown.text
    assert play.call.calls[0][0].prompt == "What is the capital of France?"


def test_a_question_mark_inside_a_long_string_stays(play):
    play('text = """\n%ai is this asked?\n"""')
    assert play.shell.user_ns["text"] == "\n%ai is this asked?\n"
    assert play.call.calls == []


def test_a_question_mark_right_behind_the_name_is_ipythons_help(play):
    assert "Docstring" in play("%ai?").text


def test_two_dashes_always_ask(play):
    play("%ai -- version")
    assert play.call.calls[0][0].prompt == "version"


@pytest.mark.parametrize(
    "line", ["models of the atom explained", "help me sort a list", "costs of war in 1914"]
)
def test_a_line_that_only_begins_like_a_command_is_a_question(play, line):
    play(f"%ai {line}")
    assert play.call.calls[0][0].prompt == line


def test_var_names_the_answer(play):
    play("%%ai --var reply\nhi", "fine")
    assert str(play.shell.user_ns["reply"]) == "fine"


def test_options_reach_the_request(play):
    play(
        "%%ai large -s 'be brief' -t 0.5 --max-tokens 20 -o seed 7 "
        "-o stop '[\"x\"]' --tag t1 -f text\nhi"
    )
    request, model = play.call.calls[0]
    assert model == "large"
    assert request.messages[0].content == "be brief"
    assert request.params == {"temperature": 0.5, "max_tokens": 20, "seed": 7, "stop": ["x"]}
    assert (request.tag, request.format) == ("t1", "text")


@pytest.mark.parametrize("line", ["-m large", "large", "complex", "--model large"])
def test_a_model_or_a_tier_can_be_named(play, line):
    play(f"%%ai {line}\nhi")
    assert play.call.asked == ["large"]


def test_a_fallback_model_follows_the_named_one(play):
    shown = play("%%ai small --fallback large\nhi", ServerError("501", retries=0), "fine")
    assert shown.value.model == "large"


def test_jupyter_ais_meaning_of_m_is_understood_once_told(play):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        play("%%ai -m '{\"temperature\": 0}'\nhi")
    assert play.call.calls[0][0].params == {"temperature": 0}
    assert any("-m names a model" in str(w.message) for w in told)


def test_a_dry_run_sends_nothing_and_tells_model_reasons_and_cost(play):
    shown = play("%%ai --dry-run\nWhat is the capital of France?")
    assert play.call.calls == []
    assert "simple" in shown.text
    assert "small" in shown.text
    assert "~$" in shown.text


def test_quiet_shows_nothing_but_gives_the_answer(play):
    shown = play("%%ai -q --var x\nhi", "fine")
    assert "fine" not in shown.text
    assert str(play.shell.user_ns["x"]) == "fine"


def test_of_quiet_and_verbose_verbose_wins(play):
    shown = play("%%ai -q -v\nhi", "fine").text
    assert "fine" in shown
    assert "attempt 1: small ok" in shown


def test_verbose_shows_reasons_and_attempts(play):
    shown = play("%%ai -v\nhi", ServerError("501", retries=0), "fine")
    assert "attempt 1: small error ServerError" in shown.text
    assert "attempt 2: large ok" in shown.text


def test_verbose_shows_the_attempts_of_a_failure_too(play):
    shown = play("%%ai -v\nhi", *[ServerError("501", retries=0)] * 2)
    assert "attempt 1: small error ServerError" in shown.text
    assert "attempt 2: large error ServerError" in shown.text
    assert "attempt" not in play("%%ai\nhi", *[ServerError("501", retries=0)] * 2).text


def test_no_stream_shows_the_same(play):
    shown = play("%%ai --no-stream\nhi", "fine")
    assert shown.text.count("fine") == 1


def test_a_variable_goes_in_as_fenced_data(play):
    play("city = 'Oslo'")
    play("%%ai\nWhere is {city}?")
    content = play.call.calls[0][0].prompt
    assert "Oslo" in content
    assert "<data-" in content


def test_a_data_frame_goes_in_as_schema_and_head(play):
    play("import pandas as pd; df = pd.DataFrame({'height': range(10_000)})")
    play("%%ai\nDescribe {df}")
    content = play.call.calls[0][0].prompt
    assert "height" in content
    assert "10,000" in content
    assert len(content) < 3000


@pytest.mark.parametrize(
    "prompt",
    ['{"a": 1}', "{}", "{1+1}", "{f()}", 'fn main() { println!("x") }', "{'k': v for k in x}"],
)
def test_braces_stay_as_typed(play, prompt):
    play("f = lambda: 'called'; x = []; v = 1")
    play(f"%%ai\nExplain {prompt}")
    assert prompt in play.call.calls[0][0].prompt


def test_raw_switches_interpolation_off(play):
    play("city = 'Oslo'")
    play("%%ai --raw\nWhere is {city}?")
    assert play.call.calls[0][0].prompt.strip() == "Where is {city}?"


def test_an_unknown_name_stays_as_typed_and_the_footer_says_so(play):
    shown = play("%%ai\nWhat does {zebra_count} mean?")
    assert "{zebra_count}" in play.call.calls[0][0].prompt
    assert "left as typed: {zebra_count}" in shown.text


def test_a_failing_call_fails_the_cell_with_one_line(play):
    shown = play("%%ai small\nhi", ServerError("small: 501 from the endpoint", retries=0))
    assert not shown.ok
    assert [line for line in shown.text.splitlines() if line] == [
        "ServerError: small: 501 from the endpoint"
    ]


def test_a_broken_off_answer_stays_on_the_screen(play):
    cut = TruncatedStreamError("cut", partial=Completion("half an answer", "small", Usage(1, 1)))

    def breaks(request: Any, spec: Any, on_text: Any) -> Completion:
        on_text("half an answer")
        raise cut

    play.engine._call = breaks
    shown = play("%%ai small\nhi")
    assert not shown.ok
    assert "half an answer" in shown.text
    assert str(play.engine.last()) == "half an answer"


def test_an_interrupt_is_one_line_and_keeps_the_text(play):
    stop = KeyboardInterrupt()
    stop.partial = Completion("half an answer", "small", Usage(1, 1))
    shown = play("%%ai small\nhi", stop)
    assert isinstance(shown.error, KeyboardInterrupt)
    assert "interrupted: what came is in ai.last()" in shown.text
    assert "Traceback" not in shown.text
    assert "half an answer" in play("%ai last").text


MISUSE = [
    ("%%ai --bogus\nhi", "no option"),  # D3
    ("%%ai --no-cach\nhi", "did you mean --no-cache"),  # D3
    ("%%ai -s 'be brief\nhi", "opened at column 4 is not closed"),  # D4
    ("%%ai -t\nhi", "-t/--temperature needs a value"),  # D5
    ("%%ai --mod gpt\nhi", "no option '--mod'"),  # D6
    ("%%ai --no-cahce\nhi", "did you mean --no-cache?"),
    ("%%ai --max_tokens 3\nhi", "did you mean --max-tokens?"),
    ("%%ai --temp 1\nhi", "did you mean --temperature?"),
    ("%%ai -x\nhi", "%ai help options shows them all"),
    ("%%ai -f mrakdown\nhi", "did you mean 'markdown'?"),
    ("%%ai smaal\nhi", "did you mean 'small'"),
    ("%%ai complx\nhi", "did you mean 'complex'"),
    ("%%ai atuo\nhi", "did you mean 'auto'"),
    ("%ai models larg3", "did you mean 'large'?"),
    ("%ai modles", "did you mean %ai models?"),
    ("%ai cache claer", "did you mean %ai cache clear?"),
    ("%ai stats modle", "did you mean %ai stats model?"),
    ("%ai config temprature 1", "did you mean 'temperature'"),
    ("%ai config cache off", "cache"),
    ("%%ai -t hot\nhi", "hot"),  # D8
    ("%%ai -t nan\nhi", "0 to 2"),  # D9
    ("%%ai -t inf\nhi", "0 to 2"),  # D9
    ("%%ai -t 3\nhi", "0 to 2"),  # D10
    ("%%ai -t -1\nhi", "0 to 2"),  # D10
    ("%%ai --max-tokens 0\nhi", "1 to 1,000,000"),  # D11
    ("%%ai --max-tokens -5\nhi", "1 to 1,000,000"),  # D11
    ("%%ai --max-tokens 1.5\nhi", "whole number"),  # D11
    ("%%ai --max-tokens 1000000000\nhi", "1 to 1,000,000"),  # D11
    (f"%%ai --max-tokens 1{'0' * 400}\nhi", "too large"),  # D11
    ("%%ai --format pdf\nhi", "markdown"),  # D12
    ("%%ai -t 0 -t 1\nhi", "given twice"),  # D14
    ("%%ai --no-cache --no-cache\nhi", "given twice"),  # D14
    ("%%ai --no-cache --refresh\nhi", "exclude each other"),  # D15
    ("%%ai write a poem\nhi", "put the prompt below the first line"),  # D16
    ("%%ai -m ''\nhi", "model"),  # D21
    ("%%ai -m 'a b'\nhi", "no spaces"),  # D23
    ("%%ai --api-key sk-123456789012345678901234\nhi", "Rotate it"),  # D28
    ("%%ai --timeout 0\nhi", "timeout"),  # D36
    ("%%ai --timeout -3\nhi", "timeout"),  # D36
    ("%%ai --timeout abc\nhi", "abc"),  # D36
    ("%%ai --max-cost 0\nhi", "above 0"),  # D58
    ("%%ai --max-cost -5\nhi", "above 0"),  # D58
    ("%%ai --max-cost nan\nhi", "above 0"),  # D58
    ("%%ai --max-cost cheap\nhi", "not 'cheap'"),  # D58
    ("%%ai --max-cost 1 --max-cost 2\nhi", "given twice"),
    ("%%ai --var 1x\nhi", "no variable"),
    ("%%ai small -m large\nhi", "two models"),
    ("%%ai -m '{broken'\nhi", "neither"),
    ("%ai --model x what is up", "use %%ai"),
    ("%ai config temperatur 1", "temperature"),
    ("%ai models nosuchmodel", "nosuchmodel"),
]


@pytest.mark.parametrize(("cell", "words"), MISUSE, ids=lambda v: v[:40])
def test_misuse_is_one_clear_line_and_nothing_is_sent(play, cell, words):
    shown = play(cell)
    assert not shown.ok
    lines = [line for line in shown.text.splitlines() if line]
    assert len(lines) == 1, shown.text
    assert words in lines[0]
    assert len(lines[0]) <= 230
    assert play.call.calls == []
    assert len(play.engine.costs()) == 0


BAD_PROMPTS = [
    ("%%ai\n   \n \n", "The cell has no prompt"),  # D2
    ("%%ai\n# only\n# comments", "the prompt is empty: it holds nothing but comments"),  # D2
    ("%%ai small2\nhi", "small"),  # D22
    ("unknown = 1\n", None),
    ("%%ai\nWhat is {unknwn}?", "did you mean 'unknown'"),  # D38
    ("%%ai\nWhat is {unknown.__class__}?", "__class__"),  # D39
    ("import math\n", None),
    ("%%ai\nWhat is {math}?", "module"),  # D40
    ("class Bad:\n    def __repr__(self): raise RuntimeError('no')\nbad = Bad()", None),
    ("%%ai\nWhat is {bad}?", "bad"),  # D42
    ("loop = []; loop.append(loop)", None),
    ("%%ai\nWhat is {loop}?", "loop"),  # D41
    ("lone = '\\ud800'", None),
    ("%%ai\nWhat is {lone}?", "U+D800"),  # D43
]


def test_a_prompt_that_cannot_be_sent_is_one_clear_line(play):
    for cell, words in BAD_PROMPTS:
        shown = play(cell)
        if words is None:
            assert shown.ok, shown.text
            continue
        assert not shown.ok, cell
        lines = [line for line in shown.text.splitlines() if line]
        assert len(lines) == 1, shown.text
        assert words in lines[0]
    assert play.call.calls == []


def test_control_characters_are_removed_with_a_note(play):
    play("odd = 'a\\x00b'")
    shown = play("%%ai\nWhat is {odd!raw}?")
    assert "ab" in play.call.calls[0][0].prompt
    assert "control character" in shown.text


def test_help_is_shown_for_the_cell_and_the_line(play):
    for cell in ("%%ai --help\nx", "%%ai -h\nx", "%ai help", "%ai"):
        assert "--max-tokens" in play(cell).text, cell
    assert play.call.calls == []


@pytest.mark.parametrize("line", ["%%ai", "%%ai small", "%%mmai -v "])
def test_a_cell_with_nothing_below_it_is_told_so_in_one_line(play, line):
    shown = play(line)
    assert shown.lines == ["PromptError: The cell has no prompt: type it below the line of %%ai"]


def test_a_prompt_can_still_be_typed_below_the_line_in_a_terminal(play):
    assert play.shell.check_complete("%%ai small")[0] == "incomplete"
    assert play.shell.check_complete("%%ai small\nhi\n\n")[0] == "complete"


class TestCommands:
    def test_models(self, play):
        frame = play("%ai models").value
        assert list(frame.index) == ["small", "large"]
        assert frame.loc["small", "input_price"] == 0.10

    def test_route(self, play):
        assert "complexity" in play("%ai route What is the capital of France?").text

    def test_costs(self, play):
        play("%%ai\nhi")
        assert list(play("%ai costs").value.request_model) == ["small"]

    def test_stats(self, play):
        play("%%ai\nhi")
        assert play("%ai stats").value.frame.calls.sum() == 1

    def test_cache(self, play):
        play("%%ai\nhi")
        assert "answers  1 in" in play("%ai cache").text
        assert "1 kept answer removed" in play("%ai cache clear").text
        assert "answers  0 in" in play("%ai cache").text

    def test_offline_shows_as_it_is_when_the_variable_came_late(self, play, monkeypatch):
        assert "offline = False   (default)" in play("%ai config offline").text
        monkeypatch.setenv("MMAI_OFFLINE", "1")
        assert "offline = True   (MMAI_OFFLINE)" in play("%ai config offline").text
        assert "offline = False   (configure())" in play("%ai config offline false").text
        assert play("%%ai\nhi").ok

    def test_the_notebook_is_known_to_commands_before_any_question(self, play, tmp_path):
        place = "/home/ada/one.ipynb"
        play("%%ai\nhi")
        play.shell.user_ns["__vsc_ipynb_file__"] = place
        play("%%ai\nhello")
        play.engine.notebook = lambda: None
        assert "1 answer exported" in play(f"%ai cache export {tmp_path}/x.jsonl").text

    def test_config_shows_one_sets_one_and_shows_all(self, play):
        assert "temperature = None" in play("%ai config temperature").text
        assert "temperature = 0.5" in play("%ai config temperature 0.5").text
        assert play.engine.settings.temperature == 0.5
        assert "temperature" in play("%ai config").value.index

    def test_a_wrong_value_changes_nothing(self, play):
        shown = play("%ai config temperature 9")
        assert not shown.ok
        assert len([x for x in shown.text.splitlines() if x]) == 1
        assert play.engine.settings.temperature is None

    def test_budget_without_one_is_kind_and_tells_what_was_spent(self, play):
        play("%%ai -m small\nhi")
        shown = play("%ai budget")
        assert "no budget is set: %ai budget 5/day sets one" in shown.text
        assert "today       $0.0003 spent" in shown.text
        assert "this month  $0.0003 spent" in shown.text

    def test_budget_sets_and_shows(self, play):
        frame = play("%ai budget $5/day 0.5/call").value
        assert list(frame.index) == ["call", "day"]
        assert play.engine.settings.budget.amounts == {"call": Decimal("0.5"), "day": 5}
        assert list(play("%ai budget").value.index) == ["call", "day"]
        play("%ai budget off/call")
        assert play.engine.settings.budget.amounts == {"day": 5}

    @pytest.mark.parametrize("word", ["none", "off", "NONE", "off/day none/month"])
    def test_budgets_are_taken_out(self, play, word):
        play("%ai budget 5/day 50/month")
        assert "no budget is set" in play(f"%ai budget {word}").text
        assert play.engine.settings.budget.amounts == {}

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("5/week", "no budget for 'week': take call, notebook, day, month"),
            ("5/dya", "did you mean 'day'?"),
            ("5", "'5' lacks what it is for: 5/call, 5/notebook, 5/day, 5/month"),
            ("0/day", "the day budget must be an amount of USD"),
            ("-1/day", "the day budget must be an amount of USD"),
            ("nan/day", "the day budget must be an amount of USD"),
            ("5/day x/month", "the month budget must be an amount of USD"),
            ("/day", "the day budget must be an amount of USD"),
            ("banana", "%ai budget takes no 'banana'"),
            ("5/day please", "not 'please'"),
        ],
    )
    def test_a_wrong_budget_is_one_line_and_changes_nothing(self, play, words, said):
        shown = play(f"%ai budget {words}")
        assert type(shown.error).__name__ == "UsageError"
        assert said in str(shown.error)
        assert len(shown.text.strip().splitlines()) == 1
        assert play.engine.settings.budget.amounts == {}
        assert play.call.calls == []

    def test_a_question_about_a_budget_is_a_question(self, play):
        play("%ai budget for a trip to Oslo?")
        assert len(play.call.calls) == 1

    def test_the_words_of_budget_complete(self, play):
        play("%ai budget 5/day")
        words = list(words_after(["budget"], lambda: play.engine))
        assert words == ["0.5/call", "10/notebook", "5/day", "50/month", "off/day", "off"]
        assert "5/day" not in words_after(["budget", "3/day"], lambda: play.engine)

    def test_last(self, play):
        assert "no answer yet" in play("%ai last").text
        play("%%ai\nhi", "fine")
        assert "fine" in play("%ai last").text

    def test_version(self, play):
        assert "mmai_nb 0.1.0" in play("%ai version").text

    def test_help_on_a_topic(self, play):
        assert "ai.costs()" in play("%ai help costs").text


class TestLoading:
    def test_loading_twice_changes_nothing(self, play):
        play.shell.extension_manager.reload_extension("mmai_nb")
        play.shell.extension_manager.load_extension("mmai_nb")
        assert isinstance(play.shell.magics_manager.magics["cell"]["ai"].__self__, MmaiMagics)

    def test_it_prints_nothing(self, play):
        assert play("%reload_ext mmai_nb").text == ""

    def test_unloading_takes_the_magics_out(self, play):
        play.shell.extension_manager.unload_extension("mmai_nb")
        assert "ai" not in play.shell.magics_manager.magics["cell"]
        assert "mmai" not in play.shell.magics_manager.magics["line"]
        play.shell.extension_manager.load_extension("mmai_nb")

    def test_another_extensions_magic_is_named(self, play):
        play.shell.extension_manager.unload_extension("mmai_nb")
        play.shell.register_magic_function(lambda line, cell=None: None, "line_cell", "ai")
        with pytest.warns(UserWarning, match="%%mmai always is"):
            play.shell.extension_manager.load_extension("mmai_nb")


@pytest.mark.parametrize("prompt", ["I am sad :(", "what does print( do", "don't", "a\n    b\n  c"])
def test_a_prompt_need_not_be_python(play, prompt):
    shown = play(f"%%ai\n{prompt}", "fine")
    assert shown.ok, shown.text
    assert str(shown.value) == "fine"


def test_a_prompt_may_end_in_a_semicolon(play):
    assert str(play("%%ai\nint x = 3;", "fine").value) == "fine"


def test_an_assigned_answer_shows_when_it_is_asked_for(play):
    play("x = %ai why is the sky blue?", "because")
    assert "because" in play("x").text


def test_the_same_question_from_a_line_and_a_cell_is_one(play):
    play("%ai why is the sky blue?")
    assert play("%%ai\nwhy is the sky blue?\n").value.cache_hit


def test_a_variable_of_a_function_goes_in(play):
    play("def f(topic):\n    %ai tell me about {topic}\n")
    play("f('rivers')")
    assert "rivers" in play.call.calls[0][0].prompt


def test_code_is_put_into_the_next_cell_and_shell_lines_are_not_live(play, monkeypatch):
    put = []
    monkeypatch.setattr(play.shell, "set_next_input", lambda text, replace: put.append(text))
    shown = play("%%ai -f code\nlist files", "```python\nd['a'] = !ls\n!rm x\nprint(1)\n```")
    assert shown.value.parsed == "d['a'] = !ls\n!rm x\nprint(1)"
    assert [line for line in put[0].splitlines() if not line.startswith("#")] == ["print(1)"]


@pytest.mark.parametrize("line", ["modles", "cost", "costs foo", "route", "help foo"])
def test_a_slip_in_a_command_is_no_paid_question(play, line):
    shown = play(f"%ai {line}")
    assert not shown.ok
    assert play.call.calls == []


def test_help_for_the_cell_needs_no_cell(play):
    assert "--max-tokens" in play("%%ai --help").text


def test_the_same_parameter_twice_is_refused(play):
    assert "given twice" in play("%%ai -o seed 1 -o seed 2\nhi").text
    assert play.call.calls == []


def test_a_model_left_out_is_told(play):
    from mmai_nb.errors import QuotaError

    play("%%ai\none", QuotaError("no credit"), "fine")
    shown = play("%%ai\ntwo", "fine")
    assert "left out small: resting after failures" in shown.text


def test_config_tells_where_the_files_are(play):
    assert "ledger.sqlite3" in play("%ai config ledger_path").text


def test_loading_again_leaves_one_of_each(play):
    play.shell.extension_manager.reload_extension("mmai_nb")
    names = [getattr(f, "__name__", "") for f in play.shell.input_transformers_cleanup]
    assert names.count("keep_question_marks") == 1
    assert len(play.shell.events.callbacks["post_run_cell"]) == 1


def test_several_models_stand_side_by_side(play):
    shown = play("%%ai --compare small,large\nhi", "fine")
    assert shown.ok
    assert shown.text.count("── small") == 1
    assert "── large" in shown.text
    assert list(shown.value.answers) == ["small", "large"]


def test_a_comparison_can_be_blind_and_have_a_name(play):
    shown = play("%%ai --compare small,large --blind --var c\nhi", "fine")
    assert "small" not in shown.text
    play("c.vote('b')")
    assert "your choice" in play("c").text


def test_a_blind_comparison_is_printed_once_in_a_terminal_and_a_vote_prints_no_other(play):
    play("%%ai --compare small,large --blind --var c\nhi", "fine")
    assert play("c").text.count("── Answer") == 2
    assert "──" not in play("c.vote('a')").text


def test_under_a_comparison_in_a_terminal_stands_what_it_cost(play):
    shown = play("%%ai --compare small,large\nhi", "fine")
    assert "2 of 2 answers · " in shown.text
    assert "Out[" not in shown.text.split("2 of 2 answers")[1]


def test_a_quiet_comparison_shows_nothing(play):
    assert "fine" not in play("%%ai --compare small,large -q --var c\nhi", "fine").text
    assert len(play.shell.user_ns["c"].answers) == 2


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("--blind", "give both"),
        ("--compare ,", "needs models"),
        ("small --compare small,large", "leave a model out"),
        ("--compare small,large --fallback small", "leave --fallback out"),
        ("--compare small,smal", "did you mean"),
        ("--compare small,small", "twice"),
        ("--compare small,large --dry-run", "--dry-run shows one route"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused_before_anything_is_sent(play, line, hint):
    shown = play(f"%%ai {line}\nhi")
    assert not shown.ok
    assert hint in shown.text
    assert play.call.calls == []


# -- check and escalate


def test_a_check_takes_back_what_is_wrong_and_says_so(play):
    shown = play("%%ai --check\nWhat is 3 * 17?", "3 × 17 = 41", "3 × 17 = 51")
    assert shown.value.model == "large"
    assert play.call.asked == ["small", "large"]
    first, rest = shown.text.split("escalated to complex: 3 × 17 = 41 is wrong", 1)
    assert "3 × 17 = 41" in first
    assert rest.count("3 × 17 = 51") == 1
    assert "large · complex · escalated: 3 × 17 = 41 is wrong" in rest


def test_an_answer_that_could_not_be_replaced_is_printed_again(play):
    shown = play("%%ai --check\nhi", "3 × 17 = 41", ServerError("501", retries=0))
    assert shown.value.model == "small"
    _, rest = shown.text.split("not escalated: large: Server", 1)
    assert rest.count("3 × 17 = 41\n") == 1


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("--check", ["small", "large"]),
        ("--check small", ["small", "large"]),
        ("--check on small", ["small", "large"]),
        ("small --check=on", ["small", "large"]),
        ("--check large", ["large"]),
        ("--check off", ["small"]),
        ("", ["small"]),
        ("--compare small,large --check", ["large", "small"]),
    ],
)
def test_the_word_behind_check_is_its_own_or_who_answers(play, line, asked):
    play(f"%%ai {line}\nWhat is 3 * 17?", "3 × 17 = 41")
    assert sorted(play.call.asked) == sorted(asked)


def test_verbose_shows_what_the_check_found(play):
    shown = play("%%ai --check -v\nWhat is 3 * 17?", "3 × 17 = 41", "3 × 17 = 51")
    assert "check: small failed, doubt 0." in shown.text
    assert "check: large passed" in shown.text
    assert "attempt 1: small ok" in shown.text
    assert "attempt 2: large ok" in shown.text


CODE = "```python\nprint(table.describe())\nplot_it(rows_of(table), axes)\n```"


def test_names_that_the_notebook_has_are_no_fault_of_the_answers_code(play):
    shown = play("%%ai --check\nDescribe my table", CODE)
    assert any("table" in reason for reason in shown.value.checks[0].reasons)
    play("table = axes = 1\nplot_it = rows_of = print")
    shown = play("%%ai --check --no-cache\nDescribe my table", CODE)
    assert shown.value.checks[0].reasons == ()


def test_an_interrupt_while_a_stronger_model_is_asked_keeps_the_cheap_answer(play):
    shown = play("%%ai --check\nWhat is 3 * 17?", "3 × 17 = 41", KeyboardInterrupt())
    assert not shown.ok
    assert "interrupted: the answer that was there is in ai.last()" in shown.text
    assert str(play.engine.last()) == "3 × 17 = 41"


def test_a_tiers_check_is_a_setting(play):
    play("%ai config tiers.simple.check true")
    assert "tiers.simple.check = True" in play("%ai config tiers.simple.check").text
    assert play("%%ai\nWhat is 3 * 17?", "3 × 17 = 41", "3 × 17 = 51").value.model == "large"
    shown = play("%%ai --dry-run\nWhat is 3 * 17?")
    assert "checked: a failing answer goes to complex" in shown.text


def test_the_demos_tiers_are_read_as_they_are_set(tmp_path):
    with playing(tmp_path, Settings()) as play:
        read = "%ai config tiers.simple.check"
        assert "tiers.simple.check = False   (the demo's" in play(read).text
        play("%ai config tiers.simple.check agree")
        assert "tiers.simple.check = agree" in play(read).text
        assert "did you mean 'check'" in play("%ai config tiers.simple.chekc").text
        assert "tiers." not in play("%ai config").text


def test_an_option_behind_the_prompt_is_text_and_the_footer_says_so(play):
    shown = play("%ai What is 3 * 17? --check", "51")
    assert play.call.calls[0][0].prompt == "What is 3 * 17? --check"
    assert "'--check' is part of the prompt: options stand on the first line of %%ai" in shown.text


def test_an_option_with_its_value_behind_the_prompt_is_told_too(play):
    assert "'--max-cost' is part of" in play("%%ai\nhi there --max-cost 0.5", "yes").text
    assert "'--check' is part of" in play("%ai hi there, --check agree", "yes").text
    assert "'--tag' is part of" in play("%ai hi there, all of you --tag=x", "yes").text


@pytest.mark.parametrize(
    "cell",
    [
        "%ai What does git do with --amend",
        "%ai What does --check do in black and in isort?",
        "%ai What does black --check do?",
        "%ai Tell me what it does with --check.",
        "%ai -- What is this? --check",
        "%%ai\nWhat does this do?\nblack --check",
        '%ai Explain "--check"',
        "%ai What does ls do with -v",
    ],
)
def test_what_only_looks_like_an_option_of_ours_is_not_told(play, cell):
    assert "is part of the prompt" not in play(cell, "it depends").text


def test_the_names_to_compare_may_have_spaces_at_their_commas(play):
    for names in ("small, large", "small ,large", "small , large"):
        shown = play(f"%%ai --compare {names} --no-cache\nhi", "one", "two")
        assert list(shown.value.answers) == ["small", "large"], names
    shown = play("%%ai --compare=small, large --no-cache\nhi", "one", "two")
    assert list(shown.value.answers) == ["small", "large"]


def test_a_list_of_names_ends_where_no_comma_stands(play):
    assert "put a comma between them" in play("%%ai --compare small,large big\nhi").text


PRETEND = "budgets do not count the demo's pretend money"


def test_where_the_demo_answers_the_footer_says_that_budgets_do_not_count_it(demo):
    shown = demo("%%ai --max-cost 0.000001\nhi", "hello")
    assert shown.text.count(PRETEND) == 1
    demo("%ai budget 5/day")
    assert demo("%%ai\nhi there", "hello").text.count(PRETEND) == 1
    assert PRETEND not in demo("%%ai\nhi there").text  # cached: it costs nothing, pretend or not


def test_without_a_budget_the_demo_says_nothing_of_budgets(demo):
    assert PRETEND not in demo("%%ai\nhi", "hello").text


def test_a_model_that_costs_real_money_says_nothing_of_pretend_money(play):
    assert PRETEND not in play("%%ai --max-cost 5\nhi", "hello").text
    assert PRETEND not in play("%ai budget 5/day").text


def test_the_budgets_of_a_notebook_with_the_demo_say_so_in_a_line(demo):
    assert PRETEND in demo("%ai budget").text
    assert PRETEND in demo("%ai budget 5/day").text


def test_an_answer_that_passed_its_check_says_so_in_the_footer(play):
    shown = play("%%ai --check\nWhat is 3 * 17?", "3 * 17 = 51")
    assert "· checked ·" in shown.text
    assert "checked" not in play("%%ai --no-cache\nWhat is 3 * 17?", "3 * 17 = 51").text


def test_what_the_check_saw_in_an_answer_that_passed_stands_in_the_footer(play):
    shown = play("%%ai --check\nHow many?", "I'm not sure, it may be eight, but I could be wrong.")
    assert "· checked: it is not sure ·" in shown.text


def test_an_answer_that_did_not_pass_is_not_called_checked(play):
    shown = play("%%ai large --check\nWhat is 3 * 17?", "3 * 17 = 41")
    assert "check: 3 * 17 = 41 is wrong" in shown.text or "check: 3 × 17 = 41" in shown.text
    assert "checked" not in shown.text
