"""What a request of the service says, in JSON: the records, and dates; read as if its writer were an enemy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kit.storage import strict_json
from kit.streams.request import Refused, seconds_of
from kit.types import Arrays

_BY = ("rows", "owner", "ids")
_FIELDS = frozenset({*_BY, "received", "deadline"})


@dataclass(frozen=True)
class Names:
    """By what the training examples may be named, without the examples.

    Args:
        size: how many there are.
        owners: (size,), whose each is, as texts; None where the data do not say.
        columns: ids by the names of their columns, as texts.
    """

    size: int
    owners: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, train: Arrays) -> Names:
        """Returns the names that training examples have.

        Args:
            train: the training examples.
        """
        owners = None if train.groups is None else np.asarray(train.groups).astype(str)
        return cls(len(train), owners, {name: np.asarray(column).astype(str) for name, column in train.keys.items()})


@dataclass(frozen=True)
class Wish:
    """What is asked: rows of the training examples, and when the request came and is to be settled (UTC seconds)."""

    rows: np.ndarray
    received: float | None
    deadline: float | None


def read(body: bytes, names: Names) -> Wish:
    """Returns what a body asks for.

    Args:
        body: an object with `rows` (a list of whole numbers), `owner` (a text) or `ids` (`column` and `values`), and
            perhaps `received` and `deadline` (dates).
        names: of the training examples.

    Raises:
        Refused: it is no such object, or names what is not there.

    Example:
        >>> read(b'{"owner": "7"}', Names(3, np.array(["7", "8", "7"]))).rows.tolist()
        [0, 2]
    """
    try:
        content = strict_json.loads(body)
    except (ValueError, UnicodeDecodeError) as error:
        raise _malformed(f"it is no JSON ({str(error).splitlines()[0][:100]})") from None
    if not isinstance(content, dict) or not {*content} <= _FIELDS or len({*_BY} & {*content}) != 1:
        raise _malformed("it has other fields")
    (by,) = {*_BY} & {*content}
    rows = {"rows": _rows, "owner": _owner, "ids": _ids}[by](content[by], names)
    received, deadline = (content.get(name) for name in ("received", "deadline"))
    return Wish(rows, *(None if text is None else seconds_of(text) for text in (received, deadline)))


def _rows(value: Any, names: Names) -> np.ndarray:
    if not isinstance(value, list) or not all(type(row) is int for row in value):
        raise _malformed("'rows' is no list of whole numbers")
    wrong = [row for row in value if not 0 <= row < names.size]
    if wrong:
        raise Refused(
            "unknown",
            f"There is no record {wrong[0]}. Expected rows of the training data, from 0 to {names.size - 1:,}. Correct "
            "the request.",
        )
    return np.array(value, np.int64)


def _owner(value: Any, names: Names) -> np.ndarray:
    if not isinstance(value, str):
        raise _malformed("'owner' is no text")
    return _equal(names.owners, [value], "owner")


def _ids(value: Any, names: Names) -> np.ndarray:
    if not isinstance(value, dict) or {*value} != {"column", "values"} or not isinstance(value["column"], str):
        raise _malformed("'ids' is no object of 'column' and 'values'")
    wanted = value["values"]
    if not isinstance(wanted, list) or not wanted or not all(isinstance(each, str) for each in wanted):
        raise _malformed("'values' is no list of texts")
    return _equal(names.columns.get(value["column"]), wanted, f"column '{value['column'][:40]}'")


def _equal(column: np.ndarray | None, wanted: list[str], what: str) -> np.ndarray:
    """Returns the rows that have one of these names; all of the names have to be there."""
    if column is None:
        raise Refused(
            "unknown",
            f"The data do not say the {what} of their examples. Expected a name that they have. Name the rows instead.",
        )
    missing = {*wanted} - {*column.tolist()}
    if missing:
        raise Refused(
            "unknown",
            f"There is no training example of {what} {min(missing)[:40]!r}. Expected names that the training data "
            "have. Correct the request; about a record that was never learnt nothing is to be forgotten.",
        )
    return np.flatnonzero(np.isin(column, wanted))


def _malformed(what: str) -> Refused:
    return Refused(
        "malformed",
        f"The request cannot be read: {what}. Expected a JSON object with one of 'rows' (a list of whole numbers), "
        "'owner' (a text) and 'ids' ('column' and 'values'), and perhaps 'received' and 'deadline' (dates). See "
        "/openapi.json.",
    )
