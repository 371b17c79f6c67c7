"""`--set METHOD.NAME=VALUE`: hyper-parameters from the command line."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from typing import Any

from kit.types.errors import InputError


def parse(texts: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Returns method -> hyper-parameter -> value from what was typed.

    Values are whole numbers, other numbers, `true`, `false`, or words.

    Raises:
        InputError: a text that is not of this form, or a hyper-parameter that is given twice.

    Example:
        >>> parse(["scrub.alpha=0.9", "scrub.rewind=false", "finetune.epochs=3"])
        {'scrub': {'alpha': 0.9, 'rewind': False}, 'finetune': {'epochs': 3}}
    """
    given: dict[str, dict[str, Any]] = {}
    for text in texts or ():
        place, equals, value = text.partition("=")
        method, dot, name = place.strip().rpartition(".")
        if not (equals and dot and method and name.isidentifier() and value.strip()):
            raise InputError(
                f"'--set {text}' is no hyper-parameter. Expected METHOD.NAME=VALUE, such as scrub.alpha=0.9. "
                "'kit explain METHOD' lists the names."
            )
        values = given.setdefault(method, {})
        if name in values:
            raise InputError(f"'{method}.{name}' is set twice. Expected each hyper-parameter once. Leave one out.")
        values[name] = _value(value.strip())
    return given


def _value(text: str) -> int | float | bool | str:
    """Reads a number or a truth value as TOML does; anything else is a word."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"'{text}' is no value of a hyper-parameter. Expected a finite number, true, false or a word.")
    return value if isinstance(value, int | float | str) else text
