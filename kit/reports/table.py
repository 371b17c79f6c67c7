"""Reports as a table for people and as JSON for machines."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from kit import files, scorers
from kit.rules import NOISE, ORIGINAL, RETRAIN, TIME_BUDGET
from kit.types import FailedRun, Report, Score

# Tables of at most 80 columns: a score's name -> the header of its column.
_TABLES = {
    "": {
        "retain_accuracy": "accuracy\nretain",
        "forget_accuracy": "accuracy\nforget",
        "validation_accuracy": "accuracy\nvalid.",
        "test_accuracy": "accuracy\ntest",
        "forgotten_class_accuracy": "accuracy\nforgotten class",
        "mia_accuracy": "attack\naccuracy",
        "mia_auc": "attack\nAUC",
        "mia_gap": "AUC\ngap",
        "mia_tpr_at_1pct_fpr": "TPR at\n1% FPR",
        "time_ratio": "time\nratio",
    },
    "as a population, against as many retrained models": {
        "forgetting_score": "forgetting\nscore",
        "forgetting_ceiling": "\nceiling",
        "forgetting_score_normalised": "of the\nceiling",
        "competition_score": "competition\nscore",
        "ulira_accuracy": "U-LiRA\naccuracy",
        "ulira_auc": "U-LiRA\nAUC",
        "ulira_tpr_at_1pct_fpr": "U-LiRA TPR\n1 % FPR",
    },
    "other attacks": {
        "lira_auc": "LiRA\nAUC",
        "rmia_auc": "RMIA\nAUC",
        "svc_mia_efficacy": "SVC-MIA\nefficacy",
        "svc_mia_efficacy_m_entropy": "the same\nm-entropy",
    },
    "distance to retrained models": {
        "klom_forget": "KLoM\nforget",
        "klom_retain": "KLoM\nretain",
        "klom_test": "KLoM\ntest",
        "js_to_retrain": "JS to\nretrain",
        "average_gap": "average\ngap",
        "tug_of_war": "tug of\nwar",
    },
}
# A distance that is shown with its sign.
_SIGNED = {"mia_gap"}
# Where it does not apply, nobody misses it.
_UNMISSED = {"forgotten_class_accuracy"}
# In narrower terminals than this, eight columns of numbers leave as many characters to the name of a method.
_WIDE, _NARROW = 100, 15
_LARGE = 1000
_HEADERS = {name: header for headers in _TABLES.values() for name, header in headers.items()}


def to_json(reports: Sequence[Report], failures: Mapping[str, FailedRun] | None = None) -> dict[str, Any]:
    """Returns what `--json` writes: the score version, each report with its scores by name, and who failed and why.

    Example:
        >>> to_json([])["reports"]
        []
    """
    versions = sorted({report.score_version for report in reports})
    failed = [
        {"method": name, "check": getattr(failure, "check", "runs"), "reason": str(failure)}
        for name, failure in (failures or {}).items()
    ]
    rows = [asdict(report) for report in reports]
    return {"score_version": ", ".join(versions), "reports": rows, "failures": failed}


def write_json(path: Path, reports: Sequence[Report], failures: Mapping[str, FailedRun] | None = None) -> None:
    """Writes `to_json(reports, failures)`, atomically."""
    files.write_json(path, to_json(reports, failures))


def print_table(
    reports: Sequence[Report], console: Console | None = None, failures: Mapping[str, FailedRun] | None = None
) -> None:
    """Prints the reports as a table, a line for each column, and sentences that say what the numbers mean.

    Reports with another training of the original get a table of their own.
    """
    failures, console = failures or {}, console or Console(highlight=False)
    trainings = list(dict.fromkeys(report.pretraining for report in reports))
    for training in trainings:
        own = [report for report in reports if report.pretraining == training]
        _print_one_training(own, console, failures if training == trainings[0] else {})


def _print_one_training(reports: Sequence[Report], console: Console, failures: Mapping[str, FailedRun]) -> None:
    first = reports[0]
    trained = f", trained as '{first.pretraining}' wants it" if first.pretraining else ""
    parts: list[RenderableType] = [
        Text.assemble("\n", (first.challenge, "bold"), f", forget set {first.split}{_seed(first)}{trained}")
    ]
    for title, headers in _tables(reports).items():
        shown = [name for name in headers if any(report.scores[name].value is not None for report in reports)]
        if shown:
            parts += [Text(f"\n{title}", style="bold")] if title else []
            parts += [_table(reports, shown, list(failures) if not title else [], narrow=console.width < _WIDE)]
    parts.append(Text("\n" + "\n".join(f"  {note}" for note in _notes(reports)), style="dim"))
    told = [*meaning(reports), *facts_told(reports), *_warnings(reports)]
    told += [f"{name}: FAILED. {failure}" for name, failure in failures.items()]
    parts.append(Text("".join(f"\n{sentence}\n" for sentence in told)))
    console.print(Group(*parts))


def _seed(report: Report) -> str:
    return f" (split seed {report.split_seed})" if report.split_drawn else ""


def _tables(reports: Sequence[Report]) -> dict[str, dict[str, str]]:
    """Returns the tables by title: for single runs the first one, lest a newcomer lose sight of it."""
    return _TABLES if any(report.num_models > 1 for report in reports) else {"": _TABLES[""]}


def _table(reports: Sequence[Report], shown: Sequence[str], failed: Sequence[str], *, narrow: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("method", overflow="fold", min_width=8)
    for name in shown:
        table.add_column(_HEADERS[name], justify="right", no_wrap=True)
    for report in reports:
        method = _broken(report.method) if narrow else report.method
        table.add_row(method, *(_cell(report.scores[name]) for name in shown))
    for name in failed:
        table.add_row(name, "FAILED", *("" for _ in shown[1:]), style="red")
    targets = [reports[0].scores[name].target for name in shown]
    if any(target is not None for target in targets):
        table.add_row("target", *("" if target is None else f"{target:.3f}" for target in targets), style="dim")
    return table


def _broken(name: str) -> str:
    """Returns a long name in lines that end with an underscore, for a column that is too narrow for it."""
    lines = textwrap.wrap(name.replace("_", "_ "), _NARROW + 1, break_long_words=False)
    return "\n".join(line.replace("_ ", "_") for line in lines)


def _notes(reports: Sequence[Report]) -> list[str]:
    """Says of each score what it is, and why it is missing; what takes a population is not missed for a single run."""
    notes, told = [], {name for headers in _tables(reports).values() for name in headers}
    for info in scorers.infos():
        computed = any(report.scores[info.name].value is not None for report in reports)
        if info.name in _TABLES[""].keys() - _UNMISSED or (info.name in told and computed):
            remark = _remark([report.scores[info.name] for report in reports])
            notes.append(f"{_one_line(info.name)}: {info.explanation}{remark}")
    many = f"the mean of {reports[0].num_retrained} retrained models, where matching them"
    one = "what a single retrained model has, where matching it"
    notes.append(f"target: {many if reports[0].num_retrained > 1 else one} is the aim")
    last = reports[-1]
    if last.method == RETRAIN and last.num_models < reports[0].num_models:
        notes.append(
            f"the row retrain: {last.num_models} models, held against {last.num_retrained} others; scores that depend "
            "on the number of models are not comparable with the other rows"
        )
    if reports[0].num_models == 1:
        notes.append("report.json: more scores; 'kit evaluate --num-models 512': the 2023 competition's, and others")
    return notes


def facts_told(reports: Sequence[Report]) -> list[str]:
    """Returns a sentence a method that told something of its runs."""
    return [
        f"{report.method} tells of its runs, on average: "
        + ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in report.facts.items())
        for report in reports
        if report.facts
    ]


def _plain(value: float) -> str:
    """Returns whole numbers and large ones in full, and three digits of others."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= _LARGE else f"{value:.3g}"


def _warnings(reports: Sequence[Report]) -> list[str]:
    """Returns what scores warn of, each sentence once, with the methods that it is about."""
    about: dict[str, list[str]] = {}
    for report in reports:
        for warning in (*report.warnings, *(warning for score in report.scores.values() for warning in score.warnings)):
            about.setdefault(warning, []).append(report.method)
    return [f"Note ({', '.join(dict.fromkeys(names))}): {warning}" for warning, names in about.items()]


def _one_line(name: str) -> str:
    return _HEADERS[name].replace("\n", " ").strip()


def _remark(scores: Sequence[Score]) -> str:
    """Says of a column what chance gives (on the last row's losses), or why it has no values, or not in every row."""
    band = scores[-1].null_band
    if band is not None:
        return f"; {band[0]:.3f} to {band[1]:.3f} by chance on this sample"
    reasons = list(dict.fromkeys(score.reason for score in scores if score.reason))
    where = "not computed" if all(score.value is None for score in scores) else "'-' where not computed"
    return f" ({where}: {'; '.join(reasons)})" if reasons else ""


def _cell(score: Score) -> str:
    if score.value is None:
        return "-"
    # Competition scores tell methods apart in the fourth digit: the best of 2023 had 0.0937.
    digits = 4 if score.name in ("forgetting_score", "competition_score") else 3
    value = f"{score.value:+.{digits}f}" if score.name in _SIGNED else f"{score.value:.{digits}f}"
    return value if score.stderr is None else f"{value}\n±{score.stderr:.{digits}f}"


def meaning(reports: Sequence[Report]) -> list[str]:
    """Returns one sentence a method (`retrain` excepted) that says what its gap and its time mean."""
    return [_meaning(report) for report in reports if report.method != RETRAIN]


def _meaning(report: Report) -> str:
    gap = report.scores["mia_gap"]
    if gap.value is None or gap.stderr is None:
        return f"{report.method}: no attack is possible here, because {gap.reason}.{_time(report)}{_forgetting(report)}"
    measured = (
        f"{report.method}: the attack's AUC differs from the retrained models' by {gap.value:+.3f} ± {gap.stderr:.3f}"
    )
    if report.method == ORIGINAL:
        if gap.value > NOISE * gap.stderr:
            return f"{measured}, outside the noise: the forget set left a trace, so there is something to unlearn."
        return (
            f"{measured}, inside the noise: the attack finds no trace of the forget set, so it cannot show unlearning."
        )
    if gap.value > NOISE * gap.stderr:
        found = "outside the noise: traces of the forget set are left."
    elif gap.value < -NOISE * gap.stderr:
        found = "outside the noise and below 0: over-forgetting, by which the forget set can be told just as well."
    else:
        found = "inside the noise: this attack cannot tell it from a retrained model (which is no proof that none can)."
    return f"{measured}, {found}{_time(report)}{_forgetting(report)}"


def _time(report: Report) -> str:
    ratio = report.scores["time_ratio"].value
    if report.method == ORIGINAL or ratio is None:
        return ""
    budget = f"within the budget of {TIME_BUDGET}" if ratio <= TIME_BUDGET else f"OVER the budget of {TIME_BUDGET}"
    return f" It took {ratio:.2f} of a retraining, {budget}."


def _forgetting(report: Report) -> str:
    score, normalised = report.scores["forgetting_score"], report.scores["forgetting_score_normalised"]
    if score.value is None or score.interval is None or normalised.value is None or normalised.stderr is None:
        return ""
    low, high = score.interval
    return (
        f" Its forgetting score is {score.value:.4f} ({low:.4f} to {high:.4f}), {normalised.value:.1%} ± "
        f"{normalised.stderr:.1%} of what retrained models get against each other."
    )
