"""The same cases through both doors: the function and the magic do the same."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from support.scripted import Scripted, settings_of
from traitlets.config import Config

from mmai_nb.caching import AnswerCache
from mmai_nb.engine import Engine
from mmai_nb.errors import (
    BadRequestError,
    BudgetExceededError,
    ChainExhaustedError,
    MmaiError,
    OptionError,
    PromptError,
    QuotaError,
    SecretInPromptError,
    ServerError,
    UnknownModelError,
)
from mmai_nb.ledger import Ledger

FLAGS = {
    "cache": lambda v: [] if v else ["--no-cache"],
    "refresh": lambda v: ["--refresh"] if v else [],
    "allow_secrets": lambda v: ["--allow-secrets"] if v else [],
    "fallback": lambda v: [w for name in v for w in ("--fallback", name)],
    "params": lambda v: [w for key, value in v.items() for w in ("-o", key, str(value))],
    "max_tokens": lambda v: ["--max-tokens", str(v)],
    "max_cost": lambda v: ["--max-cost", str(v)],
}


def line_of(options: dict[str, Any]) -> str:
    words: list[str] = []
    for name, value in options.items():
        words += FLAGS.get(name, lambda v, n=name: [f"--{n}", str(v)])(value)
    return shlex.join(words)


@pytest.fixture(params=["function", "magic"])
def door(request, tmp_path):
    """Ask through one of the two doors: `door(prompt, *plays, **options)`."""
    call = Scripted()
    engine = Engine(
        settings_of(),
        call=call,
        ledger=Ledger(tmp_path / "ledger.sqlite3"),
        cache=AnswerCache(tmp_path / "cache"),
        sleep=lambda seconds: None,
    )
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.extension_manager.load_extension("mmai_nb")
    shell.magics_manager.magics["cell"]["ai"].__self__._engine = engine

    def by_function(prompt: str, options: dict[str, Any]) -> Any:
        return engine.ask(prompt, **options)

    def by_magic(prompt: str, options: dict[str, Any]) -> Any:
        with capture_output():
            result = shell.run_cell(f"%%ai {line_of(options)}\n{prompt}")
        if isinstance(result.error_in_exec, UsageError):
            raise OptionError(str(result.error_in_exec))
        result.raise_error()
        return result.result

    def ask(prompt: str, *plays: Any, **options: Any) -> Any:
        if plays:
            call.plays[:] = plays
        return (by_function if request.param == "function" else by_magic)(prompt, options)

    ask.call, ask.engine = call, engine
    yield ask
    engine.close()
    shell.restore_sys_module_state()


def test_an_answer(door):
    assert str(door("hi", "fine")) == "fine"


def test_a_prompt_is_paid_once(door):
    assert [door("hi").cache_hit, door("hi").cache_hit] == [False, True]
    assert len(door.call.calls) == 1


def test_refresh_and_no_cache(door):
    door("hi", "one")
    assert str(door("hi", "two", refresh=True)) == "two"
    assert str(door("hi", "three", cache=False)) == "three"
    assert str(door("hi")) == "two"


def test_parameters_are_sent_as_given(door):
    door("hi", temperature=0.5, max_tokens=9, params={"seed": 3}, system="be brief")
    sent = door.call.calls[0][0]
    assert sent.params == {"temperature": 0.5, "max_tokens": 9, "seed": 3}
    assert sent.messages[0].content == "be brief"


def test_a_limit_on_its_cost_puts_a_cap_on_the_answer(door):
    door("hi", max_cost="$0.05")
    assert door.call.calls[0][0].params == {"max_tokens": 4096}


def test_a_named_model_and_its_fallback(door):
    answer = door("hi", QuotaError("402"), "fine", model="small", fallback=["large"])
    assert answer.model == "large"
    assert [a.status for a in answer.attempts] == ["error", "ok"]


def test_a_retried_failure_is_two_rows(door):
    door("hi", ServerError("503"), "fine", model="small")
    assert list(door.engine.costs().status) == ["error", "ok"]


def test_the_tag_lands_in_the_ledger(door):
    door("hi", tag="study")
    assert list(door.engine.costs().tag) == ["study"]


FAILING = [
    ([BadRequestError("400")], {}, BadRequestError),
    ([ServerError("501", retries=0)], {}, ChainExhaustedError),
    ([QuotaError("402")], {"model": "small"}, QuotaError),
    ([], {"model": "smal"}, UnknownModelError),
    ([], {"temperature": 3}, OptionError),
    ([], {"temperature": "nan"}, OptionError),
    ([], {"max_tokens": 0}, OptionError),
    ([], {"timeout": -1}, OptionError),
    ([], {"max_cost": 0}, OptionError),
    ([], {"max_cost": "much"}, OptionError),
    ([], {"max_cost": "$0.000001"}, BudgetExceededError),
    ([], {"format": "pdf"}, OptionError),
    ([], {"model": "a b"}, OptionError),
    ([], {"cache": False, "refresh": True}, OptionError),
]


@pytest.mark.parametrize(("plays", "options", "error"), FAILING, ids=lambda v: str(v)[:40])
def test_a_failure_is_of_the_same_kind(door, plays, options, error):
    with pytest.raises(error) as caught:
        door("hi", *plays, **options)
    assert isinstance(caught.value, MmaiError)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("prompt", ["   ", "# only a comment", "x" * 200_000])
def test_a_prompt_that_cannot_be_sent(door, prompt):
    with pytest.raises(PromptError):
        door(prompt)
    assert door.call.calls == []


def test_a_secret_is_not_sent(door, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "acme-0123456789-secret")
    with pytest.raises(SecretInPromptError):
        door("use acme-0123456789-secret")
    assert door.call.calls == []
    door("use acme-0123456789-secret", allow_secrets=True)
    assert len(door.call.calls) == 1
