"""Models that predict numbers: prices, demand, ratings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from user_models.cases import ROWS, Case, case, draw, fitted

layers = keras.layers
X = draw().normal(size=(ROWS, 4)).astype("float32")
Y = X[:, 0] + draw().normal(size=ROWS)


def regressor(outputs: int = 1, end: str | None = None) -> keras.Model:
    parts = [keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(outputs, activation=end)]
    return keras.Sequential(parts, name="prices")


def numbers(y: np.ndarray, loss: Any = "mse", **settings: Any) -> Case:
    return Case(fitted(regressor(**settings), X, y, loss), X, {"x": X, "y": y})


@case
def squared_error(folder: Path) -> Case:
    return numbers(Y)


@case
def absolute_error(folder: Path) -> Case:
    return numbers(Y[:, np.newaxis], "mean_absolute_error")


@case
def a_loss_with_settings(folder: Path) -> Case:
    return numbers(Y, keras.losses.MeanSquaredError())


@case
def prices_in_thousands(folder: Path) -> Case:
    return numbers((300_000 + 50_000 * Y).astype(int))


@case
def positive_numbers(folder: Path) -> Case:
    return numbers(np.exp(Y), end="softplus")


@case
def three_numbers_at_once(folder: Path) -> Case:
    return numbers(X[:, :3] * 2, outputs=3)


@case
def a_loss_that_the_model_does_not_tell(folder: Path) -> Case:
    net = regressor()
    return Case(net, X, {"x": X, "y": Y}, refused=("begins with", "the task 'regression'"))


@case
def a_task_that_is_named(folder: Path) -> Case:
    return Case(regressor(), X, {"x": X, "y": Y}, {"task": "regression"})


@case
def ratings_of_films_by_people(folder: Path) -> Case:
    people, films = keras.Input((1,), dtype="int32", name="user"), keras.Input((1,), dtype="int32", name="item")
    factors = [layers.Flatten()(layers.Embedding(number, 4)(ids)) for number, ids in ((20, people), (30, films))]
    net = keras.Model({"user": people, "item": films}, layers.Dense(1)(layers.Multiply()(factors)), name="films")
    generator = draw()
    inputs = {"user": generator.integers(0, 20, ROWS), "item": generator.integers(0, 30, ROWS)}
    y = generator.integers(1, 6, ROWS).astype("float32")
    fitted(net, inputs, y, "mse")
    return Case(net, inputs, {"x_user": inputs["user"], "x_item": inputs["item"], "y": y})
