"""What each output of a model with several has lost on the test examples, by its own labels.

That an example is right in all outputs at once (`kit.tasks.Joint`) says little of where something was lost: an output
with many errors hides what another one loses. So each is looked at as a model of its own would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kit.requests.findings import Harm, difference
from kit.requests.slices import FEWEST
from kit.tasks import Head, Joint, Regression

# Of the retrained models' mean loss, below which their spread is not taken to be.
_LEAST = 1e-3

# `correct` and `losses`, each (models, test examples, outputs).
ByOutput = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class OutputHarm(Harm):
    """What an output lost or won on a group of test examples.

    Args:
        output: its name.
        measure: `accuracy`, `recall` (accuracy on the examples of a class), or what its training minimises:
            `cross-entropy` in nats, `squared error` or `absolute error`. `before`, `after` and `retrained` are of it.
    """

    output: str
    measure: str

    @property
    def harmed(self) -> bool:
        """Whether the unlearned model is worse here than a retrained one would be, luck aside."""
        against = self.against_retrained
        return against.high < 0 if self.measure in ("accuracy", "recall") else against.low > 0


class _Row(NamedTuple):
    """A measure of an output on a group: which of the arrays, and where in it."""

    place: int
    measure: str
    group: str
    members: np.ndarray


def harm_of_outputs(
    original: ByOutput, unlearned: ByOutput, retrained: ByOutput, *, task: Joint, y: np.ndarray
) -> tuple[OutputHarm, ...]:
    """Returns what each output has lost: in accuracy, in its loss, and in the recall of each class.

    Args:
        original, unlearned: of one model each.
        retrained: of two or more.
        task: of all outputs.
        y: labels of the test examples, (m, columns).

    Returns:
        By output and measure; the intervals of all hold together. A class of fewer than 20 test examples is left out.
    """
    rows = list(_rows(task, y))
    results = []
    for row in rows:
        kind = "correct" if row.measure in ("accuracy", "recall") else "losses"
        sides = [side[kind][:, row.members, row.place].astype(np.float64) for side in (original, unlearned, retrained)]
        before, after, target = (side.mean(axis=1) for side in sides)
        number = int(row.members.sum())
        least = 1 / number if kind == "correct" else max(_LEAST * float(target.mean()), np.finfo(np.float64).tiny)
        against = difference(float(after[0]), target, least=least, comparisons=len(rows))
        name, numbers = task.heads[row.place].name, (float(before[0]), float(after[0]), float(target.mean()))
        results.append(OutputHarm(row.group, number, *numbers, against, name, row.measure))
    return tuple(results)


def _rows(task: Joint, y: np.ndarray) -> Iterator[_Row]:
    """Returns what is looked at: of each output all test examples, and of one of classes each class."""
    everything = np.ones(len(y), bool)
    for place, (head, strata) in enumerate(zip(task.heads, task.strata_by_output(y), strict=True)):
        yield _Row(place, "accuracy", "test", everything)
        yield _Row(place, _loss_of(head), "test", everything)
        if isinstance(head.task, Regression) or (head.task.name == "multilabel" and head.width > 1):
            continue  # their strata are made for splits, and are no classes
        for stratum in np.unique(strata):
            members = strata == stratum
            if members.sum() >= FEWEST:
                yield _Row(place, "recall", f"class {stratum}", members)


def _loss_of(head: Head) -> str:
    return f"{head.task.error} error" if isinstance(head.task, Regression) else "cross-entropy"
