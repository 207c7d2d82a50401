from __future__ import annotations

import pytest
from support.cells import playing


def test_an_alias_stands_for_a_model(play):
    assert "best -> large" in play("%ai alias best large").text
    play("%%ai best\nhi")
    play("%%ai small --fallback best\nhi")
    assert play.call.asked[0] == "large"
    assert play.engine.settings.find("best").name == "large"


def test_an_alias_of_an_alias_stands_for_its_model(play):
    play("%ai alias best large")
    play("%ai alias finest best")
    play("%%ai finest\nhi")
    assert play.call.asked == ["large"]


def test_without_a_word_they_are_listed(play):
    assert "no alias yet" in play("%ai alias").text
    play("%ai register best large")
    play("%ai alias quick small")
    assert play("%ai alias").value == "best -> large\nquick -> small"
    assert play("%ai alias quick").value == "quick -> small"


@pytest.mark.parametrize("word", ["dealias", "delete"])
def test_an_alias_is_taken_out(play, word):
    play("%ai alias best large")
    assert play(f"%ai {word} best").ok
    assert play.engine.settings.aliases == {}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("alias small large", "aliases.small: is a model already"),
        ("alias simple large", "aliases.simple: is a tier already"),
        ("alias auto large", "aliases.auto: is a reserved word"),
        ("alias demo large", "aliases.demo: is a reserved word"),
        ("alias cache large", "'cache' is a command already"),
        ("alias list large", "'list' is a command already"),
        ("alias demo-small large", "'demo-small' is one of the demo's models already"),
        ("alias tiny demo-small", "one of the demo's models, which take no alias"),
        ("alias best larg", "aliases.best: no model 'larg'; did you mean 'large'?"),
        ("alias me me", "aliases go in a circle: me -> me"),
        ("alias first small", ""),
        ("alias second first", ""),
        ("alias first second", "aliases go in a circle: first -> second -> first"),
        ("dealias first", "aliases.second: no model 'first'"),
        ("dealias secnd", "no alias 'secnd'; did you mean 'second'?"),
        ("alias frist", "no alias 'frist'; did you mean 'first'?"),
        ("dealias xyzzy", "%ai alias lists them"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_in_one_line(play, line, says):
    play.engine.configure({"aliases": {"first": "small", "second": "first"}})
    before = dict(play.engine.settings.aliases)
    shown = play(f"%ai {line}")
    if not says:
        assert shown.ok
        return
    assert not shown.ok
    (seen,) = shown.lines
    assert says in seen
    assert len(seen) <= 230
    assert play.engine.settings.aliases == before
    assert play.call.calls == []


def test_an_alias_that_hides_a_tier_to_come_is_refused(play):
    play("%ai alias easy small")
    shown = play(
        "import mmai_nb as ai\n"
        "get_ipython().find_cell_magic('ai').__self__.engine.configure({'tiers': "
        "[{'name': 'easy', 'up_to': 1.0, 'chain': ['small']}]})"
    )
    assert "aliases.easy: is a tier already" in shown.text


def test_where_nothing_is_configured_the_demos_tiers_are_not_hidden(tmp_path):
    with playing(tmp_path, None) as play:
        shown = play("%ai alias simple openai/gpt-6.1-sol")
        assert "aliases.simple: is a tier already" in shown.text
        assert play("%%ai\nhi", "fine").ok


@pytest.mark.parametrize("line", ["register for the conference", "delete all my old files please"])
def test_a_sentence_that_begins_like_one_is_a_question(play, line):
    play(f"%ai {line}")
    assert play.call.calls[0][0].prompt == line
