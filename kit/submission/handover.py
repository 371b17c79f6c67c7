"""What a contained process is handed: files in a folder of its own, and an environment without the user's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.machine import threads
from kit.machine.environment import backend, instructions
from kit.models.weights import numbered
from kit.storage import files
from kit.submission import allowed
from kit.submission.source import Source

# What a contained process may see of the environment: where programs and graphics cards are, and the language.
_PASSED_ON = (threads.VARIABLE, "PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT", "TZ")


@dataclass(frozen=True)
class Inputs:
    """What a contained process is handed: arrays in the order of the sets, never an index or a test example.

    What a training starts from (`start`, of `Challenge`) is handed over for methods that draw layers anew.
    """

    arrays: Mapping[str, np.ndarray]
    weights: Sequence[np.ndarray]
    model: str
    model_description: str
    precision: str
    input_shape: tuple[int, ...]
    num_classes: int
    batch_size: int
    hyperparameters: Mapping[str, Any]
    start: Sequence[np.ndarray | None] = ()


def write(folder: Path, source: Source, inputs: Inputs) -> None:
    """Writes what is handed over to `given` in a folder, beside which `work` and `home` are made, empty."""
    given_folder = folder / "given"
    for part in (given_folder, folder / "work", folder / "home"):
        part.mkdir()
    # The process works with a copy of a part of the kit. No weights, oracles, data or scores are beside it, and
    # what the submission does to it by accident is gone with it.
    allowed.copy_beside(given_folder)
    submission = source.package.replace(".", "/") or "submission"
    for relative, content in source.files.items():
        path = given_folder / submission / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    settings = {
        "folder": submission,
        "entry": source.entry,
        "model": inputs.model,
        "model_description": inputs.model_description,
        "precision": inputs.precision,
        "input_shape": list(inputs.input_shape),
        "num_classes": inputs.num_classes,
        "batch_size": inputs.batch_size,
        "hyperparameters": dict(inputs.hyperparameters),
    }
    (given_folder / "settings.json").write_text(json.dumps(settings))
    start = {f"start_{number}": array for number, array in enumerate(inputs.start) if array is not None}
    files.write_npz(given_folder / "inputs.npz", {**inputs.arrays, **numbered(inputs.weights), **start})


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment of a process that works in a folder."""
    home = str(folder / "home")
    variables = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return (
        variables
        | instructions()
        | {
            "HOME": home,
            "TMPDIR": home,
            "KERAS_HOME": f"{home}/keras",
            "KIT_HOME": f"{home}/kit",
            "MPLCONFIGDIR": home,
            "KERAS_BACKEND": backend(),  # the kit's: the net is a model of it
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": str(folder / "given"),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
    )
