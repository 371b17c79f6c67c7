"""Products of a network on JAX: its convolutions too, and in the precision that it asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax
import keras

from kit.toolbox import products
from kit.toolbox._jax.setup import PRODUCTS


@contextlib.contextmanager
def convolutions_as_products(net: keras.Model) -> Iterator[None]:
    """Has plain two-dimensional convolutions computed as products, while a function of this network is traced.

    All products are in the precision that the network asks for (`setup.multiply_in_tf32`), by default in float32.
    """
    precision = net.__dict__.get(PRODUCTS, "highest")
    with products.convolutions_as_products(net), jax.default_matmul_precision(precision):
        yield
