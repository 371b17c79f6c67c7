"""A method that is run from several originals: their models as one population, and what one original's luck adds.

Decisions:

- An original is trained like the first, with the next seed (`Challenge.training_seed`); the split and the retrained
  models stay, since those do not depend on it.
- A score is that of all models together. Unlearning is defined over the draw of the whole training, so a method that
  draws nothing itself has a distribution too: over its originals.
- A score's own standard error takes models for independent. To its square is added that of the jackknife that leaves
  out one original with all of its runs. The luck of the runs is in both, once too often: the error is too large by the
  root of 2 where runs are all that differ, and right where originals or examples do.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from kit.types import NUM_WITH_LOGITS, Challenge, InputError, Outputs, Score

_CONFIDENCE = 0.95
# The jackknife's groups of models come round again after so many turns of two originals.
_TURNS = 8


def with_originals(challenge: Challenge, num_originals: int) -> list[Challenge]:
    """Returns the challenge once for each original; they differ in the seed of the training alone.

    Args:
        challenge: the first of them.
        num_originals: >= 1; their training seeds follow on each other.

    Raises:
        InputError: fewer than one; or more, and the original is a user's own weights, of which there is one.
    """
    if num_originals < 1:
        raise InputError(
            f"{num_originals} originals were asked for. Expected 1 or more. Leave out --originals, and there is one."
        )
    if num_originals > 1 and challenge.original is not None:
        raise InputError(
            f"{num_originals} originals were asked for, and the original of '{challenge.name}' is a file of weights. "
            "Expected one original, since nothing trains another one that is just like it. Leave out --originals, or "
            "the weights, so that originals are trained by the recipe."
        )
    first = challenge.training_seed
    return [dataclasses.replace(challenge, training_seed=first + number) for number in range(num_originals)]


def pooled(runs: Sequence[Outputs]) -> tuple[Outputs, np.ndarray]:
    """Returns the models from all originals as one population, and the number of each one's original.

    Models stand in turns, one from each original, and each turn begins with another one: so halves and groups of
    neighbours hold all originals alike. Where the runs from each original are all the same, since the method draws
    nothing, one run each is kept: copies would pass for a population.

    Args:
        runs: what the runs from each original say, equally many.

    Example:
        >>> parts = [np.full((2, 1), number, np.float32) for number in (0, 10)]
        >>> each = [Outputs("m", {"test": part + [[0], [1]]}, {"test": part > 0}, {"test": [0]}, [0, 0], [0, 1])
        ...         for part in parts]
        >>> together, originals = pooled(each)
        >>> together.confidences["test"][:, 0].tolist(), originals.tolist()
        ([0.0, 10.0, 11.0, 1.0], [0, 1, 1, 0])
    """
    if len(runs) == 1:
        return runs[0], np.zeros(runs[0].num_models, np.int64)
    if all(_draws_nothing(part) for part in runs):
        runs = [part.select(slice(1)) for part in runs]
    count, num_models = len(runs), runs[0].num_models
    places = [
        ((turn + run + run // count + run // _TURNS) % count, run) for run in range(num_models) for turn in range(count)
    ]
    first = runs[0]
    together = Outputs(
        first.method,
        {part: np.stack([runs[number].confidences[part][run] for number, run in places]) for part in first.confidences},
        {part: np.stack([runs[number].correct[part][run] for number, run in places]) for part in first.correct},
        first.labels,
        np.array([runs[number].seconds[run] for number, run in places]),
        np.array([runs[number].seeds[run] for number, run in places]),
        {part: _logits(runs, places, part) for part in first.logits},
        {fact: np.array([runs[number].facts[fact][run] for number, run in places]) for fact in first.facts},
        tuple(runs[number].costs[run] for number, run in places),
    )
    return together, np.array([number for number, _ in places])


def _draws_nothing(outputs: Outputs) -> bool:
    return all(bool((array == array[:1]).all()) for array in outputs.confidences.values())


def _logits(runs: Sequence[Outputs], places: Sequence[tuple[int, int]], part: str) -> np.ndarray:
    """Returns the logits of the first models in their new places; each original has kept those of its first runs."""
    return np.stack([runs[number].logits[part][run] for number, run in places[:NUM_WITH_LOGITS]])


def nested_scores(scores: Mapping[str, Score], without: Sequence[Mapping[str, Score]]) -> dict[str, Score]:
    """Returns scores whose errors hold the luck of the originals too.

    Args:
        scores: of the models from all originals.
        without: the same, each of the originals left out in turn; 2 or more.

    Example:
        >>> def score(value, stderr=0.0):
        ...     return {"gap": Score("gap", value, stderr, "match_retrain", target=0.0)}
        >>> nested_scores(score(2.0, 0.3), [score(2.5), score(2.0), score(1.5)])["gap"].stderr.__round__(4)
        0.6506
    """
    return {name: _nested(score, [part[name] for part in without if name in part]) for name, score in scores.items()}


def _nested(score: Score, without: Sequence[Score]) -> Score:
    values = np.array([math.nan if part.value is None else part.value for part in without])
    if score.value is None or (score.stderr is None and score.target is None):  # a ratio of times, for one
        return score
    if not np.isfinite(values).all():
        warning = "the spread between originals is not known, since too few models are left without one of them"
        return dataclasses.replace(score, warnings=(*score.warnings, warning))
    from scipy import stats  # where several originals are asked for only: stored scores are shown without it

    count = len(values)
    luck = math.sqrt((count - 1) / count * float(((values - values.mean()) ** 2).sum()))
    reach = luck * float(stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1))
    normal = float(stats.norm.ppf((1 + _CONFIDENCE) / 2))
    gap = None if score.target is None else score.value - score.target
    return dataclasses.replace(
        score,
        stderr=math.hypot(score.stderr or 0.0, luck),
        interval=_widened(score.interval, score.value, normal * (score.stderr or 0.0), reach),
        gap_stderr=None if score.gap_stderr is None else math.hypot(score.gap_stderr, luck),
        gap_interval=None
        if gap is None or score.gap_stderr is None
        else _widened(score.gap_interval, gap, normal * score.gap_stderr, reach),
    )


def _widened(interval: tuple[float, float] | None, value: float, half: float, reach: float) -> tuple[float, float]:
    """Returns an interval of which each end lies farther from the value, by what is added to its variance."""
    low, high = interval or (value - half, value + half)
    return value - math.hypot(value - low, reach), value + math.hypot(high - value, reach)
