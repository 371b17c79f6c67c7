"""Checks of what contained runs of a submission showed. A check returns "" or what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kit.models.weights import same_weights
from kit.rules import SLOW_IMPORT_SECONDS, TIME_BUDGET, WARN_OUTPUT
from kit.submission.diagnosis import printable
from kit.types import Task

# How far above chance the accuracy must lie, in standard errors.
_CHANCE_ERRORS = 3.0


def import_problem(entry: str, seconds: float) -> str:
    """Returns what is wrong with the duration of an import.

    Example:
        >>> import_problem("mine.py", 0.1)
        ''
    """
    if seconds <= SLOW_IMPORT_SECONDS:
        return ""
    return (
        f"Importing '{entry}' took {seconds:.1f} s. Expected less than {SLOW_IMPORT_SECONDS:.0f} s, because a "
        "population imports it many times. Move work into the function."
    )


def side_effects_problem(entry: str, changed: Sequence[str], printed: int) -> str:
    """Returns what an import changed (`changed` names it) or printed (in bytes)."""
    effects = [*changed, *(["the output (it printed something)"] if printed else [])]
    if not effects:
        return ""
    return (
        f"Importing '{entry}' changed {', '.join(effects)}. Expected an import that only defines things, because the "
        "harness seeds and measures around the call. Move it into the function."
    )


def logits_problem(logits: Sequence[np.ndarray]) -> str:
    """Returns which of several batches of logits, each (examples, classes), is not finite.

    Example:
        >>> logits_problem([np.zeros((3, 10)), np.full((1, 10), np.nan)])[:60]
        'The model gives NaN or infinite logits for a batch of 1. Exp'
    """
    broken = [len(batch) for batch in logits if not np.isfinite(batch).all()]
    if not broken:
        return ""
    return (
        f"The model gives NaN or infinite logits for a batch of {broken[0]}. Expected finite logits for any batch. "
        "Lower the learning rate, or clip gradients."
    )


def unchanged_problem(name: str, weights: Sequence[np.ndarray], original: Sequence[np.ndarray]) -> str:
    """Returns the problem that a method gave back the original's weights."""
    if not same_weights(weights, original):
        return ""
    return (
        f"'{name}' returned the weights of the original. Expected other weights, since nothing is forgotten as it is. "
        "Was the net frozen, trained with learning rate 0, or a copy trained in its place?"
    )


def chance_problem(accuracy: float, task: Task, labels: np.ndarray) -> str:
    """Returns the problem of an accuracy on these examples that a model with one answer for all of them has too.

    Example:
        >>> from kit.tasks import CLASSIFICATION
        >>> chance_problem(0.9, CLASSIFICATION, np.arange(1000) % 10)
        ''
    """
    chance = task.constant_accuracy(labels)
    if accuracy > chance + _CHANCE_ERRORS * float(np.sqrt(chance * (1 - chance) / len(labels))):
        return ""
    return (
        f"The model gets {accuracy:.3f} of the retain set right, and one that {task.constant} gets {chance:.3f}. "
        "Expected a model that still works. Train it longer on retain, or do less damage first."
    )


def output_problem(name: str, printed: int) -> str:
    """Returns the problem that a submission printed too much; `printed` is in bytes."""
    if printed <= WARN_OUTPUT:
        return ""
    return (
        f"'{name}' printed {printed / 1e6:.1f} MB. Expected less than {WARN_OUTPUT / 1e6} MB in all. Pass verbose=0 to "
        "net.fit, and print once an epoch at most."
    )


def left_behind_problem(name: str, outlived: int, replies: Sequence[Mapping[str, Any]]) -> str:
    """Returns what runs left behind: processes that outlived them, and what the process says of threads and files."""
    leftovers = [f"{outlived} process{'es' * (outlived > 1)}"] if outlived else []
    kinds = {
        "threads": "the thread",
        "children": "the process",
        "new_files": "the file",
        "changed_files": "a change of",
    }
    for key, what in kinds.items():
        names = {printable(item, 80) for reply in replies for item in _items(reply.get(key), 10)}
        leftovers += [f"{what} {item}" for item in sorted(names)]
    if not leftovers:
        return ""
    return (
        f"'{name}' left behind {', '.join(leftovers[:5])}. Expected nothing: work that goes on after the return is not "
        "timed, and files are lost. Join threads and processes, and keep results in variables."
    )


def altered_problem(name: str, replies: Sequence[Mapping[str, Any]]) -> str:
    """Returns the problem that a run altered the arrays behind its data sets."""
    if not any(reply.get("altered") is True for reply in replies):
        return ""
    return (
        f"'{name}' altered the examples or labels of its data sets. Expected them as they were, because the next run "
        "is handed the same. Work on copies."
    )


def same_for_two_seeds_problem(name: str) -> str:
    """Returns the warning for a deterministic method."""
    return (
        f"'{name}' gave the same weights for two seeds. Expected two different models: the competition compares "
        "distributions of models, so a deterministic method scores 0. Use randomness: shuffling, dropout, noise."
    )


def not_repeatable_problem(name: str) -> str:
    """Returns the warning for a method that takes randomness from elsewhere."""
    return (
        f"'{name}' gave other weights for the same seed. Expected the same, so that results can be checked. Take "
        "randomness from keras, numpy.random or random, which the harness seeds, never from time or os.urandom."
    )


def time_problem(fact: str, ratio: float) -> str:
    """Returns the problem that a call's time by a retraining's is over the budget; `fact` says what was measured."""
    if ratio <= TIME_BUDGET:
        return ""
    return (
        f"{fact[0].upper()}{fact[1:]}. Expected at most {TIME_BUDGET}, of all processes and of the import too. Do "
        "fewer epochs, or pass fewer examples through the network."
    )


def _items(value: object, most: int) -> list[Any]:
    """Returns the first items of what should be a list: a contained process can say anything."""
    return value[:most] if isinstance(value, list) else []
