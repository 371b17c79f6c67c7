"""Who may use the service: names and digests of their tokens, in the queue's folder."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit.storage import durable, files, locks, seals, strict_json
from kit.types import InputError

NAME = "tokens.json"
_BYTES = 32
_HOLDER = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True)
class Tokens:
    """The tokens that are valid, as (digest, name of the holder)."""

    holders: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Tokens:
        """Returns the tokens of a queue; `InputError` where there are none, or the file is damaged.

        Args:
            folder: of the queue.
        """
        path = folder / NAME

        def load() -> Tokens:
            content = seals.without_digest(strict_json.loads(path.read_bytes()), required=True)
            return cls(tuple((str(digest), str(name)) for digest, name in content["holders"]))

        tokens: Tokens = files.checked(load, path, "a token for each holder, which 'kit requests token DIR NAME' makes")
        return tokens

    def holder(self, token: str) -> str | None:
        """Returns whose token it is; None where it is nobody's. All are compared, so that time tells nothing.

        Args:
            token: as it was sent.
        """
        sha256, holder = _digest(token), None
        for digest, name in self.holders:
            if hmac.compare_digest(digest, sha256):
                holder = name
        return holder


def issue(folder: Path, name: str) -> str:
    """Makes a token for somebody, keeps its digest, and returns it: it is nowhere else.

    Args:
        folder: of the queue.
        name: of the holder, 1 to 200 characters on one line.

    Returns:
        64 hexadecimal digits.

    Raises:
        InputError: the name is none.
        CannotWrite: the file cannot be written.
    """
    if not _HOLDER.fullmatch(name):
        raise InputError(
            f"{name[:40]!r} cannot be the name of a holder. Expected 1 to 200 characters on one line. Give another one."
        )
    token = secrets.token_hex(_BYTES)
    with _changing(folder) as holders:
        holders.append((_digest(token), name))
    return token


def revoke(folder: Path, name: str) -> int:
    """Takes somebody's tokens back, and returns how many: the service asks the file each time, so at once.

    Args:
        folder: of the queue.
        name: of the holder.

    Raises:
        InputError: nobody of this name has one.
        CannotWrite: the file cannot be written.
    """
    with _changing(folder) as holders:
        kept = [holder for holder in holders if holder[1] != name]
        revoked = len(holders) - len(kept)
        if not revoked:
            names = ", ".join(dict.fromkeys(holder[1] for holder in holders)) or "nobody"
            raise InputError(
                f"{name[:40]!r} has no token. Expected the name of a holder, who are: {names[:400]}. Correct the name."
            )
        holders[:] = kept
    return revoked


@contextlib.contextmanager
def _changing(folder: Path) -> Iterator[list[tuple[str, str]]]:
    """Gives the holders to change, and writes them, unless the block fails; one process at a time."""
    path = folder / NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.held(folder / ".tokens.lock", on_wait=lambda: None):
            holders = [*Tokens.read(folder).holders] if path.exists() else []
            yield holders
            content = seals.with_digest({"holders": [*map(list, holders)]})
            with durable.atomic_write(path, mode=0o600) as stream:
                stream.write((json.dumps(content, indent=1) + "\n").encode())
    except OSError as error:
        raise files.cannot_write(path, error) from error


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
