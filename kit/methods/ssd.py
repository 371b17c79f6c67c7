"""Selective synaptic dampening: shrink what only the forget set needs. No training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from kit.toolbox import gradients
from kit.toolbox.examples import in_memory

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"alpha": ("log", 0.5, 10.0), "dampening": ("log", 0.05, 2.0)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    alpha: float = 5.0,
    dampening: float = 1.0,
) -> keras.Model:
    """Dampens the weights that matter far more to the forget set than to the whole training set.

    The formula: with the diagonals I_f and I_d of the Fisher information over forget and over all training examples,
    each weight with `I_f > alpha * I_d` is multiplied by `min(1, dampening * I_d / I_f)`; the others keep their bits.
    On a random tenth of the data the two are nearly equal, and with the published alpha of 10 the method then does
    next to nothing.

    Kind: saliency and dampening
    Cost: forget + retain
    Data: forget, retain
    Source: Foster, Schoepf and Brintrup, Fast Machine Unlearning Without Retraining Through Selective Synaptic
    Dampening, AAAI 2024.
    Differences: squared gradients of single examples, as in the paper's formula, where the authors' code squares those
    of batches; in inference mode.
    """
    forget_examples, retain_examples = in_memory(forget), in_memory(retain)
    forget_fisher, retain_fisher = (gradients.fisher_diagonal(net, part) for part in (forget_examples, retain_examples))
    share = len(forget_examples) / (len(forget_examples) + len(retain_examples))
    for variable, forget_part, retain_part in zip(net.trainable_variables, forget_fisher, retain_fisher, strict=True):
        overall = share * forget_part + (1 - share) * retain_part
        factor = ops.minimum(1.0, dampening * ops.divide_no_nan(overall, forget_part))
        variable.assign(ops.where(forget_part > alpha * overall, factor * variable.value, variable.value))
    return net
