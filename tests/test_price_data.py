"""Where prices are from, how newer ones come in, and how users set their own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest
from IPython.core.error import UsageError
from support.price_server import PriceServer, price_list
from support.refusing import House, is_one_clear_line
from support.waiting import soon

from mmai_nb import price_data, pricing
from mmai_nb.errors import (
    BadResponseError,
    ConfigError,
    ConnectionFailedError,
    MmaiError,
    OptionError,
    TimedOutError,
)
from mmai_nb.pricing import list_price, update_prices
from mmai_nb.providers import price_data_released
from mmai_nb.settings import ModelSpec

OPENAI = "https://api.openai.com/v1"


def fetched_now() -> str:
    return f"genai-prices fetched {datetime.now():%Y-%m-%d}"


@pytest.fixture(autouse=True)
def _bundled_prices() -> Iterator[None]:
    from genai_prices.data_snapshot import set_custom_snapshot

    yield
    set_custom_snapshot(None)


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def spec(model: str = "gpt-4o-mini", **more: Any) -> ModelSpec:
    return ModelSpec(name=model, base_url=OPENAI, **more)


# where prices are from


def test_the_date_of_the_installed_price_data_is_known():
    assert version("genai-prices") in price_data_released()


def test_bundled_prices_name_the_version_and_its_day():
    assert price_data.source() == "genai-prices of 2026-11-10"
    assert list_price(spec()).said == price_data.source()


def test_a_version_we_do_not_know_has_no_made_up_date(monkeypatch):
    monkeypatch.setattr(price_data, "version", lambda name: "9.9.9")
    assert price_data.source() == "genai-prices 9.9.9"


def test_a_dated_price_tells_since_when_it_holds():
    assert list_price(spec("gpt-5.6-luna")).said == "genai-prices since 2026-07-30"


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ({"input_price": 1, "output_price": 2}, "yours"),
        ({"input_price": 0, "output_price": 0}, "free"),
    ],
)
def test_a_price_of_ones_own_says_so(prices, said):
    assert list_price(spec(**prices)).said == said


def test_a_price_of_the_demo_is_pretended():
    assert list_price(spec(input_price=1, output_price=1, simulated=True)).said == "pretend"


def test_an_unknown_price_says_so():
    assert list_price(ModelSpec(name="x", base_url="http://127.0.0.1:1/v1")).said == "unknown"


# newer ones


def test_an_update_tells_from_when_to_when_and_what_changed():
    specs = [spec(), spec("gpt-4o", input_price=1, output_price=1), spec("gpt-6-luna")]
    kept = list_price(specs[2])
    listed = {
        "gpt-4o-mini": (7.5, 9),
        "gpt-4o": (100, 100),
        "gpt-6-luna": (float(kept.input_usd or 0), float(kept.output_usd or 0)),
    }
    before = fetched_now()
    with PriceServer(price_list(listed)) as server:
        done = update_prices(specs, url=server.url)
        assert server.count == 1
    assert done.old == "genai-prices of 2026-11-10"
    assert done.new in (before, fetched_now())  # midnight may be in between
    assert [(name, now.input_usd) for name, _, now in done.changed] == [
        ("gpt-4o-mini", Decimal("7.5"))
    ]
    assert list_price(specs[0]).output_usd == 9


def test_a_price_that_is_gone_has_changed_too():
    with PriceServer(price_list({})) as server:
        done = update_prices([spec()], url=server.url)
    assert done.changed[0][2].said == "unknown"


SPOILT: list[tuple[str, Any, int, type[MmaiError], str]] = [
    ("no-json", b"<html>log in</html>", 200, BadResponseError, "JSONDecodeError"),
    ("half", b'[{"id": "openai", "na', 200, BadResponseError, "JSONDecodeError"),
    ("no-text", b"\xff\xfe\x00", 200, BadResponseError, "UnicodeDecodeError"),
    ("wrong-shape", {"models": []}, 200, BadResponseError, "ValueError"),
    ("wrong-rows", [{"id": 5}], 200, BadResponseError, "ValidationError"),
    ("empty", [], 200, BadResponseError, "0 models"),
    ("few", price_list({}, others=10), 200, BadResponseError, "10 models"),
    ("negative", price_list({"m": (-1, 1)}), 200, BadResponseError, "below 0"),
    ("huge", price_list({"m": (1, 1e9)}), 200, BadResponseError, "over 1,000,000"),
    ("gone", b"", 404, BadResponseError, "HTTP 404"),
    ("moved", b"", 302, BadResponseError, "HTTP 302"),
    ("failed", b"", 500, BadResponseError, "HTTP 500"),
]


@pytest.mark.parametrize(
    ("body", "status", "error", "says"), [s[1:] for s in SPOILT], ids=[s[0] for s in SPOILT]
)
def test_spoilt_data_change_nothing(body, status, error, says):
    before = list_price(spec())
    with PriceServer(body, status) as server, pytest.raises(error) as caught:
        update_prices([spec()], url=server.url)
    assert says in str(caught.value)
    assert "the prices in force stay: genai-prices of 2026-11-10" in str(caught.value)
    assert is_one_clear_line(str(caught.value))
    assert list_price(spec()) == before


def test_without_a_network_the_old_prices_stay():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/data.json"
        with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1 cannot be") as caught:
            update_prices([], url=url)
    assert is_one_clear_line(str(caught.value))


def test_what_comes_after_the_deadline_is_dropped():
    late = threading.Event()
    with PriceServer(price_list({"gpt-4o-mini": (9, 9)}), until=late) as server:
        with pytest.raises(TimedOutError, match=r"within 0\.1 s"):
            update_prices([spec()], url=server.url, deadline=0.1)
        late.set()
        assert soon(lambda: not [t for t in threading.enumerate() if t.name == "mmai-prices"])
    assert price_data.source() == "genai-prices of 2026-11-10"


def test_nothing_is_fetched_while_offline(house, monkeypatch):
    monkeypatch.setenv("MMAI_OFFLINE", "1")
    with PriceServer([]) as server:
        with pytest.raises(OptionError, match="MMAI_OFFLINE"):
            house.engine.update_prices(server.url)
        assert server.count == 0
    house.refuses_cell("%ai update", UsageError, "offline")


def test_prices_do_not_load_an_http_client_of_their_own_accord():
    code = (
        "import sys, mmai_nb.pricing as p; from mmai_nb.settings import ModelSpec\n"
        "p.list_price(ModelSpec(name='gpt-4o', base_url='https://api.openai.com/v1'))\n"
        "import threading; print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]


# at the prompt


@pytest.fixture
def published(monkeypatch) -> Any:
    """Say where genai-prices publishes its data."""
    from genai_prices import UpdatePrices

    def at(url: str) -> None:
        every, _, *more = UpdatePrices.__init__.__defaults__ or ()
        monkeypatch.setattr(UpdatePrices.__init__, "__defaults__", (every, url, *more))

    return at


def test_percent_ai_update_tells_what_changed(house, published):
    house.engine.configure({"models": {"gpt-4o-mini": {"base_url": OPENAI}}})
    with PriceServer(price_list({"gpt-4o-mini": (7, 8.5)})) as server:
        published(server.url)
        shown = house.run("%ai update")[1]
    assert "genai-prices of 2026-11-10 → genai-prices fetched " in shown
    assert "1 of your 3 models' prices changed" in shown
    assert "gpt-4o-mini: 0.15 in, 0.6 out → 7 in, 8.5 out" in shown
    assert house.run("%ai models")[0].result.loc["gpt-4o-mini", "input_price"] == 7


def test_a_failed_update_is_one_line(house, published):
    published("http://127.0.0.1:9/data.json")
    house.refuses_cell("%ai update", ConnectionFailedError, "prices in force stay")


def test_the_function_is_that_of_the_prompt(published):
    import mmai_nb

    before = fetched_now()
    with PriceServer(price_list({})) as server:
        published(server.url)
        assert mmai_nb.update_prices().new in (before, fetched_now())


def test_percent_ai_models_shows_where_each_price_is_from(house):
    house.engine.configure(
        {
            "models": {
                "gpt-4o-mini": {"base_url": OPENAI},
                "gpt-5.6-luna": {"base_url": OPENAI},
                "gratis": {"base_url": OPENAI, "input_price": 0, "output_price": 0},
                "nobodys": {"base_url": OPENAI},
            }
        }
    )
    said = house.run("%ai models")[0].result.price_source
    assert dict(said) == {
        "small": "yours",
        "large": "yours",
        "gpt-4o-mini": "genai-prices of 2026-11-10",
        "gpt-5.6-luna": "genai-prices since 2026-07-30",
        "gratis": "free",
        "nobodys": "unknown",
    }


@pytest.mark.parametrize(
    ("typed", "prices"),
    [
        ('"0.2 0.8"', ("0.2", "0.8", None)),
        ("0.2 0.8", ("0.2", "0.8", None)),
        ("$0.2, $0.8", ("0.2", "0.8", None)),
        ("1 2 0.5", ("1.0", "2.0", "0.5")),
        ("free", ("0.0", "0.0", None)),
    ],
)
def test_a_price_of_ones_own_is_set_in_one_step(house, typed, prices):
    shown = house.run(f"%ai config models.small.price {typed}")[1]
    spec = house.engine.settings.models["small"]
    found = (spec.input_price, spec.output_price, spec.cache_read_price)
    assert tuple(None if p is None else str(p) for p in found) == prices
    assert "USD per million tokens" in shown


def test_a_price_of_ones_own_can_be_taken_out_and_looked_at(house):
    house.engine.configure({"models": {"gpt-4o-mini": {"base_url": OPENAI}}})
    house.run("%ai config models.gpt-4o-mini.price 1 2 0.5")
    shown = house.run("%ai config models.gpt-4o-mini.price")[1]
    assert "1 in, 2 out, 0.5 cached input, USD per million tokens   (yours)" in shown
    house.run("%ai config models.gpt-4o-mini.price None")
    assert list_price(house.engine.settings.models["gpt-4o-mini"]).input_usd == Decimal("0.15")


@pytest.mark.parametrize("typed", ["1", "cheap", "1 2 3 4", "-1 2", "nan 1", "1e999 1"])
def test_what_is_no_price_is_refused(house, typed):
    result, text = house.run(f"%ai config models.small.price {typed}")
    assert is_one_clear_line(str(result.error_in_exec))
    assert "USD per million tokens" in text
    assert house.engine.settings.models["small"].input_price == Decimal("0.1")


def test_one_price_alone_says_what_to_type(house):
    house.engine.configure({"models": {"new": {"base_url": OPENAI}}})
    house.refuses_cell(
        "%ai config models.new.input_price 0.2",
        ConfigError,
        '%ai config models.new.price "0.2 OUTPUT"',
    )
    house.refuses_cell(
        "%ai config models.new.cache_read_price 0.1",
        ConfigError,
        '%ai config models.new.price "INPUT OUTPUT 0.1"',
    )


def test_an_unknown_price_says_what_to_type():
    pricing._warned.clear()
    with pytest.warns(match=r'%ai config models\.nobodys\.price "INPUT OUTPUT"'):
        pricing.price(pricing.Usage(1, 1), spec("nobodys"))


# tables in a terminal


def test_no_column_is_left_out_in_a_narrow_terminal(house, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    house.engine.ask("hi", tag="x" * 60)
    for command, columns in (
        ("models", ["tiers", "input_price", "price_source", "window", "key"]),
        ("costs", ["time", "request_model", "status"]),
    ):
        frame = house.run(f"%ai {command}")[0].result
        import pandas as pd

        with pd.option_context("display.width", 80, "display.max_columns", 3):
            lines = repr(frame).splitlines()
        assert max(map(len, lines)) <= 80
        assert not any("..." in line for line in lines)
        assert all(any(name in line for line in lines) for name in columns)


@pytest.mark.parametrize("command", ["models", "budget 0.0000001/call 5/day"])
def test_a_row_of_a_table_stands_once_and_in_one_line(house, command):
    import pandas as pd

    frame = house.run(f"%ai {command}")[0].result
    with pd.option_context("display.width", 40):
        lines = repr(frame).split("\n\n")[0].splitlines()
    assert len(lines) == len(frame) + 2
    assert not any(line.endswith("\\") for line in lines)


def test_budgets_are_amounts_and_a_dash_where_there_is_none(house):
    frame = house.run("%ai budget 0.0000001/call 5/day")[0].result
    call, day = (line.split() for line in repr(frame).splitlines()[2:4])
    assert call == ["call", "$0.0000001", "–", "–", "–", "–", "–"]
    assert day[:6] == ["day", "$5.00", "$0.00", "$0.00", "$5.00", "0"]
    assert frame.limit_usd["call"] == 1e-7
    assert "$0.0000001" in frame._repr_html_()


def test_what_is_made_of_a_table_is_pandas_own(house):
    import pandas as pd

    frame = house.run("%ai models")[0].result
    assert isinstance(frame, pd.DataFrame)
    assert type(frame[frame.input_price > 0.5]) is pd.DataFrame
    assert type(frame.reset_index()) is pd.DataFrame
    assert list(frame.index) == ["small", "large"]
