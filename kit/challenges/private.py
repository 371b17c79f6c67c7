"""A private challenge for a host: labels, parts, forget set and seed drawn anew, and what participants get of it.

Whoever submits can have learnt a public challenge by heart: its test examples, its wrong labels and the seeds of its
retrained models are known. Here they are drawn from the system's entropy, and only the host has them.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.challenges import splits
from kit.challenges.partition import stratified_partition
from kit.storage import files
from kit.storage.digests import with_digest_of_arrays
from kit.tasks import CLASSIFICATION
from kit.types import Arrays, InputError, Split

FORGET_SHARE = 0.1


@dataclass(frozen=True)
class Part:
    """A data set and its forget set.

    Args:
        arrays: all examples.
        partition: int64 (n,), 0 for training, 1 for validation, 2 for test.
        forget: int64, rows of `arrays` that are to be forgotten.
    """

    arrays: Arrays
    partition: np.ndarray
    forget: np.ndarray

    def write(self, folder: Path, name: str, *, mode: int) -> None:
        """Writes `<name>.npz` and the split `<name>-forget.npz`, both with a digest and with the rights `mode`."""
        arrays = {"x": self.arrays.x, "y": self.arrays.y, "partition": self.partition}
        optional = {"groups": self.arrays.groups, "mislabelled": self.arrays.mislabelled}
        arrays |= {field: array for field, array in optional.items() if array is not None}
        files.write_npz(folder / f"{name}.npz", with_digest_of_arrays(arrays))
        train = np.flatnonzero(self.partition == 0)
        is_forgotten = np.isin(train, self.forget)
        split = Split("private", 0, forget=np.flatnonzero(is_forgotten), retain=np.flatnonzero(~is_forgotten))
        splits.save_split(split, folder / f"{name}-forget.npz")
        for path in (folder / f"{name}.npz", folder / f"{name}-forget.npz"):
            os.chmod(path, mode)


@dataclass(frozen=True)
class PrivateChallenge:
    """What the host keeps, what participants get, and the seed of the host's runs, which is secret too."""

    host: Part
    participants: Part
    seed: int


def draw(arrays: Arrays, resampled: float, entropy: int | None = None) -> PrivateChallenge:
    """Draws a private challenge from examples that may be known.

    Args:
        arrays: examples with their labels; labels that are known to be wrong cannot be told from those that are drawn.
        resampled: share of labels drawn anew, uniformly over the classes, in [0, 1). Known labels leave nothing to be
            memorised, and a test set that everybody can look up.
        entropy: what all is drawn from; by default the system's.

    Raises:
        InputError: a share out of its range, wrong labels among the examples, or too few of these.

    Example:
        >>> drawn = draw(Arrays(np.eye(60), np.arange(60) % 3), 0.2)
        >>> len(drawn.host.arrays), len(drawn.participants.arrays) < 60
        (60, True)
    """
    if not 0 <= resampled < 1:
        raise InputError(
            f"The share of labels is {resampled}. Expected 0 or more, and less than 1. Try --resampled 0.2."
        )
    if arrays.mislabelled is not None:
        raise InputError(
            "In these data some labels are wrong already. Expected true labels, of which a share is drawn anew. "
            "Take the data that they were made from: --from digits for 'noisy-digits'."
        )
    generator = np.random.default_rng(secrets.randbits(128) if entropy is None else entropy)
    chosen, labels = generator.random(len(arrays)) < resampled, arrays.y.copy()
    labels[chosen] = generator.choice(np.unique(arrays.y), size=int(chosen.sum()))
    drawn = Arrays(arrays.x, labels, arrays.groups, labels != arrays.y)
    partition = stratified_partition(drawn, CLASSIFICATION, generator)
    train = np.flatnonzero(partition == 0)
    forget = np.sort(generator.choice(train, size=max(1, round(FORGET_SHARE * len(train))), replace=False))
    host = Part(drawn, partition, forget)
    return PrivateChallenge(host, _for_participants(host, generator), int(generator.integers(2**31)))


def _for_participants(host: Part, generator: np.random.Generator) -> Part:
    """Returns the part without the test examples; half of the validation set takes their place."""
    rows = np.flatnonzero(host.partition != 2)
    partition = host.partition[rows].copy()
    validation = generator.permutation(np.flatnonzero(partition == 1))
    partition[validation[: len(validation) // 2]] = 2
    known = host.arrays.take(rows)
    public = Arrays(known.x, known.y, known.groups)  # which labels are wrong stays with the host
    return Part(public, partition, np.searchsorted(rows, host.forget))
