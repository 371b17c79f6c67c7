"""Forging, to show what it takes: a step of training on a record, passed off as a step without it.

Who checks steps within a tolerance believes any batch whose step ends near enough. A batch without the record is
therefore looked for, greedily: the nearest of many at random, or of many that only swap the record for another one
(Thudi et al., On the necessity of auditable algorithmic definitions for machine unlearning, USENIX Security 2022, who
draw batches at random; the swap is nearer, so the stronger forger). Who checks bits believes none of them (Baluta et
al., Unforgeability in stochastic gradient descent, CCS 2023): only where a record's gradient is 0 to the bit is a step
the same without it, and then it learnt nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from kit.toolbox import gradients
from kit.toolbox.examples import Examples


@dataclass(frozen=True)
class Step:
    """A step that was logged: from which weights, on which batch.

    Args:
        weights: before it, in the order of `net.get_weights()`.
        batch: positions of its examples, int64 (b,).
        record: the position among them that is to disappear.
    """

    weights: Sequence[np.ndarray]
    batch: np.ndarray
    record: int


@dataclass(frozen=True)
class Forgery:
    """The nearest step without the record that was found.

    Args:
        batch: of it.
        distance: between the ends of the two steps, as a share of the step's length.
        equal: whether they end at the same bits.
    """

    batch: np.ndarray
    distance: float
    equal: bool


class Forger:
    """Looks for batches without a record."""

    def __init__(self, net: keras.Model, examples: Examples, learning_rate: float, seed: int = 0) -> None:
        """Takes what the trainer has.

        Args:
            net: the model; its weights are changed.
            examples: that were learnt.
            learning_rate: of plain gradient descent. A momentum and a weight decay move both steps alike.
            seed: of the draws.
        """
        self._net, self._examples, self._rate = net, examples, np.float32(learning_rate)
        self._generator = np.random.default_rng(seed)

    def nearest(self, step: Step, tries: int, how: Literal["drawn", "swapped"]) -> Forgery:
        """Returns the nearest of so many batches without the record.

        Args:
            step: to be forged.
            tries: how many batches are looked at.
            how: `drawn` at random from all other examples; or with only the record `swapped` for another.
        """
        self._net.set_weights(list(step.weights))
        before, end = self._trainable(), self._end_of(step.batch)
        length = float(np.linalg.norm(end.astype(np.float64) - before))
        best = Forgery(step.batch, np.inf, equal=False)
        for _ in range(tries):
            batch = self._candidate(step, how)
            other = self._end_of(batch)
            distance = float(np.linalg.norm(other.astype(np.float64) - end)) / max(length, np.finfo(float).tiny)
            if distance < best.distance:
                best = Forgery(batch, distance, bool(np.array_equal(other, end)))
        return best

    def _candidate(self, step: Step, how: str) -> np.ndarray:
        if how == "drawn":
            others = np.delete(np.arange(len(self._examples)), step.record)
            return self._generator.choice(others, len(step.batch), replace=False)
        others = np.setdiff1d(np.arange(len(self._examples)), step.batch)
        return np.where(step.batch == step.record, self._generator.choice(others), step.batch)

    def _end_of(self, batch: np.ndarray) -> np.ndarray:
        """Returns the weights after a step on a batch, float32 (n,)."""
        gradient = gradients.mean_gradient(self._net, self._examples.at(batch))
        flat = np.concatenate([np.ravel(keras.ops.convert_to_numpy(part)) for part in gradient])
        end: np.ndarray = self._trainable() - self._rate * flat
        return end

    def _trainable(self) -> np.ndarray:
        values = [np.ravel(keras.ops.convert_to_numpy(part)) for part in self._net.trainable_variables]
        return np.concatenate(values).astype(np.float32)


def success(forgeries: Sequence[Forgery], tolerance: float) -> float:
    """Returns the share of steps that pass with a tolerance; with 0, those that pass where bits are compared.

    Args:
        forgeries: of the steps, one or more.
        tolerance: a share of a step's length, 0 or more.

    Example:
        >>> forgeries = [Forgery(np.arange(2), 0.1, False), Forgery(np.arange(2), 0.3, False)]
        >>> success(forgeries, 0.2), success(forgeries, 0.0)
        (0.5, 0.0)
    """
    passed = [forgery.equal if tolerance == 0 else forgery.distance <= tolerance for forgery in forgeries]
    return sum(passed) / len(passed)
