"""Stored retrained models: run 0 of `retrain`, shipped or built by `kit pretrain --retrained`, for single runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.machine import quiet
from kit.rules import RETRAIN
from kit.runs import originals
from kit.runs.originals import Pretrained, Rebuilt
from kit.runs.seeds import run_seed
from kit.storage import files
from kit.submission.entry import Entry
from kit.types import Challenge

SEED = 0


@dataclass(frozen=True)
class _Stored:
    path: Path
    sha256: str
    advice: str


def is_run(entry: Entry, seed: int, number: int) -> bool:
    """Returns whether a run of a population is the one that is stored.

    Args:
        entry: the method.
        seed: of the population.
        number: of the run, from 0.

    Example:
        >>> is_run(Entry("retrain"), 0, 0), is_run(Entry("retrain"), 0, 1)
        (True, False)
    """
    return entry == Entry(RETRAIN) and (seed, number) == (SEED, 0)


def load(challenge: Challenge) -> Pretrained | None:
    """Returns the weights of run 0 of `retrain` with seed 0 on this very split: shipped, else built here, else None.

    Args:
        challenge: what is retrained on.

    Raises:
        FailedRun: the file is missing or damaged.

    Example:
        >>> import kit
        >>> load(kit.load_challenge("noisy-digits", split_seed=103)) is None  # one takes a second to train
        True
    """
    stored = _stored(challenge)
    return None if stored is None else originals.read(challenge, stored.path, stored.sha256, stored.advice)


def available(challenge: Challenge) -> bool:
    """Returns whether `load` gives a model.

    Args:
        challenge: see `load`.
    """
    return digest(challenge) != ""


def digest(challenge: Challenge) -> str:
    """Returns the sha256 of the file that `load` reads, in hexadecimal; "" where there is none.

    Args:
        challenge: see `load`.
    """
    stored = _stored(challenge)
    return "" if stored is None else stored.sha256


def _stored(challenge: Challenge) -> _Stored | None:
    entry = originals.registry().get(_key(challenge))
    if challenge.precision == "float32" and entry is not None and _is_of(entry, challenge):
        advice = "Restore it with 'git checkout data/pretrained', or install the kit again."
        return _Stored(files.data_folder() / entry["file"], entry["sha256"], advice)
    path = _cached_path(challenge)
    record = path.with_suffix(".json")
    if not record.is_file():
        return None
    advice = f"Delete '{record}', and run 'kit pretrain {challenge.name} --retrained' again."
    facts = originals.read_record(path, advice)
    return _Stored(path, facts["sha256"], advice) if _is_of(facts, challenge) else None


def _is_of(record: Mapping[str, Any], challenge: Challenge) -> bool:
    recorded = record.get("fingerprint"), record.get("split_sha256")
    return recorded == (originals.fingerprint(challenge), challenge.split.sha256)


def _cached_path(challenge: Challenge) -> Path:
    return originals.cached_path(challenge, f"-retrained-{challenge.split.sha256[:8]}")


def rebuild(challenge: Challenge, *, update_registry: bool = False) -> Rebuilt:
    """Makes run 0 of `retrain` anew and compares it with the recorded one (see `kit.runs.originals.rebuild`).

    Args:
        challenge: what is retrained on.
        update_registry: record the new model instead (for maintainers).

    Returns:
        What was made, and the verdict in words.
    """
    quiet.load_tensorflow()
    from kit.runs.run import run_here
    from kit.runs.worker import Worker

    seed = run_seed(SEED, RETRAIN, 0)
    # What the original's weights are is of no consequence: retraining draws its own.
    original = Pretrained(tuple(originals.build(challenge).get_weights()), "", files.cache_folder(), challenge.model)
    checkpoint = originals.cached_path(challenge, "-retraining")
    worker = Worker(challenge, original)
    unlearned = run_here(Entry(RETRAIN), challenge, worker, seed=seed, checkpoint=checkpoint)
    path = _cached_path(challenge)
    if update_registry:
        path = files.data_folder() / "pretrained" / f"{challenge.name}-retrained.npz"
    split = challenge.split
    facts = {"split": split.name, "split_seed": split.seed, "split_sha256": split.sha256}
    record = originals.store(challenge, unlearned.net.get_weights(), path, unlearned.seconds, seed=seed, facts=facts)
    checkpoint.unlink(missing_ok=True)
    return originals.compared(_key(challenge), path, record, update_registry=update_registry)


def _key(challenge: Challenge) -> str:
    return f"retrained/{challenge.name}"
