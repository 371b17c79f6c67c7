"""Scorers, one file a family: arrays in, numbers out, never a model. The folder is the registry.

A file declares `SCORES`, a tuple of `ScoreInfo`, and defines `score(comparison) -> list[Score]` with one entry for
each. Installed packages can add families (see `kit.extensions`). The functions beneath take plain arrays and can be
used on their own; this package hands them on by name:

>>> from kit.scorers import membership_auc
>>> import numpy as np
>>> membership_auc(np.array([0.1, 0.4]), np.array([0.3, 0.9]))
0.75

Decisions:

- A forgetting score's noise comes from halves of the models, never from a bootstrap, which is wrong for a maximum. Of
  two parts that overlap (models, examples) the overlap is counted once; a test over simulated populations checks that
  the interval covers.
- What is held against a target speaks of new trainings on the same split (`_gap`): the examples are the same on both
  sides, and to count their luck beside the models' would count the noise of each model on each example twice. Intervals
  are by Student's t; `python -m benchmarks.coverage` shows what they cover. Values alone (`stderr`) and the
  competition's scores speak of examples as drawn, too.
- The standard error of `mia_gap` counts the unlearned model's own seed as if it varied like a retrained one. That is
  right under the hypothesis that matters, that the method is as good as retraining.
- The kit's own criterion is `distance`, a mean square. Whatever rewards spread can be bought with noise: the
  competition's score, and energy distances, which beyond a large shift fall as noise is added. A mean square rises.
  What one original's luck adds is on unseen examples as well, and taken off: of the distance of means it was the larger
  part on `digits`, so that noise on the weights, which averages it out, came before methods that forget.
- KLoM compares halves, for value and target alike: it depends on the number of models, and no finite population
  reaches 0.
- What several scores, or several rows of a table, need of the same outputs is asked of `comparison.once`: of the
  retrained models it is computed once a table. What is left is done on all cores, in blocks that a processor's cache
  holds, and no number depends on how many cores there are (`_threads`).
- Single thresholds are 400, always: in the released scorer's rounding they are 401 for some examples.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kit import extensions
from kit.extensions import Extension
from kit.types import InputError

if TYPE_CHECKING:
    from kit.types import Comparison, Score, ScoreInfo


def families() -> tuple[ModuleType, ...]:
    """Returns the modules of this folder, sorted by name, then those of installed packages.

    Raises:
        InputError: a family of an installed package is broken.
    """
    return (*_built_in(), *(_loaded(extension) for extension in _installed().extensions.values()))


def infos() -> tuple[ScoreInfo, ...]:
    """Returns what each score is called, which way is better, and what it says; broken families are left out."""
    families = list(_built_in())
    for extension in _installed().extensions.values():
        try:
            families.append(_loaded(extension))
        except InputError:
            continue  # `refused` says why, and `score_all` raises it
    return tuple(info for family in families for info in family.SCORES)


def require_installed() -> None:
    """Checks the families of installed packages, so that a broken one is refused before models are made.

    Raises:
        InputError: a family is broken.
    """
    for extension in _installed().extensions.values():
        _loaded(extension)


def refused() -> tuple[str, ...]:
    """Returns a paragraph for each family of an installed package that is left out, or is broken."""
    paragraphs = list(_installed().refused)
    for extension in _installed().extensions.values():
        try:
            _loaded(extension)
        except InputError as error:
            paragraphs.append(str(error))
    return tuple(paragraphs)


def names() -> tuple[str, ...]:
    """Returns the names of all scores.

    Example:
        >>> names()[:2]
        ('retain_accuracy', 'forget_accuracy')
    """
    return tuple(info.name for info in infos())


def score_all(comparison: Comparison, *, scored: Callable[[int], object] | None = None) -> dict[str, Score]:
    """Returns every score of one method by name.

    Args:
        comparison: of the method with retrained models.
        scored: is told after each family how many scores it has returned.

    Raises:
        InputError: a family of an installed package is broken, or returned other scores than it declares.
    """
    scores: dict[str, Score] = {}
    declared: list[ScoreInfo] = []
    for family in families():
        returned = {score.name: score for score in family.score(comparison)}
        if list(returned) != [info.name for info in family.SCORES]:
            raise InputError(
                f"The scorer {family.__name__} returned {', '.join(returned) or 'nothing'}. Expected one Score for "
                f"each of {', '.join(info.name for info in family.SCORES)}, in this order. Correct its 'score'."
            )
        scores |= returned
        declared += family.SCORES
        if scored is not None:
            scored(len(returned))
    if comparison.alone:
        reason = "there is a single retrained model, which has no other to be compared with"
        alone = {info.name for info in declared if info.relative and scores[info.name].value is not None}
        scores |= {name: replace(scores[name], value=None, stderr=None, reason=reason, warnings=()) for name in alone}
    return scores


def _stems() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def _built_in() -> tuple[ModuleType, ...]:
    return tuple(importlib.import_module(f"kit.scorers.{stem}") for stem in _stems())


def _installed() -> extensions.Installed:
    return extensions.installed("kit.scorers", _stems())


def _loaded(extension: Extension) -> ModuleType:
    """Imports an installed family, and checks what the rest of the kit takes for granted of it."""
    from kit.types import ScoreInfo

    family: ModuleType = extension.load()
    declared = getattr(family, "SCORES", ())
    if not declared or not all(isinstance(info, ScoreInfo) for info in declared):
        raise extension.broken("declares no SCORES, a tuple of kit.types.ScoreInfo")
    if not callable(getattr(family, "score", None)):
        raise extension.broken("defines no function 'score'")
    kit_names = {info.name for built_in in _built_in() for info in built_in.SCORES}
    clashes = [info.name for info in declared if info.name in kit_names]
    if clashes:
        raise extension.broken(f"declares the score '{clashes[0]}', which is one of the kit's own")
    return family


@functools.cache
def _functions() -> Mapping[str, Callable[..., Any]]:
    """Returns the public functions of the kit's families by name.

    A family's are those in its `__all__`, or that it defines, but for `score`, which each has, and for a function with
    the name of a family's file (`klom`), which is that module here.
    """
    functions: dict[str, Callable[..., Any]] = {}
    for family in _built_in():
        members = inspect.getmembers(family, inspect.isfunction)
        if hasattr(family, "__all__"):
            public = {name: member for name, member in members if name in family.__all__}
        else:
            public = {name: member for name, member in members if member.__module__ == family.__name__}
        functions |= {name: public[name] for name in public if name not in ("score", *_stems()) and name[0] != "_"}
    return functions


def __getattr__(name: str) -> Any:
    # A family's file is imported by whoever asked for it, once this has said that there is no such name.
    if name.startswith("_") or name in _stems() or name not in _functions():
        raise AttributeError(f"module 'kit.scorers' has no attribute '{name}'")
    return _functions()[name]


def __dir__() -> list[str]:
    return sorted(["families", "infos", "names", "refused", "score_all", *_stems(), *_functions()])
