"""What one call carries from step to step."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from .fallback import Run
from .keeping import Parse, question_of
from .purse import Purse
from .recording import Recorder
from .records import Checked, Completion, OnText, Request, Route
from .remembering import Ended
from .replaying import Hindrance
from .settings import Settings

__all__ = ["Checking", "Walk"]


@dataclass
class Walk:
    """One call on its way through the engine.

    Attributes:
        hindrance: why none of the user's models can be asked, where that is so from the start.
        parse: makes a value of the answer.
        replays: whether another model's kept answer may stand in where none may be asked.
        cached: whether the cache keeps the answer.
        checking: how the answer is checked; None where it is not.
    """

    settings: Settings
    request: Request
    route: Route
    recorder: Recorder
    run: Run
    purse: Purse
    hindrance: Hindrance | None = None
    notes: tuple[str, ...] = ()
    parse: Parse | None = None
    replays: bool = True
    cached: bool = True
    checking: Checking | None = None

    @cached_property
    def question(self) -> str:
        """The request without its model, as a hash."""
        return question_of(self.request)

    @property
    def reads_cache(self) -> bool:
        """Whether a kept answer will do."""
        return self.request.cache and not self.request.refresh

    def ended(self, completion: Completion | None, error: BaseException | None = None) -> Ended:
        """The call as it stands with this answer, or with this failure."""
        return Ended(
            call_id=self.recorder.call_id,
            request=self.request,
            route=self.route,
            attempts=self.recorder.attempts,
            errors=self.recorder.errors,
            completion=completion,
            error=error,
            cached=self.cached,
            session=self.recorder.session,
        )


@dataclass
class Checking:
    """The check of one call: how it is done, and what it has found.

    Attributes:
        how: by local checks alone, or by a second model's answer, too.
        escalates: whether a stronger tier is asked where an answer fails; else that is only said.
        names: what exists where the answer's code would run; None: not known.
        retract: takes back the text that was given, with the reason.
        held: who gets the text once it stands, where text cannot be taken back.
        found: what was made of each answer, in the order of the tiers.
        failed: models that were asked on the way and gave no answer.
        stood: each answer with its walk, likewise: none of them is lost.
    """

    how: Literal[True, "agree"]
    escalates: bool
    names: Collection[str] | None = None
    retract: Callable[[str], None] | None = None
    held: OnText | None = None
    found: list[Checked] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    stood: list[tuple[Walk, Completion]] = field(default_factory=list)
