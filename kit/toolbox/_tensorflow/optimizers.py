"""TensorFlow's fused updates, which stored results were made with.

Written out as `kit.toolbox.optimizers` has them, updates of a small convnet take twice as long with Adam and a fifth
longer with SGD, and differ in the last bit of single weights.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from kit.toolbox.optimizers import BETAS, EPSILON, Adam, Optimizer, Pull, Sgd

# pull, slots, count, rate; changes weight and slots in place
Update = Callable[[Pull, Sequence[tf.Variable], tf.Tensor, tf.Tensor], None]


def update_in_place(optimizer: Optimizer) -> Update:
    """Returns the operation that ends a step for one weight: a fused one, or else the optimiser's own."""
    if isinstance(optimizer, Sgd):
        return _sgd(optimizer)
    if isinstance(optimizer, Adam):
        return _adam(optimizer)
    return functools.partial(_write, optimizer)


def _write(optimizer: Optimizer, pull: Pull, slots: Sequence[tf.Variable], count: tf.Tensor, rate: tf.Tensor) -> None:
    weight, remembered = optimizer.update(pull, slots, count, rate)
    for variable, value in zip((pull.weight, *slots), (weight, *remembered), strict=True):
        variable.assign(value)


def _sgd(optimizer: Sgd) -> Update:
    def update(pull: Pull, slots: Sequence[tf.Variable], count: tf.Tensor, rate: tf.Tensor) -> None:
        tf.raw_ops.ResourceApplyMomentum(
            var=pull.weight.handle,
            accum=slots[0].handle,
            lr=rate,
            grad=pull.total(optimizer.weight_decay),
            momentum=optimizer.momentum,
        )

    return update


def _adam(optimizer: Adam) -> Update:
    def update(pull: Pull, slots: Sequence[tf.Variable], count: tf.Tensor, rate: tf.Tensor) -> None:
        if pull.square is not None:  # an embedding's: the fused update squares the gradient itself
            _write(optimizer, pull, slots, count, rate)
            return
        dtype = pull.weight.dtype
        # Before the powers: TensorFlow's optimiser of graphs sums in an order that depends on that of the operations.
        gradient = pull.total(optimizer.weight_decay)
        powers = [tf.cast(tf.pow(beta, tf.cast(count, tf.float32)), dtype) for beta in BETAS]
        tf.raw_ops.ResourceApplyAdam(
            var=pull.weight.handle,
            m=slots[0].handle,
            v=slots[1].handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            epsilon=EPSILON * tf.sqrt(1 - powers[1]),  # PyTorch adds it after the correction of the bias
            grad=gradient,
        )

    return update
