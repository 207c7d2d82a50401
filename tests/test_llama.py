"""The client against a real peer that others wrote: llama.cpp's server with a tiny random model."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from support.llama_server import llama_server

from mmai_nb.caching import AnswerCache
from mmai_nb.client import Client
from mmai_nb.discovery.finder import Finder, Offer
from mmai_nb.discovery.servers import Server
from mmai_nb.engine import Engine
from mmai_nb.errors import AuthError, BadRequestError, ContextTooLongError
from mmai_nb.ledger import Ledger
from mmai_nb.records import Message, Request
from mmai_nb.settings import ModelSpec, Settings

pytestmark = [pytest.mark.llama, pytest.mark.slow, pytest.mark.usefixtures("unhurried")]

SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "n": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["ok", "n"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    with llama_server(tmp_path_factory.mktemp("llama")) as server:
        yield server


@pytest.fixture
def spec(llama, monkeypatch):
    monkeypatch.setenv("LLAMA_API_KEY", llama.key)
    return ModelSpec(
        name="tiny", model=llama.alias, base_url=llama.base_url, api_key_env="LLAMA_API_KEY"
    )


@pytest.fixture
def client():
    client = Client(Settings(timeout=60.0))
    yield client
    client.close()


def ask(prompt="hello", max_tokens=12, **more):
    params = {"max_tokens": max_tokens, "temperature": 0, "seed": 1, **more.pop("params", {})}
    return Request((Message("user", prompt),), params=params, **more)


def test_chat_has_text_and_usage(client, spec):
    answered = client.call(ask(), spec)
    assert answered.text
    assert answered.finish_reason == "length"
    assert answered.usage.output_tokens == 12
    assert answered.usage.input_tokens > 5
    assert not answered.usage.estimated
    assert answered.response_model == spec.model


def test_a_stream_gives_the_same_text_in_pieces(client, spec):
    pieces = []
    streamed = client.call(ask(), spec, pieces.append)
    assert len(pieces) > 3
    assert "".join(pieces) == streamed.text == client.call(ask(), spec).text
    assert streamed.usage.output_tokens == 12
    assert not streamed.usage.estimated
    assert 0 < streamed.first_token_s <= streamed.duration_s


def test_an_answer_is_held_to_a_schema(client, spec):
    answered = client.call(ask(schema=SCHEMA, format="json", max_tokens=300), spec)
    found = json.loads(answered.text)
    assert set(found) == {"ok", "n"}
    assert 1 <= found["n"] <= 9


def test_json_mode_gives_json(client, spec):
    answered = client.call(ask(format="json", max_tokens=300), spec, lambda _: None)
    assert answered.text.lstrip().startswith("{")


@pytest.mark.parametrize("on_text", [None, lambda _: None], ids=["whole", "streamed"])
def test_a_bad_parameter_is_the_callers_fault(client, spec, on_text):
    with pytest.raises(BadRequestError) as refused:
        client.call(ask(params={"temperature": "hot"}), spec, on_text)
    assert refused.value.status == 400


def test_a_wrong_key_is_refused(client, spec, monkeypatch):
    monkeypatch.setenv("LLAMA_API_KEY", "quite-another-key")
    with pytest.raises(AuthError, match="LLAMA_API_KEY") as refused:
        client.call(ask(), spec)
    assert refused.value.status == 401


@pytest.mark.parametrize("on_text", [None, lambda _: None], ids=["whole", "streamed"])
def test_a_prompt_over_the_window_tells_its_size(client, spec, llama, on_text):
    with pytest.raises(ContextTooLongError) as refused:
        client.call(ask("word " * 6000), spec, on_text)
    assert refused.value.window == llama.window


def test_the_models_are_listed(client, spec, llama):
    assert client.list_models(spec) == [llama.alias]


def offered_at(llama) -> Offer:
    port = int(llama.base_url.split(":")[2].split("/")[0])
    (offer,) = Finder([Server("vllm", port)]).look().offers
    assert offer.where == f"llama.cpp at 127.0.0.1:{port}"
    return offer


def test_a_locked_server_is_offered_with_a_variable_for_its_key(llama):
    assert "'api_key_env': 'LLAMACPP_API_KEY'" in offered_at(llama).line


def test_an_open_server_is_offered_with_the_line_that_puts_it_to_use(tmp_path):
    with llama_server(tmp_path, key="") as llama:
        offer = offered_at(llama)
        assert offer.model.window == llama.window
        settings = eval(offer.line, {"ai": SimpleNamespace(configure=Settings)})
        engine = Engine(settings, ledger=Ledger(None), cache=AnswerCache(None))
        answer = engine.ask("hello", max_tokens=5)
        engine.close()
    assert (answer.model, answer.cost_usd) == ("llamacpp/tiny-random", 0.0)
    assert len(answer) > 0


def test_the_tiny_model_is_the_same_each_time(tmp_path):
    pytest.importorskip("gguf", reason="no tiny model without gguf")
    pytest.importorskip("tokenizers", reason="no tiny model without tokenizers")
    from support.tiny_gguf import make_tiny_gguf

    first, second = (make_tiny_gguf(tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second
    assert len(first) < 1_000_000
