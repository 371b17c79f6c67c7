"""A user's Keras model as the model of a challenge: checked, brought to a task's outputs, turned into plain data."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from kit import models
from kit.models import copies, custom, ends, inputs, matching, named_outputs, sound
from kit.tasks import CLASSIFICATION
from kit.types import Arrays, InputError, Table, Task

# Examples on which the rebuilt model is held to the user's.
_SAMPLE = 64


class Own(NamedTuple):
    """What only the user can tell of a model, empty by default: the text of a Python file, a function, an output.

    Attributes:
        source: of the file that defines its layers (`kit.models.custom`); it is run.
        builder: name of the function in it that makes the model, for one that has no configuration.
        output: name of the output that the labels are for, of a model with several, or `all`.
    """

    source: str = ""
    builder: str = ""
    output: str = ""


class Adoption(NamedTuple):
    """A model as plain data: text that `models.build_described` takes, weights, and the examples that it takes."""

    description: str
    weights: tuple[np.ndarray, ...]
    arrays: Arrays


def adopt(
    net: keras.Model,
    data: Arrays | Table,
    precision: str = "float32",
    *,
    task: Task = CLASSIFICATION,
    own: Own = Own(),
) -> Adoption:
    """Returns a model's architecture as text, ending in what the task's loss takes, its weights, and its examples.

    Args:
        net: left as it is. A softmax or sigmoid at its end is taken off, which changes no prediction and is compared
            with the original on the first examples. Layers that read texts or look words up are run once, on all
            examples: what they give is what the model in the description takes (`kit.models.inputs`). Images may lack
            their axis of channels. What computes in mixed precision computes in float32 here, and trains so. Frozen
            layers keep their weights in every model that is trained anew; what `adapt()` found is kept too.
        data: that it was trained for, scaled as it wants them (`uint8` images in `Arrays` are scaled to [0, 1]).
        precision: that the challenge asks for.
        task: what the labels are.
        own: code of the user's.

    Raises:
        InputError: why the model cannot be taken.

    Example:
        >>> layers = [keras.Input((4,)), keras.layers.Dense(3, activation="softmax", name="out")]
        >>> adopted = adopt(keras.Sequential(layers), Arrays(np.eye(4), np.array([0, 1, 2, 0])))
        >>> models.build_described(adopted.description).get_layer("out").activation.__name__
        'linear'
    """
    if own.source:
        custom.enable(own.source)
    graph = graph_of(net, data, own)
    arrays_given = given(graph, data)
    sound.check(graph, data, own=bool(own.source))
    user_outputs = _outputs(graph, matching.as_called(graph, [array[:_SAMPLE] for array in arrays_given]))
    sound.check_outputs(graph, user_outputs, data, task)
    core, columns = inputs.divide(_of_one_output(graph), arrays_given)
    arrays = _arrays(graph, data, columns, arrays_given)
    try:
        logits, to_predictions = ends.to_outputs(copies.copied(core), task, user_outputs)
        scale = 255.0 if inputs.takes_bytes(graph, data) else 1.0
        logits = inputs.of_shape(logits, arrays.x.shape[1:], scale)
        text = _described(logits, own)
        rebuilt = models.build_described(text, precision)
    except InputError:
        raise
    except (TypeError, ValueError, NotImplementedError) as error:  # Keras's, several screens long
        raise _not_rebuilt(net, own) from error
    rebuilt.set_weights([keras.ops.convert_to_numpy(variable) for variable in copies.kept_variables(core)])
    x = arrays.x[:_SAMPLE].astype(np.float32) / (255 if arrays.x.dtype == np.uint8 else 1)
    outputs = _outputs(rebuilt, x)
    sound.check_same(graph, user_outputs, to_predictions(outputs))
    sound.check_order(net, outputs, arrays, task)
    return Adoption(text, tuple(rebuilt.get_weights()), arrays)


def put_back(net: keras.Model, weights: Sequence[np.ndarray], data: Arrays | Table, own: Own = Own()) -> None:
    """Gives a user's model the weights of one that was made of its description: nothing else of it changes.

    Args:
        net: as it was handed to `adopt`; its weights are replaced.
        weights: in the order of `Adoption.weights`.
        data: the examples that were handed to `adopt`, or some of them.
        own: as for `adopt`.

    Example:
        >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
        >>> data = Arrays(np.eye(2), np.array([0, 1]))
        >>> put_back(net, [2 * array for array in adopt(net, data).weights], data)
    """
    if own.builder:
        net.set_weights(weights)
        return
    for variable, array in zip(trained_variables(net, data, own), weights, strict=True):
        variable.assign(array)


def trained_variables(net: keras.Model, data: Arrays | Table, own: Own = Own()) -> list[Any]:
    """Returns the variables of a user's model that are weights of the one in its description, in their order.

    Args:
        net: as it was handed to `adopt`, or another of its architecture.
        data: the examples that were handed to `adopt`, or some of them.
        own: as for `adopt`.

    Raises:
        InputError: the model has no graph of layers that could be rebuilt.
    """
    if own.builder:
        return list(net.weights)
    graph = graph_of(net, data, own)
    sample = [array[:_SAMPLE] for array in given(graph, data)]
    return copies.kept_variables(inputs.divide(_of_one_output(graph), sample).core)


def graph_of(net: keras.Model, data: Arrays | Table, own: Own = Own()) -> keras.Model:
    """Returns a model whose layers can be told from outside: a subclassed one is called, and is then one layer of it.

    Raises:
        InputError: it is no model, is not built, or cannot be called with these examples.
    """
    sound.check_is_model(net)
    if hasattr(net, "operations") and not own.builder:
        return named_outputs.chosen(net, own.output) if own.output else net
    if own.output:
        raise InputError(
            f"The output '{own.output}' of the model '{net.name}' cannot be told from the others: it is a "
            f"{type(net).__name__}, and no functional model. Expected one that is made with keras.Model(inputs, "
            "outputs). Make it so, with the layers of yours, or give a model with this output alone."
        )
    if isinstance(net, keras.Sequential) and not own.builder:
        return net if net.built and getattr(net, "inputs", None) else _called_once(net, data)
    layer = net
    if not own.source:
        raise InputError(
            f"The model '{net.name}' cannot be taken: it is a subclassed model, {type(net).__name__}, whose class the "
            "processes that the kit starts do not know. Expected the Python file that defines it. Give it with "
            "--custom-objects FILE.py where the class has get_config, and with --builder FILE.py:function, a function "
            "that returns the model, where it has none (in Python: custom_objects=..., builder=...). The file is run: "
            "only one that you trust."
        )
    if own.builder:
        layer = custom.Built(own.source, own.builder, name=net.name)
    wrapped = _wrapped(net, layer, data)
    if own.builder:
        wrapped.set_weights(net.get_weights())
    return wrapped


def called(net: keras.Model, data: Arrays | Table) -> None:
    """Has a model make its weights, by calling it with what the data look like; one that has them is left alone.

    Raises:
        InputError: the model cannot be called with them.
    """
    if not net.built:
        _wrapped(net, net, data)


def _wrapped(net: keras.Model, layer: Any, data: Arrays | Table) -> keras.Model:
    tensors = _symbolic(data)
    ways = [tensors, list(tensors.values())] if len(tensors) > 1 else [next(iter(tensors.values()))]
    error: Exception | None = None
    for way in ways:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras's, of a class without build(): its weights are checked here
                return keras.Model(way, layer(way), name=f"{net.name}_called")
        except Exception as failure:  # whatever a user's call raises
            error = failure
    raise InputError(
        f"The model '{net.name}' cannot be called with the data's inputs, {', '.join(tensors)}: "
        f"{type(error).__name__}. Expected a model that takes them, as a dictionary or a list in their order. Rename "
        "the inputs, or put them in the order of its call."
    ) from error


def _called_once(net: keras.Sequential, data: Arrays | Table) -> keras.Model:
    """Returns a sequential model that was never told its input's shape, with that of the data."""
    tensors = list(_symbolic(data).values())
    if not net.built:
        raise InputError(
            f"The model '{net.name}' cannot be taken: it is not built yet, and has no weights. Expected a trained "
            "model. Train it, or load one with keras.saving.load_model."
        )
    output = tensors[0]
    for layer in net.layers:
        output = layer(output)
    return keras.Model(tensors[0], output, name=net.name)


def _symbolic(data: Arrays | Table) -> dict[str, Any]:
    columns = {"inputs": data.x} if isinstance(data, Arrays) else dict(data.inputs)
    tensors = {}
    for name, column in columns.items():
        kind = "string" if column.dtype.kind in "US" else ("int32" if column.dtype.kind in "iu" else "float32")
        images = column.dtype == np.uint8 and column.ndim in (3, 4)
        kind = "float32" if isinstance(data, Arrays) or images else kind
        tensors[name] = keras.Input(column.shape[1:] or (1,), dtype=kind, name=name)
    return tensors


def given(net: keras.Model, data: Arrays | Table, most: int = _SAMPLE) -> list[np.ndarray]:
    """Returns an array for each input of a model, as the user's model takes it; of 8-bit images `most` alone."""
    if isinstance(data, Table):
        columns = matching.in_order(net, data.inputs)
        return [columns[0][:most].astype(np.float32)] if inputs.takes_bytes(net, data) else columns
    sound.check_shape(net, data)
    x = data.x
    if x.dtype == np.uint8 and inputs.reads_as_it_is(net):
        x = x[:most].astype(np.float32) / 255
    return [x[..., 0] if len(net.inputs[0].shape) == x.ndim - 1 else x]


def _arrays(net: keras.Model, data: Arrays | Table, columns: np.ndarray | None, given: Sequence[np.ndarray]) -> Arrays:
    if isinstance(data, Arrays) and columns is None:
        return data
    x = given[0] if columns is None else columns
    if isinstance(data, Table) and inputs.takes_bytes(net, data):
        (x,) = matching.in_order(net, data.inputs)
    elif x.dtype == np.uint8:  # which 'Arrays' would take for images to be divided by 255
        x = x.astype(np.float32)
    return Arrays(x, data.y, data.groups, data.mislabelled, data.classes, data.keys, data.sample_weight)


def _of_one_output(net: keras.Model) -> keras.Model:
    """Returns a model whose output, and whose input where it has only one, are tensors and not in lists of one."""
    if len(net.inputs) == 1:
        return models.of_one_tensor(net)
    return keras.Model(net.inputs, net.outputs[0], name=net.name)


def _outputs(net: keras.Model, x: Any) -> np.ndarray:
    """Returns what a model gives, float64 (n, ...)."""
    output = keras.tree.flatten(net(x, training=False))[0]
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(output, "float32")), np.float64)


def _described(net: keras.Model, own: Own) -> str:
    model = _plain(keras.saving.serialize_keras_object(net))
    return json.dumps({"source": own.source, "model": model} if own.source else model)


def _plain(description: Any) -> Any:
    """Returns a description in float32 whose initialisers draw anew: retrained models must not all begin alike.

    What a model was compiled with is left out: Keras would compile what is built, and no run could use it again.
    """
    if isinstance(description, list):
        return [_plain(part) for part in description]
    if not isinstance(description, dict):
        return description
    plain = {name: _plain(part) for name, part in description.items() if name != "compile_config"}
    if description.get("module") == "keras.initializers" and "seed" in description.get("config", {}):
        plain["config"] = plain["config"] | {"seed": None}
    if description.get("class_name") == "DTypePolicy":  # losses in 16 bits would coincide
        plain["config"] = {"name": "float32"}
    return plain


def _not_rebuilt(net: keras.Model, own: Own) -> InputError:
    if own.source:
        return InputError(
            f"The model '{net.name}' cannot be rebuilt from its description and the file of custom objects. Expected "
            "the file to define every layer and function of the model that is not Keras's, each layer with a "
            "get_config that returns what its __init__ takes. Add what is missing, or give a function that makes the "
            "model with --builder FILE.py:function (in Python: builder=...)."
        )
    return InputError(
        f"The model '{net.name}' cannot be rebuilt from its description, because an activation, initialiser or other "
        "part of a layer is a function of your own, which the processes that the kit starts do not know. Expected "
        f"Keras's own ones, or the Python file that defines it. {sound.CUSTOM}"
    )
