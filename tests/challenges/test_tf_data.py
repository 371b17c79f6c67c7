"""Data sets of TensorFlow's as a user's data: the same examples as from arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from owners import RECIPE, RECORDS, data, model

import kit
from kit.challenges import tf_data
from kit.requests import prepare
from kit.types import InputError, ModelOptions

X = np.arange(12, dtype="float32").reshape(6, 2)
Y = np.array([0, 1, 0, 1, 1, 0])
JOB = np.array(["cook", "clerk", "nurse", "cook", "äöü", "cook"])
slices = tf.data.Dataset.from_tensor_slices


@pytest.mark.parametrize("change", [lambda ds: ds, lambda ds: ds.batch(4)], ids=["one by one", "in batches"])
def test_examples_are_those_of_the_arrays(change: Callable[[tf.data.Dataset], tf.data.Dataset]) -> None:
    arrays = tf_data.read(change(slices((X, Y, X[:, 0]))))
    assert isinstance(arrays, kit.Arrays)
    np.testing.assert_array_equal(arrays.x, X)
    np.testing.assert_array_equal(arrays.y, Y)
    np.testing.assert_array_equal(arrays.sample_weight, X[:, 0])
    table = tf_data.read(change(slices(({"age": X[:, 0], "job": JOB}, Y))))
    assert isinstance(table, kit.Table)
    np.testing.assert_array_equal(table.inputs["age"], X[:, 0])
    np.testing.assert_array_equal(table.inputs["job"], JOB)
    assert tf_data.read(change(slices(((X, JOB), Y)))).inputs.keys() == {"0", "1"}


@pytest.mark.parametrize(
    ("dataset", "fragment"),
    [
        (slices(X), "elements of the form"),
        (slices((X, Y)).repeat(), "never ends"),
        (slices((X, Y)).take(0), "no element"),
        (slices((np.arange(2000.0)[:, np.newaxis], np.arange(2000) % 7)).shuffle(2000), "leave out shuffle"),
    ],
)
def test_what_is_no_data_of_a_request_is_refused(dataset: tf.data.Dataset, fragment: str) -> None:
    with pytest.raises(InputError, match=f"(?i){fragment}"):
        tf_data.read(dataset)


def test_a_request_takes_one() -> None:
    arrays, partition = data()
    request = prepare(
        model(), slices((arrays.x, arrays.y)).batch(32), RECORDS, ModelOptions(RECIPE), partition=partition
    )
    expected = prepare(model(), arrays, RECORDS, ModelOptions(RECIPE), partition=partition)
    assert request.data_sha256 == expected.data_sha256
    np.testing.assert_array_equal(request.rows, RECORDS)
