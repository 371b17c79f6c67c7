"""Replay: what came back from a backup forgets again what was settled since, by its tombstones.

A backup of the data knows records that were forgotten, and a backup of the certified model has learnt them. The queue's
own folder has to outlive both: keep it apart from them, and of it the newest copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kit.proofs import certify
from kit.proofs.certificate import Certificate
from kit.proofs.finishing import finished
from kit.proofs.salts import Salts
from kit.proofs.signatures import Signer
from kit.streams import methods
from kit.streams.store import Store
from kit.streams.tombstones import Key, Register
from kit.types import Challenge, Split


@dataclass(frozen=True)
class Replayed:
    """What a replay has found and done.

    Args:
        rows: int64 (k,), rows of the data's training part that are to be forgotten, and so to be taken out.
        again: how many records the restored model had learnt that were to be forgotten.
        certificate: of their deletion; None where the model knew none.
    """

    rows: np.ndarray
    again: int = 0
    certificate: Certificate | None = None


def rows_of(store: Store, register: Register) -> np.ndarray:
    """Returns the rows of restored data that were to be forgotten, int64, rising.

    Args:
        store: of the queue that knows what was settled.
        register: of the restored training examples, by the queue's key.
    """
    return register.rows_of(store.settled_records())


def replayed(
    store: Store,
    key: Key,
    restored: Path,
    challenge: Challenge,
    signer: Signer,
    *,
    register: Register,
    announce: Callable[[str], None] = lambda _: None,
) -> Replayed:
    """Has a restored certified model forget all that was settled, by one training, and writes that down.

    Args:
        store: of the queue that knows what was settled.
        key: its own.
        restored: folder of the model that came back.
        challenge: its data.
        signer: of its log.
        register: of the challenge's training examples, by the key.
        announce: is told what is being done.

    Raises:
        Rejected: the restored log, or a file beside it, is damaged.
    """
    finished(restored, signer.verifier)
    rows, settled = rows_of(store, register), {*store.settled_records()}
    names = key.names(map(bytes, Salts.read(restored).contents))
    present = {name for name in names if name in settled}
    if not present:
        return Replayed(rows)
    forget = register.rows_of(present)
    split = Split("tombstones", 0, forget, np.delete(np.arange(len(challenge.train)), forget))
    method = methods.own_of(restored, signer.verifier)
    order = certify.Order(method, announce=announce)
    certificate = certify.delete(restored, replace(challenge, split=split), signer, order)
    store.note("replayed", f"{len(present)} records forgotten again by what came back from a backup")
    return Replayed(rows, len(present), certificate)
