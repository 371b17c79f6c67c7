"""Ticks of logarithmic axes: as people write the numbers, and all of an axis in one manner."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from kit.reports import style


@pytest.mark.parametrize(
    ("low", "high", "step", "labels"),
    [
        (1e-2, 1, 1, ["0.01", "0.1", "1"]),
        (1e-4, 1, 2, ["0.0001", "0.01", "1"]),
        (1e-6, 1e2, 2, ["10⁻⁶", "10⁻⁴", "0.01", "1", "100"]),
    ],
)
def test_powers_of_ten_are_written_in_one_manner(low: float, high: float, step: int, labels: list[str]) -> None:
    axis = Figure().add_subplot().xaxis
    style.powers(axis, low, high, step=step)
    assert [
        axis.get_major_formatter()(place, number) for number, place in enumerate(axis.get_major_locator()())
    ] == labels
