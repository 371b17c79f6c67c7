"""Several networks as one that averages their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from kit.models.layers import AveragedProbabilities


def ensemble(build: Sequence[keras.Model], input_shape: tuple[int, ...]) -> keras.Model:
    """Returns one model that averages the probabilities of several networks, which become its members.

    Args:
        build: networks that return logits of the same classes, at least one; their weights are shared, not copied.
        input_shape: of one example.

    Returns:
        A model that returns the logarithm of the averaged probabilities, logits like any others.

    Example:
        >>> from kit.models import mlp
        >>> net = ensemble([mlp((4,), 3), mlp((4,), 3)], (4,))
        >>> net.output_shape, len(members(net))
        ((None, 3), 2)
    """
    inputs = keras.Input(input_shape, name="examples")
    outputs = [
        keras.Model(net.inputs[0], net.outputs[0], name=f"member_{number}")(inputs) for number, net in enumerate(build)
    ]
    averaged = AveragedProbabilities(name="averaged_probabilities")(outputs)
    return keras.Model(inputs, averaged, name="ensemble")


def members(net: keras.Model) -> list[keras.Model]:
    """Returns the members of an ensemble, in their order.

    Args:
        net: what `ensemble` returned, or a copy of it.
    """
    return [layer for layer in net.layers if isinstance(layer, keras.Model)]
