"""Shipped oracles: what many retrained models say of each example, so that nobody has to retrain them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kit.engines import Engine
from kit.machine import environment
from kit.rules import RETRAIN
from kit.runs import choice, originals
from kit.runs.population import run_population
from kit.storage import files
from kit.submission.entry import Entry
from kit.types import PARTS, Challenge, FailedRun, Outputs

NUM_MODELS = 512


def load(challenge: Challenge) -> Outputs | None:
    """Returns the outputs of the retrained models that come with the kit, or None where they are of another split.

    An oracle serves one split hash of one challenge: data, architecture, recipe and forget set must be those that it
    was made with. Its `seconds` are those of the machine that made it.

    Args:
        challenge: whose retrained models are asked for.

    Raises:
        FailedRun: the file is missing, or its digest is not the recorded one.

    Example:
        >>> import kit
        >>> load(kit.load_challenge("noisy-digits")).num_models
        512
        >>> load(kit.load_challenge("noisy-digits", split_seed=1)) is None
        True
    """
    entry = originals.registry().get(_key(challenge))
    if entry is None or (entry["fingerprint"], entry["split_sha256"]) != _identity(challenge):
        return None
    path = files.data_folder() / entry["file"]
    try:
        stored = files.read_checked_npz(path, entry["sha256"])
    except (OSError, ValueError) as error:
        raise FailedRun(
            f"The oracle '{path}' is damaged or missing: {error}. Expected the file as it was shipped, whose sha256 is "
            f"{entry['sha256'][:16]}.... Restore it with 'git checkout data/oracles', install the kit again, or "
            "retrain with --fresh-oracle."
        ) from error
    shapes = {part: (len(stored["seeds"]), len(challenge.strata(part))) for part in PARTS}
    correct = {part: np.unpackbits(stored[f"correct_{part}"], count=int(np.prod(shapes[part]))) for part in PARTS}
    return Outputs(
        RETRAIN,
        {part: stored[f"confidences_{part}"] for part in PARTS},
        {part: correct[part].reshape(shapes[part]).astype(bool) for part in PARTS},
        {part: challenge.strata(part) for part in PARTS},
        stored["seconds"],
        stored["seeds"],
        {part: stored[f"logits_{part}"] for part in PARTS},
    )


def made_by(challenge: Challenge) -> dict[str, str]:
    """Returns engine, backend and device of the oracle that `load` returns.

    Args:
        challenge: for which `load` returns an oracle.

    Example:
        >>> import kit
        >>> made_by(kit.load_challenge("noisy-digits"))
        {'engine': 'processes', 'backend': 'tensorflow'}
    """
    recorded: dict[str, str] | None = originals.registry().get(_key(challenge), {}).get("made_by")
    # Before engines were recorded, there was but one backend.
    return recorded or {"engine": "processes", "backend": environment.TENSORFLOW}


def build(
    challenge: Challenge,
    *,
    num_models: int = NUM_MODELS,
    root: str | Path | None = None,
    engine: str | None = None,
    workers: int | None = None,
) -> Path:
    """Retrains `num_models` models and stores what they say in `data/oracles/` and the registry (for maintainers).

    Args:
        challenge: with the split that the oracle is to serve.
        num_models, root, engine, workers: as in `kit.run_population`.

    Returns:
        The path of the file.
    """
    chosen = choice.engine_for([Entry(RETRAIN)], engine, workers, num_models)
    retrained = run_population(RETRAIN, challenge, num_models=num_models, root=root, engine=chosen, workers=workers)
    arrays = {"seconds": retrained.seconds, "seeds": retrained.seeds}
    for part in PARTS:
        arrays[f"confidences_{part}"] = retrained.confidences[part]
        arrays[f"correct_{part}"] = np.packbits(retrained.correct[part])
        arrays[f"logits_{part}"] = retrained.logits[part]
    path = files.data_folder() / "oracles" / f"{challenge.name}.npz"
    files.write_npz(path, arrays)
    originals.register({_key(challenge): _record(challenge, retrained, path, chosen)})
    return path


def _key(challenge: Challenge) -> str:
    return f"oracles/{challenge.name}"


def _identity(challenge: Challenge) -> tuple[str, str]:
    return originals.fingerprint(challenge), challenge.split.sha256


def _record(challenge: Challenge, retrained: Outputs, path: Path, engine: str | Engine) -> dict[str, Any]:
    fingerprint, split_sha256 = _identity(challenge)
    backend = choice.backend_of(engine)
    made_by = choice.bits_of(engine) or {"engine": "processes", "backend": backend}
    return {
        "sha256": files.sha256_of(path),
        "bytes": path.stat().st_size,
        "fingerprint": fingerprint,
        "split": challenge.split.name,
        "split_seed": challenge.split.seed,
        "split_sha256": split_sha256,
        "num_models": retrained.num_models,
        "num_with_logits": len(retrained.logits["forget"]),
        "accuracies": {part: float(retrained.correct[part].mean()) for part in PARTS},
        "made_by": made_by,
        "versions": environment.versions(backend),
        "machine": environment.machine(),
        "file": f"oracles/{path.name}",
    }
