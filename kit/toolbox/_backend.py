"""The backend that Keras runs on: the toolbox's only door to it.

A backend is a folder beside this file, with modules and functions of the same names. Nothing else in the kit asks which
one it is.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

from kit.types import InputError

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    from kit.toolbox._tensorflow import data, derivatives, forward, lockstep, random, setup, steps, tracing, vectors
elif keras.backend.backend() == "jax":
    from kit.toolbox._jax import data, derivatives, forward, lockstep, random, setup, steps, tracing, vectors
else:
    raise InputError(
        f"Keras runs on the backend '{keras.backend.backend()}'. Expected 'tensorflow' or 'jax', which the kit's "
        "training loop is written for. Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported."
    )

__all__ = ["data", "derivatives", "forward", "lockstep", "random", "setup", "steps", "tf_data", "tracing", "vectors"]


def tf_data() -> Callable[..., Any] | None:
    """Returns what makes batches of `tf.data`, on any backend, and None where TensorFlow is not installed."""
    if importlib.util.find_spec("tensorflow") is None:
        return None
    from kit.toolbox._tensorflow.data import batches

    return batches
