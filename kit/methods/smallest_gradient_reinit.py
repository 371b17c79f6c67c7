"""The Kookmin team of 2023: forget where forgetting costs retain least, and relearn slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox import blocks, gradients, losses
from kit.toolbox.examples import in_memory
from kit.toolbox.optimizers import Sgd
from kit.toolbox.training import Descent

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {
    "epochs": ("int", 1, 15),
    "learning_rate": ("log", 1e-3, 0.3),
    "share": ("even", 0.05, 0.9),
    "others": ("even", 0.0, 1.0),
}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    share: float = 0.3,
    epochs: int = 5,
    learning_rate: float = 1e-3,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    others: float = 0.1,
) -> keras.Model:
    """Draws the convolution weights anew whose gradient, of retain less forget, is smallest; then fine-tunes on retain.

    The formula: per convolution, the `share` of weights with the smallest `|gradient(CE of as many retain examples) -
    gradient(CE of forget)|` is drawn anew; then descent on retain at the rates 1/3, 2/3, 1, 2/3, 1/3 of
    `learning_rate`, in which the other convolution weights move `others` times as fast. Which retain examples, and
    which weights are drawn, differs from run to run.

    Kind: winners of 2023
    Cost: 2 * forget + epochs * retain
    Data: forget, retain
    Source: Kookmin, second-placed write-up 459200 of the 2023 challenge; xcadet/deepunlearn, kgltop2.
    Differences: weights are drawn by each layer's own initialiser, where the team draws all by He's rule for outputs;
    the rates rise and fall evenly, which is theirs at five epochs and close to it at others; dense layers count as
    convolutions do where there are no two-dimensional ones; gradients in inference mode; weight decay is slowed down
    along with the gradient.
    """
    forget_examples, retain_examples = in_memory(forget), in_memory(retain)
    sample = retain_examples.at(np.random.permutation(len(retain_examples))[: len(forget_examples)])
    of_retain = gradients.mean_gradient(net, sample)
    of_forget = gradients.mean_gradient(net, forget_examples, losses.negated_cross_entropy)
    scale = []
    with_kernels = [len(variable.shape) for variable in net.trainable_variables]
    axes = 4 if 4 in with_kernels else 2
    for variable, fresh, retained, forgotten in zip(
        net.trainable_variables, blocks.fresh_weights(net), of_retain, of_forget, strict=True
    ):
        if len(variable.shape) != axes:
            scale.append(np.ones(variable.shape, np.float32))
            continue
        (mask,) = gradients.largest([-keras.ops.abs(retained + forgotten)], share)
        variable.assign(keras.ops.where(mask > 0, fresh, variable.value))
        scale.append(np.where(np.asarray(mask) > 0, 1.0, others).astype(np.float32))
    rates = learning_rate * (1 - np.abs(np.arange(epochs) - (epochs - 1) / 2) * 2 / (epochs + 1))
    Descent(net, Sgd(momentum, weight_decay), scale=scale).train(retain_examples, rates)
    return net
