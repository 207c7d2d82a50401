"""Kept answers in a file: what goes out, and what is let in."""

from __future__ import annotations

import builtins
import gzip
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.scripted import URL, USAGE, Scripted, settings_of

from mmai_nb import store, transfer
from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import CacheWarning, OfflineError, OptionError
from mmai_nb.keeping import read_entry
from mmai_nb.ledger import Ledger
from mmai_nb.records import Completion
from mmai_nb.settings import Settings
from mmai_nb.shelf import export_kept, import_kept
from mmai_nb.transfer import import_answers


@pytest.fixture(autouse=True)
def _in_a_script(monkeypatch):
    monkeypatch.delattr(builtins, "__IPYTHON__", raising=False)


@pytest.fixture
def build(tmp_path):
    """An engine with a place of its own, by the place's name."""
    made = []

    def make(place: str, *plays: Any, settings: Settings | None = None, **more: Any) -> Engine:
        folder = tmp_path / place
        engine = Engine(
            settings_of(**more) if settings is None else settings,
            call=Scripted(*plays),
            ledger=Ledger(folder / "ledger.sqlite3"),
            cache=AnswerCache(folder / "cache"),
            sleep=lambda seconds: None,
        )
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def exported(build, tmp_path) -> Path:
    """A file with two answers."""
    author = build("author", "of small", "of large")
    author.ask("hi", model="small")
    author.ask("hi", model="large")
    return export_kept(author, tmp_path / "answers.jsonl").path


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewritten(path: Path, change: Callable[[list[Any]], Any]) -> Path:
    """The file after a change of its lines."""
    lines = lines_of(path)
    lines = change(lines) or lines
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def refused(cache: AnswerCache, path: Path, **options: Any) -> str:
    """What the import of a file says that leaves the cache as it was."""
    before = tree(cache.folder)
    with pytest.raises(OptionError) as caught:
        import_answers(cache, path, **options)
    assert tree(cache.folder) == before
    text = str(caught.value)
    assert len(text) <= 200
    assert "\n" not in text
    return text


# -- there and back


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.jsonl.gz"])
def test_what_was_exported_here_replays_there_offline(build, tmp_path, name):
    author = build("author", '{"n": 1}', "a text")
    paid = author.ask("a number?", format="json", model="large"), author.ask("hi", system="short")
    done = export_kept(author, tmp_path / name)
    assert (done.count, done.gone, done.secret) == (2, 0, 0)

    student = build("student", settings=Settings(offline=True))
    with pytest.raises(OfflineError):
        student.ask("hi", system="short")
    come = import_kept(student, tmp_path / name)
    assert (come.came, come.known, come.refused) == (2, 0, {})
    again = student.ask("a number?", format="json"), student.ask("hi", system="short")
    assert [str(answer) for answer in again] == [str(answer) for answer in paid]
    assert again[0].parsed == {"n": 1}
    assert [answer.model for answer in again] == ["large", "small"]
    for answer, former in zip(again, paid, strict=True):
        assert "imported" in answer.footer()
        assert (answer.cost_usd, answer.saved_usd) == (0.0, former.cost_usd)
        assert answer.usage == former.usage


def test_an_imported_answer_is_a_plain_hit_for_who_has_the_model(build, exported):
    student = build("student", "paid anew")
    import_kept(student, exported)
    answer = student.ask("hi", model="small")
    assert (answer, answer.cache_hit) == ("of small", True)
    assert answer.notes == ("imported",)
    assert student.ask("another", model="small") == "paid anew"


def test_every_write_of_an_import_goes_through_the_memorized_func(build, exported):
    cache = build("student").cache
    before = cache.calls
    import_answers(cache, exported)
    assert cache.calls - before == 4  # each is written, and looked at once
    assert cache.size()[0] == 2


def test_an_export_of_what_was_imported_is_the_same_file(build, exported, tmp_path):
    student = build("student")
    import_kept(student, exported)
    student.ask("hi", model="small")
    student.ask("hi", model="large")
    export_kept(student, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == exported.read_bytes()


def test_the_demos_answers_travel_as_pretend_and_are_not_replayed_for_others(build, tmp_path):
    author = build("author")
    author._call = None
    author.ask("What is 2 + 3?", model="demo-small")
    export_kept(author, tmp_path / "demo.jsonl")
    student = build("student", offline=True)
    assert import_kept(student, tmp_path / "demo.jsonl").came == 1
    assert not student.cache.knows_questions
    hit = student.ask("What is 2 + 3?", model="demo-small")
    assert (hit.cache_hit, hit.simulated) == (True, True)
    with pytest.raises(OfflineError):
        student.ask("What is 2 + 3?")


# -- which answers


def test_a_notebooks_answers_are_exported_whatever_session_got_them(build, tmp_path):
    path = "/home/ada/course/one.ipynb"
    for place in range(2):
        author = build("author", f"answer {place}")
        author.notebook = lambda: path
        author.ask(f"question {place}")
    author.notebook = lambda: "/home/ada/course/two.ipynb"
    author.ask("question 2")
    author.notebook = lambda: path
    assert export_kept(author, tmp_path / "this.jsonl").count == 2
    author.notebook = lambda: None
    assert export_kept(author, tmp_path / "session.jsonl").count == 2
    assert export_kept(author, tmp_path / "all.jsonl", everything=True).count == 3
    for asked, count in ((path, 2), ("two.ipynb", 1), ("course/one.ipynb", 2)):
        assert export_kept(author, tmp_path / "x.jsonl", notebook=asked, force=True).count == count
    for asked, says in (("three.ipynb", "did you mean 'one.ipynb'|'two.ipynb'"), ("x.py", "x.py")):
        with pytest.raises(OptionError, match=says):
            export_kept(author, tmp_path / "y.jsonl", notebook=asked)
    with pytest.raises(OptionError, match="exclude each other"):
        export_kept(author, tmp_path / "y.jsonl", notebook=path, everything=True)


def test_two_notebooks_of_one_name_must_be_told_apart(build, tmp_path):
    author = build("author")
    for folder in ("a", "b"):
        author.notebook = lambda folder=folder: f"/home/{folder}/one.ipynb"
        author.ask(folder)
    with pytest.raises(OptionError, match="may be"):
        export_kept(author, tmp_path / "x.jsonl", notebook="one.ipynb")
    assert export_kept(author, tmp_path / "x.jsonl", notebook="b/one.ipynb").count == 1


def test_answers_that_are_gone_are_counted(build, tmp_path):
    author = build("author")
    author.ask("one")
    author.cache.forget(author.ask("two").attempts[-1].cache_key)
    done = export_kept(author, tmp_path / "x.jsonl")
    assert (done.count, done.gone) == (1, 1)
    author.cache.clear()
    with pytest.raises(OptionError, match="no kept answer to export"):
        export_kept(author, tmp_path / "y.jsonl")
    assert not (tmp_path / "y.jsonl").exists()


# -- what stands in the file


def test_the_format_is_as_documented(exported):
    header, *rows = lines_of(exported)
    assert header == {"mmai_nb": "answers", "version": 1, "count": 2}
    assert [set(row) for row in rows] == [{"key", "question", "answer"}] * 2
    assert rows[0]["answer"]["text"] == "of small"
    assert rows[0]["answer"]["endpoint"] == URL
    assert rows[0]["question"] == rows[1]["question"]
    assert exported.read_bytes().isascii()


def test_no_prompt_no_key_no_call_id_and_no_place_of_ours_is_in_the_file(
    build, tmp_path, monkeypatch
):
    canary = "canary-7f3a91c2e5d84b60"
    monkeypatch.setenv("ACME_API_KEY", canary)
    model = {"base_url": URL, "api_key_env": "ACME_API_KEY", "input_price": 1, "output_price": 1}
    author = build("author", "fine", models={"a": model}, tiers=[])
    author.notebook = lambda: "/home/ada/secret-project/one.ipynb"
    answer = author.ask("a prompt of mine", system="a system message of mine", tag="my tag")
    text = export_kept(author, tmp_path / "x.jsonl").path.read_text()
    kept_out = ["prompt of mine", "message of mine", "my tag", canary, answer.call_id, "/home/"]
    assert not [word for word in (*kept_out, str(tmp_path), author.session) if word in text]


def test_an_answer_with_a_secret_in_it_is_left_out_and_counted(build, tmp_path, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2-but-longer")
    secrets = "the password is hunter2-but-longer", "use sk-proj-Tq7rXb2LmN9vKc4ZpW8yHd3FgJ6sAe1"
    thought = Completion("ok", "small", USAGE, finish_reason="stop", reasoning_text=secrets[0])
    author = build("author", *secrets, thought, "nothing in it")
    for n in range(4):
        author.ask(f"question {n}")
    done = export_kept(author, tmp_path / "x.jsonl")
    assert (done.count, done.secret) == (1, 3)
    assert [row["answer"]["text"] for row in lines_of(done.path)[1:]] == ["nothing in it"]


def test_a_model_that_is_called_by_its_path_travels_by_its_name(build, tmp_path):
    models = {"mine": {"base_url": URL, "model": "/home/ada/models/tiny.gguf"}}
    models["mine"] |= {"input_price": 0, "output_price": 0}
    author = build("author", "fine", models=models, tiers=[])
    author.ask("hi")
    done = export_kept(author, tmp_path / "x.jsonl")
    assert "ada" not in done.path.read_text()
    student = build("student", settings=Settings(offline=True))
    assert import_kept(student, done.path).refused == {}
    assert student.ask("hi") == "fine"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_the_file_is_private_whatever_the_umask(build, tmp_path):
    author = build("author")
    author.ask("hi")
    before = os.umask(0)
    try:
        done = export_kept(author, tmp_path / "x.jsonl.gz")
    finally:
        os.umask(before)
    assert oct(done.path.stat().st_mode & 0o777) == "0o600"


def test_a_file_that_is_there_is_overwritten_only_by_force(build, tmp_path):
    author = build("author")
    author.ask("hi")
    path = tmp_path / "x.jsonl"
    path.write_text("mine")
    with pytest.raises(OptionError, match="--force"):
        export_kept(author, path)
    assert path.read_text() == "mine"
    export_kept(author, path, force=True)
    assert lines_of(path)[0]["count"] == 1
    for bad, says in ((tmp_path, "no file"), (tmp_path / "no" / "x.jsonl", "cannot be written")):
        with pytest.raises(OptionError, match=says):
            export_kept(author, bad, force=True)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(build, tmp_path, monkeypatch):
    author = build("author")
    author.ask("hi")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "x.jsonl").write_text("mine")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OptionError, match="No space left"):
        export_kept(author, folder / "x.jsonl", force=True)
    assert [p.name for p in folder.iterdir()] == ["x.jsonl"]
    assert (folder / "x.jsonl").read_text() == "mine"


# -- a file that is not to be trusted: as a whole


def test_a_file_that_is_none_of_ours_changes_nothing(build, tmp_path):
    cache = build("student").cache
    strange = {
        "": "no export",
        "hello": "line 1 is no JSON",
        "[1]": "no export",
        "{}": "no export",
        '{"mmai_nb": "answers"}': "first line is damaged",
        '{"mmai_nb": "answers", "version": true, "count": 0}': "first line is damaged",
        '{"mmai_nb": "answers", "version": 2, "count": 0}': "upgrade",
        '{"mmai_nb": "answers", "version": 1, "count": -1}': "first line is damaged",
        '{"mmai_nb": "answers", "version": 1, "count": 1e3}': "first line is damaged",
        '{"mmai_nb": "answers", "version": 1, "count": NaN}': "no JSON",
        "[" * 200_000: "no JSON",
        "1" * 10_000: "no JSON",
    }
    for text, says in strange.items():
        path = tmp_path / "x.jsonl"
        path.write_text(text)
        assert says in refused(cache, path)
    path.write_bytes(b"\xff\xfe\x00")
    assert "no JSON" in refused(cache, path)


def test_a_file_that_cannot_be_read_changes_nothing(build, tmp_path):
    cache = build("student").cache
    assert "No such file" in refused(cache, tmp_path / "missing.jsonl")
    assert "directory" in refused(cache, tmp_path).lower() or "no file" in refused(cache, tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_pipe_or_a_device_is_not_read(build, tmp_path):
    cache = build("student").cache
    os.mkfifo(tmp_path / "pipe")
    assert "no file" in refused(cache, tmp_path / "pipe")
    assert "no file" in refused(cache, Path("/dev/zero"))


def test_a_file_that_was_cut_or_lengthened_changes_nothing(build, exported):
    cache = build("student").cache
    whole = exported.read_bytes()
    lines = whole.splitlines(keepends=True)
    exported.write_bytes(b"".join(lines[:-1]))
    assert "ends early, after 1 of 2" in refused(cache, exported)
    exported.write_bytes(b"".join([*lines, lines[-1]]))
    assert "more than 2" in refused(cache, exported)
    exported.write_bytes(whole[:-20])
    assert "line 3 is no JSON" in refused(cache, exported)
    exported.write_bytes(whole + b"\n")
    assert "line 4 is no JSON" in refused(cache, exported)


def test_a_damaged_gzip_file_changes_nothing(build, exported):
    cache = build("student").cache
    packed = gzip.compress(exported.read_bytes())
    exported.write_bytes(packed[:-10])
    assert "ends early" in refused(cache, exported)
    middle = len(packed) // 2
    exported.write_bytes(packed[:middle] + b"\0\0\0\0" + packed[middle + 4 :])
    assert "damaged" in refused(cache, exported) or "ends early" in refused(cache, exported)


def test_a_gzip_bomb_is_not_unpacked(build, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "MOST_BYTES", 10**6)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 10**8))
    assert path.stat().st_size < 10**6
    assert "more than 1 MB" in refused(build("student").cache, path)


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [
        ("MOST_BYTES", 900, "more than 0 MB"),
        ("LINE_BYTES", 300, "line 2 is too large"),
        ("MOST_ANSWERS", 1, "first line is damaged"),
    ],
)
def test_a_file_over_a_limit_changes_nothing(build, exported, monkeypatch, limit, value, says):
    monkeypatch.setattr(transfer, limit, value)
    assert says in refused(build("student").cache, exported)


def test_what_is_too_much_for_an_import_is_not_exported(build, tmp_path, monkeypatch):
    author = build("author")
    author.ask("one")
    author.ask("two")
    for limit, value in (("MOST_ANSWERS", 1), ("MOST_BYTES", 900)):
        with monkeypatch.context() as patch:
            patch.setattr(transfer, limit, value)
            with pytest.raises(OptionError, match="too many for one file"):
                export_kept(author, tmp_path / "x.jsonl")


def test_without_a_cache_nothing_is_imported(exported):
    with pytest.raises(OptionError, match="cache is off"):
        import_answers(AnswerCache(None), exported)


# -- a file that is not to be trusted: one answer


def answer_of(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**row, "answer": {**row["answer"], **changes}}


MALFORMED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no object": lambda row: [1],
    "a part is missing": lambda row: {"key": row["key"], "answer": row["answer"]},
    "a part too many": lambda row: {**row, "call_id": "x"},
    "a key that is no hash": lambda row: {**row, "key": "../../etc/passwd"},
    "a key in capitals": lambda row: {**row, "key": row["key"].upper()},
    "a question that is no hash": lambda row: {**row, "question": "x" * 64},
    "a question that is a number": lambda row: {**row, "question": 5},
    "no answer": lambda row: {**row, "answer": None},
    "a text that is none": lambda row: answer_of(row, text=["x"]),
    "no usage": lambda row: answer_of(row, usage=None),
    "tokens below zero": lambda row: answer_of(row, usage={"input_tokens": -1}),
    "tokens beyond belief": lambda row: answer_of(row, usage={"output_tokens": 10**12}),
    "tokens that are true": lambda row: answer_of(row, usage={"input_tokens": True}),
    "a cost below zero": lambda row: answer_of(row, cost={"nano": -5, "source": "user"}),
    "a cost beyond belief": lambda row: answer_of(row, cost={"nano": 10**18, "source": "user"}),
    "a cost of a float": lambda row: answer_of(row, cost={"nano": 1.5, "source": "user"}),
    "a model with a line break": lambda row: answer_of(row, model="a\nb"),
    "a model without a name": lambda row: answer_of(row, model=""),
    "a long model": lambda row: answer_of(row, model="m" * 300),
    "a long finish": lambda row: answer_of(row, finish_reason="m" * 3_000),
    "an endpoint that is none": lambda row: answer_of(row, endpoint="file:///etc/passwd"),
    "an endpoint with a password": lambda row: answer_of(row, endpoint="https://a:b@c.example/v1"),
    "real, and of the demo": lambda row: answer_of(row, endpoint="http://demo.localhost/v1"),
    "pretend, and of no demo": lambda row: answer_of(row, simulated=True),
    "notes that are none": lambda row: answer_of(row, notes="a note"),
    "many notes": lambda row: answer_of(row, notes=["x"] * 100),
    "a duration below zero": lambda row: answer_of(row, duration_s=-1.0),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_answer_is_refused_and_the_others_come(build, exported, fault):
    cache = build("student").cache

    def spoil(lines: list[Any]) -> None:
        lines[1] = MALFORMED[fault](lines[1])

    done = import_answers(cache, rewritten(exported, spoil))
    assert (done.came, done.refused) == (1, {"malformed": 1})
    assert cache.size()[0] == 1


OTHERS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another answer's key": (lambda row: {**row, "key": "0" * 64}, "of a key that is not its own"),
    "another model's name": (
        lambda row: answer_of(row, request_model="gpt-strong"),
        "of a key that is not its own",
    ),
    "cut": (lambda row: answer_of(row, finish_reason="length"), "not whole"),
    "filtered": (lambda row: answer_of(row, finish_reason="content_filter"), "not whole"),
    "empty": (lambda row: answer_of(row, text=""), "not whole"),
    "of tomorrow": (
        lambda row: answer_of(row, created=time.time() + 3 * 86_400),
        "of a time that cannot be",
    ),
    "of no time": (lambda row: answer_of(row, created=-1), "of a time that cannot be"),
}


@pytest.mark.parametrize("fault", OTHERS)
def test_an_answer_that_cannot_be_right_is_refused_with_its_reason(build, exported, fault):
    change, reason = OTHERS[fault]

    def spoil(lines: list[Any]) -> None:
        lines[1] = change(lines[1])

    done = import_answers(build("student").cache, rewritten(exported, spoil))
    assert (done.came, done.refused) == (1, {reason: 1})


def test_an_answer_that_stands_twice_comes_once(build, exported):
    def twice(lines: list[Any]) -> None:
        lines.append(lines[1])
        lines[0]["count"] = 3

    done = import_answers(build("student").cache, rewritten(exported, twice))
    assert (done.came, done.refused) == (2, {"twice in the file": 1})


def test_an_answer_over_the_age_limit_is_refused(build, exported, tmp_path):
    def age(lines: list[Any]) -> None:
        lines[1]["answer"]["created"] = time.time() - 40 * 86_400

    young = AnswerCache(tmp_path / "young", max_age=30)
    done = import_answers(young, rewritten(exported, age))
    assert (done.came, done.refused) == (1, {"older than cache.max_age = 30 days": 1})


def test_an_imported_answer_keeps_its_age(build, exported, tmp_path):
    def age(lines: list[Any]) -> None:
        lines[1]["answer"]["created"] = time.time() - 40 * 86_400

    student = build("student")
    import_kept(student, rewritten(exported, age))
    assert "cached 40 d ago" in student.ask("hi", model="small").footer()
    young = AnswerCache(student.cache.folder, max_age=30)
    assert len(young.files()) == 2
    assert young.trim() == 1
    assert (
        Engine(settings_of(), cache=young, ledger=Ledger(None)).ask("hi", model="large").cache_hit
    )


def test_what_is_here_already_stays_unless_it_is_to_be_replaced(build, exported):
    student = build("student", "mine")
    student.ask("hi", model="small")
    done = import_kept(student, exported)
    assert (done.came, done.known) == (1, 1)
    own = student.ask("hi", model="small")
    assert (own, own.notes) == ("mine", ())
    empty = build("student", settings=Settings())
    assert empty.ask("hi") == "mine"  # and it is still the first to be replayed
    done = import_kept(student, exported, replace=True)
    assert (done.came, done.known) == (2, 0)
    assert student.ask("hi", model="small") == "of small"


def test_importing_twice_is_importing_once(build, exported):
    student = build("student")
    import_kept(student, exported)
    before = tree(student.cache.folder)
    done = import_kept(student, exported)
    assert (done.came, done.known) == (0, 2)
    assert tree(student.cache.folder) == before


@pytest.mark.filterwarnings("ignore::mmai_nb.errors.CacheWarning")
def test_what_could_not_be_written_is_not_said_to_have_come(build, exported, monkeypatch):
    cache = build("student").cache

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_json", full)
    done = import_answers(cache, exported)
    assert (done.came, done.refused) == (0, {"could not be written": 2})


def test_hostile_text_is_inert_when_it_is_shown(build, exported):
    evil = "<script>alert(1)</script>\x1b[2J<img src=https://evil.example/x>"

    def spoil(lines: list[Any]) -> None:
        lines[1]["answer"] |= {"text": evil, "notes": [evil], "response_model": evil}

    student = build("student")
    assert import_kept(student, rewritten(exported, spoil)).came == 2
    answer = student.ask("hi", model="small")
    bundle = answer.mime_bundle()[0]
    assert "<script" not in bundle["text/html"]
    assert "<img" not in bundle["text/html"]
    assert "\x1b" not in bundle["text/plain"]
    assert "\x1b" not in answer.footer()


noise = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


names = st.sampled_from([field.name for field in fields(Completion)]) | st.text(max_size=12)


@given(st.sampled_from(["key", "question", "answer", "answer", None]), names, noise)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_no_noise_in_a_file_is_more_than_a_refusal(build, exported, part, name, value):
    cache = build("student").cache
    cache.clear()
    lines = lines_of(exported)
    row = lines[1]
    if part is None:
        lines[1] = value
    elif part == "answer":
        row["answer"][name] = value
    else:
        row[part] = value
    mixed = exported.with_name("mixed.jsonl")
    mixed.write_text("".join(json.dumps(line) + "\n" for line in lines))
    try:
        json.dumps(lines, allow_nan=False)
    except ValueError:  # a number that JSON has no word for; the words alone may be names
        assert "no JSON" in refused(cache, mixed)
        return
    done = import_answers(cache, mixed)
    assert done.came + sum(done.refused.values()) == 2
    assert done.came == cache.size()[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for entry in cache.entries():
            assert read_entry(entry.value).text


def test_a_warning_of_a_full_disk_is_the_stores_own(build, exported, monkeypatch):
    cache = build("student").cache

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_json", full)
    with pytest.warns(CacheWarning, match="not kept"):
        import_answers(cache, exported)
