"""By which method a batch is forgotten: the one that was asked for, or one that follows from the model and the batch.

| asked for | the model was trained by | the batch is forgotten by |
|---|---|---|
| `cheapest` | `sisa` | `sisa` |
| | a certified method | that method while its budget lasts, then `retrain` |
| | anything else | `retrain` |
| `by-cost` | a certified method | that method while its budget lasts, then `sisa`, all of whose shards are trained |
| | `sisa` | `sisa`, or `retrain` where the batch touches the first slice of every shard |
| | anything else | `retrain` |

No model has both a certified budget and shards. By cost it gets the shards by the training that it needs anyway once
the budget is spent: that costs what retraining costs, and later batches less. The model that is served becomes another,
an ensemble, and in the end a plain one: so `cheapest`, which the queue takes by itself, does not do it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kit import methods
from kit.proofs import classes
from kit.proofs.classes import APPROXIMATE, CERTIFIED, EXACT, SISA
from kit.proofs.signatures import Verifier
from kit.proofs.trail import Trail
from kit.rules import RETRAIN
from kit.streams.leases import Batch
from kit.toolbox import facts
from kit.types import InputError

CHEAPEST, BY_COST = "cheapest", "by-cost"
CHOOSING = (CHEAPEST, BY_COST)


def require_usable(method: str) -> None:
    """Checks that a queue can be served by a method.

    Args:
        method: one of `CHOOSING`, or a method's name.

    Raises:
        InputError: it is approximate.
    """
    if method not in CHOOSING and classes.class_of(method) == APPROXIMATE:
        raise InputError(
            f"'{method}' is approximate, and how near it comes has to be measured for each forget set. Expected "
            "'cheapest', 'by-cost', 'retrain', 'sisa' or a certified method, by which a queue can be served without "
            "looking. Use 'kit certify' with a report for single requests."
        )


def method_of(wanted: str, certified: Trail, batch: Batch, share: Callable[[], float]) -> tuple[str, str]:
    """Returns the method for a batch, and why.

    Args:
        wanted: `CHEAPEST`, `BY_COST`, or a method.
        certified: the model.
        batch: what is to be forgotten.
        share: of a model in shards, which share of all its training the batch costs by SISA, from 0 to 1.

    Returns:
        The method's name, and a reason for the evidence.
    """
    if wanted not in CHOOSING:
        return wanted, "asked for"
    began = str(certified.training.predicate["method"])
    if began == RETRAIN or not methods.trains_its_own(began):
        return RETRAIN, "the model was trained as a whole"
    if classes.class_of(began) != CERTIFIED:
        return _in_shards(began, wanted, share)
    spent = _spent(certified, len(batch.records))
    if spent <= 1:
        return began, f"leaves {1 - spent:.0%} of the certified budget"
    reason = "the certified budget does not last for it"
    return (SISA, f"{reason}; later batches cost less in shards") if wanted == BY_COST else (RETRAIN, reason)


def _in_shards(began: str, wanted: str, share: Callable[[], float]) -> tuple[str, str]:
    """Returns what forgets a batch for a model that was trained by an exact method of its own, and why."""
    if wanted != BY_COST or began != SISA:
        return began, "retrains only what has seen the records"
    cost = share()
    if cost < 1:
        return SISA, f"costs {cost:.0%} of a training"
    return RETRAIN, "the records are in the first slice of every shard, so that all would be trained anyway"


def _spent(certified: Trail, records: int) -> float:
    """Returns the share of a certified method's budget that is likely to be spent after so many records more.

    Several at once take more than one after the other: where they are too many after all, the method itself begins
    anew, and says so.
    """
    recorded = facts.read(certified.kept())
    fit = recorded.get("removals_that_fit", 0.0)
    spent = 0.0 if recorded.get("retrained") else recorded.get("budget_spent", 0.0)  # else it began anew by itself
    return spent + (records / fit if fit else float("inf"))


def own_of(folder: Path, verifier: Verifier) -> str:
    """Returns the method by which an exact deletion from a certified model is made: its own, or retraining.

    Args:
        folder: of the certified model.
        verifier: of its log.

    Raises:
        Rejected: its log is damaged, or has no training.
    """
    began = str(Trail.read(folder, verifier).training.predicate["method"])
    return began if classes.class_of(began) == EXACT else RETRAIN
