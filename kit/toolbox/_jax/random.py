"""Random numbers inside compiled functions: of a seed that is handed over, never of a state."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from kit.toolbox.tensors import Tensor


def integers(shape: tuple[int, ...], seed: Tensor, high: int) -> Tensor:
    """Returns numbers in [0, high), int32, the same for the same seed, int32 (2,)."""
    return jax.random.randint(_key(seed), shape, 0, high, jnp.int32)


def folded(seed: Tensor, number: Tensor) -> Tensor:
    """Returns another seed, int32 (2,), of a seed and a number."""
    return jax.random.key_data(jax.random.fold_in(_key(seed), number)).astype(jnp.int32)


def _key(seed: Tensor) -> Tensor:
    return jax.random.wrap_key_data(jnp.asarray(seed).astype(jnp.uint32), impl="threefry2x32")
