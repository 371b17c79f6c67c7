"""Dataclasses from what JSON holds, each value checked against its annotation: how reports are read."""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from kit.types.errors import InputError

_EXPECTED = "Expected what 'kit run --json' writes"
_ADVICE = "Write the file again with 'kit run' or 'kit evaluate'."


def read(value: Any, kind: Any, where: str) -> Any:
    """Returns what JSON holds as an object; the dataclasses' annotations are the schema.

    Args:
        value: as `json.loads` returns it, or `dataclasses.asdict`.
        kind: a type: a dataclass, a tuple, a mapping, a `Literal`, one that may be None, text or a number.
        where: names the place in errors.

    Raises:
        InputError: a key is missing, is none of the dataclass's, or holds something of another type.

    Example:
        >>> read([1, 2], tuple[float, ...], "the list")
        (1, 2)
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _read_dataclass(value, kind, where)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else read(value, next(part for part in arguments if part is not type(None)), where)
    if origin is typing.Literal:
        if value not in arguments:
            raise damaged(where, f"is {described(value)}, not one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        return _read_tuple(value, arguments, where)
    if origin in (Mapping, dict):
        if not isinstance(value, dict):
            raise damaged(where, f"is {described(value)}, not an object")
        return {key: read(entry, arguments[1], f"'{key}' in {where}") for key, entry in value.items()}
    return _read_plain(value, kind, where)


def _read_dataclass(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise damaged(where, f"is {described(value)}, not an object")
    hints = typing.get_type_hints(kind)
    required = {part.name for part in fields(kind) if part.default is MISSING and part.default_factory is MISSING}
    unknown, missing = sorted(value.keys() - hints.keys()), sorted(required - value.keys())
    if unknown or missing:
        raise damaged(where, f"has no '{missing[0]}'" if missing else f"has a key '{unknown[0]}'")
    return kind(**{name: read(entry, hints[name], f"'{name}' in {where}") for name, entry in value.items()})


def _read_tuple(value: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    many = arguments[-1] is Ellipsis
    if not isinstance(value, list | tuple) or not (many or len(value) == len(arguments)):
        raise damaged(where, f"is {described(value)}, not a list{'' if many else f' of {len(arguments)}'}")
    kinds = [arguments[0]] * len(value) if many else arguments
    places = (f"number {number} of {where}" for number in range(1, len(value) + 1))
    return tuple(read(entry, kind, place) for entry, kind, place in zip(value, kinds, places, strict=True))


def _read_plain(value: Any, kind: type, where: str) -> Any:
    """Returns a text, a number, or true or false; whole numbers may stand for others, but never true and false."""
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        raise damaged(where, f"is {described(value)}, not {names[kind]}")
    if isinstance(value, float) and not math.isfinite(value):
        raise damaged(where, f"is {value}, not a finite number")
    return value


def described(value: Any) -> str:
    """Returns what was found, as JSON, cut to what an error has room for."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:40]}..."


def damaged(where: str, what: str) -> InputError:
    """Returns the error for a report that is none; `what` is wrong begins with its verb."""
    return InputError(f"{where[0].upper()}{where[1:]} {what}. {_EXPECTED} (see kit/reports/records.py). {_ADVICE}")
