"""The figures of `kit run` and `kit evaluate`: drawn again only where they would become others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kit import files, seals
from kit.evaluation import attack_sample
from kit.evaluation.scoring import digest

if TYPE_CHECKING:
    from kit.evaluation import Evaluation
    from kit.types import Challenge

_PLACE = "figures"


def draw(result: Evaluation, challenge: Challenge, folder: Path, record: Path) -> list[str]:
    """Writes the figures of an evaluation, without matplotlib where they are there already; returns their names.

    Args:
        result, challenge: what they are about.
        folder: where they go.
        record: file that says what the present figures are of.
    """
    members, nonmembers, _ = attack_sample(challenge)
    subject = digest(result.outputs, members, nonmembers)
    present = _present(folder, record, subject)
    if present is not None:
        return present
    from kit.reports import figures

    drawings = figures.figures(result.outputs, members, nonmembers)
    for name in figures.NAMES:
        _file(folder, name).unlink(missing_ok=True)  # of another run, which this report is not about
    for name, figure in drawings.items():
        figures.save(figure, _file(folder, name))
    digests = {name: files.sha256_of(_file(folder, name)) for name in drawings}
    seals.write_json(record, _PLACE, {"subject": subject, "figures": digests})
    return list(drawings)


def _present(folder: Path, record: Path, subject: str) -> list[str] | None:
    """Returns the names of the figures in the folder if they are whole and of this subject."""
    recorded = seals.read_json(record, _PLACE)
    if recorded is None or recorded["subject"] != subject:
        return None
    try:
        digests = {name: files.sha256_of(_file(folder, name)) for name in recorded["figures"]}
    except OSError:  # one of them is gone
        return None
    return list(digests) if recorded["figures"] == digests else None


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.png"
