"""Relabelling: random labels for the forget set, the true ones for the retain set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox import schedules
from kit.toolbox.examples import in_memory
from kit.toolbox.optimizers import Sgd
from kit.toolbox.training import Descent

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-3, 0.3)}


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
) -> keras.Model:
    """Trains on the forget set with random labels, then on retain with the true ones, epoch by epoch.

    The formula: cross-entropy with labels drawn uniformly from all classes, the true one included, anew in each epoch;
    the learning rate falls along a cosine.

    Kind: gradients of the forget set
    Cost: epochs * (forget + retain)
    Data: forget, retain
    Source: Graves, Nagisetty and Ganesh, Amnesiac Machine Learning, AAAI 2021; with the retain pass of each epoch as in
    Fan et al., SalUn, ICLR 2024 (RL).
    Differences: a cosine, where the code of the latter divides the rate by ten after 91 and 136 epochs, which is to
    leave it alone: at a rate that large, the last steps towards random labels stay in the model.
    """
    forget_examples, retain_examples = in_memory(forget), in_memory(retain)
    descent = Descent(net, Sgd(momentum, weight_decay))
    for rate in schedules.cosine(learning_rate, epochs):
        labels = np.random.randint(net.output_shape[-1], size=len(forget_examples))
        descent.train(forget_examples.labelled(labels), [rate])
        descent.train(retain_examples, [rate])
    return net
