"""Whether two answers say the same: their last words are compared, never their prose.

Two answers with the same final choice, number, short answer or data agree, however they got there.
Free prose cannot be compared that way, nor can two programs that differ: that is None, not False.
"""

from __future__ import annotations

import ast
import json
import math
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from ..markup import python_tree
from .blocks import take_apart
from .finals import choice_named, number_asked, offers_choices
from .numbers import final_number, last_numbers, near

__all__ = ["agree"]

LONGEST = 100_000
"""Characters of an answer that are compared; a longer one cannot be."""


def agree(first: str, second: str, prompt: str) -> bool | None:
    """Whether two answers to a prompt say the same.

    Args:
        first: one answer.
        second: the other.
        prompt: what both were asked: the choices it offers, whether it asks for a number.

    Returns:
        True or False where both have a final answer; None where they cannot be compared.
    """
    if len(first) > LONGEST or len(second) > LONGEST:
        return None
    one, two = _plain(first), _plain(second)
    if not one or not two:
        return None
    if one == two:
        return True
    if offers_choices(prompt):
        return _same(choice_named(first, prompt), choice_named(second, prompt))
    data = _data(first), _data(second)
    if data != (None, None):
        verdict = None if None in data else _equal(*data)
    else:
        first, second = _bare(first), _bare(second)
        verdicts = (compare(first, second, prompt) for compare in _COMPARISONS)
        verdict = next((found for found in verdicts if found is not None), None)
    return None if verdict is False and _may_differ(first, second, prompt) else verdict


_ASIDE = re.compile(r"\([^()\n]{0,200}\)\W{0,3}$")
_BASE = re.compile(r"\b0[xbo](?=[\da-fA-F]{1,40}\b)")


def _bare(text: str) -> str:
    """An answer without what stands in brackets behind it: 120 minutes (2 × 60). FF for 0xFF."""
    text = text.rstrip()
    end = _ASIDE.sub("", text[-250:])
    bare = text[:-250] + end
    return _BASE.sub("", bare if re.search(r"\w", bare) else text)


_FREE = re.compile(
    r"\b(?:random|fictional|fictitious|dummy|made[- ]up|invent\w*|imagine|synonyms?|greet\w*|"
    r"name (?:a|an|any|one|some)|names? for|say (?:hi|hello|something))\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"\b(?:about|around|approximately|roughly|nearly|almost|circa|ca\.|over|etwa|ungefähr|rund)\b|[≈~]",
    re.IGNORECASE,
)
_FORMS = (
    re.compile(r"\b\d{4}-\d{1,2}-\d{1,2}\b"),
    re.compile(r"\b\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b"),
    re.compile(r"\b\d{1,2}:\d{2}\b(?! ?[ap]\.?m)", re.IGNORECASE),
    re.compile(r"\d ?[ap]\.?m\b", re.IGNORECASE),
    re.compile(
        r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]{0,6}\b", re.IGNORECASE
    ),
    re.compile(r"\d ?°? ?F\b"),
    re.compile(r"\d ?°? ?C\b"),
)
"""Ways to write a date, a time or a temperature: in two of them, the same looks different."""


def _may_differ(first: str, second: str, prompt: str) -> bool:
    """Whether two answers that differ may both be right: one of many, or told in another way."""
    if _FREE.search(prompt[:20_000]) or _is_code(first) or _is_code(second):
        return True
    forms = [[bool(form.search(text[-400:])) for form in _FORMS] for text in (first, second)]
    return forms[0] != forms[1] or _are_about_the_same(first, second)


def _is_code(text: str) -> bool:
    """Whether an answer is an expression in backticks: another may do the same."""
    found = re.fullmatch(r"\W{0,3}`([^`\n]{1,400})`\W{0,3}", text.strip())
    return found is not None and not re.fullmatch(r"[\w. -]+", found[1])


def _are_about_the_same(first: str, second: str) -> bool:
    """Whether one is an estimate that the other is no more than 5 % off."""
    if not (_ABOUT.search(first[-400:]) or _ABOUT.search(second[-400:])):
        return False
    one, two = final_number(first, True), final_number(second, True)
    if one is None or two is None or one.unit != two.unit:
        return False
    a, b = one.value * one.factor, two.value * two.factor
    return math.isclose(a, b, rel_tol=0.05)


def _same(one: object, two: object) -> bool | None:
    return None if one is None or two is None else one == two


def _plain(text: str) -> str:
    """The words of a text alone: no case, marks of Markdown, or spaces that mean nothing."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[*_`#>$\\]+", " ", text).split()).rstrip(" .!。")


def _only_block(text: str) -> str:
    """The code of the only fenced block; the whole text where there is none; else nothing."""
    blocks = take_apart(text).blocks
    if not blocks:
        return text
    return blocks[0].code if len(blocks) == 1 else ""


def _data(text: str) -> Any:
    """An object or an array, if the answer is one; None if not."""
    source = _only_block(text).strip()
    if source[:1] not in ("{", "["):
        return None
    try:
        return json.loads(source)
    except (ValueError, RecursionError):
        return None


def _equal(one: Any, two: Any) -> bool | None:
    try:
        found = list(_pairs(one, two))
    except RecursionError:
        return None
    return False if False in found else None if None in found else True


LONGEST_VALUE = 5
"""Words of a text in JSON that is a value; a longer one is prose."""


def _pairs(one: Any, two: Any) -> Iterator[bool | None]:
    """Whether two JSON values are equal, leaf by leaf; None for a text that is prose.

    Numbers may differ in their last digit; true is not 1.
    """
    if isinstance(one, dict) and isinstance(two, dict):
        yield one.keys() == two.keys()
        for key in one.keys() & two.keys():
            yield from _pairs(one[key], two[key])
    elif isinstance(one, list) and isinstance(two, list):
        yield len(one) == len(two)
        for pair in zip(one, two, strict=False):
            yield from _pairs(*pair)
    elif isinstance(one, str) and isinstance(two, str):
        prose = max(len(one.split()), len(two.split())) > LONGEST_VALUE
        yield _plain(one) == _plain(two) or (None if prose else False)
    elif isinstance(one, bool) or isinstance(two, bool):
        yield one is two
    elif isinstance(one, int | float) and isinstance(two, int | float):
        yield one == two or math.isclose(one, two, rel_tol=1e-9)
    else:
        yield bool(one == two)


def _same_code(first: str, second: str, prompt: str) -> bool | None:
    """True for the same program; two that differ may do the same, so that is None."""
    one, two = _program(first), _program(second)
    return True if one is not None and one == two else None


def _program(text: str) -> str | None:
    """A program as its syntax tree in writing, without layout and comments."""
    code = _only_block(text)
    if not code or code is text or len(code) > 20_000:
        return None
    try:
        return ast.dump(python_tree(code))
    except (SyntaxError, ValueError, RecursionError):
        return " ".join(code.split())


_YES = {"yes", "true", "correct", "ja", "oui", "sí", "si", "sì", "sim", "да", "是", "はい"}
_NO = {"no", "false", "incorrect", "nein", "non", "não", "нет", "否", "いいえ"}


def _same_word(first: str, second: str, prompt: str) -> bool | None:
    """Yes or no at the beginning of both."""
    return _same(_yes_or_no(first), _yes_or_no(second))


def _yes_or_no(text: str) -> bool | None:
    word = re.match(r"\W*(\w+)(?=[.,;:!—–*]|\s*$|\s[—–-])", text[:60].casefold())
    if word is None or word[1] not in _YES | _NO:
        return None
    return word[1] in _YES


_TIME_ASKED = re.compile(r"\bwhat time\b|\bwhen\b|\bo'clock\b|\bUhr\b", re.IGNORECASE)
_CLOCK = re.compile(r"\b(\d{1,2}):(\d{2})(?: ?([ap])\.?m\b\.?)?\W{0,9}$", re.IGNORECASE)


def _same_time(first: str, second: str, prompt: str) -> bool | None:
    """The times of day at their ends, where one was asked for; 3:30 may be 15:30."""
    asked = _TIME_ASKED.search(prompt[-2_000:])
    one, two = _CLOCK.search(first[-60:]), _CLOCK.search(second[-60:])
    if not asked or one is None or two is None:
        return None
    apart = _minutes(one) - _minutes(two)
    return not apart or (apart % 720 == 0 and not (one[3] and two[3]))


def _minutes(clock: re.Match[str]) -> int:
    """Since midnight."""
    half = (clock[3] or "").lower()
    hour = int(clock[1]) % 12 + 12 * (half == "p") if half else int(clock[1])
    return 60 * hour + int(clock[2])


def _same_number(first: str, second: str, prompt: str) -> bool | None:
    """The final numbers, where the prompt asks for one or both answers state one.

    Where each also tells the other's, they may only tell several results in another order.
    """
    asked = _wants_a_number(prompt)
    one, two = final_number(first, asked), final_number(second, asked)
    if one is None or two is None:
        return None
    if near(one, two):
        return True
    told = [
        any(near(number, n) for n in last_numbers(text))
        for number, text in ((one, second), (two, first))
    ]
    return None if all(told) else False


def _wants_a_number(prompt: str) -> bool:
    """Whether it asks for one, and not how two things differ: "how many", or with figures in it."""
    many = re.search(r"\bhow many\b", prompt[-2_000:], re.IGNORECASE)
    return bool(many) or (number_asked(prompt) and bool(re.search(r"\d", prompt[-2_000:])))


_OPEN = re.compile(
    r"\b(?:suggest|propose|recommend|invent|imagine|write|draft|rewrite|rephrase|translat\w+|summari[sz]e|"
    r"shorten|improve|joke|poem|slogan|title|headline|idea|example|favou?rite)s?\b|"
    r"\b(?:give|name|tell|show) (?:me )?(?:a|an|some|one|any)\b",
    re.IGNORECASE,
)


_OPENINGS = re.compile(
    r"^(?:(?:so|thus|therefore|hence)[ ,]+)?(?:the (?:final |correct |short )?answer is:?|answer:"
    r"|it is|it's|it was|that is|that's|this is)\s+"
)
_ARTICLES = re.compile(r"\b(?:the|a|an)\b")
_NEGATIONS = re.compile(r"\b(?:not|no|never|nor|neither|nicht|kein\w*|pas|non)\b|n't\b")


def _same_phrase(first: str, second: str, prompt: str) -> bool | None:
    """A few words: the same, or those of one in the other; two that differ, if both are short."""
    one, two = sorted((_phrase(first), _phrase(second)), key=len)
    if not one or len(one) > 6 or len(two) > 16:
        return None
    if one == two:
        return True
    if bool(_NEGATIONS.search(first.lower())) != bool(_NEGATIONS.search(second.lower())):
        return None
    if any(two[at : at + len(one)] == one for at in range(len(two) - len(one) + 1)):
        return True
    short, long = sorted(("".join(one), "".join(two)), key=len)
    if not short.isascii() and short in long:
        return True  # words without spaces between them: 东京, 东京都
    return False if len(two) <= 3 and not _OPEN.search(prompt[:20_000]) else None


def _phrase(text: str) -> list[str]:
    text = _ARTICLES.sub(" ", _OPENINGS.sub("", _plain(text[:400]))) if len(text) <= 400 else ""
    words = re.findall(r"[\w%°]+(?:[.'’-]\w+)*", text)
    return [_DIGITS.get(word, word) for word in words]


_NUMERALS = "zero one two three four five six seven eight nine ten eleven twelve"
_DIGITS = {word: str(number) for number, word in enumerate(_NUMERALS.split())}

_COMPARISONS = (_same_code, _same_word, _same_time, _same_number, _same_phrase)
"""Each gives True, False, or None where it has nothing to compare; the first that has decides."""
