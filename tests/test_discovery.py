"""Local servers: what they say is read, what they may do is bounded, whose they are is seen."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import local_servers as servers
from support.stub_server import (
    RESET,
    Asked,
    Reply,
    StubServer,
    answer,
    broken,
    hang,
    http,
    raw,
    redirect,
    status,
)

from mmai_nb.discovery import finder, owners
from mmai_nb.discovery.asking import Reply as Told
from mmai_nb.discovery.finder import Finder, Found
from mmai_nb.discovery.owners import strangers
from mmai_nb.discovery.servers import Server, models_of
from mmai_nb.discovery.sizing import tiers_by_size
from mmai_nb.providers import LOCAL_SERVERS, TIER_BOUNDS, local_model, ollama_address
from mmai_nb.specs import Settings

pytestmark = pytest.mark.usefixtures("unhurried")

KINDS = list(LOCAL_SERVERS)
IN_TIME = 10.0  # seconds; what is cut off would take 20 or more, the cutting 0.2 and a busy machine


def looked(stub: StubServer, kind: str, routes: dict[str, Any]) -> Found:
    stub.routes = routes
    return Finder([Server(kind, stub.port)]).look()


def models(stub: StubServer, kind: str, routes: dict[str, Any]) -> dict[str, Any]:
    return dict(looked(stub, kind, routes).models)


# what they say


def test_ollamas_models_are_free_and_know_their_window_and_abilities(stub):
    routes = servers.ollama(
        servers.ollama_model("qwen3-vl:8b"),
        details={"qwen3-vl:8b": servers.shown(262144, "completion", "vision", "tools")},
    )
    found = models(stub, "ollama", routes)
    assert found == {
        "ollama/qwen3-vl:8b": {
            "model": "qwen3-vl:8b",
            "provider": "ollama",
            "base_url": stub.base_url,
            "input_price": 0,
            "output_price": 0,
            "context_window": 262144,
            "capabilities": ["json_schema", "images", "tools"],
        }
    }


def test_the_window_that_a_model_runs_with_goes_before_the_one_it_could_have(stub):
    routes = servers.ollama(
        *map(servers.ollama_model, ("running:8b", "told:8b", "plain:8b")),
        details={"told:8b": servers.shown(40960, parameters="num_ctx    16384\nstop   x")},
        running={"running:8b": 4096},
    )
    windows = {name: row["context_window"] for name, row in models(stub, "ollama", routes).items()}
    assert windows == {
        "ollama/running:8b": 4096,
        "ollama/told:8b": 16384,
        "ollama/plain:8b": 40960,
    }


def test_the_tag_that_ollama_takes_for_granted_is_left_out_of_the_name(stub):
    routes = servers.ollama(servers.ollama_model("llama3.2:latest"))
    assert list(models(stub, "ollama", routes)) == ["ollama/llama3.2"]


@pytest.mark.parametrize(
    "row",
    [
        servers.ollama_model("nomic:v1", family="nomic-bert"),
        servers.ollama_model("mxbai-embed-large:latest"),
        servers.ollama_model("qwen3-reranker:0.6b"),
        servers.ollama_model("gpt-oss:120b-cloud"),
        servers.ollama_model("kimi:x", remote_host="https://ollama.com:443", remote_model="k"),
    ],
    ids=["bert", "embed", "rerank", "cloud by name", "cloud"],
)
def test_what_cannot_chat_or_is_not_here_is_left_out(stub, row):
    routes = servers.ollama(servers.ollama_model("qwen3:8b"), row)
    assert list(models(stub, "ollama", routes)) == ["ollama/qwen3:8b"]


def test_a_model_that_says_it_only_embeds_is_left_out(stub):
    routes = servers.ollama(
        servers.ollama_model("x:1b"), details={"x:1b": servers.shown(2048, "embedding")}
    )
    assert models(stub, "ollama", routes) == {}


def test_lm_studio_is_read_in_its_newer_shape(stub):
    running = [{"id": "a", "config": {"context_length": 8192}}]
    able = {"vision": True, "trained_for_tool_use": True, "reasoning": {"default": "on"}}
    routes = servers.lmstudio(
        servers.lmstudio_model("google/gemma-4", "4B", loaded_instances=running, capabilities=able),
        servers.lmstudio_model("idle"),
        {"type": "embedding", "key": "nomic"},
    )
    found = models(stub, "lmstudio", routes)
    assert list(found) == ["lmstudio/google/gemma-4", "lmstudio/idle"]
    first = found["lmstudio/google/gemma-4"]
    assert first["context_window"] == 8192
    assert first["capabilities"] == ["json_schema", "images", "tools", "thinking"]
    assert found["lmstudio/idle"]["context_window"] == 131072


def test_lm_studio_is_read_in_its_older_shape(stub):
    routes = servers.old_lmstudio(
        servers.old_lmstudio_model("qwen2-vl-7b", type="vlm", capabilities=["tool_use"]),
        servers.old_lmstudio_model("llama", state="loaded", loaded_context_length=4096),
        servers.old_lmstudio_model("nomic", type="embeddings"),
    )
    found = models(stub, "lmstudio", routes)
    assert found["lmstudio/qwen2-vl-7b"]["capabilities"] == ["json_schema", "images", "tools"]
    assert found["lmstudio/llama"]["context_window"] == 4096
    assert len(found) == 2


@pytest.mark.parametrize("kind", ["llamacpp", "vllm"])
@pytest.mark.parametrize(
    ("routes", "line"),
    [
        (
            servers.llamacpp(),
            "{'llamacpp/Qwen3-8B-Q4_K_M': {'model': '../models/Qwen3-8B-Q4_K_M.gguf', 'base_url': "
            "'URL', 'input_price': 0, 'output_price': 0, 'context_window': 8192}}",
        ),
        (
            servers.vllm(),
            "{'vllm/Qwen3-8B': {'model': 'Qwen/Qwen3-8B', 'base_url': 'URL', 'input_price': 0, "
            "'output_price': 0, 'context_window': 32768}}",
        ),
    ],
    ids=["llama.cpp", "vLLM"],
)
def test_llama_cpp_and_vllm_are_offered_on_either_port_and_never_chosen(stub, kind, routes, line):
    found = looked(stub, kind, routes)
    assert found.models == {}
    (offer,) = found.offers
    assert offer.line == f"ai.configure(models={line.replace('URL', stub.base_url)})"


def test_the_offered_line_is_python_that_configure_takes(stub):
    (offer,) = looked(stub, "vllm", servers.vllm('it\'s/a "name"-7b')).offers or [None]
    assert offer is None  # a space is in no name
    (offer,) = looked(stub, "vllm", servers.vllm('it\'s/a"name"-7b')).offers
    given = eval(offer.line, {"ai": type("ai", (), {"configure": staticmethod(dict)})})
    settings = Settings(**given)
    assert settings.models['vllm/a"name"-7b'].model == 'it\'s/a"name"-7b'


@pytest.mark.parametrize(("locked", "model"), [("props", "tiny"), ("all", "MODEL")])
def test_a_llama_cpp_that_wants_a_key_is_offered_with_the_name_of_one(stub, locked, model):
    (offer,) = looked(stub, "vllm", servers.llamacpp("tiny", locked=locked)).offers
    assert f"{{'llamacpp/{model}': {{'model': '{model}'" in offer.line
    assert "'api_key_env': 'LLAMACPP_API_KEY'" in offer.line


def test_an_lm_studio_that_wants_a_key_is_offered_too(stub):
    routes = dict.fromkeys(("/api/v1/models", "/api/v0/models"), status(401, "no token"))
    (offer,) = looked(stub, "lmstudio", routes).offers
    assert "'api_key_env': 'LMSTUDIO_API_KEY'" in offer.line


def test_whatever_else_wants_a_key_on_a_common_port_is_not_mentioned(stub):
    routes = dict.fromkeys(("/v1/models", "/props"), status(401, "log in first"))
    assert looked(stub, "llamacpp", routes) == Found()


def test_another_server_on_a_common_port_is_not_mentioned(stub):
    listed = {"object": "list", "data": [{"id": "x", "owned_by": "somebody"}]}
    assert looked(stub, "vllm", {"/v1/models": answer(listed)}) == Found()


# what they may do


def dripping(body: bytes = b"x" * 1000) -> Reply:
    return http(200, body).dripped(0.02)


def drips_its_headers() -> Reply:
    return Reply([b"HTTP/1.1 200 OK\r\nA: " + b"x" * 1000], keep=False).dripped(0.02)


BAD: dict[str, Callable[[], Reply]] = {
    "hangs": hang,
    "drips": dripping,
    "drips its headers": drips_its_headers,
    "never ends its headers": lambda: raw(b"HTTP/1.1 200 OK\r\n", 30.0),
    "says 100 Continue for ever": lambda: raw(*[b"HTTP/1.1 100 Continue\r\n\r\n", 0.02] * 1000),
    "closes": broken,
    "resets": lambda: broken(RESET),
    "garbage": lambda: raw(b"\x00\xff" * 400),
    "HTML": lambda: http(200, b"<html>hello</html>", content_type="text/html"),
    "a redirect": lambda: redirect("http://192.0.2.1/api/tags"),
    "not found": lambda: status(404),
    "an error": lambda: status(500),
    "10 MB": lambda: http(200, b'{"models": [' + b'{"name": "x"},' * 700_000 + b"{}]}"),
    "deep JSON": lambda: http(200, b"[" * 100_000),
    "an endless number": lambda: http(200, b'{"models": ' + b"9" * 50_000 + b"}"),
    "no UTF-8": lambda: http(200, b'{"models": ["\xff"]}'),
    "nothing": lambda: http(200, b""),
    "null": lambda: answer(None),
    "a list": lambda: answer([1, 2]),
    "another shape": lambda: answer({"models": {"a": 1}, "data": "x"}),
    "rows of another shape": lambda: answer({"models": [1, None, {}], "data": [[], {"id": 3}]}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", BAD)
def test_a_server_that_misbehaves_is_not_found_in_time(stub, hurried, kind, bad):
    reply = BAD[bad]()
    paths = ("/api/tags", "/api/ps", "/api/v1/models", "/api/v0/models", "/v1/models", "/props")
    stub.routes = dict.fromkeys(paths, reply)
    begin = time.monotonic()
    assert Finder([Server(kind, stub.port)]).look() == Found()
    assert time.monotonic() - begin < IN_TIME


def test_one_that_hangs_does_not_hide_the_others(stub, monkeypatch):
    monkeypatch.setattr(finder, "ROUND_SECONDS", 1.0)
    with StubServer() as stuck:
        stuck.routes = dict.fromkeys(("/v1/models", "/props"), hang())
        stub.routes = servers.ollama(servers.ollama_model("qwen3:8b"))
        found = Finder([Server("vllm", stuck.port), Server("ollama", stub.port)]).look()
    assert list(found.models) == ["ollama/qwen3:8b"]


def test_the_servers_are_asked_side_by_side(stub):
    listed = threading.Event()
    known = servers.ollama(servers.ollama_model("qwen3:8b"))

    def tags(asked: Asked) -> Reply:
        listed.set()
        return known["/api/tags"]

    def last(asked: Asked) -> Reply:
        return broken() if listed.wait(20) else status(500)

    stub.routes = {**known, "/api/tags": tags}
    with StubServer() as slow:
        slow.routes = dict.fromkeys(("/v1/models", "/props"), last)
        found = Finder([Server("vllm", slow.port), Server("ollama", stub.port)]).look()
    assert list(found.models) == ["ollama/qwen3:8b"]


def test_details_that_do_not_come_leave_the_model_without_them(stub, monkeypatch):
    known = servers.ollama(servers.ollama_model("qwen3:8b"))

    def tags(asked: Asked) -> Reply:
        monkeypatch.setattr(finder, "ROUND_SECONDS", 0.1)  # from the next round on
        return known["/api/tags"]

    stub.routes = {**known, "/api/tags": tags, "/api/show": hang()}
    (row,) = Finder([Server("ollama", stub.port)]).look().models.values()
    assert "context_window" not in row
    assert row["capabilities"] == ["json_schema"]


def test_nobody_listens_is_known_at_once():
    begin = time.monotonic()
    assert Finder([Server("ollama", 1), Server("lmstudio", 2)]).look() == Found()
    assert time.monotonic() - begin < IN_TIME


def test_no_proxy_is_asked(stub, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    found = models(stub, "ollama", servers.ollama(servers.ollama_model("qwen3:8b")))
    assert list(found) == ["ollama/qwen3:8b"]


HOSTILE = [
    "",
    "with space",
    "line\nbreak",
    "bidi\u202etxt",
    "tag\U000e0041",
    "x" * 300,
    "sk-proj-Tq7rXb2LmN9vKc4ZpW8yHd3FgJ6sAe1",
    "\ud800",
    "\x1b[31m",
]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_a_name_that_settings_would_not_take_is_left_out(stub, name):
    rows = [servers.ollama_model(name), servers.ollama_model("qwen3:8b")]
    assert list(models(stub, "ollama", servers.ollama(*rows))) == ["ollama/qwen3:8b"]


@pytest.mark.parametrize("window", [0, -1, True, "many", 10**12, 1.5, None, [4096]], ids=repr)
def test_a_window_that_cannot_be_is_unknown(stub, window):
    routes = servers.ollama(
        servers.ollama_model("m:8b"), details={"m:8b": servers.shown(window, "completion")}
    )
    assert "context_window" not in models(stub, "ollama", routes)["ollama/m:8b"]


def test_only_so_many_models_are_taken(stub):
    rows = [servers.lmstudio_model(f"m{i}") for i in range(500)]
    assert len(models(stub, "lmstudio", servers.lmstudio(*rows))) == 100


WORDS = """models data name id key type state details family parameter_size capabilities config
model_info x.context_length context_length loaded_instances owned_by max_model_len n_ctx modalities
default_generation_settings vision params_string remote_host"""
KEYS = st.sampled_from(WORDS.split()) | st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
ROWS = st.fixed_dictionaries({"models": st.lists(JSON, max_size=3), "data": st.lists(JSON)}) | JSON


@given(kind=st.sampled_from(KINDS), replies=st.lists(ROWS, min_size=2, max_size=4))
def test_any_json_is_read_without_a_fault_and_what_it_gives_are_settings(kind, replies):
    first, further = [Told(200, data) for data in replies[:2]], [Told(200, d) for d in replies[2:]]
    for model in models_of(Server(kind, 1), first, further) or ():
        row = {"base_url": "http://127.0.0.1:1/v1", "model": model.id}
        row |= {} if model.window is None else {"context_window": model.window}
        Settings(models={"m": {**row, "capabilities": list(model.capabilities)}})
        json.dumps(model.billions)


# whose they are


def proc(folder: Path, *rows: tuple[str, int, int], table: str = "tcp", state: str = "0A") -> Path:
    """A /proc/net with listeners: address, port, user."""
    lines = ["  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"]
    for number, (address, port, user) in enumerate(rows):
        lines.append(
            f"   {number}: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 "
            f"00:00000000 00000000  {user}        0 1234 1 0000000000000000 100 0 0 10 0"
        )
    (folder / table).write_text("\n".join(lines) + "\n")
    return folder


LOCAL4, ANY4 = "0100007F", "00000000"
ANY6, MAPPED = "0" * 32, "0000000000000000FFFF00000100007F"


@pytest.mark.parametrize(
    ("table", "address"), [("tcp", LOCAL4), ("tcp", ANY4), ("tcp6", ANY6), ("tcp6", MAPPED)]
)
def test_another_persons_listener_is_seen(tmp_path, table, address):
    folder = proc(tmp_path, (address, 11434, os.geteuid() + 1234), table=table)
    assert strangers({11434, 1234}, folder) == {11434: os.geteuid() + 1234}


@pytest.mark.parametrize("user", [0, 1, 998, os.geteuid()])
def test_the_user_and_the_systems_accounts_are_no_strangers(tmp_path, user):
    assert strangers({11434}, proc(tmp_path, (LOCAL4, 11434, user))) == {}


def test_only_listeners_at_this_machines_own_address_count(tmp_path):
    folder = proc(tmp_path, ("0A00000A", 11434, 5000), (LOCAL4, 11435, 5000))
    assert strangers({11434}, folder) == {}
    assert strangers({11434}, proc(tmp_path, (LOCAL4, 11434, 5000), state="01")) == {}


def test_where_the_system_does_not_tell_nobody_is_a_stranger(tmp_path):
    assert strangers({11434}, tmp_path / "absent") == {}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc/net here")
def test_the_kernels_own_table_knows_our_listener(stub, monkeypatch):
    assert strangers({stub.port}) == {}
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    monkeypatch.setattr(owners, "SYSTEM_ACCOUNTS", range(0))
    assert strangers({stub.port}) == {stub.port: os.getuid()}


def test_another_persons_server_is_not_even_asked(stub, tmp_path, monkeypatch):
    monkeypatch.setattr(owners, "PROC", proc(tmp_path, (LOCAL4, stub.port, 5000)))
    found = looked(stub, "ollama", servers.ollama(servers.ollama_model("qwen3:8b")))
    assert (found.models, found.strangers) == ({}, (f"127.0.0.1:{stub.port}",))
    assert stub.connections == 0


# what is remembered


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@contextlib.contextmanager
def watched(stub: StubServer, clock: list[float]) -> Iterator[Finder]:
    yield Finder([Server("ollama", stub.port)], clock=lambda: clock[0])


def test_what_was_found_is_asked_again_after_a_minute(stub, clock):
    stub.routes = servers.ollama(servers.ollama_model("a:8b"))
    with watched(stub, clock) as finding:
        first = finding.look()
        assert finding.look() is first is finding.known
        stub.routes = servers.ollama(servers.ollama_model("b:8b"))
        clock[0] += 59
        assert finding.look() is first
        clock[0] += 2
        assert list(finding.look().models) == ["ollama/b:8b"]


def test_nothing_found_is_asked_again_soon(stub, clock):
    with watched(stub, clock) as finding:
        assert finding.look() == Found()
        stub.routes = servers.ollama(servers.ollama_model("a:8b"))
        assert finding.look() == Found()
        clock[0] += 5
        assert list(finding.look().models) == ["ollama/a:8b"]


def test_a_fresh_look_asks_at_once(stub, clock):
    with watched(stub, clock) as finding:
        finding.look()
        stub.routes = servers.ollama(servers.ollama_model("a:8b"))
        assert list(finding.look(fresh=True).models) == ["ollama/a:8b"]


@pytest.mark.parametrize("how", ["hangs", "is gone"])
def test_a_server_that_was_there_stays(monkeypatch, clock, how):
    with StubServer() as server, watched(server, clock) as finding:
        server.routes = servers.ollama(servers.ollama_model("a:8b"))
        before = finding.look().models
        if how == "hangs":
            server.routes = dict.fromkeys(("/api/tags", "/api/ps"), hang())
            monkeypatch.setattr(finder, "ROUND_SECONDS", 0.1)
            assert finding.look(fresh=True).models == before
    if how == "is gone":
        assert finding.look(fresh=True).models == before


def test_one_that_is_gone_makes_room_for_one_that_is_there(stub):
    stub.routes = servers.lmstudio(servers.lmstudio_model("b"))
    with StubServer() as gone:
        gone.routes = servers.ollama(servers.ollama_model("a:8b"))
        finding = Finder([Server("ollama", gone.port), Server("lmstudio", stub.port)])
        assert len(finding.look().models) == 2
    assert list(finding.look(fresh=True).models) == ["lmstudio/b"]


def test_details_known_before_are_not_lost_by_a_slow_answer(stub, monkeypatch, clock):
    stub.routes = servers.ollama(servers.ollama_model("a:8b"))
    with watched(stub, clock) as finding:
        before = finding.look().models
        stub.routes = {**stub.routes, "/api/show": hang()}
        monkeypatch.setattr(finder, "ROUND_SECONDS", 0.3)
        assert finding.look(fresh=True).models == before


# which tier they serve


@pytest.mark.parametrize(
    ("sizes", "firsts"),
    [
        ({"one": None}, ("one", "one", "one")),
        ({"s": 3.2, "m": 8.0, "l": 32.0}, ("s", "m", "l")),
        ({"weak": 0.6, "m": 8.0}, ("m", "m", "m")),
        ({"weak": 0.6, "weaker": 0.3}, ("weak", "weak", "weak")),
        ({"s": 4.0, "l": 70.0}, ("s", "l", "l")),
        ({"unknown": None, "l": 20.0}, ("unknown", "unknown", "l")),
    ],
)
def test_the_size_says_which_model_goes_first(sizes, firsts):
    tiers = tiers_by_size(sizes)
    assert [tier["name"] for tier in tiers] == list(TIER_BOUNDS)
    assert tuple(tier["chain"][0] for tier in tiers) == firsts


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3), st.none() | st.floats(0, 999), min_size=1
    )
)
def test_any_models_give_tiers_that_settings_take(sizes):
    rows = {name: {"base_url": "http://127.0.0.1:1/v1"} for name in sizes}
    settings = Settings(models=rows, tiers=tiers_by_size(sizes))
    assert all(1 <= len(tier.chain) <= 3 for tier in settings.tiers)


@pytest.mark.parametrize(
    ("words", "billions"),
    [
        ("8.0B", 8.0),
        ("494.03M", 0.49403),
        ("8x7B", 56.0),
        ("30B-A3B", 30.0),
        ("qwen3:8b", 8.0),
        ("llama-3.2-1b-instruct", 1.0),
        ("openai/gpt-oss-20b", 20.0),
        ("gemma-3n-e4b", 4.0),
        ("phi-4", None),
        ("model-4bit", None),
        ("qwen2.5:latest", None),
    ],
)
def test_the_size_is_read_from_words(stub, words, billions):
    model = servers.lmstudio_model("m", words)
    replies = [Told(200, {"models": [model]}), Told()]
    (found,) = models_of(Server("lmstudio", 1), replies, ()) or ()
    assert found.billions == pytest.approx(billions)


# where they are


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("", ("127.0.0.1", 11434)),
        ("127.0.0.1:9999", ("127.0.0.1", 9999)),
        ("0.0.0.0", ("127.0.0.1", 11434)),
        ("0.0.0.0:8000", ("127.0.0.1", 8000)),
        (":8001", ("127.0.0.1", 8001)),
        ("localhost:8002", ("127.0.0.1", 8002)),
        ("http://localhost:8003/", ("127.0.0.1", 8003)),
        ("http://localhost", ("127.0.0.1", 80)),
        ("[::1]:8004", ("[::1]", 8004)),
        ('"127.0.0.1:8005"', ("127.0.0.1", 8005)),
        ("gpu-box:11434", ("127.0.0.1", 11434)),
        ("192.168.1.5", ("127.0.0.1", 11434)),
        ("https://localhost:8006", ("127.0.0.1", 11434)),
        ("127.0.0.1:99999", ("127.0.0.1", 11434)),
        ("[::1", ("127.0.0.1", 11434)),
    ],
)
def test_ollama_is_where_its_variable_says_if_that_is_this_machine(told, address):
    assert ollama_address({"OLLAMA_HOST": told}) == address


def test_the_usual_ports_are_looked_at_and_ollamas_own(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "localhost:9001")
    where = {server.kind: server.port for server in Finder()._servers()}
    assert where == {"ollama": 9001, "lmstudio": 1234, "llamacpp": 8080, "vllm": 8000}


def test_what_ollama_fetches_from_elsewhere_is_not_free():
    row = local_model("ollama/gpt-oss:120b-cloud")
    assert row is not None
    assert "input_price" not in row
    assert [local_model(name) for name in ("llamacpp/x", "ollama/", "ollama", "ollamax")] == [
        None
    ] * 4
