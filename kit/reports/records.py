"""Reports as JSON and back: the only reader and writer of `report.json`.

A file is an object with four keys, and others that this module leaves alone:

- `score_version`: of all reports in it, e.g. "1.2".
- `reports`: a list with an object for each row. Its keys and their types are the fields of `kit.types.Report`; those
  with a default may be absent. `scores` maps each score's name to an object with the fields of `kit.types.Score`. Which
  scores there are is not fixed: a file of a version of the kit with other scorers is read as well.
- `failures`: a list with an object for each method that failed: `method`, `check` (of `kit validate`, or "runs") and
  `reason`, a paragraph.
- `sha256`: of the rest (`kit.storage.seals`), by which damage is seen. Files of older versions have none.

Numbers are finite. What could not be computed is null, with a reason beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.rules import SCORE_VERSION
from kit.storage import files, seals, strict_json
from kit.types import BrokenSubmission, FailedRun, InputError, Report
from kit.types.from_json import damaged, described, read

_RUNS = "runs"


@dataclass(frozen=True)
class Record:
    """What a file of reports holds.

    Args:
        reports: the rows, in the order of the table.
        failures: method's name -> why it has no row; a `BrokenSubmission` where a check of `kit validate` failed.
    """

    reports: tuple[Report, ...]
    failures: Mapping[str, FailedRun] = field(default_factory=dict)


def to_json(reports: Sequence[Report], failures: Mapping[str, FailedRun] | None = None) -> dict[str, Any]:
    """Returns what `--json` writes: the score version, each report with its scores by name, and who failed and why.

    Example:
        >>> to_json([])["reports"]
        []
    """
    versions = sorted({report.score_version for report in reports})
    failed = [
        {"method": name, "check": getattr(failure, "check", _RUNS), "reason": str(failure)}
        for name, failure in (failures or {}).items()
    ]
    rows = [report.to_json() for report in reports]
    return {"score_version": ", ".join(versions), "reports": rows, "failures": failed}


def write_json(path: Path, reports: Sequence[Report], failures: Mapping[str, FailedRun] | None = None) -> None:
    """Writes `to_json(reports, failures)` and its digest, atomically."""
    files.write_json(path, seals.with_digest(to_json(reports, failures)))


def stated_sha256(record: Record) -> str:
    """Returns the digest that a file of these reports states, by which what lies beside it can refer to it."""
    digest: str = seals.with_digest(to_json(record.reports, record.failures))["sha256"]
    return digest


def from_json(content: Any, *, where: str = "the report") -> Record:
    """Returns what `to_json` was given.

    Args:
        content: as `json.loads` returns it.
        where: begins the name of a place in error messages, e.g. a file's name.

    Raises:
        InputError: a key is missing, is none of a report's, or holds something of another type; or a newer version of
            the kit wrote it, whose scores this one does not know.

    Example:
        >>> from_json({"score_version": "", "reports": [], "failures": []}).reports
        ()
    """
    if not isinstance(content, dict):
        raise damaged(where, f"is {described(content)}, not an object")
    missing = [key for key in ("score_version", "reports", "failures") if key not in content]
    if missing:
        raise damaged(where, f"has no '{missing[0]}'")
    _check_version(content["score_version"], where)
    reports: tuple[Report, ...] = read(content["reports"], tuple[Report, ...], f"reports of {where}")
    failed = read(content["failures"], tuple[dict[str, str], ...], f"failures of {where}")
    if any(set(entry) != {"method", "check", "reason"} for entry in failed):
        raise damaged(f"failures of {where}", "has an entry without 'method', 'check' and 'reason' alone")
    return Record(reports, {entry["method"]: _failure(entry["check"], entry["reason"]) for entry in failed})


def _check_version(versions: Any, where: str) -> None:
    """Refuses what was written by a newer version, which may mean other things by the same names."""
    try:
        numbers = [tuple(map(int, version.split("."))) for version in versions.split(", ") if version]
    except (AttributeError, ValueError):
        raise damaged(f"the score version of {where}", f"is {described(versions)}, not like {SCORE_VERSION}") from None
    if any(number > tuple(map(int, SCORE_VERSION.split("."))) for number in numbers):
        raise InputError(
            f"{where[0].upper()}{where[1:]} has the score version {versions}. Expected {SCORE_VERSION} or an older "
            "one, which this version of the kit knows. Install the version of the kit that wrote it."
        )


def read_json(path: str | Path) -> Record:
    """Returns the reports in a file that `write_json`, `kit run` or `kit evaluate` wrote.

    Raises:
        InputError: there is no such file, it is no JSON, or no report.
    """
    path = Path(path)
    content = files.checked(
        lambda: seals.without_digest(strict_json.loads(path.read_text(encoding="utf-8-sig"))),
        path,
        "a report.json of 'kit run'",
    )
    return from_json(content, where=f"'{path}'")


def require_one_version(reports: Sequence[Report]) -> None:
    """Checks that reports are of one score version, since numbers of several are not to be held against each other.

    Raises:
        InputError: they are of several.

    Example:
        >>> require_one_version([])
    """
    versions = {report.score_version: report.method for report in reports}
    if len(versions) > 1:
        rows = ", ".join(f"{version} ({versions[version]})" for version in sorted(versions))
        raise InputError(
            f"The reports are of several score versions: {rows}. Expected one, because numbers of different versions "
            "are not comparable. Evaluate the older ones again, or show each version by itself."
        )


def _failure(check: str, reason: str) -> FailedRun:
    return FailedRun(reason) if check == _RUNS else BrokenSubmission(check, reason)
