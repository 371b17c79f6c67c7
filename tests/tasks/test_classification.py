"""Classification as a task: its labels, and the numbers that follow from them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pytest
import tensorflow as tf

from kit.tasks import CLASSIFICATION, Classification
from kit.toolbox import setup
from kit.types import ModelOutputs, Outputs

LABELS = np.array([0, 1, 2, 1])


def test_whole_numbers_of_one_axis_are_labels() -> None:
    assert CLASSIFICATION.check(LABELS) is LABELS
    assert CLASSIFICATION.num_outputs(LABELS) == 3
    assert CLASSIFICATION.strata(LABELS).tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(np.eye(3, dtype=int)[LABELS], LABELS, id="one-hot"),
        pytest.param(np.eye(3, dtype=np.float32)[LABELS], LABELS, id="one-hot floats"),
        pytest.param(LABELS[:, np.newaxis], LABELS, id="a column"),
        pytest.param(LABELS * 1.0, LABELS, id="whole floats"),
        pytest.param(LABELS[:, np.newaxis] * 1.0, LABELS, id="a column of whole floats"),
        pytest.param(np.array([-1, 1, 1, -1]), [0, 1, 1, 0], id="of a support vector machine"),
    ],
)
def test_other_forms_become_whole_numbers_of_one_axis(labels: np.ndarray, expected: Sequence[int]) -> None:
    checked = CLASSIFICATION.check(labels)
    assert checked.dtype.kind == "i"
    np.testing.assert_array_equal(checked, expected)


def test_the_names_of_what_was_renumbered_are_kept() -> None:
    assert CLASSIFICATION.classes(np.array([1, -1])) == ("-1", "1")
    assert CLASSIFICATION.classes(LABELS) == ()


@pytest.mark.parametrize(
    ("labels", "fragments"),
    [
        pytest.param(np.ones((4, 4), int), ["(4, 4)", "a single 1", "'multilabel'"], id="several classes"),
        pytest.param(np.ones((4, 2)) / 2, ["(4, 2)", "'regression'"], id="several numbers"),
        pytest.param(LABELS - 1, ["dtype int64 and begins with [-1, 0, 1]", "numpy.unique"], id="negative label"),
        pytest.param(LABELS / 2, ["'y' has dtype float64 and begins with [0.0, 0.5, 1.0]"], id="halves"),
    ],
)
def test_other_labels_are_refused(refused: Callable[..., str], labels: np.ndarray, fragments: list[str]) -> None:
    refused(lambda: CLASSIFICATION.check(labels), *fragments)


def test_the_loss_is_that_of_keras_and_of_the_statistic() -> None:
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(50, 5)).astype(np.float32), generator.integers(0, 5, 50)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(probabilities[np.arange(50), labels])
    losses = keras.ops.convert_to_numpy(CLASSIFICATION.loss(logits, labels))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    statistic = CLASSIFICATION.statistic(logits, labels).astype(np.float64)
    np.testing.assert_allclose(np.logaddexp(0, -statistic), expected, rtol=1e-5)


def test_the_loss_and_its_gradient_have_the_bits_of_tensorflows_own() -> None:
    setup.prepare()  # results are to be repeatable
    generator = np.random.default_rng(2)
    logits = tf.constant(generator.normal(scale=8.0, size=(50, 5)), tf.float32)
    labels = tf.constant(generator.integers(0, 5, 50), tf.int32)

    def bits(loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> list[bytes]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = loss(logits, labels)
            mean = tf.reduce_mean(losses)
        return [losses.numpy().tobytes(), tape.gradient(mean, logits).numpy().tobytes()]

    own = bits(lambda logits, labels: tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    assert bits(CLASSIFICATION.loss) == own


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_that_is_no_class_has_no_loss(label: int) -> None:
    first, second = CLASSIFICATION.loss(tf.zeros((2, 3)), tf.constant([0, label])).numpy()
    assert first == pytest.approx(np.log(3))
    assert np.isnan(second)


def test_outputs_made_with_the_task_are_those_of_logits() -> None:
    generator = np.random.default_rng(1)
    logits, labels = generator.normal(size=(20, 3)), generator.integers(0, 3, 20)
    outputs = ModelOutputs.of_logits({"test": logits}, {"test": labels})
    assert outputs.confidences["test"].tolist() == CLASSIFICATION.statistic(logits, labels).tolist()
    assert outputs.correct["test"].tolist() == CLASSIFICATION.correct(logits, labels).tolist()
    population = Outputs.of_models("m", [outputs], {"test": labels}, seconds=[1.0], seeds=[0])
    np.testing.assert_allclose(population.losses("test")[0], CLASSIFICATION.loss(logits, labels), rtol=1e-5)


def test_who_always_names_the_most_frequent_class_is_right_so_often() -> None:
    assert CLASSIFICATION.constant_accuracy(LABELS) == 0.5


def test_a_task_is_equal_to_its_copy_in_another_process() -> None:
    assert pickle.loads(pickle.dumps(CLASSIFICATION)) == Classification()
    assert hash(CLASSIFICATION) == hash(Classification())
