"""Names, axes and precision between PyTorch and Keras; what the models then compute: `test_torch_parity.py`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from kit import models
from kit.models.file_names import RESNETS
from kit.models.torch import names as torch_weights
from kit.types import InputError

CLASSES = 7


@pytest.fixture(scope="module")
def nets() -> dict[str, keras.Model]:
    """Models with weights of which no two are alike."""
    nets = {name: models.build(name, (8, 8, 3), CLASSES) for name in RESNETS}
    for net in nets.values():
        generator = np.random.default_rng(0)
        net.set_weights([generator.normal(size=weight.shape).astype(np.float32) for weight in net.weights])
    return nets


@pytest.fixture(params=RESNETS)
def net(request: pytest.FixtureRequest, nets: dict[str, keras.Model]) -> keras.Model:
    return nets[request.param]


@pytest.fixture
def state_dict(nets: dict[str, keras.Model]) -> dict[str, np.ndarray]:
    return torch_weights.from_keras(nets["resnet20"])


def documented_names(stages: int, blocks: int) -> list[str]:
    """torchvision's names, from its documentation: of a stem, of blocks, of a linear layer."""
    norms = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    names = ["conv1.weight", *(f"bn1.{kind}" for kind in norms), "fc.weight", "fc.bias"]
    for stage in range(1, stages + 1):
        for block in range(blocks):
            prefix = f"layer{stage}.{block}"
            for number in (1, 2):
                names += [f"{prefix}.conv{number}.weight", *(f"{prefix}.bn{number}.{kind}" for kind in norms)]
            if block == 0 and stage > 1:
                names += [f"{prefix}.downsample.0.weight", *(f"{prefix}.downsample.1.{kind}" for kind in norms)]
    return names


@pytest.mark.parametrize(("name", "stages", "blocks", "count"), [("resnet18", 4, 2, 122), ("resnet20", 3, 3, 128)])
def test_the_names_are_torchvisions(
    nets: dict[str, keras.Model], name: str, stages: int, blocks: int, count: int
) -> None:
    actual = torch_weights.from_keras(nets[name])
    assert sorted(actual) == sorted(documented_names(stages, blocks))
    assert len(actual) == count


def test_shapes_and_precision_are_pytorchs(nets: dict[str, keras.Model]) -> None:
    actual = torch_weights.from_keras(nets["resnet18"])
    shapes = {key: actual[key].shape for key in ("conv1.weight", "layer2.0.conv1.weight", "fc.weight", "fc.bias")}
    assert shapes == {
        "conv1.weight": (64, 3, 7, 7),
        "layer2.0.conv1.weight": (128, 64, 3, 3),
        "fc.weight": (CLASSES, 512),
        "fc.bias": (CLASSES,),
    }
    for key, array in actual.items():
        counter = key.endswith("num_batches_tracked")
        assert (array.dtype, array.ndim == 0) == (np.dtype(np.int64 if counter else np.float32), counter)
        assert array.flags.c_contiguous


def test_each_number_goes_to_its_place(nets: dict[str, keras.Model]) -> None:
    net = nets["resnet20"]
    actual = torch_weights.from_keras(net)
    kernel, linear = net.get_layer("layer2_0_conv1").get_weights()[0], net.get_layer("fc").get_weights()[0]
    assert actual["layer2.0.conv1.weight"][5, 4, 1, 2] == kernel[1, 2, 4, 5]
    assert actual["fc.weight"][3, 60] == linear[60, 3]
    gamma, beta, mean, variance = net.get_layer("layer3_0_downsample_1").get_weights()
    for kind, array in (("weight", gamma), ("bias", beta), ("running_mean", mean), ("running_var", variance)):
        np.testing.assert_array_equal(actual[f"layer3.0.downsample.1.{kind}"], array)


def test_there_and_back_again_to_the_bit(net: keras.Model) -> None:
    actual = torch_weights.to_keras(torch_weights.from_keras(net), net)
    assert len(actual) == len(net.weights)
    for first, second in zip(actual, net.get_weights(), strict=True):
        assert first.dtype == np.float32
        np.testing.assert_array_equal(first, second)


def test_the_order_of_entries_plays_no_part(state_dict: dict[str, np.ndarray], nets: dict[str, keras.Model]) -> None:
    backwards = dict(reversed(state_dict.items()))
    for first, second in zip(
        torch_weights.to_keras(backwards, nets["resnet20"]), nets["resnet20"].get_weights(), strict=True
    ):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions_become_float32(
    state_dict: dict[str, np.ndarray], nets: dict[str, keras.Model], dtype: str
) -> None:
    actual = torch_weights.to_keras({key: array.astype(dtype) for key, array in state_dict.items()}, nets["resnet20"])
    for first, second in zip(actual, nets["resnet20"].get_weights(), strict=True):
        assert first.dtype == np.float32
        np.testing.assert_array_equal(first, second.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(
    "names", [{"fc": "linear"}, {"downsample": "shortcut"}, {"fc": "linear", "downsample": "shortcut"}]
)
def test_other_well_known_names_are_understood(
    state_dict: dict[str, np.ndarray], nets: dict[str, keras.Model], names: dict[str, str]
) -> None:
    renamed = {".".join(names.get(part, part) for part in key.split(".")): array for key, array in state_dict.items()}
    assert renamed.keys() != state_dict.keys()
    net = torch_weights.build_for("resnet20", renamed)
    for first, second in zip(torch_weights.to_keras(renamed, net), nets["resnet20"].get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (3, 100), (4, 1)])
@pytest.mark.parametrize("name", RESNETS)
def test_channels_and_classes_are_the_files(
    nets: dict[str, keras.Model], name: str, channels: int, classes: int
) -> None:
    state_dict = torch_weights.from_keras(nets[name])
    (filters, _, *size), (_, features) = (state_dict[f"{end}.weight"].shape for end in ("conv1", "fc"))
    ends = {"conv1.weight": (filters, channels, *size), "fc.weight": (classes, features), "fc.bias": (classes,)}
    state_dict |= {key: np.ones(shape, np.float32) for key, shape in ends.items()}
    net = torch_weights.build_for(name, state_dict)
    assert net.name == name
    assert net.input_shape == (None, 32, 32, channels)
    assert net.output_shape == (None, classes)
    net.set_weights(torch_weights.to_keras(state_dict, net))


# What does not fit


def without(*keys: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {key: array for key, array in state.items() if key not in keys}


def with_entry(key: str, array: np.ndarray) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: state | {key: array}


def with_value(value: float, dtype: str = "float32") -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(state: dict[str, Any]) -> dict[str, Any]:
        array = state["layer1.0.bn1.bias"].astype(dtype)
        array[3] = value
        return state | {"layer1.0.bn1.bias": array}

    return change


@pytest.fixture(scope="module")
def built_once() -> Iterator[None]:
    """Has networks of the same ends built once: what does not fit them leaves them alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_weights, "build", functools.cache(torch_weights.build))
        yield


@pytest.mark.usefixtures("built_once")
@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        (without("layer1.0.conv1.weight"), ["1 are missing ('layer1.0.conv1.weight')"]),
        (
            without("fc.bias", "bn1.bias", "bn1.weight", "bn1.running_var"),
            ["4 are missing ('bn1.weight', 'bn1.bias'", "..."],
        ),
        (with_entry("layer4.0.conv1.weight", np.zeros(3)), ["1 are too many ('layer4.0.conv1.weight')"]),
        (
            with_entry("fc.bias", np.zeros(8, np.float32)),
            ["1 have another shape ('fc.bias' of shape (8,) instead of (7,))"],
        ),
        (with_entry("linear.bias", np.zeros(7, np.float32)), ["1 are too many ('linear.bias')"]),
        (
            lambda state: {f"{key}.x": array for key, array in state.items()},
            ["of the model 'resnet20'", "no 'conv1.weight'"],
        ),
        (without("fc.weight"), ["no 'fc.weight'"]),
        (lambda state: {}, ["0 entries", "no 'conv1.weight'"]),
        (with_entry("conv1.weight", np.zeros((64, 3, 7, 7), np.float32)), ["(7, 7, 3, 64)", "right --model"]),
        (with_entry("conv1.weight", np.zeros((16, 0, 3, 3), np.float32)), ["(3, 3, 0, 16)"]),
        (with_entry("conv1.weight", np.zeros(3, np.float32)), ["right --model"]),
        (with_entry("fc.weight", np.zeros((10**6, 1), np.float32)), ["(1, 1000000)"]),
        (with_entry("fc.weight", np.zeros((0, 64), np.float32)), ["(64, 0)"]),
        (with_entry("fc.weight", np.zeros((1,) * 30, np.float32)), ["(1, 1, 1"]),
        (with_value(np.nan), ["1 hold NaN, infinite values or no floats ('layer1.0.bn1.bias')"]),
        (with_value(-np.inf), ["'layer1.0.bn1.bias'"]),
        (with_value(1e300, "float64"), ["'layer1.0.bn1.bias'"]),
        (with_value(1, "int64"), ["no floats ('layer1.0.bn1.bias')"]),
    ],
)
def test_what_does_not_fit_is_told(
    state_dict: dict[str, np.ndarray],
    refused: Callable[..., str],
    change: Callable[[dict[str, Any]], dict[str, Any]],
    fragments: list[str],
) -> None:
    changed = change(state_dict)

    def convert() -> None:
        torch_weights.to_keras(changed, torch_weights.build_for("resnet20", changed))

    assert len(refused(convert, *fragments)) < 700


def test_all_faults_are_told_at_once(state_dict: dict[str, np.ndarray], nets: dict[str, keras.Model]) -> None:
    changed = without("bn1.bias")(state_dict) | {"more": np.zeros(1), "fc.bias": np.zeros(2)}
    with pytest.raises(InputError, match=r"missing.*too many.*another shape"):
        torch_weights.to_keras(changed, nets["resnet20"])


def test_names_of_a_file_cannot_write_to_the_terminal(
    state_dict: dict[str, np.ndarray], nets: dict[str, keras.Model], refused: Callable[..., str]
) -> None:
    changed = state_dict | {"\x1b[2J\n\ud800" * 50: np.zeros(1)}
    message = refused(lambda: torch_weights.to_keras(changed, nets["resnet20"]), "1 are too many")
    assert re.fullmatch(r"[ -~]+", message)


@pytest.mark.parametrize("name", ["convnet", "mlp", "resnet50", ""])
def test_models_without_a_counterpart_are_refused(
    name: str, state_dict: dict[str, np.ndarray], refused: Callable[..., str]
) -> None:
    refused(lambda: torch_weights.build_for(name, state_dict), f"'{name}'", "resnet18, resnet20")


@pytest.mark.parametrize(("name", "other"), [("resnet18", "resnet20"), ("resnet20", "resnet18")])
def test_the_wrong_model_is_told(
    name: str, other: str, nets: dict[str, keras.Model], refused: Callable[..., str]
) -> None:
    state = torch_weights.from_keras(nets[name])
    refused(lambda: torch_weights.build_for(other, state), f"'{other}'", "right --model")
