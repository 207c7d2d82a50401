"""`%ai calibrate`: refit the router to the user's votes, say what that changes, keep it or not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING, Any

from .amounts import counted, format_usd
from .calibration import Calibration, Figures, logistic, logit
from .complexity import fitted_weights
from .errors import OptionError
from .fitting import FEWEST, calibrate, rescaling
from .learned import read_calibration, write_calibration
from .markup import escape
from .pricing import price
from .records import NANO, Message, Request, Situation, Usage
from .resources import Resources
from .routing import score_of
from .settings import Settings
from .sources import short_path
from .values import nearest, one_line, shown, simple
from .votes import Taught, taught

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ACTIONS", "Outcome", "Report", "act"]

MOST_CALLS = 1_000
"""Past calls over which the expected cost is summed."""

LEAST_GOOD = 0.1
"""With a lower share of good votes, they were cast where something went wrong, and only there."""

_PRE_STYLE = "white-space: pre-wrap; font-family: var(--jp-code-font-family, monospace)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a calibration would have changed in the user's own past calls, for the same tokens.

    Attributes:
        calls: calls that were routed by their score, were paid, and whose prompt is kept.
        up, down: how many of them would go to a higher tier, or to a lower one.
        before_usd, after_usd: what the first models of the tiers cost; None where no price is
            known.
    """

    calls: int = 0
    up: int = 0
    down: int = 0
    before_usd: float | None = None
    after_usd: float | None = None


@dataclass(frozen=True)
class Report:
    """What calibrating found; it shows itself as a table.

    Attributes:
        calibration: what is in force now; None: the score as shipped.
        figures: before and after by cross-validation; None where nothing was fitted.
        taught: what the votes say.
        outcome: what changes in past calls.
        saved: whether this put the calibration in force.
        words: the lines that are shown.
    """

    calibration: Calibration | None
    words: tuple[str, ...]
    figures: Figures | None = None
    taught: Taught | None = None
    outcome: Outcome = field(default_factory=Outcome)
    saved: bool = False

    def frame(self) -> DataFrame:
        """The figures as a DataFrame: a row each, before and after; none where nothing was fitted.

        `right_tier` is a share, `log_loss` is better when lower, `ranking` is 0.5 for a coin,
        `cost_usd` is of past calls.
        """
        import pandas as pd

        rows = {}
        if (one := self.figures) is not None:
            rows = {
                "right_tier": (one.right_before, one.right_after),
                "log_loss": (one.loss_before, one.loss_after),
                "ranking": (one.ranks_before, one.ranks_after),
                "cost_usd": (self.outcome.before_usd, self.outcome.after_usd),
            }
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["before", "after"])
        return frame.astype("float64").rename_axis("figure")

    def __repr__(self) -> str:
        return "\n".join(self.words)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        text = repr(self)
        return {
            "text/plain": text,
            "text/html": f'<pre style="{_PRE_STYLE}">{escape(text)}</pre>',
        }


def act(engine: Resources, action: str = "fit", path: Any = None) -> Report:
    """Do what `%ai calibrate` and its words do.

    Args:
        engine: whose votes.
        action: one of ACTIONS.
        path: the file of "export" and "import".

    Raises:
        OptionError: there is no such action, a path is missing or too much, or it cannot be done.
        ConfigError: the calibration cannot be written.
    """
    action = simple(action)
    if not isinstance(action, str) or action not in ACTIONS:
        hint = nearest(action, ACTIONS) if isinstance(action, str) else ""
        allowed = ", ".join(ACTIONS)
        raise OptionError(one_line(f"calibrate takes {allowed}, not {shown(action)}{hint}"))
    if (path is not None) != (action in _WITH_PATH):
        needs = "needs the path of a file" if path is None else "takes no path"
        raise OptionError(f"calibrate {action} {needs}")
    settings = engine.settings_for_display
    if action in _WITH_PATH:
        return _WITH_PATH[action](engine, settings, path)
    return _PLAIN[action](engine, settings)


# -- the actions


def _fit(engine: Resources, settings: Settings, *, force: bool = False) -> Report:
    found = taught(engine.ledger.votes(), settings)
    counted = _counted(found)
    in_force = engine.learned(settings).current()
    if found.judged < FEWEST:
        more = (
            f"{FEWEST - found.judged} more are needed: vote with %ai good, %ai poor, %ai escalate "
            "or on a comparison"
        )
        return Report(in_force, (*counted, more), taught=found)
    up_to = [tier.up_to for tier in settings.tiers]
    made, figures = calibrate(found.labels, up_to)
    slope, shift = rescaling(found.labels, in_force, made)
    made = replace(
        made,
        slope=slope,
        shift=shift,
        tiers=tuple(tier.name for tier in settings.tiers),
        up_to=tuple(up_to),
        created=time.time(),
        figures=figures,
    )
    outcome = _outcome(engine, settings, in_force, made)
    reason = _against(figures, found)
    saved = force or not reason
    would = () if saved else ("what it would do:",)
    moves = (*would, *_moves(made, settings), *_cost(outcome))
    lines = [*counted, "", *_table(figures), "", *moves, ""]
    if saved:
        learned = engine.learned(settings)
        learned.save(made)
        lines.append(f"in force, and kept in {short_path(learned.path)}")
        lines.append("%ai calibrate undo takes it back, %ai calibrate show tells it again")
    else:
        lines += [reason, "or %ai calibrate force puts it in force all the same"]
    return Report(made if saved else in_force, tuple(lines), figures, found, outcome, saved)


def _against(figures: Figures, found: Taught) -> str:
    """Why a calibration is not put in force; "" where nothing speaks against it."""
    if found.good < LEAST_GOOD * found.judged:
        return (
            "nearly all of these votes are poor, and nobody knows how many answers were good, so\n"
            "nothing has changed: say %ai good of those that were,"
        )
    if figures.sends_wrong:
        return "fewer would go to the right tier, so nothing has changed: vote on more answers,"
    if not figures.helps:
        return "not sure enough that it helps, so nothing has changed: vote on more answers,"
    return ""


def _force(engine: Resources, settings: Settings) -> Report:
    return _fit(engine, settings, force=True)


def _show(engine: Resources, settings: Settings) -> Report:
    found = taught(engine.ledger.votes(), settings)
    made = engine.learned(settings).current()
    counted = _counted(found)
    if made is None:
        more = "no calibration is in force: prompts are scored as shipped"
        return Report(None, (*counted, more), taught=found)
    day = f"{datetime.fromtimestamp(made.created):%Y-%m-%d %H:%M}"
    head = f"in force since {day}, from {made.votes} votes; %ai calibrate undo takes it back"
    lines = (*counted, head, "", *_table(made.figures), "", *_moves(made, settings))
    return Report(made, lines, made.figures, found)


def _undo(engine: Resources, settings: Settings) -> Report:
    made = engine.learned(settings).undo()
    if made is None:
        return Report(None, ("taken back: prompts are scored as shipped",))
    head = f"taken back: in force again is the one before it, from {counted(made.votes, 'vote')}"
    return Report(made, (f"{head}; %ai calibrate undo takes that back, too",))


def _reset(engine: Resources, settings: Settings) -> Report:
    engine.learned(settings).reset()
    words = "prompts are scored as shipped; your votes are kept, and %ai calibrate learns from them"
    return Report(None, (words,))


def _export(engine: Resources, settings: Settings, path: str | os.PathLike[str]) -> Report:
    made = engine.learned(settings).current()
    if made is None:
        raise OptionError("no calibration is in force, so there is nothing to export")
    file = write_calibration(made, path, force=False)
    words = f"the calibration of {made.votes} votes is in {short_path(file)}; it holds no text"
    return Report(made, (words,))


def _import(engine: Resources, settings: Settings, path: str | os.PathLike[str]) -> Report:
    made = replace(read_calibration(path), created=time.time())
    engine.learned(settings).save(made)
    head = f"in force: the calibration of {made.votes} votes; %ai calibrate undo takes it back"
    return Report(made, (head, "", *_moves(made, settings)), saved=True)


_PLAIN: Mapping[str, Callable[[Resources, Settings], Report]] = {
    "fit": _fit,
    "show": _show,
    "undo": _undo,
    "force": _force,
    "reset": _reset,
}
_WITH_PATH: Mapping[str, Callable[[Resources, Settings, str | os.PathLike[str]], Report]] = {
    "export": _export,
    "import": _import,
}
ACTIONS = (*_PLAIN, *_WITH_PATH)
"""What `act` does: fit to the votes, tell what is in force, take it back, put it in force though
it may not help, put none in force, write it to a file, read it from one."""


# -- in words


def _counted(found: Taught) -> list[str]:
    """How many votes there are, what they tell, and which of them teach nothing."""
    pairs = f", {found.pairs} what a dearer answer gains" if found.pairs else ""
    if found.both < found.pairs:  # else the first number and the silent ones make up the whole
        pairs += f" ({found.both or 'none'} both)"
    tell = f"{found.judged} {'tells' if found.judged == 1 else 'tell'}"
    votes = counted(found.votes, "vote")
    lines = [f"{votes}, of which {tell} whether a tier was good enough{pairs}"]
    return lines + [f"  teaches nothing: {count} {why}" for why, count in found.silent.items()]


def _table(one: Figures) -> list[str]:
    """The figures, before and after."""
    loss = _falls(one.loss_before - one.loss_after, one.loss_error)
    lines = [
        f"on votes it was not fitted on   {'before':>8} {'after':>8}",
        _row("sent to the right tier", one.right_before, one.right_after, _righted(one)),
        _row("surprise (log-loss)", one.loss_before, one.loss_after, loss),
    ]
    if one.ranks_before is not None and one.ranks_after is not None:
        of = f"0.5 is a coin; surprise {_falls(one.gain, one.gain_error)}"
        lines.append(
            _row("ranks by what a dearer one gains", one.ranks_before, one.ranks_after, of)
        )
    return lines


def _righted(one: Figures) -> str:
    """Of how many votes; where fewer of them go to the right tier, whether that is clear."""
    by = one.right_before - one.right_after
    if by <= 0:
        return f"of {one.votes}"
    unclear = "" if one.sends_wrong else ": no clear loss"
    return f"of {one.votes}; {_falls(by, one.right_error)}{unclear}"


def _falls(by: float, error: float) -> str:
    return f"{'falls' if by > 0 else 'rises'} by {abs(by):.3f} ± {error:.3f}"


def _row(name: str, before: float, after: float, more: str) -> str:
    return f"{name:<32}{before:>7.2f} {after:>8.2f}   {more}"


_CALLED = {
    "length": "length",
    "opening": "a look-up's opening",
    "ask": "asking to explain or write",
    "hard": "asking to analyse or design",
    "proof": "proofs",
    "expert": "specialist terms",
    "maths": "maths",
    "code": "code",
    "code_size": "a lot of code",
    "coding": "asking for code",
    "traceback": "a traceback",
    "tasks": "several tasks",
    "constraints": "constraints",
    "data": "data",
    "names": "names",
    "brackets": "brackets",
    "quantities": "quantities",
}
_WORTH_TELLING = 0.05


def _moves(made: Calibration, settings: Settings) -> list[str]:
    """What moved, in words."""
    first = settings.tiers[0].name if settings.tiers else "the cheapest tier"
    lines = []
    if made.up_to and made.up_to[0] < 1 and abs(made.level) >= _WORTH_TELLING:
        how, was = "less" if made.level > 0 else "more", made.up_to[0]
        now = logistic(logit(was) + made.level)
        lines.append(f"{first} is good enough {how} often than the score said:")
        lines.append(f"  a usual prompt that scored {was:.2f} scores {now:.2f} now")
    lines += _weights(made)
    if made.words:
        lines.append(f"words of your prompts count, too: {len(made.words)} groups of them")
    names = tuple(tier.name for tier in settings.tiers)
    up_to = tuple(tier.up_to for tier in settings.tiers)
    for name, was, now in zip(names, up_to, made.bounds_for(names, up_to), strict=False):
        if abs(was - now) >= 0.005:
            lines.append(f"{name} serves up to a score of {now:.2f} instead of {was:.2f}")
    if (names, up_to) != (made.tiers, made.up_to):
        lines.append("it was made for other tiers: its scores hold here, its bounds do not")
    return lines or ["next to nothing moved"]


def _weights(made: Calibration) -> list[str]:
    """Which signals count more or less, the most moved first."""
    own = fitted_weights()
    moved = {name: offset for name, offset in made.offsets.items() if name != "bias" and offset}
    factors = [1 + o / getattr(own, name) for name, o in moved.items() if getattr(own, name)]
    if factors and max(factors) - min(factors) < 0.01:
        return [f"what is counted in a prompt counts {fmean(factors):.2f} times as much"]
    lines = []
    for word, sign in (("more", 1), ("less", -1)):
        found = {
            name: offset
            for name, offset in moved.items()
            if sign * offset * (-1 if name == "opening" else 1) >= _WORTH_TELLING
        }
        first = sorted(found, key=lambda name: -abs(found[name]))[:4]
        if first:
            told = ", ".join(f"{_CALLED[name]} {found[name]:+.2f}" for name in first)
            lines.append(f"counts {word}: {told}")
    return lines


def _cost(outcome: Outcome) -> list[str]:
    """What it would have cost, in one line."""
    if not outcome.calls:
        return ["cost: no past call was routed by its score and is kept, so nothing is foretold"]
    moves = f"{outcome.up} go a tier up, {outcome.down} down"
    if outcome.before_usd is None or outcome.after_usd is None:
        return [f"cost of your last {outcome.calls:,} calls: a price is unknown; {moves}"]
    before, after = outcome.before_usd, outcome.after_usd
    change = f" ({100 * (after / before - 1):+.0f} %)" if before else ""
    return [
        f"cost of your last {outcome.calls:,} calls, same tokens: {format_usd(before)} -> "
        f"{format_usd(after)}{change}; {moves}"
    ]


# -- money


def _outcome(
    engine: Resources, settings: Settings, before: Calibration | None, after: Calibration
) -> Outcome:
    """Route past prompts again, as before and as after."""
    moves, nanos = [], []
    for prompt, form, usage in _past(engine):
        request = Request((Message("user", prompt),), format=form)
        was, now = (_tier(request, settings, made) for made in (before, after))
        moves.append(now - was)
        nanos.append([_nano(settings, tier, usage) for tier in (was, now)])
    known = all(nano is not None for pair in nanos for nano in pair)
    sums = [sum(pair[side] or 0 for pair in nanos) / NANO for side in (0, 1)]
    return Outcome(
        calls=len(moves),
        up=sum(move > 0 for move in moves),
        down=sum(move < 0 for move in moves),
        before_usd=sums[0] if moves and known else None,
        after_usd=sums[1] if moves and known else None,
    )


def _past(engine: Resources) -> list[tuple[str, str, Usage]]:
    """Prompt, format and tokens of past calls that were routed by their score and paid."""
    rows = engine.ledger.frame(limit=10 * MOST_CALLS)
    paid = rows["complexity"].notna() & ~rows["cache_hit"].fillna(False)
    paid &= rows["input_tokens"].notna() & rows["output_tokens"].notna()
    routed = rows[paid].drop_duplicates("call_id", keep="last").tail(MOST_CALLS)
    kept = engine.texts.frame(limit=10 * MOST_CALLS)
    prompts: dict[str, tuple[str, str]] = {}
    for column in ("cache_key", "call_id"):  # a later call may have taken an answer over
        known = kept[kept[column].notna()]
        texts = zip(known["prompt"].map(str), known["format"].map(str), strict=True)
        prompts.update(zip(known[column].map(str), texts, strict=True))
    found = []
    columns = ("call_id", "cache_key", "input_tokens", "output_tokens")
    for call_id, key, tokens_in, tokens_out in zip(*(routed[c] for c in columns), strict=True):
        said = prompts.get(str(call_id)) or prompts.get(str(key))
        if said is not None:
            found.append((*said, Usage(int(tokens_in), int(tokens_out))))
    return found


def _tier(request: Request, settings: Settings, made: Calibration | None) -> int:
    tiers = settings.tiers
    own = tuple(tier.up_to for tier in tiers)
    bounds, situation = own, Situation()
    if made is not None:
        situation = Situation(offsets=made.offsets, words=made.words)
        bounds = made.bounds_for([tier.name for tier in tiers], own) or own
    found = score_of(request, situation).score
    return next((at for at, bound in enumerate(bounds) if found <= bound), len(tiers) - 1)


def _nano(settings: Settings, tier: int, usage: Usage) -> int | None:
    return price(usage, settings.find(settings.tiers[tier].chain[0]), warn=False).nano
