"""A call in another thread stops when it is told to."""

from __future__ import annotations

import threading
import time

import pytest

from mmai_nb import cancel


def test_without_an_event_nothing_stops():
    cancel.check()
    cancel.pause(0.0)


def test_an_event_that_is_set_stops_at_the_next_look():
    event = threading.Event()
    with cancel.stops_with(event):
        cancel.check()
        event.set()
        with pytest.raises(cancel.Stopped):
            cancel.check()
    cancel.check()


def test_a_pause_ends_when_the_event_is_set():
    event = threading.Event()
    threading.Timer(0.05, event.set).start()
    begin = time.monotonic()
    with cancel.stops_with(event), pytest.raises(cancel.Stopped):
        cancel.pause(60.0)
    assert time.monotonic() - begin < 30.0


def test_a_pause_that_nobody_ends_is_whole():
    begin = time.monotonic()
    with cancel.stops_with(threading.Event()):
        cancel.pause(0.25)
    assert time.monotonic() - begin >= 0.25


def test_one_threads_event_does_not_stop_another():
    event = threading.Event()
    event.set()
    seen = []

    def other() -> None:
        cancel.check()
        seen.append("went on")

    with cancel.stops_with(event):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == ["went on"]
