"""What valid settings are: models, tiers, cache and the rest, frozen pydantic models.

Settings hold the name of a key's variable, never a key. A tier is routing and fallback in one: up
to which complexity it serves, and its models in the order in which they are tried.

One room of three files: tables (a model, a tier, the cache, the budget), lookup (the model that a
name means), settings (all of it together).
"""

from __future__ import annotations

from .settings import Settings, fault_path, fields_at, kind_at
from .tables import BudgetSettings, CacheSettings, ModelSpec, Tier

__all__ = [
    "BudgetSettings",
    "CacheSettings",
    "ModelSpec",
    "Settings",
    "Tier",
    "fault_path",
    "fields_at",
    "kind_at",
]
