"""Training and derivatives on JAX against formulas that are written out, in float64 or by JAX's own operations."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from conftest import small_convnet

from kit.models.layers import PaddedConv2D
from kit.toolbox import gradients, inference, setup, training
from kit.toolbox._jax.products import convolutions_as_products
from kit.toolbox._jax.pure import Pure
from kit.toolbox.examples import Examples, Selection, in_memory
from kit.toolbox.losses import cross_entropy
from kit.toolbox.optimizers import Sgd
from kit.toolbox.training import Descent
from kit.types import Arrays, Recipe

X = np.random.default_rng(1).random((21, 4, 4, 1)).astype("float32")
Y = (np.arange(21) % 3).astype("int32")


@pytest.fixture(scope="module")
def net() -> keras.Model:
    keras.utils.set_random_seed(3)
    return small_convnet()


@pytest.fixture(scope="module")
def examples() -> Examples:
    return Examples(keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y), 8)


def test_tensorflow_is_not_there() -> None:
    if os.environ.get("KIT_WITHOUT_TENSORFLOW") == "1":
        assert importlib.util.find_spec("tensorflow") is None
    assert keras.backend.backend() == "jax"


def losses_of(net: keras.Model, weights: list[Any], x: Any, y: Any) -> Any:
    """Cross-entropies in inference mode, by convolutions as Keras has them."""
    logits, _ = net.stateless_call(weights, [v.value for v in net.non_trainable_variables], x, training=False)
    return -jax.nn.log_softmax(logits)[jnp.arange(len(y)), y]


def close(vector: Any, other: Any, relative: float = 1e-5) -> bool:
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(vector, other, strict=True)]
    return all(abs(a - b).max() <= relative * max(1e-6, abs(b).max()) for a, b in pairs)


def test_the_gradient_is_that_of_the_mean_over_all(net: keras.Model, examples: Examples) -> None:
    weights = [variable.value for variable in net.trainable_variables]
    expected = jax.grad(lambda weights: losses_of(net, weights, X, Y).mean())(weights)
    assert close(gradients.mean_gradient(net, examples), expected)


@pytest.mark.parametrize("expected", [False, True])
def test_the_fisher_diagonal_is_a_loop_over_examples(net: keras.Model, examples: Examples, expected: bool) -> None:
    weights = [variable.value for variable in net.trainable_variables]
    total = [np.zeros(weight.shape) for weight in weights]
    of_one = jax.jit(jax.value_and_grad(lambda weights, x, y: losses_of(net, weights, x[None], y[None])[0]))
    for x, y in zip(X, Y, strict=True):
        for label in range(3) if expected else [y]:
            loss, gradient = of_one(weights, x, jnp.asarray(label))
            share = np.exp(-float(loss)) if expected else 1.0
            total = [old + share * np.square(part) / len(X) for old, part in zip(total, gradient, strict=True)]
    assert close(gradients.fisher_diagonal(net, examples, expected=expected), total)


def test_products_are_those_of_whole_matrices(net: keras.Model, examples: Examples) -> None:
    weights = [variable.value for variable in net.trainable_variables]
    flat, unflatten = jax.flatten_util.ravel_pytree(weights)
    direction = np.random.default_rng(2).normal(size=flat.shape).astype("float32")

    def logits(flat: Any) -> Any:
        others = [variable.value for variable in net.non_trainable_variables]
        return net.stateless_call(unflatten(flat), others, X, training=False)[0]

    hessian = jax.hessian(lambda flat: losses_of(net, unflatten(flat), X, Y).mean())(flat)
    jacobian, p = jax.jacobian(logits)(flat), jax.nn.softmax(logits(flat))
    middle = jax.vmap(lambda row: jnp.diag(row) - jnp.outer(row, row))(p) / len(X)
    newton = jnp.einsum("iap,iab,ibq->pq", jacobian, middle, jacobian)
    vector = unflatten(jnp.asarray(direction))
    assert close(gradients.hessian_product(net, examples)(vector), unflatten(hessian @ direction), 1e-4)
    assert close(gradients.gauss_newton_product(net, examples)(vector), unflatten(newton @ direction), 1e-4)


def test_logits_are_the_models_own(net: keras.Model) -> None:
    assert close([inference.predict_logits(net, X)], [net(X, training=False)])
    in_8_bits = (255 * X).astype(np.uint8)
    assert close([inference.predict_logits(net, in_8_bits)], [net(in_8_bits / np.float32(255), training=False)])


def test_steps_are_those_of_the_formula_short_batches_included() -> None:
    """Logistic regression by NumPy in float64: SGD with momentum and weight decay, 21 examples in batches of 8."""
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3, name="logits")])
    weights = [array.astype(np.float64) for array in net.get_weights()]
    rates, shuffle = [0.3, 0.1, 0.05], np.random.default_rng(7)
    moments = [np.zeros_like(array) for array in weights]
    rows, one_hot = X.reshape(21, -1).astype(np.float64), np.eye(3)[Y]
    for rate in rates:
        order = shuffle.permutation(21)
        for start in range(0, 21, 8):
            batch = order[start : start + 8]
            logits = rows[batch] @ weights[0] + weights[1]
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            error = (p / p.sum(axis=1, keepdims=True) - one_hot[batch]) / len(batch)
            pulls = [rows[batch].T @ error + 0.01 * weights[0], error.sum(axis=0) + 0.01 * weights[1]]
            moments = [0.9 * moment + pull for moment, pull in zip(moments, pulls, strict=True)]
            weights = [weight - rate * moment for weight, moment in zip(weights, moments, strict=True)]
    descent = Descent(net, Sgd(0.9, 0.01), seed=7)
    descent.train(Examples(keras.ops.array(X), keras.ops.array(Y), 8), rates)
    assert close(net.get_weights(), weights)


def test_the_same_seed_gives_the_same_bits_and_another_others(examples: Examples) -> None:
    net = small_convnet()
    start, results = net.get_weights(), []
    for seed in (1, 1, 2):
        net.set_weights(start)
        for variable in net.non_trainable_variables[2:]:  # of dropout
            variable.assign(np.zeros(variable.shape, variable.dtype))
        Descent(net, seed=seed).train(examples, [0.1, 0.1])
        results.append(net.get_weights())
    same, other = ([(a == b).all() for a, b in zip(results[0], result, strict=True)] for result in results[1:])
    assert all(same)
    assert not any(other)


def test_two_streams_take_a_batch_each_until_the_first_is_through(examples: Examples) -> None:
    from kit.toolbox.losses import Difference

    net = small_convnet()
    Descent(net, seed=0).train(examples, [0.1], Difference(1.0), paired=examples.at(np.arange(3)))
    both = net.get_weights()
    assert all(np.isfinite(array).all() for array in both)
    moving_mean = net.get_layer("norm").moving_mean
    assert float(abs(np.asarray(moving_mean)).max()) > 0


def test_fit_takes_the_kits_batches_and_augments_them() -> None:
    data = Selection(Arrays((255 * X).astype(np.uint8), Y), np.arange(20)).batches(8, shuffle_seed=1)
    net = small_convnet()
    net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    net.fit(data, epochs=1, verbose=0)
    passes = [np.concatenate([y for _, y in data.as_numpy_iterator()]) for _ in range(2)]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(Y[:20])
    assert (passes[0] != passes[1]).any()
    assert in_memory(data).x is in_memory(data).x
    before = net.get_weights()
    training.fit(net, data, Recipe(epochs=1, augmentation="crop_and_flip"), seed=0)
    assert any((a != b).any() for a, b in zip(before, net.get_weights(), strict=True))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("size", "strides", "pixels"), [(1, 2, (5, 4)), (2, 1, (4, 6)), (3, 2, (7, 6)), (4, 3, (5, 8))]
)
def test_products_of_patches_are_the_convolution(
    size: int, strides: int, padding: str, pixels: tuple[int, int]
) -> None:
    layer = keras.layers.Conv2D(3, size, strides=strides, padding=padding, bias_initializer="ones")
    images = keras.Input((*pixels, 2))
    net = keras.Model(images, layer(images))
    x = np.random.default_rng(size).random((2, *pixels, 2)).astype("float32")
    expected = np.asarray(net(x))
    with convolutions_as_products(net):
        assert close([net(x)], [expected])
    assert "convolution_op" not in layer.__dict__


@pytest.mark.parametrize(
    ("size", "strides", "zeros", "pixels"), [(3, 1, 1, 5), (3, 2, 1, 6), (7, 2, 3, 9), (1, 2, 0, 4)]
)
def test_padded_convolutions_are_products_too(size: int, strides: int, zeros: int, pixels: int) -> None:
    layer = PaddedConv2D(3, size, strides=strides, zeros=zeros)
    images = keras.Input((pixels, pixels, 2))
    net = keras.Model(images, layer(images))
    x = np.random.default_rng(0).random((2, pixels, pixels, 2)).astype("float32")
    expected = np.asarray(net(x))
    with convolutions_as_products(net):
        assert close([net(x)], [expected])


def test_cross_entropy_is_the_one_of_jax() -> None:
    from kit.toolbox.losses import Batch

    logits = np.random.default_rng(0).normal(size=(21, 3)).astype("float32")
    expected = -jax.nn.log_softmax(logits)[np.arange(21), Y].mean()
    assert abs(float(cross_entropy(Batch(keras.ops.array(logits), keras.ops.array(Y)))) - float(expected)) < 1e-6


@pytest.mark.parametrize("asked", [False, True])
def test_products_are_in_float32_and_in_tf32_where_a_network_asks_for_it(asked: bool, examples: Examples) -> None:
    """Forward and backward: of the steps of a training as they are handed to the compiler, and of predictions."""
    net, texts = small_convnet(), []
    if asked:
        setup.multiply_in_tf32(net)
    stacked = Pure.stacked

    def lowered(self: Pure, axes: Any) -> Any:
        compiled = stacked(self, axes)

        def call(*arguments: Any) -> Any:
            texts.append(compiled.lower(*arguments).as_text())
            return compiled(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pure, "stacked", lowered)
        Descent(net, seed=0).train(examples, [0.1])
        inference.predict_logits(net, X)
    for text, least in zip(texts, (8, 2), strict=True):  # a convolution and a dense layer; two batch sizes a training
        products = [line for line in text.splitlines() if "dot_general" in line]
        assert len(products) >= least
        expected, other = ("HIGH", "HIGHEST") if asked else ("HIGHEST", "HIGH")
        assert all(f"[{expected}, {expected}]" in line for line in products)
        assert not any(f"[{other}, {other}]" in line for line in products)
