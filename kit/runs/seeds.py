"""The seed of each run."""

from __future__ import annotations

import zlib

import numpy as np


def run_seed(seed: int, method: str, number: int) -> int:
    """Returns the seed of run `number` of a method: no two methods and no two runs share a stream.

    Args:
        seed: of the population.
        method: its name.
        number: of the run, from 0.

    Returns:
        0 <= seed < 2**32.

    Example:
        >>> run_seed(0, "retrain", 0) == run_seed(0, "retrain", 1)
        False
    """
    return int(np.random.SeedSequence([seed, zlib.crc32(method.encode()), number]).generate_state(1)[0])
