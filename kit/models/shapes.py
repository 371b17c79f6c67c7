"""What a user's model takes, by its description alone: for data that are brought to its shape before it is loaded."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

_MOST_BYTES = 16 << 20


def of_file(path: Path) -> tuple[int | None, ...] | None:
    """Returns the shape of the examples that the model in a `.keras` file takes, which is not loaded.

    None where the file does not say it, cannot be read, or has a model of several inputs.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as stream:
            description = json.loads(stream.read(_MOST_BYTES))
        layers = description["config"].get("layers", [])
        inputs = [layer["config"]["batch_shape"] for layer in layers if layer["class_name"] == "InputLayer"]
        return _sound(inputs[0] if len(inputs) == 1 else description["build_config"]["input_shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile):
        return None


def _sound(shape: Any) -> tuple[int | None, ...] | None:
    """Returns a shape without its first axis, if it is one.

    Example:
        >>> _sound([None, 8, None, 3]), _sound({"a": [None, 3]})
        ((8, None, 3), None)
    """
    sizes = shape[1:] if isinstance(shape, list) else None
    sound = sizes and all(size is None or (type(size) is int and size > 0) for size in sizes)
    return tuple(sizes) if sizes and sound else None
