"""What unlearning costs, as a share of retraining."""

from __future__ import annotations

import numpy as np

from kit.types import Comparison, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "time_ratio",
        "down",
        "seconds of the call / seconds of a retrain in plain Keras; the budget of 2023 is 0.2",
        heading="time\nratio",
        table="runs",
        column=99,
    ),
)


def time_ratio(seconds: np.ndarray, reference_seconds: float) -> tuple[float, float | None]:
    """Returns mean seconds over the reference and its standard error (None for a single run, or one repeated).

    Args:
        seconds: (models,), duration of each call.
        reference_seconds: duration of one retraining.

    Example:
        >>> time_ratio(np.array([1.0, 3.0]), 8.0)
        (0.25, 0.125)
    """
    ratios = np.asarray(seconds, float) / reference_seconds
    stderr = float(np.std(ratios, ddof=1) / np.sqrt(len(ratios))) if len(np.unique(ratios)) > 1 else None
    return float(ratios.mean()), stderr


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares."""
    seconds = comparison.unlearned.seconds
    if np.isnan(seconds).any():
        reason = f"{comparison.unlearned.method} is a stored model and was not made in this run"
        return [Score("time_ratio", None, None, "down", reason=reason)]
    value, stderr = time_ratio(seconds, comparison.reference_seconds)
    return [Score("time_ratio", value, stderr, "down")]
