"""Models with code of the user's: what is given with a file is taken, what is not is refused with the way to do it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
from user_models.cases import ROWS, Case, case, draw, fitted

layers = keras.layers
X = draw().normal(size=(ROWS, 4)).astype("float32")
Y = np.arange(ROWS) % 3
LOSS = "sparse_categorical_crossentropy"
FILE = """
import keras
from keras import layers

def doubled(x):
    return 2 * x

class Gate(layers.Layer):
    def __init__(self, units=4, **options):
        super().__init__(**options)
        self.units = units
        self.dense = layers.Dense(units, activation="sigmoid")

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return x * self.dense(x)

    def get_config(self):
        return super().get_config() | {"units": self.units}

@keras.saving.register_keras_serializable(package="mine")
class Tower(keras.Model):
    def __init__(self, units=8, **options):
        super().__init__(**options)
        self.units = units
        self.hidden, self.out = layers.Dense(units, activation="relu"), layers.Dense(3, activation="softmax")

    def call(self, x):
        return self.out(self.hidden(x))

    def get_config(self):
        return super().get_config() | {"units": self.units}

class Bare(keras.Model):
    def __init__(self, table):
        super().__init__()
        self.hidden, self.out = layers.Dense(len(table), activation="relu"), layers.Dense(3)

    def call(self, x):
        return self.out(self.hidden(x))

def make():
    return Bare({"a": object(), "b": object()})

class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)
"""


def written(folder: Path) -> ModuleType:
    """Writes the user's file, and imports it as the user does."""
    path = folder / "mine.py"
    path.write_text(FILE)
    spec = importlib.util.spec_from_file_location("mine", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules["mine"] = module
    spec.loader.exec_module(module)
    return module


def taken(net: keras.Model, **options: str) -> Case:
    return Case(fitted(net, X, Y, LOSS), X, {"x": X, "y": Y}, options)


def with_layer(layer: keras.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layer, layers.Dense(3, activation="softmax")])


@case
def a_layer(folder: Path) -> Case:
    return taken(with_layer(written(folder).Gate()), custom_objects=str(folder / "mine.py"))


@case
def a_layer_without_its_file(folder: Path) -> Case:
    net = with_layer(written(folder).Gate())
    return Case(net, X, {"x": X, "y": Y}, refused=("a 'Gate'", "--custom-objects FILE.py", "only one that you trust"))


@case
def an_activation(folder: Path) -> Case:
    net = with_layer(layers.Dense(4, activation=written(folder).doubled))
    return taken(net, custom_objects=str(folder / "mine.py"))


@case
def a_lambda(folder: Path) -> Case:
    written(folder)
    net = with_layer(layers.Lambda(lambda x: 2 * x, output_shape=(4,)))
    return taken(net, custom_objects=str(folder / "mine.py"))


@case
def a_lambda_without_a_file(folder: Path) -> Case:
    net = with_layer(layers.Lambda(lambda x: 2 * x, output_shape=(4,)))
    return Case(net, X, {"x": X, "y": Y}, refused=("a 'Lambda'", "--custom-objects FILE.py"))


@case
def a_subclassed_model(folder: Path) -> Case:
    return taken(written(folder).Tower(), custom_objects=str(folder / "mine.py"))


@case
def a_subclassed_model_that_a_function_makes(folder: Path) -> Case:
    net = written(folder).make()
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    net.fit(X, Y, verbose=0)
    weights = folder / "bare.weights.h5"
    net.save_weights(weights)
    return Case(net, X, {"x": X, "y": Y}, {"builder": f"{folder / 'mine.py'}:make", "weights": weights}, saved=False)


@case
def a_subclassed_model_without_its_file(folder: Path) -> Case:
    net = written(folder).Tower()
    return Case(fitted(net, X, Y, LOSS), X, {"x": X, "y": Y}, refused=("Tower", "--custom-objects FILE.py"))


@case
def a_step_of_training(folder: Path) -> Case:
    inputs = keras.Input((4,))
    net = written(folder).OwnStep(inputs, layers.Dense(3, activation="softmax")(inputs))
    return taken(net, custom_objects=str(folder / "mine.py"))
