"""The paper of a chart: an empty sheet, its colours, axes, names and legend."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from .lettering import shown_names, to_the_letter

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = [
    "EMPTY",
    "INK",
    "MOST_GROUPS",
    "OTHERS",
    "PALETTE",
    "SOFT",
    "bar_width",
    "colours",
    "date_ticks",
    "figure_at",
    "fit_height",
    "formatter",
    "left_empty",
    "legend",
    "name_ticks",
    "say_what_is_missing",
    "sheet",
    "time_axis",
    "words",
]

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
OTHERS = "#999999"
INK, SOFT = "#222222", "#5f5f5f"
MOST_GROUPS = len(PALETTE)
"""Groups with a colour of their own; the rest are one group, "others"."""
EMPTY = "No calls yet"
SIZE = (7.2, 3.4)
"""Inches."""


def sheet(title: str) -> tuple[Figure, Any]:
    """A figure with a title, and its axes, as all charts have them."""
    figure: Figure = _chart_class()(figsize=SIZE, dpi=110, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, color=INK, parse_math=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#bbbbbb")
    axes.tick_params(colors=SOFT, labelsize=8, length=0)
    axes.grid(axis="both", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


@cache
def _chart_class() -> Any:
    """A Figure that a notebook shows as a picture without pyplot; made once it is needed."""
    from matplotlib.figure import Figure

    class Chart(Figure):
        """A chart; `savefig` writes it to a file."""

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            title = self.axes[0].get_title(loc="left") if self.axes else ""
            return {
                "image/png": base64.b64encode(buffer.getvalue()).decode(),
                "text/plain": f"<Chart: {title}>",
            }

    return Chart


def words(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, axes = sheet("")
    return left_empty(figure, axes, text)


def left_empty(figure: Figure, axes: Any, text: str = EMPTY) -> Figure:
    """The figure with nothing but the words that say why."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=SOFT, transform=axes.transAxes)
    return figure


def colours(names: Iterable[Any]) -> list[str]:
    """A colour for each group; grey for the others."""
    colours = [OTHERS if str(name).endswith(" others") else "" for name in names]
    return [colour or PALETTE[place] for place, colour in enumerate(colours)]


def legend(figure: Figure, axes: Any) -> None:
    """What the colours mean, beside the chart."""
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside right upper", fontsize=8, frameon=False, labelcolor=INK
    )
    for text in legend.get_texts():
        to_the_letter(text)


def name_ticks(axes: Any, names: Iterable[Any]) -> None:
    """The names at the marks of horizontal bars, the first on top."""
    shown = shown_names(names)
    axes.set_yticks(range(len(shown)), shown)
    for label in axes.get_yticklabels():
        to_the_letter(label)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)


def figure_at(axes: Any, place: float, at: float, words: str) -> None:
    """A figure in words at the end of a bar."""
    axes.annotate(
        words,
        (at, place),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=INK,
        parse_math=False,
    )


def fit_height(figure: Figure, bars: float) -> None:
    """As high as so many bars need."""
    figure.set_figheight(max(1.8, min(8.0, 0.9 + 0.32 * bars)))


def formatter(words: Callable[[float], str]) -> Any:
    """What writes the marks of an axis in these words."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: words(value))


def bar_width(index: Any) -> timedelta:
    """The width of a bar: nine tenths of the shortest distance of two periods."""
    if len(index) < 2:
        return timedelta(hours=20)
    shortest: timedelta = index.to_series().diff().min().to_pytimedelta()
    return shortest * 0.9


def time_axis(axes: Any, index: Any) -> None:
    """Dates at the marks; room around a single bar."""
    date_ticks(axes)
    if len(index) == 1:
        when = index[0].to_pydatetime()
        axes.set_xlim(when - timedelta(days=3), when + timedelta(days=3))
    axes.grid(axis="x", visible=False)


def date_ticks(axes: Any) -> None:
    """Dates at the marks, as short as they are clear."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=None))


def say_what_is_missing(axes: Any, frame: DataFrame) -> None:
    """Say what the bars do not show: pretend money, and money that is not known."""
    words = []
    if "simulated" in frame.columns and len(frame):
        pretend = frame["simulated"].fillna(False).astype(bool)
        if pretend.all():
            words.append("the demo's pretend money")
        elif pretend.any():
            words.append("includes the demo's pretend money")
    if "unknown_cost" in frame.columns:
        unknown = int(frame["unknown_cost"].fillna(0).sum())
    else:
        unknown = int(frame["cost_usd"].isna().sum()) if "cost_usd" in frame.columns else 0
    if unknown:
        words.append(f"{unknown:,} of unknown price left out")
    if words:
        axes.set_xlabel("; ".join(words), fontsize=8, color=SOFT, parse_math=False)
