"""What a method may return: one rule, for a call in this process and in a contained one, a population, a pack, a check.

It is a Keras model. Its weights are those of the original's architecture: as many, of the same shapes, finite in the
dtypes of `net`, into which other floating-point numbers are converted. It says what they say there, because the scorer
takes the weights alone. How it is built is the method's business: a wrapper, a subclass or layers that compute in
bfloat16 are as good as `net`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kit.models.weights import Expected, RefusedWeightsError, in_dtypes, require_like
from kit.submission.diagnosis import printable
from kit.types import BrokenSubmission

# How far outputs may lie apart, by the largest of them: layers that compute in bfloat16 keep two digits.
_TOLERANCE = 0.05
_LARGEST = 1e300


def checked_weights(name: str, weights: Sequence[Any], expected: Sequence[Expected]) -> tuple[np.ndarray, ...]:
    """Returns the weights of a returned model as arrays of the expected dtypes.

    Args:
        name: of the method.
        weights: in the order of `net.weights`.
        expected: those of the original's architecture.

    Raises:
        BrokenSubmission: they are others, or not finite.

    Example:
        >>> checked_weights("mine", [np.zeros(2)], [Expected((2,), np.dtype(np.float64))])
        (array([0., 0.]),)
    """
    dtypes = [array.dtype for array in expected]
    arrays = tuple(in_dtypes([np.asarray(array) for array in weights], dtypes))
    try:
        require_like(arrays, expected)
    except RefusedWeightsError as error:
        raise refusal(name, str(error), error.check, expected) from error
    return arrays


def refusal(name: str, reason: str, check: str, expected: Sequence[Expected]) -> BrokenSubmission:
    """Returns the error that a model's weights cannot be used; `reason` is half a sentence."""
    return BrokenSubmission(
        check,
        f"The weights that '{name}' returned cannot be used: {reason}. Expected the architecture of 'net': "
        f"{len(expected)} arrays of its shapes and dtypes, with finite values. Return 'net', or a model built like it; "
        "where values are not finite, lower the learning rate.",
    )


def outputs_problem(name: str, reply: Mapping[str, Any], outputs: np.ndarray) -> str:
    """Returns the problem that a returned model says something else than its weights do, or "".

    Args:
        name: of the method.
        reply: what is known of the model: `probe`, its outputs on some examples, and `described`, how it differs from
            the original. A contained process can say anything.
        outputs: what its weights give in the original's architecture on the same examples.

    Example:
        >>> outputs_problem("mine", {"probe": [1.0, 2.0]}, np.array([[1.0, 2.0]]))
        ''
    """
    values = reply.get("probe")
    numbers = [value for value in (values[:1000] if isinstance(values, list) else []) if isinstance(value, int | float)]
    probe = np.array(
        [float(value) if abs(value) < _LARGEST else np.inf for value in numbers]
    )  # JSON has no largest one
    ours = outputs.astype(np.float64).ravel()[: len(probe) or None]
    compared = np.isfinite(ours)  # whether logits are finite is a check of its own
    far = _TOLERANCE * max(1.0, float(np.abs(ours[compared]).max(initial=0.0)))
    if len(probe) == len(ours) and np.allclose(probe[compared], ours[compared], rtol=0, atol=far):
        return ""
    described = f"; it has {printable(reply['described'], 600)}" if reply.get("described") else ""
    return (
        f"The model that '{name}' returned gives other outputs than its weights do in the original's architecture"
        f"{described}. Expected the architecture of 'net', because the scorer takes the weights only, and logits out. "
        "Return 'net', or a model built like it."
    )


def require_same_outputs(name: str, reply: Mapping[str, Any], outputs: np.ndarray) -> None:
    """Checks that a returned model says what its weights do; arguments as for `outputs_problem`.

    Raises:
        BrokenSubmission: it does not.
    """
    problem = outputs_problem(name, reply, outputs)
    if problem:
        raise BrokenSubmission("architecture", problem)
