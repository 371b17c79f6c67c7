"""Fine-tuning with an L1 penalty: a model with few weights remembers less."""

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

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-3, 0.3), "alpha": ("log", 1e-6, 1e-2)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int = 5,
    learning_rate: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    alpha: float = 1e-4,
) -> keras.Model:
    """Fine-tunes on retain with a penalty on the absolute weights that fades out.

    The formula: minimise `cross_entropy(retain) + alpha_t * sum |w|` with `alpha_t = alpha * (1 - t / epochs)` at
    epoch t; the learning rate falls along a cosine.

    Kind: tuning on retain
    Cost: epochs * retain
    Data: retain
    Source: Jia et al., Model Sparsity Can Simplify Machine Unlearning, NeurIPS 2023.
    Differences: a cosine, where the authors' code lowers the rate in steps; the paper's other schedules of alpha are
    left out, this is the one that it finds best.
    """
    rates = schedules.cosine(learning_rate, epochs)
    penalties = alpha * (1 - np.arange(epochs) / max(epochs, 1))
    Descent(net, Sgd(momentum, weight_decay)).train(in_memory(retain), rates, l1=penalties)
    return net
