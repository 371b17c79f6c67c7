"""What is said of an original that knows nothing, or that was trained otherwise than its reference."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from retrainings import taking

import kit
from kit import evaluation
from kit import reports as report
from kit.evaluation import scoring
from kit.evaluation.comparison import doubts_about_original
from kit.runs import timing
from kit.tasks import CLASSIFICATION
from kit.types import PARTS, Arrays, Comparison, Outputs, Recipe


@pytest.fixture(autouse=True)
def no_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a retraining takes in plain Keras is of no matter here, and takes seconds to find out."""
    monkeypatch.setattr(timing, "reference", lambda challenge, **_: taking(1.0))


def outputs(accuracies: dict[str, float], models: int = 1, labels: np.ndarray | None = None) -> Outputs:
    """Models that are right on these shares of 100 examples a part."""
    y = np.arange(100, dtype=np.int32) % 4 if labels is None else labels
    correct = {part: np.tile(np.arange(100) < round(100 * accuracies.get(part, 0.9)), (models, 1)) for part in PARTS}
    return Outputs(
        method="some",
        confidences={part: np.zeros((models, 100), np.float32) for part in PARTS},
        correct=correct,
        labels=dict.fromkeys(PARTS, y),
        seconds=np.ones(models),
        seeds=np.arange(models),
    )


def said(original: dict[str, float], retrained: dict[str, float], labels: np.ndarray | None = None) -> list[str]:
    members = np.arange(20)
    models = outputs(original, labels=labels), outputs(retrained, 3, labels)
    challenge: Any = SimpleNamespace(task=CLASSIFICATION, labels=lambda part: models[0].labels[part])
    return doubts_about_original(challenge, Comparison(*models, members, members, "", 1.0))


def test_nothing_is_said_of_models_that_were_trained_alike() -> None:
    assert said({"test": 0.80}, {"test": 0.84}) == []
    assert said({"test": 0.84}, {"test": 0.80}) == []


@pytest.mark.parametrize("test", [0.70, 0.98])
def test_a_reference_of_another_accuracy_is_told(test: float) -> None:
    (sentence,) = said({"test": 0.84}, {"test": test})
    assert "0.840" in sentence
    assert f"{test:.3f}" in sentence
    assert "--recipe" in sentence


@pytest.mark.parametrize(("right", "is_told"), [(0.20, True), (0.25, True), (0.26, False)])
def test_an_original_that_is_no_better_than_the_most_frequent_class_is_told(right: float, is_told: bool) -> None:
    sentences = said({"retain": right}, {})
    assert [f"{right:.1%}" in sentence and "scaled" in sentence for sentence in sentences] == [True] * is_told


def test_the_most_frequent_class_counts() -> None:
    labels = np.repeat([0, 1, 2], [90, 5, 5]).astype(np.int32)
    assert len(said({"retain": 0.90}, {}, labels)) == 1
    assert said({"retain": 0.91}, {}, labels) == []


def test_both_stand_in_the_report_of_the_original_and_below_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    arrays = Arrays(generator.normal(size=(400, 6)) + 3 * np.eye(4, 6)[np.arange(400) % 4], np.arange(400) % 4)
    net = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)], name="scorecard")
    net.set_weights([-np.eye(6, 4), np.zeros(4)])  # names every class but the right one
    challenge = kit.make_challenge("mine", arrays, model=net, recipe=Recipe(epochs=5))
    result = evaluation.evaluate_all(["finetune"], challenge, num_retrained=3)
    assert [len(row.warnings) for row in result.reports] == [2, 0, 0]
    report.print_table(result.reports)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Note (original): it gets " in printed
    assert "Note (original): its test accuracy is " in printed
    (first, *_) = report.to_json(result.reports)["reports"]
    assert len(first["warnings"]) == 2
    assert first["model"] == "scorecard"
    assert (first["recipe"]["epochs"], first["recipe"]["batch_size"], first["recipe"]["training_seed"]) == (5, 64, 0)


@pytest.mark.parametrize("name", ["noisy-digits", pytest.param("digits", marks=pytest.mark.slow)])
def test_of_the_kits_own_challenges_nothing_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "score_rows", lambda compared, folder: {row: {} for row in compared})
    assert evaluation.evaluate("original", kit.load_challenge(name)).warnings == ()
