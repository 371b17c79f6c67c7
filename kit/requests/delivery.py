"""The user's model again, with other weights: as an object, and as a file.

Nothing but the weights differs, and the optimizer's state, which begins anew: Adam's moments are sums of gradients of
the forgotten examples too. A file is copied byte for byte but for its weights, so that what the kit does not know of a
model (a loss or a metric of the user's own) is still there.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from kit.models import copies, user_files
from kit.models.inspection import CONFIG, WEIGHTS
from kit.models.user import Own
from kit.storage import files
from kit.storage.scratch import Scratch
from kit.types import Arrays, InputError, Table

# Parts of an optimizer's description, all of which Keras builds without code of a file's.
_OPTIMIZERS = ("keras.optimizers", "keras.optimizers.schedules")


def copy_of(net: keras.Model, data: Arrays | Table, own: Own | None = None) -> keras.Model:
    """Returns a model of the same class, layers, names, weights and compile settings, which shares nothing with it.

    Args:
        net: left as it is.
        data: examples for a model that a function of the user's makes.
        own: code of the user's; such a function makes a model without compile settings.

    Raises:
        InputError: it cannot be built from its own description.

    Example:
        >>> import numpy as np
        >>> net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
        >>> net.compile("adam", "sparse_categorical_crossentropy")
        >>> copy = copy_of(net, Arrays(np.eye(3), np.array([0, 1, 0])))
        >>> copy.get_config() == net.get_config(), copy.get_compile_config() == net.get_compile_config()
        (True, True)
    """
    try:
        if own is not None and own.builder:
            copy = user_files.made(data, own)
        else:
            copy = type(net).from_config(net.get_config())
        if not copy.built:  # a subclassed one
            copy.build_from_config(net.get_build_config())
        copy.set_weights(net.get_weights())
        _copy_adapted(net, copy)
        settings = net.get_compile_config()
        if settings:
            with keras.saving.custom_object_scope({function.__name__: function for function in _own_functions(net)}):
                copy.compile_from_config(settings)
    except Exception as error:  # Keras's are of many kinds, several screens long
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise InputError(
            f"The model '{net.name}' cannot be rebuilt from its configuration ({type(error).__name__}: {reason}). "
            "Expected a model that keras.models.load_model can load. Register classes and functions of your own with "
            "keras.saving.register_keras_serializable, and give layers of your own a get_config."
        ) from error
    return copy


def _copy_adapted(net: keras.Model, copy: keras.Model) -> None:
    """Hands over what `adapt()` found beside weights: words, and what a normalisation makes of its weights."""
    for layer, twin in zip(copies.leaves(net), copies.leaves(copy), strict=True):
        if hasattr(layer, "save_assets") and hasattr(layer, "get_vocabulary"):
            with Scratch("kit-words-") as folder:
                layer.save_assets(folder.path)
                twin.load_assets(folder.path)
        if isinstance(twin, keras.layers.Normalization):
            twin.finalize_state()


def _own_functions(net: keras.Model) -> list[Any]:
    """Returns the losses that are the user's own functions, which a description only names."""
    losses = keras.tree.flatten(getattr(net, "loss", None))
    return [loss for loss in losses if callable(loss) and hasattr(loss, "__name__")]


def require_known_optimizer(path: Path) -> None:
    """Checks that a file's optimizer is Keras's own: its state in the file is written anew.

    Args:
        path: of a `.keras` file.

    Raises:
        InputError: it is the user's.
    """
    part = _unknown_part(_optimizer_of(path))
    if part is not None:
        raise InputError(
            f"The model '{path}' was compiled with {part!r:.60}, which is not part of Keras. Expected an optimizer of "
            "keras.optimizers, whose state the kit can reset: it remembers something of the forgotten records. "
            "Compile the model with one of these and save it again, or save it without an optimizer."
        )


def write(net: keras.Model, source: Path, path: Path) -> None:
    """Writes a model's weights into a copy of the file that it was loaded from, atomically; the same bytes each time.

    Args:
        net: what `source` describes, with other weights; its compile settings are replaced.
        source: a `.keras` file that was inspected (`kit.models.user_files.load`).
        path: of the new file.

    Raises:
        CannotWrite: the system refuses it.
    """
    optimizer = _optimizer_of(source)
    if optimizer is not None:
        net.compile(keras.optimizers.deserialize(optimizer))
        net.optimizer.build(net.trainable_variables)
    with Scratch("kit-model-") as folder:
        saved = folder.path / "saved.keras"
        net.save(saved)
        with (
            zipfile.ZipFile(source) as described,
            zipfile.ZipFile(saved) as weighted,
            files.atomic_write(path) as stream,
            zipfile.ZipFile(stream, "w") as archive,
        ):
            for name in described.namelist():
                # Without the time of day, which would make another file of the same model.
                archive.writestr(zipfile.ZipInfo(name), (weighted if name == WEIGHTS else described).read(name))


def _optimizer_of(path: Path) -> Any:
    """Returns the description of the optimizer that a file's model was compiled with, None where there is none."""
    with zipfile.ZipFile(path) as archive:
        description = json.loads(archive.read(CONFIG))
    return (description.get("compile_config") or {}).get("optimizer")


def _unknown_part(optimizer: Any) -> str | None:
    """Returns the first class in an optimizer's description that is not Keras's own."""
    for part in _objects(optimizer):
        if part.get("module") not in _OPTIMIZERS or part.get("registered_name") is not None:
            return str(part["class_name"])
    return None


def _objects(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if "class_name" in part:
            yield part
        for value in part.values():
            yield from _objects(value)
    elif isinstance(part, list):
        for value in part:
            yield from _objects(value)
