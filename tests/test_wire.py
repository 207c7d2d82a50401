"""Whatever a server sends, reading it gives objects, text and figures, or Garbled: nothing else."""

from __future__ import annotations

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stub_server import events

from mmai_nb.errors import CallError, MmaiError
from mmai_nb.records import Message
from mmai_nb.wire.bodies import Lessons, Quirks, adapt
from mmai_nb.wire.failures import LONGEST, Peer, refused, reported, sentence
from mmai_nb.wire.reading import Draft, Garbled, Reader, error_in, ids_in
from mmai_nb.wire.told import Told, wanted_wait

PEER = Peer("small", "small", "local", "http://127.0.0.1:9/v1", "STUB_API_KEY")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
NAMES = """
    choices index delta message content text reasoning reasoning_content refusal tool_calls model
    finish_reason usage prompt_tokens completion_tokens prompt_tokens_details cached_tokens cost
    error code type param status n_ctx detail thinking
"""
FIELDS = st.sampled_from(NAMES.split())
SHAPED = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(FIELDS, SHAPED, max_size=5)


def read(pieces, kind=""):
    reader = Reader(kind)
    found = [f for piece in pieces for f in reader.feed(piece)]
    return [*found, *reader.finish()]


@given(st.lists(st.binary(max_size=40)), st.sampled_from(["", "text/event-stream"]))
def test_any_bytes_are_read_or_garbled(pieces, kind):
    with suppress(Garbled):
        assert all(isinstance(f, dict) for f in read(pieces, kind))


LINES = [b"data: ", b"data:", b"event: error", b": c", b"\n", b"\r", b"\r\n", b'{"a":1}', b"[DONE]"]


@given(st.lists(st.sampled_from(LINES), max_size=12), st.data())
def test_slicing_changes_nothing(parts, data):
    whole = b"data: {}\n\n" + b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[i:j] for i, j in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    results = []
    for given_pieces in ([whole], pieces):
        try:
            results.append(read(given_pieces))
        except Garbled as error:
            results.append(str(error))
    assert results[0] == results[1]


@given(st.lists(OBJECTS, max_size=4))
def test_any_objects_make_a_draft(objects):
    draft = Draft()
    shown = "".join(draft.add(found) for found in objects if not error_in(found))
    assert draft.text == shown
    draft.text.encode()
    draft.thoughts.encode()
    usage = draft.usage([Message("user", "hello")])
    assert 0 <= usage.cache_read_tokens <= usage.input_tokens <= 10**9
    assert 0 <= usage.reasoning_tokens <= usage.output_tokens <= 10**9
    assert usage.reported_cost_usd is None or usage.reported_cost_usd >= 0


@given(st.text(max_size=60))
def test_a_text_arrives_as_it_was_sent(text):
    draft = Draft()
    for found in read([b"".join(events(*text))]):
        draft.add(found)
    assert draft.text == text


@given(SHAPED)
def test_any_error_object_has_a_meaning(error):
    check(reported(PEER, error))


@given(st.integers(204, 999), st.binary(max_size=60) | SHAPED.map(lambda o: json.dumps(o).encode()))
def test_any_refusal_has_a_meaning(status, body):
    check(refused(PEER, status, {}, body))


def check(error):
    assert isinstance(error, MmaiError)
    assert str(error).isprintable()
    assert 0 < len(str(error)) <= LONGEST
    if isinstance(error, CallError):
        assert 0 <= error.retries <= 2


@given(*[st.text()] * 4)
def test_a_sentence_is_one_short_line(name, what, said, hint):
    line = sentence(name, what, said, hint)
    assert line.isprintable()
    assert len(line) <= LONGEST


def test_a_sentence_keeps_what_to_do():
    assert sentence("small", "refused", "word " * 100, "set KEY").endswith("…; set KEY")


@given(st.text(), st.text(), st.text())
def test_a_wait_is_positive_and_finite(seconds, milliseconds, date):
    headers = {"retry-after": seconds, "retry-after-ms": milliseconds, "date": date}
    wait = wanted_wait(headers, now=0.0)
    assert wait is None or (0 < wait <= 86_400 and math.isfinite(wait))


@given(SHAPED)
def test_any_list_of_models_is_read(found):
    assert all(isinstance(name, str) for name in ids_in(json.dumps(found).encode()))


@pytest.mark.parametrize(
    "listed", ['{"data": [{"id": "a"}, {}]}', '[{"id": "a"}]', '{"models": [{"name": "a"}, 5]}']
)
def test_ids_of_models_in_each_shape(listed):
    assert ids_in(listed.encode()) == ["a"]


@given(st.text())
def test_nothing_is_learned_about_what_was_not_sent(said):
    assert adapt(Quirks(), {"model": "x", "messages": []}, said) is None


def test_only_the_refusal_of_stream_options_is_an_affair_of_the_whole_endpoint():
    lessons = Lessons()
    learned = Quirks(usage_option=False, dropped=frozenset({"top_p"}))
    lessons.learn("http://127.0.0.1:9/v1", "small", learned)
    assert lessons.of("http://127.0.0.1:9/v1", "small") == learned
    assert lessons.of("http://127.0.0.1:9/v1", "other") == Quirks(usage_option=False)
    assert lessons.of("http://127.0.0.1:8/v1", "small") == Quirks()


@given(OBJECTS)
def test_what_was_told_is_text(error):
    told = Told.of(error)
    assert isinstance(told.text, str)
    assert told.window is None or told.window > 0
