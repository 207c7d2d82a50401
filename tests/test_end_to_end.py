"""The whole walk over real sockets: what the server counted is what the ledger holds."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.llama_server import llama_server
from support.stub_server import chunk, event, http, ok, sse, status, stream

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import ChainExhaustedError, MmaiError, TruncatedStreamError
from mmai_nb.ledger import Ledger
from mmai_nb.offline import DemoServer
from mmai_nb.settings import Settings

FREE = {"input_price": 0, "output_price": 0}


@pytest.fixture
def engine(stub, tmp_path) -> Iterator[Engine]:
    settings = Settings(
        models={
            "a": {"base_url": stub.base_url, "input_price": 1.0, "output_price": 2.0},
            "b": {"base_url": stub.base_url, "input_price": 1.0, "output_price": 2.0},
        },
        tiers=[{"name": "only", "up_to": 1.0, "chain": ["a", "b"]}],
        backoff_base=0.01,
        gap_timeout=30.0,
        first_token_timeout=30.0,
    )
    made = Engine(
        settings, ledger=Ledger(tmp_path / "l.sqlite3"), cache=AnswerCache(tmp_path / "cache")
    )
    yield made
    made.close()


def unknown_parameter(name: str) -> Any:
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    return status(400, message, error={"param": name, "code": "unsupported_parameter"})


SCENARIOS: dict[str, tuple[list[Any], list[str]]] = {
    "an answer": ([ok("hi")], ["ok"]),
    "a stream": ([sse("h", "i")], ["ok"]),
    "busy, then an answer": ([status(503), ok("hi")], ["error", "ok"]),
    "slow down, then an answer": ([status(429, retry_after=0), ok("hi")], ["error", "ok"]),
    "no credit, then the next model": ([status(402), ok("hi")], ["error", "ok"]),
    "not allowed, then the next model": ([status(401), ok("hi")], ["error", "ok"]),
    "a parameter is refused once": ([unknown_parameter("max_tokens"), ok("hi")], ["adapted", "ok"]),
    "an empty answer, then one": ([ok(""), ok("hi")], ["error", "ok"]),
    "garbled, then an answer": ([http(200, b"{broken"), ok("hi")], ["error", "ok"]),
    "refused for good": ([status(400)], ["error"]),
    "everything fails": ([status(500)], ["error"] * 6),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_request_the_server_saw_is_one_row(engine, stub, name, streamed):
    plays, statuses = SCENARIOS[name]
    stub.play(*plays)
    on_text: Callable[[str], None] | None = (lambda piece: None) if streamed else None
    if statuses[-1] == "ok":
        assert engine.ask("hi", max_tokens=9, on_text=on_text) == "hi"
    else:
        with pytest.raises(MmaiError) as caught:
            engine.ask("hi", max_tokens=9, on_text=on_text)
        assert [a.status for a in caught.value.attempts] == statuses
    frame = engine.costs()
    assert stub.count == len(frame) == len(statuses)
    assert frame.status.tolist() == statuses
    assert not frame.cache_hit.any()


def test_what_a_call_costs_is_what_the_server_reported(engine, stub):
    stub.play(ok("hi"))
    answer = engine.ask("hi")
    assert answer.cost_usd == pytest.approx((11 * 1.0 + 7 * 2.0) / 1e6)
    assert engine.costs().cost_usd.sum() == answer.cost_usd


def test_a_stream_that_ends_too_soon_is_not_kept_and_its_text_is(engine, stub):
    stub.play(stream([event(chunk("The first ")), event(chunk("half"))]), ok("whole"))
    with pytest.raises(TruncatedStreamError) as caught:
        engine.ask("hi", on_text=lambda piece: None)
    assert caught.value.partial.text == "The first half"
    assert engine.last() == "The first half"
    assert engine.costs().status.tolist() == ["partial"]
    assert engine.ask("hi") == "whole"


def test_a_stream_that_nobody_watched_is_asked_again(engine, stub):
    stub.play(http(200, b'{"choices": [{"message"'), ok("whole"))
    assert engine.ask("hi") == "whole"


def test_sixty_four_threads_make_one_request(engine, stub):
    stub.play(ok("hi").after(0.3))
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(engine.ask("hi"))) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == ["hi"] * 64
    assert stub.count == 1


@pytest.mark.slow
def test_four_processes_make_one_request(engine, stub, tmp_path):
    stub.play(ok("hi").after(1.0))
    code = textwrap.dedent(
        f"""
        from pathlib import Path
        from mmai_nb.caching import AnswerCache
        from mmai_nb.engine import Engine
        from mmai_nb.ledger import Ledger
        from mmai_nb.settings import Settings
        free = {{"input_price": 0, "output_price": 0}}
        engine = Engine(
            Settings(models={{"a": {{"base_url": {stub.base_url!r}, **free}}}}),
            ledger=Ledger(Path({str(tmp_path / "shared.sqlite3")!r})),
            cache=AnswerCache(Path({str(tmp_path / "shared")!r})),
        )
        print(engine.ask("hi"))
        """
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [p.communicate(timeout=60)[0].strip() for p in running] == ["hi"] * 4
    assert stub.count == 1
    assert len(Ledger(tmp_path / "shared.sqlite3").frame()) == 4


def test_an_engine_made_anew_finds_the_answer_without_a_request(engine, stub, tmp_path):
    stub.play(ok("hi"))
    engine.ask("hi")
    again = Engine(engine.settings, ledger=Ledger(None), cache=AnswerCache(tmp_path / "cache"))
    assert again.ask("hi").cache_hit
    assert stub.count == 1


def test_nothing_the_user_did_not_set_is_on_the_wire(engine, stub):
    stub.play(ok("hi"))
    engine.ask("hi")
    assert set(stub.requests[0].json) == {"model", "messages"}


def test_the_key_is_in_no_artefact(stub, tmp_path, monkeypatch, caplog):
    canary = "canary-7f3a91c2e5d84b60"
    monkeypatch.setenv("ACME_API_KEY", canary)
    model = {"base_url": stub.base_url, "api_key_env": "ACME_API_KEY", **FREE}
    engine = Engine(
        Settings(models={"a": model}, backoff_base=0.01),
        ledger=Ledger(tmp_path / "kept" / "l.sqlite3"),
        cache=AnswerCache(tmp_path / "kept" / "cache"),
    )
    stub.play(ok("hi"), status(401, f"Incorrect API key provided: {canary}"))
    with caplog.at_level("DEBUG", "mmai_nb"):
        answer = engine.ask("hi")
        with pytest.raises(MmaiError) as caught:
            engine.ask("something else")
    engine.ledger.close()
    assert canary in stub.requests[0].headers["authorization"]
    texts = [str(caught.value), repr(getattr(caught.value, "__notes__", ""))]
    texts += [caplog.text, repr(answer), json.dumps(answer.mime_bundle()[0]), repr(vars(engine))]
    assert not [t for t in texts if canary in t]
    files = [p for p in (tmp_path / "kept").rglob("*") if p.is_file()]
    assert files
    assert not [p for p in files if canary.encode() in p.read_bytes()]
    engine.close()


def test_a_chain_that_fails_tells_each_models_reason_on_one_line(engine, stub):
    stub.play(status(401))
    with pytest.raises(ChainExhaustedError) as caught:
        engine.ask("hi")
    assert "a: Auth 401" in str(caught.value)
    assert "b: Auth 401" in str(caught.value)
    assert len(str(caught.value)) <= 200


@pytest.mark.slow
@pytest.mark.llama
def test_a_real_server_answers_a_whole_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with llama_server(tmp_path) as llama:
        monkeypatch.setenv("LLAMA_API_KEY", llama.key)
        model = {"base_url": llama.base_url, "api_key_env": "LLAMA_API_KEY", **FREE}
        engine = Engine(
            Settings(models={"tiny": {"model": llama.alias, **model}}),
            ledger=Ledger(tmp_path / "l.sqlite3"),
            cache=AnswerCache(tmp_path / "cache"),
        )
        pieces: list[str] = []
        schema = {
            "type": "object",
            "properties": {"ok": {"type": "boolean"}},
            "required": ["ok"],
            "additionalProperties": False,
        }
        first = engine.ask("Is it so?", schema=schema, max_tokens=300, on_text=pieces.append)
        again = engine.ask("Is it so?", schema=schema, max_tokens=300)
        assert isinstance(first.parsed["ok"], bool)
        assert "".join(pieces) == first
        assert (again.parsed, again.cache_hit) == (first.parsed, True)
        frame = engine.costs()
        assert frame.tokens_estimated.tolist() == [False, False]
        assert frame.cost_usd.tolist() == [0.0, 0.0]
        engine.close()


def test_usage_in_the_last_chunk_without_choices_is_taken(engine, stub):
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    stub.play(sse("hi", usage=usage))
    answer = engine.ask("hi", on_text=lambda piece: None)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (100, 20)


def test_a_wrong_answer_of_the_schema_is_not_kept(engine, stub):
    from mmai_nb.errors import SchemaMismatchError

    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    stub.play(ok('{"n": "many"}'), ok('{"n": 3}'))
    with pytest.raises(SchemaMismatchError):
        engine.ask("how many?", schema=schema)
    assert engine.ask("how many?", schema=schema).parsed == {"n": 3}
    assert stub.count == 2


def test_an_empty_answer_that_was_billed_is_booked(engine, stub):
    usage = {"prompt_tokens": 1000, "completion_tokens": 4000, "total_tokens": 5000}
    stub.play(ok("", finish="length", usage=usage), ok("fine"))
    engine.ask("hi", model="a", fallback=["b"])
    first = engine.costs().iloc[0]
    assert (first.status, first.output_tokens) == ("error", 4000)
    assert first.cost_usd == pytest.approx((1000 * 1.0 + 4000 * 2.0) / 1e6)


def test_a_rate_limit_that_points_to_the_billing_page_is_no_quota(engine, stub):
    text = "Rate limit reached: 3 requests per min. Add a card at example.com/account/billing"
    stub.play(status(429, text, error={"code": "rate_limit_exceeded"}), ok("fine"))
    assert engine.ask("hi", model="a") == "fine"
    assert engine.costs().error_type.tolist()[0] == "RateLimitError"


@pytest.mark.parametrize(
    "reply",
    [
        http(307, headers={"Location": "http://[::1"}),
        status(400, "maximum context length is " + "9" * 5000),
        status(400, "odd", error={"code": "4" * 5000}),
    ],
    ids=["location", "window", "code"],
)
def test_odd_words_of_a_server_are_an_error_of_ours(engine, stub, reply):
    stub.play(reply)
    with pytest.raises(MmaiError) as caught:
        engine.ask("hi", model="a")
    assert len(str(caught.value)) <= 200
    assert engine.costs().status.tolist() == ["error"]


def test_a_key_at_the_end_of_a_long_refusal_is_cut_out_whole(engine, stub, monkeypatch):
    from mmai_nb.redaction import register_secret

    key = "acme-51ab77c09de2f4-secret"
    register_secret(key)
    stub.play(status(401, "provided:" + " " * (3974 - len(key)) + key))
    with pytest.raises(MmaiError) as caught:
        engine.ask("hi", model="a")
    assert key[:-1] not in str(caught.value)


def test_a_follower_that_streams_gets_the_text_of_a_payer_that_does_not(engine, stub):
    stub.play(ok("whole").after(0.4))
    payer = threading.Thread(target=lambda: engine.ask("hi"))
    payer.start()
    while not stub.count:
        pass
    pieces: list[str] = []
    assert engine.ask("hi", on_text=pieces.append) == "whole"
    payer.join(10)
    assert pieces == ["whole"]
    assert stub.count == 1


# -- check and escalate, over the demo's own server


@pytest.fixture
def pair(tmp_path) -> Iterator[tuple[Engine, DemoServer]]:
    """Two cheap models of two providers and a strong one, all at one demo server."""
    with DemoServer(chunk_delay=0) as server:
        at = {"base_url": server.base_url, "api_key_env": "MMAI_DEMO_KEY"}
        cheap = {**at, "input_price": 0.1, "output_price": 0.4}
        settings = Settings(
            models={
                "one": {**cheap, "model": "demo-small", "provider": "one"},
                "two": {**cheap, "model": "demo-medium", "provider": "two"},
                "big": {**at, "model": "demo-large", "input_price": 3, "output_price": 12},
            },
            tiers=[
                {"name": "simple", "up_to": 0.5, "chain": ["one", "two"]},
                {"name": "complex", "up_to": 1.0, "chain": ["big"]},
            ],
        )
        engine = Engine(
            settings, ledger=Ledger(tmp_path / "l.sqlite3"), cache=AnswerCache(tmp_path / "cache")
        )
        yield engine, server
        engine.close()


SUM = "Calculate 3 * 17"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_escalation_is_two_requests_and_two_rows(pair, streamed):
    engine, server = pair
    server.misbehave(only_model="demo-small", text="3 × 17 = 41")
    on_text = (lambda piece: None) if streamed else None
    answer = engine.ask(SUM, check=True, on_text=on_text)
    assert "**51**" in answer
    assert answer.model == "big"
    frame = engine.costs()
    assert (server.count, frame.status.tolist()) == (2, ["ok", "ok"])
    assert frame.cost_usd.sum() == pytest.approx(answer.cost_usd)
    again = engine.ask(SUM, check=True)
    assert (again, again.cost_usd, server.count) == (answer, 0, 2)


def test_two_that_disagree_are_three_requests(pair):
    engine, server = pair
    server.misbehave(only_model="demo-small", text="It is 41.")
    answer = engine.ask(SUM, check="agree")
    assert "escalated: one and two disagree" in answer.footer()
    assert (server.count, engine.costs().request_model.tolist()) == (
        3,
        ["demo-small", "demo-medium", "demo-large"],
    )
    assert engine.costs().cost_usd.sum() == pytest.approx(answer.cost_usd)


def test_two_that_agree_are_two_requests(pair):
    engine, server = pair
    server.misbehave(only_model="demo-small", text="It is 51.")
    answer = engine.ask(SUM, check="agree")
    assert answer == "It is 51."
    assert answer.checks[0].opinion.model == "two"
    assert server.count == 2


def test_an_escalation_to_a_server_that_is_down_keeps_the_answer(pair):
    engine, server = pair
    server.misbehave(only_model="demo-small", text="3 × 17 = 41")
    server.misbehave(only_model="demo-large", status=501, times=9)
    answer = engine.ask(SUM, check=True)
    assert answer == "3 × 17 = 41"
    assert "not escalated: big: Server 501" in answer.footer()
    assert engine.costs().status.tolist()[0] == "ok"


def test_a_stream_that_never_begins_leaves_time_to_the_next_model(pair):
    engine, server = pair
    server.misbehave(only_model="demo-small", hang=True)
    pieces: list[str] = []
    answer = engine.ask("hi", model="one", fallback=["big"], timeout=3, on_text=pieces.append)
    assert answer.model == "big"
    assert "".join(pieces) == answer.text
    assert [(row.status, row.error_type) for row in answer.attempts] == [
        ("unknown", "TimedOutError"),
        ("ok", None),
    ]


def test_threads_that_ask_for_the_same_pay_for_each_model_once(pair):
    engine, server = pair
    text = f'{SUM}\n[[demo: only_model=demo-small text="3 × 17 = 41" delay=0.2]]'
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(engine.ask(text, check=True)))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {answer.model for answer in answers} == {"big"}
    assert len(answers) == 16
    assert server.count == 2


def test_astream_gives_the_answer_that_stands(pair, monkeypatch):
    import asyncio

    from mmai_nb import api

    engine, server = pair
    server.misbehave(only_model="demo-small", text="3 × 17 = 41")
    monkeypatch.setattr(api, "default_engine", lambda: engine)

    async def pieces() -> list[str]:
        return [piece async for piece in api.astream(SUM, check=True)]

    assert asyncio.run(pieces()) == [engine.last().text]
    assert engine.last().model == "big"
