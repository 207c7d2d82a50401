"""`%ai config` with the name of a model or a tier: what is not there is said first."""

from __future__ import annotations

import pytest
from support.cells import playing
from support.scripted import settings_of

from mmai_nb.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('models.demo-small.price "0.2 0.8"', "the demo's prices cannot be set"),
        ("models.demo-small.model x", "the demo's models cannot be set"),
        ('models.demo-smal.price "0.2 0.8"', "no model 'demo-smal'; did you mean 'demo-small'?"),
        ('models.mine.price "0.2 0.8"', "no model 'mine'; %ai models shows those there are"),
        ("models.mine.price", "no model 'mine'; %ai models shows those there are"),
        (
            "models.demo-small.prise 3",
            "unknown key 'models.demo-small.prise'; did you mean 'price'?",
        ),
        ("tiers.simpel.check true", "no tier 'simpel'; did you mean 'simple'?"),
        ("tiers.zzz.check true", "no tier 'zzz'; %ai config tiers shows those there are"),
        ("tiers.simple.chek true", "unknown key 'tiers.simple.chek'; did you mean 'check'?"),
        ("models", "%ai models lists the models"),
    ],
)
def test_the_wrong_name_is_told_with_the_nearest_right_one(demo, line, says):
    before = demo.engine.settings
    shown = demo(f"%ai config {line}")
    assert not shown.ok
    (said,) = shown.lines
    assert says in said
    assert demo.engine.settings == before


def test_a_model_can_still_be_made_by_its_address(demo):
    assert demo("%ai config models.mine.base_url http://127.0.0.1:9/v1").ok
    assert demo('%ai config models.mine.price "0.2 0.8"').ok
    assert demo.engine.settings.models["mine"].input_price is not None


def test_a_names_own_dots_are_no_keys(tmp_path):
    with playing(tmp_path, settings_of()) as run:
        run("%ai config models.gpt-4.1.base_url http://127.0.0.1:9/v1")
        assert run("%ai config models.gpt-4.1.context_window 100").ok
        assert (
            "unknown key 'models.gpt-4.1.windw'" in run("%ai config models.gpt-4.1.windw 100").text
        )


def test_a_price_from_python_is_pointed_to_its_two_keys(demo):
    with pytest.raises(ConfigError, match="take input_price and output_price"):
        demo.engine.configure({"models": {"demo-small": {"price": "0.1 0.2"}}})
