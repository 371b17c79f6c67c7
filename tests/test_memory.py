"""The memory of `kit unlearn` on mapped arrays: four times the examples take no more of it (benchmarks/memory.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import memory


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """250 MB of images more; what is counted is no page of a file, which the system takes back at will."""
    sizes = []
    for number in (30_000, 110_000):
        root = tmp_path / str(number)
        root.mkdir()
        measured = memory.measure("images", number, 32, root, method="finetune", retrained=3)
        assert "Verdict" in measured.output, measured.output[-2000:]
        sizes.append(measured.anonymous)
        for path in (root / "data").iterdir():
            path.unlink()
    images = 80_000 * 32 * 32 * 3
    assert sizes[1] - sizes[0] < images / 4


def test_the_benchmark_writes_what_the_kit_reads(tmp_path: Path) -> None:
    import kit

    (tmp_path / "data").mkdir()
    memory.write_arrays(tmp_path / "data", (300, 4), "float32")
    memory.write_parquet(tmp_path / "data", tmp_path / "data.parquet")
    (tmp_path / "recipe.toml").write_text("[data]\nlabel = 'label'\npartition = 'part'\n")
    ours = kit.load_challenge(tmp_path / "data", forget=[2])
    theirs = kit.load_challenge(tmp_path / "data.parquet", forget=[2], recipe=tmp_path / "recipe.toml")
    np.testing.assert_array_equal(ours.train.x, theirs.train.x)
    np.testing.assert_array_equal(ours.test.y, theirs.test.y)
    assert (len(ours.train), len(ours.validation), len(ours.test)) == (240, 30, 30)
