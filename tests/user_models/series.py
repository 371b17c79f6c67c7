"""Series and videos."""

from __future__ import annotations

from pathlib import Path

import keras
from user_models.cases import ROWS, Case, case, draw, fitted

layers = keras.layers
SERIES = draw().normal(size=(ROWS, 10, 3)).astype("float32")
Y = (SERIES[:, :, 0].mean(axis=1) > 0).astype(int)


def sequential(*parts: keras.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((10, 3)), *parts])


@case
def recurrent(folder: Path) -> Case:
    net = sequential(layers.LSTM(4), layers.Dense(2, activation="softmax"))
    return Case(fitted(net, SERIES, Y, "sparse_categorical_crossentropy"), SERIES, {"x": SERIES, "y": Y})


@case
def convolutional(folder: Path) -> Case:
    parts = [layers.Conv1D(4, 3, activation="relu"), layers.GlobalMaxPooling1D(), layers.Dense(1, activation="sigmoid")]
    return Case(fitted(sequential(*parts), SERIES, Y, "binary_crossentropy"), SERIES, {"x": SERIES, "y": Y})


@case
def a_forecast_of_three_steps(folder: Path) -> Case:
    net = sequential(layers.GRU(4), layers.Dense(3))
    y = SERIES[:, -3:, 0] * 2
    return Case(fitted(net, SERIES, y, "mae"), SERIES, {"x": SERIES, "y": y})


@case
def videos(folder: Path) -> Case:
    x = draw().normal(size=(ROWS, 4, 6, 6, 1)).astype("float32")
    net = keras.Sequential(
        [keras.Input((4, 6, 6, 1)), layers.Conv3D(2, 3), layers.Flatten(), layers.Dense(1, "sigmoid")]
    )
    return Case(fitted(net, x, Y, "binary_crossentropy"), x, {"x_video": x, "y": Y})
