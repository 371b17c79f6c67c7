"""From losses to what attacks look at, for tasks whose loss is no cross-entropy of classes."""

from __future__ import annotations

import numpy as np

# Below it, the statistic of a loss would be infinite.
_LEAST = 1e-12


def statistic_of(losses: np.ndarray) -> np.ndarray:
    """Returns the numbers `s` with `log(1 + exp(-s))` equal to these losses, float32 (n,): `-log(exp(loss) - 1)`.

    Args:
        losses: float64 (n,), at least 0 and of any size: written so that no exponential overflows.

    Example:
        >>> statistic_of(np.array([np.log(2), 1e6])).tolist()
        [0.0, -1000000.0]
    """
    bounded = np.maximum(losses, _LEAST)
    statistics: np.ndarray = (-bounded - np.log(-np.expm1(-bounded))).astype(np.float32)
    return statistics + np.float32(0)  # no -0.0
