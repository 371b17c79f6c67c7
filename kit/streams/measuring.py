"""What a certified model says of its test set and of the records, before it forgets and after: a request's report.

Accuracy, mean loss, and an attack: how well who sees the losses tells the records from test examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import methods, models
from kit.methods import sisa
from kit.proofs.classes import SISA
from kit.proofs.trail import MODEL, Trail
from kit.runs import originals, pretraining
from kit.scorers.membership_inference import membership_auc, membership_auc_null_band
from kit.toolbox.inference import predict_logits
from kit.types import Arrays, Challenge

if TYPE_CHECKING:
    import keras

Measured = Mapping[str, Mapping[str, float]]


class Models:
    """Certified models of a challenge as Keras models: one of each form, whose weights are exchanged."""

    def __init__(self, challenge: Challenge) -> None:
        """Builds nothing yet."""
        self._challenge = challenge
        self._nets: dict[str, keras.Model] = {}

    def of(self, trail: Trail) -> keras.Model:
        """Returns the certified model, with its weights, until the next one is asked for.

        Args:
            trail: of the model.

        Raises:
            Rejected: its weights are not those that were logged.
        """
        method = str(trail.training.predicate["method"])
        form = method if methods.trains_its_own(method) else ""
        if form not in self._nets:
            self._nets[form] = self._built(form, trail)
        self._nets[form].set_weights(list(trail.weights()))
        return self._nets[form]

    def _built(self, form: str, trail: Trail) -> keras.Model:
        if form == SISA:
            base = pretraining.new_base(self._challenge)
            members = [base.get_weights()] * int(trail.training.predicate["settings"]["shards"])
            return sisa.ensemble_of(base, members, self._challenge)
        if form:
            return models.build_described((trail.kept().parent / MODEL).read_text())
        return originals.build(self._challenge)


def measured(net: keras.Model, challenge: Challenge, rows: np.ndarray) -> dict[str, dict[str, float]]:
    """Returns, as plain numbers, what is reported of a model.

    - `test`, `records`: number of examples, accuracy, and mean loss;
    - `attack`: the AUC of telling the records from test examples by their losses, and `low` and `high`, between which
      it is 95 % of the time where the two are alike to the model.

    Args:
        net: the model; it is left as it is.
        challenge: its data and task.
        rows: int64 (k,), the records' rows among the training examples.
    """
    losses, numbers = {}, {}
    for name, part in {"test": challenge.test, "records": challenge.train.take(rows)}.items():
        losses[name], numbers[name] = _judged(net, challenge, part)
    sides = losses["records"], losses["test"]
    low, high = membership_auc_null_band(*sides)
    numbers["attack"] = {"auc": membership_auc(*sides), "low": low, "high": high}
    return numbers


def _judged(net: keras.Model, challenge: Challenge, examples: Arrays) -> tuple[np.ndarray, dict[str, float]]:
    """Returns the losses, and what is reported of these examples."""
    outputs, task = predict_logits(net, examples.x), challenge.task
    losses = np.logaddexp(0.0, -task.statistic(outputs, examples.y).astype(np.float64))
    correct = task.correct(outputs, examples.y)
    return losses, {"examples": len(examples), "accuracy": float(correct.mean()), "loss": float(losses.mean())}


def report(before: Measured, after: Measured) -> dict[str, Any]:
    """Returns both beside each other, by part of the data, for `evidence.json`; the attack is `attack` there.

    Args:
        before: see `measured`.
        after: the same.
    """
    parts = {
        name: {
            "examples": int(before[name]["examples"]),
            "before": {what: before[name][what] for what in ("accuracy", "loss")},
            "after": {what: after[name][what] for what in ("accuracy", "loss")},
        }
        for name in ("test", "records")
    }
    return parts | {"attack": {"before": dict(before["attack"]), "after": dict(after["attack"])}}
