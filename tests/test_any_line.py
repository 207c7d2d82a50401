"""Whatever stands behind `%ai`, or on the first line of a cell: it asks, runs, or is refused."""

from __future__ import annotations

import builtins
import getpass
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output
from support.refusing import House, is_one_clear_line
from support.scripted import settings_of

from mmai_nb.commands import FAMILIES
from mmai_nb.errors import MmaiError

COMMANDS = [n for f in FAMILIES.values() for sub in f for n in (sub.name, *sub.names)]
OPTIONS = str.split(
    "-h --help -- - --- --bogus -m --model -s -t --max-tokens -o -f --var --fallback --compare "
    "--blind --no-cache --refresh --dry-run --timeout --max-cost --no-stream --raw --tag -q -v "
    "--api-key --allow-secrets --t=1 -5"
)
VALUES = str.split(
    "small large simple auto day tier model today 7d month clear trim export import save user None "
    "true [1,2] {} a,b , .. ~nobody/x ../x x.csv 10 0 1.5 1e400 nan -1 ٣ ² $5 temperature retries "
    "models tiers aliases.a cache.folder cache.max_bytes ledger_path models.small.price "
    "models.small.input_price models.new.base_url http://127.0.0.1:1/v1 budget.day system é 日本 ?"
)
HOSTILE = [
    *str.split("' \" \\ = ; {x} {x.__class__} {unknwn} {{x}} {x!raw} $x"),
    *("\ud800", "\x1b[31m", "\0", "\u202e", "\n", "\t"),
    *("9" * 400, "9" * 5000, "[" * 2000, "x" * 300),
]
WORDS = st.sampled_from([*COMMANDS, *OPTIONS, *VALUES, *HOSTILE]) | st.text(max_size=12)
GAPS = st.sampled_from([" ", "", "  "])
MANY = st.lists(WORDS, max_size=6)
BEGUN = st.builds(lambda first, rest: [first, *rest], st.sampled_from(COMMANDS + OPTIONS), MANY)
LINES = st.builds(str.join, GAPS, MANY | BEGUN)
BODIES = st.sampled_from(["hi", "", "  ", "# x", "{x}", "a\0b", "\ud800"]) | st.text(max_size=20)

hammer = settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house in which nobody types an answer, and no price is fetched."""
    from genai_prices import UpdatePrices

    def nobody(*_: Any, **__: Any) -> str:
        raise EOFError

    def unreachable(_: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(getpass, "getpass", nobody)
    monkeypatch.setattr(builtins, "input", nobody)
    monkeypatch.setattr(UpdatePrices, "fetch", unreachable)
    made = House(tmp_path)
    made.shell.user_ns.update(x=1, unknown=2)
    yield made
    made.close()


def refusal(house: House, *given: str) -> str:
    """What is said against a line and a cell; "" if they asked or ran, and what came was shown."""
    house.engine._settings = settings_of()
    try:
        with capture_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            house.shell.display_formatter.format(house.magics.ai(*given))
    except (UsageError, MmaiError) as error:
        return str(error)
    return ""


@hammer
@given(line=LINES)
@example(line=f"costs {'9' * 5000}")
@example(line=f"config temperature {'[' * 2000}")
@example(line="version \n tiers")
def test_any_line_asks_runs_or_is_refused_in_one_line(house, line):
    sent = len(house.call.calls)
    if said := refusal(house, line):
        assert is_one_clear_line(said)
        assert len(house.call.calls) == sent


@hammer
@given(line=LINES, body=BODIES)
@example(line="{x} {x.__class__} --refresh \x1b[31m ../x", body="hi")
@example(line=f"true --model {'9' * 400}", body="hi")
def test_any_first_line_of_a_cell_asks_or_is_refused_in_one_line(house, line, body):
    sent = len(house.call.calls)
    if said := refusal(house, line, body):
        assert is_one_clear_line(said)
        assert len(house.call.calls) == sent
