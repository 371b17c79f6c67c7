"""Pickles of arrays, numbers and texts, read without executing anything that a stranger has put in."""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO

import numpy as np


def read_arrays(stream: BinaryIO) -> Any:
    """Returns what was pickled, by Python 2 or 3, if it consists of arrays, numbers, texts and their containers.

    Texts of Python 2 come as bytes.

    Args:
        stream: an open file, at its start. That it may be large is for the caller to check.

    Raises:
        pickle.UnpicklingError: it asks for something else, which is not imported.
        Exception: of many kinds, for a damaged file.

    Example:
        >>> import io
        >>> read_arrays(io.BytesIO(pickle.dumps({"data": np.arange(3)})))["data"]
        array([0, 1, 2])
        >>> read_arrays(io.BytesIO(pickle.dumps(getattr)))
        Traceback (most recent call last):
        ...
        _pickle.UnpicklingError: it asks for 'builtins.getattr', which data have no need of: do not trust it
    """
    return _ArraysOnly(stream, encoding="bytes").load()


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Returns what a pickled array needs. Functions are new each time: a pickle could put attributes on them."""
        admitted = {
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
            # Without importing their modules, which NumPy 2 has renamed. The second is protocol 5's.
            "numpy.core.multiarray._reconstruct": np.empty(0).__reduce__()[0],
            "numpy.core.numeric._frombuffer": _frombuffer(),
            # How Python 3 writes bytes for Python 2.
            "_codecs.encode": lambda text, _encoding: text.encode("latin1"),
        }
        stand_in = admitted.get(f"{module.replace('numpy._core', 'numpy.core')}.{name}")
        if stand_in is None:
            raise pickle.UnpicklingError(f"it asks for '{module}.{name}', which data have no need of: do not trust it")
        return stand_in


def _frombuffer() -> Any:
    return lambda content, dtype, shape, order: np.frombuffer(content, dtype).reshape(shape, order=order)
