"""The figures of `kit run` and `kit evaluate`: drawn once for the same outputs, and copied to each run's folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kit import files, seals
from kit.evaluation import attack_sample
from kit.evaluation.scoring import digest

if TYPE_CHECKING:
    import numpy as np

    from kit.evaluation import Evaluation
    from kit.types import Challenge

_RECORD = "record.json"


def draw(result: Evaluation, challenge: Challenge, folder: Path, kept: Path) -> list[str]:
    """Writes the figures of an evaluation, without matplotlib where they were drawn before; returns their names.

    Args:
        result, challenge: what they are about.
        folder: where they go.
        kept: folder of all that were drawn, in a folder for each evaluation.
    """
    members, nonmembers, _ = attack_sample(challenge)
    subject = digest(result.outputs, members, nonmembers)[:24]
    names = _present(kept / subject)
    if names is None:
        names = _drawn(result, members, nonmembers, kept / subject)
    for name in names:
        shutil.copyfile(_file(kept / subject, name), _file(folder, name))
    return names


def _drawn(result: Evaluation, members: np.ndarray, nonmembers: np.ndarray, folder: Path) -> list[str]:
    """Draws the figures into the folder that is named by their subject, the record last."""
    from kit.reports import figures

    drawings = figures.figures(result.outputs, members, nonmembers)
    for name, figure in drawings.items():
        figures.save(figure, _file(folder, name))
    digests = {name: files.sha256_of(_file(folder, name)) for name in drawings}
    seals.write_json(folder / _RECORD, _place(folder), digests)
    return list(drawings)


def _present(folder: Path) -> list[str] | None:
    """Returns the names of the figures in the folder if they are whole."""
    recorded = seals.read_json(folder / _RECORD, _place(folder))
    if recorded is None:
        return None
    try:
        digests = {name: files.sha256_of(_file(folder, name)) for name in recorded}
    except OSError:  # one of them is gone
        return None
    return list(digests) if recorded == digests else None


def _place(folder: Path) -> str:
    return f"figures/{folder.name}"


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.png"
