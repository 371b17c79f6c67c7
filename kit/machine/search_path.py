"""The working folder, where `python -m` looks for modules first: a user's random.py would pass for Python's own."""

from __future__ import annotations

import os
import sys


def leave_working_folder() -> None:
    """Takes the working folder from the front of the search path, to be called before much is imported.

    Where the kit itself comes from there, which is a checkout that is not installed, it goes to the end.
    """
    try:
        folder = os.getcwd()
    except OSError:  # it was deleted
        return
    if not sys.flags.safe_path and sys.path[0] in {"", folder}:
        del sys.path[0]
        if _checkout() == os.path.realpath(folder):
            sys.path.append(folder)


def _checkout() -> str:
    """Returns the folder that holds the package `kit`, two above this file's."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
