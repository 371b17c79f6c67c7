"""Each optimiser against its formula in NumPy and float64, against Keras's own, and inside the compiled loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import keras
import numpy as np
import pytest

from kit.toolbox import setup
from kit.toolbox.examples import Examples, batches
from kit.toolbox.optimizers import Adam, AdamW, Optimizer, Pull, RMSprop, Sgd
from kit.toolbox.tensors import Tensor
from kit.toolbox.training import Descent, fit
from kit.types import Arrays, Recipe

SHAPE, STEPS = (3, 4), 6
RATES = [0.1, 0.05, 0.2, 0.0, 0.1, 0.03]
GENERATOR = np.random.default_rng(0)
START = GENERATOR.normal(size=SHAPE)
TARGET = GENERATOR.normal(size=SHAPE)
OPTIMIZERS = [
    Sgd(0.0),
    Sgd(0.9, 0.3),
    Adam(),
    Adam(0.3),
    AdamW(0.0),
    AdamW(0.3),
    RMSprop(),
    RMSprop(0.8, 0.9, 0.3),
]
# Gradients change with the weights: those of the mean squared distance from a target.
Formula = Callable[[np.ndarray, Sequence[np.ndarray]], list[np.ndarray]]


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> None:
    setup.prepare()


def slope(weight: np.ndarray) -> np.ndarray:
    return weight - TARGET


def by_formula(optimizer: Optimizer, scale: float | np.ndarray = 1.0, l1: float = 0.0) -> list[np.ndarray]:
    """The weights after each step, as PyTorch's documentation has the algorithms."""
    w, first, second, weights = START.copy(), np.zeros(SHAPE), np.zeros(SHAPE), []
    for t, rate in enumerate(RATES, start=1):
        decay = 0.0 if isinstance(optimizer, AdamW) else optimizer.weight_decay  # type: ignore[attr-defined]
        g = scale * (slope(w) + decay * w + l1 * np.sign(w))
        if isinstance(optimizer, Sgd):
            first = optimizer.momentum * first + g
            w = w - rate * first
        elif isinstance(optimizer, RMSprop):
            second = optimizer.rho * second + (1 - optimizer.rho) * g**2
            first = optimizer.momentum * first + g / (np.sqrt(second) + 1e-8)
            w = w - rate * first
        else:
            if isinstance(optimizer, AdamW):
                w = w - rate * scale * optimizer.weight_decay * w
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
            w = w - rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
        weights.append(w)
    return weights


def by_update(optimizer: Optimizer, scale: np.ndarray | None = None, l1: float | None = None) -> list[np.ndarray]:
    """The same by `update` alone, in float64."""

    def tensor(value: object) -> Tensor:
        return keras.ops.convert_to_tensor(value, "float64")

    w, slots, weights = tensor(START), [tensor(np.zeros(SHAPE))] * optimizer.slots, []
    for number, rate in enumerate(RATES, start=1):
        penalty, factor = (None if value is None else tensor(value) for value in (l1, scale))
        pull = Pull(w, tensor(slope(np.asarray(w))), penalty, factor)
        w, slots = optimizer.update(pull, slots, tensor(float(number)), tensor(rate))
        assert len(slots) == optimizer.slots
        weights.append(np.asarray(w))
    return weights


class Weight(keras.layers.Layer):
    """Answers each example with all of its weights."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.weight = self.add_weight(shape=SHAPE, initializer="zeros", name="weight")

    def call(self, inputs: Tensor) -> Tensor:
        return keras.ops.zeros_like(inputs[:, :1]) + keras.ops.reshape(self.weight, (1, -1))


@dataclass(frozen=True)
class SquaredDistance:
    """Half the squared distance of the weights from the target."""

    def __call__(self, batch: object) -> Tensor:
        distance = batch.logits - TARGET.astype("float32").reshape(1, -1)  # type: ignore[attr-defined]
        return keras.ops.sum(keras.ops.square(distance)) / 2


def by_training(optimizer: Optimizer, scale: np.ndarray | None = None, l1: float | None = None) -> np.ndarray:
    """The weights after all steps of the compiled loop, one an epoch."""
    net = keras.Sequential([keras.Input((1,)), Weight()])
    net.set_weights([START])
    descent = Descent(net, optimizer, scale=None if scale is None else [scale], seed=0)
    example = Examples(keras.ops.zeros((1, 1)), keras.ops.zeros(1, "int32"), 1)
    for rate in RATES:  # call by call: what is remembered goes on
        descent.train(example, [rate], SquaredDistance(), l1=None if l1 is None else [l1])
    return net.get_weights()[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_step_is_that_of_the_formula(optimizer: Optimizer) -> None:
    np.testing.assert_allclose(by_update(optimizer), by_formula(optimizer), rtol=0, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_scale_and_l1_enter_every_step(optimizer: Optimizer) -> None:
    scale = np.linspace(0, 2, 12).reshape(SHAPE)
    steps = by_update(optimizer, scale, 0.2)
    np.testing.assert_allclose(steps, by_formula(optimizer, scale, 0.2), rtol=0, atol=1e-12)
    assert {step[0, 0] for step in steps} == {START[0, 0]}  # where the scale is 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_the_compiled_loop_takes_the_same_steps(optimizer: Optimizer) -> None:
    np.testing.assert_allclose(by_training(optimizer), by_formula(optimizer)[-1], rtol=0, atol=2e-5)
    scale = np.linspace(0, 2, 12).reshape(SHAPE)
    expected = by_formula(optimizer, scale, 0.2)[-1]
    np.testing.assert_allclose(by_training(optimizer, scale, 0.2), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("ours", "of_keras"),
    [
        (Sgd(0.0), keras.optimizers.SGD(1.0)),
        (Adam(), keras.optimizers.Adam(1.0, epsilon=1e-12)),
        (AdamW(0.3), keras.optimizers.AdamW(1.0, weight_decay=0.3, epsilon=1e-12)),
        (RMSprop(0.8, 0.0), keras.optimizers.RMSprop(1.0, rho=0.8, epsilon=1e-12)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_where_the_conventions_agree_keras_takes_the_same_steps(
    ours: Optimizer, of_keras: keras.optimizers.Optimizer
) -> None:
    weight = keras.Variable(START, dtype="float32")
    of_keras.build([weight])
    for rate, expected in zip(RATES, by_update(ours), strict=True):
        of_keras.learning_rate = rate
        of_keras.apply_gradients([(keras.ops.convert_to_tensor(weight) - TARGET.astype("float32"), weight)])
        np.testing.assert_allclose(np.asarray(weight.value), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("optimizer", [Sgd(0.9), RMSprop(0.8, 0.9)], ids=repr)
def test_what_is_remembered_begins_anew_with_each_descent(optimizer: Optimizer) -> None:
    net = keras.Sequential([keras.Input((1,)), Weight()])
    example = Examples(keras.ops.zeros((1, 1)), keras.ops.zeros(1, "int32"), 1)
    twice = []
    for _ in range(2):
        net.set_weights([START])
        Descent(net, optimizer, seed=0).train(example, RATES, SquaredDistance())
        twice.append(net.get_weights()[0].tobytes())
    assert twice[0] == twice[1]


def test_one_trace_serves_all_settings() -> None:
    from kit.toolbox import compiled

    net = keras.Sequential([keras.Input((1,)), Weight()])
    example = Examples(keras.ops.zeros((1, 1)), keras.ops.zeros(1, "int32"), 1)
    ends = []
    for momentum in (0.0, 0.5, 0.9):
        net.set_weights([START])
        Descent(net, Sgd(momentum), seed=0).train(example, RATES, SquaredDistance())
        ends.append(net.get_weights()[0])
    assert compiled.traces(net) == 1
    assert np.abs(ends[0] - ends[1]).min() > 0
    assert np.abs(ends[1] - ends[2]).min() > 0


@dataclass(frozen=True)
class SignDescent:
    """A third party's: w -= rate * share * sign(g), and the number of steps is remembered."""

    share: float = 1.0

    slots: ClassVar[int] = 1

    def update(
        self, pull: Pull, slots: Sequence[Tensor], count: Tensor, rate: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        step = rate * self.share * keras.ops.sign(pull.total())
        return pull.weight - step, [keras.ops.zeros_like(slots[0]) + count]


def test_a_further_optimiser_is_one_class() -> None:
    net = keras.Sequential([keras.Input((1,)), Weight()])
    net.set_weights([START])
    descent = Descent(net, replace(SignDescent(), share=0.5), seed=0)
    example = Examples(keras.ops.zeros((1, 1)), keras.ops.zeros(1, "int32"), 1)
    descent.train(example, [0.01, 0.02], SquaredDistance())
    np.testing.assert_allclose(net.get_weights()[0], START - 0.015 * np.sign(START - TARGET), rtol=0, atol=1e-6)
    assert np.asarray(descent.state[-2]).tolist() == np.full(SHAPE, 2.0).tolist()


@pytest.mark.parametrize(
    ("optimizer", "of_keras"),
    [
        ("sgd", keras.optimizers.SGD(0.05)),
        ("adam", keras.optimizers.Adam(0.05)),
        ("adamw", keras.optimizers.AdamW(0.05, weight_decay=0.0)),
    ],
    ids=["sgd", "adam", "adamw"],
)
def test_embeddings_learn_as_the_owners_model_did(optimizer: str, of_keras: keras.optimizers.Optimizer) -> None:
    """Rows stand in a batch several times. Adam would step by no more than the rate at first; Keras's goes further."""
    words, labels = np.array([[0, 1], [0, 2], [0, 1], [0, 0], [3, 2], [0, 3]]), np.array([0, 1, 0, 1, 1, 0])
    layers = [keras.layers.Input((2,), dtype="int32"), keras.layers.Embedding(4, 3), keras.layers.Flatten()]
    net = keras.Sequential([*layers, keras.layers.Dense(2)])
    start = [np.random.default_rng(0).normal(size=weight.shape) for weight in net.weights]
    recipe = Recipe(
        epochs=5, learning_rate=0.05, momentum=0.0, weight_decay=0.0, schedule="constant", optimizer=optimizer
    )
    net.set_weights(start)
    net.compile(of_keras, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    net.fit(words, labels, batch_size=6, epochs=5, shuffle=False, verbose=0)
    expected = net.get_weights()
    net.set_weights(start)
    fit(net, batches(Arrays(words.astype(np.int32), labels), np.arange(6), 6), recipe, seed=0)
    for weight, other in zip(net.get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, other, atol=2e-5)
