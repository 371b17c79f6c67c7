"""The folder that proves what became of a request: for machines, for the people of the request, for whoever signs."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import kit
from kit import evaluation, reports
from kit.machine import environment
from kit.reports import gathering, page
from kit.reports.records import Record
from kit.requests import statement
from kit.requests.outcome import Outcome
from kit.requests.output_harm import OutputHarm
from kit.requests.request import DeletionRequest
from kit.storage import files, seals
from kit.storage.digests import digest_of_arrays


def write(folder: Path, outcome: Outcome, unlearned_sha256: str = "") -> None:
    """Writes the folder (`kit.requests.publish` does so all or nothing).

    `statement.md` is the page for whoever signs; `request.json` has the records, hashes and the decision, with a
    digest; `report.json` and `report.html` are the kit's own (`kit.report`); `people.csv` has a line for each record;
    `harm.csv` one for each group of test examples; of a model with several outputs, `outputs.csv` has those of each.

    Args:
        folder: where to.
        outcome: what the evidence is of.
        unlearned_sha256: of the delivered file; by default of the delivered weights.

    Raises:
        CannotWrite: the system refuses it.
    """
    when = datetime.now(UTC).isoformat(timespec="seconds")
    sha256 = unlearned_sha256 or digest_of_arrays(outcome.model.get_weights())
    _write_text(folder / "statement.md", statement.page(outcome, when, sha256))
    files.write_json(folder / "request.json", seals.with_digest(_record(outcome, when, sha256)))
    reports.write_json(folder / "report.json", outcome.evaluation.reports, outcome.evaluation.failures)
    page.write(folder / "report.html", _stored(outcome))
    _write_text(folder / "people.csv", _csv(_people(outcome)))
    _write_text(folder / "harm.csv", _csv([_harm_row(group) for group in outcome.findings.harm]))
    if outcome.findings.outputs:
        _write_text(folder / "outputs.csv", _csv([_output_row(each) for each in outcome.findings.outputs]))


def _stored(outcome: Outcome) -> page.Stored:
    """Returns what the kit's page shows: the scores of all models, and pictures of what they say."""
    result, challenge = outcome.evaluation, outcome.request.challenge
    shown = None
    if result.outputs:
        members, nonmembers, _ = evaluation.attack_sample(challenge)
        record = Record(result.reports, result.failures)
        shown = gathering.gather(record, result.outputs, challenge, members, nonmembers)
    return page.Stored(tuple(result.reports), result.failures, shown)


def _record(outcome: Outcome, when: str, sha256: str) -> dict[str, Any]:
    request, challenge, choice = outcome.request, outcome.request.challenge, outcome.choice
    record: dict[str, Any] = _finite(
        {
            "when": when,
            "kit": kit.__version__,
            "versions": environment.versions(),
            "source_sha256": environment.source_sha256(),
            "model": {"name": request.net.name, "sha256": request.model_sha256, "unlearned_sha256": sha256},
            "data_sha256": request.data_sha256,
            "recipe": challenge.recipe.settings() | {"batch_size": challenge.batch_size}
            if request.training is None
            else request.training.described,
            "records": [
                {"row": int(row), **names, "sha256": record}
                for row, names, record in zip(request.rows, request.names, _hashes(request), strict=True)
            ],
            "method": outcome.method,
            "seed": outcome.seed,
            "decision": dataclasses.asdict(choice),
            "verdict": outcome.verdict,
            "findings": dataclasses.asdict(
                dataclasses.replace(outcome.findings, people=())  # they have a table of their own
            ),
        }
    )
    return record


def _hashes(request: DeletionRequest) -> list[str]:
    """Returns the hex digest of each record as it is in the data: its example and its label."""
    train = request.challenge.train
    return [
        hashlib.sha256(np.ascontiguousarray(train.x[place]).tobytes() + train.y[place].tobytes()).hexdigest()
        for place in request.challenge.split.forget
    ]


def _people(outcome: Outcome) -> list[dict[str, Any]]:
    request = outcome.request
    rows = zip(request.rows, request.names, outcome.findings.people, strict=True)
    return [{"row": int(row), **names, **numbers} for row, names, numbers in rows]


def _harm_row(group: Any) -> dict[str, Any]:
    return {
        "group": group.name,
        "examples": group.examples,
        "before": group.before,
        "after": group.after,
        "retrained": group.retrained,
        "difference": group.against_retrained.value,
        "low": group.against_retrained.low,
        "high": group.against_retrained.high,
        "harmed": group.harmed,
    }


def _output_row(harm: OutputHarm) -> dict[str, Any]:
    return {"output": harm.output, "measure": harm.measure} | _harm_row(harm)


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns a table; a text that a spreadsheet would take for a formula is quoted by an apostrophe."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


def _finite(content: Any) -> Any:
    """Returns what JSON can hold: what is no number becomes null."""
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _write_text(path: Path, text: str) -> None:
    with files.atomic_write(path) as stream:
        stream.write(text.encode())
