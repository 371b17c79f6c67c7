"""Certified removal: optima, Newton steps and their bounds against SciPy, and the method as it is run."""

from __future__ import annotations

import dataclasses
import decimal
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import scipy.optimize
import scipy.stats

import kit
from kit import methods
from kit.methods import _certificates, certified_removal
from kit.methods._certificates import Certificate
from kit.runs import originals, pretraining
from kit.runs.worker import Worker
from kit.storage import files
from kit.toolbox import blocks, examples, facts, inference, seeding
from kit.types import Challenge, Recipe

SIZE = 6


def points(num: int, num_classes: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Examples of length 1, and signs (n, classes) that depend on them, a tenth of them wrong."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(num, SIZE)) + 0.5
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    signs = np.sign(x @ generator.normal(size=(SIZE, num_classes)) + 0.1)
    signs[generator.random(signs.shape) < 0.1] *= -1
    return x, signs


def loss(w: np.ndarray, x: np.ndarray, signs: np.ndarray, regularisation: float, b: np.ndarray) -> float:
    """Written out, as the module's docstring has it."""
    total = 0.0
    for example, sign in zip(x, signs, strict=True):
        total += math.log(1 + math.exp(-sign * float(w @ example))) + regularisation / 2 * float(w @ w)
    return total + float(b @ w)


def slope(w: np.ndarray, x: np.ndarray, signs: np.ndarray, regularisation: float, b: np.ndarray) -> np.ndarray:
    """The gradient once more, in the other of the two usual forms: labels 0 and 1."""
    away = (1 + np.tanh(x @ w / 2)) / 2 - (signs + 1) / 2
    gradient: np.ndarray = (away[:, np.newaxis] * x).sum(axis=0) + len(x) * regularisation * w + b
    return gradient


def optimum(x: np.ndarray, signs: np.ndarray, regularisation: float, b: np.ndarray) -> np.ndarray:
    """By SciPy, from gradients alone; and BFGS finds no lower loss.

    The losses are compared, not the places: where the loss is a million and flat, its values say little of where its
    optimum is, and BFGS ends thousandths away from it on one processor and a whole unit on another.
    """

    def function(w: np.ndarray) -> float:
        sums = np.logaddexp(0, -signs * (x @ w)).sum()
        return float(sums + len(x) * regularisation / 2 * (w @ w) + b @ w)

    actual = scipy.optimize.root(lambda w: slope(w, x, signs, regularisation, b), np.zeros(x.shape[1]), tol=1e-13)
    bfgs = scipy.optimize.minimize(function, np.zeros(x.shape[1]), method="BFGS", options={"gtol": 1e-5})
    lowest = function(actual.x)
    assert bfgs.fun == pytest.approx(lowest, rel=1e-6)
    assert lowest <= bfgs.fun + 1e-12 * abs(bfgs.fun)  # rounding
    # The loss bends by n regularisation at least in every direction, so a gradient bounds the way to the optimum.
    farthest = np.linalg.norm(slope(bfgs.x, x, signs, regularisation, b)) / (len(x) * regularisation)
    assert np.linalg.norm(bfgs.x - actual.x) <= (1 + 1e-6) * farthest
    w: np.ndarray = actual.x
    return w


def exact_slope(w: np.ndarray, x: np.ndarray, signs: np.ndarray, regularisation: float, b: np.ndarray) -> np.ndarray:
    """The gradient with fifty digits, of the numbers as they are stored; rounded at the end."""
    with decimal.localcontext(prec=50):
        exact = np.vectorize(Decimal, otypes=[object])
        weights, examples, labels = exact(w), exact(x), exact(signs)
        away = [
            -sign / (1 + (sign * (example @ weights)).exp()) for example, sign in zip(examples, labels, strict=True)
        ]
        total = np.array(away) @ examples + len(x) * Decimal(regularisation) * weights + exact(b)
        gradient: np.ndarray = total.astype(float)
    return gradient


def normal(*shape: int, scale: float = 1.0, seed: int = 9) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng(seed).normal(scale=scale, size=shape)
    return drawn


# Gradients and optima


def test_signs() -> None:
    signs = _certificates.signs_of(np.array([2, 0, 1]), 3)
    assert signs.tolist() == [[-1, -1, 1], [1, -1, -1], [-1, 1, -1]]
    assert signs.dtype == np.float64


@pytest.mark.parametrize("scale", [0.0, 1.0, 8.0])
def test_the_gradient_is_how_the_loss_changes(scale: float) -> None:
    x, signs = points(40)
    w, b = normal(SIZE, scale=scale), normal(SIZE, seed=10)
    actual = _certificates.gradient(w, x, signs[:, 0], 0.03, b)
    for number, direction in enumerate(np.eye(SIZE)):
        at = [loss(w + 1e-5 * sign * direction, x, signs[:, 0], 0.03, b) for sign in (1, -1)]
        assert actual[number] == pytest.approx((at[0] - at[1]) / 2e-5, rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(actual, slope(w, x, signs[:, 0], 0.03, b), rtol=0, atol=1e-12)


def test_the_gradient_of_large_weights_is_finite() -> None:
    x, signs = points(40)
    assert np.isfinite(_certificates.gradient(np.full(SIZE, 1e4), x, signs[:, 0], 0.03, np.zeros(SIZE))).all()


@pytest.mark.parametrize("sigma", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("regularisation", [1e-4, 1e-2, 1.0])
def test_the_optimum_is_that_of_scipy(regularisation: float, sigma: float) -> None:
    x, signs = points(60)
    b = normal(SIZE, scale=sigma)
    w, left = _certificates.fit(x, signs[:, 0], regularisation, b)
    np.testing.assert_allclose(w, optimum(x, signs[:, 0], regularisation, b), rtol=1e-6, atol=1e-8)
    assert np.linalg.norm(slope(w, x, signs[:, 0], regularisation, b)) < 1e-9
    assert left == pytest.approx(float(np.linalg.norm(slope(w, x, signs[:, 0], regularisation, b))), abs=1e-12)
    # A gradient of less than 1e-9 is that of a place less than 1e-9 / (n regularisation) away from the optimum.
    assert np.linalg.norm(exact_slope(w, x, signs[:, 0], regularisation, b)) < 1e-9


def test_the_optimum_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    x, signs = points(60)
    w, _ = _certificates.fit(x, signs[:, 0], 0.02, np.zeros(SIZE))
    theirs = LogisticRegression(C=1 / (60 * 0.02), fit_intercept=False, tol=1e-10, max_iter=1000).fit(x, signs[:, 0])
    np.testing.assert_allclose(w, theirs.coef_[0], rtol=1e-5)


def test_what_is_left_is_told_where_steps_run_out() -> None:
    x, signs = points(60)
    for steps in (0, 1, 2):
        w, left = _certificates.fit(x, signs[:, 0], 1e-3, np.zeros(SIZE), steps=steps)
        assert left == pytest.approx(float(np.linalg.norm(slope(w, x, signs[:, 0], 1e-3, np.zeros(SIZE)))), rel=1e-9)
        assert left > 1e-3


# Removal


class Sequence:
    """Removals one after the other, each with what it left, what is claimed of it and what retraining gives."""

    def __init__(self, num: int, num_classes: int, regularisation: float, sigma: float, seed: int = 0) -> None:
        self.x, self.signs = points(num, num_classes, seed)
        self.regularisation = regularisation
        self.b = normal(num_classes, SIZE, scale=sigma, seed=seed + 100)
        fitted = [
            _certificates.fit(self.x, own, regularisation, b) for own, b in zip(self.signs.T, self.b, strict=True)
        ]
        self.w, self.bound = np.stack([w for w, _ in fitted]), np.array([left for _, left in fitted])

    def remove(self, gone: np.ndarray) -> None:
        """Takes positions among those that are left."""
        kept = np.delete(np.arange(len(self.x)), gone)
        arguments = self.x[kept], self.x[gone], self.signs[gone], self.regularisation
        self.w, added = _certificates.remove(self.w, *arguments)
        self.bound = self.bound + added
        self.x, self.signs = self.x[kept], self.signs[kept]

    def left(self) -> np.ndarray:
        """The norm of each class's gradient, of the examples that are left."""
        of_classes = zip(self.w, self.signs.T, self.b, strict=True)
        return np.array([np.linalg.norm(slope(w, self.x, own, self.regularisation, b)) for w, own, b in of_classes])

    def retrained(self) -> np.ndarray:
        of_classes = zip(self.signs.T, self.b, strict=True)
        return np.stack([optimum(self.x, own, self.regularisation, b) for own, b in of_classes])


@pytest.mark.parametrize(("regularisation", "sigma"), [(1e-3, 0.0), (1e-2, 1.0), (0.1, 10.0), (1e-4, 3.0)])
def test_no_gradient_is_ever_above_its_bound(regularisation: float, sigma: float) -> None:
    sequence = Sequence(num=400, num_classes=3, regularisation=regularisation, sigma=sigma)
    generator, factors, alone = np.random.default_rng(1), [], []
    for number in range(50):  # of four settings: 200 removals of 1 to 3 examples
        before = sequence.bound
        sequence.remove(generator.choice(len(sequence.x), size=1 + number % 3, replace=False))
        left = sequence.left()
        assert (left <= sequence.bound + 1e-12).all()  # rounding
        factors.append(sequence.bound / left)
        if number == 0:
            alone.append((sequence.bound - before) / left)
    print(f"bound / gradient, at the first removal {np.median(alone):.1f}, over all {np.median(factors):.1f}")
    assert np.median(factors) < 1000


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_of_one_removal_is_not_far_above_what_is_left(seed: int) -> None:
    factors = []
    for gone in range(20):
        sequence = Sequence(num=100, num_classes=2, regularisation=1e-2, sigma=1.0, seed=seed)
        sequence.remove(np.array([gone]))
        left = sequence.left()
        assert (left <= sequence.bound).all()
        factors += (sequence.bound / left).tolist()
    print(f"bound / gradient of one removal: median {np.median(factors):.1f}, smallest {min(factors):.1f}")
    assert np.median(factors) < 100


def test_the_bound_is_what_the_paper_has_with_tighter_constants() -> None:
    sequence = Sequence(num=80, num_classes=2, regularisation=1e-2, sigma=1.0)
    w, x, signs, before = sequence.w, sequence.x, sequence.signs, sequence.bound
    sequence.remove(np.array([3, 5]))
    kept, factors = np.delete(x, [3, 5], axis=0), []
    for number in range(2):
        s = 1 / (1 + np.exp(-kept @ w[number]))
        hessian = (kept.T * (s * (1 - s))) @ kept + 78 * 1e-2 * np.eye(SIZE)
        wanted = -slope(w[number], kept, np.delete(signs[:, number], [3, 5]), 1e-2, sequence.b[number])
        step = np.linalg.inv(hessian) @ wanted
        np.testing.assert_allclose(sequence.w[number], w[number] + step, rtol=1e-7)
        bound = (sequence.bound - before)[number]
        coarse = np.linalg.norm(kept, 2) * np.linalg.norm(step) * np.linalg.norm(kept @ step) / 4
        exact = np.abs(kept @ step)
        assert bound == pytest.approx(
            np.linalg.norm(kept, 2) * np.linalg.norm(exact**2) / (12 * math.sqrt(3)), rel=1e-6
        )
        factors.append(coarse / bound)
    assert min(factors) > 5  # 12 sqrt(3) / 4 and more


def test_the_third_derivative_has_no_larger_value() -> None:
    t = np.linspace(-20, 20, 2_000_001)
    s = 1 / (1 + np.exp(-t))
    assert np.abs(s * (1 - s) * (1 - 2 * s)).max() == pytest.approx(1 / (6 * math.sqrt(3)), rel=1e-9)


@pytest.mark.parametrize("group", [1, 10])
def test_what_is_removed_is_near_what_was_retrained(group: int) -> None:
    sequence = Sequence(num=400, num_classes=2, regularisation=1e-2, sigma=1.0)
    before = sequence.w
    sequence.remove(np.arange(group))
    retrained = sequence.retrained()
    far, near = (np.linalg.norm(weights - retrained, axis=1) for weights in (before, sequence.w))
    assert (near < 0.05 * far).all()
    # The loss is strongly convex: what is left of the gradient bounds the distance too.
    assert (near <= sequence.bound / (len(sequence.x) * 1e-2)).all()


def test_removal_of_all_at_once_and_one_by_one_give_nearly_the_same() -> None:
    together, one_by_one = (Sequence(num=400, num_classes=2, regularisation=1e-2, sigma=1.0) for _ in range(2))
    before = together.w
    together.remove(np.arange(10))
    for _ in range(10):
        one_by_one.remove(np.array([0]))
    far = np.linalg.norm(before - together.w)
    assert np.linalg.norm(together.w - one_by_one.w) < 0.02 * far


def test_nothing_that_was_handed_over_is_changed() -> None:
    sequence = Sequence(num=50, num_classes=2, regularisation=1e-2, sigma=1.0)
    arrays = sequence.w, sequence.x[1:], sequence.x[:1], sequence.signs[:1]
    copies = [array.copy() for array in arrays]
    _certificates.remove(*arrays, regularisation=1e-2)
    assert all(np.array_equal(first, second) for first, second in zip(arrays, copies, strict=True))


# Budgets


@pytest.mark.parametrize(
    ("epsilon", "delta", "sigma", "num_classes"), [(1.0, 1e-4, 1.0, 1), (10.0, 1e-4, 10.0, 10), (0.1, 1e-6, 0.5, 3)]
)
def test_the_budget_is_that_of_the_share_of_a_class(
    epsilon: float, delta: float, sigma: float, num_classes: int
) -> None:
    certificate = Certificate(epsilon, delta, sigma, num_classes)
    c = sigma * (epsilon / num_classes) / certificate.budget
    # As the theorem is written: delta = 1.5 exp(-c^2 / 2), of sigma = c times the largest gradient over epsilon.
    assert 1.5 * math.exp(-(c**2) / 2) == pytest.approx(delta / num_classes, rel=1e-9)


@pytest.mark.parametrize(
    ("epsilon", "delta", "exact"), [(1.0, 1e-3, False), (6.0, 1e-4, False), (10.0, 1e-4, True), (40.0, 1e-5, True)]
)
def test_no_one_tells_two_gaussians_at_the_budget_s_distance_apart_better_than_promised(
    epsilon: float, delta: float, exact: bool
) -> None:
    certificate = Certificate(epsilon, delta, sigma=2.0, num_classes=1)
    distance = certificate.budget / certificate.sigma
    t = np.linspace(-10, 30, 40_001)
    # The best test of all, at each threshold: P(T | moved) <= exp(epsilon) P(T) + delta.
    excess = scipy.stats.norm.sf(t - distance) - np.exp(epsilon + scipy.stats.norm.logsf(t))
    assert excess.max() <= delta * (1 + 1e-9)
    assert (excess.max() > delta * (1 - 1e-5)) == exact  # where the theorem's budget is too much, no less than need be


@pytest.mark.parametrize(("regularisation", "num_classes"), [(1e-2, 3), (1e-3, 1)])
def test_as_many_removals_fit_as_can_be_counted(regularisation: float, num_classes: int) -> None:
    bounds, counted = [], []
    for number in range(20):
        sequence = Sequence(300, num_classes, regularisation, sigma=1.0)
        sequence.remove(np.array([number]))
        bounds.append(sequence.bound)
    # The budget is proportional to epsilon: enough for some dozens.
    epsilon = 50 * np.mean(bounds, axis=0).max() / Certificate(1.0, 1e-4, 1.0, num_classes).budget
    certificate = Certificate(float(epsilon), 1e-4, 1.0, num_classes)
    sequence = Sequence(300, num_classes, regularisation, sigma=1.0)
    arguments = sequence.w, sequence.x, sequence.signs, regularisation, certificate
    expected = _certificates.removals_that_fit(*arguments)
    for seed in range(5):
        sequence, left = Sequence(300, num_classes, regularisation, sigma=1.0), 300
        generator = np.random.default_rng(seed)
        while (sequence.bound <= certificate.budget).all():
            sequence.remove(generator.choice(left, size=1))
            left -= 1
        counted.append(300 - left - 1)
    print(f"removals: {expected} expected, {counted} counted")
    assert min(counted) > 10
    assert max(counted) < 200
    assert np.mean(counted) / 3 < expected < np.mean(counted) * 3


# The method

# The budget is never spent.
AMPLE = {"epsilon": 1e4, "sigma": 1.0, "regularisation": 0.1}
SPENT = {"epsilon": 10.0, "sigma": 1e-6, "regularisation": 0.1}


def challenge_of(settings: dict[str, float], *, train_seed: int | None = None) -> Challenge:
    """Nine features, three classes that overlap; all of train may be replaced by other examples."""
    generator = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = generator.normal(size=(300, 9)) + 1.5 * np.eye(3, 9)[y]
    partition = np.repeat([0, 1, 2], 100)
    if train_seed is not None:
        other = np.random.default_rng(train_seed)
        x[:100], y[:100] = other.normal(size=(100, 9)), other.permutation(y[:100])
    challenge: Challenge = kit.make_challenge(
        "certified",
        kit.Arrays(x, y),
        partition=partition,
        forget="random:0.1",
        recipe=Recipe(epochs=3),
        batch_size=32,
        hyperparameters={"certified_removal": settings},
    )
    return challenge


def original_of(challenge: Challenge) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """The model of the method's own training, and its state."""
    worker = Worker(challenge, pretraining="certified_removal")
    net = worker.fresh_net(0, reuse=False)
    return net, files.read_npz(worker.original.state / "state.npz")


def extractor(net: keras.Model) -> list[bytes]:
    return [array.tobytes() for array in net.get_layer("features").get_weights()]


def last_layer(net: keras.Model) -> np.ndarray:
    (kernel,) = net.get_layer("certified").get_weights()
    transposed: np.ndarray = kernel.T
    return transposed


def features(net: keras.Model, x: np.ndarray) -> np.ndarray:
    """Through the layers one by one, in float64, in place of Keras's forward pass: what the logits are made of."""
    hidden = net.get_layer("features").get_layer("hidden")
    kernel, bias = (array.astype(np.float64) for array in hidden.get_weights())
    raw = np.maximum(x.astype(np.float64) @ kernel + bias, 0)
    normed: np.ndarray = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return normed


def class_gradients(net: keras.Model, state: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The norm of each class's gradient at the state's w and b."""
    actual, of_x, regularisation = [], features(net, x), float(state["regularisation"])
    for number, (w, b) in enumerate(zip(state["w"], state["b"], strict=True)):
        signs = np.where(y == number, 1.0, -1.0)
        actual.append(float(np.linalg.norm(slope(w, of_x, signs, regularisation, b))))
    return np.array(actual)


@pytest.fixture(scope="module")
def challenge() -> Challenge:
    return challenge_of(AMPLE)


def test_the_original_is_the_optimum_of_all_training_examples(challenge: Challenge) -> None:
    net, state = original_of(challenge)
    np.testing.assert_array_equal(last_layer(net), state["w"].astype(np.float32))
    assert state["certificate"].tolist() == [1e4, 1e-4, 1.0, 3]
    assert (state["bound"] < 1e-9).all()
    assert (class_gradients(net, state, challenge.train.x, challenge.train.y) < 1e-5).all()  # features are float32
    logits = inference.predict_logits(net, challenge.test.x)
    np.testing.assert_allclose(logits, features(net, challenge.test.x) @ state["w"].T, rtol=0, atol=1e-5)


layers = keras.layers
IMAGES = kit.Arrays(np.random.default_rng(0).random((60, 8, 8, 1)), np.arange(60) % 2)
WORDS = kit.Arrays(np.random.default_rng(0).integers(0, 9, (60, 5)), np.arange(60) % 2)
ARCHITECTURES: dict[str, tuple[kit.Arrays, tuple[int | None, ...], Callable[[], list[keras.Layer]]]] = {
    "without channels": (IMAGES, (8, 8), lambda: [layers.Flatten(), layers.Dense(7), layers.Dense(2)]),
    "of open length": (
        WORDS,
        (None,),
        lambda: [layers.Embedding(9, 7), layers.GlobalAveragePooling1D(), layers.Dense(2)],
    ),
    "a model inside": (
        IMAGES,
        (8, 8, 1),
        lambda: [keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(7), layers.Dense(2)])],
    ),
    "a sigmoid": (
        IMAGES,
        (8, 8, 1),
        lambda: [layers.Flatten(), layers.Dense(7), layers.Dense(1, activation="sigmoid")],
    ),
    "a softmax layer": (
        IMAGES,
        (8, 8, 1),
        lambda: [layers.Flatten(), layers.Dense(7), layers.Dense(2), layers.Softmax()],
    ),
    "a convolution and an average": (
        IMAGES,
        (8, 8, 1),
        lambda: [layers.Conv2D(7, 3, activation="relu"), layers.Conv2D(2, 1), layers.GlobalAveragePooling2D()],
    ),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_features_are_what_the_last_layer_of_any_architecture_is_given(architecture: str) -> None:
    """Up to their length: the logits without the bias are the last kernel on them."""
    arrays, shape, parts = ARCHITECTURES[architecture]
    own = keras.Sequential([keras.Input(shape), *parts()])
    challenge = kit.make_challenge("mine", arrays, model=own)
    base = originals.build(challenge)
    last = [layer for layer in blocks.leaves(base) if layer.weights][-1]
    net = certified_removal._on_features_of(base, challenge)
    features = inference.predict_logits(net.get_layer("features"), arrays.x)
    assert features.shape == (60, 7)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    scores = inference.predict_logits(base, arrays.x)[:, -last.units if hasattr(last, "units") else -2 :]
    by_hand = features @ last.get_weights()[0].reshape(7, -1)  # biases begin at 0
    lengths = np.linalg.norm(scores, axis=1, keepdims=True) / np.linalg.norm(by_hand, axis=1, keepdims=True)
    np.testing.assert_allclose(by_hand * lengths, scores, atol=1e-4)


def test_the_perturbation_has_the_standard_deviation_that_is_promised(challenge: Challenge) -> None:
    _, state = original_of(challenge)
    assert state["b"].shape == (3, 128)
    assert state["b"].std() == pytest.approx(1.0, rel=4 / math.sqrt(2 * 384))  # four standard errors
    assert abs(state["b"].mean()) < 4 / math.sqrt(384)
    _, larger = original_of(challenge_of(AMPLE | {"sigma": 20.0}))
    np.testing.assert_allclose(larger["b"], state["b"] * 20, rtol=1e-12)


def test_the_extractor_sees_no_training_example(challenge: Challenge) -> None:
    net, _ = original_of(challenge)
    replaced, _ = original_of(challenge_of(AMPLE, train_seed=7))
    assert extractor(replaced) == extractor(net)
    assert not np.allclose(last_layer(replaced), last_layer(net))
    other_validation = dataclasses.replace(challenge, validation=challenge.validation.take(np.arange(50)))
    assert extractor(original_of(other_validation)[0]) != extractor(net)


def test_unlearning_leaves_the_extractor_and_takes_the_newton_step(challenge: Challenge) -> None:
    net, state = original_of(challenge)
    unlearned = kit.unlearn("certified_removal", challenge, seed=3)
    assert extractor(unlearned.net) == extractor(net)
    assert unlearned.facts["retrained"] == 0
    split, train = challenge.split, challenge.train
    x = features(net, train.x[split.retain])
    for number, (w, b) in enumerate(zip(state["w"], state["b"], strict=True)):
        signs = np.where(train.y[split.retain] == number, 1.0, -1.0)
        s = 1 / (1 + np.exp(-x @ w))
        hessian = (x.T * (s * (1 - s))) @ x + len(x) * 0.1 * np.eye(128)
        expected = w - np.linalg.inv(hessian) @ slope(w, x, signs, 0.1, b)
        np.testing.assert_allclose(last_layer(unlearned.net)[number], expected, rtol=0, atol=1e-4)
    assert np.abs(last_layer(unlearned.net) - state["w"]).max() > 1e-2


def test_within_the_budget_chance_plays_no_part(challenge: Challenge) -> None:
    first, again, second = (kit.unlearn("certified_removal", challenge, seed=seed) for seed in (3, 3, 4))
    assert last_layer(first.net).tobytes() == last_layer(again.net).tobytes()
    np.testing.assert_allclose(last_layer(first.net), last_layer(second.net), rtol=0, atol=1e-5)
    assert first.facts == again.facts
    assert first.facts["budget_spent"] == pytest.approx(second.facts["budget_spent"], rel=1e-5)


def test_once_the_budget_is_spent_the_last_layer_is_fitted_anew() -> None:
    challenge = challenge_of(SPENT)
    net, before = original_of(challenge)
    unlearned = kit.unlearn("certified_removal", challenge, seed=3)
    assert unlearned.facts["retrained"] == 1
    assert unlearned.facts["budget_spent"] > 1
    assert extractor(unlearned.net) == extractor(net)
    retain = challenge.train.take(challenge.split.retain)
    x = features(net, retain.x)
    for number in range(3):
        signs = np.where(retain.y == number, 1.0, -1.0)
        expected = optimum(x, signs, 0.1, np.zeros(128))  # b is too small to be seen
        np.testing.assert_allclose(last_layer(unlearned.net)[number], expected, rtol=0, atol=1e-5)
    assert np.abs(last_layer(unlearned.net) - before["w"]).max() > 1e-2


class Removals:
    """The method called directly, again and again with one folder."""

    def __init__(self, challenge: Challenge, folder: Path) -> None:
        self.challenge, self.folder = challenge, folder
        self.net = Worker(challenge, pretraining="certified_removal").fresh_net(0, reuse=False)
        self.left = np.arange(len(challenge.train))
        seeding.set_random_seed(0)

    def state(self) -> dict[str, np.ndarray]:
        return files.read_npz(self.folder / "state.npz")

    def remove(self, gone: np.ndarray) -> None:
        train, validation = self.challenge.train, self.challenge.validation
        self.left = np.setdiff1d(self.left, gone)
        retain, forget = (examples.batches(train, rows, 32) for rows in (self.left, gone))
        methods.get("certified_removal")(
            self.net, retain, forget, examples.batches(validation, np.arange(len(validation)), 32), folder=self.folder
        )

    def gradients(self) -> np.ndarray:
        train = self.challenge.train
        return class_gradients(self.net, self.state(), train.x[self.left], train.y[self.left])


@pytest.fixture
def removals() -> Callable[[Challenge], Any]:
    """A context with the removals of a challenge."""
    from contextlib import contextmanager

    @contextmanager
    def of(challenge: Challenge) -> Any:
        original = pretraining.load(challenge, "certified_removal")
        with pretraining.copy_of_state(original) as folder:
            yield Removals(challenge, folder)

    return of


def bound_of_step(before: np.ndarray, after: np.ndarray, x: np.ndarray) -> np.ndarray:
    """From the difference of two states: `|X| |(X step)^2| / (12 sqrt(3))`."""
    moved = (after - before) @ x.T
    bounds: np.ndarray = np.linalg.norm(x, 2) * np.linalg.norm(moved**2, axis=1) / (12 * math.sqrt(3))
    return bounds


def test_bounds_add_up_over_successive_removals(challenge: Challenge, removals: Callable[[Challenge], Any]) -> None:
    with removals(challenge) as both:
        total = both.state()["bound"]
        for gone in (np.arange(5), np.arange(30, 36), np.array([99])):
            before = both.state()
            both.remove(gone)
            after = both.state()
            total = total + bound_of_step(before["w"], after["w"], features(both.net, challenge.train.x[both.left]))
            np.testing.assert_allclose(after["bound"], total, rtol=1e-4)
            assert np.array_equal(after["b"], before["b"])
            assert (both.gradients() <= total + 1e-5).all()  # features are float32
            facts_of_run = facts.read(both.folder)
            certificate = Certificate(1e4, 1e-4, 1.0, 3)
            promised = {"epsilon": 1e4, "delta": 1e-4, "removals_that_fit": facts_of_run["removals_that_fit"]}
            spent = pytest.approx(total.max() / certificate.budget, rel=1e-4)
            assert facts_of_run == promised | {"budget_spent": spent, "retrained": 0}
            np.testing.assert_array_equal(last_layer(both.net), after["w"].astype(np.float32))


def test_after_a_new_fit_the_budget_is_whole_again(removals: Callable[[Challenge], Any]) -> None:
    challenge = challenge_of(SPENT)
    with removals(challenge) as both:
        first = both.state()
        both.remove(np.arange(5))
        second = both.state()
        assert (first["b"] != second["b"]).all()
        assert second["b"].std() == pytest.approx(1e-6, rel=4 / math.sqrt(2 * 384))
        assert (second["bound"] < 1e-9).all()
        assert (both.gradients() < 1e-5).all()
        both.remove(np.arange(10, 15))
        assert facts.read(both.folder)["retrained"] == 1
        assert (both.state()["b"] != second["b"]).all()
        assert (both.gradients() < 1e-5).all()


def test_a_run_leaves_the_state_of_the_original_alone(challenge: Challenge) -> None:
    original = pretraining.load(challenge, "certified_removal")
    before = {path.name: path.read_bytes() for path in original.state.iterdir()}
    kit.unlearn("certified_removal", challenge, seed=3)
    assert {path.name: path.read_bytes() for path in original.state.iterdir()} == before


def test_a_retrained_model_sees_no_forgotten_example(challenge: Challenge) -> None:
    spoilt = challenge.train.x.copy()
    spoilt[challenge.split.forget] = 1e3
    second = dataclasses.replace(challenge, train=dataclasses.replace(challenge.train, x=spoilt))
    base = pretraining.new_base(challenge)
    first, again = (
        pretraining.retrain(each, "certified_removal", 5, base).get_weights() for each in (challenge, second)
    )
    assert [array.tobytes() for array in first] == [array.tobytes() for array in again]
