"""Weights of the zoo's residual networks as PyTorch knows them: other names, other axes, the same numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kit import models
from kit.models.file_names import check_resnet
from kit.models.torch.pickle import shown
from kit.types import InputError

PIXELS = 32  # weights do not depend on the size of images; a whole model that is stored does
_KINDS = {
    "kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_COUNTER = "num_batches_tracked"  # PyTorch counts batches, and does nothing with the number here
_OTHER_NAMES = {"linear": "fc", "shortcut": "downsample"}  # of well-known implementations for CIFAR-10
_SHOWN = 3


@dataclass(frozen=True)
class _Ends:
    """The first convolution's filters and size, and the last layer's inputs: they tell the models apart."""

    filters: int
    size: int
    features: int


_ENDS = {"resnet18": _Ends(64, 7, 512), "resnet20": _Ends(16, 3, 64)}


def build(name: str, stem: Sequence[int], head: Sequence[int]) -> keras.Model:
    """Returns a model of the zoo with as many input channels and classes as the weights at its two ends have.

    Args:
        name: one of `NAMES`.
        stem: shape of the first convolution's kernel, (height, width, channels, filters).
        head: shape of the last layer's kernel, (features, classes).

    Raises:
        InputError: these are not the ends of that model.

    Example:
        >>> build("resnet20", (3, 3, 1, 16), (64, 7)).output_shape
        (None, 7)
    """
    check_resnet(name)
    ends, stem, head = _ENDS[name], tuple(stem), tuple(head)
    channels, classes = stem[2] if len(stem) == 4 else 0, head[1] if len(head) == 2 else 0
    expected = (ends.size, ends.size, channels, ends.filters), (ends.features, classes)
    if not stem or not head:
        raise InputError(
            f"The weights are not those of the model '{name}': its {'last layer' if stem else 'first convolution'} is "
            "not among them. Expected those of a ResNet of the kit or of torchvision. Choose another file."
        )
    if (stem, head) != expected or not channels or not classes:
        raise InputError(
            f"The weights are not those of the model '{name}': its first convolution and its last layer have "
            f"kernels of the shapes {_short(stem)} and {_short(head)} (in Keras's order). Expected ({ends.size}, "
            f"{ends.size}, channels, {ends.filters}) and ({ends.features}, classes). Choose the right --model; the "
            "ResNets of torchvision and those for CIFAR-10 differ in their first convolution."
        )
    return models.build(name, (PIXELS, PIXELS, channels), classes)


def build_for(name: str, state_dict: Mapping[str, np.ndarray]) -> keras.Model:
    """Returns a model of the zoo with as many input channels and classes as a state dict has; weights are drawn anew.

    Raises:
        InputError: this is no state dict of that model.
    """
    check_resnet(name)
    ours = _our_names(state_dict)
    for needed in ("conv1.weight", "fc.weight"):
        if needed not in ours:
            raise InputError(
                f"The state dict is not that of the model '{name}': among its {len(ours)} entries ({_some(ours)}) "
                f"there is no '{needed}'. Expected the names of torchvision's ResNets. Choose another file."
            )
    stem, head = ours["conv1.weight"].shape, ours["fc.weight"].shape
    return build(name, (*stem[2:], *stem[1::-1]), head[::-1])


def torch_name(path: str) -> str:
    """Returns what PyTorch calls a variable.

    Args:
        path: of a variable of `kit.models.resnet18` or `resnet20`, with the layer's name and the variable's.

    Example:
        >>> torch_name("layer2_0_downsample_1/moving_variance")
        'layer2.0.downsample.1.running_var'
    """
    layer, _, variable = path.rpartition("/")
    layer = re.sub(r"^(layer\d+)_(\d+)_", r"\1.\2.", layer).replace("downsample_", "downsample.")
    return f"{layer}.{_KINDS[variable]}"


def to_keras(state_dict: Mapping[str, np.ndarray], net: keras.Model) -> list[np.ndarray]:
    """Returns the weights of a PyTorch model in the order, layout and precision of a Keras model's.

    The running variance is copied as it is. PyTorch keeps the unbiased one, n / (n - 1) times as large as Keras's, and
    no file says what n was; in inference both libraries use what they are given alike.

    Args:
        state_dict: arrays by PyTorch's name; convolutions (out, in, height, width), linear layers (out, in). Floats
            of any precision become float32.
        net: a model that `kit.models.resnet18` or `resnet20` built.

    Returns:
        Float32 arrays, as `net.set_weights` takes them.

    Raises:
        InputError: entries are missing or left over, have another shape, or hold NaN or infinite values.

    Example:
        >>> net = models.resnet20((8, 8, 1), 3)
        >>> np.array_equal(to_keras(from_keras(net), net)[0], net.get_weights()[0])
        True
    """
    ours = _our_names(state_dict)
    expected = {torch_name(variable.path): _torch_shape(variable.shape) for variable in net.weights}
    missing = [name for name in expected if name not in ours]
    surplus = [name for name in ours if name not in expected]
    misshapen = [
        f"{shown(name)} of shape {_short(ours[name].shape)} instead of {shape}"
        for name, shape in expected.items()
        if name in ours and ours[name].shape != shape
    ]
    _refuse(
        net.name,
        f"{len(missing)} are missing ({_some(missing)})" if missing else "",
        f"{len(surplus)} are too many ({_some(surplus)})" if surplus else "",
        f"{len(misshapen)} have another shape ({', '.join(misshapen[:_SHOWN])})" if misshapen else "",
    )
    with np.errstate(over="ignore"):  # of float64; looked at below
        arrays = {name: ours[name].astype(np.float32) for name in expected if ours[name].dtype.kind == "f"}
    unsound = [name for name in expected if name not in arrays or not np.isfinite(arrays[name]).all()]
    _refuse(net.name, f"{len(unsound)} hold NaN, infinite values or no floats ({_some(unsound)})" if unsound else "")
    return [_in_keras_order(array) for array in arrays.values()]


def from_keras(net: keras.Model) -> dict[str, np.ndarray]:
    """Returns the weights of a Keras model as a PyTorch model of the same architecture loads them.

    Args:
        net: a model that `kit.models.resnet18` or `resnet20` built.

    Returns:
        Arrays by PyTorch's name: float32, and an int64 0 for each layer's number of batches, which Keras does not
        count.

    Example:
        >>> state_dict = from_keras(models.resnet20((8, 8, 1), 3))
        >>> state_dict["layer3.0.conv1.weight"].shape, state_dict["fc.weight"].shape
        ((64, 32, 3, 3), (3, 64))
    """
    state_dict = {}
    for variable, array in zip(net.weights, net.get_weights(), strict=True):
        name = torch_name(variable.path)
        state_dict[name] = _in_torch_order(array)
        if name.endswith(".running_var"):
            state_dict[name.replace("running_var", _COUNTER)] = np.array(0, np.int64)
    return state_dict


def _our_names(state_dict: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the entries that count, with torchvision's names."""
    ours = {}
    for name, array in state_dict.items():
        renamed = ".".join(_OTHER_NAMES.get(part, part) for part in name.split("."))
        if not name.endswith(_COUNTER):
            ours[name if renamed in state_dict else renamed] = array
    return ours


def _in_keras_order(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T)


def _in_torch_order(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T, np.float32)


def _torch_shape(shape: Sequence[int]) -> tuple[int, ...]:
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else tuple(shape[::-1])


def _refuse(model: str, *faults: str) -> None:
    clauses = [fault for fault in faults if fault]
    if clauses:
        raise InputError(
            f"The state dict does not fit the model '{model}': of its entries {', and '.join(clauses)}. Expected "
            "finite floats, named and shaped as torchvision's ResNets have them. Choose another file or --model."
        )


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(map(shown, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")


def _short(shape: Any) -> str:
    text = str(tuple(shape))
    return text if len(text) <= 60 else f"{text[:57]}..."
