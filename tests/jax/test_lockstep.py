"""Members of a lockstep do what each does alone, and know nothing of each other."""

from __future__ import annotations

import random
from collections.abc import Callable

import jax
import keras
import numpy as np
import pytest

from kit.models import mlp
from kit.toolbox import blocks, gradients, inference, lockstep
from kit.toolbox._jax import placement
from kit.toolbox.examples import Examples
from kit.toolbox.losses import negated_cross_entropy
from kit.toolbox.optimizers import Adam
from kit.toolbox.training import Descent

X = np.random.default_rng(0).normal(size=(22, 4)).astype("float32")
Y = (np.arange(22) % 3).astype("int32")


@pytest.fixture(scope="module")
def net() -> keras.Model:
    keras.utils.set_random_seed(0)
    return mlp((4,), 3)


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples(keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y), 8)


def together(functions: list[Callable[[], object]], net: keras.Model, at_once: int | None = None) -> list[object]:
    return lockstep.run(functions, [net], at_once=at_once)


def trained(net: keras.Model, examples: Examples, seed: int, epochs: int = 2) -> Callable[[], list[np.ndarray]]:
    start = net.get_weights()

    def train() -> list[np.ndarray]:
        np.random.seed(seed)
        net.set_weights(start)
        Descent(net).train(examples, [0.1] * epochs)
        return net.get_weights()

    return train


def far(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    return max(float(abs(array - expected).max()) for array, expected in zip(first, second, strict=True))


def test_each_is_trained_as_if_alone_and_no_two_alike(net: keras.Model, examples: Examples) -> None:
    functions = [trained(net, examples, seed) for seed in range(3)]
    alone = [function() for function in functions]
    net.set_weights(alone[0])
    many = together(functions, net)
    for weights, expected in zip(alone, many, strict=True):
        assert far(weights, expected) < 1e-6
    assert min(far(many[0], many[1]), far(many[1], many[2])) > 1e-3
    assert far(net.get_weights(), alone[0]) == 0, "what was there before is there again"


def test_bits_depend_on_nobody_beside(net: keras.Model, examples: Examples) -> None:
    functions = [trained(net, examples, seed) for seed in range(4)]
    many = together(functions, net)
    assert far(together(functions[2:], net, at_once=4)[0], many[2]) == 0
    assert far(together(functions[::-1], net)[0], many[3]) == 0


def test_random_numbers_are_each_ones_own(net: keras.Model, examples: Examples) -> None:
    def draw(seed: int) -> tuple[float, ...]:
        random.seed(seed)
        keras.utils.set_random_seed(seed)
        drawn = [np.random.random(), random.random()]
        gradients.mean_gradient(net, examples)  # all wait here, and others draw meanwhile
        drawn += [np.random.random(), random.random(), float(keras.random.normal(()))]
        return tuple(drawn)

    alone = [draw(seed) for seed in range(3)]
    state = np.random.get_state()[1]
    assert together([lambda seed=seed: draw(seed) for seed in range(3)], net) == alone
    assert (np.random.get_state()[1] == state).all()


def test_members_may_part_and_meet_again(net: keras.Model, examples: Examples) -> None:
    def wander(number: int) -> list[np.ndarray]:
        np.random.seed(number)
        if number % 2:
            Descent(net, Adam()).train(examples, [0.01])
        for _ in range(number):
            Descent(net).train(examples, [0.1], negated_cross_entropy)
        return [*net.get_weights(), inference.predict_logits(net, X)]

    start = net.get_weights()
    alone = []
    for number in range(4):
        net.set_weights(start)
        alone.append(wander(number))
    net.set_weights(start)
    many = together([lambda number=number: wander(number) for number in range(4)], net)
    assert max(far(weights, expected) for weights, expected in zip(alone, many, strict=True)) < 1e-5


def test_frozen_layers_are_each_ones_own(net: keras.Model, examples: Examples) -> None:
    def train(frozen: bool) -> list[np.ndarray]:
        kept = blocks.last_blocks(net, 1) if frozen else blocks.leaves(net)
        with blocks.frozen_but(net, kept):
            Descent(net, seed=1).train(examples, [0.1])
        return net.get_weights()

    start = net.get_weights()
    free, frozen = together([lambda: train(False), lambda: train(True)], net)
    assert (frozen[0] == start[0]).all()
    assert (free[0] != start[0]).any()
    assert all(layer.trainable for layer in net.layers)


def test_an_error_of_one_ends_all_and_puts_everything_back(net: keras.Model, examples: Examples) -> None:
    reached = []

    def fail(number: int) -> None:
        Descent(net, seed=number).train(examples, [0.1])
        if number == 1:
            raise ArithmeticError("one of them")
        gradients.mean_gradient(net, examples)
        reached.append(number)

    start = net.get_weights()
    with pytest.raises(ArithmeticError, match="one of them"):
        together([lambda number=number: fail(number) for number in range(3)], net)
    assert reached == []
    assert far(net.get_weights(), start) == 0


def test_what_all_share_is_not_copied(net: keras.Model, examples: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    stack = np.stack
    monkeypatch.setattr(np, "stack", lambda arrays, **rest: sizes.append(np.shape(arrays[0])) or stack(arrays, **rest))
    together([lambda: gradients.mean_gradient(net, examples)] * 3, net)
    assert X.shape not in sizes
    assert Y.shape not in sizes


def test_nothing_is_traced_twice(net: keras.Model, examples: Examples) -> None:
    from kit.toolbox import compiled

    functions = [trained(net, examples, seed) for seed in range(3)]
    together(functions, net)
    before = compiled.traces(net)
    together(functions, net)
    assert compiled.traces(net) == before


def test_no_function_is_no_result(net: keras.Model) -> None:
    assert together([], net) == []


# On several devices


@pytest.fixture
def two_devices(one_device: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(jax.local_devices()) == 2
    monkeypatch.setattr(placement, "devices", jax.local_devices)


@pytest.mark.parametrize("members", [1, 3, 4])
def test_two_devices_give_what_one_does(
    net: keras.Model, examples: Examples, members: int, request: pytest.FixtureRequest
) -> None:
    """Of an odd number of members, the last is computed once more to fill the second device."""

    def both(seed: int) -> list[np.ndarray]:
        weights = trained(net, examples, seed)()
        return [*weights, *gradients.fisher_diagonal(net, examples), inference.predict_logits(net, X)]

    functions = [lambda seed=seed: both(seed) for seed in range(members)]
    start = net.get_weights()
    on_one = together(functions, net)
    net.set_weights(start)
    request.getfixturevalue("two_devices")
    on_two = together(functions, net)
    for first, second in zip(on_one, on_two, strict=True):
        assert all(abs(a - b).max() < 1e-5 * max(1.0, abs(a).max()) for a, b in zip(first, second, strict=True))
    assert members == 1 or far(on_two[0], on_two[-1]) > 1e-3


def test_each_device_has_half_of_the_members_and_one_copy_of_the_rest(
    two_devices: None, net: keras.Model, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes, copies = [], []
    put = jax.device_put

    def watched(array: object, sharding: jax.sharding.NamedSharding) -> jax.Array:
        placed = put(array, sharding)
        shapes.append((np.shape(array), {shard.data.shape for shard in placed.addressable_shards}))
        copies.extend([array] * (array is examples.x))
        return placed

    monkeypatch.setattr(jax, "device_put", watched)
    together([trained(net, examples, seed, epochs=3) for seed in range(4)], net)
    assert len(copies) == 1
    assert (X.shape, {X.shape}) in shapes
    kernel = net.get_weights()[0].shape
    assert ((4, *kernel), {(2, *kernel)}) in shapes
