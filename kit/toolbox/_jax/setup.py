"""JAX as the kit wants it: what the bits of a trained model depend on besides its seed."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import keras
from jax.experimental.compilation_cache import compilation_cache

from kit.storage.files import CannotWrite
from kit.toolbox._jax import sealed_code

PRODUCTS = "_products_by_kit"
# Less is compiled anew before it is read from a disk.
_WORTH_KEEPING_SECONDS = 0.2


def prepare() -> None:
    """Has products computed in float32 proper, where a card would round their factors to 10 bits."""
    jax.config.update("jax_default_matmul_precision", "highest")


def has_accelerator() -> bool:
    """Returns whether this process computes on anything but the processor."""
    return bool(jax.default_backend() != "cpu")


def runs_eagerly() -> bool:
    """Returns whether compiled functions are executed step by step, a setting for debugging that is the process's."""
    return bool(jax.config.jax_disable_jit)  # type: ignore[attr-defined]


def run_eagerly(eager: bool) -> None:
    """Sets what `runs_eagerly` returns."""
    jax.config.update("jax_disable_jit", eager)


def keep_compiled(folder: Callable[[str], Path | None]) -> None:
    """Has what is compiled from now on kept for other processes, which take it from there, to the same bits.

    Args:
        folder: returns where a compiler of this name and version may keep it; not called where JAX has been told of a
            folder already, by its environment variable for instance.
    """
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        path = folder(f"jax-{jax.__version__}")
        if path is None:
            return
        try:
            sealed_code.keep_in(path)
        except CannotWrite:  # no key, no seal: it is compiled anew
            return
        # A file that another process is still writing, or has left half-written: it is compiled anew, which is no news.
        warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache", UserWarning)
        jax.config.update("jax_compilation_cache_dir", str(path))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING_SECONDS)
        compilation_cache.reset_cache()  # whether there is one was decided when something was first compiled


@contextlib.contextmanager
def compiled_anew() -> Iterator[None]:
    """Takes nothing within from what other processes have compiled, and keeps nothing for them."""
    before = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def multiply_in_tf32(net: keras.Model) -> None:
    """Has products in this network's layers, and in what they are differentiated to, computed in TF32 on a card."""
    object.__setattr__(net, PRODUCTS, "tensorfloat32")  # the usual way Keras would track it as a part of the model


def warm_up() -> None:
    """Does nothing: JAX loads nothing at first use."""


@contextlib.contextmanager
def compiled_functions_kept() -> Iterator[None]:
    """Sets seeds within; JAX keeps what is compiled anyway."""
    yield
