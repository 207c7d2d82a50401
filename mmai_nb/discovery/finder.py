"""The local servers of this machine, looked for at need and remembered.

What was found once is kept for the process: a busy server that misses its moment is still the one
that answered before, and its error says what is the matter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..providers import LOCAL_SERVERS, ollama_address
from .asking import Reply, ask_all
from .owners import strangers
from .servers import LocalModel, Server, first_asks, further_asks, models_of, wants_key
from .sizing import tiers_by_size

__all__ = ["Finder", "Found", "Offer"]

ROUND_SECONDS = 0.3
"""For each of the two rounds of questions, all of them side by side."""
KEPT_SECONDS = 60.0
RETRIED_SECONDS = 5.0
"""Where nothing was found; a server that was too busy to answer is asked again that soon."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A server that can answer if the user says so, and what to say."""

    server: Server
    model: LocalModel
    needs_key: bool = False

    @property
    def where(self) -> str:
        """Its name and address."""
        return f"{LOCAL_SERVERS[self.server.kind].title} at {self.server.host}:{self.server.port}"

    @property
    def line(self) -> str:
        """The line of Python that puts it to use."""
        short = self.model.id.rsplit("/", 1)[-1].removesuffix(".gguf")
        row = _row(self.server, self.model)
        del row["provider"], row["capabilities"]
        if self.needs_key:
            row["api_key_env"] = f"{self.server.kind.upper()}_API_KEY"
        return f"ai.configure(models={{{f'{self.server.kind}/{short}'!r}: {row!r}}})"


@dataclass(frozen=True, slots=True)
class Found:
    """What there is.

    Attributes:
        settings: models and tiers as settings take them; empty where no server may answer unasked.
        offers: servers that may answer if they are configured.
        strangers: the addresses at which another user's process listens.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    offers: tuple[Offer, ...] = ()
    strangers: tuple[str, ...] = ()

    @property
    def models(self) -> Mapping[str, Any]:
        """The models that may answer unasked, each as settings.ModelSpec takes it."""
        models: Mapping[str, Any] = self.settings.get("models", {})
        return models


class Finder:
    """Looks for local servers, in less than a second, and remembers what it found.

    Args:
        servers: where to look; default: the usual ports, and OLLAMA_HOST's.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        servers: Sequence[Server] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given, self._clock = servers, clock
        self._lock = threading.Lock()
        self._models: dict[Server, list[LocalModel]] = {}
        self._found, self._until = Found(), 0.0

    @property
    def known(self) -> Found:
        """What was found, without asking anybody."""
        return self._found

    def look(self, *, fresh: bool = False) -> Found:
        """What there is, as far as it is known; asked again when that is old, or at once."""
        with self._lock:
            if fresh or self._clock() >= self._until:
                self._found = self._ask_around()
                kept = KEPT_SECONDS if self._found.models else RETRIED_SECONDS
                self._until = self._clock() + kept
            return self._found

    def _servers(self) -> list[Server]:
        if self._given is not None:
            return list(self._given)
        host, port = ollama_address()
        usual = [Server(kind, server.port) for kind, server in LOCAL_SERVERS.items()]
        return [Server("ollama", port, host) if s.kind == "ollama" else s for s in usual]

    def _ask_around(self) -> Found:
        servers = self._servers()
        owned = strangers({s.port for s in servers})
        trusted = [s for s in servers if s.port not in owned]
        first = _round(trusted, [first_asks(s) for s in trusted])
        further = _round(trusted, [further_asks(s, first[s]) for s in trusted])
        offers: list[Offer] = []
        models: dict[Server, list[LocalModel]] = {}
        for server in trusted:
            known = self._now(server, first[server], further[server])
            if server.chosen and known:
                models[server] = known
            offers += _offers(server, first[server])
        self._models = models or {s: m for s, m in self._models.items() if s.port not in owned}
        found = tuple(f"{s.host}:{s.port}" for s in servers if s.port in owned)
        return Found(_as_settings(self._models), tuple(offers), found)

    def _now(
        self, server: Server, first: Sequence[Reply], further: Sequence[Reply]
    ) -> list[LocalModel]:
        """The server's models now; what it did not tell this time is as it was."""
        before = {model.id: model for model in self._models.get(server, ())}
        models = models_of(server, first, further)
        if models is None:
            return [] if all(reply.refused for reply in first) else list(before.values())
        return [m if m.window is not None else before.get(m.id, m) for m in models]


def _round(servers: Sequence[Server], asks: Sequence[list[Any]]) -> dict[Server, list[Reply]]:
    replies = iter(ask_all([ask for own in asks for ask in own], ROUND_SECONDS))
    return {s: [next(replies) for _ in own] for s, own in zip(servers, asks, strict=True)}


def _offers(server: Server, replies: Sequence[Reply]) -> Iterator[Offer]:
    """What a server offers to those who configure it: on the common ports, or behind a key."""
    kinds = [kind for kind, known in LOCAL_SERVERS.items() if not known.chosen]
    for kind in [server.kind] if server.chosen else kinds:
        really = replace(server, kind=kind)
        if wants_key(really, replies):
            yield Offer(really, LocalModel("MODEL"), needs_key=True)
        elif not server.chosen:
            for model in (models_of(really, replies, ()) or ())[:1]:
                yield Offer(really, model, needs_key=replies[-1].status == 401)


def _row(server: Server, model: LocalModel) -> dict[str, Any]:
    row = {
        "model": model.id,
        "provider": server.kind,
        "base_url": server.base_url,
        "input_price": 0,
        "output_price": 0,
        "context_window": model.window,
        "capabilities": list(model.capabilities),
    }
    return {key: value for key, value in row.items() if value is not None}


def _as_settings(models: Mapping[Server, Sequence[LocalModel]]) -> dict[str, Any]:
    named = {f"{s.kind}/{m.id}": (s, m) for s, found in models.items() for m in found}
    if not named:
        return {}
    rows = {name: _row(server, model) for name, (server, model) in named.items()}
    sizes = {name: model.billions for name, (_, model) in named.items()}
    return {"models": rows, "tiers": tiers_by_size(sizes)}
