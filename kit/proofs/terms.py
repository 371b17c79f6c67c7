"""The terms of a training: what is fixed before it begins, so that nothing is left for the trainer to choose."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from kit.machine import environment
from kit.proofs.commitment import Head
from kit.storage.digests import digest_of
from kit.types import Challenge, InputError

NONCE_BYTES = 16


def recipe_of(challenge: Challenge) -> dict[str, Any]:
    """Returns all that a training depends on beside its data, its seed and the code, as texts and whole numbers.

    Args:
        challenge: that is trained on.
    """
    original = challenge.original if challenge.model_description else None
    return {
        "model": challenge.model,
        "model_sha256": digest_of([challenge.model_description, list(challenge.input_shape), challenge.num_classes]),
        # Layers that are frozen keep the weights that the user's model came with.
        "original_sha256": "" if original is None else _digest(original),
        "recipe": {name: str(value) for name, value in challenge.recipe.settings().items()},
        "batch_size": int(challenge.batch_size),
        "task": repr(challenge.task),
        "precision": challenge.precision,
    }


def _digest(arrays: Any) -> str:
    from kit.storage.digests import digest_of_arrays

    return digest_of_arrays(arrays)


def code_sha256() -> str:
    """Returns the digest of the kit's source, which trains."""
    return environment.source_sha256()


def surroundings() -> dict[str, Any]:
    """Returns what bits depend on beside: the machine, and the versions of libraries."""
    return {"machine": environment.machine(), "versions": environment.versions()}


def seed_of(head: Head, method: str, recipe: Mapping[str, Any], code: str, nonce_line: bytes) -> int:
    """Returns the seed that follows: 32 bits of a hash, so that to shop for another one is to change what is stated.

    Args:
        head: of the committed records.
        method: whose training it is.
        recipe: see `recipe_of`.
        code: see `code_sha256`.
        nonce_line: the line of the log, signed before the training, that holds the nonce.

    Example:
        >>> seed_of(Head(1, bytes(32)), "retrain", {}, "", b"a") == seed_of(Head(1, bytes(32)), "retrain", {}, "", b"b")
        False
    """
    parts = [head.to_json(), method, dict(recipe), code, hashlib.sha256(nonce_line).hexdigest()]
    return int(digest_of(["seed", *parts])[:8], 16)


def nonce_from(text: str | None) -> str | None:
    """Returns an auditor's nonce in hexadecimal, None where there is none.

    Args:
        text: hexadecimal digits, or None.

    Raises:
        InputError: it is none, or too short to be one.
    """
    if text is None:
        return None
    try:
        content = bytes.fromhex(text)
    except ValueError:
        content = b""
    if len(content) < NONCE_BYTES:
        raise InputError(
            f"The nonce '{text[:40]}' cannot be used: it is too short, or not hexadecimal. Expected at least "
            f"{2 * NONCE_BYTES} hexadecimal digits that the auditor drew after the commitment was signed. Draw some "
            "with: openssl rand -hex 16."
        )
    return content.hex()
