"""Which ratio of a report is compared with the time budget: like with like."""

from __future__ import annotations

from kit.rules import TIME_BUDGET
from kit.types import Report, Score

PASSES, TIME = "passes_ratio", "time_ratio"


def ratio(report: Report) -> Score:
    """Returns the ratio that is compared with the budget, as a score.

    A method of the kit is compiled, and so is the kit's own retraining: its passes over examples are held against that
    one's, which no machine changes. Of other methods nobody counts passes: their CPU seconds are held against
    a retraining in plain Keras, which is what they are written in.
    """
    passes = report.score(PASSES)
    return report.score(TIME) if passes.value is None else passes


def is_over(report: Report) -> bool:
    """Returns whether a method took more than its share of a retraining."""
    value = ratio(report).value
    return value is not None and value > TIME_BUDGET
