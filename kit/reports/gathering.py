"""From the outputs of an evaluation to what the pictures of its report show."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np

from kit.reports import records
from kit.reports.evidence import LOSS_EDGES, Curve, Distances, Evidence, Example, Row, epsilon_edges
from kit.reports.ranking import title
from kit.reports.records import Record
from kit.rules import RETRAIN
from kit.scorers import forgetting
from kit.scorers._resampling import MIN_MODELS
from kit.scorers.forgetting import guarded
from kit.types import Arrays, Challenge, Outputs

NUM_EXAMPLES = 10
# Dots of a picture: more would lie upon each other, and make a page of thirty methods slow.
MOST_DOTS = 100
# Of a curve, evenly on a logarithmic axis; of a table's example.
_POINTS, _COLUMNS = 60, 8
_DIGITS = 6


def gather(
    record: Record,
    outputs: Mapping[str, Outputs],
    challenge: Challenge,
    members: np.ndarray,
    nonmembers: np.ndarray,
) -> Evidence:
    """Returns what the pictures of an evaluation show.

    Args:
        record: its reports, `original` first, and its failures.
        outputs: in the order of the reports.
        challenge: which they are on.
        members, nonmembers: what the attacks compare (`kit.evaluation.attack_sample`), empty where none is possible.
    """
    named = list(zip(record.reports, outputs.values(), strict=True))
    retrained = {report.pretraining: models for report, models in named if report.method == RETRAIN}
    populations = any(models.num_models >= MIN_MODELS for report, models in named if report.method != RETRAIN)
    first = named[0][1]
    memorised = memorisation(first, retrained[record.reports[0].pretraining])
    chosen, dots = remembered(memorised), spread(memorised)
    strata = np.unique(np.concatenate([first.labels["forget"], first.labels["test"]]))
    rows = [
        row_of(
            models,
            retrained[report.pretraining] if populations else None,
            title(report),
            training=report.pretraining,
            members=members,
            nonmembers=nonmembers,
            chosen=chosen,
            dots=dots,
        )
        for report, models in named
    ]
    return Evidence(
        report_sha256=records.stated_sha256(record),
        stratum=challenge.task.stratum,
        strata=tuple(map(str, strata)),
        examples=examples(challenge.train, challenge.split.forget[chosen]),
        rows=tuple(rows),
        memorised=_rounded(memorised[dots]) if populations else (),
    )


def memorisation(original: Outputs, retrained: Outputs) -> np.ndarray:
    """Returns how much more loss retrained models have on each forget example than the original, nats, (forget,)."""
    more: np.ndarray = retrained.losses("forget").mean(axis=0) - original.losses("forget").mean(axis=0)
    return more


def remembered(memorised: np.ndarray) -> np.ndarray:
    """Returns the positions in the forget set of what retrained models miss most beside the original, (<= 10,)."""
    return np.argsort(-memorised, kind="stable")[:NUM_EXAMPLES]


def spread(memorised: np.ndarray) -> np.ndarray:
    """Returns the positions of up to 100 examples, evenly from the least memorised to the most, both ends included.

    Example:
        >>> spread(np.array([0.5, -0.1, 2.0])).tolist()
        [1, 0, 2]
    """
    ordered = np.argsort(memorised, kind="stable")
    places = np.linspace(0, len(ordered) - 1, min(len(ordered), MOST_DOTS)).round().astype(np.int64)
    return ordered[places]


def row_of(
    models: Outputs,
    retrained: Outputs | None,
    name: str,
    *,
    training: str = "",
    members: np.ndarray,
    nonmembers: np.ndarray,
    chosen: np.ndarray,
    dots: np.ndarray,
) -> Row:
    """Returns what one row shows.

    Args:
        models: outputs of its models.
        retrained: those that they are compared with, the same object for the retrained models; None for no epsilons.
        name, training: see `Row`.
        members, nonmembers: indices into forget and test; empty where no attack is possible.
        chosen, dots: positions of examples in the forget set: of those that are shown, and of `Evidence.memorised`.
    """
    sides = None if retrained is None else _sides(models, retrained)
    strata = np.unique(np.concatenate([models.labels["forget"], models.labels["test"]]))
    attacked = [models.losses("forget")[:, members], models.losses("test")[:, nonmembers]]
    return Row(
        name=name,
        training=training,
        num_models=models.num_models,
        forget_losses=_rounded(loss_shares(models.losses("forget"))),
        test_losses=_rounded(loss_shares(models.losses("test"))),
        curve=curve(*attacked) if len(members) else None,
        forget_accuracies=_accuracies(models, "forget", strata),
        test_accuracies=_accuracies(models, "test", strata),
        example_losses=_rounded(models.losses("forget")[:, chosen].mean(axis=0)),
        confidences=_rounded(guarded(models.confidences["forget"][:, chosen[0]])),
        distances=None if sides is None or len(sides[0]) < MIN_MODELS else distances(*sides, int(chosen[0]), dots),
    )


def distances(unlearned: np.ndarray, retrained: np.ndarray, chosen: int, dots: np.ndarray) -> Distances:
    """Returns how far unlearned models can be told from retrained ones.

    Args:
        unlearned, retrained: confidences of the forget examples, (models, examples), as many models on either side.
        chosen: of one example, which is shown.
        dots: of those whose epsilons are kept one by one.
    """
    count = len(unlearned)
    epsilons = forgetting.example_epsilons(unlearned, retrained)
    some = slice(forgetting.MOST_EXAMPLES_HALVED)
    sizes = [2**power for power in range(3, 20) if 2**power <= count]
    scores = forgetting.score_by_num_models(unlearned[:, some], retrained[:, some], sizes)
    return Distances(
        num_models=count,
        shares=_rounded(epsilon_shares(epsilons, count)),
        sizes=tuple(scores),
        scores=_rounded(np.array(list(scores.values()))),
        example=float(epsilons[chosen]),
        epsilons=_rounded(epsilons[dots]),
    )


def _sides(models: Outputs, retrained: Outputs) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of forget, as many models on either side; the retrained ones are compared with each other."""
    theirs = guarded(retrained.confidences["forget"])
    if models is retrained:
        half = len(theirs) // 2
        return theirs[::2][:half], theirs[1::2][:half]
    count = min(models.num_models, len(theirs))
    return guarded(models.confidences["forget"][:count]), theirs[:count]


def loss_shares(losses: np.ndarray) -> np.ndarray:
    """Returns the shares of losses (nats, any shape) in the bins between `LOSS_EDGES`, which hold all of them.

    Example:
        >>> shares = loss_shares(np.array([0.0, 1e-7, 3.0, 500.0]))
        >>> shares[[0, -1]].tolist(), len(shares)
        ([0.5, 0.25], 32)
    """
    inside = np.clip(losses, LOSS_EDGES[0], LOSS_EDGES[-1])
    shares: np.ndarray = np.histogram(inside, LOSS_EDGES)[0] / losses.size
    return shares


def epsilon_shares(epsilons: np.ndarray, num_models: int) -> np.ndarray:
    """Returns the shares of epsilons (examples,) in the competition's bins; the last has all that earns nothing."""
    edges = epsilon_edges(num_models)
    inside = np.clip(epsilons, 0, edges[-1] - forgetting.BIN_WIDTH / 2)
    shares: np.ndarray = np.histogram(inside, edges)[0] / len(epsilons)
    return shares


def curve(forget: np.ndarray, test: np.ndarray) -> Curve:
    """Returns the mean curve of the attack that accuses losses below a threshold, each model having its own.

    Args:
        forget, test: losses, (models, members) and (models, nonmembers).

    Example:
        >>> curve(np.array([[0.1, 0.2]]), np.array([[0.3, 0.15]]))
        Curve(false_positives=(0.5, 1.0), true_positives=(1.0, 1.0), auc=0.75)
    """
    ordered, count = np.sort(test, axis=1), test.shape[1]
    below = np.zeros(count)
    for members, others in zip(np.sort(forget, axis=1), ordered, strict=True):
        both = [np.searchsorted(members, others, side) for side in ("left", "right")]
        below += np.add(*both) / (2 * len(members))  # accused while so many others, 0 to n - 1, are; ties count half
    heights = below / len(test)
    spots = np.unique(np.geomspace(1, count - 1, _POINTS).round().astype(int)) if count > 1 else np.array([], int)
    points = [*_rounded(spots / count), 1.0], [*_rounded(heights[spots]), 1.0]
    return Curve(tuple(points[0]), tuple(points[1]), *_rounded(np.array([heights.mean()])))


def _accuracies(models: Outputs, part: str, strata: np.ndarray) -> tuple[float | None, ...]:
    right, labels = models.correct[part].mean(axis=0), models.labels[part]
    return tuple(
        _rounded(np.array([right[labels == stratum].mean()]))[0] if (labels == stratum).any() else None
        for stratum in strata
    )


def examples(train: Arrays, numbers: np.ndarray) -> tuple[Example, ...]:
    """Returns training examples as they are shown; pictures have one range of values in common."""
    chosen = train.take(numbers)
    images = chosen.x.ndim == 4 and chosen.x.shape[-1] in (1, 3)
    wrong = np.zeros(len(numbers), bool) if chosen.mislabelled is None else chosen.mislabelled
    low, high = float(chosen.x.min()), float(chosen.x.max())
    return tuple(
        Example(
            number=int(number),
            label=" ".join(f"{value:.4g}" for value in np.ravel(label)),
            mislabelled=bool(is_wrong),
            picture=_png((x - low) / max(high - low, 1e-9)) if images else "",
            values=() if images else _rounded(np.ravel(x)[:_COLUMNS]),
        )
        for number, x, label, is_wrong in zip(numbers, chosen.x, chosen.y, wrong, strict=True)
    )


def _png(image: np.ndarray) -> str:
    """Returns an image (height, width, 1 or 3) with values in [0, 1] as a PNG in base64."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Six digits of each: no picture shows more, and the file is a third as long."""
    return tuple(float(f"{value:.{_DIGITS}g}") for value in np.asarray(values, np.float64))
