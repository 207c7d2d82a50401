"""The providers we know, and the rules for the address of any endpoint.

What is known of each provider stands in data/presets.toml. This module imports nothing of the
package; a wrong address is a plain ValueError, which settings.py turns into its own error.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import zip_longest
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

__all__ = [
    "LOCAL",
    "LOCAL_SERVERS",
    "TIER_BOUNDS",
    "LocalServer",
    "Provider",
    "checked_url",
    "is_loopback",
    "known_providers",
    "local_model",
    "ollama_address",
    "preset_models",
    "preset_settings",
    "price_data_released",
    "provider_of",
    "tiers_of",
]

LOCAL = "local"
"""The provider of an endpoint on this machine, where the user names none."""

TIER_BOUNDS = MappingProxyType({"simple": 0.3, "standard": 0.6, "complex": 1.0})
"""The default tiers, each with the highest complexity it takes."""

_OPERATIONS = ("/chat/completions", "/completions", "/responses", "/embeddings", "/models")
_SECRET_WORDS = ("key", "token", "secret", "password", "sig", "auth")


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider of data/presets.toml, where each field is explained."""

    name: str
    base_url: str
    hosts: tuple[str, ...]
    key_variables: tuple[str, ...]
    key_prefixes: tuple[str, ...]
    prices: str
    simple: tuple[str, ...]
    standard: tuple[str, ...]
    complex: tuple[str, ...]

    def names(self, tier: str) -> tuple[str, ...]:
        """The names of its models of one default tier: "provider/id"."""
        return tuple(f"{self.name}/{model}" for model in getattr(self, tier))

    def models(self, variable: str) -> dict[str, dict[str, Any]]:
        """The settings of all its models, by name; the key is in this environment variable."""
        ids = dict.fromkeys((*self.simple, *self.standard, *self.complex))
        return {
            f"{self.name}/{model}": {
                "model": model,
                "provider": self.name,
                "base_url": self.base_url,
                "api_key_env": variable,
            }
            for model in ids
        }


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A kind of server for this machine: its name, its usual port, whether it answers unasked."""

    title: str
    port: int
    chosen: bool


LOCAL_SERVERS = MappingProxyType(
    {
        "ollama": LocalServer("Ollama", 11434, chosen=True),
        "lmstudio": LocalServer("LM Studio", 1234, chosen=True),
        "llamacpp": LocalServer("llama.cpp", 8080, chosen=False),
        "vllm": LocalServer("vLLM", 8000, chosen=False),
    }
)
"""By the provider's name of their models. Much else listens on the ports of the last two."""


@cache
def _presets() -> dict[str, Any]:
    text = (files(__package__) / "data" / "presets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def price_data_released() -> Mapping[str, str]:
    """The days, as YYYY-MM-DD, on which the versions of genai-prices that we know came out."""
    return MappingProxyType(dict(_presets()["price_data"]))


@cache
def known_providers() -> Mapping[str, Provider]:
    """All providers of data/presets.toml by name, in its order."""
    found = {}
    for name, row in _presets()["providers"].items():
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        found[name] = Provider(name=name, **fields)
    return MappingProxyType(found)


@cache
def preset_models() -> Mapping[str, dict[str, Any]]:
    """The settings of every preset model by name, whether its key is at hand or not."""
    found: dict[str, dict[str, Any]] = {}
    for provider in known_providers().values():
        found |= provider.models(provider.key_variables[0])
    return MappingProxyType(found)


def preset_settings(env: Mapping[str, str]) -> dict[str, Any]:
    """Models and tiers of the providers whose key stands in `env`; {} where there is none.

    The providers take turns within a chain, so that the next model is another provider's. With one
    provider the simple chain ends with its standard model: there is always one to fall back to.
    """
    found = [
        (provider, variable)
        for provider in known_providers().values()
        if (variable := next((v for v in provider.key_variables if env.get(v, "").strip()), None))
    ]
    if not found:
        return {}
    models: dict[str, dict[str, Any]] = {}
    for provider, variable in found:
        models |= provider.models(variable)
    chains = {tier: _in_turns([p.names(tier) for p, _ in found]) for tier in TIER_BOUNDS}
    if len(found) == 1:
        chains["simple"].append(found[0][0].names("standard")[0])
    return {"models": models, "tiers": tiers_of(chains)}


def tiers_of(chains: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The default tiers with these chains, each as what a settings.Tier takes."""
    return [{"name": t, "up_to": bound, "chain": chains[t]} for t, bound in TIER_BOUNDS.items()]


def _in_turns(lists: list[tuple[str, ...]]) -> list[str]:
    return [name for turn in zip_longest(*lists) for name in turn if name is not None]


def local_model(name: str) -> dict[str, Any] | None:
    """The settings of a model named "ollama/…" or "lmstudio/…"; None for any other name.

    It needs no list of models: naming one is enough, and what is not there the server says.
    """
    for kind, server in LOCAL_SERVERS.items():
        model = name.removeprefix(kind)[1:]
        if server.chosen and model and name in (f"{kind}/{model}", f"{kind}:{model}"):
            host, port = ollama_address() if kind == "ollama" else ("127.0.0.1", server.port)
            free = not model.endswith(("-cloud", ":cloud"))
            return {
                "name": f"{kind}/{model}",
                "model": model,
                "provider": kind,
                "base_url": f"http://{host}:{port}/v1",
                **({"input_price": 0, "output_price": 0} if free else {}),
            }
    return None


def ollama_address(env: Mapping[str, str] | None = None) -> tuple[str, int]:
    """Host and port of Ollama on this machine: as OLLAMA_HOST says, if that is this machine."""
    usual = ("127.0.0.1", LOCAL_SERVERS["ollama"].port)
    told = (os.environ if env is None else env).get("OLLAMA_HOST", "").strip().strip("\"'")
    scheme, named, rest = told.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        port = parts.port or (80 if named else usual[1])
    except ValueError:
        return usual
    host = parts.hostname or usual[0]
    if host in ("localhost", "0.0.0.0", "::"):
        host = usual[0]
    if scheme in ("", "http") and is_loopback(f"http://{_bracketed(host)}"):
        return _bracketed(host), port
    return usual


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def provider_of(base_url: str) -> str:
    """The provider of an endpoint: a known one's name, "local" on this machine, else the host."""
    host = _host(base_url)
    for provider in known_providers().values():
        if host in provider.hosts:
            return provider.name
    return LOCAL if is_loopback(base_url) else host


def is_loopback(base_url: str) -> bool:
    """Whether the address is on this machine, so that what is sent there crosses no network."""
    host = _host(base_url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _host(base_url: str) -> str:
    try:
        return (urlsplit(base_url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def checked_url(url: str) -> str:
    """The address of an endpoint, without a slash at its end.

    Raises:
        ValueError: it is no address the client can use, holds a secret, or lacks its path. The
            message holds no part of the address but its host and path.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    if "\\" in url or any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError("must not hold spaces, line breaks or backslashes")
    if "@" in url:
        raise ValueError(
            "holds a user name or password: put the key in a variable, see api_key_env"
        )
    parts = _split(url)
    if parts.query or parts.fragment:
        secret = any(word in parts.query.lower() for word in _SECRET_WORDS)
        hint = ": put the key in a variable, see api_key_env" if secret else ""
        raise ValueError(f"must not hold a ? or # part{hint}")
    clean = url.rstrip("/")
    for operation in _OPERATIONS:
        if clean.endswith(operation):
            raise ValueError(f"must end before {operation}: use {clean.removesuffix(operation)}")
    _check_path(parts)
    return clean


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise ValueError("is no valid address") from None
    if not host or host.startswith("."):
        raise ValueError("has no host")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("must have a port from 1 to 65535, or none")
    return parts


def _check_path(parts: SplitResult) -> None:
    """A known endpoint without its path answers 404; say the right address at once."""
    for provider in known_providers().values():
        if parts.hostname in provider.hosts:
            path = urlsplit(provider.base_url).path
            if not f"{parts.path.rstrip('/')}/".startswith(f"{path}/"):
                raise ValueError(f"lacks its path: {provider.name} listens at {provider.base_url}")
    titles = {s.port: s.title for s in LOCAL_SERVERS.values() if s.chosen}
    title = titles.get(parts.port or 0)
    if title and parts.path in ("", "/") and is_loopback(parts.geturl()):
        raise ValueError(f"lacks its path: {title} listens at {parts.scheme}://{parts.netloc}/v1")
