"""How far a method's models are from the retrained ones, and between which numbers that lies.

Of whom an interval speaks: of new trainings on the same split. Both sides are measured on the same examples, whose luck
is in either mean and not in their difference; so only the spread from training to training counts. A method that is as
good as retraining is inside 95 % of the intervals, however alike or unlike the examples move. Where a single training
of the reference shows no spread, that over examples stands in for it: then the interval speaks of examples as they were
drawn, and holds for trainings only if these change the examples independently of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.scorers._resampling import interval_of


@dataclass(frozen=True)
class Gap:
    """A difference with its noise.

    Args:
        value: unlearned minus retrained.
        stderr: one standard error.
        interval: 95 % confidence, by Student's t.
    """

    value: float
    stderr: float
    interval: tuple[float, float]


def gap_of_means(unlearned: np.ndarray, retrained: np.ndarray, over_examples: float, least: float = 0.0) -> Gap:
    """Returns the difference of two means over models, by Welch's t.

    A single unlearned model is taken to vary as much as a retrained one. That is right for a method that is as good as
    retraining, which is what the interval is to show or to rule out.

    Args:
        unlearned, retrained: a number of each model, (models,).
        over_examples: standard error of the difference over examples, paired, which counts where there is a single
            retrained model.
        least: standard error that is not gone below, where models can agree by chance.

    Source: Welch, The generalization of Student's problem, Biometrika 1947.

    Example:
        >>> gap = gap_of_means(np.array([0.5, 0.7]), np.array([0.4, 0.5, 0.6]), 0.1)
        >>> round(gap.value, 3), round(gap.stderr, 3), gap.interval[0] < 0 < gap.interval[1]
        (0.1, 0.115, True)
    """
    value = float(np.mean(unlearned) - np.mean(retrained))
    spreads = [float(np.var(side, ddof=1)) if len(side) > 1 else None for side in (unlearned, retrained)]
    sizes, degrees = (len(unlearned), len(retrained)), np.inf
    variance = over_examples**2
    if spreads[1] is None:
        shown = (spreads[0] or 0.0) * (1 + 1 / sizes[0])  # as if the retrained model varied like an unlearned one
        if shown > variance:
            variance, degrees = shown, sizes[0] - 1
    elif spreads[0] is None:
        variance, degrees = spreads[1] * (1 + 1 / sizes[1]), sizes[1] - 1
    else:
        parts = [spread / size for spread, size in zip((spreads[0], spreads[1]), sizes, strict=True)]
        variance = sum(parts)
        shares = [part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True)]
        degrees = variance**2 / sum(shares) if variance else np.inf
    stderr = max(float(np.sqrt(variance)), least)
    return Gap(value, stderr, interval_of(value, stderr, degrees))
