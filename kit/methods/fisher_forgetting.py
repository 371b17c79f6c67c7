"""Noise in proportion to what the retain set can bear of it in each weight. No training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.toolbox import gradients
from kit.toolbox.examples import in_memory

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"alpha": ("log", 1e-9, 1e-3), "largest_variance": ("log", 1e1, 1e5)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    alpha: float = 3e-6,
    largest_variance: float = 1e3,
) -> keras.Model:
    """Adds to each weight noise of a size that the retain set can bear.

    The formula: `w += sqrt(alpha * min(1 / (I + 1e-8), largest_variance)) * N(0, 1)`, I being the diagonal of the
    Fisher information over retain, with the labels that the model itself expects: much noise where information is
    small.

    Kind: saliency and dampening
    Cost: classes * retain
    Data: retain
    Source: Golatkar, Achille and Soatto, Eternal Sunshine of the Spotless Net, CVPR 2020.
    Differences: the variance is not averaged over a layer's inputs, and the last layer and biases get no factor and no
    bound of their own, which they have in the authors' notebook; the mean is not moved.
    """
    information = gradients.fisher_diagonal(net, in_memory(retain), expected=True)
    for variable, diagonal in zip(net.trainable_variables, information, strict=True):
        variance = alpha * np.minimum(1 / (np.asarray(diagonal) + 1e-8), largest_variance)
        variable.assign_add(np.sqrt(variance) * np.random.standard_normal(variance.shape))
    return net
