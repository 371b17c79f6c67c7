"""Operations on vectors."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kit.toolbox.tensors import Tensor


def dot(vector: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    """Returns the scalar product of two vectors."""
    return sum(ops.sum(a * b) for a, b in zip(vector, other, strict=True))


def arrays_of(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Returns the values of variables."""
    return [np.asarray(variable.value) for variable in variables]
