"""By which method a batch is forgotten: the one that was asked for, or the cheapest that the model still allows.

    certified, while its budget lasts  ->  SISA  ->  retraining

A model that SISA trained is served by SISA, one that a certified method trained by that method; any can be retrained.
What is retrained as a whole has neither shards nor a budget afterwards.
"""

from __future__ import annotations

from pathlib import Path

from kit import methods
from kit.proofs import classes, trail
from kit.proofs.classes import APPROXIMATE, CERTIFIED, EXACT
from kit.proofs.signatures import Verifier
from kit.proofs.trail import Trail
from kit.rules import RETRAIN
from kit.streams.leases import Batch
from kit.toolbox import facts
from kit.types import InputError

CHEAPEST = "cheapest"


def require_usable(method: str) -> None:
    """Checks that a queue can be served by a method.

    Raises:
        InputError: it is approximate.
    """
    if method != CHEAPEST and classes.class_of(method) == APPROXIMATE:
        raise InputError(
            f"'{method}' is approximate, and how near it comes has to be measured for each forget set. Expected "
            "'cheapest', 'retrain', 'sisa' or a certified method, by which a queue can be served without looking. Use "
            "'kit certify' with a report for single requests."
        )


def method_of(wanted: str, certified: Trail, batch: Batch) -> tuple[str, str]:
    """Returns the method for a batch, and why.

    Args:
        wanted: `CHEAPEST`, or a method.
        certified: the model.
        batch: what is to be forgotten.
    """
    if wanted != CHEAPEST:
        return wanted, "asked for"
    began = str(certified.training.predicate["method"])
    if began == RETRAIN or not methods.trains_its_own(began):
        return RETRAIN, "the model was trained as a whole"
    if classes.class_of(began) != CERTIFIED:
        return began, "retrains only what has seen the records"
    spent = _spent(certified, len(batch.records))
    if spent <= 1:
        return began, f"leaves {1 - spent:.0%} of the certified budget"
    return RETRAIN, "the certified budget does not last for it"


def _spent(certified: Trail, records: int) -> float:
    """Returns the share of a certified method's budget that is likely to be spent after so many records more.

    Several at once take more than one after the other: where they are too many after all, the method itself begins
    anew, and says so.
    """
    recorded = facts.read(certified.path / trail.KEPT)
    fit = recorded.get("removals_that_fit", 0.0)
    return recorded.get("budget_spent", 0.0) + (records / fit if fit else float("inf"))


def own_of(folder: Path, verifier: Verifier) -> str:
    """Returns the method by which an exact deletion from a certified model is made: its own, or retraining."""
    began = str(Trail.read(folder, verifier).training.predicate["method"])
    return began if classes.class_of(began) == EXACT else RETRAIN
