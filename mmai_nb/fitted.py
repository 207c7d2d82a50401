"""Weights that were fitted on public data: read from a file of the package, joined to priors."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Collection
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    W = TypeVar("W", bound=DataclassInstance)
else:
    W = TypeVar("W")

__all__ = ["joined", "logistic", "read_fitted"]


def read_fitted(priors: W, names: Collection[str], file: str, then: str) -> W:
    """The priors with the fitted weights; without a sound file the priors alone, with a warning.

    Args:
        priors: a dataclass of weights, set by hand.
        names: those that the file holds.
        file: its name in the folder `data`.
        then: what happens without it, in words.
    """
    place = files("mmai_nb") / "data" / file
    try:
        return joined(priors, names, json.loads(place.read_bytes()))
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        warnings.warn(
            f"data/{file} cannot be used ({error!s:.80}): {then} hand-set weights alone; "
            "install mmai_nb again",
            RuntimeWarning,
            stacklevel=3,
        )
        return priors


def joined(priors: W, names: Collection[str], found: object) -> W:
    """The priors with these values, by name, for all of the fitted weights.

    Raises:
        ValueError: a name is missing or too much, a value is no finite number, or one that is not
            the bias is negative.
    """
    if not isinstance(found, dict) or set(found) != set(names):
        raise ValueError(f"it should hold {', '.join(names)}")
    for name, value in found.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ValueError(f"{name} is no number")
        if value < 0 and name != "bias":
            raise ValueError(f"{name} is negative")
    return replace(priors, **found)


def logistic(z: float) -> float:
    """What a sum of weights comes to, from 0 to 1, in four digits."""
    return round(1 / (1 + math.exp(-max(-50.0, min(50.0, z)))), 4)
