"""The zoo: shapes, sizes, names."""

from __future__ import annotations

import json
from collections.abc import Callable

import keras
import numpy as np
import pytest

from kit import models
from kit.models.undrawn import undrawn
from kit.types import InputError

IMAGES, TABLE = (8, 8, 1), (20,)


def residual(stages: int, blocks: int) -> list[str]:
    """The layers of basic blocks; where a stage begins with a stride, the shortcut has a convolution of its own."""
    names = []
    for stage in range(1, stages + 1):
        for block in range(blocks):
            shortcut = ["downsample_0", "bn2", "downsample_1"] if stage > 1 and block == 0 else ["bn2"]
            inner = ["conv1", "bn1", "relu1", "conv2", *shortcut, "add", "relu2"]
            names += [f"layer{stage}_{block}_{name}" for name in inner]
    return names


STEM, END = ["images", "normalisation", "conv1", "bn1", "relu"], ["avgpool", "fc"]
LAYERS = {
    "mlp": ["images", "flatten", "hidden", "logits"],
    "convnet": ["images", "convolution_1", "convolution_2", "flatten", "hidden", "logits"],
    "resnet18": [*STEM, "maxpool_padding", "maxpool", *residual(4, 2), *END],
    "resnet20": [*STEM, *residual(3, 3), *END],
}


def residual_parameters(stem: int, channels: int, widths: list[int], blocks: int, classes: int) -> int:
    """Counted by hand: square kernels without biases, four numbers of batch normalisation a filter."""
    total, width = channels * widths[0] * stem**2 + 4 * widths[0], widths[0]
    for filters in widths:
        for _ in range(blocks):
            total += 9 * width * filters + 9 * filters * filters + 8 * filters
            total += width * filters + 4 * filters if width != filters else 0
            width = filters
    return total + width * classes + classes


SETTINGS = {
    "floatx": ("float32", "float16"),
    "epsilon": (1e-7, 1e-3),
    "image_data_format": ("channels_last", "channels_first"),
    "dtype_policy": ("float32", "mixed_float16"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_no_model_is_built_under_settings_that_give_other_numbers(name: str, refused: Callable[..., str]) -> None:
    """Of a `keras.json` for another project: reports would say nothing of it."""
    usual, other = SETTINGS[name]
    described = json.dumps(keras.saving.serialize_keras_object(models.mlp((3,), 2)))
    getattr(keras.config, f"set_{name}")(other)
    try:
        for build in (lambda: models.build("mlp", (3,), 2), lambda: models.build_described(described)):
            refused(build, f"'{name}' is {other!r}", f"Expected {usual!r}", "keras.json", "KERAS_HOME")
    finally:
        getattr(keras.config, f"set_{name}")(usual)
    models.build("mlp", (3,), 2)


@pytest.mark.parametrize(
    ("name", "input_shape", "num_classes", "parameters"),
    [
        ("mlp", TABLE, 3, 20 * 128 + 128 + 128 * 3 + 3),
        ("mlp", IMAGES, 10, 64 * 128 + 128 + 128 * 10 + 10),
        ("convnet", IMAGES, 10, 9 * 16 + 16 + 9 * 16 * 32 + 32 + 2 * 2 * 32 * 128 + 128 + 128 * 10 + 10),
        ("convnet", (9, 5, 3), 4, 27 * 16 + 16 + 9 * 16 * 32 + 32 + 3 * 2 * 32 * 128 + 128 + 128 * 4 + 4),
        ("resnet18", (32, 32, 3), 10, residual_parameters(7, 3, [64, 128, 256, 512], 2, 10)),
        ("resnet20", (32, 32, 3), 10, residual_parameters(3, 3, [16, 32, 64], 3, 10)),
        ("resnet20", (28, 28, 1), 7, residual_parameters(3, 1, [16, 32, 64], 3, 7)),
    ],
)
def test_shapes_and_number_of_parameters(
    name: str, input_shape: tuple[int, ...], num_classes: int, parameters: int
) -> None:
    net = models.build(name, input_shape, num_classes)
    assert net.name == name
    assert net.input_shape == (None, *input_shape)
    assert net.output_shape == (None, num_classes)
    assert net.count_params() == parameters
    assert net(np.zeros((2, *input_shape), np.float32)).shape == (2, num_classes)


@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_layers_have_names_of_their_own_however_many_models_there_are(name: str) -> None:
    for _ in range(2):
        net = models.build(name, IMAGES, 10)
        assert [layer.name for layer in net.layers] == LAYERS[name]
        assert {variable.path.partition("/")[0] for variable in net.variables} <= set(LAYERS[name])


@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_models_are_uncompiled_and_give_logits(name: str) -> None:
    net = models.build(name, IMAGES, 10)
    assert not net.compiled
    logits = np.asarray(net(np.random.default_rng(0).normal(scale=30, size=(50, *IMAGES)).astype(np.float32)))
    assert logits.min() < 0  # no softmax
    assert logits.max() > 1


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name.startswith("resnet") else [])
        for name in sorted(models.MODELS)
    ],
)
def test_weights_are_drawn_anew_from_the_global_seed(name: str) -> None:
    def draw(seed: int) -> list[bytes]:
        keras.utils.set_random_seed(seed)
        return [array.tobytes() for array in models.build(name, IMAGES, 10).get_weights()]

    first = draw(0)
    assert draw(0) == first
    assert draw(1) != first


@pytest.mark.parametrize(
    ("name", "input_shape", "fragments"),
    [
        ("resnet", IMAGES, ["no model 'resnet'", "mlp, convnet"]),
        ("", IMAGES, ["no model ''"]),
        ("convnet", TABLE, ["'convnet'", "(20,)", "'mlp'"]),
        ("convnet", (8, 8), ["(8, 8)", "(height, width, channels)"]),
        ("resnet18", TABLE, ["'resnet18'", "(20,)", "'mlp'"]),
        ("resnet20", TABLE, ["'resnet20'", "(20,)", "'mlp'"]),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, input_shape: tuple[int, ...], fragments: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        models.build(name, input_shape, 10)
    assert "\n" not in str(caught.value)
    assert [fragment for fragment in fragments if fragment not in str(caught.value)] == []


# What residual networks begin and end with


@pytest.mark.parametrize("channels", [1, 3])
def test_a_residual_network_normalises_its_images_itself(channels: int) -> None:
    net = models.build("resnet20", (8, 8, channels), 10)
    images = np.random.default_rng(0).random((4, 8, 8, channels), np.float32)
    mean, std = ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]) if channels == 3 else ([0.5], [0.5])
    seen = keras.Model(net.inputs[0], net.get_layer("normalisation").output)(images)
    np.testing.assert_allclose(np.asarray(seen), (images - mean) / std, rtol=0, atol=1e-5)


def test_convolutions_and_the_end_begin_as_in_pytorch() -> None:
    """Kaiming normal over the outgoing connections; uniform up to one over the root of the number of inputs."""
    keras.utils.set_random_seed(1)
    net = models.build("resnet18", (32, 32, 3), 10)
    for name, fan_out in (("conv1", 49 * 64), ("layer3_0_conv1", 9 * 256), ("layer4_1_conv2", 9 * 512)):
        (kernel,) = net.get_layer(name).get_weights()
        assert kernel.std() == pytest.approx((2 / fan_out) ** 0.5, rel=0.03)
        assert abs(kernel).max() > 3 * kernel.std()  # not truncated
    kernel, bias = net.get_layer("fc").get_weights()
    assert 0.98 * 512**-0.5 < abs(kernel).max() <= 512**-0.5
    assert 0.5 * 512**-0.5 < abs(bias).max() <= 512**-0.5


# Precision


@pytest.mark.half_precision
def test_bfloat16_is_for_computing_alone() -> None:
    policy = keras.config.dtype_policy().name
    nets = []
    for precision in ("float32", "bfloat16"):
        keras.utils.set_random_seed(0)
        nets.append(models.build("resnet20", (8, 8, 3), 10, precision))
        assert keras.config.dtype_policy().name == policy
    plain, half = nets
    assert {layer.compute_dtype for layer in half.layers if layer.weights} == {"bfloat16"}
    assert {layer.compute_dtype for layer in plain.layers if layer.weights} == {"float32"}
    assert {weight.dtype for weight in half.weights} == {"float32"}
    for first, second in zip(plain.get_weights(), half.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    images = np.random.default_rng(0).random((20, 8, 8, 3), np.float32)
    exact, rounded = (np.asarray(keras.ops.cast(net(images), "float32")) for net in nets)
    assert 0 < abs(exact - rounded).max() < 0.1 * abs(exact).max()


def test_the_global_policy_is_put_back_where_nothing_can_be_built() -> None:
    policy = keras.config.dtype_policy().name
    with pytest.raises(InputError):
        models.build("resnet20", TABLE, 10, "bfloat16")
    assert keras.config.dtype_policy().name == policy


@pytest.mark.parametrize("name", ["convnet", "resnet20"])
def test_a_network_is_built_without_drawing_its_weights_and_is_the_same_in_all_else(name: str) -> None:
    shape = (32, 32, 3) if "resnet" in name else IMAGES
    with undrawn():
        net = models.build(name, shape, 3)
    drawn = models.build(name, shape, 3)
    assert json.dumps(net.get_config()) == json.dumps(drawn.get_config())
    assert [variable.path for variable in net.variables] == [variable.path for variable in drawn.variables]
    differing = [not np.array_equal(*pair) for pair in zip(net.get_weights(), drawn.get_weights(), strict=True)]
    assert sum(differing) == sum(bool(array.std()) for array in drawn.get_weights()) > 0
    assert not any(array.any() for array, differs in zip(net.get_weights(), differing, strict=True) if differs)
    clone = keras.models.clone_model(net)  # a submission begins anew with it
    assert sum(bool(array.std()) for array in clone.get_weights()) == sum(differing)
