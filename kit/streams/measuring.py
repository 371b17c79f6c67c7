"""What a certified model says of its test set and of the records, before it forgets and after: a request's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import methods, models
from kit.methods import sisa
from kit.proofs import trainings
from kit.proofs.classes import SISA
from kit.proofs.trail import Trail
from kit.runs import originals, pretraining
from kit.toolbox.inference import predict_logits
from kit.types import Arrays, Challenge

if TYPE_CHECKING:
    import keras

_MODEL = "model.json"
Measured = Mapping[str, Mapping[str, float]]


def net_of(trail: Trail, challenge: Challenge) -> keras.Model:
    """Returns the certified model, with its weights."""
    method, weights = str(trail.training.predicate["method"]), list(trail.weights())
    if method == SISA:
        base, shards = pretraining.new_base(challenge), trail.training.predicate["settings"]["shards"]
        each = len(weights) // shards
        members = [weights[start : start + each] for start in range(0, len(weights), each)]
        return sisa.ensemble_of(base, members, trainings.alone(challenge, challenge.train))
    if methods.trains_its_own(method):
        net = models.build_described((trail.path / _MODEL).read_text())
    else:
        net = originals.build(challenge)
    net.set_weights(weights)
    return net


def measured(net: keras.Model, challenge: Challenge, rows: np.ndarray) -> dict[str, dict[str, float]]:
    """Returns accuracy and mean loss on test examples and on the records, and their numbers.

    Args:
        net: the model; it is left as it is.
        challenge: its data and task.
        rows: int64 (k,), the records' rows among the training examples.
    """
    parts = {"test": challenge.test, "records": challenge.train.take(rows)}
    return {name: _numbers(net, challenge, part) for name, part in parts.items()}


def _numbers(net: keras.Model, challenge: Challenge, examples: Arrays) -> dict[str, float]:
    outputs, task = predict_logits(net, examples.x), challenge.task
    losses = np.logaddexp(0.0, -task.statistic(outputs, examples.y).astype(np.float64))
    correct = task.correct(outputs, examples.y)
    return {"examples": len(examples), "accuracy": float(correct.mean()), "loss": float(losses.mean())}


def report(before: Measured, after: Measured) -> dict[str, Any]:
    """Returns both beside each other, by part of the data, for `evidence.json`."""
    return {
        name: {
            "examples": int(numbers["examples"]),
            "before": {what: numbers[what] for what in ("accuracy", "loss")},
            "after": {what: after[name][what] for what in ("accuracy", "loss")},
        }
        for name, numbers in before.items()
    }
