"""One Newton step from the optimum of all data to that of the retain set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from kit.toolbox import gradients
from kit.toolbox.examples import in_memory

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"damping": ("log", 1e-4, 1.0), "iterations": ("int", 1, 9), "scale": ("log", 0.1, 30.0)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    damping: float = 0.01,
    iterations: int = 5,
    scale: float = 1.0,
    weight_decay: float = 1e-4,
) -> keras.Model:
    """Moves the weights by the influence of the forget set, an inverse-curvature-vector product.

    The formula: `w += scale * (n_f / n_r) * (G + damping I)^-1 (gradient(mean cross-entropy of forget) + weight_decay
    w)`, G being the Gauss-Newton matrix of retain, by conjugate gradient: to first order, where the optimum of mean
    cross-entropy and `weight_decay / 2 |w|^2` goes once n_f of n_f + n_r examples are gone, given that the model was at
    the optimum of all, and damping is that weight decay. The Hessian itself is indefinite for a network.

    Kind: influence and certificates
    Cost: forget + iterations * 2 * retain
    Data: forget, retain
    Source: Koh and Liang, Understanding Black-box Predictions via Influence Functions, ICML 2017; Warnecke et al.,
    Machine Unlearning of Features and Labels, NDSS 2023; Martens, Deep learning via Hessian-free optimization, ICML
    2010.
    Differences: Gauss-Newton with damping in place of the Hessian; conjugate gradient in place of LiSSA or
    WoodFisher.
    """
    forget_examples, retain_examples = in_memory(forget), in_memory(retain)
    weights = [variable.value for variable in net.trainable_variables]
    target = gradients.plus(gradients.mean_gradient(net, forget_examples), weights, weight_decay)
    product = gradients.gauss_newton_product(net, retain_examples)
    step = gradients.conjugate_gradient(product, target, damping=damping, iterations=iterations)
    for variable, change in zip(net.trainable_variables, step, strict=True):
        variable.assign_add(scale * len(forget_examples) / len(retain_examples) * change)
    return net
