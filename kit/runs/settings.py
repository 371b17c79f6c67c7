"""The hyper-parameters of a method on a challenge: what goes into each call, and into the name of a folder of runs."""

from __future__ import annotations

from typing import Any

from kit import methods
from kit.rules import RETRAIN
from kit.submission.entry import Entry
from kit.types import Challenge


def hyperparameters(entry: Entry, challenge: Challenge) -> dict[str, Any]:
    """Returns the keyword arguments of a method on this challenge; `retrain` is given the original's recipe.

    Example:
        >>> import kit
        >>> from kit.submission.entry import resolve
        >>> list(hyperparameters(resolve("retrain"), kit.load_challenge()))
        ['recipe']
    """
    settings = entry.settings(challenge)
    if not entry.pretraining:
        return {"recipe": challenge.recipe} | settings if entry.built_in and entry.name == RETRAIN else settings
    if entry.name == RETRAIN:  # trains as the original was
        return {}
    return {key: value for key, value in settings.items() if key not in of_pretraining(entry.pretraining, challenge)}


def of_pretraining(method: str, challenge: Challenge) -> dict[str, Any]:
    """Returns the hyper-parameters of a method's own training, which the challenge gives under the method's name."""
    node = methods.function(method, "pretraining")
    known = [] if node is None else [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
    return {key: value for key, value in challenge.hyperparameters.get(method, {}).items() if key in known}
