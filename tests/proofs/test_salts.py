"""Which record each salt is of: against a search by hand, with copies, missing ones and hashes that begin alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.proofs.salts import Salts
from kit.proofs.signatures import Rejected
from kit.types import Arrays

SIZE = 32


def hashes(numbers: list[int], alike: int) -> np.ndarray:
    """A hash a number; of all of them the first bytes are the same."""
    rows = np.zeros((len(numbers), SIZE), np.uint8)
    rows[:, :alike] = 9
    rows[:, alike] = numbers
    return rows


def records(number: int) -> Arrays:
    return Arrays(np.arange(number, dtype=np.float32)[:, None], np.zeros(number, np.int32))


def salts_of(contents: np.ndarray) -> Salts:
    return Salts(contents, np.zeros_like(contents), np.zeros_like(contents))


def by_hand(wanted: list[int], data: list[int]) -> list[int]:
    """The k-th of equal ones gets the k-th record, and the last where there are too few."""
    chosen = []
    for place, number in enumerate(wanted):
        rows = [row for row, other in enumerate(data) if other == number]
        chosen.append(rows[min(wanted[:place].count(number), len(rows) - 1)])
    return chosen


@given(data=st.lists(st.integers(0, 9), min_size=1, max_size=30), alike=st.sampled_from([0, 5, 8, 20]), draw=st.data())
@settings(max_examples=80, deadline=None)
def test_each_salt_gets_a_record_of_its_content(data: list[int], alike: int, draw: st.DataObject) -> None:
    wanted = draw.draw(st.lists(st.sampled_from(data), min_size=1, max_size=30))
    matching = salts_of(hashes(wanted, alike)).records_among(records(len(data)), hashes(data, alike))
    assert matching.x[:, 0].astype(int).tolist() == by_hand(wanted, data)


@given(
    known=st.lists(st.integers(0, 9), max_size=20),
    asked=st.lists(st.integers(0, 9), max_size=9),
    alike=st.sampled_from([0, 20]),
)
@settings(max_examples=40, deadline=None)
def test_rows_are_those_of_all_records_that_are_asked_for(known: list[int], asked: list[int], alike: int) -> None:
    rows = salts_of(hashes(known, alike)).rows_of(hashes(asked, alike))
    assert rows.tolist() == [row for row, number in enumerate(known) if number in asked]


def test_records_that_are_missing_are_counted() -> None:
    with pytest.raises(Rejected, match="2 of 3 committed records are not among the data"):
        salts_of(hashes([1, 2, 3], 20)).records_among(records(2), hashes([3, 4], 20))
