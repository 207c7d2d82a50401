"""Settings for tests, and what every error of a setting must look like."""

from __future__ import annotations

from typing import Any

import pytest

from mmai_nb.errors import ConfigError
from mmai_nb.settings import Settings, change_settings

LOCAL = "http://127.0.0.1:1/v1"
A_KEY = "sk-proj-Tq7rXb2LmN9vKc4ZpW8yHd3FgJ6sAe1"


def models(*names: str) -> dict[str, dict[str, Any]]:
    return {name: {"base_url": LOCAL} for name in names}


def one_tier(*chain: str) -> list[dict[str, Any]]:
    return [{"name": "all", "up_to": 1.0, "chain": list(chain)}]


def checked(error: Exception) -> str:
    """The error's sentence, held against what every sentence must be."""
    text = str(error)
    assert len(text.splitlines()) == 1
    assert len(text) <= 200
    assert A_KEY not in text
    return text


def refused(settings: Settings, **changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        change_settings(settings, changes)
    return checked(caught.value)
