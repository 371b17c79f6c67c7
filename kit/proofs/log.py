"""The log: signed statements, a line each, that can only grow.

Each statement holds the head of the tree (RFC 9162) over the lines before it, so that no line can be changed, left out
or put elsewhere. That lines at the end are missing shows where somebody remembers a later head: each certificate does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kit.proofs import signatures, tree
from kit.proofs.commitment import Head
from kit.proofs.signatures import Rejected, Signer, Verifier
from kit.proofs.tree import Tree
from kit.storage import files

NAME = "log.jsonl"
PREFIX = "urn:unlearning-kit:proofs:v1:"


@dataclass(frozen=True)
class Entry:
    """A line of the log: its bytes, and what it states."""

    line: bytes
    statement: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """What it is: `commitment`, `nonce`, `training` or `deletion`."""
        return str(self.statement["predicateType"]).removeprefix(PREFIX)

    @property
    def predicate(self) -> Mapping[str, Any]:
        """What it says."""
        predicate: Mapping[str, Any] = self.statement["predicate"]
        return predicate

    @property
    def subjects(self) -> dict[str, str]:
        """Name and sha256 of what it is about."""
        return {subject["name"]: subject["digest"]["sha256"] for subject in self.statement["subject"]}

    @property
    def before(self) -> Head:
        """The head of the log as it was before this line."""
        return Head.from_json(self.predicate["log"])


@dataclass(frozen=True)
class Log:
    """All lines, read and checked.

    Args:
        entries: the lines.
        clock: tells UTC seconds, for lines that are added.
    """

    entries: tuple[Entry, ...] = ()
    clock: Callable[[], float] = field(default=time.time, compare=False)

    @property
    def tree(self) -> Tree:
        """The tree over the lines."""
        return Tree.over(tree.leaf_hash(entry.line) for entry in self.entries)

    @property
    def head(self) -> Head:
        """How many lines there are, and the root over them."""
        return Head(len(self.entries), self.tree.root)

    @classmethod
    def of(cls, content: bytes, verifier: Verifier) -> Log:
        """Returns the log that some bytes are.

        Args:
            content: of the log's file.
            verifier: whose signatures are believed.

        Raises:
            Rejected: a line is damaged, cut, signed by another key, left out, or not where it was written.
        """
        if content and not content.endswith(b"\n"):
            raise signatures.damaged("The log", "its last line is cut")
        entries: list[Entry] = []
        roots = _Growing()
        for number, line in enumerate(content.split(b"\n")[:-1]):
            what = f"Line {number + 1} of the log"
            entry = Entry(line, checked_statement(verifier.opened(line, what), what))
            if entry.before != Head(number, roots.root):
                raise signatures.damaged(what, "it does not follow from the lines before it")
            roots.append(line)
            entries.append(entry)
        return cls(tuple(entries))

    def with_statement(
        self, signer: Signer, kind: str, subjects: Mapping[str, str], predicate: Mapping[str, Any]
    ) -> Log:
        """Returns the log with a statement more, signed now, by the log's clock.

        Args:
            signer: who signs.
            kind: `commitment`, `nonce`, `training` or `deletion`.
            subjects: name and sha256 (hexadecimal) of what it is about.
            predicate: what it says: texts, whole numbers, booleans, None, lists and objects of them.

        Raises:
            TypeError: it says something else, a number that is not whole for instance.
        """
        when = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="seconds")
        content = {**predicate, "log": self.head.to_json(), "when": when}
        stated = signatures.statement(PREFIX + kind, subjects, content)
        return Log((*self.entries, Entry(signer.sealed(stated), stated)), self.clock)

    def to_bytes(self) -> bytes:
        """Returns what is in the file."""
        return b"".join(entry.line + b"\n" for entry in self.entries)

    def write(self, folder: Path) -> None:
        """Writes the log into a folder, in place of a shorter one, atomically.

        Args:
            folder: of the trail.

        Raises:
            CannotWrite: the disk is full, for instance.
        """
        with files.atomic_write(folder / NAME) as stream:
            stream.write(self.to_bytes())

    def last(self, kind: str, *, before: int | None = None) -> tuple[int, Entry] | None:
        """Returns the last line of a kind and its number, None where there is none; of those before a line.

        Args:
            kind: see `Entry.kind`.
            before: the number of a line, from 0; None for the log's end.
        """
        numbered = list(enumerate(self.entries))[: len(self.entries) if before is None else before]
        return next(((number, entry) for number, entry in reversed(numbered) if entry.kind == kind), None)

    def consistency(self, head: Head) -> tuple[bytes, ...]:
        """Returns the proof that this log continues another that had this head; `IndexError` where it is shorter.

        Args:
            head: of the other log, of size 1 or more.
        """
        return self.tree.consistency(head.size)

    def require_continues(self, head: Head, whose: str) -> None:
        """Checks that a head that somebody remembers is that of the beginning of this log.

        Args:
            head: the remembered one.
            whose: who remembers it, for the message.

        Raises:
            Rejected: lines were cut off, or replaced by others.
        """
        if head.size > len(self.entries):
            raise Rejected(
                f"The log has {len(self.entries)} lines, but {whose} was written when there were {head.size}: it was "
                "cut. Expected all lines, for a log only grows. Get the whole log from whoever certified."
            )
        check_consistency(self.consistency(head) if head.size else (), head, self.head, whose)


class _Growing:
    """The root of a log that grows by a line at a time: the roots of its whole subtrees, largest first."""

    def __init__(self) -> None:
        self._subtrees: list[tuple[int, bytes]] = []

    @property
    def root(self) -> bytes:
        if not self._subtrees:
            return Tree(()).root
        *rest, (_, root) = self._subtrees
        for _, subtree in reversed(rest):
            root = tree.node_hash(subtree, root)
        return root

    def append(self, line: bytes) -> None:
        size, root = 1, tree.leaf_hash(line)
        while self._subtrees and self._subtrees[-1][0] == size:
            _, left = self._subtrees.pop()
            size, root = 2 * size, tree.node_hash(left, root)
        self._subtrees.append((size, root))


def read(folder: Path, verifier: Verifier) -> Log:
    """Returns the log in a folder; an empty one where there is none.

    Args:
        folder: of a trail.
        verifier: whose signatures are believed.

    Raises:
        Rejected: see `Log.of`.
    """
    path = folder / NAME
    return Log.of(path.read_bytes(), verifier) if path.is_file() else Log()


def checked_statement(statement: dict[str, Any], what: str) -> dict[str, Any]:
    """Returns a statement of this version of the kit's.

    Args:
        statement: as it was signed.
        what: names it in the message.

    Raises:
        Rejected: it has another version, or lacks what every statement has.
    """
    kind = statement.get("predicateType")
    if statement.get("_type") != signatures.STATEMENT_TYPE or not str(kind).startswith(PREFIX):
        raise Rejected(
            f"{what} has the type '{str(kind)[:80]}', which this kit does not know. Expected one that begins with "
            f"{PREFIX}. Check it with the version of the kit that wrote it."
        )
    try:
        Head.from_json(statement["predicate"]["log"])
        dict[str, str]((part["name"], part["digest"]["sha256"]) for part in statement["subject"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise signatures.damaged(what, "it does not say what every statement of the kit says") from None
    return statement


def check_consistency(proof: Sequence[bytes], older: Head, newer: Head, whose: str) -> None:
    """Checks that a log with one head continues a log with another.

    Args:
        proof: see `Log.consistency`.
        older: head of the log that is remembered.
        newer: head of the log that is there.
        whose: who remembers the older one, for the message.

    Raises:
        Rejected: the proof leads elsewhere.
    """
    if older.size == 0 and older.root == Tree(()).root:
        return
    try:
        roots = tree.roots_of_consistency(older.root, newer.size, older.size, proof)
    except ValueError:
        roots = b"", b""
    if roots != (older.root, newer.root):
        raise Rejected(
            f"The log does not continue the one that {whose} is from: lines were replaced. Expected the same first "
            f"{older.size} lines. Get the log again from whoever certified; if theirs is the same, do not believe it."
        )
