"""JSON that says one thing only, however it is read: what the kit's own reader takes, another program reads alike.

Python's own reader takes the last of two keys of one name, `NaN` and `1e999`, integers of any length, and ends in a
`RecursionError` where objects lie too deep. A file that shows one number to a person and another to the kit is no JSON
here.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

# What a seed may need; beyond, readers of other languages round.
_LARGEST = 2**64
_SHOWN = 40


def loads(content: str | bytes) -> Any:
    """Returns what a text describes.

    Args:
        content: JSON; bytes in UTF-8.

    Raises:
        ValueError: it is none, says a key twice, a number that is not finite or beyond 64 bits, or is nested too
            deeply; as half a sentence.

    Example:
        >>> loads('{"seconds": 6.0}')
        {'seconds': 6.0}
        >>> loads('{"seconds": 6.0, "seconds": 0.1}')
        Traceback (most recent call last):
        ValueError: it says 'seconds' twice
    """
    try:
        return json.loads(
            content, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite, parse_int=_integer
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it says {twice[:_SHOWN]!r} twice")
    return content


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}, which is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds the number {text[:_SHOWN]}, which is too large")
    return number


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) >= _LARGEST:
        raise ValueError(f"it holds the number {text[:_SHOWN]}, which is too large")
    return number
