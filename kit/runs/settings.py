"""The hyper-parameters of a method on a challenge: what goes into each call, and into the name of a folder of runs."""

from __future__ import annotations

from typing import Any

from kit import methods
from kit.rules import ORIGINAL, RETRAIN
from kit.submission.entry import Entry
from kit.tasks import CLASSIFICATION
from kit.types import Challenge, InputError


def hyperparameters(entry: Entry, challenge: Challenge) -> dict[str, Any]:
    """Returns the keyword arguments of a method on this challenge; `retrain` is given the original's recipe.

    Example:
        >>> import kit
        >>> from kit.submission.entry import resolve
        >>> list(hyperparameters(resolve("retrain"), kit.load_challenge()))
        ['recipe']

    Raises:
        InputError: a built-in method for classification, where labels are something else.
    """
    _require_task(entry, challenge)
    settings = entry.settings(challenge)
    if not entry.pretraining:
        return {"recipe": challenge.recipe} | settings if entry.built_in and entry.name == RETRAIN else settings
    if entry.name == RETRAIN:  # trains as the original was
        return {}
    return {key: value for key, value in settings.items() if key not in of_pretraining(entry.pretraining, challenge)}


def _require_task(entry: Entry, challenge: Challenge) -> None:
    """Checks that a built-in method takes the loss of the challenge's task, or needs none."""
    if challenge.task == CLASSIFICATION or not entry.built_in or entry.name == ORIGINAL:
        return
    if entry.pretraining or not methods.takes(entry.name, "loss"):
        names = [name for name in methods.names() if methods.takes(name, "loss")]
        raise InputError(
            f"The method '{entry.name}' is for classification, but the task of '{challenge.name}' is "
            f"{challenge.task.name}. Expected a method that takes the task's loss: {', '.join(names)}. Choose one of "
            "these, or write one with a parameter 'loss'."
        )


def of_pretraining(method: str, challenge: Challenge) -> dict[str, Any]:
    """Returns the hyper-parameters of a method's own training, which the challenge gives under the method's name."""
    values = challenge.hyperparameters.get(method, {})
    return {key: value for key, value in values.items() if methods.takes(method, key, "pretraining")}
