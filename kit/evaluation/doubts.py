"""What makes a comparison doubtful: an original that knows nothing, or was trained otherwise than its reference."""

from __future__ import annotations

import numpy as np

from kit.scorers.accuracy import correct_of_interest
from kit.types import Comparison

# Test accuracies of models that were trained alike differ by less, unless much is forgotten.
TRAINED_ALIKE = 0.05


def about_original(comparison: Comparison) -> list[str]:
    """Returns sentences about the original model, none where nothing is doubtful.

    Args:
        comparison: of the original with retrained models.
    """
    original, retrained = comparison.unlearned, comparison.retrained
    right, counts = float(original.correct["retain"].mean()), np.bincount(original.labels["retain"])
    found = []
    if right <= counts.max() / counts.sum():
        found.append(
            f"it names {right:.1%} of its own training examples rightly, no more than who always names the most "
            "frequent class. Is 'x' scaled as the model wants it, and are the labels in its order?"
        )
    before, after = (float(correct_of_interest(one, "test").mean()) for one in (original, retrained))
    if abs(before - after) > TRAINED_ALIKE:
        found.append(
            f"its test accuracy is {before:.3f}, that of the retrained models {after:.3f}. Unless what is forgotten "
            "explains that, they were not trained alike, and a difference between them cannot be laid to forgetting "
            "alone. Say with a recipe (--recipe) how the original was trained."
        )
    return found
