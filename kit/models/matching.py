"""Which array of the data is which input of a model, by name, place and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kit.types import InputError

# Beyond it, float32 takes one whole number for its neighbour.
_LARGEST_INTEGER = 2**24


def in_order(net: keras.Model, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Returns an array for each input of a model: the one of its name, and others are left out.

    Where a model has a single input that no array has the name of, the columns of a table stand in a row.

    Raises:
        InputError: names or shapes that do not fit.

    Example:
        >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> in_order(net, {"age": np.array([30, 40]), "income": np.array([1.5, 2.5])})[0].tolist()
        [[30.0, 1.5], [40.0, 2.5]]
    """
    tensors = keras.tree.flatten(net.inputs)
    names = _names(net)
    if len(tensors) == 1 and names[0] not in inputs:
        return [_shaped(net, names[0], _side_by_side(net, tensors[0], inputs), tensors[0])]
    by_name = dict(inputs)
    if not set(names) <= set(by_name) and sorted(by_name) == sorted(map(str, range(len(names)))):
        by_name = {name: inputs[str(number)] for number, name in enumerate(names)}
    if not set(names) <= set(by_name):
        raise InputError(
            f"The model '{net.name}' has the inputs {', '.join(map(repr, names))}, and the data the inputs "
            f"{', '.join(map(repr, inputs))}. Expected one for each, of its name, or '0', '1', ... in the order of "
            "the model's inputs. Rename the columns."
        )
    return [_shaped(net, name, by_name[name], tensor) for name, tensor in zip(names, tensors, strict=True)]


def as_called(net: keras.Model, arrays: Sequence[np.ndarray]) -> Any:
    """Returns arrays in the structure in which a model takes its inputs: alone, in a list, in a dictionary."""
    return structured(net, [tensor(array) for array in arrays])


def structured(net: keras.Model, parts: Sequence[Any]) -> Any:
    """Returns one part for each input of a model in the structure in which the model takes them."""
    return keras.tree.pack_sequence_as(_structure(net), list(parts))


def _structure(net: keras.Model) -> Any:
    return net.inputs[0] if isinstance(net, keras.Sequential) else net.input


def _names(net: keras.Model) -> list[str]:
    structure = _structure(net)
    if isinstance(structure, dict):
        return sorted(structure)
    return [tensor.name for tensor in keras.tree.flatten(net.inputs)]


def _side_by_side(net: keras.Model, tensor: Any, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    texts = [name for name, column in inputs.items() if column.dtype.kind in "US"]
    if any(column.ndim != 1 for column in inputs.values()) or (texts and len(texts) < len(inputs)):
        raise InputError(
            f"The model '{net.name}' has one input, and the data have {len(inputs)}, of which "
            f"{', '.join(map(repr, texts)) or 'some'} cannot stand beside the others in one array. Expected columns "
            "of numbers. Choose them with 'features', in the order in which the model was trained."
        )
    columns = list(inputs.values())
    if texts or any(_needs_64_bits(column) for column in columns):
        return np.stack([column if texts else column.astype(np.float64) for column in columns], axis=1)
    rows = np.empty((len(columns[0]), len(columns)), np.float32)  # half of the memory, and what networks take
    for number, column in enumerate(columns):
        rows[:, number] = column
    return rows


def _needs_64_bits(column: np.ndarray) -> bool:
    """Returns whether float32 does not hold a column: `Arrays` refuses whole numbers that it takes for others."""
    return column.dtype.kind != "b" and max(abs(float(column.max())), abs(float(column.min()))) > _LARGEST_INTEGER


def _shaped(net: keras.Model, name: str, array: np.ndarray, tensor: Any) -> np.ndarray:
    """Returns an array of the rank of an input: a column may lack its last axis, or have one too many."""
    rank = len(tensor.shape)
    if array.ndim == rank - 1:
        array = array[..., np.newaxis]
    elif array.ndim == rank + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    fits = array.ndim == rank and all(
        size in (None, length) for size, length in zip(tensor.shape[1:], array.shape[1:], strict=True)
    )
    if not fits or (tensor.dtype == "string") != (array.dtype.kind in "US"):
        raise InputError(
            f"The input '{name}' of the model '{net.name}' takes {tensor.dtype} of shape {tuple(tensor.shape[1:])}, "
            f"and the data have {array.dtype} of shape {array.shape[1:]}. Expected the same kind and shape. Give each "
            "example as the model takes it."
        )
    return array


def tensor(array: np.ndarray) -> Any:
    """Returns an array as a tensor, texts as such."""
    texts = array.dtype.kind in "US"
    return keras.ops.convert_to_tensor(array.astype(object), "string") if texts else keras.ops.convert_to_tensor(array)
