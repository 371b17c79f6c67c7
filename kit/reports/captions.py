"""What a panel says in words, for those who cannot see it."""

from __future__ import annotations

import math

import numpy as np

from kit.reports.evidence import LOSS_EDGES, Evidence, Row
from kit.reports.memorisation import epsilons_of, rank_correlation
from kit.scorers import forgetting

_SMALL = 0.01  # nats; an edge of the bins


def alternative(kind: str, row: Row, evidence: Evidence) -> str:
    """Returns the text that stands for a panel.

    Args:
        kind: its name, of `kit.reports.figures.NAMES`.
        row, evidence: what it shows.
    """
    return f"{row.name}: {_TEXTS[kind](row, evidence.reference(row), evidence)}"


def _losses(row: Row, reference: Row | None, _: Evidence) -> str:
    small = sum(edge < _SMALL * (1 - 1e-9) for edge in LOSS_EDGES)
    forget, test = sum(row.forget_losses[:small]), sum(row.test_losses[:small])
    text = f"{forget:.0%} of the forget examples and {test:.0%} of the test examples have a loss below {_SMALL} nats"
    if reference is None or reference is row:
        return f"{text}."
    return f"{text}; of the forget examples, {sum(reference.forget_losses[:small]):.0%} for the retrained models."


def _roc(row: Row, reference: Row | None, _: Evidence) -> str:
    if row.curve is None:
        return "no attack is possible."
    theirs = (
        "" if reference is None or reference.curve is None else f", of the retrained models {reference.curve.auc:.3f}"
    )
    return f"the area below the curve is {row.curve.auc:.3f}{theirs}."


def _epsilons(row: Row, _: Row | None, __: Evidence) -> str:
    if row.distances is None:
        return "there are too few models for epsilons."
    nothing, first = row.distances.shares[-1], row.distances.shares[0]
    return (
        f"{first:.0%} of the forget examples have an epsilon below {forgetting.BIN_WIDTH} and earn a whole point, "
        f"{nothing:.0%} earn nothing."
    )


def _memorisation(row: Row, _: Row | None, evidence: Evidence) -> str:
    epsilons = np.array(epsilons_of(row))
    if not len(epsilons):
        return "there are no epsilons of single examples."
    quarter = math.ceil(len(epsilons) / 4)
    least, best = np.median(epsilons[:quarter]), np.median(epsilons[-quarter:])
    together = rank_correlation(evidence.memorised, epsilons_of(row))
    text = f"the median epsilon is {least:.2f} in the quarter memorised least and {best:.2f} in the one memorised best"
    return f"{text}." if together is None else f"{text}; rank correlation {together:+.2f}."


def _accuracies(row: Row, _: Row | None, evidence: Evidence) -> str:
    parts = []
    for name, values in (("forget", row.forget_accuracies), ("test", row.test_accuracies)):
        known = [(value, stratum) for value, stratum in zip(values, evidence.strata, strict=True) if value is not None]
        if known:
            (low, worst), (high, best) = min(known), max(known)
            parts.append(f"{name} accuracy from {low:.0%} ({worst}) to {high:.0%} ({best})")
    return f"{evidence.stratum} by {evidence.stratum}, {', '.join(parts)}."


def _example(row: Row, reference: Row | None, _: Evidence) -> str:
    text = f"the mean confidence of its {row.num_models} models is {np.mean(row.confidences):.1f}"
    if reference is None or reference is row:
        return f"{text}."
    epsilon = "" if row.distances is None else f"; epsilon {row.distances.example:.2f}"
    return f"{text}, that of {reference.num_models} retrained models {np.mean(reference.confidences):.1f}{epsilon}."


_TEXTS = {
    "losses": _losses,
    "roc": _roc,
    "epsilons": _epsilons,
    "memorisation": _memorisation,
    "accuracy_by_class": _accuracies,
    "example": _example,
}
