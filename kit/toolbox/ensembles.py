"""Several networks as one that averages their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from kit.models.layers import AveragedProbabilities


def ensemble(build: Sequence[keras.Model], input_shape: tuple[int, ...]) -> keras.Model:
    """Returns one model that averages the probabilities of these, which become its members."""
    inputs = keras.Input(input_shape, name="examples")
    outputs = [
        keras.Model(net.inputs[0], net.outputs[0], name=f"member_{number}")(inputs) for number, net in enumerate(build)
    ]
    averaged = AveragedProbabilities(name="averaged_probabilities")(outputs)
    return keras.Model(inputs, averaged, name="ensemble")


def members(net: keras.Model) -> list[keras.Model]:
    """Returns the members of an ensemble."""
    return [layer for layer in net.layers if isinstance(layer, keras.Model)]
