"""The layers against loops in NumPy and against Keras's own; against PyTorch's: `test_torch_parity.py`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kit import models
from kit.models.layers import FusedBatchNormalization, PaddedConv2D

BATCH, CHANNELS, FILTERS = 2, 3, 4


def normal(*shape: int, seed: int = 0, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, size=shape).astype(np.float32)


def assert_close(first: Any, second: Any, tolerance: float = 1e-5) -> None:
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    assert first.shape == second.shape
    assert np.abs(first - second).max(initial=0) <= tolerance * max(np.abs(second).max(initial=0), 1e-3)


# The padded convolution


def by_hand(
    images: np.ndarray, kernel: np.ndarray, stride: int, zeros: int, upstream: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The convolution, and the gradients of its product with `upstream`, a pixel of the output at a time."""
    size = kernel.shape[0]
    padded = np.pad(images.astype(np.float64), [(0, 0), (zeros, zeros), (zeros, zeros), (0, 0)])
    height, width = ((pixels - size) // stride + 1 for pixels in padded.shape[1:3])
    outputs = np.zeros((len(images), height, width, kernel.shape[3]))
    of_images, of_kernel = np.zeros_like(padded), np.zeros(kernel.shape)
    upstream = np.ones_like(outputs) if upstream is None else upstream
    for row, column in itertools.product(range(height), range(width)):
        where = np.s_[:, row * stride : row * stride + size, column * stride : column * stride + size]
        outputs[:, row, column] = np.einsum("nijc,ijcf->nf", padded[where], kernel)
        of_kernel += np.einsum("nijc,nf->ijcf", padded[where], upstream[:, row, column])
        of_images[where] += np.einsum("ijcf,nf->nijc", kernel, upstream[:, row, column])
    inner = np.s_[:, zeros : zeros + images.shape[1], zeros : zeros + images.shape[2]]
    return outputs, of_images[inner], of_kernel


def computed(layer: PaddedConv2D, images: np.ndarray, seed: int = 1) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The output, what it was multiplied with, and the gradients of the product by images and kernel."""
    inputs = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
        upstream = normal(*outputs.shape, seed=seed)
        product = tf.reduce_sum(outputs * upstream)
    gradients = tape.gradient(product, [inputs, layer.kernel.value])
    return upstream, (outputs, *gradients)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
def test_convolution_and_gradients_are_those_of_a_loop(size: int, stride: int) -> None:
    tried = 0
    for zeros, height in itertools.product(range(4), range(1, 10)):
        width = 1 + (height * 4) % 9  # 5, 9, 4, 8, 3, ...
        if min(height, width) + 2 * zeros < size:
            continue
        layer, images = PaddedConv2D(FILTERS, size, strides=stride, zeros=zeros), normal(BATCH, height, width, CHANNELS)
        upstream, actual = computed(layer, images)
        expected = by_hand(images, np.asarray(layer.kernel), stride, zeros, upstream)
        assert layer.compute_output_shape(images.shape) == actual[0].shape
        for first, second in zip(actual, expected, strict=True):
            assert_close(first, second)
        tried += 1
    assert tried >= 10


@pytest.mark.parametrize("pixels", [1, 2])
def test_taps_that_only_see_padding_have_a_gradient_of_exactly_0(pixels: int) -> None:
    layer = PaddedConv2D(FILTERS, 7, zeros=3)
    _, (_, _, of_kernel) = computed(layer, normal(BATCH, pixels, pixels, CHANNELS))
    reached = np.abs(np.asarray(of_kernel)).max(axis=(2, 3)) > 0
    expected = np.abs(np.arange(7) - 3) < pixels
    np.testing.assert_array_equal(reached, expected[:, np.newaxis] & expected)


@pytest.mark.parametrize("pixels", [2, 8])
def test_a_compiled_convolution_takes_any_number_of_images(pixels: int) -> None:
    layer = PaddedConv2D(FILTERS, 3, zeros=1)
    layer.build((None, pixels, pixels, CHANNELS))
    specification = tf.TensorSpec((None, pixels, pixels, CHANNELS), tf.float32)
    function = tf.function(layer, input_signature=[specification], jit_compile=False, autograph=False)
    for number in (1, 5, 2):
        images = normal(number, pixels, pixels, CHANNELS)
        assert_close(function(images), by_hand(images, np.asarray(layer.kernel), 1, 1)[0])


HALVES = [pytest.param(policy, marks=pytest.mark.half_precision) for policy in ("mixed_bfloat16", "mixed_float16")]


@pytest.mark.parametrize("pixels", [2, 8])
@pytest.mark.parametrize("policy", [*HALVES, "float64"])
def test_the_convolution_keeps_to_the_policy_of_precision(policy: str, pixels: int) -> None:
    layer, images = PaddedConv2D(FILTERS, 3, zeros=1, dtype=policy), normal(BATCH, pixels, pixels, CHANNELS)
    outputs = layer(images)
    assert layer.kernel.dtype == layer.dtype_policy.variable_dtype
    assert outputs.dtype == layer.dtype_policy.compute_dtype
    assert_close(tf.cast(outputs, tf.float64), by_hand(images, np.asarray(layer.kernel), 1, 1)[0], 0.02)


@pytest.mark.parametrize(
    "options",
    [
        {"use_bias": True},
        {"activation": "relu"},
        {"groups": 3},
        {"dilation_rate": 2},
        {"data_format": "channels_first"},
        {"kernel_size": (3, 1)},
        {"strides": (2, 1)},
    ],
    ids=str,
)
def test_what_the_convolution_would_ignore_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="plain square convolution") as caught:
        PaddedConv2D(**{"filters": 3, "kernel_size": 3} | options)
    assert "\n" not in str(caught.value)


def test_a_convolution_is_rebuilt_from_its_configuration() -> None:
    layer = PaddedConv2D(FILTERS, 5, strides=2, zeros=1, kernel_initializer="ones", name="stem")
    again = PaddedConv2D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    images = normal(BATCH, 6, 6, CHANNELS)
    np.testing.assert_array_equal(layer(images), again(images))


# Batch normalisation


def pair(seed: int = 3, **options: Any) -> tuple[keras.Layer, keras.Layer]:
    """The kit's layer and Keras's, with the same weights, none of them at its special value."""
    layers = [kind(**options) for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)]
    for layer in layers:
        layer.build((None, 5, 6, CHANNELS))
        generator = np.random.default_rng(seed)
        layer.set_weights([generator.uniform(0.5, 2, size=weight.shape) for weight in layer.weights])
    return layers[0], layers[1]


def run(layer: keras.Layer, images: np.ndarray, training: bool) -> dict[str, np.ndarray]:
    inputs = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        product = tf.reduce_sum(tf.cast(outputs, tf.float32) * normal(*images.shape, seed=9))
    variables = [variable.value for variable in layer.trainable_variables]
    of_inputs, *gradients = tape.gradient(product, [inputs, *variables])
    named = {f"gradient {number}": gradient for number, gradient in enumerate(gradients)}
    stored = {f"weight {number}": weight for number, weight in enumerate(layer.get_weights())}
    return {"outputs": outputs, "of inputs": of_inputs} | named | stored


def assert_alike(first: keras.Layer, second: keras.Layer, images: np.ndarray, training: bool, tolerance: float) -> None:
    actual, expected = (run(layer, images, training) for layer in (first, second))
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert tf.as_dtype(actual[name].dtype) == tf.as_dtype(array.dtype), name
        assert_close(tf.cast(actual[name], tf.float64), tf.cast(array, tf.float64), tolerance)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("shape", [(8, 5, 6), (1, 2, 1), (64, 1, 1), (1, 1, 1)], ids=str)
def test_normalisation_and_gradients_are_kerass(shape: tuple[int, ...], trainable: bool, training: bool) -> None:
    first, second = pair(momentum=0.8, epsilon=1e-4)
    first.trainable = second.trainable = trainable
    before = first.get_weights()
    assert_alike(first, second, normal(*shape, CHANNELS, mean=2.0), training, 2e-5)
    moved = any(not np.array_equal(old, new) for old, new in zip(before, first.get_weights(), strict=True))
    assert moved == (trainable and training)


def test_running_statistics_are_of_the_biased_variance() -> None:
    layer, images = FusedBatchNormalization(momentum=0.75), normal(4, 2, 1, CHANNELS)
    layer(images, training=True)
    assert_close(layer.moving_mean, 0.25 * images.mean(axis=(0, 1, 2)))
    assert_close(layer.moving_variance, 0.75 + 0.25 * images.var(axis=(0, 1, 2)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("policy", [*HALVES, "float64"])
def test_normalisation_keeps_to_the_policy_of_precision(policy: str, training: bool) -> None:
    first, second = pair(dtype=policy)
    assert first.moving_mean.dtype == first.dtype_policy.variable_dtype
    assert_alike(first, second, normal(16, 5, 6, CHANNELS).astype(first.compute_dtype), training, 0.02)


@pytest.mark.parametrize(
    "options", [{"scale": False}, {"center": False}, {"axis": 1}, {"axis": -1}, {"axis": 3}], ids=str
)
def test_options_of_kerass_layer_work(options: dict[str, Any]) -> None:
    first, second = pair(**options)
    assert_alike(first, second, normal(8, 5, 6, CHANNELS, mean=1.0), True, 2e-5)


def test_tables_are_normalised_too() -> None:
    first, second = FusedBatchNormalization(), keras.layers.BatchNormalization()
    table = normal(8, CHANNELS)
    assert_close(first(table, training=True), second(table, training=True))


def test_normalisation_is_compiled_for_any_number_of_images() -> None:
    first, second = pair()
    specification = tf.TensorSpec((None, 5, 6, CHANNELS), tf.float32)
    function = tf.function(
        lambda images: first(images, training=True), input_signature=[specification], jit_compile=False, autograph=False
    )
    for number in (3, 7):
        images = normal(number, 5, 6, CHANNELS, seed=number)
        assert_close(function(images), second(images, training=True))
        assert_close(first.moving_variance, second.moving_variance)


def test_a_normalisation_is_rebuilt_from_its_configuration() -> None:
    layer = FusedBatchNormalization(momentum=0.7, epsilon=0.1, name="bn")
    assert FusedBatchNormalization.from_config(layer.get_config()).get_config() == layer.get_config()


# Models of these layers


@pytest.fixture(scope="module", params=["resnet18", "resnet20"])
def net(request: pytest.FixtureRequest) -> keras.Model:
    net = models.build(request.param, (16, 16, 3), 5)
    for variable in net.variables:
        variable.assign(np.random.default_rng(0).uniform(0.01, 0.1, size=variable.shape))
    return net


@pytest.mark.slow
def test_a_stored_model_is_loaded_without_trust(net: keras.Model, tmp_path: Path) -> None:
    net.save(tmp_path / "net.keras")
    loaded = models.of_one_tensor(keras.saving.load_model(tmp_path / "net.keras", safe_mode=True))
    images = normal(4, 16, 16, 3)
    for training in (False, True):
        np.testing.assert_array_equal(loaded(images, training=training), net(images, training=training))
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in net.layers]


def test_a_clone_is_the_same_architecture_with_weights_of_its_own(net: keras.Model) -> None:
    clone = keras.models.clone_model(net)
    assert [variable.path for variable in clone.variables] == [variable.path for variable in net.variables]
    clone.set_weights(net.get_weights())
    images = normal(4, 16, 16, 3)
    np.testing.assert_array_equal(clone(images, training=True), net(images, training=True))
    clone.set_weights([np.zeros_like(weight) for weight in clone.get_weights()])
    assert np.abs(np.asarray(net(images))).max() > 0
