"""Blocks of a network: what belongs to them, what is frozen, what is drawn anew."""

from __future__ import annotations

import random
from collections.abc import Callable

import keras
import numpy as np
import pytest

from kit import models
from kit.toolbox import blocks

IMAGES = np.random.default_rng(0).normal(3.0, 2.0, size=(20, 6, 6, 2)).astype("float32")


def nested() -> keras.Model:
    """Rescaling, a model that holds a model, and a head: three layers with kernels, each followed by others."""
    inner = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(4, 3, name="deep")], name="inner")
    stem = keras.Input((6, 6, 2))
    features = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(3, 3, name="first")(stem))
    outer = keras.Model(stem, keras.layers.ReLU(name="relu")(inner(features)), name="outer")
    images = keras.Input((6, 6, 2), name="images")
    features = outer(keras.layers.Rescaling(0.5, name="rescaling")(images))
    features = keras.layers.Dropout(0.5, name="dropout")(keras.layers.Flatten(name="flatten")(features))
    return keras.Model(images, keras.layers.Dense(3, name="logits")(features))


def named(net: keras.Model) -> dict[str, keras.Layer]:
    return {layer.name: layer for layer in blocks.leaves(net)}


def bits(*layers: keras.Layer | keras.Model) -> list[bytes]:
    return [array.tobytes() for layer in layers for array in layer.get_weights()]


def moved(net: keras.Model) -> keras.Model:
    """The model with weights that no initialiser draws."""
    net.set_weights([array + 0.5 for array in net.get_weights()])
    return net


def weight_names(layers: list[keras.Layer]) -> list[str]:
    return [layer.name for layer in layers if layer.weights]


# Which layers


def test_nested_models_are_replaced_by_their_layers_in_order() -> None:
    names = [layer.name for layer in blocks.leaves(nested())]
    given = ["rescaling", "first", "norm", "deep", "relu", "flatten", "dropout", "logits"]
    assert [name for name in names if name in given] == given
    assert "inner" not in names
    assert "outer" not in names


def test_all_weights_are_in_the_leaves() -> None:
    net = nested()
    actual = {id(variable) for layer in blocks.leaves(net) for variable in layer.variables}
    assert actual == {id(variable) for variable in net.variables}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (keras.layers.Dense(2), True),
        (keras.layers.Conv2D(2, 1), True),
        (keras.layers.DepthwiseConv2D(1), True),
        (keras.layers.BatchNormalization(), False),
        (keras.layers.LayerNormalization(), False),
        (keras.layers.Dropout(0.5), False),
        (keras.layers.Flatten(), False),
    ],
)
def test_kernels_are_what_has_two_axes(layer: keras.Layer, expected: bool) -> None:
    layer.build((None, 4, 4, 3))
    assert blocks.has_kernel(layer) is expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (1, ["logits"]),
        (2, ["deep", "relu", "flatten", "dropout", "logits"]),
        (3, ["rescaling", "first", "norm", "deep", "relu", "flatten", "dropout", "logits"]),
        (99, ["rescaling", "first", "norm", "deep", "relu", "flatten", "dropout", "logits"]),
    ],
)
def test_a_block_reaches_from_a_kernel_to_the_next_one(count: int, expected: list[str]) -> None:
    given = [layer.name for layer in blocks.last_blocks(nested(), count)]
    assert [name for name in given if not name.startswith(("images", "input"))] == expected


def test_the_blocks_of_the_zoo() -> None:
    assert weight_names(blocks.last_blocks(models.convnet((8, 8, 1), 10), 2)) == ["hidden", "logits"]
    names = weight_names(blocks.last_blocks(models.resnet20((32, 32, 3), 10), 2))
    assert len(names) == 3  # the last convolution and its normalisation, and the logits
    assert len(blocks.last_blocks(models.mlp((4,), 3), 99)) == len(models.mlp((4,), 3).layers)


# Up to a layer


def wrapped(net: keras.Model) -> keras.Model:
    images = keras.Input(net.inputs[0].shape[1:])
    return keras.Model(images, net(images))


def shared_head() -> keras.Model:
    """Two nested models with layers of the same name, and a layer that is called twice, the second time at the end."""
    images, last = keras.Input((6, 6, 2)), keras.layers.Dense(3, name="logits")
    flat = keras.layers.Flatten()(images)
    sums = [
        keras.Sequential([keras.Input((72,)), keras.layers.Dense(3, name="same")], name=name)(flat) for name in "ab"
    ]
    return keras.Model(images, last(keras.layers.Add()([last(sums[0]), sums[1]])))


@pytest.mark.parametrize(
    "make",
    [
        nested,
        lambda: wrapped(nested()),
        lambda: wrapped(wrapped(nested())),
        lambda: keras.Sequential(
            [keras.Input((6, 6, 2)), keras.layers.Flatten(), keras.Sequential([keras.layers.Dense(3, name="logits")])]
        ),
        shared_head,
    ],
    ids=["nested", "wrapped", "wrapped twice", "sequential with a nested end", "a layer called twice"],
)
def test_up_to_a_layer_is_all_that_comes_before_it(make: Callable[[], keras.Model]) -> None:
    net = moved(make())
    last = named(net)["logits"]
    part = blocks.up_to(net, last)
    features = np.asarray(part(IMAGES, training=False))
    kernel, bias = last.get_weights()
    logits = np.asarray(net(IMAGES, training=False))
    np.testing.assert_allclose(features @ kernel + bias, logits, rtol=1e-5, atol=1e-3)


# Frozen for a while


def test_only_what_is_kept_is_trainable_inside_and_all_is_as_before_outside() -> None:
    net = nested()
    layers = named(net)
    layers["first"].trainable = False  # by its owner
    before = {name: layer.trainable for name, layer in layers.items()}
    with blocks.frozen_but(net, [layers["norm"], layers["logits"]]):
        kept = [*layers["norm"].trainable_variables, *layers["logits"].trainable_variables]
        assert len(kept) == 4
        assert [id(variable) for variable in net.trainable_variables] == [id(variable) for variable in kept]
    assert {name: layer.trainable for name, layer in layers.items()} == before
    assert len(net.trainable_variables) == 6


def test_an_error_inside_leaves_nothing_frozen() -> None:
    net = nested()
    with pytest.raises(ZeroDivisionError), blocks.frozen_but(net, []):
        raise ZeroDivisionError
    assert len(net.trainable_variables) == 8


@pytest.mark.parametrize("frozen", [False, True])
def test_batch_statistics_of_what_is_frozen_stand_still(frozen: bool) -> None:
    net = nested()
    norm = named(net)["norm"]
    before = bits(norm)
    with blocks.frozen_but(net, [] if frozen else [norm]):
        net(IMAGES, training=True)
    assert (bits(norm) == before) is frozen


def test_layers_of_one_name_are_told_apart() -> None:
    net = two_branches(4, 4)
    left, right = (model.get_layer("same") for model in net.layers if isinstance(model, keras.Model))
    with blocks.frozen_but(net, [left]):
        assert (left.trainable, right.trainable) == (True, False)


# Drawn anew


def test_only_the_layers_that_are_named_are_drawn_anew() -> None:
    net = moved(nested())
    layers = named(net)
    redrawn = [layers["norm"], layers["logits"]]
    others = [layer for layer in layers.values() if layer not in redrawn]
    before, before_others = bits(*redrawn), bits(*others)
    blocks.reinitialise(net, redrawn)
    assert bits(*others) == before_others
    assert all(new != old for new, old in zip(bits(*redrawn), before, strict=True))


def test_batch_statistics_and_biases_begin_as_they_began() -> None:
    net = moved(nested())
    layers = named(net)
    net(IMAGES, training=True)
    blocks.reinitialise(net, [layers["norm"], layers["logits"]])
    for array, start in zip(layers["norm"].get_weights(), (1.0, 0.0, 0.0, 1.0), strict=True):
        np.testing.assert_array_equal(array, start)
    np.testing.assert_array_equal(layers["logits"].get_weights()[1], 0.0)


def test_each_draw_is_another_and_follows_from_the_seed() -> None:
    net = nested()

    def drawn(seed: int | None) -> list[bytes]:
        if seed is not None:
            keras.utils.set_random_seed(seed)
        blocks.reinitialise(net, blocks.leaves(net))
        return bits(net.get_layer("logits"))

    first = drawn(0)
    assert drawn(None) != first
    assert drawn(1) != first
    assert drawn(0) == first


def test_the_initialisers_are_the_layers_own() -> None:
    wide = keras.layers.Dense(400, kernel_initializer="he_normal", bias_initializer=keras.initializers.Constant(7.0))
    net = moved(keras.Sequential([keras.Input((300,)), wide]))
    blocks.reinitialise(net, [wide])
    kernel, bias = wide.get_weights()
    assert kernel.std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    np.testing.assert_array_equal(bias, 7.0)


def two_branches(left: int, right: int) -> keras.Model:
    """Two nested models whose layers have the same name, as the members of an ensemble have."""
    images, branches = keras.Input((5,)), []
    for name, width in (("left", left), ("right", right)):
        inputs = keras.Input((5,))
        branches.append(keras.Model(inputs, keras.layers.Dense(width, name="same")(inputs), name=name)(images))
    return keras.Model(images, keras.layers.Concatenate()(branches))


@pytest.mark.parametrize("right", [4, 6])
def test_layers_of_one_name_are_each_drawn_anew(right: int) -> None:
    net = two_branches(4, right)
    before = bits(net)
    blocks.reinitialise(net, blocks.leaves(net))
    kernel, _, other, _ = net.get_weights()
    assert not np.isin(kernel, other).any()
    assert not {kernel.tobytes(), other.tobytes()} & set(before)


def test_a_layer_of_the_same_name_elsewhere_keeps_its_bits() -> None:
    net = two_branches(4, 4)
    left, right = (model.get_layer("same") for model in net.layers if isinstance(model, keras.Model))
    before = bits(left), bits(right)
    blocks.reinitialise(net, [left])
    assert bits(left) != before[0]
    assert bits(right) == before[1]


def test_what_is_frozen_is_not_drawn_anew() -> None:
    net = moved(nested())
    layers = named(net)
    for name in ("norm", "deep"):
        layers[name].trainable = False
    before = {name: bits(layer) for name, layer in layers.items()}
    arrays = blocks.redrawn(net)
    assert {name: bits(layer) for name, layer in layers.items()} == before
    frozen = blocks.frozen_weights(net)
    assert sum(frozen) == 4 + 2
    for array, old, is_frozen in zip(arrays, net.get_weights(), frozen, strict=True):
        assert np.array_equal(array, old) is is_frozen
    blocks.reinitialise(net, blocks.leaves(net))
    assert [name for name, layer in layers.items() if layer.weights and bits(layer) == before[name]] == ["norm", "deep"]


# Fresh weights


def frozen_first(net: keras.Model) -> keras.Model:
    named(net)["first"].trainable = False
    return net


@pytest.mark.parametrize("prepare", [lambda net: net, frozen_first])
def test_fresh_weights_are_one_for_each_trainable_variable_and_change_nothing(
    prepare: Callable[[keras.Model], keras.Model],
) -> None:
    net = prepare(moved(nested()))
    before = bits(net)
    fresh = blocks.fresh_weights(net)
    assert [array.shape for array in fresh] == [tuple(variable.shape) for variable in net.trainable_variables]
    assert bits(net) == before
    for variable, array, again in zip(net.trainable_variables, fresh, blocks.fresh_weights(net), strict=True):
        assert (len(array.shape) > 1) == (array.tobytes() != again.tobytes())  # biases and scales begin alike
        assert array.tobytes() != variable.numpy().tobytes()


def branched() -> keras.Model:
    inputs = keras.Input((6,))
    parts = [keras.layers.Dense(4)(inputs) for _ in range(2)]
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Add()(parts)))


def of_own_initialisers() -> keras.Model:
    hidden = keras.layers.Dense(4, use_bias=False, kernel_initializer=keras.initializers.HeNormal(seed=4))
    end = keras.layers.Dense(3, kernel_initializer="orthogonal", bias_initializer="random_normal")
    return keras.Sequential([keras.Input((6,)), hidden, keras.layers.ReLU(), end])


def twice_the_same() -> keras.Model:
    inputs, layer = keras.Input((6,)), keras.layers.Dense(6)
    return keras.Model(inputs, layer(layer(inputs)))


@pytest.mark.parametrize(
    "build",
    [
        lambda: models.mlp((6,), 3),
        lambda: models.convnet((8, 8, 1), 3),
        of_own_initialisers,
        lambda: keras.Sequential([keras.Input((6,)), keras.layers.Dropout(0.5), keras.layers.Dense(3)]),
        branched,
        twice_the_same,
        nested,
    ],
    ids=["mlp", "convnet", "own initialisers", "dropout", "branched", "twice the same", "nested"],
)
def test_redrawn_weights_are_those_of_a_copy_and_what_is_drawn_next_is_too(build: Callable[[], keras.Model]) -> None:
    net, results = build(), []
    for draw in (lambda: keras.models.clone_model(net).get_weights(), lambda: blocks.redrawn(net)):
        keras.utils.set_random_seed(3)
        drawn = [draw(), draw()]
        results.append(([array.tobytes() for arrays in drawn for array in arrays], random.random(), np.random.rand()))
    assert results[0] == results[1]
    assert [array.shape for array in drawn[0]] == [weight.shape for weight in net.weights]
