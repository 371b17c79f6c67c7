"""The hyper-parameters of a method on a challenge: what goes into each call, and into the name of a folder of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kit import methods
from kit.methods import _facts
from kit.rules import ORIGINAL, RETRAIN
from kit.submission.entry import Entry
from kit.tasks import CLASSIFICATION
from kit.types import Challenge, InputError
from kit.types.errors import did_you_mean

# Method -> hyper-parameter -> value.
Given = Mapping[str, Mapping[str, Any]]
_CORRECT = (
    "Correct the value: of --set, of the keyword in Python, in data/hyperparameters.toml, or of kit.make_challenge."
)


def hyperparameters(entry: Entry, challenge: Challenge) -> dict[str, Any]:
    """Returns the keyword arguments of a method on this challenge; `retrain` is given the original's recipe.

    Args:
        entry: the method.
        challenge: which may have hyper-parameters for it.

    Example:
        >>> import kit
        >>> from kit.submission.entry import resolve
        >>> list(hyperparameters(resolve("retrain"), kit.load_challenge()))
        ['recipe']

    Raises:
        InputError: a built-in method for classification, where labels are something else; hyper-parameters that it
            does not take, or of another kind.
    """
    _require_task(entry, challenge)
    _require_phases(entry, challenge)
    settings = entry.settings(challenge)
    if entry.built_in:
        _require_known(entry.name, settings)
    if not entry.pretraining:
        return {"recipe": challenge.recipe} | settings if entry.built_in and entry.name == RETRAIN else settings
    if entry.name == RETRAIN:  # trains as the original was
        return {}
    return {key: value for key, value in settings.items() if key not in of_pretraining(entry.pretraining, challenge)}


def with_given(challenge: Challenge, entries: Sequence[Entry], given: Given) -> Challenge:
    """Returns the challenge with hyper-parameters that were asked for in this evaluation, over those that it has.

    Args:
        challenge: what the methods are run on.
        entries: the methods.
        given: method -> hyper-parameter -> value.

    Raises:
        InputError: see `require_given`.

    Example:
        >>> import kit
        >>> from kit.submission.entry import resolve
        >>> challenge = with_given(kit.load_challenge("digits"), [resolve("scrub")], {"scrub": {"alpha": 0.9}})
        >>> challenge.hyperparameters["scrub"]["alpha"]
        0.9
    """
    require_given(entries, given)
    known = challenge.hyperparameters
    merged = {method: {**known.get(method, {}), **values} for method, values in given.items() if values}
    return replace(challenge, hyperparameters={**known, **merged}) if merged else challenge


def require_given(entries: Sequence[Entry], given: Given) -> None:
    """Checks that hyper-parameters are those of methods that are run.

    Args:
        entries: the methods that are run.
        given: hyper-parameters of each method, by its name.

    Raises:
        InputError: a method that is not run, a hyper-parameter that it does not take or one of another kind; or a
            user's method that has the name of a built-in one, whose hyper-parameters it is not given.
    """
    by_name = {entry.name: entry for entry in entries}
    for method, values in given.items():
        if method not in by_name:
            advice = did_you_mean(method, by_name, "Name the method as it is called in the table.")
            raise InputError(
                f"Hyper-parameters are given for '{method}', which is not run here. Expected those of "
                f"{', '.join(by_name)}. {advice}"
            )
        entry = by_name[method]
        if entry.built_in:
            _require_known(method, values)
        elif values and method in methods.names():
            raise InputError(
                f"Hyper-parameters are given for {entry.described}, which has the name of a built-in method. Expected "
                "a name of its own, so that the two cannot be confused. Rename it."
            )


def _require_task(entry: Entry, challenge: Challenge) -> None:
    """Checks that a built-in method takes the loss of the challenge's task, or needs none."""
    weighted = challenge.train.sample_weight is not None
    if (challenge.task == CLASSIFICATION and not weighted) or not entry.built_in or entry.name == ORIGINAL:
        return
    if entry.pretraining or not methods.takes(entry.name, "loss"):
        names = [name for name in methods.names() if methods.takes(name, "loss")]
        other = f"has the task {challenge.task.name}"
        if challenge.task.name == CLASSIFICATION.name:
            other = f"has {'weights of examples' if weighted else 'class weights or label smoothing'}"
        raise InputError(
            f"The method '{entry.name}' is for classification by the plain cross-entropy, but '{challenge.name}' "
            f"{other}. Expected a method that takes the task's loss: {', '.join(names)}. Choose one of "
            "these, or write one with a parameter 'loss'."
        )


def _require_phases(entry: Entry, challenge: Challenge) -> None:
    """Checks that a training of a method's own is not asked to follow phases, which it cannot."""
    recipe = challenge.recipe
    if entry.pretraining and (recipe.earlier or recipe.trainable is not None or recipe.frozen is not None):
        raise InputError(
            f"The method '{entry.pretraining}' trains the original in a way of its own, and the recipe of "
            f"'{challenge.name}' has several phases, or names layers that it trains. Expected a recipe of one phase "
            "for all layers. Leave the method out."
        )


def _require_known(method: str, settings: Mapping[str, Any]) -> None:
    """Checks that a method takes what a challenge gives it: people write that into a file."""
    defaults = _facts.hyperparameters(method) if settings else {}
    for name, value in settings.items():
        if not any(methods.takes(method, name, function) for function in ("unlearning", "pretraining")):
            problem, advice = f"'{name}', which it does not take", did_you_mean(name, defaults, _CORRECT)
        elif name in defaults and not _is_like(value, defaults[name]):
            problem, advice = f"{name} = {value!r:.40}, where its default is {defaults[name]!r}", _CORRECT
        else:
            continue
        raise InputError(
            f"The method '{method}' is given {problem}. Expected some of {', '.join(defaults)}, of the kind of their "
            f"defaults. {advice}"
        )


def _is_like(value: Any, default: Any) -> bool:
    """Returns whether a value is of a default's kind: whole numbers may stand for others, but not the other way."""
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, int | float) if isinstance(default, float) else isinstance(value, type(default))


def of_pretraining(method: str, challenge: Challenge) -> dict[str, Any]:
    """Returns the hyper-parameters of a method's own training, which the challenge gives under the method's name.

    Args:
        method: name of a built-in method with a function `pretraining`.
        challenge: which may have hyper-parameters for it.
    """
    values = challenge.hyperparameters.get(method, {})
    return {key: value for key, value in values.items() if methods.takes(method, key, "pretraining")}
