"""Reports as a table for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from kit import files, scorers
from kit.types import FailedRun, Report, Score

TIME_BUDGET = 0.2
# A gap of fewer standard errors than this is called "inside the noise".
NOISE = 2.0

_HEADERS = {
    "retain_accuracy": "accuracy\nretain",
    "forget_accuracy": "accuracy\nforget",
    "validation_accuracy": "accuracy\nvalid.",
    "test_accuracy": "accuracy\ntest",
    "mia_accuracy": "attack\naccuracy",
    "mia_auc": "attack\nAUC",
    "mia_gap": "AUC\ngap",
    "mia_tpr_at_1pct_fpr": "TPR at\n1 % FPR",
    "time_ratio": "time\nratio",
}


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
    """Prints the reports as a table, a line for each column, and sentences that say what the numbers mean."""
    shown = [name for name in _HEADERS if any(report.scores[name].value is not None for report in reports)]
    first = reports[0]
    title = Text.assemble(
        "\n", (first.challenge, "bold"), f", forget set {first.split} (split seed {first.split_seed})"
    )
    notes = [f"{_one_line(info.name)}: {info.explanation}{_remark(reports[-1], info.name)}" for info in scorers.infos()]
    notes.append(f"target: the mean of {first.num_retrained} retrained models, where matching them is the aim")
    explained = Text("\n" + "\n".join(f"  {note}" for note in notes), style="dim")
    failures = failures or {}
    told = [*meaning(reports), *(f"{name}: FAILED. {failure}" for name, failure in failures.items())]
    sentences = Text("".join(f"\n{sentence}\n" for sentence in told))
    table = _table(reports, shown, list(failures))
    (console or Console(highlight=False)).print(Group(title, table, explained, sentences))


def _table(reports: Sequence[Report], shown: Sequence[str], failed: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("method", overflow="fold", min_width=8)
    for name in shown:
        table.add_column(_HEADERS[name], justify="right", no_wrap=True)
    for report in reports:
        table.add_row(report.method, *(_cell(report.scores[name]) for name in shown))
    for name in failed:
        table.add_row(name, "FAILED", *("" for _ in shown[1:]), style="red")
    targets = [reports[0].scores[name].target for name in shown]
    table.add_row("target", *("" if target is None else f"{target:.3f}" for target in targets), style="dim")
    return table


def _one_line(name: str) -> str:
    return _HEADERS[name].replace("\n", " ")


def _remark(report: Report, name: str) -> str:
    score = report.scores[name]
    if score.null_band is not None:
        return f"; {score.null_band[0]:.3f} to {score.null_band[1]:.3f} by chance on this sample"
    return f" (not computed: {score.reason})" if score.reason else ""


def _cell(score: Score) -> str:
    if score.value is None:
        return "-"
    value = f"{score.value:+.3f}" if score.target == 0 else f"{score.value:.3f}"
    return value if score.stderr is None else f"{value}\n±{score.stderr:.3f}"


def meaning(reports: Sequence[Report]) -> list[str]:
    """Returns one sentence a method (`retrain` excepted) that says what its gap and its time mean."""
    return [_meaning(report) for report in reports if report.method != "retrain"]


def _meaning(report: Report) -> str:
    gap, time_ratio = report.scores["mia_gap"], report.scores["time_ratio"]
    if gap.value is None or gap.stderr is None:
        return f"{report.method}: no attack is possible here, because {gap.reason}."
    measured = (
        f"{report.method}: the attack's AUC differs from the retrained models' by {gap.value:+.3f} ± {gap.stderr:.3f}"
    )
    if report.method == "original":
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
    ratio = time_ratio.value or 0.0
    budget = f"within the budget of {TIME_BUDGET}" if ratio <= TIME_BUDGET else f"OVER the budget of {TIME_BUDGET}"
    return f"{measured}, {found} It took {ratio:.2f} of a retraining, {budget}."
