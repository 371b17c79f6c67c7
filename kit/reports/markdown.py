"""Reports as tables in Markdown, for pages in docs/: the methods of a challenge, and their kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kit import scorers
from kit.reports import budget, ranking, words
from kit.rules import LANDMARKS, RETRAIN, SCORE_VERSION, TIME_BUDGET
from kit.types import Report

# What a method is worth its trouble against.
BASELINE = "finetune"
LEGEND = (
    f"~ not significantly worse than the best; **bold**: nearer to retraining than {BASELINE}; both after Holm's "
    f"correction over all pairs of methods. ! over the budget of {TIME_BUDGET} of a retraining."
)
_PARTS = ("retain", "forget", "test")


def methods_table(reports: Sequence[Report], missing: Iterable[str] = ()) -> str:
    """Returns a challenge's table: the nearest to retraining first, then the landmarks, then what is missing.

    Args:
        reports: one or more rows of one challenge.
        missing: methods that have not been evaluated yet; each gets a row that says so.

    Raises:
        ValueError: there are no reports.
    """
    if not reports:
        raise ValueError("There are no reports to make a table of. Expected one or more. Evaluate a method first.")
    first, name = reports[0], ranking.criterion(reports)
    scores = _scores(reports, name)
    columns = ["", "method", *(heading.replace("_", " ") for heading in scores.values())]
    cost = "passes ratio" if any(budget.ratio(report).name == budget.PASSES for report in reports) else "time ratio"
    columns += [*_PARTS, cost]
    lines = [f"**{first.challenge}**, forget set {first.split}, {_models(reports)}{_version(first)}", ""]
    lines += [_line(columns), "|" + "---|" * len(columns)]
    nearer = ranking.nearer_than(reports, BASELINE)
    for rank in ranking.rank(reports):
        place = f"{rank.place or '-'}{'~' if rank.near_best else ''}"
        lines.append(row(place, rank.report, tuple(scores), bold=rank.method in nearer))
    lines += [row("", report, tuple(scores)) for report in reports if report.method in LANDMARKS]
    lines += [_line(["", _link(method), "not evaluated yet", *[""] * (len(columns) - 3)]) for method in missing]
    for sentence in [ranking.other_order(reports), *(f"{facts}." for facts in words.facts_told(reports))]:
        lines += ["", sentence] if sentence else []
    return "\n".join(lines)


def row(place: str, report: Report, scores: Sequence[str], *, bold: bool = False) -> str:
    """Returns the line of one method.

    Args:
        place: what its first cell shows.
        report: all about it.
        scores: names of those that are shown before accuracies and cost; the methods are ranked by the first.
        bold: mark the first score.
    """
    first, *others = (_shown(report, name) for name in scores)
    mark = "**" if bold else ""
    cells = [place, _link(report.method, ranking.title(report)), f"{mark}{first}{mark}", *others]
    cells += [_shown(report, f"{part}_accuracy", error=False) for part in _PARTS]
    ratio, over = budget.ratio(report).value, budget.is_over(report) and report.method != RETRAIN
    cells.append("" if ratio is None else f"{ratio:.2f}{' !' if over else ''}")
    return _line(cells)


def _scores(reports: Sequence[Report], criterion: str) -> dict[str, str]:
    """Returns a table's scores and their headings: the criterion, and what populations or single models allow."""
    others = {"mia_gap": "AUC gap"}
    if any(report.score(ranking.COMPETITION).value is not None for report in reports):
        others = {
            ranking.COMPETITION: "competition score",
            "forgetting_score_normalised": "normalised score",
            "ulira_auc": "U-LiRA AUC",
        }
    return {criterion: criterion} | others


def _models(reports: Sequence[Report]) -> str:
    """Says how many models stand in each row, and how many originals they are from."""
    most = max(reports, key=lambda report: report.num_models)
    models = "one model" if most.num_models == 1 else f"{most.num_models} models"
    originals = max(report.num_originals for report in reports)
    return f"{models} of each method" + (f", from {originals} originals" if originals > 1 else "")


def _version(report: Report) -> str:
    """Says of reports that were made by an older version which one that was: their numbers are not comparable."""
    if report.score_version == SCORE_VERSION:
        return ""
    by_the_clock = ", in which time is by the clock, against plain Keras" if report.score_version < "2" else ""
    return f" (score version {report.score_version}{by_the_clock})"


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


def _shown(report: Report, name: str, *, error: bool = True) -> str:
    """Returns a score with its standard error, in as many digits as in the terminal; shares in percent."""
    score, percent = report.score(name), name.endswith("_normalised")
    if score.value is None:
        return "-"
    digits = next((info.digits for info in scorers.infos() if info.name == name), 3)
    form = ".0%" if percent else f".{digits}f"
    return f"{score.value:{form}}" + (f" ± {score.stderr:{form}}" if error and score.stderr else "")
