"""What JAX has compiled, kept for other processes, and believed only with its seal: JAX runs what it finds.

JAX keeps a file for each computation. Here each begins with a code that only who has this home's key can make
(`kit.storage.seals`), of the computation's name and of what follows. A file without it, or with another, is removed,
and the computation compiled anew.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jax._src import compilation_cache
from jax._src.lru_cache import LRUCache

from kit.storage import seals

_CODE_BYTES = hashlib.sha256().digest_size


class _Sealed(LRUCache):
    """JAX's folder of files, each with a code in front."""

    def __init__(self, path: str, key: bytes) -> None:
        super().__init__(path, max_size=-1)
        self._key = key

    def get(self, name: str) -> bytes | None:
        """Returns what was kept under a name; None where nothing is there, or nothing to be believed."""
        content: bytes | None = super().get(name)
        if content is None:
            return None
        compiled = content[_CODE_BYTES:]
        if hmac.compare_digest(content[:_CODE_BYTES], self._code(name, compiled)):
            return compiled
        (Path(str(self.path)) / f"{name}-cache").unlink(missing_ok=True)  # else JAX would keep it
        return None

    def put(self, name: str, compiled: bytes) -> None:
        """Keeps what was compiled."""
        super().put(name, self._code(name, compiled) + compiled)

    def _code(self, name: str, compiled: bytes) -> bytes:
        return hmac.new(self._key, name.encode() + b"\0" + compiled, hashlib.sha256).digest()


def keep_in(folder: Path) -> None:
    """Has JAX keep sealed files in this folder; a folder that it is told of otherwise, the user's own, stays as it is.

    Raises:
        CannotWrite: this home has no key yet, and it cannot be written.
    """
    key = seals.code("code that JAX has compiled")
    original: Callable[[str], Any] = compilation_cache.get_file_cache

    def sealed(path: str) -> Any:
        return (_Sealed(path, key), path) if Path(path) == folder else original(path)

    compilation_cache.get_file_cache = sealed
