"""A deleted example, read off the difference of a linear model's weights before and after (Bertran et al., 2024).

The model is ridge regression on one-hot labels, with a constant as last feature. With A the matrix of second moments of
what stays, `W' - W = A^-1 x r`, r being the deleted example's residual: so `A (W' - W)` is its features times r, to the
last digit, and they are known but for their length. Who does not know A takes that of public examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.leaks.information import Estimate, mean

# Weight decay, as a share of the mean second moment: pixels that are always 0 leave the matrix regular.
_RIDGE = 0.1


@dataclass(frozen=True)
class Reconstructions:
    """Cosines between deleted examples and what is made of the weights, each (requests,), and the images themselves.

    Args:
        exact: by who knows the second moments of all other training examples.
        public: by who knows public examples only.
        nearest: of the public example whose answer changes most (MaxDiff).
        images, neighbours: of `public` and of `nearest`, (requests, features); the first are at most 1.
    """

    exact: np.ndarray
    public: np.ndarray
    nearest: np.ndarray
    images: np.ndarray
    neighbours: np.ndarray

    def means(self) -> dict[str, Estimate]:
        """Returns the mean of each attacker."""
        return {name: mean(getattr(self, name)) for name in ("exact", "public", "nearest")}


def reconstruct(
    x: np.ndarray, y: np.ndarray, public: np.ndarray, deleted: np.ndarray, num_classes: int
) -> Reconstructions:
    """Deletes examples from a linear model, one at a time and exactly, and reconstructs each.

    Args:
        x: training examples, float (n, features).
        y: their labels, 0 .. num_classes - 1.
        public: examples of the same kind, (m, features).
        deleted: numbers of the training examples to delete.
        num_classes: how many.

    Source: Bertran et al., Reconstruction attacks on machine unlearning: simple models are vulnerable, NeurIPS 2024.
    What differs: one-hot ridge regression in closed form, where the paper has logistic regression besides.

    Returns:
        Cosines, near 1 where the image is read off the weights, and the images.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> result = reconstruct(x, np.arange(50) % 2, x[25:], np.array([4]), 2)
        >>> round(float(result.exact[0]), 6)
        1.0
    """
    rows, outside = _with_constant(x), _with_constant(public)
    targets = np.eye(num_classes)[y]
    moments, products = rows.T @ rows, rows.T @ targets
    damping = _RIDGE * np.trace(moments) / len(moments) * np.eye(len(moments))
    before = np.linalg.solve(moments + damping, products)
    guess = outside.T @ outside * (len(rows) / len(outside)) + damping
    columns: dict[str, list[np.ndarray]] = {"exact": [], "public": [], "nearest": []}
    for number in deleted:
        row = rows[number]
        rest = moments - np.outer(row, row) + damping
        change = np.linalg.solve(rest, products - np.outer(row, targets[number])) - before
        columns["exact"].append(_features(rest @ change, outside.mean(axis=0)))
        columns["public"].append(_features(guess @ change, outside.mean(axis=0)))
        columns["nearest"].append(public[np.argmax(np.linalg.norm(outside @ change, axis=1))])
    images = {name: np.array(values) for name, values in columns.items()}
    cosines = {name: _cosines(values, x[deleted]) for name, values in images.items()}
    read_off = images["public"] / np.abs(images["public"]).max(axis=1, keepdims=True)
    return Reconstructions(**cosines, images=read_off, neighbours=images["nearest"])


def _features(moved: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Returns the features x of `x r`, (features + 1, classes), up to their length: its first singular vector.

    Of its two signs it has that of the mean example.
    """
    direction = np.linalg.svd(moved, full_matrices=False)[0][:, 0]
    features: np.ndarray = direction[:-1] * (np.sign(direction @ usual) or 1.0)
    return features


def _cosines(images: np.ndarray, truths: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(images, axis=1) * np.linalg.norm(truths, axis=1)
    cosines: np.ndarray = (images * truths).sum(axis=1) / np.maximum(lengths, 1e-300)
    return cosines


def _with_constant(x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(x, np.float64), np.ones((len(x), 1))], axis=1)
