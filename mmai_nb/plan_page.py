"""A route as a page: where a prompt would go, why, and what each model would cost.

As lines of text for a terminal, and as HTML in the front end's own colours. Names of models and
tiers are the user's or a server's, so they are cleaned and escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from .amounts import format_usd
from .dial import turn_said
from .markup import clean_line, clean_text, inert_html, short_end
from .records import Choice, Estimate, Route

__all__ = ["aligned", "page_html", "page_text"]

Row = Sequence[str]

HEAD = ("", "model", "tiers", "provider", "tokens in", "out", "cost", "window", "note")
NUMBERS = ("tokens in", "out", "cost", "window")
ORDER = "the chain is tried in this order; nothing was sent"
MOST_MODELS = 12
"""Where there are more, only the first of the chain and of each tier are shown; -v shows all."""
MOST_OF_CHAIN = 6
LONGEST = 34

_NUMBER = "text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap"
_NAME = "text-align: left; overflow-wrap: break-word"


def page_text(route: Route, choices: Sequence[Choice], *, everything: bool = False) -> str:
    """The page for a terminal."""
    lines = [f"{label:<10} {words}" for label, words in _facts(route)]
    rows, more = _candidates(route.estimates, everything)
    if rows:
        lines += ["", ORDER, *aligned(rows, NUMBERS)]
    if more:
        lines.append(f"  … {more:,} more: %ai route -v TEXT shows them all")
    if choices:
        head, turns = _turns(choices)
        lines += ["", head, *aligned(turns, ())]
    return "\n".join(clean_text(line).rstrip() for line in lines)


def page_html(route: Route, choices: Sequence[Choice], *, everything: bool = False) -> str:
    """The page for a notebook, light or dark; two dollar signs on it are no formula."""
    facts = "".join(
        f"<tr>{_cell(label, _NAME)}{_cell(words, _NAME)}</tr>" for label, words in _facts(route)
    )
    rows, more = _candidates(route.estimates, everything)
    parts = [f"<table>{facts}</table>"]
    if rows:
        styles = [_NUMBER if column in NUMBERS else _NAME for column in rows[0]]
        parts += [f"<div>{ORDER}</div>", _table(rows[0], rows[1:], styles)]
    if more:
        parts.append(f"<div>… {more:,} more: <code>%ai route -v TEXT</code> shows them all</div>")
    if choices:
        head, turns = _turns(choices)
        parts.append(f"<div>{inert_html(head)}</div>")
        if turns:
            parts.append(_table(("prefer", "tier", "first model", "cost", ""), turns, [_NAME] * 5))
    return f'<div class="mmai-route tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>'


def _facts(route: Route) -> Iterator[tuple[str, str]]:
    """What was found out of the prompt and decided, line by line."""
    if route.complexity is not None:
        why = ", ".join(route.complexity.reasons) or "nothing stands out"
        shipped, score = route.complexity.shipped, route.complexity.score
        if shipped is not None and shipped != score:
            why += f"; {shipped:.3g} before your votes"
        yield "complexity", f"{score:.3g}, of 0 to 1: {why}"
    yield "tier", f"{route.tier or '–'}{_band(route)}"
    for reason in route.reasons if route.complexity is None else route.reasons[1:]:
        yield "why", reason
    chain = [*route.chain[:MOST_OF_CHAIN], *(["…"] if len(route.chain) > MOST_OF_CHAIN else [])]
    yield "chain", " → ".join(chain)
    left_out: dict[str, list[str]] = {}
    for name, reason in route.skipped:
        if reason != route.stepped:
            left_out.setdefault(reason, []).append(name)
    for reason, names in left_out.items():
        shown = ", ".join(names[:MOST_OF_CHAIN]) + (", …" if len(names) > MOST_OF_CHAIN else "")
        yield "left out", f"{shown}: {reason}"


def _band(route: Route) -> str:
    """Between which bounds the score lies, where a score chose the tier."""
    if route.complexity is None or len(route.bounds) < 2:
        return ""
    score = route.complexity.score
    for low, high in pairwise((-1.0, *route.bounds)):
        if score <= high:
            return f"   (score from {max(low, 0):g} to {high:g})"
    return ""


def _candidates(estimates: Sequence[Estimate], everything: bool) -> tuple[list[Row], int]:
    """The head, a row per model that is shown, and how many are not; no column of empty notes."""
    everything = everything or len(estimates) <= MOST_MODELS
    shown = [e for e in estimates if everything or e.leads or 0 < e.place <= MOST_OF_CHAIN]
    end = len(HEAD) - (not any(e.note for e in shown))
    rows = [row[:end] for row in (HEAD, *map(_row, shown))]
    return (rows if shown else []), len(estimates) - len(shown)


def _row(e: Estimate) -> Row:
    return (
        f"{e.place}." if e.place else "",
        _short(e.model),
        _short(", ".join(e.tiers)) or "–",
        _short(e.provider),
        f"~{e.input_tokens:,}",
        f"~{e.output_tokens:,}",
        _cost(e.cost_usd),
        "?" if e.window is None else f"{e.window:,}",
        e.note,
    )


def _turns(choices: Sequence[Choice]) -> tuple[str, list[Row]]:
    """Where each turn of the dial leads; in one line where all lead the same way."""
    if len({(choice.tier, choice.model) for choice in choices}) == 1:
        return f"every turn of the cost dial leads to {choices[0].tier} here", []
    rows: list[Row] = []
    for choice in choices:
        now = "← now" if choice.in_force else ""
        cost = _cost(choice.cost_usd)
        rows.append((turn_said(choice.prefer), choice.tier or "–", _short(choice.model), cost, now))
    return "with another turn of the cost dial", rows


def _cost(usd: float | None) -> str:
    return "price unknown" if usd is None else f"~{format_usd(usd)}"


def _short(name: str) -> str:
    """A name on one line; of a long one the end."""
    return short_end(clean_line(name), LONGEST)


def aligned(rows: Sequence[Row], numbers: Sequence[str]) -> Iterator[str]:
    """The rows as lines with columns; numbers to the right, by the names in the first row."""
    if not rows:
        return
    wide = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    right = [name in numbers for name in rows[0]]
    for row in rows:
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, wide, right, strict=True)
        )
        yield "  " + "  ".join(cells)


def _table(head: Row, rows: Iterable[Row], styles: Sequence[str]) -> str:
    cells = "".join(
        f'<th scope="col" style="{style}; white-space: nowrap">{inert_html(name)}</th>'
        for name, style in zip(head, styles, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(cell, style) for cell, style in zip(row, styles, strict=True))}</tr>"
        for row in rows
    )
    scroll = '<div style="overflow-x: auto">'
    return f"{scroll}<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(words: str, style: str) -> str:
    return f'<td style="{style}">{inert_html(words)}</td>'
