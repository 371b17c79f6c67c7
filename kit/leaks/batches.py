"""What the time of a batch tells of one record in it, in closed form: batching alone hides little of where it was."""

from __future__ import annotations

import itertools

import numpy as np

from kit.types import InputError

_MOST_STATES = 100_000


def slice_auc(shards: int, slices: int, batch: int) -> float:
    """Returns the AUC of telling records of late slices from those of early ones, by the time of SISA's batches.

    A batch retrains each shard from the first slice that holds one of its records, so that its time is a sum over
    shards of `1 - f (f + 1) / (S (S + 1))`, f being that slice and S their number. Records are placed evenly and
    independently, as a keyed hash places them; the clock has no noise. The two records are of different batches.

    Args:
        shards, slices: 1 or more, of each shard so many slices. Late is the later half of them.
        batch: records that are forgotten together, 1 or more.

    Returns:
        From 0.5, where time tells nothing, to 1. Only large batches come near 0.5: those that touch the first slice of
        every shard.

    Raises:
        InputError: a number is below 1, or there are more than 100,000 ways in which shards can be touched.

    Example:
        >>> [round(slice_auc(3, 4, batch), 3) for batch in (1, 8, 64)]
        [1.0, 0.596, 0.501]
    """
    if min(shards, slices, batch) < 1 or (slices + 1) ** shards > _MOST_STATES:
        raise InputError(
            f"The time of a batch was asked for with {shards} shards of {slices} slices and {batch} records. Expected "
            f"1 or more of each, and at most {_MOST_STATES:,} for (slices + 1) to the power of shards. Change them."
        )
    if slices == 1:
        return 0.5  # no slice is earlier than another
    firsts = np.array(list(itertools.product(range(slices + 1), repeat=shards)))
    chances = _chances(firsts, slices, batch - 1)
    times, kinds = np.zeros((slices, len(firsts))), np.zeros((2, slices * len(firsts)))
    for own in range(slices):  # of the record, in the first shard
        with_own = firsts.copy()
        with_own[:, 0] = np.minimum(with_own[:, 0], own)
        times[own] = (1 - with_own * (with_own + 1) / (slices * (slices + 1))).sum(axis=1)
        kinds[int(own >= slices / 2)].reshape(slices, -1)[own] = chances
    order = np.unique(times.round(9), return_inverse=True)[1].ravel()
    early, late = (np.bincount(order, kind / kind.sum()) for kind in kinds)
    below = np.cumsum(late) - late
    return float((early * (below + late / 2)).sum())


def _chances(firsts: np.ndarray, slices: int, records: int) -> np.ndarray:
    """Returns the chance that these are the first touched slices of all shards; `slices` where none is touched."""
    shards, chances = firsts.shape[1], np.zeros(len(firsts))
    for later in itertools.product((0, 1), repeat=shards):  # inclusion and exclusion
        at_least = firsts + np.array(later)
        share = (slices - at_least).sum(axis=1) / (shards * slices)
        possible = (at_least <= slices).all(axis=1)
        chances += (-1) ** sum(later) * np.where(possible, np.maximum(share, 0.0) ** records, 0.0)
    return chances
