"""Connections, interrupts, secrets and the SDK below: what the client keeps and lets go."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import traceback

import openai
import pytest
from support.stub_server import (
    FOREVER,
    answer,
    broken,
    comments,
    completion,
    event,
    events,
    hang,
    http,
    ok,
    sse,
    status,
    stream,
)
from support.talking import IN_TIME, PATIENT, Talking
from support.waiting import soon

from mmai_nb.client import SDK_ERRORS, Client, translate
from mmai_nb.errors import MmaiError
from mmai_nb.records import Message, Request
from mmai_nb.settings import ModelSpec, Settings
from mmai_nb.wire import line
from mmai_nb.wire import talk as talking
from mmai_nb.wire.failures import Peer

# connections


def test_a_connection_is_used_again(talk, monkeypatch):
    monkeypatch.setattr(talking, "END_SECONDS", 20.0)
    for _ in range(3):
        talk.ask(sse("a") if talk.stream else ok())
    assert talk.stub.connections == 1


def test_a_connection_the_server_closed_is_opened_again(whole):
    whole.ask()
    whole.ask(ok().cut(10_000))
    assert soon(lambda: not whole.stub.open)
    whole.ask(ok("again"))
    assert whole.stub.connections == 2


def test_many_threads_share_one_client(stub):
    talk, answers = Talking(stub, True), []
    stub.play(lambda asked: sse(asked.json["messages"][0]["content"]).after(0.05))

    def ask(number):
        request = Request((Message("user", f"<{number}>"),))
        answers.append((number, talk.client.call(request, talk.spec, lambda _: None).text))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [(n, f"<{n}>") for n in range(12)]


def test_a_closed_client_leaves_no_connection_open(stub):
    talk = Talking(stub, True)
    talk.ask(sse("a"))
    talk.client.close()
    assert soon(lambda: not stub.open)


def test_a_forgotten_client_leaves_no_connection_open(stub):
    Talking(stub).ask()
    gc.collect()
    assert soon(lambda: not stub.open)


def test_no_worker_outlives_its_call(stub):
    talk = Talking(stub, True, timeout=0.3)
    for reply in (hang(), comments(), stream([*events("a")[:2], FOREVER])):
        talk.fail(reply)
        assert soon(lambda: not [t for t in threading.enumerate() if "_work" in t.name])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.slow
def test_a_forked_child_makes_its_own_connection(stub):
    code = f"""
        import os, sys
        from mmai_nb.client import Client
        from mmai_nb.records import Message, Request
        from mmai_nb.settings import ModelSpec, Settings
        spec = ModelSpec(name="small", base_url={stub.base_url!r})
        client, request = Client(Settings()), Request((Message("user", "x"),))
        client.call(request, spec)
        child = os.fork()
        if child == 0:
            os._exit(0 if client.call(request, spec).text == "hi" else 1)
        failed = os.waitpid(child, 0)[1]
        sys.exit(failed or client.call(request, spec).text != "hi")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=_root(), timeout=60)
    assert done.returncode == 0
    assert (stub.count, stub.connections) == (3, 2)


def _root() -> str:
    import mmai_nb

    return os.path.dirname(os.path.dirname(mmai_nb.__file__))


def test_it_works_inside_a_running_event_loop(talk):
    async def cell():
        return talk.ask(sse("a") if talk.stream else ok("a")).text

    assert asyncio.run(cell()) == "a"


# interrupts


@pytest.fixture(params=["to the process", "to another thread"])
def interrupt(request):
    """A signal in a moment; which thread of the process receives it is up to the system."""

    def send():
        if request.param == "to the process":
            os.kill(os.getpid(), signal.SIGINT)
        else:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: threading.Timer(0.1, send).start()
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_keeps_what_came_and_hangs_up(streamed, interrupt):
    def shown(piece):
        if piece == "far":
            interrupt()

    with pytest.raises(KeyboardInterrupt) as stopped:
        streamed.ask(stream([*events("so ", "far")[:3], FOREVER]), on_text=shown)
    assert streamed.seconds < IN_TIME
    partial = stopped.value.partial
    assert (partial.text, partial.finish_reason) == ("so far", None)
    assert partial.usage.estimated
    streamed.stub.wait_for_hang_up()


def test_an_interrupt_before_the_answer_hangs_up(talk, interrupt):
    def asked(_):
        interrupt()
        return hang()

    with pytest.raises(KeyboardInterrupt) as stopped:
        talk.ask(asked)
    assert talk.seconds < IN_TIME
    assert stopped.value.partial.text == ""
    talk.stub.wait_for_hang_up()


def test_an_interrupt_while_the_request_is_let_go_hangs_up(talk, monkeypatch):
    class Started(threading.Thread):
        def start(self):
            super().start()
            if "_work" in self.name:
                raise KeyboardInterrupt

    monkeypatch.setattr(line.threading, "Thread", Started)
    with pytest.raises(KeyboardInterrupt):
        talk.ask(hang())
    assert soon(lambda: not [t for t in threading.enumerate() if "_work" in t.name])


def test_after_an_interrupt_the_client_goes_on(streamed, interrupt):
    def asked(_):
        interrupt()
        return hang()

    with pytest.raises(KeyboardInterrupt):
        streamed.ask(asked)
    assert streamed.ask(sse("again")).text == "again"


# secrets

CANARY = "canary-3f81c2d9-of-the-client"


def seen_by_a_verbose_traceback(error):
    """All local names of the frames that a traceback shows, but for those of the tests."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                yield from (repr(value) for value in frame.f_locals.values())
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_the_key_is_in_no_error_trace_or_log(stub, monkeypatch, caplog):
    monkeypatch.setenv("STUB_API_KEY", CANARY)
    caplog.set_level(logging.DEBUG)
    talk = Talking(stub, True, spec={"api_key_env": "STUB_API_KEY"}, timeout=0.5)
    echo = {"error": {"message": f"bad key {CANARY}", "code": CANARY}}
    replies = [
        status(401, CANARY),
        answer(echo),
        stream([event(echo)]),
        broken(),
        hang(),
        http(200, f"{CANARY} {{".encode()),
        http(500, CANARY.encode()),
    ]
    for reply in replies:
        error = talk.fail(reply)
        assert CANARY not in f"{error} {error!r} {vars(error)}"
        assert CANARY not in " ".join(seen_by_a_verbose_traceback(error))
    assert stub.last.headers["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in caplog.text


def test_the_client_does_not_show_the_key(stub, monkeypatch):
    monkeypatch.setenv("STUB_API_KEY", CANARY)
    talk = Talking(stub, spec={"api_key_env": "STUB_API_KEY"})
    talk.ask()
    assert CANARY not in repr(talk.client) + repr(vars(talk.client))


# the SDK


def classes_of(base):
    for kind in base.__subclasses__():
        yield kind
        yield from classes_of(kind)


def test_every_error_of_the_sdk_has_a_meaning_here():
    import openai.lib.azure

    peer = Peer("small", "small", "local", "http://127.0.0.1:9/v1")
    for kind in {openai.OpenAIError, *classes_of(openai.OpenAIError)}:
        named = [c.__name__ for c in kind.__mro__ if c.__name__ in SDK_ERRORS]
        assert named, kind
        assert kind is openai.OpenAIError or named[0] != "OpenAIError", f"{kind} has no meaning yet"
        error = kind.__new__(kind)
        error.args = ("words of the SDK",)
        error.body, error.message, error.status_code = {"message": "no"}, "no", 400
        error.response = type("Response", (), {"headers": {}, "content": b"no"})()
        assert isinstance(translate(peer, error), MmaiError), kind


def test_a_mistake_of_our_own_is_not_taken_for_the_endpoints():
    mistake = ZeroDivisionError("ours")
    peer = Peer("small", "small", "local", "http://127.0.0.1:9/v1")
    assert translate(peer, mistake) is mistake


@pytest.mark.parametrize("fault", ["missing", "too old"])
def test_an_sdk_that_cannot_be_used_is_one_clear_line(stub, monkeypatch, fault):
    if fault == "missing":
        monkeypatch.setitem(sys.modules, "openai", None)
    else:
        monkeypatch.delattr(openai, "DefaultHttpxClient")
    assert "pip install" in str(Talking(stub).fail())


@pytest.mark.slow
def test_the_sdk_is_imported_at_the_first_call_only(stub):
    code = f"""
        import sys
        from mmai_nb.client import Client
        from mmai_nb.records import Message, Request
        from mmai_nb.settings import ModelSpec, Settings
        client = Client(Settings())
        assert "openai" not in sys.modules
        spec = ModelSpec(name="small", base_url={stub.base_url!r})
        print(client.call(Request((Message("user", "x"),)), spec).text)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=_root(),
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("hi\n", "")


def test_the_client_works_with_default_settings(stub):
    client = Client(Settings(**{k: v for k, v in PATIENT.items() if k == "timeout"}))
    spec = ModelSpec(name="small", base_url=stub.base_url)
    stub.play(answer(completion("plain")))
    assert client.call(Request((Message("user", "x"),)), spec).text == "plain"
