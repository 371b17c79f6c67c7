"""Where the labels of a picture's dots go: clear of each other and of dots, each with a line to its own."""

from __future__ import annotations

import numpy as np

# In points: how far a label may lie from its dot, how large a dot is, and how near a line passes what it touches.
_DISTANCES, DOT, _NEAR_LINE = (7.0, 12.0, 18.0, 26.0, 36.0, 48.0, 62.0), 7.0, 5.0
# Error bars run along the axes: labels go beside them first.
_ANGLES = np.concatenate([np.array([1, 3, 5, 7, 0, 2, 4, 6]), np.arange(8) + 0.5]) * np.pi / 4
# What is paid for a line over a dot, over a label and over another line; for each point outside, and of the line.
_OVER_DOT, _OVER_LABEL, _CROSSING, _OUTSIDE, _LENGTH = 30.0, 40.0, 20.0, 100.0, 0.3
_ROUNDS = 6


def offsets(places: np.ndarray, sizes: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Returns where labels go, so that they and their lines cover each other and dots as little as can be.

    One label after the other takes the best of its candidates, all others staying where they are, for a few rounds.

    Args:
        places: of all dots, those without a label last, (dots, 2), in points.
        sizes: width and height of labels, (labels, 2).
        inside: lower left and upper right corner that labels are to stay within, (2, 2).

    Returns:
        From dots to the middles of their labels, (labels, 2).

    Example:
        >>> offsets(np.array([[50.0, 50.0]]), np.array([[10.0, 8.0]]), np.array([[0.0, 0.0], [99.0, 99.0]])).tolist()
        [[8.485281372, 7.778174591]]
    """
    directions = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1).round(9)
    chosen: dict[int, np.ndarray] = {}
    for _ in range(_ROUNDS):
        before = {number: offset.tolist() for number, offset in chosen.items()}
        for number, size in enumerate(sizes):
            candidates = np.concatenate([directions * (distance + size / 2) for distance in _DISTANCES])
            others = [other for other in chosen if other != number]
            labels = places[others] + np.array([chosen[other] for other in others]).reshape(-1, 2)
            lines = (places[others].reshape(-1, 2), labels)
            dots = np.delete(places, number, axis=0)
            costs = np.repeat(_DISTANCES, len(_ANGLES)) * _LENGTH
            costs = costs + _outside(places[number] + candidates, size, inside) * _OUTSIDE
            costs += _covered(places[number] + candidates, size, places, np.full_like(places, DOT))
            costs += _covered(places[number] + candidates, size, labels, sizes[others].reshape(-1, 2))
            costs += _cost_of_lines(places[number], candidates, dots, lines)
            chosen[number] = candidates[int(np.argmin(costs.round(6)))]
        if before == {number: offset.tolist() for number, offset in chosen.items()}:
            break
    return np.array([chosen[number] for number in range(len(sizes))]).reshape(-1, 2)


def _cost_of_lines(
    place: np.ndarray, candidates: np.ndarray, dots: np.ndarray, lines: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Returns what the line to each candidate passes over, and what the candidate itself lies on, (candidates,)."""
    starts, ends = np.broadcast_to(place, candidates.shape), place + candidates
    costs: np.ndarray = _OVER_DOT * (_gaps(starts, ends, dots) < DOT / 2).sum(axis=1).astype(float)
    costs += _OVER_LABEL * (_gaps(starts, ends, lines[1]) < _NEAR_LINE).sum(axis=1)
    costs += _OVER_LABEL * (_gaps(*lines, ends) < _NEAR_LINE).sum(axis=0)
    costs += _CROSSING * _cross(starts, ends, *lines).sum(axis=1)
    return costs


def _outside(middles: np.ndarray, size: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Returns by how many points each box is beyond the edges, (boxes,)."""
    below, above = inside[0] - (middles - size / 2), middles + size / 2 - inside[1]
    total: np.ndarray = (np.clip(below, 0, None) + np.clip(above, 0, None)).sum(axis=1)
    return total


def _covered(middles: np.ndarray, size: np.ndarray, others: np.ndarray, other_sizes: np.ndarray) -> np.ndarray:
    """Returns the area that each box has in common with all others, (boxes,)."""
    gaps = np.abs(middles[:, np.newaxis] - others[np.newaxis])
    common = np.clip((size + other_sizes) / 2 - gaps, 0, np.minimum(size, other_sizes))
    area: np.ndarray = common.prod(axis=2).sum(axis=1)
    return area


def _gaps(starts: np.ndarray, ends: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns how far each point is from each line, (lines, points)."""
    along, apart = ends - starts, points[np.newaxis] - starts[:, np.newaxis]
    share = np.clip((apart * along[:, np.newaxis]).sum(axis=2) / (along**2).sum(axis=1, keepdims=True), 0, 1)
    gaps: np.ndarray = np.linalg.norm(apart - share[..., np.newaxis] * along[:, np.newaxis], axis=2)
    return gaps


def _cross(starts: np.ndarray, ends: np.ndarray, other_starts: np.ndarray, other_ends: np.ndarray) -> np.ndarray:
    """Returns whether lines cross, (lines, others)."""

    def side(first: np.ndarray, second: np.ndarray, points: np.ndarray) -> np.ndarray:
        along, apart = second - first, points[np.newaxis] - first[:, np.newaxis]
        signs: np.ndarray = np.sign(along[:, :1] * apart[..., 1] - along[:, 1:] * apart[..., 0])
        return signs

    parted = side(starts, ends, other_starts) * side(starts, ends, other_ends) < 0
    crossing: np.ndarray = (
        parted & (side(other_starts, other_ends, starts) * side(other_starts, other_ends, ends) < 0).T
    )
    return crossing
