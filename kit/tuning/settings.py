"""The settings that a search tries: a method's present ones, and others spread over its search space.

Points of Sobol's sequence leave no corner of the space empty, as many random ones do. They depend on nothing that was
scored: all settings of the first stage are known beforehand and can be tried at the same time, and a trace tells which
are still to be tried. A sampler that learns from scores, such as Optuna's, would have to learn from what one forget set
tells, setting after setting.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import qmc

from kit import methods
from kit.methods import _facts
from kit.rules import TIME_BUDGET
from kit.types import Challenge, InputError

# Of 8 models the distance on one forget set has an error of about 0.1, where good settings are 0.5 apart: another
# forget set says more than further models on the same one.
NUM_TRIALS, NUM_MODELS = 64, 8
# Retrained models to each unlearned one: they are made once for all settings and all methods.
RETRAINED_EACH = 4
# Two to this power are the settings from which the first ones that are cheap enough are taken.
_LOG2_DRAWN = 10
# A range is cut into so many parts, a power of two.
_BINS = 1 << 30

Settings = dict[str, Any]


@dataclass
class Trial:
    """One setting and what it has earned.

    Args:
        settings: hyper-parameters by name.
        present: these are the method's settings on the challenge today.
        scores: the setting's distance from retraining on the first forget sets, in their order; 0 is best.
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
        num_models: of the method with each setting on each forget set, >= 3; retrained ones are four times as many.
        seed: moves all settings but the present one.
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
            ((64, 1), (16, 3), (4, 10))
        """
        return (self.num_trials, 1), (max(1, self.num_trials // 4), 3), (max(1, self.num_trials // 16), 10)


def trials(search: Search, challenge: Challenge) -> list[Trial]:
    """Returns the settings to try: the present ones, and others that are cheap enough; more trials begin with the same.

    Present ones that cost more than the budget allows are left out: they could not be reported.

    Raises:
        InputError: the method has no search space, or one that nothing can be taken from.

    Example:
        >>> import kit
        >>> search = Search("gradient_ascent", "digits", num_trials=4)
        >>> tried = trials(search, kit.load_challenge("digits"))
        >>> [(trial.settings["epochs"], trial.present) for trial in tried[1:]]
        [(5, False), (12, False), (9, False)]
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
    most = challenge.recipe.total_epochs * len(challenge.split.retain)

    def is_cheap(settings: Settings) -> bool:
        return _facts.passes(search.method, challenge, defaults | settings) / most <= TIME_BUDGET

    present = {name: current[name] for name in space}
    tried = [Trial(present, present=True)] if is_cheap(present) else []
    for settings in filter(is_cheap, _spread(search, space)):
        if len(tried) >= search.num_trials:
            break
        tried.append(Trial(settings))
    if len(tried) == search.num_trials:
        return tried
    raise InputError(
        f"Nearly all settings in the search space of '{search.method}' cost more than {TIME_BUDGET} of a retraining on "
        f"'{challenge.name}'. Expected cheaper ones. Lower the upper ends in {methods.path(search.method)}."
    )


def _spread(search: Search, space: Mapping[str, tuple[Any, ...]]) -> Iterator[Settings]:
    """Yields settings that fill the space evenly: Sobol's sequence, with the same random bits turned in all points.

    That keeps its fields of equal size equally full, where a shift would not.
    """
    turned = np.random.default_rng(zlib.crc32(search.method.encode()) + search.seed).integers(_BINS, size=len(space))
    points = qmc.Sobol(len(space), scramble=False).random_base2(_LOG2_DRAWN) * _BINS
    for point in (points.astype(np.int64) ^ turned) / _BINS:
        yield {name: _at(float(u), search.method, name, *space[name]) for name, u in zip(space, point, strict=True)}


def _at(u: float, method: str, name: str, kind: str, *ends: Any) -> Any:
    """Returns the value at u in [0, 1) of a hyper-parameter's range, rounded to what people would write."""
    if kind == "int":
        return ends[0] + int(u * (ends[1] - ends[0] + 1))
    if kind == "one of":
        return ends[int(u * len(ends))]
    if kind == "log":
        return float(f"{ends[0] * (ends[1] / ends[0]) ** u:.2g}")
    if kind == "even":
        return float(f"{ends[0] + u * (ends[1] - ends[0]):.2g}")
    raise InputError(
        f"SEARCH_SPACE of the method '{method}' has the kind '{kind}' for '{name}'. Expected int, log, even or "
        f"'one of'. Correct {methods.path(method)}."
    )
