"""Weights that a training starts from, out of a user's file, by the layers of a user's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kit.models import named, user, user_files
from kit.models.user import Own
from kit.storage import files
from kit.types import Arrays, InputError, StartWeights, Table

_SHOWN = 4


def checked(start: StartWeights) -> StartWeights:
    """Returns what is recorded of a file: its name without its folder, and its digest.

    Raises:
        InputError: it is missing, or has another digest than the recipe says.
    """
    path = Path(start.path)
    files.require_file(path, "Expected the .keras or .weights.h5 file that the recipe's section [start] names.")
    sha256 = files.sha256_of(path)
    if start.sha256 not in ("", sha256):
        raise InputError(
            f"The weights '{path}' to start from have the sha256 {sha256}. Expected {start.sha256}, as the recipe's "
            "section [start] says. Give the file that the model was trained from, or correct the digest."
        )
    return StartWeights(path.name, sha256, start.layers, start.drawn)


def arrays_by_variable(
    net: keras.Model, start: StartWeights, data: Arrays | Table, own: Own | None
) -> Mapping[int, np.ndarray]:
    """Returns arrays to start from by the identity of a model's variables, of those layers that start from the file.

    Args:
        net: the user's model; left as it is.
        start: the file, and which layers; nothing of the file's is run, but where the user gave code for the model.
        data: examples for a model that a function of the user's makes.
        own: code of the user's.

    Raises:
        InputError: the file is damaged, a layer is in only one of both, or its weights have other shapes.
    """
    names = start.layers
    if start.drawn:
        drawn = [named.layer_of(net, name) for name in start.drawn]
        weighty = [layer for layer in net.layers if layer.weights]
        names = tuple(layer.name for layer in weighty if all(layer is not other for other in drawn))
    source = _source(net, start, names, data, own)
    if not names:
        return _matched(net, source, start, f"the model '{net.name}'", "name the layers that start from it (layers)")
    starting: dict[int, np.ndarray] = {}
    for name in names:
        target, part = named.layer_of(net, name), _counterpart(source, name, start, alone=len(names) == 1)
        starting |= _matched(target, part, start, f"the layer '{name}'", "leave this layer out (drawn)")
    return starting


def _source(
    net: keras.Model, start: StartWeights, names: Sequence[str], data: Arrays | Table, own: Own | None
) -> keras.Model:
    """Returns a model with the weights of the file: of the whole model, or of the only layer that is named."""
    path = Path(start.path)
    if path.suffix == ".keras":
        return user_files.load_trusted(path, data, own) if own else user_files.load(path)
    twin = _twin(net, data, own)
    parts = [named.layer_of(twin, name) for name in names] if len(names) == 1 else []
    refusal: InputError | None = None
    for part in (twin, *(part for part in parts if isinstance(part, keras.Model))):
        try:
            user_files.load_weights(part, path, "", own=bool(own and own.builder))
        except InputError as error:
            refusal = error
        else:
            return part
    raise InputError(
        f"The weights '{path}' to start from are damaged, or are not those of the model '{net.name}', nor of one "
        "nested model of it that is named alone. Expected what save_weights wrote of one of these. Write them again, "
        "or save the model that they belong to as a .keras file, whose layers are found by their names."
    ) from refusal


def _twin(net: keras.Model, data: Arrays | Table, own: Own | None) -> keras.Model:
    """Returns a model of the same layers, with other variables."""
    if own is not None and own.builder:
        return user_files.made(data, own)
    try:
        twin = type(net).from_config(net.get_config())
        if not twin.built:
            twin.build_from_config(net.get_build_config())
    except Exception as error:  # Keras's are of many kinds
        raise InputError(
            f"The model '{net.name}' cannot be built again from its description ({type(error).__name__}), to read the "
            "weights to start from. Expected one that can. Save what they belong to as a .keras file instead."
        ) from error
    return twin


def _counterpart(source: keras.Model, name: str, start: StartWeights, *, alone: bool) -> Any:
    """Returns the layer of a name in the file's model, or that model where it is the layer itself."""
    try:
        return named.layer_of(source, name)
    except InputError as error:
        if alone or source.name == name.rpartition("/")[2]:
            return source
        raise InputError(
            f"The file '{start.path}' has no layer '{name}' to start from. Expected one for each layer that starts "
            "from it. Name only those that it has in 'layers', or this one among the 'drawn', in the recipe's section "
            "[start]."
        ) from error


def _matched(target: Any, part: Any, start: StartWeights, what: str, advice: str) -> dict[int, np.ndarray]:
    """Returns the arrays of a part by the variables of its counterpart."""
    variables, arrays = list(target.weights), part.get_weights()
    shapes, expected = [array.shape for array in arrays], [tuple(variable.shape) for variable in variables]
    if shapes != expected:
        raise InputError(
            f"The weights '{start.path}' to start from do not fit {what}: {_shown(shapes)}. Expected "
            f"{_shown(expected)}. Give the file that the model was trained from, or {advice} in the recipe's section "
            "[start]."
        )
    return {id(variable): array.astype(variable.dtype) for variable, array in zip(variables, arrays, strict=True)}


def _shown(shapes: Sequence[tuple[int, ...]]) -> str:
    return f"{len(shapes)} arrays of the shapes {', '.join(map(str, shapes[:_SHOWN]))}" + (
        ", ..." if len(shapes) > _SHOWN else ""
    )


def in_order(
    net: keras.Model, starting: Mapping[int, np.ndarray], data: Arrays | Table, own: Own | None
) -> tuple[np.ndarray | None, ...]:
    """Returns arrays in the order of the weights of the model that a user's is described by (`kit.models.user`)."""
    variables = user.trained_variables(net, data, own or Own())
    return tuple(starting.get(id(variable)) for variable in variables)
