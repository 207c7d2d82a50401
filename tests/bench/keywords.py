"""A keyword heuristic of the usual kind, as gateways route by: bands of length and lists of words.

It is here to be compared with, and nothing of it is fitted.
"""

from __future__ import annotations

import re

__all__ = ["keyword_score"]

_LISTS = {
    "code": """function class def import code python javascript java sql api debug error exception
        algorithm compile script regex database query loop array variable""",
    "reasoning": """prove derive explain why analyze analyse reason compare evaluate justify
        critique conclude infer assume therefore because""",
    "technical": """architecture distributed concurrency theorem integral probability matrix
        equation regression optimization kubernetes encryption thermodynamics enzyme protein
        statute liability diagnosis protocol latency""",
    "simple": "hi hello thanks what who when where define translate list name capital",
    "steps": "first then next finally step steps after before",
}
_WORDS = {name: frozenset(words.split()) for name, words in _LISTS.items()}
_WORD = re.compile(r"[a-z]+")


def keyword_score(prompt: str) -> float:
    """How hard the words of a prompt look."""
    words = set(_WORD.findall(prompt.lower()))
    tokens = len(prompt) / 4
    found = {name: len(words & listed) for name, listed in _WORDS.items()}
    return (
        0.10 * (-1 if tokens < 15 else 1 if tokens > 400 else 0)
        + 0.30 * min(1.0, found["code"] / 2)
        + 0.25 * min(1.0, found["reasoning"] / 2)
        + 0.25 * min(1.0, found["technical"] / 4)
        - 0.05 * min(1.0, found["simple"])
        + 0.03 * min(1.0, found["steps"] / 2)
        + 0.02 * (prompt.count("?") > 3)
    )
