"""The noise of measures for which either half of the models is judged by what was fitted to the other half.

A jackknife asks for the measures without many a group of models, or pair of groups. What is fitted changes with one
group only; so models are judged once for each, their log likelihood ratios are counted in narrow bins, and measures
without groups are those of sums of counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.scorers._threads import blocks

# Groups of models in each half, which the jackknife leaves out.
GROUPS_EACH = 8
# Of all ratios together equally many lie in each bin: an AUC of counts is off by less than one in its square.
_BINS = 4096
_COUNTED_AT_ONCE = 1 << 16


def edges_of(ratios: np.ndarray, bins: int = _BINS) -> np.ndarray:
    """Returns increasing edges between bins that hold about equally many of the ratios; 0 is one of the edges.

    Example:
        >>> edges_of(np.arange(8.0) - 3.5, bins=4).tolist()
        [-1.75, 0.0, 1.75]
    """
    edges = np.quantile(ratios, np.arange(1, bins) / bins)
    return np.unique(np.append(edges, 0.0))


def counted(ratios: np.ndarray, edges: np.ndarray, num_groups: int) -> np.ndarray:
    """Returns how many ratios of each group of models lie in each bin, float64 (groups, bins).

    Args:
        ratios: (models, examples); model i belongs to group i modulo the number of groups.
        edges: increasing; a ratio that is equal to one lies above it.
        num_groups: of models.

    Example:
        >>> counted(np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([0.0]), 2).tolist()
        [[1.0, 1.0], [0.0, 2.0]]
    """
    size = len(edges) + 1
    counts = np.zeros((num_groups, size))
    for group in range(num_groups):
        values = ratios[group::num_groups].ravel()
        for block in blocks(len(values), _COUNTED_AT_ONCE):
            counts[group] += np.bincount(np.searchsorted(edges, values[block], "right"), minlength=size)
    return counts


def binned_measures(
    unlearned: np.ndarray, retrained: np.ndarray, edges: np.ndarray, false_positive_rate: float
) -> np.ndarray:
    """Returns accuracy, AUC and true positive rate of counted log likelihood ratios, float64 (..., 3).

    Args:
        unlearned, retrained: counts, (..., bins).
        edges: between the bins; 0 is one of them.
        false_positive_rate: share of the retrained models' ratios above the threshold of the true positive rate.

    Example:
        >>> edges = np.array([-1.0, 0.0, 1.0])
        >>> binned_measures(np.array([0.0, 1, 0, 3]), np.array([2.0, 2, 0, 0]), edges, 0.25).tolist()
        [0.875, 0.9375, 0.875]
    """
    ours, theirs = (np.cumsum(side[..., ::-1], axis=-1)[..., ::-1] for side in (unlearned, retrained))  # from here up
    num_ours, num_theirs = ours[..., :1], theirs[..., :1]
    zero = int(np.searchsorted(edges, 0.0, "right"))
    accuracy = (ours[..., zero] / num_ours[..., 0] + 1 - theirs[..., zero] / num_theirs[..., 0]) / 2
    below = num_theirs - theirs + retrained / 2
    auc = (unlearned * below).sum(axis=-1) / (num_ours * num_theirs)[..., 0]
    allowed = np.floor(false_positive_rate * num_theirs + 1e-9)
    place = (theirs > allowed).sum(axis=-1, keepdims=True) - 1  # the bin that the threshold lies in
    in_bin, above = (np.take_along_axis(side, place, -1) for side in (retrained, theirs - retrained))
    share = (allowed - above) / in_bin
    detected = np.take_along_axis(ours - unlearned, place, -1) + share * np.take_along_axis(unlearned, place, -1)
    return np.stack([accuracy, auc, (detected / num_ours)[..., 0]], axis=-1)


@dataclass(frozen=True)
class Jackknife:
    """Measures without groups of models, with which they are neither fitted nor judged.

    Args:
        whole: of all models, (measures,).
        without: without each group of either half, (2, groups, measures).
        without_two: without a group of the first half and one of the second, (groups, groups, measures).
    """

    whole: np.ndarray
    without: np.ndarray
    without_two: np.ndarray

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the variance."""
        return 2 * (int(self.without.shape[1]) - 1)

    def variance(self) -> np.ndarray:
        """Returns the measures' variance over trainings, (measures,).

        Such a measure is a sum of what the models of either half do to it, and of a product: of the luck of those that
        are fitted with the luck of those that are judged. The jackknife counts the product twice, once for each half.
        What a group of one half changes in what a group of the other half changes is that product: it is taken out
        once. It cannot be more than half of the whole.

        Source: Efron and Stein, The jackknife estimate of variance, Annals of Statistics 1981: a term of k models is
        counted k times.

        Example:
            >>> first, second = np.array([[[1.0], [3.0]], [[2.0], [2.0]]]), np.full((2, 2, 1), 2.0)
            >>> second[0, 0], second[0, 1], second[1, 0], second[1, 1] = 1.0, 1.0, 3.0, 3.0  # no product
            >>> Jackknife(np.array([2.0]), first, second).variance().tolist()
            [1.0]
        """
        shrunk = 1 - 1 / self.without.shape[1]
        jackknife = shrunk * ((self.without - self.without.mean(axis=1, keepdims=True)) ** 2).sum(axis=(0, 1))
        first, second = self.without[0][:, np.newaxis], self.without[1][np.newaxis]
        product = shrunk**2 * ((self.without_two - first - second + self.whole) ** 2).sum(axis=(0, 1))
        variance: np.ndarray = np.maximum(jackknife - product, jackknife / 2)
        return variance
