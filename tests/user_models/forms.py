"""Ways to build a model out of Keras's own parts."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from user_models.cases import ROWS, Case, case, draw, fitted

layers = keras.layers
X = draw().normal(size=(ROWS, 4)).astype("float32")
Y = np.arange(ROWS) % 3
LOSS = "sparse_categorical_crossentropy"


def taken(net: keras.Model) -> Case:
    return Case(fitted(net, X, Y, LOSS), X, {"x": X, "y": Y})


@case
def never_told_its_inputs(folder: Path) -> Case:
    return taken(keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")]))


@case
def probabilities_from_within(folder: Path) -> Case:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="softmax")])
    return taken(keras.Sequential([keras.Input((4,)), inner]))


@case
def two_networks_averaged(folder: Path) -> Case:
    inputs = keras.Input((4,))
    members = [layers.Dense(3, activation="softmax")(inputs) for _ in range(2)]
    return taken(keras.Model(inputs, layers.Average()(members)))


@case
def dropout_and_penalties(folder: Path) -> Case:
    parts = [layers.Dense(8, kernel_regularizer="l2"), layers.Dropout(0.3), layers.Dense(3, activation="softmax")]
    return taken(keras.Sequential([keras.Input((4,)), *parts]))


@case
def double_precision(folder: Path) -> Case:
    parts = [layers.Dense(8, dtype="float64"), layers.Dense(3, activation="softmax", dtype="float64")]
    return taken(keras.Sequential([keras.Input((4,)), *parts]))


@case
def several_outputs(folder: Path) -> Case:
    inputs = keras.Input((4,))
    net = keras.Model(inputs, [layers.Dense(3, name="kind")(inputs), layers.Dense(1, name="price")(inputs)])
    return Case(net, X, {"x": X, "y": Y}, refused=("'kind', 'price'", "--output-name", "all outputs stay in the model"))


@case
def several_outputs_of_which_one_has_no_loss(folder: Path) -> Case:
    inputs = keras.Input((4,))
    net = keras.Model(inputs, [layers.Dense(3, name="kind")(inputs), layers.Dense(1, name="price")(inputs)])
    net.compile("adam", {"price": "mse"})
    options = {"model": net, "output_name": "all"}
    refused = ("without a loss for its output 'kind'", "Compile it with loss=", "--output-name")
    return Case(net, X, {"x": X, "y_kind": Y, "y_price": X[:, 0]}, options, refused, saved=False)


@case
def not_trained_at_all(folder: Path) -> Case:
    net = keras.Sequential([keras.Input((4,)), layers.Flatten()])
    return Case(net, X, {"x": X, "y": Y}, refused=("no weights that training would change",))
