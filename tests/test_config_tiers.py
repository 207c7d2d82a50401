"""`%ai config tiers`: the tiers in force, and what of them can be saved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mmai_nb.calibration import Calibration
from mmai_nb.errors import ConfigError
from mmai_nb.settings import Settings

MADE = [
    {"name": "simple", "up_to": 0.5, "chain": ["demo-small"], "check": True},
    {"name": "hard", "up_to": 1.0, "chain": ["demo-large", "demo-medium"]},
]


def rows(run: Any) -> list[list[str]]:
    return [line.split() for line in run("%ai config tiers").value.split("\n\n")[0].splitlines()]


def test_the_demos_tiers_are_shown_and_said_to_hold_for_this_session(demo):
    head, first, *_ = rows(demo)
    assert head == ["tier", "up_to", "chain", "check", "source"]
    chain = ["demo-small", "→", "demo-medium", "→", "demo-second"]
    assert first[:8] == ["simple", "0.3", *chain, "false"]
    assert "the demo's, for this session" in demo("%ai config tiers").value


def test_tiers_made_of_the_demos_models_are_those_shown(demo):
    made = demo.engine.configure({"tiers": MADE})
    assert repr(made).startswith("Settings(0 models; tiers: the demo's, see %ai config tiers")
    assert [row[:2] for row in rows(demo)[1:]] == [["simple", "0.5"], ["hard", "1"]]
    assert "true" in rows(demo)[1]


def test_one_field_of_the_demos_tiers_is_told_with_how_long_it_holds(demo):
    words = "tiers.simple.check = agree   (the demo's, for this session)"
    assert demo("%ai config tiers.simple.check agree").value == words
    assert demo("%ai config tiers.simple.check").value == words


def test_the_users_tiers_are_shown_with_where_they_come_from(play):
    play("%ai config tiers.simple.check true")
    simple, *others = rows(play)[1:]
    assert "true" in simple
    assert "configure()," in simple
    assert all("false" in row for row in others)
    assert "this session" not in play("%ai config tiers").value


def test_where_the_dial_is_turned_the_page_points_to_its_bounds(play):
    assert "cost dial" not in play("%ai config tiers").value
    play("%ai config prefer cheap")
    assert "the cost dial puts other bounds" in play("%ai config tiers").value


@pytest.mark.parametrize("line", ["check", "check true", "check agree", "check off"])
def test_a_check_is_looked_for_at_its_tiers(demo, line):
    shown = demo(f"%ai config {line}")
    assert "check is set for each tier: tiers.simple.check" in shown.text
    assert demo.call.calls == []


def test_words_that_only_begin_like_it_are_a_question(play):
    play("%ai config check for nginx", "nginx -t")
    assert play.call.calls[0][0].prompt == "config check for nginx"


def test_a_check_from_python_is_pointed_to_its_tiers(demo):
    with pytest.raises(ConfigError, match=r"for each tier, as tiers\.NAME\.check"):
        demo.engine.configure({"check": True})


def test_the_demos_tiers_cannot_be_saved_and_that_is_said(demo):
    demo.engine.configure({"tiers": MADE})
    assert "only tiers of the demo's models were changed" in demo("%ai config save").text
    assert not Path(os.environ["MMAI_CONFIG"]).read_text()


def test_what_else_was_changed_is_saved_without_the_demos_tiers(demo):
    demo.engine.configure({"tiers": MADE, "temperature": 0.5})
    shown = demo("%ai config save")
    assert "the demo's tiers are not, they cannot be saved" in shown.text
    assert Path(os.environ["MMAI_CONFIG"]).read_text().strip() == "temperature = 0.5"


def test_settings_with_models_name_their_tiers(play):
    assert "tiers: simple" in repr(play.engine.settings)
    assert "the demo's" in repr(Settings())


def test_bounds_that_votes_have_set_are_pointed_to(play):
    tiers = play.engine.settings_for_display.tiers
    assert "your votes" not in play("%ai config tiers").value
    names, bounds = tuple(t.name for t in tiers), tuple(t.up_to for t in tiers)
    moved = (0.05, *bounds[1:])
    made = Calibration({}, {}, moved, names, bounds, votes=30)
    play.engine.learned(play.engine.settings).save(made)
    assert "your votes put other bounds in place of up_to" in play("%ai config tiers").value
