"""Steps of a calculation that do not fit together.

Each is a mild doubt: a question may give what is not needed, and a step may be told by the way.
Looked at where a number was asked for, of a question with few numbers, and the answer calculates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from .arithmetic import speaks_of_errors
from .blocks import take_apart
from .finals import number_asked, offers_choices, stem
from .finding import Finding
from .numbers import Number, final_number

__all__ = ["loose_steps"]

MOST_GIVEN = 12
"""Numbers of a question; with more, they are data, and not each is for the answer to name."""
MOST_RESULTS = 60

_NUMBER = re.compile(r"(?<![\w.,])\d{1,15}(?:,\d{3})*(?:\.\d{1,15})?(?![\d])")
_RESULT = re.compile(
    r"(?:=|≈|\\approx)\s{0,3}[$€£]?\s?(\d{1,15}(?:,\d{3})*(?:\.\d{1,15})?)(?![\d.,]*\d)"
)
_GOES_ON = re.compile(r"\s{0,3}(?:[-+*/×÷^=(\\]|x\s)")
_CALCULATED = re.compile(r"\d[^\n=]{0,30}?(?:[-+*/×÷·]|\\times|\\cdot| x )[^\n=]{0,40}=")
_UNSOLVED = re.compile(r"\d[A-Za-z]\s*$")
_ANNOTATION = re.compile(r"<<[^>\n]{0,200}>>")
_COUNTS = re.findall(
    r"\w+",
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
)
_TENS = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety hundred")
_WORDS: dict[str, tuple[float, ...]] = {
    **{name: (float(number),) for number, name in enumerate(_COUNTS, start=2)},
    **{name: (10.0 * number,) for number, name in enumerate(_TENS, start=2)},
    **dict.fromkeys(("twice", "double", "doubled", "couple"), (2.0,)),
    **dict.fromkeys(("thrice", "triple", "tripled"), (3.0,)),
    **dict.fromkeys(("half", "halves"), (2.0, 0.5)),
    **dict.fromkeys(("quarter", "quarters"), (4.0, 0.25, 0.75)),
    "dozen": (12.0,),
}
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b")


def loose_steps(text: str, prompt: str) -> Iterator[Finding]:
    """Numbers of the question that are not used, results that are not, an end that is no result."""
    question = stem(prompt)
    if not number_asked(question) or speaks_of_errors(prompt):
        return
    prose = _ANNOTATION.sub("", take_apart(text).prose[:20_000].replace("**", ""))
    results = _results(prose)
    if not results:
        return
    yield from _unused(prose, question)
    choices = offers_choices(prompt)
    final = None if choices else final_number(text, True)
    ends = _readings(final) if final else set()
    reached = any(abs(end - value) < 1 for end in ends for _, value in results)
    if final and final.stated and not reached:
        yield Finding("ending", f"the answer {final.value:.12g} is none of its results")
    elif not choices and not reached:
        results = results[:-1]
    told = ends | _values(prompt[-4_000:]).keys()
    yield from _loose(prose, results, told)


def _loose(prose: str, results: list[tuple[int, float]], told: Set[float]) -> Iterator[Finding]:
    """The first result of a calculation that is neither told by others nor spoken of again."""
    last = _values(prose)
    for place, value in results:
        readings = _as_shares(value)
        again = any(last.get(reading, 0) >= place for reading in readings)
        if again or readings & told or not _CALCULATED.search(prose, max(0, place - 80), place):
            continue
        yield Finding("loose", f"{value:.12g} is worked out and not used")
        return


def _readings(final: Number) -> set[float]:
    """What the result before a final number may be: without sign, in its unit, as a share."""
    value = abs(final.value)
    return _as_shares(value) | {value * final.factor}


def _as_shares(value: float) -> set[float]:
    return {value, round(value / 100, 9), round(value * 100, 9)}


def _spoken_of(value: float) -> set[float]:
    """How a number of the question may come up: as it is, as a share, as 5 % more or less."""
    return _as_shares(value) | {round(1 + value / 100, 9), round(1 - value / 100, 9)}


def _results(prose: str) -> list[tuple[int, float]]:
    """Where each result of a calculation ends, and its value."""
    found = []
    for result in _RESULT.finditer(prose):
        if _GOES_ON.match(prose, result.end()) or _UNSOLVED.search(
            prose, max(0, result.start() - 8), result.start()
        ):
            continue
        found.append((result.end(), float(result[1].replace(",", ""))))
        if len(found) == MOST_RESULTS:
            break
    return found


def _values(text: str) -> dict[float, int]:
    """The numbers of a text, in figures and in words, and where each stands for the last time."""
    found = {float(hit[0].replace(",", "")): hit.start() for hit in _NUMBER.finditer(text)}
    for hit in _WORD.finditer(text.lower()):
        for value in _WORDS[hit[0]]:
            found[value] = max(found.get(value, 0), hit.start())
    return found


def _unused(prose: str, question: str) -> Iterator[Finding]:
    question = take_apart(question[-4_000:]).prose
    given: dict[str, tuple[float, ...]] = {
        number: (float(number.replace(",", "")),) for number in _NUMBER.findall(question)
    }
    given |= {hit[0]: _WORDS[hit[0]] for hit in _WORD.finditer(question.lower())}
    if len(given) > MOST_GIVEN:
        return
    said = _values(prose).keys()
    missing = [
        name
        for name, values in given.items()
        if not any(_spoken_of(value) & said for value in values)
    ]
    if missing:
        yield Finding("unused", f"the number {missing[0]} of the question is not used")
