"""How uncertain a distance to retraining is, over new trainings on the same examples."""

from __future__ import annotations

import numpy as np

from kit.scorers._distance_parts import Side, distance_of
from kit.scorers._resampling import NUM_GROUPS, interval_of, jackknife_replicates, stderr_of_replicates

# Of how many retrained models a single unlearned one is moved by the deviations.
MOST_MOVES = 64


def noise_of(value: float, unlearned: Side, retrained: Side) -> tuple[float, tuple[float, float]]:
    """Returns the standard error of a distance, and 95 % confidence by Student's t.

    Args:
        value: the distance.
        unlearned, retrained: whose it is; 3 retrained models or more.
    """
    if unlearned.num_models == 1:
        variance, degrees = _of_one(unlearned, retrained), min(MOST_MOVES, retrained.num_models) - 1
    else:
        replicates = jackknife_replicates(
            lambda ours, theirs: distance_of(unlearned.select(ours), retrained.select(theirs)).total,
            unlearned.num_models,
            retrained.num_models,
        )
        variance, degrees = stderr_of_replicates(replicates) ** 2, len(replicates) - 1
    stderr = float(np.sqrt(variance))
    return stderr, interval_of(value, stderr, degrees)


def _of_one(unlearned: Side, retrained: Side) -> float:
    """The variance of a single model's distance; it is taken to vary from training to training as a retrained one."""
    number = retrained.num_models
    without = [
        distance_of(unlearned, retrained.select(kept)).total
        for kept in _without_groups(number, min(number, NUM_GROUPS))
    ]
    moves = []
    for model in range(min(number, MOST_MOVES)):
        off = retrained.deviation(model)
        forth, back = (distance_of(unlearned.moved(off, sign), retrained).total for sign in (1, -1))
        moves.append((forth - back) / 2)
    return stderr_of_replicates(np.array(without)) ** 2 + float(np.mean(np.square(moves)))


def _without_groups(number: int, groups: int) -> list[np.ndarray]:
    everything = np.arange(number)
    return [everything[everything % groups != group] for group in range(groups)]
