"""Models of several outputs, all of which the request is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from user_models.cases import ROWS, Case, case, draw

layers = keras.layers
X = draw().normal(size=(ROWS, 4)).astype("float32")
LABELS = {"kind": np.arange(ROWS) % 3, "ill": np.arange(ROWS) % 2, "price": X[:, :2] * 3}
LOSSES = {"kind": "sparse_categorical_crossentropy", "ill": "binary_crossentropy", "price": "mae"}


def taken(net: keras.Model, names: tuple[str, ...], weights: dict[str, float] | None = None) -> Case:
    """Trains a model on the labels of its outputs, and keeps these as 'y_NAME'."""
    labels: dict[str, Any] = {name: LABELS[name] for name in names}
    net.compile("adam", {name: LOSSES[name] for name in names}, loss_weights=weights, run_eagerly=True)
    net.fit(X, labels, batch_size=30, verbose=0)
    return Case(net, X, {"x": X} | {f"y_{name}": y for name, y in labels.items()}, {"output_name": "all"})


@case
def classes_and_two_numbers(folder: Path) -> Case:
    inputs = keras.Input((4,))
    trunk = layers.Dense(8, activation="relu")(inputs)
    ends = [layers.Dense(3, activation="softmax", name="kind")(trunk), layers.Dense(2, name="price")(trunk)]
    return taken(keras.Model(inputs, ends), ("kind", "price"), {"kind": 1.0, "price": 0.2})


@case
def three_by_name_of_unequal_depth(folder: Path) -> Case:
    inputs = keras.Input((4,))
    deep = layers.Dense(5, activation="tanh")(layers.Dense(5)(inputs))
    ends = {
        "price": layers.Dense(2)(inputs),
        "ill": layers.Dense(1, activation="sigmoid")(deep),
        "kind": layers.Softmax()(layers.Dense(3)(layers.Dropout(0.2)(deep))),
    }
    return taken(keras.Model(inputs, ends), ("kind", "ill", "price"))


@case
def one_output_from_the_probabilities_of_another(folder: Path) -> Case:
    inputs = keras.Input((4,))
    kind = layers.Dense(3, activation="softmax", name="kind")(inputs)
    price = layers.Dense(2, name="price")(layers.Concatenate()([inputs, kind]))
    return taken(keras.Model(inputs, [kind, price]), ("kind", "price"))
