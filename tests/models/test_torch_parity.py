"""The residual networks and their layers compute what PyTorch's do: logits, gradients, running statistics, training.

Two float32 computations differ by rounding, about 1e-6 here. Where the input of a ReLU is as near to 0 as that, the two
sides may take different slopes, and all gradients below differ by 1e-2 at once; PyTorch in float32 does so against
PyTorch in float64 just as often. Gradients and training are therefore compared from several random starts, and the
median of their errors is held against the tolerance: most starts have no such input, and what is computed wrongly is
wrong from all of them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from torch_helpers import find_torch

torch = find_torch()

import torch_models  # noqa: E402

from kit import models  # noqa: E402
from kit.models import zoo  # noqa: E402
from kit.models.layers import FusedBatchNormalization, PaddedConv2D  # noqa: E402
from kit.models.torch import names as torch_weights  # noqa: E402
from kit.toolbox import setup, training  # noqa: E402
from kit.types import Recipe  # noqa: E402

pytestmark = pytest.mark.torch

LOGITS, GRADIENTS, STATISTICS, TRAINED = 1e-4, 1e-3, 1e-4, 1e-3
STARTS = range(5)
CLASSES = 10


@dataclass(frozen=True)
class Setting:
    """A model, and images that are few and small enough for most random starts to be free of ReLUs at 0."""

    name: str
    pixels: int
    number: int


SETTINGS = [Setting("resnet18", 32, 16), Setting("resnet20", 8, 16)]


@pytest.fixture(autouse=True, scope="module")
def deterministic() -> None:
    setup.prepare()


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda setting: setting.name)
def setting(request: pytest.FixtureRequest) -> Setting:
    return request.param


@pytest.fixture(scope="module")
def net(setting: Setting) -> keras.Model:
    """Built once: what is compiled for training is kept."""
    return models.build(setting.name, (setting.pixels, setting.pixels, 3), CLASSES)


def start(setting: Setting, net: keras.Model, seed: int) -> Any:
    """Returns PyTorch's model with weights and statistics drawn at random, which `net` is given too."""
    module = torch_models.MODELS[setting.name](num_classes=CLASSES)
    torch_models.randomise(module, seed)
    net.set_weights(torch_weights.to_keras(numpy_state(module), net))
    return module


def numpy_state(module: Any) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}


def examples(setting: Setting, seed: int) -> tuple[np.ndarray, np.ndarray, Any, Any]:
    """Returns images in [0, 1] and labels, and both as PyTorch takes them."""
    shape = (setting.number, setting.pixels, setting.pixels, 3)
    images = np.random.default_rng(seed).uniform(size=shape).astype(np.float32)
    labels = (np.arange(setting.number) % CLASSES).astype(np.int32)
    normalised = torch_models.normalised(images, zoo.CIFAR_MEAN, zoo.CIFAR_STD)
    return images, labels, normalised, torch.from_numpy(labels).long()


def distance(first: Any, second: Any) -> float:
    """Returns the norm of the difference, relative to the norm of the second."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    assert first.shape == second.shape
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))


def in_torch_names(net: keras.Model, gradients: list[Any]) -> dict[str, np.ndarray]:
    """Returns gradients in PyTorch's names and order of axes: they are put in the place of the weights for that."""
    kept = net.get_weights()
    for variable, gradient in zip(net.trainable_variables, gradients, strict=True):
        variable.assign(gradient)
    named = torch_weights.from_keras(net)
    net.set_weights(kept)
    return named


def torch_gradients(module: Any, images: Any, labels: Any) -> dict[str, np.ndarray]:
    module.train().zero_grad()
    torch.nn.functional.cross_entropy(module(images), labels).backward()
    return {name: parameter.grad.numpy() for name, parameter in module.named_parameters()}


def keras_gradients(net: keras.Model, images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    with tf.GradientTape() as tape:
        logits = net(images, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    return in_torch_names(net, tape.gradient(loss, [variable.value for variable in net.trainable_variables]))


# Whole models


@pytest.mark.parametrize("pixels", [8, 20, 32, 33])
def test_logits(setting: Setting, pixels: int) -> None:
    net = models.build(setting.name, (pixels, pixels, 3), CLASSES)
    setting = Setting(setting.name, pixels, 24)
    for seed in STARTS:
        module = start(setting, net, seed).eval()
        images, _, normalised, _ = examples(setting, seed)
        with torch.no_grad():
            expected = module(normalised).numpy()
        actual = np.asarray(net(images, training=False))
        assert distance(actual, expected) < LOGITS
        assert np.abs(actual - expected).max() < LOGITS * np.abs(expected).max(axis=1).min()
        assert (
            distance(actual - actual.mean(axis=0), expected - expected.mean(axis=0)) < LOGITS
        )  # what images tell apart


def test_gradients_of_a_training_step(setting: Setting, net: keras.Model) -> None:
    errors = []
    for seed in STARTS:
        module = start(setting, net, seed)
        images, labels, *for_torch = examples(setting, seed)
        expected = torch_gradients(module, *for_torch)
        actual = keras_gradients(net, images, labels)
        assert len(expected) == len(net.trainable_variables)
        errors.append(max(distance(actual[name], gradient) for name, gradient in expected.items()))
    assert np.median(errors) < GRADIENTS, errors


def test_running_statistics_after_a_training_step(setting: Setting, net: keras.Model) -> None:
    """PyTorch keeps the unbiased variance, which is n / (n - 1) times the biased one that Keras keeps."""
    module = start(setting, net, 0)
    before, counts = numpy_state(module), {}

    def note(name: str) -> Any:
        return lambda _, __, output: counts.update({name: output.numel() // output.shape[1]})

    for name, part in module.named_modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.register_forward_hook(note(name))
    images, labels, *for_torch = examples(setting, 0)
    torch_gradients(module, *for_torch)
    keras_gradients(net, images, labels)
    expected, actual = numpy_state(module), torch_weights.from_keras(net)
    for name, n in counts.items():
        assert distance(actual[f"{name}.running_mean"], expected[f"{name}.running_mean"]) < STATISTICS
        kept, key = 0.9 * before[f"{name}.running_var"], f"{name}.running_var"
        biased = kept + (expected[key] - kept) * (n - 1) / n
        assert distance(actual[key], biased) < STATISTICS
        assert distance(actual[key], before[key]) > 10 * STATISTICS  # it moved
    smallest = min(counts, key=counts.__getitem__)
    assert distance(actual[f"{smallest}.running_var"], expected[f"{smallest}.running_var"]) > 5 * STATISTICS


@pytest.mark.slow
@pytest.mark.parametrize("weight_decay", [5e-4, 0.05])  # of the usual one, ten steps show little
def test_ten_steps_of_training(setting: Setting, net: keras.Model, weight_decay: float) -> None:
    recipe = Recipe(epochs=10, learning_rate=0.01, momentum=0.9, weight_decay=weight_decay, schedule="constant")
    errors, moved = [], []
    for seed in STARTS:
        module = start(setting, net, seed)
        before = numpy_state(module)
        images, labels, *for_torch = examples(setting, seed)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, weight_decay=weight_decay)
        for _ in range(10):
            torch_gradients(module, *for_torch)
            optimizer.step()
        data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(len(images))  # one batch: no order
        training.fit(net, data, recipe, seed=0)
        actual, expected = torch_weights.from_keras(net), numpy_state(module)
        names = [name for name, _ in module.named_parameters()]
        errors.append(max(distance(actual[name], expected[name]) for name in names))
        moved.append(np.median([distance(expected[name], before[name]) for name in names]))
    assert np.median(errors) < TRAINED, errors
    assert min(moved) > 10 * TRAINED  # else standing still would pass


# Layers


def torch_images(images: np.ndarray) -> Any:
    return torch.from_numpy(np.moveaxis(images, -1, 1).copy()).requires_grad_()


def channels_last(tensor: Any) -> np.ndarray:
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def assert_close(actual: Any, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(np.abs(expected).max(), 1e-3)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_a_convolution_and_its_gradients(size: int, stride: int) -> None:
    generator, tried = np.random.default_rng(0), 0
    for zeros, height in itertools.product(range(4), range(1, 10)):
        width = 1 + (height * 4) % 9
        if min(height, width) + 2 * zeros < size:
            continue
        layer = PaddedConv2D(4, size, strides=stride, zeros=zeros)
        images = generator.normal(size=(2, height, width, 3)).astype(np.float32)
        inputs = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            upstream = generator.normal(size=outputs.shape).astype(np.float32)
            product = tf.reduce_sum(outputs * upstream)
        of_inputs, of_kernel = tape.gradient(product, [inputs, layer.kernel.value])
        kernel = torch.from_numpy(np.asarray(layer.kernel).transpose(3, 2, 0, 1).copy()).requires_grad_()
        theirs = torch_images(images)
        expected = torch.nn.functional.conv2d(theirs, kernel, stride=stride, padding=zeros)
        expected.backward(torch_images(upstream).detach())
        assert_close(outputs, channels_last(expected))
        assert_close(of_inputs, channels_last(theirs.grad))
        assert_close(of_kernel, kernel.grad.numpy().transpose(2, 3, 1, 0))
        tried += 1
    assert tried >= 10


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("shape", [(16, 4, 5), (2, 1, 1), (64, 16, 16)], ids=str)
def test_a_normalisation_and_its_gradients(shape: tuple[int, ...], is_training: bool) -> None:
    generator = np.random.default_rng(0)
    images, upstream = (generator.normal(1.0, 2.0, size=(*shape, 3)).astype(np.float32) for _ in range(2))
    layer, module = FusedBatchNormalization(momentum=0.9, epsilon=1e-5), torch.nn.BatchNorm2d(3).train(is_training)
    layer.build(images.shape)
    weights = [generator.uniform(0.5, 2, size=3).astype(np.float32) for _ in range(4)]
    layer.set_weights(weights)
    for tensor, array in zip(module.state_dict().values(), weights, strict=False):
        tensor.copy_(torch.from_numpy(array))
    inputs, theirs = tf.constant(images), torch_images(images)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=is_training)
        product = tf.reduce_sum(outputs * upstream)
    gradients = tape.gradient(product, [inputs, layer.gamma.value, layer.beta.value])
    expected = module(theirs)
    expected.backward(torch_images(upstream).detach())
    assert_close(outputs, channels_last(expected), 1e-4)
    assert_close(gradients[0], channels_last(theirs.grad), 1e-4)
    assert_close(gradients[1], module.weight.grad.numpy(), 1e-4)
    assert_close(gradients[2], module.bias.grad.numpy(), 1e-4)
    n = np.prod(shape) if is_training else np.inf
    assert_close(layer.moving_mean, module.running_mean.numpy(), STATISTICS)
    kept = 0.9 * weights[3]
    biased = kept + (module.running_var.numpy() - kept) * (1 - 1 / n)
    assert_close(layer.moving_variance, biased, STATISTICS)
