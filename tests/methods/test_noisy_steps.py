"""`noisy_clipped_finetune`: its steps stay within what the accountant assumes, and its promise is not refuted."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kit.methods import noisy_clipped_finetune
from kit.scorers.audit import audit_epsilon, right_guesses
from kit.toolbox import setup
from kit.toolbox.accounting import NoisyDescent
from kit.toolbox.examples import Selection
from kit.types import Arrays

RADIUS, CLIP, STEPS, RATE, DECAY = 0.5, 0.2, 6, 0.1, 0.5


@pytest.fixture(scope="module")
def net() -> keras.Model:
    setup.prepare()
    layers = [keras.Input((4,)), keras.layers.Dense(5, name="hidden"), keras.layers.BatchNormalization(name="norm")]
    return keras.Sequential([*layers, keras.layers.ReLU(), keras.layers.Dense(3, name="logits")], name="steps")


@pytest.fixture(scope="module")
def sets() -> list[object]:
    generator = np.random.default_rng(0)
    arrays = Arrays(10 * generator.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3)
    return [Selection(arrays, rows).batches(16) for rows in np.split(np.arange(60), [40, 50])]


def weights_after(
    net: keras.Model, sets: list[object], start: list[np.ndarray], seed: int, **settings: float
) -> np.ndarray:
    net.set_weights(start)
    np.random.seed(seed)
    settings = {
        "radius": RADIUS,
        "clip": CLIP,
        "steps": STEPS,
        "noisy_rate": RATE,
        "decay": DECAY,
        "epochs": 0,
        **settings,
    }
    noisy_clipped_finetune.unlearning(net, *sets, **settings)
    return np.concatenate([np.ravel(array) for array in net.trainable_variables])


def starts(net: keras.Model, scale: float = 3.0) -> list[list[np.ndarray]]:
    """Two originals as far apart as can be: one is the other's negative."""
    generator = np.random.default_rng(1)
    first = [scale * generator.normal(size=array.shape) for array in net.get_weights()]
    return [first, [-array for array in first[:-4]] + [-array for array in first[-4:]]]


def test_two_originals_are_never_further_apart_than_is_hidden(
    net: keras.Model, sets: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noise; with gradients that are clipped, and with a ball that shrinks both."""
    monkeypatch.setattr(NoisyDescent, "sigma", lambda *_: 0.0)
    descent = NoisyDescent(2 * RADIUS, CLIP, RATE, DECAY, STEPS)
    ends = [weights_after(net, sets, start, 0) for start in starts(net)]
    distance = float(np.linalg.norm(ends[0] - ends[1]))
    assert 0 < distance <= descent.shift * (1 + 1e-5)
    shrunk = (1 - RATE * DECAY) ** STEPS * 2 * RADIUS
    assert abs(distance - shrunk) > 1e-3 * shrunk  # the gradients do move them


def test_the_gradient_is_clipped_and_the_ball_is_entered(
    net: keras.Model, sets: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NoisyDescent, "sigma", lambda *_: 0.0)
    start, _ = starts(net)
    inside = weights_after(net, sets, start, 0, steps=1, noisy_rate=1e-9)
    assert np.linalg.norm(inside) == pytest.approx(RADIUS, rel=1e-5)
    moved = weights_after(net, sets, start, 0, steps=1, decay=0.0, clip=1e-3)
    assert np.linalg.norm(moved - inside) == pytest.approx(RATE * 1e-3, rel=1e-2)


def test_what_batches_have_left_in_running_statistics_is_gone(net: keras.Model, sets: list[object]) -> None:
    start = [array + 5 for array in net.get_weights()]
    weights_after(net, sets, start, 0)
    norm = net.get_layer("norm")
    assert not np.asarray(norm.moving_mean).any()
    assert (np.asarray(norm.moving_variance) == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "caught"), [(1.0, False), (0.02, True)])
def test_the_audit_does_not_refute_its_epsilon_and_does_with_less_noise(
    noise: float, caught: bool, net: keras.Model, sets: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coin decides from which of two opposite originals a run starts; the attacker knows both."""
    epsilon, delta, runs = 2.0, 1e-3, 120
    sigma = NoisyDescent.sigma
    monkeypatch.setattr(NoisyDescent, "sigma", lambda *arguments: noise * sigma(*arguments))
    coins = np.random.default_rng(0).random(runs) < 0.5
    both = starts(net)
    direction = np.concatenate([np.ravel(array) for array in _trainable(net, both[0])])
    ends = [
        weights_after(net, sets, both[0 if coin else 1], seed, epsilon=epsilon, delta=delta, steps=2)
        for seed, coin in enumerate(coins)
    ]
    right = right_guesses((np.array(ends) @ direction)[np.newaxis], coins, runs)
    bound = audit_epsilon(int(right[0]), runs, runs, delta)
    assert (bound > epsilon) == caught


def _trainable(net: keras.Model, weights: list[np.ndarray]) -> list[np.ndarray]:
    net.set_weights(weights)
    return [np.array(variable) for variable in net.trainable_variables]
