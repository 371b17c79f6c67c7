"""The page of `kit run` and `kit evaluate`: made once for the same results, and copied to each run's folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kit.evaluation import attack_sample
from kit.evaluation.scoring import digest
from kit.storage import files, seals

if TYPE_CHECKING:
    import numpy as np

    from kit.evaluation import Evaluation
    from kit.types import Challenge

EVIDENCE, PAGE = "evidence.json", "report.html"
_RECORD = "record.json"


def draw(result: Evaluation, challenge: Challenge, folder: Path, kept: Path) -> None:
    """Writes `EVIDENCE` and `PAGE` of an evaluation, without matplotlib where they were made before.

    Args:
        result, challenge: what they are about.
        folder: where they go.
        kept: folder of all that were made, in a folder for each evaluation.
    """
    members, nonmembers, _ = attack_sample(challenge)
    failures = {name: str(failure) for name, failure in result.failures.items()}
    place = kept / digest(result.outputs, members, nonmembers, result.reports, failures)[:24]
    if not _is_present(place):
        _make(result, challenge, (members, nonmembers), place)
    for name in (EVIDENCE, PAGE):
        shutil.copyfile(place / name, folder / name)


def _make(result: Evaluation, challenge: Challenge, sample: tuple[np.ndarray, np.ndarray], folder: Path) -> None:
    """Writes both files into the folder that is named by their subject, the record last."""
    from kit.reports import evidence, gathering, page
    from kit.reports.records import Record

    shown = gathering.gather(Record(result.reports, result.failures), result.outputs, challenge, *sample)
    evidence.write(folder / EVIDENCE, shown)
    page.write(folder / PAGE, page.Stored(result.reports, result.failures, shown))
    digests = {name: files.sha256_of(folder / name) for name in (EVIDENCE, PAGE)}
    seals.write_json(folder / _RECORD, _place(folder), digests)


def _is_present(folder: Path) -> bool:
    """Returns whether the folder holds both files, whole."""
    recorded = seals.read_json(folder / _RECORD, _place(folder))
    if recorded is None:
        return False
    try:
        digests = {name: files.sha256_of(folder / name) for name in recorded}
    except OSError:  # one of them is gone
        return False
    return bool(recorded == digests)


def _place(folder: Path) -> str:
    return f"pages/{folder.name}"
