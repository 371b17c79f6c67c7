"""One small network, and labels in all the forms in which people keep them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from user_models.cases import ROWS, Case, case, draw, fitted

layers = keras.layers
X = draw().normal(size=(ROWS, 4)).astype("float32")
BINARY = (X[:, 0] > 0).astype(int)
THREE = np.arange(ROWS) % 3


def network(outputs: int, end: str | None) -> keras.Model:
    parts = [keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(outputs, activation=end)]
    return keras.Sequential(parts, name="scorecard")


def binary(y: np.ndarray, end: str | None = "sigmoid") -> Case:
    loss = "binary_crossentropy" if end else keras.losses.BinaryCrossentropy(from_logits=True)
    return Case(fitted(network(1, end), X, BINARY, loss), X, {"x": X, "y": y})


def classes(y: np.ndarray) -> Case:
    return Case(fitted(network(3, "softmax"), X, THREE, "sparse_categorical_crossentropy"), X, {"x": X, "y": y})


@case
def integers(folder: Path) -> Case:
    return classes(THREE)


@case
def whole_floats(folder: Path) -> Case:
    return classes(THREE.astype(float))


@case
def a_column(folder: Path) -> Case:
    return classes(THREE[:, np.newaxis])


@case
def one_hot(folder: Path) -> Case:
    y = np.eye(3)[THREE]
    return Case(fitted(network(3, "softmax"), X, y, "categorical_crossentropy"), X, {"x": X, "y": y})


@case
def texts(folder: Path) -> Case:
    return classes(np.array(["bad", "fair", "good"])[THREE])


@case
def texts_in_another_order(folder: Path) -> Case:
    net = network(3, "softmax")
    net.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    x = X + 4 * np.eye(3, 4)[THREE].astype("float32")
    net.fit(x, THREE, epochs=8, verbose=0)
    y = np.array(["low", "medium", "high"])[THREE]
    return Case(net, x, {"x": x, "y": y}, refused=("high, low, medium", "classes = ['low', 'medium', 'high']"))


@case
def booleans(folder: Path) -> Case:
    return binary(BINARY > 0)


@case
def one_sigmoid(folder: Path) -> Case:
    return binary(BINARY)


@case
def one_sigmoid_and_a_column_of_floats(folder: Path) -> Case:
    return binary(BINARY[:, np.newaxis].astype("float32"))


@case
def one_logit(folder: Path) -> Case:
    return binary(BINARY, None)


@case
def yes_and_no(folder: Path) -> Case:
    return binary(np.where(BINARY > 0, "yes", "no"))


@case
def minus_one_and_one(folder: Path) -> Case:
    return binary(2 * BINARY - 1)


@case
def several_labels_at_once(folder: Path) -> Case:
    y = (X[:, :3] > 0).astype(int)
    return Case(fitted(network(3, "sigmoid"), X, y, "binary_crossentropy"), X, {"x": X, "y": y})


@case
def several_labels_at_once_as_logits(folder: Path) -> Case:
    y = X[:, :3] > 0
    net = fitted(network(3, None), X, y, keras.losses.BinaryCrossentropy(from_logits=True))
    return Case(net, X, {"x": X, "y": y})


@case
def one_against_the_rest(folder: Path) -> Case:
    net = fitted(network(3, "sigmoid"), X, np.eye(3)[THREE], "binary_crossentropy")
    return Case(net, X, {"x": X, "y": np.eye(3)[THREE]})


@case
def one_against_the_rest_as_classes(folder: Path) -> Case:
    net = network(3, "sigmoid")
    return Case(net, X, {"x": X, "y": THREE}, refused=("3 sigmoids", "'multilabel'", "stays as it is"))


@case
def labels_that_are_missing(folder: Path) -> Case:
    y = np.where(THREE == 2, np.nan, THREE)
    return Case(network(3, "softmax"), X, {"x": X, "y": y}, refused=("'y' has dtype float32", "without a label"))


@case
def classes_from_one_on(folder: Path) -> Case:
    y = THREE + 1
    return Case(fitted(network(4, "softmax"), X, y, "sparse_categorical_crossentropy"), X, {"x": X, "y": y})
