"""What rows of a table share is computed once for the same objects, and anew for others that are merely equal."""

from __future__ import annotations

import numpy as np

from kit.types import Comparison, Once


class Counted:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, array: np.ndarray, *settings: object) -> float:
        self.calls += 1
        return float(array.sum())


def test_the_same_objects_are_asked_once_and_equal_ones_anew() -> None:
    once, total, array = Once(), Counted(), np.arange(4.0)
    assert [once(total, array, array) for _ in range(3)] == [6.0] * 3
    assert total.calls == 1
    once(total, array.copy(), array)
    once(total, array)
    assert total.calls == 3
    Once()(total, array)
    assert total.calls == 4  # nothing is kept outside


def test_settings_are_the_same_by_value_and_kind() -> None:
    once, total, array = Once(), Counted(), np.arange(4.0)
    for setting in (1000, "some text", 2.5, None):
        once(total, array, setting)
        once(total, array, type(setting)(str(setting)) if setting is not None else None)
    assert total.calls == 4
    for setting in (1, 1.0, True):
        once(total, array, setting)
    assert total.calls == 7


def test_two_functions_do_not_share() -> None:
    once, array = Once(), np.arange(4.0)
    assert (once(np.sum, array), once(np.max, array)) == (6.0, 3.0)


def test_arguments_live_on_so_that_none_can_take_their_place() -> None:
    """An array that is made where a forgotten one was has its identity."""
    once, results = Once(), []
    for number in range(50):
        results.append(once(np.sum, np.full(1000, float(number))))
    assert results == [1000.0 * number for number in range(50)]


def test_comparisons_share_only_what_they_are_given() -> None:
    nobody = np.zeros(0, np.int64)
    sides = (None, None, nobody, nobody, "", 1.0)
    assert Comparison(*sides).once is not Comparison(*sides).once  # type: ignore[arg-type]
