"""One method for many networks of one architecture at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kit.toolbox import _backend, blocks, compiled


def run(
    functions: Sequence[Callable[[], Any]], nets: Sequence[keras.Model], *, at_once: int | None = None
) -> list[Any]:
    """Calls functions in lockstep: what they ask of the toolbox is computed for all of them together.

    Each draws random numbers, sees its networks' variables and takes decisions as if it ran alone; trainings,
    gradients and forward passes are computed in one call for all that wait for the same. What comes out is what each
    gives alone, up to rounding.

    Args:
        functions: of no argument, which use the same networks.
        nets: all that they change.
        at_once: what is computed is filled up to so many, so that the bits do not depend on how many functions there
            are; by default to their number.

    Returns:
        What the functions return, in their order.

    Raises:
        InputError: Keras runs on another backend than JAX.
    """

    def read() -> tuple[list[Any], list[bool]]:
        variables = [variable for net in nets for variable in compiled.variables(net)]
        return [(variable, variable.value) for variable in variables], [layer.trainable for layer in _layers(nets)]

    def write(state: tuple[list[Any], list[bool]]) -> None:
        for layer, trainable in zip(_layers(nets), state[1], strict=True):
            if layer.trainable != trainable:
                layer.trainable = trainable
        for variable, value in state[0]:
            if variable.value is not value:
                variable.assign(value)

    return _backend.lockstep.run(functions, read, write, at_once or len(functions))


def _layers(nets: Sequence[keras.Model]) -> list[keras.Layer]:
    return [layer for net in nets for layer in blocks.leaves(net)]
