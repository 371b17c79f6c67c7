"""Files of weights of the zoo's residual networks, of PyTorch and of Keras: read into a model, written from one."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np

from kit.models import h5, inspection, weights
from kit.models.file_names import RESNET_WEIGHTS, check_resnet, is_torch, suffix
from kit.models.torch import files as torch_files
from kit.models.torch import names as torch_weights
from kit.models.torch.pickle import shown
from kit.storage import files
from kit.storage.scratch import Scratch
from kit.types import InputError

_SHOWN = 3


def load(path: Path, model: str) -> keras.Model:
    """Returns a model of the zoo with the weights of a file; of a `.keras` file too, the weights alone are read.

    Args:
        path: `.pth` or `.pt` (a state dict), `.npz` (arrays 0, 1, ... in the order of `net.weights`), `.weights.h5` or
            `.keras`.
        model: one of `kit.models.file_names.RESNETS`. Channels and number of classes are the file's.

    Raises:
        InputError: the file is missing, damaged, or holds the weights of something else.
    """
    check_resnet(model)
    if is_torch(path):
        state_dict = torch_files.read_state_dict(path)
        net = torch_weights.build_for(model, state_dict)
        net.set_weights(torch_weights.to_keras(state_dict, net))
        return net
    if suffix(path) == ".npz":
        return _from_npz(path, model)
    loaded: keras.Model = files.checked(lambda: _from_h5(path, model), path, RESNET_WEIGHTS)
    return loaded


def save(net: keras.Model, path: Path) -> None:
    """Writes a model's weights, or with `.keras` the whole model, in the format that the file's name asks for.

    The file appears when it is complete.

    Raises:
        InputError: a name with another ending.
    """
    kind = suffix(path)
    if is_torch(path):
        torch_files.write_state_dict(path, torch_weights.from_keras(net))
    elif kind == ".npz":
        weights.write_file(path, net.get_weights())
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with Scratch(f".{path.name}.", path.parent) as folder:
            temporary = folder.path / f"new{kind}"  # Keras looks at the ending
            (net.save if kind == ".keras" else net.save_weights)(temporary)
            os.replace(temporary, path)


def _from_npz(path: Path, model: str) -> keras.Model:
    stored = files.checked(lambda: weights.read_strangers_arrays(path), path, RESNET_WEIGHTS)
    if not stored or stored.keys() != weights.numbered(stored.values()).keys():
        some = ", ".join(map(shown, list(stored)[:_SHOWN])) + (", ..." if len(stored) > _SHOWN else "")
        reason = f"its arrays are called {some}" if some else "it has no arrays"
        raise InputError(
            f"'{path}' does not hold the weights of the model '{model}': {reason}. Expected '0', '1', '2', ... for the "
            "arrays of net.get_weights(), in their order. Write the file with np.savez(FILE, **{str(i): w for i, w in "
            "enumerate(net.get_weights())}), or as .weights.h5."
        )
    arrays = weights.in_order(stored)
    stem = arrays[0].shape
    head = next((array.shape for array in arrays if array.ndim == 2), ())
    net = torch_weights.build(model, stem, head)
    expected = [tuple(weight.shape) for weight in net.weights]
    faults = [f"there are {len(arrays)}"] if len(arrays) != len(expected) else []
    for number, (array, shape) in enumerate(zip(arrays, expected, strict=False)):
        if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            faults.append(f"number {number} has the shape {array.shape} and the dtype {array.dtype}, or is not finite")
    if faults:
        raise InputError(
            f"The arrays of '{path}' do not fit the model '{model}': {faults[0]}. Expected {len(expected)} arrays of "
            "finite floats in the order of net.weights. Choose another file or --model."
        )
    net.set_weights(arrays)
    return net


def _from_h5(path: Path, model: str) -> keras.Model:
    with inspection.unchanging(path) as copied:
        stem, head = _ends_of_h5(copied)
        net = torch_weights.build(model, stem, head)
        h5.load(net, copied)
        return net


def _ends_of_h5(path: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns the shapes of the first convolution's kernel and the last layer's, by the names that Keras gives them.

    Raises:
        ValueError: the file is not what it should be.
    """
    inspected = inspection.inspect(path)
    if inspected.refusal:
        raise ValueError(inspected.refusal)
    with h5.opened(path) as file:
        return h5.stored_shape(file, "layers/padded_conv2d/vars/0"), h5.stored_shape(file, "layers/dense/vars/0")
