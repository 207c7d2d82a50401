from __future__ import annotations

import http.client
import importlib
import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel, Field, TypeAdapter

from mmai_nb import offline
from mmai_nb.demo.answers import STATEMENT
from mmai_nb.errors import OptionError
from mmai_nb.keys import find_key
from mmai_nb.offline import Behaviour, DemoServer, demo_models, demo_tiers, serve_demo

HTTP = importlib.import_module(openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0])
BROKEN = (openai.APIConnectionError, HTTP.TransportError)
"""A dropped or stalled connection; openai 2 lets the HTTP library's own error out of a stream."""

MODELS = ("demo-small", "demo-second", "demo-medium", "demo-large")


@pytest.fixture
def server():
    with DemoServer(chunk_delay=0) as server:
        yield server


@pytest.fixture
def client(server):
    with openai.OpenAI(
        base_url=server.base_url,
        api_key=server.api_key,
        max_retries=0,
        timeout=10,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    ) as client:
        yield client


def chat(prompt: str, model: str = "demo-small", **params: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **params}


def say(client: openai.OpenAI, prompt: str, model: str = "demo-small", **params: Any) -> Any:
    return client.chat.completions.create(**chat(prompt, model, **params))


def text_of(client: openai.OpenAI, prompt: str, model: str = "demo-small", **params: Any) -> str:
    return say(client, prompt, model, **params).choices[0].message.content


def collect(client: openai.OpenAI, prompt: str, pieces: list[str]) -> None:
    """Stream an answer into `pieces`, which keeps what came before an error."""
    for chunk in say(client, prompt, stream=True):
        if text := chunk.choices[0].delta.content:
            pieces.append(text)


def raw(
    server: DemoServer,
    body: Any = None,
    *,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    headers: dict[str, str] | None = None,
) -> tuple[int, Any, http.client.HTTPMessage]:
    """One request without the SDK: status, parsed body, headers."""
    address = server.base_url.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(address, timeout=10)
    sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    key = {"Authorization": f"Bearer {server.api_key}"}
    try:
        connection.request(method, path, sent, {**key, **(headers or {})})
        response = connection.getresponse()
        data = response.read()
        return response.status, json.loads(data) if data else None, response.headers
    finally:
        connection.close()


# Answers


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_says_that_it_is_the_demos_and_who_gave_it(client, model):
    answer = say(client, "What is a monad?", model)
    text = answer.choices[0].message.content
    assert STATEMENT in text.splitlines()[0]
    assert "What is a monad?" in text
    assert model in text
    assert answer.model == model
    assert answer.system_fingerprint == "mmai-demo"
    assert answer.choices[0].finish_reason == "stop"


def test_a_system_message_may_ask_for_json_or_html_only(client):
    def answer(kind: str) -> str:
        system = {"role": "system", "content": f"Answer with {kind} only: no prose."}
        messages = [system, {"role": "user", "content": "a < b & c"}]
        made = client.chat.completions.create(model="demo-small", messages=messages)
        return made.choices[0].message.content

    assert json.loads(answer("one JSON value"))["asked"] == "a < b & c"
    assert "a &lt; b &amp; c" in answer("HTML source")


def test_a_json_object_is_given_when_asked_for(client):
    text = text_of(client, "hello", response_format={"type": "json_object"})
    assert json.loads(text)["demo"] == STATEMENT


def test_max_tokens_cuts_the_answer_and_says_so(client):
    for cap in (1, 5, 20):
        answer = say(client, "What is a monad?", max_tokens=cap)
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage.completion_tokens <= cap
    assert text_of(client, "Why?").startswith(answer.choices[0].message.content[:30])


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


def test_the_sdks_own_parse_works(client):
    made = client.chat.completions.parse(
        model="demo-medium", messages=[{"role": "user", "content": "a cat"}], response_format=Cat
    )
    assert made.choices[0].message.parsed == Cat(kind="cat", lives=1)
    assert made.model == "demo-medium"


def test_a_schema_that_cannot_be_served_is_refused(client):
    form = {"type": "json_schema", "json_schema": {"name": "it", "schema": {"not": {}}}}
    with pytest.raises(openai.BadRequestError) as caught:
        say(client, "go", response_format=form)
    assert caught.value.code == "invalid_json_schema"


# The protocol


def test_the_stream_adds_up_to_the_whole_answer(client):
    chunks = list(say(client, "What is a monad?", "demo-large", stream=True))
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert text == text_of(client, "What is a monad?", "demo-large")
    assert len(chunks) > 20
    assert [c.choices[0].finish_reason for c in chunks][-2:] == [None, "stop"]
    assert all(c.usage is None for c in chunks)


def test_a_stream_tells_its_usage_when_asked_and_json_always(client):
    *_, last = say(client, "Why?", stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage == say(client, "Why?").usage
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    assert last.usage.prompt_tokens > 0 < last.usage.completion_tokens


def test_a_stream_is_shown_piece_by_piece():
    with DemoServer(chunk_delay=0.1) as server:
        server.misbehave(text="one two three " * 5)
        connection = http.client.HTTPConnection(server.base_url.split("/")[2], timeout=10)
        key = {"Authorization": f"Bearer {server.api_key}"}
        begin, stamps = time.monotonic(), []
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(chat("x", stream=True)).encode(), key
        )
        with connection.getresponse() as response:
            for line in response:
                if b'"content": "one' in line or b'"content": " one' in line:
                    stamps.append(time.monotonic())
        connection.close()
    assert len(stamps) == 5
    assert all(at - begin >= n * 0.1 for n, at in enumerate(stamps))
    assert stamps[-1] - stamps[0] > 0.1  # 0.4 where nobody is late to read


def test_an_old_http_client_gets_its_stream_without_chunk_sizes(server):
    body = json.dumps(chat("Why?", stream=True)).encode()
    host, port = server.base_url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
            % (server.api_key.encode(), len(body), body)
        )
        head, _, rest = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert rest.startswith(b"data: {")
    assert rest.endswith(b"data: [DONE]\n\n")


def test_the_models_are_listed(client):
    assert [m.id for m in client.models.list()] == list(MODELS)
    assert client.models.retrieve("demo-large").owned_by == "mmai-demo"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "gpt-9"}, 404, "model_not_found"),
        ({"model": None}, 400, None),
        ({"messages": []}, 400, None),
        ({"messages": "hello"}, 400, None),
        ({"messages": [{"role": "king", "content": "x"}]}, 400, None),
        ({"messages": [{"role": "user", "content": 3}]}, 400, None),
        ({"messages": [{"role": "user"}]}, 400, None),
        ({"temperature": 2.1}, 400, None),
        ({"temperature": "hot"}, 400, None),
        ({"temperature": True}, 400, None),
        ({"temperature": math.nan}, 400, None),
        ({"max_tokens": 0}, 400, None),
        ({"max_tokens": 1.5}, 400, None),
        ({"max_completion_tokens": -1}, 400, None),
        ({"n": 2}, 400, None),
        ({"stream": "yes"}, 400, None),
        ({"stream_options": {"include_usage": True}}, 400, None),
        ({"response_format": {"type": "xml"}}, 400, None),
        ({"response_format": {"type": "json_schema"}}, 400, None),
        (
            {"messages": [{"role": "user", "content": "word " * 9000}]},
            400,
            "context_length_exceeded",
        ),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused_the_way_openai_does(server, change, status, code):
    got, body, _ = raw(server, {**chat("hello"), **change})
    assert (got, body["error"]["code"]) == (status, code)
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["message"]


def test_a_larger_model_takes_the_longer_prompt(client):
    prompt = "word " * 9000
    with pytest.raises(openai.BadRequestError, match="8192 tokens"):
        say(client, prompt)
    assert say(client, prompt, "demo-medium").usage.prompt_tokens > 8192


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe\x00", b"[" * 200_000, b"[]", b'{"model": 1e999}']
)
def test_a_body_that_is_no_request_is_a_400(server, body):
    assert raw(server, body)[0] == 400


def test_content_in_parts_and_lone_surrogates_are_taken(server):
    parts = [{"type": "text", "text": "one \ud800"}, {"type": "text", "text": "two"}]
    status, body, _ = raw(server, {**chat("x"), "messages": [{"role": "user", "content": parts}]})
    assert status == 200
    assert "one ? two" in body["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"headers": {"Authorization": "Bearer wrong"}}, 401),
        ({"headers": {"Authorization": "Bearer é"}}, 401),
        ({"headers": {"Authorization": ""}}, 401),
        ({"headers": {"Host": "evil.example:80"}}, 403),
        ({"headers": {"Host": "127.0.0.1.evil.example"}}, 403),
        ({"headers": {"Transfer-Encoding": "chunked"}}, 411),
        ({"headers": {"Content-Length": "-1"}}, 411),
        ({"path": "/chat/completions"}, 404),
        ({"path": "/v1/modelsx"}, 404),
        ({"path": "/v1/models"}, 405),
        ({"method": "GET"}, 405),
        ({"method": "DELETE"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"method": "BREW"}, 501),
    ],
    ids=str,
)
def test_a_request_at_the_wrong_door_is_refused(server, request_, status):
    got, body, headers = raw(server, chat("hello"), **request_)
    assert got == status
    assert body["error"]["message"]
    assert server.api_key not in str(body)
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert headers.get("Allow") == (
        {405: {"/v1/models": "GET"}.get(request_.get("path"), "POST")}
    ).get(status)


def test_an_answer_to_head_has_no_body(server):
    assert raw(server, method="HEAD")[:2] == (405, None)


def test_ten_megabytes_are_the_most_and_the_refusal_arrives(server):
    for length in (10_000_001, 10_100_000, 30_000_000):
        assert raw(server, b" " * length)[0] == 413
    assert raw(server, b" " * 10_000_000)[0] == 400


def test_a_connection_serves_many_requests_even_after_refused_ones(server):
    connection = http.client.HTTPConnection(server.base_url.split("/")[2], timeout=10)
    statuses, ports = [], set()
    for body in (chat("one"), chat("two", "nobody"), chat("three", stream=True), chat("four")):
        key = {"Authorization": f"Bearer {server.api_key}"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), key)
        ports.add(connection.sock.getsockname())
        with connection.getresponse() as response:
            response.read()
            statuses.append(response.status)
    connection.close()
    assert statuses == [200, 404, 200, 200]
    assert len(ports) == 1


def test_the_server_listens_on_loopback_only(server):
    assert server.base_url.startswith("http://127.0.0.1:")
    assert server._listener.socket.getsockname()[0] == "127.0.0.1"


def test_twenty_requests_at_once_all_get_their_own_answer(server, client):
    prompts = [f"question number {n}" for n in range(20)]
    with ThreadPoolExecutor(20) as pool:
        texts = list(pool.map(lambda prompt: text_of(client, prompt), prompts))
    assert all(f"“{prompt}”" in text for prompt, text in zip(prompts, texts, strict=True))
    assert server.count == 20


def test_an_answer_begins_within_ten_milliseconds(client):
    def first_chunk() -> float:
        begin = time.perf_counter()
        with say(client, "Why?", "demo-large", stream=True) as stream:
            next(iter(stream))
        return time.perf_counter() - begin

    assert any(first_chunk() < 0.010 for _ in range(1_000))


def test_the_server_keeps_what_it_was_asked(server, client):
    text_of(client, "Why?", temperature=0.5)
    raw(server, b"{")
    raw(server, chat("x"), headers={"Authorization": "Bearer wrong"})
    raw(server, method="GET")
    assert server.count == 3
    assert server.requests == [chat("Why?", temperature=0.5)]


# Misbehaviour


def statuses(
    client: openai.OpenAI, times: int, prompt: str = "hello", model: str = "demo-small"
) -> list[int]:
    got = []
    for _ in range(times):
        try:
            say(client, prompt, model)
            got.append(200)
        except openai.APIStatusError as error:
            got.append(error.status_code)
    return got


def test_it_fails_as_often_as_asked_and_then_is_well_again(server, client):
    server.misbehave(status=429, times=2, retry_after=1)
    server.misbehave(status=503)
    assert statuses(client, 5) == [429, 429, 503, 200, 200]


@pytest.mark.parametrize(("given", "sent"), [(1, "1"), (1.5, "1.5"), ("soon", "soon")])
def test_a_failure_has_the_header_and_the_code_asked_for(server, client, given, sent):
    server.misbehave(status=429, retry_after=given, code="insufficient_quota")
    with pytest.raises(openai.RateLimitError) as caught:
        say(client, "hello")
    assert caught.value.response.headers["Retry-After"] == sent
    assert caught.value.code == "insufficient_quota"


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 408, 409, 422, 429, 500, 502, 503, 529]
)
def test_every_status_comes_with_an_error_object(server, status):
    server.misbehave(status=status)
    got, body, _ = raw(server, chat("hello"))
    assert got == status
    assert set(body["error"]) == {"message", "type", "param", "code"}


def test_only_the_named_model_misbehaves(server, client):
    server.misbehave(status=500, only_model="demo-large")
    assert statuses(client, 1) == [200]
    assert statuses(client, 2, model="demo-large") == [500, 200]


def test_times_none_misbehaves_for_ever(server, client):
    server.misbehave(status=500, times=None)
    assert statuses(client, 4) == [500] * 4


def test_delay_comes_before_the_first_byte(server, client):
    server.misbehave(delay=0.2)
    begin = time.monotonic()
    say(client, "hello")
    assert 0.2 <= time.monotonic() - begin < 5


@pytest.mark.parametrize("cut_after", [0, 1, 3])
def test_a_cut_stream_is_dropped_after_so_many_chunks(server, client, cut_after):
    server.misbehave(cut_after=cut_after)
    pieces: list[str] = []
    with pytest.raises(BROKEN):
        collect(client, "hello", pieces)
    assert len(pieces) == cut_after
    assert statuses(client, 1) == [200]


@pytest.mark.parametrize("cut_after", [0, 1])
def test_a_cut_json_answer_is_a_connection_error(server, client, cut_after):
    server.misbehave(cut_after=cut_after)
    with pytest.raises(BROKEN):
        say(client, "hello")


@pytest.mark.parametrize("words", [{"hang": True}, {"stall_after": 1}])
def test_a_hanging_answer_runs_into_the_clients_timeout(server, client, words):
    server.misbehave(**words)
    with pytest.raises(BROKEN):
        client.with_options(timeout=0.2).chat.completions.create(**chat("hello"))


def test_a_stalling_stream_gives_some_and_then_nothing(server, client):
    server.misbehave(stall_after=2)
    pieces: list[str] = []
    with pytest.raises(BROKEN):
        collect(client.with_options(timeout=1.0), "hello", pieces)
    assert len(pieces) == 2


def test_usage_can_be_left_out(server, client):
    server.misbehave(usage=False, times=2)
    assert say(client, "hello").usage is None
    options = {"stream": True, "stream_options": {"include_usage": True}}
    assert all(chunk.usage is None for chunk in say(client, "hello", **options))


def test_the_answer_can_be_given_word_for_word(server, client):
    server.misbehave(text="just\nthis")
    server.misbehave(text="")
    assert text_of(client, "hello") == "just\nthis"
    assert text_of(client, "hello") == ""


def test_the_finish_reason_can_be_another_or_missing(server, client):
    server.misbehave(finish_reason="content_filter")
    server.misbehave(finish_reason="missing", times=2)
    assert say(client, "hello").choices[0].finish_reason == "content_filter"
    assert say(client, "hello").choices[0].finish_reason is None
    assert {c.choices[0].finish_reason for c in say(client, "hello", stream=True)} == {None}


def test_the_body_can_be_anything(server):
    server.misbehave(body="<html>log in</html>", status=502)
    connection = http.client.HTTPConnection(server.base_url.split("/")[2], timeout=10)
    key = {"Authorization": f"Bearer {server.api_key}"}
    connection.request("POST", "/v1/chat/completions", json.dumps(chat("hello")), key)
    with connection.getresponse() as response:
        assert response.status == 502
        assert response.headers["Content-Type"] == "text/html"
        assert response.read() == b"<html>log in</html>"
    connection.close()


def test_a_line_in_the_prompt_asks_for_the_same(server, client):
    prompt = "Why?\n[[demo: retry_after=1 status=429 times=1]]"
    assert statuses(client, 2, prompt) == [429, 200]
    assert statuses(client, 2, prompt, "demo-large") == [429, 200]
    assert statuses(client, 2, "Why?\n[[demo: status=500]]") == [500, 500]
    assert statuses(client, 1, "Why?\n[[demo: status=500 only_model=demo-large]]") == [200]
    assert "demo:" not in text_of(client, prompt).partition("\n\n")[2]


def test_a_line_in_the_prompt_cuts_and_delays(client):
    with pytest.raises(BROKEN):
        list(say(client, "[[demo: cut=3]] Why?", stream=True))
    begin = time.monotonic()
    say(client, "[[demo: delay=0.2]] Why?")
    assert time.monotonic() - begin >= 0.2


def test_several_lines_in_a_prompt_take_turns(client):
    prompt = "Why? [[demo: status=500 times=1]] [[demo: status=429 times=1]]"
    assert statuses(client, 3, prompt) == [500, 429, 200]


@pytest.mark.parametrize(
    "words",
    ["statsu=500", "status=abc", "status=200", "delay=-1", "delay=nan", 'text="open', "times=0"],
)
def test_a_line_that_cannot_be_read_is_a_400_that_says_why(client, words):
    with pytest.raises(openai.BadRequestError) as caught:
        say(client, f"[[demo: {words}]]")
    assert caught.value.code == "invalid_demo_instruction"


@pytest.mark.parametrize(
    "words",
    [
        {"statsu": 500},
        {"status": 99},
        {"times": 0},
        {"delay": math.nan},
        {"only_model": "gpt"},
        {"retry_after": "1\r\nX: y"},
        {"hang": "perhaps"},
        {"cut_after": 1.5},
    ],
    ids=str,
)
def test_misbehaviour_that_there_is_not_is_an_option_error(server, words):
    with pytest.raises(OptionError, match="demo: ") as caught:
        server.misbehave(**words)
    assert len(str(caught.value)) <= 200
    assert "\n" not in str(caught.value)


def test_a_plain_behaviour_is_a_good_one():
    assert Behaviour() == Behaviour(usage=True, times=None)


# Life and death


def test_close_frees_the_port_forgets_the_key_and_may_be_called_twice():
    server = DemoServer()
    port = int(server.base_url.split(":")[2].split("/")[0])
    assert find_key("MMAI_DEMO_KEY") == server.api_key
    server.close()
    server.close()
    assert server.closed
    assert find_key("MMAI_DEMO_KEY") is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_two_servers_share_a_key_until_both_are_closed():
    with DemoServer() as first:
        with DemoServer() as second:
            assert first.base_url != second.base_url
            assert first.api_key == second.api_key
        assert find_key("MMAI_DEMO_KEY") == first.api_key
    with DemoServer() as third:
        assert third.api_key != first.api_key


def test_close_ends_open_connections_and_their_threads(server, client, capfd):
    before = {*threading.enumerate()}
    server.misbehave(hang=True, times=2)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(say, client, "hello") for _ in range(2)]
        while server.count < 2:
            time.sleep(0.01)
        server.close()
        for future in waiting:
            with pytest.raises(BROKEN):
                future.result(timeout=20)
    served = [t for t in {*threading.enumerate()} - before if "process_request" in t.name]
    for thread in (*served, server._thread):
        thread.join(timeout=20)
    assert not [thread for thread in (*served, server._thread) if thread.is_alive()]
    assert capfd.readouterr() == ("", "")


def test_a_client_that_leaves_in_mid_stream_is_not_mentioned(server, client, capfd):
    server.misbehave(text="word " * 20_000)
    with say(client, "hello", stream=True) as stream:
        next(iter(stream))
    assert statuses(client, 1) == [200]
    server.close()
    assert capfd.readouterr() == ("", "")


def test_a_client_that_leaves_in_mid_request_is_not_mentioned(server, capfd):
    host, port = server.base_url.split("/")[2].split(":")
    for sent in (
        b"",
        b"POST",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)
    server.close()
    assert capfd.readouterr() == ("", "")


def test_the_process_has_one_server_and_a_new_one_once_it_is_closed():
    with ThreadPoolExecutor(8) as pool:
        servers = set(pool.map(lambda _: serve_demo(), range(8)))
    assert len(servers) == 1
    first = serve_demo()
    first.close()
    second = serve_demo()
    assert second is not first
    assert not second.closed
    second.close()


def output_of(*arguments: str) -> tuple[str, str]:
    """Both outputs of a Python process that knows where the package is."""
    env = os.environ | {"PYTHONPATH": str(Path(offline.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=env, timeout=60
    )
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_server_of_its_own():
    code = """
import os, socket
from mmai_nb.offline import serve_demo
parent = serve_demo()
read, write = os.pipe()
if os.fork() == 0:
    child = serve_demo()
    with socket.create_connection(child.base_url.split("/")[2].split(":"), timeout=30):
        os.write(write, f"{parent.closed} {child.base_url}".encode())
    os._exit(0)
os.wait()
closed, url = os.read(read, 1000).decode().split()
assert closed == "True", closed
assert url != parent.base_url
assert not parent.closed
print("fine")
"""
    assert output_of("-c", code) == ("fine\n", "")


@pytest.mark.slow
def test_a_process_ends_quietly_while_the_server_runs():
    code = "from mmai_nb.offline import serve_demo; serve_demo(); print('fine')"
    assert output_of("-X", "dev", "-W", "error", "-c", code) == ("fine\n", "")


# What the settings take


def test_the_demo_models_are_plain_settings_with_pretend_prices():
    models = demo_models()
    assert tuple(models) == MODELS
    for name, spec in models.items():
        assert spec["model"] == name
        assert spec["provider"] == (name if name == "demo-second" else "demo")
        assert spec["base_url"] == offline.DEMO_URL
        assert spec["simulated"] is True
        assert 0 < spec["input_price"] < spec["output_price"]
    prices = [spec["input_price"] for spec in models.values()]
    windows = [spec["context_window"] for spec in models.values()]
    assert (prices, windows) == (sorted(prices), sorted(windows))


def test_the_demo_tiers_go_up_to_one_and_name_only_demo_models():
    tiers = demo_tiers()
    assert [tier["name"] for tier in tiers] == ["simple", "standard", "complex"]
    assert tiers[-1]["up_to"] == 1.0
    assert {name for tier in tiers for name in tier["chain"]} == set(MODELS)


def test_the_settings_take_the_demo_models_and_tiers():
    from mmai_nb.settings import ModelSpec, Tier

    for name, spec in demo_models().items():
        TypeAdapter(ModelSpec).validate_python({"name": name, **spec})
    for tier in demo_tiers():
        TypeAdapter(Tier).validate_python(tier)
