"""What a method's models are: the class that a certificate states, read from the method's file and not by running it.

- exact: a training without the records, so the very distribution of one that never saw them;
- certified: within (epsilon, delta) of one, by the method's proof;
- approximate: near one, as far as a report has measured.
"""

from __future__ import annotations

from kit import methods
from kit.rules import RETRAIN
from kit.types import InputError

SISA = "sisa"
EXACT, CERTIFIED, APPROXIMATE = "exact", "certified", "approximate"


def class_of(method: str) -> str:
    """Returns what a method's models are: exact, certified with epsilon and delta, or approximate.

    Args:
        method: a method's name.

    Example:
        >>> class_of("sisa"), class_of("noisy_clipped_finetune"), class_of("scrub")
        ('exact', 'certified', 'approximate')
    """
    if method in (RETRAIN, SISA):
        return EXACT
    for name in ("pretraining", "unlearning"):
        if all(methods.takes(method, parameter, name) for parameter in ("epsilon", "delta")):
            return CERTIFIED
    return APPROXIMATE


def require_constant(method: str) -> None:
    """Checks that a method can do the same work for each deletion: `sisa` has an option for it, `retrain` always does.

    Args:
        method: a method's name.

    Raises:
        InputError: its work depends on the records.
    """
    if method not in (RETRAIN, SISA):
        raise InputError(
            f"'{method}' has no constant work: what it does depends on the records, and where its budget is spent it "
            "trains anew. Expected 'sisa' or 'retrain'. Leave --constant out, and hide the time with --padded."
        )
