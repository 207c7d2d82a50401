"""Amounts in words: how many, what they cost, how long they took.

This module imports nothing of the package.
"""

from __future__ import annotations

import math

__all__ = [
    "counted",
    "format_age",
    "format_bytes",
    "format_count",
    "format_duration",
    "format_percent",
    "format_seconds",
    "format_usd",
]


def counted(number: int, what: str) -> str:
    """So many of what is counted: `1 answer`, `2,500 answers`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def format_bytes(size: float) -> str:
    """Bytes for readers: `0.3 kB`, `12.5 MB`, `1.2 GB`."""
    for least, unit in ((1e9, "GB"), (1e6, "MB")):
        if size >= least:
            return f"{size / least:,.1f} {unit}"
    return f"{size / 1e3:,.1f} kB"


def format_usd(usd: float | None) -> str:
    """US dollars for readers: `$1.23`, `$0.0123`, `$0.000071`; "price unknown" for None and NaN."""
    if usd is None or math.isnan(usd):
        return "price unknown"
    sign, amount = ("-" if usd < 0 else ""), abs(usd)
    if amount == 0 or amount >= 0.9995:
        return f"{sign}${amount:,.2f}"
    digits = 3 if amount >= 0.00995 else 2
    places = digits - 1 - math.floor(math.log10(amount))
    whole, _, cents = f"{amount:.{places}f}".partition(".")
    return f"{sign}${whole}.{cents.rstrip('0'):0<2}"


def format_duration(seconds: float) -> str:
    """A time for readers: `80 ms`, `1.2 s`, `34 s`, `2 min 5 s`."""
    if seconds < 0.0995:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def format_percent(share: float) -> str:
    """A share for readers: `29 %`, `0.4 %`; "–" for NaN."""
    if math.isnan(share):
        return "–"
    digits = 0 if share in (0, 1) or 0.01 <= share <= 0.99 else 1
    return f"{100 * share:.{digits}f} %"


def format_age(seconds: float) -> str:
    """How long ago something was: `just now`, `5 min ago`, `3 d ago`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size):,} {unit} ago"
    return "just now"


def format_count(tokens: float) -> str:
    """A number of tokens in three digits: 950, 12.3 k, 4.5 M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:.3g} {unit}"
    return f"{tokens:.0f}"


def format_seconds(seconds: float) -> str:
    """A time in seconds, whatever its size, such as "0.012 s", "3.5 s" or "240 s"."""
    if seconds >= 1000:
        return f"{seconds:,.0f} s"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{round(seconds, 3):.2g} s"
