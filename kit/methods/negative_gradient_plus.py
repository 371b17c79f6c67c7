"""Gradient ascent on forget, held back by descent on retain in the same step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from kit.toolbox import losses, schedules
from kit.toolbox.examples import in_memory
from kit.toolbox.optimizers import Sgd
from kit.toolbox.training import Descent

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-3, 0.3), "share": ("even", 0.5, 1.0)}


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
    share: float = 0.9,
) -> keras.Model:
    """Descends the loss of a retain batch and ascends that of a forget batch in one step.

    The formula: minimise `share * cross_entropy(retain) - (1 - share) * cross_entropy(forget)`; forget begins anew
    whenever it is used up, until retain is through. The learning rate falls along a cosine.

    Kind: gradients of the forget set
    Cost: epochs * (retain + min(batch_size, forget) * ceil(retain / batch_size))
    Data: retain, forget
    Source: Kurmanji et al., Towards Unbounded Machine Unlearning, NeurIPS 2023 (NegGrad+).
    Differences: the cosine: at a rate that stays, the ascent has the last word.
    """
    examples, paired = in_memory(retain), in_memory(forget)
    descent = Descent(net, Sgd(momentum, weight_decay))
    rates = schedules.cosine(learning_rate, epochs)
    descent.train(examples, rates, losses.Difference(share), paired=paired)
    return net
