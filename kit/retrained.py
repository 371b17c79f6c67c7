"""Shipped retrained models: run 0 of `retrain` on a challenge that takes long to train, so that nobody has to."""

from __future__ import annotations

from typing import Any

from kit import files, pretrained, runner
from kit.pretrained import Pretrained, Rebuilt
from kit.types import Challenge

SEED = 0


def load(challenge: Challenge) -> Pretrained | None:
    """Returns the weights of run 0 of `retrain` with seed 0 on this very split, or None where none are shipped.

    Raises:
        FailedRun: the file is missing or damaged.

    Example:
        >>> import kit
        >>> load(kit.load_challenge("digits")) is None  # takes a second to train
        True
    """
    entry = _entry(challenge)
    if entry is None:
        return None
    advice = "Restore it with 'git checkout data/pretrained', or install the kit again."
    return pretrained.read(challenge, files.data_folder() / entry["file"], entry["sha256"], advice)


def available(challenge: Challenge) -> bool:
    """Returns whether `load` gives a model."""
    return _entry(challenge) is not None


def _entry(challenge: Challenge) -> dict[str, Any] | None:
    entry = pretrained.registry().get(_key(challenge))
    identity = pretrained.fingerprint(challenge), challenge.split.sha256
    found = entry is not None and (entry["fingerprint"], entry["split_sha256"]) == identity
    return entry if found and challenge.precision == "float32" else None


def rebuild(challenge: Challenge, *, update_registry: bool = False) -> Rebuilt:
    """Makes run 0 of `retrain` and says whether it matches the recorded one (see `kit.pretrained.rebuild`)."""
    seed = runner.run_seed(SEED, "retrain", 0)
    # What the original's weights are is of no consequence: retraining draws its own.
    drawn = Pretrained(tuple(pretrained.build(challenge).get_weights()), "", files.cache_folder())
    checkpoint = pretrained.cached_path(challenge, "-retraining")
    worker = runner.Worker(challenge, drawn)
    unlearned = runner.unlearn("retrain", challenge, seed=seed, worker=worker, checkpoint=checkpoint)
    path = pretrained.cached_path(challenge, "-retrained")
    if update_registry:
        path = files.data_folder() / "pretrained" / f"{challenge.name}-retrained.npz"
    record = pretrained.store(challenge, unlearned.net.get_weights(), path, unlearned.seconds, seed)
    split = challenge.split
    record |= {"split": split.name, "split_seed": split.seed, "split_sha256": split.sha256}
    checkpoint.unlink(missing_ok=True)
    return pretrained.compared(_key(challenge), path, record, update_registry=update_registry)


def _key(challenge: Challenge) -> str:
    return f"retrained/{challenge.name}"
