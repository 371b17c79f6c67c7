"""The small zoo: uncompiled Keras models that return logits.

Layers carry explicit names, so that a variable's path is the same however many models a process has built.
"""

from __future__ import annotations

from collections.abc import Callable

import keras

from kit.types import InputError


def mlp(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Returns a perceptron with one hidden layer of 128 units, as for `mnist-five`.

    Example:
        >>> mlp((8, 8, 1), 10).output_shape
        (None, 10)
    """
    images = keras.Input(input_shape, name="images")
    features = keras.layers.Flatten(name="flatten")(images)
    features = keras.layers.Dense(128, activation="relu", kernel_initializer="he_normal", name="hidden")(features)
    return keras.Model(images, keras.layers.Dense(num_classes, name="logits")(features), name="mlp")


def convnet(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Returns two 3x3 convolutions of stride 2 (16 and 32 filters), a hidden layer of 128 units and logits.

    Strides rather than pooling: on 8x8 images the network then trains twice as fast on a CPU and memorises as well.

    Example:
        >>> convnet((8, 8, 1), 10).count_params()
        22602
    """
    if len(input_shape) != 3:
        raise InputError(
            f"The model 'convnet' takes images of shape (height, width, channels), but an example has the shape "
            f"{input_shape}. Use the model 'mlp' for tables, or reshape x to (n, height, width, channels)."
        )
    images = keras.Input(input_shape, name="images")
    features = images
    for number, filters in enumerate((16, 32), start=1):
        features = keras.layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"convolution_{number}",
        )(features)
    features = keras.layers.Flatten(name="flatten")(features)
    features = keras.layers.Dense(128, activation="relu", kernel_initializer="he_normal", name="hidden")(features)
    return keras.Model(images, keras.layers.Dense(num_classes, name="logits")(features), name="convnet")


MODELS: dict[str, Callable[[tuple[int, ...], int], keras.Model]] = {"mlp": mlp, "convnet": convnet}


def build(name: str, input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Returns a new model of the zoo with freshly drawn weights.

    Args:
        name: `mlp` or `convnet`.
        input_shape: of one example.
        num_classes: number of logits.

    Raises:
        InputError: an unknown name, or examples of a shape that the model cannot take.
    """
    if name not in MODELS:
        raise InputError(f"There is no model '{name}'. Expected one of {', '.join(MODELS)}. Choose one of these.")
    return MODELS[name](input_shape, num_classes)
