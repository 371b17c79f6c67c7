"""What is compiled for a model: once, kept with it, and open to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import keras

from kit.toolbox import _backend
from kit.toolbox.optimizers import State

_ATTRIBUTE = "_compiled_by_kit"


def once(net: keras.Model, key: Hashable, build: Callable[[], Any]) -> Any:
    """Returns what `build` made the first time that it was asked for with this net and key.

    Tracing costs 0.2 to 0.5 s, so one model is reset and used again rather than built anew. The memory hangs on the
    model itself and goes with it.

    Args:
        net: whose layers and variables what is built may use.
        key: all else that it depends on, `trainable` flags included.
        build: returns a compiled function, a model that shares layers with `net`, or what these need.

    Example:
        >>> from kit.models import mlp
        >>> net = mlp((4,), 4)
        >>> once(net, "weights", net.get_weights) is once(net, "weights", net.get_weights)
        True
    """
    memory: dict[Hashable, Any] | None = net.__dict__.get(_ATTRIBUTE)
    if memory is None:
        memory = {}
        object.__setattr__(net, _ATTRIBUTE, memory)  # the usual way Keras would track it as a part of the model
    if key not in memory:
        memory[key] = build()
    return memory[key]


def functions(net: keras.Model) -> list[Callable[..., Any]]:
    """Returns what has been compiled so far for a model, for those inside it and for those that were made with it.

    Args:
        net: a network, with or without networks inside.

    Example:
        >>> from kit.models import mlp
        >>> import numpy as np
        >>> from kit.toolbox.inference import predict_logits
        >>> net = mlp((4,), 4)
        >>> before = len(functions(net))
        >>> logits = [predict_logits(net, np.eye(size, 4, dtype="float32")) for size in (1, 2, 3)]
        >>> before, len(functions(net))
        (0, 1)
    """
    parts = {id(part): part for model in _models(net) for part in model.__dict__.get(_ATTRIBUTE, {}).values()}
    return [part for part in parts.values() if _backend.steps.is_compiled(part)]


def described(net: keras.Model) -> str:
    """Returns in which form the training of a network is compiled on this machine: it decides about the bits.

    Args:
        net: the network to train.

    Example:
        >>> from kit.models import resnet20
        >>> described(resnet20((32, 32, 3), 10))
        "TensorFlow's operations"
    """
    return str(_backend.steps.described(net))


def traces(net: keras.Model) -> int:
    """Returns how often the functions that `functions` lists were traced in all: a second run of a method adds nothing.

    Args:
        net: left as it is.
    """
    return sum(_backend.steps.traces(function) for function in functions(net))


def variables(net: keras.Model) -> list[keras.Variable]:
    """Returns the variables of a model, of those that were made with it, and what trainings keep with any of them.

    Args:
        net: left as it is.
    """
    models = list(_models(net))
    parts = [part for model in models for part in model.__dict__.get(_ATTRIBUTE, {}).values()]
    states = [part for part in parts if isinstance(part, State)]
    return list({id(variable): variable for part in (*models, *states) for variable in part.variables}.values())


def _models(net: keras.Model) -> Iterator[keras.Model]:
    yield net
    compiled_parts = net.__dict__.get(_ATTRIBUTE, {}).values()
    for part in (*net.layers, *compiled_parts):
        if isinstance(part, keras.Model):
            yield from _models(part)
