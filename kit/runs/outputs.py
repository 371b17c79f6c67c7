"""From a model to its outputs, and outputs on disk. After this nothing touches Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit import files
from kit.types import PARTS, Challenge, FailedRun, ModelOutputs

if TYPE_CHECKING:
    import keras

_KINDS = ("confidences", "correct", "logits")


def compute_outputs(net: keras.Model, challenge: Challenge, method: str = "model") -> ModelOutputs:
    """Returns what `net` says of retain, forget, validation and test: one forward pass over each example.

    Raises:
        FailedRun: logits that are not finite.
    """
    from kit.toolbox.inference import predict_logits

    train = predict_logits(net, challenge.train.x)
    logits = {
        "retain": train[challenge.split.retain],
        "forget": train[challenge.split.forget],
        "validation": predict_logits(net, challenge.validation.x),
        "test": predict_logits(net, challenge.test.x),
    }
    for part in PARTS:
        bad = ~np.isfinite(logits[part]).all(axis=-1)
        if bad.any():
            raise FailedRun(
                f"The model that '{method}' returned gives NaN or infinite logits for {int(bad.sum())} of {len(bad)} "
                f"{part} examples. Expected finite logits. Lower the method's learning rate, or clip its gradients."
            )
    return ModelOutputs.of_logits(logits, {part: challenge.labels(part) for part in PARTS})


def save_outputs(path: Path, outputs: ModelOutputs) -> None:
    """Writes one model's outputs as `.npz`, atomically."""
    arrays = {f"{name}_{part}": array for name in _KINDS for part, array in getattr(outputs, name).items()}
    files.write_npz(path, arrays)


def load_outputs(path: Path) -> ModelOutputs:
    """Reads what `save_outputs` wrote; nothing is unpickled."""
    stored = files.read_npz(path)
    kinds = [
        {part: stored[f"{name}_{part}"] for part in PARTS if name != "logits" or f"{name}_{part}" in stored}
        for name in _KINDS
    ]
    return ModelOutputs(*kinds)
