"""What the demo endpoint says: a pure function from a chat to a text, and no language model.

The same chat always gets the same answer, and each answer says where it comes from. It knows how to
echo a question in Markdown, to write a handful of small Python functions and to do sums, which is
enough to try everything else in this package without a key.

Of the package this module imports only how Python is read.
"""

from __future__ import annotations

import ast
import json
import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from ..markup import python_tree

__all__ = ["DIRECTIVE", "MODELS", "SECOND", "STATEMENT", "make_answer", "place_of"]

STATEMENT = "Demo answer, not a language model"
"""Stands in the first line of each answer that is not JSON."""

MODELS = {  # name: tier, context window in tokens, pretend USD per million tokens in and out
    "demo-small": ("simple", 8_192, "0.10", "0.40"),
    "demo-second": ("simple", 8_192, "0.12", "0.48"),
    "demo-medium": ("standard", 32_768, "0.60", "2.40"),
    "demo-large": ("complex", 200_000, "3.00", "12.00"),
}
SECOND = "demo-second"
"""Plays the model of another provider: it is asked for a second opinion (`--check agree`)."""
HELP = (
    "set `OPENAI_API_KEY`, or another provider's, before Jupyter starts or in `os.environ`",
    "or name a server of your own with `ai.configure(models=…)`",
    "`%ai models` shows what there is",
)
DIRECTIVE = re.compile(r"\[\[demo:([^\]\n]*)\]\]")


def make_answer(
    chat: Sequence[tuple[str, str]], *, model: str, tier: str, json_only: bool = False
) -> str:
    """The demo's answer to a chat.

    Args:
        chat: (role, text) of each message, oldest first.
        model: the name that answers.
        tier: simple, standard or complex: how long and structured the answer is.
        json_only: whether the request asks for a JSON object; a system message may ask for it too.
    """
    system = "\n".join(text for role, text in chat if role in ("system", "developer"))
    prompt = next((text for role, text in reversed(chat) if role == "user"), "")
    asked, data = _without_data(DIRECTIVE.sub("", prompt))
    only = re.search(r"\b(code|json|html)\b[^.\n]{0,20}\bonly\b", system, re.IGNORECASE)
    wanted = "json" if json_only else only[1].lower() if only else "markdown"
    if wanted == "json":
        said = {
            "demo": STATEMENT,
            "model": model,
            "asked": _short(asked),
            "words": len(asked.split()),
        }
        return json.dumps(said, ensure_ascii=False)
    if wanted == "html":
        said_html = _short(asked).translate({38: "&amp;", 60: "&lt;", 62: "&gt;"})
        return f"<p><em>{STATEMENT}.</em></p>\n<p>You asked: “{said_html}”</p>"
    if wanted == "code":
        return _code(asked)
    if (result := _sum(asked)) is not None:
        return f"*{STATEMENT}.*\n\n{result}"
    if _asks_for_code(asked):
        return f"*{STATEMENT}.* `{model}` has a few functions in store:\n\n{_code(asked)}"
    return _markdown(asked, data, model=model, tier=tier)


def _without_data(prompt: str) -> tuple[str, list[tuple[str, int]]]:
    """The prompt without its fenced data, and the name and number of lines of each piece."""
    data: list[tuple[str, int]] = []
    while len(data) < 20:
        opened = re.search(r'<(data-[0-9a-f]+)\s+name="([^"<>]*)"[^<>]*>', prompt)
        if opened is None:
            break
        end = prompt.find(f"</{opened[1]}>", opened.end())
        stop = len(prompt) if end < 0 else end
        lines = [line for line in prompt[opened.end() : stop].splitlines() if line.strip()]
        data.append((opened[2], len(lines)))
        prompt = prompt[: opened.start()] + opened[2] + prompt[stop + len(opened[1]) + 3 :]
    return prompt.strip(), data


def _short(text: str, limit: int = 200) -> str:
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def place_of(model: str) -> str:
    """What a demo's answer says of its model's place among the tiers; "" where it is none."""
    if model not in MODELS:
        return ""
    place = "of another pretend provider" if model == SECOND else "the first model"
    return f"{place} of the tier *{MODELS[model][0]}*"


def _markdown(asked: str, data: Sequence[tuple[str, int]], *, model: str, tier: str) -> str:
    echo = _short(asked).replace("`", "'") or "nothing but an instruction to the demo"
    words = asked.split()
    facts = [
        ("answered by", f"`{model}`, {place_of(model)}"),
        ("words in the question", f"{len(words):,}"),
        *((f"data `{_short(name, 40)}`", f"{lines:,} lines") for name, lines in data),
    ]
    opening = f"*{STATEMENT}.*\n\nYou asked: “{echo}”\n"
    if tier == "simple":
        listed = "\n".join(f"- {name}: {fact}" for name, fact in facts)
        return f"{opening}\n{listed}\n- for a real answer: {HELP[0]}"
    table = "\n".join(
        f"| {name} | {fact} |" for name, fact in [("what", "value"), ("---", "---"), *facts]
    )
    steps = "\n".join(f"- {step}" for step in HELP)
    if tier == "standard":
        return f"{opening}\n{table}\n\n**For a real answer**\n\n{steps}"
    stripped = {w.strip(".,;:!?()'\"`|*_") for w in words} - {""}
    longest = sorted(stripped, key=lambda w: (-len(w), w))[:3] or ["none"]
    steps = "\n".join(f"{n}. {step}" for n, step in enumerate(HELP, 1))
    return "\n".join(
        (
            opening,
            f"## What came in\n\n{table}\n",
            "Its longest words: " + ", ".join(f"`{_short(w, 40)}`" for w in longest) + ".\n",
            "## What would happen with a real model\n",
            "- **Routing** scores the question and picks the tier that fits it.",
            "- **The cache** gives the same answer again at no cost when the same is asked.",
            "- **The ledger** keeps one row for each request: tokens, cost, duration.",
            "\nAll three are at work here too; only the prices are pretend.\n",
            f"A line `[[demo: status=500 only_model={model}]]` shows what a failure does.\n",
            f"## For a real answer\n\n{steps}",
        )
    )


CODE = {
    r"fibonacci": '''def fibonacci(n: int) -> list[int]:
    """The first n Fibonacci numbers."""
    numbers = [0, 1]
    while len(numbers) < n:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:n]
''',
    r"regex|regular expression|e-?mails?": '''import re


def find_emails(text: str) -> list[str]:
    """Every address in a text, in its order."""
    return re.findall(r"[\\w.+-]+@[\\w-]+\\.[\\w.-]*\\w", text)
''',
    r"plot|chart|graph|histogram|matplotlib": '''import matplotlib.pyplot as plt


def plot(values: list[float], title: str = "Values") -> None:
    """A line chart of some numbers."""
    figure, axes = plt.subplots()
    axes.plot(values, marker="o")
    axes.set_title(title)
    plt.show()
''',
    r"csv|pandas|data ?frame|excel": '''import pandas as pd


def read_table(path: str) -> pd.DataFrame:
    """A CSV file as a DataFrame, its column names tidied."""
    table = pd.read_csv(path)
    return table.rename(columns=lambda name: str(name).strip().lower().replace(" ", "_"))
''',
    r"sort(?:s|ed|ing)?": '''def merge_sort(items: list[int]) -> list[int]:
    """The items in ascending order; the list given stays as it is."""
    if len(items) < 2:
        return list(items)
    middle = len(items) // 2
    left, right = merge_sort(items[:middle]), merge_sort(items[middle:])
    merged = []
    while left and right:
        merged.append(left.pop(0) if left[0] <= right[0] else right.pop(0))
    return merged + left + right
''',
    r"revers(?:e|es|ed|ing)": '''def reverse(text: str) -> str:
    """The text read backwards."""
    return text[::-1]
''',
    r"sum|mean|average|median": '''from statistics import fmean


def sum_and_mean(numbers: list[float]) -> tuple[float, float]:
    """The sum of the numbers and their mean."""
    return sum(numbers), fmean(numbers)
''',
}
TEMPLATE = '''# You asked: {asked}
# This one is not in store, so here is where its code would go.


def solve(data: object) -> object:
    """Say what it gives."""
    return data
'''


def _asks_for_code(asked: str) -> bool:
    start = asked[:1000].lower()
    return bool(
        re.search(r"\b(implement|refactor|code (?:up|for|that|to))\b|^(?:plot|def)\b", start)
        or re.search(
            r"\b(?:write|give|show|create|make|generate|build|need|want)\b[^.?!]*"
            r"\b(?:code|function|script|snippet|program|class|regex|python|pandas|plot)\b",
            start,
        )
    )


def _code(asked: str) -> str:
    found = (code for words, code in CODE.items() if re.search(rf"\b(?:{words})\b", asked, re.I))
    code = next(found, None) or TEMPLATE.format(asked=_short(asked, 80).replace("`", "'"))
    return f"```python\n# {STATEMENT}.\n{code}```"


WORDS = {"divided by": "/", "plus": "+", "minus": "-", "times": "*", "over": "/"}
SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**"})
OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _sum(asked: str) -> str | None:
    """What a sum comes to, as Markdown; None when the prompt asks for anything else."""
    if len(asked) > 200:
        return None
    text = re.sub(
        r"^\W*(?:what is|what's|how much is|calculate|compute|evaluate|solve)\b", "", asked.lower()
    )
    for word, sign in WORDS.items():
        text = re.sub(rf"\b{word}\b", sign, text)
    shown = text.translate(SIGNS).strip(" \n\t?.!=:,")
    if not re.fullmatch(r"[\d\s.+\-*/()]+", shown) or not re.search(r"\d\s*\)*\s*[-+*/]", shown):
        return None
    if text == asked.lower() and re.fullmatch(r"[\d.]+(?:[-/][\d.]+)+", shown):
        return None  # a date or a telephone number, with nobody asking what it comes to
    try:
        value = _value(python_tree(" ".join(shown.split()), "eval").body)
    except ZeroDivisionError:
        return f"`{shown}` has no value: it divides by zero."
    except (SyntaxError, ValueError, RecursionError):
        return None
    return f"`{' '.join(shown.split())}` {_plain(value)}"


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if not isinstance(node, ast.BinOp):
        raise ValueError("no sum")
    left, right = _value(node.left), _value(node.right)
    if isinstance(node.op, ast.Pow):
        size = max(left.numerator.bit_length(), left.denominator.bit_length())
        if right.denominator != 1 or size * abs(right) > 2048:
            raise ValueError("no small whole power")
        return Fraction(left ** int(right))
    if type(node.op) not in OPERATORS:
        raise ValueError("no sum")
    return Fraction(OPERATORS[type(node.op)](left, right))


def _plain(value: Fraction) -> str:
    if value.denominator == 1:
        return f"= **{value.numerator}**"
    with localcontext(prec=12):
        number = (Decimal(value.numerator) / Decimal(value.denominator)).normalize()
    return f"{'=' if Fraction(number) == value else '≈'} **{number}**"
