"""Accuracy against forgetting against time: one picture in which every method is a dot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from kit.reports import budget, ranking, style
from kit.reports.labels import offsets
from kit.reports.style import INK, MUTED, NOISE_ALPHA, TEST
from kit.rules import LANDMARKS, NOISE, ORIGINAL, RETRAIN
from kit.types import Report, Score

ACCURACY = "test_accuracy"
# Scores of forgetting, of which the first that all methods have is shown, else that any has; and what is said of each.
LABELS = {
    "forgetting_score": "forgetting score (higher is better)",
    "mia_gap": "attack AUC minus that of retrained models",
    "forget_accuracy": "forget accuracy (the aim is retraining's)",
}
_MOST_NAMES = 8
_COLORS, _FASTEST = "cividis_r", 1e-3
# A scale of costs that spans less than this has ticks of its own.
_NARROW = 10.0
# In points: how large a letter is.
_LETTER, _LINE = 4.8, 9.0
# Of many methods, error bars are a background.
_BARS, _FAINT_BARS = 0.6, 0.3
# Width and height of the axes in inches; many dots need room, which a phone has below rather than beside.
_PLOT, _HIGH_PLOT = (3.4, 2.9), (3.6, 4.6)
_NAMES_IN_COLUMN, _COLUMN = 30, 2.3


@dataclass(frozen=True)
class Dot:
    """One row: where it lies, how sure that is, and what it cost.

    Args:
        name: as in the table.
        label: a number, or the name where there are few.
        place: test accuracy, and the score of forgetting.
        errors: 95 % on either side, (2, 2): below and above for both; zeros where nobody knows.
        cost: share of a retraining; None where it is not known.
        over_budget: it is more than is allowed.
    """

    name: str
    label: str
    place: tuple[float, float]
    errors: tuple[tuple[float, float], tuple[float, float]]
    cost: float | None
    over_budget: bool


@dataclass(frozen=True)
class Tradeoff:
    """What the picture shows.

    Args:
        forgetting: name of the score on the axis of forgetting.
        methods: in the order of the ranking.
        original, retrain: the landmarks of the first training; None where a score of theirs is missing.
    """

    forgetting: str
    methods: tuple[Dot, ...]
    original: Dot | None
    retrain: Dot | None

    @property
    def numbered(self) -> bool:
        """Whether labels are numbers, which a legend explains."""
        return len(self.methods) > _MOST_NAMES


def tradeoff(reports: Sequence[Report]) -> Tradeoff:
    """Returns what the picture shows: the competition's score where all are populations, else an attack's."""
    compared = [report for report in reports if report.method not in LANDMARKS]
    has = {name: [report.score(name).value is not None for report in compared] for name in LABELS}
    computed = [name for name in LABELS if compared and all(has[name])] + [name for name in LABELS if any(has[name])]
    forgetting = next(iter(computed), next(iter(LABELS)))
    ranks = ranking.rank(reports)
    numbered = len(ranks) > _MOST_NAMES
    methods = [
        _dot(rank.report, str(number) if numbered else style.shown(rank.method), forgetting)
        for number, rank in enumerate(ranks, start=1)
    ]
    usual = reports[0].pretraining
    landmarks = {
        name: next((report for report in reports if (report.method, report.pretraining) == (name, usual)), None)
        for name in (ORIGINAL, RETRAIN)
    }
    original, retrain = (
        None if report is None else _dot(report, name, forgetting) for name, report in landmarks.items()
    )
    return Tradeoff(forgetting, tuple(dot for dot in methods if dot is not None), original, retrain)


def _dot(report: Report, label: str, forgetting: str) -> Dot | None:
    """Returns a report's dot; None where a score has no value."""
    pair = report.score(ACCURACY), report.score(forgetting)
    if any(score.value is None for score in pair):
        return None
    cost = budget.ratio(report).value
    return Dot(
        ranking.title(report),
        label,
        (float(pair[0].value or 0), float(pair[1].value or 0)),
        (_error(pair[0]), _error(pair[1])),
        cost,
        budget.is_over(report),
    )


def interval(score: Score) -> tuple[float, float] | None:
    """Returns the 95 % interval of a score; None where it has no value, or nobody knows how sure that is.

    Example:
        >>> interval(Score("mia_auc", 0.5, 0.25, "match_retrain"))
        (0.0, 1.0)
    """
    stderr = score.stderr if score.gap_stderr is None else score.gap_stderr
    if score.value is None or (score.interval is None and stderr is None):
        return None
    return score.interval or (score.value - NOISE * float(stderr or 0), score.value + NOISE * float(stderr or 0))


def _error(score: Score) -> tuple[float, float]:
    limits = interval(score)
    value = float(score.value or 0)
    return (0.0, 0.0) if limits is None else (max(value - limits[0], 0.0), max(limits[1] - value, 0.0))


def figure(content: Tradeoff, *, with_names: bool = True) -> Figure:
    """Returns the picture.

    Args:
        content: what it shows, one dot or more.
        with_names: explain numbers beside the axes; a page does so itself.
    """
    names = [f"{dot.label}  {style.shown(dot.name)}" for dot in content.methods] if content.numbered else []
    columns = 0 if not with_names else -(-len(names) // _NAMES_IN_COLUMN)
    wide, high = _HIGH_PLOT if content.numbered else _PLOT
    width, height = 0.75 + wide + 0.3 + _COLUMN * columns, 0.5 + high + 1.15
    with style.applied():
        drawing = Figure(figsize=(width, height))
        ax = drawing.add_axes((0.75 / width, 1.15 / height, wide / width, high / height))
        draw(content, ax)
        _bar(drawing, ax, content)
        ax.legend(handles=_keys(content), loc="lower left", bbox_to_anchor=(0, 1.01), ncols=2, borderaxespad=0)
        for number in range(columns):
            block = "\n".join(names[number * len(names) // columns : (number + 1) * len(names) // columns])
            left = (0.75 + wide + 0.2 + _COLUMN * number) / width
            drawing.text(left, (1.15 + high) / height, block, va="top", linespacing=1.35, fontsize=8)
    return drawing


def draw(content: Tradeoff, ax: Axes) -> Axes:
    """Draws the dots with their errors, retraining as a star with its noise shaded, and labels that keep apart."""
    if content.retrain is not None:
        (x, y), ((left, right), (down, up)) = content.retrain.place, content.retrain.errors
        if left + right:
            ax.axvspan(x - left, x + right, color=TEST, alpha=NOISE_ALPHA, linewidth=0)
        if down + up:
            ax.axhspan(y - down, y + up, color=TEST, alpha=NOISE_ALPHA, linewidth=0)
        ax.plot(x, y, "*", color=INK, markersize=13, zorder=4)
    others = [dot for dot in (content.original,) if dot is not None]
    for dot in (*others, *content.methods):
        errors = np.array(dot.errors)
        alpha = _FAINT_BARS if content.numbered else _BARS
        ax.errorbar(*dot.place, xerr=errors[:1].T, yerr=errors[1:].T, color=MUTED, linewidth=0.8, alpha=alpha, zorder=2)
    for dot in others:
        ax.plot(*dot.place, "X", color=INK, markersize=8, zorder=4)
    norm = _norm(content)
    for marker, over in (("o", False), ("s", True)):
        dots = [dot for dot in content.methods if dot.over_budget == over]
        places = np.array([dot.place for dot in dots]).reshape(-1, 2)
        costs = [np.nan if dot.cost is None else max(dot.cost, _FASTEST) for dot in dots]
        ax.scatter(
            places[:, 0],
            places[:, 1],
            s=42,
            c=costs,
            norm=norm,
            cmap=_COLORS,
            marker=marker,
            edgecolor=INK,
            linewidth=0.7,
            zorder=3,
            plotnonfinite=True,
        )
    ax.margins(0.12)
    ax.set(xlabel="test accuracy", ylabel=LABELS[content.forgetting])
    ax.grid()
    _label(content, ax)
    return ax


def _norm(content: Tradeoff) -> LogNorm:
    costs = [max(dot.cost, _FASTEST) for dot in content.methods if dot.cost is not None] or [0.1]
    low, high = min(costs), max(costs)
    return LogNorm(low / 1.2, max(high, 2 * low))


def _bar(drawing: Figure, ax: Axes, content: Tradeoff) -> None:
    """Draws what the colours mean below the axes."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

    width, height = drawing.get_size_inches()
    place = drawing.add_axes((0.75 / width, 0.45 / height, ax.get_position().width, 0.11 / height))
    norm = _norm(content)
    low, high = float(norm.vmin or _FASTEST), float(norm.vmax or 1.0)
    bar = drawing.colorbar(ScalarMappable(norm, _COLORS), cax=place, orientation="horizontal")
    is_narrow = high < _NARROW * low  # which may hold a single one of 1, 2, 5, 10, ...
    ticks = [float(f"{cost:.2g}") for cost in np.geomspace(1.02 * low, high / 1.02, 4)]
    bar.ax.xaxis.set_major_locator(FixedLocator(ticks) if is_narrow else LogLocator(subs=(1, 2, 5)))
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    bar.set_label("cost, as a share of a retraining")
    bar.outline.set_visible(False)


def _keys(content: Tradeoff) -> list[Line2D | Rectangle]:
    keys: list[Line2D | Rectangle] = []
    if content.retrain is not None:
        keys.append(_mark("*", "retraining", size=10))
        keys.append(Rectangle((0, 0), 1, 1, color=TEST, alpha=NOISE_ALPHA, label="its noise (95 %)"))
    if content.original is not None:
        keys.append(_mark("X", "original"))
    if any(dot.over_budget for dot in content.methods):
        keys.append(_mark("s", "over the time budget", fill="none"))
    return keys


def _mark(marker: str, label: str, *, size: float = 6, fill: str = INK) -> Line2D:
    return Line2D([], [], linestyle="", color=INK, marker=marker, markersize=size, markerfacecolor=fill, label=label)


def _label(content: Tradeoff, ax: Axes) -> None:
    """Writes each method's label where it covers the least."""
    if not content.methods:
        return
    ax.apply_aspect()
    ax.autoscale_view()  # settles the limits, by which places are known
    scale = 72 / ax.figure.dpi
    landmarks = [dot.place for dot in (content.original, content.retrain) if dot is not None]
    places = ax.transData.transform([*(dot.place for dot in content.methods), *landmarks]) * scale
    inside = np.array(ax.get_window_extent().extents).reshape(2, 2) * scale
    sizes = np.array([(_LETTER * len(dot.label), _LINE) for dot in content.methods])
    for dot, offset in zip(content.methods, offsets(places, sizes, inside), strict=True):
        ax.annotate(
            dot.label,
            dot.place,
            xytext=offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            zorder=5,
            arrowprops={
                "arrowstyle": "-",
                "color": INK,
                "linewidth": 0.6,
                "shrinkA": 0,
                "shrinkB": 0,
                "relpos": (0.5, 0.5),
            },
        )
