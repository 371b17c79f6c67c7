"""Scorers, one file a family: arrays in, numbers out, never a model. The folder is the registry.

A file declares `SCORES`, a tuple of `ScoreInfo`, and defines `score(comparison) -> list[Score]` with one entry for
each. The functions beneath take plain arrays and can be used on their own.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from kit.types import Comparison, Score, ScoreInfo


def families() -> tuple[ModuleType, ...]:
    """Returns the modules of this folder, sorted by name."""
    files = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    return tuple(importlib.import_module(f"kit.scorers.{name}") for name in files)


def infos() -> tuple[ScoreInfo, ...]:
    """Returns what each score is called, which way is better, and what it says."""
    return tuple(info for family in families() for info in family.SCORES)


def names() -> tuple[str, ...]:
    """Returns the names of all scores.

    Example:
        >>> names()[:2]
        ('retain_accuracy', 'forget_accuracy')
    """
    return tuple(info.name for info in infos())


def score_all(comparison: Comparison) -> dict[str, Score]:
    """Returns every score of one method by name."""
    scores = {score.name: score for family in families() for score in family.score(comparison)}
    if comparison.alone:
        reason = "there is a single retrained model, which has no other to be compared with"
        alone = {info.name for info in infos() if info.relative and scores[info.name].value is not None}
        scores |= {name: replace(scores[name], value=None, stderr=None, reason=reason, warnings=()) for name in alone}
    return scores
