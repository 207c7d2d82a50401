"""What a prompt shows of itself: signals, each a count that levels off, 0 where there is nothing.

None of them falls when something is appended to a text of at most `READ` characters, but for one:
an opening ("what is …", "translate …") speaks for a look-up; it fades with the length, and is none
where more is asked for. Of a longer text the beginning, the end and the length are read.

An exam question is full of "must" and "exactly" that ask nothing of the answer; so constraints,
tasks and terms count where something is asked for in the imperative, and only there.

The reading is a few passes over the text, most of them in C, whatever stands in it.
"""

from __future__ import annotations

import math
import re
import zlib
from itertools import pairwise

from .vocabulary import MEANINGS, TERMS, UNSPACED, VERBS

__all__ = ["READ", "WORD_NUMBERS", "read_signals", "read_words", "sample"]

READ = 20_000
"""How many characters of a text are read at most."""

READ_FOR_WORDS = 4_000
WORD_NUMBERS = 512
"""So many numbers stand for all words; hundreds share each, so that none can be told from it."""
_WORD = re.compile(r"[^\W\d_]{2,}")

_WIDE = re.compile("[\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff]+")
_MORE_PER_WIDE = 2  # a Chinese, Japanese or Korean character says as much as three Latin letters
_HIGH = bytes(range(128, 256))


def _table(keep: bytes, breaks: bytes = b"") -> bytes:
    """For bytes.translate: `keep` stays, `breaks` become line breaks, other ASCII spaces."""
    return bytes(c if c in keep else 10 if c in breaks else 32 for c in range(128)) + _HIGH


_TO_CLAUSES = _table(b"abcdefghijklmnopqrstuvwxyz", b"-.!?:;,()*\n")
_TO_CASE = bytes(65 if 65 <= c <= 90 else 97 if 97 <= c <= 122 else 32 for c in range(256))
_OTHER_MARK = re.compile(r"[^\w\x00-\x7f]")
_LETTER = re.compile(r"[^\W\d_]")
_START = re.compile(r"\n *([^ \n]+)")
_JOINTS = frozenset(["and", "then", "please", "to", "you", "bitte", "und", "et", "y", "e", "и"])
_KNOWN = frozenset(MEANINGS)

# The text is read with a line break before it, so that what begins a line begins with "\n": re then
# jumps from line to line, which "^" does not let it do.
_OPENING = re.compile(
    r"""\W{0,9}(?:(?:please|bitte|could[ ]you|can[ ]you|tell[ ]me)[ ,]{1,2})?(?:(?:
    hi|hello|hey|thanks|thank[ ]you|good[ ](?:morning|evening|night)|ok|yes|no|ping|test
    |what(?!.{1,9}wrong)(?:['’]s|[ ](?:is|are|was|were|does))?|who|whose|when|where|which
    |how[ ](?:many|much|old|tall|far|long|big|high|do[ ](?:you|i)[ ](?:say|spell))|is|are|does|did
    |define|translate|list|name|convert|spell|extract|classify|summari[sz]e
    |was[ ](?:ist|sind|bedeutet)|wer|wann|wo|welche[rs]?|wie[ ](?:viele?|alt|hoch|heißt)
    |übersetze|definiere|nenne|hallo|danke|bonjour|merci|qu[’']est-ce|quel(?:le)?s?|qui|où|quand
    |combien|traduis(?:ez)?|définis|hola|gracias|qué[ ]es|cuál|quién|cuándo|dónde|cuánt[oa]s?
    |traduce|olá|o[ ]que[ ]é|qual|quem|quando|onde|quant[aeio]s?|traduza|ciao|cos['’]è|chi|dove
    |traduci|wat[ ]is|waar|wanneer|hoeveel|vertaal|привет|спасибо|что[ ]такое|кто|когда|где
    |сколько|как(?:ой|ая|ое)|переведи(?:те)?)\b
    |你好|谢谢|什么是|谁|请?(?:翻译|列出|列举|总结|概括|定义)|[把将].{1,40}翻译|こんにちは|ありがとう|誰|안녕
    |.{1,24}(?:是什么|是多少|是谁|是哪|在哪|什么时候|有多少|とは|は何|はどこ|は誰|はいつ
        |いくつ|に翻訳|に訳し|挙げて|要約し|定義し
        |이란|무엇|어디|누구|언제|번역))""",
    re.VERBOSE | re.IGNORECASE,
)
_HOW_TO = re.compile(
    r"how (?:to|do(?! (?:you|i) (?:say|spell))|does|did|can|should|could|would|is|are) "
)
_SHOW_THAT = {
    "show": "show that",
    "zeige": "zeige, dass",
    "montrer": "montrer que",
    "montrez": "montrez que",
    "покажите": "покажите, что",
}
_FEW = r"(?:\d|one|two|three|four|five)"
_LIMITS = {  # looked for where the word is there; each begins with letters, which re looks up fast
    "least": re.compile("at least"),
    "most": re.compile("at most"),
    "in": re.compile(f" in {_FEW}"),
    "under": re.compile(f"under {_FEW}"),
    "within": re.compile(f"within {_FEW}"),
    "each": re.compile("each (?:line|step|sentence|word|paragraph|item|row)"),
}
_ITEM = re.compile(r"\n[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+\S")
_FENCE = "```"
_CODE = re.compile(
    r"""\n[ \t]*(?:def[ ]\w+\(|class[ ]\w+[(:{]|from[ ][\w.]+[ ]import[ ]
    |import[ ][\w.]+(?:[ ]as[ ]|;|(?=\n))|(?:for|while|if|elif|with|try)\b.{0,80}[:{](?=[ ]*\n[ \t])
    |return[ ][\w({'"\[]|\#include\b|SELECT[ ].{1,80}[ ]FROM|(?:const|let|var)[ ]\w+[ ]*=
    |(?:async[ ])?function[ ]\w*\(|(?:public|private|static)[ ]\w+[ ]\w+
    |[\w.\[\]]{1,40}[ ]?[-+*/]?=[ ]?[\w({'"\[]|[\w.]{1,40}\([^)\n]{0,80}\);?(?=\n))""",
    re.VERBOSE,
)
_TRACEBACK = re.compile(
    r"""\n[ \t]*(?:File[ ]"[^"\n]{1,200}",[ ]line[ ]\d
    |at[ ][\w.$<>]{1,200}\([\w. ]{1,99}:\d|panic:[ ]|thread[ ]'\w+'[ ]panicked
    |[\w.]{0,80}(?:Error|Exception):[ ])""",
    re.VERBOSE,
)
_ROW = re.compile(
    r"\n(?:[ \t]*\|.{1,200}\||[^\t\n]{1,80}\t[^\t\n]{1,80}\t"
    r"|[^,\n]{1,80},[^,\s][^,\n]{0,80},[^,\s])"
)
_MATHS_SIGN = re.compile("[∑∫√≤≥≠∈∀∃∞∂²³]")
_LATEX = re.compile(r"\\(?:frac|int|sum|lim|sqrt|begin|mathbb|leq|infty)\b")


def read_signals(
    text: str, data: str = "", *, frames: int = 0, format: str = "markdown", again: int = 0
) -> dict[str, float]:
    """The signals of a prompt by name; `complexity.Weights` says what each of them is.

    Args:
        text: the prompt.
        data: values put into it, which are no words of the user's: they count by a tenth of their
            length, and by a traceback among them.
        frames: how many DataFrames stand in it.
        format: how the answer is wanted.
        again: how often the same was asked before and not answered well.
    """
    read, size = sample(text)
    values, value_size = sample(data) if data else ("", 0)
    size += value_size // 10  # reading data is easier than following words
    lower = read.lower()
    words, starts = _words(lower)
    hits, first = _meanings(words), _meanings(starts)
    proofs = hits["proof"] + sum([_SHOW_THAT[w] in lower for w in words & _SHOW_THAT.keys()])
    marks = _marks(read)
    questions, verbs = marks["questions"], len(VERBS & starts)
    tasks = first["then"] + _tasks(read, questions, verbs)
    lines = _code_lines(read)
    code = _share(read.count(_FENCE) + lines, 2)
    asks = 1.0 if proofs else _asking(lower, words, first)
    told = asks or 0.7 * (first["simple"] > 0)
    return {
        "length": math.log1p(size / 80),
        "opening": 0.0 if tasks or asks or questions + verbs > 1 else _opening(read, size),
        "ask": asks,
        "hard": _share(first["hard"] + hits["weighing"], 3) * told,
        "proof": _share(proofs, 1),
        "expert": _share(hits["expert"], 3) * told,
        "maths": _share(hits["maths"] + marks["maths"], 3),
        "code": code,
        "code_size": math.log1p(lines / 20),
        "coding": max(0.0, _share(hits["coding"], 2) - code),
        "traceback": float(_has_traceback(read) or _has_traceback(values)),
        "tasks": _share(tasks, 5) * told,
        "constraints": _share(hits["constraint"] + _limits(lower, words), 4) * told,
        "data": _share(max(frames, 0) + 2 * _has_rows(read), 4),
        "output": float(format in ("code", "json")),
        "again": float(min(max(again, 0), 2)),
        "names": math.log1p(marks["names"]),
        "brackets": math.log1p(marks["brackets"]),
        "quantities": math.log1p(hits["quantity"]),
    }


def read_words(text: str) -> tuple[int, ...]:
    """The numbers of the words in a text, each once; the same on every machine.

    Of a long text those at the beginning and at the end are read.
    """
    if len(text) > READ_FOR_WORDS:
        text = f"{text[: READ_FOR_WORDS // 2]}\n{text[-READ_FOR_WORDS // 2 :]}"
    words = set(_WORD.findall(text.lower()))
    crc = zlib.crc32
    return tuple(sorted({crc(w.encode("utf-8", "replace")) % WORD_NUMBERS for w in words}))


def sample(text: str) -> tuple[str, int]:
    """What is read of a text, after a line break, and its size in Latin letters."""
    if len(text) <= READ:
        return f"\n{text}", len(text) + _MORE_PER_WIDE * _wide(text)
    read = f"\n{text[: READ // 2]}\n{text[-READ // 2 :]}"
    return read, len(text) + _MORE_PER_WIDE * _wide(read) * len(text) // READ


def _wide(text: str) -> int:
    return 0 if text.isascii() else sum(map(len, _WIDE.findall(text)))


def _words(lower: str) -> tuple[set[str], set[str]]:
    """All words, and those that begin a clause, as a verb in the imperative does."""
    plain = lower if lower.isascii() else _OTHER_MARK.sub("\n", _WIDE.sub(" ", lower))
    raw = plain.encode("utf-8", "surrogatepass").translate(_TO_CLAUSES)
    clauses = raw.decode("utf-8", "surrogatepass")
    order = clauses.split()
    starts = set(_START.findall(clauses))
    starts.update([word for before, word in pairwise(order) if before in _JOINTS])
    words = set(order)
    if not lower.isascii():
        near = set(lower) & UNSPACED.keys()
        parts = [term for first in near for term in UNSPACED[first] if term in lower]
        words.update(parts)
        starts.update(parts)
    return words, starts


def _meanings(words: set[str]) -> dict[str, int]:
    """How many different words there are of each meaning."""
    found = dict.fromkeys(TERMS, 0)
    for word in words & _KNOWN:
        for meaning in MEANINGS[word]:
            found[meaning] += 1
    return found


def _marks(read: str) -> dict[str, int]:
    """How often each kind of sign stands in a text."""
    raw = read.encode("utf-8", "surrogatepass")
    marks = {
        "names": raw.translate(_TO_CASE).count(b" Aa"),
        "questions": raw.count(b"?"),
        "brackets": raw.count(b"("),
        "maths": raw.count(b"^") + (len(_LATEX.findall(read)) if b"\\" in raw else 0),
    }
    if not read.isascii():
        marks["questions"] += read.count("？")
        marks["brackets"] += read.count("（")
        marks["maths"] += len(_MATHS_SIGN.findall(read))
    return marks


def _opening(read: str, size: int) -> float:
    """1 for a short look-up, and where there is no word at all; less the longer it is."""
    if _LETTER.search(read) and not _OPENING.match(read):
        return 0.0
    return 0.4 + 0.6 / (1 + size / 240)


def _asking(lower: str, words: set[str], first: dict[str, int]) -> float:
    if first["ask"] or first["hard"]:
        return 1.0
    if first["how"] or ("how" in words and _HOW_TO.search(lower)) or "is wrong with" in lower:
        return 0.7
    return 0.0


def _tasks(read: str, questions: int, verbs: int) -> int:
    """List items, and questions and verbs after the first."""
    return len(_ITEM.findall(read)) + max(0, questions - 1) + max(0, verbs - 1)


def _limits(lower: str, words: set[str]) -> int:
    return sum([len(_LIMITS[word].findall(lower)) for word in words & _LIMITS.keys()])


def _code_lines(read: str) -> int:
    """Lines between fences, or lines that look like code where those are more."""
    fenced = sum([part.count("\n") for part in read.split(_FENCE)[1::2]])
    return max(fenced, len(_CODE.findall(read)))


def _has_rows(read: str) -> bool:
    return len(_ROW.findall(read)) > 1


def _has_traceback(read: str) -> bool:
    if "Traceback (most recent call" in read:
        return True
    named = "Error" in read or "Exception" in read or "panic" in read
    return named and _TRACEBACK.search(read) is not None


def _share(count: int, full: int) -> float:
    return min(count, full) / full
