"""Who may use the service: names and digests of their tokens, in the queue's folder."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from kit.storage import files, seals, strict_json
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
        """Returns the tokens of a queue; `InputError` where there are none, or the file is damaged."""
        path = folder / NAME

        def load() -> Tokens:
            content = seals.without_digest(strict_json.loads(path.read_bytes()), required=True)
            return cls(tuple((str(digest), str(name)) for digest, name in content["holders"]))

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
    if not _HOLDER.fullmatch(name):
        raise InputError(
            f"{name[:40]!r} is no name of a holder. Expected 1 to 200 characters on one line. Give another one."
        )
    path, token = folder / NAME, secrets.token_hex(_BYTES)
    before = Tokens.read(folder).holders if path.exists() else ()
    content = seals.with_digest({"holders": [*map(list, before), [_digest(token), name]]})
    with files.atomic_write(path, mode=0o600) as stream:
        stream.write((json.dumps(content, indent=1) + "\n").encode())
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
