"""Examples from a `tf.data.Dataset`, read into memory once, in the order in which it is gone over.

Nothing of TensorFlow is imported: a data set says of itself what its elements are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.challenges import output_labels
from kit.types import Arrays, InputError, Table

if TYPE_CHECKING:
    import tensorflow as tf

_EXPECTED = (
    "Expected elements (x, y) or (x, y, sample_weight), as fit takes them, x (and y of several outputs) an array, a "
    "dictionary or a tuple of arrays, one by one or in batches"
)


def is_dataset(data: object) -> bool:
    """Returns whether this is a `tf.data.Dataset`.

    Example:
        >>> is_dataset([1, 2])
        False
    """
    return hasattr(data, "element_spec") and hasattr(data, "as_numpy_iterator")


def read(dataset: tf.data.Dataset, output: str = "", names: Sequence[str] = ()) -> Arrays | Table:
    """Returns the examples of a data set: `Arrays` where x is one array of numbers, else a `Table`.

    Args:
        dataset: finite, of elements (x, y) or (x, y, sample_weight), single examples or batches. Rows are counted in
            its order, so that it has to have one: it is gone over twice. Of a model with several outputs, y may be a
            dictionary or a tuple of labels, as `fit` takes them.
        output: whose labels are meant, or `all`.
        names: of the model's outputs, in their order.

    Raises:
        InputError: elements of another kind, no element, or another order each time.
    """
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) not in (2, 3):
        raise InputError(f"The data set has elements of the form {spec!s:.200}. {_EXPECTED}. Map it to such.")
    if int(dataset.cardinality()) == -1:  # as tf.data calls what never ends
        raise InputError("The data set never ends. Expected a finite one. Leave out repeat().")
    batched = _leaves(spec[1])[0].shape.rank != 0 and _leaves(spec[1])[0].shape[0] is None
    elements = list((dataset if batched else dataset.batch(1024)).as_numpy_iterator())
    if not elements:
        raise InputError("The data set has no element. Expected one or more. Check the files that it reads.")
    parts = [_joined([element[place] for element in elements]) for place in range(len(spec))]
    again = _joined([element[1] for element in (dataset if batched else dataset.batch(1024)).as_numpy_iterator()])
    if not all(np.array_equal(*pair) for pair in zip(_leaves(parts[1]), _leaves(again), strict=True)):
        raise InputError(
            "The data set has another order each time that it is gone over. Expected one order, in which rows are "
            "counted. Leave out shuffle(), or give it reshuffle_each_iteration=False and a seed."
        )
    x, y, weights = parts[0], _labels(parts[1], output, names), parts[2] if len(parts) > 2 else None
    if isinstance(x, dict) or x.dtype.kind in "OSU" or x.ndim > 4:
        return Table(x if isinstance(x, dict) else {"x": x}, y, sample_weight=weights)
    return Arrays(x, y, sample_weight=weights)


def _labels(y: Any, output: str, names: Sequence[str]) -> np.ndarray:
    """Returns the labels, of several outputs those that are meant."""
    if not isinstance(y, dict):
        labels: np.ndarray = y
        return labels
    if len(names) == len(y) and {*y} == {*map(str, range(len(y)))} and not {*y} & {*names}:  # a tuple, in their order
        y = {name: y[str(number)] for number, name in enumerate(names)}
    return output_labels.chosen(y, output, names, what="The data set")


def _leaves(part: Any) -> list[Any]:
    if isinstance(part, Mapping):
        return [leaf for value in part.values() for leaf in _leaves(value)]
    return [leaf for value in part for leaf in _leaves(value)] if isinstance(part, tuple | list) else [part]


def _joined(parts: list[Any]) -> Any:
    """Returns one array of the arrays of batches, or by name, texts as such."""
    if isinstance(parts[0], Mapping):
        return {str(name): _joined([part[name] for part in parts]) for name in parts[0]}
    if isinstance(parts[0], tuple | list):  # inputs in the order of a model's, which Table takes by their numbers
        return {str(number): _joined([part[number] for part in parts]) for number in range(len(parts[0]))}
    joined = np.concatenate(parts)
    if joined.dtype.kind == "O":  # bytes
        return np.array([text.decode() for text in joined.ravel()]).reshape(joined.shape)
    return joined
