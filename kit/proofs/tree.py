"""Merkle trees as in RFC 9162 (Certificate Transparency 2.0), section 2.1: roots, inclusion, consistency.

A leaf is hashed with 0x00 before it, two nodes with 0x01 before them, so that no leaf passes for a node. A tree of n
leaves is split at the largest power of two below n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SIZE = 32  # bytes of a hash
_LEAF, _NODE = b"\x00", b"\x01"
_BLOCK = 1 << 20  # bytes that are put together at once


def leaf_hash(entry: bytes) -> bytes:
    """Returns the hash of a leaf, 32 bytes.

    Args:
        entry: the content of the leaf.

    Example:
        >>> leaf_hash(b"").hex()[:16]
        '6e340b9cffb37a98'
    """
    return hashlib.sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Returns the hash of the node above two others, 32 bytes.

    Args:
        left, right: their hashes.
    """
    return hashlib.sha256(_NODE + left + right).digest()


def hashes(*parts: np.ndarray, prefix: bytes = b"") -> np.ndarray:
    r"""Returns the sha256 of each row: of a prefix and the row of each part, one behind another.

    Args:
        parts: uint8 (n, any number of bytes) each, of as many rows.
        prefix: of all rows.

    Returns:
        uint8 (n, 32).

    Example:
        >>> hashes(np.zeros((2, 3), np.uint8), prefix=b"a")[1].tobytes() == hashlib.sha256(b"a\0\0\0").digest()
        True
    """
    sha256, number = hashlib.sha256, len(parts[0])
    head = np.frombuffer(prefix, np.uint8)
    width = len(head) + sum(part.shape[1] for part in parts)
    at_once, digests = max(1, _BLOCK // max(1, width)), []
    for start in range(0, number, at_once):
        # An array for many rows: to join the bytes of each would take longer than to hash them.
        rows = [part[start : start + at_once] for part in parts]
        block = np.concatenate([np.broadcast_to(head, (len(rows[0]), len(head))), *rows], axis=1)
        digests += [sha256(row).digest() for row in block]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(number, SIZE)


def leaf_hashes(*parts: np.ndarray) -> np.ndarray:
    """Returns the hash of each leaf.

    Args:
        parts: contents of the leaves, uint8 (n, bytes), one behind another.

    Returns:
        uint8 (n, 32).

    Example:
        >>> leaf_hashes(np.full((1, 1), 7, np.uint8))[0].tobytes() == leaf_hash(bytes([7]))
        True
    """
    return hashes(*parts, prefix=_LEAF)


@dataclass(frozen=True)
class Tree:
    """A tree over hashes of leaves, with all nodes kept: 64 bytes a leaf.

    Args:
        levels: the hashes of each level one behind another, leaves first, the root last. A node without a sibling is
            its own parent, which is the split of RFC 9162. Empty for no leaves.

    Example:
        >>> tree = Tree.over(leaf_hash(entry) for entry in (b"a", b"b", b"c"))
        >>> proof = tree.inclusion(2)
        >>> root_of_inclusion(leaf_hash(b"c"), 2, len(tree), proof) == tree.root
        True
    """

    levels: tuple[bytes, ...]

    @classmethod
    def over(cls, leaves: Iterable[bytes]) -> Tree:
        """Returns the tree over leaves.

        Args:
            leaves: their hashes, 32 bytes each, in the order of the tree.

        Raises:
            ValueError: one has another length.
        """
        level = b"".join(leaves)
        if len(level) % SIZE:
            raise ValueError(f"The leaves have {len(level)} bytes in all. Expected {SIZE} each. Hash them first.")
        levels = [level] if level else []
        while len(level) > SIZE:
            level = _parents(level)
            levels.append(level)
        return cls(tuple(levels))

    def __len__(self) -> int:
        """Returns how many leaves there are."""
        return len(self.levels[0]) // SIZE if self.levels else 0

    @property
    def root(self) -> bytes:
        """The hash over all leaves; without leaves, that of nothing."""
        return self.levels[-1] if self.levels else hashlib.sha256().digest()

    def leaf(self, index: int) -> bytes:
        """Returns the hash of a leaf.

        Args:
            index: its place, from 0.
        """
        return self._node(0, index)

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        """Returns the proof that a leaf is there: the siblings on its way to the root.

        Args:
            index: its place, from 0.

        Raises:
            IndexError: there is no such leaf.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"There is no leaf {index} among {len(self)}.")
        siblings = []
        for level in self.levels[:-1]:
            sibling = (index ^ 1) * SIZE
            if sibling < len(level):
                siblings.append(level[sibling : sibling + SIZE])
            index >>= 1
        return tuple(siblings)

    def consistency(self, size: int) -> tuple[bytes, ...]:
        """Returns the proof that an older tree is the beginning of this one.

        Args:
            size: of the older tree, from 1 to the size of this one.

        Raises:
            IndexError: there are fewer leaves, or the beginning is none.
        """
        if not 0 < size <= len(self):
            raise IndexError(f"{size} leaves are no beginning of {len(self)}.")
        return tuple(self._consistency(size, 0, len(self), whole=True))

    def _consistency(self, size: int, start: int, stop: int, *, whole: bool) -> Iterator[bytes]:
        """Yields SUBPROOF of RFC 9162, 2.1.4.1, for the leaves from `start` to `stop`, of which `size` are older."""
        if size == stop - start:
            if not whole:  # else who checks has this hash: it is the older root
                yield self._range(start, stop)
            return
        middle = start + split_of(stop - start)
        if start + size <= middle:
            yield from self._consistency(size, start, middle, whole=whole)
            yield self._range(middle, stop)
        else:
            yield from self._consistency(start + size - middle, middle, stop, whole=False)
            yield self._range(start, middle)

    def _range(self, start: int, stop: int) -> bytes:
        """Returns the hash over leaves that a node of this tree stands for."""
        level = (stop - start - 1).bit_length()
        return self._node(level, start >> level)

    def _node(self, level: int, index: int) -> bytes:
        return self.levels[level][index * SIZE : (index + 1) * SIZE]


def split_of(leaves: int) -> int:
    """Returns the largest power of two below a number of leaves.

    Args:
        leaves: 2 or more.

    Example:
        >>> [split_of(leaves) for leaves in (2, 3, 4, 5)]
        [1, 2, 2, 4]
    """
    return 1 << (leaves - 1).bit_length() - 1


def root_of_inclusion(leaf: bytes, index: int, leaves: int, proof: Sequence[bytes]) -> bytes:
    """Returns the root that a proof leads to from a leaf (RFC 9162, 2.1.3.2).

    Args:
        leaf: its hash.
        index: its place among the leaves.
        leaves: how many there are.
        proof: see `Tree.inclusion`.

    Raises:
        ValueError: the proof has not the length that the place asks for; as half a sentence.
    """
    if not 0 <= index < leaves:
        raise ValueError(f"a leaf {index} among {leaves}")
    last, root, used = leaves - 1, leaf, 0
    while last:
        if index & 1 or index < last:  # a node at the end without a sibling goes up as it is
            if used == len(proof):
                raise ValueError(f"a proof of {len(proof)} hashes, which is too short")
            root = node_hash(proof[used], root) if index & 1 else node_hash(root, proof[used])
            used += 1
        index, last = index >> 1, last >> 1
    if used != len(proof):
        raise ValueError(f"a proof of {len(proof)} hashes, which is too long")
    return root


def roots_of_consistency(root: bytes, leaves: int, size: int, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Returns the older and the newer root that a proof leads to (RFC 9162, 2.1.4.2).

    Args:
        root: of the older tree.
        leaves: of the newer tree.
        size: of the older tree, at least 1.
        proof: see `Tree.consistency`.

    Raises:
        ValueError: the proof has not the length that the sizes ask for; as half a sentence.
    """
    if not 0 < size <= leaves:
        raise ValueError(f"{size} entries as the beginning of {leaves}")
    if size == leaves and not proof:
        return root, root
    hashes = iter(proof)
    try:
        # Where the older tree is whole (a power of two), it is a node of the newer one.
        index, last = size - 1, leaves - 1
        while index & 1:
            index, last = index >> 1, last >> 1
        older = newer = next(hashes) if index else root
        while last:
            if index & 1:
                sibling = next(hashes)
                older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            elif index < last:
                newer = node_hash(newer, next(hashes))
            index, last = index >> 1, last >> 1
    except StopIteration:
        raise ValueError(f"a proof of {len(proof)} hashes, which is too short") from None
    if next(hashes, None) is not None:
        raise ValueError(f"a proof of {len(proof)} hashes, which is too long")
    return older, newer


def _parents(level: bytes) -> bytes:
    """Returns the level above; the last node of an odd number goes up as it is."""
    whole = len(level) // (2 * SIZE) * (2 * SIZE)
    pairs = np.frombuffer(level, np.uint8, whole).reshape(-1, 2 * SIZE)
    return hashes(pairs, prefix=_NODE).tobytes() + level[whole:]
