"""Noise as large as the weights themselves, then distillation on retain: what is learnt again is retain alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox import inference, losses, schedules
from kit.toolbox.examples import in_memory
from kit.toolbox.optimizers import Adam
from kit.toolbox.training import Descent

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {
    "epochs": ("int", 5, 12),
    "learning_rate": ("log", 2e-3, 3e-2),
    "sigma": ("even", 0.4, 1.6),
    "batch_size": ("one of", 16, 32, 64),
    "alpha": ("even", 0.0, 1.0),
    "temperature": ("log", 1.0, 8.0),
}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    sigma: float = 1.0,
    epochs: int = 9,
    learning_rate: float = 0.008,
    warm_up: int = 1,
    batch_size: int = 16,
    alpha: float = 0.5,
    temperature: float = 2.0,
) -> keras.Model:
    """Drowns every weight in noise of its array's own size, then learns retain again from its labels and the original.

    The formula: `w += sigma * std(w's array) * N(0, 1)`; then minimise `alpha * T^2 KL(original / T || student / T) +
    (1 - alpha) * cross_entropy` on retain by Adam, the rate rising for `warm_up` epochs and falling along a cosine. The
    noise takes away what is known of single examples and differs from run to run as retrainings do; what is left of the
    weights is a warm start, and the original's logits say more of a retain example than its label. The weights are not
    shrunk: from small ones the student generalises better than a model that was trained to the end, which knows its
    examples by heart.

    Kind: teachers
    Cost: retain / 3 + epochs * retain
    Data: retain
    Source: the kit's own. The noise is that of `weight_noise`, the loss that of `scrub` on retain; noise before a warm
    start is from Ash and Adams, On Warm-Starting Neural Network Training, NeurIPS 2020.
    Differences: Ash and Adams shrink the weights, and have no teacher; batches are smaller than the challenge's, which
    costs as many passes and gives more steps.
    """
    examples = in_memory(retain)
    examples = replace(examples.with_targets(inference.predict_logits(net, examples.x)), batch_size=batch_size)
    for variable in net.trainable_variables:
        weights = keras.ops.convert_to_numpy(variable)
        variable.assign(weights + sigma * weights.std() * np.random.standard_normal(weights.shape))
    rates = schedules.cosine(learning_rate, epochs, warm_up=warm_up)
    Descent(net, Adam()).train(examples, rates, losses.Distillation(alpha, 1 - alpha, temperature))
    return net
