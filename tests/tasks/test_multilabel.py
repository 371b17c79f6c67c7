"""Several labels at once, as a task: against closed forms and Keras's own loss."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

from kit import tasks
from kit.tasks import MULTILABEL, Regression

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(scale=3.0, size=(40, 3))
LABELS = GENERATOR.integers(0, 2, (40, 3))


def test_the_loss_is_kerass_and_that_of_the_statistic() -> None:
    losses = keras.ops.convert_to_numpy(MULTILABEL.loss(LOGITS, LABELS))
    own = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)(LABELS, LOGITS)
    np.testing.assert_allclose(losses, keras.ops.convert_to_numpy(own), rtol=1e-5)
    statistic = MULTILABEL.statistic(LOGITS, LABELS).astype(np.float64)
    np.testing.assert_allclose(np.logaddexp(0, -statistic), losses, rtol=1e-5)


def test_what_is_right_and_what_a_constant_answer_gets() -> None:
    labels = np.array([[1, 0], [1, 0], [0, 1]])
    assert MULTILABEL.correct(np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, 2.0]]), labels).tolist() == [True, False, True]
    assert MULTILABEL.constant_accuracy(labels) == pytest.approx(2 / 3)
    assert MULTILABEL.strata(np.array([[1, 1], [0, 0], [0, 1]])).tolist() == [2, 0, 1]


@pytest.mark.parametrize("labels", [np.arange(4), np.full((4, 2), 2), np.full((4, 2), 0.5)])
def test_what_is_no_row_of_labels_is_refused(labels: np.ndarray, refused: Callable[..., str]) -> None:
    refused(lambda: MULTILABEL.check(labels), "MultiLabelBinarizer")


@pytest.mark.parametrize(("error", "own"), [("squared", "MeanSquaredError"), ("absolute", "MeanAbsoluteError")])
@pytest.mark.parametrize("shape", [(40,), (40, 3)])
def test_the_loss_of_a_regression_is_kerass(error: str, own: str, shape: tuple[int, ...]) -> None:
    task = Regression(error=error)  # type: ignore[arg-type]
    labels = task.check(GENERATOR.normal(size=shape) * 100)
    outputs = GENERATOR.normal(size=(40, task.num_outputs(labels))) * 100
    expected = getattr(keras.losses, own)(reduction=None)(labels.reshape(outputs.shape), outputs)
    losses = keras.ops.convert_to_numpy(task.loss(outputs, labels))
    np.testing.assert_allclose(losses, keras.ops.convert_to_numpy(expected), rtol=1e-5)
    statistic = task.statistic(outputs, labels).astype(np.float64)
    np.testing.assert_allclose(np.logaddexp(0, -statistic), losses, rtol=1e-5)


def test_an_answer_is_right_within_half_a_standard_deviation() -> None:
    task = tasks.get("regression", np.array([0.0, 8.0]))
    assert task.correct(np.array([[1.0], [3.0]]), np.array([0.0, 0.0])).tolist() == [True, False]
    assert task.constant_accuracy(np.array([0.0, 1.0, 9.0])) == pytest.approx(2 / 3)


def test_an_unknown_task_is_refused(refused: Callable[..., str]) -> None:
    refused(lambda: tasks.get("regresion", LABELS), "'regresion'", "Did you mean regression")
