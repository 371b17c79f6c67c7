"""What the kit keeps and reads again is sealed: believed as this user's kit wrote it, in the place where it did so.

An envelope is a JSON object of four keys:

| key | what it holds |
|---|---|
| `content` | what is kept; for a file that lies beside, its sha256 |
| `sha256` | `digests.digest_of` of place, content and the key's name: damage shows here |
| `key` | the name of the key, 16 digits of its sha256: whose file it is |
| `seal` | HMAC-SHA256 of `sha256` by that key: a lie shows here |

Decisions:

- The place, such as `reference/digits-0123.json`, is a part of what is sealed: a file that is put in another's place is
  not believed there. It is relative, so that folders can be moved and copied.
- Keys lie in `$KIT_HOME/keys`, where a sandboxed submission sees nothing: `own.key` is made at first use and seals; any
  other `.key` is one that the user has copied there, whose results are believed as well. A home that is moved takes its
  keys along.
- What is not believed is made again, as if it were not there. Only of folders that people carry from machine to machine
  (`read_results`), an unknown key is told of: to make 512 models again would be a bad surprise.
- Reports and what ships with the kit are read where no key can be: `with_digest` shows their damage, and no lies.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.storage import files, locks, strict_json
from kit.storage.digests import described, digest_of
from kit.types import InputError

if TYPE_CHECKING:
    import numpy as np

_KEY_BYTES, _SHOWN, _DIGITS = 32, 16, 64
_ENVELOPE = ("content", "key", "seal", "sha256")
_UNBELIEVABLE = (*files.DAMAGED, TypeError, AttributeError)
_ARRAY = "seal"


@dataclass(frozen=True)
class _Key:
    secret: bytes

    @property
    def name(self) -> str:
        return hashlib.sha256(self.secret).hexdigest()[:_SHOWN]

    def seal(self, sha256: str) -> str:
        return hmac.new(self.secret, sha256.encode(), hashlib.sha256).hexdigest()


def write_json(path: Path, place: str, content: Any) -> None:
    """Writes sealed content, atomically.

    Args:
        path: of the file.
        place: what the file is, in words that its reader knows beforehand.
        content: what JSON can hold, without NaN.

    Raises:
        CannotWrite: the file, or this home's first key, cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "seconds.json"
        ...     write_json(path, "reference/digits", {"seconds": 6.0})
        ...     read_json(path, "reference/digits"), read_json(path, "reference/others")
        ({'seconds': 6.0}, None)
    """
    with files.atomic_write(path) as stream:
        stream.write(to_bytes(place, content))


def to_bytes(place: str, content: Any) -> bytes:
    """Returns the bytes that `write_json` writes of `content`, sealed for `place`."""
    return (json.dumps(_sealed(place, content), indent=1, allow_nan=False) + "\n").encode()


def read_json(path: Path, place: str) -> Any:
    """Returns what `write_json` wrote to `path` for `place`; None where nothing is there, or not to be believed."""
    envelope = _envelope(path)
    return envelope["content"] if _is_whole(place, envelope) and _is_ours(envelope) else None


def read_results(path: Path, place: str) -> Any:
    """Returns what `write_json` wrote to `path` for `place`; None where nothing is there, or it is damaged.

    Raises:
        InputError: it is whole, but sealed in another home.
    """
    envelope = _envelope(path)
    if not _is_whole(place, envelope):
        return None
    if not _is_ours(envelope):
        raise InputError(
            f"'{path}' was sealed with the key {envelope['key'][:_SHOWN]}, which is not among those of this home: it "
            "comes from another machine or KIT_HOME, or somebody forged it. Expected results that were made here. "
            "Choose another --out to make them here; or, if you trust where they come from, copy the file "
            f"keys/own.key of that home to '{_folder() / 'NAME.key'}'."
        )
    return envelope["content"]


def write_arrays(path: Path, place: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes `arrays`, by name, to the `.npz` file `path`, atomically, with a seal for `place` over all of them."""
    import numpy as np

    envelope = _sealed(place, described(arrays))
    files.write_npz(path, {**arrays, _ARRAY: np.frombuffer(json.dumps(envelope).encode(), np.uint8)})


def read_arrays(path: Path, place: str) -> dict[str, np.ndarray] | None:
    """Returns what `write_arrays` wrote to `path` for `place`; None where nothing is there, or not to be believed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, of headers that nobody writes any more
            arrays = files.read_npz(path)
            envelope = strict_json.loads(arrays.pop(_ARRAY).tobytes())
            believed = _is_whole(place, envelope) and _is_ours(envelope) and envelope["content"] == described(arrays)
    except InputError:  # of this home's key
        raise
    except Exception:  # zipfile, zlib and NumPy raise errors of many kinds for a damaged file
        return None
    return arrays if believed else None


def with_digest(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `content`, an object for JSON, with one more key, `sha256`, by which `without_digest` notices damage.

    Example:
        >>> without_digest(with_digest({"a": 1}))
        {'a': 1}
    """
    return {**content, "sha256": digest_of(content)}


def without_digest(content: Any, *, required: bool = False) -> Any:
    """Returns what `with_digest` was given; what has no `sha256`, of an older version for instance, as it is.

    Args:
        content: as JSON has it.
        required: of files that no older version wrote, and that come with the kit.

    Raises:
        ValueError: it was changed since, or states no digest where one is required; as half a sentence.
    """
    if required and not (isinstance(content, dict) and "sha256" in content):
        raise ValueError("it states no sha256")
    if not isinstance(content, dict):
        return content
    if "sha256" not in content and any(isinstance(value, str) and len(value) == _DIGITS for value in content.values()):
        raise ValueError("the name of its sha256 was changed")
    rest = {name: value for name, value in content.items() if name != "sha256"}
    if "sha256" in content and content["sha256"] != digest_of(rest):
        raise ValueError("its content does not have the sha256 that it states")
    return rest


def code(purpose: str) -> bytes:
    """Returns a code of 32 bytes, another one for each `purpose`, that nobody can know without this home's key.

    Raises:
        CannotWrite: this home has no key yet, and it cannot be written.
    """
    return hmac.new(_own_key().secret, purpose.encode(), hashlib.sha256).digest()


def _sealed(place: str, content: Any) -> dict[str, Any]:
    key = _own_key()
    sha256 = digest_of([place, content, key.name])
    return {"content": content, "key": key.name, "seal": key.seal(sha256), "sha256": sha256}


def _envelope(path: Path) -> dict[str, Any]:
    """Returns the object in a file; an empty one where that is not there, or none."""
    try:
        envelope = strict_json.loads(path.read_bytes())
    except _UNBELIEVABLE:
        return {}
    return envelope if isinstance(envelope, dict) else {}


def _is_whole(place: str, envelope: Any) -> bool:
    try:
        expected = digest_of([place, envelope["content"], envelope["key"]])
        return sorted(envelope) == list(_ENVELOPE) and hmac.compare_digest(envelope["sha256"], expected)
    except _UNBELIEVABLE:
        return False


def _is_ours(envelope: Mapping[str, Any]) -> bool:
    """Returns whether a whole envelope has a seal by one of this home's keys."""
    seal = envelope["seal"]
    if not isinstance(seal, str) or not seal.isascii():
        return False
    return any(
        key.name == envelope["key"] and hmac.compare_digest(seal, key.seal(envelope["sha256"])) for key in _keys()
    )


def _folder() -> Path:
    return files.cache_folder() / "keys"


def _keys() -> list[_Key]:
    """Returns the keys whose seals are believed."""
    with contextlib.suppress(OSError):
        return [_read_key(_folder() / name) for name in sorted(os.listdir(_folder())) if name.endswith(".key")]
    return []


def _own_key() -> _Key:
    path = _folder() / "own.key"
    if not path.exists():
        _make_key(path)
    return _read_key(path)


def _read_key(path: Path) -> _Key:
    """Returns a key, and closes its file to other users.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        if hasattr(os, "getuid") and path.stat().st_mode & 0o077:
            path.chmod(0o600)
        secret = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise _bad_key(path, str(error)) from error
    if len(secret) != _KEY_BYTES:
        raise _bad_key(path, f"it has {len(secret)} bytes")
    return _Key(secret)


def _bad_key(path: Path, reason: str) -> InputError:
    return InputError(
        f"The key '{path}', by which the kit recognises its own files, cannot be read ({reason}). Expected "
        f"{2 * _KEY_BYTES} hexadecimal digits, readable by you. Restore it, or delete it: what was sealed with it is "
        "then made again."
    )


def _make_key(path: Path) -> None:
    """Makes a key, for the owner alone; where two processes come at once, the second finds the first one's.

    Raises:
        CannotWrite: the folder or the file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.held(path.with_suffix(".lock"), on_wait=lambda: None):
            if not path.exists():
                with files.atomic_write(path, mode=0o600) as stream:
                    stream.write(f"{secrets.token_hex(_KEY_BYTES)}\n".encode())
    except OSError as error:
        raise files.CannotWrite(
            f"'{path}' cannot be made ({error.strerror or error}). Expected a folder that can be written to, for the "
            "key by which the kit recognises its own files. Set the environment variable KIT_HOME to a folder of yours."
        ) from error
