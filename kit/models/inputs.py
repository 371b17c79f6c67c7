"""What a user's model is given, as one array of numbers: layers that read texts or look things up run once, beforehand.

A model is cut in two. Its *front* are the layers that no training changes and that take what is no number:
`StringLookup`, `TextVectorization`, `Hashing` and the like, with all that leads to them. What they give, and the inputs
that need none of them, are the columns of one float32 array; the *core* is the rest of the model, which takes the
columns apart again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from kit.models import copies, matching
from kit.models.layers import Columns
from kit.types import Arrays, InputError, Table

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
    return plain and not any(map(_in_front, copies.leaves(net)))


def takes_bytes(net: keras.Model, data: Arrays | Table) -> bool:
    """Returns whether a model takes 8-bit images as they are, from 0 to 255: they need not become floats in memory."""
    if not isinstance(data, Table) or len(data.inputs) != 1 or not reads_as_it_is(net):
        return False
    (images,) = data.inputs.values()
    return images.dtype == np.uint8 and images.ndim in (3, 4) and not has_embedding(net)


def has_embedding(net: keras.Model) -> bool:
    """Returns whether a layer of a model takes whole numbers for places."""
    return any(isinstance(layer, keras.layers.Embedding) for layer in copies.leaves(net))


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
        results = front([matching.tensor(array[start : start + _ROWS_AT_ONCE]) for array in arrays])
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
        elif isinstance(call.layer, keras.Model) and any(map(_in_front, copies.leaves(call.layer))):
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
    """Refuses whole numbers that float32 does not tell apart.

    Raises:
        InputError: one of them is beyond 2^24.
    """
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


def of_shape(net: keras.Model, shape: tuple[int, ...], scale: float = 1.0) -> keras.Model:
    """Returns the model for examples of this very shape: its own layers, one after the other, on another input.

    Args:
        net: the model.
        shape: of an example.
        scale: what an example is multiplied by first: 255 where the model takes 0 to 255 and examples are 8-bit images,
            which the kit keeps so and hands over in [0, 1].
    """
    model_shape = tuple(net.inputs[0].shape[1:])
    if model_shape == shape and scale == 1:
        return net
    images = first = keras.Input(shape, name="images")
    if scale != 1:
        first = keras.layers.Rescaling(scale, name="from_0_to_255")(first)
    if len(model_shape) < len(shape):
        first = keras.layers.Reshape(shape[:-1], name="without_channels")(first)

    def call(layer: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = keras.tree.map_structure(lambda part: first if part is images else part, (args, kwargs))
        return layer(*args, **kwargs)

    # Not 'net(first)': that would make one layer of all, and methods look for the last ones.
    graph = keras.Model(net.inputs[0], net.outputs[0], name=net.name)
    return keras.models.clone_model(graph, input_tensors=images, clone_function=lambda layer: layer, call_function=call)
