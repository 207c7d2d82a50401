"""Answers that are none, late, broken or odd: each ends in its error or its text, in time."""

from __future__ import annotations

import gzip
import json

import pytest
from support.stub_server import (
    CLOSE,
    DONE,
    FOREVER,
    RESET,
    Reply,
    answer,
    chunk,
    comments,
    completion,
    event,
    events,
    gzipped,
    hang,
    http,
    ok,
    raw,
    sse,
    status,
    stream,
)
from support.talking import IN_TIME, Talking

from mmai_nb import wire
from mmai_nb.errors import (
    AuthError,
    BadRequestError,
    BadResponseError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextTooLongError,
    EmptyResponseError,
    QuotaError,
    RateLimitError,
    ResponseTooLargeError,
    ServerError,
    TimedOutError,
    TruncatedStreamError,
)

# answers that are none (C38 to C50)


@pytest.mark.parametrize("reply", [http(204, content_type=None), http(205)], ids=["204", "205"])
def test_a_success_without_content(talk, reply):
    assert (type(error := talk.fail(reply)), error.retries) == (BadResponseError, 1)


NO_ANSWERS = {
    "C38 empty": (http(200), BadResponseError, 1),
    "C39 html": (http(200, b"<!doctype html><p>log in"), BadResponseError, 0),
    "C40 invalid": (http(200, b'{"choices": [}'), BadResponseError, 1),
    "C40 words": (http(200, b"all is well"), BadResponseError, 1),
    "C40 deep": (http(200, b"[" * 100_000), BadResponseError, 1),
    "C42 null": (http(200, b"null"), BadResponseError, 1),
    "C42 list": (http(200, b"[]"), BadResponseError, 1),
    "C42 text": (http(200, b'"hi"'), BadResponseError, 1),
    "C44 none": (answer({"choices": []}), EmptyResponseError, 1),
    "C44 missing": (answer({"id": "x"}), EmptyResponseError, 1),
    "C44 null": (answer({"choices": None}), EmptyResponseError, 1),
    "C44 odd": (answer({"choices": [None, 3]}), EmptyResponseError, 1),
    "C45 null": (ok(None), EmptyResponseError, 1),
    "C45 blank": (ok(" \n"), EmptyResponseError, 1),
    "C45 tools": (ok(None, tool_calls=[{"id": "1"}], finish="tool_calls"), EmptyResponseError, 1),
    "C45 thinking": (ok("", finish="length", reasoning="hm"), EmptyResponseError, 0),
    "C48": (
        http(200, json.dumps(completion("é"), ensure_ascii=False).encode("latin-1")),
        BadResponseError,
        1,
    ),
    "C49": (http(200, b'{"a": 1}', headers={"Content-Encoding": "gzip"}), BadResponseError, 0),
    "C49 br": (http(200, b"x", headers={"Content-Encoding": "br"}), BadResponseError, 0),
    "C54": (ok("Once upon", finish="content_filter"), ContentFilteredError, 0),
}


@pytest.mark.parametrize("row", NO_ANSWERS)
def test_what_is_no_answer(whole, row):
    reply, kind, retries = NO_ANSWERS[row]
    error = whole.fail(reply)
    assert (type(error), error.retries) == (kind, retries)


@pytest.mark.parametrize(
    "row", [r for r in NO_ANSWERS if r[:3] in ("C39", "C40", "C42", "C49", "C54")]
)
def test_what_is_no_stream_either(streamed, row):
    reply, kind, retries = NO_ANSWERS[row]
    error = streamed.fail(reply)
    assert (type(error), error.retries) == (kind, retries)


def test_a_body_shorter_than_it_said(whole):
    error = whole.fail(http(200, b'{"id": "x"', length=500).cut(10_000))
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, "broken", 2)


ERRORS_INSIDE = {
    "429": ({"code": 429, "message": "slow down"}, RateLimitError),
    "text 429": ({"code": "429", "message": "slow down"}, RateLimitError),
    "402": ({"code": 402, "message": "no credit"}, QuotaError),
    "quota": ({"code": "insufficient_quota", "message": "x"}, QuotaError),
    "401": ({"code": "invalid_api_key", "message": "x"}, AuthError),
    "502": ({"code": 502, "message": "upstream"}, ServerError),
    "overloaded": ({"type": "overloaded_error", "message": "x"}, ServerError),
    "rate": ({"type": "rate_limit_error", "message": "x"}, RateLimitError),
    "request": ({"type": "invalid_request_error", "message": "x"}, BadRequestError),
    "window": ({"code": "context_length_exceeded", "message": "x"}, ContextTooLongError),
    "filter": ({"code": "content_filter", "message": "x"}, ContentFilteredError),
    "408": ({"code": 408, "message": "x"}, TimedOutError),
    "words": ("something broke", ServerError),
    "odd": ({"unknown": [1]}, ServerError),
}


@pytest.mark.parametrize("case", ERRORS_INSIDE)
def test_an_error_inside_a_success_means_what_its_code_says(talk, case):
    inside, kind = ERRORS_INSIDE[case]
    assert type(talk.fail(answer({"error": inside}))) is kind


@pytest.mark.parametrize("case", ERRORS_INSIDE)
def test_an_error_event_means_what_its_code_says(streamed, case):
    inside, kind = ERRORS_INSIDE[case]
    error = streamed.fail(stream([*events("ab")[:2], event({"error": inside})]))
    assert type(error) is kind
    assert error.partial.text == "ab"
    assert streamed.fail(stream([event({"error": inside})])).__class__ is kind


def test_an_error_in_the_choice_itself(talk):
    choice = {"error": {"code": 429, "message": "slow"}, "delta": {}, "finish_reason": "error"}
    assert type(talk.fail(answer({"choices": [choice]}))) is RateLimitError


@pytest.mark.parametrize(
    "data", [b'event: error\ndata: {"message": "boom"}\n\n', b"event: error\ndata: boom\n\n"]
)
def test_an_event_named_error(streamed, data):
    error = streamed.fail(stream([*events("ab")[:2], data]))
    assert type(error) is ServerError
    assert "boom" in str(error)
    assert error.partial.text == "ab"


def test_the_server_fails_with_a_finish_reason(streamed):
    error = streamed.fail(sse("ab", finish="error"))
    assert (type(error), error.partial.text) == (ServerError, "ab")


@pytest.mark.parametrize("stream_it", [False, True])
def test_a_gzip_bomb_stops_at_the_cap(stub, stream_it):
    talk = Talking(stub, stream_it, max_response_bytes=1_000_000)
    bomb = b'{"choices": [{"message": {"content": "' + b"a" * 60_000_000 + b'"}}]}'
    packed = gzip.compress(bomb, 1)
    assert len(packed) < 1_000_000
    before = _resident()
    error = talk.fail(http(200, packed, headers={"Content-Encoding": "gzip"}))
    assert type(error) is ResponseTooLargeError
    assert _resident() - before < 30_000_000


def _resident() -> int:
    """Bytes of memory in use now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    except OSError:
        return 0


def test_gzip_is_read_where_a_server_insists(whole):
    assert whole.ask(gzipped(json.dumps(completion("packed")).encode())).text == "packed"


@pytest.mark.parametrize("stream_it", [False, True])
def test_an_answer_without_end_stops_at_the_cap(stub, stream_it):
    talk = Talking(stub, stream_it, max_response_bytes=200_000)
    pieces = (event(chunk("word ")) for _ in range(10**9))
    error = talk.fail(stream(pieces))
    assert type(error) is ResponseTooLargeError
    assert error.partial.text.startswith("word word")
    assert error.partial.usage.estimated
    stub.wait_for_hang_up()


# deadlines (C10, C51, C52, C63, C64)


def test_no_answer_at_all_is_ambiguous(stub, hasten):
    talk = Talking(stub)

    def too_long(asked):
        hasten(40)
        return hang()

    error = talk.fail(too_long)
    assert (type(error), error.ambiguous, error.retries) == (TimedOutError, True, 2)
    assert "no complete answer within 40 s" in str(error)
    assert talk.seconds < IN_TIME
    stub.wait_for_hang_up()


def test_no_first_token_in_a_stream(stub):
    talk = Talking(stub, True, first_token_timeout=0.3)
    error = talk.fail(hang())
    assert (type(error), error.ambiguous) == (TimedOutError, True)
    assert "first token" in str(error)
    assert 0.3 <= talk.seconds < IN_TIME


def test_while_others_wait_a_stream_may_be_silent_only_so_long(stub, hasten):
    talk = Talking(stub, True)

    def only_a_role(asked):
        hasten(15)
        return stream([events()[0], FOREVER])

    error = talk.fail(only_a_role, silence=15.0)
    assert (type(error), error.ambiguous, error.partial) == (TimedOutError, True, None)
    assert "no first token within 15 s, and other models wait" in str(error)
    assert talk.seconds < IN_TIME
    stub.wait_for_hang_up()


def test_a_stream_that_spoke_in_time_has_all_of_its_time(stub, hasten):
    talk = Talking(stub, True)
    reply = stream([*events("a")[:2], 0.2, *events("b")[1:]])
    assert talk.ask(reply, silence=15.0, on_text=lambda _: hasten(16)).text == "ab"


def test_a_role_is_no_first_token(stub):
    talk = Talking(stub, True, first_token_timeout=0.3)
    error = talk.fail(stream([events()[0], FOREVER]))
    assert "first token" in str(error)


def test_comments_do_not_put_off_the_first_token(stub):
    talk = Talking(stub, True, first_token_timeout=0.3, gap_timeout=0.2)
    error = talk.fail(comments())
    assert type(error) is TimedOutError
    assert "first token" in str(error)
    assert talk.seconds < IN_TIME
    stub.wait_for_hang_up()


def test_comments_keep_a_slow_answer_alive(stub):
    talk = Talking(stub, True, gap_timeout=1.0)
    beats = [0.2, b": wait\n\n"] * 6
    assert talk.ask(stream([*events("a")[:2], *beats, *events("b")[1:]])).text == "ab"


def test_comments_do_not_put_off_the_total(stub, hasten):
    talk = Talking(stub, True)
    beats = (step for _ in range(10**6) for step in (0.05, b": wait\n\n"))
    late = stream(step for part in (events("ab")[:2], beats) for step in part)
    error = talk.fail(late, on_text=lambda _: hasten(40))
    assert (type(error), error.partial.text) == (TimedOutError, "ab")
    assert "no complete answer within 40 s" in str(error)
    assert talk.seconds < IN_TIME


def test_a_stall_in_mid_answer_keeps_what_came(stub):
    talk = Talking(stub, True, gap_timeout=0.3)
    error = talk.fail(stream([b"".join(events("ab", "cd")[:3]), FOREVER]))
    assert (type(error), error.ambiguous) == (TimedOutError, True)
    assert error.partial.text == "abcd"
    assert error.partial.usage.estimated
    assert error.partial.finish_reason is None
    assert talk.seconds < IN_TIME


def test_a_stall_in_mid_body(stub):
    talk = Talking(stub, gap_timeout=0.3)
    error = talk.fail(ok("x" * 500).dripped(FOREVER, skip=200))
    assert (type(error), error.ambiguous) == (TimedOutError, True)
    assert talk.seconds < IN_TIME


@pytest.mark.parametrize("skip", [0, 200], ids=["headers too", "body"])
@pytest.mark.parametrize("stream_it", [False, True])
def test_a_slow_drip_ends_at_the_total(stub, hasten, stream_it, skip):
    talk = Talking(stub, stream_it)
    reply = sse("some", "words") if stream_it else ok("some words")

    def drops():
        for number, step in enumerate(reply.dripped(0.1, skip=skip).steps):
            if number == 10:
                hasten(40)
            yield step

    error = talk.fail(Reply(drops()))
    assert (type(error), error.ambiguous) == (TimedOutError, True)
    assert talk.seconds < IN_TIME


def test_the_requests_own_time_out_wins(talk):
    assert type(talk.fail(hang(), timeout=0.2)) is TimedOutError
    assert 0.2 <= talk.seconds < IN_TIME


def test_a_slow_answer_that_is_not_streamed_needs_no_first_token(stub, hasten):
    talk = Talking(stub, first_token_timeout=9.0, gap_timeout=9.0)

    def late():
        yield 0.2
        hasten(20)
        yield 0.2
        yield ok("at last").data

    assert talk.ask(Reply(late())).text == "at last"


# streams that break (C55 to C72)


@pytest.mark.parametrize("end", [CLOSE, RESET])
@pytest.mark.parametrize("tokens", [0, 1, 3, 6])
def test_a_stream_that_breaks_keeps_what_came(streamed, end, tokens):
    words = ["a ", "b ", "c ", "d ", "e ", "f "]
    error = streamed.fail(stream([*events(*words)[: 1 + tokens], 0.05, end]))
    assert type(error) is ConnectionFailedError
    assert (error.partial.text if error.partial else "") == "".join(words[:tokens])
    assert streamed.pieces == words[:tokens]


def test_a_chunk_that_breaks_in_the_middle(streamed):
    data = sse("ab", "cd").data
    error = streamed.fail(sse("ab", "cd").cut(data.index(b'"cd"')))
    assert type(error) is ConnectionFailedError
    assert error.partial.text == "ab"


def test_a_stream_that_ends_cleanly_without_finish_is_cut(streamed):
    error = streamed.fail(sse("ab", finish=None, usage=None, done=False))
    assert (type(error), error.retries) == (TruncatedStreamError, 2)
    assert error.partial.text == "ab"
    assert error.partial.finish_reason is None


def test_done_alone_is_no_finish(streamed):
    assert type(streamed.fail(sse("ab", finish=None))) is TruncatedStreamError


def test_a_stream_without_length_that_closes_early_is_cut(streamed):
    head = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    error = streamed.fail(raw(head, *events("ab", "cd")[:2]))
    assert (type(error), error.partial.text) == (TruncatedStreamError, "ab")


def test_a_stream_with_only_a_role_is_cut(streamed):
    assert type(streamed.fail(stream(events()[:1]))) is TruncatedStreamError


@pytest.mark.parametrize(
    "steps",
    [[], [DONE], [b": hello\n\n"], [b": hello\n\n", DONE]],
    ids=["none", "done", "comment", "both"],
)
def test_an_empty_stream(streamed, steps):
    error = streamed.fail(stream(steps))
    assert (type(error), error.retries) == (EmptyResponseError, 1)


def test_a_stream_of_no_text(streamed):
    assert type(streamed.fail(sse())) is EmptyResponseError


@pytest.mark.parametrize(
    "bad",
    [
        b'data: {"choices": [\n\n',
        b"data: hello\n\n",
        b"data: 5\n\n",
        b'data: {"id": "\xff"}\n\n',
    ],
    ids=["C65", "C66", "number", "C72"],
)
def test_a_bad_event_keeps_what_came(streamed, bad):
    error = streamed.fail(stream([*events("ab")[:2], bad, *events("cd")[1:]]))
    assert type(error) is BadResponseError
    assert error.partial.text == "ab"
    assert streamed.fail(stream([bad])).partial is None


@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain", None])
def test_a_page_in_place_of_a_stream(streamed, kind):
    error = streamed.fail(stream([b"<html>\n", b"log in</html>"], content_type=kind))
    assert (type(error), error.retries) == (BadResponseError, 0)


@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain", None])
def test_words_in_place_of_a_stream(streamed, kind):
    error = streamed.fail(stream([b"all is well\n"], content_type=kind))
    assert type(error) is BadResponseError


def test_a_filtered_stream_keeps_what_came(streamed):
    error = streamed.fail(sse("Once upon", finish="content_filter"))
    assert (type(error), error.partial.text) == (ContentFilteredError, "Once upon")
    assert error.partial.finish_reason == "content_filter"


def test_a_failure_and_then_an_answer(talk):
    talk.fail(status(500), sse("fine") if talk.stream else ok("fine"))
    assert talk.ask().text == "fine"


# odd, but fine (C46, C47, C53, C58, C60 to C62, C70, C73 to C76)


def test_an_answer_cut_by_length_is_an_answer(talk):
    reply = sse("ab", finish="length") if talk.stream else ok("ab", finish="length")
    answered = talk.ask(reply)
    assert (answered.text, answered.finish_reason) == ("ab", "length")


@pytest.mark.parametrize("kind", [None, "text/plain", "text/html", "text/event-stream"])
def test_good_json_with_a_wrong_content_type(talk, kind):
    body = json.dumps(completion("fine")).encode()
    assert talk.ask(http(200, body, content_type=kind)).text == "fine"


def test_json_in_place_of_a_stream_is_the_answer(streamed):
    assert streamed.ask(ok("all of it")).text == "all of it"
    assert streamed.pieces == ["all of it"]


def test_a_stream_in_place_of_json_is_the_answer(whole):
    assert whole.ask(sse("some ", "more")).text == "some more"


@pytest.mark.parametrize("kind", [None, "application/json"])
def test_a_stream_with_a_wrong_content_type(streamed, kind):
    assert streamed.ask(stream(events("ab"), content_type=kind)).text == "ab"


def test_finish_without_done_is_success(streamed):
    assert streamed.ask(sse("ab", done=False)).text == "ab"


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_break_after_finish_is_success(streamed, end):
    answered = streamed.ask(stream([*events("ab", usage=None, done=False), 0.05, end]))
    assert (answered.text, answered.usage.estimated) == ("ab", True)


def test_a_server_that_holds_the_line_after_done(streamed, monkeypatch):
    monkeypatch.setattr(wire.talk, "TAIL_SECONDS", 30.0)
    assert streamed.ask(stream([*events("ab"), FOREVER])).text == "ab"
    assert streamed.seconds < IN_TIME
    assert streamed.ask(sse("cd")).text == "cd"


def test_a_server_that_holds_the_line_after_finish(stub):
    talk = Talking(stub, True)
    assert talk.ask(stream([*events("ab", done=False), FOREVER])).text == "ab"
    assert talk.seconds < IN_TIME


def test_what_comes_after_done_is_ignored(streamed):
    more = [event(chunk("no")), b"data: no json\n\n", event({"usage": {"prompt_tokens": 99}})]
    answered = streamed.ask(stream([*events("ab"), *more]))
    assert (answered.text, answered.usage.input_tokens) == ("ab", 11)


def test_a_finish_that_comes_twice(streamed):
    again = event(chunk(finish="length"))
    answered = streamed.ask(stream([*events("ab", done=False), again, DONE]))
    assert (answered.text, answered.finish_reason) == ("ab", "stop")


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("stream_it", [False, True])
def test_any_slicing_gives_the_same_text(stub, stream_it, size):
    text = "naïve 漢字 🎈 «ok»\r\n"
    talk = Talking(stub, stream_it)
    body = json.dumps(completion(text), ensure_ascii=False).encode()
    data = b"".join(event(json.dumps(chunk(c), ensure_ascii=False).encode()) for c in text)
    whole = data + b"".join(events(done=True)[1:])
    sent = stream([whole[i : i + size] for i in range(0, len(whole), size)])
    assert talk.ask(sent if stream_it else http(200, body).dripped(0.0, size)).text == text


FRAMES = {
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "CR": lambda data: data.replace(b"\n", b"\r"),
    "no space": lambda data: data.replace(b"data: ", b"data:"),
    "BOM": lambda data: b"\xef\xbb\xbf" + data,
    "lines": lambda data: data.replace(b'"choices":', b'\ndata: "choices":'),
    "more fields": lambda data: data.replace(b"data: ", b"id: 7\nretry: 3\nevent: x\ndata: "),
    "no last blank": lambda data: data.rstrip(b"\n"),
    "leading blanks": lambda data: b"\n\n  \n" + data,
}


@pytest.mark.parametrize("size", [1, 10_000])
@pytest.mark.parametrize("frame", FRAMES)
def test_every_framing_of_events_is_read(streamed, frame, size):
    data = FRAMES[frame](b"".join(events("a\u2028b", "c")))
    sent = [data[i : i + size] for i in range(0, len(data), size)]
    assert streamed.ask(stream(sent)).text == "a\u2028bc"


ODD_CHUNKS = {
    "no choices": {"id": "x"},
    "null choices": {"choices": None},
    "empty choices": {"choices": []},
    "null choice": {"choices": [None]},
    "null delta": {"choices": [{"index": 0, "delta": None}]},
    "no delta": {"choices": [{"index": 0}]},
    "null content": chunk(delta={"content": None}),
    "odd content": chunk(delta={"content": 5}),
    "null error": {"error": None, "choices": []},
    "second choice": {"choices": [{"index": 1, "delta": {"content": "other"}}]},
}


@pytest.mark.parametrize("case", ODD_CHUNKS)
def test_an_odd_chunk_is_skipped(streamed, case):
    made = events("a", ODD_CHUNKS[case], "b")
    assert streamed.ask(stream(made)).text == "ab"


def test_content_in_parts_is_joined(talk):
    parts = [
        {"type": "text", "text": "one "},
        "two ",
        {"type": "image"},
        {"type": "text", "text": "three"},
    ]
    reply = sse(chunk(parts)) if talk.stream else ok(parts)
    assert talk.ask(reply).text == "one two three"


def test_halves_of_a_character_are_joined(streamed):
    cut = [
        event(b'{"choices":[{"index":0,"delta":{"content":"%b"}}]}' % half)
        for half in (b"a\\ud83c", b"\\udf88b")
    ]
    answered = streamed.ask(sse(*cut, finish="stop"))
    assert answered.text == "a🎈b"
    answered.text.encode()


def test_a_lone_half_of_a_character_can_be_shown(talk):
    reply = sse("a\ud83cb") if talk.stream else ok("a\ud83cb")
    assert talk.ask(reply).text == "a\ufffdb"


@pytest.mark.parametrize("stream_it", [False, True])
def test_one_line_of_5_mb(stub, stream_it):
    text = "x" * 5_000_000
    talk = Talking(stub, stream_it)
    assert talk.ask(sse(text) if stream_it else ok(text)).text == text
    assert talk.seconds < IN_TIME


def test_a_refusal_in_words_is_shown_as_the_answer(talk):
    words = {"content": None, "refusal": "I cannot help with that."}
    reply = sse(chunk(delta=words)) if talk.stream else ok(None, refusal=words["refusal"])
    answered = talk.ask(reply)
    assert (answered.text, answered.finish_reason) == ("I cannot help with that.", "stop")
