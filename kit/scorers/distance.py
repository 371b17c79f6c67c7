"""The kit's own criterion: how far models are from retrained ones, example by example, and what they have lost."""

from __future__ import annotations

from kit.scorers._distance_noise import noise_of
from kit.scorers._distance_parts import ENOUGH, Distance, Side, distance_of
from kit.types import Comparison, Outputs, Score, ScoreInfo

__all__ = ["ENOUGH", "FEWEST_RETRAINED", "SCORES", "Distance", "distance", "retraining_distance", "score"]

SCORES = (
    ScoreInfo(
        "retraining_distance",
        "down",
        "squared, on the forget set, in variances of retrained models, and lost accuracy; 0: as retraining",
        heading="retraining\ndistance",
        column=1,
        digits=2,
        rank=0,
    ),
)
# Without whose spread there is no unit.
FEWEST_RETRAINED = 3


def retraining_distance(unlearned: Outputs, retrained: Outputs) -> float:
    """Returns how far unlearned models are from retrained ones; lower is better, and retraining has 0 on average.

    It reads the parts retain, forget and validation, never the test set. A single retrained model, handed back whatever
    the seed, is at about 1. Noise does not buy it: what is random leaves the means where they are, a spread that is too
    large counts, and one that is too small does not, so that nothing is gained by filling it up. Accuracy lost on
    retain or validation counts 1 for 0.05 (`kit.rules.HARM`), and as a square: a model that guesses is beyond 100.

    Args:
        unlearned: of one model or more, of one method.
        retrained: of 3 models or more, without those that are compared with them.

    Raises:
        ValueError: fewer retrained models, or other examples.

    Example:
        >>> import numpy as np
        >>> generator = np.random.default_rng(0)
        >>> def models(count, mean):
        ...     known = {part: np.ones((count, 50)) for part in ("retain", "validation")}
        ...     margins = known | {"forget": generator.normal(mean, 1, (count, 500))}
        ...     correct = {part: margin > 0 for part, margin in margins.items()}
        ...     labels = {part: np.zeros(margin.shape[1], int) for part, margin in margins.items()}
        ...     return Outputs("method", margins, correct, labels, np.ones(count), np.arange(count))
        >>> retrained = models(32, 0.0)
        >>> [round(retraining_distance(models(16, mean), retrained), 1) for mean in (0.0, 2.0)]
        [0.0, 4.0]
    """
    return distance(unlearned, retrained).total


def distance(unlearned: Outputs, retrained: Outputs) -> Distance:
    """Returns `retraining_distance` by its parts.

    From 4 unlearned models on, each example is compared by itself: the squared difference of both means, without what
    luck adds to it. Fewer models do not tell their luck on an example from what a method did to it; of them the mean
    over all examples is compared, and by how much more than retrained models they are off it from example to example.
    So distances of few models are smaller, and are to be compared with each other only.

    Args, raises: as `retraining_distance`.

    Source: Chen and Qin, A two-sample test for high-dimensional data with applications to gene-set testing, Annals of
    Statistics 2010: the unbiased squared distance of two means. Differs from it: in units of the retrained models'
    variance, and for few models.
    """
    return distance_of(*_sides(unlearned, retrained))


def score(comparison: Comparison) -> list[Score]:
    """Returns the score that `SCORES` declares; its error and interval speak of new trainings on the same examples."""
    (info,) = SCORES
    if comparison.retrained.num_models < FEWEST_RETRAINED:
        reason = f"how retrained models vary shows from {FEWEST_RETRAINED} on, not {comparison.retrained.num_models}"
        return [Score(info.name, None, None, info.direction, reason=reason)]
    sides = _sides(comparison.unlearned, comparison.retrained)
    value = distance_of(*sides).total
    stderr, interval = noise_of(value, *sides)
    return [Score(info.name, value, stderr, info.direction, interval=interval)]


def _sides(unlearned: Outputs, retrained: Outputs) -> tuple[Side, Side]:
    shapes = [side.confidences["forget"].shape for side in (unlearned, retrained)]
    if shapes[0][1] != shapes[1][1] or shapes[0][0] < 1 or shapes[1][0] < FEWEST_RETRAINED:
        raise ValueError(
            f"The confidences of unlearned and retrained models on the forget set have shapes {shapes[0]} and "
            f"{shapes[1]}. Expected (models, examples) of the same examples, one unlearned model or more and "
            f"{FEWEST_RETRAINED} retrained ones or more. Compare outputs on one challenge, and retrain more models."
        )
    return Side.of(unlearned), Side.of(retrained)
