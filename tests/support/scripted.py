"""A call that plays a script in place of the network, and settings for two models of two prices."""

from __future__ import annotations

from typing import Any

from mmai_nb.records import Completion, Usage
from mmai_nb.settings import Settings

URL = "http://127.0.0.1:9/v1"
USAGE = Usage(1_000, 500)


class Scripted:
    """A call that plays texts, Completions and errors in turn, the last one for ever."""

    def __init__(self, *plays: Any) -> None:
        self.plays = list(plays) or ["an answer"]
        self.calls: list[tuple[Any, str]] = []

    def __call__(self, request: Any, spec: Any, on_text: Any) -> Completion:
        self.calls.append((request, spec.name))
        play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        if isinstance(play, BaseException):
            raise play
        if isinstance(play, str):
            play = Completion(play, spec.name, USAGE, finish_reason="stop", duration_s=0.5)
        if on_text is not None:
            for piece in play.text.split(" "):
                on_text(piece + " ")
        return play

    @property
    def asked(self) -> list[str]:
        return [name for _, name in self.calls]


def settings_of(**more: Any) -> Settings:
    model = {"base_url": URL}
    return Settings(
        **{
            "models": {
                "small": {**model, "input_price": 0.10, "output_price": 0.40},
                "large": {**model, "input_price": 1.00, "output_price": 4.00},
            },
            "tiers": [
                {"name": "simple", "up_to": 0.5, "chain": ["small", "large"]},
                {"name": "complex", "up_to": 1.0, "chain": ["large"]},
            ],
            **more,
        }
    )
