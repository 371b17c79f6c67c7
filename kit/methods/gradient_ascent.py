"""Gradient ascent: training on the forget set with the sign of the loss turned round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from kit.toolbox import losses, schedules
from kit.toolbox.examples import in_memory
from kit.toolbox.optimizers import Sgd
from kit.toolbox.training import Descent

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-5, 0.1)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int = 3,
    learning_rate: float = 1e-2,
    momentum: float = 0.9,
) -> keras.Model:
    """Ascends the loss of the forget set.

    The formula: `w += rate * gradient(mean cross-entropy of forget)`, with momentum; the rate falls along a cosine.
    Nothing holds the rest of the knowledge back, so the learning rate decides all: too small does nothing, too large
    ruins the model.

    Kind: gradients of the forget set
    Cost: epochs * forget
    Data: forget
    Source: Golatkar, Achille and Soatto, Eternal Sunshine of the Spotless Net, CVPR 2020 (as NegGrad); Graves,
    Nagisetty and Ganesh, Amnesiac Machine Learning, AAAI 2021.
    Differences: a cosine; the sources leave the learning rate open.
    """
    descent = Descent(net, Sgd(momentum))
    descent.train(in_memory(forget), schedules.cosine(learning_rate, epochs), losses.negated_cross_entropy)
    return net
