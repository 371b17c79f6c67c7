"""A user's Keras model and its weights in files, read without running any code of theirs."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path

import keras

from kit import files
from kit.models import h5, weights
from kit.models.file_names import EXPECTED, check_model_file, check_weights_file
from kit.models.user import KNOWN_PACKAGES
from kit.types import InputError


def load(path: Path) -> keras.Model:
    """Loads a `.keras` file in safe mode, which runs no code of the file's.

    Raises:
        InputError: the file is missing, damaged, of another format, or holds what safe mode refuses.
    """
    check_model_file(path)
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"The file '{path}' is damaged, or no .keras file: it is no zip archive. {EXPECTED} Save it again with "
            "model.save('model.keras'), and check that it was copied whole."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras's are of many kinds, several screens long, and advise what the kit does not do
        foreign, version = _foreign(path), _written_by(path)
        if not foreign and version not in ("", keras.__version__):
            raise InputError(
                f"The file '{path}' was written by Keras {version}, and Keras {keras.__version__}, which is installed, "
                f"cannot load it. {EXPECTED} Install that version of Keras, or save the model again with this one."
            ) from error
        raise InputError(
            f"The file '{path}' holds a model that cannot be loaded without running its code, or is damaged"
            f"{foreign}. {EXPECTED[:-1]}, made of Keras's own layers, without Lambda and without classes of "
            "your own. Rebuild it from such layers, and save it again with model.save('model.keras')."
        ) from error


def _written_by(path: Path) -> str:
    """Returns the version of Keras that wrote a `.keras` file, nothing where that cannot be told."""
    try:
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json"))["keras_version"])[:20]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return ""


def _foreign(path: Path) -> str:
    """Names the first part of a `.keras` file that is not Keras's own, as half a sentence, if that can be told."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [json.loads(archive.read("config.json"))]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return ""
    while parts:
        part = parts.pop(0)
        if isinstance(part, dict):
            name, module = part.get("class_name"), part.get("module", "")
            package = str(part.get("registered_name") or "").partition(">")[0]
            custom = module is None or (isinstance(name, str) and str(module).partition(".")[0] not in KNOWN_PACKAGES)
            if isinstance(name, str) and (name == "Lambda" or (custom and "module" in part and package != "kit")):
                return f" (it has a {name})"
            parts += part.values()
        elif isinstance(part, list):
            parts += part
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
    stored = files.read_npz(path)
    if all(name.startswith("arr_") for name in stored):  # as numpy.savez names what has no name
        stored = {name.removeprefix("arr_"): array for name, array in stored.items()}
    net.set_weights(weights.in_order(stored))
