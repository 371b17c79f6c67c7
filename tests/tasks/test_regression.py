"""The seam of tasks: a regression that stands in this file alone goes from arrays to a table."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from rich.console import Console
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

import kit
from kit.reports import table
from kit.runs import originals
from kit.toolbox.losses import Batch, TaskLoss
from kit.types import InputError, Task


@dataclass(frozen=True)
class Regression:
    """One number an example, the mean squared error, and an attack on the squared error.

    Args:
        tolerance: an answer that is nearer to the label is right.
    """

    tolerance: float = 0.5

    name: ClassVar[str] = "regression"
    keeps_logits: ClassVar[bool] = False
    constant: ClassVar[str] = "always answers with the median"
    stratum: ClassVar[str] = "quarter"

    def check(self, y: np.ndarray) -> np.ndarray:
        if y.ndim != 1 or y.dtype.kind != "f":
            raise InputError(
                f"'y' has shape {y.shape} and dtype {y.dtype}. Expected one float an example. Use y.astype(float)."
            )
        return y

    def classes(self, y: np.ndarray) -> tuple[str, ...]:
        return ()

    def num_outputs(self, y: np.ndarray) -> int:
        return 1

    def loss(self, outputs: Any, y: Any) -> Any:
        return keras.ops.square(keras.ops.reshape(outputs, (-1,)) - y)

    def statistic(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        error = np.square(np.asarray(outputs, np.float64)[:, 0] - y)
        return (-np.log(np.expm1(np.maximum(error, 1e-12)))).astype(np.float32)

    def correct(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.abs(np.asarray(outputs)[:, 0] - y) < self.tolerance

    def strata(self, y: np.ndarray) -> np.ndarray:
        return np.searchsorted(np.quantile(y, [0.25, 0.5, 0.75]), y).astype(np.int32)

    def constant_accuracy(self, y: np.ndarray) -> float:
        return float((np.abs(y - np.median(y)) < self.tolerance).mean())


TASK: Task = Regression()
EXAMPLES, FEATURES = 400, 40


@pytest.fixture(scope="module")
def challenge() -> kit.Challenge:
    """Noise that 128 hidden units can learn by heart and nobody can predict: members have smaller errors."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(EXAMPLES, FEATURES))
    y = x[:, 0] + generator.normal(size=EXAMPLES)
    recipe = kit.Recipe(epochs=60, learning_rate=0.01, weight_decay=0.0)
    gentle = {"finetune": {"learning_rate": 0.01}}
    arrays = kit.Arrays(x, y)
    return kit.make_challenge("numbers", arrays, forget="random:0.2", recipe=recipe, hyperparameters=gentle, task=TASK)


@pytest.fixture(scope="module")
def evaluation(challenge: kit.Challenge, tmp_path_factory: pytest.TempPathFactory) -> kit.Evaluation:
    return kit.evaluate_all(
        ["finetune"], challenge, num_models=2, num_retrained=4, root=tmp_path_factory.mktemp("runs")
    )


def test_labels_stay_numbers_and_models_have_one_output(challenge: kit.Challenge) -> None:
    assert challenge.train.y.dtype == np.float32
    assert originals.build(challenge).output_shape == (None, 1)
    assert set(np.concatenate([challenge.strata(part) for part in ("retain", "forget")])) == {0, 1, 2, 3}


def test_the_original_is_trained_on_the_squared_error(challenge: kit.Challenge) -> None:
    net = originals.build(challenge)
    net.set_weights(originals.load(challenge).weights)
    errors = [np.square(net(part.x).numpy()[:, 0] - part.y).mean() for part in (challenge.train, challenge.test)]
    assert errors[0] < 0.1 * challenge.train.y.var()
    assert errors[1] > 2 * errors[0]


@pytest.mark.slow
def test_the_loss_of_outputs_is_the_squared_error(evaluation: kit.Evaluation, challenge: kit.Challenge) -> None:
    net = originals.build(challenge)
    net.set_weights(originals.load(challenge).weights)
    expected = np.square(net(challenge.test.x).numpy()[:, 0] - challenge.test.y)
    np.testing.assert_allclose(evaluation.outputs["original"].losses("test")[0], expected, rtol=1e-4, atol=1e-6)


def test_the_attack_on_the_squared_error_finds_who_was_learnt_by_heart(evaluation: kit.Evaluation) -> None:
    reports = {report.method: report for report in evaluation.reports}
    losses = [evaluation.outputs["original"].losses(part)[0] for part in ("forget", "test")]
    auc = roc_auc_score(np.repeat([1, 0], [len(side) for side in losses]), -np.concatenate(losses))
    assert auc > 0.7
    assert reports["original"].scores["mia_auc"].value == pytest.approx(auc, abs=0.1)  # on matched examples alone
    gap, error = reports["original"].scores["mia_gap"].value, reports["original"].scores["mia_gap"].stderr
    assert gap is not None and error is not None and gap / error > norm.ppf(0.99)  # noqa: PT018


def test_scores_of_class_probabilities_say_why_they_are_empty(evaluation: kit.Evaluation) -> None:
    (report,) = (report for report in evaluation.reports if report.method == "finetune")
    for name in ("js_to_retrain", "svc_mia_efficacy"):
        assert report.scores[name].value is None
        assert "logits" in report.scores[name].reason


def test_the_table_is_printed_and_written(evaluation: kit.Evaluation) -> None:
    stream = io.StringIO()
    table.print_table(evaluation.reports, Console(file=stream, width=100))
    for word in ("numbers", "original", "finetune", "retrain", "AUC"):
        assert word in stream.getvalue()
    assert json.loads(json.dumps(kit.report.to_json(evaluation.reports)))["reports"][0]["challenge"] == "numbers"


def test_a_second_evaluation_finds_the_first(challenge: kit.Challenge, tmp_path: Path) -> None:
    first, second = (kit.evaluate("finetune", challenge, num_retrained=3, root=tmp_path) for _ in range(2))
    assert first.scores == second.scores
    assert first.seconds == second.seconds


def test_a_method_for_classification_is_refused(challenge: kit.Challenge, refused: Callable[..., str]) -> None:
    refused(lambda: kit.evaluate("scrub", challenge), "'scrub' is for classification", "regression", "finetune")


def test_labels_that_are_none_of_the_task_are_refused(refused: Callable[..., str]) -> None:
    refused(lambda: kit.make_challenge("a", kit.Arrays(np.eye(40), np.arange(40) % 4), task=TASK), "dtype int32")


def test_the_loss_of_a_task_is_equal_to_another_of_the_same_task() -> None:
    batch = Batch(keras.ops.array([[1.0], [3.0]]), keras.ops.array([0.0, 0.0]))
    assert float(TaskLoss(TASK)(batch)) == 5.0
    assert TaskLoss(TASK) == TaskLoss(Regression())
    assert TaskLoss(TASK) != TaskLoss(Regression(tolerance=1.0))
