"""Two teachers: the original for what stays, one that knows nothing for what goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from scipy.special import softmax

from kit.toolbox import blocks, inference, losses, schedules
from kit.toolbox.examples import in_memory
from kit.toolbox.optimizers import Adam
from kit.toolbox.training import Descent

if TYPE_CHECKING:
    import tensorflow as tf

SEARCH_SPACE = {"epochs": ("int", 1, 15), "learning_rate": ("log", 1e-5, 1e-2), "retain_share": ("even", 0.1, 1.0)}


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int = 1,
    learning_rate: float = 5e-4,
    retain_share: float = 0.3,
) -> keras.Model:
    """Teaches the student what a random network says of forget examples, and the original of retain ones.

    The formula: `KL(l * p_incompetent + (1 - l) * p_original || p_student)`, with l = 1 for an example of the forget
    set, over the forget set and a random part of retain, mixed in the same batches; Adam. Both teachers' probabilities
    are computed once. The learning rate falls along a cosine.

    Kind: teachers
    Cost: (forget + retain_share * retain) / 3 + epochs * (forget + retain_share * retain)
    Data: forget, part of retain
    Source: Chundawat et al., Can Bad Teaching Induce Forgetting?, AAAI 2023.
    Differences: the divergence is the sum over classes, where the authors' code takes the mean over them and so a tenth
    of the gradient, which Adam does not notice; a cosine, where theirs keeps the rate for its single epoch.
    """
    forget_examples, retain_examples = in_memory(forget), in_memory(retain)
    retain_examples = retain_examples.at(
        np.random.permutation(len(retain_examples))[: round(retain_share * len(retain_examples))]
    )
    original = softmax(inference.predict_logits(net, retain_examples.x), axis=-1)
    weights = net.get_weights()
    blocks.reinitialise(net, blocks.leaves(net))
    incompetent = softmax(inference.predict_logits(net, forget_examples.x), axis=-1)
    net.set_weights(weights)
    lessons = forget_examples.with_targets(incompetent).followed_by(retain_examples.with_targets(original))
    Descent(net, Adam()).train(lessons, schedules.cosine(learning_rate, epochs), losses.soft_cross_entropy)
    return net
