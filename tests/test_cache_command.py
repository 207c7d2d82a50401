"""`%ai cache`: what it shows, and what it does."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from support.scripted import URL, Scripted, settings_of
from traitlets.config import Config

import mmai_nb
from mmai_nb.caching import AnswerCache
from mmai_nb.commands import words_after
from mmai_nb.engine import Engine
from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt
from mmai_nb.shelf import look_over


@pytest.fixture
def ai(tmp_path):
    """Run `%ai` lines in a real IPython shell: gives what is shown, or the error's text."""
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.extension_manager.load_extension("mmai_nb")
    engine = Engine(
        settings_of(),
        call=Scripted("an answer"),
        ledger=Ledger(tmp_path / "ledger.sqlite3"),
        cache=AnswerCache(tmp_path / "cache", max_bytes=10**9),
        sleep=lambda seconds: None,
    )
    shell.magics_manager.magics["line"]["ai"].__self__._engine = engine

    def run(line: str) -> str:
        with capture_output():
            result = shell.run_cell(f"%ai {line}")
        error = result.error_in_exec or result.error_before_exec
        assert error is None or len(str(error)) <= 200
        return str(result.result if error is None else error)

    run.engine = engine
    yield run
    engine.close()
    shell.restore_sys_module_state()


def kept(ai: Any) -> int:
    return ai.engine.cache.size()[0]


def line_of(page: str, name: str) -> str:
    return next(line for line in page.splitlines() if line.split()[:1] == [name])


# -- what it shows


def test_it_shows_answers_size_folder_age_hits_and_savings_by_model(ai):
    ask = ai.engine.ask
    paid = [ask("one", model="small"), ask("two", model="small"), ask("one", model="large")]
    for _ in range(2):
        ask("one", model="large")
    page = ai("cache")
    assert line_of(page, "answers").startswith("answers  3 in ")
    assert "trimmed daily to 1.0 GB" in page
    assert str(ai.engine.cache.folder) in line_of(page, "folder")
    assert time.strftime("%Y-%m-%d") in line_of(page, "made")
    hits = line_of(page, "hits")
    for period in ("today", "30 days", "ever"):
        assert f"{period} 40 % of the answers in 5 calls" in hits
    saved = line_of(page, "saved")
    assert saved.count("$0.006") == 3
    assert 2 * paid[2].cost_usd == pytest.approx(0.006)
    assert line_of(page, "large").split()[:2] == ["large", "1"]
    assert line_of(page, "large").split()[-3:] == ["67", "%", "$0.006"]
    assert line_of(page, "small").split()[1] == "2"


def test_an_empty_cache_shows_itself_too(ai):
    page = ai("cache")
    assert "answers  0 in 0.0 kB" in page
    assert "nothing yet" in page
    assert "today no calls" in page


def test_a_cache_that_is_off_says_so(ai):
    ai.engine._cache = AnswerCache(None)
    assert ai("cache") == "the cache is off: answers are kept nowhere"


def test_the_demos_hits_are_kept_apart(ai):
    ai.engine._call = None
    for _ in range(2):
        ai.engine.ask("What is 2 + 3?", model="demo-small")
    page = ai("cache")
    assert "ever no calls" in line_of(page, "hits")
    assert "50 % of the answers in 2 calls, a pretend $0.00" in line_of(page, "demo")
    assert "pretend" in line_of(page, "demo-small")


def row(n: int, days_ago: float, **more: Any) -> Attempt:
    facts = {"request_model": "m", "status": "ok", "cost_nano": 0} | more
    return Attempt(str(n), 1, time.time() - days_ago * 86_400, **facts)


def test_each_period_counts_its_own(ai):
    hit = {"cache_hit": True}
    rows = [
        (0, hit | {"saved_nano": 10**9}),
        (10, hit | {"saved_nano": 2 * 10**9}),
        (10, {}),
        (40, hit | {"saved_nano": None}),
        (40, hit | {"saved_nano": 10**6, "simulated": True}),
    ]
    for n, (days, more) in enumerate(rows):
        ai.engine.ledger.record(row(n, days, **more))
    page = ai("cache")
    hits, saved = line_of(page, "hits"), line_of(page, "saved")
    assert hits.endswith(
        "today 100 % of the answers in 1 call · 30 days 67 % of the answers in 3 calls · "
        "ever 75 % of the answers in 4 calls"
    )
    assert saved.endswith("today $1.00 · 30 days $3.00 · ever $3.00")
    assert line_of(page, "demo").endswith("100 % of the answers in 1 call, a pretend $0.001 saved")


def test_what_nobody_knows_the_price_of_is_not_called_nothing(ai):
    ai.engine.ledger.record(row(1, 0, cache_hit=True, saved_nano=None))
    assert "ever price unknown" in line_of(ai("cache"), "saved")


def test_many_models_are_cut_to_a_screen(ai):
    for n in range(20):
        ai.engine.ledger.record(row(n, 0, request_model=f"model-{n:02}", cache_hit=True))
    page = ai("cache")
    assert "and 8 more models" in page
    assert len(page.splitlines()) < 24


def test_of_a_huge_cache_only_the_latest_used_answers_are_opened(ai, monkeypatch):
    from mmai_nb import shelf

    for n in range(4):
        ai.engine.ask(f"question {n}")
    monkeypatch.setattr(shelf, "MOST_READ", 2)
    found = look_over(ai.engine)
    assert found.count == 4
    assert sum(count for count, _ in found.models.values()) == 2


# -- what it does


def test_clear_forgets_all_a_models_or_old_answers(ai):
    ask = ai.engine.ask
    ask("one", model="small")
    ask("two", model="small")
    ask("one", model="large")
    old = sorted(ai.engine.cache.files(), key=lambda item: item.made)[0]
    os.utime(old.path, (time.time() - 40 * 86_400,) * 2)
    assert ai("cache clear --older 60d") == "0 kept answers removed"
    assert ai("cache clear --older 2w --model large") == "0 kept answers removed"
    assert ai("cache clear --older 30d") == "1 kept answer removed"
    assert ai("cache clear --model small") == "1 kept answer removed"
    assert "did you mean 'large'" in ai("cache clear --model larg")
    assert ai("cache clear") == "1 kept answer removed"
    assert kept(ai) == 0


def test_trim_takes_the_aged_first(ai):
    for n in range(4):
        ai.engine.ask(f"question {n}")
    files = sorted(ai.engine.cache.files(), key=lambda item: item.made)
    aged = files[3].path
    os.utime(aged, (time.time(), time.time() - 40 * 86_400))  # made long ago, used just now
    cache = ai.engine.cache
    cache.max_age, cache.max_bytes = 30, cache.size()[1]
    assert ai("cache trim") == "1 kept answer removed"
    assert not Path(aged).exists()
    cache.max_age, cache.max_bytes = None, cache.size()[1] - 1
    assert ai("cache trim") == "1 kept answer removed"
    assert kept(ai) == 2


def test_forget_removes_the_last_answer_so_that_it_is_asked_anew(ai):
    assert "no answer yet" in ai("cache forget")
    ai.engine.ask("one")
    ai.engine.ask("bad one")
    assert "forgotten" in ai("cache forget")
    assert kept(ai) == 1
    assert "not in the cache" in ai("cache forget")
    assert not ai.engine.ask("bad one").cache_hit
    assert ai.engine.ask("one").cache_hit
    assert "forgotten" in ai("cache forget")
    ai.engine.ask("one", cache=False)
    assert "not in the cache" in ai("cache forget")


def test_export_and_import_say_what_they_did(ai, tmp_path, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2-but-longer")
    ai.engine.ask("one")
    ai.engine.ask("two")
    ai.engine.cache.forget(ai.engine.ask("three").attempts[-1].cache_key)
    ai.engine._call = Scripted("hunter2-but-longer")
    ai.engine.ask("four")
    said = ai(f"cache export '{tmp_path}/my answers.jsonl.gz'").splitlines()
    assert said[0].startswith("2 answers exported to ")
    assert "no prompts, but the endpoints' addresses" in said[0]
    assert said[1:] == [
        "1 not kept any more",
        "1 left out: a key, token or password stands in them",
    ]
    assert "--force" in ai(f"cache export '{tmp_path}/my answers.jsonl.gz'")
    assert ai(f"cache export --all '{tmp_path}/my answers.jsonl.gz' --force").startswith("2 ans")
    ai("cache clear --older 0h")
    said = ai(f"cache import '{tmp_path}/my answers.jsonl.gz'").splitlines()
    assert said[0].startswith("2 answers imported from ")
    assert len(said) == 1
    said = ai(f"cache import --replace '{tmp_path}/my answers.jsonl.gz'")
    assert said.startswith("2 answers imported")
    said = ai(f"cache import '{tmp_path}/my answers.jsonl.gz'").splitlines()
    assert said[1:] == ["2 here already"]


def test_import_says_what_it_refused_and_why(ai, tmp_path):
    ai.engine.ask("one")
    ai(f"cache export {tmp_path}/x.jsonl")
    header, line = (tmp_path / "x.jsonl").read_text().splitlines()
    other = json.loads(line) | {"key": "0" * 64}
    (tmp_path / "x.jsonl").write_text(f"{header}\n{json.dumps(other)}\n")
    said = ai(f"cache import {tmp_path}/x.jsonl").splitlines()
    assert said[1:] == ["1 refused: of a key that is not its own"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cache clera", "did you mean %ai cache clear"),
        ("cache exprot x.jsonl --all", "did you mean %ai cache export"),
        ("cache exprot x.jsonl", "did you mean %ai cache export"),
        ("cache export", "which file?"),
        ("cache import", "which file?"),
        ("cache import a b", "'b' is too much"),
        ("cache clear everything", "'everything' is too much"),
        ("cache trim now", "'now' is too much"),
        ("cache clear --modle small", "did you mean '--model'"),
        ("cache clear --model", "--model needs a value"),
        ("cache clear --older 30", "12h, 30d or 2w"),
        ("cache clear --older=-1d", "12h, 30d or 2w"),
        ("cache export x --all=yes", "takes no value"),
        ("cache export x --all --notebook y", "exclude each other"),
        ("cache export x --notbook y", "did you mean '--notebook'"),
        ("cache import no-such-file.jsonl", "No such file"),
        ("cache trim --all", "%ai cache trim"),
    ],
)
def test_a_slip_is_one_line_with_the_way_out_and_changes_nothing(ai, line, says):
    ai.engine.ask("one")
    assert says in ai(line)
    assert kept(ai) == 1
    assert len(ai.engine.costs()) == 1


@pytest.mark.parametrize(
    "line",
    [
        "cache strategies for web apps",
        "cache import in Python, what is it?",
        "cache clear headers of HTTP, what's that?",
    ],
)
def test_a_sentence_is_a_question(ai, line):
    assert ai(line) == "an answer"


def test_words_complete(ai):
    ai.engine.notebook = lambda: "/home/ada/one.ipynb"
    ai.engine.ask("one", model="small")

    def words(*before: str) -> list[str]:
        return list(words_after(["cache", *before], lambda: ai.engine))

    assert words() == ["clear", "trim", "forget", "export", "import"]
    assert words("clear") == ["--model", "--older"]
    assert words("clear", "--model") == ["small"]
    assert words("export") == ["./"]
    assert words("export", "x", "--notebook") == ["/home/ada/one.ipynb"]
    assert words("export", "x", "--all") == ["--notebook", "--force"]
    assert words("what") == []


# -- the functions behind it


def test_the_functions_do_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("MMAI_DEMO", "1")
    mmai_nb.ask("What is 2 + 3?")
    done = mmai_nb.export_answers("answers.jsonl.gz")
    assert (done.count, done.path) == (1, Path("answers.jsonl.gz"))
    assert mmai_nb.export_answers("all.jsonl", everything=True).count == 1
    mmai_nb.forget()
    assert not mmai_nb.ask("What is 2 + 3?").cache_hit
    first = mmai_nb.ask("What is 3 + 3?")
    mmai_nb.ask("What is 2 + 3?")
    mmai_nb.forget(first)
    assert mmai_nb.ask("What is 2 + 3?").cache_hit
    assert not mmai_nb.ask("What is 3 + 3?").cache_hit
    assert mmai_nb.import_answers("answers.jsonl.gz").known == 1
    assert mmai_nb.import_answers("answers.jsonl.gz", replace=True).came == 1
    assert URL not in Path("all.jsonl").read_text()
