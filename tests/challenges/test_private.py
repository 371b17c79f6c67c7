"""A private challenge: what its host keeps is in nothing that participants get, and differs from draw to draw."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import call, one_paragraph

import kit
from kit.challenges import private
from kit.types import Arrays


@pytest.fixture
def known() -> Arrays:
    generator = np.random.default_rng(3)
    return Arrays(generator.normal(size=(400, 5)).astype(np.float32), np.arange(400) % 4)


def rows_of(arrays: Arrays) -> set[bytes]:
    return {row.tobytes() for row in arrays.x}


def test_participants_get_no_test_example_and_not_which_labels_are_wrong(known: Arrays) -> None:
    drawn = private.draw(known, 0.2, entropy=1)
    host, public = drawn.host, drawn.participants
    assert rows_of(public.arrays) == rows_of(host.arrays.take(np.flatnonzero(host.partition != 2)))
    assert not rows_of(public.arrays) & rows_of(host.arrays.take(np.flatnonzero(host.partition == 2)))
    assert public.arrays.mislabelled is None
    assert set(np.unique(public.partition)) == {0, 1, 2}


def test_both_parts_train_on_the_same_and_forget_the_same(known: Arrays, tmp_path: Path) -> None:
    drawn = private.draw(known, 0.2, entropy=1)
    drawn.host.write(tmp_path, "host", mode=0o600)
    drawn.participants.write(tmp_path, "participants", mode=0o644)
    host, public = (
        kit.load_challenge(tmp_path / f"{name}.npz", forget=tmp_path / f"{name}-forget.npz")
        for name in ("host", "participants")
    )
    np.testing.assert_array_equal(host.train.x, public.train.x)
    np.testing.assert_array_equal(host.train.y, public.train.y)
    np.testing.assert_array_equal(host.split.forget, public.split.forget)
    assert len(host.split.forget) == round(0.1 * len(host.train))
    assert stat.S_IMODE((tmp_path / "host.npz").stat().st_mode) == 0o600


def test_a_fifth_of_the_labels_is_drawn_anew_on_all_parts(known: Arrays) -> None:
    host = private.draw(known, 0.2, entropy=1).host
    assert host.arrays.mislabelled is not None
    for part in range(3):
        of_part = host.partition == part
        share = (host.arrays.y != known.y)[of_part].mean()
        error = np.sqrt(0.15 * 0.85 / of_part.sum())
        assert abs(share - 0.2 * 3 / 4) < 4 * error  # a drawn label is the true one in a fourth of the cases


def test_two_draws_have_nothing_in_common(known: Arrays) -> None:
    first, second = private.draw(known, 0.2), private.draw(known, 0.2)
    assert first.seed != second.seed
    assert not np.array_equal(first.host.arrays.y, second.host.arrays.y)
    assert not np.array_equal(first.host.partition, second.host.partition)
    assert not np.array_equal(first.host.forget, second.host.forget)


def test_what_cannot_be_drawn_from_is_refused(known: Arrays, refused: Callable[..., str]) -> None:
    refused(lambda: private.draw(known, 1.0), "The share of labels is 1.0")
    wrong = Arrays(known.x, known.y, mislabelled=known.y == 0)
    refused(lambda: private.draw(wrong, 0.2), "some labels are wrong already", "--from digits")


def test_one_command_writes_both_parts_and_says_what_to_run(tmp_path: Path) -> None:
    result = call("challenge", "new", tmp_path / "contest", "--private")
    assert result.code == 0, result.err
    assert f"Host: kit evaluate FILE.py --challenge {tmp_path}/contest/host.npz --forget" in result.out
    assert {path.name for path in (tmp_path / "contest").iterdir()} == {
        "host.npz", "host-forget.npz", "host-seed.txt", "participants.npz", "participants-forget.npz"
    }  # fmt: skip
    assert "contest' exists already" in one_paragraph(call("challenge", "new", tmp_path / "contest", "--private"))
