"""Building a network whose weights are set at once: drawing them first is work that nobody sees."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

# Those that others are derived from, Glorot's and He's from `VarianceScaling`.
_DRAWING = (
    keras.initializers.Orthogonal,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
    keras.initializers.VarianceScaling,
)


@contextlib.contextmanager
def undrawn() -> Iterator[None]:
    """Has Keras's initializers give zeros in this block rather than random numbers.

    What is built is the same in all else: its layers keep their initializers, and draw where they are built anew, as
    `keras.models.clone_model` does later.

    Example:
        >>> with undrawn():
        ...     net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
        >>> float(abs(net.get_weights()[0]).sum()), net.layers[0].kernel_initializer.__class__.__name__
        (0.0, 'GlorotUniform')
    """
    drawing = [(owner, owner.__call__) for owner in _DRAWING]
    for owner, _ in drawing:
        owner.__call__ = _zeros
    try:
        yield
    finally:
        for owner, draw in drawing:
            owner.__call__ = draw


def _zeros(_initializer: keras.initializers.Initializer, shape: tuple[int, ...], dtype: Any = None) -> Any:
    return keras.ops.zeros(shape, dtype or keras.config.floatx())
