"""An epoch of each method on whatever backend Keras runs on: `python method_steps.py FILE` writes the weights.

With `not normalised` after the file, those of a network without batch normalisation.

Everything that a method draws comes from NumPy, and is the same on every backend, but for fresh weights, which here
follow from their place alone.
"""

from __future__ import annotations

import inspect
import sys

import keras
import numpy as np

from kit import methods
from kit.toolbox import setup
from kit.toolbox.examples import Selection
from kit.types import Arrays, Recipe


@keras.saving.register_keras_serializable(package="tests")
class Waves(keras.initializers.Initializer):
    """Weights along a sine: another backend's random numbers would be others."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> object:
        waves = np.sin(1.0 + 7.0 * np.arange(np.prod(shape))).reshape(shape) / np.sqrt(max(1, np.prod(shape[:-1])))
        return keras.ops.convert_to_tensor(waves, dtype=dtype)


def build(*, normalised: bool) -> keras.Model:
    layers = keras.layers
    images = keras.Input((5, 5, 1))
    # Without a bias: before a normalisation its gradient is all rounding, which Adam takes for a direction.
    first = layers.Conv2D(4, 3, 2, "same", use_bias=False, kernel_initializer=Waves(), name="first")
    features = first(images)
    features = layers.BatchNormalization(name="norm")(features) if normalised else features
    features = layers.ReLU(name="relu")(features)
    features = layers.Flatten(name="flatten")(features)
    return keras.Model(images, layers.Dense(3, kernel_initializer=Waves(), name="logits")(features), name="steps")


def steps_of(name: str, net: keras.Model, sets: list[object]) -> list[np.ndarray]:
    function = methods.get(name)
    settings = {"epochs": 1, "recipe": Recipe(epochs=1)} | ({"alpha": 0.9} if name == "ssd" else {})
    taken = {key: value for key, value in settings.items() if key in inspect.signature(function).parameters}
    # Not those of a fresh teacher: gradients that are all rounding are directions for Adam.
    net.set_weights([0.8 * weights for weights in keras.models.clone_model(net).get_weights()])
    keras.utils.set_random_seed(5)
    return [np.asarray(array) for array in function(net, *sets, **taken).get_weights()]


def all_steps(*, normalised: bool = True) -> dict[str, np.ndarray]:
    """Returns, by method and number, the weights after a call: 37 retain examples, the last of three batches short."""
    setup.prepare()
    generator = np.random.default_rng(0)
    arrays = Arrays(generator.random((60, 5, 5, 1)).astype("float32"), np.arange(60) % 3)
    rows = np.split(np.arange(60), [37, 48])
    net, weights = build(normalised=normalised), {}
    for name in methods.names():
        if not methods.trains_its_own(name):
            sets = [Selection(arrays, indices).batches(16) for indices in rows]
            weights |= {f"{name}/{number}": array for number, array in enumerate(steps_of(name, net, sets))}
    return weights


if __name__ == "__main__":
    np.savez(sys.argv[1], **all_steps(normalised="not normalised" not in sys.argv))
