"""The answer's last word: two that contradict each other, or none where one was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .finding import Finding
from .prose import names_a_language

__all__ = ["choice_named", "final_answers", "number_asked", "offers_choices", "stem"]

_FINAL = re.compile(
    r"(?:\b(?:final |correct |right )?answer\s{0,3}(?:is|:|=|would be)\s{0,3}:?\s{0,3}|"
    r"^####\s{0,3}(?=\S{1,20}(?: \w{1,12})?[ \t]*$)|\\boxed\{)"
    r"(?:option\s+|choice\s+)?[\s*_($\\]*"
    r"(?P<value>[A-J](?![\w'’])|-?[\d,]*\.?\d+(?:\s*/\s*\d+)?|[^\s.,;:)}*_$\\]+)",
    re.IGNORECASE | re.MULTILINE,
)
_PART = re.compile(
    r"^\W{0,6}(?:part |question |problem )?(?:[a-h]|\d{1,2})[.):]", re.IGNORECASE | re.MULTILINE
)
_CHOICES = re.compile(r"^[ \t]*\(?([A-J])[.):]\s", re.MULTILINE)
_NUMBER_ASKED = re.compile(
    r"\bhow (?:many|much|old|far|long|tall|fast|high|big|heavy|wide|deep|large)\b"
    r"|\bwhat(?:'s| is| was| were| are| will be)? "
    r"(?:the |a |an |his |her |its |their |your )?(?:\w+['’]s? )?"
    r"(?:\w+ ){0,2}(?:total|sum|number|value|cost|price|profit|difference|average|mean|percent\w*|"
    r"probability|chance|area|volume|weight|distance|length|height|speed|rate|age|score|amount|"
    r"temperature|time|width|ratio|place)\b"
    r"|\bwhat (?:do|does|did|will|would)\b.{1,60}\b(?:pay|cost|earn|owe|weigh|have left)\b"
    r"|\bcalculate\b|\bcompute\b|\bfind the\b|\bwhat percent|\bas a percentage\b",
    re.IGNORECASE,
)
_PROBLEM = re.compile(
    r"\bhow (?:many|much)\b|\bcalculate\b|\bcompute\b"
    r"|\bwhat (?:is|was|will be) the (?:total|sum|number|difference|average)\b",
    re.IGNORECASE,
)


_AFTER_CHOICES = re.compile(
    r"\b(?:answers?|letters?|choices?|options?|correct|select|choose|pick|reply|respond|reason\w*|step)\b",
    re.IGNORECASE,
)
_OF_A_LIST = re.compile(
    r"\s*(?:please |can you |could you )?(?:review|improve|rewrite|rephrase|translate|summari[sz]e|"
    r"sort|format|convert|fix|write|explain|compare|make|create|turn|draft|check|edit|proofread|"
    r"expand|shorten|order|rank)\b",
    re.IGNORECASE,
)


def offers_choices(prompt: str) -> bool:
    """Whether a prompt ends with at least three choices by letter, one of which is asked for.

    A list by letters that is to be worked on, or that a question follows, offers none.
    """
    choices = list(_CHOICES.finditer(prompt[-20_000:]))
    letters = {found[1] for found in choices}
    if len(letters) < 3 or not {"A", "B", "C"} <= letters:
        return False
    before = prompt[-20_000:][: choices[0].start()]
    _, _, after = prompt[-20_000:][choices[-1].end() :].partition("\n")
    if after.strip():
        return bool(_AFTER_CHOICES.search(after))
    return "?" in before or not _OF_A_LIST.match(before)


def stem(prompt: str) -> str:
    """A question without the choices that it offers."""
    prompt = prompt[-20_000:]
    if not offers_choices(prompt):
        return prompt
    first = _CHOICES.search(prompt)
    return prompt[: first.start()] if first else prompt


def number_asked(prompt: str) -> bool:
    """Whether a prompt asks for a number."""
    return bool(_NUMBER_ASKED.search(prompt[-2_000:].replace("’", "'")))


def _number_needed(prompt: str) -> bool:
    """Whether only a number can be the answer: a problem with figures, not a "how much" of life."""
    return bool(_PROBLEM.search(prompt[-2_000:])) and len(re.findall(r"\d+", prompt[-2_000:])) >= 2


_CHOICE = re.compile(r"(?<![\w'’])[(*_]{0,3}([A-J])(?:[)*_]{1,3}|[.:](?=\s|$)|$)", re.MULTILINE)


def choice_named(text: str, prompt: str) -> str | None:
    """The letter an answer comes to: the one it states last, else the only one it sets apart."""
    stated = [value for value in map(str.upper, _stated(text)) if re.fullmatch(r"[A-J]", value)]
    if stated:
        return stated[-1]
    lines = text.strip().splitlines() or [""]
    for line in (lines[-1], lines[0]):
        letters = set(_CHOICE.findall(line.strip()[:300]))
        if len(letters) == 1:
            return str(letters.pop())
    return None


def _stated(text: str) -> list[str]:
    """What a text calls its answer, in order."""
    text = text[-20_000:]
    if not ("answer" in text.lower() or "####" in text or "boxed" in text):
        return []
    return [found["value"] for found in _FINAL.finditer(text)]


def final_answers(text: str, prompt: str) -> Iterator[Finding]:
    """A finding where the last words contradict each other, or are missing."""
    choices = offers_choices(prompt)
    said = list(dict.fromkeys(_normal(value) for value in _stated(text)))
    said = [value for value in said if not choices or re.fullmatch(r"[a-j]", value)]
    numbers = [value for value in said if re.fullmatch(r"-?\d+(?:\.\d+)?|[a-j]", value)]
    if len(numbers) >= 2 and (choices or not _has_parts(text, prompt)):
        one, two = numbers[0].upper(), numbers[-1].upper()
        yield Finding("contradiction", f"two final answers: {one} and {two}")
    elif choices and not said and not (_names_a_choice(text) or _tells_a_choice(text, prompt)):
        yield Finding("final", "no choice is named at the end")
    elif not choices and _number_needed(prompt) and not _has_number(text):
        if names_a_language(prompt):
            return  # a number in words of another language
        yield Finding("final", "a number was asked for, and none is there")


_NUMBER = re.compile(
    r"\d|\b(?:none|no|one|nobody|nothing)\b|\b(?:zero|two|three|four|five|six|seven|eight|nine|ten|"
    r"eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand|million|half|third|quarter|twice|"
    r"infinite)\w*\b",
    re.IGNORECASE,
)


def _has_parts(text: str, prompt: str) -> bool:
    """Whether several things were asked, so that each may have an answer of its own."""
    return prompt.count("?") > 1 or len(_PART.findall(text[:20_000])) > 1


def _has_number(text: str) -> bool:
    """Whether there is one, in figures or words; code may work it out."""
    return "`" in text or bool(_NUMBER.search(text))


def _names_a_choice(text: str) -> bool:
    """Whether the beginning or the end of an answer names a letter, or it is no more than one."""
    ends = f"{text.strip()[:60]} … {text.strip()[-160:]}"
    return bool(re.search(r"(?<![\w'’])\(?[A-J](?:[).:]|\b)(?!['’])", ends))


LONGEST_CHOICE = 120
"""Characters of an answer that may name a choice by its words; a longer one speaks of several."""


def _tells_a_choice(text: str, prompt: str) -> bool:
    """Whether a short answer has the words of a choice in place of its letter."""
    if len(text) > LONGEST_CHOICE:
        return False
    said = " ".join(re.findall(r"[\w.%]+", text.casefold()))
    for line in _CHOICE_WORDS.findall(prompt[-20_000:].casefold()):
        words = " ".join(re.findall(r"[\w.%]+", line)).rstrip(".")
        if words and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", said):
            return True
    return False


_CHOICE_WORDS = re.compile(r"^[ \t]*\(?[a-j][.):]\s+(\S.{0,200})$", re.MULTILINE)


def _normal(value: str) -> str:
    value = value.strip().lower().replace(",", "").rstrip(".")
    try:
        number = float(value)
    except ValueError:
        return value
    return f"{number:.12g}"
