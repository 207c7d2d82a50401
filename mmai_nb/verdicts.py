"""What users said of answers that stood side by side, and what it adds up to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["VERDICTS", "Verdict", "read_verdicts", "win_rates"]

VERDICTS = ("tie", "bad")
"""Votes for no answer: all are as good as each other, or none is any good."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A vote on a comparison: models in the order of their labels, and what was said.

    `winner` is a model's name, "tie" or "bad" (none was any good). `blind`: names were hidden.
    """

    models: tuple[str, ...]
    winner: str
    blind: bool
    call_ids: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data for the ledger; the inverse of `from_json`."""
        return {
            "models": list(self.models),
            "winner": self.winner,
            "blind": self.blind,
            "call_ids": list(self.call_ids),
        }

    def __str__(self) -> str:
        """What was said, in words, with the models by name."""
        others = [name for name in self.models if name != self.winner]
        if self.winner == "tie":
            return f"{_listed(others)} are as good as each other"
        if self.winner == "bad":
            return f"none is any good: {_listed(others)}"
        return f"{self.winner} is better than {_listed(others)}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        alone = len(getattr(printer, "stack", ())) <= 1
        printer.text(f"{self}; 1 vote kept" if alone else repr(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """A verdict from what `as_json` gave.

        Raises:
            KeyError, TypeError: it is no such data.
        """
        return cls(
            tuple(map(str, data["models"])),
            str(data["winner"]),
            bool(data["blind"]),
            tuple(map(str, data["call_ids"])),
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def read_verdicts(rows: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """The verdicts among what a ledger keeps; what is none is left out."""
    found = []
    for data in rows:
        with suppress(KeyError, TypeError):
            found.append(Verdict.from_json(data))
    return found


def win_rates(verdicts: Sequence[Verdict]) -> DataFrame:
    """A row per model: votes it stood in, won, tied, lost, none good, and its win rate.

    The win rate is wins and half of the ties, of all its votes, those that none was good included.
    """
    import pandas as pd

    tally: dict[str, dict[str, int]] = {}
    for verdict, model in _pairs(verdicts):
        row = tally.setdefault(model, {"votes": 0, "won": 0, "tied": 0, "lost": 0, "bad": 0})
        row["votes"] += 1
        kind = {model: "won", "tie": "tied", "bad": "bad"}.get(verdict.winner, "lost")
        row[kind] += 1
    frame = pd.DataFrame.from_dict(
        tally, orient="index", columns=["votes", "won", "tied", "lost", "bad"], dtype="Int64"
    )
    frame.index = frame.index.astype("string").rename("model")
    wins = frame["won"].astype("float64") + 0.5 * frame["tied"].astype("float64")
    frame["win_rate"] = wins / frame["votes"].astype("float64")
    return frame.sort_values(["win_rate", "votes"], ascending=False)


def _pairs(verdicts: Sequence[Verdict]) -> Iterator[tuple[Verdict, str]]:
    for verdict in verdicts:
        for model in verdict.models:
            yield verdict, model
