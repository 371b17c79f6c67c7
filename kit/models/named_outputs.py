"""Models of several outputs: the one that the labels are for, as a model of its own, on the same layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kit.types import InputError
from kit.types.errors import did_you_mean


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
        name: of the output.

    Raises:
        InputError: it has no such output.
    """
    outputs = of(net)
    if name not in outputs:
        hint = did_you_mean(name, outputs, f"The outputs are {', '.join(map(repr, outputs))}.")
        raise InputError(
            f"The model '{net.name}' has no output '{name}'. Expected the name of the layer that gives it, or its key "
            f"in the dictionary of outputs. {hint}"
        )
    return keras.Model(net.input, outputs[name], name=net.name) if len(outputs) > 1 else net


def affected(net: keras.Model, name: str) -> list[str]:
    """Returns the other outputs that depend on weights which are trained for this one: they change with it.

    Example:
        >>> x = keras.Input((2,))
        >>> trunk = keras.layers.Dense(4)(x)
        >>> kind, age = (keras.layers.Dense(1, name=name)(trunk) for name in ("kind", "age"))
        >>> affected(keras.Model(x, [kind, age, keras.layers.Dense(1, name="apart")(x)]), "kind")
        ['age']
    """
    outputs = of(net)
    weights = {id(variable) for variable in chosen(net, name).trainable_variables}
    parts = {other: keras.Model(net.input, tensor) for other, tensor in outputs.items() if other != name}
    return [other for other, part in parts.items() if weights & {id(each) for each in part.trainable_variables}]
