"""Keras's global settings, which a model that is built takes without a word: other ones would give other numbers."""

from __future__ import annotations

from typing import Any

import keras

from kit.types import InputError

# What they are where nobody has set them.
_EXPECTED: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "dtype_policy": "float32",
    "max_epochs": None,
    "max_steps_per_epoch": None,
}


def check() -> None:
    """Checks that Keras has the settings that the kit's models and numbers are made with.

    They come from `keras.json`, from an environment variable, or from a call in the same session. Reports do not name
    them, so that they are held to their defaults rather than recorded.

    Raises:
        InputError: one of them is another.

    Example:
        >>> keras.config.set_epsilon(1e-5)
        >>> try:
        ...     check()
        ... except InputError as error:
        ...     print(str(error)[:42])
        ... finally:
        ...     keras.config.set_epsilon(1e-7)
        Keras's setting 'epsilon' is 1e-05, in ker
    """
    for name, expected in _EXPECTED.items():
        value = getattr(keras.config, name, lambda default=expected: default)()  # the last two came with Keras 3.12
        value = getattr(value, "name", value)
        if value != expected:
            raise InputError(
                f"Keras's setting '{name}' is {value!r}, in keras.json, by an environment variable or by a call of "
                f"keras.config.set_{name}. Expected {expected!r}, which the kit's numbers are made with. Change it "
                "back, or set the environment variable KERAS_HOME to a folder without a keras.json."
            )
