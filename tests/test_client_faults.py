"""What goes wrong at an endpoint: each fault ends in its error, in time, with what had come."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import pytest
from support.stub_server import (
    CLOSE,
    FOREVER,
    RESET,
    StubServer,
    answer,
    broken,
    events,
    http,
    ok,
    raw,
    redirect,
    sse,
    status,
    stream,
)
from support.talking import IN_TIME, Talking
from support.waiting import soon

from mmai_nb import client
from mmai_nb.client import _network_options
from mmai_nb.errors import (
    AuthError,
    BadRequestError,
    BadResponseError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextTooLongError,
    QuotaError,
    RateLimitError,
    ServerError,
    TimedOutError,
    UnknownModelError,
)


def said(code, error_code, message="said no", **more):
    return status(code, message, error={"code": error_code, **more})


@pytest.fixture
def deaf_port():
    """A port at which nobody listens, nor can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# no connection (C1 to C8, C101)


@pytest.mark.parametrize(("port", "hint"), [(None, "is the server running?"), (11434, "ollama")])
def test_nothing_listens(stub, deaf_port, port, hint):
    if port is not None and is_open(port):
        pytest.skip("a real Ollama listens here")
    url = f"http://127.0.0.1:{port or deaf_port}/v1"
    error = Talking(stub, spec={"base_url": url}).fail()
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, "refused", 2)
    assert hint in str(error)
    assert url.split("/")[2] in str(error)


@pytest.mark.parametrize(
    ("code", "retries"), [(socket.EAI_NONAME, 0), (socket.EAI_AGAIN, 2)], ids=["unknown", "later"]
)
def test_a_host_name_is_not_found(stub, monkeypatch, code, retries):
    def lookup(*_):
        raise socket.gaierror(code, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    error = Talking(stub, spec={"base_url": "http://nowhere.invalid/v1"}).fail()
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, "dns", retries)
    assert "nowhere.invalid" in str(error)


def test_a_look_up_that_hangs_ends_at_the_connect_deadline(stub, monkeypatch):
    lookup, given_up = socket.getaddrinfo, threading.Event()

    def slow(*args):
        given_up.wait(30)
        return lookup(*args)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    talk = Talking(stub, connect_timeout=0.2)
    error = talk.fail()
    assert (type(error), error.ambiguous, error.retries) == (TimedOutError, False, 0)
    assert talk.seconds < IN_TIME
    given_up.set()
    assert soon(lambda: not [t for t in threading.enumerate() if "_work" in t.name])
    assert stub.count == 0


@pytest.mark.skipif(
    sys.platform != "linux", reason="how a full backlog behaves is the system's own"
)
def test_a_black_hole_ends_at_the_connect_deadline(stub):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        talk = Talking(
            stub,
            spec={"base_url": f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"},
            connect_timeout=0.3,
        )
        error = talk.fail()
        for filler in fillers:
            filler.close()
    assert (type(error), error.ambiguous, error.retries) == (TimedOutError, False, 0)
    assert "no connection" in str(error)
    assert talk.seconds < IN_TIME


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_the_connection_ends_before_an_answer(talk, end):
    error = talk.fail(broken(end))
    reason = "reset" if end == RESET else "broken"
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, reason, 2)
    assert talk.stub.count == 1
    assert error.partial is None


def test_a_reset_once_and_then_an_answer(talk):
    good = sse("fine") if talk.stream else ok("fine")
    talk.fail(broken(RESET), good)
    assert talk.ask().text == "fine"
    assert talk.stub.count == 2


def test_garbage_is_no_http_server(talk):
    error = talk.fail(raw(b"SSH-2.0-OpenSSH_9\r\n\r\n"))
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, "garbage", 0)
    assert "not an HTTP server" in str(error)


def test_https_at_a_server_without_it(stub):
    def refuse():
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=refuse, daemon=True).start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/v1"
        error = Talking(stub, spec={"base_url": url}).fail()
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, "tls", 0)
    assert "does not speak TLS" in str(error)


def test_https_at_a_server_that_stays_silent():
    with socket.create_server(("127.0.0.1", 0)) as silent, StubServer() as stub:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/v1"
        talk = Talking(stub, spec={"base_url": url}, connect_timeout=0.3)
        error = talk.fail()
    assert (type(error), error.reason) == (ConnectionFailedError, "tls")
    assert "does not speak TLS" in str(error)


def make_certificate(folder, name, *, expired=False):
    """A self-signed certificate: the server's context, and the file for who wants to trust it."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl program to make a certificate with")
    cert, key, request, more = (folder / n for n in ("cert", "key", "request", "more"))
    more.write_text(f"subjectAltName={name}")
    commands = [
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        f" -keyout {key} -out {cert} -subj /CN={name} -addext subjectAltName={name}"
    ]
    if expired:
        commands += [
            f"openssl x509 -x509toreq -in {cert} -signkey {key} -out {request}",
            f"openssl x509 -req -in {request} -signkey {key} -days -1 -out {cert} -extfile {more}",
        ]
    for command in commands:
        if subprocess.run(command.split(), capture_output=True).returncode:
            pytest.skip(f"this openssl does not take: {command.split()[1:4]}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert


def test_a_certificate_nobody_trusts(tmp_path):
    context, _ = make_certificate(tmp_path, "IP:127.0.0.1")
    with StubServer(tls=context) as stub:
        error = Talking(stub).fail()
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, "tls", 0)
    assert "not trusted" in str(error)
    assert "SSL_CERT_FILE" in str(error)


def test_a_certificate_that_has_expired(tmp_path, monkeypatch):
    context, cert = make_certificate(tmp_path, "IP:127.0.0.1", expired=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with StubServer(tls=context) as stub:
        error = Talking(stub).fail()
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, "tls", 0)
    assert "expired" in str(error)
    assert "SSL_CERT_FILE" not in str(error)


def test_a_certificate_of_another_host(tmp_path, monkeypatch):
    context, cert = make_certificate(tmp_path, "DNS:other.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with StubServer(tls=context) as stub:
        error = Talking(stub).fail()
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, "tls", 0)


def test_the_hint_about_certificates_is_true(tmp_path, monkeypatch):
    context, cert = make_certificate(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with StubServer(tls=context) as stub:
        assert Talking(stub).ask(ok("safe")).text == "safe"
        cut = stream([b"".join(events("ab")[:2]), FOREVER])
        error = Talking(stub, True, gap_timeout=0.3).fail(cut)
        assert error.partial.text == "ab"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password(stub, monkeypatch, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{stub.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    error = Talking(stub, spec={"base_url": f"{scheme}://far.invalid/v1"}).fail(status(407))
    assert (type(error), error.reason, error.retries) == (ConnectionFailedError, "proxy", 0)
    assert "HTTPS_PROXY" in str(error)


@pytest.fixture(params=["http://127.0.0.1:9", "socks5://127.0.0.1:9"], ids=["http", "socks"])
def dead_proxy(request, monkeypatch):
    """A proxy of the environment that nobody answers at."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, request.param)
        monkeypatch.setenv(name.upper(), request.param)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_of_the_environment_stands_before_this_machine(stub, dead_proxy, host):
    talk = Talking(stub, spec={"base_url": f"http://{host}:{stub.port}/v1"})
    assert talk.ask(ok("at home")).text == "at home"


def test_nor_does_it_where_this_machine_is_asked_over_tls(tmp_path, dead_proxy, monkeypatch):
    context, cert = make_certificate(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with StubServer(tls=context) as stub:
        assert Talking(stub).ask(ok("at home")).text == "at home"


@pytest.mark.parametrize(
    ("host", "trusted"),
    [("127.8.9.1", False), ("[::1]", False), ("LOCALHOST", False), ("192.168.0.1", True)],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_environment_counts_for_other_machines_only(scheme, host, trusted):
    assert _network_options(f"{scheme}://{host}:8080/v1")["trust_env"] is trusted


# refusals (C11 to C37)

REFUSALS = {
    "C11": (status(400), BadRequestError, 0, False),
    "C14": (status(402, "no credit"), QuotaError, 0, True),
    "C15": (status(403), AuthError, 0, True),
    "C17": (status(404, "no such path"), BadRequestError, 0, False),
    "C18 405": (status(405), BadRequestError, 0, False),
    "C18 418": (status(418), BadRequestError, 0, False),
    "C18 451": (status(451), BadRequestError, 0, False),
    "C18 499": (status(499), BadRequestError, 0, False),
    "C19": (status(408), TimedOutError, 2, True),
    "C20": (status(409), ServerError, 2, True),
    "C21": (status(413), ContextTooLongError, 0, True),
    "C22": (status(422), BadRequestError, 0, False),
    "C23": (status(425), ServerError, 1, True),
    "C24": (status(429), RateLimitError, 2, True),
    "C25": (said(429, "insufficient_quota"), QuotaError, 0, True),
    "C25 billing": (status(429, "check your plan and billing details"), QuotaError, 0, True),
    "C25 balance": (status(400, "Your credit balance is too low"), QuotaError, 0, True),
    "C32 500": (status(500), ServerError, 2, True),
    "C32 501": (status(501), ServerError, 0, True),
    "C32 502": (status(502), ServerError, 2, True),
    "C32 503": (status(503), ServerError, 2, True),
    "C32 504": (status(504), ServerError, 2, True),
    "C32 520": (status(520), ServerError, 2, True),
    "C32 524": (status(524), ServerError, 2, True),
    "C33": (status(529), ServerError, 2, True),
    "content filter": (said(400, "content_filter"), ContentFilteredError, 0, False),
    "content policy": (said(400, "content_policy_violation"), ContentFilteredError, 0, False),
}


@pytest.mark.parametrize("row", REFUSALS)
def test_a_refusal_by_status(talk, row):
    reply, kind, retries, falls_back = REFUSALS[row]
    error = talk.fail(reply)
    assert type(error) is kind
    assert (error.retries, error.falls_back) == (retries, falls_back)
    assert (error.model, error.provider) == ("small", "local")
    assert f"HTTP {error.status}" in str(error)
    assert talk.stub.count == 1


@pytest.mark.parametrize("code", [400, 401, 429, 500])
def test_the_connection_survives_a_refusal(talk, code):
    talk.fail(status(code))
    talk.fail(status(code))
    assert talk.stub.connections == 1


def test_the_servers_own_words_are_shown(talk):
    assert "messages must not be odd" in str(talk.fail(status(400, "messages must not be odd")))


def test_a_long_answer_to_a_refusal_does_not_hide_what_to_do(stub):
    talk = Talking(stub, spec={"api_key_env": "STUB_API_KEY"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUB_API_KEY", "a-key-of-the-stub")
        assert "STUB_API_KEY" in str(talk.fail(status(401, "word " * 500)))


def test_a_key_that_the_server_echoes_is_redacted(stub, monkeypatch):
    monkeypatch.setenv("STUB_API_KEY", "custom-canary-4711")
    talk = Talking(stub, spec={"api_key_env": "STUB_API_KEY"})
    error = talk.fail(
        status(401, "Incorrect key custom-canary-4711 or sk-abcdefghij1234567890abcd")
    )
    assert type(error) is AuthError
    assert "canary" not in str(error)
    assert "abcdefghij" not in str(error)
    assert "STUB_API_KEY" in str(error)


def test_a_key_of_another_provider_is_guessed(stub, monkeypatch):
    monkeypatch.setenv("STUB_API_KEY", "sk-ant-api03-" + "x" * 40)
    error = Talking(stub, spec={"api_key_env": "STUB_API_KEY"}).fail(status(401))
    assert "anthropic" in str(error)


@pytest.mark.parametrize(
    "reply",
    [
        said(404, "model_not_found"),
        status(404, "The model `small` does not exist or you do not have access to it."),
        status(404, 'model "small" not found, try pulling it first'),
        status(400, "Invalid model name passed in model=small"),
    ],
    ids=["code", "openai", "ollama", "litellm"],
)
def test_an_unknown_model_names_its_neighbours(talk, reply):
    talk.stub.models = ["smaller", "smallest", "embedding-x"]
    error = talk.fail(reply)
    assert type(error) is UnknownModelError
    assert (error.retries, error.falls_back) == (0, True)
    assert "smaller" in str(error)
    assert "embedding" not in str(error)
    assert (talk.stub.count, len(talk.stub.gets)) == (1, 1)


def test_an_unknown_model_where_the_list_is_refused(talk):
    assert type(talk.fail(said(404, "model_not_found"))) is UnknownModelError


def test_ollamas_own_words_come_first_with_the_command_that_gets_the_model(stub):
    stub.models = ["qwen3:4b"]
    talk = Talking(stub, spec={"model": "qwen3:8b", "provider": "ollama"})
    error = talk.fail(
        answer({"error": {"message": "model 'qwen3:8b' not found", "type": "not_found_error"}}, 404)
    )
    assert str(error) == (
        "small: model 'qwen3:8b' not found; run ollama pull qwen3:8b; it has qwen3:4b"
    )
    assert error.said == "model 'qwen3:8b' not found"


def test_a_models_name_cannot_smuggle_a_command_into_the_one_to_run(stub):
    talk = Talking(stub, spec={"model": "x;curl$IFS-evil|sh", "provider": "ollama"})
    error = talk.fail(status(404, 'model "x" not found, try pulling it first'))
    assert "ollama pull 'x;curl$IFS-evil|sh'" in str(error)


def test_the_words_of_an_endpoint_without_the_model_are_kept(stub):
    said = "No models loaded. Please load a model with `lms load`."
    error = Talking(stub).fail(status(404, said, error={"code": "model_not_found"}))
    assert said in str(error)


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("API key not valid. Please pass a valid API key.", "STUB_API_KEY"),
        ("Incorrect API key provided: xa***ey.", "STUB_API_KEY"),
    ],
    ids=["gemini", "xai"],
)
def test_a_key_that_is_refused_with_400_is_a_matter_of_the_key(stub, monkeypatch, message, named):
    monkeypatch.setenv("STUB_API_KEY", "some-key-1234567")
    reply = answer(
        [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}], 400
    )
    error = Talking(stub, spec={"api_key_env": "STUB_API_KEY"}).fail(reply)
    assert type(error) is AuthError
    assert named in str(error)


@pytest.mark.parametrize(("path", "hint"), [("", "/v1"), ("/v1", "check base_url")])
def test_a_wrong_path_says_what_base_url_to_try(stub, path, hint):
    url = f"http://127.0.0.1:{stub.port}{path}"
    error = Talking(stub, spec={"base_url": url}).fail(http(404, b"<html>nope</html>"))
    assert type(error) is BadRequestError
    assert hint in str(error)


TOO_LONG = {
    "openai": (
        said(400, "context_length_exceeded", "This model's maximum context length is 8192 tokens."),
        8192,
    ),
    "llama.cpp": (
        answer(
            {
                "error": {
                    "code": 400,
                    "type": "exceed_context_size_error",
                    "message": "x",
                    "n_ctx": 2048,
                }
            },
            400,
        ),
        2048,
    ),
    "anthropic": (status(400, "prompt is too long: 210000 tokens > 200000 maximum"), 200_000),
    "gemini": (
        status(
            400,
            "The input token count (1200000) exceeds the maximum number of tokens allowed"
            " (1048576).",
        ),
        1_048_576,
    ),
    "mistral": (
        status(400, "Prompt too large for model with 32,768 maximum context length"),
        32_768,
    ),
    "unsaid": (said(400, "context_length_exceeded", "too much"), None),
}


@pytest.mark.parametrize("server", TOO_LONG)
def test_a_prompt_over_the_window_tells_the_window(talk, server):
    reply, window = TOO_LONG[server]
    error = talk.fail(reply)
    assert (type(error), error.window) == (ContextTooLongError, window)
    assert window is None or str(window) in str(error)


RETRY_AFTER = {
    "seconds": ({"Retry-After": "1"}, 1.0),
    "fraction": ({"Retry-After": "0.25"}, 0.25),
    "milliseconds": ({"retry-after-ms": "300", "Retry-After": "9"}, 0.3),
    "an hour": ({"Retry-After": "3600"}, 3600.0),
    "zero": ({"Retry-After": "0"}, None),
    "negative": ({"Retry-After": "-5"}, None),
    "words": ({"Retry-After": "soon"}, None),
    "nan": ({"Retry-After": "NaN"}, None),
    "infinite": ({"Retry-After": "1e999"}, None),
    "a year": ({"Retry-After": "31536000"}, 86_400.0),
    "garbage in ms": ({"retry-after-ms": "x", "Retry-After": "2"}, 2.0),
    "past date": ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
}


@pytest.mark.parametrize("case", RETRY_AFTER)
def test_the_wait_a_server_asks_for(whole, case):
    headers, wait = RETRY_AFTER[case]
    assert whole.fail(status(429, headers=headers)).retry_after == wait


def test_a_wait_until_a_date_is_read_by_the_servers_clock(whole):
    wrong = time.time() - 86_400  # its clock is a day late, and that must not matter
    dates = {
        "Date": formatdate(wrong, usegmt=True),
        "Retry-After": formatdate(wrong + 2, usegmt=True),
    }
    assert whole.fail(status(503, headers=dates)).retry_after == pytest.approx(2.0)


def test_a_wait_until_a_date_without_a_clock(whole):
    headers = {"Retry-After": formatdate(time.time() + 3, usegmt=True)}
    assert 1.0 < whole.fail(status(429, headers=headers)).retry_after <= 3.0


@pytest.mark.parametrize(("code", "word", "retries"), [(500, "false", 0), (400, "true", 2)])
def test_x_should_retry_is_obeyed(talk, code, word, retries):
    assert talk.fail(status(code, headers={"x-should-retry": word})).retries == retries


def test_an_html_page_of_a_gateway_is_not_shown(talk):
    page = b"<html><script>alert(1)</script><h1>502 Bad Gateway</h1></html>"
    error = talk.fail(http(502, page, content_type="text/html"))
    assert type(error) is ServerError
    assert "HTML" in str(error)
    assert "alert" not in str(error)


def test_markup_and_control_characters_in_a_refusal_are_taken_out(talk):
    error = talk.fail(status(400, "bad\x1b[31m <b onload=x>thing</b>\n‮ here"))
    assert "bad [31m thing here" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "plain words"}',
        b'{"detail": "plain words"}',
        b'{"detail": [{"msg": "plain words", "loc": ["body"]}]}',
        b'{"message": "plain words"}',
        b'[{"error": {"message": "plain words", "code": 400}}]',
        b"plain words",
    ],
)
def test_a_refusal_in_another_shape(talk, body):
    error = talk.fail(http(400, body))
    assert type(error) is BadRequestError
    assert "plain words" in str(error)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 50_000])
def test_a_refusal_without_words(talk, body):
    assert type(talk.fail(http(400, body))) is BadRequestError


def test_a_refusal_that_drips_does_not_hold_the_caller(stub, monkeypatch):
    monkeypatch.setattr(client, "ERROR_SECONDS", 0.3)
    talk = Talking(stub)
    error = talk.fail(status(503, "overloaded " * 50).dripped(0.1, skip=100))
    assert type(error) is ServerError
    assert talk.seconds < IN_TIME


def test_a_refusal_without_end_is_not_read_to_it(talk):
    head = b"HTTP/1.1 500 no\r\nContent-Type: text/plain\r\n\r\n"
    error = talk.fail(raw(head, *[b"x" * 100_000] * 200))
    assert type(error) is ServerError
    talk.stub.wait_for_hang_up()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(talk, code):
    with StubServer() as other:
        error = talk.fail(redirect(f"{other.base_url}/chat/completions", code))
        assert (other.count, len(other.gets)) == (0, 0)
    assert (type(error), error.retries) == (BadResponseError, 0)
    assert f"127.0.0.1:{other.port}" in str(error)
    assert talk.stub.count == 1
