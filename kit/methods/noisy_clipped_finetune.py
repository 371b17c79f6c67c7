"""Certified for any network: it is shrunk, hidden in the noise of clipped steps, and trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kit.toolbox import blocks, gradients, training
from kit.toolbox.accounting import NoisyDescent
from kit.toolbox.examples import in_memory
from kit.types import Recipe

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {
    "radius": ("log", 0.01, 10.0),
    "steps": ("int", 1, 40),
    "noisy_rate": ("log", 1e-4, 0.1),
    "learning_rate": ("log", 1e-2, 0.5),
}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epsilon: float = 10.0,
    delta: float = 1e-4,
    radius: float = 0.1,
    clip: float = 1.0,
    steps: int = 10,
    noisy_rate: float = 1e-3,
    decay: float = 0.0,
    epochs: int = 9,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
) -> keras.Model:
    """Shrinks the weights to a ball, takes noisy clipped steps on retain, and fine-tunes: (epsilon, delta)-certified.

    The formula: `w *= min(1, radius / |w|)`; so many times `w = (1 - rate decay) w - rate clip(g) + N(0, sigma^2)`, g
    the gradient on a batch of retain, its norm cut to `clip`; then SGD along a cosine. Two originals are at most
    `2 radius` apart, and only the start has seen the forget set: sigma follows, see `kit.toolbox.accounting`. So nobody
    tells the result from that of the same steps after a training without it better than by epsilon and delta.

    Kind: influence and certificates
    Cost: steps * min(batch_size, retain) + epochs * retain
    Data: retain
    Source: Koloskova, Allouah, Jha, Guerraoui and Koyejo, Certified unlearning for neural networks, ICML 2025.
    Differences: sigma by zCDP and exact for these steps, where the paper has a bound; batch statistics begin anew; a
    frozen layer that has seen the forget set is not covered. Of small networks an epsilon of 10 leaves next to nothing.
    """
    for layer in blocks.leaves(net):
        _begin_statistics_anew(layer)
    weights = [_as_array(variable) for variable in net.trainable_variables]
    descent = NoisyDescent(2 * radius, clip, noisy_rate, decay, steps)
    sigma, examples = descent.sigma(epsilon, delta), in_memory(retain)
    weights = [part * min(1.0, radius / max(_norm(weights), 1e-30)) for part in weights]
    for _ in range(steps):
        _assign(net, weights)
        batch = np.random.permutation(len(examples))[: examples.batch_size]
        slope = [_as_array(part) for part in gradients.mean_gradient(net, examples.at(batch))]
        factor = noisy_rate * min(1.0, clip / max(_norm(slope), 1e-30))
        weights = [
            (1 - noisy_rate * decay) * part - factor * pull + sigma * np.random.standard_normal(part.shape)
            for part, pull in zip(weights, slope, strict=True)
        ]
    _assign(net, weights)
    return training.fit(net, retain, Recipe(epochs, learning_rate, momentum, weight_decay))


def _as_array(tensor: Any) -> np.ndarray:
    array: np.ndarray = keras.ops.convert_to_numpy(tensor).astype(np.float64)
    return array


def _norm(parts: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(float((part**2).sum()) for part in parts)))


def _assign(net: keras.Model, weights: list[np.ndarray]) -> None:
    for variable, part in zip(net.trainable_variables, weights, strict=True):
        variable.assign(part.astype(variable.dtype))


def _begin_statistics_anew(layer: keras.layers.Layer) -> None:
    """Puts the running mean and variance of a layer that is trained back to where they began: no noise hides them."""
    if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
        layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
        layer.moving_variance.assign(np.ones(layer.moving_variance.shape))
