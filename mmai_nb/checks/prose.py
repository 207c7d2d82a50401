"""The words of an answer: broken off, hedging, in circles, in the wrong language."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from .blocks import take_apart
from .finding import Finding

__all__ = [
    "empty",
    "hedging",
    "names_a_language",
    "repetition",
    "truncated",
    "wrong_language",
]

TAIL = 2_000
"""Characters at the end in which a loop is looked for."""

_HEDGES = re.compile(
    r"\b(?:i(?:'m| am) not (?:entirely |completely |quite |really )?(?:sure|certain)|i'?m unsure|"
    r"(?:it (?:is|'s) )?(?:cannot|can't|can not|could not|not possible to) (?:be )?determined?|"
    r"i (?:don't|do not) know|not enough information|insufficient information|"
    r"(?:may|might|must|seems to|appears to) (?:have|contain|be) (?:an? )?(?:mistake|error|typo)|"
    r"(?:is|be) an? (?:mistake|error|typo) in the (?:problem|question)|"
    r"none of the (?:options?|choices?|given|above|answers?)|(?:problem|question) has no solution|"
    r"not (?:among|one of) the (?:options?|choices)|(?:doesn't|does not) match any)",
)
_ENDINGS = tuple(".!?…:;)]}>\"'”’»`*_|$%。！？）」』】٪؟।")


_OPENING_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w+#.-]*[ \t]*$", re.MULTILINE)


_MARKS = "`~|^"


def empty(text: str) -> Iterator[Finding]:
    """No word, sign or code at all, but for the language of a block of code that is empty."""
    text = _OPENING_FENCE.sub("", text)
    drawn = sum(bool(line.strip()) for line in text.split("\n")) > 2
    if drawn or re.search(r"\w|`[^`\s]+`", text) or any(map(_is_sign, text)):
        return
    yield Finding("empty", "the answer is empty")


def _is_sign(char: str) -> bool:
    """Whether a character says something alone: ≈, 👍; Markdown's own marks do not."""
    return unicodedata.category(char)[0] == "S" and char not in _MARKS


def truncated(text: str, finish_reason: str | None) -> Iterator[Finding]:
    """Cut by the limit on tokens, within a block of code, or in the middle of a sentence."""
    if finish_reason == "length":
        yield Finding("truncated", "the answer was cut at the limit on tokens")
        return
    ended = finish_reason == "stop"  # the model says that it was done: harder to doubt
    blocks = take_apart(text).blocks
    if blocks and not blocks[-1].closed:
        if not ended:
            yield Finding("truncated", "the answer ends within a block of code")
        return
    if _breaks_off(text, ended):
        yield Finding("truncated", "the answer breaks off in the middle of a sentence")


_MID_STEP = re.compile(
    r"(?:<<[^>]*|[\d)]\s+[-+*/×÷=]|=\s*[$€£]?|\b(?:and|or|the|because),?|,)$", re.IGNORECASE
)
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3},\d{3}(?![\d,])")
_CUT_GROUP = re.compile(r"(?<![\d.,])\d{1,3},\d{1,2}(?![\d,])")


def _breaks_off(text: str, ended: bool) -> bool:
    """Whether the last line is the beginning of a sentence or a sum: no stop, where one was to be.

    A short last line is a result or a name: "#### 18", "Paris". One that ends in a figure is whole
    where other lines do so too.
    """
    lines = [line.strip() for line in text.rstrip().split("\n") if line.strip()]
    last = lines[-1] if lines else ""
    words = len(last.split(None, 5))
    if re.match(r"[-*+#|>\[]|\d+[.)]\s|```|~~~", last) or words < 4:
        return False
    if _MID_STEP.search(last[-200:]) or _ends_in_a_cut_number(text, last):
        return True
    if ended or len(text.split(None, 12)) < 12:
        return False
    if any(last.count(a) > last.count(b) for a, b in ("()", "[]", "{}", ("<<", ">>"))):
        return True
    if words < 5 or not last[-1].isalnum() or (len(lines) == 1 and _is_title(last)):
        return False
    stops = [line.endswith(_ENDINGS) for line in lines[:-1] if len(line.split(None, 5)) >= 5]
    usual = sum(stops) >= 0.7 * len(stops)
    return usual if stops else not re.search(r"[=<>(){};\d]", last)


def _is_title(line: str) -> bool:
    """Whether most of its longer words have a capital."""
    words = re.findall(r"[^\W\d_]{4,}", line)
    capitals = [word for word in words if word[0].isupper()]
    return len(capitals) > 0.7 * len(words)


def _ends_in_a_cut_number(text: str, last: str) -> bool:
    """Whether the last word is 40,00, where the text writes 40,000 elsewhere and never 3,5."""
    return (
        bool(re.search(r"(?<![\d.,])\d{1,3},\d{1,2}$", last[-20:]))
        and bool(_GROUPED.search(text))
        and len(_CUT_GROUP.findall(text)) == 1
    )


def hedging(text: str) -> Iterator[Finding]:
    """It says itself that it is not sure; the words that say so."""
    found = _HEDGES.search(take_apart(text).prose[:20_000].replace("’", "'").lower())
    if found:
        yield Finding("hedging", f'it is not sure: "{" ".join(found[0].split())}"')


_TO_REPEAT = re.compile(
    r"\b(?:say|print|write|type|output|repeat)\b[^.?!\n]{0,200}\btimes\b|"
    r"\brepeat (?:it|this|after)\b",
    re.IGNORECASE,
)


def repetition(text: str, prompt: str = "") -> Iterator[Finding]:
    """It goes round in circles: the same line, or the same words at its end, again and again."""
    if _TO_REPEAT.search(prompt[:5_000]):
        return
    parts = take_apart(text)
    text = parts.prose + "".join(block.code for block in parts.blocks if not block.closed)
    lines = Counter(
        line
        for raw in text[:100_000].split("\n")
        if len(line := " ".join(raw.split())) >= 12
        and line[0] not in "|<"
        and re.search(r"\w{3}", line)
    )
    if lines:
        line, count = lines.most_common(1)[0]
        if count >= 6 and count * len(line) >= len(text) / 4:
            yield Finding("repetition", f"the same line stands {count} times")
            return
    words = text[-TAIL:].split()
    for size in range(1, min(20, len(words)) + 1):
        unit, count = words[-size:], 1
        while words[-size * (count + 1) : -size * count] == unit:
            count += 1
        least = 8 if size < 3 else 5
        said = "".join(unit)
        if count >= least and re.search(r"\w{2}", said) and "|" not in said:
            yield Finding("repetition", f"the last words come {count} times in a row")
            return
    if (found := _LOOP.search(text[-TAIL:].rstrip())) and _is_loop(found[0], found[1]):
        count = len(found[0]) // len(found[1])
        yield Finding("repetition", f"the last signs come {count} times in a row")


_LOOP = re.compile(r"([^\s|]{1,30}?)\1{7,}$")
_WORD_SIGN = re.compile("[^\\W\\d_]")


def _is_loop(whole: str, unit: str) -> bool:
    """Whether letters that come again and again without a space are more than a sigh or a rule."""
    most = 60 if unit.isascii() else 24
    return len(whole) >= most and bool(_WORD_SIGN.search(unit))


_SCRIPTS = (
    ("Japanese", re.compile("[\u3040-\u30ff]")),
    ("Korean", re.compile("[\uac00-\ud7af]")),
    ("Chinese", re.compile("[\u4e00-\u9fff]")),
    ("Cyrillic", re.compile("[\u0400-\u04ff]")),
    ("Arabic", re.compile("[\u0600-\u06ff]")),
    ("Hebrew", re.compile("[\u0590-\u05ff]")),
    ("Hindi", re.compile("[\u0900-\u097f]")),
    ("Thai", re.compile("[\u0e00-\u0e7f]")),
    ("Greek", re.compile("[\u0370-\u03ff]")),
)
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_FUNCTION_WORDS = {
    "English": "the of and to is in that it for are with this you be on as not or by from",
    "German": "der die das und ist nicht ein eine zu den von mit sich auf für im es dem auch wird",
    "French": "le la les des et est une un que dans pour qui pas sur au avec ce il sont du",
    "Spanish": "el los las que en y es un una por con para del se no lo como más su al",
    "Italian": "il di che è la per un una non con del sono gli della si le da nel più dei",
    "Portuguese": "o os que e do da em um para é uma com não por mais as dos se na no",
    "Dutch": "de het een en van is dat niet op te zijn met voor aan er om ook maar bij naar",
}
_ABOUT_LANGUAGE = re.compile(
    r"translat|übersetz|tradu[iczçs]|vertaal|перев[ео]д|翻[译訳譯]|번역|ترجم|"
    r"\b(?:english|german|french|spanish|italian|portuguese|dutch|chinese|japanese|korean|russian|"
    r"arabic|hebrew|hindi|deutsch|englisch|französisch|spanisch|italienisch|français|anglais|"
    r"allemand|inglés|alemán|español|inglese|tedesco|inglês|engels)",
    re.IGNORECASE,
)
_NO_PROSE = re.compile(r"https?://\S{1,300}|\$[^$\n]{1,300}\$|\\[A-Za-z]+")


def names_a_language(prompt: str) -> bool:
    """Whether a prompt speaks of a language or of translating: the answer may be in another."""
    return bool(_ABOUT_LANGUAGE.search(prompt[:5_000]))


def wrong_language(text: str, prompt: str) -> Iterator[Finding]:
    """The question is clearly in one language, the answer clearly in another."""
    if names_a_language(prompt):
        return
    asked, answered = _language(prompt, 5), _language(text, 25)
    if asked and answered and asked != answered and not _is_spoken(answered, prompt):
        yield Finding("language", f"asked in {asked}, answered in {answered}")


def _is_spoken(language: str, prompt: str) -> bool:
    """Whether the first or last words of a prompt are in a language: what is asked of a text."""
    known = _KNOWN.get(language)
    for part in (prompt[:120], prompt[-120:]):
        words = set(re.findall(r"[a-zà-ÿ]{2,}", part.lower()))
        if known is not None and len(words & known) >= 2:
            return True
        if known is not None and not part.isascii() and _script(part, 5) and len(words) >= 2:
            return True
    return False


def _language(text: str, least: int) -> str | None:
    """The language of a text with at least so many words, or as much of a script without spaces."""
    text = _NO_PROSE.sub(" ", take_apart(text).prose[:20_000])
    if not text.isascii() and (script := _script(text, least)):
        return script
    words = re.findall(r"[^\W\d_]{2,}", text.lower())  # a letter alone is maths, in every language
    if len(words) < least:
        return None
    shares = {
        name: sum(word in known for word in words) / len(words) for name, known in _KNOWN.items()
    }
    first, second = sorted(shares, key=shares.__getitem__, reverse=True)[:2]
    different = len(_KNOWN[first].intersection(words))
    clear = shares[first] >= 0.15 and shares[first] >= 1.6 * shares[second] and different >= 3
    return first if clear else None


def _script(text: str, least: int) -> str | None:
    """The script other than Latin that most of a text is written in."""
    latin = len(_LATIN.findall(text)) / 4  # letters of a word, about; other scripts say more each
    for name, letters in _SCRIPTS:
        count = len(letters.findall(text))
        # some Chinese signs stand in Japanese too, never the other way round
        if count >= 2 * least and (count > latin or (name == "Japanese" and count > latin / 4)):
            return name
    return None


_KNOWN = {name: frozenset(words.split()) for name, words in _FUNCTION_WORDS.items()}
