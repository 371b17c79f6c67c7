"""TensorFlow as the kit wants it: what the bits of a trained model depend on besides its seed."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from kit.machine import threads, xla_code

keep_compiled: Callable[[Callable[[str], Path | None]], None] = xla_code.keep


def prepare() -> None:
    """Fixes what the bits of a trained model depend on besides its seed: number of threads, deterministic operations.

    Where TensorFlow has started with another number of threads, a warning says that bits cannot be repeated.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads.number())
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        if not threads.are_set():
            warnings.warn(
                "TensorFlow computed something with another number of threads before the kit was imported, and the "
                "bits of a trained model depend on it: the same seed may give another model elsewhere, and reports "
                "say so. For results that can be repeated, restart the session (in Colab: Runtime > Restart session) "
                "and import kit in the first cell.",
                stacklevel=2,
            )
    tf.config.experimental.enable_op_determinism()


def has_accelerator() -> bool:
    """Returns whether this process computes on a graphics card."""
    return bool(tf.config.list_physical_devices("GPU"))


def runs_eagerly() -> bool:
    """Returns whether compiled functions are executed step by step, a setting for debugging that is the process's."""
    return bool(tf.config.functions_run_eagerly())


def run_eagerly(eager: bool) -> None:
    """Sets what `runs_eagerly` returns."""
    tf.config.run_functions_eagerly(eager)


def compiled_anew() -> contextlib.AbstractContextManager[None]:
    """Changes nothing: Keras's own loop is not compiled by XLA here."""
    return contextlib.nullcontext()


def multiply_in_tf32(net: keras.Model) -> None:
    """Changes nothing: whether a card uses TF32 is a setting of the whole process, and `kit.runs` refuses it here."""


@functools.cache
def warm_up() -> None:
    """Fits a tiny model in plain Keras, once a process: no measured call pays for what Keras loads at first use."""
    images = keras.Input((1,))
    net = keras.Model(images, keras.layers.Dense(2)(images))
    data = tf.data.Dataset.from_tensor_slices((np.zeros((2, 1), np.float32), np.zeros(2, np.int32))).batch(2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
    net.fit(data, epochs=1, shuffle=False, verbose=0)


@contextlib.contextmanager
def compiled_functions_kept() -> Iterator[None]:
    """Sets seeds within without the loss of what is compiled.

    `tf.random.set_seed` throws away all kernels, so that stateful operations begin anew; there is no public way around
    that. Without a handle of its context there is nothing to throw away, as far as TensorFlow can see.
    """
    handles = context.context()
    handle = handles._context_handle
    handles._context_handle = None
    try:
        yield
    finally:
        handles._context_handle = handle
