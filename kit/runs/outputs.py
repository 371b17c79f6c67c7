"""From a model to its outputs, and outputs on disk. After this nothing touches Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.rules import LANDMARKS, ORIGINAL
from kit.storage import files
from kit.tasks import Joint
from kit.types import PARTS, Challenge, FailedRun, InputError, ModelOutputs

if TYPE_CHECKING:
    import keras

# Numbers of one model, of all parts together, beyond which its logits are not kept: of sixteen, half a gigabyte.
# Scores that need them say so.
MOST_LOGITS = 2**23
_ROWS_AT_ONCE = 2**18
_KINDS = ("confidences", "correct", "logits")
# Before the names of what a file holds of the outputs of a model with several.
_BY_OUTPUT = "by_output_"


def compute_outputs(net: keras.Model, challenge: Challenge, method: str = "model") -> ModelOutputs:
    """Returns what a model predicts for the four parts of a challenge: one forward pass over each example.

    Args:
        net: returns logits, as all models of the kit do.
        challenge: whose retain, forget, validation and test examples are shown to it.
        method: by whose name errors call the model.

    Returns:
        `ModelOutputs`, with logits in classification.

    Raises:
        InputError: a user's own model gives logits that are not finite.
        FailedRun: that of a method does.

    Example:
        >>> import kit
        >>> challenge = kit.load_challenge("noisy-digits")
        >>> outputs = compute_outputs(kit.unlearn("original", challenge).net, challenge)
        >>> outputs.confidences["forget"].shape, outputs.logits["test"].shape
        ((126,), (270, 10))
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
            raise _not_finite(bad, part, challenge, method)
    task, labels = challenge.task, {part: challenge.labels(part) for part in PARTS}
    kept = task.keeps_logits and sum(array.size for array in logits.values()) <= MOST_LOGITS
    return ModelOutputs(
        {part: _in_blocks(task.statistic, logits[part], labels[part]) for part in PARTS},
        {part: _in_blocks(task.correct, logits[part], labels[part]) for part in PARTS},
        logits if kept else {},
        task.by_output(logits["test"], labels["test"]) if isinstance(task, Joint) else {},
    )


def _in_blocks(of_examples: Callable[..., np.ndarray], logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns what a function says of each example, some at a time: on the way it takes eight times their memory."""
    starts = range(0, max(len(labels), 1), _ROWS_AT_ONCE)
    return np.concatenate([of_examples(logits[s : s + _ROWS_AT_ONCE], labels[s : s + _ROWS_AT_ONCE]) for s in starts])


def _not_finite(bad: np.ndarray, part: str, challenge: Challenge, method: str) -> InputError | FailedRun:
    examples = f"{int(bad.sum())} of {len(bad)} {part} examples (the first is number {int(np.argmax(bad))} of them)"
    if method == ORIGINAL and challenge.original is not None:  # its weights are finite, or it would not be here
        return InputError(
            f"The model '{challenge.model}' gives NaN or infinite logits for {examples}. Expected finite ones. Look in "
            "the model for a division by 0 or a logarithm of it, or leave these examples out."
        )
    trained_by = "recipe" if method in LANDMARKS else "method"
    return FailedRun(
        f"The model that '{method}' returned gives NaN or infinite logits for {examples}. Expected finite logits. "
        f"Lower the {trained_by}'s learning rate, or clip its gradients."
    )


def save_outputs(path: Path, outputs: ModelOutputs) -> None:
    """Writes one model's outputs as `.npz`, atomically: one array of each kind, with all parts of the data in a row.

    For small data, the time to read hundreds of models is mostly spent on headers of arrays.

    Args:
        path: file to write.
        outputs: of one model.
    """
    arrays = {"sizes": np.array([len(outputs.correct[part]) for part in PARTS])}
    for kind in _KINDS:
        by_part = getattr(outputs, kind)
        if by_part:
            arrays[kind] = np.concatenate([by_part[part] for part in PARTS])
    arrays |= {f"{_BY_OUTPUT}{kind}": array for kind, array in outputs.by_output.items()}
    files.write_npz(path, arrays)


def load_outputs(path: Path, sha256: str) -> ModelOutputs:
    """Reads what `save_outputs` wrote; nothing is unpickled.

    Args:
        path: file to read.
        sha256: hex digest that the file must have.

    Returns:
        What was written, with the same shapes and dtypes.

    Raises:
        ValueError: the file has another digest.
        OSError: there is no such file.
    """
    stored = files.read_checked_npz(path, sha256)
    ends = np.cumsum(stored["sizes"])[:-1]
    confidences, correct = (dict(zip(PARTS, np.split(stored[kind], ends), strict=True)) for kind in _KINDS[:2])
    logits = dict(zip(PARTS, np.split(stored["logits"], ends), strict=True)) if "logits" in stored else {}
    names = [name for name in stored if name.startswith(_BY_OUTPUT)]
    by_output = {name.removeprefix(_BY_OUTPUT): stored[name] for name in names}
    return ModelOutputs(confidences, correct, logits, by_output)
