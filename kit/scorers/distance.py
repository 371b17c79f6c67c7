"""The kit's own criterion: how far models are from retrained ones, example by example, and what they have lost."""

from __future__ import annotations

from kit.scorers._distance_noise import noise_of
from kit.scorers._distance_parts import Distance, Side, distance_of
from kit.types import Comparison, Outputs, Score, ScoreInfo

__all__ = ["FEWEST_RETRAINED", "SCORES", "Distance", "distance", "retraining_distance", "score"]

SCORES = (
    ScoreInfo(
        "retraining_distance",
        "down",
        (
            "how far confidences on the forget set are from retrained models', squared, beyond those on unseen "
            "examples, plus lost accuracy; 0: as retraining"
        ),
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

    It reads the parts retain, forget and validation, never the test set; it is the same whether one model of a method
    is asked or many. Noise does not buy it: what spreads the models' confidences adds to what they are off. Nor does
    what changes all examples alike, such as a softer softmax: it counts on validation, too. That all models come from
    one original, whose luck is in all of them, costs nothing, as a retrained model has its luck. Accuracy lost on
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
        ...     means = {"retain": 3.0, "forget": mean, "validation": 0.0}
        ...     margins = {part: generator.normal(means[part], 1, (count, 500)) for part in means}
        ...     correct = {part: margin > 0 for part, margin in margins.items()}
        ...     labels = {part: np.zeros(500, int) for part in means}
        ...     return Outputs("method", margins, correct, labels, np.ones(count), np.arange(count))
        >>> retrained = models(32, 0.0)
        >>> [round(retraining_distance(models(16, mean), retrained)) for mean in (0.0, 2.0)]
        [0, 4]
    """
    return distance(unlearned, retrained).total


def distance(unlearned: Outputs, retrained: Outputs) -> Distance:
    """Returns `retraining_distance` by its parts, `trace` and `lost`.

    The formula: `off(forget) - min(1, off(validation)) - chance + lost`. `off` is the mean square, over models and
    examples, of the difference between a model's confidence and the retrained models' mean for the example, in units
    of these models' variance: 1 for a retrained model. What models of one original are off on validation is its luck,
    which is to be expected on the forget set as well, and no trace of it; more than 1 is not excused, or it would pay
    to be off there. `chance` is what this limit costs retrained models.

    Args, raises: as `retraining_distance`.
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
