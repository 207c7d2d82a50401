"""What the user thinks of an answer, and what the router learns from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from ..calibrating import ACTIONS, act
from ..feedback import escalate, retry, vote
from .page import Again, Command, Page
from .registry import PATHS, EngineGetter, Subcommand

__all__ = ["COMMANDS"]


def _vote(word: str, rest: str, engine: EngineGetter) -> Command | None:
    return None if rest not in ("", "last") else lambda: Page(repr(vote(engine(), word)))


def _escalate(rest: str, engine: EngineGetter) -> Command | None:
    return None if rest else lambda: Again(partial(escalate, engine()))


def _retry(rest: str, engine: EngineGetter) -> Command | None:
    return None if rest else lambda: Again(partial(retry, engine()))


def _calibrate(rest: str, engine: EngineGetter) -> Command | None:
    action, _, path = rest.partition(" ")
    if not rest:
        return lambda: act(engine())
    if action not in ACTIONS or bool(path) != (action in ("export", "import")):
        return None
    return lambda: act(engine(), action, path.strip() or None)


def _last_word(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    return () if before else ("last",)


def _calibrate_words(before: Sequence[str], engine: EngineGetter) -> Iterable[str]:
    if not before:
        return ACTIONS
    return PATHS if len(before) == 1 and before[0] in ("export", "import") else ()


_ASKED = "    %ai What is the capital of Norway?\n\n"
_VOTE_HELP = """

It is kept in the ledger, and %ai calibrate learns from such votes. No text is kept with it: counts,
such as how long the prompt was and, unless log_text is false, a number for each word, one of 512,
so that many words share it. %ai history delete takes the words' numbers away with the prompt. A
second word on the same answer replaces the first. In Python it is ai.vote("{word}"); of an earlier
answer, ai.vote("{word}", answer). "last" changes nothing: %ai {word} last says what is meant."""

COMMANDS = (
    Subcommand(
        "good",
        "%ai good [last]: the last answer was good enough.",
        partial(_vote, "good"),
        help=f"{_ASKED}    %ai good{_VOTE_HELP.format(word='good')}",
        complete=_last_word,
    ),
    Subcommand(
        "poor",
        "%ai poor [last]: the last answer was not good enough.",
        partial(_vote, "poor"),
        help=f"{_ASKED}    %ai poor{_VOTE_HELP.format(word='poor')}\n\n"
        "Asked again in this session, the same question counts as harder.",
        complete=_last_word,
    ),
    Subcommand(
        "escalate",
        "%ai escalate: ask the last question one tier up; unless you said good, it was poor.",
        _escalate,
        help=f"""\
{_ASKED}    %ai escalate

    %ai good

That the first answer was poor is kept as a vote, unless you said %ai good before. The question
goes out as it was sent: the same system message, format, schema and data. Whether the
second answer was better is worth saying, too: %ai calibrate learns most from two answers to the
same prompt. In Python it is ai.escalate().""",
    ),
    Subcommand(
        "retry",
        "%ai retry: ask the last question again, the same models, a fresh answer.",
        _retry,
        help=f"""\
{_ASKED}    %ai retry

The kept answer, if there is one, is overwritten. In Python it is ai.retry().""",
    ),
    Subcommand(
        "calibrate",
        "%ai calibrate [show|undo|reset|force|export FILE|import FILE]: learn from your votes.",
        _calibrate,
        help="""\
It fits the score and the tiers to what you said of answers: %ai good, %ai poor, %ai escalate and
your votes on comparisons. Twenty votes are the least, and few votes move little. It is put in force
only where it foretells votes better that it was not fitted on; it shows that, what moved, and what
your past calls would have cost.

    %ai calibrate

    %ai calibrate show

A vote on one answer tells how often a tier is good enough. Which prompts are worth a dearer model
is learned from two answers to the same prompt: a comparison, or %ai escalate and a word on what it
gave. A vote on the strongest tier teaches nothing, since a prompt can go no further up. Bounds of
tiers move only while the tiers are those that you voted on; `prefer` goes before them.

Say %ai good as well as %ai poor: votes that are nearly all poor do not tell how often an answer is,
and put nothing in force. Good answers to easy prompts send those that are a little harder to the
cheaper model, too, and none that is much harder than all you voted on.

"Surprise" is by how much votes differ from what was foretold, as log-loss; 0.69 is a coin. "undo"
takes a calibration back, "reset" all of them, "force" puts it in force though it may not help,
"export FILE" writes it to a file without any text, and "import FILE" reads one. Votes on the demo's
answers calibrate the demo alone. In Python: ai.calibrate(), ai.calibrate("undo") and so on.""",
        complete=_calibrate_words,
    ),
)
