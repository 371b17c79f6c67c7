"""The output of a command: every character in some form, and an end that is noticed.

A terminal, a pipe or a log of an older locale can show ASCII only: a table must not be lost for its sign of plus or
minus. What the output's encoding lacks is written as it would be typed.
"""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata

_ERRORS = "kit.typed"
_TYPED = {"±": "+-", "·": "-", "…": "...", "≥": ">=", "≤": "<=", "ε": "epsilon"}


def write_every_character() -> None:
    """Has the output and the errors of this process written in what characters they can show; nothing is refused."""
    codecs.register_error(_ERRORS, _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's, a notebook's or none at all: a closed one
            stream.reconfigure(errors=_ERRORS)


def finish() -> None:
    """Writes what is still held back of the output, so that it is told where that fails.

    Raises:
        OSError: the output cannot be written to: the disk is full, say. It is closed to anything further.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # Python would try once more when it ends, and print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def typed(text: str) -> str:
    """Returns a text in ASCII, as somebody would type it, for terminals that show nothing else.

    Args:
        text: any; a character without a spelling in ASCII becomes `?`.

    Example:
        >>> typed("0.51 ±0.02, Zoë, 数")
        '0.51 +-0.02, Zoe, ?'
    """
    return "".join(_typed(character) for character in text)


def _typed(character: str) -> str:
    if character in _TYPED:
        return _TYPED[character]
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letters or "?"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return typed(error.object[error.start : error.end]), error.end
