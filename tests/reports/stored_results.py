"""Reports and evidence as a run stores them, with as many methods as a test asks for; made up, and quickly."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import kit
from kit.reports import evidence, ranking, records
from kit.reports.evidence import Curve, Distances, Evidence, Example, Row, epsilon_edges
from kit.reports.page import Stored
from kit.storage import files
from kit.types import Report

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
DOTS = 12
BINS = len(evidence.LOSS_EDGES) - 1


@functools.cache
def _shipped() -> tuple[Report, ...]:
    """Reports that come with the kit, of the usual training."""
    rows = kit.report.read_json(files.data_folder() / "results" / "noisy-digits.json").reports
    return tuple(report for report in rows if not report.pretraining)


def reports_of(names: Sequence[str]) -> tuple[Report, ...]:
    """Returns rows between the two landmarks, with the numbers of stored ones."""
    usual = _shipped()
    methods = [report for report in usual[1:-1] if report.score("forgetting_score").value is not None]
    rows = [replace(methods[number % len(methods)], method=name) for number, name in enumerate(names)]
    return usual[0], *rows, usual[-1]


def row(name: str, number: int, *, models: int = 16, populations: bool = True, training: str = "") -> Row:
    """Returns what a row shows: numbers that depend on `number` alone."""
    generator = np.random.default_rng(number)
    bins = len(epsilon_edges(models)) - 1
    rates = np.geomspace(0.01, 1, 20)
    shares = generator.dirichlet(np.ones(BINS), 2)
    return Row(
        name=name,
        training=training,
        num_models=models,
        forget_losses=tuple(shares[0].tolist()),
        test_losses=tuple(shares[1].tolist()),
        curve=Curve(tuple(rates.tolist()), tuple((rates**0.8).tolist()), 0.5 + number / 1000),
        forget_accuracies=(0.5, None, 0.75),
        test_accuracies=(0.6, 0.7, 0.8),
        example_losses=(1.25 + number, 2.5),
        confidences=tuple(generator.normal(number % 5, 1, models).tolist()),
        distances=Distances(
            models,
            tuple(generator.dirichlet(np.ones(bins)).tolist()),
            (8, 16),
            (0.2, 0.1),
            1.5,
            tuple(generator.uniform(0, 9, DOTS).tolist()),
        )
        if populations
        else None,
    )


def evidence_of(reports: Sequence[Report], *, populations: bool = True, label: str = "7") -> Evidence:
    """Returns evidence of these reports: two examples, three classes."""
    examples = (Example(12, label, True, PIXEL, ()), Example(3, "1", False, "", (0.5, -1.25)))
    rows = tuple(
        row(ranking.title(report), number, populations=populations, training=report.pretraining)
        for number, report in enumerate(reports)
    )
    memorised = tuple(np.linspace(-0.25, 3, DOTS).tolist()) if populations else ()
    digest = records.stated_sha256(records.Record(tuple(reports)))
    return Evidence(digest, "class", ("0", "1", label), examples, rows, memorised)


def stored(*names: str, populations: bool = True, label: str = "7") -> Stored:
    """Returns what a folder of results of these methods holds."""
    reports = reports_of(names)
    return Stored(reports, {}, evidence_of(reports, populations=populations, label=label))


def write(folder: Path, content: Stored) -> Path:
    """Writes a folder of results; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    kit.report.write_json(folder / "report.json", content.reports, content.failures)
    if content.evidence is not None:
        evidence.write(folder / evidence.NAME, content.evidence)
    return folder
