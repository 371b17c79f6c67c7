"""Relearn time: steps counted against a loop in plain Keras, and the model that must stay as it is."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from kit.probes.relearn_time import anamnesis_index, relearn_time
from kit.toolbox import compiled
from kit.types import InputError

BATCH_SIZE = 8


def table(num_examples: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Labels that have nothing to do with the features: they can only be memorised."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(24, 6)).astype(np.float32)
    return x[:num_examples], generator.integers(0, 3, 24).astype(np.int32)[:num_examples]


def forget(num_examples: int = 24) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(table(num_examples)).batch(BATCH_SIZE)


def stacked(*layers: keras.Layer) -> keras.Model:
    keras.utils.set_random_seed(1)
    images = keras.Input((6,))
    features = images
    for layer in layers:
        features = layer(features)
    return keras.Model(images, keras.layers.Dense(3, name="logits")(features))


def hidden() -> keras.Layer:
    return keras.layers.Dense(32, activation="relu", name="hidden")


@pytest.fixture(scope="module")
def plain() -> keras.Model:
    """Traced once for many tests, none of which changes it."""
    return stacked(hidden())


def everything(net: keras.Model) -> list[np.ndarray]:
    """Weights, statistics and the states of random generators."""
    return [np.array(variable) for variable in net.variables]


def accuracy(net: keras.Model, num_examples: int = 24) -> float:
    x, y = table(num_examples)
    return float((np.array(net(x, training=False)).argmax(axis=1) == y).mean())


def test_steps_are_those_of_a_loop_in_plain_keras() -> None:
    net, (x, y) = stacked(hidden()), table(22)
    measured = relearn_time(net, forget(22), target_accuracy=0.9, learning_rate=0.01, seed=3)
    net.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False
    )
    generator, steps = np.random.default_rng(3), 0
    while accuracy(net, 22) < 0.9:
        start = steps * BATCH_SIZE % (BATCH_SIZE * 3)  # three batches an epoch, the last one short
        if start == 0:
            order = generator.permutation(22)
        chosen = order[start : start + BATCH_SIZE]
        net.train_on_batch(x[chosen], y[chosen])
        steps += 1
    assert measured == steps
    assert steps > 3


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [hidden()],
        lambda: [hidden(), keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)],
        lambda: [keras.Sequential([keras.Input((6,)), hidden()], name="nested")],
    ],
    ids=["dense", "normalised", "nested"],
)
def test_the_model_is_left_alone(layers) -> None:  # type: ignore[no-untyped-def]
    """ERASURE trains the model in place: whatever is measured afterwards is then a relearned model."""
    net = stacked(*layers())
    net.layers[1].trainable = False
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    net.compile(optimizer, "mse", metrics=["mae"], jit_compile=False)
    optimizer.build(net.trainable_variables)
    before, of_optimizer = everything(net), [np.array(variable) for variable in optimizer.variables]
    flags = [variable.trainable for variable in net.variables]
    first = relearn_time(net, forget(), target_accuracy=1.0, learning_rate=0.02)
    assert first is not None
    assert first > 0
    for kept, now in zip(before, everything(net), strict=True):
        np.testing.assert_array_equal(kept, now)
    for kept, now in zip(of_optimizer, optimizer.variables, strict=True):
        np.testing.assert_array_equal(kept, np.array(now))
    assert net.optimizer is optimizer
    assert (net.loss, net.compiled) == ("mse", True)
    assert [variable.trainable for variable in net.variables] == flags
    assert not net.layers[1].trainable
    keras.utils.set_random_seed(99)  # and neither the first call nor the global state has a say in the second
    assert relearn_time(net, forget(), target_accuracy=1.0, learning_rate=0.02) == first


def test_another_call_for_the_same_model_compiles_nothing(plain: keras.Model) -> None:
    settings = {"target_accuracy": 0.9, "learning_rate": 0.01}
    steps = relearn_time(plain, forget(), **settings)
    before = len(compiled.functions(plain)), compiled.traces(plain)
    assert relearn_time(plain, forget(), **settings) == steps
    assert (len(compiled.functions(plain)), compiled.traces(plain)) == before
    assert before[1] > 0


def test_an_uncompiled_model_stays_uncompiled() -> None:
    net = stacked(hidden())
    relearn_time(net, forget(), target_accuracy=0.5)
    assert not net.compiled


def test_frozen_layers_learn_again_too() -> None:
    net = stacked(hidden())
    expected = relearn_time(net, forget(), target_accuracy=0.9, learning_rate=0.01)
    net.trainable = False
    assert relearn_time(net, forget(), target_accuracy=0.9, learning_rate=0.01) == expected


@pytest.mark.slow
def test_who_remembers_learns_sooner() -> None:
    fresh, remembering = stacked(hidden()), stacked(hidden())
    remembering.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False
    )
    for _ in range(20):
        remembering.train_on_batch(*table())
    settings = {"target_accuracy": 0.95, "learning_rate": 0.01}
    steps = [relearn_time(net, forget(), **settings) for net in (remembering, fresh)]
    assert steps[0] < steps[1]
    assert 0 <= anamnesis_index(*steps) < 1


def test_nothing_to_relearn_and_nothing_reached(plain: keras.Model) -> None:
    settings = {"target_accuracy": 0.8, "learning_rate": 0.01}
    assert relearn_time(plain, forget(), target_accuracy=accuracy(plain), learning_rate=0.01) == 0
    assert relearn_time(plain, forget(), target_accuracy=1.0, learning_rate=0.01, max_steps=2) is None
    assert relearn_time(plain, forget(), target_accuracy=1.0, learning_rate=0.01, max_steps=0) is None
    needed = relearn_time(plain, forget(), **settings)
    assert relearn_time(plain, forget(), **settings, max_steps=needed) == needed
    assert relearn_time(plain, forget(), **settings, max_steps=needed - 1) is None


def test_the_seed_is_that_of_the_order(plain: keras.Model) -> None:
    steps = {relearn_time(plain, forget(), target_accuracy=1.0, learning_rate=0.01, seed=seed) for seed in range(4)}
    assert len(steps) > 1


@pytest.mark.parametrize(
    "settings",
    [
        {"target_accuracy": 0.0},
        {"target_accuracy": 95.0},
        {"target_accuracy": float("nan")},
        {"target_accuracy": 0.5, "learning_rate": 0.0},
        {"target_accuracy": 0.5, "max_steps": -1},
    ],
)
def test_settings_outside_their_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"Expected an accuracy above 0 and up to 1.*Divide a percentage by 100"):
        relearn_time(stacked(), forget(), **settings)


def test_an_empty_forget_set_is_refused() -> None:
    with pytest.raises(InputError, match=r"no batch. Expected at least one batch \(x, y\)"):
        relearn_time(stacked(), forget().take(0), target_accuracy=0.9)


def test_anamnesis_index() -> None:
    assert anamnesis_index(30, 40) == 0.75
    assert anamnesis_index(0, 12.5) == 0
    with pytest.raises(InputError, match=r"None and 5: a model did not reach the accuracy. .* Raise max_steps"):
        anamnesis_index(None, 5)
    with pytest.raises(InputError, match=r"are 5 and 0. Expected .* raise target_accuracy"):
        anamnesis_index(5, 0)
    with pytest.raises(InputError, match="are -1 and 5"):
        anamnesis_index(-1, 5)


def test_the_package_of_probes_loads_no_tensorflow() -> None:
    code = "import sys, kit, kit.probes; sys.exit(bool({'keras', 'tensorflow'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
