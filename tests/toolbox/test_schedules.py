"""Learning rates: against the formula written out, and against what Keras makes of it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kit.toolbox import schedules
from kit.types import InputError, Recipe


@pytest.mark.parametrize("epochs", [1, 2, 5, 10])
def test_without_a_warm_up_it_is_the_cosine_of_keras_and_of_recipes(epochs: int) -> None:
    keras_s = keras.optimizers.schedules.CosineDecay(0.3, epochs)
    rates = schedules.cosine(0.3, epochs)
    assert rates.dtype == np.float32
    np.testing.assert_allclose(rates, [float(keras_s(epoch)) for epoch in range(epochs)], rtol=1e-5)
    np.testing.assert_array_equal(rates, Recipe(epochs, 0.3).learning_rates())


@pytest.mark.parametrize(("epochs", "warm_up"), [(9, 1), (9, 3), (4, 3)])
def test_a_warm_up_is_a_line_to_the_highest_rate_at_which_the_cosine_begins(epochs: int, warm_up: int) -> None:
    rates = schedules.cosine(0.3, epochs, warm_up=warm_up)
    assert rates.dtype == np.float32
    assert len(rates) == epochs
    steps = np.diff([0.0, *rates[: warm_up + 1]])
    np.testing.assert_allclose(steps, 0.3 / (warm_up + 1), rtol=1e-5)
    np.testing.assert_array_equal(rates[warm_up:], schedules.cosine(0.3, epochs - warm_up))


@pytest.mark.parametrize(
    ("epochs", "warm_up", "expected"), [(0, 0, []), (0, 2, []), (1, 1, [0.3]), (2, 9, [0.15, 0.3])]
)
def test_a_warm_up_leaves_an_epoch_at_the_highest_rate(epochs: int, warm_up: int, expected: list[float]) -> None:
    np.testing.assert_allclose(schedules.cosine(0.3, epochs, warm_up=warm_up), expected, rtol=1e-6)


@pytest.mark.parametrize(("rate", "epochs"), [(0.0, 3), (-0.1, 3), (float("nan"), 3), (0.1, -1)])
def test_what_cannot_be_trained_with_is_refused(rate: float, epochs: int) -> None:
    with pytest.raises(InputError, match="cannot be trained with"):
        schedules.cosine(rate, epochs)


def test_steps_are_keras_piecewise_constant() -> None:
    keras_s = keras.optimizers.schedules.PiecewiseConstantDecay([1, 4], [0.3, 0.06, 0.012])  # changes behind a boundary
    recipe = Recipe(7, 0.3, schedule="step", milestones=(2, 5), step_factor=0.2)
    np.testing.assert_allclose(recipe.learning_rates(), [float(keras_s(epoch)) for epoch in range(7)], rtol=1e-6)
    assert recipe.learning_rates().dtype == np.float32


def test_listed_rates_are_as_they_are_listed() -> None:
    rates = Recipe(3, schedule="listed", rates=[0.1, 0.1, 0.01]).learning_rates()  # type: ignore[arg-type]  # TOML's
    np.testing.assert_array_equal(rates, np.array([0.1, 0.1, 0.01], np.float32))


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "step"},
        {"schedule": "step", "milestones": (3, 2)},
        {"schedule": "step", "milestones": (1.5,)},
        {"schedule": "step", "milestones": (2,), "step_factor": 0.0},
        {"schedule": "listed"},
        {"schedule": "listed", "rates": (0.1, 0.1)},
        {"schedule": "listed", "rates": (0.1, 0.1, -1.0)},
        {"milestones": (1,)},
        {"rates": (0.1, 0.1, 0.1)},
    ],
)
def test_a_schedule_without_what_it_needs_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"schedule '.*Correct the schedule"):
        Recipe(3, **changes)


@pytest.mark.parametrize("changes", [{"clipnorm": 0.0}, {"clipvalue": "1"}, {"clipnorm": 1.0, "global_clipnorm": 1.0}])
def test_clipping_is_one_positive_number(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="one of them at most"):
        Recipe(3, **changes)
