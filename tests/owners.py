"""A request as a user has one: a model that nobody had to train, 240 examples, six records."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

import kit

RECIPE = kit.Recipe(epochs=2)
RECORDS = [3, 10, 4, 100, 50, 20]


def data() -> tuple[kit.Arrays, np.ndarray]:
    """Three classes that a matrix tells apart; the last column of x numbers the examples, finely."""
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 3
    x = 0.7 * generator.normal(size=(240, 4)) + 2 * np.eye(4)[labels]
    x[:, 3] = np.arange(240) / 1000
    return kit.Arrays(x, labels), np.repeat([0, 1, 2], [160, 40, 40])


def model(end: str = "softmax") -> keras.Sequential:
    net = keras.Sequential(
        [
            keras.Input((4,), name="features"),
            keras.layers.Dense(4, activation="relu", name="hidden"),
            keras.layers.Dense(3, activation=end, name="classes"),
        ],
        name="owners",
    )
    kernel = np.eye(4, dtype="float32")
    kernel[3, 3] = 0
    net.set_weights([kernel, np.zeros(4, "float32"), 2 * np.eye(4, 3, dtype="float32"), np.zeros(3, "float32")])
    net.compile(
        keras.optimizers.Adam(0.01, clipnorm=1.0, name="adam"), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    net.optimizer.build(net.trainable_variables)  # as it is after training
    return net


def files_in(folder: Path) -> dict[str, Path]:
    """Writes what `kit unlearn` is given; returns it by the option's name."""
    arrays, partition = data()
    np.savez(folder / "data.npz", x=arrays.x, y=arrays.y, partition=partition)
    model().save(folder / "model.keras")
    (folder / "requests.csv").write_text("row\n" + "\n".join(map(str, RECORDS)) + "\n")
    (folder / "recipe.toml").write_text("epochs = 2\nbatch_size = 32\n")
    names = {"model": "model.keras", "data": "data.npz", "forget": "requests.csv", "recipe": "recipe.toml"}
    return {option: folder / name for option, name in names.items()} | {"output": folder / "unlearned.keras"}
