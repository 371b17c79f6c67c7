"""Small pictures of one row of a report, of five kinds: each draws a frame, the same for all rows, and a row's data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from kit.reports import style
from kit.reports.evidence import LOSS_EDGES, Evidence, Row, epsilon_edges
from kit.reports.style import FORGET, GRID, INK, MUTED, NOTHING, TEST
from kit.scorers import forgetting

Reference = Callable[[Row], Row | None]
Keys = tuple[Line2D | Patch, ...]

_MOST_TICKS, _LONGEST_TICK, _BINS = 10, 6, 24
_GUESSING = (0, (1, 2))


class Panels(Protocol):
    """Pictures of one kind, whose axes can be compared.

    Attributes:
        keys: what a legend says of them.
    """

    keys: ClassVar[Keys]

    def frame(self, ax: Axes) -> None:
        """Sets limits, ticks and labels."""
        ...

    def draw(self, row: Row, ax: Axes) -> None:
        """Draws what a row says."""
        ...

    def note(self, row: Row) -> str:
        """Returns the number that stands below a row's name; empty where there is none."""
        ...


@dataclass(frozen=True)
class Losses:
    """Losses of forget and test examples, and of forget examples for the retrained models.

    Args:
        reference: gives the retrained models of a row.
        top: end of the axis of shares.
    """

    reference: Reference
    top: float
    keys: ClassVar[Keys] = (
        Line2D([], [], color=FORGET, label="forget"),
        Line2D([], [], color=INK, linestyle=":", label="forget, retrained models"),
        Patch(color=TEST, alpha=0.55, label="test"),
    )

    @staticmethod
    def of(rows: Sequence[Row], reference: Reference) -> Losses:
        """Returns the kind for rows that are to be compared."""
        return Losses(reference, 1.05 * max(max(*row.forget_losses, *row.test_losses) for row in rows))

    def frame(self, ax: Axes) -> None:
        """Sets limits, ticks and labels."""
        ax.set(xscale="log", xlim=(LOSS_EDGES[0], LOSS_EDGES[-1]), ylim=(0, self.top))
        ax.set(xlabel="loss (nats)", ylabel="share of examples")
        style.powers(ax.xaxis, LOSS_EDGES[0], LOSS_EDGES[-1], step=2)
        style.percent(ax)

    def note(self, _: Row) -> str:
        """Returns nothing."""
        return ""

    def draw(self, row: Row, ax: Axes) -> None:
        """Draws the shares in bins that are of equal width on a logarithmic axis."""
        ax.stairs(row.test_losses, LOSS_EDGES, fill=True, color=TEST, alpha=0.55)
        theirs = self.reference(row)
        if theirs is not None and theirs is not row:
            ax.stairs(theirs.forget_losses, LOSS_EDGES, color=INK, linestyle=":", linewidth=1.2)
        ax.stairs(row.forget_losses, LOSS_EDGES, color=FORGET, linewidth=1.6)


@dataclass(frozen=True)
class Roc:
    """The attack on the loss on logarithmic axes: forget examples found against test examples accused.

    Args:
        reference: gives the retrained models of a row.
        lowest: where both axes begin: the smallest share of test examples that one can accuse.
    """

    reference: Reference
    lowest: float
    keys: ClassVar[Keys] = (
        Line2D([], [], color=FORGET, label="this method"),
        Line2D([], [], color=INK, linestyle="--", linewidth=1.1, label="retrained models"),
        Line2D([], [], color=MUTED, linestyle=":", label="guessing"),
    )

    @staticmethod
    def of(rows: Sequence[Row], reference: Reference) -> Roc:
        """Returns the kind for rows that are to be compared, all of which have a curve."""
        return Roc(reference, min(row.curve.false_positives[0] for row in rows if row.curve is not None))

    def frame(self, ax: Axes) -> None:
        """Sets limits, ticks and labels."""
        ax.set(xscale="log", yscale="log", xlim=(self.lowest, 1), ylim=(self.lowest, 1.1))
        ax.set(xlabel="false alarms (test examples)", ylabel="forget examples found")
        for axis in (ax.xaxis, ax.yaxis):
            style.powers(axis, self.lowest, 1)

    def note(self, _: Row) -> str:
        """Returns nothing: the area stands in the panel."""
        return ""

    def draw(self, row: Row, ax: Axes) -> None:
        """Draws the curve, and names the area below it."""
        ax.plot([self.lowest, 1], [self.lowest, 1], color=MUTED, linestyle=_GUESSING, linewidth=1)
        theirs = self.reference(row)
        if theirs is not None and theirs is not row and theirs.curve is not None:
            ax.plot(theirs.curve.false_positives, theirs.curve.true_positives, color=INK, linestyle="--", linewidth=1.1)
        if row.curve is not None:
            ax.plot(row.curve.false_positives, row.curve.true_positives, color=FORGET, linewidth=1.7)
            label = f"AUC {row.curve.auc:.3f}"
            ax.text(0.97, 0.04, label, transform=ax.transAxes, ha="right", va="bottom", fontsize=8)


@dataclass(frozen=True)
class Epsilons:
    """How many forget examples have which epsilon, in the competition's bins, with what each bin earns.

    Args:
        top: end of the axis of shares.
        most: where the axis of epsilons ends.
    """

    top: float
    most: float
    keys: ClassVar[Keys] = (
        Patch(color=TEST, label="earns the points above the bar"),
        Patch(color=NOTHING, label="earns nothing"),
    )

    @staticmethod
    def of(rows: Sequence[Row]) -> Epsilons:
        """Returns the kind for rows that are to be compared, all of which have epsilons."""
        distances = [row.distances for row in rows if row.distances is not None]
        most = max(float(epsilon_edges(each.num_models)[-1]) for each in distances)
        return Epsilons(max(max(each.shares) for each in distances), most)

    def frame(self, ax: Axes) -> None:
        """Sets limits, ticks and labels."""
        ax.set(xlim=(0, self.most), ylim=(0, 1.3 * self.top))
        ax.set(xlabel="epsilon (last bin: and more)", ylabel="share of forget")
        ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        style.percent(ax)

    def note(self, row: Row) -> str:
        """Returns the forgetting score: what the bins earn."""
        if row.distances is None:
            return ""
        return f"score {np.dot(row.distances.shares, _earned(row.distances.num_models)):.4f}"

    def draw(self, row: Row, ax: Axes) -> None:
        """Draws a bar a bin, and above it what an example in it earns."""
        if row.distances is None:
            return
        shares, edges, width = row.distances.shares, epsilon_edges(row.distances.num_models), forgetting.BIN_WIDTH
        earned = _earned(row.distances.num_models)
        colors = [TEST if point else NOTHING for point in earned]
        ax.bar(edges[:-1], shares, width, align="edge", color=colors, edgecolor=MUTED, linewidth=0.4)
        for left, share, point in zip(edges, shares, earned, strict=False):
            if share:
                text = f"1/{round(1 / point)}" if 0 < point < 1 else f"{point:.0f}"
                place, turned = (left + width / 2, share + 0.03 * self.top), 90 if len(text) > 1 else 0
                ax.text(*place, text, ha="center", va="bottom", fontsize=7, rotation=turned)


@dataclass(frozen=True)
class Accuracies:
    """The accuracy on the forget and the test examples of each stratum, the retrained models' as dashes.

    Args:
        evidence: which the rows are of.
        lowest: where the axis of accuracies begins.
    """

    evidence: Evidence
    lowest: float
    keys: ClassVar[Keys] = (
        Line2D([], [], color=FORGET, marker="o", linestyle="", markersize=4, label="forget"),
        Line2D([], [], color=TEST, marker="s", linestyle="", markersize=4, label="test"),
        Line2D([], [], color=INK, marker="_", linestyle="", markersize=7, label="retrained models"),
    )

    @staticmethod
    def of(evidence: Evidence) -> Accuracies:
        """Returns the kind for all rows."""
        values = [row.forget_accuracies + row.test_accuracies for row in evidence.rows]
        lowest = min((value for row in values for value in row if value is not None), default=0.0)
        return Accuracies(evidence, math.floor(10 * lowest - 1e-9) / 10)

    def frame(self, ax: Axes) -> None:
        """Sets limits, ticks and labels."""
        names = self.evidence.strata
        margin = 0.05 * (1 - self.lowest)
        ax.set(xlim=(-0.7, len(names) - 0.3), ylim=(self.lowest - margin, 1 + margin))
        ax.set(xlabel=self.evidence.stratum, ylabel="accuracy")
        step = math.ceil(len(names) / _MOST_TICKS)
        ax.set_xticks(range(0, len(names), step), [name[:_LONGEST_TICK].replace("$", r"\$") for name in names[::step]])
        ax.grid(axis="y")
        style.percent(ax)

    def note(self, _: Row) -> str:
        """Returns nothing."""
        return ""

    def draw(self, row: Row, ax: Axes) -> None:
        """Draws two marks a stratum, and the retrained models' beside them."""
        places, theirs = np.arange(len(self.evidence.strata)), self.evidence.reference(row)
        for part, color, marker, shift in (("forget", FORGET, "o", -0.17), ("test", TEST, "s", 0.17)):
            if theirs is not None and theirs is not row:
                ax.plot(places + shift, _accuracies(theirs, part), "_", color=INK, markersize=6)
            (marks,) = ax.plot(places + shift, _accuracies(row, part), marker, color=color, markersize=4)
            marks.set(markeredgecolor=MUTED, markeredgewidth=0.4)


@dataclass(frozen=True)
class Confidences:
    """The confidences of one forget example over all unlearned and over all retrained models.

    Args:
        reference: gives the retrained models of a row.
        limits: of the confidences.
    """

    reference: Reference
    limits: tuple[float, float]
    keys: ClassVar[Keys] = (
        Line2D([], [], color=FORGET, label="unlearned models"),
        Patch(facecolor=GRID, edgecolor=INK, linestyle=":", label="retrained models"),
    )

    @staticmethod
    def of(rows: Sequence[Row], reference: Reference) -> Confidences:
        """Returns the kind for rows that are to be compared."""
        values = np.concatenate([row.confidences for row in rows])
        low, high = float(values.min()), float(values.max())
        margin = 0.03 * (high - low) or 1.0
        return Confidences(reference, (low - margin, high + margin))

    def frame(self, ax: Axes) -> None:
        """Sets limits, ticks and labels: one side may have 512 models and the other one, so heights are no numbers."""
        ax.set(xlim=self.limits, ylim=(0, 1.08), xlabel="confidence (logit)", ylabel="models")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.set_yticks([])

    def note(self, row: Row) -> str:
        """Returns the example's epsilon."""
        return "" if row.distances is None else f"epsilon {row.distances.example:.2f}"

    def draw(self, row: Row, ax: Axes) -> None:
        """Draws two histograms, the largest bin of each as high as the axis."""
        edges = np.linspace(*self.limits, _BINS + 1)
        theirs = self.reference(row)
        if theirs is not None and theirs is not row:
            counts = np.histogram(theirs.confidences, edges)[0]
            ax.stairs(counts / counts.max(), edges, fill=True, color=GRID)
            ax.stairs(counts / counts.max(), edges, color=INK, linewidth=1, linestyle=":")
        counts = np.histogram(row.confidences, edges)[0]
        ax.stairs(counts / counts.max(), edges, color=FORGET, linewidth=1.6)


def _accuracies(row: Row, part: str) -> np.ndarray:
    return np.array(getattr(row, f"{part}_accuracies"), np.float64)  # None becomes NaN, which is not drawn


def _earned(num_models: int) -> np.ndarray:
    """Returns what an example in each bin earns, the same everywhere in it."""
    return forgetting.points(epsilon_edges(num_models)[:-1] + forgetting.BIN_WIDTH / 2, num_models)
