"""Local, free, deterministic checks of an answer: is it good enough for the question?

They look at the answer's text alone. Its code is parsed, never run; its modules are looked for,
never imported; nothing is sent. What they find are reasons to doubt, not proofs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import SchemaMismatchError
from ..schemas import parse_answer
from .agreement import agree
from .arithmetic import wrong_sums
from .blocks import sample
from .code import broken_code, is_installed, unknown_names
from .doubt import Assessment, weigh
from .finals import final_answers
from .finding import Finding
from .prose import empty, hedging, repetition, truncated, wrong_language
from .refusing import refusal
from .steps import loose_steps

__all__ = ["Assessment", "Finding", "Question", "agree", "assess", "find_faults"]


@dataclass(frozen=True)
class Question:
    """What an answer is held against.

    Attributes:
        prompt: what was asked.
        schema: the JSON schema the answer must fit, or None.
        finish_reason: why the model stopped, as the endpoint says.
        namespace: names that exist where the answer's code would run; None: not known, so unknown
            names are no fault. Of a mapping, modules among the values are known by their names.
        installed: whether a module can be imported.
    """

    prompt: str
    schema: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    namespace: Collection[str] | None = None
    installed: Callable[[str], bool] = is_installed


def assess(text: str, question: Question) -> Assessment:
    """How far an answer is to be doubted, and what speaks against it.

    Deterministic, without network, in a time that grows with the text's length at most.
    """
    return weigh(find_faults(text, question), question.prompt)


def find_faults(text: str, question: Question) -> tuple[Finding, ...]:
    """All that speaks against an answer; nothing for a good one.

    Of an answer or a prompt of more than 200,000 characters the beginning and the end are read.
    """
    part, prompt = sample(text), sample(question.prompt)
    if nothing := tuple(empty(part)):
        return nothing
    cut = tuple(truncated(part, question.finish_reason))
    if question.schema is not None:
        return (*cut, *_mismatch(text, question.schema))  # the other checks are for prose
    ended = question.finish_reason == "stop"
    return (*cut, *_faults(part, prompt, ended), *_unknown(part, question))


def _faults(text: str, prompt: str, ended: bool) -> Iterator[Finding]:
    yield from refusal(text, prompt)
    yield from wrong_sums(text, prompt)
    yield from loose_steps(text, prompt)
    yield from final_answers(text, prompt)
    yield from broken_code(text, prompt, ended=ended)
    yield from wrong_language(text, prompt)
    yield from repetition(text, prompt)
    yield from hedging(text)


def _unknown(text: str, question: Question) -> Iterator[Finding]:
    if question.namespace is not None:
        yield from unknown_names(text, question.prompt, question.namespace, question.installed)


def _mismatch(text: str, schema: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        parse_answer(text, schema)
    except SchemaMismatchError as error:
        yield Finding("schema", str(error)[:160])
