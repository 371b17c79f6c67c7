"""Forget sets for trial: as many retained examples, of the same kind as the records."""

from __future__ import annotations

import numpy as np

from kit.types import Challenge, Split

__all__ = ["NoSimilarExamples", "Split", "described", "draw"]


class NoSimilarExamples(ValueError):
    """There are no retained examples of the kind of the records; the text is half a sentence."""


def described(challenge: Challenge) -> str:
    """Returns in words what a rehearsal draws in place of the records.

    Args:
        challenge: whose forget set is the records.

    Example:
        >>> import kit
        >>> described(kit.load_challenge("digits", forget="class:3"))
        'examples of another class'
    """
    kind = _kind(challenge)
    return {"class": "examples of another class", "group": "all examples of as many other owners"}.get(
        kind, "as many examples, with the records' mix of classes"
    )


def _kind(challenge: Challenge) -> str:
    """Returns `class`, or `group` where the records are all that their owners have, or the split's own kind."""
    groups, split = challenge.train.groups, challenge.split
    if split.kind == "class" or groups is None:
        return split.kind
    shared = np.isin(groups[split.retain], groups[split.forget]).any()
    return split.kind if shared else "group"


def draw(challenge: Challenge, number: int, seed: int) -> list[Split]:
    """Returns forget sets within the retained examples.

    Args:
        challenge: of the request.
        number: of forget sets.
        seed: of the draws.

    Returns:
        Splits whose indices count the retained examples, in their order.

    Raises:
        NoSimilarExamples: too few other classes or owners would be left, or the records are more than half.

    Example:
        >>> import kit
        >>> splits = draw(kit.load_challenge("digits", forget="class:3"), 2, seed=0)
        >>> [len(split.forget) > 100 for split in splits]
        [True, True]
    """
    generator = np.random.default_rng([seed, len(challenge.split.forget)])
    retained = challenge.split.retain
    kind = _kind(challenge)
    if kind == "class":
        chosen = _of_columns(challenge.train.y, challenge, number, generator)
    elif kind == "group" and challenge.train.groups is not None:
        chosen = _of_columns(challenge.train.groups, challenge, number, generator)
    else:
        chosen = [_of_strata(challenge, generator) for _ in range(number)]
    everything = np.arange(len(retained))
    return [
        Split("rehearsal", seed, forget=positions, retain=np.setdiff1d(everything, positions)) for positions in chosen
    ]


def _of_strata(challenge: Challenge, generator: np.random.Generator) -> np.ndarray:
    """Returns positions of as many retained examples of each stratum as there are records."""
    retain, forget = challenge.strata("retain"), challenge.strata("forget")
    if 2 * len(forget) > len(retain):
        raise NoSimilarExamples("the records are more than half of what is retained")
    positions = []
    for stratum, count in zip(*np.unique(forget, return_counts=True), strict=True):
        members = np.flatnonzero(retain == stratum)
        positions.append(generator.choice(members, min(count, len(members) // 2), replace=False))
    drawn = np.concatenate(positions)
    others = np.setdiff1d(np.arange(len(retain)), drawn)  # of a stratum that is nearly gone there are too few
    return np.concatenate([drawn, generator.choice(others, len(forget) - len(drawn), replace=False)])


def _of_columns(
    column: np.ndarray, challenge: Challenge, number: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Returns positions of as many other classes or owners, those first that have about as many examples."""
    asked = len(np.unique(column[challenge.split.forget]))
    retained = column[challenge.split.retain]
    values, counts = np.unique(retained, return_counts=True)
    if len(values) < asked + 2:
        raise NoSimilarExamples(f"of {len(values)} that are retained, too few would be left")
    size = len(challenge.split.forget) / asked
    nearest = values[np.argsort(np.abs(counts - size), kind="stable")][: max(number, 4) * asked]
    places = generator.permutation(len(nearest))
    # One after another, so that no two forget sets share a class or an owner where there are enough.
    chosen = [np.take(places, np.arange(asked) + each * asked, mode="wrap") for each in range(number)]
    return [np.flatnonzero(np.isin(retained, nearest[which])) for which in chosen]
