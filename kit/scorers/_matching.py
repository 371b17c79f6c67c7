"""Non-members for an attack: as many as there are members, and of the same mix.

Else an attack would tell classes or groups apart, and not what was trained on from what was not.
"""

from __future__ import annotations

import numpy as np


def match_nonmembers(
    member_strata: np.ndarray, candidate_strata: np.ndarray, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws as many members as non-members of each stratum (class or group), so that both have the same mix.

    Args:
        member_strata: (members,), class or group of each forget example.
        candidate_strata: (candidates,), the same for the examples that were never trained on.
        seed: of the draw where one side has more than the other.

    Returns:
        Two sorted int64 arrays of equal length: indices into the members and into the candidates.

    Example:
        >>> members, nonmembers = match_nonmembers(np.array([0, 1, 1]), np.array([1, 1, 1, 0]))
        >>> members.tolist(), len(nonmembers)
        ([0, 1, 2], 3)
    """
    generator = np.random.default_rng(seed)
    chosen: tuple[list[int], list[int]] = ([], [])
    for stratum in np.unique(member_strata):
        positions = [np.flatnonzero(strata == stratum) for strata in (member_strata, candidate_strata)]
        count = min(map(len, positions))
        for side, where in zip(chosen, positions, strict=True):
            side.extend(generator.permutation(where)[:count])
    members, nonmembers = (np.sort(np.array(side, np.int64)) for side in chosen)
    return members, nonmembers
