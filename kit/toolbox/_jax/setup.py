"""JAX as the kit wants it: what the bits of a trained model depend on besides its seed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax


def prepare() -> None:
    """Has products computed in float32 proper, where a card would round their factors to 10 bits."""
    jax.config.update("jax_default_matmul_precision", "highest")


def runs_eagerly() -> bool:
    """Returns whether compiled functions are executed step by step, a setting for debugging that is the process's."""
    return bool(jax.config.jax_disable_jit)  # type: ignore[attr-defined]


def run_eagerly(eager: bool) -> None:
    """Sets what `runs_eagerly` returns."""
    jax.config.update("jax_disable_jit", eager)


def warm_up() -> None:
    """Does nothing: JAX loads nothing at first use."""


@contextlib.contextmanager
def compiled_functions_kept() -> Iterator[None]:
    """Sets seeds within; JAX keeps what is compiled anyway."""
    yield
