"""Certified removal: the last layer is convex, and perturbed enough to hide what a removal leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.methods import _certificates
from kit.methods._certificates import Certificate
from kit.toolbox import blocks, compiled, examples, facts, inference, seeding, training
from kit.toolbox.examples import in_memory
from kit.toolbox.state import read_arrays, write_arrays
from kit.types import Challenge, InputError

if TYPE_CHECKING:
    import tensorflow as tf


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    folder: Path,
) -> keras.Model:
    """Takes one Newton step in the last layer, or fits it anew once the budget of certified error is spent.

    The formula: `w += H^-1 D`, with D the gradient of the forgotten examples' part of the loss and H the Hessian of
    the rest; the gradient that is left is bounded, and the sum of these bounds over all removals so far must stay below
    `sigma epsilon / sqrt(2 log(1.5 / delta))`, see `kit.methods._certificates`. Features come from a network
    that has seen validation examples only, which nobody can ask to delete.

    Kind: influence and certificates
    Cost: (retain + forget) / 3
    Data: forget, retain
    Source: Guo et al., Certified Data Removal from Machine Learning Models, ICML 2020.
    Differences: a tighter bound of the same kind; the optimum's own error, 1e-9, is counted, but not that features are
    computed in float32 (1e-7, where budgets are near 1); the extractor is trained on the validation set, where the
    paper has public data or none. No seed plays a part until the budget is spent. A Newton step counts as no pass.
    """
    state = read_arrays(folder, "state")
    certificate = Certificate(*state["certificate"].tolist())
    retain_examples, forget_examples = in_memory(retain), in_memory(forget)
    x, x_gone = (_features(net, part.x) for part in (retain_examples, forget_examples))
    signs, signs_gone = (
        _certificates.signs_of(np.asarray(part.y), len(state["w"])) for part in (retain_examples, forget_examples)
    )
    state["w"], added = _certificates.remove(state["w"], x, x_gone, signs_gone, float(state["regularisation"]))
    state["bound"] += added
    spent = float(state["bound"].max() / certificate.budget)
    if spent > 1:
        _fit(state, x, signs, certificate, np.random.default_rng(seeding.draw_seed()))
    _store(net, state, folder, {"budget_spent": spent, "retrained": float(spent > 1)})
    return net


def pretraining(
    challenge: Challenge,
    seed: int,
    folder: Path,
    base: keras.Model,
    *,
    epsilon: float = 10.0,
    delta: float = 1e-4,
    sigma: float = 10.0,
    regularisation: float = 1e-2,
) -> keras.Model:
    """Trains the extractor on validation examples, and on its features a perturbed logistic regression a class.

    Raises:
        InputError: a number is not above 0, or `delta` not below 1.
    """
    if min(epsilon, sigma, regularisation) <= 0 or not 0 < delta < 1:
        raise InputError(
            f"epsilon is {epsilon}, delta {delta}, sigma {sigma} and regularisation {regularisation}. Expected numbers "
            "above 0, and delta below 1: without noise there is nothing to hide behind, and without regularisation no "
            "bound. Change them."
        )
    seeding.set_random_seed(seed, keep_compiled=True)
    base.set_weights(blocks.redrawn(base))
    seeding.seed_generators_reset(base, seed)
    public = examples.batches(challenge.validation, np.arange(len(challenge.validation)), challenge.batch_size)
    training.fit(base, public, challenge.recipe, seed=seeding.draw_seed())
    net = compiled.once(base, "certified_removal", lambda: _on_features_of(base, challenge))

    x = _features(net, challenge.train.x)
    signs = _certificates.signs_of(challenge.train.y, challenge.num_classes)
    certificate = Certificate(epsilon, delta, sigma, challenge.num_classes)
    state = {"certificate": np.array([epsilon, delta, sigma, challenge.num_classes])}
    state |= {"regularisation": np.array(regularisation)}
    _fit(state, x, signs, certificate, np.random.default_rng(seeding.draw_seed()))
    fits = _certificates.removals_that_fit(state["w"], x, signs, regularisation, certificate)
    _store(net, state, folder, {"epsilon": epsilon, "delta": delta, "removals_that_fit": fits})
    return net


def _on_features_of(base: keras.Model, challenge: Challenge) -> keras.Model:
    """Returns a model of a new last layer on what the last layer of the base is given, a vector of length 1."""
    last = next((layer for layer in reversed(blocks.leaves(base)) if blocks.has_kernel(layer)), None)
    if last is None:
        raise InputError(
            f"The model '{challenge.model}' has no layer with a kernel. Expected one at its end: certified removal "
            "works on what it is given. Choose another method or model."
        )
    extractor = blocks.up_to(base, last)
    vectors = extractor.outputs[0]
    if len(vectors.shape) > 2:  # a convolution on a map that is averaged afterwards: the average may as well come first
        vectors = keras.ops.mean(vectors, axis=tuple(range(1, len(vectors.shape) - 1)))
    normed = keras.layers.UnitNormalization(name="unit_norm")(vectors)
    features = keras.Model(extractor.inputs[0], normed, name="features")
    inputs = keras.Input(challenge.input_shape, name="examples")
    logits = keras.layers.Dense(challenge.num_classes, use_bias=False, name="certified")(features(inputs))
    return keras.Model(inputs, logits, name="certified_removal")


def _features(net: keras.Model, x: np.ndarray) -> np.ndarray:
    return inference.predict_logits(net.get_layer("features"), x).astype(np.float64)


def _fit(
    state: dict[str, np.ndarray],
    x: np.ndarray,
    signs: np.ndarray,
    certificate: Certificate,
    generator: np.random.Generator,
) -> None:
    """Fits all classes under a new perturbation; the budget is whole again, but for the optimum's own error."""
    state["b"] = generator.normal(0, certificate.sigma, (signs.shape[1], x.shape[1]))
    fitted = [
        _certificates.fit(x, signs_of_class, float(state["regularisation"]), b)
        for signs_of_class, b in zip(signs.T, state["b"], strict=True)
    ]
    state["w"], state["bound"] = np.stack([w for w, _ in fitted]), np.array([norm for _, norm in fitted])


def _store(net: keras.Model, state: dict[str, np.ndarray], folder: Path, numbers: dict[str, float]) -> None:
    net.get_layer("certified").set_weights([state["w"].T.astype(np.float32)])
    write_arrays(folder, "state", state)
    facts.write(folder, facts.read(folder) | numbers)
