"""What a result depends on, as one digest: the same parts give the same one, on every machine and in every version.

| digest | of | where it stands |
|---|---|---|
| fingerprint | data, architecture, recipe and seed of an original, but not the forget set | `kit.runs.originals` |
| own training | settings of a method's own training, the kit's source, data | `kit.runs.pretraining` |
| population | method, settings, original, split, source, versions, machine | `kit.runs.population` |
| verdict | whether a file carries state: its source, fingerprint, the kit's source, versions | `kit.runs.contained` |
| reference | seconds of a plain retraining: fingerprint, precision, size, versions, machine | `kit.runs.timing` |

Fingerprints stand in `data/registry.json`: to change what is written here is to disown all weights that are shipped.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_STATED = "sha256"
_PLAIN = frozenset({str, int, float, bool, type(None)})


def digest_of(parts: object) -> str:
    """Returns the sha256, in hexadecimal, of plain values written as JSON in one way only.

    Args:
        parts: numbers, texts, booleans, None; lists and tuples of such, in their order; mappings, in the order of their
            keys, which are texts; dataclasses, as mappings in the order of their fields, without one that
            came later and has the value which its metadata have as `absent`.

    Raises:
        TypeError: something else is among them, such as an array: give its digest instead.

    Example:
        >>> digest_of([1, {"b": 2, "a": (3,)}]) == digest_of([1, {"a": [3], "b": 2}])
        True
        >>> digest_of([1, 2]) == digest_of([2, 1])
        False
    """
    return hashlib.sha256(json.dumps(_ordered(parts)).encode()).hexdigest()


def digest_of_arrays(arrays: Iterable[np.ndarray]) -> str:
    """Returns the sha256, in hexadecimal, of the values of arrays, one after the other; shapes and dtypes do not count.

    Args:
        arrays: in an order that counts.

    Example:
        >>> digest_of_arrays([np.zeros(2), np.ones(1)]) == digest_of_arrays([np.array([0.0, 0.0, 1.0])])
        True
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def described(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Returns shape, dtype and sha256 of each of some named arrays: plain values for `digest_of`.

    Args:
        arrays: by name.

    Example:
        >>> described({"rows": np.array([[1, 2]], np.uint8)})["rows"][:2]
        [[1, 2], '|u1']
    """
    return {
        name: [list(array.shape), array.dtype.str, hashlib.sha256(array.tobytes()).hexdigest()]
        for name, array in arrays.items()
    }


def with_digest_of_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns named arrays with one more, `sha256`, by which `without_digest_of_arrays` notices damage.

    For files that people carry from machine to machine, as `kit.storage.seals.with_digest` for JSON.

    Args:
        arrays: by name, none of which is `sha256`.

    Example:
        >>> without_digest_of_arrays(with_digest_of_arrays({"rows": np.arange(2)}))
        {'rows': array([0, 1])}
    """
    return {**arrays, _STATED: np.array(digest_of(described(arrays)))}


def without_digest_of_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns what `with_digest_of_arrays` was given.

    Args:
        arrays: as they were read; those without a digest, which an older version wrote, are returned as they are.

    Raises:
        ValueError: they were changed since; as half a sentence.
    """
    rest = {name: array for name, array in arrays.items() if name != _STATED}
    if _STATED in arrays and str(arrays[_STATED]) != digest_of(described(rest)):
        raise ValueError("its arrays do not have the sha256 that it states")
    return rest


def _ordered(value: Any) -> Any:
    """Returns what `json.dumps` writes in one way only."""
    kind = type(value)
    if kind in _PLAIN:  # nearly all values are
        return value
    if kind is dict or isinstance(value, Mapping):
        return {name: _ordered(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [_ordered(part) for part in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return {
            field.name: _ordered(entry)
            for field, entry in fields
            if "absent" not in field.metadata or entry != field.metadata["absent"]
        }
    return value
