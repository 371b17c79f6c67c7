"""Losses against NumPy and SciPy in float64, and the gradients that they give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, rel_entr, softmax

from kit.toolbox.losses import (
    Batch,
    Difference,
    Distillation,
    cross_entropy,
    kl_divergence,
    negated_cross_entropy,
    soft_cross_entropy,
)

GENERATOR = np.random.default_rng(0)
LOGITS, TEACHER = GENERATOR.normal(scale=3.0, size=(2, 7, 5))
LABELS = GENERATOR.integers(0, 5, size=7)


def batch(logits: np.ndarray = LOGITS, labels: np.ndarray = LABELS, targets: np.ndarray | None = None) -> Batch:
    as_tensor = None if targets is None else tf.constant(targets, tf.float32)
    return Batch(tf.constant(logits, tf.float32), tf.constant(labels, tf.int32), as_tensor)


def nll(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def kl(target_logits: np.ndarray, logits: np.ndarray) -> np.ndarray:
    divergences: np.ndarray = rel_entr(softmax(target_logits, axis=1), softmax(logits, axis=1)).sum(axis=1)
    return divergences


def gradient(loss: Callable[[Batch], tf.Tensor], given: Batch) -> np.ndarray:
    with tf.GradientTape() as tape:
        tape.watch(given.logits)
        value = loss(given)
    actual: np.ndarray = tape.gradient(value, given.logits).numpy()
    return actual


def test_cross_entropy_and_its_negative() -> None:
    expected = nll(LOGITS, LABELS)
    assert float(cross_entropy(batch())) == pytest.approx(expected, rel=1e-6)
    assert float(negated_cross_entropy(batch())) == pytest.approx(-expected, rel=1e-6)


def test_soft_cross_entropy_is_against_probabilities() -> None:
    targets = softmax(TEACHER, axis=1)
    expected = -(targets * log_softmax(LOGITS, axis=1)).sum(axis=1).mean()
    assert float(soft_cross_entropy(batch(targets=targets))) == pytest.approx(expected, rel=1e-6)


def test_soft_cross_entropy_with_certain_targets_is_cross_entropy() -> None:
    assert float(soft_cross_entropy(batch(targets=np.eye(5)[LABELS]))) == pytest.approx(nll(LOGITS, LABELS), rel=1e-6)


def test_the_gradients_of_soft_cross_entropy_are_those_of_the_divergence() -> None:
    actual = gradient(soft_cross_entropy, batch(targets=softmax(TEACHER, axis=1)))
    step, divergence = 1e-6, np.empty((7, 5))
    for place in np.ndindex(7, 5):  # central differences of the mean divergence, in float64
        there, back = LOGITS.copy(), LOGITS.copy()
        there[place], back[place] = there[place] + step, back[place] - step
        divergence[place] = (kl(TEACHER, there) - kl(TEACHER, back)).mean() / (2 * step)
    np.testing.assert_allclose(actual, divergence, rtol=0, atol=1e-7)
    of_kl = gradient(
        lambda given: tf.reduce_mean(kl_divergence(tf.constant(TEACHER, tf.float32), given.logits)), batch()
    )
    np.testing.assert_allclose(of_kl, divergence, rtol=0, atol=1e-7)


def test_the_divergence_is_that_of_the_second_from_the_first_example_by_example() -> None:
    actual = kl_divergence(tf.constant(TEACHER, tf.float32), tf.constant(LOGITS, tf.float32)).numpy()
    assert actual.shape == (7,)
    np.testing.assert_allclose(actual, kl(TEACHER, LOGITS), rtol=1e-5)
    assert np.abs(actual - kl(LOGITS, TEACHER)).min() > 1e-3  # the other direction is another number


def test_the_divergence_of_what_is_certain_and_wrong_is_finite_and_of_the_same_is_zero() -> None:
    sure, wrong = tf.constant([[400.0, 0.0]]), tf.constant([[0.0, 400.0]])
    assert [float(kl_divergence(sure, other)[0]) for other in (wrong, sure)] == [400.0, 0.0]


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize(("alpha", "gamma"), [(1.0, 0.0), (-1.0, 0.0), (0.5, 1.0), (0.0, 0.3)])
def test_distillation_is_the_sum_of_its_two_parts(alpha: float, gamma: float, temperature: float) -> None:
    divergence = kl(TEACHER / temperature, LOGITS / temperature).mean()
    expected = alpha * temperature**2 * divergence + gamma * nll(LOGITS, LABELS)
    actual = Distillation(alpha, gamma, temperature)(batch(targets=TEACHER))
    assert float(actual) == pytest.approx(expected, rel=1e-5)


def test_distillation_at_a_high_temperature_matches_logits() -> None:
    """Hinton, Vinyals and Dean, equation 4, times T^2: the gradient is the difference of the centred logits."""
    actual = gradient(Distillation(1.0, 0.0, 1000.0), batch(targets=TEACHER))
    difference = LOGITS - TEACHER
    expected = (difference - difference.mean(axis=1, keepdims=True)) / 5 / 7
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_difference_weighs_the_means_of_two_batches_of_their_own_sizes(share: float) -> None:
    expected = share * nll(LOGITS, LABELS) - (1 - share) * nll(TEACHER[:3], LABELS[:3])
    actual = Difference(share)(batch(), batch(TEACHER[:3], LABELS[:3]))
    assert float(actual) == pytest.approx(expected, rel=1e-5)


def test_losses_of_the_same_settings_are_one_key_of_what_is_compiled_once() -> None:
    losses = {Distillation(1.0, 0.0, 4.0), Distillation(1.0, 0.0, 4.0), Difference(0.9), Difference(0.9)}
    assert losses == {Distillation(1.0, 0.0, 4.0), Difference(0.9)}
    assert len(losses | {Distillation(-1.0, 0.0, 4.0), Difference(0.5)}) == 4
