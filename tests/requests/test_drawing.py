"""Forget sets for trial: as many retained examples, of the same kind."""

from __future__ import annotations

import numpy as np
import pytest

import kit
from kit.requests import drawing


def challenge(forget: object, groups: np.ndarray | None = None, classes: int = 6) -> kit.Challenge:
    labels = np.arange(240) % classes
    arrays = kit.Arrays(np.eye(classes)[labels], labels, groups=groups)
    return kit.make_challenge("drawn", arrays, partition=np.repeat([0, 1, 2], [180, 30, 30]), forget=forget)


def drawn_labels(asked: kit.Challenge, split: kit.types.Split) -> np.ndarray:
    return asked.labels("retain")[split.forget]


@pytest.mark.parametrize("forget", [[0, 6, 1, 8], "stratified:0.2", "random:17"])
def test_as_many_examples_with_the_mix_of_classes(forget: object) -> None:
    asked = challenge(forget, np.zeros(240, int))  # of one owner, who keeps the others: none of theirs are drawn whole
    for split in drawing.draw(asked, 3, seed=0):
        assert len(split.retain) + len(split.forget) == len(asked.split.retain)
        np.testing.assert_equal(np.sort(drawn_labels(asked, split)), np.sort(asked.labels("forget")))
    assert "mix of classes" in drawing.described(asked)


def test_other_seeds_draw_others_and_the_same_seed_the_same() -> None:
    asked = challenge([0, 6, 1, 8])
    first, again, other = (drawing.draw(asked, 2, seed=seed) for seed in (0, 0, 1))
    assert [split.sha256 for split in first] == [split.sha256 for split in again]
    assert first[0].sha256 != first[1].sha256
    assert {split.sha256 for split in first}.isdisjoint(split.sha256 for split in other)


def test_of_a_class_other_whole_classes_are_drawn_a_different_one_each_time() -> None:
    asked = challenge("class:2")
    chosen = []
    for split in drawing.draw(asked, 3, seed=0):
        (label,) = set(drawn_labels(asked, split).tolist())
        assert (asked.labels("retain") == label).sum() == len(split.forget)
        chosen.append(label)
    assert 2 not in chosen
    assert len(set(chosen)) == 3


@pytest.mark.parametrize("forget", ["group:7", "rows"])
def test_of_owners_as_many_others_of_about_their_size_are_drawn(forget: str) -> None:
    sizes = np.array([1, 1, 1, 1, 1, 30, 30, 4, 4, 4, 5, 3, 95])  # of 180 training examples
    groups = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), np.full(60, 99)])
    asked = challenge(np.flatnonzero(groups == 7) if forget == "rows" else forget, groups)
    assert "owners" in drawing.described(asked)
    owners = asked.train.groups[asked.split.retain]
    drawn = [set(owners[split.forget].tolist()) for split in drawing.draw(asked, 4, seed=0)]
    assert all(len(each) == 1 for each in drawn)
    assert set.union(*drawn) == {8, 9, 10, 11}


@pytest.mark.parametrize(
    ("forget", "classes", "reason"),
    [("class:0", 2, "too few would be left"), ("random:130", 6, "more than half"), ("class:0,1,2,3", 6, "too few")],
)
def test_where_there_is_nothing_like_it_that_is_said(forget: str, classes: int, reason: str) -> None:
    with pytest.raises(drawing.NoSimilarExamples, match=reason):
        drawing.draw(challenge(forget, classes=classes), 2, seed=0)
