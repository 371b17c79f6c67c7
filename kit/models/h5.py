"""Keras's own files of weights: what is in them, and reading them into a model that has a place for every array."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras

# Beside it, a file of a compiled model holds the state of the optimizer.
_LAYERS = "layers"
# Some versions of Keras keep the states of random generators beside the weights.
_GENERATORS = {"seed_generator", "generator"}


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Opens the weights of a `.weights.h5` or `.keras` file for reading."""
    with contextlib.ExitStack() as stack:
        if path.name.endswith(".keras"):
            archive = stack.enter_context(zipfile.ZipFile(path))
            yield stack.enter_context(h5py.File(stack.enter_context(archive.open("model.weights.h5")), "r"))
        else:
            yield stack.enter_context(h5py.File(path, "r"))


def stored_shape(file: h5py.File, name: str) -> tuple[int, ...]:
    """Returns the shape of an array in a file, none where there is no such array.

    A shape takes no space in a file: without the bytes behind it, it would be memory for the asking.
    """
    array = file.get(name)
    return tuple(array.shape) if array is not None and array.id.get_storage_size() >= array.nbytes else ()


def load(net: keras.Model, path: Path) -> None:
    """Reads the weights of a file into a model, all of them or none.

    Keras reads what has a namesake in the model, and passes over the rest: of a larger network, a part.

    Raises:
        ValueError: the file holds more arrays than the model, or others. What Keras and h5py raise is of many kinds.
    """
    with opened(path) as file:
        shapes = _shapes_of_layers(file)
    expected = sorted(tuple(weight.shape) for weight in net.weights)
    if shapes != expected:
        raise ValueError(f"its {len(shapes)} arrays of weights are not those of the model, which are {len(expected)}")
    net.load_weights(path)


def _shapes_of_layers(file: h5py.File) -> list[tuple[int, ...]]:
    """Returns the sorted shapes of all weights of layers."""
    shapes: list[tuple[int, ...]] = []

    def visit(name: str, entry: h5py.Dataset | h5py.Group) -> None:
        parts = name.split("/")
        if isinstance(entry, h5py.Dataset) and parts[0] == _LAYERS and not _GENERATORS & set(parts):
            shapes.append(tuple(entry.shape))

    file.visititems(visit)
    return sorted(shapes)
