"""What the outputs of a pack say against it, beside those of retrained models.

The measure of a distance between two models is how far their confidences are apart, on forget and test. Its unit is the
distance of a retrained model to the nearest other one. On `noisy-digits` the kit's methods differ among themselves by
0.16 units and more, or not at all; none comes nearer to a retrained model than 1.0; noise of 0.001 on each weight makes
0.02 units.
"""

from __future__ import annotations

import numpy as np

from kit.contest.outcomes import PackCheck
from kit.types import Outputs

# Where models differ in few directions, one in a hundred lies by chance as near to a retrained model as half of the
# unit: a copy is nearer than half of the smallest distance between any two of those.
_SAME_MODEL, _COSMETIC = 0.5, 0.02
# Beyond, a model is sure: how sure says more of its rounding than of the model.
_SURE = 15.0
_PARTS = ("forget", "test")


def check_against(packed: Outputs, retrained: Outputs) -> list[PackCheck]:
    """Returns the checks `oracle` and `diversity`.

    Args:
        packed: of the pack's models.
        retrained: of three retrained models or more.
    """
    models, others = _points(packed), _points(retrained)
    nearest = _nearest(others)
    return [_check_oracle(models, others, nearest), _check_diversity(models, float(np.median(nearest)))]


def check_diversity(packed: Outputs) -> PackCheck:
    """Returns the check `diversity` where there are no retrained models: whether any two models say the same."""
    return _check_diversity(_points(packed), None)


def _check_oracle(models: np.ndarray, others: np.ndarray, nearest: np.ndarray) -> PackCheck:
    distances = np.array([_distances(model, others).min() for model in models])
    copies = np.flatnonzero(distances < _SAME_MODEL * nearest.min())
    if len(copies) == 0:
        times = distances.min() / max(np.median(nearest), np.finfo(np.float64).tiny)
        return PackCheck(
            "oracle", "PASS", f"the nearest to a retrained model is {times:.1f} times as far as two of those"
        )
    return PackCheck(
        "oracle",
        "FAIL",
        f"{len(copies)} of {len(models)} models say what retrained models of the reference say (the first is number "
        f"{copies[0]}, {distances[copies[0]] / nearest.min():.2g} of the smallest distance between two of those). "
        "Expected other models: these were made with the reference's seeds, or taken from it. Pack what the method "
        "makes of the original.",
    )


def _check_diversity(models: np.ndarray, unit: float | None) -> PackCheck:
    num_different = len(np.unique(models, axis=0))
    if num_different < len(models):
        return PackCheck(
            "diversity",
            "WARN",
            f"only {num_different} of {len(models)} models differ. Expected each seed to give another model: the "
            "competition's metric gives a deterministic method no points. Let chance in.",
        )
    if len(models) == 1 or unit is None:
        return PackCheck("diversity", "PASS", "no two models are the same")
    share = float(np.median(_nearest(models))) / unit
    if share >= _COSMETIC:
        return PackCheck("diversity", "PASS", f"models differ {share:.2f} times as much as retrained ones do")
    return PackCheck(
        "diversity",
        "FAIL",
        f"models differ {share:.1g} times as much as retrained ones do. Expected {_COSMETIC} at least, or no "
        "difference at all: these are copies of one model with a little noise. Let chance into the method, or pack it "
        "as it is.",
    )


def _points(outputs: Outputs) -> np.ndarray:
    """Returns (models, examples): what each model says."""
    points = np.concatenate([outputs.confidences[part] for part in _PARTS], axis=1).astype(np.float64)
    return np.clip(points, -_SURE, _SURE)


def _distances(model: np.ndarray, others: np.ndarray) -> np.ndarray:
    distances: np.ndarray = np.sqrt(((others - model) ** 2).mean(axis=1))
    return distances


def _nearest(models: np.ndarray) -> np.ndarray:
    """Returns (models,): the distance of each to the nearest of the others."""
    numbers = range(len(models))
    return np.array([np.delete(_distances(models[number], models), number).min() for number in numbers])
