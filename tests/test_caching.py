"""The answer cache: keys, the store behind joblib, single flight, tidying up."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import unicodedata
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import joblib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb import caching, flights
from mmai_nb.caching import AnswerCache, NotStored, cache_key
from mmai_nb.errors import (
    CacheWarning,
    ChainExhaustedError,
    ConfigError,
    OptionError,
    RateLimitError,
    TimedOutError,
    TruncatedStreamError,
)
from mmai_nb.files import locks, private

KEY = cache_key({"model": "m", "messages": [["user", "hello"]]})
ANSWER = {"text": "hi", "usage": {"input_tokens": 1}}
IN_TIME = 10.0
"""Seconds: far less than a payer that is held takes, and what no busy machine needs."""


class Payer:
    """Counts what it is asked for, and can be held until it may answer."""

    def __init__(self, value: dict[str, Any] | None = None, pieces: tuple[str, ...] = ()) -> None:
        self.value = ANSWER if value is None else value
        self.pieces = pieces
        self.count = 0
        self.asked, self.go = threading.Event(), threading.Event()
        self.go.set()
        self.error: BaseException | None = None

    def __call__(self, on_text: Callable[[str], None] | None) -> dict[str, Any]:
        self.count += 1
        for piece in self.pieces:
            assert on_text is not None
            on_text(piece)
        self.asked.set()
        assert self.go.wait(60)
        if self.error is not None:
            raise self.error
        return self.value


@pytest.fixture
def cache(tmp_path: Path) -> AnswerCache:
    return AnswerCache(tmp_path / "cache")


@pytest.fixture
def pool():
    with ThreadPoolExecutor(64) as pool:
        yield pool


def entries(cache: AnswerCache) -> list[Path]:
    return sorted(cache.folder.rglob("*.json")) if cache.folder else []


def following(cache: AnswerCache, pool: ThreadPoolExecutor, **options: Any) -> Future[Any]:
    """A caller of the same request, once it really follows."""
    followed = threading.Event()
    follow = flights.Flight.follow

    def told(self: Any, *args: Any) -> Any:
        followed.set()
        return follow(self, *args)

    flights.Flight.follow = told  # type: ignore[method-assign]
    try:
        future = pool.submit(cache.fetch, KEY, options.pop("pay", Payer()), **options)
        assert followed.wait(10)
    finally:
        flights.Flight.follow = follow  # type: ignore[method-assign]
    return future


# -- the key

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
requests = st.dictionaries(st.text(alphabet="abcde", max_size=3), plain, max_size=5)


def meaning(value: Any) -> Any:
    """What two requests must share to share an answer, written down another way than the code."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int | float):
        return ("number", value)
    if isinstance(value, str):
        return ("text", unicodedata.normalize("NFC", value))
    if isinstance(value, dict):
        return frozenset((meaning(name), meaning(one)) for name, one in value.items())
    return ("list", *map(meaning, value))


def keyed(request: Any) -> str | None:
    """Its key; None for a name that stands twice once it is composed."""
    try:
        return cache_key(request)
    except OptionError:
        return None


@given(requests, requests)
def test_two_requests_share_a_key_only_if_they_mean_the_same(one, other):
    if None not in (keyed(one), keyed(other)):
        assert (keyed(one) == keyed(other)) == (meaning(one) == meaning(other))


@given(requests)
def test_the_order_of_names_makes_no_difference(request_):
    backwards = dict(reversed(request_.items()))
    assert keyed(request_) == keyed(backwards)


@given(requests, plain)
def test_another_value_under_one_name_is_another_key(request_, value):
    changed = {**request_, "model": ["changed", value]}
    assert keyed({**request_, "model": value}) != keyed(changed) or keyed(changed) is None


@pytest.mark.parametrize("zero", [0, 0.0, -0.0])
def test_zero_is_zero_however_it_is_written(zero):
    assert cache_key({"temperature": zero}) == cache_key({"temperature": 0})


@pytest.mark.parametrize(
    ("one", "other"),
    [(True, 1), (False, 0), (None, "null"), (1, "1"), ([], {}), ([[1], 2], [1, [2]]), (0.1, 0.2)],
)
def test_values_that_only_look_alike_have_keys_of_their_own(one, other):
    assert cache_key({"x": one}) != cache_key({"x": other})


def test_composed_and_decomposed_accents_are_the_same_text():
    assert cache_key({"caf\u00e9": "\u00e9"}) == cache_key({"cafe\u0301": "e\u0301"})


def test_any_mapping_and_any_sequence_will_do():
    assert cache_key(MappingProxyType({"x": (1, 2)})) == cache_key({"x": [1, 2]})


def test_half_a_character_has_a_key_of_its_own():
    keys = {cache_key({"x": text}) for text in ("\ud83d\ude00", "\U0001f600", "\ud83d", "\\ud83d")}
    assert len(keys) == 4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_an_option_error(bad):
    with pytest.raises(OptionError, match="finite"):
        cache_key({"temperature": bad})


@pytest.mark.parametrize(
    "bad",
    [b"x", {1, 2}, object(), {1: 2}, 10**5000, {"e\u0301": 1, "\u00e9": 2}],
    ids=["bytes", "set", "object", "number as a name", "long number", "a name twice"],
)
def test_what_is_not_json_is_an_option_error_in_one_short_line(bad):
    with pytest.raises(OptionError) as caught:
        cache_key({"params": bad})
    assert len(str(caught.value)) <= 200
    assert "\n" not in str(caught.value)


def test_a_request_that_holds_itself_is_an_option_error():
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(OptionError, match="circle"):
        cache_key({"x": circle})


# -- hit and miss


def test_the_second_look_finds_what_the_first_caller_paid_for(cache):
    pay = Payer()
    assert cache.look(KEY) is None
    assert cache.fetch(KEY, pay).how == "paid"
    assert cache.fetch(KEY, pay) == flights.Fetched(ANSWER, "hit")
    assert cache.look(KEY) == ANSWER
    assert pay.count == 1


def test_every_look_is_one_call_of_the_memorized_func(cache):
    cache.look(KEY)
    cache.fetch(KEY, Payer())
    cache.look(KEY)
    cache.fetch(KEY, Payer())
    cache.fetch(KEY, Payer(), refresh=True)
    assert cache.calls == 5


def test_a_plain_memory_on_the_folder_finds_the_same_answers(cache, tmp_path):
    cache.fetch(KEY, Payer())
    for place in (cache.folder, str(cache.folder)):
        memory = joblib.Memory(place, backend="mmai-json", verbose=0)
        assert [Path(item.path) for item in memory.store_backend.get_items()] == entries(cache)
        assert memory.cache(caching._Body())(KEY) == ANSWER


def test_an_error_is_not_kept(cache):
    pay = Payer()
    pay.error = RateLimitError("slow down")
    with pytest.raises(RateLimitError):
        cache.fetch(KEY, pay)
    pay.error = None
    assert cache.fetch(KEY, pay).how == "paid"


def test_an_answer_that_must_not_be_stored_is_returned_and_not_stored(cache):
    def pay(_):
        raise NotStored({"text": "cut off"})

    assert cache.fetch(KEY, pay) == flights.Fetched({"text": "cut off"}, "paid")
    assert cache.look(KEY) is None
    assert cache.size() == (0, 0)


def test_refresh_pays_again_and_overwrites(cache):
    cache.fetch(KEY, Payer())
    assert cache.fetch(KEY, Payer({"text": "new"}), refresh=True).how == "paid"
    assert cache.look(KEY) == {"text": "new"}


def test_refresh_as_the_very_first_call_is_found_by_the_next_cache(tmp_path):
    AnswerCache(tmp_path / "cache").fetch(KEY, Payer(), refresh=True)
    assert AnswerCache(tmp_path / "cache").look(KEY) == ANSWER


def test_lone_surrogates_survive_in_an_answer(cache):
    cache.fetch(KEY, Payer({"text": "half \ud83d"}))
    assert cache.look(KEY) == {"text": "half \ud83d"}


def test_without_a_folder_every_call_pays():
    cache, pay = AnswerCache(None), Payer()
    assert [cache.fetch(KEY, pay).how for _ in range(2)] == ["paid", "paid"]
    assert cache.look(KEY) is None
    assert (cache.size(), cache.trim(), cache.clear(), cache.trim_daily()) == ((0, 0), 0, 0, None)


def test_a_payer_may_itself_need_the_cache(cache):
    inner = cache_key({"model": "other"})

    def pay(_):
        return {"text": cache.fetch(inner, Payer()).value["text"] + "!"}

    assert cache.fetch(KEY, pay).value == {"text": "hi!"}
    assert cache.look(inner) == ANSWER


@pytest.mark.slow
def test_a_fresh_process_hits_at_its_first_look(cache):
    cache.fetch(KEY, Payer())
    code = (
        "import sys, pathlib; from mmai_nb.caching import AnswerCache; "
        "print(AnswerCache(pathlib.Path(sys.argv[1])).look(sys.argv[2]))"
    )
    done = run_python(code, str(cache.folder), KEY)
    assert done == str(ANSWER)


def run_python(code: str, *arguments: str) -> str:
    root = str(Path(caching.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": root + os.pathsep + os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_an_upgrade_that_changes_the_body_keeps_the_answers(cache, monkeypatch):
    cache.fetch(KEY, Payer())

    def changed(self, key):
        """Another source text."""
        raise caching._MissingError(key)

    monkeypatch.setattr(caching._Body, "__call__", changed)
    assert AnswerCache(cache.folder).look(KEY) == ANSWER


def test_a_new_schema_starts_afresh_and_leaves_the_old_answers(cache, monkeypatch):
    cache.fetch(KEY, Payer())
    monkeypatch.setattr(caching, "SCHEMA", caching.SCHEMA + 1)
    assert AnswerCache(cache.folder).look(KEY) is None
    monkeypatch.undo()
    assert AnswerCache(cache.folder).look(KEY) == ANSWER


# -- damage and strangers


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b"null",
        b'{"meta": {"time": 1}}',
        b"[" * 100_000,
        b'{"meta": {"time": "x"}, "value": {}}',
        b'{"meta": {"time": 1}, "value": "text"}',
    ],
    ids=["empty", "torn", "list", "binary", "null", "half", "deep", "no time", "foreign"],
)
def test_a_damaged_entry_is_a_miss_said_once_and_healed(cache, text):
    cache.fetch(KEY, Payer())
    entries(cache)[0].write_bytes(text)
    with pytest.warns(CacheWarning, match="cache entry damaged"):
        assert cache.look(KEY) is None
    assert cache.look(KEY) is None  # a second warning would be an error
    assert cache.fetch(KEY, Payer({"text": "healed"})).how == "paid"
    assert cache.look(KEY) == {"text": "healed"}


class Trap:
    """Runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def test_a_planted_pickle_is_never_run(cache, tmp_path):
    cache.fetch(KEY, Payer())
    evil = pickle.dumps(Trap(tmp_path / "run"))
    entry = entries(cache)[0]
    entry.write_bytes(evil)
    for folder in (entry.parent, entry.parent.parent, entry.with_suffix("")):
        folder.mkdir(exist_ok=True)
        (folder / "output.pkl").write_bytes(evil)
    for reader in (cache, AnswerCache(cache.folder)):
        with pytest.warns(CacheWarning, match="cache entry damaged"):
            assert reader.look(KEY) is None
    assert not (tmp_path / "run").exists()


def test_no_pickle_is_written(cache):
    cache.fetch(KEY, Payer())
    for path in cache.folder.rglob("*"):
        assert path.is_dir() or path.read_bytes()[:1] != b"\x80"
        assert path.suffix != ".pkl"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX links")
def test_a_link_is_not_followed(cache, tmp_path):
    cache.fetch(KEY, Payer())
    entry = entries(cache)[0]
    elsewhere = tmp_path / "elsewhere.json"
    entry.rename(elsewhere)
    entry.symlink_to(elsewhere)
    with pytest.warns(CacheWarning, match="cache entry damaged"):
        assert cache.look(KEY) is None
    cache.fetch(KEY, Payer({"text": "own"}))
    assert json.loads(elsewhere.read_text())["value"] == ANSWER
    assert not entry.is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_named_pipe_in_place_of_an_entry_does_not_make_anyone_wait(cache):
    cache.fetch(KEY, Payer())
    entry = entries(cache)[0]
    entry.unlink()
    os.mkfifo(entry)
    with pytest.warns(CacheWarning, match="cache entry damaged"):
        assert cache.look(KEY) is None
    assert cache.fetch(KEY, Payer()).how == "paid"


def test_a_damaged_note_of_the_function_does_not_cost_the_answers(cache):
    cache.fetch(KEY, Payer())
    note = next(cache.folder.rglob("function.code"))
    for text in ("", "[]", "{"):
        note.write_text(text)
        assert AnswerCache(cache.folder).look(KEY) == ANSWER
    note.unlink()
    assert AnswerCache(cache.folder).look(KEY) == ANSWER


def test_a_folder_removed_under_a_live_kernel_is_made_anew(cache):
    import shutil

    cache.fetch(KEY, Payer())
    shutil.rmtree(cache.folder)
    assert cache.fetch(KEY, Payer()).how == "paid"
    assert AnswerCache(cache.folder).look(KEY) == ANSWER


def test_an_entry_of_another_hand_under_a_known_name_is_seen_whole(cache):
    cache.fetch(KEY, Payer())
    assert json.loads(entries(cache)[0].read_text())["value"] == ANSWER


# -- who may read, and where

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")


@posix
def test_folders_are_0700_and_files_0600_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        cache = AnswerCache(tmp_path / "new" / "cache")
        cache.fetch(KEY, Payer())
    finally:
        os.umask(before)
    found = [tmp_path / "new", *(tmp_path / "new").rglob("*")]
    assert len(found) > 6
    assert {oct(p.stat().st_mode & 0o777) for p in found if p.is_dir()} == {"0o700"}
    assert {oct(p.stat().st_mode & 0o777) for p in found if p.is_file()} == {"0o600"}


def test_neither_version_control_nor_a_backup_takes_the_answers_along(cache):
    assert (cache.folder / "joblib" / ".gitignore").read_text() == "*\n"
    tag = (cache.folder / "joblib" / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_folder_that_is_a_file_is_a_config_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="file"):
            AnswerCache(folder)
    assert (tmp_path / "file").read_text() == "mine"


@posix
@pytest.mark.parametrize("below", ["", "joblib"])
def test_a_folder_that_everybody_may_write_to_is_a_config_error(tmp_path, below):
    shared = tmp_path / "shared" / below
    shared.mkdir(parents=True)
    shared.chmod(0o777)
    with pytest.raises(ConfigError, match="everybody"):
        AnswerCache(tmp_path / "shared")


@posix
def test_a_folder_of_another_user_is_a_config_error(tmp_path, monkeypatch):
    uid = os.geteuid()
    (tmp_path / "theirs").mkdir()
    if uid == 0:
        os.chown(tmp_path / "theirs", 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    with pytest.raises(ConfigError, match="another user"):
        AnswerCache(tmp_path / "theirs")


def test_a_folder_with_dots_in_it_is_a_config_error():
    with pytest.raises(ConfigError, match=r"\.\."):
        AnswerCache(Path("../cache"))


def test_the_home_sign_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert AnswerCache(Path("~/cache")).folder == tmp_path / "cache"


# -- a disk in trouble


def full_disk(monkeypatch: pytest.MonkeyPatch, kind: type[OSError] = OSError) -> None:
    """Nothing can be written any more; what is there can be read."""
    really = os.open

    def refused(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise kind(28, "No space left on device")
        return really(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", refused)
    monkeypatch.setattr(os, "mkdir", lambda *a, **k: refused("", os.O_WRONLY))


@pytest.mark.parametrize("kind", [OSError, PermissionError])
def test_a_full_or_read_only_disk_costs_no_answer_and_warns_once(cache, monkeypatch, kind):
    cache.fetch(KEY, Payer())
    other = [cache_key({"n": n}) for n in range(3)]
    full_disk(monkeypatch, kind)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for key in other:
            assert cache.fetch(key, Payer(), question=key) == flights.Fetched(ANSWER, "paid")
        assert cache.fetch(KEY, Payer()).how == "hit"
    assert [w.category for w in said] == [CacheWarning]
    assert str(cache.folder) in str(said[0].message)


def test_a_disk_that_works_again_is_used_again(cache, monkeypatch):
    full_disk(monkeypatch)
    with pytest.warns(CacheWarning):
        cache.fetch(KEY, Payer())
    monkeypatch.undo()
    cache.fetch(KEY, Payer())
    assert cache.look(KEY) == ANSWER


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_write_that_fails_half_way_leaves_nothing_behind(cache, monkeypatch):
    really = os.open

    def full(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if str(path).endswith(".tmp"):
            os.close(really(path, flags, *args, **options))
            return really("/dev/full", os.O_WRONLY)
        return really(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", full)
    with pytest.warns(CacheWarning, match="No space left"):
        assert cache.fetch(KEY, Payer()).value == ANSWER
    assert not list(cache.folder.rglob("*.tmp"))
    assert entries(cache) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_file_size_limit_costs_no_answer(tmp_path):
    code = """
import pathlib, resource, signal, sys, warnings
from mmai_nb.caching import AnswerCache
from mmai_nb.errors import CacheWarning
cache = AnswerCache(pathlib.Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    got = [cache.fetch(sys.argv[2] + str(n), lambda _: {"text": "x" * 5000}).how for n in range(3)]
print(got, [w.category is CacheWarning for w in said], cache.size())
"""
    done = run_python(code, str(tmp_path / "cache"), KEY)
    assert done == "['paid', 'paid', 'paid'] [True] (0, 0)"


def test_a_folder_that_cannot_be_made_is_one_warning_and_no_cache(tmp_path, monkeypatch):
    full_disk(monkeypatch, PermissionError)
    with pytest.warns(CacheWarning) as said:
        cache = AnswerCache(tmp_path / "cache")
    assert len(said) == 1
    assert cache.fetch(KEY, Payer()) == flights.Fetched(ANSWER, "paid")
    assert cache.look(KEY) is None


def test_callers_follow_each_other_even_where_the_folder_cannot_be_made(
    tmp_path, monkeypatch, pool
):
    full_disk(monkeypatch, PermissionError)
    with pytest.warns(CacheWarning):
        cache = AnswerCache(tmp_path / "cache")
    pay = Payer()
    pay.go.clear()
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    second = following(cache, pool)
    pay.go.set()
    assert (first.result(10).how, second.result(10).how) == ("paid", "joined")


def test_an_answer_that_json_cannot_hold_is_returned_with_a_warning(cache):
    with pytest.warns(CacheWarning, match="not kept"):
        assert cache.fetch(KEY, Payer({"text": {1, 2}})).value == {"text": {1, 2}}
    assert cache.size() == (0, 0)


@pytest.mark.parametrize("call", ["open", "replace", "mkdir", "unlink", "utime", "stat", "scandir"])
@pytest.mark.parametrize("nth", range(1, 9))
def test_whichever_call_of_the_system_fails_no_answer_is_lost(tmp_path, monkeypatch, call, nth):
    really, made = getattr(os, call), 0

    def failing(*args: Any, **options: Any) -> Any:
        nonlocal made
        inside = args and str(args[0]).startswith(str(tmp_path))
        made += bool(inside)
        if inside and made == nth:
            raise OSError(5, "Input/output error")
        return really(*args, **options)

    question = cache_key({"q": 1})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            cache = AnswerCache(tmp_path / "cache")
            for text in ("one", "two"):
                paid = cache.fetch(KEY, Payer({"text": text}), question=question, refresh=True)
                assert paid.value == {"text": text}
                found = cache.fetch(KEY, Payer({"text": "again"}), question=question)
                assert found.value["text"] in (text, "again", "one")
            cache.trim()
    assert {w.category for w in said} <= {CacheWarning}
    last = AnswerCache(tmp_path / "cache")
    last.fetch(KEY, Payer({"text": "healed"}), question=question, refresh=True)
    assert last.look(KEY) == {"text": "healed"}
    assert list(last.answers_to(question)) == [(KEY, {"text": "healed"})]


def test_models_that_answer_a_question_at_the_same_time_are_all_found_by_it(cache, pool):
    for turn in range(10):
        question = cache_key({"q": turn})
        keys = [cache_key({"q": turn, "model": n}) for n in range(8)]
        together = threading.Barrier(len(keys))

        def pay(tell, together=together):
            together.wait(20)
            return ANSWER

        list(pool.map(lambda key, q=question, p=pay: cache.fetch(key, p, question=q), keys))
        assert {key for key, _ in cache.answers_to(question)} == set(keys)


def test_an_answer_over_the_bound_is_returned_and_not_kept(cache, monkeypatch):
    monkeypatch.setattr(private, "MOST_BYTES", 1_000)
    large = {"text": "x" * 2_000}
    with pytest.warns(CacheWarning, match="more than 1,000"):
        assert cache.fetch(KEY, Payer(large)).value == large
    assert cache.size() == (0, 0)
    assert cache.fetch(KEY, Payer()).how == "paid"
    assert cache.look(KEY) == ANSWER


def test_a_planted_giant_is_not_read(cache, monkeypatch):
    cache.fetch(KEY, Payer({"text": "x" * 2_000}))
    monkeypatch.setattr(private, "MOST_BYTES", 1_000)
    with pytest.warns(CacheWarning, match="cache entry damaged"):
        assert cache.look(KEY) is None
    assert cache.fetch(KEY, Payer()).how == "paid"


def test_a_folder_that_may_only_be_read_still_answers(cache, monkeypatch):
    question = cache_key({"q": 1})
    cache.fetch(KEY, Payer(), question=question)
    full_disk(monkeypatch, PermissionError)
    for name in ("replace", "unlink", "utime"):
        monkeypatch.setattr(os, name, lambda *_, **__: (_ for _ in ()).throw(PermissionError(13)))
    reader = AnswerCache(cache.folder)
    assert reader.look(KEY) == ANSWER
    assert reader.fetch(KEY, Payer()).how == "hit"
    assert list(reader.answers_to(question)) == [(KEY, ANSWER)]
    assert len(list(reader.entries())) == 1
    assert (reader.trim(), reader.clear(), reader.forget(KEY)) == (0, 0, False)
    assert reader.look(KEY) == ANSWER


# -- age, size, tidying up


def test_an_answer_older_than_max_age_is_missing(cache):
    cache.fetch(KEY, Payer())
    entry = entries(cache)[0]
    record = json.loads(entry.read_text())
    record["meta"]["time"] = time.time() - 3 * 86_400
    entry.write_text(json.dumps(record))
    assert AnswerCache(cache.folder, max_age=4).look(KEY) == ANSWER
    assert AnswerCache(cache.folder).look(KEY) == ANSWER
    young = AnswerCache(cache.folder, max_age=2)
    assert young.look(KEY) is None
    assert young.fetch(KEY, Payer()).how == "paid"
    assert young.look(KEY) == ANSWER


def fill(cache: AnswerCache, count: int) -> list[str]:
    """Keys of so many answers, each a day older than the next."""
    keys = [cache_key({"n": n}) for n in range(count)]
    for age, key in zip(range(count, 0, -1), keys, strict=True):
        known = set(entries(cache))
        cache.fetch(key, Payer({"text": "x" * 100}))
        (new,) = set(entries(cache)) - known
        then = time.time() - age * 86_400
        os.utime(new, (then, then))
    for thread in threading.enumerate():
        if thread.name == "mmai_nb trim":  # begun by the first write of the day
            thread.join(10)
    return keys


def kept(cache: AnswerCache, keys: list[str]) -> list[bool]:
    return [cache.look(key) is not None for key in keys]


def test_trim_removes_the_least_recently_used_answers(cache):
    keys = fill(cache, 4)
    cache.max_bytes = cache.size()[1] - 1
    cache.look(keys[0])  # the oldest, but just used
    assert cache.trim() == 1
    assert kept(cache, keys) == [True, False, True, True]
    assert cache.trim() == 0


def test_an_answer_that_is_read_counts_as_used_on_a_disk_that_does_not_note_it(cache, monkeypatch):
    key = fill(cache, 1)[0]
    noted: list[Any] = []
    monkeypatch.setattr(os, "utime", lambda path, ns: noted.append((path, ns)))
    cache.look(key)
    ((path, (read, written)),) = noted
    assert Path(path) == entries(cache)[0]
    assert time.time() - read / 1e9 < 60 < time.time() - written / 1e9


def test_looking_over_the_entries_does_not_count_as_using_them(cache):
    fill(cache, 2)
    before = [os.stat(path).st_atime_ns for path in entries(cache)]
    assert len(list(cache.entries())) == 2
    assert [os.stat(path).st_atime_ns for path in entries(cache)] == before


def test_trim_without_a_limit_removes_no_answer_but_what_killed_processes_left(cache):
    keys = fill(cache, 2)
    place = entries(cache)[0].parent
    for name, age in (("old.tmp", 2), ("new.tmp", 0), ("old.lock", 2)):
        (place / name).write_text("")
        os.utime(place / name, (time.time() - age * 3600,) * 2)
    assert cache.trim() == 0
    assert kept(cache, keys) == [True, True]
    assert sorted(p.name for p in place.iterdir() if p.suffix != ".json") == ["new.tmp"]


def test_the_first_write_of_a_day_trims_in_the_background(tmp_path):
    AnswerCache(tmp_path / "cache").fetch(KEY, Payer())
    marker = tmp_path / "cache" / "joblib" / ".trimmed"
    yesterday = time.time() - 86_400
    os.utime(marker, (yesterday, yesterday))
    cache = AnswerCache(tmp_path / "cache", max_bytes=0)
    thread = cache.trim_daily()
    assert thread is not None
    assert thread.daemon
    thread.join(10)
    assert cache.size() == (0, 0)
    assert cache.trim_daily() is None
    assert AnswerCache(tmp_path / "cache").trim_daily() is None


def test_clear_forgets_all_answers_and_tells_how_many(cache):
    keys = fill(cache, 3)
    assert cache.size()[0] == 3
    assert cache.clear() == 3
    assert kept(cache, keys) == [False] * 3
    assert cache.fetch(keys[0], Payer()).how == "paid"
    assert cache.size()[0] == 1


def test_joblib_can_reduce_the_size_itself(cache):
    keys = fill(cache, 4)
    memory = joblib.Memory(cache.folder, backend="mmai-json", verbose=0)
    memory.reduce_size(items_limit=3)
    memory.reduce_size(bytes_limit="1K")
    memory.reduce_size(age_limit=timedelta(days=2.5))
    assert kept(cache, keys) == [False, False, True, True]
    memory.reduce_size(age_limit=timedelta(0))
    assert cache.size() == (0, 0)
    with pytest.raises(ValueError, match="K, M or G"):
        memory.reduce_size(bytes_limit="many")


def test_joblib_can_clear_shelve_and_drop(cache):
    memory = joblib.Memory(cache.folder, backend="mmai-json", verbose=0)
    double = memory.cache(doubled)
    shelved = double.call_and_shelve(2)
    assert shelved.get() == {"twice": 4}
    assert double.check_call_in_cache(2)
    shelved.clear()
    assert not double.check_call_in_cache(2)
    with pytest.raises(KeyError):
        shelved.get()
    double(3)
    double.clear(warn=False)
    assert not double.check_call_in_cache(3)
    double(3)
    memory.clear(warn=False)
    assert not double.check_call_in_cache(3)
    assert (cache.folder / "joblib" / ".gitignore").exists()


def doubled(n: int) -> dict[str, int]:
    return {"twice": 2 * n}


def test_a_function_that_returns_no_dict_is_not_kept_and_says_so(tmp_path):
    memory = joblib.Memory(tmp_path, backend="mmai-json", verbose=0)
    with pytest.warns(UserWarning, match="int is no dict"):
        assert memory.cache(len)("abc") == 3


# -- single flight


def test_64_threads_with_one_request_pay_once(cache, pool):
    barrier, pay = threading.Barrier(64), Payer(pieces=())
    slow = threading.Event()

    def paying(on_text: Any) -> dict[str, Any]:
        slow.wait(0.3)
        return pay(on_text)

    def ask() -> str:
        barrier.wait(20)
        return cache.fetch(KEY, paying).how

    how = [future.result(30) for future in [pool.submit(ask) for _ in range(64)]]
    assert pay.count == 1
    assert how.count("paid") == 1
    assert set(how) <= {"paid", "joined", "hit"}


def test_two_caches_on_one_folder_pay_once(cache, pool):
    pay = Payer()
    pay.go.clear()
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    second = following(AnswerCache(cache.folder), pool)
    pay.go.set()
    assert (first.result(10).how, second.result(10).how) == ("paid", "joined")


def test_other_keys_do_not_wait(cache, pool):
    pay = Payer()
    pay.go.clear()
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    assert cache.fetch(cache_key({"n": 1}), Payer()).how == "paid"
    pay.go.set()
    first.result(10)


def test_a_follower_sees_what_came_before_it_and_then_each_piece_live(cache, pool):
    shown: list[tuple[str, int]] = []
    more, live = threading.Event(), threading.Event()

    def pay(on_text: Any) -> dict[str, Any]:
        on_text("one ")
        on_text("two ")
        assert more.wait(10)
        on_text("three")
        assert live.wait(10)
        return {"text": "one two three"}

    def show(piece: str) -> None:
        shown.append((piece, threading.get_ident()))
        if piece == "three":
            live.set()  # the payment ends only once the follower has seen it

    first = pool.submit(cache.fetch, KEY, pay, on_text=lambda _: None)
    second = following(cache, pool, on_text=show)
    more.set()
    assert second.result(10) == flights.Fetched({"text": "one two three"}, "joined")
    assert first.result(10).how == "paid"
    assert [piece for piece, _ in shown] == ["one ", "two ", "three"]
    assert len({thread for _, thread in shown}) == 1
    assert shown[0][1] != threading.get_ident()


def test_a_payer_without_a_display_is_asked_for_no_pieces(cache):
    got: list[Any] = []
    cache.fetch(KEY, lambda on_text: got.append(on_text) or ANSWER)
    assert got == [None]


def test_followers_share_no_dict_with_each_other(cache, pool):
    pay = Payer({"text": "x", "usage": {}})
    pay.go.clear()
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    second = following(cache, pool)
    pay.go.set()
    second.result(10).value["usage"]["changed"] = 1
    assert first.result(10).value["usage"] == {}


def failing(cache: AnswerCache, pool: ThreadPoolExecutor, error: Exception) -> list[Exception]:
    """What the payer and a follower raise if the payment fails."""
    pay = Payer()
    pay.go.clear()
    pay.error = error
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    second = following(cache, pool)
    pay.go.set()
    found = [first.exception(10), second.exception(10)]
    assert all(isinstance(one, Exception) for one in found)
    return found  # type: ignore[return-value]


def test_followers_get_the_payers_error_as_one_of_their_own(cache, pool):
    error = RateLimitError("slow down", model="m", retry_after=3.0)
    error.add_note("seen by the payer")
    error.__cause__ = OSError("the wire")
    payers, followers = failing(cache, pool, error)
    assert payers is error
    assert followers is not error
    assert (str(followers), followers.retry_after) == ("slow down", 3.0)
    assert followers.__cause__ is error.__cause__
    followers.add_note("seen by the follower")
    followers.attempts = ("its own",)
    assert error.__notes__ == ["seen by the payer"]
    assert error.attempts == ()


def test_an_error_with_a_constructor_of_its_own_reaches_followers_whole(cache, pool):
    error = ChainExhaustedError("all failed", [RateLimitError("one")])
    _, followers = failing(cache, pool, error)
    assert isinstance(followers, ChainExhaustedError)
    assert followers.errors == error.errors


def test_an_error_that_is_not_ours_reaches_followers_as_it_is(cache, pool):
    error = ZeroDivisionError("a bug")
    assert failing(cache, pool, error) == [error, error]


def test_followers_get_an_answer_that_is_not_stored(cache, pool):
    pay = Payer()
    pay.go.clear()
    pay.error = NotStored({"text": "cut"})
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    second = following(cache, pool)
    pay.go.set()
    assert first.result(10).how == "paid"
    assert second.result(10) == flights.Fetched({"text": "cut"}, "joined")
    assert cache.look(KEY) is None


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_follower_pays_when_the_payer_is_interrupted(cache, pool, interrupt):
    pay, own = Payer(), Payer({"text": "own"})
    pay.go.clear()
    pay.error = interrupt()
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    second = following(cache, pool, pay=own)
    pay.go.set()
    assert isinstance(first.exception(10), interrupt)
    assert second.result(10) == flights.Fetched({"text": "own"}, "paid")
    assert own.count == 1


def test_of_many_followers_one_pays_when_the_payer_is_interrupted(cache, pool):
    pay, own = Payer(), Payer()
    pay.go.clear()
    pay.error = KeyboardInterrupt()
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    others = [following(cache, pool, pay=own) for _ in range(5)]
    pay.go.set()
    first.exception(10)
    how = [other.result(10).how for other in others]
    assert how.count("paid") == 1
    assert own.count == 1


def test_a_follower_that_has_shown_text_does_not_start_again(cache, pool):
    shown: list[str] = []
    seen = threading.Event()

    def show(piece: str) -> None:
        shown.append(piece)
        seen.set()

    pay, own = Payer(pieces=("half ", "an ")), Payer()
    pay.go.clear()
    pay.error = KeyboardInterrupt()
    first = pool.submit(cache.fetch, KEY, pay, on_text=lambda _: None)
    assert pay.asked.wait(10)
    second = following(cache, pool, pay=own, on_text=show)
    assert seen.wait(10)
    pay.go.set()
    first.exception(10)
    error = second.exception(10)
    assert isinstance(error, TruncatedStreamError)
    assert error.partial == "half an " == "".join(shown)
    assert own.count == 0


def test_a_follower_that_has_shown_nothing_pays_although_pieces_came(cache, pool):
    pay, own = Payer(pieces=("half",)), Payer({"text": "whole"})
    pay.go.clear()
    pay.error = KeyboardInterrupt()
    first = pool.submit(cache.fetch, KEY, pay, on_text=lambda _: None)
    assert pay.asked.wait(10)
    second = following(cache, pool, pay=own)
    pay.go.set()
    first.exception(10)
    assert second.result(10).value == {"text": "whole"}


def test_of_many_followers_one_pays_when_the_payers_time_is_over(cache, pool):
    pay, own = Payer(), Payer({"text": "own"})
    pay.go.clear()
    pay.error = TimedOutError("no answer within 1 s")
    first = pool.submit(cache.fetch, KEY, pay, timeout=1)
    assert pay.asked.wait(10)
    others = [following(cache, pool, pay=own, timeout=20) for _ in range(5)]
    pay.go.set()
    assert first.exception(10) is pay.error
    how = [other.result(10).how for other in others]
    assert how.count("paid") == 1
    assert own.count == 1


def test_a_follower_that_has_shown_text_gets_the_payers_time_out(cache, pool):
    seen, own = threading.Event(), Payer()
    pay = Payer(pieces=("half",))
    pay.go.clear()
    pay.error = TimedOutError("no answer within 1 s", partial="half")
    first = pool.submit(cache.fetch, KEY, pay, on_text=lambda _: None)
    assert pay.asked.wait(10)
    second = following(cache, pool, pay=own, on_text=lambda _: seen.set())
    assert seen.wait(10)
    pay.go.set()
    assert first.exception(10) is pay.error
    error = second.exception(10)
    assert isinstance(error, TimedOutError)
    assert error is not pay.error
    assert (str(error), error.partial) == ("no answer within 1 s", "half")
    assert own.count == 0


def test_a_display_that_fails_is_the_payers_trouble_alone(cache, pool):
    waiting = threading.Event()

    def broken(piece: str) -> None:
        assert waiting.wait(10)
        raise ZeroDivisionError("the display")

    def pay(on_text: Any) -> dict[str, Any]:
        on_text("piece")
        return ANSWER

    first = pool.submit(cache.fetch, KEY, pay, on_text=broken)
    second = following(cache, pool)
    waiting.set()
    assert isinstance(first.exception(10), ZeroDivisionError)
    assert second.result(10).how == "paid"


def test_a_follower_waits_no_longer_than_its_timeout(cache, pool):
    pay = Payer(pieces=("some",))
    pay.go.clear()
    first = pool.submit(cache.fetch, KEY, pay, on_text=lambda _: None)
    assert pay.asked.wait(10)
    started = time.monotonic()
    with pytest.raises(TimedOutError, match=r"waited 0\.[12]\d* s") as caught:
        cache.fetch(KEY, Payer(), timeout=0.2)
    assert 0.2 <= time.monotonic() - started < IN_TIME
    assert caught.value.partial == "some"
    pay.go.set()
    assert first.result(10).how == "paid"


def test_refresh_does_not_follow_anybody(cache, pool):
    pay = Payer()
    pay.go.clear()
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    assert cache.fetch(KEY, Payer({"text": "new"}), refresh=True).how == "paid"
    pay.go.set()
    first.result(10)


def test_nothing_is_left_under_way(cache):
    cache.fetch(KEY, Payer())
    pay = Payer()
    pay.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        cache.fetch(cache_key({"n": 1}), pay)
    assert not flights.under_way


@pytest.mark.slow
@posix
def test_a_follower_answers_an_interrupt_at_once(cache, pool, monkeypatch):
    pay = Payer()
    pay.go.clear()
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    follow = flights.Flight.follow

    def followed(self: Any, *args: Any) -> Any:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        return follow(self, *args)

    monkeypatch.setattr(flights.Flight, "follow", followed)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        cache.fetch(KEY, Payer())
    assert time.monotonic() - started < IN_TIME
    pay.go.set()
    assert first.result(10).how == "paid"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_mid_flight_does_not_wait_for_a_thread_that_is_not_there(cache, pool):
    pay = Payer()
    pay.go.clear()
    first = pool.submit(cache.fetch, KEY, pay)
    assert pay.asked.wait(10)
    child = os.fork()
    if child == 0:  # it waits for its parent, which really pays, but not for ever
        signal.alarm(20)
        how = cache.fetch(KEY, Payer(), timeout=1).how
        os._exit(0 if how == "paid" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pay.go.set()
    assert first.result(10).how == "paid"


# -- between processes


@posix
def test_who_waits_for_another_process_keeps_half_of_its_time_to_pay(cache, monkeypatch):
    folder = cache.folder / "joblib" / "locks"
    folder.mkdir(mode=0o700)
    waited: list[float] = []
    with locks.turn(folder / f"{KEY}.lock", 5):
        monkeypatch.setattr(caching.cancel, "pause", waited.append)
        clock = SimpleNamespace(monotonic=lambda: sum(waited), time=time.time)
        monkeypatch.setattr(locks, "time", clock)
        assert cache.fetch(KEY, Payer(), timeout=100).how == "paid"
    assert 45 < sum(waited) < 50.1


@posix
def test_a_turn_is_waited_for_until_it_is_let_go(tmp_path, pool):
    lock, held, go = tmp_path / "x.lock", threading.Event(), threading.Event()

    def hold() -> float:
        with locks.turn(lock, 5):
            held.set()
            assert go.wait(10)
            return time.monotonic()

    def wait() -> float:
        with locks.turn(lock, 5):
            return time.monotonic()

    first = pool.submit(hold)
    assert held.wait(10)
    second = pool.submit(wait)
    time.sleep(0.1)
    assert not second.done()
    go.set()
    assert second.result(10) >= first.result(10)
    assert not lock.exists()


@posix
def test_after_its_time_a_turn_is_taken_all_the_same(tmp_path):
    lock = tmp_path / "x.lock"
    started = time.monotonic()
    with locks.turn(lock, 5), locks.turn(lock, 0.2):
        assert 0.2 <= time.monotonic() - started < IN_TIME
    assert not lock.exists()


def test_where_there_are_no_locks_it_goes_on(tmp_path):
    with locks.turn(tmp_path / "missing" / "x.lock", 5):
        pass


@posix
def test_a_lock_on_a_file_that_its_holder_has_just_removed_is_not_taken(tmp_path, monkeypatch):
    import fcntl

    lock, flock, removed = tmp_path / "x.lock", fcntl.flock, []

    def late(file: Any, how: int) -> None:
        if not removed:
            lock.unlink()
            removed.append(lock)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with locks.turn(lock, 5):
        assert removed
        assert lock.exists()


@posix
def test_whose_lock_was_removed_waits_for_nobody(tmp_path):
    lock = tmp_path / "x.lock"
    with locks.turn(lock, 5):
        lock.unlink()
        started = time.monotonic()
        with locks.turn(lock, 60):
            assert time.monotonic() - started < IN_TIME
