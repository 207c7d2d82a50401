from __future__ import annotations

import pytest

from mmai_nb.display import Notebook, Terminal
from mmai_nb.pacing import Pace


class Screen:
    """What a notebook would show, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now, self.shown = 0.0, []

    def publish(self, bundle, metadata, *, update):
        self.shown.append((update, bundle))

    def clock(self):
        return self.now


@pytest.fixture
def screen():
    return Screen()


@pytest.fixture
def view(screen):
    return Notebook("markdown", screen.publish, Pace(screen.clock))


def test_the_cell_is_not_empty_while_it_waits(view, screen):
    view.waiting("asking …")
    assert screen.shown[0][1]["text/plain"] == "asking …"


def test_the_first_text_is_shown_at_once(view, screen):
    view.waiting("asking …")
    view.text("Hello")
    assert [update for update, _ in screen.shown] == [False, True]
    assert "Hello" in screen.shown[-1][1]["text/html"]


def test_a_fast_stream_is_shown_at_most_ten_times_a_second(view, screen):
    for _ in range(2000):
        view.text("word ")
        screen.now += 0.001
    assert len(screen.shown) <= 21


def test_a_long_stream_stays_under_200_kilobytes_a_second(view, screen):
    for _ in range(4000):
        view.text("word " * 10)
        screen.now += 0.005
    total = sum(len(str(v).encode()) for _, bundle in screen.shown for v in bundle.values())
    assert total / screen.now <= 210_000


def test_two_streams_share_what_one_may_send(screen):
    pace, shown = Pace(screen.clock), {"a": [], "b": []}

    def publisher(name):
        return lambda bundle, metadata, *, update: shown[name].append(bundle)

    views = [Notebook("markdown", publisher(name), pace) for name in shown]
    for _ in range(5000):
        for view in views:
            view.text("word " * 5)
        screen.now += 0.002
    both = shown["a"] + shown["b"]
    assert sum(len(v.encode()) for bundle in both for v in bundle.values()) / screen.now <= 150_000
    assert len(both) / screen.now <= 10
    assert abs(len(shown["a"]) - len(shown["b"])) <= 1


def test_what_came_before_holds_a_new_stream_up_for_two_seconds_at_most(screen):
    pace = Pace(screen.clock)
    for _ in range(1000):
        pace.sent(10_000)
    view = Notebook("markdown", screen.publish, pace)
    view.text("the first")
    screen.now += 2.5
    view.text(" and the next")
    assert [bundle["text/plain"] for _, bundle in screen.shown] == [
        "the first",
        "the first and the next",
    ]


def test_what_is_still_coming_is_sent_without_its_markdown(view, screen):
    view.text("Hello")
    assert set(screen.shown[-1][1]) == {"text/plain", "text/html"}
    view.stopped("broke off here")
    assert "text/markdown" in screen.shown[-1][1]


def test_updates_replace_the_same_output(view, screen):
    view.text("a")
    screen.now += 1
    view.text("b")
    assert [update for update, _ in screen.shown] == [False, True]
    assert "ab" in screen.shown[-1][1]["text/plain"]


def test_what_came_before_a_failure_stays_with_a_line_under_it(view, screen):
    view.text("half")
    view.stopped("broke off here")
    assert "half" in screen.shown[-1][1]["text/html"]
    assert "broke off here" in screen.shown[-1][1]["text/plain"]


def test_hostile_text_is_harmless_while_it_streams(view, screen):
    view.text("<img src=x onerror=alert(1)><script>alert(2)</script>")
    html = screen.shown[-1][1]["text/html"]
    assert "<img" not in html
    assert "<script" not in html


def test_a_terminal_gets_the_text_as_it_comes_without_control_codes():
    out: list[str] = []
    view = Terminal(out.append)
    view.waiting("asking …")
    view.text("red \x1b[31mtext")
    assert "".join(out) == "red text"


def test_a_waiting_line_does_not_take_the_place_of_text(view, screen):
    view.text("Hello")
    view.waiting("asking again …")
    assert screen.shown[-1][1]["text/plain"] == "Hello\n\nasking again …"


def test_a_dead_front_end_does_not_cost_the_answer():
    def broken(*args, **more):
        raise BrokenPipeError

    view = Notebook("markdown", broken)
    view.text("Hello")
    view.stopped("ended")
    terminal = Terminal(broken)
    terminal.text("Hello")
    terminal.stopped("ended")


def test_what_is_rejected_pales_until_another_takes_its_place(view, screen):
    view.text("3 × 17 = 41")
    view.rejected("escalated to complex: 3 × 17 = 41 is wrong")
    view.waiting("asking large …")
    pale = screen.shown[-1][1]
    assert "opacity" in pale["text/html"]
    assert "41" in pale["text/plain"]
    assert "escalated to complex: 3 × 17 = 41 is wrong …" in pale["text/plain"]
    view.text("3 × 17 = 51")
    assert screen.shown[-1][1]["text/plain"].startswith("3 × 17 = 51")
    assert "escalated to complex" in screen.shown[-1][1]["text/html"]
    assert [update for update, _ in screen.shown] == [False, True, True]


def test_a_rejected_text_that_was_not_replaced_is_back_when_it_ends_early(view, screen):
    view.text("the first")
    view.rejected("escalated to complex: …")
    view.text("half of the sec")
    view.stopped("interrupted: it is in ai.last()")
    assert screen.shown[-1][1]["text/plain"] == "the first\n\ninterrupted: it is in ai.last()"
    assert "opacity" not in screen.shown[-1][1]["text/html"]


def test_reasons_are_harmless_where_they_are_shown(view, screen):
    view.text("x")
    view.rejected('escalated: <script>alert(1)</script>"')
    assert "<script" not in screen.shown[-1][1]["text/html"]


def test_a_terminal_prints_the_reason_and_then_the_new_text():
    out: list[str] = []
    view = Terminal(out.append)
    view.text("old")
    view.rejected("escalated to complex: \x1b[31mwrong")
    view.text("new")
    assert "".join(out) == "old\n\nescalated to complex: wrong\n\nnew"
