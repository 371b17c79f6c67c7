"""The sentences of a page that are not those of the terminal: its summary, its captions, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from kit.reports import budget, ranking
from kit.reports.tradeoff import LABELS, Tradeoff
from kit.rules import LANDMARKS, TIME_BUDGET
from kit.types import Report

_MOST_NAMED = 4

# By the name of a figure: the title of its section, and what it shows.
GALLERIES = {
    "losses": (
        "Losses",
        "How many examples have which loss, over all models. Where the forget set (orange) lies to the left of the "
        "dotted line, the method still fits it better than models that never saw it; to the right of it, it has "
        "over-forgotten.",
    ),
    "roc": (
        "Attack on the loss",
        "An attacker takes examples with a loss below a threshold for training examples. The curve shows which share "
        "of the forget set is found at which share of false alarms among test examples, both on logarithmic axes: "
        "attacks that are sure of themselves show at the left. The aim is the dashed curve, not the diagonal.",
    ),
    "epsilons": (
        "Epsilon of each forget example",
        "How far the best attacker tells unlearned from retrained models by one example. Each bin earns half the "
        "points of the one before it; the score is the mean over examples.",
    ),
    "memorisation": (
        "Epsilon by memorisation",
        "A dot is a forget example. To the right lie those that the original had memorised: models that never saw them "
        "have a larger loss on them, by so many nats. The higher a dot, the better its example tells unlearned from "
        "retrained models. Where dots rise to the right, what was memorised is what gives the method away; where they "
        "lie high at the left too, it has changed what it should have left alone. The dashed line compares retrained "
        "models with each other.",
    ),
    "accuracy_by_class": (
        "Accuracy by class",
        "On forget and test examples, beside the retrained models' (dashes): the aim is to match the dashes.",
    ),
    "example": (
        "One example, all models",
        "What all models say of the forget example that is remembered best, the first of those above. The score of "
        "2023 asks whether the two distributions can be told apart; each is drawn to the same height.",
    ),
}


def summary(reports: Sequence[Report]) -> str:
    """Returns one sentence for a reader who knows nothing of the kit."""
    first, ranks = reports[0], ranking.rank(reports)
    where = f"{first.challenge} (forget set {first.split})"
    if not ranks:
        return f"On {where}, the original model was compared with retraining; no method was run."
    best = ranks[0]
    if best.place is None:
        return f"On {where}, the methods cannot be ranked: {best.score.reason}."
    name = ranking.criterion(reports).replace("_", " ")
    measured = f"{name} {best.score.value:.4f}{_normalised(best.report)}"
    cost = _cost(best.report)
    if len(ranks) == 1:
        return f"On {where}, {best.method} was compared with retraining: {measured}.{cost}"
    near = [rank.method for rank in ranks if rank.near_best]
    rest = f"; inside its noise {_are(near)}" if near else "; every other method is farther, beyond the noise"
    return f"Of {len(ranks)} methods on {where}, {best.method} comes closest to retraining ({measured}){rest}.{cost}"


def _normalised(report: Report) -> str:
    normalised = report.score("forgetting_score_normalised").value
    if normalised is None:
        return ""
    return f", with {normalised:.0%} of the forgetting score of retrained models"


def _cost(report: Report) -> str:
    cost = budget.ratio(report).value
    if cost is None:
        return ""
    over = f", over the budget of {TIME_BUDGET:.0%}" if budget.is_over(report) else ""
    return f" It costs {cost:.0%} of a retraining{over}."


def _are(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"is {names[0]}"
    if len(names) <= _MOST_NAMED:
        return f"are {', '.join(names[:-1])} and {names[-1]}"
    return f"are {', '.join(names[: _MOST_NAMED - 1])} and {len(names) - _MOST_NAMED + 1} more"


def tradeoff(content: Tradeoff) -> str:
    """Returns what the scatter shows in words."""
    listed = "; ".join(f"{dot.name} {dot.place[0]:.3f} and {dot.place[1]:.3f}" for dot in content.methods)
    star = (
        ""
        if content.retrain is None
        else (f" Retraining lies at {content.retrain.place[0]:.3f} and {content.retrain.place[1]:.3f}.")
    )
    return f"Test accuracy and {LABELS[content.forgetting]}.{star} {listed}."


def commands(reports: Sequence[Report]) -> list[str]:
    """Returns the commands by which a report is made again."""
    first = next((report for report in reports if report.method not in LANDMARKS), reports[0])
    methods = list(dict.fromkeys(report.method for report in reports if report.method not in LANDMARKS))
    compared = [report for report in reports if report.method in methods] or [first]
    num_models = max(report.num_models // report.num_originals for report in compared)  # equal runs are kept once
    originals = max(report.num_originals for report in compared)
    words = ["kit", "run", *(methods or [first.method])]
    if num_models > 1:
        words += ["--num-models", str(num_models)]
    if originals > 1:
        words += ["--originals", str(originals)]
    for report in compared:
        for name, value in report.hyperparameters.items():
            words += ["--set", f"{report.method}.{name}={_typed(value)}"]
    words += ["--challenge", first.challenge, "--forget", first.split]
    if first.split_drawn:
        words += ["--split-seed", str(first.split_seed)]
    return [shlex.join([*words, "--seed", str(first.seed)])]


def _typed(value: object) -> str:
    """Returns a hyper-parameter as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _recipe_in_words(recipe: Mapping[str, Any]) -> str:
    """Returns a recipe's fields, those of earlier phases and of weights to start from in parentheses.

    Example:
        >>> _recipe_in_words({"epochs": 3, "earlier": [{"epochs": 5, "frozen": ["base"]}]})
        'epochs 3, earlier (epochs 5, frozen base)'
    """

    def shown(value: Any) -> str:
        if isinstance(value, Mapping):
            return f"({_recipe_in_words(value)})"
        return " ".join(map(shown, value)) if isinstance(value, list | tuple) else str(value)

    return ", ".join(f"{name.replace('_', ' ')} {shown(value)}" for name, value in recipe.items())


def provenance(report: Report) -> list[tuple[str, str]]:
    """Returns what else a repetition depends on: names and values."""
    recipe = _recipe_in_words(report.recipe)
    pairs = [
        ("score version", report.score_version),
        ("versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())),
        ("machine", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report.machine.items())),
        ("model", report.model),
        ("recipe", recipe),
        ("data", report.data_source),
        ("sha256 of data", report.data_sha256),
        ("sha256 of split", report.split_sha256),
        ("sha256 of original weights", report.weights_sha256),
    ]
    return [(name, value) for name, value in pairs if value]
