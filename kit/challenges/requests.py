"""Files of requests: which examples are asked for, by row number, id or group, and by which of them the header says."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kit.types import InputError

# Headers of a column of row numbers.
ROW_NAMES = ("row", "rows", "row number", "row_number", "index")
# Words without digits, with an underscore or the like between them.
_NAME = re.compile(r"[^\W\d]+([ _-][^\W\d]+)*")
# Python's own reader takes 1_0 for 10, and digits of other scripts.
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


class Requests(NamedTuple):
    """A file of requests: what its columns are called, and its lines with their numbers in the file."""

    path: Path
    names: tuple[str, ...]
    lines: list[tuple[int, list[str]]]

    def column(self, known: Sequence[str]) -> int:
        """Returns which column names the examples: the only one headed `row` or `index`, else by one of these names.

        Raises:
            InputError: none does.
            ValueError: several do.
        """
        lower = [name.lower() for name in self.names]
        for wanted in (ROW_NAMES, [name.lower() for name in known]):
            places = [place for place, name in enumerate(lower) if name in wanted]
            if len(places) == 1:
                return places[0]
            if places:
                raise ValueError(f"several of its columns name examples: {', '.join(self.names[p] for p in places)}")
        names = f", by {' or '.join(map(repr, known))}" if known else ""
        raise InputError(
            f"The columns of '{self.path}' are headed {', '.join(map(repr, self.names))}, which says neither row "
            "numbers nor what the data call their ids. Row numbers and ids look alike, and other people would be "
            f"forgotten. Expected one column headed 'row' or 'index'{names}. Head it by what it is; of a table, name "
            "the column of ids with --id-column, or with id = ... under [data] in the recipe."
        )

    def integers(self, place: int) -> np.ndarray:
        """Returns row numbers, int64 (k,)."""
        numbers = []
        for line, cells in self.lines:
            if place >= len(cells) or not _INTEGER.fullmatch(cells[place]):
                raise ValueError(f"line {line} has no integer there: {','.join(cells)!r:.200}")
            numbers.append(int(cells[place]))
        return np.array(numbers, dtype=np.int64)

    def texts(self, place: int) -> np.ndarray:
        """Returns ids or groups as texts, (k,); empty where a line is too short."""
        return np.array([cells[place] if place < len(cells) else "" for _, cells in self.lines], str)


def read(path: Path) -> Requests:
    """Reads the column that says which examples are asked for, by the name that its first line gives it.

    A single column may lack that line, and then holds row numbers.
    """
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    first = rows[0][1] if rows else []
    # Not just anything that is no number: of a list of requests nobody wants to lose the first one.
    has_header = len(first) > 1 or any(_NAME.fullmatch(cell) for cell in first)
    if first == ["0"]:
        raise ValueError(
            "its first line, 0, is row 0 or the header that pandas writes over a column without a name: above row 0, "
            "add the line 'index' as a header; where 0 is the header, replace it by that line"
        )
    for number, row in rows[has_header:]:
        if len(row) > len(first):  # a separator of thousands, say: 1,003
            raise ValueError(
                f"line {number} has {len(row)} columns where the first has {len(first)}: {','.join(row)!r}"
            )
    return Requests(path, tuple(first) if has_header else ("index",), rows[has_header:])
