"""The seeds of a run: set once before it, and drawn from where a method needs more of them."""

from __future__ import annotations

import contextlib

import keras
import numpy as np

from kit.toolbox import _backend

MAX_SEED = 2**31 - 1


def set_random_seed(seed: int, *, keep_compiled: bool = False) -> None:
    """Sets the seeds of Python, NumPy, TensorFlow and Keras, as `keras.utils.set_random_seed` does.

    Args:
        seed: of all four, an integer from 0 to 2^32 - 1.
        keep_compiled: TensorFlow throws away all that it has made ready to run, so that stateful random operations
            begin anew; making a training loop ready again takes longer than five epochs of a small network. What uses
            no stateful operation of TensorFlow (Keras's layers and initialisers do not) does not need that.

    Example:
        >>> set_random_seed(3)
        >>> first = draw_seed()
        >>> set_random_seed(3)
        >>> draw_seed() == first
        True
    """
    with _backend.setup.compiled_functions_kept() if keep_compiled else contextlib.nullcontext():
        keras.utils.set_random_seed(seed)


def draw_seed() -> int:
    """Returns a seed from NumPy's global state, which the kit sets before each run of a method.

    Returns:
        An integer from 0 to `MAX_SEED` - 1.
    """
    return int(np.random.randint(MAX_SEED))


def seed_generators_reset(net: keras.Model, seed: int) -> None:
    """Resets the seed generators of dropout and similar layers to a state that depends on `seed` alone.

    `set_weights` does not touch them, so that a run's noise would depend on the runs before it.

    Args:
        net: changed in place; its weights stay.
        seed: an integer, >= 0.
    """
    weights = {id(variable) for variable in net.weights}
    generators = [variable for variable in net.variables if id(variable) not in weights]
    for number, variable in enumerate(generators):
        state = np.random.SeedSequence([seed, number]).generate_state(2)
        variable.assign(state.reshape(variable.shape).astype(variable.dtype))
