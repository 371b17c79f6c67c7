"""Reports as tables for a terminal. Which columns there are follows from what the reports hold and the scorers say."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from kit import scorers
from kit.reports import records, words
from kit.rules import RETRAIN
from kit.types import FailedRun, Report, Score, ScoreInfo, TableName

# In their order; each is at most 80 columns wide.
_TITLES: Mapping[TableName, str] = {
    "runs": "",
    "populations": "as a population, against as many retrained models",
    "attacks": "other attacks",
    "distances": "distance to retrained models",
    "other": "other scores",
}
# Lest a newcomer lose sight of the first one.
_OF_SINGLE_RUNS = ("runs", "other")
# Of a method's name where columns are many: longer ones go on below.
_NARROW = 15


def print_table(
    reports: Sequence[Report],
    console: Console | None = None,
    failures: Mapping[str, FailedRun] | None = None,
    *,
    explain: bool = False,
) -> None:
    """Prints the reports as tables, and a verdict for each method.

    A method has one line where the console is wide enough; where it is not, standard errors stand below their values,
    and columns that find no room stand in a further table, which names the methods again.

    Reports with another training of the original get a table of their own. A score that this version of the kit does
    not know, in a stored report, stands under its own name.

    Args:
        reports: in the order of the rows.
        console: by default the output.
        failures: method's name -> why it has no row.
        explain: say of each column what it is and why values are missing, and of each method what its numbers mean.

    Raises:
        InputError: reports of several score versions.
    """
    records.require_one_version(reports)
    failures, console = failures or {}, console or Console(highlight=False)
    trainings = list(dict.fromkeys(report.pretraining for report in reports))
    for training in trainings:
        rows = [report for report in reports if report.pretraining == training]
        _print_one_training(rows, console, failures if training == trainings[0] else {}, explain=explain)


def _print_one_training(
    reports: Sequence[Report], console: Console, failures: Mapping[str, FailedRun], *, explain: bool
) -> None:
    first = reports[0]
    trained = f", trained as '{first.pretraining}' wants it" if first.pretraining else ""
    parts: list[RenderableType] = [
        Text.assemble("\n", (first.challenge, "bold"), f", forget set {first.split}{_seed(first)}{trained}")
    ]
    for table, title in _TITLES.items():
        columns = [info for info in _columns(reports, table) if _computed(reports, info)]
        if columns:
            parts += [Text(f"\n{title}", style="bold")] if title else []
            parts += _tables(reports, columns, [] if title else list(failures), console.width)
    notes = _notes(reports) if explain else [words.target(reports)]
    parts.append(Text("\n" + "\n".join(f"  {note}" for note in notes), style="dim"))
    sentences = words.meaning(reports) if explain else []
    if not explain:
        parts += [Text(""), _verdicts(reports)]
        sentences += words.impossible(reports)
    sentences += [*words.facts_told(reports), *words.warnings(reports)]
    sentences += [f"{name}: FAILED. {failure}" for name, failure in failures.items()]
    parts.append(Text("".join(f"\n{sentence}\n" for sentence in sentences)))
    console.print(Group(*parts))


def _verdicts(reports: Sequence[Report]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("method", overflow="fold")
    table.add_column("verdict", overflow="fold")
    for report in reports:
        if report.method != RETRAIN:
            table.add_row(Text(report.method), Text(words.verdict(report)))
    return table


def _seed(report: Report) -> str:
    return f" (split seed {report.split_seed})" if report.split_drawn else ""


def score_infos(reports: Sequence[Report]) -> list[ScoreInfo]:
    """Returns what there is to know of each score that a report holds: the scorers' order, then unknown ones."""
    scores = {name: score for report in reports for name, score in report.scores.items()}
    known = {info.name: info for info in scorers.infos()}
    infos = [info for name, info in known.items() if name in scores]
    unknown = [name for name in scores if name not in known]
    return infos + [ScoreInfo(name, scores[name].direction, "of another version of the kit") for name in unknown]


def _are_populations(reports: Sequence[Report]) -> bool:
    return any(report.num_models > 1 for report in reports)


def _columns(reports: Sequence[Report], table: TableName) -> list[ScoreInfo]:
    """Returns the columns of a table, none where it is not shown for single runs."""
    if table not in _OF_SINGLE_RUNS and not _are_populations(reports):
        return []
    infos = [info for info in score_infos(reports) if info.table == table]
    return sorted(infos, key=lambda info: info.column)


def _computed(reports: Sequence[Report], info: ScoreInfo) -> bool:
    return any(report.score(info.name).value is not None for report in reports)


def _tables(
    reports: Sequence[Report], columns: Sequence[ScoreInfo], failed: Sequence[str], width: int
) -> list[RenderableType]:
    """Returns one table with a line a method, where `width` allows it; otherwise as many of two lines as it takes."""
    names = [*(report.method for report in reports), *failed, "target"]
    longest = max(map(len, names))
    if longest + sum(_width(reports, info, inline=True) for info in columns) <= width:
        return [_table(reports, columns, failed, longest, inline=True)]
    needed = longest + sum(_width(reports, info, inline=False) for info in columns)
    column = longest if needed <= width else min(longest, _NARROW)
    chunks: list[list[ScoreInfo]] = [[]]
    for info in columns:
        if chunks[-1] and column + sum(_width(reports, each, inline=False) for each in (*chunks[-1], info)) > width:
            chunks.append([])
        chunks[-1].append(info)
    tables: list[RenderableType] = []
    for number, chunk in enumerate(chunks):
        tables += [Text("")] * (number > 0) + [_table(reports, chunk, failed, column, inline=False)]
    return tables


def _width(reports: Sequence[Report], info: ScoreInfo, *, inline: bool) -> int:
    """Returns the characters that a column takes, with the space before it."""
    target = _target(reports, info)
    texts = [info.lines, *(_cell(report.score(info.name), info, inline=inline) for report in reports)]
    texts += [] if target is None else [f"{target:.3f}"]
    return 1 + max(len(line) for text in texts for line in text.split("\n"))


def _table(
    reports: Sequence[Report], columns: Sequence[ScoreInfo], failed: Sequence[str], width: int, *, inline: bool
) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("method", overflow="fold", min_width=min(width, 8))
    for info in columns:
        table.add_column(Text(info.lines), justify="right", no_wrap=True)
    for report in reports:
        method = _broken(report.method, width)
        table.add_row(Text(method), *(_cell(report.score(info.name), info, inline=inline) for info in columns))
    for name in failed:
        table.add_row(Text(_broken(name, width)), "FAILED", *("" for _ in columns[1:]), style="red")
    targets = [_target(reports, info) for info in columns]
    if any(target is not None for target in targets):
        shown = ["" if target is None else f"{target:.3f}" for target in targets]
        table.add_row("target", *shown, style="dim")
    return table


def _target(reports: Sequence[Report], info: ScoreInfo) -> float | None:
    """Returns a score's target: the first row's that has one, of `retrain`, compared with fewer models, last."""
    ordered = sorted(reports, key=lambda report: report.method == RETRAIN)
    targets = (report.score(info.name).target for report in ordered)
    return next((target for target in targets if target is not None), None)


def _broken(name: str, width: int) -> str:
    """Returns a name that is longer than a column in lines that end with an underscore."""
    if len(name) <= width:
        return name
    lines = textwrap.wrap(name.replace("_", "_ "), width + 1, break_long_words=False)
    return "\n".join(line.replace("_ ", "_") for line in lines)


def _cell(score: Score, info: ScoreInfo, *, inline: bool) -> str:
    """Returns a value and its standard error, beside it or below."""
    if score.value is None:
        return "-"
    value = f"{score.value:{'+' if info.signed else ''}.{info.digits}f}"
    stderr = score.stderr if score.gap_stderr is None else score.gap_stderr
    if stderr is None:
        return value
    error = f"±{stderr:.{info.digits}f}"
    return f"{value} {error}" if inline else f"{value}\n{error}"


def _notes(reports: Sequence[Report]) -> list[str]:
    """Says of each score what it is, and why it is missing; what takes a population is not missed for a single run."""
    infos_shown = [info for table in _TITLES for info in _columns(reports, table)]
    notes = []
    for info in score_infos(reports):
        missed = info.table == "runs" and not info.optional
        if info in infos_shown and (missed or _computed(reports, info)):
            remark = words.remark([report.score(info.name) for report in reports])
            notes.append(f"{info.title}: {info.explanation}{remark}")
    return notes + words.about_rows(reports, populations=_are_populations(reports))
