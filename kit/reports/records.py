"""Reports as JSON and back: the only reader and writer of `report.json`.

A file is an object with four keys, and others that this module leaves alone:

- `score_version`: of all reports in it, e.g. "1.2".
- `reports`: a list with an object for each row. Its keys and their types are the fields of `kit.types.Report`; those
  with a default may be absent. `scores` maps each score's name to an object with the fields of `kit.types.Score`. Which
  scores there are is not fixed: a file of a version of the kit with other scorers is read as well.
- `failures`: a list with an object for each method that failed: `method`, `check` (of `kit validate`, or "runs") and
  `reason`, a paragraph.
- `sha256`: of the rest (`kit.seals`), by which damage is seen. Files of older versions have none.

Numbers are finite. What could not be computed is null, with a reason beside it.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from kit import files, seals
from kit.types import BrokenSubmission, FailedRun, InputError, Report

_EXPECTED = "Expected what 'kit run --json' writes"
_ADVICE = "Write the file again with 'kit run' or 'kit evaluate'."
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
    rows = [asdict(report) for report in reports]
    return {"score_version": ", ".join(versions), "reports": rows, "failures": failed}


def write_json(path: Path, reports: Sequence[Report], failures: Mapping[str, FailedRun] | None = None) -> None:
    """Writes `to_json(reports, failures)` and its digest, atomically."""
    files.write_json(path, seals.with_digest(to_json(reports, failures)))


def from_json(content: Any, *, where: str = "the report") -> Record:
    """Returns what `to_json` was given.

    Args:
        content: as `json.loads` returns it.
        where: begins the name of a place in error messages, e.g. a file's name.

    Raises:
        InputError: a key is missing, is none of a report's, or holds something of another type.

    Example:
        >>> from_json({"score_version": "", "reports": [], "failures": []}).reports
        ()
    """
    if not isinstance(content, dict):
        raise _damaged(where, f"is {_described(content)}, not an object")
    missing = [key for key in ("score_version", "reports", "failures") if key not in content]
    if missing:
        raise _damaged(where, f"has no '{missing[0]}'")
    reports: tuple[Report, ...] = _read(content["reports"], tuple[Report, ...], f"reports of {where}")
    failed = _read(content["failures"], tuple[dict[str, str], ...], f"failures of {where}")
    if any(set(entry) != {"method", "check", "reason"} for entry in failed):
        raise _damaged(f"failures of {where}", "has an entry without 'method', 'check' and 'reason' alone")
    return Record(reports, {entry["method"]: _failure(entry["check"], entry["reason"]) for entry in failed})


def read_json(path: str | Path) -> Record:
    """Returns the reports in a file that `write_json`, `kit run` or `kit evaluate` wrote.

    Raises:
        InputError: there is no such file, it is no JSON, or no report.
    """
    path = Path(path)
    content = files.checked(
        lambda: seals.without_digest(json.loads(path.read_text(encoding="utf-8-sig"))),
        path,
        "a report.json of 'kit run'",
    )
    return from_json(content, where=f"'{path}'")


def _failure(check: str, reason: str) -> FailedRun:
    return FailedRun(reason) if check == _RUNS else BrokenSubmission(check, reason)


def _read(value: Any, kind: Any, where: str) -> Any:
    """Returns `value`, as JSON has it, as an object of type `kind`; the dataclasses' annotations are the schema."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _read_dataclass(value, kind, where)
    if origin in (typing.Union, types.UnionType):
        return (
            None if value is None else _read(value, next(part for part in arguments if part is not type(None)), where)
        )
    if origin is typing.Literal:
        if value not in arguments:
            raise _damaged(where, f"is {_described(value)}, not one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        return _read_tuple(value, arguments, where)
    if origin in (Mapping, dict):
        if not isinstance(value, dict):
            raise _damaged(where, f"is {_described(value)}, not an object")
        return {key: _read(entry, arguments[1], f"'{key}' in {where}") for key, entry in value.items()}
    return _read_plain(value, kind, where)


def _read_dataclass(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _damaged(where, f"is {_described(value)}, not an object")
    hints = typing.get_type_hints(kind)
    required = {part.name for part in fields(kind) if part.default is MISSING and part.default_factory is MISSING}
    unknown, missing = sorted(value.keys() - hints.keys()), sorted(required - value.keys())
    if unknown or missing:
        raise _damaged(where, f"has no '{missing[0]}'" if missing else f"has a key '{unknown[0]}'")
    instance = kind(**{name: _read(entry, hints[name], f"'{name}' in {where}") for name, entry in value.items()})
    if isinstance(instance, Report):
        for name, score in instance.scores.items():
            if score.name != name:
                raise _damaged(f"'scores' in {where}", f"has a score '{score.name}' under the key '{name}'")
    return instance


def _read_tuple(value: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    many = arguments[-1] is Ellipsis
    if not isinstance(value, list | tuple) or not (many or len(value) == len(arguments)):
        raise _damaged(where, f"is {_described(value)}, not a list{'' if many else f' of {len(arguments)}'}")
    kinds = [arguments[0]] * len(value) if many else arguments
    places = (f"number {number} of {where}" for number in range(1, len(value) + 1))
    return tuple(_read(entry, kind, place) for entry, kind, place in zip(value, kinds, places, strict=True))


def _read_plain(value: Any, kind: type, where: str) -> Any:
    """Returns a text or a number; whole numbers may stand for others, but never true and false."""
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or isinstance(value, bool):
        names = {str: "a text", int: "a whole number", float: "a number"}
        raise _damaged(where, f"is {_described(value)}, not {names[kind]}")
    if isinstance(value, float) and not math.isfinite(value):
        raise _damaged(where, f"is {value}, not a finite number")
    return value


def _described(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _damaged(where: str, what: str) -> InputError:
    return InputError(f"{where[0].upper()}{where[1:]} {what}. {_EXPECTED} (see kit/reports/records.py). {_ADVICE}")
