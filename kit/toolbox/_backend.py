"""The backend that Keras runs on: the toolbox's only door to it.

A backend is a folder beside this file, with modules and functions of the same names. Nothing else in the kit asks which
one it is.
"""

from __future__ import annotations

import keras

from kit.types import InputError

if keras.backend.backend() == "tensorflow":
    from kit.toolbox._tensorflow import data, derivatives, forward, random, setup, steps, vectors
else:
    raise InputError(
        f"Keras runs on the backend '{keras.backend.backend()}'. Expected 'tensorflow', which the kit's training loop "
        "is written for. Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported."
    )

__all__ = ["data", "derivatives", "forward", "random", "setup", "steps", "vectors"]
