"""Scores kept beside the runs that they are of: what was scored once is not scored again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit import scorers
from kit.machine import environment
from kit.machine.bars import progress
from kit.storage import seals
from kit.types import Comparison, Score


def score_rows(comparisons: Mapping[str, Comparison], folder: Path | None) -> dict[str, dict[str, Score]]:
    """Returns every score of each row of a table, by row and by name.

    Args:
        comparisons: what is scored, by row.
        folder: where scores are kept and found again; None to keep nothing.
    """
    total = len(comparisons) * len(scorers.names())
    with progress(total=total, label="scoring", unit="score") as bar:
        rows = {}
        for row, (name, comparison) in enumerate(comparisons.items(), start=1):
            rows[name] = score(comparison, folder, scored=bar.update)
            bar.update(row * total // len(comparisons) - bar.n)  # scores that were at hand
    return rows


def score(
    comparison: Comparison, folder: Path | None, *, scored: Callable[[int], object] | None = None
) -> dict[str, Score]:
    """Returns every score of one row by name.

    Args:
        comparison: what is scored.
        folder: where scores are kept and found again; None to keep nothing.
        scored: as in `kit.scorers.score_all`.
    """
    if folder is None:
        return scorers.score_all(comparison, scored=scored)
    of_retrained = comparison.once(digest, comparison.retrained)
    path = folder / f"{digest({**_compared(comparison), 'retrained': of_retrained})[:24]}.json"
    stored = _read(path)
    if stored is not None:
        return stored
    scores = scorers.score_all(comparison, scored=scored)
    seals.write_json(path, _place(path), {name: asdict(score) for name, score in scores.items()})
    return scores


def digest(*content: Any) -> str:
    """Returns the sha256 of arrays, numbers, texts, and what holds them, with the code and the machine."""
    hashed = hashlib.sha256()
    _update(hashed, [environment.source_sha256(), environment.versions(), environment.machine(), *content])
    return hashed.hexdigest()


def _update(hashed: Any, content: Any) -> None:
    if isinstance(content, np.ndarray):
        hashed.update(f"{content.shape}{content.dtype.str} ".encode())
        hashed.update(np.ascontiguousarray(content).data)
    elif is_dataclass(content):
        _update(hashed, _compared(content))
    elif isinstance(content, Mapping):
        _update(hashed, [part for pair in content.items() for part in pair])
    elif isinstance(content, list | tuple):
        hashed.update(f"{len(content)} ".encode())
        for part in content:
            _update(hashed, part)
    else:
        hashed.update(f"{content!r} ".encode())


def _compared(content: Any) -> dict[str, Any]:
    """The fields of a dataclass that make it equal to another one."""
    return {field.name: getattr(content, field.name) for field in fields(content) if field.compare}


def _read(path: Path) -> dict[str, Score] | None:
    """Returns stored scores, or None where there are none, or no whole ones."""
    stored = seals.read_json(path, _place(path))
    return None if stored is None else {name: Score(**_with_tuples(score)) for name, score in stored.items()}


def _place(path: Path) -> str:
    return f"scores/{path.name}"


def _with_tuples(score: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in score.items()}
