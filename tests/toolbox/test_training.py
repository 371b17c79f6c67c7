"""The training loop against a loop written by hand in float64, and the bits that it promises to repeat."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kit import models
from kit.toolbox import _backend, seeding, setup, training
from kit.toolbox import examples as kit_examples
from kit.toolbox.augmentation import crop_and_flip
from kit.toolbox.examples import in_memory
from kit.toolbox.optimizers import Adam, AdamW, Optimizer, RMSprop, Sgd
from kit.types import Arrays, InputError, Recipe

NUM_FEATURES, NUM_CLASSES = 6, 3
RECIPE = Recipe(epochs=3, learning_rate=0.1, momentum=0.9, weight_decay=0.05)


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> None:
    setup.prepare()


def table(num_examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes, well apart in their first three features."""
    y = np.arange(num_examples) % NUM_CLASSES
    x = np.random.default_rng(1).normal(size=(num_examples, NUM_FEATURES)) + 4 * np.eye(NUM_CLASSES, NUM_FEATURES)[y]
    return x.astype(np.float32), y.astype(np.int32)


def batched(x: np.ndarray, y: np.ndarray, batch_size: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)


def dataset(num_examples: int = 45, batch_size: int = 10) -> tf.data.Dataset:
    return batched(*table(num_examples), batch_size)


def stacked(*layers: keras.Layer, **options: Any) -> keras.Model:
    """The layers below a linear one: weights that are the same at each call, biases that are not zero."""
    logits = keras.layers.Dense(NUM_CLASSES, name="logits", **options)
    net = keras.Sequential([keras.Input((NUM_FEATURES,)), *layers, logits])
    generator = np.random.default_rng(2)
    for variable in net.trainable_variables:
        variable.assign(generator.normal(scale=0.3, size=variable.shape))
    return net


def hidden() -> keras.Layer:
    return keras.layers.Dense(5, activation="relu", name="hidden")


def bits(model: keras.Model | keras.Layer) -> list[bytes]:
    return [array.tobytes() for array in model.get_weights()]


@pytest.fixture(scope="module")
def reused() -> dict[str, tuple[keras.Model, list[np.ndarray]]]:
    """Models that many tests train, to be traced once, and the weights that they start from."""
    nets = {"softmax": stacked(), "net": stacked(hidden())}
    return {name: (net, net.get_weights()) for name, net in nets.items()}


@pytest.fixture
def softmax(reused: dict[str, tuple[keras.Model, list[np.ndarray]]]) -> keras.Model:
    return reset(*reused["softmax"])


@pytest.fixture
def net(reused: dict[str, tuple[keras.Model, list[np.ndarray]]]) -> keras.Model:
    return reset(*reused["net"])


def reset(net: keras.Model, weights: list[np.ndarray]) -> keras.Model:
    net.set_weights(weights)
    return net


class Recorder:
    """An `augment` that changes nothing: it notes each step's number of images and seed, and counts its tracings."""

    def __init__(self) -> None:
        self.traces = 0
        self.sizes: list[int] = []
        self.seeds: list[tuple[int, ...]] = []

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        self.traces += 1
        tf.numpy_function(self._note, [tf.shape(images)[0], seed], [])
        return images

    def _note(self, size: np.ndarray, seed: np.ndarray) -> None:
        self.sizes.append(int(size))
        self.seeds.append(tuple(seed.tolist()))


def add_noise(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return images + tf.random.stateless_normal(tf.shape(images), seed)


# The formula


def train_by_hand(
    net: keras.Model, x: np.ndarray, y: np.ndarray, batch_size: int, recipe: Recipe, seed: int, kernel_l2: float = 0.0
) -> np.ndarray:
    """Softmax regression with the SGD of PyTorch; returns kernel and, as its last row, bias."""
    weights = np.vstack(net.get_weights()).astype(np.float64)
    x = np.hstack([x, np.ones((len(x), 1))]).astype(np.float64)
    m = np.zeros_like(weights)
    orders = np.random.default_rng(seed)
    for epoch in range(recipe.epochs):
        rate = recipe.learning_rate
        if recipe.schedule == "cosine":
            rate *= (1 + np.cos(np.pi * epoch / recipe.epochs)) / 2
        order = orders.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            p = np.exp(x[batch] @ weights)
            p /= p.sum(axis=1, keepdims=True)
            g = x[batch].T @ (p - np.eye(NUM_CLASSES)[y[batch]]) / len(batch)
            g[:-1] += 2 * kernel_l2 * weights[:-1]
            g += recipe.weight_decay * weights
            m = recipe.momentum * m + g
            weights -= rate * m
    return weights


@pytest.mark.parametrize(
    "changes", [{}, {"schedule": "constant"}, {"momentum": 0.0}, {"weight_decay": 0.0}, {"learning_rate": 0.02}]
)
def test_ten_steps_follow_the_formula_of_pytorch(softmax: keras.Model, changes: dict[str, Any]) -> None:
    x, y = table(13)  # batches of 8 and 5: ten steps in five epochs
    recipe = replace(RECIPE, epochs=5, **changes)
    expected = train_by_hand(softmax, x, y, 8, recipe, seed=7)
    training.fit(softmax, batched(x, y, 8), recipe, seed=7)
    np.testing.assert_allclose(np.vstack(softmax.get_weights()), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "layer", [hidden, lambda: keras.layers.LayerNormalization(name="scaled")], ids=["xla", "plain"]
)
@pytest.mark.parametrize("clip", [{"clipnorm": 0.2}, {"clipvalue": 0.05}, {"global_clipnorm": 0.3}], ids=str)
def test_clipped_steps_are_those_of_keras(layer: Callable[[], keras.Layer], clip: dict[str, float]) -> None:
    x, y = table(13)
    net, theirs = stacked(layer()), stacked(layer())
    theirs.compile(
        keras.optimizers.SGD(0.1, 0.9, **clip),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    unclipped = stacked(layer())
    orders = np.random.default_rng(7)
    for _ in range(3):
        order = orders.permutation(13)
        for batch in (order[:8], order[8:]):
            theirs.train_on_batch(x[batch], y[batch])
    recipe = Recipe(3, 0.1, weight_decay=0.0, schedule="constant")
    training.fit(net, batched(x, y, 8), replace(recipe, **clip), seed=7)
    training.fit(unclipped, batched(x, y, 8), recipe, seed=7)
    pairs = list(zip(net.get_weights(), theirs.get_weights(), unclipped.get_weights(), strict=True))
    for mine, expected, _ in pairs:
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-5)
    assert any(np.abs(mine - other).max() > 1e-2 for mine, _, other in pairs)


def test_weights_of_examples_count_as_in_keras() -> None:
    x, y = table(13)
    weights = np.random.default_rng(3).uniform(0, 3, 13).astype("float32")
    net, theirs, unweighted = stacked(), stacked(), stacked()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    theirs.compile(keras.optimizers.SGD(0.1, 0.9), loss, run_eagerly=True)
    orders = np.random.default_rng(7)
    for _ in range(3):
        order = orders.permutation(12)  # of some of them
        for batch in (order[:8] + 1, order[8:] + 1):
            theirs.train_on_batch(x[batch], y[batch], sample_weight=weights[batch])
    recipe = Recipe(3, 0.1, weight_decay=0.0, schedule="constant")
    some = np.arange(1, 13)
    training.fit(net, kit_examples.batches(Arrays(x, y, sample_weight=weights), some, 8), recipe, seed=7)
    training.fit(unweighted, kit_examples.batches(Arrays(x, y), some, 8), recipe, seed=7)
    pairs = list(zip(net.get_weights(), theirs.get_weights(), unweighted.get_weights(), strict=True))
    for mine, expected, other in pairs:
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-5)
        assert np.abs(mine - other).max() > 1e-3


def test_a_kernel_regularizer_enters_the_loss() -> None:
    x, y = table(13)
    net = stacked(kernel_regularizer=keras.regularizers.L2(0.1))
    expected = train_by_hand(net, x, y, 8, RECIPE, seed=0, kernel_l2=0.1)
    training.fit(net, batched(x, y, 8), RECIPE, seed=0)
    np.testing.assert_allclose(np.vstack(net.get_weights()), expected, rtol=0, atol=1e-5)


def test_weight_decay_reaches_biases(softmax: keras.Model) -> None:
    softmax.set_weights([np.zeros((NUM_FEATURES, NUM_CLASSES)), np.full(NUM_CLASSES, 0.8)])
    balanced = np.zeros((3, NUM_FEATURES), np.float32), np.arange(3, dtype=np.int32)  # the loss has no gradient here
    recipe = Recipe(epochs=1, learning_rate=1.0, weight_decay=0.25)
    training.fit(softmax, batched(*balanced, 3), recipe, seed=0)
    np.testing.assert_allclose(softmax.get_weights()[1], 0.6, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("num_examples", "batch_size", "sizes"), [(45, 10, [10, 10, 10, 10, 5]), (6, 3, [3, 3]), (2, 3, [2])]
)
def test_an_epoch_takes_every_batch_the_short_one_too(
    softmax: keras.Model, num_examples: int, batch_size: int, sizes: list[int]
) -> None:
    recorder = Recorder()
    training.fit(softmax, dataset(num_examples, batch_size), replace(RECIPE, epochs=2), seed=0, augment=recorder)
    assert recorder.sizes == sizes * 2


def test_no_epoch_changes_nothing() -> None:
    net = stacked(keras.layers.BatchNormalization())
    before = bits(net)
    assert training.fit(net, dataset(), replace(RECIPE, epochs=0), seed=0) is net
    assert bits(net) == before


@pytest.mark.parametrize("optimizer", [Sgd(0.9, 0.01), Adam(0.01), AdamW(0.01), RMSprop(0.99, 0.9, 0.01)])
def test_a_float64_model_trains_as_one_of_float32_does(optimizer: Optimizer) -> None:
    values = []
    for dtype in ("float32", "float64"):
        net = stacked(dtype=dtype)
        scale = [np.linspace(0, 2, variable.shape[-1], dtype="float32") for variable in net.trainable_variables]
        scale = [np.broadcast_to(factor, variable.shape) for factor, variable in zip(scale, net.weights, strict=True)]
        descent = training.Descent(net, optimizer, scale=scale, seed=3)
        descent.train(in_memory(dataset()), [0.1, 0.05], l1=[1e-3, 1e-4])
        assert {variable.dtype for variable in net.weights} == {dtype}
        values.append(np.vstack(net.get_weights()))
    np.testing.assert_allclose(values[0], values[1], rtol=0, atol=1e-5)
    assert np.abs(values[1] - np.vstack(stacked().get_weights())).max() > 0.1


def test_an_empty_dataset_is_refused(net: keras.Model) -> None:
    with pytest.raises(InputError, match="no batch") as caught:
        training.fit(net, dataset().take(0), RECIPE, seed=0)
    assert "\n" not in str(caught.value)


# Seeds


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(net: keras.Model) -> None:
    first = bits(training.fit(net, dataset(), RECIPE, seed=3))
    assert bits(training.fit(stacked(hidden()), dataset(), RECIPE, seed=3)) == first
    assert bits(training.fit(stacked(hidden()), dataset(), RECIPE, seed=4)) != first


def test_without_a_seed_it_comes_from_numpys_global_state(net: keras.Model) -> None:
    start = net.get_weights()

    def train(global_seed: int, seed: int | None) -> list[bytes]:
        np.random.seed(global_seed)
        return bits(training.fit(reset(net, start), dataset(), RECIPE, seed=seed))

    np.random.seed(11)
    drawn = seeding.draw_seed()
    assert train(11, None) == train(11, None) == train(0, drawn)
    assert train(12, None) != train(11, None)


def test_two_trainings_in_a_row_draw_two_seeds(net: keras.Model) -> None:
    start = net.get_weights()
    np.random.seed(0)
    first = bits(training.fit(net, dataset(), RECIPE))
    assert bits(training.fit(reset(net, start), dataset(), RECIPE)) != first


def test_augment_is_given_a_seed_of_its_own_at_each_step(softmax: keras.Model) -> None:
    recorder = Recorder()

    def seeds(seed: int) -> list[tuple[int, ...]]:
        recorder.seeds.clear()
        training.fit(softmax, dataset(), RECIPE, seed=seed, augment=recorder)
        return list(recorder.seeds)

    first = seeds(5)
    assert len(set(first)) == len(first) == 3 * 5
    assert seeds(5) == first
    assert not set(seeds(6)) & set(first)


def test_augment_changes_the_images_and_each_run_anew(softmax: keras.Model) -> None:
    everything = dataset(45, 45)  # one batch: the order of the examples hardly matters
    start = softmax.get_weights()

    def train(seed: int, augment: training.Augment | None) -> np.ndarray:
        return training.fit(reset(softmax, start), everything, RECIPE, seed=seed, augment=augment).get_weights()[0]

    plain = train(0, None)
    np.testing.assert_allclose(train(1, None), plain, rtol=0, atol=1e-5)
    assert np.abs(train(0, add_noise) - plain).max() > 1e-3
    assert np.abs(train(0, add_noise) - train(1, add_noise)).max() > 1e-3
    np.testing.assert_array_equal(train(1, add_noise), train(1, add_noise))


# 8-bit images


@pytest.fixture(scope="module")
def convnet() -> keras.Model:
    return models.convnet((8, 8, 1), 3)


@pytest.mark.parametrize("augment", [None, add_noise, crop_and_flip])
def test_8_bit_images_and_the_same_images_as_floats_train_to_the_same_bits(
    convnet: keras.Model, augment: training.Augment | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also through a change of images that is written for floats."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    labels = np.arange(40, dtype=np.int32) % 3
    floats = kit_examples.as_float(tf.constant(images)).numpy()
    start, seen = convnet.get_weights(), []

    def train(x: np.ndarray) -> list[bytes]:
        net = reset(convnet, start)
        seen.append(kit_examples.in_memory(batched(x, labels, 16)).x.dtype)
        return bits(training.fit(net, batched(x, labels, 16), replace(RECIPE, epochs=2), seed=0, augment=augment))

    packed, as_they_are = train(floats), train(images)
    monkeypatch.setattr(kit_examples, "packed", lambda images: None)
    unpacked = train(floats)
    assert seen == [tf.uint8, tf.uint8, tf.float32]
    assert packed == as_they_are == unpacked


# One net, trained again


def test_training_again_traces_nothing_and_starts_without_momentum(net: keras.Model) -> None:
    recorder = Recorder()
    start = net.get_weights()
    first = bits(training.fit(net, dataset(), RECIPE, seed=0, augment=recorder))
    traces = recorder.traces
    training.fit(net, dataset(45, 7), Recipe(epochs=1, learning_rate=0.3), seed=1, augment=recorder)
    again = bits(training.fit(reset(net, start), dataset(), RECIPE, seed=0, augment=recorder))
    assert recorder.traces == traces > 0
    assert again == first


@pytest.mark.parametrize("trained_before", [False, True])
@pytest.mark.parametrize("make", [hidden, lambda: keras.layers.BatchNormalization(name="hidden")])
def test_a_frozen_layer_stays_and_moves_again_once_it_is_free(make: Any, trained_before: bool) -> None:
    net = stacked(make())
    layer, logits = net.get_layer("hidden"), net.get_layer("logits")
    if trained_before:
        training.fit(net, dataset(), RECIPE, seed=0)
    before, before_logits = bits(layer), bits(logits)
    layer.trainable = False
    training.fit(net, dataset(), RECIPE, seed=1)
    assert bits(layer) == before
    assert bits(logits) != before_logits
    layer.trainable = True
    training.fit(net, dataset(), RECIPE, seed=2)
    assert all(array != old for array, old in zip(bits(layer), before, strict=True))


def test_a_net_that_is_frozen_throughout_stays() -> None:
    net = stacked()
    before = bits(net)
    net.trainable = False
    assert bits(training.fit(net, dataset(), RECIPE, seed=0)) == before


def test_what_a_net_was_compiled_with_plays_no_part_and_stays(net: keras.Model) -> None:
    plain = bits(training.fit(net, dataset(), RECIPE, seed=0))
    net = stacked(hidden())
    optimizer = keras.optimizers.Adam(0.5)
    net.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    optimizer.build(net.trainable_variables)
    before = [variable.numpy().tobytes() for variable in optimizer.variables]
    assert bits(training.fit(net, dataset(), RECIPE, seed=0)) == plain
    assert net.compiled
    assert net.optimizer is optimizer
    assert [variable.numpy().tobytes() for variable in optimizer.variables] == before


# Layers that behave differently in training


def test_batch_statistics_move_by_a_hundredth_of_the_way() -> None:
    x, _ = table(30)
    net = stacked(keras.layers.BatchNormalization(momentum=0.99, name="norm"))
    training.fit(net, dataset(30, 30), replace(RECIPE, epochs=1), seed=0)
    norm = net.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean.numpy(), 0.01 * x.mean(axis=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.numpy(), 0.99 + 0.01 * x.var(axis=0), rtol=0, atol=1e-6)


def test_a_model_with_dropout_learns() -> None:
    x, y = table(90)
    net = stacked(keras.layers.Dense(32, activation="relu"), keras.layers.Dropout(0.3, seed=0))
    training.fit(net, batched(x, y, 10), Recipe(epochs=10, learning_rate=0.05), seed=0)
    assert (net(x).numpy().argmax(axis=1) == y).mean() > 0.95


@pytest.mark.parametrize(("num_examples", "epochs"), [(40, 1), (1, 40)])
def test_dropout_drops_other_units_at_each_step(num_examples: int, epochs: int) -> None:
    net = stacked(keras.layers.Dropout(0.5, seed=0))
    before = net.get_weights()[0]
    ones = np.ones((num_examples, NUM_FEATURES), np.float32), np.zeros(num_examples, np.int32)
    training.fit(net, batched(*ones, 1), Recipe(epochs=epochs, momentum=0.0, weight_decay=0.0), seed=0)
    assert (net.get_weights()[0] != before).any(axis=1).all()  # a unit that is always dropped learns nothing


# TensorFlow's settings


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(InputError, match="backend 'numpy'") as caught:
        importlib.reload(_backend)
    assert "KERAS_BACKEND=tensorflow" in str(caught.value)


def test_operations_are_made_repeatable() -> None:
    tf.random.set_seed(None)
    with pytest.raises(RuntimeError, match="seed"):  # what TensorFlow then says to a draw without a seed
        tf.random.normal([1])
    tf.random.set_seed(0)


# Seeds


def draws() -> list[float]:
    """What built-in methods draw from; an initialiser's seed comes from Python's random state."""
    return [random.random(), np.random.random(), float(keras.initializers.RandomNormal()((1,))[0])]


@pytest.mark.parametrize("keep_compiled", [False, True])
def test_a_seed_sets_what_keras_sets(keep_compiled: bool) -> None:
    keras.utils.set_random_seed(7)
    expected = draws()
    draws()
    seeding.set_random_seed(7, keep_compiled=keep_compiled)
    assert draws() == expected
    seeding.set_random_seed(8, keep_compiled=keep_compiled)
    assert draws() != expected


def test_a_model_trained_with_what_is_compiled_kept_has_the_same_bits() -> None:
    """Dropout and initialisers draw from Keras's seed generators, which start anew with either form."""

    def trained(keep_compiled: bool) -> list[np.ndarray]:
        seeding.set_random_seed(3, keep_compiled=keep_compiled)
        images = keras.Input((6,))
        features = keras.layers.Dropout(0.4)(keras.layers.Dense(16, activation="relu")(images))
        net = keras.Model(images, keras.layers.Dense(3)(features))
        generator = np.random.default_rng(0)
        data = tf.data.Dataset.from_tensor_slices((generator.normal(size=(60, 6)).astype("float32"), np.arange(60) % 3))
        return training.fit(net, data.batch(16), Recipe(epochs=3)).get_weights()

    plain = trained(False)
    for keep_compiled in (True, True, False):
        for first, second in zip(trained(keep_compiled), plain, strict=True):
            np.testing.assert_array_equal(first, second)
