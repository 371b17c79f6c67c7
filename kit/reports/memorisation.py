"""The picture of a row that sets each forget example's epsilon against how well the original had memorised it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from kit.reports.evidence import Evidence, Row, epsilon_edges
from kit.reports.panels import Keys
from kit.reports.style import FORGET, INK, MUTED

_TICKS = (-30, -10, -3, -1, 0, 0.5, 1, 3, 10, 30, 100)  # nats


@dataclass(frozen=True)
class Memorisation:
    """A dot a forget example: to the right what was memorised best, at the top what gives the method away.

    Args:
        evidence: which the rows are of; it has memorised examples.
        most: where the axis of epsilons ends; beyond it an example earns nothing, and lies at the top.
    """

    evidence: Evidence
    most: float
    keys: ClassVar[Keys] = (
        Line2D([], [], color=FORGET, marker="o", linestyle="", markersize=4, label="forget example"),
        Line2D([], [], color=INK, linestyle="--", linewidth=1.1, label="retrained models, median"),
    )

    @staticmethod
    def of(rows: Sequence[Row], evidence: Evidence) -> Memorisation:
        """Returns the kind for rows that are to be compared, all of which have epsilons of single examples."""
        distances = [row.distances for row in rows if row.distances is not None]
        return Memorisation(evidence, max(float(epsilon_edges(each.num_models)[-1]) for each in distances))

    def frame(self, ax: Axes) -> None:
        """Sets limits, ticks and labels."""
        low, high = self.evidence.memorised[0], self.evidence.memorised[-1]
        # Logarithmic beyond 1 nat: most examples lie near 0, and few far away.
        ax.set_xscale("symlog", linthresh=1)
        ax.set(xlim=(1.15 * min(low, 0) - 0.1, 1.15 * max(high, 0) + 0.1), ylim=(0, 1.05 * self.most))
        ax.set(xlabel="memorised (nats)", ylabel="epsilon (top: and more)")
        start, end = ax.get_xlim()
        ax.set_xticks([tick for tick in _TICKS if start <= tick <= end])
        ax.xaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    def note(self, row: Row) -> str:
        """Returns how far both go together."""
        together = rank_correlation(self.evidence.memorised, epsilons_of(row))
        return "" if together is None else f"rank correlation {together:+.2f}"

    def draw(self, row: Row, ax: Axes) -> None:
        """Draws the dots, and the median of the retrained models, one half of them against the other."""
        theirs = self.evidence.reference(row)
        if theirs is not None and theirs is not row and epsilons_of(theirs):
            median = min(float(np.median(epsilons_of(theirs))), self.most)
            ax.axhline(median, color=INK, linestyle="--", linewidth=1.1)
        (dots,) = ax.plot(
            self.evidence.memorised, np.minimum(epsilons_of(row), self.most), "o", color=FORGET, markersize=3
        )
        dots.set(markeredgecolor=MUTED, markeredgewidth=0.3, clip_on=False)


def epsilons_of(row: Row) -> tuple[float, ...]:
    """Returns the epsilons of a row's single examples; none where there are too few models."""
    return () if row.distances is None else row.distances.epsilons


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Returns Spearman's coefficient, with mean ranks for ties; None where one side is all the same.

    Args:
        first, second: (n,) each.

    Example:
        >>> rank_correlation([1.0, 2.0, 3.0], [0.1, 0.2, 5.0]), rank_correlation([1.0, 2.0], [3.0, 3.0])
        (1.0, None)
    """
    ranks = [_ranks(np.asarray(values, np.float64)) for values in (first, second)]
    if min(np.ptp(side) for side in ranks) == 0:
        return None
    left, right = (side - side.mean() for side in ranks)
    return float(left @ right / np.sqrt((left @ left) * (right @ right)))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Mean ranks, from the numbers of smaller and of not larger values: scipy.stats takes a second to import."""
    ordered = np.sort(values)
    ranks: np.ndarray = (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right")) / 2
    return ranks
