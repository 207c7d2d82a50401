"""Answers that are not good enough, with what was asked and the check that is to see it."""

# ruff: noqa: E501 - an answer keeps its lines

from __future__ import annotations

__all__ = ["FAULTY", "REAL"]

REAL: dict[str, str] = {
    **dict.fromkeys(
        ["gsm8k-2", "gsm8k-4", "gsm8k-88", "gsm8k-116", "gsm8k-300", "gsm8k-325", "mmlupro-11308"],
        "truncated",
    ),
    **dict.fromkeys(
        ["gsm8k-25", "gsm8k-70", "gsm8k-144", "gsm8k-210", "gsm8k-276", "mmlupro-11309"],
        "arithmetic",
    ),
    **dict.fromkeys(["mmlupro-11310", "mmlupro-11335", "mmlupro-11360"], "arithmetic"),
    **dict.fromkeys(["mmlupro-11305", "mmlupro-11306", "mmlupro-11336"], "final"),
    **dict.fromkeys(["mmlupro-6467", "mmlupro-9654", "mmlupro-7705"], "contradiction"),
    **dict.fromkeys(["mmlupro-7361", "mmlupro-7651"], "repetition"),
}
"""Real answers of Mixtral-8x7B in the public data that were wrong, by their row."""

FAULTY: dict[str, tuple[str, str, str]] = {
    "nothing": ("Explain it.", "", "empty"),
    "dots alone": ("Explain it.", "...", "empty"),
    "an empty block": ("Write a loop.", "```python\n```", "empty"),
    "cut in a sentence": (
        "Why is the sky blue?",
        "The sky is blue because of Rayleigh scattering. Short wavelengths are scattered more. At sunset the light has to travel through much more of the",
        "truncated",
    ),
    "cut in a block": (
        "Write a function that doubles.",
        "Here it is:\n\n```python\ndef double(x):\n    return 2 *",
        "truncated",
    ),
    "cut after and": (
        "Name the primary colours.",
        "The primary colours are red, yellow and",
        "truncated",
    ),
    "cut after a comma": (
        "Name three rivers.",
        "Three rivers are the Nile, the Amazon,",
        "truncated",
    ),
    "cut in a bracket": (
        "What is a heap?",
        "A heap is a tree in which each parent is not greater than its children. It is used for priority queues (for example in Dijkstra's",
        "truncated",
    ),
    "cut in a number": (
        "What is the payroll?",
        "Ten people earn $4,000 each, and the bonus of $2,000 is on top. Altogether they cost $42,00",
        "truncated",
    ),
    "cut in a sum": (
        "How many are there?",
        "She has 12 boxes of 4 and 3 more, so 12 * 4 +",
        "truncated",
    ),
    "declined": (
        "Write a limerick about cats.",
        "I'm sorry, but I can't help with that.",
        "refusal",
    ),
    "declined, as a model": (
        "Which of the two plots is clearer?",
        "As an AI language model, I do not have personal opinions.",
        "refusal",
    ),
    "declined, in German": (
        "Schreibe ein Gedicht über den Herbst.",
        "Es tut mir leid, aber dabei kann ich nicht helfen.",
        "refusal",
    ),
    "does not see the data": (
        "What is the highest value of this table? a: 3, b: 7",
        "I can't access the table, so I can't tell.",
        "refusal",
    ),
    "a product": ("What do 3 books at $17 cost?", "3 × 17 = 41, so they cost $41.", "arithmetic"),
    "a difference": ("What is left?", "You start with 100 - 37 = 73, which is left.", "arithmetic"),
    "a quotient": ("What is the mean?", "The mean is (4 + 8 + 9) / 3 = 8.", "arithmetic"),
    "a sum of money": (
        "What is the total?",
        "Total: $1,250.50 + $349.50 = $1,500.00.",
        "arithmetic",
    ),
    "a power": ("How many values have 8 bits?", "There are 2^8 = 128 values.", "arithmetic"),
    "in LaTeX": ("What is 12 times 12?", r"$12 \times 12 = 124$", "arithmetic"),
    "a percentage": ("What is 20% of 45?", "It is 0.20 * 45 = 8.", "arithmetic"),
    "two last words": (
        "How many eggs are left of 16 after 3?",
        "The answer is 12. Let me check it again. The final answer is 13.",
        "contradiction",
    ),
    "two choices": (
        "Which?\nA. one\nB. two\nC. three\nD. four",
        "Both seem right. The answer is (A). On reflection the answer is (C).",
        "contradiction",
    ),
    "no choice": (
        "Which is a mammal?\nA. trout\nB. bat\nC. eagle\nD. gecko",
        "Mammals nurse their young and have hair, which is true of only one of these.",
        "final",
    ),
    "no number": (
        "Tom has 5 apples and eats 2. How many are left?",
        "Tom eats some of his apples and keeps the rest for later.",
        "final",
    ),
    "Python": (
        "Write a function.",
        "```python\ndef add(a, b)\n    return a + b\n```",
        "code",
    ),
    "Python, a bracket": ("Print it.", '```python\nprint("a"\n```', "code"),
    "Python, an indent": (
        "Write a loop.",
        "```python\nfor i in range(3):\n    a = 1\n  b = 2\n```",
        "code",
    ),
    "Python 2": ("Print it.", '```python\nprint "hello"\n```', "code"),
    "JSON": ("As JSON.", '```json\n{"a": 1, "b": [1, 2}\n```', "code"),
    "JSON with single quotes": ("As JSON.", "```json\n{'a': 1}\n```", "code"),
    "TOML": ("As TOML.", "```toml\n[tool\nx = 1\n```", "code"),
    "answered in English": (
        "Was ist der Unterschied zwischen einer Liste und einem Tupel, und wann nimmt man was?",
        "A list is mutable and a tuple is not, and that is why a tuple can be the key of a dictionary and a list is not able to be one for you.",
        "language",
    ),
    "answered in Chinese": (
        "What is the difference between a list and a tuple, and which is faster?",
        "列表是可变的，元组是不可变的。因此元组可以作为字典的键，而列表不可以。元组通常也比列表快一些。列表是可变的，元组是不可变的。因此元组可以作为字典的键。",
        "language",
    ),
    "in circles": (
        "Tell me about loops.",
        "A loop repeats. " + "It does it again and again. " * 20,
        "repetition",
    ),
    "the same line": (
        "List ten animals.",
        "Here are ten animals:\n" + "- the grey elephant of the savanna\n" * 12,
        "repetition",
    ),
    "unsure": ("Is 91 prime?", "I'm not sure, but I would say that 91 is prime.", "hedging"),
    "cannot be determined": (
        "What is x if x + 2 = 5?",
        "The value of x cannot be determined from this.",
        "hedging",
    ),
    "a mistake in the question": (
        "What is x if 2x = 5?",
        "There must be a mistake in the problem, since x is no whole number.",
        "hedging",
    ),
    "a number forgotten": (
        "A bakery has 40 less than seven times as many loaves as Sam, who has 70. How many has it?",
        "Sam has 70 loaves. The bakery has 70 - 40 = 30 more than Sam.\nSo it has 70 + 30 = 100 loaves.",
        "unused",
    ),
    "a step forgotten": (
        "A ticket costs $12 and popcorn $5. What do 4 people pay for both?",
        "Tickets: 4 * 12 = $48.\nPopcorn: 4 * 5 = $20.\nSo they pay $48.",
        "loose",
    ),
    "another end": (
        "A tank of 18 liters loses 2 liters a day for 4 days. How much is left?",
        "It loses 2 * 4 = 8 liters, so 18 - 8 = 10 liters are left.\n#### 12",
        "ending",
    ),
}
"""What was asked, an answer written for the tests, and the kind of finding."""
