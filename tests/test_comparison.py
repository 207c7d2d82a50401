"""Several models, one prompt, side by side."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from IPython.lib.pretty import pretty
from support.scripted import settings_of
from support.waiting import soon

from mmai_nb import comparison
from mmai_nb.answer import Answer
from mmai_nb.caching import AnswerCache
from mmai_nb.columns import without_names
from mmai_nb.comparison import ORDERS, Comparison
from mmai_nb.engine import Engine
from mmai_nb.errors import OptionError, ServerError, UnknownModelError
from mmai_nb.ledger import Ledger
from mmai_nb.records import Completion, Cost, Route, Usage
from mmai_nb.side_by_side import Cell, Difference, side_by_side
from mmai_nb.verdicts import Verdict, win_rates

ROUTE = Route(None, None, ("x",))


def answer(text: str, model: str, nano: int | None = 5, seconds: float = 1.0) -> Answer:
    done = Completion(
        text, model, Usage(3, 4), finish_reason="stop", duration_s=seconds, cost=Cost(nano, "user")
    )
    return Answer(text, completion=done, route=ROUTE, call_id=f"id-{model}")


def scripted(**plays):
    """Asks by a script: a text, an error, or a function of the listener."""

    def ask(model, hear):
        play = plays[model]
        if isinstance(play, BaseException):
            raise play
        if callable(play):
            return play(hear)
        hear(play)
        return answer(play, model)

    return ask


def compared(*, blind=False, keep=None, **plays) -> Comparison:
    made = Comparison("hi", list(plays), scripted(**plays), blind=blind, keep=keep)
    made.start()
    return made.wait()


def test_every_model_has_its_own_answer():
    both = compared(small="one", large="two")
    assert both.answers == {"small": "one", "large": "two"}


def test_all_are_asked_at_the_same_time():
    meet = threading.Barrier(8, timeout=20)

    def together(hear):
        meet.wait()
        return answer("met", "x")

    plays = {f"m{i}": together for i in range(8)}
    assert len(compared(**plays).answers) == 8


def test_no_more_than_16_are_asked_at_once():
    now, most = [0], [0]
    lock = threading.Lock()

    def count(hear):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return answer("x", "x")

    assert compared(**{f"m{i}": count for i in range(40)}).over
    assert 1 < most[0] <= 16


def test_one_that_fails_does_not_spoil_the_others():
    both = compared(small=ServerError("it is down"), large="two")
    assert list(both.answers) == ["large"]
    assert "it is down" in both._repr_mimebundle_()["text/plain"]
    assert both.frame().set_index("model").error["small"] == "ServerError: it is down"


def test_only_what_failed_is_asked_again():
    plays = {"small": ServerError("down"), "large": "two"}
    calls: list[str] = []

    def ask(model, hear):
        calls.append(model)
        return scripted(**plays)(model, hear)

    both = Comparison("hi", list(plays), ask)
    both.start()
    both.wait()
    plays["small"] = "one"
    assert both.rerun().answers == {"small": "one", "large": "two"}
    assert sorted(calls) == ["large", "small", "small"]


def test_who_looks_on_sees_the_text_come():
    go_on = threading.Event()

    def slowly(hear):
        hear("first ")
        go_on.wait(20)
        return answer("first second", "x")

    seen: list[str] = []

    def look(comparison):
        seen.append(comparison.columns[0].text)
        if comparison.columns[0].text:
            go_on.set()

    made = Comparison("hi", ["x"], scripted(x=slowly))
    made.start()
    made.wait(look)
    assert "first " in seen
    assert seen[-1] == "first second"


def test_stopping_keeps_what_had_ended_and_what_had_come():
    from mmai_nb import cancel

    def endless(hear):
        hear("a part")
        cancel.pause(60)
        raise AssertionError("it was not stopped")

    made = Comparison("hi", ["quick", "slow"], scripted(quick="done", slow=endless))
    made.start()
    while not (made.columns[0].over and made.columns[1].text):
        time.sleep(0.01)
    made.stop()
    assert [c.state for c in made.columns] == ["done", "stopped"]
    assert made.columns[1].text == "a part"
    assert list(made.answers) == ["quick"]


def test_an_interrupt_stops_the_others_and_hands_over_what_there_is():
    from mmai_nb import cancel

    def endless(hear):
        cancel.pause(60)
        raise AssertionError("it was not stopped")

    def interrupt(comparison):
        if not comparison.over:
            signal.raise_signal(signal.SIGINT)

    made = Comparison("hi", ["quick", "slow"], scripted(quick="done", slow=endless))
    made.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        made.wait(interrupt)
    assert caught.value.partial is made
    assert made.over


def test_an_interrupt_while_the_models_are_being_asked_stops_those_that_were(monkeypatch):
    from mmai_nb import cancel

    def endless(hear):
        cancel.pause(60)
        raise AssertionError("it was not stopped")

    class Started(threading.Thread):
        def start(self):
            super().start()
            raise KeyboardInterrupt

    made = Comparison("hi", ["slow", "other"], scripted(slow=endless, other=endless))
    monkeypatch.setattr(threading, "Thread", Started)
    with pytest.raises(KeyboardInterrupt):
        made.start()
    assert soon(lambda: not [t for t in threading.enumerate() if t.name == "mmai-compare"])


# -- blind


def test_names_and_what_gives_them_away_are_hidden_until_a_vote():
    both = compared(blind=True, small="one", large="two")
    shown = str(both._repr_mimebundle_()) + repr(both) + both.frame().to_csv()
    assert not [word for word in ("small", "large", "$", " tok") if word in shown]
    with pytest.raises(OptionError, match="vote first"):
        _ = both.answers
    both.vote("a")
    assert "small" in both._repr_mimebundle_()["text/plain"]
    assert set(both.answers) == {"small", "large"}


def test_an_error_does_not_tell_who_is_who():
    both = compared(blind=True, small=ServerError("small is down"), large="two", mid="three")
    assert "small" not in str(both._repr_mimebundle_()) + both.frame().to_csv()


def test_blind_answers_are_shuffled(monkeypatch):
    import random

    monkeypatch.setattr("mmai_nb.comparison._order", random.Random(1))
    names = [f"m{i}" for i in range(10)]
    made = Comparison("hi", names, scripted(), blind=True)
    assert sorted(c.model for c in made.columns) == names
    assert [c.model for c in made.columns] != names


def cached(model: str) -> Answer:
    done = Completion(
        "kept", model, Usage(3, 4), finish_reason="stop", cache_hit=True, cost=Cost(0, "user")
    )
    return Answer("kept", completion=done, route=ROUTE, call_id=f"id-{model}")


def test_answers_from_the_cache_claim_no_time_and_no_money():
    both = compared(small=lambda _: cached("small"), large=lambda _: cached("large"))
    assert both.summary() == "2 of 2 answers · from the cache"


def test_the_time_of_a_comparison_is_that_of_what_was_asked():
    both = compared(small=lambda _: cached("small"), large=lambda _: answer("b", "large", 5, 2.0))
    assert both.summary() == "2 of 2 answers · $0.000000005 in all · 1 from the cache · 2.0 s"


def test_answers_that_were_not_asked_alike_have_no_badge_for_it():
    plays = {"large": lambda _: answer("b", "large", 5, 2.0), "mid": lambda _: answer("c", "mid")}
    asked = compared(**plays, small=lambda _: answer("a", "small", 1, 3.0))
    kept = compared(**plays, small=lambda _: cached("small"))
    assert {chip for column in asked.columns for chip in asked.cell(column).chips} == {
        "cheapest",
        "fastest",
    }
    assert [kept.cell(column).chips for column in kept.columns] == [(), (), ()]


def test_a_blind_answer_that_says_its_name_says_it_after_the_vote():
    both = compared(blind=True, small="I am Small.", large="`large`, not smaller.")
    shown = str(both._repr_mimebundle_()) + both.frame().to_csv() + str(both.diff())
    assert "I am (name hidden)." in shown
    assert "`(name hidden)`, not smaller." in shown
    both.vote("tie")
    assert {column.text: both.text_of(column) for column in both.columns} == {
        "I am Small.": "I am Small.",
        "`large`, not smaller.": "`large`, not smaller.",
    }


@pytest.mark.parametrize(
    ("text", "seen"),
    [("by demo-lar", "by "), ("by demo-large", "by "), ("by demo-large,", "by (name hidden),")],
)
def test_no_part_of_a_name_is_seen_while_it_comes(text, seen):
    assert without_names(text, ["demo-large"], partial=True) == seen


def test_what_is_part_of_another_word_is_no_name():
    assert without_names("o3 of the largest", ["o3", "large"]) == "o3 of the largest"


def test_hidden_answers_cannot_be_sorted_by_what_tells():
    both = compared(blind=True, small="one", large="two")
    with pytest.raises(OptionError, match="vote first"):
        both.sorted_by("cost")


# -- votes


@pytest.mark.parametrize(
    ("word", "winner"),
    [("a", "small"), ("B", "large"), ("large", "large"), ("tie", "tie"), ("bad", "bad")],
)
def test_a_vote_is_kept_with_its_models(word, winner):
    kept: list[Verdict] = []
    both = compared(keep=kept.append, small="one", large="two")
    both.vote(word)
    assert kept == [Verdict(("small", "large"), winner, False, ("id-small", "id-large"))]
    assert Verdict.from_json(kept[0].as_json()) == kept[0]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("b", "large is better than small; 1 vote kept"),
        ("tie", "small and large are as good as each other; 1 vote kept"),
        ("bad", "none is any good: small and large; 1 vote kept"),
    ],
)
def test_a_vote_says_in_words_what_is_kept(word, said):
    assert pretty(compared(small="one", large="two").vote(word)) == said


def test_a_vote_is_told_where_the_answers_stand():
    shown: list[str] = []
    both = compared(blind=True, small="one", large="two")
    both.on_vote(lambda made: shown.append(made._repr_mimebundle_()["text/html"]))
    both.vote("a")
    assert "small" in shown[0]
    assert "large" in shown[0]


@pytest.fixture
def kernel(monkeypatch):
    """The bundles that a kernel's front end would get, each with the number of its output."""
    published: list[tuple[int, bool, str]] = []
    outputs = iter(range(99))

    def publisher():
        number = next(outputs)
        return lambda bundle, _, *, update: published.append((number, update, bundle["text/plain"]))

    monkeypatch.setattr(comparison, "can_replace", lambda: True)
    monkeypatch.setattr(comparison, "publisher", publisher)
    return published


def test_a_vote_replaces_what_is_shown_in_a_kernel_in_each_place(kernel):
    both = compared(blind=True, small="one", large="two")
    both._ipython_display_()
    both._ipython_display_()
    both.vote("a")
    assert [(number, update) for number, update, _ in kernel] == [
        (0, False),
        (1, False),
        (0, True),
        (1, True),
    ]
    assert ["Names are hidden" in text for _, _, text in kernel] == [True, True, False, False]


def test_after_the_vote_nothing_is_left_to_replace(kernel):
    both = compared(blind=True, small="one", large="two")
    both.vote("a")
    both._ipython_display_()
    assert [(number, update) for number, update, _ in kernel] == [(0, False)]
    assert both._told == []


def test_a_front_end_that_is_gone_costs_no_vote(kernel, monkeypatch):
    kept: list[Verdict] = []
    both = compared(blind=True, keep=kept.append, small="one", large="two")

    def dies(bundle, metadata, *, update):
        if update:
            raise OSError("closed")

    monkeypatch.setattr(comparison, "publisher", lambda: dies)
    both._ipython_display_()
    assert both.vote("a") == kept[0]


def test_in_a_terminal_the_comparison_is_left_to_its_prompt():
    both = compared(blind=True, small="one", large="two")
    with pytest.raises(NotImplementedError):
        both._ipython_display_()
    assert both._told == []


def test_a_second_vote_is_refused():
    both = compared(small="one", large="two")
    both.vote("a")
    with pytest.raises(OptionError, match="voted already: small; a vote stands"):
        both.vote("b")


def test_a_vote_of_two_words_is_refused_in_one_line_and_keeps_none():
    both = compared(small="one", large="two")
    with pytest.raises(OptionError, match="takes one word"):
        both.vote("a", "b")
    assert both.verdict is None


def test_the_votes_that_show_hidden_names_are_written_as_calls_of_their_own():
    both = compared(blind=True, small="one", large="two")
    votes = '.vote("a"), .vote("b"), .vote("tie") or .vote("bad")'
    assert both.note() == f"Names are hidden. Vote to see them: {votes}"


@pytest.mark.parametrize("word", ["c", "smal", "", "a b"])
def test_a_vote_for_what_is_not_there_says_what_is(word):
    both = compared(small="one", large="two")
    with pytest.raises(OptionError, match="there are a, b") as caught:
        both.vote(word)
    assert len(str(caught.value)) <= 200


def test_a_failed_answer_cannot_win():
    both = compared(small=ServerError("x"), large="two", mid="three")
    with pytest.raises(OptionError, match="a is not there: it failed"):
        both.vote("a")
    assert both.verdict is None


def test_one_answer_alone_needs_no_vote():
    both = compared(small=ServerError("x"), large="two")
    with pytest.raises(OptionError, match="two answers"):
        both.vote("b")


def test_votes_add_up_to_win_rates():
    votes = [
        Verdict(("small", "large"), "large", True),
        Verdict(("small", "large"), "tie", True),
        Verdict(("small", "large", "mid"), "bad", False),
        Verdict(("small", "large"), "large", False),
    ]
    rates = win_rates(votes)
    assert rates.index.tolist() == ["large", "small", "mid"]
    assert rates.win_rate.tolist() == [2.5 / 4, 0.5 / 4, 0.0]
    assert rates.loc["small"].tolist() == [4, 0, 1, 2, 1, 0.125]


def test_without_votes_the_win_rates_have_the_same_columns():
    some = win_rates([Verdict(("a", "b"), "a", False)])
    assert win_rates([]).dtypes.equals(some.dtypes)


# -- what shows


def test_columns_can_be_sorted():
    plays = {
        "b": lambda hear: answer("xx", "b", 9, 1.0),
        "a": lambda hear: answer("x", "a", 3, 2.0),
    }
    both = compared(**plays)
    by = {order: [c.model for c in both.sorted_by(order).ordered()] for order in ORDERS}
    assert by["asked"] == ["b", "a"]
    assert by["name"] == ["a", "b"]
    assert by["cost"] == ["a", "b"]
    assert by["duration"] == ["b", "a"]
    assert by["length"] == ["b", "a"]


def test_an_order_that_is_none_names_the_nearest():
    with pytest.raises(OptionError, match="did you mean 'cost'"):
        compared(a="x", b="y").sorted_by("costs")


def test_who_has_no_figure_comes_last():
    plays = {"x": lambda hear: answer("x", "x", None), "y": lambda hear: answer("y", "y", 3)}
    assert [c.model for c in compared(**plays).sorted_by("cost").ordered()] == ["y", "x"]


def test_the_frame_has_the_same_types_for_any_end():
    one, two = compared(a="x", b="y"), compared(a=ServerError("x"), b=ServerError("y"))
    assert one.frame().dtypes.equals(two.frame().dtypes)


def test_equal_answers_are_told():
    assert "same as small" in compared(small="x", large="x")._repr_mimebundle_()["text/plain"]


def test_code_has_the_whole_width_of_its_card_and_the_style_is_said_once():
    cells = [Cell(name, "```\nx = 1\n```", "footer") for name in ("small", "large")]
    html = side_by_side(cells)["text/html"]
    assert html.count("<style>") == html.count(".mmai-answer pre") == 1
    assert html.index("<style>") > html.index('class="mmai-compare"')  # it goes with its comparison


def test_markup_in_an_answer_a_name_or_an_error_does_nothing():
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    both = compared(**{evil: evil, "b": ServerError(evil)})
    html = both._repr_mimebundle_()["text/html"]
    assert "<img" not in html
    assert "<script" not in html


def test_what_differs_is_marked():
    diff = Difference(("a", "the red house"), ("b", "the blue house"))
    bundle = diff._repr_mimebundle_()
    assert "the [-red-]{+blue+} house" in bundle["text/plain"]
    assert "<del" in bundle["text/html"]
    assert diff.same == pytest.approx(2 / 3)


def test_a_difference_is_safe_to_show():
    diff = Difference(("<b>", "<script>x</script>"), ("b", "y $1 \x1b[31m"))
    html = diff._repr_mimebundle_()["text/html"]
    assert "<script" not in html
    assert "\x1b" not in html


def test_words_that_differ_in_part_are_never_more_than_all():
    text = "*Demo* `demo-{}` has a few: merge_sort(items[:middle])." + " And so on." * 9
    assert Difference(("a", text.format("large")), ("b", text.format("small"))).same < 1


def test_what_differs_a_little_is_not_told_to_be_the_same():
    diff = Difference(("a", "word " * 999 + "x"), ("b", "word " * 999 + "y"))
    assert "over 99 % of the words" in diff._repr_mimebundle_()["text/plain"]


def test_two_empty_answers_are_the_same():
    assert Difference(("a", ""), ("b", "")).same == 1.0


@pytest.mark.parametrize(
    ("models", "hint"),
    [([], "needs models"), (["a", "a"], "twice"), ([f"m{i}" for i in range(51)], "50 at most")],
)
def test_models_that_cannot_be_compared(models, hint):
    with pytest.raises(OptionError, match=hint):
        Comparison("hi", models, scripted())


# -- over an engine


@pytest.fixture
def engine(tmp_path):
    def call(request, spec, on_text):
        if on_text is not None:
            on_text("an answer")
        return Completion(f"of {spec.name}", spec.name, Usage(1000, 500), finish_reason="stop")

    made = Engine(
        settings_of(),
        call=call,
        ledger=Ledger(tmp_path / "ledger.sqlite3"),
        cache=AnswerCache(tmp_path / "cache"),
    )
    yield made
    made.close()


def test_each_is_asked_priced_and_recorded_as_ask_would(engine):
    made = engine.compare("hi", ["small", "large"], tag="trial")
    made.start()
    frame = made.wait().frame()
    assert frame.text.tolist() == ["of small", "of large"]
    assert frame.cost_usd.tolist() == pytest.approx([0.0003, 0.003])
    assert sorted(engine.costs().request_model) == ["large", "small"]
    assert set(engine.costs().tag) == {"trial"}


def test_the_second_time_costs_nothing(engine):
    for _ in range(2):
        made = engine.compare("hi", ["small", "large"])
        made.start()
        made.wait()
    assert made.frame().cache_hit.tolist() == [True, True]
    assert made.frame().cost_usd.tolist() == [0.0, 0.0]


def test_a_vote_is_in_the_ledger_and_in_the_win_rates(engine):
    made = engine.compare("hi", ["small", "large"], blind=True)
    made.start()
    made.wait()
    winner = made.vote("a").winner
    assert engine.win_rates().index[0] == winner
    assert engine.ledger.votes("compare")[0][3]["blind"] is True


def test_a_model_that_is_not_there_stops_it_before_anything_is_sent(engine):
    with pytest.raises(UnknownModelError, match="smal"):
        engine.compare("hi", ["small", "smal"])
    assert len(engine.costs()) == 0


@pytest.mark.parametrize("name", ["model", "tier", "fallback", "messages", "on_text"])
def test_options_that_make_no_sense_are_refused(engine, name):
    with pytest.raises(OptionError, match=f"leave {name} out"):
        engine.compare("hi", ["small"], **{name: "x"})
