"""Who may use the service: names and digests of their tokens, a line each, in the queue's folder."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from kit.storage import files
from kit.types import InputError

NAME = "tokens.txt"
_BYTES = 32
_LINE = re.compile(r"([0-9a-f]{64}) ([^\x00-\x1f\x7f]{1,200})")


@dataclass(frozen=True)
class Tokens:
    """The tokens that are valid, as (digest, name of the holder)."""

    holders: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Tokens:
        """Returns the tokens of a queue; `InputError` where there are none, or the file is damaged."""
        path = folder / NAME

        def load() -> Tokens:
            matches = [_LINE.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if not matches or not all(matches):
                raise ValueError("a line is not a digest and a name")
            return cls(tuple((match[1], match[2]) for match in matches if match))

        tokens: Tokens = files.checked(load, path, "a token for each holder, which 'kit requests token DIR NAME' makes")
        return tokens

    def holder(self, token: str) -> str | None:
        """Returns whose token it is; None where it is nobody's. All are compared, so that time tells nothing."""
        sha256, holder = _digest(token), None
        for digest, name in self.holders:
            if hmac.compare_digest(digest, sha256):
                holder = name
        return holder


def issue(folder: Path, name: str) -> str:
    """Makes a token for somebody, keeps its digest, and returns it: it is nowhere else.

    Raises:
        InputError: the name is none.
        CannotWrite: the file cannot be written.
    """
    token = secrets.token_hex(_BYTES)
    line = f"{_digest(token)} {name}"
    if not _LINE.fullmatch(line):
        raise InputError(
            f"{name[:40]!r} is no name of a holder. Expected 1 to 200 characters on one line. Give another one."
        )
    path = folder / NAME
    before = Tokens.read(folder).holders if path.exists() else ()
    lines = [*(f"{digest} {holder}" for digest, holder in before), line]
    with files.atomic_write(path, mode=0o600) as stream:
        stream.write("".join(f"{each}\n" for each in lines).encode())
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
