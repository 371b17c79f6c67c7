"""What an evaluation returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kit import scorers
from kit.reports import ranking
from kit.types import FailedRun, Outputs, Report, ScoreInfo
from kit.types.shown import html_table, number_of


@dataclass(frozen=True)
class Evaluation:
    """What `kit.evaluate_all` returns: a report on each method, and the outputs that it was computed from.

    Args:
        reports: on one challenge, `original` first and `retrain` last.
        outputs: method -> its models' outputs.
        failures: method -> the error of one that broke its contract; the others' results are not lost with it.

    Example:
        >>> Evaluation((), {}, {"mine": FailedRun("'mine' returned None. Expected a keras.Model. Return net.")})
        <Evaluation: mine FAILED>
    """

    reports: tuple[Report, ...]
    outputs: Mapping[str, Outputs]
    failures: Mapping[str, FailedRun] = field(default_factory=dict)

    def __repr__(self) -> str:
        names = [*map(ranking.title, self.reports), *(f"{name} FAILED" for name in self.failures)]
        on = f" on {self.reports[0].challenge} ({self.reports[0].split})" if self.reports else ""
        return f"<Evaluation{on}: {', '.join(names) or 'nothing'}>"

    def _repr_html_(self) -> str:
        """Returns the first table of `kit run`, for a notebook."""
        columns = [info for info in scorers.infos() if info.table == "runs" and self._has(info)]
        rows = [[ranking.title(report), *(_cell(report, info) for info in columns)] for report in self.reports]
        rows += [[name, "FAILED", *[""] * (len(columns) - 1)] for name in self.failures]
        header = ["method", *(info.title for info in columns)]
        first = self.reports[0] if self.reports else None
        against = f", against {number_of(first.num_retrained, 'retrained model')}" if first else ""
        on = f"{first.challenge}, forget set {first.split}" if first else "no reports"
        return html_table(f"{on}{against}", rows, header)

    def _has(self, info: ScoreInfo) -> bool:
        return any(report.score(info.name).value is not None for report in self.reports)


def _cell(report: Report, info: ScoreInfo) -> str:
    score = report.score(info.name)
    if score.value is None:
        return "-"
    error = "" if score.stderr is None else f" ± {score.stderr:.{info.digits}f}"
    return f"{score.value:{'+' if info.signed else ''}.{info.digits}f}{error}"
