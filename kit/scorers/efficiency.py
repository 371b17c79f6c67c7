"""What unlearning costs, as a share of retraining: like is held against like."""

from __future__ import annotations

import numpy as np

from kit.types import Comparison, Score, ScoreInfo

SCORES = (
    ScoreInfo(
        "time_ratio",
        "down",
        "CPU seconds of the call / those of retraining in plain Keras, both without tracing (the row retrain is below "
        "1: the kit's own loop is compiled); the budget of 2023 is 0.2",
        heading="time\nratio",
        table="runs",
        column=99,
    ),
    ScoreInfo(
        "passes_ratio",
        "down",
        "examples shown to the network / those of retraining (forward 1, backward 2): the budget of the kit's methods",
        optional=True,
    ),
    ScoreInfo(
        "time_ratio_compiled",
        "down",
        "CPU seconds of a method of the kit / those of the kit's own retraining, which is compiled as it is",
        optional=True,
    ),
)


def mean_ratio(values: np.ndarray, unit: float) -> tuple[float, float | None]:
    """Returns the mean of values over a unit and its standard error (None for a single run, or one repeated).

    Args:
        values: (models,), of each call.
        unit: of one retraining.

    Example:
        >>> mean_ratio(np.array([1.0, 3.0]), 8.0)
        (0.25, 0.125)
    """
    ratios = np.asarray(values, float) / unit
    stderr = float(np.std(ratios, ddof=1) / np.sqrt(len(ratios))) if len(np.unique(ratios)) > 1 else None
    return float(ratios.mean()), stderr


def score(comparison: Comparison) -> list[Score]:
    """Returns the scores that `SCORES` declares."""
    method, reference = comparison.unlearned.method, comparison.reference
    work = np.array([reference.work_of(cost) for cost in comparison.unlearned.costs])
    compiled = np.array([reference.work_of(cost) for cost in comparison.retrained.costs])
    passes = np.array([cost.passes for cost in comparison.unlearned.costs])
    not_counted = f"passes are counted for the kit's own methods alone, and {method} is none"
    not_made = f"{method} is a stored model and was not made in this run, or its seconds were told by somebody else"
    if np.isnan(work).any():
        return [_missing(info.name, not_made) for info in SCORES]
    of_passes = _missing("passes_ratio", not_counted)
    of_compiled = _missing("time_ratio_compiled", not_counted)
    if np.isnan(reference.passes):
        of_passes = _missing("passes_ratio", "of a training function of the user's nobody counts the passes")
    elif not np.isnan(passes).any():
        of_passes = Score("passes_ratio", *mean_ratio(passes, reference.passes), "down")
    if not np.isnan(passes).any():
        of_compiled = _missing("time_ratio_compiled", "no retrained model was made in this run")
        if not np.isnan(compiled).any():
            of_compiled = Score("time_ratio_compiled", *mean_ratio(work, float(compiled.mean())), "down")
    return [Score("time_ratio", *mean_ratio(work, reference.work), "down"), of_passes, of_compiled]


def _missing(name: str, reason: str) -> Score:
    return Score(name, None, None, "down", reason=reason)
