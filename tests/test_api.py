"""The module's functions, over the default engine and the built-in demo."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time

import pytest
from pydantic import BaseModel

import mmai_nb as ai
from mmai_nb.api import ask
from mmai_nb.errors import ConfigError, OptionError
from mmai_nb.offline import serve_demo


@pytest.fixture(autouse=True)
def _demo(monkeypatch):
    monkeypatch.setenv("MMAI_DEMO", "1")


def wait_until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def test_ask_gives_an_answer_and_last_has_it():
    answer = ai.ask("What is 2 + 3?")
    assert "5" in answer
    assert ai.last() is answer


def test_a_route_sends_nothing():
    before = serve_demo().count
    assert ai.route("What is 2 + 3?").tier == "simple"
    assert serve_demo().count == before


def test_configure_gives_the_settings_and_changes_them():
    assert ai.configure().temperature is None
    assert ai.configure(temperature=0.5).temperature == 0.5
    assert ai.configure().temperature == 0.5


def test_the_demos_tiers_are_changed_without_becoming_settings():
    ai.configure(**{"tiers.simple.up_to": 0.1})
    assert ai.route("What is 2 + 3?").bounds == (0.1, 0.6, 1.0)
    assert ai.configure().models == {}
    ai.configure(tiers=[{"name": "all", "up_to": 1.0, "chain": ["demo-small"]}], temperature=0.5)
    assert ai.route("What is 2 + 3?").tier == "all"
    assert ai.configure().temperature == 0.5
    ai.configure(tiers=None)
    assert ai.route("What is 2 + 3?").bounds == (0.3, 0.6, 1.0)


def test_a_wrong_tier_of_the_demo_changes_nothing():
    for wrong in (
        {"tiers.simple.up_to": 0.9},
        {"tiers": [{"name": "all", "up_to": 1.0, "chain": ["demo-smal"]}]},
        {"tiers": [{"name": "all", "up_to": 0.4, "chain": ["demo-small"]}], "temperature": 0.1},
    ):
        with pytest.raises(ConfigError):
            ai.configure(**wrong)
    assert ai.route("What is 2 + 3?").bounds == (0.3, 0.6, 1.0)
    assert ai.configure().temperature is None


def test_models_of_ones_own_push_the_demos_tiers_aside():
    ai.configure(**{"tiers.simple.up_to": 0.1})
    row = {"base_url": "http://127.0.0.1:9/v1", "input_price": 0, "output_price": 0}
    ai.configure(models={"mine": row})
    assert ai.route("What is 2 + 3?").chain == ("mine",)


def test_costs_and_summary_are_frames():
    ai.ask("What is 2 + 3?", tag="sums")
    assert ai.costs().tag.tolist() == ["sums"]
    assert ai.summary("tag").calls.tolist() == [1]


def test_budgets_are_a_frame_and_their_alerts_are_heard_until_undone():
    assert ai.budget().empty
    ai.configure(budget={"day": 5})
    assert ai.budget().loc["day", "limit_usd"] == 5
    undo = ai.on_alert(print)
    undo()
    assert ai.Alert("day", 50, 5.0, 2.5, "2026-11-26").level == 50


def test_a_schema_gives_an_object():
    class City(BaseModel):
        name: str
        people: int

    assert isinstance(ai.ask("a city", schema=City).parsed, City)


def test_a_slip_in_an_option_of_ask_is_answered_with_the_nearest():
    for ask_it in (ai.ask, ai.route):
        with pytest.raises(OptionError, match="no option 'temprature'; did you mean 'temperature'"):
            ask_it("hi", temprature=0)
    with pytest.raises(OptionError, match="did you mean 'temperature'"):
        asyncio.run(ai.aask("hi", temprature=0))


def test_every_option_of_ask_is_explained():
    documented = inspect.getdoc(ask) or ""
    for name in inspect.signature(ask).parameters:
        assert f"{name}:" in documented, name


async def together():
    prompts = [f"What is {n} + 1?" for n in range(5)]
    return await asyncio.gather(*(ai.aask(p) for p in prompts))


def test_aask_answers_many_at_once():
    answers = asyncio.run(together())
    assert [f"**{n + 1}**" in a for n, a in enumerate(answers)] == [True] * 5


def test_astream_gives_the_pieces_of_the_answer():
    async def read():
        return [piece async for piece in ai.astream("Describe rivers")]

    pieces = asyncio.run(read())
    assert len(pieces) > 3
    assert "".join(pieces) == ai.last()


def test_leaving_a_stream_stops_the_request():
    async def leave():
        stream = ai.astream("Write an essay\n[[demo: chunk_delay=0.1]]", model="demo-large")
        async for _ in stream:
            break
        await stream.aclose()

    asyncio.run(leave())
    wait_until(lambda: ai.costs().status.tolist() == ["cancelled"])
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "mmai-astream"])


def test_an_error_comes_out_of_a_stream():
    async def read():
        return [piece async for piece in ai.astream("hi", temperature=9)]

    with pytest.raises(OptionError, match="temperature"):
        asyncio.run(read())


def test_astream_takes_no_listener():
    async def read():
        return [piece async for piece in ai.astream("hi", on_text=print)]

    with pytest.raises(OptionError, match="on_text"):
        asyncio.run(read())


def test_leaving_aask_stops_the_request():
    async def leave():
        call = asyncio.ensure_future(ai.aask("hi\n[[demo: delay=60]]"))
        while not serve_demo().count:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(call, 0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(leave())
    wait_until(lambda: ai.costs().status.tolist() == ["cancelled"])
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "mmai-aask"])


def test_a_stopped_call_does_not_wait_for_its_next_try(monkeypatch):
    ai.configure(backoff_base=60.0, backoff_cap=60.0)
    monkeypatch.setattr("mmai_nb.fallback._chance.uniform", lambda low, high: high)

    async def leave():
        call = asyncio.ensure_future(ai.aask("hi\n[[demo: status=503]]", model="demo-large"))
        while ai.costs().status.tolist() != ["error"]:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(call, 0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(leave())
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "mmai-aask"])
    assert ai.costs().status.tolist() == ["error"]
