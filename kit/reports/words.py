"""What the numbers of a report mean, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kit.reports import budget, harm
from kit.rules import LANDMARKS, NOISE, ORIGINAL, RETRAIN, TIME_BUDGET
from kit.types import Report, Score

_LARGE, _FEW = 1000, 3


def meaning(reports: Sequence[Report]) -> list[str]:
    """Returns what the numbers of each method (`retrain` excepted) mean: whether it works, its gap, its time."""
    return [_meaning(report) for report in reports if report.method != RETRAIN]


def _meaning(report: Report) -> str:
    return f"{report.method}: {_verdict(report)}{_time(report)}{_forgetting(report)}"


def _verdict(report: Report) -> str:
    """Whether the model still works comes first: what an attack does not find in a broken one is no success."""
    gap, damage = report.score("mia_gap"), harm.sentence(report)
    broken = f"the model {damage}, which tells it from them, whatever an attack finds. " if damage else ""
    if gap.value is None or gap.stderr is None:
        return f"{broken}{'No' if broken else 'no'} attack is possible here, because {gap.reason}."
    measured = f"attack's AUC differs from the retrained models' by {gap.value:+.3f} ± {gap.stderr:.3f}"
    low, high = _interval(gap.value, gap.stderr, gap.interval)
    if broken:
        return f"{broken}The {measured}."
    return f"the {measured}, {_of_original(low) if report.method == ORIGINAL else _of_method(low, high)}"


def _of_original(low: float) -> str:
    if low > 0:
        return "outside the noise: the forget set left a trace, so there is something to unlearn."
    return "inside the noise: the attack finds no trace of the forget set, so it cannot show unlearning."


def _of_method(low: float, high: float) -> str:
    if low > 0:
        return "outside the noise: traces of the forget set are left."
    if high < 0:
        return "outside the noise and below 0: over-forgetting, which reveals the forget set just as well."
    return "inside the noise: this attack finds no trace of the forget set, though a stronger one may."


def verdict(report: Report) -> str:
    """Returns a row's verdict in a few words: whether it works, what the attack found, what it cost.

    Example:
        >>> from kit.reports import records
        >>> from kit.storage import files
        >>> original, *_ = records.read_json(files.data_folder() / "results" / "noisy-digits.json").reports
        >>> verdict(original)
        'trace left (AUC gap +0.197 ± 0.006): there is something to unlearn'
    """
    gap, losses = report.score("mia_gap"), harm.lost(report)
    if losses:
        parts = (f"accuracy {part} {value:.3f}, retrained {target:.3f}" for part, (value, target) in losses.items())
        return f"works less well ({'; '.join(parts)}){_cost(report)}"
    if gap.value is None or gap.stderr is None:
        return f"no attack possible{_cost(report)}"
    low, high = _interval(gap.value, gap.stderr, gap.interval)
    measured = f"(AUC gap {gap.value:+.3f} ± {gap.stderr:.3f})"
    if report.method == ORIGINAL:
        left, none = f"trace left {measured}: there is something to unlearn", f"no trace found {measured}"
        return left if low > 0 else f"{none}: this attack cannot show unlearning"
    finding = "traces left" if low > 0 else "over-forgotten" if high < 0 else "no trace found"
    return f"{finding} {measured}{_cost(report)}"


def _cost(report: Report) -> str:
    cost = budget.ratio(report)
    if report.method == ORIGINAL or cost.value is None:
        return ""
    over = f", OVER the budget of {TIME_BUDGET}" if budget.is_over(report) else ""
    return f"; cost {cost.value:.2f} of retraining{over}"


def impossible(reports: Sequence[Report]) -> list[str]:
    """Returns why no attack is possible, each reason once."""
    scores = [report.score("mia_gap") for report in reports if report.method != RETRAIN]
    return [
        f"No attack is possible here: {text}." for text in dict.fromkeys(s.reason for s in scores if s.value is None)
    ]


def _interval(value: float, stderr: float, interval: tuple[float, float] | None) -> tuple[float, float]:
    return interval or (value - NOISE * stderr, value + NOISE * stderr)


def _time(report: Report) -> str:
    cost = budget.ratio(report)
    if report.method == ORIGINAL or cost.value is None:
        return ""
    verdict = f"{'OVER' if budget.is_over(report) else 'within'} the budget of {TIME_BUDGET}"
    what = "the passes of a retraining" if cost.name == budget.PASSES else "a retraining"
    return f" It took {cost.value:.2f} of {what}, {verdict}."


def _forgetting(report: Report) -> str:
    score, normalised = report.score("forgetting_score"), report.score("forgetting_score_normalised")
    if score.value is None or score.interval is None or normalised.value is None or normalised.stderr is None:
        return ""
    low, high = score.interval
    return (
        f" Its forgetting score is {score.value:.4f} ({low:.4f} to {high:.4f}), {normalised.value:.1%} ± "
        f"{normalised.stderr:.1%} of what retrained models get against each other{_ceiling(report)}."
    )


def _ceiling(report: Report) -> str:
    ceiling = report.score("forgetting_ceiling").value
    return "" if ceiling is None else f", {ceiling:.3f}"


def facts_told(reports: Sequence[Report]) -> list[str]:
    """Returns a sentence for each method that reported facts of its runs."""
    return [
        f"{report.method}, mean over runs: "
        + ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in report.facts.items())
        for report in reports
        if report.facts
    ]


def _plain(value: float) -> str:
    """Returns whole numbers and large ones in full, and three digits of others."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= _LARGE else f"{value:.3g}"


def warnings(reports: Sequence[Report]) -> list[str]:
    """Returns what scores and rows warn of, each sentence once, with the methods that it is about."""
    others = [report.scores for report in reports if report.method != RETRAIN]
    warned = {name: score.warnings for scores in others for name, score in scores.items() if score.warnings}
    about: dict[str, list[str]] = {}
    for report in reports:
        sentences = list(report.warnings)
        for name, score in report.scores.items():
            # Of the row `retrain`, a half against the other, the same is not said again with smaller numbers.
            again = report.method == RETRAIN and name in warned
            sentences += [text for text in score.warnings if not again or text in warned[name]]
        for warning in sentences:
            about.setdefault(warning, []).append(report.method)
    methods = {report.method for report in reports} - {*LANDMARKS}
    return [f"Note ({_of_whom(dict.fromkeys(names), methods)}): {warning}" for warning, names in about.items()]


def _of_whom(names: Collection[str], methods: Collection[str]) -> str:
    """Returns the names, or one word for all of them, where they are many."""
    return "all methods" if len(methods) > _FEW and set(names) >= set(methods) else ", ".join(names)


def remark(scores: Sequence[Score]) -> str:
    """Returns what is to be said of a column: what chance gives, or why it has no values, or not in every row.

    Args:
        scores: of the column, in the order of the rows; what chance gives is that on the last one's losses.
    """
    band = scores[-1].null_band
    if band is not None:
        return f"; {band[0]:.3f} to {band[1]:.3f} by chance on this sample"
    reasons = list(dict.fromkeys(score.reason for score in scores if score.reason))
    where = "not computed" if all(score.value is None for score in scores) else "'-' where not computed"
    return f" ({where}: {'; '.join(reasons)})" if reasons else ""


def target(reports: Sequence[Report]) -> str:
    """Says what the last line of a table is."""
    number = _reference(reports).num_retrained
    return f"target: {f'the mean of {number} retrained models' if number > 1 else 'what a single retrained model has'}"


def _reference(reports: Sequence[Report]) -> Report:
    return next((report for report in reports if report.method != RETRAIN), reports[0])


def about_rows(reports: Sequence[Report], *, populations: bool) -> list[str]:
    """Returns what a reader of the table has to know of its rows: the target, the row `retrain`, where more is."""
    reference, notes = _reference(reports), [target(reports)]
    for report in reports:
        if report.method == RETRAIN and report.num_models < reference.num_models:
            notes.append(
                f"the row retrain: {report.num_models} models against {report.num_retrained} others; scores that "
                "depend on the number of models are not comparable with the other rows"
            )
    if not populations:
        notes.append("report.json: more scores; 'kit run --num-models 512': the 2023 competition's, and others")
    return notes
