"""Settings are valid by construction, and what is not is refused in one sentence."""

from __future__ import annotations

import os
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.setting_up import A_KEY, LOCAL, checked, models, one_tier, refused

from mmai_nb.errors import ConfigError, OptionError, UnknownModelError
from mmai_nb.settings import CacheSettings, ModelSpec, Settings, Tier, change_settings

# what is valid by itself


def test_settings_without_anything_are_valid_and_have_no_models():
    settings = Settings()
    assert (dict(settings.models), settings.tiers, settings.strongest) == ({}, (), None)
    assert settings.default_model == "auto"


def test_a_model_needs_no_more_than_an_address():
    spec = Settings(models=models("m")).find("m")
    assert (spec.name, spec.model, spec.provider, spec.api_key_env) == ("m", "m", "local", None)


def test_models_without_tiers_get_the_three_default_ones_in_the_given_order():
    tiers = Settings(models=models("b", "a")).tiers
    assert [(t.name, t.up_to, t.chain) for t in tiers] == [
        ("simple", 0.3, ("b", "a")),
        ("standard", 0.6, ("b", "a")),
        ("complex", 1.0, ("b", "a")),
    ]


def test_an_empty_list_of_tiers_is_the_same_as_none():
    assert len(Settings(models=models("a"), tiers=[]).tiers) == 3


def test_the_strongest_model_is_the_first_of_the_last_tier():
    tiers = [
        {"name": "low", "up_to": 0.5, "chain": ["a"]},
        {"name": "high", "up_to": 1, "chain": ["b", "a"]},
    ]
    assert Settings(models=models("a", "b"), tiers=tiers).strongest == "b"


def test_settings_take_their_own_classes_as_well_as_plain_data():
    spec = ModelSpec(name="a", base_url=LOCAL)
    tier = Tier(name="all", up_to=1.0, chain=("a",))
    made = Settings(models={"a": spec}, tiers=(tier,), cache=CacheSettings(max_age=1.0))
    assert made.find("a") == spec
    assert made.tiers == (tier,)
    assert made.cache.max_age == 1.0


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.together.xyz/v1", "together"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini"),
        ("http://localhost:8080/v1", "local"),
        ("http://[::1]:8080/v1", "local"),
        ("http://127.8.9.1:8080", "local"),
        ("https://LLM.Example.org/v1", "llm.example.org"),
        ("https://127.0.0.1.example.org/v1", "127.0.0.1.example.org"),
    ],
)
def test_the_provider_follows_from_the_host(url, provider):
    assert ModelSpec(name="m", base_url=url).provider == provider


def test_an_address_loses_the_slash_at_its_end():
    assert ModelSpec(name="m", base_url="https://e.org/v1/").base_url == "https://e.org/v1"


def test_prices_are_exactly_what_was_written():
    spec = ModelSpec(name="m", base_url=LOCAL, input_price=0.1, output_price=3)
    assert (spec.input_price, spec.output_price) == (Decimal("0.1"), Decimal(3))


def test_settings_cannot_be_changed_in_place():
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.timeout = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("size", "number"),
    [(5, 5), ("5", 5), ("1GB", 10**9), ("1 gib", 2**30), ("1.5MB", 1_500_000), ("2k", 2000)],
)
def test_a_size_may_be_written_in_words(size, number):
    assert CacheSettings(max_bytes=size).max_size_bytes == number


def test_a_disabled_cache_has_no_folder(tmp_path):
    assert CacheSettings(enabled=False, folder=tmp_path).directory is None
    assert CacheSettings(folder=tmp_path).directory == tmp_path


def test_the_data_folder_may_be_moved_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("MMAI_DATA_DIR", str(tmp_path / "here"))
    assert CacheSettings().directory == tmp_path / "here" / "cache"
    assert Settings().ledger_file == tmp_path / "here" / "ledger.sqlite3"


def test_without_a_data_folder_files_are_where_the_platform_wants_them(monkeypatch):
    monkeypatch.delenv("MMAI_DATA_DIR")
    folder = CacheSettings().directory
    assert folder is not None
    assert "mmai_nb" in str(folder)
    assert Settings().ledger_file.name == "ledger.sqlite3"


# what is refused


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "must start with http:// or https://"),
        ("not a url", "must start with http:// or https://"),
        ("ftp://e.org/v1", "must start with http:// or https://"),
        ("e.org/v1", "must start with http:// or https://"),
        ("https://e.org/a b", "spaces"),
        ("https://e.org\\@evil.org", "backslashes"),
        ("https://e.org/v1\n", "line breaks"),
        ("http://[::1", "no valid address"),
        ("https://", "no host"),
        ("https:///v1", "no host"),
        ("https://e.org:99999/v1", "port from 1 to 65535"),
        ("https://e.org:0/v1", "port from 1 to 65535"),
        ("https://e.org:x/v1", "port from 1 to 65535"),
        ("https://user:hunter2secret@e.org/v1", "user name or password"),
        ("https://user:hunter2/secret@e.org/v1", "user name or password"),
        ("https://e.org/v1?key=hunter2secret", "put the key in a variable"),
        ("https://e.org/v1?version=2", "must not hold a ?"),
        ("https://e.org/v1#top", "must not hold a ?"),
        ("https://e.org/v1/chat/completions", "use https://e.org/v1"),
        ("https://e.org/v1/chat/completions/", "use https://e.org/v1"),
        ("https://e.org/v1/models", "use https://e.org/v1"),
        ("https://api.openai.com", "openai listens at https://api.openai.com/v1"),
        ("https://api.groq.com/v1", "groq listens at https://api.groq.com/openai/v1"),
        ("https://api.openai.com/v10", "openai listens at https://api.openai.com/v1"),
        ("http://localhost:11434", "Ollama listens at http://localhost:11434/v1"),
        ("http://127.0.0.1:1234/", "LM Studio listens at http://127.0.0.1:1234/v1"),
    ],
)
def test_a_wrong_address_is_refused_with_what_is_right(url, says):
    text = refused(Settings(), models={"m": {"base_url": url}})
    assert "models.m.base_url" in text
    assert says in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "url", ["https://api.deepseek.com", "https://api.deepseek.com/v1", "http://127.0.0.1:8080"]
)
def test_an_address_that_needs_no_path_is_taken(url):
    assert ModelSpec(name="m", base_url=url).base_url == url


def test_a_key_does_not_travel_in_clear_to_another_machine():
    row = {"base_url": "http://192.168.1.2/v1", "api_key_env": "MY_KEY"}
    assert "allow_insecure" in refused(Settings(), models={"m": row})
    allowed = Settings(models={"m": {**row, "allow_insecure": True}})
    assert allowed.find("m").api_key_env == "MY_KEY"
    assert Settings(models={"m": {**row, "base_url": LOCAL}}).find("m").api_key_env == "MY_KEY"
    assert Settings(models={"m": {"base_url": row["base_url"]}}).find("m").api_key_env is None


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1.evil.org/v1", "http://localhost.evil.org/v1", "http://0.0.0.0/v1"]
)
def test_a_host_that_only_looks_like_this_machine_is_another_one(host):
    row = {"base_url": host, "api_key_env": "MY_KEY"}
    assert "in clear" in refused(Settings(), models={"m": row})


@pytest.mark.parametrize("value", [A_KEY, "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "a key", "", "A-B"])
def test_a_key_in_place_of_its_variables_name_is_refused_and_not_shown(value):
    row = {"base_url": "https://e.org/v1", "api_key_env": value}
    text = refused(Settings(), models={"m": row})
    assert "api_key_env" in text
    assert not value or value not in text


@pytest.mark.parametrize(
    "changes",
    [
        {"models": {"m": {"base_url": "https://e.org/v1", "provider": A_KEY}}},
        {"system": f"use {A_KEY} to log in"},
        {"tiers": [{"name": A_KEY, "up_to": 1.0, "chain": ["m"]}]},
        {"models": {A_KEY: {"base_url": "https://e.org/v1"}}},
    ],
)
def test_a_literal_key_is_refused_wherever_it_stands(changes):
    assert "name that in api_key_env" in refused(Settings(models=models("m")), **changes)


@pytest.mark.parametrize("key", ["api_key", "key", "API_KEY", "token"])
def test_a_setting_named_like_a_key_points_to_api_key_env(key):
    row = {"base_url": "https://e.org/v1", key: "abc"}
    assert "api_key_env" in refused(Settings(), models={"m": row})


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf"), "0.5", True, 10**7, [1]])
def test_a_price_is_a_number_from_zero(price):
    row = {"base_url": LOCAL, "input_price": price, "output_price": 1}
    text = refused(Settings(), models={"m": row})
    assert "models.m.input_price" in text
    assert "USD per million tokens" in text


def test_one_price_alone_is_refused_because_the_other_would_be_unknown():
    assert "go together" in refused(Settings(), models={"m": {"base_url": LOCAL, "input_price": 1}})
    row = {"base_url": LOCAL, "cache_read_price": 1}
    assert "cache_read_price needs" in refused(Settings(), models={"m": row})


@pytest.mark.parametrize(
    ("tiers", "says"),
    [
        ([("a", 0.5, "m")], "must end at 1.0, not 0.5"),
        ([("a", 0.5, "m"), ("b", 0.5, "m"), ("c", 1.0, "m")], "'b' has 0.5 after 0.5"),
        ([("a", 0.6, "m"), ("b", 0.5, "m")], "'b' has 0.5 after 0.6"),
        ([("a", 0.5, "m"), ("a", 1.0, "m")], "two tiers have the same name"),
        ([("a", 1.0, "")], "chain: must not be empty"),
        ([("a", 1.0, "m m")], "names 'm' twice"),
        ([("a", 1.0, "m alias")], "names 'm' twice"),
        ([("a", 1.0, "mm")], "no model 'mm'; did you mean 'm'?"),
        ([("a", 1.5, "m")], "must be less than or equal to 1"),
        ([("a", 0, "m")], "must be greater than 0"),
        ([("a", float("nan"), "m")], "must be a finite number"),
        ([("a b", 1.0, "m")], "spaces"),
    ],
)
def test_tiers_that_leave_a_gap_or_cross_are_refused(tiers, says):
    rows = [{"name": n, "up_to": u, "chain": c.split()} for n, u, c in tiers]
    settings = Settings(models=models("m"), aliases={"alias": "m"})
    assert says in refused(settings, tiers=rows)


def test_a_circle_of_aliases_is_shown():
    aliases = {"a": "b", "b": "c", "c": "b"}
    assert "a -> b -> c -> b" in refused(Settings(models=models("m")), aliases=aliases)


def test_an_alias_leads_to_a_model_and_hides_none():
    settings = Settings(models=models("m"))
    assert "no model 'nn'" in refused(settings, aliases={"a": "nn"})
    assert "aliases.m: is a model already" in refused(settings, aliases={"m": "m"})
    assert "aliases.simple: is a tier already" in refused(settings, aliases={"simple": "m"})
    assert "aliases.demo: is a reserved word" in refused(settings, aliases={"demo": "m"})
    assert "aliases.auto: is a reserved word" in refused(settings, aliases={"auto": "m"})


def test_no_model_may_be_called_auto():
    assert "auto" in refused(Settings(), models=models("auto"))


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "x" * 201, "a\u202eb"])
def test_a_name_is_short_and_has_no_spaces(name):
    assert "must" in refused(Settings(), models=models(name))
    with pytest.raises(OptionError) as caught:
        Settings(models=models("m")).find(name)
    checked(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("timeout", "5", "must be a number"),
        ("timeout", True, "must be a number"),
        ("timeout", 0, "must be greater than 0"),
        ("timeout", float("inf"), "must be a finite number"),
        ("retries", 11, "less than or equal to 10"),
        ("retries", -1, "greater than or equal to 0"),
        ("retries", 2.5, "must be a whole number"),
        ("temperature", 2.1, "less than or equal to 2"),
        ("temperature", float("nan"), "must be a finite number"),
        ("max_tokens", 0, "greater than or equal to 1"),
        ("max_tokens", 10**7, "less than or equal to 1000000"),
        ("format", "pdf", "'markdown', 'text', 'code', 'json' or 'html'"),
        ("stream", 1, "must be true or false"),
        ("system", 4, "must be text"),
        ("models", 4, "must be a table"),
        ("models", {"m": 4}, "must be a table"),
        ("models", {"q": {}}, "models.q.base_url is missing"),
        ("models", {"m": {"name": "n", "base_url": LOCAL}}, "another name inside"),
        ("tiers", "m", "must be a list"),
        ("cache.max_bytes", "1 elephant", 'such as "500MB"'),
        ("cache.max_bytes", -1, "number of bytes"),
        ("cache.max_age", 0, "must be greater than 0"),
        ("default_model", "nn", "no model 'nn'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(key, value, says):
    text = refused(Settings(models=models("m")), **{key: value})
    assert text.startswith(key.partition("[")[0])
    assert says in text


def test_the_caches_folder_is_a_folder_of_ones_own(tmp_path):
    file, open_to_all = tmp_path / "file", tmp_path / "open"
    file.write_text("")
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    settings = Settings()
    assert "is a file" in refused(settings, cache={"folder": str(file)})
    assert ".." in refused(settings, cache={"folder": str(tmp_path / ".." / "x")})
    assert "anybody" in refused(settings, cache={"folder": open_to_all})
    assert "is a folder" in refused(settings, ledger_path=tmp_path)


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "another user" in refused(Settings(), cache={"folder": tmp_path})


def test_making_settings_by_hand_gives_the_same_error_as_changing_them():
    with pytest.raises(ConfigError, match="unknown key 'timout'; did you mean 'timeout'"):
        Settings(timout=3)


# finding a model or a tier


@pytest.fixture
def known() -> Settings:
    return Settings(
        models={
            "small": {"base_url": LOCAL, "model": "qwen3:8b", "provider": "ollama"},
            "mini": {"base_url": "https://api.openai.com/v1", "model": "gpt-x"},
            "mini2": {"base_url": "https://openrouter.ai/api/v1", "model": "gpt-x"},
        },
        aliases={"fast": "quick", "quick": "small"},
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("small", "small"),
        ("fast", "small"),
        ("qwen3:8b", "small"),
        ("ollama/qwen3:8b", "small"),
        ("ollama:qwen3:8b", "small"),
        ("openai/gpt-x", "mini"),
        ("openrouter:gpt-x", "mini2"),
    ],
)
def test_a_model_is_found_by_name_alias_provider_and_id(known, name, found):
    assert known.find(name).name == found


def test_an_ambiguous_id_is_refused_with_the_names_to_choose_from(known):
    with pytest.raises(UnknownModelError, match="may be 'mini' or 'mini2'"):
        known.find("gpt-x")


def test_an_unknown_model_is_answered_with_the_nearest_names(known):
    with pytest.raises(UnknownModelError) as caught:
        known.find("mini3")
    assert "did you mean 'mini' or 'mini2'?" in str(caught.value)
    assert "%ai models" in checked(caught.value)


def test_a_key_typed_as_a_model_is_not_repeated(known):
    with pytest.raises(UnknownModelError) as caught:
        known.find(A_KEY)
    assert A_KEY[:24] not in checked(caught.value)


def test_what_is_no_text_is_no_name(known):
    with pytest.raises(OptionError):
        known.find(None)  # type: ignore[arg-type]


def test_a_preset_model_is_found_without_its_key_so_that_the_key_can_be_asked_for():
    spec = Settings().find("openai/gpt-6-luna")
    assert (spec.provider, spec.api_key_env) == ("openai", "OPENAI_API_KEY")


def test_a_models_own_id_wins_over_a_presets_name():
    settings = Settings(
        models={"mine": {"base_url": "https://openrouter.ai/api/v1", "model": "openai/gpt-6-luna"}}
    )
    assert settings.find("openai/gpt-6-luna").name == "mine"


def test_a_preset_named_in_a_chain_joins_the_models_but_not_the_default_tiers():
    named = Settings(models=models("m"), tiers=one_tier("m", "openai/gpt-6-luna"))
    assert list(named.models) == ["m", "openai/gpt-6-luna"]
    aliased = Settings(models=models("m"), aliases={"luna": "openai/gpt-6-luna"})
    assert aliased.tiers[0].chain == ("m",)
    assert aliased.find("luna").provider == "openai"


def test_an_alias_in_a_chain_stands_for_its_model_and_follows_it():
    settings = Settings(models=models("a", "b"), aliases={"x": "a"}, tiers=one_tier("x", "b"))
    assert settings.tiers[0].chain == ("a", "b")
    assert "names 'b' twice" in refused(settings, aliases={"x": "b"})
    shorter = change_settings(settings, {"tiers": one_tier("x")})
    assert change_settings(shorter, {"aliases": {"x": "b"}}).tiers[0].chain == ("b",)


def test_an_unknown_tier_is_answered_with_the_nearest_or_all_names():
    settings = Settings(models=models("m"))
    assert settings.tier("simple").up_to == 0.3
    with pytest.raises(OptionError, match="did you mean 'simple'"):
        settings.tier("simpel")
    with pytest.raises(OptionError, match="simple, standard, complex"):
        settings.tier("qqq")
    with pytest.raises(OptionError, match="none"):
        Settings().tier("simple")


@given(st.text(max_size=60))
def test_any_text_as_an_address_is_taken_or_refused_in_one_line(url):
    try:
        Settings(models={"m": {"base_url": url}})
    except ConfigError as error:
        checked(error)
