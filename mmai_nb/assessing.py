"""One answer looked at: whether it passes its check, in words that may be shown and kept."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from .demo.answers import DIRECTIVE
from .errors import SchemaMismatchError
from .keeping import Parse
from .markup import clean_text
from .records import Checked, Completion, Request
from .redaction import redact
from .values import one_line

__all__ = ["assessed", "compared", "flaw_of", "said"]

MOST_REASONS = 5
"""Findings that are told of one answer."""

_WHERE_IT_IS = re.compile(r"; (?:see|its text is in) error\.raw$")
"""Said to who catches an error; of an answer that went up there is none."""

LONGEST_REASON = 120
"""Characters of a reason; it may quote the answer."""


def assessed(
    request: Request,
    completion: Completion,
    parse: Parse | None,
    *,
    tier: str | None = None,
    names: Collection[str] | None = None,
) -> Checked:
    """What the local checks make of an answer; none of its code is run, and nothing is sent.

    Args:
        request: what was asked.
        completion: the answer.
        parse: makes the value of it that was asked for.
        tier: whose model gave it.
        names: what exists where its code would run; None: not known.
    """
    from .checks import Question, assess

    plain = Checked(completion, tier, passed=True)
    if misfit := _misfit(parse, completion):
        return replace(plain, passed=False, doubt=1.0, reasons=(said(misfit),))
    schema = {} if request.schema is None and request.format == "json" else request.schema
    prompt = DIRECTIVE.sub("", request.prompt)  # an order to the demo is no part of the question
    question = Question(prompt, schema, completion.finish_reason, names)
    found = assess(completion.text, question)
    reasons = tuple(said(finding.reason) for finding in found.findings[:MOST_REASONS])
    return replace(plain, passed=not found.fails, doubt=found.doubt, reasons=reasons)


def compared(found: Checked, prompt: str) -> Checked:
    """The same once more, after another model's answer is there, too: `found.opinion`."""
    from .checks import agree

    first, second = found.completion, found.opinion
    if second is None or agree(first.text, second.text, prompt) is not False:
        return found
    words = said(f"{first.model} and {second.model} disagree")
    return replace(found, passed=False, reasons=(words, *found.reasons))


def flaw_of(completion: Completion, parse: Parse | None) -> str:
    """Why an answer must not take the place of one without a flaw; "" where it may."""
    cut = {
        "length": "was cut at the limit on tokens",
        "content_filter": "was stopped by the content filter",
    }
    if flaw := cut.get(completion.finish_reason or ""):
        return flaw
    return "does not fit the schema" if _misfit(parse, completion) else ""


def _misfit(parse: Parse | None, completion: Completion) -> str:
    """Why an answer does not have the value that was asked for; "" where it has."""
    try:
        _ = None if parse is None else parse(completion)
    except SchemaMismatchError as error:
        return _WHERE_IT_IS.sub("", str(error))
    return ""


def said(words: str) -> str:
    """A reason as it may be shown and kept: one short line, no secret and no control code in it."""
    line = one_line(redact(clean_text(words)))
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"
