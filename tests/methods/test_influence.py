"""The influence step against actual retraining of convex models, solved to the last digit."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

import kit
from kit.methods import influence
from kit.runs import originals
from kit.toolbox import blocks, examples

NUM_CLASSES, NUM_EXAMPLES = 3, 2000


@dataclass(frozen=True)
class Regression:
    """Softmax regression: `sum of the losses + strength / 2 |w|^2`, biases included, as in `damping I`.

    x has a last column of ones; weights are (features + 1, classes), the last row the biases.
    """

    x: np.ndarray
    y: np.ndarray
    num_classes: int = NUM_CLASSES

    def at(self, indices: np.ndarray) -> Regression:
        return Regression(self.x[indices], self.y[indices], self.num_classes)

    def probabilities(self, w: np.ndarray) -> np.ndarray:
        logits = self.x @ w
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        normed: np.ndarray = p / p.sum(axis=1, keepdims=True)
        return normed

    def losses(self, w: np.ndarray) -> np.ndarray:
        losses: np.ndarray = -np.log(self.probabilities(w)[np.arange(len(self.y)), self.y])
        return losses

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Of the sum of the losses."""
        gradient: np.ndarray = self.x.T @ (self.probabilities(w) - np.eye(self.num_classes)[self.y])
        return gradient

    def curvature(self, w: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The Hessian of the sum of the losses at w, times v."""
        p, along = self.probabilities(w), self.x @ v
        product: np.ndarray = self.x.T @ (p * (along - (p * along).sum(axis=1, keepdims=True)))
        return product

    def hessian(self, w: np.ndarray) -> np.ndarray:
        columns = [self.curvature(w, direction.reshape(w.shape)).ravel() for direction in np.eye(w.size)]
        return np.stack(columns, axis=1)

    def optimum(self, strength: float) -> np.ndarray:
        """By Newton's method, until the gradient is 1e-12 an example."""
        w = np.zeros((self.x.shape[1], self.num_classes))
        for _ in range(30):
            slope = self.gradient(w) + strength * w
            if np.linalg.norm(slope) < 1e-12 * len(self.x):
                return w
            w = w - np.linalg.solve(self.hessian(w) + strength * np.eye(w.size), slope.ravel()).reshape(w.shape)
        raise AssertionError("no optimum")

    def descended(self, strength: float, start: np.ndarray) -> np.ndarray:
        """The same by SciPy: for more weights than a Hessian is handy for."""
        actual = scipy.optimize.minimize(
            lambda w: (self.losses(w.reshape(start.shape)).sum() + strength / 2 * (w @ w)) / len(self.x),
            start.ravel(),
            jac=lambda w: (self.gradient(w.reshape(start.shape)).ravel() + strength * w) / len(self.x),
            hessp=lambda w, v: (
                (self.curvature(w.reshape(start.shape), v.reshape(start.shape)).ravel() + strength * v) / len(self.x)
            ),
            method="trust-ncg",
            options={"gtol": 1e-7},
        )
        assert actual.success, actual.message
        w: np.ndarray = actual.x.reshape(start.shape)
        return w


def regression() -> Regression:
    """Three classes that overlap, a tenth of the labels drawn anew."""
    num = NUM_EXAMPLES
    generator = np.random.default_rng(0)
    y = np.arange(num) % NUM_CLASSES
    x = generator.normal(size=(num, 5)) + 1.5 * np.eye(NUM_CLASSES, 5)[y]
    y[: num // 10] = generator.integers(NUM_CLASSES, size=num // 10)
    return Regression(np.hstack([x, np.ones((num, 1))]), y)


def dataset(data: Regression) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((data.x[:, :-1], data.y.astype(np.int32))).batch(512)


@pytest.fixture(scope="module")
def net() -> keras.Model:
    """In float64, traced once; each call puts its own weights in."""
    logits = keras.layers.Dense(NUM_CLASSES, dtype="float64")
    return keras.Sequential([keras.Input((5,), dtype="float64"), logits])


def moved(
    net: keras.Model,
    w: np.ndarray,
    data: Regression,
    gone: np.ndarray,
    damping: float,
    scale: float = 1.0,
    own: float = 0.0,
) -> np.ndarray:
    """By how much the method moves the weights; `own` is the share of the regulariser that leaves with an example."""
    net.set_weights([w[:-1], w[-1]])
    retain = dataset(data.at(np.delete(np.arange(len(data.y)), gone)))
    returned = influence.unlearning(
        net, retain, dataset(data.at(gone)), retain, damping=damping, iterations=100, scale=scale, weight_decay=own
    )
    assert returned is net
    step: np.ndarray = np.vstack(net.get_weights()) - w
    return step


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


LEFT_OUT = [0, 7, 33, 500, 1000, 1999]  # the first three have labels that were drawn


def test_both_ways_to_the_optimum_agree() -> None:
    data = regression()
    actual = data.descended(0.01 * NUM_EXAMPLES, np.zeros((6, NUM_CLASSES)))
    np.testing.assert_allclose(data.optimum(0.01 * NUM_EXAMPLES), actual, rtol=0, atol=1e-5)


@pytest.mark.parametrize("index", LEFT_OUT)
@pytest.mark.parametrize("strength", [1e-2, 0.1])
def test_leaving_one_out_moves_the_optimum_as_retraining_does(net: keras.Model, strength: float, index: int) -> None:
    data, gone, total = regression(), np.array([index]), strength * NUM_EXAMPLES
    kept = np.delete(np.arange(NUM_EXAMPLES), index)
    w = data.optimum(total)
    # The regulariser weighs as much as before: the objective is a sum.
    actual = data.at(kept).optimum(total) - w
    computed = moved(net, w, data, gone, total / (NUM_EXAMPLES - 1))
    print(f"example {index}: moved by {np.linalg.norm(actual):.5f}, error {relative_error(computed, actual):.2%}")
    assert relative_error(computed, actual) < 0.01
    curvature = data.at(kept).hessian(w) + total * np.eye(w.size)
    assert relative_error(computed.ravel(), np.linalg.solve(curvature, data.at(gone).gradient(w).ravel())) < 1e-5


@pytest.mark.parametrize("index", LEFT_OUT)
def test_with_a_mean_as_the_objective_the_regulariser_has_its_part(net: keras.Model, index: int) -> None:
    strength, data, gone, num_kept = 1e-2, regression(), np.array([index]), NUM_EXAMPLES - 1
    kept = np.delete(np.arange(NUM_EXAMPLES), index)
    w = data.optimum(strength * NUM_EXAMPLES)
    # Mean loss + strength / 2 |w|^2 with and without the example: its share of the regulariser goes with it.
    actual = data.at(kept).optimum(strength * num_kept) - w
    computed, lacking = (moved(net, w, data, gone, strength, own=own) for own in (strength, 0.0))
    print(
        f"example {index}: error {relative_error(computed, actual):.2%}, {relative_error(lacking, actual):.2%} without"
    )
    assert relative_error(computed, actual) < 0.01
    assert relative_error(lacking, actual) > relative_error(computed, actual)


def test_groups_of_a_tenth_are_moved_in_the_right_direction(net: keras.Model) -> None:
    data, size = regression(), NUM_EXAMPLES // 10
    total, errors, halved = 1e-2 * NUM_EXAMPLES, [], []
    w = data.optimum(total)
    damping = total / (NUM_EXAMPLES - size)
    for seed in range(4):
        gone = np.random.default_rng(seed).choice(NUM_EXAMPLES, size=size, replace=False)
        actual = data.at(np.delete(np.arange(NUM_EXAMPLES), gone)).optimum(total) - w
        step = moved(net, w, data, gone, damping)
        errors.append(relative_error(step, actual))
        halved.append(relative_error(step / 2, actual))
    print(f"groups of a tenth: errors {', '.join(f'{error:.1%}' for error in errors)}")
    assert max(errors) < 0.2
    assert all(half > 2 * whole for half, whole in zip(halved, errors, strict=True))


def test_the_error_shrinks_with_the_group(net: keras.Model) -> None:
    data, total, errors = regression(), 1e-2 * NUM_EXAMPLES, []
    w = data.optimum(total)
    order = np.random.default_rng(0).permutation(NUM_EXAMPLES)
    for size in (800, 200, 40, 5):
        actual = data.at(order[size:]).optimum(total) - w
        errors.append(relative_error(moved(net, w, data, order[:size], total / (NUM_EXAMPLES - size)), actual))
    print(f"groups of 800, 200, 40 and 5: errors {', '.join(f'{error:.2%}' for error in errors)}")
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 10


def test_the_step_is_proportional_to_the_scale_and_shrinks_with_damping(net: keras.Model) -> None:
    data, gone = regression(), np.arange(10)
    w = data.optimum(20.0)
    whole = moved(net, w, data, gone, 0.01)
    np.testing.assert_allclose(moved(net, w, data, gone, 0.01, scale=0.3), 0.3 * whole, rtol=1e-9, atol=1e-15)
    strongly = moved(net, w, data, gone, 1e4)  # as good as one step of gradient ascent
    np.testing.assert_allclose(strongly, data.at(gone).gradient(w) / (NUM_EXAMPLES - 10) / 1e4, rtol=1e-3)


@pytest.mark.slow
def test_losses_change_as_if_a_network_s_last_layer_had_been_trained_without_them() -> None:
    strength, challenge = 1e-3, kit.load_challenge()
    net = originals.build(challenge)
    net.set_weights(originals.load(challenge).weights)
    logits, before = net.get_layer("logits"), net.get_weights()[:-2]
    features = keras.Model(net.inputs[0], net.get_layer("hidden").output)(challenge.train.x).numpy().astype(np.float64)
    data = Regression(np.hstack([features, np.ones((len(features), 1))]), challenge.train.y, 10)
    w = data.descended(strength * len(features), np.vstack(logits.get_weights()).astype(np.float64))
    forget, own = data.at(challenge.split.forget), []
    predicted: list[np.ndarray] = []
    actual: list[np.ndarray] = []
    for start in range(0, 120, 40):
        gone = challenge.split.forget[start : start + 40]
        kept = np.delete(np.arange(len(features)), gone)
        logits.set_weights([w[:-1], w[-1]])
        retain, leave = (examples.batches(challenge.train, first, 700) for first in (kept, gone))
        with blocks.frozen_but(net, blocks.last_blocks(net, 1)):
            influence.unlearning(net, retain, leave, retain, damping=strength, iterations=50, weight_decay=0.0)
        for changes, weights in (
            (predicted, np.vstack(logits.get_weights()).astype(np.float64)),
            (actual, data.at(kept).descended(strength * len(kept), w)),
        ):
            changes.append(forget.losses(weights) - forget.losses(w))
        own.append(np.isin(challenge.split.forget, gone))
    assert all(np.array_equal(first, second) for first, second in zip(before, net.get_weights(), strict=False))
    everywhere, of_gone = (
        np.corrcoef(np.ravel(predicted)[on], np.ravel(actual)[on])[0, 1] for on in (..., np.ravel(own))
    )
    slope = np.ravel(predicted) @ np.ravel(actual) / (np.ravel(actual) @ np.ravel(actual))
    print(f"correlation {everywhere:.3f}, of the examples that are gone {of_gone:.3f}; slope {slope:.2f}")
    assert everywhere > 0.9
    assert of_gone > 0.9
    assert 0.4 < slope < 1.2
