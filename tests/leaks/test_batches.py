"""What the time of a batch tells, against all batches written out, and against batches that are drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kit.leaks import information
from kit.leaks.batches import slice_auc
from kit.types import InputError


def time_of(places: tuple[tuple[int, int], ...], slices: int) -> float:
    """Slice j is trained on the j + 1 slices up to it; a shard's training is that of all its slices."""
    work = 0.0
    for shard in {shard for shard, _ in places}:
        first = min(number for other, number in places if other == shard)
        work += sum(range(first + 1, slices + 1)) / sum(range(1, slices + 1))
    return round(work, 9)


@pytest.mark.parametrize(("shards", "slices", "batch"), [(2, 2, 1), (2, 2, 3), (1, 3, 2), (2, 4, 2), (3, 2, 3)])
def test_it_is_what_all_batches_written_out_give(shards: int, slices: int, batch: int) -> None:
    cells = list(itertools.product(range(shards), range(slices)))
    batches = list(itertools.product(cells, repeat=batch))
    early = [time_of(places, slices) for places in batches if places[0][1] < slices / 2]
    late = [time_of(places, slices) for places in batches if places[0][1] >= slices / 2]
    wins = sum((first > second) + 0.5 * (first == second) for first in early for second in late)
    assert slice_auc(shards, slices, batch) == pytest.approx(wins / (len(early) * len(late)))


@pytest.mark.parametrize("batch", [2, 8, 64])
def test_it_is_what_the_kit_measures_of_batches_that_are_drawn(batch: int) -> None:
    generator, number = np.random.default_rng(batch), 1000
    places = generator.integers((3, 4), size=(number, batch, 2))
    times = np.array([time_of(tuple(map(tuple, rows)), 4) for rows in places.tolist()])
    estimate = information.auc(-times, places[:, :, 1] >= 2)
    assert estimate is not None
    assert abs(estimate.value - slice_auc(3, 4, batch)) < 4 * estimate.stderr + 1e-3


def test_larger_batches_tell_less_and_one_slice_nothing() -> None:
    values = [slice_auc(4, 4, batch) for batch in (1, 2, 4, 8, 16, 32, 64, 128)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1
    assert values[-1] == pytest.approx(0.5, abs=1e-3)
    assert slice_auc(5, 1, 3) == 0.5


@pytest.mark.parametrize("numbers", [(0, 4, 1), (3, 0, 1), (3, 4, 0), (12, 9, 1)])
def test_numbers_that_cannot_be(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="Expected 1 or more of each"):
        slice_auc(*numbers)
