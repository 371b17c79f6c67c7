"""Reports as tables in Markdown, for pages in docs/: the methods of a challenge, and their kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kit.reports import budget, ranking, words
from kit.rules import LANDMARKS, RETRAIN, SCORE_VERSION, TIME_BUDGET
from kit.types import Report

# What the differences are differences to.
BASELINE = "finetune"
LEGEND = (
    f"~ not told from the best, with Holm's correction, at a place; inside the noise of {BASELINE}, at an interval. "
    f"**Bold**: above {BASELINE}. "
    f"! over the time budget of {TIME_BUDGET} of a retraining."
)
_PARTS = ("retain", "forget", "test")

Differences = Mapping[str, tuple[float, float]]


def methods_table(reports: Sequence[Report], differences: Differences, missing: Iterable[str] = ()) -> str:
    """Returns a challenge's table: the nearest to retraining first, then the landmarks, then what is missing.

    Args:
        reports: one or more rows of one challenge.
        differences: method -> by how much its score is above that of `BASELINE`, and the standard error of that.
        missing: methods that have not been evaluated yet; each gets a row that says so.

    Raises:
        ValueError: there are no reports.
    """
    if not reports:
        raise ValueError("There are no reports to make a table of. Expected one or more. Evaluate a method first.")
    first, name = reports[0], ranking.criterion(reports)
    models = "one model" if first.num_models == 1 else f"{first.num_models} models"
    columns = ["", "method", *(score.replace("_", " ") for score in _ranked_by(reports[0], name))]
    columns += ["of the ceiling", f"above {BASELINE} (95 %)"] if differences else ["AUC gap"]
    held = "passes ratio" if any(budget.held(report).name == budget.PASSES for report in reports) else "time ratio"
    columns += [*_PARTS, held]
    lines = [f"**{first.challenge}**, forget set {first.split}, {models} of each method{_version(first)}", ""]
    lines += [_line(columns), "|" + "---|" * len(columns)]
    for rank in ranking.rank(reports):
        place = f"{rank.place or '-'}{'~' if rank.near_best else ''}"
        lines.append(row(place, rank.report, name, differences))
    lines += [row("", report, name, differences) for report in reports if report.method in LANDMARKS]
    lines += [_line(["", _link(method), "not evaluated yet", *[""] * (len(columns) - 3)]) for method in missing]
    for sentence in [ranking.other_order(reports), *(f"{facts}." for facts in words.facts_told(reports))]:
        lines += ["", sentence] if sentence else []
    return "\n".join(lines)


def row(place: str, report: Report, criterion: str, differences: Differences) -> str:
    """Returns the line of one method.

    Args:
        place: what its first cell shows.
        report: all about it.
        criterion: name of the score that the methods are ranked by.
        differences: as in `methods_table`; a method that is not in it has an empty cell.
    """
    cells = [place, _link(report.method, ranking.title(report))]
    cells += [_shown(report, name, 4) for name in _ranked_by(report, criterion)]
    if report.num_models > 1:
        cells.append(_shown(report, "forgetting_score_normalised", 2, percent=True))
        cells.append(interval(*differences[report.method]) if report.method in differences else "")
    else:
        cells.append(_shown(report, "mia_gap", 3))
    cells += [_shown(report, f"{part}_accuracy", 3, error=False) for part in _PARTS]
    ratio, over = budget.held(report).value, budget.is_over(report) and report.method != RETRAIN
    cells.append("" if ratio is None else f"{ratio:.2f}{' !' if over else ''}")
    return _line(cells)


def _ranked_by(report: Report, criterion: str) -> list[str]:
    """The kit's criterion, and of populations the competition's beside it."""
    return list(dict.fromkeys([criterion, ranking.COMPETITION] if report.num_models > 1 else [criterion]))


def _version(report: Report) -> str:
    """Says of reports that were made by an older version which one that was: their numbers are not comparable."""
    if report.score_version == SCORE_VERSION:
        return ""
    by_the_clock = ", in which time is by the clock, against plain Keras" if report.score_version < "2" else ""
    return f" (score version {report.score_version}{by_the_clock})"


def interval(difference: float, stderr: float) -> str:
    """Returns the 95 % interval of a difference, with its mark.

    Example:
        >>> interval(0.02, 0.005), interval(0.02, 0.02)
        ('**+0.0100 to +0.0300**', '~ -0.0200 to +0.0600')
    """
    low, high = difference - 2 * stderr, difference + 2 * stderr
    mark = "**" if low > 0 else ""
    return f"{'~ ' if low <= 0 <= high else ''}{mark}{low:+.4f} to {high:+.4f}{mark}"


def kinds_table(kinds: Mapping[str, str]) -> str:
    """Returns a table with a line for each kind of method, in the order of their first methods.

    Args:
        kinds: method -> its kind, in the order of the table.

    Example:
        >>> print(kinds_table({"retrain": "exact", "scrub": "teachers"}))
        | kind | methods |
        |---|---|
        | exact | [retrain](../kit/methods/retrain.py) |
        | teachers | [scrub](../kit/methods/scrub.py) |
    """
    lines = [_line(["kind", "methods"]), "|---|---|"]
    for kind in dict.fromkeys(kinds.values()):
        links = ", ".join(_link(method) for method in kinds if kinds[method] == kind)
        lines.append(_line([kind, links]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _link(method: str, title: str = "") -> str:
    return f"[{title or method}](../kit/methods/{method}.py)"


def _shown(report: Report, name: str, digits: int, *, percent: bool = False, error: bool = True) -> str:
    score = report.score(name)
    if score.value is None:
        return "-"
    if percent:
        return f"{score.value:.0%}" + (f" ± {score.stderr:.0%}" if score.stderr is not None else "")
    return f"{score.value:.{digits}f}" + (f" ± {score.stderr:.{digits}f}" if error and score.stderr else "")
