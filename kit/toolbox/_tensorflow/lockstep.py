"""Many networks at once: not on TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kit.types import InputError


def run(
    functions: Sequence[Callable[[], Any]], read: Callable[[], Any], write: Callable[[Any], None], at_once: int
) -> list[Any]:
    """Refuses: TensorFlow has no transformation of whole functions that carries resource variables along.

    Raises:
        InputError: always.
    """
    raise InputError(
        "Many networks are computed at once on JAX only, and Keras runs on TensorFlow. Expected the backend 'jax'. Set "
        "the environment variable KERAS_BACKEND=jax before Keras is imported."
    )
