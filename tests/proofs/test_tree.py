"""Trees against the vectors of Certificate Transparency and against the recursive definition, written out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.proofs import tree
from kit.proofs.tree import Tree, leaf_hash, root_of_inclusion, roots_of_consistency

# The inputs and roots of the reference implementation of RFC 6962 (whose trees are those of RFC 9162).
ENTRIES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSIONS = {  # (leaf, leaves): proof
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CONSISTENCIES = {  # (older, newer): proof
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def tree_of(number: int) -> Tree:
    return Tree.over(leaf_hash(entry) for entry in ENTRIES[:number])


def hexadecimal(hashes: Sequence[bytes]) -> list[str]:
    return [value.hex() for value in hashes]


def test_no_leaves_have_the_hash_of_nothing() -> None:
    assert Tree.over([]).root == hashlib.sha256(b"").digest()
    assert len(Tree.over([])) == 0


@pytest.mark.parametrize("number", range(1, 9))
def test_roots_are_those_of_certificate_transparency(number: int) -> None:
    assert tree_of(number).root.hex() == ROOTS[number - 1]


@pytest.mark.parametrize(("place", "proof"), INCLUSIONS.items())
def test_proofs_of_inclusion_are_those_of_certificate_transparency(place: tuple[int, int], proof: list[str]) -> None:
    index, number = place
    assert hexadecimal(tree_of(number).inclusion(index)) == proof


@pytest.mark.parametrize(("sizes", "proof"), CONSISTENCIES.items())
def test_proofs_of_consistency_are_those_of_certificate_transparency(sizes: tuple[int, int], proof: list[str]) -> None:
    older, newer = sizes
    assert hexadecimal(tree_of(newer).consistency(older)) == proof


# The definition of RFC 9162, 2.1.1 to 2.1.4, word by word, over the entries themselves.


def split(entries: Sequence[bytes]) -> int:
    power = 1
    while power * 2 < len(entries):
        power *= 2
    return power


def oracle_root(entries: Sequence[bytes]) -> bytes:
    if len(entries) == 0:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = split(entries)
    return hashlib.sha256(b"\x01" + oracle_root(entries[:k]) + oracle_root(entries[k:])).digest()


def oracle_path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = split(entries)
    if m < k:
        return [*oracle_path(m, entries[:k]), oracle_root(entries[k:])]
    return [*oracle_path(m - k, entries[k:]), oracle_root(entries[:k])]


def oracle_subproof(m: int, entries: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [oracle_root(entries)]
    k = split(entries)
    if m <= k:
        return [*oracle_subproof(m, entries[:k], whole=whole), oracle_root(entries[k:])]
    return [*oracle_subproof(m - k, entries[k:], whole=False), oracle_root(entries[:k])]


@pytest.mark.parametrize("number", [*range(1, 20), 31, 32, 33, 64, 65])
def test_trees_and_proofs_are_those_of_the_recursive_definition(number: int) -> None:
    entries = [bytes([place, number]) for place in range(number)]
    tree = Tree.over(map(leaf_hash, entries))
    assert tree.root == oracle_root(entries)
    for index in range(number):
        proof = tree.inclusion(index)
        assert list(proof) == oracle_path(index, entries)
        assert root_of_inclusion(leaf_hash(entries[index]), index, number, proof) == tree.root
    for size in range(1, number + 1):
        proof = tree.consistency(size)
        older = oracle_root(entries[:size])
        assert list(proof) == oracle_subproof(size, entries, whole=True)
        assert roots_of_consistency(older, number, size, proof) == (older, tree.root)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 200), st.data())
def test_a_proof_with_a_changed_bit_leads_to_another_root(number: int, data: st.DataObject) -> None:
    tree = Tree.over(leaf_hash(place.to_bytes(2, "big")) for place in range(number))
    index, size = data.draw(st.integers(0, number - 1)), data.draw(st.integers(1, number - 1))
    inclusion, consistency = tree.inclusion(index), tree.consistency(size)
    bit = data.draw(st.integers(0, 8 * 32 * max(len(inclusion), len(consistency)) - 1))
    older = Tree.over(tree.leaf(place) for place in range(size)).root
    assert root_of_inclusion(tree.leaf(index), index, number, flipped(inclusion, bit)) != tree.root
    assert roots_of_consistency(older, number, size, flipped(consistency, bit)) != (older, tree.root)


def flipped(proof: Sequence[bytes], bit: int) -> list[bytes]:
    content = bytearray(b"".join(proof))
    bit %= 8 * len(content)
    content[bit // 8] ^= 1 << bit % 8
    return [bytes(content[place : place + 32]) for place in range(0, len(content), 32)]


@pytest.mark.parametrize("number", [1, 2, 3, 7, 8])
def test_a_proof_that_is_too_short_or_too_long_is_refused(number: int) -> None:
    tree = tree_of(number)
    for index in range(number):
        proof = tree.inclusion(index)
        for wrong in [proof[:-1]] * bool(proof) + [(*proof, proof[-1] if proof else tree.root)]:
            with pytest.raises(ValueError, match="a proof of"):
                root_of_inclusion(tree.leaf(index), index, number, wrong)
    for size in range(1, number):
        proof = tree.consistency(size)
        for wrong in (proof[:-1], (*proof, proof[-1])):
            with pytest.raises(ValueError, match="a proof of"):
                roots_of_consistency(tree_of(size).root, number, size, wrong)


def test_places_that_are_not_there_are_refused() -> None:
    tree = tree_of(5)
    for index in (-1, 5):
        with pytest.raises(IndexError):
            tree.inclusion(index)
        with pytest.raises(ValueError, match="among 5"):
            root_of_inclusion(tree.leaf(0), index, 5, ())
    for size in (0, 6):
        with pytest.raises(IndexError):
            tree.consistency(size)
        with pytest.raises(ValueError, match="beginning"):
            roots_of_consistency(tree.root, 5, size, ())
    with pytest.raises(ValueError, match="Expected 32 each"):
        Tree.over([b"short"])


@pytest.mark.parametrize("number", [0, 1, 7])
def test_hashes_of_rows_are_those_of_their_bytes_however_many_are_put_together(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(tree, "_BLOCK", 24)  # two rows
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 256, (number, width), dtype=np.uint8) for width in (7, 3))
    expected = [
        hashlib.sha256(b"ab" + row.tobytes() + other.tobytes()).digest()
        for row, other in zip(first, second, strict=True)
    ]
    assert [row.tobytes() for row in tree.hashes(first, second, prefix=b"ab")] == expected
    assert tree.hashes(first, second, prefix=b"ab").shape == (number, 32)
