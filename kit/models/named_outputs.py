"""Models of several outputs: the one that the labels are for, or all, as a model of one output, on the same layers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from kit.types import InputError
from kit.types.errors import did_you_mean
from kit.types.model_options import ALL_OUTPUTS


def of(net: keras.Model) -> Mapping[str, Any]:
    """Returns the outputs of a functional model by their names: keys of a dictionary, else the layers that give them.

    Example:
        >>> x = keras.Input((2,))
        >>> net = keras.Model(x, [keras.layers.Dense(3, name="kind")(x), keras.layers.Dense(1, name="age")(x)])
        >>> {name: tensor.shape for name, tensor in of(net).items()}
        {'kind': (None, 3), 'age': (None, 1)}
    """
    structure = None if isinstance(net, keras.Sequential) else getattr(net, "output", None)
    names = sorted(structure) if isinstance(structure, dict) else list(getattr(net, "output_names", ()))
    tensors = keras.tree.flatten(net.outputs or [])
    return dict(zip(names, tensors, strict=True)) if len(names) == len(tensors) else {}


def chosen(net: keras.Model, name: str) -> keras.Model:
    """Returns the part of a model that gives one of its outputs; its layers are shared.

    Args:
        net: functional.
        name: of the output, or `all` for all of them side by side, (batch, sum of their widths).

    Raises:
        InputError: it has no such output, or of all one is no row of numbers an example.
    """
    outputs = of(net)
    if is_joint(net, name):
        return _side_by_side(net, outputs)
    check(name, list(outputs), net.name)
    return keras.Model(net.input, outputs[name], name=net.name) if len(outputs) > 1 else net


def check(name: str, names: Sequence[str], model: str) -> None:
    """Checks that a model has this output.

    Args:
        name: of the output, or `all`.
        names: of the model's outputs.
        model: what it is called.

    Raises:
        InputError: it has not; near matches are shown.
    """
    known = [*names, ALL_OUTPUTS] if len(names) > 1 else names
    if name not in known:
        hint = did_you_mean(name, known, f"The outputs are {', '.join(map(repr, names))}.")
        raise InputError(
            f"The model '{model}' has no output '{name}'. Expected the name of the layer that gives it, or its key "
            f"in the dictionary of outputs, or '{ALL_OUTPUTS}' for all of them. {hint}"
        )


def is_joint(net: keras.Model, name: str) -> bool:
    """Returns whether all of several outputs are meant: an output that is called `all` is meant by itself."""
    outputs = of(net)
    return name == ALL_OUTPUTS and name not in outputs and len(outputs) > 1


def names_of(model: str | Path | keras.Model | None) -> list[str]:
    """Returns the names of a model's outputs in their order, of a `.keras` file without building it; none if unknown.

    Example:
        >>> x = keras.Input((2,))
        >>> names_of(keras.Model(x, [keras.layers.Dense(3, name="kind")(x), keras.layers.Dense(1, name="age")(x)]))
        ['kind', 'age']
    """
    if not isinstance(model, str | Path):
        return [] if model is None else list(of(model))
    try:
        with zipfile.ZipFile(model) as archive, archive.open("config.json") as stream:
            layers = json.loads(stream.read(16 << 20))["config"]["output_layers"]
        if isinstance(layers, dict):
            return sorted(map(str, layers))
        if isinstance(layers[0], str):  # the only one
            return [layers[0]]
        return [str(layer[0]) for layer in layers if isinstance(layer, list)]
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError, zipfile.BadZipFile):
        return []


def _side_by_side(net: keras.Model, outputs: Mapping[str, Any]) -> keras.Model:
    for name, tensor in outputs.items():
        if len(tensor.shape) != 2 or tensor.shape[-1] is None:
            raise InputError(
                f"The output '{name}' of the model '{net.name}' has the shape {tuple(tensor.shape)}. Expected a row of "
                "numbers for each example, (None, k), of every output where all are asked for. Name a single one with "
                "--output-name, or end this one in a Flatten layer."
            )
    joined = keras.layers.Concatenate(name="outputs_side_by_side")(list(outputs.values()))
    return keras.Model(net.input, joined, name=net.name)


def affected(net: keras.Model, name: str) -> list[str]:
    """Returns the other outputs that depend on weights which are trained for this one: they change with it.

    Raises:
        InputError: the model has no such output.

    Example:
        >>> x = keras.Input((2,))
        >>> trunk = keras.layers.Dense(4)(x)
        >>> kind, age = (keras.layers.Dense(1, name=name)(trunk) for name in ("kind", "age"))
        >>> affected(keras.Model(x, [kind, age, keras.layers.Dense(1, name="apart")(x)]), "kind")
        ['age']
    """
    outputs = of(net)
    if is_joint(net, name):
        return []
    weights = {id(variable) for variable in chosen(net, name).trainable_variables}
    parts = {other: keras.Model(net.input, tensor) for other, tensor in outputs.items() if other != name}
    return [other for other, part in parts.items() if weights & {id(each) for each in part.trainable_variables}]
