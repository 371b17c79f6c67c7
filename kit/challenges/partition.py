"""Which examples are for training, which for validation and which for testing: fixed for a challenge."""

from __future__ import annotations

import numpy as np

from kit.datasets.loading import Published
from kit.types import Arrays, InputError, Table, Task

# Shares of a data set that become train and validation; the rest is test.
TRAIN_SHARE, VALIDATION_SHARE = 0.70, 0.15


def published_partition(published: Published) -> np.ndarray:
    """Deals a published test set to validation and test, each class in equal halves, in random order; always alike.

    The 2023 kit halves it at random too, with PyTorch's generator, and then hands its method the half that it scores.
    """
    labels = published.arrays.y[published.num_train :]
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    halves = np.empty(len(labels), np.int64)
    halves[order] = 1 + np.arange(len(labels)) % 2
    return np.concatenate([np.zeros(published.num_train, np.int64), halves])


def steps_an_epoch(partition: np.ndarray | None, num_examples: int, batch_size: int) -> int:
    """Returns how many steps a training takes that goes over the training examples once.

    Args:
        partition: as of `make_challenge`, by default that of the kit.
        num_examples: of all parts.
        batch_size: of a step.

    Example:
        >>> steps_an_epoch(np.array([0, 0, 0, 1, 2]), 5, 2), steps_an_epoch(None, 100, 32)
        (2, 3)
    """
    number = round(TRAIN_SHARE * num_examples) if partition is None else int((np.asarray(partition) == 0).sum())
    return max(1, -(-number // batch_size))


def stratified_partition(
    arrays: Arrays | Table, task: Task, generator: np.random.Generator | None = None
) -> np.ndarray:
    """Deals the examples to train, validation and test, stratum by stratum and in random order within one.

    Wrong labels, where they are known, are dealt in the same way: otherwise the luck of one fixed test set would stay
    in every comparison of forget with test. Multiples of the golden ratio make every run of examples, however short,
    come close to the shares, so that small classes do not all miss the same part.

    Args:
        arrays: the examples.
        task: what their labels are.
        generator: of the order within a stratum; by default the same order each time.

    Returns:
        int64 (n,): 0 for training, 1 for validation, 2 for test.

    Raises:
        InputError: too few examples.

    Example:
        >>> from kit.tasks import CLASSIFICATION
        >>> np.bincount(stratified_partition(Arrays(np.eye(20), np.arange(20) % 2), CLASSIFICATION)).tolist()
        [14, 3, 3]
    """
    strata = task.strata(arrays.y).astype(np.int64) * 2
    if arrays.mislabelled is not None:
        strata += np.asarray(arrays.mislabelled)
    order = (generator or np.random.default_rng(0)).permutation(len(arrays))
    order = order[np.argsort(strata[order], kind="stable")]
    position = (np.arange(len(arrays)) + 0.5) * (5**0.5 - 1) / 2 % 1
    partition = np.empty(len(arrays), np.int64)
    partition[order] = np.searchsorted([TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE], position)
    if set(np.unique(partition)) != {0, 1, 2}:
        raise InputError(
            f"{len(arrays)} examples are too few to be divided in training, validation and test. Expected twenty or "
            "more. Add examples, or pass 'partition'."
        )
    return partition
