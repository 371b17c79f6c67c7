"""A report as one page for a browser: everything in one file, nothing fetched, nothing run that the kit did not write.

Decisions:

- The page is made of a stored report and, where it is there, the evidence beside it: never of a model.
- Jinja2 escapes every text. Names of methods, labels and warnings may be a stranger's; should one get through all the
  same, the page's own policy runs no script but the one whose digest it states, and loads nothing at all.
- Panels of a kind lie upon one drawn frame, so that thirty methods fit into a megabyte.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kit.reports import captions, evidence, figures, inline, leaks, phrases, ranking, records, tradeoff, words
from kit.reports.columns import Column, Line, columns, lines
from kit.reports.evidence import Evidence, Row
from kit.reports.inline import Image, Key
from kit.reports.leaks import Leaks
from kit.rules import LANDMARKS, ORIGINAL, TIME_BUDGET
from kit.storage import files
from kit.types import FailedRun, InputError, Report

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Panel:
    """A panel: whose it is, a number below the name, what it says in words, and its picture."""

    name: str
    note: str
    alternative: str
    image: Image


@dataclass(frozen=True)
class Gallery:
    """Panels of one kind upon one frame, with a title, a paragraph that explains them, and a legend."""

    name: str
    title: str
    text: str
    keys: Sequence[Key]
    frame: Image
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Stored:
    """What a folder of results holds: its report, and the evidence and the leaks where they are there."""

    reports: tuple[Report, ...]
    failures: Mapping[str, FailedRun] = field(default_factory=dict)
    evidence: Evidence | None = None
    leaks: Leaks | None = None


def read(path: Path) -> Stored:
    """Returns the report and the evidence that are stored.

    Args:
        path: a folder with a `report.json`, or that file under any name.

    Raises:
        InputError: there is none, one is damaged or of a newer version, rows are of several splits or score versions,
            or the evidence is another run's.
    """
    file = path / "report.json" if path.is_dir() else path
    record = records.read_json(file)
    _check_one_run(record.reports, file)
    place, beside = file.parent / evidence.NAME, file.parent / leaks.NAME
    measured = leaks.read(beside) if path.is_dir() and beside.exists() else None
    if not path.is_dir() or not place.exists():
        return Stored(record.reports, record.failures, leaks=measured)
    shown = evidence.read(place)
    names = [ranking.title(report) for report in record.reports]
    if shown.report_sha256 != json.loads(file.read_bytes()).get("sha256") or [row.name for row in shown.rows] != names:
        raise InputError(
            f"'{place}' is of another run than the report beside it. Expected both as one 'kit run' wrote them. Copy "
            "the whole folder again, or remove the evidence to do without pictures of examples."
        )
    return Stored(record.reports, record.failures, shown, measured)


def _check_one_run(reports: Sequence[Report], file: Path) -> None:
    if not reports:
        raise InputError(f"'{file}' holds no reports. Expected one row or more. Write it again with 'kit run'.")
    for what, values in (
        ("splits", {(report.challenge, report.split, report.split_sha256) for report in reports}),
        ("score versions", {report.score_version for report in reports}),
    ):
        if len(values) > 1:
            raise InputError(
                f"'{file}' mixes rows of {len(values)} {what}, which cannot be compared. Expected the rows of one run. "
                "Give each its own file."
            )


def render(stored: Stored) -> str:
    """Returns the page as HTML.

    Args:
        stored: what it is about.
    """
    import jinja2

    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        **_content(stored),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        styles=(_TEMPLATES / "page.css").read_text(encoding="utf-8"),
    )


def write(path: Path, stored: Stored) -> None:
    """Writes the page, atomically."""
    text = render(stored)
    with files.atomic_write(path) as stream:
        stream.write(text.encode())


def _content(stored: Stored) -> dict[str, object]:
    """Returns what the template shows, by the names that it has for it."""
    reports, shown = stored.reports, _ordered(stored)
    main, others = columns(reports)
    picture = tradeoff.tradeoff(reports)
    drawn = (
        inline.image(figures.svg(tradeoff.figure(picture, with_names=False), "tradeoff")) if picture.methods else None
    )
    return {
        "first": reports[0],
        "sentence": phrases.summary(reports),
        "failures": stored.failures,
        "main": _table(reports, main),
        "others": _table(reports, others),
        "tradeoff": picture,
        "tradeoff_image": drawn,
        "tradeoff_text": phrases.tradeoff(picture),
        "galleries": [] if shown is None else galleries(shown),
        "evidence": shown,
        "leaks": stored.leaks,
        "questions": leaks.QUESTIONS,
        "afters": [] if shown is None else _afters(shown, reports),
        "explained": [*main, *others],
        "sentences": [*words.meaning(reports), *words.facts_told(reports)],
        "warnings": words.warnings(reports),
        "commands": phrases.commands(reports),
        "facts": phrases.provenance(reports[0]),
        "budget": TIME_BUDGET,
        "before": None if shown is None else shown.rows[0],
        "retrained": None if shown is None else shown.reference(shown.rows[0]),
    }


def _ordered(stored: Stored) -> Evidence | None:
    """Returns the evidence with the rows of the ranking between the landmarks, as they are read."""
    if stored.evidence is None:
        return None
    ranks = {rank.method: number for number, rank in enumerate(ranking.rank(stored.reports))}
    rows = stored.evidence.rows
    methods = sorted((row for row in rows if row.name in ranks), key=lambda row: ranks[row.name])
    landmarks = [row for row in rows if row.name not in ranks]
    originals = [row for row in landmarks if row.name.startswith(ORIGINAL)]
    others = [row for row in landmarks if row not in originals]
    return replace(stored.evidence, rows=(*originals, *methods, *others))


def _afters(shown: Evidence, reports: Sequence[Report]) -> list[Row]:
    """Returns the rows whose losses can be shown as those after unlearning, the best first."""
    landmarks = {ranking.title(report) for report in reports if report.method in LANDMARKS}
    return [row for row in shown.rows if row.name not in landmarks]


def _table(
    reports: Sequence[Report], shown: Sequence[Column]
) -> tuple[Sequence[Column], Sequence[Line], Sequence[Line]]:
    """Returns columns, the lines of methods, and those of landmarks."""
    methods, landmarks = lines(reports, shown)
    return shown, methods, landmarks


def galleries(shown: Evidence) -> list[Gallery]:
    """Returns the small multiples, kind by kind."""
    result = []
    for name, (rows, kind) in figures.kinds(shown).items():
        frame, drawn = inline.layers(rows, kind, name)
        panels = [
            Panel(row.name, kind.note(row), captions.alternative(name, row, shown), image)
            for row, image in zip(rows, drawn, strict=True)
        ]
        title, text = phrases.GALLERIES[name]
        result.append(Gallery(name, title, text, inline.keys(kind.keys), frame, panels))
    return result
