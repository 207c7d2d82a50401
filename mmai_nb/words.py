"""Finding words in texts: what counts as the same, how well a text fits, and where the hit is.

Words are pieces of text, nothing more: part of a word counts, case and width do not, and no
character has a meaning of its own. So code and languages without spaces are found like any other.

This module imports nothing of the package.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["fold", "score", "snippet", "words_of"]

_QUOTES = "\"'`“”„‘’«»"

USUAL_LENGTH = 2_000
"""Characters of a text that is neither short nor long: a hit in a shorter one weighs more."""


def fold(text: str) -> str:
    """The text as it is compared: without case, width and other differences of form."""
    return unicodedata.normalize("NFKC", text).casefold()


def words_of(text: str) -> list[str]:
    """The words to look for, folded, each once; quotes around a word are left out."""
    words = (word.strip(_QUOTES) or word for word in fold(text).split())
    return list(dict.fromkeys(words))


def score(words: Sequence[str], prompt: str, answer: str) -> float:
    """How well a text fits, above 0; 0 where a word of `words_of` is missing.

    As in BM25, each further hit counts less, and less in a long text; one in the prompt counts as
    two.
    """
    prompt, answer = fold(prompt), fold(answer)
    length = (len(prompt) + len(answer)) / USUAL_LENGTH
    total = 0.0
    for word in words:
        hits = 2 * prompt.count(word) + answer.count(word)
        if not hits:
            return 0.0
        total += hits / (hits + 1.2 * (0.25 + 0.75 * length))
    return total


def snippet(words: Sequence[str], text: str, width: int = 100) -> str:
    """One line of about `width` characters around the first hit; hits stand between « and »."""
    line = " ".join(text.split())
    spans = _spans(words, line)
    begin = max(0, spans[0][0] - width // 3) if spans else 0
    if len(line) - begin < width:
        begin = max(0, len(line) - width)
    end = min(len(line), begin + width)
    pieces, at = [], begin
    for first, last in spans:
        if at <= first and last <= end:
            pieces += [line[at:first], "«", line[first:last], "»"]
            at = last
    pieces.append(line[at:end])
    return ("…" if begin else "") + "".join(pieces) + ("…" if end < len(line) else "")


def _spans(words: Sequence[str], line: str) -> list[tuple[int, int]]:
    """Where the first hit of each word begins and ends in the line, as far as it can be told."""
    folded = fold(line)
    places: Sequence[int] = range(len(folded) + 1)
    if len(folded) != len(line):
        pieces = [fold(character) for character in line]
        folded = "".join(pieces)
        places = [at for at, piece in enumerate(pieces) for _ in piece] + [len(line)]
    found = [(at, at + len(word)) for word in words if (at := folded.find(word)) >= 0]
    return sorted((places[first], places[last - 1] + 1) for first, last in found)
