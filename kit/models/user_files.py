"""A user's Keras model and its weights in files, read without running any code of theirs."""

from __future__ import annotations

import copy
import json
import math
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras

from kit.models import h5, inspection, weights
from kit.models.file_names import EXPECTED, check_model_file, check_weights_file
from kit.types import InputError


def load(path: Path) -> keras.Model:
    """Loads a `.keras` file that was inspected (`kit.models.inspection`): no code of the file's is run.

    Raises:
        InputError: the file is missing, damaged, of another format, or holds other parts than are allowed.
    """
    check_model_file(path)
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"The file '{path}' is damaged, or no .keras file: it is no zip archive. {EXPECTED} Save it again with "
            "model.save('model.keras'), and check that it was copied whole."
        )
    inspected = inspection.inspect(path)
    if inspected.refusal:
        raise _unloadable(path, inspected.refusal)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _built(path, inspected.elements)
    except Exception as error:  # Keras's are of many kinds, several screens long, and advise what the kit does not do
        reason = str(error) if isinstance(error, inspection.Refused) else ""
        version = _written_by(path)
        if not reason and version not in ("", keras.__version__):
            raise InputError(
                f"The file '{path}' was written by Keras {version}, and Keras {keras.__version__}, which is installed, "
                f"cannot load it. {EXPECTED} Install that version of Keras, or save the model again with this one."
            ) from error
        raise _unloadable(path, reason or type(error).__name__) from error


def _built(path: Path, elements: int) -> keras.Model:
    """Returns the model of an inspected file, built without memory first: sizes take no space in a description."""
    description = inspection.description_of(path)
    with ThreadPoolExecutor(1) as thread:  # Keras remembers, by thread, to make what was planned as soon as it can
        planned = thread.submit(_planned, description).result()
    if not isinstance(planned, keras.Model):
        raise inspection.Refused("it holds no model")
    needed = sum(math.prod(weight.shape) for weight in planned.weights)
    if needed > elements:
        raise inspection.Refused(f"its layers have {needed:,} weights, and its arrays {elements:,} numbers")
    net = keras.saving.deserialize_keras_object(description, safe_mode=True)
    net.load_weights(path)
    return net


def _planned(description: Any) -> Any:
    """Returns what a description describes, with variables that have shapes and no values."""
    with keras.StatelessScope(initialize_variables=False):
        # Keras changes what it is given.
        return keras.saving.deserialize_keras_object(copy.deepcopy(description), safe_mode=True)


def _unloadable(path: Path, reason: str) -> InputError:
    return InputError(
        f"The file '{path}' is damaged, or cannot be loaded without running its code: {reason}. {EXPECTED[:-1]}, made "
        "of Keras's own layers, without Lambda and without classes of your own. Rebuild it from such layers, and save "
        "it again with model.save('model.keras')."
    )


def _written_by(path: Path) -> str:
    """Returns the version of Keras that wrote a `.keras` file, nothing where that cannot be told."""
    try:
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json"))["keras_version"])[:20]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return ""


def load_weights(net: keras.Model, path: Path, origin: str) -> None:
    """Reads weights into a model: `.weights.h5` as Keras writes it, or `.npz` with its arrays in their order.

    Args:
        net: its weights are replaced.
        path: the file.
        origin: for people: whose model it is.

    Raises:
        InputError: the file is missing or damaged, or its arrays do not fit the model.
    """
    check_weights_file(path)
    expected = (
        f"the weights of {origin}, {len(net.weights)} arrays, as NAME.weights.h5 (net.save_weights) or as NAME.npz "
        "(numpy.savez(path, *net.get_weights()))"
    )
    inspected = inspection.Inspected()
    if path.name.endswith(".h5"):
        inspected = inspection.inspect(path)
    if inspected.refusal:
        raise InputError(
            f"The weights '{path}' are damaged, or no weights: {inspected.refusal}. Expected {expected}. Save them "
            "again."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of each array that it misses, and then raises an error
            _read_weights(net, path)
    except Exception as error:  # h5py's, NumPy's and Keras's
        raise InputError(
            f"The weights '{path}' are damaged or do not fit {origin}. Expected {expected}. Check that they are of "
            "this very model, and say which it is with --model."
        ) from error


def _read_weights(net: keras.Model, path: Path) -> None:
    if path.name.endswith(".weights.h5"):
        h5.load(net, path)
        return
    stored = weights.read_strangers_arrays(path)
    if all(name.startswith("arr_") for name in stored):  # as numpy.savez names what has no name
        stored = {name.removeprefix("arr_"): array for name, array in stored.items()}
    net.set_weights(weights.in_order(stored))
