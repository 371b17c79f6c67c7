"""Relabelling, confined to the weights that the forget set moves most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox import gradients, losses, schedules
from kit.toolbox.examples import in_memory
from kit.toolbox.optimizers import Sgd
from kit.toolbox.training import Descent

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-3, 0.3), "share": ("even", 0.1, 0.9)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int = 5,
    learning_rate: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    share: float = 0.5,
) -> keras.Model:
    """Random labels (see `random_labels`) on the half of the weights that are salient for the forget set.

    The formula: a weight moves if `|gradient(-cross-entropy of forget)|` at the original weights is among the largest
    `share` of all weights; the others keep their bits, in spite of momentum and weight decay. The learning rate falls
    along a cosine.

    Kind: saliency and dampening
    Cost: forget + epochs * (forget + retain)
    Data: forget, retain
    Source: Fan et al., SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency, ICLR 2024.
    Differences: a cosine, as in `random_labels`; the gradient for the mask is that of the original weights, as the
    paper has it, where the authors' code takes a step after each batch that it sums up.
    """
    forget_examples, retain_examples = in_memory(forget), in_memory(retain)
    gradient = gradients.mean_gradient(net, forget_examples, losses.negated_cross_entropy)
    saliency = [keras.ops.abs(part) for part in gradient]
    descent = Descent(net, Sgd(momentum, weight_decay), scale=gradients.largest(saliency, share))
    for rate in schedules.cosine(learning_rate, epochs):
        labels = np.random.randint(net.output_shape[-1], size=len(forget_examples))
        descent.train(forget_examples.labelled(labels), [rate])
        descent.train(retain_examples, [rate])
    return net
