"""What the pictures of a report show, reduced from the models' outputs: some kilobytes, however many models there were.

`kit run` and `kit evaluate` write it beside the report, as `evidence.json`: a page or a figure is drawn again from the
two files alone. The file is an object whose keys and types are the fields of `Evidence`, and `sha256`
(`kit.storage.seals`), by which damage is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.reports import _sealed
from kit.rules import RETRAIN
from kit.scorers import forgetting
from kit.types import InputError

NAME = "evidence.json"
# In nats, four bins a decade: most losses of a fitted model lie below 0.01. The outer bins hold what lies beyond.
LOSS_EDGES = tuple(float(edge) for edge in np.geomspace(1e-6, 100, 33))


@dataclass(frozen=True)
class Curve:
    """The attack on the loss, the mean over models: its points, from one false positive on, and the area below it."""

    false_positives: tuple[float, ...]
    true_positives: tuple[float, ...]
    auc: float


@dataclass(frozen=True)
class Distances:
    """How far the models of a row can be told from as many retrained ones: the competition's epsilons.

    Args:
        num_models: on either side.
        shares: of the forget examples in the competition's bins, the last for all that earns nothing.
        sizes, scores: the forgetting score by the number of models a side.
        example: epsilon of the first of `Evidence.examples`.
        epsilons: of the examples of `Evidence.memorised`; none in files that are older than that.
    """

    num_models: int
    shares: tuple[float, ...]
    sizes: tuple[int, ...]
    scores: tuple[float, ...]
    example: float
    epsilons: tuple[float, ...] = ()


@dataclass(frozen=True)
class Row:
    """What the models of one row of the table say.

    Args:
        name: as in the table.
        training: the method whose own training its original had; empty where it was the usual one.
        num_models: how many there are.
        forget_losses, test_losses: shares in the bins between `LOSS_EDGES`, over all models and examples.
        curve: None where no attack is possible.
        forget_accuracies, test_accuracies: by stratum; None where it has no example.
        example_losses: mean losses of `Evidence.examples`, in nats.
        confidences: of the first of these, for each model, logit-scaled.
        distances: None where a side has too few models.
    """

    name: str
    training: str
    num_models: int
    forget_losses: tuple[float, ...]
    test_losses: tuple[float, ...]
    curve: Curve | None
    forget_accuracies: tuple[float | None, ...]
    test_accuracies: tuple[float | None, ...]
    example_losses: tuple[float, ...]
    confidences: tuple[float, ...]
    distances: Distances | None


@dataclass(frozen=True)
class Example:
    """A forget example: its row number in the training set, its label, and what it looks like.

    Args:
        number: 0 for the first training example.
        label: as it was trained on.
        mislabelled: whether that is known to be wrong.
        picture: a PNG in base64; empty where an example is no image.
        values: its first columns, where it is none.
    """

    number: int
    label: str
    mislabelled: bool
    picture: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """What the pictures of a report show.

    Args:
        report_sha256: digest that the report states which all this is about.
        stratum: what a stratum is called: "class".
        strata: names of the strata.
        examples: the forget examples that are remembered best: retrained models' loss minus the original's, largest
            first.
        rows: in the order of the table.
        memorised: of up to 100 forget examples, evenly from the one remembered least to the one remembered best:
            retrained models' loss minus the original's, in nats. None in files that are older than that.

    Raises:
        InputError: lengths that do not fit together.
    """

    report_sha256: str
    stratum: str
    strata: tuple[str, ...]
    examples: tuple[Example, ...]
    rows: tuple[Row, ...]
    memorised: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        bins, strata, examples = len(LOSS_EDGES) - 1, len(self.strata), len(self.examples)
        for row in self.rows:
            lengths = {
                "forget_losses": bins,
                "test_losses": bins,
                "forget_accuracies": strata,
                "test_accuracies": strata,
                "example_losses": examples,
                "confidences": row.num_models if examples else 0,
            }
            wrong = [name for name, length in lengths.items() if len(getattr(row, name)) != length]
            if row.curve is not None and len(row.curve.true_positives) != len(row.curve.false_positives):
                wrong.append("curve")
            if row.distances is not None:
                distances = row.distances
                bins_of = 1 + forgetting.num_bins(distances.num_models)
                if len(distances.shares) != bins_of or not 0 < len(distances.sizes) == len(distances.scores):
                    wrong.append("distances")
                if len(distances.epsilons) != len(self.memorised):
                    wrong.append("epsilons")
            if wrong:
                raise InputError(
                    f"The evidence of '{row.name}' has '{wrong[0]}' of another length than "
                    "belongs to it. Expected what 'kit run' writes. Run the command again."
                )

    def reference(self, row: Row) -> Row | None:
        """Returns the retrained models that a row is compared with."""
        usual = RETRAIN if not row.training else f"{RETRAIN} ({row.training})"
        return next((other for other in self.rows if other.name == usual), None)


def epsilon_edges(num_models: int) -> np.ndarray:
    """Returns the edges of the competition's bins and of one more, for N models a side."""
    return forgetting.BIN_WIDTH * np.arange(forgetting.num_bins(num_models) + 2)


def write(path: Path, evidence: Evidence) -> None:
    """Writes evidence and its digest, atomically."""
    _sealed.write(path, evidence)


def read(path: Path) -> Evidence:
    """Returns what `write` was given.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    return _sealed.read(path, Evidence, "the evidence.json that 'kit run' writes beside its report")
