"""What a commitment to data shows, and what it cannot be brought to show."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.proofs import commitment
from kit.proofs.commitment import Absence, Commitment, Head, Presence
from kit.types import Arrays


def records(number: int = 30, seed: int = 0) -> Arrays:
    generator = np.random.default_rng(seed)
    return Arrays(generator.normal(size=(number, 4)).astype(np.float32), generator.integers(0, 3, number))


def committed_to(number: int) -> tuple[np.ndarray, Commitment]:
    leaves = commitment.leaves(commitment.contents(records(number)), commitment.draw_salts(number))
    return leaves, Commitment.of(leaves)


def test_a_leaf_is_the_hash_that_the_page_states() -> None:
    arrays, salts = records(3), commitment.draw_salts(3)
    leaves = commitment.leaves(commitment.contents(arrays), salts)
    for place in range(3):
        content = hashlib.sha256(b"<f4(4,)<i4()" + arrays.x[place].tobytes() + arrays.y[place].tobytes()).digest()
        assert leaves[place].tobytes() == hashlib.sha256(b"\x00" + salts[place].tobytes() + content).digest()


@pytest.mark.parametrize("change", ["example", "label", "dtype"])
def test_another_record_has_another_content(change: str) -> None:
    arrays = records(2)
    x, y = arrays.x.copy(), arrays.y.copy()
    if change == "example":
        x[1, 0] = np.nextafter(x[1, 0], np.float32(9))
    elif change == "label":
        y[1] += 1
    other = Arrays(x.astype(np.uint8) if change == "dtype" else x, y)
    before, after = commitment.contents(arrays), commitment.contents(other)
    assert (before[1] != after[1]).any()
    assert (before[0] == after[0]).all() == (change != "dtype")


@pytest.mark.parametrize("number", [1, 2, 3, 8, 30])
def test_each_leaf_is_shown_to_be_there_and_no_other_is(number: int) -> None:
    leaves, committed = committed_to(number)
    ordered = sorted(leaf.tobytes() for leaf in leaves)
    assert [leaf.tobytes() for leaf in committed.leaves] == ordered
    for index, leaf in enumerate(ordered):
        presence = committed.presence(leaf)
        presence.check(committed.head)
        assert presence.index == index
        with pytest.raises(ValueError, match="is in the tree"):
            committed.absence(leaf)
    strangers = [bytes(32), b"\xff" * 32, *(hashlib.sha256(bytes([place])).digest() for place in range(20))]
    for stranger in strangers:
        committed.absence(stranger).check(committed.head)
        with pytest.raises(ValueError, match="not in the tree"):
            committed.presence(stranger)


def test_nothing_is_absent_between_neighbours_that_are_none() -> None:
    _, committed = committed_to(8)
    head, ordered = committed.head, [leaf.tobytes() for leaf in committed.leaves]
    at = [committed.presence(leaf) for leaf in ordered]
    present = ordered[4]
    forged = [
        Absence(present, at[3], at[5]),  # a leaf between them is left out
        Absence(present, at[3], at[4]),
        Absence(present, at[4], at[5]),
        Absence(present, at[7], None),  # the leaf does not stand behind the last one
        Absence(present, None, at[0]),
        Absence(present, None, at[5]),
        Absence(present, at[3], None),
        Absence(present, None, None),
        Absence(bytes(32), None, at[1]),
        Absence(b"\xff" * 32, at[6], None),
    ]
    for proof in forged:
        with pytest.raises(ValueError, match="neighbour"):
            proof.check(head)
    with pytest.raises(ValueError, match="another root"):
        Presence(present, 3, at[4].siblings).check(head)
    with pytest.raises(ValueError, match=r"another root|a proof of"):
        at[4].check(Head(9, head.root))


def test_of_no_leaves_every_leaf_is_absent() -> None:
    empty = Commitment(np.empty((0, 32), np.uint8))
    empty.check_order()
    empty.absence(bytes(32)).check(empty.head)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=2, max_size=12, unique=True), st.randoms())
def test_an_order_is_found_out_unless_it_rises(leaves: list[bytes], shuffler: object) -> None:
    shuffled = sorted(leaves)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    committed = Commitment(np.frombuffer(b"".join(shuffled), np.uint8).reshape(-1, 32))
    if shuffled == sorted(leaves):
        committed.check_order()
    else:
        with pytest.raises(ValueError, match="does not stand above"):
            committed.check_order()


def test_a_leaf_that_stands_twice_is_refused() -> None:
    twice = np.zeros((2, 32), np.uint8)
    with pytest.raises(ValueError, match="leaf 1"):
        Commitment.of(twice)


def test_without_some_leaves_it_is_the_commitment_to_the_others() -> None:
    leaves, committed = committed_to(30)
    assert committed.without(leaves[:7]).head == Commitment.of(leaves[7:]).head
    with pytest.raises(ValueError, match="not in the tree"):
        committed.without(np.zeros((1, 32), np.uint8))


def test_proofs_go_to_json_and_back() -> None:
    leaves, committed = committed_to(9)
    for proof in (committed.presence(leaves[0].tobytes()), committed.absence(bytes(32)), committed.head):
        assert type(proof).from_json(json.loads(json.dumps(proof.to_json()))) == proof


@pytest.mark.parametrize(
    "content", [{"size": -1, "root": "00" * 32}, {"size": True, "root": "00" * 32}, {"size": 1, "root": "00"},
                {"size": 1, "root": "AB" * 32}, {"size": 1, "root": None}],
)  # fmt: skip
def test_a_head_that_is_none_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"none|whole"):
        Head.from_json(content)
