"""The settings that a search tries: a method's present ones, and others drawn from its search space."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kit import methods
from kit.methods import _facts
from kit.types import Challenge, InputError

NUM_TRIALS, NUM_MODELS, MOST_PASSES = 16, 16, 0.4
# Of so many random settings in a row, all of which cost too much, it is concluded that nearly all do.
_MOST_DRAWS = 1000

Settings = dict[str, Any]


@dataclass
class Trial:
    """One setting and what it has earned.

    Args:
        settings: hyper-parameters by name.
        present: these are the method's settings on the challenge today.
        scores: what the setting earned on the first forget sets, in their order.
        stage: the last one that it came to, from 1 on; 0 before it was tried.
    """

    settings: Settings
    present: bool = False
    scores: list[float] = field(default_factory=list)
    stage: int = 0

    @property
    def mean(self) -> float:
        """The mean of the scores."""
        return float(np.mean(self.scores))


@dataclass(frozen=True)
class Search:
    """What is to be searched; equal searches make equal trials and scores.

    Args:
        method: a name of `kit.methods.names()`.
        challenge: a name, or the path of an `.npz` file, as in `kit.load_challenge`.
        num_trials: how many settings are tried, the present one included, >= 1.
        num_models: of either side, >= 3.
        seed: of the random settings.
    """

    method: str
    challenge: str
    num_trials: int = NUM_TRIALS
    num_models: int = NUM_MODELS
    seed: int = 0

    def stages(self) -> tuple[tuple[int, int], ...]:
        """Returns how many settings are tried on how many forget sets.

        Example:
            >>> Search("finetune", "digits").stages()
            ((16, 1), (4, 3), (2, 10))
        """
        return (self.num_trials, 1), (max(1, self.num_trials // 4), 3), (max(1, self.num_trials // 8), 10)


def trials(search: Search, challenge: Challenge) -> list[Trial]:
    """Returns the settings to try: the present ones, and others that are cheap enough; more trials begin with the same.

    Raises:
        InputError: the method has no search space, or one that nothing can be drawn from.

    Example:
        >>> import kit
        >>> search = Search("gradient_ascent", "digits", num_trials=3)
        >>> [trial.settings["epochs"] for trial in trials(search, kit.load_challenge("digits"))]
        [5, 5, 10]
    """
    methods.require_search_space(search.method)
    space = methods.search_space(search.method)
    defaults = _facts.hyperparameters(search.method)
    current = defaults | dict(challenge.hyperparameters.get(search.method, {}))
    unknown = sorted(space.keys() - defaults.keys())
    if unknown:
        raise InputError(
            f"SEARCH_SPACE of the method '{search.method}' has '{unknown[0]}'. Expected the keywords of 'unlearning' "
            f"with plain defaults: {', '.join(defaults)}. Correct {methods.path(search.method)}."
        )
    generator = np.random.default_rng(zlib.crc32(search.method.encode()) + search.seed)
    most = MOST_PASSES * challenge.recipe.epochs * len(challenge.split.retain)
    tried = [Trial({name: current[name] for name in space}, present=True)]
    for _ in range(_MOST_DRAWS):
        if len(tried) >= search.num_trials:
            return tried
        settings = _draw(generator, search.method, space)
        if _facts.passes(search.method, challenge, defaults | settings) <= most:
            tried.append(Trial(settings))
    raise InputError(
        f"Nearly all settings in the search space of '{search.method}' cost more than {MOST_PASSES} of a retraining on "
        f"'{challenge.name}'. Expected cheaper ones. Lower the upper ends in {methods.path(search.method)}."
    )


def _draw(generator: np.random.Generator, method: str, space: Mapping[str, tuple[Any, ...]]) -> Settings:
    """Returns one setting, rounded to what people would write."""
    settings: Settings = {}
    for name, (kind, *ends) in space.items():
        if kind == "int":
            settings[name] = int(generator.integers(ends[0], ends[1] + 1))
        elif kind == "one of":
            settings[name] = ends[generator.integers(len(ends))]
        elif kind == "log":
            settings[name] = float(f"{np.exp(generator.uniform(*np.log(ends))):.2g}")
        elif kind == "even":
            settings[name] = float(f"{generator.uniform(*ends):.2g}")
        else:
            raise InputError(
                f"SEARCH_SPACE of the method '{method}' has the kind '{kind}' for '{name}'. Expected int, log, even or "
                f"'one of'. Correct {methods.path(method)}."
            )
    return settings
