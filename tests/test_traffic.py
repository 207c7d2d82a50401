"""What a kernel sends while models stream, counted on the wire as a front end sees it."""

from __future__ import annotations

import time

import pytest
from support.wire import kernel

pytestmark = [
    pytest.mark.slow,
    # Debian's and PyPI's kernels tell of their transport and debugger; none of it is this package's
    pytest.mark.filterwarnings("default"),
]

NAMES = [f"m{n}" for n in range(8)]
LOAD = f"""
%load_ext mmai_nb
import mmai_nb as ai
from mmai_nb.offline import DemoServer
server = DemoServer(chunk_delay=0.02)
spec = {{"model": "demo-small", "base_url": server.base_url, "api_key_env": "MMAI_DEMO_KEY"}}
spec |= {{"input_price": 1, "output_price": 2}}
ai.configure(models={{name: spec for name in {NAMES}}}, **{{"cache.enabled": False}})
words = " ".join(f"word{{n}}" for n in range(600))
text = f"Write. [[demo: text='{{words}}']]"
"""
MOST_BYTES, MOST_UPDATES = 200_000, 10
SECONDS = 3.0
"""Rates are taken over stretches of this length: first and last states come in a bunch."""


@pytest.fixture
def wire():
    with kernel() as made:
        made.run(LOAD)
        made.run("first = ai.ask('hi', model='m0')")  # imports
        yield made


def assert_calm(wire, began: float) -> None:
    time.sleep(0.5)
    traffic = wire.since(began)
    size, updates = traffic.most(SECONDS)
    assert len(traffic.updates) >= 5
    assert size <= MOST_BYTES
    assert updates <= MOST_UPDATES


def test_a_cell_that_compares_eight_fast_models_sends_little(wire):
    began = time.time()
    wire.run(f"get_ipython().run_cell_magic('ai', '--compare {','.join(NAMES)}', text)")
    assert_calm(wire, began)


def test_all_panels_and_a_cell_at_once_send_no_more_than_one_may(wire):
    wire.run(f"compare = ai.panels.compare(text, {NAMES}); spend = ai.panels.spend()")
    wire.run("display(compare, spend)")
    wire.run(
        "import threading\n"
        "calls = lambda: [ai.ask(f'Question {n}', model='m1') for n in range(40)]\n"
        "threading.Thread(target=calls, daemon=True).start()"
    )
    time.sleep(1.0)
    began = time.time()
    wire.press("compare._run")
    wire.run("get_ipython().run_cell_magic('ai', 'm0', text)")
    wire.wait_until("compare.comparison.over and not compare._watcher.is_alive()")
    assert wire.value("[c.state for c in compare.comparison.columns] == ['done'] * 8") == "True"
    assert_calm(wire, began)


def test_a_panel_over_many_models_is_opened_within_what_a_server_lets_through(wire):
    wire.run("ai.configure(models={f'somebody/model-{n}': spec for n in range(150)})")
    for panel in ("models", "compare"):
        began = time.time()
        wire.run(f"{panel} = ai.panels.{panel}(); display({panel})")
        time.sleep(0.5)
        heard = wire.since(began).heard
        assert sum(message.size for message in heard) <= 1_000_000
        assert len(heard) <= 250
