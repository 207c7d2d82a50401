"""The history as the user has it: what a call leaves behind, and `%ai history`."""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from support.scripted import USAGE, Scripted, settings_of
from traitlets.config import Config

import mmai_nb as ai
from mmai_nb import feedback
from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import (
    BadRequestError,
    ChainExhaustedError,
    ConfigError,
    LogWarning,
    MissingKeyError,
    OptionError,
    SchemaMismatchError,
    ServerError,
    TruncatedStreamError,
)
from mmai_nb.ledger import Ledger
from mmai_nb.records import Completion, Message, Request
from mmai_nb.settings import load_settings

KEY = "sk-proj-Tq7rXb2LmN9vKc4ZpW8yHd3FgJ6sAe1"
PASSWORD = "correct-horse-battery"


KEYED = {"keyed": {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "ABSENT"}}


@pytest.fixture
def call() -> Scripted:
    return Scripted()


@pytest.fixture
def engine(call: Scripted, tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(
        settings_of(log_file=tmp_path / "calls.jsonl"),
        call=call,
        ledger=Ledger(tmp_path / "data" / "ledger.sqlite3"),
        cache=AnswerCache(tmp_path / "cache"),
        sleep=lambda seconds: None,
    )
    yield engine
    engine.close()


def logged(tmp_path: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (tmp_path / "calls.jsonl").read_text("utf-8").split("\n")[:-1]
    ]


def past(engine: Engine, words: str | None = None) -> list[dict[Any, Any]]:
    return engine.history(words).to_dict("records")


def everything(*folders: Path) -> bytes:
    """Every byte of every file in the folders."""
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
    return b"".join(file.read_bytes() for file in files)


# -- what a call leaves


def test_prompt_and_answer_are_kept_with_the_facts_of_their_call(engine):
    answer = engine.ask("hi", tag="t", system="be brief", model="small")
    (row,) = past(engine)
    assert (row["prompt"], row["answer"], row["model"]) == ("hi", "an answer", "small")
    assert (row["call_id"], row["tag"], row["cache_hit"]) == (answer.call_id, "t", False)
    assert (row["input_tokens"], row["output_tokens"]) == (1_000, 500)
    assert row["cost_usd"] == answer.cost_usd
    assert engine.texts.context(1) == (Message("system", "be brief"),)


def test_a_cached_answer_is_one_exchange_asked_twice_and_paid_once(engine):
    paid = engine.ask("hi")
    engine.ask("hi")
    (row,) = past(engine)
    assert (row["asked"], row["cache_hit"], row["cost_usd"]) == (2, True, paid.cost_usd)


def test_a_refreshed_answer_does_not_take_the_former_ones_place(engine, call):
    call.plays[:] = ["one", "two"]
    engine.ask("hi")
    engine.ask("hi", refresh=True)
    engine.ask("hi")
    assert [(row["answer"], row["asked"]) for row in past(engine)] == [("one", 1), ("two", 2)]


def test_calls_without_the_cache_are_kept_and_their_rows_have_no_cache_key(engine):
    for _ in range(2):
        engine.ask("hi", cache=False)
    assert [row["asked"] for row in past(engine)] == [1, 1]
    assert engine.costs()["cache_key"].isna().all()
    assert engine.cache.size() == (0, 0)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_the_cache_does_not_keep_is_kept_each_time(engine, call, reason):
    call.plays[:] = [Completion("cut", "small", USAGE, finish_reason=reason)]
    for _ in range(2):
        engine.ask("hi", model="small")
    assert [(row["answer"], row["status"], row["asked"]) for row in past(engine)] == [
        ("cut", "ok", 1),
        ("cut", "ok", 1),
    ]


def test_a_partial_answer_is_kept_and_does_not_replace_a_whole_one(engine, call):
    engine.ask("hi", model="small")
    came = Completion("an ans", "small", USAGE)
    call.plays[:] = [TruncatedStreamError("broke off", partial=came, retries=0, falls_back=False)]
    with pytest.raises(TruncatedStreamError):
        engine.ask("hi", model="small", refresh=True)
    assert [(row["answer"], row["status"]) for row in past(engine)] == [
        ("an answer", "ok"),
        ("an ans", "partial"),
    ]
    assert engine.history()["cache_key"].isna().tolist() == [False, True]


def test_a_failed_call_keeps_its_prompt(engine, call):
    call.plays[:] = [BadRequestError("400: no")]
    with pytest.raises(BadRequestError):
        engine.ask("hi", model="small")
    (row,) = past(engine)
    assert (row["prompt"], row["answer"], row["status"]) == ("hi", "", "error")


def test_an_answer_that_misses_its_schema_is_kept(engine, call):
    call.plays[:] = ["no json"]
    with pytest.raises(SchemaMismatchError):
        engine.ask("hi", schema={"type": "object"}, model="small")
    (row,) = past(engine)
    assert (row["answer"], row["status"], row["format"]) == ("no json", "ok", "json")


def test_an_interrupted_call_keeps_what_came(engine, call):
    interrupt = KeyboardInterrupt()
    interrupt.partial = Completion("an ans", "small", USAGE)
    call.plays[:] = [interrupt]
    with pytest.raises(KeyboardInterrupt):
        engine.ask("hi", model="small")
    assert [(row["answer"], row["status"]) for row in past(engine)] == [("an ans", "partial")]


def test_a_call_that_was_never_sent_is_not_kept(engine):
    engine.configure({"models": KEYED})
    with pytest.raises(MissingKeyError):
        engine.ask("hi", model="keyed")
    assert past(engine) == []


def test_a_fallbacks_answer_is_kept_under_the_model_that_gave_it(engine, call):
    call.plays[:] = [ServerError("503", retries=0), "fine"]
    engine.ask("hi")
    (row,) = past(engine)
    assert (row["model"], row["status"], row["answer"]) == ("large", "ok", "fine")


def test_a_chat_keeps_what_stood_before_the_prompt(engine):
    chat = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "It begins"},
    ]
    engine.ask(messages=chat)
    (row,) = past(engine)
    assert row["prompt"] == "two\n\nassistant: It begins"
    assert engine.texts.context(1) == (Message("user", "one"), Message("assistant", "1"))


def test_a_text_of_any_length_is_kept_up_to_a_million_characters(engine, call):
    call.plays[:] = [Completion("x" * 1_500_000, "small", USAGE, finish_reason="stop")]
    engine.ask("hi", model="small")
    kept = past(engine)[0]["answer"]
    assert kept.endswith("x\n… [500,000 more characters were not kept]")
    assert len(kept) < 1_000_100


def test_the_demos_answers_are_kept_and_marked(tmp_path, monkeypatch):
    ai.ask("What is 17 * 3?", model="demo")
    frame = ai.history("17")
    assert frame["simulated"].tolist() == [True]
    assert "51" in frame["answer"][0]


def test_a_ledger_that_cannot_be_written_costs_no_answer(engine, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ledger.sqlite3").write_text("these are my notes\n" * 100)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert str(engine.ask("hi")) == "an answer"
        assert str(engine.ask("again")) == "an answer"
        assert [row["prompt"] for row in past(engine)] == ["hi", "again"]
    assert len(said) == 1


# -- log_text


def test_with_log_text_off_no_text_is_written_but_to_the_cache(engine, call, tmp_path):
    engine.configure({"log_text": False})
    call.plays[:] = ["canary-answer", BadRequestError("400: canary-prompt was refused")]
    engine.ask("canary-prompt", system="canary-system", model="small")
    with pytest.raises(BadRequestError):
        engine.ask("canary-prompt again", model="small")
    assert past(engine) == []
    cached = everything(tmp_path / "cache")
    assert b"canary-answer" in cached
    assert b"canary" not in everything(tmp_path).replace(cached, b"")
    assert [line["status"] for line in logged(tmp_path)] == ["ok", "error"]
    assert {"prompt", "answer", "error", "earlier"}.isdisjoint(logged(tmp_path)[1])


def test_log_text_comes_from_the_environment_and_configure(engine, monkeypatch):
    monkeypatch.setenv("MMAI_LOG_TEXT", "false")
    assert load_settings().log_text is False
    assert engine.settings.log_text is True


@pytest.mark.parametrize("line", ["log_text = false", "log_text = true", 'log_file = "here.jsonl"'])
def test_a_project_has_no_say_in_what_is_kept_or_logged(tmp_path, line):
    (tmp_path / "mmai_nb.toml").write_text(line)
    with pytest.raises(ConfigError, match=line.split(" ", 1)[0]):
        load_settings()


# -- the log file


def test_each_call_is_a_line_of_the_log_file(engine, call, tmp_path):
    call.plays[:] = [ServerError("503: busy"), "fine"]
    answer = engine.ask("hi", model="small", tag="t", system="be brief")
    engine.ask("hi", model="small", system="be brief")
    paid, hit = logged(tmp_path)
    assert paid["call_id"] == answer.call_id
    assert (paid["status"], paid["prompt"], paid["answer"]) == ("ok", "hi", "fine")
    assert paid["earlier"] == [{"role": "system", "content": "be brief"}]
    assert (paid["tag"], paid["input_tokens"], paid["cost_usd"]) == ("t", 1_000, answer.cost_usd)
    assert [a.get("error") for a in paid["attempts"]] == ["503: busy", None]
    assert [a["status"] for a in paid["attempts"]] == ["error", "ok"]
    assert (hit["cache_hit"], hit["cost_usd"], hit["answer"]) == (True, 0, "fine")


def test_failures_are_logged_with_what_was_said(engine, call, tmp_path):
    call.plays[:] = [ServerError("501: no", retries=0), ServerError("502: neither", retries=0)]
    with pytest.raises(ChainExhaustedError):
        engine.ask("hi")
    engine.configure({"models": KEYED})
    with pytest.raises(MissingKeyError) as caught:
        engine.ask("hi", model="keyed")
    failed, unsent = logged(tmp_path)
    assert unsent["call_id"] == caught.value.call_id
    assert (failed["status"], failed["error_type"]) == ("error", "ChainExhaustedError")
    assert failed["error"][1:] == ["501: no", "502: neither"]
    assert failed["answer"] is None
    assert (unsent["error_type"], unsent["attempts"]) == ("MissingKeyError", [])


def test_without_a_log_file_there_is_none(engine, tmp_path):
    engine.configure({"log_file": None})
    engine.ask("hi")
    assert not (tmp_path / "calls.jsonl").exists()


def test_a_log_file_that_cannot_be_written_costs_one_warning_and_no_answer(engine, tmp_path):
    (tmp_path / "calls.jsonl").write_text("my notes")
    with pytest.warns(LogWarning, match="another kind"):
        assert str(engine.ask("hi")) == "an answer"
    assert str(engine.ask("again")) == "an answer"


# -- secrets


def test_no_secret_reaches_what_is_kept_though_it_was_sent(engine, call, tmp_path, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    monkeypatch.setenv("OTHER_API_KEY", KEY)
    known = f"{KEY} and {PASSWORD}"
    escaped = json.dumps(known) + PASSWORD.replace("-", "%2D")
    call.plays[:] = [
        f"you sent {known}",
        BadRequestError(f"400: bad key {KEY}, {PASSWORD}"),
        TruncatedStreamError(
            "broke off",
            partial=Completion(f"half {known}", "small", USAGE),
            retries=0,
            falls_back=False,
        ),
    ]
    options: dict[str, Any] = {"allow_secrets": True, "model": "small"}
    answer = engine.ask(f"use {known}", system=f"with {escaped}", tag=PASSWORD, **options)
    with pytest.raises(BadRequestError):
        engine.ask(f"again {known}", cache=False, **options)
    with pytest.raises(TruncatedStreamError):
        engine.ask(f"once more {known}", **options)
    engine.ask(f"use {known}", system=f"with {escaped}", tag=PASSWORD, **options)  # a hit
    engine.texts.catch_up().join()
    assert KEY in answer  # what the user allowed is the user's
    assert len(past(engine)) == 3
    assert len(logged(tmp_path)) == 4
    kept = everything(tmp_path / "data") + (tmp_path / "calls.jsonl").read_bytes()
    kept += engine.history().to_csv().encode()
    kept += str([engine.texts.context(n) for n in (1, 2, 3)]).encode()
    for secret in (KEY, PASSWORD):
        assert secret.encode() not in kept
    assert b"use *** and ***" in kept
    (with_index,) = Path(tmp_path / "data").glob("*.words")
    for piece in (PASSWORD[2:5], KEY[10:13].casefold()):
        with closing(sqlite3.connect(with_index)) as db:
            match = f'"{piece}"'
            found = db.execute("SELECT rowid FROM piece WHERE piece MATCH ?", (match,)).fetchall()
        assert found == []


def test_a_secret_that_a_server_echoes_is_not_kept(engine, call, tmp_path):
    echoed = "AKIAIOSFODNN7EXAMPLE"
    call.plays[:] = [f"your key is {echoed}"]
    engine.ask("hi", model="small")
    assert past(engine)[0]["answer"] == "your key is ***"
    assert echoed.encode() not in everything(tmp_path / "data")


def test_a_request_that_skips_the_options_is_cleaned_too(engine, monkeypatch, tmp_path):
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    engine.answer(Request((Message("user", f"open with {PASSWORD}"),)))
    assert past(engine)[0]["prompt"] == "open with ***"


# -- %ai history


@pytest.fixture
def shell(engine: Engine) -> Iterator[Any]:
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.extension_manager.load_extension("mmai_nb")
    shell.magics_manager.magics["cell"]["ai"].__self__._engine = engine
    yield shell
    shell.restore_sys_module_state()


@pytest.fixture
def run(shell: Any) -> Any:
    """The value of a cell; a wrong line is a UsageError."""

    def run(line: str) -> Any:
        with capture_output():
            result = shell.run_cell(line)
        result.raise_error()
        return result.result

    return run


def test_the_newest_are_listed_first_with_facts_prompt_and_answer(engine, call, run):
    call.plays[:] = ["first answer", "second\n\nanswer"]
    engine.ask("first", tag="study")
    engine.ask("second", model="large")
    engine.ask("second", model="large")
    newest, question, answer, *older = run("%ai history").split("\n")
    assert newest.startswith("2  ")
    assert "large · 1,000→500 tok" in newest
    assert "asked 2 times · from the cache" in newest
    assert (question, answer) == ("   Q second", "   A second answer")
    assert "#study" in older[0]
    assert run("%ai history -n 1").startswith("2 ")


def test_it_is_empty_at_first_and_says_if_nothing_is_kept(engine, run):
    assert run("%ai history") == "the history is empty"
    engine.configure({"log_text": False})
    assert "log_text is off" in run("%ai history")


def test_what_a_search_finds_is_listed_newest_first(engine, run):
    for words in ("two of two", "one", "two", "two two two, or more than two"):
        engine.ask(words)
    found = run("%ai history -q two").split("\n")[::3]
    assert [line.split()[0] for line in found] == ["4", "3", "1"]


def test_a_search_shows_the_best_with_the_hit_marked(engine, call, run):
    call.plays[:] = ["x " * 200 + "merge here" + " y" * 200, "no"]
    engine.ask("frames")
    engine.ask("other")
    found = run("%ai history -q MERGE frames")
    assert "Q «frames»" in found
    assert "«merge» here" in found
    assert "other" not in found
    assert (
        run("%ai history -q absent") == "nothing in the history fits; %ai history shows the newest"
    )


@pytest.mark.parametrize(
    "words",
    ['"', "'", '"a', "it's", "a AND", "NEAR(a b)", "a*", "-x", "col:x", "(", "%", "--", "你", "\\"],
)
def test_no_word_is_a_syntax_error(engine, run, words):
    engine.ask(f"look: {words}")
    assert "Q look" in run(f"%ai history -q {words}")


def test_words_that_are_options_stand_behind_two_dashes(engine, run):
    engine.ask("what does --yes do?")
    assert "«--yes»" in run("%ai history -q -- --yes")


def test_options_narrow_the_list(engine, run):
    engine.ask("one", tag="my study")
    engine.ask("two", model="large")
    assert "one" in run('%ai history --tag "my study"')
    assert "two" not in run('%ai history --tag "my study"')
    assert "one" not in run("%ai history -m large --since today")
    assert "nothing in the history fits" in run("%ai history --since 2999-01-01")


def test_one_of_them_is_shown_whole_and_safely(engine, call, run):
    call.plays[:] = ["<img src=x onerror=alert(1)> **bold** \x1b[31m"]
    engine.ask("is <b>this</b>\n\n\x1b[31m safe?", system="be <i>brief</i>")
    shown = run("%ai history 1")
    data = shown._repr_mimebundle_()
    assert data["text/plain"].startswith("system:\nbe <i>brief</i>\n\nuser:\nis <b>this</b>")
    assert "small" in data["text/plain"].split("\n")[-1]
    assert "<img" not in data["text/html"]
    assert "<b>this" not in data["text/html"]
    assert "<strong>bold</strong>" in data["text/html"]
    assert "\x1b" not in "".join(data.values())
    assert str(shown).startswith("<img")
    assert shown.prompt.startswith("is <b>this</b>")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("history 99", "no 99"),
        ("history delete 99", "no 99"),
        ("history -n 0", "-n must be"),
        ("history -n 1001", "-n must be"),
        ("history -n x", "-n must be"),
        ("history --since soon", "is no moment"),
        ("history delete", "%ai history"),
        ("history -q", "%ai history"),
    ],
)
def test_a_slip_is_a_usage_error(engine, call, run, line, said):
    with pytest.raises((UsageError, OptionError), match=said) as caught:
        run(f"%ai {line}")
    assert len(str(caught.value)) <= 300
    assert call.calls == []


@pytest.mark.parametrize(
    "question",
    [
        "history of Rome",
        "history -q x --nonsense 3 -z",
        "history delete my account please",
        "history purge the old ones now",
        "history 1 2 3 go",
        "history 1 -n 3 of",
    ],
)
def test_a_line_that_is_no_command_is_asked(engine, call, run, question):
    if question.startswith("history -q"):  # all of it is words
        run(f"%ai {question}")
        assert call.calls == []
        return
    run(f"%ai {question}")
    assert call.calls[0][0].prompt == question


def test_deleting_tells_what_would_go_and_asks(engine, run):
    engine.ask("hi")
    said = run("%ai history delete 1")
    assert "Q hi" in said
    assert "1 exchange would be deleted for good; add --yes" in said
    assert "1 answer in the cache would stay, text and all; --cache takes" in said
    assert "in the cache would go too" in run("%ai history delete 1 --cache")
    assert len(past(engine)) == 1


def test_deleted_means_gone_but_for_the_cache_unless_that_is_meant_too(engine, call, run, tmp_path):
    call.plays[:] = ["canary-one", "canary-two", "canary-three"]
    for n in ("1", "2", "3"):
        engine.ask(f"prompt {n}", model="small")
    (tmp_path / "calls.jsonl").unlink()
    assert "stayed in the cache" in run("%ai history delete 1 --yes")
    assert "went from the cache" in run("%ai history delete 2 --cache --yes")
    data, cached = everything(tmp_path / "data"), everything(tmp_path / "cache")
    assert [w in data for w in (b"canary-one", b"canary-two", b"canary-three")] == [0, 0, 1]
    assert [w in cached for w in (b"canary-one", b"canary-two", b"canary-three")] == [1, 0, 1]
    assert engine.ask("prompt 1", model="small").cache_hit
    assert not engine.ask("prompt 2", model="small").cache_hit


def test_votes_on_a_deleted_prompt_keep_no_numbers_of_its_words(engine, run):
    """Else who guesses what it said could check the guess against them."""
    vote = partial(feedback.vote, engine, "good")
    engine.ask("a secret plan", model="small")
    vote(engine.ask("a secret plan", model="small"))  # of the cache: a call of its own
    vote(engine.ask("an open one", model="small"))
    both = engine.compare("a rival plan", ["small", "large"])
    both.start()
    both.wait().vote("tie")
    run("%ai history delete -q rival --yes")
    run("%ai history delete -q secret --yes")
    kept = [(data.get("winner"), "words" in data) for *_, data in engine.ledger.votes()]
    assert kept == [(None, False), (None, True), ("tie", False)]


@pytest.mark.parametrize("asked", [1, 2], ids=["fresh", "of the cache"])
def test_nor_is_there_a_vote_on_the_last_question_once_it_is_deleted(engine, run, asked):
    for _ in range(asked):
        engine.ask("a secret plan", model="small")
    run("%ai history delete 1 --yes")
    with pytest.raises(OptionError, match="was deleted"):
        feedback.vote(engine, "good")


def test_deleting_another_question_leaves_the_last_one_to_be_voted_on(engine, run):
    engine.ask("an old one", model="small")
    engine.ask("the last one", model="small")
    run("%ai history delete -q old --yes")
    assert feedback.vote(engine, "good").word == "good"


def test_a_damaged_vote_does_not_keep_a_prompt_from_being_deleted(engine, run):
    engine.ask("hi")
    for text in (
        '["words"]',
        '{"words": [1], "call_ids": 3}',
        '{"words": [1], "call_ids": [[]]}',
        "{",
    ):
        engine.ledger.change(
            lambda db, text=text: db.execute("INSERT INTO vote(ts, data) VALUES(1, ?)", (text,))
        )
    assert run("%ai history purge --yes").startswith("1 exchange deleted")


def test_deleting_by_words_and_purging(engine, run):
    for n in range(5):
        engine.ask(f"prompt {n}")
    engine.ask("other")
    assert "5 exchanges would be" in run("%ai history delete -q prompt")
    assert "2 more, and" in run("%ai history delete -q prompt")
    assert run("%ai history delete -q prompt 3 --yes").startswith("1 exchange deleted")
    assert "nothing was deleted" in run("%ai history purge --before 30d --yes")
    assert "5 exchanges would be" in run("%ai history purge")
    assert run("%ai history purge --yes").startswith("5 exchanges deleted")
    assert run("%ai history") == "the history is empty"
    assert len(engine.costs()) == 6


def test_deleting_says_that_the_log_file_keeps_its_lines(engine, run, tmp_path):
    engine.ask("hi")
    assert "calls.jsonl" in run("%ai history delete 1 --yes")


def test_the_log_file_can_be_set_in_the_notebook(engine, run, tmp_path):
    assert "other.jsonl" in run(f"%ai config log_file {tmp_path / 'other.jsonl'}")
    engine.ask("hi")
    assert (tmp_path / "other.jsonl").read_text().count("\n") == 1
    assert not (tmp_path / "calls.jsonl").exists()


def test_what_may_come_next_is_offered(shell, engine):
    from mmai_nb.commands.history import COMMANDS

    (history,) = COMMANDS

    def offered(*before: str) -> list[str]:
        return list(history.complete(before, lambda: engine))

    assert {"delete", "purge", "-q", "-n"} <= set(offered())
    assert "--yes" not in offered()
    assert {"--yes", "--cache", "-q"} <= set(offered("delete", "3"))
    assert "--yes" not in offered("delete", "--yes")
    assert {"small", "large"} <= set(offered("-m"))
    assert offered("-q") == offered("--since") == []


def test_the_function_gives_a_frame(tmp_path):
    assert ai.history().empty
    ai.ask("What is 2 + 2?", model="demo")
    ai.ask("What is 3 + 3?", model="demo")
    assert list(ai.history(limit=1)["prompt"]) == ["What is 3 + 3?"]
    assert len(ai.history("what is", model="demo", since="today")) == 2
    assert ai.history(tag="none").empty
    with pytest.raises(OptionError):
        ai.history(since="soon")


def test_the_cache_forgets_one_answer(engine):
    engine.ask("hi", model="small")
    (key,) = engine.history()["cache_key"]
    assert engine.cache.forget(key)
    assert not engine.cache.forget(key)
    assert engine.cache.size() == (0, 0)
    assert not AnswerCache(None).forget(key)
