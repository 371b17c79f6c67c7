"""The compiled forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kit.toolbox._jax.products import convolutions_as_products
from kit.toolbox._jax.pure import Pure, logits_of, values
from kit.toolbox.tensors import Tensor


def compile_forward(net: keras.Model, shape: tuple[int, ...], dtype: Any) -> Callable[[Tensor], Tensor]:
    """Returns the function from images to float32 logits in inference mode; arguments as in TensorFlow's folder."""

    def logits(trainable: list[Tensor], others: list[Tensor], images: Tensor) -> Tensor:
        with convolutions_as_products(net):
            return keras.ops.cast(logits_of(net, trainable, others, images), "float32")

    return Forward(net, Pure(logits))


class Forward:
    """The forward pass of a network as it is when it is called."""

    def __init__(self, net: keras.Model, pure: Pure) -> None:
        """Takes the function of trainable and other variables, and of images."""
        self._net, self.pure = net, pure

    def __call__(self, images: Tensor) -> Tensor:
        """Returns logits."""
        net = self._net
        return self.pure(values(net.trainable_variables), values(net.non_trainable_variables), images)
