"""Secrets kept out of every string that leaves us: errors, logs, ledger, footers.

Known secrets are replaced to the letter, in the forms in which they travel; unknown ones by the
shapes that keys are given so that they can be found.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, quote_plus

__all__ = ["find_secret", "learn_secrets", "redact", "register_secret"]

SHORTEST = 8
"""Characters: what is shorter is no secret, and would blank out ordinary words."""
SHOWN = "***"


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a kind of secret looks like.

    Attributes:
        name: what it is, in words.
        hints: pieces of text of which one is in every such secret; a fast no to most texts.
        pattern: its group "key" is the secret part.
        random: whether that part must look drawn by lot, since words may have the same shape.
    """

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    random: bool = True


def _shape(name: str, hints: str, pattern: str, random: bool = True) -> _Shape:
    return _Shape(name, tuple(hints.split(" | ")), re.compile(pattern, re.ASCII), random)


_SHAPES = (
    _shape(
        "a private key",
        "PRIVATE KEY-----",
        r"(?P<key>-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:\s|\\[rn])*"
        r"(?:(?:Proc-Type|DEK-Info):[^\n]*(?:\s|\\[rn])+)*"
        r"[A-Za-z0-9+/=]{16,}(?:[A-Za-z0-9+/=\s]|\\[rn])*(?:-----END [A-Z ]{0,30}KEY-----)?)",
        random=False,
    ),
    _shape("an Anthropic key", "sk-ant-", r"(?<![A-Za-z0-9])(?P<key>sk-ant-[\w-]{16,})"),
    _shape("an OpenRouter key", "sk-or-", r"(?<![A-Za-z0-9])(?P<key>sk-or-[\w-]{16,})"),
    _shape("an OpenAI key", "sk-", r"(?<![A-Za-z0-9])(?P<key>sk-[\w-]{16,})"),
    _shape("an AWS key", "AKIA | ASIA", r"\b(?P<key>A[KS]IA[0-9A-Z]{16})\b", random=False),
    _shape(
        "a GitHub token",
        "ghp_ | gho_ | ghu_ | ghs_ | ghr_ | github_pat_",
        r"\b(?P<key>(?:gh[pousr]|github_pat)_\w{22,})",
    ),
    _shape("a Slack token", "xox", r"\b(?P<key>xox[a-z]-[\w-]{10,})"),
    _shape("a Google key", "AIza", r"\b(?P<key>AIza[\w-]{35})"),
    _shape("a Groq key", "gsk_", r"\b(?P<key>gsk_[A-Za-z0-9]{20,})"),
    _shape("a Hugging Face token", "hf_", r"\b(?P<key>hf_[A-Za-z0-9]{30,})"),
    _shape(
        "a JSON web token",
        "eyJ",
        r"\b(?P<key>eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,})",
        random=False,
    ),
    _shape("a bearer token", "earer | EARER", r"(?i)\bbearer\s{1,3}(?P<key>[\w.~+/=-]{16,})"),
)


def _looks_random(key: str) -> bool:
    """Whether a part of it is no word: 10 characters with a digit among them, or 20 of any kind.

    Keeps `sk-learn-contrib-estimators` and `sk-xxxxxxxxxxxxxxxxxxxx` readable.
    """
    if len(set(key)) < 9:
        return False
    parts = re.findall(r"[A-Za-z0-9]+", key)
    return any(len(p) >= 20 or (len(p) >= 10 and re.search(r"\d", p) is not None) for p in parts)


class _Known:
    """The secrets seen in this process, in all forms in which they might come back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()
        self.values: frozenset[str] = frozenset()

    def add(self, value: str) -> None:
        with self._lock:
            if value in self.values:
                return
            longest_first = sorted({*self._forms, *_forms(value)}, key=len, reverse=True)
            self._forms = tuple(longest_first)
            self.values |= {value}

    def hide(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, SHOWN)
        return text


def _forms(value: str) -> set[str]:
    """The value as it is, and as it stands in a URL, in JSON, in HTML, in base64 at any offset."""
    forms = {
        value,
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        html.escape(value),
    }
    raw = value.encode("utf-8", "surrogatepass")
    for offset in range(3):
        # The letters that a neighbouring byte has a part in are cut off at both ends.
        first, last = (0, 2, 3)[offset], (len(raw) + offset) * 8 // 6
        encoded = base64.b64encode(b"\0" * offset + raw)[first:last].decode("ascii")
        forms |= {encoded, encoded.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= SHORTEST}


_known = _Known()


def register_secret(value: str) -> None:
    """From now on `redact` hides this value; shorter ones than 8 characters are left alone."""
    value = value.strip()
    if len(value) >= SHORTEST:
        _known.add(value)


def learn_secrets(text: str, named: Mapping[str, str]) -> None:
    """Register every secret among the variables that is in the text, sent though it was.

    Args:
        text: what was sent, or came back.
        named: environment variables, of which those count that `find_secret` names.
    """
    for name, value in named.items():
        value = value.strip()
        if value and value in text and _is_secret(name, value):
            register_secret(value)


def redact(text: str) -> str:
    """The text with `***` for every secret: known ones in any form, then what looks like one."""
    text = _known.hide(text)
    for shape in _SHAPES:
        if any(hint in text for hint in shape.hints):
            text = shape.pattern.sub(partial(_hidden, shape), text)
    return text


def _hidden(shape: _Shape, found: re.Match[str]) -> str:
    key = found["key"]
    if shape.random and not _looks_random(key):
        return found[0]
    return found[0].replace(key, SHOWN)


_SECRET_NAME = re.compile(r".*(?:_KEY|_TOKEN|_SECRET|_PAT)|.*PASSWORD.*", re.IGNORECASE)
_TRIVIAL = re.compile(
    r"\d{0,9}|[a-z]{0,11}|[A-Z]{0,11}|(.)\1*|(?i:true|false|none|null|changeme\W*"
    r"|(?:(?:my|your)[-_ ]?)?(?:api[-_ ]?)?(?:key|passw(?:or)?d|secret|token)"
    r"[-_ ]?(?:here|\d{0,4}))",
    re.DOTALL,
)


def _is_secret(name: str, value: str) -> bool:
    """Whether a variable's name says that it holds a secret, and its value is none of chance."""
    return (
        len(value) >= SHORTEST
        and _SECRET_NAME.fullmatch(name) is not None
        and _TRIVIAL.fullmatch(value) is None
        and not os.path.exists(os.path.expanduser(value))
    )


def find_secret(text: str, named: Mapping[str, str]) -> str | None:
    """What the first secret in the text is: a variable's name, or words for its shape; else None.

    Args:
        text: what is about to be sent.
        named: environment variables. Those that are called like a key, token, secret or password
            count, unless their value is trivial: short, a plain word, a small number, a file.
    """
    for name, value in named.items():
        value = value.strip()
        if value and value in text and _is_secret(name, value):
            return name
    if any(value in text for value in _known.values):
        return "a key in use here"
    for shape in _SHAPES:
        if any(hint in text for hint in shape.hints):
            for found in shape.pattern.finditer(text):
                if not shape.random or _looks_random(found["key"]):
                    return shape.name
    return None
