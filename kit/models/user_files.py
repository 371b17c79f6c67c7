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

from kit.models import custom, h5, inspection, user, weights
from kit.models.file_names import EXPECTED, check_model_file, check_weights_file
from kit.models.user import Own
from kit.storage import strict_json
from kit.storage.scratch import Scratch
from kit.types import Arrays, InputError, Table


def load(path: Path) -> keras.Model:
    """Loads a `.keras` file that was inspected (`kit.models.inspection`): no code of the file's is run.

    Args:
        path: the file.

    Raises:
        InputError: the file is missing, damaged, of another format, or holds other parts than are allowed.
    """
    _check_archive(path)
    try:
        with inspection.unchanging(path) as copied, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inspected = inspection.inspect(copied)
            if inspected.refusal:
                raise inspection.Refused(inspected.refusal)
            return _built(copied, inspected.elements)
    except inspection.Refused as refused:
        raise _unloadable(path, str(refused)) from refused
    except Exception as error:  # Keras's are of many kinds, several screens long, and advise what the kit does not do
        version = _written_by(path)
        if version not in ("", keras.__version__):
            raise InputError(
                f"The file '{path}' was written by Keras {version}, and Keras {keras.__version__}, which is installed, "
                f"cannot load it. {EXPECTED} Install that version of Keras, or save the model again with this one."
            ) from error
        raise _unloadable(path, type(error).__name__) from error


def made(examples: Arrays | Table, own: Own) -> keras.Model:
    """Returns the model that a user's function makes, with weights of any values.

    Args:
        examples: that it is called with to make its weights.
        own: code of the user's.
    """
    net = custom.built(own.source, own.builder)
    user.called(net, examples)
    return net


def _check_archive(path: Path) -> None:
    check_model_file(path)
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"The file '{path}' is damaged, or no .keras file: it is no zip archive. {EXPECTED} Save it again with "
            "model.save('model.keras'), and check that it was copied whole."
        )


def load_trusted(path: Path, examples: Arrays | Table, own: Own) -> keras.Model:
    """Returns the model in a file, with the classes of a user's; or the one that a function makes, with its weights.

    Raises:
        InputError: it cannot be loaded with these classes, or the function makes another model.
    """
    _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not own.builder:
                objects = custom.names(own.source)
                return keras.saving.load_model(path, custom_objects=objects, compile=False, safe_mode=False)
            net = made(examples, own)
            net.load_weights(path)
            return net
    except InputError:
        raise
    except Exception as error:  # Keras's, and whatever a user's classes raise
        raise InputError(
            f"The file '{path}' cannot be loaded with the classes and functions of the file that was given "
            f"({type(error).__name__}). Expected all that the model is made of, or a builder that makes the very model "
            "that was saved. Try keras.models.load_model with custom_objects, which tells more."
        ) from error


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
    with zipfile.ZipFile(path) as archive:
        has_words = any(map(inspection.is_words, archive.namelist()))
    if has_words:
        return _with_words(path, description)
    net = keras.saving.deserialize_keras_object(description, safe_mode=True)
    net.load_weights(path)
    return net


def _with_words(path: Path, description: Any) -> keras.Model:
    """Returns the model of an inspected file with lists of words, which Keras reads from a file only.

    It is given another one: the same weights and words, and the checked description, which says nothing of training.
    """
    with Scratch("kit-model-") as folder:
        checked = folder.path / "model.keras"
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(checked, "w") as copy:
            for name in archive.namelist():
                content = json.dumps(description).encode() if name == inspection.CONFIG else archive.read(name)
                copy.writestr(name, content)
        net: keras.Model = keras.saving.load_model(checked, compile=False, safe_mode=True)
        return net


def _planned(description: Any) -> Any:
    """Returns what a description describes, with variables that have shapes and no values."""
    with keras.StatelessScope(initialize_variables=False):
        # Keras changes what it is given.
        return keras.saving.deserialize_keras_object(copy.deepcopy(description), safe_mode=True)


def _unloadable(path: Path, reason: str) -> InputError:
    return InputError(
        f"The file '{path}' is damaged, or cannot be loaded without running its code: {reason}. {EXPECTED} Where it "
        "holds a Lambda or a class of yours, give the Python file that defines it with --custom-objects FILE.py, which "
        "is run: only one that you trust. Else save the model again with model.save('model.keras')."
    )


def _written_by(path: Path) -> str:
    """Returns the version of Keras that wrote a `.keras` file, nothing where that cannot be told."""
    try:
        with zipfile.ZipFile(path) as archive:
            return str(strict_json.loads(archive.read("metadata.json"))["keras_version"])[:20]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return ""


def load_weights(net: keras.Model, path: Path, origin: str, *, own: bool = False) -> None:
    """Reads weights into a model: `.weights.h5` as Keras writes it, or `.npz` with its arrays in their order.

    Args:
        net: its weights are replaced.
        path: the file.
        origin: for people: whose model it is.
        own: whether a function of the user's made the model: its parts have names that only Keras can tell.

    Raises:
        InputError: the file is missing or damaged, or its arrays do not fit the model.
    """
    check_weights_file(path)
    expected = (
        f"the weights of {origin}, {len(net.weights)} arrays, as NAME.weights.h5 (net.save_weights) or as NAME.npz "
        "(numpy.savez(path, *net.get_weights()))"
    )
    try:
        with inspection.unchanging(path) as copied, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of each array that it misses, and then raises an error
            inspected = inspection.inspect(copied) if path.name.endswith(".h5") else inspection.Inspected()
            if inspected.refusal:
                raise inspection.Refused(inspected.refusal)
            if own and path.name.endswith(".h5"):
                net.load_weights(copied)
            else:
                _read_weights(net, copied)
    except inspection.Refused as refused:
        raise InputError(
            f"The weights '{path}' are damaged, or no weights: {refused}. Expected {expected}. Save them again."
        ) from refused
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
