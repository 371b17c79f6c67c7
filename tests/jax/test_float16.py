"""In float16 the loss is scaled: small gradients are not lost, large ones cost a step, members have scales apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit import models
from kit.runs.worker import Worker
from kit.toolbox import gradients, lockstep
from kit.toolbox._jax import loss_scale
from kit.toolbox.examples import Examples
from kit.toolbox.losses import Batch, cross_entropy
from kit.toolbox.optimizers import LOSS_SCALE, Sgd
from kit.toolbox.training import Descent
from kit.types import Recipe

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = (np.arange(16) % 3).astype("int32")
# Times these, gradients are below the smallest number of float16, 6e-8, and above the largest, 65504, when scaled.
TINY, HUGE = 1e-7, 1e5


@dataclass(frozen=True)
class Times:
    """Cross-entropy times a number."""

    factor: float

    def __call__(self, batch: Batch) -> Any:
        return self.factor * cross_entropy(batch)


@pytest.fixture
def nets() -> list[keras.Model]:
    """The same weights in float32 and in float16."""
    keras.utils.set_random_seed(0)
    pair = [models.build("mlp", (4,), 3, precision) for precision in ("float32", "float16")]
    pair[1].set_weights(pair[0].get_weights())
    return pair


@pytest.fixture
def examples() -> Examples:
    return Examples(keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y), 8)


def moved(net: keras.Model, examples: Examples, factor: float, rate: float) -> list[np.ndarray]:
    """How far each weight is moved by two steps."""
    before = net.get_weights()
    Descent(net, Sgd(momentum=0.0), seed=0).train(examples, [rate], Times(factor))
    return [after - start for after, start in zip(net.get_weights(), before, strict=True)]


def scale_of(net: keras.Model, descent: Descent) -> tuple[float, float]:
    """The scale, and the steps since it was changed: the last two of what steps remember."""
    value, steps = descent.state[-2:]
    return float(value), float(steps)


def test_gradients_below_the_smallest_number_of_float16_move_weights_as_in_float32(
    nets: list[keras.Model], examples: Examples
) -> None:
    exact, half = (moved(net, examples, TINY, 0.1 / TINY) for net in nets)
    for ours, expected in zip(half, exact, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, expected, atol=0.01 * abs(expected).max())
    assert any((ours != expected).any() for ours, expected in zip(half, exact, strict=True))


def test_a_step_whose_gradients_overflow_is_not_taken_and_halves_the_scale(
    nets: list[keras.Model], examples: Examples
) -> None:
    net = nets[1]
    before, descent = net.get_weights(), Descent(net, Sgd(momentum=0.9), seed=0)
    descent.train(examples, [0.1 / HUGE], Times(HUGE))
    assert all(map(np.array_equal, net.get_weights(), before))
    assert scale_of(net, descent) == (LOSS_SCALE / 4, 0.0)
    assert not any(np.any(slot) for slot in descent.state[len(net.variables) : -3])  # no moment either
    assert float(descent.state[-3]) == 0.0  # nor a step
    descent.train(examples, [0.1 / HUGE] * 14, Times(HUGE))
    assert 0 < float(descent.state[-3]) < 30
    assert not any(map(np.array_equal, net.get_weights(), before))
    assert all(np.isfinite(weight).all() for weight in net.get_weights())
    Descent(net)
    assert scale_of(net, descent) == (LOSS_SCALE, 0.0)  # of the next training


def test_the_scale_is_doubled_after_many_steps(
    nets: list[keras.Model], examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_scale, "GROWTH_STEPS", 4)
    descent = Descent(nets[1], seed=0)
    descent.train(examples, [0.01])
    assert scale_of(nets[1], descent) == (LOSS_SCALE, 2.0)
    descent.train(examples, [0.01] * 2)
    assert scale_of(nets[1], descent) == (2 * LOSS_SCALE, 2.0)


def test_members_of_a_lockstep_have_scales_of_their_own(nets: list[keras.Model], examples: Examples) -> None:
    net = nets[1]
    start = net.get_weights()

    def member(scale: float) -> Callable[[], tuple[float, list[np.ndarray]]]:
        def train() -> tuple[float, list[np.ndarray]]:
            net.set_weights(start)
            descent = Descent(net, seed=0)
            for variable in descent._state.loss_scale[:1]:
                variable.assign(scale)
            descent.train(examples, [0.01])
            return scale_of(net, descent)[0], net.get_weights()

        return train

    functions = [member(2.0**40), member(LOSS_SCALE)]
    alone = [function() for function in functions]
    together = lockstep.run(functions, [net])
    for (ours, weights), (expected, expected_weights) in zip(together, alone, strict=True):
        assert ours == expected
        for array, other in zip(weights, expected_weights, strict=True):
            np.testing.assert_allclose(array, other, atol=1e-3)
    assert [scale for scale, _ in together] == [2.0**38, LOSS_SCALE]
    assert all(map(np.array_equal, together[0][1], start))


def test_gradients_and_curvature_are_computed_in_float32(nets: list[keras.Model], examples: Examples) -> None:
    exact, half = (gradients.mean_gradient(net, examples) for net in nets)
    for ours, expected in zip(half, exact, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-9)
    assert {layer.compute_dtype for layer in nets[1].layers} == {"float16"}  # as before


def test_a_network_in_another_precision_has_no_scale(nets: list[keras.Model]) -> None:
    count = Descent(nets[0]).state[-1]
    assert len(Descent(nets[0])._state.loss_scale) == 0
    assert len(Descent(models.build("mlp", (4,), 3, "bfloat16"))._state.loss_scale) == 0
    assert float(count) == 0.0


@pytest.mark.slow
def test_models_learn_as_much_as_in_float32_alone_and_stacked() -> None:
    rows = np.arange(240)
    arrays = kit.Arrays(np.eye(3)[rows % 3] + np.random.default_rng(0).normal(0, 0.4, (240, 3)), rows % 3)
    exact = kit.make_challenge("thirds", arrays, model="mlp", recipe=Recipe(epochs=6))
    challenge = dataclasses.replace(exact, precision="float16")
    outputs = [
        kit.run_population("retrain", exact, num_models=4, worker=Worker(exact)),
        kit.run_population("retrain", challenge, num_models=4, worker=Worker(challenge)),
        kit.run_population("retrain", challenge, num_models=4, engine="stacked", workers=4),
    ]
    accuracies = [each.correct["test"].mean() for each in outputs]
    assert min(accuracies) > 0.8
    assert np.ptp(accuracies) < 0.03
    np.testing.assert_allclose(outputs[1].confidences["test"], outputs[2].confidences["test"], atol=0.1)
    assert not np.array_equal(outputs[0].confidences["test"], outputs[1].confidences["test"])
