"""Prices: exact, in their order, and unknown where they are unknown."""

from __future__ import annotations

import decimal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_nb import pricing
from mmai_nb.errors import PriceWarning
from mmai_nb.pricing import (
    HighestPrice,
    ListPrice,
    context_window,
    highest_price,
    list_price,
    price,
)
from mmai_nb.records import Cost, Usage
from mmai_nb.settings import ModelSpec

OPENAI = "https://api.openai.com/v1"
HERE = "http://127.0.0.1:1/v1"
ROOT = Path(pricing.__file__).parent.parent


def spec(model: str = "m", base_url: str = HERE, **more: Any) -> ModelSpec:
    return ModelSpec(name=model, base_url=base_url, **more)


def own(input_price: Any, output_price: Any, **more: Any) -> ModelSpec:
    return spec(input_price=input_price, output_price=output_price, **more)


@pytest.fixture(autouse=True)
def _fresh_warnings() -> Iterator[None]:
    pricing._warned.clear()
    yield
    pricing._warned.clear()


@pytest.fixture
def prices() -> Iterator[Any]:
    """A price table of this test's own in place of the bundled one: give it models."""
    from genai_prices import data_snapshot, types

    def use(**models: Any) -> None:
        listed = [
            types.ModelInfo(id=name, match=types.ClauseEquals(name), prices=p, context_window=77)
            for name, p in models.items()
        ]
        provider = types.Provider("openai", "OpenAI", r"https://api\.openai\.com", models=listed)
        data_snapshot.set_custom_snapshot(data_snapshot.DataSnapshot([provider], False))

    yield use
    data_snapshot.set_custom_snapshot(None)


# the user's own price


def test_a_users_price_is_per_million_tokens():
    assert price(Usage(1_000_000, 1_000_000), own(1, 2)) == Cost(3 * 10**9, "user")
    assert price(Usage(212, 96), own(0.1, 0.5)) == Cost(69_200, "user")


def test_cached_input_is_part_of_the_input_and_has_its_own_price():
    model = own(2, 10, cache_read_price=0.5)
    assert price(Usage(1000, 0, cache_read_tokens=400), model).nano == 1_200_000 + 200_000
    assert price(Usage(1000, 0, cache_read_tokens=400), own(2, 10)).nano == 2_000_000
    assert price(Usage(1000, 0, cache_read_tokens=400), own(2, 10, cache_read_price=0)).nano == (
        1_200_000
    )


def test_reasoning_is_part_of_the_output():
    assert price(Usage(0, 100, reasoning_tokens=90), own(0, 10)).nano == 1_000_000


def test_prices_of_zero_are_free_because_the_user_says_so():
    assert price(Usage(10, 10), own(0, 0)) == Cost(0, "free")
    assert price(Usage(10, 10), own(0, 0, cache_read_price=1)).source == "user"


def test_a_pretend_price_of_the_demo_is_a_users_price():
    assert price(Usage(10, 10), own(1, 1, simulated=True)) == Cost(20_000, "user")


def test_half_a_nano_dollar_is_rounded_up():
    assert price(Usage(1, 0), own(Decimal("0.0005"), 0)).nano == 1
    assert price(Usage(1, 0), own(Decimal("0.00049"), 0)).nano == 0
    assert price(Usage(3, 0), own(Decimal("0.0005"), 0)).nano == 2


PRICES = st.decimals(0, 1000, places=6, allow_nan=False)
TOKENS = st.integers(0, 10**9)


@given(TOKENS, TOKENS, TOKENS, PRICES, PRICES, PRICES)
def test_a_cost_is_the_exact_sum_rounded_once(total, cached, output, p_in, p_out, p_cached):
    cached = min(cached, total)
    model = own(p_in, p_out, cache_read_price=p_cached)
    exact = (
        (total - cached) * Fraction(p_in) + cached * Fraction(p_cached) + output * Fraction(p_out)
    ) * 1000
    found = price(Usage(total, output, cache_read_tokens=cached), model).nano
    assert found == (2 * exact + 1) // 2


def test_the_notebooks_own_decimal_context_changes_nothing():
    with decimal.localcontext(decimal.Context(prec=2, rounding=decimal.ROUND_DOWN)):
        assert price(Usage(123_456, 7), own(1.234567, 1)).nano == 152_421_704
        assert price(Usage(212, 96), spec("gpt-6-luna", OPENAI)).nano == 69_200


# the order


def test_the_users_price_wins_over_the_servers_and_the_servers_over_the_list():
    usage = Usage(1000, 1000, reported_cost_usd=Decimal("0.0000012345"))
    assert price(usage, own(1, 1)) == Cost(2_000_000, "user")
    assert price(usage, own(0, 0)) == Cost(0, "free")
    assert price(usage, spec("gpt-6-luna", OPENAI)) == Cost(1235, "server")
    assert price(usage, spec()) == Cost(1235, "server")
    assert price(Usage(reported_cost_usd=Decimal(0)), spec()) == Cost(0, "server")


@pytest.mark.parametrize("reported", ["-1", "NaN", "Infinity", "1e400"])
def test_a_cost_no_server_can_mean_is_ignored(reported):
    usage = Usage(1000, 1000, reported_cost_usd=Decimal(reported))
    assert price(usage, spec("gpt-6-luna", OPENAI)).source == "genai-prices"


# genai-prices


def test_a_known_model_has_its_listed_price():
    cost = price(Usage(1_000_000, 0), spec("gpt-4o-mini", OPENAI))
    assert cost == Cost(150_000_000, "genai-prices")
    cached = price(Usage(1_000_000, 0, cache_read_tokens=1_000_000), spec("gpt-4o-mini", OPENAI))
    assert cached.nano == 75_000_000


def test_reasoning_tokens_are_not_counted_twice():
    model = spec("gpt-5", OPENAI)
    assert price(Usage(0, 100, reasoning_tokens=90), model) == price(Usage(0, 100), model)


def test_over_a_step_all_tokens_cost_more():
    model = spec("gpt-5.4", OPENAI)
    below, above = price(Usage(272_000, 0), model).nano, price(Usage(272_001, 0), model).nano
    assert below == 272_000 * 2500
    assert above == 272_001 * 5000


def test_an_old_call_has_its_old_price():
    model = spec("o3", OPENAI)
    old = datetime(2025, 5, 1, tzinfo=UTC).timestamp()
    assert price(Usage(1_000_000, 0), model, old).nano == 10 * 10**9
    assert price(Usage(1_000_000, 0), model).nano == 2 * 10**9


def test_tokens_written_to_a_providers_cache_have_their_price():
    model = spec("claude-opus-5-5", "https://api.anthropic.com/v1")
    assert price(Usage(1000, 0, cache_write_tokens=1000), model).nano == 5_000_000
    assert price(Usage(1000, 0), model).nano == 4_000_000


@pytest.mark.parametrize(
    ("model", "base_url", "provider"),
    [
        ("openai/gpt-6-luna", "https://openrouter.ai/api/v1", None),
        ("gpt-6-luna", "https://proxy.example.org/v1", "openai"),
        ("gpt-6-luna", "http://127.0.0.1:4000/v1", "openai"),
        ("gpt-4o", "https://mine.openai.azure.com/openai/v1", None),
        ("gpt-4o", "https://gate.example.org/v1", "azure"),
    ],
)
def test_the_provider_is_known_by_its_host_or_by_name(model, base_url, provider):
    more = {"provider": provider} if provider else {}
    assert price(Usage(1000, 10), spec(model, base_url, **more)).source == "genai-prices"


@pytest.mark.parametrize(
    ("model", "base_url"),
    [
        ("gpt-4o-mini", HERE),
        ("gpt-4o-mini", "https://google.example.org/v1"),
        ("no-such-model", OPENAI),
        ("gemma-4-31b-it", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("together/Tev1-4B-experimental", "https://api.together.ai/v1"),
    ],
)
def test_an_unknown_price_is_none_and_never_zero(model, base_url):
    with pytest.warns(PriceWarning, match="input_price"):
        assert price(Usage(1000, 10), spec(model, base_url)) == Cost(None, "unknown")
    assert list_price(spec(model, base_url)) == ListPrice()


def test_an_unknown_price_is_warned_of_once_a_model():
    with pytest.warns(PriceWarning) as caught:
        _ = [price(Usage(1, 1), spec(name)) for name in ("a", "a", "b", "a")]
    assert [str(w.message).split(" is unknown")[0] for w in caught] == [
        "the price of a",
        "the price of b",
    ]
    assert {w.filename for w in caught} == {"mmai_nb"}


def test_price_data_that_contradict_themselves_give_an_unknown_price(prices):
    from genai_prices.types import ModelPrice

    prices(bad=ModelPrice(input_mtok=Decimal(-1), output_mtok=Decimal(1)))
    with pytest.warns(PriceWarning):
        assert price(Usage(1, 1), spec("bad", OPENAI)).nano is None


def test_separately_priced_reasoning_is_counted(prices):
    from genai_prices.types import ModelPrice

    listed = ModelPrice(
        input_mtok=Decimal(1), output_mtok=Decimal(2), output_reasoning_mtok=Decimal(5)
    )
    prices(thinker=listed)
    cost = price(Usage(0, 10, reasoning_tokens=4), spec("thinker", OPENAI))
    assert cost.nano == 6 * 2000 + 4 * 5000


COUNTS: Any = st.integers(-(10**12), 10**12) | st.sampled_from([10**400, None, float("nan"), "x"])


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_no_usage_a_server_may_send_makes_an_error(total, output, read, write, reasoning):
    usage = Usage(total, output, read, write, reasoning)
    for model in (own(1, 1), spec("gpt-5.4", OPENAI)):
        cost = price(usage, model)
        assert cost.nano is not None
        assert 0 <= cost.nano < 2**63


def test_more_cached_tokens_than_input_are_taken_as_all_of_it():
    model = own(2, 10, cache_read_price=0.5)
    assert price(Usage(100, 0, cache_read_tokens=900), model).nano == 50_000
    assert price(Usage(-5, -5), own(1, 1)).nano == 0


# the most a request can cost


COUNT = st.integers(0, 2_000_000)


@given(
    st.sampled_from(
        [
            ("gpt-5.4", OPENAI),
            ("gpt-6.1-sol", OPENAI),
            ("claude-opus-5-5", "https://api.anthropic.com/v1"),
            ("perplexity/sonar-deep-research", "https://openrouter.ai/api/v1"),
        ]
    ),
    COUNT,
    COUNT,
    COUNT,
    COUNT,
    COUNT,
)
def test_no_usage_within_its_tokens_costs_more_than_the_highest_price(
    which, total, output, read, write, reasoning
):
    """Whatever is cached or reasoning, and whatever step of the price the prompt has reached."""
    model = spec(*which)
    most = highest_price(model, total)
    assert most is not None
    usage = Usage(total, output, min(read, total), write, min(reasoning, output))
    usage = replace(usage, cache_write_tokens=min(write, total - usage.cache_read_tokens))
    nano = (most.input_usd + most.token_usd * output) * 10**9
    cost = price(usage, model).nano
    assert cost is not None
    assert cost <= nano + 1
    assert price(Usage(total, output), model).nano <= nano + 1


def test_the_highest_price_is_the_users_own_where_there_is_one():
    assert highest_price(own(2, 10), 1_000) == HighestPrice(Decimal("0.002"), Decimal("0.00001"))
    dear = own(2, 10, cache_read_price=3)
    assert highest_price(dear, 1_000).input_usd == Decimal("0.003")


def test_the_highest_price_rises_with_the_prompt_where_the_list_does():
    model = spec("gpt-6.1-sol", OPENAI)
    short, long = highest_price(model, 100_000), highest_price(model, 900_000)
    assert long.token_usd > short.token_usd
    assert long.input_usd > 9 * short.input_usd


def test_an_unknown_price_has_no_highest():
    assert highest_price(spec("no-such-model", OPENAI), 10) is None
    assert highest_price(spec(), 10) is None


# windows and list prices


def test_the_users_window_wins_then_the_listed_one_then_none():
    assert context_window(spec("gpt-4o-mini", OPENAI, context_window=9)) == 9
    assert context_window(spec("gpt-4o-mini", OPENAI)) == 128_000
    assert context_window(spec("no-such-model", OPENAI)) is None
    assert context_window(spec()) is None


def test_a_list_price_tells_its_source_and_since_when_it_holds():
    assert list_price(own(1, 2)) == ListPrice(Decimal(1), Decimal(2), "user")
    assert list_price(own(0, 0)).source == "free"
    assert list_price(spec("gpt-6-luna", OPENAI)) == ListPrice(
        Decimal("0.1"), Decimal("0.5"), "genai-prices"
    )
    assert list_price(spec("gpt-5.6-luna", OPENAI)).date == "2026-07-30"
    assert list_price(spec("no-such-model", OPENAI)) == ListPrice()


def test_asking_for_a_window_or_a_list_price_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert context_window(spec()) is None
        assert list_price(spec()) == ListPrice()


def test_price_data_are_not_loaded_for_models_of_this_machine_or_with_a_price_of_their_own():
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from mmai_nb.pricing import context_window, list_price, price\n"
        "from mmai_nb.records import Usage\n"
        "from mmai_nb.settings import ModelSpec\n"
        f"here = ModelSpec(name='m', base_url='{HERE}')\n"
        f"own = ModelSpec(name='m', base_url='{OPENAI}', input_price=1, output_price=1)\n"
        "price(Usage(1, 1), here), price(Usage(1, 1), own), context_window(here), list_price(own)\n"
        "print('genai_prices' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
