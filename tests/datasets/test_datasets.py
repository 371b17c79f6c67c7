"""Batches of arrays and arrays of batches: 8-bit images stay in 8 bits, and nothing else is changed by a bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kit.toolbox import examples, setup, tracing
from kit.toolbox.examples import as_float, in_memory
from kit.types import Arrays, InputError

ALL_VALUES = np.arange(256, dtype=np.uint8)


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> None:
    setup.prepare()


def images(count: int = 20, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)


def labels(count: int = 20) -> np.ndarray:
    return np.arange(count, dtype=np.int32) % 3


def of_batches(*parts: np.ndarray) -> tf.data.Dataset:
    """A data set of these batches, each as it is, in one dtype."""
    starts = np.cumsum([0, *map(len, parts)])

    def generate() -> Sequence[tuple[np.ndarray, np.ndarray]]:
        return [(part, np.arange(start, start + len(part))) for part, start in zip(parts, starts, strict=False)]

    signature = (tf.TensorSpec((None, *parts[0].shape[1:]), parts[0].dtype), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


# 8 bits as floats


def test_all_256_values_are_a_255th_each_up_to_rounding() -> None:
    floats = as_float(tf.constant(ALL_VALUES)).numpy()
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats, np.arange(256) / 255, rtol=2e-7)
    assert (floats[0], floats[-1]) == (0, 1)
    assert len(np.unique(floats)) == 256


def test_they_are_the_same_numbers_compiled_or_not() -> None:
    """TensorFlow replaces a division by a constant, but in compiled functions only."""
    plain = as_float(tf.constant(ALL_VALUES)).numpy()
    compiled = tf.function(as_float, jit_compile=False)(tf.constant(ALL_VALUES)).numpy()
    mapped = next(iter(tf.data.Dataset.from_tensors(ALL_VALUES).map(as_float))).numpy()
    np.testing.assert_array_equal(compiled, plain)
    np.testing.assert_array_equal(mapped, plain)


def test_floats_stay_as_they_are() -> None:
    numbers = tf.constant([[-3.5, 300.0]])
    assert as_float(numbers) is numbers


# Read into memory


@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_8_bit_images_become_the_same_8_bit_images_again(shuffle_seed: int | None) -> None:
    arrays = Arrays(images(), labels())
    batched = examples.Selection(arrays, np.arange(20)).tf_data(8, shuffle_seed)
    read = in_memory(batched)
    x, y, batch_size = read.x, read.y, read.batch_size
    assert (x.dtype, y.dtype, batch_size) == (tf.uint8, tf.int32, 8)
    order = [int(np.flatnonzero((arrays.x == image).all(axis=(1, 2, 3)))[0]) for image in x.numpy()]
    assert sorted(order) == list(range(20))
    assert (order == list(range(20))) == (shuffle_seed is None)
    np.testing.assert_array_equal(y.numpy(), arrays.y[order])


@pytest.mark.parametrize("x", [images(), np.random.default_rng(0).normal(size=(20, 4))], ids=["bytes", "floats"])
def test_the_kits_batches_hold_what_tf_data_holds_and_are_read_in_their_own_order(x: np.ndarray) -> None:
    arrays, chosen = Arrays(x, labels()), np.array([7, 3, 19, 0, 4])
    selection = examples.Selection(arrays, chosen)
    batches = selection.batches(2, shuffle_seed=5)
    for mine, theirs in zip(selection.batches(2), selection.tf_data(2).as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(mine[0], theirs[0])
        np.testing.assert_array_equal(mine[1], theirs[1])
        assert (mine[0].dtype, mine[1].dtype) == (theirs[0].dtype, theirs[1].dtype)
    passes = [np.concatenate([y for _, y in batches]) for _ in range(8)]
    assert len({tuple(labels) for labels in passes}) > 1
    for reading in (in_memory(batches), in_memory(selection.tf_data(2))):
        np.testing.assert_array_equal(reading.x, arrays.x[chosen])
        np.testing.assert_array_equal(reading.y, arrays.y[chosen])
        assert reading.batch_size == 2


def test_a_second_data_set_of_a_selection_is_traced_no_more_and_has_nothing_of_the_first() -> None:
    selection = examples.Selection(Arrays(images(), labels()), np.array([7, 3, 19, 0, 4]))
    first = selection.tf_data(2)
    expected = list(first.as_numpy_iterator())
    with tracing.watched() as traces:
        second = selection.tf_data(2)
    assert traces.operations == 0
    assert second is not first
    for batch, other in zip(second.as_numpy_iterator(), expected, strict=True):
        np.testing.assert_array_equal(batch[0], other[0])
        np.testing.assert_array_equal(batch[1], other[1])
    assert [len(y) for _, y in selection.tf_data(3).as_numpy_iterator()] == [3, 2]
    orders = [
        [np.concatenate([y for _, y in dataset.as_numpy_iterator()]).tolist() for _ in range(3)]
        for dataset in (selection.tf_data(2, 5), selection.tf_data(2, 5))
    ]
    assert orders[0] == orders[1]


def test_batches_of_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="has no batch"):
        in_memory(examples.batches(Arrays(images(), labels()), np.arange(0), 8))


def test_all_256_values_are_recovered() -> None:
    arrays = Arrays(np.repeat(ALL_VALUES[:, np.newaxis], 2, axis=1), np.arange(256) % 2)
    x = in_memory(examples.Selection(arrays, np.arange(256)).tf_data(100)).x
    np.testing.assert_array_equal(x.numpy(), arrays.x)


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal(size=(20, 4)),
        np.random.default_rng(0).random((20, 4)),  # in [0, 1], but not in steps of a 255th
        np.random.default_rng(0).integers(0, 17, (20, 4)) / 16,  # as scikit-learn's digits
        np.random.default_rng(0).integers(0, 256, (20, 4)) * 1.0,  # not scaled
        np.full((20, 4), 1 + 2**-20),
        np.full((20, 4), -1 / 255),
    ],
    ids=["normal", "uniform", "sixteenths", "not scaled", "above 1", "below 0"],
)
def test_a_float_data_set_stays_float_and_exact(x: np.ndarray) -> None:
    arrays = Arrays(x, labels())
    actual = in_memory(examples.Selection(arrays, np.arange(20)).tf_data(8)).x
    assert actual.dtype == tf.float32
    np.testing.assert_array_equal(actual.numpy(), arrays.x)


def test_missing_numbers_are_no_8_bit_images() -> None:
    x = np.full((4, 3), np.nan, np.float32)
    actual = in_memory(of_batches(x)).x
    assert actual.dtype == tf.float32
    assert np.isnan(actual.numpy()).all()


def test_other_dtypes_are_left_alone() -> None:
    for dtype in (np.float64, np.int32, np.float16, np.uint8):
        batches = np.arange(24).reshape(3, 4, 2).astype(dtype)
        actual = in_memory(of_batches(*batches)).x
        assert actual.dtype == dtype
        np.testing.assert_array_equal(actual.numpy(), batches.reshape(12, 2))


class Handed:
    """What `in_memory` asks of a data set; to make one of TensorFlow takes a twentieth of a second."""

    def __init__(self, *parts: np.ndarray) -> None:
        """Takes the batches as they are."""
        self._parts, self._starts = parts, np.cumsum([0, *map(len, parts)])

    def as_numpy_iterator(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for part, start in zip(self._parts, self._starts, strict=False):
            yield part, np.arange(start, start + len(part))


def test_what_is_handed_without_a_pipeline_is_read_as_with_one() -> None:
    batches = [images(7), images(7, seed=1), images(2, seed=2)]
    piped, direct = (in_memory(source(*batches)) for source in (of_batches, Handed))
    np.testing.assert_array_equal(piped.x, direct.x)
    np.testing.assert_array_equal(piped.y, direct.y)
    assert (piped.x.dtype, piped.y.dtype, piped.batch_size) == (direct.x.dtype, direct.y.dtype, direct.batch_size)


PACKABLE = as_float(tf.constant(np.repeat(ALL_VALUES[:, np.newaxis], 3, axis=1))).numpy()
NOT_PACKABLE = np.random.default_rng(0).normal(size=(256, 3)).astype(np.float32)


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5)), min_size=1, max_size=5), st.integers(0, 250))
def test_any_mixture_of_batches_comes_back_exactly(kinds: list[tuple[bool, int]], start: int) -> None:
    parts = [(PACKABLE if packable else NOT_PACKABLE)[start : start + count] for packable, count in kinds]
    read = in_memory(Handed(*parts))
    x, y, batch_size = read.x, read.y, read.batch_size
    assert x.dtype == (tf.uint8 if all(packable for packable, _ in kinds) else tf.float32)
    np.testing.assert_array_equal(as_float(x).numpy(), np.concatenate(parts))
    np.testing.assert_array_equal(y.numpy(), np.arange(len(x)))
    assert batch_size == len(parts[0])


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-0.5, 1.5, width=32)))
def test_any_floats_come_back_exactly(x: np.ndarray) -> None:
    actual = in_memory(Handed(x)).x
    np.testing.assert_array_equal(as_float(actual).numpy(), x)


def test_a_data_set_without_a_batch_is_refused() -> None:
    with pytest.raises(InputError, match="no batch") as caught:
        in_memory(of_batches(images(4)).take(0))
    assert "\n" not in str(caught.value)
