"""Class weights and label smoothing: against Keras's own, and from a recipe's file to the training."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

import kit
from kit.challenges import losses
from kit.models import compiled
from kit.tasks import CLASSIFICATION, Classification, Regression
from kit.types import InputError
from kit.types.loss_settings import LossSettings

generator = np.random.default_rng(0)
LOGITS, LABELS = generator.normal(size=(12, 3)).astype(np.float32), np.arange(12) % 3


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_keras_with_sample_weights_and_label_smoothing(smoothing: float) -> None:
    weights = (0.5, 1.0, 4.0)
    task = Classification(weights, smoothing)
    keras_loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction="none")
    expected = keras_loss(np.eye(3, dtype=np.float32)[LABELS], LOGITS) * np.array(weights)[LABELS]
    np.testing.assert_allclose(task.loss(LOGITS, LABELS), expected, rtol=1e-5)
    plain = Classification((), smoothing).loss(LOGITS, LABELS)
    np.testing.assert_allclose(plain, keras_loss(np.eye(3, dtype=np.float32)[LABELS], LOGITS), rtol=1e-5)


def test_the_plain_loss_has_the_bits_it_had() -> None:
    ones = Classification((1.0, 1.0, 1.0)).loss(LOGITS, LABELS)
    np.testing.assert_array_equal(ones, CLASSIFICATION.loss(LOGITS, LABELS))


def test_attacks_and_accuracies_do_not_ask_for_the_loss() -> None:
    task = Classification((0.5, 1.0, 4.0), 0.3)
    np.testing.assert_array_equal(task.statistic(LOGITS, LABELS), CLASSIFICATION.statistic(LOGITS, LABELS))
    np.testing.assert_array_equal(task.correct(LOGITS, LABELS), CLASSIFICATION.correct(LOGITS, LABELS))


def test_balanced_is_scikit_learns() -> None:
    y = np.repeat([0, 1, 2], [7, 2, 1])
    weights = losses.of_task(CLASSIFICATION, LossSettings("balanced"), y, ()).class_weights
    np.testing.assert_allclose(weights, compute_class_weight("balanced", classes=np.arange(3), y=y))


def test_weights_stand_by_the_names_of_classes() -> None:
    y, classes = np.array([0, 1, 2]), ("cat", "dog", "eel")
    assert losses.of_task(CLASSIFICATION, LossSettings({"eel": 3}), y, classes).class_weights == (1.0, 1.0, 3.0)
    assert losses.of_task(CLASSIFICATION, LossSettings({"2": 3}), y, ()).class_weights == (1.0, 1.0, 3.0)
    assert losses.of_task(CLASSIFICATION, LossSettings(), y, classes) is CLASSIFICATION
    with pytest.raises(InputError, match="the class 'ell', which no label has"):
        losses.of_task(CLASSIFICATION, LossSettings({"ell": 3}), y, classes)
    with pytest.raises(InputError, match="the task is regression"):
        losses.of_task(Regression(1.0), LossSettings({"eel": 3}), y, classes)


@pytest.mark.parametrize(
    "settings",
    [{"class_weights": "balance"}, {"class_weights": {"a": -1}}, {"class_weights": {"a": "1"}}, {"class_weights": [1]},
     {"label_smoothing": 1.0}, {"label_smoothing": -0.1}, {"label_smoothing": True}, {"label_smoothing": float("nan")}],
)  # fmt: skip
def test_what_is_no_weight_or_share_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match="Correct the value that is outside"):
        LossSettings(**settings)


def rare(tmp_path: Path, recipe: str) -> kit.Challenge:
    """A rare class that overlaps with the frequent one: who does not weigh it finds hardly any of its examples."""
    drawn = np.random.default_rng(1)
    y = np.where(drawn.random(600) < 0.1, "yes", "no")
    x = drawn.normal(size=(600, 2)) + (y == "yes")[:, np.newaxis]
    np.savez(tmp_path / "data.npz", x=x.astype(np.float32), y=y)
    (tmp_path / "recipe.toml").write_text(f"epochs = 15\nlearning_rate = 0.05\n{recipe}", encoding="utf-8")
    return kit.load_challenge(tmp_path / "data.npz", recipe=tmp_path / "recipe.toml")


def recall(challenge: kit.Challenge, model: str) -> float:
    outputs = kit.run_population(model, challenge, num_models=1)
    return float(outputs.correct["test"][0, challenge.labels("test") == 1].mean())


@pytest.mark.slow
def test_originals_and_retrained_models_are_trained_with_the_recipes_weights(tmp_path: Path) -> None:
    weighted = rare(tmp_path, "[loss]\nclass_weights = {yes = 9.0}\n")
    assert weighted.task == Classification((1.0, 9.0))
    plain = rare(tmp_path, "")
    for model in ("original", "retrain"):
        assert recall(weighted, model) > recall(plain, model) + 0.2
    with pytest.raises(kit.types.InputError, match="has class weights or label smoothing"):
        kit.evaluate("scrub", weighted)
    report = kit.evaluate("finetune", weighted, epochs=1)
    assert report.recipe["loss"] == "Classification(class_weights=(1.0, 9.0), label_smoothing=0.0)"


@pytest.mark.parametrize("section", ["class_weight = 'balanced'", "label_smoothing = 'much'", "class_weights = 'even'"])
def test_a_wrong_section_is_refused(section: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Correct"):
        rare(tmp_path, f"[loss]\n{section}\n")


@pytest.mark.parametrize(
    ("loss", "share"),
    [
        (keras.losses.CategoricalCrossentropy(label_smoothing=0.2), 0.2),
        (keras.losses.BinaryCrossentropy(label_smoothing=0.1), 0.1),
        ("categorical_crossentropy", 0.0),
        ([keras.losses.CategoricalCrossentropy(label_smoothing=0.2)], 0.2),
    ],
)
def test_label_smoothing_is_read_from_what_a_model_was_compiled_with(loss: object, share: float) -> None:
    net = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3, "softmax")])
    net.compile("adam", loss)
    assert compiled.of(net).label_smoothing == share


def test_what_a_recipe_from_the_model_reads_is_said(tmp_path: Path) -> None:
    net = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2, "softmax")])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    decay = keras.optimizers.schedules.ExponentialDecay(0.01, 100, 0.9)
    net.compile(keras.optimizers.Adam(decay, clipnorm=1.0), loss)
    np.savez(tmp_path / "data.npz", x=np.zeros((40, 2), np.float32), y=np.arange(40) % 2)
    (tmp_path / "recipe.toml").write_text('optimizer = "from model"\nepochs = 2\n', encoding="utf-8")
    lines: list[str] = []
    from kit.challenges import loading
    from kit.types import ModelOptions

    options = ModelOptions(recipe=tmp_path / "recipe.toml")
    net.save(tmp_path / "model.keras")
    challenge = loading.load(
        tmp_path / "data.npz", model=tmp_path / "model.keras", options=options, announce=lines.append
    )
    assert challenge.task == Classification((), 0.2)
    (line,) = (line for line in lines if line.startswith("recipe of the model"))
    assert "optimizer='adam'" in line
    assert "clipnorm=1.0" in line
    assert "rates: of ExponentialDecay" in line
