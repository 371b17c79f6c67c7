"""How a model is trained. NumPy is imported where rates are computed: a recipe is plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal

from kit.types.errors import InputError

if TYPE_CHECKING:
    import numpy as np


# Beyond, a rate is none in float32; TOML has integers of any length.
_LARGEST, _MOST_EPOCHS = 3e38, 2**31
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: by default, stochastic gradient descent, with PyTorch's SGD as convention.

    Args:
        epochs: passes over the data, >= 0.
        learning_rate: at the first epoch, > 0.
        momentum: of `sgd` and `rmsprop`, in [0, 1); the buffer holds gradients, the learning rate is applied outside.
        weight_decay: coupled: `weight_decay * weight` is added to every trainable variable's gradient; of `adamw` not.
        schedule: `cosine` (stepped at each epoch, towards 0, as in the 2023 kit) or `constant`.
        augmentation: `none`, or `crop_and_flip` (`kit.toolbox.augmentation`).
        optimizer: `sgd`, `adam`, `adamw` or `rmsprop` (`kit.toolbox.optimizers`); their learning rates differ by a
            factor of a hundred: of Adam, 0.001 is usual.

    Example:
        >>> [round(float(rate), 3) for rate in Recipe(epochs=4, learning_rate=0.1).learning_rates()]
        [0.1, 0.085, 0.05, 0.015]
    """

    epochs: int = 30
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    augmentation: Literal["none", "crop_and_flip"] = "none"
    # Digests of before there was another one name none (`kit.storage.digests`).
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = field(default="sgd", metadata={"absent": "sgd"})

    def __post_init__(self) -> None:
        numbers = [self.epochs, self.learning_rate, self.momentum, self.weight_decay]
        sound = all(isinstance(number, Real) and not isinstance(number, bool) for number in numbers)
        sound = sound and isinstance(self.epochs, Integral) and 0 <= self.epochs < _MOST_EPOCHS
        sound = (
            sound and 0 < self.learning_rate < _LARGEST and 0 <= self.weight_decay < _LARGEST and 0 <= self.momentum < 1
        )
        sound = sound and self.schedule in ("cosine", "constant") and self.augmentation in ("none", "crop_and_flip")
        if not sound or self.optimizer not in OPTIMIZERS:
            raise InputError(
                f"{self!s:.400} cannot be trained with. Expected whole epochs >= 0, learning_rate > 0, momentum in "
                "[0, 1), weight_decay >= 0, schedule 'cosine' or 'constant', augmentation 'none' or 'crop_and_flip' "
                f"and optimizer {', '.join(OPTIMIZERS[:-1])} or {OPTIMIZERS[-1]}. Correct the value that is outside."
            )

    def learning_rates(self) -> np.ndarray:
        """Returns the float32 learning rate of each epoch, of shape (epochs,)."""
        import numpy as np

        progress = np.arange(self.epochs) / max(self.epochs, 1)
        factor = 0.5 * (1 + np.cos(np.pi * progress)) if self.schedule == "cosine" else np.ones(self.epochs)
        rates: np.ndarray = (self.learning_rate * factor).astype(np.float32)
        return rates
