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
from .prose import empty, hedging, refusal, repetition, truncated, wrong_language
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
            names are no fault.
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
    """All that speaks against an answer; nothing for a good one."""
    text = sample(text)
    nothing = tuple(empty(text))
    return nothing or tuple(_faults(text, question))


def _faults(text: str, question: Question) -> Iterator[Finding]:
    yield from truncated(text, question.finish_reason)
    if question.schema is not None:
        yield from _mismatch(text, question.schema)
        return  # the other checks are for prose
    yield from refusal(text)
    yield from wrong_sums(text, question.prompt)
    yield from loose_steps(text, question.prompt)
    yield from final_answers(text, question.prompt)
    yield from broken_code(text)
    if question.namespace is not None:
        yield from unknown_names(text, question.namespace, question.installed)
    yield from wrong_language(text, question.prompt)
    yield from repetition(text)
    yield from hedging(text)


def _mismatch(text: str, schema: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        parse_answer(text, schema)
    except SchemaMismatchError as error:
        yield Finding("schema", str(error)[:160])
