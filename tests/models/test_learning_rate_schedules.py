"""Schedules of the learning rate, held against Keras's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.challenges import recipes
from kit.models import compiled
from kit.models.schedules import Schedule

schedules = keras.optimizers.schedules
EVERY = [
    schedules.CosineDecay(0.1, 40),
    schedules.CosineDecay(0.1, 40, alpha=0.05),
    schedules.CosineDecay(0.01, 30, warmup_target=0.2, warmup_steps=7),
    schedules.CosineDecay(0.0, 30, alpha=0.1, warmup_target=0.2, warmup_steps=20),
    schedules.CosineDecayRestarts(0.1, 9),
    schedules.CosineDecayRestarts(0.1, 11, t_mul=1.0, m_mul=0.7, alpha=0.01),
    schedules.CosineDecayRestarts(0.1, 7, t_mul=1.5, m_mul=0.9),
    schedules.ExponentialDecay(0.1, 10, 0.5),
    schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True),
    schedules.InverseTimeDecay(0.1, 10, 0.5),
    schedules.InverseTimeDecay(0.1, 10, 0.5, staircase=True),
    schedules.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1]),
    schedules.PolynomialDecay(0.1, 30, 0.01, power=2.0),
    schedules.PolynomialDecay(0.1, 13, 0.01, power=0.5, cycle=True),
]


def read(schedule: Any) -> Schedule | None:
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    net.compile(keras.optimizers.SGD(schedule), "mse")
    return compiled.of(net).schedule


@pytest.mark.parametrize("schedule", EVERY, ids=lambda each: type(each).__name__)
def test_every_schedule_of_keras_is_read_step_by_step(schedule: Any, tmp_path: Path) -> None:
    ours = read(schedule)
    assert ours is not None
    steps = np.arange(60)
    theirs = [float(schedule(step)) for step in steps]
    off = np.abs(ours.at(steps) - theirs)
    # At a restart, Keras's 32 bits may be on the other side of it.
    assert (off < 1e-5).mean() >= (0.95 if "Restarts" in ours.name else 1.0)
    np.testing.assert_allclose(
        ours.rates(epochs=5, steps=12), ours.at(steps).reshape(5, 12).mean(axis=1), rtol=1e-5, atol=1e-9
    )


def test_all_of_keras_are_here() -> None:
    names = {name for name in dir(schedules) if name.endswith(("Decay", "Restarts"))}
    assert {type(each).__name__ for each in EVERY} == names


def test_rates_behind_the_end_of_a_schedule_are_next_to_nothing() -> None:
    ours = read(schedules.CosineDecay(0.1, 10))
    assert ours is not None
    rates = ours.rates(epochs=3, steps=10)
    assert kit.Recipe(epochs=3, schedule="listed", rates=rates).learning_rates().tolist() == pytest.approx(rates)
    assert 0 < rates[2] < 1e-9


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Own", {"initial_learning_rate": 0.1}),
        ("CosineDecay", {"initial_learning_rate": 0.1}),
        ("CosineDecay", {"initial_learning_rate": "0.1", "decay_steps": 3}),
        ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 0}),
        ("ExponentialDecay", {"initial_learning_rate": -0.1, "decay_steps": 3, "decay_rate": 0.5}),
        ("PiecewiseConstantDecay", {"boundaries": [0], "values": [0.1]}),
    ],
)
def test_what_says_no_rates_is_none(name: str, settings: dict[str, Any]) -> None:
    assert not Schedule(name, settings).is_known


def from_model(tmp_path: Path, *lines: str) -> recipes.RecipeFile:
    path = tmp_path / "recipe.toml"
    path.write_text("\n".join(['optimizer = "from model"', *lines]) + "\n")
    return recipes.read(path)


def test_a_recipe_from_the_model_lists_the_rates_of_its_schedule(tmp_path: Path, refused: Callable[..., str]) -> None:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    piecewise = schedules.PiecewiseConstantDecay([10, 20], [0.5, 0.1, 0.02])  # steps up to 10, that is 11 of them
    net.compile(keras.optimizers.Adam(piecewise), "sparse_categorical_crossentropy")
    settings = compiled.of(net)
    recipe = from_model(tmp_path, "epochs = 3").recipe(settings, 10)
    assert (recipe.optimizer, recipe.schedule) == ("adam", "listed")
    np.testing.assert_allclose(recipe.learning_rates(), [0.5, 0.14, 0.028], rtol=1e-6)
    constant = from_model(tmp_path, "epochs = 3", "learning_rate = 0.3").recipe(settings, 10)
    assert constant.learning_rates().tolist() == pytest.approx([0.3] * 3)
    refused(lambda: from_model(tmp_path, "epochs = -1").recipe(settings, 10), "epochs")
    arrays = kit.Arrays(np.random.default_rng(0).normal(size=(200, 4)), np.arange(200) % 2)
    np.savez(tmp_path / "data.npz", x=arrays.x, y=arrays.y, partition=np.repeat([0, 1, 2], [150, 25, 25]))
    net.save(tmp_path / "model.keras")
    from_model(tmp_path, "epochs = 3", "batch_size = 15")  # ten steps an epoch
    lines: list[str] = []
    options = kit.types.ModelOptions(recipe=tmp_path / "recipe.toml")
    given = {"model": tmp_path / "model.keras", "forget": [1], "options": options, "announce": lines.append}
    challenge = kit.challenges.loading.load(tmp_path / "data.npz", **given)
    np.testing.assert_allclose(challenge.recipe.learning_rates(), [0.5, 0.14, 0.028], rtol=1e-6)
    assert any("rates: of PiecewiseConstantDecay" in line for line in lines)
