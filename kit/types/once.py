"""What several scores need of the same outputs, computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")
_VALUES = (int, float, str, type(None))


class Once:
    """Calls a function once for the same objects, and gives its result again wherever that is asked for.

    Whoever scores the rows of a table holds one, and with it what all rows share of the retrained models. It has all
    that it was given as long as it lives: results should be small. Objects are the same by identity, which asks for
    objects that nobody changes; numbers, texts and None are the same by value.

    Example:
        >>> once, numbers, calls = Once(), [3, 1], []
        >>> def total(numbers, factor):
        ...     calls.append(factor)
        ...     return factor * sum(numbers)
        >>> once(total, numbers, 2), once(total, numbers, 2), once(total, numbers, 5), calls
        (8, 8, 20, [2, 5])
    """

    def __init__(self) -> None:
        """Begins without results."""
        self._results: dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]] = {}

    def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Returns `function(*arguments)`, of the first call with these arguments."""
        key = (function, *((type(value), value if isinstance(value, _VALUES) else id(value)) for value in arguments))
        if key not in self._results:
            # With its arguments, which therefore live on: no other object can come to have their identity.
            self._results[key] = arguments, function(*arguments)
        result: Result = self._results[key][1]
        return result
