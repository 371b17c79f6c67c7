"""How much a reading tells of a secret: an AUC, and bits, each with its standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_HALF_WIDTH = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error.

    Args:
        value: the estimate.
        stderr: of the jackknife over observations; 0 where all observations agree.

    Example:
        >>> Estimate(0.6, 0.05).covers(0.5), Estimate(0.6, 0.05).covers(0.4)
        (False, False)
    """

    value: float
    stderr: float

    def covers(self, truth: float) -> bool:
        """Returns whether the 95 % interval, by the normal distribution, holds a number.

        Args:
            truth: the number.
        """
        return abs(self.value - truth) <= _HALF_WIDTH * self.stderr + 1e-12


def auc(readings: np.ndarray, secrets: np.ndarray) -> Estimate | None:
    """Returns the chance that a request with the secret has the higher reading, ties half.

    Args:
        readings: of the observations, float64 (n,).
        secrets: of the requests in each, booleans (n,) or (n, requests): those of an observation share its reading.

    Returns:
        None where all requests have the secret, or none has. The standard error is of the jackknife that leaves out one
        observation at a time.

    Example:
        >>> auc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True])).value
        0.75
    """
    secrets = secrets.reshape(len(secrets), -1)
    having, others = secrets.sum(axis=1).astype(np.float64), (~secrets).sum(axis=1).astype(np.float64)
    if not having.sum() or not others.sum():
        return None
    above = (readings[:, None] > readings).astype(np.float64) + 0.5 * (readings[:, None] == readings)
    wins_of, losses_to = having * (above @ others), others * (having @ above)
    total, pairs = wins_of.sum(), having.sum() * others.sum()
    left = total - wins_of - losses_to + 0.5 * having * others
    pairs_left = (having.sum() - having) * (others.sum() - others)
    if not pairs_left.all():  # a secret that a single observation has
        return Estimate(float(total / pairs), 0.5)
    return Estimate(float(total / pairs), _jackknife(left / pairs_left))


def mutual_information(secrets: np.ndarray, readings: np.ndarray) -> Estimate:
    """Returns how many bits a reading tells of a secret, on average.

    The plug-in estimate with the bias correction of Miller and Madow, `(K_sr - K_s - K_r + 1) / (2 n ln 2)` being taken
    off, K the numbers of values and pairs that occur. A reading that tells nothing has 0 on average, and so below 0 as
    often as above.

    Args:
        secrets: whole numbers (n,).
        readings: float64 (n,). More than `n / 2` values are put into `sqrt(n)` bins, equally many in each.

    Source: Miller, Note on the bias of information estimates, 1955.

    Example:
        >>> round(mutual_information(np.arange(400) % 2, np.arange(400) % 2 + 0.5).value, 3)
        1.002
    """
    values, cells = _binned(readings), np.unique(secrets, return_inverse=True)[1]
    table = np.zeros((cells.max() + 1, values.max() + 1))
    np.add.at(table, (cells, values), 1)
    without = []
    for secret, value in zip(cells, values, strict=True):
        table[secret, value] -= 1
        without.append(_bits(table))
        table[secret, value] += 1
    return Estimate(_bits(table), _jackknife(np.array(without)))


def mean(values: np.ndarray) -> Estimate:
    """Returns the mean of independent values.

    Args:
        values: (n,), two or more.

    Example:
        >>> mean(np.array([1.0, 3.0]))
        Estimate(value=2.0, stderr=1.0)
    """
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def ratio(some: np.ndarray, all_: np.ndarray) -> Estimate | None:
    """Returns the mean of chosen values over the mean of all; None where fewer than two are chosen.

    Args:
        some: which are chosen, booleans (n,).
        all_: the values, above 0, (n,).

    Example:
        >>> ratio(np.array([True, True, False]), np.array([3.0, 3.0, 1.5])).value
        1.2
    """
    count = some.sum()
    if count < 2:
        return None
    value = all_[some].mean() / all_.mean()
    numerators = (all_[some].sum() - np.where(some, all_, 0)) / (count - some)
    denominators = (all_.sum() - all_) / (len(all_) - 1)
    return Estimate(float(value), _jackknife(numerators / denominators))


def _jackknife(without: np.ndarray) -> float:
    return float(np.sqrt((len(without) - 1) * without.var()))


def _binned(readings: np.ndarray) -> np.ndarray:
    """Returns the number of the value, or of the bin, that each reading is."""
    distinct, values = np.unique(readings, return_inverse=True)
    if 2 * len(distinct) <= len(readings):
        return values
    bins = int(np.sqrt(len(readings)))
    edges = np.quantile(readings, np.arange(1, bins) / bins)
    return np.unique(np.searchsorted(edges, readings, side="right"), return_inverse=True)[1]


def _bits(table: np.ndarray) -> float:
    total = table.sum()
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    pairs = table > 0
    expected = np.outer(rows, columns)[pairs] / total
    plug_in = (table[pairs] / total * np.log2(table[pairs] / expected)).sum()
    excess = pairs.sum() - (rows > 0).sum() - (columns > 0).sum() + 1
    return float(plug_in - excess / (2 * total * np.log(2)))
