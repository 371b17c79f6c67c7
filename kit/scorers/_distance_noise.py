"""How uncertain a distance to retraining is.

The distance is a squared one. Where there is none, its noise is that of products of the models' luck; the farther off,
the more there is of the noise of a mean. So the variance is taken to be `slope * distance + floor`, and the interval
has those distances, from each of which what was measured is no farther off than such noise goes: the upper end is
farther away than the lower one, as for a square it must be.
"""

from __future__ import annotations

import numpy as np

from kit.scorers._distance_parts import ENOUGH, Side, distance_of, unit
from kit.scorers._resampling import NUM_GROUPS, interval_of, jackknife_replicates, stderr_of_replicates

MOST_MOVES = 64


def noise_of(value: float, unlearned: Side, retrained: Side) -> tuple[float, tuple[float, float]]:
    """Returns the standard error of a distance over new trainings, and 95 % confidence.

    Args:
        value: the distance.
        unlearned, retrained: whose it is; 3 retrained models or more.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927: an interval by the
    variance at its ends. Chen and Qin, Annals of Statistics 2010: the variance of the squared distance of means.
    """
    enough = len(unlearned.confidences) >= ENOUGH
    jackknife = _jackknife(unlearned, retrained) if enough else _by_retrained(unlearned, retrained)
    luck, floor = (_luck_by_example if enough else _luck_by_model)(unlearned.confidences, retrained.confidences)
    # The means are taken to be off in no quieter a direction than those of luck are.
    slope = max(jackknife / max(value + luck, luck), 2 * floor / luck) if luck else 0.0
    stderr = float(np.sqrt(slope * max(value, 0.0) + floor))
    fewest = min(len(side.confidences) for side in ((unlearned, retrained) if enough else (retrained,)))
    _, quantile = interval_of(0.0, 1.0, min(NUM_GROUPS, fewest) - 1)
    middle = value + quantile**2 * slope / 2
    half = quantile * float(np.sqrt(max(0.0, slope * value + quantile**2 * slope**2 / 4 + floor)))
    return stderr, (middle - half, middle + half)


def _jackknife(unlearned: Side, retrained: Side) -> float:
    """Variance by the jackknife, which counts products of the models' luck twice."""
    replicates = jackknife_replicates(
        lambda ours, theirs: distance_of(unlearned.select(ours), retrained.select(theirs)).total,
        len(unlearned.confidences),
        len(retrained.confidences),
    )
    return stderr_of_replicates(replicates) ** 2


def _by_retrained(unlearned: Side, retrained: Side) -> float:
    """The same for few models, which are taken to vary from training to training as the retrained ones do."""
    number = len(retrained.confidences)
    without = jackknife_replicates(
        lambda _, theirs: distance_of(unlearned, retrained.select(theirs)).total, number, number
    )
    factor = np.sqrt(number / (number - 1) / len(unlearned.confidences))
    moves = [
        [distance_of(unlearned.moved(retrained, model, sign * factor), retrained).total for sign in (1, -1)]
        for model in range(min(number, MOST_MOVES))
    ]
    return stderr_of_replicates(without) ** 2 + float(np.mean([((one - other) / 2) ** 2 for one, other in moves]))


def _luck_by_example(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[float, float]:
    """What luck adds to the squared distance of means, and its variance where there is no distance."""
    sides, sizes = (unlearned, retrained), (len(unlearned), len(retrained))
    whole, examples = unit(retrained), unlearned.shape[1]
    luck = sum(float(side.var(axis=0, ddof=1).mean()) / size for side, size in zip(sides, sizes, strict=True))
    off = [side - side.mean(axis=0) for side in sides]
    common = float(((off[0] @ off[1].T) ** 2).sum()) / ((sizes[0] - 1) * (sizes[1] - 1))
    variance = 4 * common / (sizes[0] * sizes[1])
    variance += sum(2 * _squared_covariances(side) / (len(side) * (len(side) - 1)) for side in off)
    return luck / whole, variance / (whole * examples) ** 2


def _squared_covariances(off: np.ndarray) -> float:
    """Sum of the squared covariances of all pairs of examples, unbiased, from deviations (models, examples).

    Source: Bai and Saranadasa, Effect of high dimension, Statistica Sinica 1996.
    """
    degrees = len(off) - 1
    gram = off @ off.T / degrees
    among = float((gram**2).sum()) - float(np.trace(gram)) ** 2 / degrees
    return max(0.0, among * degrees**2 / ((degrees - 1) * (degrees + 2))) if degrees > 1 else 0.0


def _luck_by_model(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[float, float]:
    """The same of the mean over all examples."""
    luck = float(retrained.mean(axis=1).var(ddof=1)) * (1 / len(unlearned) + 1 / len(retrained)) / unit(retrained)
    return luck, 2 * luck**2
