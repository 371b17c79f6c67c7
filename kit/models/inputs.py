"""What a user's model is given, as one array of numbers: layers that read texts or look things up run once, beforehand.

A model is cut in two. Its *front* are the layers that no training changes and that take what is no number:
`StringLookup`, `TextVectorization`, `Hashing` and the like, with all that leads to them. What they give, and the inputs
that need none of them, are the columns of one float32 array; the *core* is the rest of the model, which takes the
columns apart again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from kit.models.layers import Columns
from kit.types import InputError

# Layers whose state comes from adapt() or a list of words, and which may take texts.
_FRONT = (
    keras.layers.CategoryEncoding,
    keras.layers.Hashing,
    keras.layers.HashedCrossing,
    keras.layers.IntegerLookup,
    keras.layers.StringLookup,
    keras.layers.TextVectorization,
)
_ROWS_AT_ONCE = 8192
# Beyond it, float32 takes one whole number for its neighbour.
_LARGEST_INTEGER = 2**24


class Divided(NamedTuple):
    """The part of a model that is trained, and what its front makes of examples.

    Attributes:
        core: takes one array, gives what the model gives, and has the model's own layers.
        columns: float32 (n, width), what the core takes; None where it takes the model's own only input.
    """

    core: keras.Model
    columns: np.ndarray | None = None


@dataclass(frozen=True)
class _Call:
    """One use of a layer or operation in a model's graph."""

    layer: Any
    given: Sequence[Any]
    result: Sequence[Any]


def reads_as_it_is(net: keras.Model) -> bool:
    """Returns whether a model takes one array of numbers of two to four axes, so that nothing has to be done before."""
    tensors = keras.tree.flatten(net.inputs)
    plain = len(tensors) == 1 and tensors[0].dtype != "string" and 2 <= len(tensors[0].shape) <= 4
    return plain and not any(map(_in_front, _leaves(net)))


def divide(net: keras.Model, arrays: Sequence[np.ndarray]) -> Divided:
    """Cuts a functional model with one output in front and core, and runs the front on examples.

    Args:
        net: its layers are shared, and stay as they are.
        arrays: examples, an array for each of `net.inputs`. What the front gives in different lengths, as texts of
            different lengths become, is padded with zeros behind.

    Raises:
        InputError: the cut would go through a nested model, a layer of the core takes texts, or whole numbers that
            float32 does not tell apart.
    """
    if reads_as_it_is(net):
        require_small(arrays[0])
        return Divided(net)
    calls = _calls(net)
    inputs, output = calls[0].result, calls[-1].result[0]
    front = _front(net, calls[1:])
    of_front = {id(tensor) for call in front for tensor in call.result} | {id(tensor) for tensor in inputs}
    cuts: dict[int, Any] = {}
    for call in calls[1:]:
        if call not in front:
            cuts |= {id(tensor): tensor for tensor in call.given if id(tensor) in of_front}
            _require_numbers(net, call, of_front)
    values = _run(keras.Model(inputs, list(cuts.values()), name="front"), arrays)
    core = _core(net.name, list(cuts.values()), output, [value.shape[1:] for value in values])
    return Divided(core, np.concatenate([value.reshape(len(value), -1) for value in values], axis=1))


def _run(front: keras.Model, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns what the front makes of all examples: float32 arrays (n, ...)."""
    parts: list[list[np.ndarray]] = [[] for _ in front.outputs]
    for start in range(0, len(arrays[0]), _ROWS_AT_ONCE):
        results = front([_tensor(array[start : start + _ROWS_AT_ONCE]) for array in arrays])
        for part, result in zip(parts, keras.tree.flatten(results), strict=True):
            value = keras.ops.convert_to_numpy(result)
            require_small(value)
            part.append(np.asarray(value, np.float32))
    return [_joined(part) for part in parts]


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Returns arrays behind one another, each of the shape of the largest."""
    shape = tuple(max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True))
    joined = np.zeros((sum(map(len, parts)), *shape), np.float32)
    start = 0
    for part in parts:
        joined[(slice(start, start + len(part)), *map(slice, part.shape[1:]))] = part
        start += len(part)
    return joined


def in_order(net: keras.Model, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Returns an array for each input of a model, of those with its name; for one input, columns of a table in a row.

    Raises:
        InputError: names or shapes that do not fit.

    Example:
        >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> in_order(net, {"age": np.array([30, 40]), "income": np.array([1.5, 2.5])})[0].tolist()
        [[30.0, 1.5], [40.0, 2.5]]
    """
    tensors = keras.tree.flatten(net.inputs)
    names = _names(net)
    if len(tensors) == 1 and (len(inputs) > 1 or list(inputs) != names):
        return [_shaped(net, names[0], _side_by_side(net, tensors[0], inputs), tensors[0])]
    by_name = dict(inputs)
    if set(by_name) != set(names) and sorted(by_name) == sorted(map(str, range(len(names)))):
        by_name = {name: inputs[str(number)] for number, name in enumerate(names)}
    if set(by_name) != set(names):
        raise InputError(
            f"The model '{net.name}' has the inputs {', '.join(map(repr, names))}, and the data the inputs "
            f"{', '.join(map(repr, inputs))}. Expected the same names, or '0', '1', ... in the order of the model's "
            "inputs. Rename the columns, or choose those of the model with 'features'."
        )
    return [_shaped(net, name, by_name[name], tensor) for name, tensor in zip(names, tensors, strict=True)]


def as_called(net: keras.Model, arrays: Sequence[np.ndarray]) -> Any:
    """Returns arrays in the structure in which a model takes its inputs: alone, in a list, in a dictionary."""
    return keras.tree.pack_sequence_as(_structure(net), [_tensor(array) for array in arrays])


def copied(net: keras.Model) -> keras.Model:
    """Returns a copy of a functional or sequential model whose adapted normalisations have their state by description.

    Weights are drawn anew wherever a model is trained anew; what `adapt()` found is not to be lost there.

    Example:
        >>> layer = keras.layers.Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> copy = copied(keras.Sequential([keras.Input((1,)), layer]))
        >>> len(copy.weights), copy(np.array([[3.0]])).numpy().tolist()
        (0, [[1.0]])
    """
    return keras.models.clone_model(net, clone_function=_copy)


def _copy(layer: Any) -> Any:
    if isinstance(layer, keras.Sequential) or hasattr(layer, "operations"):
        return copied(layer)
    config = layer.get_config()
    if _is_adapted(layer):
        state = {"mean": layer.mean, "variance": layer.variance}
        shape = layer.adapt_mean.shape
        config |= {name: np.asarray(array).reshape(shape).tolist() for name, array in state.items()}
    return type(layer).from_config(config)


def kept_variables(net: keras.Model) -> list[Any]:
    """Returns the variables of a model that are weights of its copy too, in their order."""
    state = {id(variable) for layer in _leaves(net) if _is_adapted(layer) for variable in layer.weights}
    return [variable for variable in net.weights if id(variable) not in state]


def _is_adapted(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Normalization) and bool(layer.weights)


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
    return np.stack([column if texts else column.astype(np.float64) for column in inputs.values()], axis=1)


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


def _tensor(array: np.ndarray) -> Any:
    texts = array.dtype.kind in "US"
    return keras.ops.convert_to_tensor(array.astype(object), "string") if texts else keras.ops.convert_to_tensor(array)


def _calls(net: keras.Model) -> list[_Call]:
    """Returns the uses of layers in a model, the first giving its inputs and the last its output, on other tensors."""
    calls: list[_Call] = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        result = layer(*args, **kwargs)
        calls.append(_Call(layer, keras.tree.flatten((args, kwargs)), keras.tree.flatten(result)))
        return result

    graph = keras.Model(keras.tree.flatten(net.inputs), net.outputs[0])
    again = keras.models.clone_model(graph, clone_function=lambda layer: layer, call_function=call)
    return [_Call(None, (), again.inputs), *calls]


def _front(net: keras.Model, calls: Sequence[_Call]) -> list[_Call]:
    """Returns the calls that belong to the front: of its layers, and of all that leads to them."""
    front: list[_Call] = []
    needed: set[int] = set()
    for call in reversed(calls):
        if _in_front(call.layer) or any(id(tensor) in needed for tensor in call.result):
            front.insert(0, call)
            needed |= {id(tensor) for tensor in call.given}
        elif isinstance(call.layer, keras.Model) and any(map(_in_front, _leaves(call.layer))):
            if call.layer.weights and call.layer.trainable_weights:
                raise InputError(
                    f"The model '{net.name}' holds the model '{call.layer.name}', in which layers that read texts or "
                    "look words up stand beside weights that are trained. Expected them apart. Call the layers of "
                    f"'{call.layer.name}' one by one in the outer model, with their weights: what it says stays the "
                    "same."
                )
            front.insert(0, call)
            needed |= {id(tensor) for tensor in call.given}
    trained = next((call.layer for call in front if getattr(call.layer, "trainable_weights", ())), None)
    if trained is not None:
        raise InputError(
            f"The layer '{trained.name}' of the model '{net.name}' is trained, and a lookup stands behind it. Expected "
            "lookups before all that is trained, as gradients do not pass them. Freeze the layer (trainable = False)."
        )
    return front


def _require_numbers(net: keras.Model, call: _Call, of_front: set[int]) -> None:
    for tensor in call.given:
        if id(tensor) in of_front and tensor.dtype == "string":
            raise InputError(
                f"The layer '{call.layer.name}' of the model '{net.name}' takes texts. Expected a StringLookup, a "
                "TextVectorization or a Hashing layer there, which the kit runs once, beforehand. Where you have a "
                "layer of your own for it, give the kit what it puts out, and the model behind it: "
                "keras.Model(layer.output, model.output)."
            )


def require_small(part: np.ndarray) -> None:
    """Refuses whole numbers that float32 does not tell apart."""
    if part.dtype.kind in "iu" and part.size and max(int(part.max()), -int(part.min())) > _LARGEST_INTEGER:
        raise InputError(
            f"An input of whole numbers goes up to {int(np.abs(part).max()):,}, where float32, in which networks "
            f"compute, takes one for its neighbour beyond {_LARGEST_INTEGER:,}. Expected an IntegerLookup or Hashing "
            "layer for customers and the like, or numbers from 0 on. Count them, for instance with "
            "numpy.unique(column, return_inverse=True)."
        )


def _core(name: str, cuts: Sequence[Any], output: Any, shapes: Sequence[tuple[int, ...]]) -> keras.Model:
    """Returns the part of a model behind the cuts, on columns."""
    middle = keras.Model(list(cuts), output)
    widths = [math.prod(shape) for shape in shapes]
    columns = keras.Input((sum(widths),), name="columns")
    ends = np.cumsum([0, *widths]).tolist()
    parts = [
        Columns(start, stop, shape, tensor.dtype, name=f"columns_{number}")(columns)
        for number, (start, stop, shape, tensor) in enumerate(zip(ends, ends[1:], shapes, cuts, strict=False))
    ]
    results: list[Any] = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        results.append(layer(*args, **kwargs))
        return results[-1]

    # Not 'middle(parts)': that would make one layer of all, and methods look for the last ones.
    keras.models.clone_model(middle, input_tensors=parts, clone_function=lambda layer: layer, call_function=call)
    return keras.Model(columns, results[-1], name=name)


def _in_front(layer: Any) -> bool:
    unwritten = isinstance(layer, keras.layers.Discretization) and layer.get_config()["bin_boundaries"] is None
    return isinstance(layer, _FRONT) or unwritten


def _leaves(net: keras.Model) -> list[Any]:
    layers: list[Any] = []
    for layer in net.layers:
        layers += _leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return layers
