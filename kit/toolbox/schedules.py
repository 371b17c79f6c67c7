"""Learning rates that change from epoch to epoch, for methods that train by more than a recipe."""

from __future__ import annotations

import numpy as np

from kit.types import Recipe


def cosine(learning_rate: float, epochs: int, *, warm_up: int = 0) -> np.ndarray:
    """Returns the float32 learning rate of each epoch: up along a line, if wanted, then down along half a cosine.

    A rate that stays large leaves the last steps as noisy as the first ones, and the model worse than it need be. This
    is the schedule of `Recipe`, which originals and retrained models are trained by.

    Args:
        learning_rate: the highest, > 0.
        epochs: >= 0.
        warm_up: epochs before the highest rate; all but one, if there are no more.

    Raises:
        InputError: a rate or a number of epochs that nothing can be trained with.

    Example:
        >>> [f"{rate:.3f}" for rate in cosine(0.8, 4)]
        ['0.800', '0.683', '0.400', '0.117']
        >>> [f"{rate:.3f}" for rate in cosine(0.8, 5, warm_up=1)]
        ['0.400', '0.800', '0.683', '0.400', '0.117']
    """
    rising = max(0, min(warm_up, epochs - 1))
    line = learning_rate * np.arange(1, rising + 1, dtype=np.float32) / (rising + 1)
    return np.concatenate([line.astype(np.float32), Recipe(epochs - rising, learning_rate).learning_rates()])
