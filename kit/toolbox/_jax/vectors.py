"""Operations on vectors."""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from kit.toolbox.tensors import Tensor


def dot(vector: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    """Returns the scalar product of two vectors."""
    return sum(ops.sum(a * b) for a, b in zip(vector, other, strict=True))
