"""The forgetting score from confidences: an epsilon for each example, its points, their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from kit.scorers._epsilons import largest_epsilons
from kit.scorers._threads import blocks, in_threads

Bins = Literal["released", "paper"]
DELTA = 1e-5
# The number of thresholds grows with the range of the confidences, of which the released scorer's lie within 104.
MOST_CONFIDENT = 1e4
BIN_WIDTH = 0.5
# Whose thresholds are counted at a time: some megabytes of memory a thread.
_EXAMPLES_AT_ONCE = 32


def logit_scaled_confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns log p - log(1 - p) of the true class, the statistic that the score is about.

    Args:
        logits: (..., examples, classes).
        labels: integers (examples,).

    Returns:
        float64 (..., examples), within +-103.7: both probabilities are raised by 1e-45 before the logarithm.

    Raises:
        ValueError: labels that are not one class number an example.

    Source: google-deepmind/unlearning_evaluation, metric.py, after Carlini et al., IEEE S&P 2022.

    Example:
        >>> logit_scaled_confidence(np.array([[0.0, 0.0], [3.0, 1.0]]), np.array([0, 0])).tolist()
        [0.0, 2.0]
    """
    shifted, labels = np.array(logits, np.float64), np.asarray(labels)
    if shifted.ndim < 2 or labels.shape != shifted.shape[-2:-1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"Logits of shape {shifted.shape} came with labels of shape {labels.shape} and dtype {labels.dtype}. "
            "Expected logits (..., examples, classes) and one integer label an example. Pass labels of shape "
            "(examples,)."
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < shifted.shape[-1]:
        raise ValueError(
            f"Labels lie between {labels.min()} and {labels.max()}. Expected 0 .. {shifted.shape[-1] - 1}, because "
            f"there are logits for {shifted.shape[-1]} classes. Check that logits and labels belong together."
        )
    shifted -= shifted.max(axis=-1, keepdims=True)
    probabilities = np.exp(shifted)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    where = np.broadcast_to(labels[:, np.newaxis], (*probabilities.shape[:-1], 1))
    right = np.take_along_axis(probabilities, where, axis=-1)[..., 0]
    np.put_along_axis(probabilities, where, 0.0, axis=-1)
    confidences: np.ndarray = np.log(right + 1e-45) - np.log(probabilities.sum(axis=-1) + 1e-45)
    return confidences


def guarded(confidences: np.ndarray) -> np.ndarray:
    """Returns `logit_scaled_confidence` from confidences that are not limited to +-103.7, in float64.

    Example:
        >>> guarded(np.array([2.0, 500.0])).round(3).tolist()
        [2.0, 103.616]
    """
    from scipy.special import expit

    exact = np.asarray(confidences, np.float64)
    limited: np.ndarray = np.log(expit(exact) + 1e-45) - np.log(expit(-exact) + 1e-45)
    return limited


def example_epsilons(unlearned: np.ndarray, retrained: np.ndarray, *, delta: float = DELTA) -> np.ndarray:
    """Returns for each forget example how far the unlearned models can be told from the retrained ones.

    Epsilon is the largest that any attacker of two families reaches: those that accuse above one threshold, and those
    that accuse between two. An attacker with false positive and false negative rates (a, b) shows
    max(log(1 - delta - a) - log b, log(1 - delta - b) - log a); where exactly one of them is 0 it is not counted.

    Args:
        unlearned, retrained: confidences (models, examples), as many models on either side.
        delta: of (epsilon, delta)-unlearning, in [0, 1).

    Returns:
        float64 (examples,) in [0, 50]. 50 where every model is told apart, where one side hardly varies (a range under
        1 % of the other's, or none at all), and where no attacker is counted: never a reward for too few models.

    Raises:
        ValueError: unequal shapes, fewer than 3 models, confidences that are not finite, delta outside [0, 1).

    Source: google-deepmind/unlearning_evaluation, metric.py; Triantafillou et al., Evaluation for the NeurIPS Machine
    Unlearning Competition, 2023. Differs from it: float64 throughout; always 400 right thresholds (rounding makes it
    401 for some examples there); it ends with an error on nearly every example, this does not. Two thresholds are not
    tried one pair at a time: the left ones lie on 799 points, on which the models are counted once.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> retrained, unlearned = generator.normal(5, 1.5, (64, 2)), generator.normal(5, 1.5, (64, 2))
        >>> bool((example_epsilons(unlearned, retrained) < 3).all())
        True
    """
    unlearned, retrained = checked(unlearned, retrained)
    if not 0 <= delta < 1:
        raise ValueError(f"delta is {delta}. Expected a probability, 0 or more and below 1. The competition has 1e-5.")

    def of_block(examples: slice) -> np.ndarray:
        ours, theirs = (np.sort(side[:, examples].T.copy()) for side in (unlearned, retrained))
        return largest_epsilons(ours, theirs, delta)

    return np.concatenate(in_threads(of_block, blocks(unlearned.shape[1], _EXAMPLES_AT_ONCE)))


def points(epsilons: np.ndarray, num_models: int, *, bins: Bins = "released") -> np.ndarray:
    """Returns the points of each example: 1 below an epsilon of 0.5, half as much with each further 0.5, at last 0.

    Args:
        epsilons: (examples,).
        num_models: N on either side.
        bins: `released`: bins up to ceil(log(N - 1)), 14 of them for N = 512, as the competition's code has it;
            `paper`: 13 bins, as its description has it.

    Returns:
        float64 of the same shape, in [0, 1].

    Example:
        >>> points(np.array([0.2, 0.5, 1.7, 6.8, 50.0]), 512).tolist()
        [1.0, 0.5, 0.125, 0.0001220703125, 0.0]
    """
    number = np.floor(np.asarray(epsilons, float) / BIN_WIDTH)
    earned: np.ndarray = np.where(number < num_bins(num_models, bins=bins), 2.0**-number, 0.0)
    return earned


def num_bins(num_models: int, *, bins: Bins = "released") -> int:
    """Returns how many bins earn points.

    Example:
        >>> num_bins(512), num_bins(64), num_bins(512, bins="paper")
        (14, 10, 13)
    """
    if bins not in ("released", "paper"):
        raise ValueError(f"There are no bins '{bins}'. Expected 'released' or 'paper'. Leave it out for 'released'.")
    return 13 if bins == "paper" else int(np.ceil(np.log(num_models - 1)) / BIN_WIDTH)


def forgetting_score(
    unlearned: np.ndarray, retrained: np.ndarray, *, delta: float = DELTA, bins: Bins = "released"
) -> float:
    """Returns the forgetting quality F of the 2023 competition: the mean of the examples' points.

    Retrained models against retrained models get 0.09 to 0.2, not 1, by their number and spread: of 160,000 attackers
    an example the luckiest counts. `forgetting_quality` measures that ceiling and divides by it.

    Args:
        unlearned, retrained: confidences (models, examples), as many models on either side; 512 in the competition.
            With fewer, bad methods look better.
        delta, bins: see `example_epsilons` and `points`.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: as `example_epsilons`.

    Example:
        >>> retrained = np.random.default_rng(0).normal(5, 1.5, (64, 8))
        >>> forgetting_score(retrained + 100, retrained)
        0.0
    """
    return float(points(example_epsilons(unlearned, retrained, delta=delta), len(unlearned), bins=bins).mean())


def score_by_num_models(
    unlearned: np.ndarray, retrained: np.ndarray, sizes: Sequence[int], *, most_draws: int = 4, seed: int = 0
) -> dict[int, float]:
    """Returns the forgetting score with fewer models a side: the mean over disjoint draws of each size.

    Args:
        unlearned, retrained: confidences (models, examples), as many models on either side.
        sizes: numbers of models, 3 to all.
        most_draws: of each size; there are fewer where the models do not suffice.
        seed: of the draws.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> retrained, shifted = generator.normal(5, 1.5, (64, 20)), generator.normal(7, 1.5, (64, 20))
        >>> scores = score_by_num_models(shifted, retrained, [8, 64])
        >>> scores[8] > scores[64]
        True
    """
    orders = [np.random.default_rng([seed, side]).permutation(len(unlearned)) for side in range(2)]
    by_size = {}
    for size in sizes:
        draws = [slice(start * size, (start + 1) * size) for start in range(min(most_draws, len(unlearned) // size))]
        scores = [forgetting_score(unlearned[orders[0][draw]], retrained[orders[1][draw]]) for draw in draws]
        by_size[size] = float(np.mean(scores))
    return by_size


def checked(unlearned: np.ndarray, retrained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns both sides' confidences in float64.

    Raises:
        ValueError: unequal shapes, fewer than 3 models, confidences that are not finite.
    """
    unlearned, retrained = np.asarray(unlearned, np.float64), np.asarray(retrained, np.float64)
    if unlearned.shape != retrained.shape or unlearned.ndim != 2 or len(unlearned) < 3 or unlearned.shape[1] == 0:
        raise ValueError(
            f"The confidences of unlearned and retrained models have shapes {unlearned.shape} and {retrained.shape}. "
            "Expected (models, examples) of both, equal, with 3 models or more. Leave out models of the larger side."
        )
    if not (np.abs(unlearned).max() <= MOST_CONFIDENT and np.abs(retrained).max() <= MOST_CONFIDENT):
        raise ValueError(
            f"Some confidences are NaN, infinite or beyond {MOST_CONFIDENT:g}. Expected finite numbers; those of "
            "logit_scaled_confidence lie within 104. Compute them with it, from finite logits."
        )
    return unlearned, retrained
