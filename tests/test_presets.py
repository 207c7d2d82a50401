"""The presets: every model has a price, and the chains fall back to something."""

from __future__ import annotations

import tomllib
import warnings
from datetime import date
from importlib.resources import files

import pytest

from mmai_nb.pricing import list_price, price
from mmai_nb.providers import TIER_BOUNDS, checked_url, known_providers, preset_settings
from mmai_nb.records import Usage
from mmai_nb.settings import ModelSpec, Settings

PROVIDERS = known_providers()
MODELS = [
    pytest.param(provider, model, id=f"{provider.name}-{model}")
    for provider in PROVIDERS.values()
    for model in dict.fromkeys((*provider.simple, *provider.standard, *provider.complex))
]


def spec(provider, model) -> ModelSpec:
    return ModelSpec(name="m", **provider.models("SOME_KEY")[f"{provider.name}/{model}"])


def all_keys() -> dict[str, str]:
    return {provider.key_variables[0]: "x" for provider in PROVIDERS.values()}


def test_the_providers_people_use_are_known():
    well_known = {"openai", "anthropic", "gemini", "openrouter", "mistral", "groq", "deepseek"}
    assert set(PROVIDERS) == well_known | {"xai", "together"}


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_every_model_is_priced_by_its_own_provider(provider, model):
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    found = calc_price(Tokens(input_tokens=1), model, provider_id=provider.prices)
    assert found.provider.id == provider.prices
    assert not found.model.deprecated
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cost = price(Usage(1000, 1000), spec(provider, model))
    assert cost.source == "genai-prices"
    assert cost.nano is not None
    assert cost.nano > 0


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
def test_the_tiers_of_a_provider_do_not_get_cheaper_upward(provider):
    firsts = [getattr(provider, tier)[0] for tier in TIER_BOUNDS]
    prices = [list_price(spec(provider, model)) for model in firsts]
    totals = [p.input_usd + p.output_usd for p in prices]
    assert totals == sorted(totals)
    assert totals[0] < totals[2]


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
def test_an_endpoint_keeps_our_own_rules_and_is_recognised(provider):
    assert checked_url(provider.base_url) == provider.base_url
    first = spec(provider, provider.simple[0])
    assert first.provider == provider.name
    assert ModelSpec(name="m", base_url=provider.base_url).provider == provider.name


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
def test_one_key_alone_gives_three_tiers_that_can_all_fall_back(provider):
    for variable in provider.key_variables:
        settings = Settings(**preset_settings({variable: "x"}))
        assert [tier.name for tier in settings.tiers] == list(TIER_BOUNDS)
        assert all(len(tier.chain) >= 2 for tier in settings.tiers)
        assert settings.tier("simple").chain[-1] == f"{provider.name}/{provider.standard[0]}"
        assert {spec.api_key_env for spec in settings.models.values()} == {variable}


def test_without_a_key_there_are_no_presets():
    assert preset_settings({}) == {}
    assert preset_settings({"OPENAI_API_KEY": " ", "OTHER_API_KEY": "x"}) == {}


def test_the_first_of_two_variables_wins():
    settings = Settings(**preset_settings({"GOOGLE_API_KEY": "x", "GEMINI_API_KEY": "y"}))
    assert {spec.api_key_env for spec in settings.models.values()} == {"GEMINI_API_KEY"}


def test_the_providers_take_turns_in_a_chain():
    settings = Settings(**preset_settings({"OPENAI_API_KEY": "x", "GEMINI_API_KEY": "y"}))
    openai, gemini = PROVIDERS["openai"], PROVIDERS["gemini"]
    assert settings.tier("complex").chain == (
        f"openai/{openai.complex[0]}",
        f"gemini/{gemini.complex[0]}",
        f"openai/{openai.complex[1]}",
        f"gemini/{gemini.complex[1]}",
    )


def test_all_keys_together_make_valid_settings():
    settings = Settings(**preset_settings(all_keys()))
    assert {spec.provider for spec in settings.models.values()} == set(PROVIDERS)
    assert settings.find("claude-opus-5-5").name == "anthropic/claude-opus-5-5"
    assert settings.find("groq:openai/gpt-oss-20b").name == "groq/openai/gpt-oss-20b"
    assert settings.find("openai/gpt-6-luna").provider == "openai"


def test_the_presets_say_when_they_were_checked():
    text = (files("mmai_nb") / "data" / "presets.toml").read_text("utf-8")
    checked = date.fromisoformat(tomllib.loads(text)["checked"])
    assert date(2026, 11, 1) <= checked <= date(2026, 11, 30)
