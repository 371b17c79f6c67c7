"""Whether XLA may compile the training of small networks: part of what the bits of a trained model depend on."""

from __future__ import annotations

import os

VARIABLE = "KIT_XLA"


def is_allowed() -> bool:
    """Returns whether `$KIT_XLA` leaves the form of a training to the network, as it does by default.

    Raises:
        InputError: the variable is neither `auto` nor `never`.

    Example:
        >>> os.environ[VARIABLE] = "never"
        >>> is_allowed()
        False
    """
    wish = os.environ.get(VARIABLE, "auto")
    if wish not in {"auto", "never"}:
        from kit.types import InputError  # which loads NumPy

        raise InputError(
            f"The environment variable {VARIABLE} is '{wish}'. Expected 'auto' (the default: small networks are "
            "compiled by XLA) or 'never'. Correct it, or leave it out."
        )
    return wish == "auto"
