"""Layers by the names that their owner gave them, those of nested models by a path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from kit.models.copies import leaves
from kit.types import InputError

_LISTED = 12


def layers(net: keras.Model, names: Sequence[str]) -> list[Any]:
    """Returns the layers that names stand for; a nested model stands for all of its layers.

    Args:
        net: whose layers they are.
        names: of layers, or paths (`base/conv1`) where a name is in more than one nested model.

    Raises:
        InputError: there is no such layer, or more than one.

    Example:
        >>> base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="hidden")], name="base")
        >>> net = keras.Sequential([base, keras.layers.Dense(2, name="head")])
        >>> [layer.name for layer in layers(net, ["base"])], [layer.name for layer in layers(net, ["base/hidden"])]
        (['hidden'], ['hidden'])
    """
    matches: list[Any] = []
    for name in names:
        layer = layer_of(net, name)
        matches += leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return matches


def layer_of(net: keras.Model, name: str) -> Any:
    """Returns the layer, or the nested model, of a name or path.

    Raises:
        InputError: there is none of this name, or there are several.
    """
    paths = list(_paths(net))
    matches = [layer for path, layer in paths if path == name]
    matches = matches or [layer for path, layer in paths if path.endswith(f"/{name}")]
    if len({id(layer) for layer in matches}) == 1:
        return matches[0]
    weighty = [path for path, layer in paths if layer.weights]
    known = ", ".join(weighty[:_LISTED]) + (", ..." if len(weighty) > _LISTED else "")
    what = f"{len(matches)} layers" if matches else "no layer"
    raise InputError(
        f"The model '{net.name}' has {what} called '{name:.80}'. Expected the name of one, or its path through nested "
        f"models, as in base/conv1. Those with weights are {known or 'none'}. Correct the name in the recipe."
    )


def _paths(net: keras.Model, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for layer in net.layers:
        path = f"{prefix}{layer.name}"
        yield path, layer
        if isinstance(layer, keras.Model):
            yield from _paths(layer, f"{path}/")
