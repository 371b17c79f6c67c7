"""A commitment to data: a salted leaf for each record, sorted, so that what is there and what is not can be shown.

    leaf = H(0x00 | salt | H(example, label))

Two leaves that stand side by side show that no leaf between them is there. That is worth what the order is worth: who
has all leaves checks it (`Commitment.of`), and who has the data, that each leaf is a record's (`kit.proofs.salts`). The
same record with another salt has another leaf: of the record itself, only who has the data can say that it is gone.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kit.proofs import tree
from kit.proofs.tree import SIZE, Tree
from kit.types import Arrays, InputError


@dataclass(frozen=True)
class Head:
    """What is published of a tree.

    Args:
        size: how many leaves there are.
        root: the hash over all of them, 32 bytes.

    Example:
        >>> Head.from_json(Head(3, bytes(32)).to_json()) == Head(3, bytes(32))
        True
    """

    size: int
    root: bytes

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return {"size": self.size, "root": self.root.hex()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Head:
        """Returns what `to_json` was called on; `ValueError` or `KeyError` where it is none.

        Args:
            content: plain values.
        """
        return cls(_whole(content["size"]), _hash(content["root"]))


@dataclass(frozen=True)
class Presence:
    """The proof that a leaf is in a tree, at its place.

    Args:
        leaf: its hash, 32 bytes.
        index: its place, from 0.
        siblings: the hashes beside its way to the root, from the leaf on.
    """

    leaf: bytes
    index: int
    siblings: tuple[bytes, ...]

    def check(self, head: Head) -> None:
        """Checks the proof against a published tree; `ValueError` with half a sentence where it is none.

        Args:
            head: of the tree.
        """
        if tree.root_of_inclusion(self.leaf, self.index, head.size, self.siblings) != head.root:
            raise ValueError(f"a proof for leaf {self.index} that leads to another root")

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain values."""
        siblings = [sibling.hex() for sibling in self.siblings]
        return {"leaf": self.leaf.hex(), "index": self.index, "siblings": siblings}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Presence:
        """Returns what `to_json` was called on; `ValueError` or `KeyError` where it is none."""
        return cls(_hash(content["leaf"]), _whole(content["index"]), tuple(map(_hash, content["siblings"])))


@dataclass(frozen=True)
class Absence:
    """The proof that a leaf is not in a sorted tree: its neighbours, of which one is missing at either end.

    Args:
        leaf: the hash that is not there, 32 bytes.
        before, after: the leaves between which it would stand; None beyond the first and the last.

    Example:
        >>> committed = Commitment.of(np.array([[7] * 32, [3] * 32, [5] * 32], np.uint8))
        >>> proof = committed.absence(bytes([4] * 32))
        >>> proof.check(committed.head)
        >>> proof.before.index, proof.after.index
        (0, 1)
    """

    leaf: bytes
    before: Presence | None
    after: Presence | None

    def check(self, head: Head) -> None:
        """Checks the proof against a published tree; `ValueError` with half a sentence where it is none.

        Args:
            head: of the tree.
        """
        before, after = self.before, self.after
        for neighbour in (before, after):
            if neighbour is not None:
                neighbour.check(head)
        if (before is not None and before.leaf >= self.leaf) or (after is not None and after.leaf <= self.leaf):
            raise ValueError("neighbours between which the leaf would not stand")
        place = -1 if before is None else before.index
        if (head.size if after is None else after.index) != place + 1:
            raise ValueError("leaves that are no neighbours")

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain values."""
        before, after = (None if part is None else part.to_json() for part in (self.before, self.after))
        return {"leaf": self.leaf.hex(), "before": before, "after": after}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Absence:
        """Returns what `to_json` was called on; `ValueError` or `KeyError` where it is none."""
        before, after = (
            None if content[name] is None else Presence.from_json(content[name]) for name in ("before", "after")
        )
        return cls(_hash(content["leaf"]), before, after)


@dataclass(frozen=True, eq=False)
class Commitment:
    """A tree over sorted leaves.

    Args:
        leaves: uint8 (n, 32), in rising order.
    """

    leaves: np.ndarray

    @classmethod
    def of(cls, leaves: np.ndarray) -> Commitment:
        """Returns the commitment to leaves in any order; `ValueError` where one stands twice.

        Args:
            leaves: uint8 (n, 32).
        """
        keys = leaves.view(">u8")
        leaves = leaves[np.lexsort(keys.T[::-1])]
        committed = cls(leaves)
        committed.check_order()
        return committed

    def check_order(self) -> None:
        """Checks that each leaf is above the one before it; `ValueError` with half a sentence where not."""
        keys = np.ascontiguousarray(self.leaves).view(">u8")
        rising = np.zeros(max(len(keys) - 1, 0), bool)
        for column in reversed(range(keys.shape[1])):  # the first column in which two leaves differ decides
            lower, upper = keys[:-1, column], keys[1:, column]
            rising = (lower < upper) | ((lower == upper) & rising)
        if not rising.all():
            raise ValueError(f"leaf {int(np.argmin(rising)) + 1}, which does not stand above the one before it")

    @cached_property
    def tree(self) -> Tree:
        """The tree, computed when it is first asked for."""
        return Tree.over([self.leaves.tobytes()])

    @property
    def head(self) -> Head:
        """What is published of it."""
        return Head(len(self.leaves), self.tree.root)

    def place(self, leaf: bytes) -> tuple[int, bool]:
        """Returns where a leaf stands, or would, and whether it is there.

        Args:
            leaf: its hash, 32 bytes.
        """
        low, high = 0, len(self.leaves)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.leaves[middle].tobytes() < leaf else (low, middle)
        return low, low < len(self.leaves) and self.leaves[low].tobytes() == leaf

    def presence(self, leaf: bytes) -> Presence:
        """Returns the proof that a leaf is there; `ValueError` where it is not.

        Args:
            leaf: its hash, 32 bytes.
        """
        index, present = self.place(leaf)
        if not present:
            raise ValueError(f"the leaf {leaf.hex()[:16]}..., which is not in the tree")
        return self._at(index)

    def absence(self, leaf: bytes) -> Absence:
        """Returns the proof that a leaf is not there; `ValueError` where it is.

        Args:
            leaf: its hash, 32 bytes.
        """
        index, present = self.place(leaf)
        if present:
            raise ValueError(f"the leaf {leaf.hex()[:16]}..., which is in the tree")
        before = self._at(index - 1) if index else None
        return Absence(leaf, before, self._at(index) if index < len(self.leaves) else None)

    def without(self, leaves: np.ndarray) -> Commitment:
        """Returns the commitment to all but these leaves, uint8 (k, 32); `ValueError` where one is not there."""
        kept = np.ones(len(self.leaves), bool)
        for leaf in leaves:
            index, present = self.place(leaf.tobytes())
            if not present:
                raise ValueError(f"the leaf {leaf.tobytes().hex()[:16]}..., which is not in the tree")
            kept[index] = False
        return Commitment(self.leaves[kept])

    def _at(self, index: int) -> Presence:
        return Presence(self.leaves[index].tobytes(), index, self.tree.inclusion(index))


def contents(records: Arrays) -> np.ndarray:
    """Returns the hash of each example with its label, as they are in memory.

    Args:
        records: the examples.

    Returns:
        uint8 (n, 32).

    Raises:
        InputError: the examples have weights, which a leaf says nothing of.

    Example:
        >>> first, second, third = contents(Arrays(np.array([[1.0], [2.0], [1.0]]), np.array([0, 0, 0])))
        >>> bool((first == third).all()), bool((first == second).all())
        (True, False)
    """
    if records.sample_weight is not None:
        raise InputError(
            "The examples have weights (sample_weight), to which a commitment does not bind. Expected data without. "
            "Leave the weights out."
        )
    x, y = np.ascontiguousarray(records.x), np.ascontiguousarray(records.y)
    kind = f"{x.dtype.str}{x.shape[1:]}{y.dtype.str}{y.shape[1:]}".encode()
    return tree.hashes(_bytes_of(x), _bytes_of(y), prefix=kind)


def draw_salts(records: int) -> np.ndarray:
    """Returns a secret for each record, by the system's own random numbers.

    Args:
        records: how many.

    Returns:
        uint8 (n, 32).
    """
    return np.frombuffer(secrets.token_bytes(SIZE * records), np.uint8).reshape(records, SIZE)


def leaves(contents: np.ndarray, salts: np.ndarray) -> np.ndarray:
    """Returns the leaf of each record, in the order of the records.

    Args:
        contents: of the records, uint8 (n, 32).
        salts: of the records, uint8 (n, 32).

    Returns:
        uint8 (n, 32).
    """
    return tree.leaf_hashes(salts, contents)


def _bytes_of(array: np.ndarray) -> np.ndarray:
    """Returns what each row of a contiguous array is in memory, uint8 (n, bytes)."""
    return array.reshape(len(array), math.prod(array.shape[1:])).view(np.uint8)


def _hash(text: Any) -> bytes:
    """Returns a hash from its digits; `ValueError` where these are none, or written in another way."""
    value = bytes.fromhex(text) if isinstance(text, str) else b""
    if len(value) != SIZE or value.hex() != text:
        raise ValueError("a hash that is none")
    return value


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} in the place of a whole number")
    return number
