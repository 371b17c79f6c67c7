"""What a model was compiled with, read without looking anything up."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import pytest

from kit.models import compiled
from kit.models.compiled import Compiled

losses, optimizers = keras.losses, keras.optimizers


class Warming(optimizers.schedules.LearningRateSchedule):
    """Of the user's own: nobody else can say what it does."""

    def __call__(self, step: Any) -> Any:
        return 0.1

    def get_config(self) -> dict[str, Any]:
        return {}


def net(outputs: int = 1) -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(outputs)])


@pytest.mark.parametrize(
    ("loss", "outputs", "task"),
    [
        ("sparse_categorical_crossentropy", 3, "classification"),
        (losses.CategoricalCrossentropy(label_smoothing=0.1), 3, "classification"),
        ("binary_crossentropy", 1, "classification"),
        (losses.BinaryCrossentropy(from_logits=True), 4, "multilabel"),
        ("mse", 1, "regression"),
        (losses.MeanAbsoluteError(), 1, "absolute regression"),
        (losses.mean_squared_error, 1, "regression"),
        (["mae"], 1, "absolute regression"),
        ("poisson", 1, ""),
        (None, 1, ""),
    ],
)
def test_the_loss_tells_the_task(loss: Any, outputs: int, task: str, tmp_path: Path) -> None:
    model = net(outputs)
    model.compile("adam", loss)
    assert compiled.of(model).task(outputs) == task
    model.save(tmp_path / "model.keras")
    assert compiled.of_file(tmp_path / "model.keras") == compiled.of(model)


@pytest.mark.parametrize(
    ("optimizer", "name", "settings", "left_out"),
    [
        (optimizers.Adam(0.003), "adam", {"learning_rate": 0.003, "weight_decay": 0.0, "momentum": 0.0}, ()),
        (optimizers.AdamW(0.01), "adamw", {"learning_rate": 0.01, "weight_decay": 0.004, "momentum": 0.0}, ()),
        (optimizers.SGD(0.1, momentum=0.9), "sgd", {"learning_rate": 0.1, "weight_decay": 0.0, "momentum": 0.9}, ()),
        (
            optimizers.Adam(optimizers.schedules.CosineDecay(0.02, 100), clipnorm=1.0),
            "adam",
            {"learning_rate": 0.02, "weight_decay": 0.0, "momentum": 0.0, "clipnorm": 1.0},
            (),
        ),
        (
            optimizers.SGD(Warming()),
            "sgd",
            {"weight_decay": 0.0, "momentum": 0.0},
            ("its schedule Warming",),
        ),
        (optimizers.Nadam(), "", {"learning_rate": 0.001, "weight_decay": 0.0, "momentum": 0.0}, ()),
    ],
)
def test_the_optimiser_becomes_fields_of_a_recipe(
    optimizer: Any, name: str, settings: dict[str, float], left_out: tuple[str, ...]
) -> None:
    model = net()
    model.compile(optimizer, "mse")
    assert dataclasses.replace(compiled.of(model), schedule=None) == Compiled("mse", name, settings, left_out)


def test_a_model_that_was_not_compiled_tells_nothing(tmp_path: Path) -> None:
    assert compiled.of(net()) == Compiled()
    assert compiled.of_file(tmp_path / "none.keras") == Compiled()
